/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys and rows of the cache, and how long an answer may be told (cache.h).
 *
 *   database  key                                row
 *   entry     N ‖ 0 ‖ shape 1 [‖ question 16]    format 1 ‖ shape 1 ‖ code 2 ‖ crc32c 4 ‖ flags 4 ‖
 *                                                sequence 8 ‖ fetched_ms 8 ‖ expires_ms 8 ‖
 *                                                kept_until_ms 8 ‖ name length 2 ‖ handle length 2
 *                                                ‖ folded name ‖ handle as answered (when it
 *                                                differs) ‖ value list as it travelled
 *   order     kept_until_ms 8 ‖ sequence 8       the entry's key
 *   about     name                               "boot": id of the boot; "time": newest clock 8
 *
 * N is the folded handle up to 440 bytes; of a longer one 408 bytes ‖ SHA-256 of all. A question
 * with a filter is kept by its digest. Pure functions; what is read is borrowed from the row.
 */
#pragma once

#include "resolver/cache.h"

#define CACHE_KEY_MAX 458
#define CACHE_ORDER_LEN 16
#define CACHE_STALE_TTL 30 /* seconds that a stale value is said to be good for, RFC 8767 */
#define CACHE_VALUES_MAX                                                                           \
    (64 << 10) /* larger answers are not kept: they would break up the file                        \
                */
#define CACHE_ROW_MAX (CACHE_VALUES_MAX + 2 * HANDLE_EXPANDED_MAX + 64)

enum cache_shape { CACHE_SHAPE_WHOLE = 1, CACHE_SHAPE_PART = 2, CACHE_SHAPE_SITES = 3 };

struct cache_key {
    struct bytes name; /* folded; points into `folded` */
    enum cache_shape shape;
    size_t name_part_len; /* N ‖ 0: what all entries of a name begin with */
    size_t len;
    uint8_t data[CACHE_KEY_MAX];
    uint8_t folded[HANDLE_MAX];
};

/* INVALID_HANDLE; ERROR when the library refuses. Points into itself: not to be copied. */
enum status cache_key_name(struct bytes handle, enum case_rule rule, struct cache_key *out_key);

/* After cache_key_name: completes the key for entries of this shape. `asked` counts for parts. */
enum status cache_key_shape(struct cache_key *key, enum cache_shape shape,
                            const struct body_resolution *asked);

/* The shape an answer to this question is looked for in first, but for the whole record. */
enum cache_shape cache_shape_of(const struct cache_question *question);

static inline struct bytes cache_key_bytes(const struct cache_key *key)
{
    return bytes_of(key->data, key->len);
}

/* Part of the entries, in key order: those whose key begins with `start`, and of `name` alone. */
struct cache_range {
    size_t start_len;
    size_t name_len; /* 0: of whatever name */
    uint8_t start[CACHE_KEY_MAX];
    uint8_t name[HANDLE_MAX];
};

#define CACHE_RANGES_MAX 2

/* Where what `scope` means lies, whatever case rule its service has. INVALID_HANDLE. */
enum status cache_ranges(enum cache_scope scope, struct bytes name,
                         struct cache_range out_ranges[CACHE_RANGES_MAX], size_t *out_count);

struct cache_stored {
    enum cache_shape shape;
    uint32_t code;
    uint32_t flags;
    uint64_t sequence;
    int64_t fetched_ms;
    int64_t expires_ms;
    int64_t kept_until_ms;
    struct bytes name;
    struct bytes handle; /* empty: the name is how it was spelled */
    struct bytes values;
};

/* `row` holds cache_row_len bytes; the sequence is told by whoever writes it. */
size_t cache_row_len(const struct cache_stored *stored);
void cache_row_encode(const struct cache_stored *stored, uint8_t *row);
void cache_row_seal(struct bytes key, uint8_t *row, size_t len, uint64_t sequence);

/* CORRUPT: the checksum or a length is wrong. */
enum status cache_row_decode(struct bytes key, struct bytes row, struct cache_stored *out_stored);

void cache_order_key(int64_t kept_until_ms, uint64_t sequence, uint8_t out[CACHE_ORDER_LEN]);

/* When the first of these values is over its time; `out_expires_ms` is not above
 * fetched_ms + ttl_ms. PROTOCOL_ERROR: not a value list; ACCESS_DENIED: a value is not public. */
enum status cache_values_expiry(struct bytes values, int64_t fetched_ms, int64_t ttl_ms,
                                int64_t *out_expires_ms);
