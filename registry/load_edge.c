/* SPDX-License-Identifier: Apache-2.0
 *
 * The end of the stored records (load_edge.h).
 */
#include "registry/load_edge.h"

/* The last key of a database; `out_len` 0: it is empty. */
static int last_key(struct store_txn *txn, enum store_database database, struct bytes *out_key)
{
    MDB_cursor *cursor = NULL;
    MDB_val key = {0, NULL};
    MDB_val row;
    int error = mdb_cursor_open(txn->mdb, txn->registry->databases[database], &cursor);
    if (error != 0) {
        return error;
    }
    error = mdb_cursor_get(cursor, &key, &row, MDB_LAST);
    mdb_cursor_close(cursor);
    *out_key = error == 0 ? store_bytes(&key) : BYTES_NONE;
    return error == MDB_NOTFOUND ? 0 : error;
}

void load_edge_move(struct load_edge *edge, struct bytes key)
{
    if (load_edge_is_behind(edge, key) && key.len <= sizeof(edge->key)) {
        memcpy(edge->key, key.data, key.len);
        edge->len = key.len;
    }
}

void load_edge_find(struct store_txn *txn, struct load_edge *out_edge)
{
    struct bytes record = BYTES_NONE;
    struct bytes mark = BYTES_NONE;
    out_edge->is_known = txn->error == 0 && last_key(txn, STORE_RECORD, &record) == 0 &&
                         last_key(txn, STORE_TOMBSTONE, &mark) == 0;
    out_edge->len = 0;
    load_edge_move(out_edge, record);
    if (mark.len > 0) {
        /* Marks of other tables lie behind: then the last one of a record is not known. */
        out_edge->is_known = out_edge->is_known && mark.data[0] == CHANGE_RECORD;
        load_edge_move(out_edge, bytes_from(mark, 1));
    }
}

bool load_edge_is_behind(const struct load_edge *edge, struct bytes key)
{
    return edge->is_known && bytes_compare(key, bytes_of(edge->key, edge->len)) > 0;
}
