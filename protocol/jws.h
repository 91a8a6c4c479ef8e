/* SPDX-License-Identifier: Apache-2.0
 *
 * HS_SIGNATURE and HS_CERT data: JWS compact serialisation and its claims (protocol.md §6.8).
 *
 * Only structure here; following a chain needs other records and belongs to the resolver.
 */
#pragma once

#include <jansson.h>

#include "protocol/arena.h"
#include "protocol/status.h"
#include "protocol/value.h"

struct jws {
    struct bytes signed_part; /* b64url(header) '.' b64url(payload), as it stands */
    struct bytes header;      /* decoded JSON text */
    struct bytes payload;     /* decoded JSON text */
    struct bytes signature;   /* decoded */
    struct bytes algorithm;   /* "RS256", "DS256", "DS160", "SM2SM3", "SM2256", ... */
};

/* INVALID_VALUE when it is not three base64url parts with JSON objects in the first two. */
enum status jws_decode(struct bytes data, struct arena *arena, struct jws *out_jws);

/* `signed_part` '.' b64url(signature): the same bytes `jws_decode` read. */
enum status jws_encode(const struct jws *jws, struct wire_writer *w);

struct jws_value_digest {
    uint32_t index;
    uint8_t digest[32];
};

#define JWS_PERMISSIONS_MAX 256 /* of one certificate */
#define JWS_CHAIN_MAX 64        /* references to certificates */

/* What a certificate lets its subject sign; names as in `perm`. */
enum jws_perm {
    JWS_EVERYTHING,
    JWS_THIS_HANDLE,
    JWS_DERIVED_PREFIXES,
    JWS_HANDLES_UNDER_THIS_PREFIX,
};

struct jws_permission {
    enum jws_perm perm;
    struct bytes handle; /* none with EVERYTHING; of prefixes 0.NA/<prefix> */
    bool may_certify;    /* "ca": absent is true */
};

struct jws_claims {
    struct bytes issuer; /* "index:handle" */
    struct bytes subject;
    int64_t issued_at, not_before, expires; /* seconds since 1970, 0 when absent */
    struct bytes digest_algorithm;          /* HS_SIGNATURE: "SHA-256" */
    struct jws_value_digest *digests;       /* HS_SIGNATURE */
    size_t digest_count;
    struct bytes public_key_json; /* HS_CERT: the JWK as JSON text */
    struct bytes *chain;          /* "index:handle", up to the root */
    size_t chain_count;
    struct jws_permission *permissions; /* HS_CERT; those of kinds nobody knows are left out */
    size_t permission_count;
};

/* Reads the claims of either kind; unknown ones are left alone. INVALID_VALUE: one of ours is not
 * what it has to be, or a list is longer than its bound. */
enum status jws_claims_decode(const struct jws *jws, struct arena *arena,
                              struct jws_claims *out_claims);

/* "everything", "thisHandle", ...; false: a kind nobody knows. */
bool jws_perm_parse(struct bytes text, enum jws_perm *out_perm);
const char *jws_perm_text(enum jws_perm perm);

/* SHA-256 over a value's encoding from byte 8 on (ttl type onward; vector V22). */
enum status jws_value_digest(const struct value *value, uint8_t out_digest[32]);
