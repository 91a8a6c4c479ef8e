/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of preparing a change set: what one item meets in a snapshot, and the row it will leave.
 *
 * Each table has a file of its own (prepare_record.c, prepare_prefix.c; audit rows, which meet
 * nothing, are in change_prepare.c). On the thread that prepares the set; what is made lives in its
 * arena `prepared`.
 */
#pragma once

#include "registry/change_item.h"
#include "registry/home.h"
#include "registry/load_edge.h"

struct preparation {
    struct change_set *set;
    struct store_txn *txn;
    struct home_view view;
    struct load_edge edge;

    /* The home found last: the records of a set are mostly of one prefix. */
    struct bytes home_prefix; /* as the record spelled it; empty: none yet */
    struct prefix_row home;
    struct bytes home_owner; /* kept for the preparation */
};

/* Each gives the item's outcome: OK when it is to be applied, UNCHANGED, or why it fails. */
enum status prepare_record(struct preparation *p, struct change_item *item);
enum status prepare_enterprise(struct preparation *p, struct change_item *item);
enum status prepare_prefix(struct preparation *p, struct change_item *item);
enum status prepare_apikey(struct preparation *p, struct change_item *item);

/* The hash of the item as its journal line will be. */
static inline enum status prepare_item_hash(struct preparation *p, struct change_item *item)
{
    struct journal_item entry = change_item_journal(item);
    return record_digest_item(p->set->hasher, &entry, item->hash);
}

/* A copy that lives as long as the preparation; `status` is set only when memory is out. */
static inline struct bytes prepare_item_copy(struct preparation *p, struct bytes from,
                                             enum status *status)
{
    struct bytes copy = arena_copy(p->set->prepared, from);
    if (copy.data == NULL && from.len > 0) {
        *status = STATUS_NO_MEMORY;
    }
    return copy;
}

static inline enum status prepare_item_fail(struct change_item *item, enum status status,
                                            const char *reason)
{
    item->reason = reason;
    return status;
}
