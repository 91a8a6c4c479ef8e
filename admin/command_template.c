/* SPDX-License-Identifier: Apache-2.0
 *
 * guantong prefix template-test: what a template gives for handles, before it is put into the
 * prefix's record or after. Reads the store beside a running node, changes nothing.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "admin/command.h"
#include "admin/command_reach.h"
#include "admin/say.h"
#include "admin/value_show.h"
#include "protocol/record_json.h"
#include "protocol/template.h"
#include "resolver/lookup.h"

#define FILE_MAX 65536

struct trial {
    struct command_call *call;
    struct registry *registry;
    struct snapshot *snapshot;
    struct bytes given; /* values with the template of --template; none: the prefix's count */
    json_t *items;
};

/* What came of one handle. */
struct outcome {
    struct record record;
    const char *source; /* "record": it has one of its own */
    struct fault fault;
};

static char *read_text(const char *path, struct arena *arena)
{
    bool is_input = strcmp(path, "-") == 0;
    FILE *file = is_input ? stdin : fopen(path, "rbe");
    char *text = file == NULL ? NULL : arena_alloc(arena, FILE_MAX + 1);
    size_t len = text == NULL ? 0 : fread(text, 1, FILE_MAX + 1, file);
    bool is_read = text != NULL && ferror(file) == 0 && len <= FILE_MAX;
    errno = text != NULL && len > FILE_MAX ? EFBIG : errno;
    if (file != NULL && !is_input) {
        (void)fclose(file);
    }
    if (!is_read) {
        return NULL;
    }
    text[len] = '\0';
    return text;
}

static struct bytes encode(struct arena *arena, const struct value *value)
{
    size_t size = value_list_encoded_len(value, 1);
    uint8_t *room = arena_alloc(arena, size);
    if (room == NULL) {
        return BYTES_NONE;
    }
    struct wire_writer w = wire_write(room, size);
    value_list_encode(&w, value, 1);
    return wire_wrote(&w);
}

/* The template of --template, which must be one that could be stored and would run. */
static int take_file(struct trial *trial)
{
    struct command_call *call = trial->call;
    const char *path = command_option(call, "--template");
    if (path == NULL) {
        return EXIT_OK;
    }
    const char *text = read_text(path, call->arena);
    if (text == NULL) {
        return say_problem_because(call, PROBLEM_FILE, path, strerror(errno));
    }
    struct fault fault = {.status = STATUS_OK};
    const struct value value = {.index = 1,
                                .ttl = VALUE_TTL_DEFAULT,
                                .permissions = VALUE_PERMISSIONS_DEFAULT,
                                .type = BYTES_LITERAL("HS_NAMESPACE"),
                                .data = bytes_of_text(text)};
    enum status status = value_check(&value, &fault);
    if (status == STATUS_OK) {
        status = template_check(value.data, call->arena, &fault);
    }
    trial->given = encode(call->arena, &value);
    return status == STATUS_OK ? EXIT_OK : say_status(call, status, path, &fault);
}

static enum status on_record(void *context, struct bytes handle, struct bytes *out_values)
{
    struct lookup found;
    enum status status = lookup_record(context, handle, &found);
    if (status == STATUS_OK) {
        *out_values = found.record.values;
    }
    return status == STATUS_OK || status == STATUS_CORRUPT ? status : STATUS_HANDLE_NOT_FOUND;
}

/* As the node does it (resolver/templated.c), but with the template given. */
static enum status compute(struct trial *trial, const struct lookup *found,
                           struct outcome *out_outcome)
{
    struct template_question question = {
        .handle = out_outcome->record.handle,
        .name_space = trial->given,
        .case_rule = found->home.case_rule,
        .record = on_record,
        .context = trial->snapshot,
    };
    enum status status = STATUS_OK;
    if (trial->given.len == 0) {
        status = on_record(trial->snapshot, found->home.prefix, &question.name_space);
    }
    return status != STATUS_OK
               ? status
               : template_answer(&question, trial->call->arena, &out_outcome->record.values,
                                 &out_outcome->record.count, &out_outcome->fault);
}

static enum status find(struct trial *trial, const char *name, struct outcome *out_outcome)
{
    struct lookup found;
    struct bytes handle = BYTES_NONE;
    struct arena *arena = trial->call->arena;
    enum status status = command_handle(trial->call, name, &handle);
    if (status != STATUS_OK) {
        return status;
    }
    out_outcome->record.handle = handle;
    status = lookup_record(trial->snapshot, handle, &found);
    out_outcome->source = status == STATUS_OK ? "record" : "template";
    if (status == STATUS_OK) {
        struct wire_reader r = wire_read(found.record.values);
        return value_list_decode(&r, arena, &out_outcome->record.values,
                                 &out_outcome->record.count);
    }
    return status == STATUS_HANDLE_NOT_FOUND ? compute(trial, &found, out_outcome) : status;
}

/* --- telling -----------------------------------------------------------------------------------
 */

static void print_values(struct command_call *call, const struct outcome *outcome)
{
    bool is_stored = strcmp(outcome->source, "record") == 0;
    (void)fprintf(call->out, "%s  %s\n", say_printable(call->arena, outcome->record.handle),
                  is_stored
                      ? say_text(call, "has a record of its own", "已有自己的记录，不使用模板")
                      : say_text(call, "by the template", "由模板生成"));
    const char *headings[] = {say_text(call, "INDEX", "索引"), say_text(call, "TYPE", "类型"),
                              say_text(call, "TTL", "TTL"), say_text(call, "PERM", "权限"),
                              say_text(call, "DATA", "数据")};
    struct say_table *table = say_table_new(headings, 5);
    for (size_t i = 0; i < outcome->record.count; i++) {
        const struct value *value = &outcome->record.values[i];
        char permissions[5];
        if (!value_is_public(value)) {
            continue;
        }
        value_permissions_text(value->permissions, permissions);
        const char *cells[] = {value_show_format(call->arena, "%" PRIu32, value->index),
                               say_printable(call->arena, value->type),
                               value_show_ttl(call->arena, value), permissions,
                               value_show_data(call->arena, value)};
        say_table_row(table, cells);
    }
    say_table_print(table, call->out);
}

/* Those that are not public are left out: here, too. */
static void add_item(struct trial *trial, struct outcome *outcome)
{
    struct record *record = &outcome->record;
    size_t kept = 0;
    for (size_t i = 0; i < record->count; i++) {
        if (value_is_public(&record->values[i])) {
            record->values[kept++] = record->values[i];
        }
    }
    record->count = kept;
    json_t *item = record_json_encode(record, RECORD_JSON_PERMISSIONS);
    (void)json_object_set_new(item, "source", json_string(outcome->source));
    (void)json_array_append_new(trial->items, item);
}

static int refuse(struct trial *trial, enum status status, const char *name,
                  const struct outcome *outcome)
{
    struct command_call *call = trial->call;
    switch (status) {
    case STATUS_ERROR:
        return say_problem_because(call, PROBLEM_REFUSED, name,
                                   outcome->fault.text[0] != '\0' ? outcome->fault.text
                                                                  : "status: inactive");
    case STATUS_INVALID_VALUE:
        return say_problem_because(call, PROBLEM_INVALID_VALUE, "HS_NAMESPACE",
                                   outcome->fault.text);
    default:
        return say_status(call, status, name, &outcome->fault);
    }
}

static int try_one(struct trial *trial, const char *name)
{
    struct outcome outcome = {.source = "template"};
    enum status status = snapshot_refresh(trial->snapshot);
    if (status == STATUS_OK) {
        status = find(trial, name, &outcome);
    }
    if (status != STATUS_OK) {
        return refuse(trial, status, name, &outcome);
    }
    if (trial->call->is_json) {
        add_item(trial, &outcome);
    } else {
        print_values(trial->call, &outcome);
    }
    return EXIT_OK;
}

int command_prefix_template_test(struct command_call *call)
{
    struct trial trial = {.call = call};
    int exit = take_file(&trial);
    if (exit == EXIT_OK) {
        exit = command_open_store(call, &trial.registry, &trial.snapshot);
    }
    trial.items = json_array();
    for (size_t i = 0; exit == EXIT_OK && i < call->argument_count; i++) {
        exit = try_one(&trial, call->arguments[i]);
    }
    command_close_store(trial.registry, trial.snapshot);
    if (exit == EXIT_OK && call->is_json) {
        return say_json(call, json_pack("{s:o}", "items", trial.items));
    }
    json_decref(trial.items);
    return exit;
}
