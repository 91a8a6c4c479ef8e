/* SPDX-License-Identifier: Apache-2.0
 *
 * The journal backend where LMDB is the record: a group of change sets, one transaction.
 *
 * Each set is decided in full (expectations, home, quota) before its first put, so that a set which
 * fails costs the group nothing. Positions, chain and time continue from the registry's head, which
 * is adopted only after the commit. Whoever calls holds nothing; the write lock is taken here.
 */
#include "registry/apply_item.h"
#include "registry/journal_backend.h"
#include "registry/journal_row.h"
#include "registry/load_edge.h"
#include "registry/quota.h"
#include "registry/repeats.h"
#include "registry/store_map.h"

/* Items from which finding the end of the records pays. */
#define EDGE_FROM_ITEMS 8

struct group {
    struct registry *registry;
    struct store_txn txn;
    struct journal_state head;
    struct quota_book book;
    struct load_edge edge;
    enum status reserve; /* STORAGE_FULL: no record is put */
    bool has_refused;    /* a record, for that reason */
    uint64_t behind_ms;  /* of the last set's clock to the journal's time */
    bool has_written;
};

/* --- deciding ----------------------------------------------------------------------------------
 */

static bool is_live(const struct change_item *item)
{
    return item->prepared_status == STATUS_OK || item->prepared_status == STATUS_UNCHANGED;
}

static enum status decide_record(struct group *group, const struct change_set *set,
                                 const struct change_item *item)
{
    bool is_put = item->operation == JOURNAL_PUT;
    if (is_put && group->reserve != STATUS_OK) {
        group->has_refused = true;
        return group->reserve;
    }
    const struct home_view view = {.txn = &group->txn, .set = set};
    const struct quota_change change = {
        .identifiers = is_put ? item->expected_version == 0 : -1,
        .new_bytes = is_put ? item->values.len : 0,
        .old_bytes = item->stored_bytes,
    };
    return quota_charge(&group->book, &view, item->canonical, &change);
}

static bool is_refusal(enum status status)
{
    return status == STATUS_QUOTA_EXCEEDED || status == STATUS_NOT_RESPONSIBLE ||
           status == STATUS_ACCESS_DENIED;
}

static enum status check_expectation(struct group *group, const struct change_item *item)
{
    bool expects_nothing = item->table == CHANGE_RECORD && !item->meets_damage &&
                           item->expected_version == 0 && item->expected_tombstone == 0;
    return expects_nothing && load_edge_is_behind(&group->edge, item->key)
               ? STATUS_OK
               : apply_item_expects(&group->txn, item);
}

/* OK when the set may be applied; its items carry their own outcome. */
static enum status decide_set(struct group *group, struct change_set *set)
{
    quota_reset(&group->book);
    if (!set->is_prepared) {
        return STATUS_CONFLICT;
    }
    if (set->repeat != NULL && repeats_has(&group->txn, set)) {
        return STATUS_CONFLICT;
    }
    for (size_t i = 0; i < set->dependency_count; i++) {
        const struct change_dependency *dependency = &set->dependencies[i];
        enum status status =
            apply_item_check(&group->txn, dependency->table, dependency->key, dependency->version);
        if (status != STATUS_OK) {
            return status;
        }
    }
    for (size_t i = 0; i <= set->count; i++) {
        struct change_item *item = &set->items[i];
        item->status = item->prepared_status;
        enum status status = is_live(item) ? check_expectation(group, item) : STATUS_OK;
        if (status == STATUS_OK && item->table == CHANGE_RECORD &&
            item->prepared_status == STATUS_OK) {
            status = decide_record(group, set, item);
        }
        if (is_refusal(status)) {
            item->status = status;
            status = set->policy == CHANGE_PER_ITEM ? STATUS_OK : status;
        }
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

/* --- applying ----------------------------------------------------------------------------------
 */

static enum status write_journal(struct group *group, const struct change_set *set,
                                 struct journal_set *entry)
{
    size_t items_len = 0;
    record_digest_chain_begin(set->hasher, group->head.chain, entry);
    for (size_t i = 0; i <= set->count; i++) {
        const struct change_item *item = &set->items[i];
        if (item->status == STATUS_OK) {
            struct journal_item line = change_item_journal(item);
            items_len += journal_row_item_len(&line);
            hasher_add(set->hasher, bytes_of(item->hash, sizeof(item->hash)));
        }
    }
    enum status status = hasher_end(set->hasher, entry->chain);
    if (status != STATUS_OK) {
        return status;
    }
    struct store_key key;
    keys_journal(entry->position, &key);
    size_t len = journal_row_len(entry, items_len);
    uint8_t *room = store_reserve(&group->txn, STORE_JOURNAL, keys_bytes(&key), len);
    if (room == NULL) {
        return store_status(group->txn.error);
    }
    struct wire_writer w = wire_write(room, len);
    journal_row_begin(&w, entry);
    for (size_t i = 0; i <= set->count; i++) {
        if (set->items[i].status == STATUS_OK) {
            struct journal_item line = change_item_journal(&set->items[i]);
            journal_row_item(&w, &line);
        }
    }
    assert(!w.failed && w.at == w.end);
    return STATUS_OK;
}

static enum status apply_set(struct group *group, struct change_set *set)
{
    struct journal_set entry = {
        .position = group->head.position + 1,
        .time_ms = set->now_ms > group->head.time_ms ? set->now_ms : group->head.time_ms,
        .actor = set->actor,
        .origin = set->origin,
    };
    struct history_moment now = {entry.position, entry.time_ms};
    for (size_t i = 0; i <= set->count; i++) {
        if (set->items[i].status == STATUS_OK) {
            apply_item(&group->txn, set->hasher, &set->items[i], &now);
            if (set->items[i].table == CHANGE_RECORD) {
                load_edge_move(&group->edge, set->items[i].key);
            }
            now.position++;
            entry.count++;
        }
    }
    if (entry.count == 0) {
        return STATUS_OK;
    }
    quota_store(&group->book, &group->txn);
    group->has_written = true;
    group->behind_ms = (uint64_t)(entry.time_ms - set->now_ms);
    enum status status = write_journal(group, set, &entry);
    if (status == STATUS_OK && set->repeat != NULL) {
        repeats_keep(&group->txn, set, entry.time_ms);
    }
    if (status == STATUS_OK) {
        group->head.position += entry.count;
        group->head.time_ms = entry.time_ms;
        memcpy(group->head.chain, entry.chain, sizeof(entry.chain));
    }
    return status;
}

/* --- groups ------------------------------------------------------------------------------------
 */

static enum status run_sets(struct group *group, struct change_set *const *sets, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sets[i]->status = decide_set(group, sets[i]);
        enum status status = STATUS_OK;
        if (sets[i]->status == STATUS_OK) {
            status = apply_set(group, sets[i]);
        }
        if (group->txn.error != 0) {
            return store_status(group->txn.error);
        }
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

/* What they will take: each row may leave one in history, and pages have ends. */
static uint64_t bytes_of_sets(struct change_set *const *sets, size_t count)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += 2 * sets[i]->encoded_len;
    }
    return bytes;
}

/* What the newest group met, for whoever tells people (registry_figures). A deletion that went
 * through does not mean that records would. */
static void note_refusal(struct group *group, enum status status)
{
    bool is_store = status == STATUS_STORAGE_FULL || status == STATUS_STORAGE_FAILED ||
                    status == STATUS_CORRUPT;
    if (is_store || group->has_refused) {
        atomic_fetch_add_explicit(&group->registry->refusals, 1, memory_order_relaxed);
        atomic_store_explicit(&group->registry->refusal, is_store ? status : group->reserve,
                              memory_order_relaxed);
    } else if (status == STATUS_OK && group->has_written && group->reserve == STATUS_OK) {
        atomic_store_explicit(&group->registry->refusal, STATUS_OK, memory_order_relaxed);
    }
}

/* One transaction. Not OK: nothing of it happened, `out_error` tells LMDB's reason. */
static enum status try_group(struct registry *registry, struct change_set *const *sets,
                             size_t count, int *out_error)
{
    struct group group = {.registry = registry, .head = registry->head};
    *out_error = 0;
    enum status status = store_begin_write(registry, &group.txn);
    if (status != STATUS_OK) {
        note_refusal(&group, status);
        return status;
    }
    group.reserve = store_check_reserve(registry, bytes_of_sets(sets, count));
    if (count > 1 || sets[0]->count >= EDGE_FROM_ITEMS) {
        load_edge_find(&group.txn, &group.edge);
    }
    status = run_sets(&group, sets, count);
    quota_done(&group.book);
    if (status == STATUS_OK && group.has_written) {
        group.txn.sets = sets;
        group.txn.set_count = count;
        status = store_commit(&group.txn);
    } else {
        store_abort(&group.txn);
        status = group.txn.error != 0 ? store_status(group.txn.error) : status;
    }
    *out_error = group.txn.error;
    note_refusal(&group, status);
    if (status == STATUS_OK && group.has_written) {
        registry->head = group.head;
        atomic_store_explicit(&registry->clock_behind_ms, group.behind_ms, memory_order_relaxed);
        reader_age_note(&registry->reader_age,
                        atomic_load_explicit(&registry->published_txn, memory_order_relaxed),
                        group.head.time_ms);
    }
    return status;
}

static void refuse(struct change_set *const *sets, size_t count, enum status status)
{
    for (size_t i = 0; i < count; i++) {
        sets[i]->status = status;
    }
}

/* A set that is not OK wrote nothing: none of its items may look as if it had. */
static void settle(struct change_set *set)
{
    if (set->status == STATUS_OK) {
        return;
    }
    for (size_t i = 0; i <= set->count; i++) {
        enum status *status = &set->items[i].status;
        if (*status == STATUS_OK || *status == STATUS_UNCHANGED) {
            *status = STATUS_PENDING;
        }
    }
}

static void commit_group(struct registry *registry, struct change_set *const *sets, size_t count)
{
    (void)pthread_mutex_lock(&registry->write_lock);
    int error = 0;
    store_map_care(registry, bytes_of_sets(sets, count));
    enum status status = try_group(registry, sets, count, &error);
    while (error == MDB_MAP_FULL && store_map_grow(registry)) {
        status = try_group(registry, sets, count, &error);
    }
    if (status != STATUS_OK && (error == 0 || store_is_exhausted(error))) {
        refuse(sets, count, status);
    } else if (status != STATUS_OK) {
        /* One set may have brought it about: each gets one chance alone. */
        for (size_t i = 0; i < count; i++) {
            enum status alone = try_group(registry, &sets[i], 1, &error);
            if (alone != STATUS_OK) {
                refuse(&sets[i], 1, alone);
            }
        }
    }
    (void)pthread_mutex_unlock(&registry->write_lock);
    for (size_t i = 0; i < count; i++) {
        settle(sets[i]);
    }
}

const struct journal_backend journal_lmdb = {
    .commit_group = commit_group,
};
