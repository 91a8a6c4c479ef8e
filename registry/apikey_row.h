/* SPDX-License-Identifier: Apache-2.0
 *
 * API keys: what a program that knows one may do, and in whose name (layout in keys.h).
 *
 * A key's secret is not kept, only HMAC-SHA-256 of it under a key derived from the node's
 * commitment key: whoever reads the store cannot use a key, nor try guesses without keys/. Rows are
 * never removed: a revoked key stays, so that its id means the same for ever. Decoding trusts
 * nothing; what it hands out is borrowed from the row. Pure.
 */
#pragma once

#include "registry/keys.h"

#define APIKEY_ID_LEN 12 /* of [0-9a-z] */
#define APIKEY_SECRET_LEN 32
#define APIKEY_MAC_LEN 32
#define APIKEY_LIST_MAX 32 /* prefixes; networks */
#define APIKEY_NOTE_MAX 200
#define APIKEY_CONTENT_MAX 16384
#define APIKEY_ROW_MAX (32 + APIKEY_CONTENT_MAX)

enum apikey_verb {
    APIKEY_READ = 1,
    APIKEY_CREATE = 2,
    APIKEY_CHANGE = 4,
    APIKEY_DELETE = 8,
    APIKEY_LIST = 16,
};
#define APIKEY_VERBS 31u

enum apikey_state { APIKEY_ACTIVE = 1, APIKEY_REVOKED = 2 };

struct apikey_row {
    struct bytes id;
    uint64_t version;
    uint64_t position; /* in the journal */
    int64_t created_ms;
    enum apikey_state state;
    uint32_t verbs;     /* enum apikey_verb */
    int64_t expires_ms; /* 0: never */
    struct bytes mac;   /* APIKEY_MAC_LEN, of the secret */
    struct reference identity;
    struct bytes enterprise;
    struct bytes note;
    uint32_t prefix_count; /* at least one */
    struct bytes prefixes; /* encoded strings, upper case; each stands for all below it, too */
    uint32_t network_count;
    struct bytes networks; /* encoded strings, "10.1.0.0/16"; none: from everywhere */
};

/* CORRUPT. */
enum status apikey_row_decode(struct bytes key, struct bytes row, struct apikey_row *out_row);

/* A row of this content, id its key; version, position and time are filled in by apikey_row_seal.
 */
void apikey_row_encode(struct wire_writer *w, struct bytes content);
void apikey_row_seal(struct bytes key, uint8_t *row, size_t len, const struct apikey_row *facts);

/* What the row says beside when and where it was written: what is digested, compared and sent. */
void apikey_row_content(struct wire_writer *w, const struct apikey_row *row);

/* INVALID_VALUE with the reason in `fault` (may be NULL). */
enum status apikey_row_read_content(struct bytes content, struct apikey_row *out_row,
                                    struct fault *fault);

/* [0-9a-z]{12} */
bool apikey_row_is_id(struct bytes id);

/* HMAC of id and secret: what a row keeps. `commitment_key` has 32 bytes; ERROR. */
enum status apikey_row_mac(struct bytes commitment_key, struct bytes id, struct bytes secret,
                           uint8_t out[APIKEY_MAC_LEN]);
