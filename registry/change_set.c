/* SPDX-License-Identifier: Apache-2.0
 *
 * Building a change set and reading its outcome (change_set.h). Preparing is change_prepare.c,
 * its form on the control socket change_codec.c.
 */
#include "registry/change_set.h"

#include <stdlib.h>

#include "registry/apikey_row.h"
#include "registry/change_item.h"
#include "registry/enterprise_row.h"
#include "registry/keys.h"
#include "registry/prefix_row.h"

#define ACTOR_MAX 255
#define FIRST_BLOCK (16u << 10)
#define FIRST_ITEMS 8

/* Asked: the limit counts encoded bytes; alignment and folded names come on top. Prepared: every
 * row again with header, spelling and both keys. */
#define ASKED_MAX (2 * (size_t)CHANGE_SET_BYTES_MAX + ((size_t)8 << 20))
#define PREPARED_MAX (2 * (size_t)CHANGE_SET_BYTES_MAX + ((size_t)32 << 20))

/* Encoded bytes beside the items: format, policy, two counts. */
#define SET_FIXED 10
#define ITEM_FIXED 3
#define DEPENDENCY_FIXED 13

/* The copy, with `is_short` set when there was no room. */
static struct bytes keep(struct change_set *set, struct bytes from, bool *is_short)
{
    struct bytes copy = arena_copy(set->asked, from);
    *is_short = *is_short || (copy.data == NULL && from.len > 0);
    return copy;
}

/* At most ACTOR_MAX bytes, cut between two characters. */
static struct bytes bounded(struct bytes text)
{
    if (text.len > ACTOR_MAX) {
        text.len = ACTOR_MAX;
    }
    while (!handle_is_utf8(text)) {
        text.len--;
    }
    return text;
}

const char *change_table_name(enum change_table table)
{
    switch (table) {
    case CHANGE_RECORD:
        return "record";
    case CHANGE_PREFIX:
        return "prefix";
    case CHANGE_ENTERPRISE:
        return "enterprise";
    case CHANGE_AUDIT:
        return "audit";
    case CHANGE_APIKEY:
        return "apikey";
    }
    return "?";
}

struct change_set *change_set_new(enum change_policy policy, struct bytes actor,
                                  struct bytes origin)
{
    struct change_set *set = calloc(1, sizeof(*set));
    if (set == NULL) {
        return NULL;
    }
    set->policy = policy;
    set->encoded_len = SET_FIXED;
    set->asked = arena_new(FIRST_BLOCK, ASKED_MAX);
    set->prepared = arena_new(FIRST_BLOCK, PREPARED_MAX);
    set->hasher = hasher_new();
    set->items = calloc(FIRST_ITEMS, sizeof(*set->items));
    set->capacity = FIRST_ITEMS;
    bool is_short =
        set->asked == NULL || set->prepared == NULL || set->hasher == NULL || set->items == NULL;
    if (!is_short) {
        set->actor = keep(set, bounded(actor), &is_short);
        set->origin = keep(set, bounded(origin), &is_short);
    }
    if (is_short) {
        change_set_free(set);
        return NULL;
    }
    return set;
}

void change_set_free(struct change_set *set)
{
    if (set != NULL) {
        arena_free(set->asked);
        arena_free(set->prepared);
        hasher_free(set->hasher);
        free(set->items);
        free(set);
    }
}

/* --- items -------------------------------------------------------------------------------------
 */

static size_t slot_of(enum change_table table, struct bytes key)
{
    uint64_t hash = 14695981039346656037u ^ (uint64_t)table;
    for (size_t i = 0; i < key.len; i++) {
        hash = (hash ^ key.data[i]) * 1099511628211u;
    }
    return (hash ^ hash >> 32) % CHANGE_KEY_SLOTS;
}

uint16_t *change_item_slot(struct change_set *set, size_t index, change_item_key *key_of)
{
    const struct change_item *item = &set->items[index];
    struct bytes key = key_of(item);
    size_t slot = slot_of(item->table, key);
    while (set->slots[slot] != 0) {
        const struct change_item *other = &set->items[set->slots[slot]];
        if (other->table == item->table && bytes_equal(key_of(other), key)) {
            return NULL;
        }
        slot = (slot + 1) % CHANGE_KEY_SLOTS;
    }
    return &set->slots[slot];
}

bool change_item_find_prefix(const struct change_set *set, struct bytes prefix,
                             struct prefix_row *out_row)
{
    for (size_t i = 1, found = 0; i <= set->count && found < set->prefix_count; i++) {
        const struct change_item *item = &set->items[i];
        if (item->table != CHANGE_PREFIX) {
            continue;
        }
        found++;
        if (item->prepared_status == STATUS_OK && item->prefix != NULL &&
            bytes_equal(item->canonical, prefix)) {
            *out_row = *item->prefix;
            return true;
        }
    }
    return false;
}

struct journal_item change_item_journal(const struct change_item *item)
{
    struct journal_item entry = {
        .operation = item->operation,
        .table = item->table,
        .class = item->class,
        .key = item->canonical,
        .version = item->version,
    };
    memcpy(entry.digest, item->digest, sizeof(entry.digest));
    return entry;
}

static struct bytes identity_of(const struct change_item *item)
{
    return item->identity;
}

static enum status make_room(struct change_set *set, size_t encoded_len)
{
    if (set->count >= CHANGE_SET_ITEMS_MAX ||
        encoded_len > CHANGE_SET_BYTES_MAX - set->encoded_len) {
        return STATUS_NO_ROOM;
    }
    if (set->count + 1 < set->capacity) {
        return STATUS_OK;
    }
    size_t capacity = set->capacity * 2;
    struct change_item *items = realloc(set->items, capacity * sizeof(*items));
    if (items == NULL) {
        return STATUS_NO_MEMORY;
    }
    memset(items + set->capacity, 0, (capacity - set->capacity) * sizeof(*items));
    set->items = items;
    set->capacity = capacity;
    return STATUS_OK;
}

/* Takes over `item`, whose bytes are still the caller's. */
static enum status add_item(struct change_set *set, const struct change_item *item,
                            size_t encoded_len)
{
    enum status status = make_room(set, encoded_len);
    if (status != STATUS_OK) {
        return status;
    }
    struct change_item *added = &set->items[set->count + 1];
    *added = *item;
    uint16_t *slot = NULL;
    if (item->table != CHANGE_AUDIT) {
        slot = change_item_slot(set, set->count + 1, identity_of);
        if (slot == NULL) {
            return STATUS_HANDLE_EXISTS;
        }
    }
    bool is_short = false;
    added->handle = keep(set, item->handle, &is_short);
    added->identity = bytes_equal(item->identity, item->handle)
                          ? added->handle
                          : keep(set, item->identity, &is_short);
    added->values = keep(set, item->values, &is_short);
    added->action = keep(set, item->action, &is_short);
    added->detail = keep(set, item->detail, &is_short);
    if (is_short) {
        return STATUS_NO_MEMORY;
    }
    set->count++;
    if (slot != NULL) {
        *slot = (uint16_t)set->count;
    }
    set->encoded_len += encoded_len;
    set->is_prepared = false;
    return STATUS_OK;
}

/* --- records -----------------------------------------------------------------------------------
 */

static bool is_sorted(const struct value *values, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        if (values[i - 1].index > values[i].index) {
            return false;
        }
    }
    return true;
}

static enum status add_record(struct change_set *set, struct change_item *item,
                              const struct value *values, size_t count)
{
    size_t len = value_list_encoded_len(values, count);
    uint8_t *encoded = malloc(len);
    if (encoded == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct wire_writer w = wire_write(encoded, len);
    value_list_encode(&w, values, count);
    assert(!w.failed);
    item->values = wire_wrote(&w);
    item->flags = RECORD_ALL_PUBLIC;
    for (size_t i = 0; i < count; i++) {
        item->lacks_timestamps = item->lacks_timestamps || values[i].timestamp == 0;
        if (!value_is_public(&values[i])) {
            item->flags = 0;
        }
    }
    enum status status = add_item(set, item, ITEM_FIXED + 4 + item->handle.len + 4 + len);
    free(encoded);
    return status;
}

enum status change_set_put_record(struct change_set *set, const struct record *record,
                                  enum change_mode mode, struct fault *fault)
{
    enum status status = handle_check(record->handle, fault);
    if (status == STATUS_OK) {
        status = value_list_check(record->handle, record->values, record->count, fault);
    }
    if (status != STATUS_OK) {
        return status;
    }
    uint8_t folded[HANDLE_MAX];
    struct change_item item = {
        .table = CHANGE_RECORD,
        .operation = JOURNAL_PUT,
        .mode = mode,
        .handle = record->handle,
        .identity = handle_fold(record->handle, CASE_SENSITIVE, folded),
    };
    if (is_sorted(record->values, record->count)) {
        status = add_record(set, &item, record->values, record->count);
    } else {
        struct value *sorted = malloc(record->count * sizeof(*sorted));
        if (sorted == NULL) {
            return STATUS_NO_MEMORY;
        }
        memcpy(sorted, record->values, record->count * sizeof(*sorted));
        value_list_sort(sorted, record->count);
        status = add_record(set, &item, sorted, record->count);
        free(sorted);
    }
    return status == STATUS_HANDLE_EXISTS
               ? fault_set(fault, status, "the set already has this handle")
               : status;
}

enum status change_set_delete_record(struct change_set *set, struct bytes handle)
{
    uint8_t folded[HANDLE_MAX];
    if (handle.len == 0 || handle.len > HANDLE_MAX) {
        return STATUS_INVALID_HANDLE;
    }
    struct change_item item = {
        .table = CHANGE_RECORD,
        .operation = JOURNAL_DELETE,
        .mode = CHANGE_MODIFY,
        .handle = handle,
        .identity = handle_fold(handle, CASE_SENSITIVE, folded),
    };
    return add_item(set, &item, ITEM_FIXED + 4 + handle.len);
}

/* --- prefixes, audit, dependencies --------------------------------------------------------------
 */

static enum status check_prefix(const struct prefix_row *row, struct fault *fault)
{
    enum status status = handle_check_prefix(row->prefix, fault);
    if (status != STATUS_OK) {
        return status;
    }
    if (row->state < PREFIX_ACTIVE || row->state > PREFIX_READ_ONLY ||
        (row->hosting != PREFIX_HOSTED && row->hosting != PREFIX_DELEGATED) ||
        (row->case_rule != CASE_INSENSITIVE && row->case_rule != CASE_SENSITIVE)) {
        return fault_set(fault, STATUS_INVALID_VALUE, "unknown state, hosting or case rule");
    }
    if (row->enterprise.len == 0 || row->enterprise.len > KEYS_ENTERPRISE_MAX ||
        !handle_is_utf8(row->enterprise)) {
        return fault_set(fault, STATUS_INVALID_VALUE, "an enterprise id has 1 to %d bytes of UTF-8",
                         KEYS_ENTERPRISE_MAX);
    }
    return STATUS_OK;
}

enum status change_set_put_prefix(struct change_set *set, const struct prefix_row *row,
                                  enum change_mode mode, struct fault *fault)
{
    enum status status = check_prefix(row, fault);
    struct store_key folded;
    if (status == STATUS_OK) {
        status = keys_prefix(row->prefix, &folded);
    }
    if (status != STATUS_OK) {
        return status;
    }
    struct prefix_row *kept = arena_alloc(set->asked, sizeof(*kept));
    if (kept == NULL) {
        return STATUS_NO_MEMORY;
    }
    *kept = *row;
    kept->enterprise = arena_copy(set->asked, row->enterprise);
    if (kept->enterprise.data == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct change_item item = {
        .table = CHANGE_PREFIX,
        .operation = JOURNAL_PUT,
        .mode = mode,
        .handle = keys_bytes(&folded),
        .identity = keys_bytes(&folded),
        .asked_prefix = kept,
    };
    size_t len = ITEM_FIXED + 4 + folded.len + 3 + 16 + 4 + row->enterprise.len;
    status = add_item(set, &item, len);
    if (status == STATUS_OK) {
        kept->prefix = set->items[set->count].handle;
        set->prefix_count++;
    }
    return status == STATUS_HANDLE_EXISTS
               ? fault_set(fault, status, "the set already has this prefix")
               : status;
}

static bool is_enterprise_id(struct bytes id)
{
    return id.len > 0 && id.len <= KEYS_ENTERPRISE_MAX && handle_is_utf8(id) &&
           !bytes_equal(id, BYTES_LITERAL("self"));
}

static enum status add_enterprise(struct change_set *set, struct bytes id, struct bytes content,
                                  enum change_mode mode, struct fault *fault)
{
    const struct change_item item = {
        .table = CHANGE_ENTERPRISE,
        .operation = JOURNAL_PUT,
        .mode = mode,
        .handle = id,
        .identity = id,
        .values = content,
    };
    enum status status = add_item(set, &item, ITEM_FIXED + 8 + id.len + content.len);
    if (status == STATUS_OK) {
        set->enterprise_count++;
    }
    return status == STATUS_HANDLE_EXISTS
               ? fault_set(fault, status, "the set already has this enterprise")
               : status;
}

enum status change_set_put_enterprise(struct change_set *set, const struct enterprise_row *row,
                                      enum change_mode mode, struct fault *fault)
{
    struct enterprise_row read;
    struct enterprise_uniques uniques;
    if (!is_enterprise_id(row->id) || row->dossier.len == 0) {
        return fault_set(fault, STATUS_INVALID_VALUE, "not an enterprise with a dossier");
    }
    uint8_t *room = malloc(ENTERPRISE_CONTENT_MAX);
    if (room == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct wire_writer w = wire_write(room, ENTERPRISE_CONTENT_MAX);
    enterprise_row_content(&w, row);
    enum status status =
        w.failed ? fault_set(fault, STATUS_INVALID_VALUE, "an enterprise's row is too large")
                 : enterprise_row_read_content(wire_wrote(&w), &read, fault);
    if (status == STATUS_OK && enterprise_uniques_of(&read, &uniques) != STATUS_OK) {
        status = fault_set(fault, STATUS_INVALID_VALUE,
                           "a dossier names a credential and the prefix applied for");
    }
    if (status == STATUS_OK) {
        status = add_enterprise(set, row->id, wire_wrote(&w), mode, fault);
    }
    free(room);
    return status;
}

enum status change_set_put_apikey(struct change_set *set, const struct apikey_row *row,
                                  enum change_mode mode, struct fault *fault)
{
    struct apikey_row read;
    uint8_t *room = arena_alloc(set->asked, APIKEY_CONTENT_MAX);
    if (room == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct wire_writer w = wire_write(room, APIKEY_CONTENT_MAX);
    apikey_row_content(&w, row);
    if (w.failed || !apikey_row_is_id(row->id)) {
        return fault_set(fault, STATUS_INVALID_VALUE, "not an API key");
    }
    enum status status = apikey_row_read_content(wire_wrote(&w), &read, fault);
    const struct change_item item = {
        .table = CHANGE_APIKEY,
        .operation = JOURNAL_PUT,
        .mode = mode,
        .handle = row->id,
        .identity = row->id,
        .values = wire_wrote(&w),
    };
    return status == STATUS_OK
               ? add_item(set, &item, ITEM_FIXED + 8 + row->id.len + item.values.len)
               : status;
}

enum status change_set_audit(struct change_set *set, const char *action, struct bytes object,
                             struct bytes detail)
{
    struct bytes text = bytes_of_text(action);
    if (!handle_is_utf8(text) || !handle_is_utf8(object) || !handle_is_utf8(detail)) {
        return STATUS_INVALID_VALUE;
    }
    struct change_item item = {
        .table = CHANGE_AUDIT,
        .operation = JOURNAL_PUT,
        .mode = CHANGE_CREATE,
        .handle = object,
        .identity = object,
        .action = text,
        .detail = detail,
    };
    return add_item(set, &item, ITEM_FIXED + 12 + text.len + object.len + detail.len);
}

enum status change_set_depends(struct change_set *set, enum change_table table, struct bytes key,
                               uint64_t version)
{
    if (table < CHANGE_RECORD || table > CHANGE_ENTERPRISE || key.len == 0 ||
        key.len > HANDLE_MAX) {
        return STATUS_INVALID_VALUE;
    }
    size_t len = DEPENDENCY_FIXED + key.len;
    if (set->dependency_count >= CHANGE_SET_DEPENDENCIES_MAX ||
        len > CHANGE_SET_BYTES_MAX - set->encoded_len) {
        return STATUS_NO_ROOM;
    }
    struct bytes name = arena_copy(set->asked, key);
    if (name.data == NULL) {
        return STATUS_NO_MEMORY;
    }
    set->dependencies[set->dependency_count++] =
        (struct change_dependency){.table = table, .name = name, .version = version};
    set->encoded_len += len;
    set->is_prepared = false;
    return STATUS_OK;
}

enum status change_set_depends_once(struct change_set *set, enum change_table table,
                                    struct bytes key, uint64_t version)
{
    for (size_t i = set->dependency_count; i > 0; i--) {
        const struct change_dependency *dependency = &set->dependencies[i - 1];
        if (dependency->table == table && bytes_equal(dependency->name, key)) {
            return dependency->version == version ? STATUS_OK : STATUS_CONFLICT;
        }
    }
    return change_set_depends(set, table, key, version);
}

void change_set_expect(struct change_set *set, uint64_t version)
{
    assert(set->count > 0);
    set->items[set->count].has_expectation = true;
    set->items[set->count].decided_version = version;
}

enum status change_set_remember(struct change_set *set, const struct change_repeat *repeat)
{
    if (repeat->note.len > CHANGE_REPEAT_NOTE_MAX) {
        return STATUS_NO_ROOM;
    }
    struct change_repeat *kept = arena_alloc(set->asked, sizeof(*kept));
    bool is_short = kept == NULL;
    if (!is_short) {
        *kept = *repeat;
        kept->note = keep(set, repeat->note, &is_short);
    }
    if (is_short) {
        return STATUS_NO_MEMORY;
    }
    set->repeat = kept;
    return STATUS_OK;
}

/* --- outcome -----------------------------------------------------------------------------------
 */

size_t change_set_count(const struct change_set *set)
{
    return set->count;
}

size_t change_set_bytes(const struct change_set *set)
{
    return set->encoded_len;
}

size_t change_set_encoded_len(const struct change_set *set)
{
    return set->encoded_len;
}

enum status change_set_status(const struct change_set *set)
{
    return set->status;
}

enum status change_set_item_status(const struct change_set *set, size_t item)
{
    assert(item < set->count);
    return set->items[item + 1].status;
}

const char *change_set_item_reason(const struct change_set *set, size_t item)
{
    assert(item < set->count);
    const char *reason = set->items[item + 1].reason;
    return reason == NULL ? "" : reason;
}

uint64_t change_set_item_version(const struct change_set *set, size_t item)
{
    assert(item < set->count);
    const struct change_item *of = &set->items[item + 1];
    if (of->status == STATUS_OK) {
        return of->version;
    }
    return of->status == STATUS_UNCHANGED ? of->expected_version : 0;
}

struct bytes change_set_item_handle(const struct change_set *set, size_t item)
{
    assert(item < set->count);
    return set->items[item + 1].handle;
}

bool change_set_item_replaces(const struct change_set *set, size_t item)
{
    assert(item < set->count);
    return set->items[item + 1].expected_version != 0;
}
