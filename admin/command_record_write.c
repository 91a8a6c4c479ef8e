/* SPDX-License-Identifier: Apache-2.0
 *
 * guantong record put|rm: small writes, in sets of up to CHANGE_SET_ITEMS_MAX, item by item.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/command.h"
#include "admin/command_reach.h"
#include "admin/say.h"
#include "admin/writer.h"
#include "protocol/record_json.h"

#define INPUT_MAX (64u << 20) /* of one `record put`; more is for `import` */
#define RECORD_ARENA_MAX (16u << 20)

struct batch {
    struct command_call *call;
    struct writer *writer;
    struct change_set *set;
    const char **names; /* of every item ever put, for its outcome */
    size_t name_count;
    size_t name_room;
    size_t first; /* of the set being filled */
    size_t done, unchanged, failed;
    struct writer_item first_failure;
    const char *first_failed; /* its name */
    json_t *items;
};

static void report_item(struct batch *batch, const char *name, const struct writer_item *item)
{
    struct command_call *call = batch->call;
    bool is_unchanged = item->status == STATUS_UNCHANGED;
    bool is_done = item->status == STATUS_OK || is_unchanged;
    batch->done += is_done && !is_unchanged ? 1 : 0;
    batch->unchanged += is_unchanged ? 1 : 0;
    if (!is_done && batch->failed++ == 0) {
        batch->first_failure = *item;
        batch->first_failed = name;
    }
    if (call->is_json) {
        json_t *entry = json_pack("{s:s, s:s, s:I}", "handle", name, "status",
                                  status_name(item->status), "version", (json_int_t)item->version);
        (void)json_array_append_new(batch->items, entry);
    } else if (!is_done) {
        (void)say_status(call, item->status, name, NULL);
    }
}

/* `tag` is the number of the set's first item. */
static void record_on_written(void *context, uint64_t tag, enum status status,
                              const struct writer_item *items, size_t count)
{
    struct batch *batch = context;
    for (size_t i = 0; i < count && tag + i < batch->name_count; i++) {
        struct writer_item item = items[i];
        /* A set that failed as a whole wrote nothing, whatever its items say. */
        if (status != STATUS_OK && status != STATUS_UNCHANGED &&
            (item.status == STATUS_OK || item.status == STATUS_UNCHANGED)) {
            item.status = status;
        }
        report_item(batch, batch->names[tag + i], &item);
    }
}

static int open_batch(struct batch *batch)
{
    struct fault fault = {.status = STATUS_OK};
    struct command_call *call = batch->call;
    enum status status = writer_open(call, record_on_written, batch, &batch->writer, &fault);
    batch->items = json_array();
    return status == STATUS_OK ? EXIT_OK : say_status(call, status, call->directory, &fault);
}

static enum status submit(struct batch *batch, struct fault *fault)
{
    struct change_set *set = batch->set;
    batch->set = NULL;
    return set == NULL ? STATUS_OK : writer_submit(batch->writer, set, batch->first, fault);
}

static enum status remember(struct batch *batch, struct bytes name)
{
    if (batch->name_count == batch->name_room) {
        size_t room = batch->name_room == 0 ? 64 : batch->name_room * 2;
        const char **grown = realloc(batch->names, room * sizeof(*grown));
        if (grown == NULL) {
            return STATUS_NO_MEMORY;
        }
        batch->names = grown;
        batch->name_room = room;
    }
    const char *copy = say_printable(batch->call->arena, name);
    if (copy == NULL) {
        return STATUS_NO_MEMORY;
    }
    batch->names[batch->name_count++] = copy;
    return STATUS_OK;
}

typedef enum status put_function(struct batch *batch, const void *thing, struct fault *fault);

/* Puts into the current set; a full one, or one that has the key already, goes on its way first. */
static enum status put(struct batch *batch, put_function *function, const void *thing,
                       struct bytes name, struct fault *fault)
{
    for (int attempt = 0; attempt < 2; attempt++) {
        if (batch->set == NULL) {
            batch->first = batch->name_count;
            batch->set =
                change_set_new(CHANGE_PER_ITEM, writer_actor(batch->writer), BYTES_LITERAL("cli"));
        }
        if (batch->set == NULL) {
            return STATUS_NO_MEMORY;
        }
        enum status status = function(batch, thing, fault);
        if (status == STATUS_OK) {
            return remember(batch, name);
        }
        bool is_full = status == STATUS_NO_ROOM || status == STATUS_HANDLE_EXISTS;
        if (!is_full || change_set_count(batch->set) == 0) {
            return status;
        }
        /* The same key again must see what the set before it wrote. */
        status = submit(batch, fault);
        status = status == STATUS_OK ? writer_flush(batch->writer, fault) : status;
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_NO_ROOM;
}

/* Sends the rest, waits, sums up. */
static int close_batch(struct batch *batch, int exit)
{
    struct command_call *call = batch->call;
    struct fault fault = {.status = STATUS_OK};
    enum status status = STATUS_OK;
    if (batch->writer != NULL) {
        enum status sent = submit(batch, &fault);
        enum status flushed = sent == STATUS_OK ? writer_flush(batch->writer, &fault) : sent;
        status = flushed;
    }
    change_set_free(batch->set);
    writer_close(batch->writer);
    free(batch->names);
    if (exit == EXIT_OK && status != STATUS_OK) {
        exit = say_status(call, status, call->directory, &fault);
    }
    return exit;
}

static int sum_up(struct batch *batch, int exit, const char *verb)
{
    struct command_call *call = batch->call;
    size_t successes = batch->done + batch->unchanged;
    if (exit == EXIT_OK && batch->failed > 0 && successes == 0) {
        enum status status = batch->first_failure.status;
        exit =
            call->is_json ? say_status(call, status, batch->first_failed, NULL) : say_exit(status);
    } else if (exit == EXIT_OK && call->is_json) {
        exit = batch->failed > 0 ? EXIT_PARTLY : EXIT_OK;
        (void)say_json(call, json_pack("{s:O, s:n, s:I, s:I, s:I, s:b}", "items", batch->items,
                                       "next", "done", (json_int_t)batch->done, "unchanged",
                                       (json_int_t)batch->unchanged, "failed",
                                       (json_int_t)batch->failed, "dry_run", call->is_dry_run));
    } else if (!call->is_json && successes > 0) {
        exit = exit == EXIT_OK && batch->failed > 0 ? EXIT_PARTLY : exit;
        (void)fprintf(call->out, "%zu %s, %zu %s%s\n", batch->done, verb, batch->unchanged,
                      say_text(call, "unchanged", "未变化"),
                      call->is_dry_run ? say_text(call, " (dry run)", "（试运行）") : "");
    }
    json_decref(batch->items);
    return exit;
}

/* --- put -------------------------------------------------------------------------------------- */

static enum status put_record(struct batch *batch, const void *thing, struct fault *fault)
{
    enum change_mode mode =
        command_has(batch->call, "--create-only") ? CHANGE_CREATE : CHANGE_REPLACE;
    return change_set_put_record(batch->set, thing, mode, fault);
}

/* The whole input, NULL (errno: why) when it cannot be read or is too long; freed by the caller. */
static char *read_input(const char *path, size_t *out_len)
{
    FILE *in = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    char *text = in == NULL ? NULL : malloc(INPUT_MAX + 1);
    bool is_whole = false;
    int error = errno;
    if (text != NULL) {
        *out_len = fread(text, 1, INPUT_MAX + 1, in);
        is_whole = *out_len <= INPUT_MAX && ferror(in) == 0;
        error = *out_len > INPUT_MAX ? EFBIG : errno;
    }
    if (in != NULL && in != stdin) {
        (void)fclose(in);
    }
    if (!is_whole) {
        free(text);
        errno = error;
        return NULL;
    }
    return text;
}

/* Where `record put` is in its input. */
struct input {
    struct bytes text;
    size_t at;
    size_t line;
};

static void skip(struct input *input, size_t len)
{
    for (; len > 0; len--, input->at++) {
        input->line += input->text.data[input->at] == '\n' ? 1 : 0;
    }
}

/* What failed is the record, or the way to the store. */
static int report_failure(struct command_call *call, enum status status, const char *name,
                          const struct fault *fault)
{
    bool is_about_the_way = status == STATUS_CLOSED || status == STATUS_PROTOCOL_ERROR ||
                            status == STATUS_UNREACHABLE || status == STATUS_NO_MEMORY;
    return say_status(call, status, is_about_the_way ? call->directory : name, fault);
}

static void warn_of_open_secrets(struct batch *batch, const struct record *record)
{
    struct command_call *call = batch->call;
    for (size_t i = 0; i < record->count && !call->is_json; i++) {
        const struct value *value = &record->values[i];
        if (value_is_secret(value) && (value->permissions & VALUE_PUBLIC_READ) != 0) {
            (void)fprintf(
                call->err, "guantong: %s: %s\n", say_printable(call->arena, record->handle),
                say_text(call, "a secret key says it may be read publicly; it will not be",
                         "密钥值标为公开可读，但不会对外公开"));
        }
    }
}

/* One JSON document of the input; moves behind it. */
static int put_next(struct batch *batch, struct arena *arena, struct input *input)
{
    struct command_call *call = batch->call;
    json_error_t error;
    struct bytes rest = bytes_from(input->text, input->at);
    json_t *document =
        json_loadb((const char *)rest.data, rest.len, JSON_DISABLE_EOF_CHECK, &error);
    struct fault fault = {.status = STATUS_OK};
    struct record record;
    char where[48];
    (void)snprintf(where, sizeof(where), "%s%zu%s", say_text(call, "line ", "第 "), input->line,
                   say_text(call, "", " 行"));
    if (document == NULL) {
        say_without_input(error.text);
        return say_problem_because(call, PROBLEM_BAD_RECORD, where, error.text);
    }
    json_decref(document);
    size_t len = (size_t)error.position;
    enum status status = record_json_parse(bytes_of(rest.data, len), arena, 0, &record, &fault);
    skip(input, len);
    if (status != STATUS_OK) {
        return say_problem_because(call, PROBLEM_BAD_RECORD, where, fault.text);
    }
    warn_of_open_secrets(batch, &record);
    status = put(batch, put_record, &record, record.handle, &fault);
    if (status == STATUS_OK) {
        return EXIT_OK;
    }
    return report_failure(call, status, say_printable(call->arena, record.handle), &fault);
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int put_all(struct batch *batch, struct bytes text)
{
    struct arena *arena = arena_new(64u << 10, RECORD_ARENA_MAX);
    if (arena == NULL) {
        return say_problem(batch->call, PROBLEM_NO_MEMORY, "");
    }
    struct input input = {.text = text, .line = 1};
    int exit = EXIT_OK;
    while (exit == EXIT_OK) {
        while (input.at < text.len && is_space(text.data[input.at])) {
            skip(&input, 1);
        }
        if (input.at == text.len) {
            break;
        }
        exit = put_next(batch, arena, &input);
        arena_reset(arena);
    }
    arena_free(arena);
    return exit;
}

int command_record_put(struct command_call *call)
{
    size_t len = 0;
    char *text = read_input(call->arguments[0], &len);
    if (text == NULL) {
        return say_problem_because(call, PROBLEM_FILE, call->arguments[0], strerror(errno));
    }
    struct batch batch = {.call = call};
    int exit = open_batch(&batch);
    if (exit == EXIT_OK) {
        exit = put_all(&batch, bytes_of(text, len));
    }
    exit = close_batch(&batch, exit);
    free(text);
    return sum_up(&batch, exit, say_text(call, "stored", "已写入"));
}

/* --- rm --------------------------------------------------------------------------------------- */

static enum status put_deletion(struct batch *batch, const void *thing, struct fault *fault)
{
    (void)fault;
    const struct bytes *handle = thing;
    return change_set_delete_record(batch->set, *handle);
}

int command_record_rm(struct command_call *call)
{
    int exit = command_confirm(call, "record rm");
    if (exit != EXIT_OK) {
        return exit;
    }
    struct batch batch = {.call = call};
    exit = open_batch(&batch);
    for (size_t i = 0; exit == EXIT_OK && i < call->argument_count; i++) {
        struct fault fault = {.status = STATUS_OK};
        struct bytes handle = BYTES_NONE;
        enum status status = command_handle(call, call->arguments[i], &handle);
        if (status == STATUS_OK) {
            status = put(&batch, put_deletion, &handle, handle, &fault);
        }
        if (status != STATUS_OK) {
            exit = report_failure(call, status, call->arguments[i], &fault);
        }
    }
    exit = close_batch(&batch, exit);
    return sum_up(&batch, exit, say_text(call, "deleted", "已删除"));
}
