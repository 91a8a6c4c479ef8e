/* SPDX-License-Identifier: Apache-2.0
 *
 * Walking records in key order without holding pages for long (registry.h).
 *
 * The walk has a snapshot of its own and takes a new one every 1 000 rows or 2 MiB, so it shows no
 * single instant: what is written behind it is not seen, what is written before it is.
 */
#include "registry/record_walk.h"

#include <stdlib.h>

#include "registry/record_row.h"

#define RENEW_ROWS 1000
#define RENEW_BYTES ((size_t)2 << 20)

enum status record_walk_open(struct registry *registry, struct bytes prefix,
                             struct record_walk **out_walk)
{
    struct record_walk *walk = calloc(1, sizeof(*walk));
    if (walk == NULL) {
        return STATUS_NO_MEMORY;
    }
    enum status status = STATUS_OK;
    if (prefix.len > 0) {
        status = keys_prefix(prefix, &walk->start);
        walk->start.data[walk->start.len++] = '/';
    }
    if (status == STATUS_OK) {
        status = snapshot_new(registry, &walk->snapshot);
    }
    if (status == STATUS_OK) {
        status = store_status(mdb_cursor_open(snapshot_store(walk->snapshot)->mdb,
                                              registry->databases[STORE_RECORD], &walk->cursor));
    }
    if (status != STATUS_OK) {
        record_walk_close(walk);
        return status;
    }
    walk->last = walk->start;
    *out_walk = walk;
    return STATUS_OK;
}

void record_walk_close(struct record_walk *walk)
{
    if (walk != NULL) {
        if (walk->cursor != NULL) {
            mdb_cursor_close(walk->cursor);
        }
        snapshot_free(walk->snapshot);
        free(walk);
    }
}

void record_walk_rest(struct record_walk *walk)
{
    snapshot_rest(walk->snapshot);
    walk->is_placed = false;
    walk->rows_left = 0;
}

/* A fresh snapshot with the cursor in it, not placed. */
static enum status renew(struct record_walk *walk)
{
    record_walk_rest(walk);
    enum status status = snapshot_refresh(walk->snapshot);
    if (status == STATUS_OK) {
        status = store_status(mdb_cursor_renew(snapshot_store(walk->snapshot)->mdb, walk->cursor));
    }
    if (status == STATUS_OK) {
        walk->rows_left = RENEW_ROWS;
        walk->bytes_left = RENEW_BYTES;
        walk->renewals++;
    }
    return status;
}

/* The first key behind the last one handed out, which may be gone. */
static int place(struct record_walk *walk, MDB_val *out_key, MDB_val *out_row)
{
    walk->is_placed = true;
    if (walk->last.len == 0) {
        return mdb_cursor_get(walk->cursor, out_key, out_row, MDB_FIRST);
    }
    *out_key = store_val(keys_bytes(&walk->last));
    int error = mdb_cursor_get(walk->cursor, out_key, out_row, MDB_SET_RANGE);
    if (error == 0 && walk->has_last &&
        bytes_equal(store_bytes(out_key), keys_bytes(&walk->last))) {
        error = mdb_cursor_get(walk->cursor, out_key, out_row, MDB_NEXT);
    }
    return error;
}

enum status record_walk_next_raw(struct record_walk *walk, struct bytes *out_key,
                                 struct bytes *out_row)
{
    enum status status = walk->rows_left == 0 ? renew(walk) : STATUS_OK;
    if (status != STATUS_OK) {
        return status;
    }
    MDB_val key;
    MDB_val row;
    int error = walk->is_placed ? mdb_cursor_get(walk->cursor, &key, &row, MDB_NEXT)
                                : place(walk, &key, &row);
    if (error != 0) {
        return error == MDB_NOTFOUND ? STATUS_NOT_FOUND : STATUS_STORAGE_FAILED;
    }
    if (walk->has_last && bytes_compare(store_bytes(&key), keys_bytes(&walk->last)) <= 0) {
        return STATUS_STORAGE_FAILED;
    }
    if (!bytes_start_with(store_bytes(&key), keys_bytes(&walk->start)) ||
        key.mv_size > sizeof(walk->last.data)) {
        return STATUS_NOT_FOUND;
    }
    memcpy(walk->last.data, key.mv_data, key.mv_size);
    walk->last.len = key.mv_size;
    walk->has_last = true;
    walk->rows_left--;
    if (row.mv_size < walk->bytes_left) {
        walk->bytes_left -= row.mv_size;
    } else {
        walk->rows_left = 0;
    }
    *out_key = store_bytes(&key);
    *out_row = store_bytes(&row);
    return STATUS_OK;
}

enum status record_walk_next(struct record_walk *walk, struct record_row *out_row)
{
    struct bytes key = BYTES_NONE;
    struct bytes row = BYTES_NONE;
    enum status status = record_walk_next_raw(walk, &key, &row);
    return status == STATUS_OK ? record_row_decode(key, row, out_row) : status;
}
