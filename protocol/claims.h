/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules by which HS_SIGNATURE and HS_CERT are believed (protocol.md §6.8): who signed, when it
 * holds, which values it covers, what a certificate lets its subject sign.
 *
 * Pure functions: keys, values and the time are passed in. Following a chain is chain.h.
 */
#pragma once

#include <openssl/types.h>

#include "protocol/jws.h"

/* Why one JWS is not believed. */
enum claims_flaw {
    CLAIMS_FLAWLESS,
    CLAIMS_MALFORMED,         /* no JWS, claims missing or not what they have to be */
    CLAIMS_NOT_YET,           /* before nbf */
    CLAIMS_EXPIRED,           /* after exp */
    CLAIMS_WRONG_SUBJECT,     /* it is about another handle */
    CLAIMS_UNKNOWN_DIGEST,    /* digests of a kind we do not compute */
    CLAIMS_UNKNOWN_ALGORITHM, /* signed in a way we do not check */
    CLAIMS_WEAK_KEY,          /* the signer's key is no obstacle any more */
    CLAIMS_BAD_SIGNATURE,
    CLAIMS_NOT_PERMITTED, /* its issuer may not sign this, or not give this permission */
};

/* "index:handle" of `iss` or `sub`. */
struct claims_identity {
    uint32_t index; /* 0: none was given */
    struct bytes handle;
};

/* False: it is not there, or is none. */
bool claims_identity_parse(struct bytes text, struct claims_identity *out_identity);

/* The same identity: handles as spelled but for ASCII case, an index not given fits any. */
bool claims_identity_is(const struct claims_identity *a, const struct claims_identity *b);

/* Bounds included, as the national SDK judges; times not given bind nothing. */
enum claims_flaw claims_judge_times(const struct jws_claims *claims, int64_t now_s);

/* Is it about `handle`? A signature's `sub` is a handle, or index:handle. */
bool claims_is_about(const struct jws_claims *claims, struct bytes handle);

/* RSA and DSA of 1 024 bits and more: 80 bits of security. */
bool claims_key_is_strong(const EVP_PKEY *key);

/* RS256, DS256 and the national SM2SM3 and SM2256 (§12.6) with a key of that kind: user id
 * 1234567812345678, DER. Other names and kinds of key: UNKNOWN_ALGORITHM. NO_MEMORY or ERROR in
 * `out_status` say that nothing was judged. */
enum claims_flaw claims_check_signature(const struct jws *jws, EVP_PKEY *key,
                                        enum status *out_status);

/* The key of a certificate; INVALID_VALUE: there is none, or no usable one; NO_MEMORY. */
enum status claims_key(const struct jws_claims *claims, struct arena *arena, EVP_PKEY **out_key);

/* May the subject of a certificate with these permissions sign the values of `handle`? */
bool claims_permit_handle(const struct jws_claims *certificate, struct bytes handle);

/* Does it hold everything that the other one gives, with the right to give it? */
bool claims_permit_certificate(const struct jws_claims *certificate,
                               const struct jws_claims *issued);

enum claims_digest { CLAIMS_SHA256, CLAIMS_SM3 };

/* "SHA-256", "SM3", whatever their case and punctuation. */
bool claims_digest_parse(struct bytes name, enum claims_digest *out_digest);
const char *claims_digest_name(enum claims_digest digest);

/* Over a value's encoding from byte 8 on. */
enum status claims_digest_value(enum claims_digest digest, const struct value *value,
                                uint8_t out[32]);

/* How a value stands to the digests of a signature. */
enum claims_cover { CLAIMS_UNCOVERED, CLAIMS_COVERED, CLAIMS_ALTERED };
enum status claims_cover(const struct jws_claims *claims, enum claims_digest digest,
                         const struct value *value, enum claims_cover *out_cover);
