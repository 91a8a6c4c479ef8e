/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of records one after the other, for lists that are told in pieces: each piece in the
 * snapshot of its time, from the key the last one ended with. A name is the folded handle.
 *
 * What is handed out is borrowed from the snapshot and the struct, which must not be copied.
 */
#pragma once

#include "registry/registry.h"

struct record_list_name {
    struct bytes key;  /* where the next piece goes on */
    struct bytes name; /* all of it, also when the key was shortened */
    uint8_t folded[HANDLE_MAX];
};

/* The first record behind `after` (a key, or any bytes; none: the first) whose key begins with
 * `start`, folded. NOT_FOUND at the end. Damaged rows whose name cannot be told are left out. */
enum status record_list_next(struct snapshot *snapshot, struct bytes start, struct bytes after,
                             enum case_rule rule, struct record_list_name *out_name);
