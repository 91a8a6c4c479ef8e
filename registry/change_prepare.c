/* SPDX-License-Identifier: Apache-2.0
 *
 * Preparing a change set: what each item meets in a snapshot, and the row it will leave.
 *
 * Runs on the thread that built the set and does all the work that needs no write transaction:
 * keys, rows, commitments, digests. The commit only checks that what was met is still there.
 */
#include "registry/apply_item.h"
#include "registry/prepare_item.h"

/* Items from which finding the end of the records pays. */
#define EDGE_FROM_ITEMS 8

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
    item->uniques = NULL;
    item->state = ENTERPRISE_NONE;
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
        dependency->key = prepare_item_copy(p, name, &status);
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
    case CHANGE_APIKEY:
        return prepare_apikey(p, item);
    case CHANGE_ENTERPRISE:
        return prepare_enterprise(p, item);
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
    case STATUS_ACCESS_DENIED:
    case STATUS_NOT_FOUND:
    case STATUS_INVALID_HANDLE:
    case STATUS_CORRUPT:
        return true;
    default:
        return false;
    }
}

/* Enterprises first, as prefixes are theirs; then prefixes, as records of the same set may live
 * under them. */
enum pass { PASS_ENTERPRISES, PASS_PREFIXES, PASS_OTHERS, PASSES };

static enum pass pass_of(const struct change_item *item)
{
    switch (item->table) {
    case CHANGE_ENTERPRISE:
        return PASS_ENTERPRISES;
    case CHANGE_PREFIX:
        return PASS_PREFIXES;
    default:
        return PASS_OTHERS;
    }
}

static enum status prepare_items(struct preparation *p, enum pass pass)
{
    struct change_set *set = p->set;
    for (size_t i = 1; i <= set->count; i++) {
        struct change_item *item = &set->items[i];
        if (pass_of(item) != pass) {
            continue;
        }
        enum status status = prepare_item(p, item);
        if (item->has_expectation && is_of_item(status) &&
            item->expected_version != item->decided_version) {
            return STATUS_CONFLICT;
        }
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
    if (set->count >= EDGE_FROM_ITEMS) {
        load_edge_find(p.txn, &p.edge);
    }
    enum status status = STATUS_OK;
    for (enum pass pass = PASS_ENTERPRISES; pass < PASSES && status == STATUS_OK; pass++) {
        status = prepare_items(&p, pass);
    }
    if (status == STATUS_OK) {
        status = prepare_dependencies(&p);
    }
    set->status = status;
    set->is_prepared = status == STATUS_OK;
    return status;
}
