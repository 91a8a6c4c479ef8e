/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads tests/vectors: files of hex lines, and derived.txt by name.
 *
 * For test programs only: what cannot be read fails the test. Memory comes from an arena.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocol/arena.h"
#include "protocol/message.h"
#include "protocol/text.h"
#include "protocol/wire.h"

/* Memory that is there. */
static inline uint8_t *vectors_room(struct arena *arena, size_t len)
{
    uint8_t *room = arena_alloc(arena, len);
    if (room == NULL) {
        abort();
    }
    return room;
}

/* All of a file below tests/vectors. */
static inline struct bytes vectors_file(struct arena *arena, const char *name)
{
    char path[1024];
    (void)snprintf(path, sizeof(path), "%s/%s", TEST_VECTORS, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fail_msg("%s cannot be opened", path);
    }
    (void)fseek(file, 0, SEEK_END);
    long size = ftell(file);
    assert_true(size >= 0);
    rewind(file);
    uint8_t *data = arena_alloc(arena, (size_t)size + 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, (size_t)size, file), size);
    (void)fclose(file);
    return bytes_of(data, (size_t)size);
}

/* Steps through lines without their ends; false behind the last. */
static inline bool vectors_next_line(struct bytes *rest, struct bytes *out_line)
{
    if (rest->len == 0) {
        return false;
    }
    const uint8_t *end = memchr(rest->data, '\n', rest->len);
    size_t len = end == NULL ? rest->len : (size_t)(end - rest->data);
    *out_line = bytes_of(rest->data, len);
    *rest = bytes_from(*rest, len + 1);
    return true;
}

static inline struct bytes vectors_hex(struct arena *arena, struct bytes text)
{
    struct bytes data = BYTES_NONE;
    assert_int_equal(text_hex_parse(text, arena, &data), STATUS_OK);
    return data;
}

/* The vector of this name in derived.txt: vectors_get(arena, "V1.message"). */
static inline struct bytes vectors_get(struct arena *arena, const char *name)
{
    struct bytes rest = vectors_file(arena, "derived.txt");
    struct bytes wanted = bytes_of_text(name);
    struct bytes line;
    while (vectors_next_line(&rest, &line)) {
        struct bytes tail = bytes_from(line, wanted.len);
        if (bytes_start_with(line, wanted) && bytes_start_with(tail, BYTES_LITERAL(" = "))) {
            return vectors_hex(arena, bytes_from(tail, 3));
        }
    }
    fail_msg("derived.txt has no %s", name);
    abort(); /* the compilers do not know that a failed test does not go on */
}

/* The computed message of this name, with an envelope of version 2.11. */
static inline struct message vectors_message(struct arena *arena, const char *name)
{
    struct bytes bytes = vectors_get(arena, name);
    size_t len = MESSAGE_ENVELOPE_LEN + bytes.len;
    struct envelope envelope = {
        .version = {2, 11}, .suggested = {2, 11}, .message_len = (uint32_t)bytes.len};
    uint8_t *packet = arena_alloc(arena, len);
    struct wire_writer w = wire_write(packet, len);
    struct message message;
    assert_non_null(packet);
    envelope_encode(&w, &envelope);
    wire_put_raw(&w, bytes);
    assert_int_equal(message_decode(wire_wrote(&w), &message), STATUS_OK);
    return message;
}

static inline void vectors_assert_equal(struct bytes actual, struct bytes expected)
{
    assert_int_equal(actual.len, expected.len);
    if (expected.len > 0) {
        assert_memory_equal(actual.data, expected.data, expected.len);
    }
}
