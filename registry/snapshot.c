/* SPDX-License-Identifier: Apache-2.0
 *
 * One read transaction of one thread, renewed instead of reopened.
 *
 * In the writing process a snapshot renews only when something was published since; beside a
 * writer nobody tells, so it always renews. The reader slot is kept over rests.
 */
#include <stdlib.h>

#include "registry/home_cache.h"
#include "registry/store_map.h"

enum status snapshot_new(struct registry *registry, struct snapshot **out_snapshot)
{
    struct snapshot *snapshot = calloc(1, sizeof(*snapshot));
    if (snapshot == NULL) {
        return STATUS_NO_MEMORY;
    }
    enum status status = store_begin_read(registry, &snapshot->txn);
    if (status != STATUS_OK) {
        free(snapshot);
        return status;
    }
    int error =
        mdb_cursor_open(snapshot->txn.mdb, registry->databases[STORE_RECORD], &snapshot->records);
    if (error != 0) {
        store_abort(&snapshot->txn);
        store_map_leave(registry);
        free(snapshot);
        return store_status(error);
    }
    snapshot->is_active = true;
    *out_snapshot = snapshot;
    return STATUS_OK;
}

void snapshot_free(struct snapshot *snapshot)
{
    if (snapshot == NULL) {
        return;
    }
    snapshot_rest(snapshot);
    mdb_cursor_close(snapshot->records);
    store_abort(&snapshot->txn);
    home_cache_free(snapshot->homes);
    free(snapshot);
}

void snapshot_rest(struct snapshot *snapshot)
{
    if (snapshot->is_active) {
        mdb_txn_reset(snapshot->txn.mdb);
        snapshot->is_active = false;
        store_map_leave(snapshot->txn.registry);
    }
}

static bool has_lost_map(const struct snapshot *snapshot)
{
    const struct registry *registry = snapshot->txn.registry;
    return atomic_load(&registry->is_unmapped) && mdb_txn_env(snapshot->txn.mdb) == registry->env;
}

/* A renewal that met a larger map, or an environment broken by a failed commit, has left the
 * handle unusable: take a new one. */
static enum status renew(struct snapshot *snapshot)
{
    struct registry *registry = snapshot->txn.registry;
    snapshot->txn.error = 0;
    store_map_enter(registry);
    int error = has_lost_map(snapshot) ? MDB_PANIC : mdb_txn_renew(snapshot->txn.mdb);
    if (error == MDB_MAP_RESIZED || error == MDB_PANIC) {
        struct store_txn fresh;
        store_map_leave(registry);
        enum status status = store_begin_read(registry, &fresh);
        if (status != STATUS_OK) {
            return status;
        }
        store_abort(&snapshot->txn);
        snapshot->txn = fresh;
        error = 0;
    }
    if (error == 0) {
        error = mdb_cursor_renew(snapshot->txn.mdb, snapshot->records);
    }
    if (error != 0) {
        mdb_txn_reset(snapshot->txn.mdb);
        store_map_leave(registry);
        return store_status(error);
    }
    snapshot->is_active = true;
    return STATUS_OK;
}

enum status snapshot_refresh(struct snapshot *snapshot)
{
    const struct registry *registry = snapshot->txn.registry;
    /* Loaded in any case: it makes visible what the published transactions made stale. */
    uint64_t published = atomic_load_explicit(&registry->published_txn, memory_order_acquire);
    snapshot->published = published;
    if (snapshot->is_active && !registry->is_read_only && snapshot->txn.error == 0 &&
        mdb_txn_id(snapshot->txn.mdb) >= published) {
        return STATUS_OK;
    }
    snapshot_rest(snapshot);
    return renew(snapshot);
}

bool snapshot_is_published(const struct snapshot *snapshot)
{
    return mdb_txn_id(snapshot->txn.mdb) == snapshot->published;
}

uint64_t snapshot_txn(const struct snapshot *snapshot)
{
    return mdb_txn_id(snapshot->txn.mdb);
}

struct store_txn *snapshot_store(struct snapshot *snapshot)
{
    assert(snapshot->is_active);
    return &snapshot->txn;
}

/* Most snapshots never ask for a home. */
struct home_cache *snapshot_homes(struct snapshot *snapshot)
{
    if (snapshot->homes == NULL && !snapshot->txn.registry->is_read_only) {
        snapshot->homes = home_cache_new(&snapshot->txn.registry->freshness);
    }
    return snapshot->homes;
}

enum status snapshot_get_record(struct snapshot *snapshot, struct bytes key, struct bytes *out_key,
                                struct bytes *out_row)
{
    assert(snapshot->is_active);
    MDB_val at = store_val(key);
    MDB_val row;
    int error = mdb_cursor_get(snapshot->records, &at, &row, MDB_SET_KEY);
    if (error != 0) {
        return store_status(error);
    }
    *out_key = store_bytes(&at);
    *out_row = store_bytes(&row);
    return STATUS_OK;
}

enum status store_next(const struct store_txn *txn, enum store_database database,
                       struct bytes after, struct bytes *out_key, struct bytes *out_row)
{
    MDB_cursor *cursor = NULL;
    if (txn->registry->databases[database] == STORE_NO_DATABASE) {
        return STATUS_NOT_FOUND;
    }
    int error = mdb_cursor_open(txn->mdb, txn->registry->databases[database], &cursor);
    if (error != 0) {
        return store_status(error);
    }
    MDB_val key = store_val(after);
    MDB_val row;
    error = mdb_cursor_get(cursor, &key, &row, after.len == 0 ? MDB_FIRST : MDB_SET_RANGE);
    if (error == 0 && after.len > 0 && bytes_equal(store_bytes(&key), after)) {
        error = mdb_cursor_get(cursor, &key, &row, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    if (error != 0) {
        return store_status(error);
    }
    *out_key = store_bytes(&key);
    *out_row = store_bytes(&row);
    return STATUS_OK;
}
