/* SPDX-License-Identifier: Apache-2.0
 *
 * Enterprises as a snapshot shows them (enterprise.h).
 */
#include "registry/enterprise.h"

#include "registry/store.h"

enum status enterprise_get(struct snapshot *snapshot, struct bytes id,
                           struct enterprise_row *out_row)
{
    struct bytes row;
    enum status status = store_get(snapshot_store(snapshot), STORE_ENTERPRISE, id, &row);
    return status == STATUS_OK ? enterprise_row_decode(id, row, out_row) : status;
}

enum status enterprise_next(struct snapshot *snapshot, struct bytes after,
                            struct enterprise_row *out_row)
{
    struct store_txn *txn = snapshot_store(snapshot);
    MDB_cursor *cursor = NULL;
    int error = mdb_cursor_open(txn->mdb, txn->registry->databases[STORE_ENTERPRISE], &cursor);
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
    return error != 0 ? store_status(error)
                      : enterprise_row_decode(store_bytes(&key), store_bytes(&row), out_row);
}

enum status enterprise_find(struct snapshot *snapshot, const struct store_key *key,
                            struct bytes *out_id)
{
    return store_get(snapshot_store(snapshot), STORE_ENTERPRISE_INDEX, keys_bytes(key), out_id);
}
