/* SPDX-License-Identifier: Apache-2.0
 *
 * A change set as it travels over the control socket: what was asked (change_set.h).
 *
 *   format 1 ‖ policy 1 ‖ item count 4 ‖ items ‖ dependency count 4 ‖ dependencies
 *   item: table 1 ‖ operation 1 ‖ mode 1 ‖
 *     record put: handle ‖ encoded value list · record delete: handle
 *     enterprise: id ‖ content (enterprise_row.h)
 *     API key: id ‖ content (apikey_row.h)
 *     prefix: prefix ‖ state 1 ‖ hosting 1 ‖ case rule 1 ‖ max identifiers 8 ‖ max bytes 8 ‖
 * enterprise audit: action ‖ object ‖ detail dependency: table 1 ‖ name ‖ version 8
 *
 * Runs of bytes have an int4 length. The decoder builds the set through the same functions as
 * everybody, so that whatever arrives is judged again.
 */
#include "registry/apikey_row.h"
#include "registry/change_item.h"

#define FORMAT 1
#define ITEM_SMALLEST 7
#define DEPENDENCY_SMALLEST 13
#define DECODE_FIRST_BLOCK (64u << 10)
#define DECODE_MAX ((size_t)4 << 20)

static void encode_item(struct wire_writer *w, const struct change_item *item)
{
    wire_put_u8(w, (uint8_t)item->table);
    wire_put_u8(w, (uint8_t)item->operation);
    wire_put_u8(w, (uint8_t)item->mode);
    if (item->table == CHANGE_AUDIT) {
        wire_put_bytes(w, item->action);
    }
    wire_put_bytes(w, item->handle);
    if (item->table == CHANGE_AUDIT) {
        wire_put_bytes(w, item->detail);
    } else if (item->table == CHANGE_PREFIX) {
        const struct prefix_row *row = item->asked_prefix;
        wire_put_u8(w, (uint8_t)row->state);
        wire_put_u8(w, (uint8_t)row->hosting);
        wire_put_u8(w, (uint8_t)row->case_rule);
        wire_put_u64(w, row->max_identifiers);
        wire_put_u64(w, row->max_bytes);
        wire_put_bytes(w, row->enterprise);
    } else if (item->operation == JOURNAL_PUT) {
        wire_put_bytes(w, item->values);
    }
}

enum status change_set_encode(const struct change_set *set, struct wire_writer *w)
{
    wire_put_u8(w, FORMAT);
    wire_put_u8(w, (uint8_t)set->policy);
    wire_put_u32(w, (uint32_t)set->count);
    for (size_t i = 1; i <= set->count; i++) {
        encode_item(w, &set->items[i]);
    }
    wire_put_u32(w, (uint32_t)set->dependency_count);
    for (size_t i = 0; i < set->dependency_count; i++) {
        const struct change_dependency *dependency = &set->dependencies[i];
        wire_put_u8(w, (uint8_t)dependency->table);
        wire_put_bytes(w, dependency->name);
        wire_put_u64(w, dependency->version);
    }
    return w->failed ? STATUS_NO_ROOM : STATUS_OK;
}

static enum status decode_record(struct wire_reader *r, struct arena *scratch,
                                 enum change_mode mode, struct change_set *set)
{
    struct record record = {.handle = wire_bytes(r)};
    struct wire_reader list = wire_read(wire_bytes(r));
    if (!wire_ok(r)) {
        return STATUS_PROTOCOL_ERROR;
    }
    arena_reset(scratch);
    enum status status = value_list_decode(&list, scratch, &record.values, &record.count);
    if (status != STATUS_OK) {
        return status;
    }
    return wire_done(&list) ? change_set_put_record(set, &record, mode, NULL)
                            : STATUS_PROTOCOL_ERROR;
}

static enum status decode_prefix(struct wire_reader *r, enum change_mode mode,
                                 struct change_set *set)
{
    struct prefix_row row = {.prefix = wire_bytes(r)};
    row.state = wire_u8(r);
    row.hosting = wire_u8(r);
    row.case_rule = wire_u8(r);
    row.max_identifiers = wire_u64(r);
    row.max_bytes = wire_u64(r);
    row.enterprise = wire_bytes(r);
    return wire_ok(r) ? change_set_put_prefix(set, &row, mode, NULL) : STATUS_PROTOCOL_ERROR;
}

static enum status decode_audit(struct wire_reader *r, struct arena *scratch,
                                struct change_set *set)
{
    arena_reset(scratch);
    struct bytes action = wire_bytes(r);
    struct bytes object = wire_bytes(r);
    struct bytes detail = wire_bytes(r);
    if (!wire_ok(r) ||
        memchr(action.len == 0 ? "" : (const char *)action.data, '\0', action.len) != NULL) {
        return STATUS_PROTOCOL_ERROR;
    }
    char *text = arena_alloc(scratch, action.len + 1);
    if (text == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct wire_writer w = wire_write((uint8_t *)text, action.len);
    wire_put_raw(&w, action);
    text[action.len] = '\0';
    return change_set_audit(set, text, object, detail);
}

static enum status decode_enterprise(struct wire_reader *r, enum change_mode mode,
                                     struct change_set *set)
{
    struct bytes id = wire_bytes(r);
    struct bytes content = wire_bytes(r);
    struct enterprise_row row;
    if (!wire_ok(r) || enterprise_row_read_content(content, &row, NULL) != STATUS_OK) {
        return STATUS_PROTOCOL_ERROR;
    }
    row.id = id;
    return change_set_put_enterprise(set, &row, mode, NULL);
}

static enum status decode_apikey(struct wire_reader *r, enum change_mode mode,
                                 struct change_set *set)
{
    struct bytes id = wire_bytes(r);
    struct bytes content = wire_bytes(r);
    struct apikey_row row;
    if (!wire_ok(r) || apikey_row_read_content(content, &row, NULL) != STATUS_OK) {
        return STATUS_PROTOCOL_ERROR;
    }
    row.id = id;
    return change_set_put_apikey(set, &row, mode, NULL);
}

static enum status decode_item(struct wire_reader *r, struct arena *scratch, struct change_set *set)
{
    uint8_t table = wire_u8(r);
    uint8_t operation = wire_u8(r);
    uint8_t mode = wire_u8(r);
    bool is_delete = operation == JOURNAL_DELETE && table == CHANGE_RECORD;
    if (!wire_ok(r) || mode > CHANGE_MODIFY || (operation != JOURNAL_PUT && !is_delete)) {
        return STATUS_PROTOCOL_ERROR;
    }
    if (is_delete) {
        struct bytes handle = wire_bytes(r);
        return wire_ok(r) ? change_set_delete_record(set, handle) : STATUS_PROTOCOL_ERROR;
    }
    switch (table) {
    case CHANGE_RECORD:
        return decode_record(r, scratch, (enum change_mode)mode, set);
    case CHANGE_PREFIX:
        return decode_prefix(r, (enum change_mode)mode, set);
    case CHANGE_AUDIT:
        return decode_audit(r, scratch, set);
    case CHANGE_ENTERPRISE:
        return decode_enterprise(r, (enum change_mode)mode, set);
    case CHANGE_APIKEY:
        return decode_apikey(r, (enum change_mode)mode, set);
    default:
        return STATUS_PROTOCOL_ERROR;
    }
}

static enum status decode_set(struct wire_reader *r, struct arena *scratch, struct change_set *set)
{
    uint32_t count = wire_count(r, ITEM_SMALLEST);
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < count && status == STATUS_OK; i++) {
        status = decode_item(r, scratch, set);
    }
    if (status != STATUS_OK) {
        return status;
    }
    count = wire_count(r, DEPENDENCY_SMALLEST);
    for (uint32_t i = 0; i < count && status == STATUS_OK; i++) {
        enum change_table table = wire_u8(r);
        struct bytes name = wire_bytes(r);
        uint64_t version = wire_u64(r);
        status = wire_ok(r) ? change_set_depends(set, table, name, version) : STATUS_PROTOCOL_ERROR;
    }
    return status == STATUS_OK && !wire_done(r) ? STATUS_PROTOCOL_ERROR : status;
}

enum status change_set_decode(struct bytes encoded, struct bytes actor, struct bytes origin,
                              struct change_set **out_set)
{
    struct wire_reader r = wire_read(encoded);
    uint8_t format = wire_u8(&r);
    uint8_t policy = wire_u8(&r);
    if (!wire_ok(&r) || format != FORMAT || policy > CHANGE_PER_ITEM) {
        return STATUS_PROTOCOL_ERROR;
    }
    struct change_set *set = change_set_new((enum change_policy)policy, actor, origin);
    struct arena *scratch = arena_new(DECODE_FIRST_BLOCK, DECODE_MAX);
    enum status status = STATUS_NO_MEMORY;
    if (set != NULL && scratch != NULL) {
        status = decode_set(&r, scratch, set);
    }
    arena_free(scratch);
    if (status != STATUS_OK) {
        change_set_free(set);
        return status == STATUS_NO_MEMORY ? status : STATUS_PROTOCOL_ERROR;
    }
    *out_set = set;
    return STATUS_OK;
}
