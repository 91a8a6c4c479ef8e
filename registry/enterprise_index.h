/* SPDX-License-Identifier: Apache-2.0
 *
 * The index of what no two enterprises share: credential and prefix applied for (keys.h).
 *
 * Derived from the rows, changed in the transaction of their write, proved by record_verify. Inside
 * a transaction only.
 */
#pragma once

#include "registry/change_item.h"
#include "registry/store.h"

/* OK when the key is free or this enterprise's; CONFLICT when another one has it. */
enum status enterprise_index_check(struct store_txn *txn, struct bytes key, struct bytes id);

/* The same of every key that the item takes. */
enum status enterprise_index_expects(struct store_txn *txn, const struct change_item *item);

/* Does the index have every key of the row; does the enterprise named by an entry have its key? */
bool enterprise_index_has_row(struct store_txn *txn, const struct enterprise_row *row);
bool enterprise_index_is_right(struct store_txn *txn, struct bytes key, struct bytes id);

void enterprise_index_apply(struct store_txn *txn, const struct change_item *item);
