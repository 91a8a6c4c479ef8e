/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of records in key order (record_list.h). Nothing is kept between calls but the key.
 */
#include "registry/record_list.h"

#include "registry/record_row.h"
#include "registry/store.h"

/* The first key not before `at`, or behind it. */
static int seek(struct snapshot *snapshot, struct bytes at, bool is_behind, MDB_val *out_key,
                MDB_val *out_row)
{
    *out_key = store_val(at);
    int error = mdb_cursor_get(snapshot->records, out_key, out_row, MDB_SET_RANGE);
    if (error == 0 && is_behind && bytes_equal(store_bytes(out_key), at)) {
        error = mdb_cursor_get(snapshot->records, out_key, out_row, MDB_NEXT);
    }
    return error;
}

/* The key tells the name, unless it was shortened: then the row does. */
static enum status name_of(struct bytes row, enum case_rule rule, struct record_list_name *out_name)
{
    struct record_row decoded;
    if (!keys_is_shortened(out_name->key)) {
        out_name->name = out_name->key;
        return STATUS_OK;
    }
    enum status status = record_row_decode(out_name->key, row, &decoded);
    if (status == STATUS_OK) {
        out_name->name = handle_fold(decoded.handle, rule, out_name->folded);
    }
    return status;
}

enum status record_list_next(struct snapshot *snapshot, struct bytes start, struct bytes after,
                             enum case_rule rule, struct record_list_name *out_name)
{
    assert(snapshot->is_active && start.len > 0);
    bool has_after = bytes_compare(after, start) > 0;
    MDB_val key;
    MDB_val row;
    int error = seek(snapshot, has_after ? after : start, has_after, &key, &row);
    while (error == 0 && bytes_start_with(store_bytes(&key), start)) {
        out_name->key = store_bytes(&key);
        if (name_of(store_bytes(&row), rule, out_name) == STATUS_OK) {
            return STATUS_OK;
        }
        error = mdb_cursor_get(snapshot->records, &key, &row, MDB_NEXT);
    }
    return error == 0 ? STATUS_NOT_FOUND : store_status(error);
}
