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
};

/* Reads the claims of either kind; unknown ones are left alone. */
enum status jws_claims_decode(const struct jws *jws, struct arena *arena,
                              struct jws_claims *out_claims);

/* SHA-256 over a value's encoding from byte 8 on (ttl type onward; vector V22). */
enum status jws_value_digest(const struct value *value, uint8_t out_digest[32]);
