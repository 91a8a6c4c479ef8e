/* SPDX-License-Identifier: Apache-2.0
 *
 * guantong audit tail|verify|export: who did what, when, from where, with what before and after.
 * Audit rows are items of the journal; its chain is theirs.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "admin/command_reach.h"
#include "admin/say.h"
#include "registry/journal.h"

#define TAIL_DEFAULT 20
#define TAIL_MAX 1000000

struct audit {
    struct command_call *call;
    struct registry *registry;
    struct snapshot *snapshot;
    FILE *file;
    uint64_t rows;
};

/* The row as stored, with its position; a `detail` that is JSON becomes part of the document. */
static json_t *audit_json(struct bytes row, uint64_t position)
{
    json_t *document = json_loadb((const char *)row.data, row.len, 0, NULL);
    const json_t *detail = json_object_get(document, "detail");
    json_t *inner = json_loadb(json_string_value(detail), json_string_length(detail), 0, NULL);
    if (inner != NULL) {
        (void)json_object_set_new(document, "detail", inner);
    }
    (void)json_object_set_new(document, "position", json_integer((json_int_t)position));
    return document;
}

static const char *text_at(struct audit *audit, const json_t *document, const char *name)
{
    const json_t *value = json_object_get(document, name);
    if (json_is_string(value)) {
        return say_printable(audit->call->arena,
                             bytes_of(json_string_value(value), json_string_length(value)));
    }
    char *text = value == NULL ? NULL : json_dumps(value, JSON_COMPACT);
    const char *kept = text == NULL ? "" : say_printable(audit->call->arena, bytes_of_text(text));
    free(text);
    return kept;
}

static void print_row(struct audit *audit, struct bytes row, uint64_t position)
{
    json_t *document = audit_json(row, position);
    if (document == NULL) {
        (void)fprintf(audit->file, "%" PRIu64 "  %s\n", position,
                      say_text(audit->call, "damaged", "已损坏"));
    } else if (audit->call->is_json || audit->file != audit->call->out) {
        (void)json_dumpf(document, audit->file, JSON_COMPACT);
        (void)fputc('\n', audit->file);
    } else {
        (void)fprintf(audit->file, "%" PRIu64 "  %s  %s  %s  %s  %s  %s\n", position,
                      text_at(audit, document, "time"), text_at(audit, document, "actor"),
                      text_at(audit, document, "origin"), text_at(audit, document, "action"),
                      text_at(audit, document, "object"), text_at(audit, document, "detail"));
    }
    json_decref(document);
    audit->rows++;
}

/* Audit rows from `*position` on, set by set; the snapshot is renewed behind each. */
static enum status print_from(struct audit *audit, uint64_t position)
{
    struct journal_set set;
    enum status status;
    while ((status = journal_get(audit->snapshot, position, &set)) == STATUS_OK) {
        struct wire_reader r = wire_read(set.items);
        struct journal_item item;
        uint64_t end = set.position + set.count;
        for (uint64_t at = set.position; journal_next_item(&r, &item); at++) {
            struct bytes row;
            if (item.table == CHANGE_AUDIT && at >= position &&
                journal_get_audit(audit->snapshot, at, &row) == STATUS_OK) {
                print_row(audit, row, at);
            }
        }
        position = end;
        status = snapshot_refresh(audit->snapshot);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static uint64_t rows_of(const struct journal_set *set)
{
    struct wire_reader r = wire_read(set->items);
    struct journal_item item;
    uint64_t rows = 0;
    while (journal_next_item(&r, &item)) {
        rows += item.table == CHANGE_AUDIT;
    }
    return rows;
}

/* Where the last `count` audit rows begin, to the set. */
static enum status find_start(struct audit *audit, uint64_t count, uint64_t *out_position)
{
    struct journal_set set;
    uint64_t rows = 0;
    enum status status = journal_head(audit->snapshot, &set);
    *out_position = 1;
    while (status == STATUS_OK) {
        rows += rows_of(&set);
        *out_position = set.position;
        if (rows >= count || set.position == 1) {
            return STATUS_OK;
        }
        status = journal_get(audit->snapshot, set.position - 1, &set);
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static int open_audit(struct command_call *call, struct audit *out_audit)
{
    *out_audit = (struct audit){.call = call, .file = call->out};
    return command_open_store(call, &out_audit->registry, &out_audit->snapshot);
}

int command_audit_tail(struct command_call *call)
{
    uint64_t count = TAIL_DEFAULT;
    uint64_t position = 1;
    struct audit audit;
    const char *asked = command_option(call, "-n");
    if (asked != NULL && !command_number(asked, TAIL_MAX, &count)) {
        return say_problem(call, PROBLEM_BAD_ARGUMENT, asked);
    }
    int exit = open_audit(call, &audit);
    if (exit != EXIT_OK) {
        return exit;
    }
    enum status status = find_start(&audit, count, &position);
    status = status == STATUS_OK && count > 0 ? print_from(&audit, position) : status;
    command_close_store(audit.registry, audit.snapshot);
    return status == STATUS_OK ? EXIT_OK : say_status(call, status, call->directory, NULL);
}

int command_audit_export(struct command_call *call)
{
    struct audit audit;
    const char *path = command_option(call, "--output");
    int exit = open_audit(call, &audit);
    if (exit != EXIT_OK) {
        return exit;
    }
    FILE *file = path == NULL ? NULL : fopen(path, "wxe");
    if (path != NULL && file == NULL) {
        exit = say_problem_because(call, PROBLEM_FILE, path, strerror(errno));
    }
    audit.call->is_json = audit.call->is_json || path == NULL;
    audit.file = file == NULL ? call->out : file;
    enum status status = exit == EXIT_OK ? print_from(&audit, 1) : STATUS_OK;
    if (file != NULL && (fflush(file) != 0 || fclose(file) != 0)) {
        exit = say_problem_because(call, PROBLEM_FILE, path, strerror(errno));
    }
    command_close_store(audit.registry, audit.snapshot);
    return status == STATUS_OK ? exit : say_status(call, status, call->directory, NULL);
}

/* --- verify ----------------------------------------------------------------------------------- */

static enum status count_rows(struct audit *audit)
{
    struct journal_set set;
    uint64_t position = 1;
    enum status status;
    while ((status = journal_get(audit->snapshot, position, &set)) == STATUS_OK) {
        audit->rows += rows_of(&set);
        position = set.position + set.count;
        status = snapshot_refresh(audit->snapshot);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

int command_audit_verify(struct command_call *call)
{
    struct audit audit;
    struct journal_report report;
    int exit = open_audit(call, &audit);
    if (exit != EXIT_OK) {
        return exit;
    }
    struct registry *registry = call->registry == NULL ? audit.registry : call->registry;
    enum status status = count_rows(&audit);
    snapshot_rest(audit.snapshot);
    status = status == STATUS_OK ? journal_verify(registry, NULL, NULL, &report) : status;
    command_close_store(audit.registry, audit.snapshot);
    if (status == STATUS_CORRUPT) {
        return say_problem(call, PROBLEM_NOT_VERIFIED, report.reason);
    }
    if (status != STATUS_OK) {
        return say_status(call, status, call->directory, NULL);
    }
    if (call->is_json) {
        return say_json(call, json_pack("{s:I, s:I, s:b}", "rows", (json_int_t)audit.rows, "sets",
                                        (json_int_t)report.sets, "holds", 1));
    }
    (void)fprintf(call->out, "%" PRIu64 " %s\n", audit.rows,
                  say_text(call, "audit rows, each as digested, the chain holds",
                           "条审计记录，摘要一致，链完整"));
    return EXIT_OK;
}
