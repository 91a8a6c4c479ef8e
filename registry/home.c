/* SPDX-License-Identifier: Apache-2.0
 *
 * Prefix rows and the question who is at home (home.h). Nothing allocates.
 */
#include "registry/home.h"

#include "registry/change_item.h"
#include "registry/prefix_row.h"

enum status home_get_prefix(const struct home_view *view, struct bytes prefix,
                            struct prefix_row *out_row)
{
    struct store_key key;
    if (keys_prefix(prefix, &key) != STATUS_OK) {
        return STATUS_NOT_FOUND;
    }
    if (view->set != NULL && change_item_find_prefix(view->set, keys_bytes(&key), out_row)) {
        return STATUS_OK;
    }
    struct bytes row;
    enum status status = store_get(view->txn, STORE_PREFIX, keys_bytes(&key), &row);
    return status == STATUS_OK ? prefix_row_decode(keys_bytes(&key), row, out_row, NULL) : status;
}

enum status home_find(const struct home_view *view, struct bytes handle, struct prefix_row *out_row)
{
    bool may_ascend = handle_is_prefix_record(handle);
    struct bytes prefix = handle_governing_prefix(handle);
    while (prefix.len > 0) {
        struct prefix_row row;
        enum status status = home_get_prefix(view, prefix, &row);
        if (status == STATUS_OK && prefix_answers(&row)) {
            *out_row = row;
            return STATUS_OK;
        }
        if (status == STATUS_OK && row.state == PREFIX_STOPPED) {
            break;
        }
        if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
            return status;
        }
        prefix = may_ascend ? handle_parent_prefix(prefix) : BYTES_NONE;
    }
    return STATUS_NOT_RESPONSIBLE;
}

uint64_t home_counter(struct store_txn *txn, struct bytes prefix, enum counter counter)
{
    struct store_key key;
    keys_counter(prefix, counter, &key);
    struct bytes row;
    if (store_get(txn, STORE_COUNTER, keys_bytes(&key), &row) != STATUS_OK) {
        return 0;
    }
    struct wire_reader r = wire_read(row);
    return wire_u64(&r);
}
