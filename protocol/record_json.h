/* SPDX-License-Identifier: Apache-2.0
 *
 * Records and values as JSON, both ways (protocol.md §9.4, §9.5; decisions.md "Formats").
 *
 *   {"handle":"88.608.8889/P-1","values":[{"index":1,"type":"URL","data":{"format":"string",
 *     "value":"https://…"},"ttl":86400,"timestamp":"2026-11-21T00:00:00Z"}]}
 *
 * Decoding is strict about what it understands (fault names the member) and ignores members it
 * does not know. Decoded bytes live in the arena.
 */
#pragma once

#include <jansson.h>

#include "protocol/arena.h"
#include "protocol/value.h"

enum record_json_option {
    RECORD_JSON_HEX = 1,         /* binary data as hex instead of base64 */
    RECORD_JSON_PERMISSIONS = 2, /* write permissions always, not only when they differ */
};

/* Defaults: ttl 86400 relative, permissions 1110, timestamp `now_s`; a timestamp given is kept.
 * BAD_SYNTAX (shape), INVALID_VALUE (data), each with the member in `fault`; NO_MEMORY. */
enum status record_json_decode(const json_t *object, struct arena *arena, uint32_t now_s,
                               struct record *out_record, struct fault *fault);

/* The same for a line of text: rejects duplicate keys, depth, lone surrogates (§14 row 72). */
enum status record_json_parse(struct bytes text, struct arena *arena, uint32_t now_s,
                              struct record *out_record, struct fault *fault);

enum status value_json_decode(const json_t *object, struct arena *arena, uint32_t now_s,
                              struct value *out_value, struct fault *fault);

/* New references, NULL when memory is out. Data that claims a format but does not decode is
 * written as base64 (or hex), so that every stored value can be shown and read back. */
json_t *record_json_encode(const struct record *record, unsigned options);
json_t *value_json_encode(const struct value *value, unsigned options);

/* Text a person can read and JSON brings back: UTF-8 without control characters but tab, newline.
 * Data of such a value is shown as a string. */
bool record_json_is_text(struct bytes data);

/* A document of ours: no key twice, not nested deeper than a record can be (§14 row 72). A new
 * reference; NULL: BAD_SYNTAX, said in `fault`, where the text ends or goes wrong. */
json_t *record_json_load(struct bytes text, struct fault *fault);

/* HS_SITE <-> the `site` object: what `init --site FILE` reads and GET site info shows. */
json_t *site_json_encode(struct bytes site_data);
enum status site_json_decode(const json_t *object, struct arena *arena, struct bytes *out_site_data,
                             struct fault *fault);

/* HS_PUBKEY <-> JWK (§9.5). NULL / NOT_SUPPORTED for keys without a JWK form. */
json_t *key_json_encode(struct bytes key_data);
enum status key_json_decode(const json_t *jwk, struct arena *arena, struct bytes *out_key_data,
                            struct fault *fault);
