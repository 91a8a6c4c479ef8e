/* SPDX-License-Identifier: Apache-2.0
 *
 * Going through the cache's entries, for people (cache.h).
 *
 * The read transaction is renewed every so many entries, so that pages are not held for long.
 */
#include <stdlib.h>

#include "resolver/cache_parts.h"

#define RENEW_ENTRIES 500

struct cache_walk {
    struct cache *cache;
    MDB_txn *txn;
    MDB_cursor *cursor;
    struct cache_range ranges[CACHE_RANGES_MAX];
    size_t range_count;
    size_t range;
    size_t told;  /* since the transaction was renewed */
    bool is_same; /* the range's entries up to `last` were told */
    size_t last_len;
    uint8_t last[CACHE_KEY_MAX];
};

void cache_walk_close(struct cache_walk *walk)
{
    if (walk == NULL) {
        return;
    }
    if (walk->cursor != NULL) {
        mdb_cursor_close(walk->cursor);
    }
    if (walk->txn != NULL) {
        mdb_txn_abort(walk->txn);
    }
    free(walk);
}

enum status cache_walk_open(struct cache *cache, enum cache_scope scope, struct bytes name,
                            struct cache_walk **out_walk)
{
    if (cache == NULL || !atomic_load_explicit(&cache->is_ready, memory_order_acquire)) {
        return STATUS_CLOSED;
    }
    struct cache_walk *walk = calloc(1, sizeof(*walk));
    if (walk == NULL) {
        return STATUS_NO_MEMORY;
    }
    walk->cache = cache;
    enum status status = cache_ranges(scope, name, walk->ranges, &walk->range_count);
    if (status == STATUS_OK &&
        (mdb_txn_begin(cache->store.env, NULL, MDB_RDONLY, &walk->txn) != 0 ||
         mdb_cursor_open(walk->txn, cache->store.entries, &walk->cursor) != 0)) {
        status = STATUS_STORAGE_FAILED;
    }
    if (status != STATUS_OK) {
        cache_walk_close(walk);
        return status;
    }
    *out_walk = walk;
    return STATUS_OK;
}

static bool renew(struct cache_walk *walk)
{
    walk->told = 0;
    mdb_txn_reset(walk->txn);
    return mdb_txn_renew(walk->txn) == 0 && mdb_cursor_renew(walk->txn, walk->cursor) == 0;
}

/* The next key of the present range, also when the last one told is gone meanwhile. */
static bool step(struct cache_walk *walk, MDB_val *out_key, MDB_val *out_row)
{
    const struct cache_range *range = &walk->ranges[walk->range];
    struct bytes start = bytes_of(range->start, range->start_len);
    struct bytes from = walk->is_same ? bytes_of(walk->last, walk->last_len) : start;
    *out_key = cache_val(from);
    int error =
        mdb_cursor_get(walk->cursor, out_key, out_row, from.len == 0 ? MDB_FIRST : MDB_SET_RANGE);
    if (error == 0 && walk->is_same && bytes_equal(cache_bytes(out_key), from)) {
        error = mdb_cursor_get(walk->cursor, out_key, out_row, MDB_NEXT);
    }
    if (error != 0 || out_key->mv_size > sizeof(walk->last) ||
        !bytes_start_with(cache_bytes(out_key), start)) {
        return false;
    }
    walk->is_same = true;
    walk->last_len = out_key->mv_size;
    memcpy(walk->last, out_key->mv_data, out_key->mv_size);
    return true;
}

static bool read_row(const struct cache_walk *walk, struct bytes key, struct bytes row,
                     struct cache_row *out_row)
{
    const struct cache_range *range = &walk->ranges[walk->range];
    struct cache_stored stored;
    if (cache_row_decode(key, row, &stored) != STATUS_OK) {
        return false;
    }
    if (range->name_len > 0 && !bytes_equal(stored.name, bytes_of(range->name, range->name_len))) {
        return false;
    }
    *out_row = (struct cache_row){
        .kind = stored.shape == CACHE_SHAPE_SITES ? CACHE_SITES : CACHE_ANSWERS,
        .is_filtered = stored.shape == CACHE_SHAPE_PART,
        .name = stored.name,
        .entry = cache_entry_of(&stored),
    };
    return true;
}

enum status cache_walk_next(struct cache_walk *walk, struct cache_row *out_row)
{
    MDB_val key;
    MDB_val row;
    if (walk->told >= RENEW_ENTRIES && !renew(walk)) {
        return STATUS_STORAGE_FAILED;
    }
    while (walk->range < walk->range_count) {
        if (!step(walk, &key, &row)) {
            walk->range++;
            walk->is_same = false;
            continue;
        }
        walk->told++;
        if (read_row(walk, cache_bytes(&key), cache_bytes(&row), out_row)) {
            return STATUS_OK;
        }
    }
    return STATUS_NOT_FOUND;
}
