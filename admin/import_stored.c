/* SPDX-License-Identifier: Apache-2.0
 *
 * Questions to the store (import_stored.h). The snapshot rests between them.
 */
#include "admin/import_stored.h"

#include <stdlib.h>

struct import_stored {
    struct snapshot *snapshot;
    struct bytes ruled_prefix; /* asked for last */
    uint8_t ruled_prefix_bytes[HANDLE_PREFIX_MAX];
    enum case_rule rule;
};

enum status import_stored_new(struct registry *registry, struct import_stored **out_stored)
{
    struct import_stored *stored = calloc(1, sizeof *stored);
    if (stored == NULL) {
        return STATUS_NO_MEMORY;
    }
    enum status status = snapshot_new(registry, &stored->snapshot);
    if (status != STATUS_OK) {
        free(stored);
        return status;
    }
    snapshot_rest(stored->snapshot);
    *out_stored = stored;
    return STATUS_OK;
}

void import_stored_free(struct import_stored *stored)
{
    if (stored != NULL) {
        snapshot_free(stored->snapshot);
        free(stored);
    }
}

enum case_rule import_stored_rule(struct import_stored *stored, struct bytes handle)
{
    struct bytes prefix = handle_governing_prefix(handle);
    if (bytes_equal(prefix, stored->ruled_prefix) || prefix.len > HANDLE_PREFIX_MAX) {
        return stored->rule;
    }
    struct prefix_row home;
    stored->rule = CASE_INSENSITIVE;
    if (snapshot_refresh(stored->snapshot) == STATUS_OK) {
        if (registry_find_home(stored->snapshot, handle, &home) == STATUS_OK) {
            stored->rule = home.case_rule;
        }
        snapshot_rest(stored->snapshot);
    }
    if (prefix.len > 0) {
        memcpy(stored->ruled_prefix_bytes, prefix.data, prefix.len);
    }
    stored->ruled_prefix = bytes_of(stored->ruled_prefix_bytes, prefix.len);
    return stored->rule;
}

bool import_stored_is_created(struct import_stored *stored, struct bytes handle, uint64_t version)
{
    struct history_row before;
    if (version == 1) {
        return true;
    }
    enum case_rule rule = import_stored_rule(stored, handle);
    if (snapshot_refresh(stored->snapshot) != STATUS_OK) {
        return false;
    }
    bool is_new =
        registry_get_history(stored->snapshot, handle, rule, version, &before) == STATUS_OK &&
        before.is_deletion;
    snapshot_rest(stored->snapshot);
    return is_new;
}

bool import_stored_find(struct import_stored *stored, struct bytes handle,
                        struct import_stored_row *out_row)
{
    enum case_rule rule = import_stored_rule(stored, handle);
    if (snapshot_refresh(stored->snapshot) != STATUS_OK) {
        return false;
    }
    struct record_row row;
    bool is_found = registry_get_record(stored->snapshot, handle, rule, &row) == STATUS_OK;
    if (is_found) {
        *out_row = (struct import_stored_row){row.version, row.position};
    }
    snapshot_rest(stored->snapshot);
    return is_found;
}

enum status import_stored_head(struct import_stored *stored, uint64_t *out_position,
                               uint8_t out_chain[JOURNAL_HASH_LEN])
{
    struct journal_set head = {0};
    enum status status = snapshot_refresh(stored->snapshot);
    if (status != STATUS_OK) {
        return status;
    }
    status = journal_head(stored->snapshot, &head);
    snapshot_rest(stored->snapshot);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        return status;
    }
    *out_position = status == STATUS_OK ? head.position + head.count - 1 : 0;
    memcpy(out_chain, head.chain, JOURNAL_HASH_LEN);
    return STATUS_OK;
}

bool import_stored_has(struct import_stored *stored, uint64_t position,
                       const uint8_t chain[JOURNAL_HASH_LEN])
{
    struct journal_set set;
    if (snapshot_refresh(stored->snapshot) != STATUS_OK) {
        return false;
    }
    bool is_right = journal_get(stored->snapshot, position, &set) == STATUS_OK &&
                    set.position + set.count - 1 == position &&
                    memcmp(set.chain, chain, JOURNAL_HASH_LEN) == 0;
    snapshot_rest(stored->snapshot);
    return is_right;
}
