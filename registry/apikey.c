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
    struct bytes key;
    struct bytes row;
    enum status status = store_next(snapshot_store(snapshot), STORE_APIKEY, after, &key, &row);
    return status == STATUS_OK ? apikey_row_decode(key, row, out_row) : status;
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
