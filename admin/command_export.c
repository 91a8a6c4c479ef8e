/* SPDX-License-Identifier: Apache-2.0
 *
 * `guantong export [DIR]`: every record, or those of a prefix, in key order.
 *
 * JSON Lines carry a record whole: importing them into an empty node gives an equal export. CSV
 * carries text values alone; what it cannot say is counted and told. HS_SECKEY values and values
 * without public read stay out unless --secrets, which leaves an audit row before the first byte.
 * A file named by --output appears complete or not at all.
 */
#include <csv.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/command_reach.h"
#include "admin/directory.h"
#include "admin/progress.h"
#include "admin/say.h"
#include "admin/writer.h"
#include "protocol/record_json.h"
#include "protocol/value_types.h"

#define RECORD_MEMORY_MAX (8u << 20)
#define HELD_BYTES (256 << 10) /* written to the file or pipe at a time */

struct export
{
    struct command_call *call;
    struct writer *writer; /* with --secrets: it writes the audit row */
    struct registry *registry;
    struct registry *own; /* `registry` when there is no writer */
    bool is_csv;
    bool has_secrets;
    FILE *sink;   /* where everything goes in the end */
    FILE *stream; /* in memory, drained between records */
    char *held;   /* its bytes */
    size_t held_len;
    const char *path;               /* of --output; NULL: standard output */
    char *temporary;                /* beside it, until it is complete; NULL: written in place */
    struct command_signals signals; /* held back while a file is made, not while a pipe is fed */
    bool holds_signals;
    bool is_refused;     /* the output could not be opened or written */
    struct arena *arena; /* of one record */
    uint64_t records;
    uint64_t values;
    uint64_t hidden;  /* values left out: not public */
    uint64_t emptied; /* records with nothing left */
    uint64_t not_in_csv;
};

/* --- one record ------------------------------------------------------------------------------- */

static bool fits_csv(const struct value *value)
{
    return value->reference_count == 0 && value->ttl_type == VALUE_TTL_RELATIVE &&
           value->ttl <= INT32_MAX && value_types_format(value->type) == VALUE_FORMAT_TEXT &&
           handle_is_utf8(value->data) && handle_is_utf8(value->type) &&
           (value->data.len == 0 || memchr(value->data.data, '\0', value->data.len) == NULL);
}

static void write_csv(struct export *export, const struct record *record)
{
    FILE *out = export->stream;
    for (size_t i = 0; i < record->count; i++) {
        const struct value *value = &record->values[i];
        if (!fits_csv(value)) {
            export->not_in_csv++;
            continue;
        }
        char permissions[5];
        value_permissions_text(value->permissions, permissions);
        (void)csv_fwrite(out, record->handle.data, record->handle.len);
        (void)fprintf(out, ",%" PRIu32 ",", value->index);
        (void)csv_fwrite(out, value->type.data, value->type.len);
        (void)fputc(',', out);
        (void)csv_fwrite(out, value->data.len == 0 ? (const uint8_t *)"" : value->data.data,
                         value->data.len);
        (void)fprintf(out, ",%" PRIu32 ",%s\n", value->ttl, permissions);
        export->values++;
    }
}

static enum status write_json(struct export *export, const struct record *record)
{
    json_t *object = record_json_encode(record, 0);
    if (object == NULL) {
        return STATUS_NO_MEMORY;
    }
    bool is_written =
        json_dumpf(object, export->stream, JSON_COMPACT) == 0 && fputc('\n', export->stream) != EOF;
    json_decref(object);
    export->values += record->count;
    return is_written ? STATUS_OK : STATUS_SYSTEM;
}

static void leave_out_hidden(struct export *export, struct record *record)
{
    size_t kept = 0;
    for (size_t i = 0; i < record->count; i++) {
        if (value_is_public(&record->values[i])) {
            record->values[kept++] = record->values[i];
        }
    }
    export->hidden += record->count - kept;
    export->emptied += kept == 0 && record->count > 0;
    record->count = kept;
}

static enum status write_record(struct export *export, const struct record_row *row)
{
    struct record record = {.handle = row->handle};
    struct wire_reader reader = wire_read(row->values);
    arena_reset(export->arena);
    enum status status = value_list_decode(&reader, export->arena, &record.values, &record.count);
    if (status != STATUS_OK || !wire_done(&reader)) {
        return status == STATUS_NO_MEMORY ? status : STATUS_CORRUPT;
    }
    size_t before = record.count;
    if (!export->has_secrets) {
        leave_out_hidden(export, &record);
    }
    if (record.count == 0 && before > 0) {
        return STATUS_OK;
    }
    export->records++;
    if (export->is_csv) {
        write_csv(export, &record);
        return ferror(export->stream) ? STATUS_SYSTEM : STATUS_OK;
    }
    return write_json(export, &record);
}

/* --- all of them ------------------------------------------------------------------------------ */

/* Writing may wait for whoever reads the pipe: the walk holds no pages meanwhile. */
static enum status drain(struct export *export, struct record_walk *walk, struct fault *fault)
{
    record_walk_rest(walk);
    if (export->temporary != NULL && command_signal_waits()) {
        return fault_set(fault, STATUS_SYSTEM, "%s", "interrupted");
    }
    bool is_written = fflush(export->stream) == 0 &&
                      fwrite(export->held, 1, export->held_len, export->sink) == export->held_len &&
                      fflush(export->sink) == 0 && fseeko(export->stream, 0, SEEK_SET) == 0;
    if (is_written) {
        return STATUS_OK;
    }
    export->is_refused = true;
    return fault_set(fault, STATUS_SYSTEM, "%s: %s", export->path == NULL ? "-" : export->path,
                     strerror(errno));
}

static enum status write_row(struct export *export, struct record_walk *walk,
                             const struct record_row *row, struct fault *fault)
{
    enum status status = write_record(export, row);
    if (status != STATUS_OK) {
        return fault_set(fault, status, "record %.*s: %s",
                         (int)(row->handle.len < 80 ? row->handle.len : 80),
                         (const char *)row->handle.data, status_english(status));
    }
    return ftello(export->stream) >= HELD_BYTES ? drain(export, walk, fault) : STATUS_OK;
}

static enum status walk_records(struct export *export, struct record_walk *walk,
                                struct fault *fault)
{
    if (export->is_csv) {
        (void)fputs("handle,index,type,data,ttl,permissions\n", export->stream);
    }
    struct record_row row;
    enum status status;
    while ((status = record_walk_next(walk, &row)) == STATUS_OK) {
        status = write_row(export, walk, &row, fault);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return status == STATUS_NOT_FOUND ? drain(export, walk, fault) : status;
}

static enum status write_all(struct export *export, struct fault *fault)
{
    struct record_walk *walk = NULL;
    struct bytes prefix = bytes_of_text(command_option(export->call, "--prefix"));
    export->stream = open_memstream(&export->held, &export->held_len);
    if (export->stream == NULL) {
        return STATUS_NO_MEMORY;
    }
    enum status status = record_walk_open(export->registry, prefix, &walk);
    if (status == STATUS_OK) {
        status = walk_records(export, walk, fault);
    }
    record_walk_close(walk);
    (void)fclose(export->stream);
    free(export->held);
    return status;
}

/* --- where it goes ---------------------------------------------------------------------------- */

static void release_signals(struct export *export)
{
    if (export->holds_signals) {
        export->holds_signals = false;
        command_release_signals(&export->signals);
    }
}

static enum status open_in_place(struct export *export, struct fault *fault)
{
    release_signals(export);
    int fd = open(export->path, O_WRONLY | O_CLOEXEC);
    export->sink = fd < 0 ? NULL : fdopen(fd, "w");
    return export->sink == NULL
               ? fault_set(fault, STATUS_SYSTEM, "%s: %s", export->path, strerror(errno))
               : STATUS_OK;
}

static enum status open_temporary(struct export *export, struct fault *fault)
{
    size_t size = strlen(export->path) + sizeof ".XXXXXX";
    export->temporary = arena_alloc(export->call->arena, size);
    if (export->temporary == NULL) {
        return STATUS_NO_MEMORY;
    }
    (void)snprintf(export->temporary, size, "%s.XXXXXX", export->path);
    int fd = mkostemp(export->temporary, O_CLOEXEC);
    if (fd < 0) {
        export->temporary = NULL;
        return fault_set(fault, STATUS_SYSTEM, "%s: %s", export->path, strerror(errno));
    }
    if (!export->has_secrets) {
        mode_t mask = umask(0);
        (void)umask(mask);
        (void)fchmod(fd, 0666 & ~mask);
    }
    export->sink = fdopen(fd, "w");
    if (export->sink == NULL) {
        (void)close(fd);
        return STATUS_NO_MEMORY;
    }
    return STATUS_OK;
}

/* A regular file, also one behind a link, is replaced whole; a device or pipe is only written to.
 */
static enum status open_output(struct export *export, struct fault *fault)
{
    const char *path = command_option(export->call, "--output");
    if (path == NULL || strcmp(path, "-") == 0) {
        export->sink = export->call->out;
        return STATUS_OK;
    }
    char resolved[PATH_MAX];
    struct stat facts;
    bool exists = realpath(path, resolved) != NULL && stat(resolved, &facts) == 0;
    export->path = exists ? arena_text(export->call->arena, bytes_of_text(resolved)) : path;
    if (export->path == NULL) {
        return STATUS_NO_MEMORY;
    }
    return exists && !S_ISREG(facts.st_mode) ? open_in_place(export, fault)
                                             : open_temporary(export, fault);
}

/* A file under its name, once its bytes are on the disk; or nothing of it. */
static enum status close_output(struct export *export, enum status status, struct fault *fault)
{
    if (export->path == NULL) {
        return status;
    }
    if (export->sink != NULL) {
        if (status == STATUS_OK && export->temporary != NULL && fsync(fileno(export->sink)) != 0) {
            status = fault_set(fault, STATUS_SYSTEM, "%s: %s", export->path, strerror(errno));
        }
        if (fclose(export->sink) != 0 && status == STATUS_OK) {
            status = fault_set(fault, STATUS_SYSTEM, "%s: %s", export->path, strerror(errno));
        }
    }
    if (status == STATUS_OK && export->temporary != NULL &&
        rename(export->temporary, export->path) != 0) {
        status = fault_set(fault, STATUS_SYSTEM, "%s: %s", export->path, strerror(errno));
    }
    if (status != STATUS_OK && export->temporary != NULL) {
        (void)unlink(export->temporary);
    }
    return status;
}

/* --- where it comes from ---------------------------------------------------------------------- */

static void export_on_done(void *context, uint64_t tag, enum status status,
                           const struct writer_item *items, size_t count)
{
    (void)context;
    (void)tag;
    (void)status;
    (void)items;
    (void)count; /* `writer_write` returns the outcome */
}

static enum status open_audited(struct export *export, struct fault *fault)
{
    struct command_call *call = export->call;
    const char *prefix = command_option(call, "--prefix");
    enum status status = writer_open(call, export_on_done, export, &export->writer, fault);
    if (status != STATUS_OK) {
        return status;
    }
    struct change_set *set = change_set_new(CHANGE_ALL_OR_NOTHING, writer_actor(export->writer),
                                            BYTES_LITERAL("export"));
    if (set == NULL) {
        return STATUS_NO_MEMORY;
    }
    status = change_set_audit(set, "export secrets", bytes_of_text(prefix == NULL ? "*" : prefix),
                              bytes_of_text(export->is_csv ? "csv" : "jsonl"));
    if (status != STATUS_OK) {
        change_set_free(set);
        return status;
    }
    export->registry = writer_registry(export->writer);
    return writer_write(export->writer, set, fault);
}

static enum status open_store(struct export *export, struct fault *fault)
{
    if (export->has_secrets) {
        return open_audited(export, fault);
    }
    enum status status = directory_open_registry(export->call->arena, export->call->directory, true,
                                                 &export->own, fault);
    export->registry = export->own;
    return status;
}

/* --- the command ------------------------------------------------------------------------------ */

static void say_summary(const struct export *export)
{
    struct command_call *call = export->call;
    char records[32];
    char values[32];
    progress_count(export->records, records);
    progress_count(export->values, values);
    (void)fprintf(call->err,
                  call->is_chinese ? "已导出 %s 条记录，%s 个值\n"
                                   : "%s records with %s values exported\n",
                  records, values);
    if (export->hidden > 0) {
        (void)fprintf(call->err,
                      call->is_chinese
                          ? "注意：%" PRIu64 " 个非公开的值未导出；以此文件覆盖导入会丢失这些值"
                            "（--secrets 导出全部）\n"
                          : "note: %" PRIu64 " values that are not public were left out; importing "
                            "this file over the same records would lose them (--secrets takes "
                            "all)\n",
                      export->hidden);
    }
    if (export->not_in_csv > 0) {
        (void)fprintf(call->err,
                      call->is_chinese ? "注意：%" PRIu64
                                         " 个值无法以 CSV 表示（二进制、引用或绝对 TTL），未导出；"
                                         "JSON Lines 可完整导出\n"
                                       : "note: %" PRIu64
                                         " values cannot be said in CSV (binary, references, "
                                         "absolute TTL) and were left out; JSON Lines carry all\n",
                      export->not_in_csv);
    }
}

/* On standard output the records are the document; beside a file a summary is. */
static int finish(const struct export *export)
{
    if (!export->call->is_json) {
        say_summary(export);
        return EXIT_OK;
    }
    if (export->path == NULL) {
        return EXIT_OK;
    }
    return say_json(export->call,
                    json_pack("{s:s, s:I, s:I, s:I, s:I, s:I}", "output",
                              command_option(export->call, "--output"), "records",
                              (json_int_t) export->records, "values", (json_int_t) export->values,
                              "values_not_public", (json_int_t) export->hidden, "values_not_in_csv",
                              (json_int_t) export->not_in_csv, "records_left_out",
                              (json_int_t) export->emptied));
}

static enum status run(struct export *export, struct fault *fault)
{
    const char *path = command_option(export->call, "--output");
    export->arena = arena_new(64u << 10, RECORD_MEMORY_MAX);
    if (export->arena == NULL) {
        return STATUS_NO_MEMORY;
    }
    if (path != NULL && strcmp(path, "-") != 0) {
        command_hold_signals(&export->signals); /* before any thread starts */
        export->holds_signals = true;
    }
    enum status status = open_store(export, fault);
    if (status == STATUS_OK) {
        status = open_output(export, fault);
        export->is_refused = status == STATUS_SYSTEM;
    }
    if (status == STATUS_OK) {
        status = write_all(export, fault);
    }
    status = close_output(export, status, fault);
    release_signals(export);
    return status;
}

/* What went wrong, told as a matter of the file or of the node. */
static int report(const struct export *export, enum status status, const struct fault *fault)
{
    return export->is_refused ? say_problem(export->call, PROBLEM_FILE, fault->text)
                              : say_status(export->call, status, export->call->directory, fault);
}

int command_export(struct command_call *call)
{
    const char *format = command_option(call, "--format");
    const char *prefix = command_option(call, "--prefix");
    if (format != NULL && strcmp(format, "jsonl") != 0 && strcmp(format, "csv") != 0) {
        return say_problem(call, PROBLEM_BAD_OPTION, "--format: jsonl|csv");
    }
    struct fault fault = {STATUS_OK, ""};
    if (prefix != NULL && handle_check_prefix(bytes_of_text(prefix), &fault) != STATUS_OK) {
        return say_problem_because(call, PROBLEM_INVALID_PREFIX, prefix, fault.text);
    }
    struct export export = {.call = call,
                            .is_csv = format != NULL && strcmp(format, "csv") == 0,
                            .has_secrets = command_has(call, "--secrets")};
    enum status status = run(&export, &fault);
    int exit_code = status == STATUS_OK ? finish(&export) : report(&export, status, &fault);
    arena_free(export.arena);
    registry_close(export.own);
    writer_close(export.writer);
    return exit_code;
}
