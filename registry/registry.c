/* SPDX-License-Identifier: Apache-2.0
 *
 * Everything the node knows, read through a snapshot (registry.h).
 *
 * Nothing here allocates but registry_figures; rows are borrowed from LMDB's pages.
 */
#include "registry/registry.h"

#include <stdio.h>
#include <stdlib.h>

#include "registry/history.h"
#include "registry/home.h"
#include "registry/home_cache.h"
#include "registry/prefix_row.h"
#include "registry/record_row.h"
#include "registry/store_map.h"

#define META_NAME_MAX 64

/* --- prefixes ----------------------------------------------------------------------------------
 */

enum status registry_get_prefix(struct snapshot *snapshot, struct bytes prefix,
                                struct prefix_row *out_row)
{
    struct home_view view = {.txn = snapshot_store(snapshot)};
    return home_get_prefix(&view, prefix, out_row);
}

enum status registry_find_home(struct snapshot *snapshot, struct bytes handle,
                               struct prefix_row *out_row)
{
    struct home_view view = {.txn = snapshot_store(snapshot)};
    struct home_cache *cache = snapshot_homes(snapshot);
    struct bytes prefix = handle_governing_prefix(handle);
    if (cache != NULL && home_cache_find(cache, prefix, snapshot_txn(snapshot), out_row)) {
        return STATUS_OK;
    }
    enum status status = home_find(&view, handle, out_row);
    if (status == STATUS_OK && cache != NULL && snapshot_is_published(snapshot)) {
        home_cache_keep(cache, prefix, snapshot_txn(snapshot), out_row);
    }
    return status;
}

const struct freshness *registry_freshness(const struct registry *registry)
{
    return registry->is_read_only ? NULL : &registry->freshness;
}

enum status registry_next_prefix(struct snapshot *snapshot, struct bytes after,
                                 struct prefix_row *out_row)
{
    struct store_key from = {.len = 0};
    struct bytes key;
    struct bytes row;
    if (after.len > 0 && keys_prefix(after, &from) != STATUS_OK) {
        return STATUS_NOT_FOUND;
    }
    enum status status =
        store_next(snapshot_store(snapshot), STORE_PREFIX, keys_bytes(&from), &key, &row);
    return status == STATUS_OK ? prefix_row_decode(key, row, out_row, NULL) : status;
}

uint64_t registry_counter(struct snapshot *snapshot, struct bytes prefix, enum counter counter)
{
    struct store_key folded;
    if (keys_prefix(prefix, &folded) != STATUS_OK) {
        return 0;
    }
    return home_counter(snapshot_store(snapshot), keys_bytes(&folded), counter);
}

/* --- records -----------------------------------------------------------------------------------
 */

enum status registry_get_record(struct snapshot *snapshot, struct bytes handle, enum case_rule rule,
                                struct record_row *out_row)
{
    struct record_key key;
    if (keys_record(handle, rule, &key) != STATUS_OK) {
        return STATUS_HANDLE_NOT_FOUND;
    }
    struct bytes stored_key;
    struct bytes row;
    enum status status = snapshot_get_record(snapshot, key.key, &stored_key, &row);
    if (status != STATUS_OK) {
        return status == STATUS_NOT_FOUND ? STATUS_HANDLE_NOT_FOUND : status;
    }
    struct record_row decoded;
    status = record_row_decode(stored_key, row, &decoded);
    if (status != STATUS_OK) {
        return status;
    }
    if (!record_row_is_of(&decoded, &key, rule)) {
        return STATUS_HANDLE_NOT_FOUND;
    }
    *out_row = decoded;
    return STATUS_OK;
}

/* A deletion mark as a row without values. */
static enum status row_of_mark(struct bytes handle, struct bytes mark_key, struct bytes mark,
                               struct record_row *out_row)
{
    struct tombstone tombstone;
    enum status status = tombstone_decode(mark_key, mark, &tombstone);
    if (status == STATUS_OK) {
        *out_row = (struct record_row){
            .version = tombstone.version,
            .position = tombstone.position,
            .created_ms = tombstone.deleted_ms,
            .changed_ms = tombstone.deleted_ms,
            .handle = handle,
        };
    }
    return status;
}

enum status registry_get_history(struct snapshot *snapshot, struct bytes handle,
                                 enum case_rule rule, uint64_t before_version,
                                 struct history_row *out_row)
{
    struct record_key key;
    if (keys_record(handle, rule, &key) != STATUS_OK) {
        return STATUS_NOT_FOUND;
    }
    struct history_at at;
    enum status status =
        history_find_before(snapshot_store(snapshot), key.key, before_version, &at);
    if (status != STATUS_OK) {
        return status;
    }
    struct history_row found = {
        .is_deletion = at.body.kind == HISTORY_DELETION,
        .replaced_position = at.body.replaced.position,
        .replaced_ms = at.body.replaced.time_ms,
    };
    if (found.is_deletion) {
        struct store_key mark_key;
        keys_tombstone(CHANGE_RECORD, key.key, &mark_key);
        status = row_of_mark(handle, keys_bytes(&mark_key), at.body.row, &found.row);
    } else if (at.body.kind == HISTORY_DAMAGED) {
        found.is_damaged = true;
        found.row = (struct record_row){.version = at.version, .handle = handle};
    } else {
        status = record_row_decode(at.key, at.body.row, &found.row);
    }
    if (status == STATUS_OK && found.row.version != at.version) {
        status = STATUS_CORRUPT;
    }
    if (status == STATUS_OK) {
        *out_row = found;
    }
    return status;
}

enum status registry_get_tombstone(struct snapshot *snapshot, struct bytes handle,
                                   enum case_rule rule, struct tombstone_row *out_row)
{
    struct record_key key;
    if (keys_record(handle, rule, &key) != STATUS_OK) {
        return STATUS_NOT_FOUND;
    }
    struct tombstone tombstone;
    enum status status =
        tombstone_get(snapshot_store(snapshot), CHANGE_RECORD, key.key, &tombstone);
    if (status == STATUS_OK) {
        *out_row =
            (struct tombstone_row){tombstone.version, tombstone.enterprise, tombstone.deleted_ms};
    }
    return status;
}

/* --- the node's own facts ----------------------------------------------------------------------
 */

enum status registry_get_meta(struct snapshot *snapshot, const char *name, struct bytes *out_value)
{
    return store_get(snapshot_store(snapshot), STORE_META, bytes_of_text(name), out_value);
}

enum status registry_set_meta(struct registry *registry, const char *name, struct bytes value)
{
    struct bytes key = bytes_of_text(name);
    if (key.len == 0 || key.len > META_NAME_MAX || strcmp(name, "schema") == 0) {
        return STATUS_INVALID_VALUE;
    }
    (void)pthread_mutex_lock(&registry->write_lock);
    struct store_txn txn;
    store_map_care(registry, value.len);
    enum status status = store_begin_write(registry, &txn);
    if (status == STATUS_OK) {
        store_put(&txn, STORE_META, key, value);
        status = store_commit(&txn);
    }
    (void)pthread_mutex_unlock(&registry->write_lock);
    return status;
}

struct reader_count {
    uint32_t readers;
    uint64_t oldest_txn;
    long oldest_pid; /* 0: nobody is behind */
};

/* LMDB tells about its readers only as text: "pid thread txnid", "-" for a resting one. */
static int count_reader(const char *line, void *context)
{
    struct reader_count *count = context;
    long pid = 0;
    char thread[24];
    char txn[24];
    if (sscanf(line, "%ld %23s %23s", &pid, thread, txn) != 3) {
        return 0;
    }
    count->readers++;
    char *end = NULL;
    uint64_t id = strtoull(txn, &end, 10);
    if (end != txn && *end == '\0' && id < count->oldest_txn) {
        count->oldest_txn = id;
        count->oldest_pid = pid;
    }
    return 0;
}

/* Slots of processes that were killed while they read would hold pages for ever: the writer takes
 * them back. */
static void count_readers(struct registry *registry, struct reader_count *count)
{
    if (!registry->is_read_only) {
        (void)mdb_reader_check(registry->env, NULL);
    }
    /* Its result is that of the callback's last call. */
    (void)mdb_reader_list(registry->env, count_reader, count);
}

enum status registry_figures(struct registry *registry, struct registry_figures *out_figures)
{
    struct snapshot *snapshot = NULL;
    enum status status = snapshot_new(registry, &snapshot);
    if (status != STATUS_OK) {
        return status;
    }
    struct store_txn *txn = snapshot_store(snapshot);
    struct registry_figures figures = {
        .records = store_entries(txn, STORE_RECORD),
        .prefixes = store_entries(txn, STORE_PREFIX),
        .history_rows = store_entries(txn, STORE_HISTORY),
        .tombstones = store_entries(txn, STORE_TOMBSTONE),
        .journal_sets = store_entries(txn, STORE_JOURNAL),
        .last_txn = snapshot_txn(snapshot),
        .clock_behind_ms = atomic_load_explicit(&registry->clock_behind_ms, memory_order_relaxed),
        .refuses_writes = atomic_load_explicit(&registry->refuses_writes, memory_order_relaxed),
        .refusals = atomic_load_explicit(&registry->refusals, memory_order_relaxed),
        .refusal = atomic_load_explicit(&registry->refusal, memory_order_relaxed),
    };
    struct journal_set last;
    status = journal_head(snapshot, &last);
    if (status == STATUS_OK) {
        figures.journal_head = last.position + last.count - 1;
        figures.journal_time_ms = last.time_ms;
    }
    MDB_envinfo info;
    MDB_stat tree;
    struct reader_count count = {.oldest_txn = figures.last_txn};
    int error = txn->error;
    if (error == 0) {
        error = mdb_env_info(store_env(registry), &info);
    }
    if (error == 0) {
        error = mdb_env_stat(store_env(registry), &tree);
    }
    if (error == 0) {
        count_readers(registry, &count);
        figures.map_bytes = info.me_mapsize;
        figures.used_bytes = ((uint64_t)info.me_last_pgno + 1) * tree.ms_psize;
        figures.readers = count.readers;
        figures.oldest_reader_lag = figures.last_txn - count.oldest_txn;
        figures.oldest_reader_pid = count.oldest_pid;
    }
    if (error == 0 && count.oldest_pid != 0 && !registry->is_read_only) {
        figures.oldest_reader_since_ms = reader_age_since(&registry->reader_age, count.oldest_txn);
    }
    snapshot_free(snapshot);
    if (registry->damage != NULL && status == STATUS_CORRUPT) {
        status = STATUS_OK; /* known, and no reason to know nothing else */
    }
    if (error != 0 || (status != STATUS_OK && status != STATUS_NOT_FOUND)) {
        return error != 0 ? store_status(error) : status;
    }
    *out_figures = figures;
    return STATUS_OK;
}
