/* SPDX-License-Identifier: Apache-2.0
 *
 * What the cache thread does inside a write transaction (cache_store.h).
 *
 * Entries and their order are written together; an order row that finds its entry replaced is only
 * taken away.
 */
#include <errno.h>

#include "resolver/cache_store.h"

/* Pages left free for what transactions write anew before readers let go of the old. */
#define PAGES_SPARE 1280
#define SPARE_PART 8

static enum status status_of(int error)
{
    switch (error) {
    case 0:
        return STATUS_OK;
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return STATUS_STORAGE_FULL;
    default:
        return STATUS_STORAGE_FAILED;
    }
}

enum status cache_write_begin(struct cache_store *store, struct cache_write *out_write)
{
    *out_write = (struct cache_write){.store = store};
    return status_of(mdb_txn_begin(store->env, NULL, 0, &out_write->txn));
}

static void put(struct cache_write *write, MDB_dbi database, struct bytes key, struct bytes row)
{
    if (write->error == 0) {
        MDB_val at = cache_val(key);
        MDB_val val = cache_val(row);
        write->error = mdb_put(write->txn, database, &at, &val, 0);
    }
}

static void del(struct cache_write *write, MDB_dbi database, struct bytes key)
{
    if (write->error == 0) {
        MDB_val at = cache_val(key);
        int error = mdb_del(write->txn, database, &at, NULL);
        write->error = error == MDB_NOTFOUND ? 0 : error;
    }
}

/* What a cursor has just shown: not to find it is damage, and would be tried for ever. */
static void del_found(struct cache_write *write, MDB_dbi database, struct bytes key)
{
    if (write->error == 0) {
        MDB_val at = cache_val(key);
        int error = mdb_del(write->txn, database, &at, NULL);
        write->error = error == MDB_NOTFOUND ? MDB_CORRUPTED : error;
    }
}

enum status cache_write_commit(struct cache_write *write)
{
    struct cache_store *store = write->store;
    uint8_t time[16];
    struct wire_writer w = wire_write(time, sizeof(time));
    wire_put_u64(&w, (uint64_t)store->clock_ms);
    wire_put_u64(&w, store->sequence);
    put(write, store->about, BYTES_LITERAL("time"), wire_wrote(&w));
    uint64_t id = mdb_txn_id(write->txn);
    if (write->error == 0) {
        write->error = mdb_txn_commit(write->txn);
    } else {
        mdb_txn_abort(write->txn);
    }
    write->txn = NULL;
    if (write->error == 0) {
        atomic_store_explicit(&store->published, id, memory_order_release);
    }
    return status_of(write->error);
}

static enum status get(struct cache_write *write, struct bytes key, struct cache_stored *out_stored)
{
    MDB_val at = cache_val(key);
    MDB_val row;
    if (write->error != 0 || mdb_get(write->txn, write->store->entries, &at, &row) != 0) {
        return STATUS_NOT_FOUND;
    }
    return cache_row_decode(key, cache_bytes(&row), out_stored);
}

static void forget_order(struct cache_write *write, const struct cache_stored *stored)
{
    uint8_t order[CACHE_ORDER_LEN];
    cache_order_key(stored->kept_until_ms, stored->sequence, order);
    del(write, write->store->order, bytes_of(order, sizeof(order)));
}

/* Names made to meet in a word cost each other copies and nothing else: no secret is needed. */
static size_t word_of(struct bytes key)
{
    static const uint64_t no_secret[2];
    return handle_keyed_hash(key, no_secret) % CACHE_TOUCHED;
}

const _Atomic uint64_t *cache_store_touched(const struct cache_store *store, struct bytes key)
{
    return &store->touched[word_of(key)];
}

/* A transaction that fails afterwards has ended copies for nothing, until the next one. */
static void touch(struct cache_write *write, struct bytes key)
{
    atomic_store_explicit(&write->store->touched[word_of(key)], mdb_txn_id(write->txn),
                          memory_order_relaxed);
}

static bool is_kept_instead(const struct cache_stored *old, const struct cache_stored *fresh)
{
    return (old->flags & CACHE_VERIFIED) != 0 && (fresh->flags & CACHE_VERIFIED) == 0 &&
           old->fetched_ms <= fresh->fetched_ms && fresh->fetched_ms < old->expires_ms;
}

void cache_write_put(struct cache_write *write, struct bytes key, uint8_t *row, size_t len)
{
    struct cache_store *store = write->store;
    struct cache_stored old;
    struct cache_stored fresh;
    uint8_t order[CACHE_ORDER_LEN];
    cache_row_seal(key, row, len, store->sequence + 1);
    if (cache_row_decode(key, bytes_of(row, len), &fresh) != STATUS_OK) {
        return;
    }
    if (get(write, key, &old) == STATUS_OK) {
        if (is_kept_instead(&old, &fresh)) {
            return;
        }
        forget_order(write, &old);
    }
    store->sequence++;
    touch(write, key);
    cache_order_key(fresh.kept_until_ms, fresh.sequence, order);
    put(write, store->entries, key, bytes_of(row, len));
    put(write, store->order, bytes_of(order, sizeof(order)), key);
}

/* A key as it was found: deleting moves pages. */
struct found_key {
    uint8_t data[CACHE_KEY_MAX];
    size_t len;
};

static struct bytes keep_key(struct cache_write *write, const MDB_val *key, struct found_key *found)
{
    if (key->mv_size > sizeof(found->data)) {
        write->error = MDB_CORRUPTED;
        return BYTES_NONE;
    }
    memcpy(found->data, key->mv_data, key->mv_size);
    found->len = key->mv_size;
    return bytes_of(found->data, found->len);
}

/* Is what was found at the cursor of `name` (empty: any)? Then it goes. */
static bool remove_entry(struct cache_write *write, struct bytes key, const MDB_val *row,
                         struct bytes name)
{
    struct cache_stored stored;
    bool is_whole = cache_row_decode(key, cache_bytes(row), &stored) == STATUS_OK;
    if (is_whole && name.len > 0 && !bytes_equal(stored.name, name)) {
        return false;
    }
    if (is_whole) {
        forget_order(write, &stored);
    }
    touch(write, key);
    del_found(write, write->store->entries, key);
    return true;
}

size_t cache_write_remove(struct cache_write *write, struct bytes start, struct bytes name)
{
    MDB_cursor *cursor = NULL;
    struct found_key found;
    size_t removed = 0;
    if (write->error == 0) {
        write->error = mdb_cursor_open(write->txn, write->store->entries, &cursor);
    }
    if (write->error != 0) {
        return 0;
    }
    MDB_val row;
    MDB_val at = cache_val(start);
    int error = mdb_cursor_get(cursor, &at, &row, start.len == 0 ? MDB_FIRST : MDB_SET_RANGE);
    while (error == 0 && write->error == 0 && removed < CACHE_TURN_REMOVALS &&
           bytes_start_with(cache_bytes(&at), start)) {
        struct bytes key = keep_key(write, &at, &found);
        if (write->error != 0) {
            break;
        }
        bool is_gone = remove_entry(write, key, &row, name);
        removed += is_gone;
        at = cache_val(key);
        error = is_gone ? mdb_cursor_get(cursor, &at, &row, MDB_SET_RANGE)
                        : mdb_cursor_get(cursor, &at, &row, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return removed;
}

/* The entry an order row names, if it is still that one. */
static void remove_ordered(struct cache_write *write, struct bytes order, struct bytes key)
{
    struct cache_stored stored;
    uint8_t own[CACHE_ORDER_LEN];
    enum status status = get(write, key, &stored);
    if (status == STATUS_OK) {
        cache_order_key(stored.kept_until_ms, stored.sequence, own);
    }
    bool is_that = status == STATUS_OK && bytes_equal(order, bytes_of(own, sizeof(own)));
    if (is_that || status == STATUS_CORRUPT) {
        touch(write, key);
        del(write, write->store->entries, key);
    }
    del_found(write, write->store->order, order);
}

static int64_t kept_until(struct bytes order)
{
    struct wire_reader r = wire_read(order);
    return (int64_t)wire_u64(&r);
}

size_t cache_write_sweep(struct cache_write *write, int64_t now_ms)
{
    MDB_cursor *cursor = NULL;
    size_t removed = 0;
    if (write->error == 0) {
        write->error = mdb_cursor_open(write->txn, write->store->order, &cursor);
    }
    if (write->error != 0) {
        return 0;
    }
    MDB_val at;
    MDB_val entry;
    while (removed < CACHE_TURN_REMOVALS && write->error == 0 &&
           mdb_cursor_get(cursor, &at, &entry, MDB_FIRST) == 0 &&
           kept_until(cache_bytes(&at)) <= now_ms) {
        struct found_key order;
        struct found_key key;
        struct bytes own = keep_key(write, &at, &order);
        struct bytes named = keep_key(write, &entry, &key);
        remove_ordered(write, own, named);
        removed++;
    }
    mdb_cursor_close(cursor);
    return removed;
}

uint64_t cache_store_used_bytes(const struct cache_store *store, MDB_txn *txn)
{
    uint64_t pages = 0;
    const MDB_dbi databases[] = {store->entries, store->order};
    for (size_t i = 0; i < sizeof(databases) / sizeof(databases[0]); i++) {
        MDB_stat figures;
        if (mdb_stat(txn, databases[i], &figures) == 0) {
            pages += figures.ms_branch_pages + figures.ms_leaf_pages + figures.ms_overflow_pages;
        }
    }
    return pages * store->page;
}

bool cache_write_is_crowded(struct cache_write *write)
{
    const struct cache_store *store = write->store;
    uint64_t ceiling = store->cannot_grow ? store->allocated : store->max_bytes;
    uint64_t pages = ceiling / store->page;
    uint64_t spare = pages / SPARE_PART > PAGES_SPARE ? pages / SPARE_PART : PAGES_SPARE;
    uint64_t bound = pages > spare ? pages - spare : 0;
    return cache_store_used_bytes(store, write->txn) > bound * store->page;
}
