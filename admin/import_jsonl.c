/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON Lines: one record per line, the form `export` writes (decisions.md "Formats").
 *
 * Empty lines are skipped. A `timestamp` given is kept; one not given stays 0 and is set when the
 * value is stored.
 */
#include "admin/import_rows.h"

#include <stdlib.h>

#include "admin/say.h"
#include "protocol/handle.h"
#include "protocol/record_json.h"

struct import_jsonl {
    struct import_rows rows; /* first: the reader is handed out by it */
    struct import_lines *lines;
    struct arena *arena;
};

/* The character the parser stumbled over; 0 when the text is JSON and something else is wrong. */
static uint64_t stumble(struct bytes text)
{
    json_error_t error;
    json_t *parsed = json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, &error);
    if (parsed != NULL) {
        json_decref(parsed);
        return 0;
    }
    return error.column > 0 ? (uint64_t)error.column : 0;
}

/* The handle of a bad record, when there is one to be read, so that people find it. */
static struct bytes handle_of(struct arena *arena, struct bytes text)
{
    json_t *parsed = json_loadb((const char *)text.data, text.len, 0, NULL);
    const char *handle = json_string_value(json_object_get(parsed, "handle"));
    struct bytes copy = arena_copy(arena, bytes_of_text(handle));
    json_decref(parsed);
    return copy.data == NULL ? BYTES_NONE : copy;
}

static enum status refuse(struct import_jsonl *reader, struct bytes text, enum status status,
                          struct import_row *row, struct fault *fault)
{
    if (!handle_is_utf8(text)) {
        return import_rows_not_utf8(text, fault);
    }
    row->column = stumble(text);
    row->record.handle = handle_of(reader->arena, text);
    return status;
}

static enum status jsonl_next(struct import_rows *rows, struct import_row *out_row,
                              struct fault *fault)
{
    struct import_jsonl *reader = (struct import_jsonl *)rows;
    struct import_line line;
    struct bytes text;
    do {
        enum status status = import_lines_next(reader->lines, &line, fault);
        *out_row = (struct import_row){0};
        if (status != STATUS_OK && !import_rows_is_refusal(status)) {
            return status;
        }
        text = import_lines_trim(line.text);
        out_row->line = line.number;
        out_row->original = text;
        if (status != STATUS_OK) {
            return status;
        }
    } while (text.len == 0);
    arena_reset(reader->arena);
    enum status status = record_json_parse(text, reader->arena, 0, &out_row->record, fault);
    if (status != STATUS_OK) {
        status = status == STATUS_NO_MEMORY
                     ? fault_set(fault, STATUS_NO_ROOM, "the record is too large")
                     : status;
        say_without_input(fault->text);
        return refuse(reader, text, status, out_row, fault);
    }
    return STATUS_OK;
}

static void jsonl_close(struct import_rows *rows)
{
    struct import_jsonl *reader = (struct import_jsonl *)rows;
    arena_free(reader->arena);
    free(reader);
}

enum status import_jsonl_open(struct import_lines *lines, struct import_rows **out_rows,
                              struct fault *fault)
{
    (void)fault;
    struct import_jsonl *reader = calloc(1, sizeof *reader);
    if (reader == NULL) {
        return STATUS_NO_MEMORY;
    }
    reader->rows = (struct import_rows){jsonl_next, jsonl_close};
    reader->lines = lines;
    reader->arena = arena_new(64u << 10, IMPORT_RECORD_MAX);
    if (reader->arena == NULL) {
        free(reader);
        return STATUS_NO_MEMORY;
    }
    *out_rows = &reader->rows;
    return STATUS_OK;
}
