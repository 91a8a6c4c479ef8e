/* SPDX-License-Identifier: Apache-2.0
 *
 * guantong record show|history: one record as it is stored, and as it was.
 *
 * Values without public read and secret keys are left out unless --secrets, which writes its audit
 * row before anything is shown.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "admin/command.h"
#include "admin/command_reach.h"
#include "admin/say.h"
#include "admin/writer.h"
#include "protocol/record_json.h"
#include "protocol/text.h"
#include "registry/journal.h"

/* What a record command looks at. */
struct look {
    struct command_call *call;
    struct writer *writer; /* only when the look is audited; then the registry is its */
    struct registry *registry;
    struct snapshot *snapshot;
    struct bytes handle;
};

static enum status open_audited(struct look *look, struct fault *fault)
{
    enum status status = writer_open(look->call, NULL, NULL, &look->writer, fault);
    if (status != STATUS_OK) {
        return status;
    }
    look->registry = writer_registry(look->writer);
    return look->registry == NULL
               ? fault_set(fault, STATUS_ACCESS_DENIED, "%s", "the store cannot be read")
               : snapshot_new(look->registry, &look->snapshot);
}

static int open_look(struct look *look, bool is_audited)
{
    struct command_call *call = look->call;
    const char *name = call->arguments[0];
    enum status status = command_handle(call, name, &look->handle);
    if (status != STATUS_OK) {
        return say_status(call, status, name, NULL);
    }
    if (!is_audited) {
        return command_open_store(call, &look->registry, &look->snapshot);
    }
    struct fault fault = {.status = STATUS_OK};
    status = open_audited(look, &fault);
    return status == STATUS_OK ? EXIT_OK : say_status(call, status, call->directory, &fault);
}

static void close_look(struct look *look)
{
    snapshot_free(look->snapshot);
    if (look->writer != NULL) {
        writer_close(look->writer);
    } else {
        registry_close(look->registry);
    }
}

/* --- show ------------------------------------------------------------------------------------- */

static enum status audit(struct look *look, struct fault *fault)
{
    struct change_set *set =
        change_set_new(CHANGE_ALL_OR_NOTHING, writer_actor(look->writer), BYTES_LITERAL("cli"));
    enum status status =
        set == NULL ? STATUS_NO_MEMORY
                    : change_set_audit(set, "record show --secrets", look->handle, BYTES_NONE);
    if (status != STATUS_OK) {
        change_set_free(set);
        return status;
    }
    return writer_write(look->writer, set, fault);
}

/* Keeps what may be shown; returns how many were left out. */
static size_t filter(struct record *record)
{
    size_t kept = 0;
    for (size_t i = 0; i < record->count; i++) {
        if (value_is_public(&record->values[i])) {
            record->values[kept++] = record->values[i];
        }
    }
    size_t left_out = record->count - kept;
    record->count = kept;
    return left_out;
}

static const char *references_text(struct arena *arena, const struct value *value)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    if (out == NULL) {
        return "?";
    }
    struct wire_reader r = wire_read(value->references);
    struct reference reference;
    for (const char *joint = ""; value_next_reference(&r, &reference); joint = " ") {
        const char *handle = say_printable(arena, reference.handle);
        (void)fprintf(out, "%s%" PRIu32 ":%s", joint, reference.index,
                      handle == NULL ? "?" : handle);
    }
    const char *copy = fclose(out) == 0 ? arena_text(arena, bytes_of_text(text)) : NULL;
    free(text);
    return copy == NULL ? "?" : copy;
}

/* Text as it stands; structured data as its JSON; everything else in hexadecimal. */
static const char *data_text(struct command_call *call, const struct value *value)
{
    json_t *document =
        command_has(call, "--hex") ? NULL : value_json_encode(value, RECORD_JSON_HEX);
    json_t *data = json_object_get(document, "data");
    const char *format = json_string_value(json_object_get(data, "format"));
    json_t *inner = json_object_get(data, "value");
    const char *shown = NULL;
    if (format != NULL && strcmp(format, "string") == 0) {
        shown = say_printable(call->arena, value->data);
    } else if (format != NULL && !json_is_string(inner)) {
        char *text = json_dumps(inner, JSON_COMPACT);
        shown = text == NULL ? NULL : say_printable(call->arena, bytes_of_text(text));
        free(text);
    } else {
        shown = text_hex(call->arena, value->data);
    }
    json_decref(document);
    return shown == NULL ? "?" : shown;
}

static void add_value(struct command_call *call, struct say_table *table, const struct value *value)
{
    char index[16];
    char ttl[TEXT_TIME_LEN];
    char permissions[5];
    char timestamp[TEXT_TIME_LEN];
    (void)snprintf(index, sizeof(index), "%" PRIu32, value->index);
    if (value->ttl_type == VALUE_TTL_ABSOLUTE) {
        text_time_s(value->ttl, ttl);
    } else {
        (void)snprintf(ttl, sizeof(ttl), "%" PRIu32, value->ttl);
    }
    value_permissions_text(value->permissions, permissions);
    text_time_s(value->timestamp, timestamp);
    const char *cells[] = {index,
                           say_printable(call->arena, value->type),
                           ttl,
                           permissions,
                           timestamp,
                           references_text(call->arena, value),
                           data_text(call, value)};
    say_table_row(table, cells);
}

static void print_record(struct command_call *call, const struct record *record,
                         const struct record_row *row, size_t left_out)
{
    char changed[TEXT_TIME_LEN];
    text_time_ms(row->changed_ms, changed);
    (void)fprintf(call->out, "%s  %s %" PRIu64 ", %s %s\n",
                  say_printable(call->arena, record->handle), say_text(call, "version", "版本"),
                  row->version, say_text(call, "changed", "修改于"), changed);
    const char *headings[] = {say_text(call, "INDEX", "索引"),       say_text(call, "TYPE", "类型"),
                              say_text(call, "TTL", "TTL"),          say_text(call, "PERM", "权限"),
                              say_text(call, "TIMESTAMP", "时间戳"), say_text(call, "REFS", "引用"),
                              say_text(call, "DATA", "数据")};
    struct say_table *table = say_table_new(headings, 7);
    for (size_t i = 0; i < record->count; i++) {
        add_value(call, table, &record->values[i]);
    }
    say_table_print(table, call->out);
    if (left_out > 0) {
        (void)fprintf(call->out, "%zu %s\n", left_out,
                      say_text(call, "not public, left out (--secrets shows them)",
                               "个非公开的值未显示（--secrets 可查看）"));
    }
}

static int print_json(struct command_call *call, const struct record *record,
                      const struct record_row *row, size_t left_out)
{
    unsigned options = RECORD_JSON_PERMISSIONS;
    options |= command_has(call, "--hex") ? RECORD_JSON_HEX : 0u;
    json_t *document = record_json_encode(record, options);
    char created[TEXT_TIME_LEN];
    char changed[TEXT_TIME_LEN];
    text_time_ms(row->created_ms, created);
    text_time_ms(row->changed_ms, changed);
    json_t *facts = json_pack("{s:I, s:s, s:s, s:I, s:I}", "version", (json_int_t)row->version,
                              "created", created, "changed", changed, "journal_position",
                              (json_int_t)row->position, "values_left_out", (json_int_t)left_out);
    (void)json_object_update(document, facts);
    json_decref(facts);
    return say_json(call, document);
}

static enum status load(struct look *look, struct record_row *out_row, struct record *out_record)
{
    enum status status = snapshot_refresh(look->snapshot);
    if (status == STATUS_OK) {
        status = registry_get_record(look->snapshot, look->handle,
                                     command_case_rule(look->snapshot, look->handle), out_row);
    }
    if (status != STATUS_OK) {
        return status;
    }
    struct wire_reader r = wire_read(out_row->values);
    out_record->handle = out_row->handle;
    return value_list_decode(&r, look->call->arena, &out_record->values, &out_record->count);
}

int command_record_show(struct command_call *call)
{
    struct look look = {.call = call};
    struct record_row row;
    struct record record;
    struct fault fault = {.status = STATUS_OK};
    bool wants_secrets = command_has(call, "--secrets");
    int exit = open_look(&look, wants_secrets);
    if (exit != EXIT_OK) {
        close_look(&look);
        return exit;
    }
    enum status status = load(&look, &row, &record);
    if (status == STATUS_OK && wants_secrets) {
        snapshot_rest(look.snapshot);
        status = audit(&look, &fault);
        status = status == STATUS_OK ? load(&look, &row, &record) : status;
    }
    if (status != STATUS_OK) {
        exit = say_status(call, status, call->arguments[0], &fault);
    } else {
        size_t left_out = wants_secrets ? 0 : filter(&record);
        if (call->is_json) {
            exit = print_json(call, &record, &row, left_out);
        } else {
            print_record(call, &record, &row, left_out);
        }
    }
    close_look(&look);
    return exit;
}

/* --- history ---------------------------------------------------------------------------------- */

struct event {
    uint64_t version;
    uint64_t position;
    bool is_deletion;
    bool is_current;
    struct bytes values; /* encoded; none for a deletion */
};

/* The public values of a version as JSON; an empty list when they cannot be read. */
static json_t *event_values(struct look *look, const struct event *event)
{
    json_t *list = json_array();
    struct record record = {.handle = look->handle};
    struct wire_reader r = wire_read(event->values);
    if (event->values.len == 0 ||
        value_list_decode(&r, look->call->arena, &record.values, &record.count) != STATUS_OK) {
        return list;
    }
    (void)filter(&record);
    for (size_t i = 0; i < record.count; i++) {
        (void)json_array_append_new(list,
                                    value_json_encode(&record.values[i], RECORD_JSON_PERMISSIONS));
    }
    return list;
}

static void add_event(struct look *look, const struct event *event, struct say_table *table,
                      json_t *items)
{
    struct command_call *call = look->call;
    struct journal_set set = {.actor = BYTES_NONE};
    char time[TEXT_TIME_LEN] = "";
    if (event->position > 0 && journal_get(look->snapshot, event->position, &set) == STATUS_OK) {
        text_time_ms(set.time_ms, time);
    }
    const char *what = event->is_deletion ? "deleted" : "stored";
    if (call->is_json) {
        (void)json_array_append_new(
            items, json_pack("{s:I, s:s, s:b, s:s, s:s%, s:s%, s:I, s:o}", "version",
                             (json_int_t)event->version, "what", what, "current", event->is_current,
                             "time", time, "actor",
                             set.actor.len == 0 ? "" : (const char *)set.actor.data, set.actor.len,
                             "origin", set.origin.len == 0 ? "" : (const char *)set.origin.data,
                             set.origin.len, "journal_position", (json_int_t)event->position,
                             "values", event_values(look, event)));
        return;
    }
    char numbers[2][24];
    (void)snprintf(numbers[0], sizeof(numbers[0]), "%" PRIu64, event->version);
    (void)snprintf(numbers[1], sizeof(numbers[1]), "%" PRIu64, event->position);
    const char *cells[] = {numbers[0],
                           event->is_deletion ? say_text(call, "deleted", "删除")
                                              : say_text(call, "stored", "写入"),
                           time,
                           say_printable(call->arena, set.actor),
                           say_printable(call->arena, set.origin),
                           numbers[1]};
    say_table_row(table, cells);
}

/* What is true now: the record, or the mark of its deletion. HANDLE_NOT_FOUND: neither. */
static enum status find_newest(struct look *look, enum case_rule rule, struct event *out_event)
{
    struct record_row current;
    enum status status = registry_get_record(look->snapshot, look->handle, rule, &current);
    if (status == STATUS_OK) {
        *out_event = (struct event){current.version, current.position, false, true, current.values};
    }
    if (status != STATUS_HANDLE_NOT_FOUND) {
        return status;
    }
    struct tombstone_row mark;
    struct history_row old;
    status = registry_get_tombstone(look->snapshot, look->handle, rule, &mark);
    if (status != STATUS_OK) {
        return status == STATUS_NOT_FOUND ? STATUS_HANDLE_NOT_FOUND : status;
    }
    /* The deletion is what superseded the newest version kept. */
    *out_event = (struct event){.version = mark.version, .is_deletion = true, .is_current = true};
    if (registry_get_history(look->snapshot, look->handle, rule, UINT64_MAX, &old) == STATUS_OK) {
        out_event->position = old.replaced_position;
    }
    return STATUS_OK;
}

/* Newest first. */
static enum status collect(struct look *look, struct say_table *table, json_t *items)
{
    enum case_rule rule = command_case_rule(look->snapshot, look->handle);
    struct event newest;
    enum status status = find_newest(look, rule, &newest);
    if (status != STATUS_OK) {
        return status;
    }
    add_event(look, &newest, table, items);
    struct history_row old;
    uint64_t before = UINT64_MAX;
    while ((status = registry_get_history(look->snapshot, look->handle, rule, before, &old)) ==
           STATUS_OK) {
        const struct event event = {old.row.version, old.row.position, old.is_deletion, false,
                                    old.row.values};
        add_event(look, &event, table, items);
        before = old.row.version;
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

int command_record_history(struct command_call *call)
{
    struct look look = {.call = call};
    int exit = open_look(&look, false);
    if (exit != EXIT_OK) {
        close_look(&look);
        return exit;
    }
    const char *headings[] = {say_text(call, "VERSION", "版本"), say_text(call, "WHAT", "操作"),
                              say_text(call, "TIME", "时间"),    say_text(call, "WHO", "操作者"),
                              say_text(call, "FROM", "来源"),    say_text(call, "JOURNAL", "日志")};
    struct say_table *table = say_table_new(headings, 6);
    json_t *items = json_array();
    enum status status = collect(&look, table, items);
    if (status != STATUS_OK) {
        exit = say_status(call, status, call->arguments[0], NULL);
    } else if (call->is_json) {
        exit = say_json(call, json_pack("{s:O, s:n}", "items", items, "next"));
    } else {
        say_table_print(table, call->out);
        table = NULL;
    }
    say_table_free(table);
    json_decref(items);
    close_look(&look);
    return exit;
}
