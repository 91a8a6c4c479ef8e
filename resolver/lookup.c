/* SPDX-License-Identifier: Apache-2.0
 *
 * Names to homes and records; see lookup.h.
 */
#include "resolver/lookup.h"

/* Of a prefix with a node of its own we keep the record 0.NA/<prefix> and nothing below it. */
static bool is_delegated(const struct lookup *found)
{
    return found->home.hosting != PREFIX_HOSTED && !handle_is_prefix_record(found->handle);
}

enum status lookup_home(struct snapshot *snapshot, struct bytes name, struct lookup *out_found)
{
    enum status status = handle_expand(name, out_found->expanded, &out_found->handle);
    if (status != STATUS_OK) {
        return status;
    }
    status = registry_find_home(snapshot, out_found->handle, &out_found->home);
    return status == STATUS_OK && is_delegated(out_found) ? STATUS_NOT_RESPONSIBLE : status;
}

enum status lookup_record(struct snapshot *snapshot, struct bytes name, struct lookup *out_found)
{
    enum status status = lookup_home(snapshot, name, out_found);
    if (status != STATUS_OK) {
        return status;
    }
    return registry_get_record(snapshot, out_found->handle, out_found->home.case_rule,
                               &out_found->record);
}

enum status lookup_prefix(struct snapshot *snapshot, struct bytes name, struct lookup *out_found)
{
    enum status status = handle_expand(name, out_found->expanded, &out_found->handle);
    if (status != STATUS_OK) {
        return status;
    }
    struct bytes prefix = handle_governing_prefix(out_found->handle);
    status = registry_get_prefix(snapshot, prefix, &out_found->home);
    if (status == STATUS_NOT_FOUND ||
        (status == STATUS_OK &&
         (!prefix_answers(&out_found->home) || out_found->home.hosting != PREFIX_HOSTED))) {
        return STATUS_NOT_RESPONSIBLE;
    }
    return status;
}
