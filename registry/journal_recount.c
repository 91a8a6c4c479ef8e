/* SPDX-License-Identifier: Apache-2.0
 *
 * Recounts records beside a writer, exactly, without a long transaction (journal_recount.h).
 *
 * The counters are read at one instant, journal position `origin`. The walk renews its snapshot and
 * counts only rows not written since. At each renewal the journal tells which keys changed
 * meanwhile; those the walk has yet to reach are counted as they were at `origin`, out of history;
 * those it has passed were counted already.
 */
#include "registry/journal_recount.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "registry/history.h"
#include "registry/record_row.h"
#include "registry/record_walk.h"

struct tally {
    uint8_t prefix[HANDLE_PREFIX_MAX];
    size_t prefix_len;
    uint64_t stored[2]; /* identifiers, bytes, as the counters say */
    uint64_t counted[2];
};

struct recount {
    struct registry *registry;
    struct tally *tallies; /* in order of prefix, as the counter database is */
    size_t count;
    size_t capacity;
    uint64_t origin; /* head of the journal when the counters were read */
    uint64_t seen;   /* head of the journal up to which changes were undone */
    struct recount_result *result;
};

static struct bytes prefix_of(const struct tally *tally)
{
    return bytes_of(tally->prefix, tally->prefix_len);
}

static struct tally *find_tally(struct recount *recount, struct bytes prefix)
{
    size_t low = 0;
    size_t high = recount->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = bytes_compare(prefix_of(&recount->tallies[middle]), prefix);
        if (order == 0) {
            return &recount->tallies[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

static struct tally *add_tally(struct recount *recount, struct bytes prefix)
{
    if (recount->count == recount->capacity) {
        size_t capacity = recount->capacity == 0 ? 64 : recount->capacity * 2;
        struct tally *tallies = realloc(recount->tallies, capacity * sizeof(*tallies));
        if (tallies == NULL) {
            return NULL;
        }
        recount->tallies = tallies;
        recount->capacity = capacity;
    }
    struct tally *tally = &recount->tallies[recount->count++];
    *tally = (struct tally){.prefix_len = prefix.len};
    memcpy(tally->prefix, prefix.data, prefix.len);
    return tally;
}

/* One row of the counter database. */
static enum status load_counter(struct recount *recount, struct bytes key, struct bytes row)
{
    struct wire_reader k = wire_read(key);
    struct wire_reader r = wire_read(row);
    struct bytes prefix = wire_take(&k, key.len < 2 ? 0 : key.len - 2);
    uint8_t separator = wire_u8(&k);
    uint8_t counter = wire_u8(&k);
    uint64_t number = wire_u64(&r);
    if (!wire_done(&k) || !wire_done(&r) || separator != 0 || prefix.len > HANDLE_PREFIX_MAX ||
        (counter != COUNTER_IDENTIFIERS && counter != COUNTER_BYTES)) {
        return STATUS_CORRUPT;
    }
    struct tally *tally = find_tally(recount, prefix);
    if (tally == NULL) {
        tally = add_tally(recount, prefix);
    }
    if (tally == NULL) {
        return STATUS_NO_MEMORY;
    }
    tally->stored[counter - COUNTER_IDENTIFIERS] = number;
    return STATUS_OK;
}

static uint64_t head_of(struct snapshot *snapshot)
{
    struct journal_set last;
    return journal_head(snapshot, &last) == STATUS_OK ? last.position + last.count - 1 : 0;
}

static enum status load_counters(struct recount *recount)
{
    struct snapshot *snapshot = NULL;
    enum status status = snapshot_new(recount->registry, &snapshot);
    if (status != STATUS_OK) {
        return status;
    }
    recount->origin = head_of(snapshot);
    recount->seen = recount->origin;
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_val row;
    int error = mdb_cursor_open(snapshot_store(snapshot)->mdb,
                                recount->registry->databases[STORE_COUNTER], &cursor);
    while (error == 0 && status == STATUS_OK) {
        error = mdb_cursor_get(cursor, &key, &row, MDB_NEXT);
        if (error == 0) {
            status = load_counter(recount, store_bytes(&key), store_bytes(&row));
        }
    }
    if (cursor != NULL) {
        mdb_cursor_close(cursor);
    }
    snapshot_free(snapshot);
    if (status == STATUS_OK && error != MDB_NOTFOUND) {
        status = store_status(error);
    }
    return status;
}

static enum status count_row(struct recount *recount, const struct record_row *row)
{
    struct store_key prefix;
    struct tally *tally = NULL;
    if (keys_prefix(handle_prefix(row->handle), &prefix) == STATUS_OK) {
        tally = find_tally(recount, keys_bytes(&prefix));
    }
    if (tally == NULL) {
        (void)snprintf(recount->result->reason, sizeof(recount->result->reason),
                       "the record at position %" PRIu64 " has a prefix without a counter",
                       row->position);
        return STATUS_CORRUPT;
    }
    tally->counted[0]++;
    tally->counted[1] += row->values.len;
    recount->result->records++;
    return STATUS_OK;
}

/* Counts what a change behind `origin` superseded, when the walk will not meet it any more. */
static enum status undo_item(struct recount *recount, struct store_txn *txn,
                             const struct journal_item *item, struct bytes walked)
{
    struct record_key key;
    if (item->table != CHANGE_RECORD || item->version < 2) {
        return STATUS_OK;
    }
    enum status status = keys_record(item->key, CASE_SENSITIVE, &key);
    if (status != STATUS_OK) {
        return STATUS_CORRUPT;
    }
    if (walked.len > 0 && bytes_compare(key.key, walked) <= 0) {
        return STATUS_OK;
    }
    struct history_body body;
    status = history_get(txn, CHANGE_RECORD, key.key, item->version - 1, &body);
    if (status != STATUS_OK || body.kind != HISTORY_ROW) {
        return status == STATUS_NOT_FOUND ? STATUS_OK : status;
    }
    struct record_row row;
    status = record_row_decode(key.key, body.row, &row);
    if (status != STATUS_OK || row.position > recount->origin) {
        return status;
    }
    return count_row(recount, &row);
}

static enum status undo_changes(struct recount *recount, struct snapshot *snapshot,
                                struct bytes walked)
{
    uint64_t head = head_of(snapshot);
    while (recount->seen < head) {
        struct journal_set set;
        enum status status = journal_get(snapshot, recount->seen + 1, &set);
        if (status != STATUS_OK) {
            return status;
        }
        struct wire_reader r = wire_read(set.items);
        struct journal_item item;
        while (journal_next_item(&r, &item)) {
            status = undo_item(recount, snapshot_store(snapshot), &item, walked);
            if (status != STATUS_OK) {
                return status;
            }
        }
        if (!wire_done(&r)) {
            return STATUS_CORRUPT;
        }
        recount->seen = set.position + set.count - 1;
    }
    return STATUS_OK;
}

static enum status count_records(struct recount *recount, struct record_walk *walk)
{
    for (;;) {
        struct store_key walked = {.len = 0};
        if (walk->rows_left == 0) {
            walked = walk->last;
        }
        uint64_t renewals = walk->renewals;
        struct bytes key;
        struct bytes stored;
        enum status status = record_walk_next_raw(walk, &key, &stored);
        bool is_end = status == STATUS_NOT_FOUND;
        if ((status == STATUS_OK || is_end) && walk->renewals != renewals) {
            enum status undone = undo_changes(recount, walk->snapshot, keys_bytes(&walked));
            status = undone == STATUS_OK ? status : undone;
        }
        struct record_row row;
        if (status == STATUS_OK) {
            status = record_row_decode(key, stored, &row);
        }
        if (status == STATUS_OK && row.position <= recount->origin) {
            status = count_row(recount, &row);
        }
        if (status != STATUS_OK) {
            return is_end && status == STATUS_NOT_FOUND ? STATUS_OK : status;
        }
    }
}

static enum status compare(struct recount *recount)
{
    for (size_t i = 0; i < recount->count; i++) {
        const struct tally *tally = &recount->tallies[i];
        for (size_t j = 0; j < 2; j++) {
            if (tally->stored[j] != tally->counted[j]) {
                (void)snprintf(recount->result->reason, sizeof(recount->result->reason),
                               "prefix %.*s: the counter of %s says %" PRIu64
                               ", the records are %" PRIu64,
                               (int)(tally->prefix_len > 60 ? 60 : tally->prefix_len),
                               (const char *)tally->prefix, j == 0 ? "identifiers" : "bytes",
                               tally->stored[j], tally->counted[j]);
                return STATUS_CORRUPT;
            }
        }
    }
    return STATUS_OK;
}

enum status journal_recount(struct registry *registry, struct recount_result *out_result)
{
    *out_result = (struct recount_result){0};
    struct recount recount = {.registry = registry, .result = out_result};
    struct record_walk *walk = NULL;
    enum status status = load_counters(&recount);
    if (status == STATUS_OK) {
        status = record_walk_open(registry, BYTES_NONE, &walk);
    }
    if (status == STATUS_OK) {
        status = count_records(&recount, walk);
    }
    record_walk_close(walk);
    if (status == STATUS_OK) {
        status = compare(&recount);
    }
    if (status == STATUS_CORRUPT && out_result->reason[0] == '\0') {
        (void)snprintf(out_result->reason, sizeof(out_result->reason),
                       "a record, a counter or a journal row is damaged");
    }
    free(recount.tallies);
    return status;
}
