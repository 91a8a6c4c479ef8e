/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of a record walk, for those who look between its renewals (journal_verify.c).
 */
#pragma once

#include "registry/store.h"

struct record_walk {
    struct snapshot *snapshot;
    MDB_cursor *cursor;
    struct store_key start; /* what every key begins with */
    struct store_key last;  /* the key handed out last */
    bool has_last;
    bool is_placed;     /* the cursor stands on `last` */
    uint32_t rows_left; /* until the next renewal, and */
    size_t bytes_left;  /* value bytes: large rows take longer to use */
    uint64_t renewals;
};

/* Key and row as stored, not decoded. NOT_FOUND at the end; STORAGE_FAILED when the tree itself is
 * damaged, so that the walk cannot go on. */
enum status record_walk_next_raw(struct record_walk *walk, struct bytes *out_key,
                                 struct bytes *out_row);
