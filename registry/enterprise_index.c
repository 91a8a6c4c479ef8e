/* SPDX-License-Identifier: Apache-2.0
 *
 * Keeping the index of enterprises (enterprise_index.h).
 */
#include "registry/enterprise_index.h"

enum status enterprise_index_check(struct store_txn *txn, struct bytes key, struct bytes id)
{
    struct bytes owner;
    enum status status = store_get(txn, STORE_ENTERPRISE_INDEX, key, &owner);
    if (status == STATUS_NOT_FOUND) {
        return STATUS_OK;
    }
    return status == STATUS_OK && !bytes_equal(owner, id) ? STATUS_CONFLICT : status;
}

enum status enterprise_index_expects(struct store_txn *txn, const struct change_item *item)
{
    enum status status = STATUS_OK;
    const struct change_uniques *uniques = item->uniques;
    for (size_t i = 0; uniques != NULL && i < uniques->after.count && status == STATUS_OK; i++) {
        status = enterprise_index_check(txn, keys_bytes(&uniques->after.keys[i]), item->key);
    }
    return status;
}

static bool has_key(const struct enterprise_uniques *uniques, struct bytes key)
{
    for (size_t i = 0; i < uniques->count; i++) {
        if (bytes_equal(keys_bytes(&uniques->keys[i]), key)) {
            return true;
        }
    }
    return false;
}

void enterprise_index_apply(struct store_txn *txn, const struct change_item *item)
{
    const struct change_uniques *uniques = item->uniques;
    for (size_t i = 0; uniques != NULL && i < uniques->before.count; i++) {
        struct bytes key = keys_bytes(&uniques->before.keys[i]);
        if (!has_key(&uniques->after, key)) {
            store_delete(txn, STORE_ENTERPRISE_INDEX, key);
        }
    }
    for (size_t i = 0; uniques != NULL && i < uniques->after.count; i++) {
        struct bytes key = keys_bytes(&uniques->after.keys[i]);
        if (!has_key(&uniques->before, key)) {
            store_put(txn, STORE_ENTERPRISE_INDEX, key, item->key);
        }
    }
}

bool enterprise_index_has_row(struct store_txn *txn, const struct enterprise_row *row)
{
    struct enterprise_uniques uniques;
    if (enterprise_uniques_of(row, &uniques) != STATUS_OK) {
        return false;
    }
    for (size_t i = 0; i < uniques.count; i++) {
        struct bytes owner;
        if (store_get(txn, STORE_ENTERPRISE_INDEX, keys_bytes(&uniques.keys[i]), &owner) !=
                STATUS_OK ||
            !bytes_equal(owner, row->id)) {
            return false;
        }
    }
    return true;
}

bool enterprise_index_is_right(struct store_txn *txn, struct bytes key, struct bytes id)
{
    struct bytes stored;
    struct enterprise_row row;
    struct enterprise_uniques uniques;
    return store_get(txn, STORE_ENTERPRISE, id, &stored) == STATUS_OK &&
           enterprise_row_decode(id, stored, &row) == STATUS_OK &&
           enterprise_uniques_of(&row, &uniques) == STATUS_OK && has_key(&uniques, key);
}
