/* SPDX-License-Identifier: Apache-2.0
 *
 * Public-key signatures: answers to challenges (HS_PUBKEY, protocol.md §7.6, §12.6) and whole
 * messages (HS_SIGNED, §4.5, §4.6, §7.8); RSA PKCS #1 v1.5, DSA, ECDSA and SM2 by OpenSSL's default
 * provider.
 *
 * Thread-safe: no state; keys are borrowed and not changed; OpenSSL's error queue is left as found.
 * A signature that does not verify, for whatever reason, is AUTHENTICATION_FAILED; only NO_MEMORY
 * and ERROR say that nothing was judged. MD5 is refused everywhere.
 */
#pragma once

#include <openssl/types.h>

#include "protocol/message.h"

#define SIGNATURE_MAX 2048 /* bytes of RSA with 16 384 bits, the largest of all (§14 row 51) */
#define SIGNATURE_PREFIX_MAX 16 /* bytes */
#define SIGNATURE_NAME_HS_SIGNED "HS_SIGNED"
#define SIGNATURE_SM2_ID "1234567812345678" /* the user id of SM2 where nobody names one */

enum signature_hash {
    SIGNATURE_SHA1,
    SIGNATURE_SHA256,
    SIGNATURE_SM3,
};

/* The name has these letters and digits (upper case) and at most punctuation besides: algorithm
 * names are written "SHA-256", "sha256", "SHA_256" (§13 row 39). */
bool signature_name_is(struct bytes name, const char *letters);

/* "SHA1", "sha-256", "SM3", whatever the case and punctuation, or one byte 02 or 03;
 * false for everything else, MD5 included. */
bool signature_hash_parse(struct bytes name, enum signature_hash *out_hash);

/* As it is written: "SHA1", "SHA-256", "SM3". */
struct bytes signature_hash_name(enum signature_hash hash);

/* What a signer takes for a peer of this version: SM3 for SM2; SHA-256 for EC; SHA-256 from 2.7
 * (RSA) or 2.11 (DSA), SHA-1 below (§4.6, §7.6). */
enum signature_hash signature_hash_for(const EVP_PKEY *key, struct message_version version);

/* How a key signs: what goes into every call below. */
struct signature_scheme {
    EVP_PKEY *key;
    enum signature_hash hash;
    struct bytes sm2_id; /* user id; SM2 keys only, and theirs must not be empty */
};

/* Signs first ‖ second and appends the bare signature (RSA: as long as the modulus; else DER).
 * NOT_SUPPORTED: the key cannot sign, or not with this hash (SM2 and SM3 only go together).
 * NO_ROOM: `w` is full. */
enum status signature_make(const struct signature_scheme *scheme, struct bytes first,
                           struct bytes second, struct wire_writer *w);

/* DER has to be strict, r and s positive (§14 row 52). */
enum status signature_check(const struct signature_scheme *scheme, struct bytes first,
                            struct bytes second, struct bytes signature);

/* What an answer signs: the challenge's nonce ‖ the digest it carried, without its code. With SM2
 * the user handle, spelled as in the answer, is the user id, and SM3 of both is what is signed. */
struct signature_challenge {
    struct bytes user_handle;
    struct bytes nonce;
    struct bytes digest;
};

/* Appends the signed response: bytes(hash name) ‖ bytes(signature). `version` is the challenge's.
 */
enum status signature_answer_make(EVP_PKEY *key, struct message_version version,
                                  const struct signature_challenge *challenge,
                                  struct wire_writer *w);

/* The stored spelling of a handle is another user id: a caller may try both (§13 row 37). */
enum status signature_answer_check(EVP_PKEY *key, const struct signature_challenge *challenge,
                                   struct bytes signed_response);

/* What stands before header ‖ body when signed or MACed from version 2.7 on: 14 bytes at 2.7, 16
 * above; the bytes are in `out`, their number is returned. Below 2.7 there is nothing to be had
 * here: none at all, or the defective forms of 2.5 and 2.6. */
size_t signature_prefix(const struct envelope *envelope, uint32_t counter,
                        uint8_t out[SIGNATURE_PREFIX_MAX]);

/* The HS_SIGNED credential of a message with this envelope; `digested` is its header ‖ body as they
 * will travel, body length filled in; `counter` is 0 outside sessions. The signature lies in `w`
 * and is borrowed from there. NOT_SUPPORTED: version 2.6, whose form is defective (decisions), and
 * SM2 keys, for which no source defines one. */
enum status signature_message_make(EVP_PKEY *key, const struct envelope *envelope, uint32_t counter,
                                   struct bytes digested, struct wire_writer *w,
                                   struct credential *out_credential);

/* INVALID_CREDENTIAL: there is no HS_SIGNED credential. NOT_SUPPORTED as above. */
enum status signature_message_check(EVP_PKEY *key, const struct message *message);
