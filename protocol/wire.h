/* SPDX-License-Identifier: Apache-2.0
 *
 * Bounded cursors over bytes from outside and over buffers to fill (protocol.md §2, big-endian).
 *
 * A cursor remembers its first failure: afterwards reads give zeros and nothing, writes do nothing,
 * and one check at the end (`wire_ok`, `wire_done`, `wire_wrote`) tells. `wire_take` and
 * `wire_room` are the only places that compare lengths. Read slices are borrowed from the input.
 * Cursors belong to their user; no thread rules.
 */
#pragma once

#include <assert.h>

#include "protocol/bytes.h"

struct wire_reader {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};

struct wire_writer {
    uint8_t *start;
    uint8_t *at;
    uint8_t *end;
    bool failed;
};

static inline struct wire_reader wire_read(struct bytes from)
{
    static const uint8_t nothing[1];
    const uint8_t *at = from.data == NULL ? nothing : from.data;
    return (struct wire_reader){at, at + (from.data == NULL ? 0 : from.len), false};
}

static inline size_t wire_left(const struct wire_reader *r)
{
    return r->failed ? 0 : (size_t)(r->end - r->at);
}

static inline bool wire_ok(const struct wire_reader *r)
{
    return !r->failed;
}

/* Nothing failed and nothing is left over. */
static inline bool wire_done(const struct wire_reader *r)
{
    return !r->failed && r->at == r->end;
}

/* The next `len` bytes, or none and a failed cursor. */
static inline struct bytes wire_take(struct wire_reader *r, size_t len)
{
    if (r->failed || len > (size_t)(r->end - r->at)) {
        r->failed = true;
        return BYTES_NONE;
    }
    struct bytes taken = {r->at, len};
    r->at += len;
    return taken;
}

static inline uint8_t wire_u8(struct wire_reader *r)
{
    struct bytes b = wire_take(r, 1);
    return b.len == 0 ? 0 : b.data[0];
}

static inline uint16_t wire_u16(struct wire_reader *r)
{
    struct bytes b = wire_take(r, 2);
    unsigned v = b.len == 0 ? 0 : (unsigned)b.data[0] << 8 | b.data[1];
    return (uint16_t)v;
}

static inline uint32_t wire_u32(struct wire_reader *r)
{
    struct bytes b = wire_take(r, 4);
    if (b.len == 0) {
        return 0;
    }
    return (uint32_t)b.data[0] << 24 | (uint32_t)b.data[1] << 16 | (uint32_t)b.data[2] << 8 |
           b.data[3];
}

static inline uint64_t wire_u64(struct wire_reader *r)
{
    uint64_t high = wire_u32(r);
    return high << 32 | wire_u32(r);
}

/* int4 n ‖ n bytes ("bytes" and "string" of protocol.md §2); a length with the top bit set fails,
 * as it exceeds whatever is left. */
static inline struct bytes wire_bytes(struct wire_reader *r)
{
    return wire_take(r, wire_u32(r));
}

/* An element count, refused before anybody allocates when `count` elements of at least
 * `smallest` bytes cannot be in what is left. `smallest` > 0. */
static inline uint32_t wire_count(struct wire_reader *r, size_t smallest)
{
    uint32_t count = wire_u32(r);
    if (count > wire_left(r) / smallest) {
        r->failed = true;
        return 0;
    }
    return count;
}

/* An int list of protocol.md §2, kept encoded: its `*out_count` x int4. */
static inline struct bytes wire_int_list(struct wire_reader *r, uint32_t *out_count)
{
    *out_count = wire_count(r, 4);
    return wire_take(r, (size_t)*out_count * 4);
}

/* A string list, kept encoded: `*out_count` strings, each looked at. */
static inline struct bytes wire_text_list(struct wire_reader *r, uint32_t *out_count)
{
    *out_count = wire_count(r, 4);
    const uint8_t *start = r->at;
    for (uint32_t i = 0; i < *out_count && !r->failed; i++) {
        (void)wire_bytes(r);
    }
    return r->failed ? BYTES_NONE : (struct bytes){start, (size_t)(r->at - start)};
}

static inline struct wire_writer wire_write(uint8_t *buffer, size_t size)
{
    return (struct wire_writer){buffer, buffer, buffer + size, false};
}

/* What was written so far; none after a failure. */
static inline struct bytes wire_wrote(const struct wire_writer *w)
{
    return w->failed ? BYTES_NONE : bytes_of(w->start, (size_t)(w->at - w->start));
}

/* Room for `len` bytes to be filled by the caller, or NULL and a failed cursor. */
static inline uint8_t *wire_room(struct wire_writer *w, size_t len)
{
    if (w->failed || len > (size_t)(w->end - w->at)) {
        w->failed = true;
        return NULL;
    }
    uint8_t *room = w->at;
    w->at += len;
    return room;
}

static inline void wire_store_u32(uint8_t *at, uint32_t v)
{
    at[0] = (uint8_t)(v >> 24);
    at[1] = (uint8_t)(v >> 16);
    at[2] = (uint8_t)(v >> 8);
    at[3] = (uint8_t)v;
}

static inline void wire_put_u8(struct wire_writer *w, uint8_t v)
{
    uint8_t *at = wire_room(w, 1);
    if (at != NULL) {
        at[0] = v;
    }
}

static inline void wire_put_u16(struct wire_writer *w, uint16_t v)
{
    uint8_t *at = wire_room(w, 2);
    if (at != NULL) {
        at[0] = (uint8_t)(v >> 8);
        at[1] = (uint8_t)v;
    }
}

static inline void wire_put_u32(struct wire_writer *w, uint32_t v)
{
    uint8_t *at = wire_room(w, 4);
    if (at != NULL) {
        wire_store_u32(at, v);
    }
}

static inline void wire_put_u64(struct wire_writer *w, uint64_t v)
{
    uint8_t *at = wire_room(w, 8);
    if (at != NULL) {
        wire_store_u32(at, (uint32_t)(v >> 32));
        wire_store_u32(at + 4, (uint32_t)v);
    }
}

/* The bytes alone, without a length. */
static inline void wire_put_raw(struct wire_writer *w, struct bytes b)
{
    uint8_t *at = wire_room(w, b.len);
    if (at != NULL && b.len > 0) {
        memcpy(at, b.data, b.len);
    }
}

/* int4 n ‖ n bytes. */
static inline void wire_put_bytes(struct wire_writer *w, struct bytes b)
{
    if (b.len > INT32_MAX) {
        w->failed = true;
        return;
    }
    wire_put_u32(w, (uint32_t)b.len);
    wire_put_raw(w, b);
}

/* An encoded list of `count` elements behind its count: what wire_int_list and wire_text_list read.
 */
static inline void wire_put_list(struct wire_writer *w, uint32_t count, struct bytes encoded)
{
    wire_put_u32(w, count);
    wire_put_raw(w, encoded);
}

/* Reserves an int4 to be filled later by `wire_fill_length`. */
static inline uint8_t *wire_open_length(struct wire_writer *w)
{
    return wire_room(w, 4);
}

/* Stores the number of bytes written after the reserved int4 `mark`. */
static inline void wire_fill_length(struct wire_writer *w, uint8_t *mark)
{
    if (!w->failed) {
        assert(mark != NULL && mark + 4 <= w->at); /* GCOVR_EXCL_BR_LINE */
        wire_store_u32(mark, (uint32_t)(w->at - mark - 4));
    }
}
