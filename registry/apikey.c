/* SPDX-License-Identifier: Apache-2.0
 *
 * API keys as they stand in the store (registry.h).
 */
#include "registry/apikey_row.h"
#include "registry/store.h"

enum status registry_get_apikey(struct snapshot *snapshot, struct bytes id,
                                struct apikey_row *out_row)
{
    struct bytes row;
    enum status status = store_get(snapshot_store(snapshot), STORE_APIKEY, id, &row);
    return status == STATUS_OK ? apikey_row_decode(id, row, out_row) : status;
}

enum status registry_next_apikey(struct snapshot *snapshot, struct bytes after,
                                 struct apikey_row *out_row)
{
    struct store_txn *txn = snapshot_store(snapshot);
    MDB_cursor *cursor = NULL;
    if (txn->registry->databases[STORE_APIKEY] == STORE_NO_DATABASE) {
        return STATUS_NOT_FOUND;
    }
    int error = mdb_cursor_open(txn->mdb, txn->registry->databases[STORE_APIKEY], &cursor);
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
                      : apikey_row_decode(store_bytes(&key), store_bytes(&row), out_row);
}

enum status registry_apikey_mac(struct snapshot *snapshot, struct bytes id, struct bytes secret,
                                uint8_t out[32])
{
    const struct registry *registry = snapshot_store(snapshot)->registry;
    return registry->has_commitment_key
               ? apikey_row_mac(bytes_of(registry->commitment_key, REGISTRY_COMMITMENT_KEY_LEN), id,
                                secret, out)
               : STATUS_BAD_SETTING;
}
