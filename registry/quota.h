/* SPDX-License-Identifier: Apache-2.0
 *
 * Registration limits: identifiers and bytes per prefix, exact, charged in the write's transaction.
 *
 * A book is opened for one change set: each prefix it touches becomes an account with the counters
 * as they stand in the transaction; items are charged in order; the counters are written only when
 * the set is applied. Prefix records are counted under 0.NA, which has no limits.
 */
#pragma once

#include "registry/home.h"

struct quota_account {
    struct bytes prefix; /* borrowed from the item that opened it */
    enum status status;  /* OK, or why the prefix takes no records */
    uint64_t max_identifiers;
    uint64_t max_bytes;
    uint64_t identifiers;
    uint64_t bytes;
    bool is_charged;
};

struct quota_book {
    struct quota_account *accounts;
    size_t count;
    size_t capacity;
    size_t last; /* the account used last: sorted sets stay with it */
};

void quota_done(struct quota_book *book);

/* Forgets every account, for the next set. */
void quota_reset(struct quota_book *book);

/* What an item adds: identifiers -1, 0 or 1, bytes after and before. */
struct quota_change {
    int identifiers;
    size_t new_bytes;
    size_t old_bytes;
};

/* Charges the account of the canonical handle's prefix. QUOTA_EXCEEDED (nothing is charged),
 * NOT_RESPONSIBLE when the prefix takes no records (any more), NO_MEMORY. What shrinks is never
 * refused. */
enum status quota_charge(struct quota_book *book, const struct home_view *view,
                         struct bytes canonical, const struct quota_change *change);

/* Writes the counters of all charged accounts. */
void quota_store(const struct quota_book *book, struct store_txn *txn);
