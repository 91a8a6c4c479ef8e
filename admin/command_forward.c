/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading commands run by the daemon for somebody else (command_forward.h).
 */
#include "admin/command_forward.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/command_reach.h"
#include "admin/directory.h"
#include "admin/say.h"

#define FORWARD_ARGUMENTS_MAX 16
#define FORWARD_SETS_MAX 1000         /* of `journal tail` */
#define FORWARD_OUTPUT_MAX (8u << 20) /* the control socket's frames hold 20 MiB of JSON */
#define FORWARD_ARENA_MAX (64u << 20)

bool command_forward_allows(const struct command_call *call)
{
    static const char *const rows[][2] = {{"prefix", "list"},
                                          {"prefix", "route-history"},
                                          {"record", "show"},
                                          {"record", "history"},
                                          {"journal", "tail"}};
    const char *sets = command_option(call, "-n");
    uint64_t count = 0;
    if (command_has(call, "--secrets") || command_has(call, "--follow") ||
        (sets != NULL && !command_number(sets, FORWARD_SETS_MAX, &count))) {
        return false;
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(call->row->noun, rows[i][0]) == 0 && strcmp(call->row->verb, rows[i][1]) == 0) {
            return true;
        }
    }
    return false;
}

/* --- the asking side -------------------------------------------------------------------------- */

static bool may_read_store(struct command_call *call)
{
    const char *path = directory_path(call->arena, call->directory, "store/data.mdb");
    return path == NULL || access(path, R_OK) == 0 || errno != EACCES;
}

static json_t *describe(const struct command_call *call)
{
    json_t *arguments = json_array();
    json_t *options = json_array();
    for (size_t i = 0; i < call->argument_count; i++) {
        (void)json_array_append_new(arguments, json_string(call->arguments[i]));
    }
    for (size_t i = 0; i < call->option_count; i++) {
        (void)json_array_append_new(options,
                                    json_pack("[s, s]", call->options[i][0], call->options[i][1]));
    }
    return json_pack("{s:s, s:s, s:o, s:o, s:b, s:b}", "noun", call->row->noun, "verb",
                     call->row->verb, "arguments", arguments, "options", options, "json",
                     call->is_json, "chinese", call->is_chinese);
}

bool command_forward(struct command_call *call, int *out_exit)
{
    if (call->row->needs != COMMAND_DIRECTORY || !command_forward_allows(call) ||
        may_read_store(call)) {
        return false;
    }
    struct fault fault = {.status = STATUS_OK};
    json_t *arguments = describe(call);
    json_t *result = NULL;
    enum status status = command_call_node(call, "run", arguments, &result, &fault);
    json_decref(arguments);
    if (status == STATUS_UNREACHABLE) {
        return false;
    }
    if (status != STATUS_OK) {
        *out_exit = say_status(call, status, call->directory, &fault);
        return true;
    }
    const char *out = json_string_value(json_object_get(result, "out"));
    const char *err = json_string_value(json_object_get(result, "err"));
    (void)fputs(out == NULL ? "" : out, call->out);
    (void)fputs(err == NULL ? "" : err, call->err);
    *out_exit = (int)json_integer_value(json_object_get(result, "exit"));
    json_decref(result);
    return true;
}

/* --- the answering side ----------------------------------------------------------------------- */

struct forwarded {
    struct command_call call;
    const char *arguments[FORWARD_ARGUMENTS_MAX];
    const char *options[FORWARD_ARGUMENTS_MAX][2];
};

/* Borrows the texts from `arguments`. */
static bool read_call(json_t *arguments, struct forwarded *forwarded)
{
    struct command_call *call = &forwarded->call;
    const char *noun = json_string_value(json_object_get(arguments, "noun"));
    const char *verb = json_string_value(json_object_get(arguments, "verb"));
    json_t *words = json_object_get(arguments, "arguments");
    json_t *options = json_object_get(arguments, "options");
    call->row = noun == NULL || verb == NULL ? NULL : command_find(noun, verb);
    call->argument_count = json_array_size(words);
    call->option_count = json_array_size(options);
    if (call->row == NULL || call->argument_count > FORWARD_ARGUMENTS_MAX ||
        call->option_count > FORWARD_ARGUMENTS_MAX) {
        return false;
    }
    for (size_t i = 0; i < call->argument_count; i++) {
        forwarded->arguments[i] = json_string_value(json_array_get(words, i));
        if (forwarded->arguments[i] == NULL) {
            return false;
        }
    }
    for (size_t i = 0; i < call->option_count; i++) {
        for (size_t j = 0; j < 2; j++) {
            json_t *text = json_array_get(json_array_get(options, i), j);
            forwarded->options[i][j] = json_string_value(text);
            if (forwarded->options[i][j] == NULL) {
                return false;
            }
        }
    }
    call->arguments = forwarded->arguments;
    call->options = (const char *const(*)[2])forwarded->options;
    call->is_json = json_is_true(json_object_get(arguments, "json"));
    call->is_chinese = json_is_true(json_object_get(arguments, "chinese"));
    return true;
}

/* Runs the handler; `text` holds what it printed, which ends at FORWARD_OUTPUT_MAX. */
static enum status run_caught(struct command_call *call, char *text, json_t **out_result)
{
    char *problem = NULL;
    size_t problem_len = 0;
    enum status status = STATUS_NO_MEMORY;
    call->out = fmemopen(text, FORWARD_OUTPUT_MAX, "w");
    call->err = open_memstream(&problem, &problem_len);
    if (call->out != NULL && call->err != NULL) {
        int exit = call->row->handler(call);
        bool is_whole = fflush(call->out) == 0 && ferror(call->out) == 0;
        if (is_whole && fflush(call->err) == 0) {
            *out_result = json_pack("{s:i, s:s, s:s}", "exit", exit, "out", text, "err", problem);
        }
        status = *out_result == NULL ? STATUS_NO_ROOM : STATUS_OK;
    }
    if (call->out != NULL) {
        (void)fclose(call->out);
    }
    if (call->err != NULL) {
        (void)fclose(call->err);
    }
    free(problem);
    return status;
}

enum status command_forward_run(json_t *arguments, const struct command_forward_daemon *daemon,
                                json_t **out_result, struct fault *fault)
{
    struct forwarded forwarded = {
        .call = {.registry = daemon->registry, .node = daemon->node, .directory = "."}};
    struct command_call *call = &forwarded.call;
    if (!read_call(arguments, &forwarded)) {
        return fault_set(fault, STATUS_PROTOCOL_ERROR, "%s", "the command cannot be understood");
    }
    if (!command_forward_allows(call) || !command_takes(call->row, call->argument_count)) {
        return fault_set(fault, STATUS_NOT_SUPPORTED, "%s",
                         "this is not run for others; use the node's own user or root");
    }
    char *text = calloc(1, FORWARD_OUTPUT_MAX + 1);
    call->arena = arena_new(64u << 10, FORWARD_ARENA_MAX);
    enum status status =
        text == NULL || call->arena == NULL ? STATUS_NO_MEMORY : run_caught(call, text, out_result);
    arena_free(call->arena);
    free(text);
    return status == STATUS_NO_ROOM
               ? fault_set(fault, STATUS_NOT_SUPPORTED, "%s", "so much output is not sent")
               : status;
}
