/* SPDX-License-Identifier: Apache-2.0
 *
 * From the name a request spells to what this node knows about it: is the prefix homed here, and
 * which record. The only way handlers read the store.
 *
 * Everything handed out is borrowed from the snapshot and the `struct lookup` itself.
 */
#pragma once

#include "protocol/handle.h"
#include "registry/registry.h"

struct lookup {
    struct bytes handle; /* the name, or 0.NA/<name> when it has no slash */
    struct prefix_row home;
    struct record_row record;
    uint8_t expanded[HANDLE_EXPANDED_MAX];
};

/* The prefix that answers for `name`. INVALID_HANDLE: empty or longer than HANDLE_MAX;
 * NOT_RESPONSIBLE, also for what lies below a prefix delegated to another node; CORRUPT. Fills
 * `handle` and `home`. */
enum status lookup_home(struct snapshot *snapshot, struct bytes name, struct lookup *out_found);

/* The same and the record: HANDLE_NOT_FOUND. One prefix read and one record read. */
enum status lookup_record(struct snapshot *snapshot, struct bytes name, struct lookup *out_found);

/* Is this very prefix homed, active and hosted here ("0.NA/x", "x" or any handle below x)?
 * Ancestors do not count: what is listed is what stands under x itself. */
enum status lookup_prefix(struct snapshot *snapshot, struct bytes name, struct lookup *out_found);
