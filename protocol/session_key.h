/* SPDX-License-Identifier: Apache-2.0
 *
 * How two sides come to a session key: Diffie-Hellman in the client's group (mode 4), and a key
 * sealed to an RSA key (modes 1 and 3); protocol.md §5.11, from version 2.4 on.
 *
 * Thread-safe: no state. Secrets are cleansed but for what is handed out: call session_key_cleanse.
 * Pairs are EVP_PKEY, freed by the caller with EVP_PKEY_free. OpenSSL's error queue is left as
 * found.
 */
#pragma once

#include "protocol/pubkey.h"

#define SESSION_KEY_MAX 32           /* bytes */
#define SESSION_KEY_DH_BITS_MIN 1024 /* of p; the stock client's group has as many */
#define SESSION_KEY_DH_BITS_MAX 4096
#define SESSION_KEY_RSA_BITS_MIN 1024

/* Codes on the wire. */
enum session_algorithm {
    SESSION_DES = 1, /* derived for comparison, never used: see session_cipher.h */
    SESSION_DESEDE = 2,
    SESSION_AES = 3,
    SESSION_SM4 = 4, /* national, sealed only */
};

struct session_key {
    enum session_algorithm algorithm;
    uint8_t data[SESSION_KEY_MAX];
    size_t len; /* MACs take all of it, ciphers their part */
};

void session_key_cleanse(struct session_key *key);

/* A pair in the group of p and g. INVALID_SESSION_SETUP: p is even, composite, below 1024 or above
 * 4096 bits, or g not in [2, p-2] (§14 rows 58, 59). Costs up to seven exponentiations modulo p,
 * and agreeing one: not for a thread that resolutions wait for. */
enum status session_key_pair_new(struct bytes p, struct bytes g, EVP_PKEY **out_pair);

/* The key both sides come to. INVALID_SESSION_SETUP: the peer's record is no DH key, of another
 * group than our pair, or its y not in [2, p-2]. NOT_SUPPORTED: an algorithm without a derivation
 * (SM4, unknown ones). */
enum status session_key_agree(EVP_PKEY *pair, const struct pubkey *peer,
                              enum session_algorithm algorithm, struct session_key *out_key);

/* The key of a shared secret as long as p, leading zeros and all: AES drops them while more than 32
 * bytes are left and takes 32; DESede and DES take the first 24 or 8 as they are and make each
 * byte's parity odd (V23). INVALID_SESSION_SETUP: shorter than 32 bytes. */
enum status session_key_derive(struct bytes secret, enum session_algorithm algorithm,
                               struct session_key *out_key);

/* Data of the answer of mode 4: int4 algorithm ‖ DH_PUB_KEY record. */
enum status session_key_dh_encode(enum session_algorithm algorithm, const EVP_PKEY *pair,
                                  struct wire_writer *w);
enum status session_key_dh_decode(struct bytes data, enum session_algorithm *out_algorithm,
                                  struct pubkey *out_peer);

/* A random key as modes 1 and 3 have it: 16 bytes for AES and SM4, 24 with odd parity for DESede.
 * NOT_SUPPORTED for others. */
enum status session_key_random(enum session_algorithm algorithm, struct session_key *out_key);

/* Data of the answer of modes 1 and 3: int4 algorithm ‖ key, encrypted by RSA PKCS #1 v1.5 to the
 * client's key. NEED_RSA_KEY: it is none, or below 1024 bits. */
enum status session_key_seal(EVP_PKEY *peer, const struct session_key *key, struct wire_writer *w);

/* Opens it with our private key. A bare key of 16, 24 or 32 bytes is understood too (§5.12).
 *
 * Whatever the plain text turns out to be, the answer is OK and a key: where padding, algorithm or
 * length are wrong, a random AES key that no message will ever fit, so that nothing tells an
 * attacker how his cipher text was padded (§14 row 60). INVALID_SESSION_KEY: its length is not that
 * of the modulus, or its number not below it, which everybody can see. NEED_RSA_KEY as above. */
enum status session_key_unseal(EVP_PKEY *own, struct bytes sealed, struct session_key *out_key);
