/* SPDX-License-Identifier: Apache-2.0
 *
 * Preparing a record: its home and key, what is stored there, the row, the digest (prepare_item.h).
 */
#include "registry/history.h"
#include "registry/prepare_item.h"
#include "registry/record_row.h"

static struct bytes commitment_key_of(const struct registry *registry)
{
    return registry->has_commitment_key
               ? bytes_of(registry->commitment_key, REGISTRY_COMMITMENT_KEY_LEN)
               : BYTES_NONE;
}

static struct bytes canonical_of(const struct change_item *item)
{
    return item->canonical;
}

/* Finds the prefix that governs the record. */
static enum status find_home(struct preparation *p, struct bytes handle)
{
    struct bytes prefix = handle_governing_prefix(handle);
    if (p->home_prefix.len > 0 && bytes_equal(prefix, p->home_prefix)) {
        return STATUS_OK;
    }
    p->home_prefix = BYTES_NONE;
    enum status status = home_find(&p->view, handle, &p->home);
    if (status == STATUS_OK) {
        p->home_owner = prepare_item_copy(p, p->home.enterprise, &status);
    }
    if (status == STATUS_OK) {
        p->home_prefix = prefix;
    }
    return status;
}

/* Finds the record's home, and with its case rule the keys. */
static enum status locate(struct preparation *p, struct change_item *item,
                          struct record_key *out_key, enum case_rule *out_rule)
{
    enum status status = find_home(p, item->handle);
    if (status == STATUS_OK && p->home.hosting != PREFIX_HOSTED &&
        !handle_is_prefix_record(item->handle)) {
        return prepare_item_fail(item, STATUS_NOT_RESPONSIBLE,
                                 "the prefix is delegated to another node");
    }
    if (status == STATUS_OK && p->home.state == PREFIX_READ_ONLY) {
        return prepare_item_fail(item, STATUS_ACCESS_DENIED,
                                 "the prefix takes no changes while its enterprise is suspended");
    }
    if (status != STATUS_OK) {
        return status;
    }
    status = keys_record(item->handle, p->home.case_rule, out_key);
    if (status != STATUS_OK) {
        return status;
    }
    item->owner = p->home_owner;
    item->canonical = prepare_item_copy(p, out_key->canonical, &status);
    item->key = keys_is_shortened(out_key->key) ? prepare_item_copy(p, out_key->key, &status)
                                                : item->canonical;
    if (p->set->enterprise.len == 0) {
        p->set->enterprise = item->owner;
    }
    *out_rule = p->home.case_rule;
    return status;
}

/* The version that a damaged row or mark has: it cannot be believed, history can. */
static enum status next_version(struct preparation *p, struct change_item *item,
                                uint64_t *out_version)
{
    uint64_t last = 0;
    enum status status = history_last_version(p->txn, item->key, &last);
    *out_version = last + 1;
    item->meets_damage = true;
    return status;
}

/* Whoever replaces or deletes a damaged record repairs it: the body is given up, version and
 * counters go on from what can be known. */
static enum status meet_damaged_record(struct preparation *p, struct change_item *item,
                                       struct bytes stored)
{
    enum status status = next_version(p, item, &item->expected_version);
    struct history_body before;
    struct record_row row;
    if (status == STATUS_OK &&
        history_get(p->txn, CHANGE_RECORD, item->key, item->expected_version - 1, &before) ==
            STATUS_OK &&
        before.kind == HISTORY_ROW && record_row_decode(item->key, before.row, &row) == STATUS_OK) {
        item->created_ms = row.created_ms;
    }
    item->version = item->expected_version + 1;
    item->stored_bytes = record_row_damaged_len(item->canonical, stored);
    return status;
}

/* What is stored under the item's key now: expectations of the item; `out_row` has version 0 when
 * there is no record. */
static enum status meet_record(struct preparation *p, struct change_item *item,
                               const struct record_key *key, enum case_rule rule,
                               struct record_row *out_row)
{
    struct bytes stored;
    *out_row = (struct record_row){0};
    if (load_edge_is_behind(&p->edge, key->key)) {
        item->version = 1;
        return STATUS_OK;
    }
    enum status status = store_get(p->txn, STORE_RECORD, key->key, &stored);
    if (status == STATUS_OK) {
        status = record_row_decode(key->key, stored, out_row);
        if (status != STATUS_OK) {
            return meet_damaged_record(p, item, stored);
        }
        if (!record_row_is_of(out_row, key, rule)) {
            return STATUS_CORRUPT;
        }
        item->expected_version = out_row->version;
        item->version = out_row->version + 1;
        item->stored_bytes = out_row->values.len;
        item->created_ms = out_row->created_ms;
        return STATUS_OK;
    }
    if (status != STATUS_NOT_FOUND) {
        return status;
    }
    struct tombstone mark;
    status = tombstone_get(p->txn, CHANGE_RECORD, key->key, &mark);
    if (status == STATUS_OK) {
        item->expected_tombstone = mark.version;
    } else if (status == STATUS_CORRUPT) {
        status = next_version(p, item, &item->expected_tombstone);
    }
    item->version = item->expected_tombstone + 1;
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static enum status judge_mode(struct preparation *p, struct change_item *item)
{
    bool is_stored = item->expected_version != 0;
    if (item->mode == CHANGE_CREATE && is_stored) {
        return STATUS_HANDLE_EXISTS;
    }
    if (item->mode == CHANGE_MODIFY && !is_stored) {
        return STATUS_HANDLE_NOT_FOUND;
    }
    if (!is_stored && item->expected_tombstone != 0 && p->txn->registry->forbids_reuse) {
        return prepare_item_fail(item, STATUS_HANDLE_EXISTS,
                                 "a deleted handle may not be created again here");
    }
    return STATUS_OK;
}

/* Where a value's encoding keeps its timestamp. */
#define VALUE_TIMESTAMP_AT 4

/* Gives every value without a timestamp the stored one's when they are otherwise equal, else now.
 * Both lists are sorted by index. */
static void stamp_values(uint8_t *values, size_t len, struct bytes stored, uint32_t now_s)
{
    struct wire_reader fresh = wire_read(bytes_of(values, len));
    struct wire_reader old = wire_read(stored);
    uint32_t fresh_left = wire_u32(&fresh);
    uint32_t old_left = wire_u32(&old);
    struct value before = {0};
    for (; fresh_left > 0 && wire_ok(&fresh); fresh_left--) {
        uint8_t *at = values + (fresh.at - values);
        struct value value;
        if (value_decode(&fresh, &value) != STATUS_OK || value.timestamp != 0) {
            continue;
        }
        while (old_left > 0 && before.index < value.index) {
            old_left = value_decode(&old, &before) == STATUS_OK ? old_left - 1 : 0;
        }
        bool is_kept = value_is_same(&before, &value);
        wire_store_u32(at + VALUE_TIMESTAMP_AT, is_kept ? before.timestamp : now_s);
    }
}

static enum status make_row(struct preparation *p, struct change_item *item,
                            const struct record_key *key, const struct record_row *stored)
{
    struct record_row row = {
        .version = item->version,
        .flags = item->flags,
        .handle = stored->handle.len != 0 ? stored->handle : item->handle,
        .values = item->values,
    };
    item->row_len = record_row_encoded_len(key, &row);
    item->row = arena_alloc(p->set->prepared, item->row_len);
    if (item->row == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct wire_writer w = wire_write(item->row, item->row_len);
    record_row_encode(&w, key, &row);
    assert(!w.failed);
    uint8_t *values = item->row + item->row_len - item->values.len;
    if (item->lacks_timestamps) {
        stamp_values(values, item->values.len, stored->values, (uint32_t)(p->set->now_ms / 1000));
    }
    bool is_equal =
        stored->version != 0 && bytes_equal(bytes_of(values, item->values.len), stored->values);
    return is_equal ? STATUS_UNCHANGED : STATUS_OK;
}

enum status prepare_record(struct preparation *p, struct change_item *item)
{
    struct record_key key;
    enum case_rule rule = CASE_INSENSITIVE;
    enum status status = locate(p, item, &key, &rule);
    if (status != STATUS_OK) {
        return status;
    }
    size_t index = (size_t)(item - p->set->items);
    uint16_t *slot = change_item_slot(p->set, index, canonical_of);
    if (slot == NULL) {
        return prepare_item_fail(
            item, STATUS_HANDLE_EXISTS,
            "folds together with another handle of the set under the prefix's case rule");
    }
    *slot = (uint16_t)index;
    struct record_row stored;
    status = meet_record(p, item, &key, rule, &stored);
    if (status == STATUS_OK) {
        status = judge_mode(p, item);
    }
    if (status != STATUS_OK) {
        return status;
    }
    struct record_digest_of of = {item->canonical, item->version, BYTES_NONE};
    uint32_t visible = stored.flags;
    if (item->operation == JOURNAL_PUT) {
        status = make_row(p, item, &key, &stored);
        if (status != STATUS_OK) {
            return status;
        }
        of.content = bytes_of(item->row + item->row_len - item->values.len, item->values.len);
        visible = item->flags;
    }
    item->class = (visible & RECORD_ALL_PUBLIC) != 0 ? JOURNAL_PUBLIC : JOURNAL_RESTRICTED;
    status = record_digest(p->set->hasher, commitment_key_of(p->txn->registry), &of, item->digest);
    return status == STATUS_OK ? prepare_item_hash(p, item) : status;
}
