/* SPDX-License-Identifier: Apache-2.0
 *
 * A run of bytes somebody else owns.
 *
 * Everything the codec hands out points into the packet, the LMDB page or the arena it was decoded
 * from and is valid as long as that is; nothing here allocates or frees.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
    const uint8_t *data; /* may be NULL when len is 0 */
    size_t len;
};

#define BYTES_LITERAL(text) ((struct bytes){(const uint8_t *)(text), sizeof(text) - 1})
#define BYTES_NONE ((struct bytes){NULL, 0})

static inline struct bytes bytes_of(const void *data, size_t len)
{
    return (struct bytes){(const uint8_t *)data, len};
}

/* `text` is NUL-terminated; NULL gives no bytes. */
static inline struct bytes bytes_of_text(const char *text)
{
    return (struct bytes){(const uint8_t *)text, text == NULL ? 0 : strlen(text)};
}

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Order of LMDB keys: bytewise, a shorter run before its continuations. */
static inline int bytes_compare(struct bytes a, struct bytes b)
{
    size_t shared = a.len < b.len ? a.len : b.len;
    int order = shared == 0 ? 0 : memcmp(a.data, b.data, shared);
    if (order != 0) {
        return order;
    }
    return a.len < b.len ? -1 : a.len > b.len;
}

static inline bool bytes_start_with(struct bytes all, struct bytes start)
{
    return all.len >= start.len && bytes_equal(bytes_of(all.data, start.len), start);
}

/* The bytes from `offset` on; none when `offset` is past the end. */
static inline struct bytes bytes_from(struct bytes all, size_t offset)
{
    return offset >= all.len ? BYTES_NONE : bytes_of(all.data + offset, all.len - offset);
}

/* No byte above 0x7f; eight at a time, as most text is asked this several times. */
static inline bool bytes_is_ascii(struct bytes text)
{
    uint64_t high = 0;
    size_t at = 0;
    for (; at + sizeof(uint64_t) <= text.len; at += sizeof(uint64_t)) {
        uint64_t eight;
        memcpy(&eight, text.data + at, sizeof(eight));
        high |= eight;
    }
    for (; at < text.len; at++) {
        high |= text.data[at];
    }
    return (high & 0x8080808080808080u) == 0;
}

static inline uint8_t bytes_ascii_upper(uint8_t c)
{
    return c >= 'a' && c <= 'z' ? (uint8_t)(c - 'a' + 'A') : c;
}

/* Equal when only ASCII letters differ in case (protocol.md §1.2: no other letter ever folds). */
static inline bool bytes_equal_nocase(struct bytes a, struct bytes b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (bytes_ascii_upper(a.data[i]) != bytes_ascii_upper(b.data[i])) {
            return false;
        }
    }
    return true;
}
