/* SPDX-License-Identifier: Apache-2.0
 *
 * HS_PUBKEY records and reference key files (protocol.md §6.7): RSA, DSA, DH, SM2, EC, PEM text.
 *
 * Stored bytes are never rewritten; this reads them and builds OpenSSL keys from them. Keys are
 * EVP_PKEY, freed by the caller with EVP_PKEY_free.
 */
#pragma once

#include <openssl/types.h>

#include "protocol/bytes.h"
#include "protocol/status.h"
#include "protocol/wire.h"

enum pubkey_kind {
    PUBKEY_RSA,
    PUBKEY_DSA,
    PUBKEY_DH,
    PUBKEY_SM2,     /* SM2_PUB_KEY with PEM or DER inside */
    PUBKEY_SM9,     /* identity text; stored and returned untouched */
    PUBKEY_EC,      /* local extra: EC_PUB_KEY with DER SubjectPublicKeyInfo (NIST curves) */
    PUBKEY_PEM,     /* nothing but PEM text */
    PUBKEY_UNKNOWN, /* well-formed `string type ‖ flags ‖ ...` of a type we do not know */
};

/* The fields as encoded; which are used depends on the kind (RSA: exponent, modulus; DSA: q, p, g,
 * y; DH: y, p, g; SM2, EC: spki; SM9: identity). */
struct pubkey {
    enum pubkey_kind kind;
    struct bytes type; /* "RSA_PUB_KEY"; empty for bare PEM */
    uint16_t flags;
    struct bytes fields[4]; /* in encoding order */
    size_t field_count;
    struct bytes trailer; /* RSA: 0 or more zero bytes, 4 from the reference server */
};

/* INVALID_VALUE when the bytes are no key record. */
enum status pubkey_decode(struct bytes data, struct pubkey *out_key);
void pubkey_encode(struct wire_writer *w, const struct pubkey *key);

/* Bounds of protocol.md §14 row 51 and a key OpenSSL accepts; INVALID_VALUE with the reason.
 * NOT_SUPPORTED for SM9 and unknown types. */
enum status pubkey_to_evp(const struct pubkey *key, EVP_PKEY **out_key);

/* The HS_PUBKEY record of a key: RSA with leading 00 and four zero bytes at the end, DSA, DH; SM2
 * and EC as PEM inside their record. NOT_SUPPORTED for other key types. */
enum status pubkey_from_evp(const EVP_PKEY *key, struct wire_writer *w);

/* Judges a value's data before it is stored. */
enum status pubkey_check(struct bytes data, struct fault *fault);

/* Private key records without container word: RSA_PRIV_KEY, RSA_PRIVCRT_KEY, DSA_PRIV_KEY; and the
 * container with encryption 1 (none). Encrypted containers come with the key commands. */
enum status pubkey_private_to_evp(struct bytes data, EVP_PKEY **out_key);
