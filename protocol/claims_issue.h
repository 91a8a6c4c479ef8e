/* SPDX-License-Identifier: Apache-2.0
 *
 * Making HS_SIGNATURE and HS_CERT data with a key of ours (protocol.md §6.8): claims as JSON, then
 * JWS in compact form, RS256, DS256 or SM2SM3 by the kind of key.
 *
 * Pure but for the randomness of DSA and SM2 signatures; results live in the arena.
 */
#pragma once

#include "protocol/claims.h"

/* What both kinds claim. */
struct claims_terms {
    struct bytes issuer;  /* index:handle */
    struct bytes subject; /* of a signature the handle, of a certificate index:handle */
    int64_t issued_at, not_before, expires; /* seconds since 1970; 0: not said */
    const struct bytes *chain;              /* certificates above, nearest first */
    size_t chain_count;
};

/* Covers these values. NOT_SUPPORTED: no JWS is signed with such a key; NO_MEMORY; ERROR. */
enum status claims_issue_signature(EVP_PKEY *key, const struct claims_terms *terms,
                                   enum claims_digest digest, const struct record *covered,
                                   struct arena *arena, struct bytes *out_data);

/* What a certificate says of its subject. */
struct claims_grant {
    struct bytes subject_key; /* HS_PUBKEY data */
    const struct jws_permission *permissions;
    size_t permission_count;
};

/* NOT_SUPPORTED: also when the subject's key has no JWK form. */
enum status claims_issue_certificate(EVP_PKEY *key, const struct claims_terms *terms,
                                     const struct claims_grant *grant, struct arena *arena,
                                     struct bytes *out_data);
