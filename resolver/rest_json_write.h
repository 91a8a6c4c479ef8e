/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON of the fixed shape that resolutions are answered with (protocol.md §9.3, §9.4), written
 * straight from values as they are stored: no tree, no heap.
 *
 * It says what record_json_encode says, member by member; a test holds them together. The text
 * grows in the arena of the run and is lost with it. No thread rules.
 */
#pragma once

#include "protocol/arena.h"
#include "protocol/text.h"
#include "protocol/value.h"

struct rest_json {
    struct arena *arena;
    uint8_t *data;
    size_t len;
    size_t size;
    bool failed;   /* the arena is full: nothing of it is to be used */
    uint32_t time; /* `time_text` says this moment: values of a record often share it */
    char time_text[TEXT_TIME_LEN];
};

/* `size`: what is expected; it grows by itself. */
struct rest_json rest_json_new(struct arena *arena, size_t size);

/* What was written; none after a failure. */
struct bytes rest_json_wrote(const struct rest_json *json);

void rest_json_raw(struct rest_json *json, struct bytes bytes);
#define REST_JSON_RAW(json, text) rest_json_raw((json), BYTES_LITERAL(text))

/* A JSON text. Bytes that are not UTF-8 are written as "\x" and hex digits, as files carry them. */
void rest_json_text(struct rest_json *json, struct bytes text);
void rest_json_number(struct rest_json *json, uint64_t number);

void rest_json_value(struct rest_json *json, const struct value *value);

/* Room that a record's JSON rarely exceeds. */
size_t rest_json_expected(size_t stored_len, size_t value_count);

/* The same document with line breaks and two blanks a level, as the reference server has it. */
struct rest_json rest_json_indented(struct arena *arena, struct bytes compact);
