/* SPDX-License-Identifier: Apache-2.0
 *
 * Who answers for a name: prefix rows, the nearest active ancestor of 0.NA/x, counters.
 *
 * The same questions are asked of a snapshot, and, while a set is decided, of a transaction
 * overlaid by the prefixes that the set itself homes.
 */
#pragma once

#include "registry/store.h"

struct home_view {
    struct store_txn *txn;
    const struct change_set *set; /* whose prefix items count as stored; may be NULL */
};

/* NOT_FOUND, CORRUPT. */
enum status home_get_prefix(const struct home_view *view, struct bytes prefix,
                            struct prefix_row *out_row);

/* The prefix that answers for `handle`; NOT_RESPONSIBLE. */
enum status home_find(const struct home_view *view, struct bytes handle,
                      struct prefix_row *out_row);

/* `prefix` in stored form; 0 when never charged. */
uint64_t home_counter(struct store_txn *txn, struct bytes prefix, enum counter counter);
