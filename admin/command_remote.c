/* SPDX-License-Identifier: Apache-2.0
 *
 * guantong remote create|put|add|modify|rm|ls|login: records of any Handle server, with a key.
 *
 * Records come as JSON, one object a line, like `record put`; each is one request. What failed is
 * said record by record, and the rest goes on.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "admin/remote.h"
#include "admin/say.h"
#include "protocol/handle.h"
#include "protocol/opcode.h"
#include "protocol/record_json.h"

#define LINE_MAX_BYTES (4u << 20)
#define RECORD_ARENA_MAX (64u << 20)

/* One command over many records or handles. */
struct run {
    struct command_call *call;
    struct remote remote;
    uint32_t opcode;
    uint32_t flags;
    const char *done_text;
    json_t *items; /* with --json */
    size_t done;
    size_t failed;
    int first_exit; /* of the first failure */
};

/* --- outcomes --------------------------------------------------------------------------------- */

static void report_done(struct run *run, const char *handle)
{
    run->done++;
    if (run->call->is_json) {
        json_array_append_new(run->items, json_pack("{s:s, s:b, s:I}", "handle", handle, "ok", 1,
                                                    "code", (json_int_t)run->remote.code));
    } else {
        (void)fprintf(run->call->out, "%s %s\n", run->done_text, handle);
    }
}

/* false: the way to the server is gone, the rest would fare no better. */
static bool report_failed(struct run *run, const char *handle)
{
    struct remote *remote = &run->remote;
    bool is_answer = remote->status == STATUS_OK;
    if (!run->call->is_json || !is_answer) {
        int exit_code = remote_say_failure(remote, handle);
        run->first_exit = run->failed == 0 ? exit_code : run->first_exit;
    } else {
        run->first_exit = run->failed == 0 ? say_exit(remote->outcome) : run->first_exit;
        json_array_append_new(run->items,
                              json_pack("{s:s, s:b, s:I, s:s, s:s}", "handle", handle, "ok", 0,
                                        "code", (json_int_t)remote->code, "reason",
                                        status_english(remote->outcome), "text", remote->text));
    }
    run->failed++;
    return is_answer;
}

static int sum_up(struct run *run, int exit_code)
{
    bool is_said = exit_code != EXIT_OK || run->remote.status != STATUS_OK;
    if (exit_code == EXIT_OK && run->failed > 0) {
        exit_code = run->done > 0 ? EXIT_PARTLY : run->first_exit;
    }
    if (run->call->is_json && !is_said) {
        (void)say_json(run->call,
                       json_pack("{s:O, s:n, s:I, s:I}", "items", run->items, "next", "done",
                                 (json_int_t)run->done, "failed", (json_int_t)run->failed));
    }
    json_decref(run->items);
    remote_close(&run->remote);
    return exit_code;
}

/* --- records ---------------------------------------------------------------------------------- */

static enum status encode_values(struct arena *arena, const struct record *record,
                                 struct bytes *out_body)
{
    size_t size = 8 + record->handle.len + value_list_encoded_len(record->values, record->count);
    uint8_t *room = arena_alloc(arena, size);
    if (room == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct wire_writer w = wire_write(room, size);
    struct body_values body = {record->handle, record->values, record->count};
    body_values_encode(&w, &body);
    *out_body = wire_wrote(&w);
    return w.failed ? STATUS_NO_ROOM : STATUS_OK;
}

/* The name of the created record: a minted one is told by the server alone. */
static const char *created_name(struct run *run, const struct record *record)
{
    struct bytes told;
    bool is_told = run->opcode == OPCODE_CREATE_HANDLE && run->remote.body.len > 0 &&
                   body_handle_decode(run->remote.body, true, &told) == STATUS_OK && told.len > 0;
    const char *name = say_printable(run->call->arena, is_told ? told : record->handle);
    return name == NULL ? "?" : name;
}

/* EXIT_OK: go on with the next. */
static int send_record(struct run *run, struct arena *arena, const struct record *record)
{
    struct client_request request = {.opcode = run->opcode, .flags = run->flags};
    const char *name = say_printable(run->call->arena, record->handle);
    enum status status = encode_values(arena, record, &request.body);
    if (status != STATUS_OK || name == NULL) {
        return say_status(run->call, status, name == NULL ? "?" : name, NULL);
    }
    if (run->call->is_dry_run) {
        report_done(run, name);
        return EXIT_OK;
    }
    status = remote_ask(&run->remote, &request, NULL, NULL);
    if (status == STATUS_OK && run->remote.outcome == STATUS_OK) {
        report_done(run, created_name(run, record));
        return EXIT_OK;
    }
    return report_failed(run, name) ? EXIT_OK : run->first_exit;
}

static int take_line(struct run *run, struct arena *arena, struct bytes line, size_t number)
{
    struct fault fault = {STATUS_OK, ""};
    struct record record;
    char where[32];
    (void)snprintf(where, sizeof(where), "%s%zu%s", say_text(run->call, "line ", "第 "), number,
                   say_text(run->call, "", " 行"));
    enum status status = record_json_parse(line, arena, 0, &record, &fault);
    if (status != STATUS_OK) {
        return say_problem_because(run->call, PROBLEM_BAD_RECORD, where, fault.text);
    }
    return send_record(run, arena, &record);
}

static bool is_blank(struct bytes line)
{
    for (size_t i = 0; i < line.len; i++) {
        if (line.data[i] != ' ' && line.data[i] != '\t' && line.data[i] != '\r') {
            return false;
        }
    }
    return true;
}

static int take_lines(struct run *run, FILE *in, const char *path)
{
    struct arena *arena = arena_new(64u << 10, RECORD_ARENA_MAX);
    char *line = NULL;
    size_t size = 0;
    size_t number = 0;
    int exit_code = arena == NULL ? say_status(run->call, STATUS_NO_MEMORY, path, NULL) : EXIT_OK;
    while (exit_code == EXIT_OK) {
        ssize_t len = getline(&line, &size, in);
        if (len < 0) {
            break;
        }
        struct bytes text = bytes_of(line, (size_t)len - (line[len - 1] == '\n' ? 1 : 0));
        number++;
        if (text.len > LINE_MAX_BYTES) {
            exit_code = say_problem_because(run->call, PROBLEM_FILE, path, "a line is too long");
        } else if (!is_blank(text)) {
            exit_code = take_line(run, arena, text, number);
            arena_reset(arena);
        }
    }
    if (exit_code == EXIT_OK && ferror(in) != 0) {
        exit_code = say_problem_because(run->call, PROBLEM_FILE, path, "it cannot be read");
    }
    free(line);
    arena_free(arena);
    return exit_code;
}

/* remote create|put|add|modify FILE|- [@HOST] */
static int send_records(struct command_call *call, uint32_t opcode, uint32_t flags,
                        const char *done_text)
{
    struct run run = {.call = call,
                      .opcode = opcode,
                      .flags = flags,
                      .done_text = done_text,
                      .items = json_array()};
    int exit_code = remote_open(call, true, &run.remote);
    if (exit_code == EXIT_OK && run.remote.argument_count != 1) {
        exit_code = say_problem(call, PROBLEM_MISSING_ARGUMENT, "FILE, or - for standard input");
    }
    FILE *in = NULL;
    if (exit_code == EXIT_OK) {
        const char *path = run.remote.arguments[0];
        in = strcmp(path, "-") == 0 ? stdin : fopen(path, "rbe");
        exit_code = in == NULL ? say_problem_because(call, PROBLEM_FILE, path, strerror(errno))
                               : take_lines(&run, in, path);
    }
    if (in != NULL && in != stdin) {
        (void)fclose(in);
    }
    return sum_up(&run, exit_code);
}

int command_remote_create(struct command_call *call)
{
    uint32_t flags = command_has(call, "--mint") ? (uint32_t)MESSAGE_MINT : 0;
    return send_records(call, OPCODE_CREATE_HANDLE, flags, say_text(call, "created", "已创建"));
}

int command_remote_put(struct command_call *call)
{
    return send_records(call, OPCODE_CREATE_HANDLE, MESSAGE_OVERWRITE,
                        say_text(call, "stored", "已写入"));
}

int command_remote_add(struct command_call *call)
{
    uint32_t flags = command_has(call, "--overwrite") ? (uint32_t)MESSAGE_OVERWRITE : 0;
    return send_records(call, OPCODE_ADD_VALUE, flags, say_text(call, "added to", "已添加"));
}

int command_remote_modify(struct command_call *call)
{
    return send_records(call, OPCODE_MODIFY_VALUE, 0, say_text(call, "modified", "已修改"));
}

/* --- rm --------------------------------------------------------------------------------------- */

/* "1,300" as encoded indexes; false: something else. */
static bool read_indexes(const char *text, struct wire_writer *w, uint32_t *out_count)
{
    *out_count = 0;
    while (*text != '\0') {
        char *end = NULL;
        unsigned long index = strtoul(text, &end, 10);
        if (*text < '0' || *text > '9' || index == 0 || index > INT32_MAX ||
            (*end != ',' && *end != '\0')) {
            return false;
        }
        wire_put_u32(w, (uint32_t)index);
        (*out_count)++;
        text = end + (*end == ',' ? 1 : 0);
    }
    return *out_count > 0 && !w->failed;
}

static int remove_one(struct run *run, const char *name, const struct body_remove *values)
{
    uint8_t room[HANDLE_MAX + 2048];
    struct wire_writer w = wire_write(room, sizeof(room));
    struct bytes handle = bytes_of_text(name);
    if (values->index_count > 0) {
        struct body_remove body = *values;
        body.handle = handle;
        body_remove_encode(&w, &body);
    } else {
        body_handle_encode(&w, handle);
    }
    if (handle.len > HANDLE_MAX || w.failed) {
        return say_problem(run->call, PROBLEM_INVALID_HANDLE, name);
    }
    struct client_request request = {.opcode = run->opcode, .body = wire_wrote(&w)};
    if (run->call->is_dry_run) {
        report_done(run, name);
        return EXIT_OK;
    }
    enum status status = remote_ask(&run->remote, &request, NULL, NULL);
    if (status == STATUS_OK && run->remote.outcome == STATUS_OK) {
        report_done(run, name);
        return EXIT_OK;
    }
    return report_failed(run, name) ? EXIT_OK : run->first_exit;
}

int command_remote_rm(struct command_call *call)
{
    uint8_t room[1024];
    struct wire_writer w = wire_write(room, sizeof(room));
    struct body_remove values = {.index_count = 0};
    const char *index = command_option(call, "--index");
    if (index != NULL && !read_indexes(index, &w, &values.index_count)) {
        return say_problem(call, PROBLEM_BAD_OPTION,
                           "--index: numbers separated by commas, such as 1,300");
    }
    values.indexes = wire_wrote(&w);
    int exit_code = command_confirm(call, "remote rm");
    if (exit_code != EXIT_OK) {
        return exit_code;
    }
    struct run run = {.call = call,
                      .opcode = index == NULL ? OPCODE_DELETE_HANDLE : OPCODE_REMOVE_VALUE,
                      .done_text = index == NULL ? say_text(call, "deleted", "已删除")
                                                 : say_text(call, "removed from", "已移除"),
                      .items = json_array()};
    exit_code = remote_open(call, true, &run.remote);
    if (exit_code == EXIT_OK && run.remote.argument_count == 0) {
        exit_code = say_problem(call, PROBLEM_MISSING_ARGUMENT, "HANDLE");
    }
    for (size_t i = 0; i < run.remote.argument_count && exit_code == EXIT_OK; i++) {
        exit_code = remove_one(&run, run.remote.arguments[i], &values);
    }
    return sum_up(&run, exit_code);
}

/* --- ls --------------------------------------------------------------------------------------- */

/* Prints the names of one message. */
static bool take_names(struct run *run, struct bytes body)
{
    struct body_names names;
    if (body_names_decode(body, &names) != STATUS_OK) {
        return false;
    }
    struct wire_reader r = wire_read(names.names);
    struct bytes name;
    while (body_next_text(&r, &name)) {
        const char *text = say_printable(run->call->arena, name);
        run->done++;
        if (run->call->is_json) {
            json_array_append_new(run->items, json_string(text));
        } else {
            (void)fprintf(run->call->out, "%s\n", text == NULL ? "?" : text);
        }
    }
    return true;
}

static bool ls_on_more(void *context, const struct client_answer *answer)
{
    struct run *run = context;
    return answer->message->header.response_code == 1 && take_names(run, answer->body);
}

/* 0.NA/<prefix> of a bare prefix; "/" when none was named. */
static struct bytes listed_name(struct arena *arena, const char *prefix)
{
    if (prefix == NULL) {
        return BYTES_LITERAL("/");
    }
    if (strchr(prefix, '/') != NULL) {
        return bytes_of_text(prefix);
    }
    char name[HANDLE_MAX];
    (void)snprintf(name, sizeof(name), "0.NA/%s", prefix);
    char *copy = arena_text(arena, bytes_of_text(name));
    return copy == NULL ? BYTES_NONE : bytes_of_text(copy);
}

static int list(struct run *run, const char *prefix)
{
    struct command_call *call = run->call;
    uint8_t room[HANDLE_MAX + 16];
    struct wire_writer w = wire_write(room, sizeof(room));
    struct bytes name = listed_name(call->arena, prefix);
    body_handle_encode(&w, name);
    if (name.len == 0 || w.failed) {
        return say_problem(call, PROBLEM_INVALID_PREFIX, prefix);
    }
    uint32_t below =
        command_has(call, "--prefixes") ? OPCODE_LIST_DERIVED_PREFIXES : OPCODE_LIST_HANDLES;
    struct client_request request = {
        .opcode = prefix == NULL ? OPCODE_LIST_HOMED_PREFIXES : below,
        .body = wire_wrote(&w),
    };
    enum status status = remote_ask(&run->remote, &request, ls_on_more, run);
    if (status != STATUS_OK || run->remote.outcome != STATUS_OK) {
        return remote_say_failure(&run->remote, prefix == NULL ? "ls" : prefix);
    }
    if (!take_names(run, run->remote.body)) {
        return say_problem(call, PROBLEM_MALFORMED_ANSWER, run->remote.server.host);
    }
    if (call->is_json) {
        return say_json(call, json_pack("{s:O, s:n}", "items", run->items, "next"));
    }
    return EXIT_OK;
}

int command_remote_ls(struct command_call *call)
{
    struct run run = {.call = call, .items = json_array()};
    int exit_code = remote_open(call, true, &run.remote);
    if (exit_code == EXIT_OK && run.remote.argument_count > 1) {
        exit_code = say_problem(call, PROBLEM_TOO_MANY_ARGUMENTS, run.remote.arguments[1]);
    }
    if (exit_code == EXIT_OK) {
        exit_code = list(&run, run.remote.argument_count == 0 ? NULL : run.remote.arguments[0]);
    }
    json_decref(run.items);
    remote_close(&run.remote);
    return exit_code;
}
