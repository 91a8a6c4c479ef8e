/* SPDX-License-Identifier: Apache-2.0
 *
 * Codec of journal rows (layout in keys.h); implemented in journal.c. Pure.
 */
#pragma once

#include "registry/journal.h"

/* Bytes of an item inside the row, and of the row holding `items_len` bytes of items. */
size_t journal_row_item_len(const struct journal_item *item);
size_t journal_row_len(const struct journal_set *set, size_t items_len);

/* Everything but the items, which follow one by one. */
void journal_row_begin(struct wire_writer *w, const struct journal_set *set);
void journal_row_item(struct wire_writer *w, const struct journal_item *item);

/* CORRUPT. Items are walked later, by journal_next_item. */
enum status journal_row_decode(struct bytes key, struct bytes row, struct journal_set *out_set);
