/* SPDX-License-Identifier: Apache-2.0
 *
 * What was: superseded rows and the marks of deletions (layout in keys.h).
 *
 * A history row is the row as it was, under table ‖ key ‖ its version. A tombstone is the current
 * mark of a deleted key; when the key is created again the tombstone moves into history, so that
 * every version a key ever had is in exactly one place. Inside a transaction only.
 */
#pragma once

#include "registry/store.h"

/* DAMAGED: bytes whose checksum was wrong when they were superseded; the body is lost, its digest
 * stays in the journal. */
enum history_kind { HISTORY_ROW = 1, HISTORY_DELETION = 2, HISTORY_DAMAGED = 3 };

/* When and by which journal item a row was superseded. */
struct history_moment {
    uint64_t position;
    int64_t time_ms;
};

struct history_body {
    enum history_kind kind;
    struct history_moment replaced;
    struct bytes row; /* a row of the table, a tombstone, or what damage left of either */
};

/* Keeps `row` as version `version` of (table, key). `row` must not lie in a page of `txn`. */
void history_keep(struct store_txn *txn, enum change_table table, struct bytes key,
                  uint64_t version, const struct history_body *body);

/* `key`: as keys_history makes it. CORRUPT. */
enum status history_decode(struct bytes key, struct bytes row, struct history_body *out_body);

/* NOT_FOUND, CORRUPT. */
enum status history_get(struct store_txn *txn, enum change_table table, struct bytes key,
                        uint64_t version, struct history_body *out_body);

struct history_at {
    struct bytes key; /* the record key, in the page */
    uint64_t version;
    struct history_body body;
};

/* The newest version of a record below `before_version`. */
enum status history_find_before(struct store_txn *txn, struct bytes key, uint64_t before_version,
                                struct history_at *out_at);

/* The newest version of a record in history, 0 when there is none. Versions are dense and leave
 * history never, so the current one is the next, whatever a damaged row says. */
enum status history_last_version(struct store_txn *txn, struct bytes key, uint64_t *out_version);

#define TOMBSTONE_ROW_MAX (32 + KEYS_ENTERPRISE_MAX)

struct tombstone {
    uint64_t version;
    uint64_t position;
    int64_t deleted_ms;
    struct bytes enterprise;
};

/* `key`: as keys_tombstone makes it; covered by the checksum. */
void tombstone_encode(struct wire_writer *w, struct bytes key, const struct tombstone *tombstone);
enum status tombstone_decode(struct bytes key, struct bytes row, struct tombstone *out_tombstone);

/* `key` is the record key. NOT_FOUND, CORRUPT. */
enum status tombstone_get(struct store_txn *txn, enum change_table table, struct bytes key,
                          struct tombstone *out_tombstone);
