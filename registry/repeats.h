/* SPDX-License-Identifier: Apache-2.0
 *
 * What became of requests that may come again (Idempotency-Key): kept for a day, the newest 100 000
 * of an enterprise, in the transaction of the change set that did what was asked. Neither
 * journalled nor versioned.
 *
 * A set that is to be remembered (change_set_remember) conflicts with one that was: whoever decides
 * anew finds its outcome in the snapshot then. A set that changed nothing is not remembered.
 */
#pragma once

#include "registry/store.h"

#define REPEATS_MS (24ll * 60 * 60 * 1000)
#define REPEATS_PER_ENTERPRISE 100000

struct repeat_row {
    int64_t time_ms;
    struct bytes digest; /* of the request: CHANGE_REPEAT_LEN */
    struct bytes note;   /* what whoever asked wrote down */
    uint32_t count;
    struct bytes items; /* encoded; walk with repeats_next_item */
};

struct repeat_item {
    uint16_t code; /* of the Handle protocol: 1, done */
    bool is_unchanged;
    bool replaces;
    uint64_t version;
};

/* NOT_FOUND, also when its day is over; CORRUPT. `key`: CHANGE_REPEAT_LEN. */
enum status repeats_get(struct snapshot *snapshot, struct bytes key, int64_t now_ms,
                        struct repeat_row *out_row);
/* Steps through `wire_read(row->items)`; false at the end. */
bool repeats_next_item(struct wire_reader *r, struct repeat_item *out_item);

/* --- for the journal's backend, inside its transaction -----------------------------------------
 */

/* Was this set's request done already? */
bool repeats_has(struct store_txn *txn, const struct change_set *set);
/* Keeps the outcome of a set that was applied, and lets go of what is old. */
void repeats_keep(struct store_txn *txn, const struct change_set *set, int64_t time_ms);
