/* SPDX-License-Identifier: Apache-2.0
 *
 * Preparing a change set: what each item meets in a snapshot, and the row it will leave.
 *
 * Runs on the thread that built the set and does all the work that needs no write transaction:
 * keys, rows, commitments, digests. The commit only checks that what was met is still there.
 */
#include "registry/apply_item.h"
#include "registry/change_item.h"
#include "registry/history.h"
#include "registry/home.h"
#include "registry/prefix_row.h"
#include "registry/record_row.h"

static const char own_enterprise[] = "self";

struct preparation {
    struct change_set *set;
    struct store_txn *txn;
    struct home_view view;
};

static struct bytes commitment_key_of(const struct registry *registry)
{
    return registry->has_commitment_key
               ? bytes_of(registry->commitment_key, REGISTRY_COMMITMENT_KEY_LEN)
               : BYTES_NONE;
}

static enum status fail(struct change_item *item, enum status status, const char *reason)
{
    item->reason = reason;
    return status;
}

static struct bytes copy_of(struct preparation *p, struct bytes from, enum status *status)
{
    struct bytes copy = arena_copy(p->set->prepared, from);
    if (copy.data == NULL && from.len > 0) {
        *status = STATUS_NO_MEMORY;
    }
    return copy;
}

static enum status hash_item(struct preparation *p, struct change_item *item)
{
    struct journal_item entry = change_item_journal(item);
    return record_digest_item(p->set->hasher, &entry, item->hash);
}

/* --- records -----------------------------------------------------------------------------------
 */

static struct bytes canonical_of(const struct change_item *item)
{
    return item->canonical;
}

/* Finds the prefix that governs the record, and with its case rule the keys. */
static enum status locate(struct preparation *p, struct change_item *item,
                          struct record_key *out_key, enum case_rule *out_rule)
{
    struct prefix_row home;
    enum status status = home_find(&p->view, item->handle, &home);
    if (status == STATUS_OK && home.hosting != PREFIX_HOSTED &&
        !handle_is_prefix_record(item->handle)) {
        return fail(item, STATUS_NOT_RESPONSIBLE, "the prefix is delegated to another node");
    }
    if (status != STATUS_OK) {
        return status;
    }
    status = keys_record(item->handle, home.case_rule, out_key);
    if (status != STATUS_OK) {
        return status;
    }
    item->owner = copy_of(p, home.enterprise, &status);
    item->canonical = copy_of(p, out_key->canonical, &status);
    item->key =
        keys_is_shortened(out_key->key) ? copy_of(p, out_key->key, &status) : item->canonical;
    if (p->set->enterprise.len == 0) {
        p->set->enterprise = item->owner;
    }
    *out_rule = home.case_rule;
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
        return fail(item, STATUS_HANDLE_EXISTS, "a deleted handle may not be created again here");
    }
    return STATUS_OK;
}

static bool equal_but_for_time(const struct value *a, const struct value *b)
{
    return a->index == b->index && a->ttl_type == b->ttl_type && a->ttl == b->ttl &&
           a->permissions == b->permissions && bytes_equal(a->type, b->type) &&
           bytes_equal(a->data, b->data) && a->reference_count == b->reference_count &&
           bytes_equal(a->references, b->references);
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
        bool is_kept = equal_but_for_time(&before, &value);
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

static enum status prepare_record(struct preparation *p, struct change_item *item)
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
        return fail(item, STATUS_HANDLE_EXISTS,
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
    return status == STATUS_OK ? hash_item(p, item) : status;
}

/* --- prefixes and their enterprise --------------------------------------------------------------
 */

/* The first prefix of our own enterprise brings the enterprise with it: items[0]. */
static enum status imply_enterprise(struct preparation *p, struct change_item *item)
{
    struct bytes id = item->asked_prefix->enterprise;
    struct bytes row;
    enum status status = store_get(p->txn, STORE_ENTERPRISE, id, &row);
    if (status != STATUS_NOT_FOUND) {
        return status;
    }
    if (!bytes_equal(id, bytes_of_text(own_enterprise))) {
        return fail(item, STATUS_NOT_FOUND, "no such enterprise");
    }
    struct change_item *implied = &p->set->items[0];
    if (implied->prepared_status == STATUS_OK) {
        return STATUS_OK;
    }
    implied->canonical = bytes_of_text(own_enterprise);
    implied->key = implied->canonical;
    implied->version = 1;
    implied->class = JOURNAL_RESTRICTED;
    const struct enterprise_row fresh = {.state = ENTERPRISE_ACTIVE};
    uint8_t content[ENTERPRISE_CONTENT_LEN];
    struct wire_writer w = wire_write(content, sizeof(content));
    enterprise_row_content(&w, &fresh);
    const struct record_digest_of of = {implied->canonical, implied->version, wire_wrote(&w)};
    status = record_digest_plain(p->set->hasher, &of, implied->digest);
    if (status == STATUS_OK) {
        status = hash_item(p, implied);
    }
    if (status == STATUS_OK) {
        implied->prepared_status = STATUS_OK;
    }
    return status;
}

static struct bytes content_of(const struct prefix_row *row, uint8_t *room, size_t size)
{
    struct wire_writer w = wire_write(room, size);
    prefix_row_content(&w, row);
    assert(!w.failed);
    return wire_wrote(&w);
}

static enum status judge_prefix(struct change_item *item, const struct prefix_row *stored,
                                const struct prefix_row *wanted)
{
    if (!bytes_equal(stored->enterprise, wanted->enterprise)) {
        return fail(item, STATUS_HANDLE_EXISTS, "the prefix belongs to another enterprise");
    }
    uint8_t before[PREFIX_CONTENT_MAX];
    uint8_t after[PREFIX_CONTENT_MAX];
    if (bytes_equal(content_of(stored, before, sizeof(before)),
                    content_of(wanted, after, sizeof(after)))) {
        return STATUS_UNCHANGED;
    }
    if (item->mode == CHANGE_CREATE && stored->state != PREFIX_UNHOMED) {
        return STATUS_HANDLE_EXISTS;
    }
    return STATUS_OK;
}

static enum status prepare_prefix(struct preparation *p, struct change_item *item)
{
    item->canonical = item->handle;
    item->key = item->handle;
    item->class = JOURNAL_RESTRICTED;
    struct prefix_row *wanted = arena_alloc(p->set->prepared, sizeof(*wanted));
    if (wanted == NULL) {
        return STATUS_NO_MEMORY;
    }
    *wanted = *item->asked_prefix;
    wanted->slot = 0;
    if (p->set->enterprise.len == 0) {
        p->set->enterprise = wanted->enterprise;
    }
    struct prefix_row stored;
    const struct home_view plain = {.txn = p->txn};
    enum status status = home_get_prefix(&plain, item->key, &stored);
    if (status == STATUS_OK) {
        item->expected_version = stored.version;
        wanted->case_rule = stored.case_rule;
        wanted->slot = stored.slot;
        item->created_ms = stored.created_ms;
        status = judge_prefix(item, &stored, wanted);
    } else if (status == STATUS_NOT_FOUND) {
        status = item->mode == CHANGE_MODIFY ? STATUS_HANDLE_NOT_FOUND : imply_enterprise(p, item);
    }
    if (status != STATUS_OK) {
        return status;
    }
    item->version = item->expected_version + 1;
    wanted->version = item->version;
    item->prefix = wanted;
    uint8_t content[PREFIX_CONTENT_MAX];
    const struct record_digest_of of = {item->canonical, item->version,
                                        content_of(wanted, content, sizeof(content))};
    status = record_digest_plain(p->set->hasher, &of, item->digest);
    return status == STATUS_OK ? hash_item(p, item) : status;
}

/* --- audit -------------------------------------------------------------------------------------
 */

/* Writes `text` as a JSON string. */
static void put_json_text(struct wire_writer *w, struct bytes text)
{
    static const char hex[] = "0123456789abcdef";
    wire_put_u8(w, '"');
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c < 0x20) {
            wire_put_raw(w, BYTES_LITERAL("\\u00"));
            wire_put_u8(w, (uint8_t)hex[c >> 4]);
            wire_put_u8(w, (uint8_t)hex[c & 15]);
        } else {
            if (c == '"' || c == '\\') {
                wire_put_u8(w, '\\');
            }
            wire_put_u8(w, c);
        }
    }
    wire_put_u8(w, '"');
}

/* {"time":"...","actor":...,"origin":...,"action":...,"object":...,"detail":...}; the time is the
 * commit's to fill in, at CHANGE_AUDIT_TIME_AT. */
static enum status prepare_audit(struct preparation *p, struct change_item *item)
{
    const struct change_set *set = p->set;
    static const char blank_time[] = "0000-00-00T00:00:00.000Z";
    size_t text_len =
        set->actor.len + set->origin.len + item->action.len + item->handle.len + item->detail.len;
    size_t size = 6 * text_len + 128;
    uint8_t *room = arena_alloc(p->set->prepared, size);
    if (room == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct wire_writer w = wire_write(room, size);
    wire_put_raw(&w, BYTES_LITERAL("{\"time\":\""));
    assert(wire_wrote(&w).len == CHANGE_AUDIT_TIME_AT);
    wire_put_raw(&w, bytes_of_text(blank_time));
    wire_put_raw(&w, BYTES_LITERAL("\",\"actor\":"));
    put_json_text(&w, set->actor);
    wire_put_raw(&w, BYTES_LITERAL(",\"origin\":"));
    put_json_text(&w, set->origin);
    wire_put_raw(&w, BYTES_LITERAL(",\"action\":"));
    put_json_text(&w, item->action);
    wire_put_raw(&w, BYTES_LITERAL(",\"object\":"));
    put_json_text(&w, item->handle);
    wire_put_raw(&w, BYTES_LITERAL(",\"detail\":"));
    put_json_text(&w, item->detail);
    wire_put_u8(&w, '}');
    assert(!w.failed);
    item->row = room;
    item->row_len = wire_wrote(&w).len;
    item->version = 1;
    item->class = JOURNAL_INTERNAL;
    return STATUS_OK;
}

/* --- the set -----------------------------------------------------------------------------------
 */

static void forget_preparation(struct change_item *item)
{
    item->prepared_status = STATUS_PENDING;
    item->status = STATUS_PENDING;
    item->reason = NULL;
    item->canonical = BYTES_NONE;
    item->key = BYTES_NONE;
    item->owner = BYTES_NONE;
    item->expected_version = 0;
    item->expected_tombstone = 0;
    item->version = 0;
    item->meets_damage = false;
    item->prefix = NULL;
    item->row = NULL;
    item->row_len = 0;
    item->created_ms = 0;
    item->stored_bytes = 0;
}

static void begin(struct change_set *set, int64_t now_ms)
{
    arena_reset(set->prepared);
    memset(set->slots, 0, sizeof(set->slots));
    for (size_t i = 0; i <= set->count; i++) {
        forget_preparation(&set->items[i]);
    }
    set->items[0].table = CHANGE_ENTERPRISE;
    set->items[0].operation = JOURNAL_PUT;
    set->enterprise = BYTES_NONE;
    set->now_ms = now_ms;
    set->status = STATUS_PENDING;
}

static enum status locate_dependency(struct preparation *p, struct change_dependency *dependency)
{
    struct bytes name = dependency->name;
    enum status status = STATUS_OK;
    struct store_key prefix;
    struct record_key record;
    struct prefix_row home;
    if (dependency->table == CHANGE_PREFIX) {
        status = keys_prefix(name, &prefix);
        name = keys_bytes(&prefix);
    } else if (dependency->table == CHANGE_RECORD) {
        bool is_home = home_find(&p->view, name, &home) == STATUS_OK;
        status = keys_record(name, is_home ? home.case_rule : CASE_INSENSITIVE, &record);
        name = record.key;
    }
    if (status == STATUS_OK) {
        dependency->key = copy_of(p, name, &status);
    }
    return status;
}

static enum status prepare_dependencies(struct preparation *p)
{
    for (size_t i = 0; i < p->set->dependency_count; i++) {
        struct change_dependency *dependency = &p->set->dependencies[i];
        enum status status = locate_dependency(p, dependency);
        if (status == STATUS_OK) {
            status =
                apply_item_check(p->txn, dependency->table, dependency->key, dependency->version);
        }
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

static enum status prepare_item(struct preparation *p, struct change_item *item)
{
    switch (item->table) {
    case CHANGE_RECORD:
        return prepare_record(p, item);
    case CHANGE_PREFIX:
        return prepare_prefix(p, item);
    case CHANGE_AUDIT:
        return prepare_audit(p, item);
    case CHANGE_ENTERPRISE:
        break;
    }
    return STATUS_ERROR;
}

/* Failures that are the item's own; anything else ends the set under every policy. */
static bool is_of_item(enum status status)
{
    switch (status) {
    case STATUS_OK:
    case STATUS_UNCHANGED:
    case STATUS_HANDLE_EXISTS:
    case STATUS_HANDLE_NOT_FOUND:
    case STATUS_NOT_RESPONSIBLE:
    case STATUS_NOT_FOUND:
    case STATUS_INVALID_HANDLE:
    case STATUS_CORRUPT:
        return true;
    default:
        return false;
    }
}

static enum status prepare_items(struct preparation *p, bool are_prefixes)
{
    struct change_set *set = p->set;
    for (size_t i = 1; i <= set->count; i++) {
        struct change_item *item = &set->items[i];
        if ((item->table == CHANGE_PREFIX) != are_prefixes) {
            continue;
        }
        enum status status = prepare_item(p, item);
        item->prepared_status = status;
        item->status = status;
        bool is_failure = status != STATUS_OK && status != STATUS_UNCHANGED;
        if (!is_of_item(status) || (is_failure && set->policy == CHANGE_ALL_OR_NOTHING)) {
            return status;
        }
    }
    return STATUS_OK;
}

enum status change_set_prepare(struct change_set *set, struct snapshot *snapshot, int64_t now_ms)
{
    begin(set, now_ms);
    struct preparation p = {.set = set, .txn = snapshot_store(snapshot)};
    p.view = (struct home_view){.txn = p.txn, .set = set};
    /* Prefixes first: records of the same set may live under them. */
    enum status status = prepare_items(&p, true);
    if (status == STATUS_OK) {
        status = prepare_items(&p, false);
    }
    if (status == STATUS_OK) {
        status = prepare_dependencies(&p);
    }
    set->status = status;
    set->is_prepared = status == STATUS_OK;
    return status;
}
