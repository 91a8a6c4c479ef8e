/* SPDX-License-Identifier: Apache-2.0
 *
 * The end of the stored records: behind it there is nothing, neither a record nor the mark of a
 * deletion, so that sorted input need not be looked up one by one. Inside a transaction only; a
 * writer moves it along with what it puts.
 */
#pragma once

#include "registry/store.h"

struct load_edge {
    bool is_known;
    size_t len; /* 0: the store has no record and no mark */
    uint8_t key[KEYS_RECORD_MAX];
};

/* Finding it costs as much as two look-ups. */
void load_edge_find(struct store_txn *txn, struct load_edge *out_edge);

/* Is it certain that nothing is stored under this record key? */
bool load_edge_is_behind(const struct load_edge *edge, struct bytes key);

/* A record was put under `key`. */
void load_edge_move(struct load_edge *edge, struct bytes key);
