/* SPDX-License-Identifier: Apache-2.0
 *
 * From the HS_SIGNATURE values of a record up to a trusted root: which values are covered by whom
 * (protocol.md §6.8).
 *
 * No I/O: where the record of an issuer is needed the chain stops and says which; whoever runs it
 * looks it up and goes on. Everything is bounded: signatures, certificates of a chain, look-ups. A
 * chain belongs to one thread at a time and lives in its arena.
 */
#pragma once

#include "protocol/claims.h"

#define CHAIN_CERTIFICATES_MAX 8 /* of one signature */
#define CHAIN_SIGNATURES_MAX 8   /* of one record; further ones are not looked at */
#define CHAIN_LOOKUPS_MAX 16     /* of one record */
#define CHAIN_CANDIDATES_MAX 4   /* certificates of one record tried for one issuer */

/* A key that is believed without a certificate. */
struct chain_root {
    struct bytes handle; /* whose it is; none: any issuer's whose signatures it fits */
    EVP_PKEY *key;
};

struct chain_roots {
    const struct chain_root *roots;
    size_t count;
};

enum chain_verdict {
    CHAIN_TRUSTED,
    CHAIN_FLAWED,         /* the last link says why */
    CHAIN_NO_CERTIFICATE, /* its last issuer has none that says so */
    CHAIN_UNREACHABLE,    /* the last issuer's record could not be had now */
    CHAIN_NO_ROOT,        /* it ends in a certificate that vouches for itself and is no root */
    CHAIN_LOOP,
    CHAIN_TOO_LONG,
    CHAIN_TOO_COSTLY, /* too many look-ups */
};

/* One JWS on the way: the signature, then a certificate each. */
struct chain_link {
    struct bytes algorithm;
    struct bytes issuer;
    struct bytes subject;
    int64_t not_before, expires; /* seconds since 1970; 0: none */
    enum claims_flaw flaw;
};

struct chain_signature {
    uint32_t index; /* of the HS_SIGNATURE */
    enum chain_verdict verdict;
    struct chain_link links[CHAIN_CERTIFICATES_MAX + 1];
    size_t link_count;
    const struct chain_root *root; /* that it ends at, when trusted */
    struct bytes digest;           /* the name of its digests */
    enum claims_cover *covers;     /* of every value of the record */
    uint32_t *absent;              /* indexes it covers that were not given: hidden, or removed */
    size_t absent_count;
};

struct chain {
    struct chain_signature *signatures;
    size_t signature_count;

    /* PENDING: the record whose values are needed; index 0: any certificate about the issuer. */
    struct claims_identity wanted;

    /* inside of chain.c */
    const struct chain_roots *roots;
    struct arena *arena;
    int64_t now_s;
    struct bytes handle;
    const struct value *values;
    size_t count;
    size_t at; /* the signature being followed */
    struct jws jws;
    struct jws_claims claims;
    struct claims_identity issuer;
    const struct bytes *ahead; /* certificates that a link named for the issuers above it */
    size_t ahead_count;
    size_t lookups;
};

struct chain_options {
    const struct chain_roots *roots;
    struct arena *arena;
    int64_t now_s;
};

/* All of it is borrowed until the chain is over. OK: it is over; PENDING: look `wanted` up, then
 * chain_supply; NO_MEMORY, ERROR. */
enum status chain_begin(struct chain *chain, const struct chain_options *options,
                        const struct record *record);

/* `found` is OK with the values (needed until it returns), HANDLE_NOT_FOUND or VALUES_NOT_FOUND;
 * anything else: it could not be had. As chain_begin. */
enum status chain_supply(struct chain *chain, enum status found, const struct value *values,
                         size_t count);

/* Is value number `at` of the record covered by a signature that is trusted? */
bool chain_covers(const struct chain *chain, size_t at);

/* How long what was found may be believed: the first end of a link that counted, INT64_MAX: for
 * ever. */
int64_t chain_expires(const struct chain *chain);

/* Was something left open that another try may find? */
bool chain_is_passing(const struct chain *chain);
