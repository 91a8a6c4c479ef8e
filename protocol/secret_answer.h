/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers to challenges by secret key (HS_SECKEY): all forms of protocol.md §7.5.
 *
 * Thread-safe: no state. Secrets are borrowed; what is derived from them is cleansed, and compared
 * in constant time. OpenSSL's error queue is left as found.
 *
 * A form with PBKDF2 costs what the client asks for, up to SECRET_ANSWER_ITERATIONS_MAX rounds,
 * and twice that for a secret with bytes from 80 on: not for a thread that resolutions wait for.
 */
#pragma once

#include "protocol/message.h"

#define SECRET_ANSWER_MAX 128 /* bytes of the longest signed response that is accepted */
#define SECRET_ANSWER_SALT_LEN 16
#define SECRET_ANSWER_SALT_MAX 64
#define SECRET_ANSWER_ITERATIONS 10000
#define SECRET_ANSWER_ITERATIONS_MAX 1000000
#define SECRET_ANSWER_KEY_BITS 160
/* Whoever picks a derived key of 8 bits need not know the secret: one guess in 256 is right. */
#define SECRET_ANSWER_KEY_BITS_MIN 128
#define SECRET_ANSWER_KEY_BITS_MAX 512

/* The code in front of an answer. */
enum secret_form {
    SECRET_MD5_BARE = 0x00, /* MD5(K ‖ M ‖ K), no code: below 2.1 */
    SECRET_MD5 = 0x01,
    SECRET_SHA1 = 0x02, /* 2.1 to 2.6 */
    SECRET_SHA256 = 0x03,
    SECRET_HMAC_SHA1 = 0x12, /* HMAC(K, M) */
    SECRET_HMAC_SHA256 = 0x13,
    SECRET_PBKDF2 = 0x22, /* HMAC-SHA1(PBKDF2-HMAC-SHA1(K), M): from 2.7 on */
};

/* M = nonce ‖ digest; the digest without its code. */
struct secret_challenge {
    struct bytes nonce;
    struct bytes digest;
};

/* The form a client takes; `version` is the lower of the challenge's own and suggested one. */
enum secret_form secret_answer_form(struct message_version version);

/* Appends the signed response. `salt`: random, SECRET_ANSWER_SALT_LEN bytes, used by PBKDF2 only.
 * The secret's bytes count one by one as characters, as the reference client has it: PBKDF2 takes
 * their UTF-8 form. ERROR: not one of the forms, or the library refuses (MD5 under FIPS). NO_ROOM:
 * `w` is full. */
enum status secret_answer_make(enum secret_form form, struct bytes secret,
                               const struct secret_challenge *challenge,
                               const uint8_t salt[SECRET_ANSWER_SALT_LEN], struct wire_writer *w);

/* AUTHENTICATION_FAILED: wrong, not an answer at all, an empty secret, or beyond the bounds above
 * (§14 row 56; nothing is computed then). Whoever refuses MD5 (§13 row 15) looks at
 * body_mac_decode's `form` first. */
enum status secret_answer_check(struct bytes secret, const struct secret_challenge *challenge,
                                struct bytes signed_response);
