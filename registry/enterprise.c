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
    struct bytes key;
    struct bytes row;
    enum status status = store_next(snapshot_store(snapshot), STORE_ENTERPRISE, after, &key, &row);
    return status == STATUS_OK ? enterprise_row_decode(key, row, out_row) : status;
}

enum status enterprise_find(struct snapshot *snapshot, const struct store_key *key,
                            struct bytes *out_id)
{
    return store_get(snapshot_store(snapshot), STORE_ENTERPRISE_INDEX, keys_bytes(key), out_id);
}
