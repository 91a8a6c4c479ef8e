/* SPDX-License-Identifier: Apache-2.0
 *
 * The seam under the committer: where change sets become durable (design: scale-out).
 *
 * Today journal_lmdb.c, where the LMDB journal is the record; a backend that keeps the record in
 * another engine applies through the same apply_item. Nothing above knows which one runs.
 */
#pragma once

#include "registry/change_set.h"

struct journal_backend {
    /* Takes prepared sets in order, gives each its final status and items theirs. What is OK
     * afterwards is durable and published. Any thread; one group at a time. */
    void (*commit_group)(struct registry *registry, struct change_set *const *sets, size_t count);
};

extern const struct journal_backend journal_lmdb;
