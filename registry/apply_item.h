/* SPDX-License-Identifier: Apache-2.0
 *
 * One prepared item becomes rows: the step every journal backend shares.
 *
 * Inside a write transaction whose failures it remembers; the item's expectations were checked
 * before in the same transaction. The superseded row moves into history, a tombstone comes or goes,
 * the new row takes its journal position.
 */
#pragma once

#include "registry/change_item.h"
#include "registry/history.h"

/* OK when the row of (table, key) has this version, 0: is absent; else CONFLICT, or CORRUPT. */
enum status apply_item_check(struct store_txn *txn, enum change_table table, struct bytes key,
                             uint64_t version);

/* Does the store still show what the item was prepared on? OK, CONFLICT, or a failure. */
enum status apply_item_expects(struct store_txn *txn, const struct change_item *item);

/* `now` is the item's own journal position and the set's time. Audit items get their digest and
 * hash here, as their row holds the time. */
void apply_item(struct store_txn *txn, struct hasher *hasher, struct change_item *item,
                const struct history_moment *now);
