/* SPDX-License-Identifier: Apache-2.0
 *
 * CSV: header `handle,index,type,data[,ttl,permissions]` in any order, one value per row, the rows
 * of one handle adjacent (RFC 4180 by libcsv, strict about quotes; plain rows go past it).
 *
 * A record with one bad row is refused as a whole: storing it without that value would lose the
 * value of a record that is replaced. Rows in between that name no handle are refused alone.
 */
#include "admin/import_rows.h"

#include <csv.h>
#include <stdlib.h>

#include "admin/import_split.h"
#include "protocol/handle.h"

enum column {
    COLUMN_HANDLE,
    COLUMN_INDEX,
    COLUMN_TYPE,
    COLUMN_DATA,
    COLUMN_TTL,
    COLUMN_PERMISSIONS,
    COLUMN_COUNT,
};

static const char *const column_names[COLUMN_COUNT] = {"handle", "index", "type",
                                                       "data",   "ttl",   "permissions"};

#define NO_FIELD SIZE_MAX
#define VALUES_FIRST 16
#define ORIGINAL_MAX (4 * IMPORT_LINE_MAX) /* of a record's rows; what exceeds it is not kept */

/* One row as the parser gave it: fields back to back. */
struct csv_row {
    struct import_text text;
    size_t starts[COLUMN_COUNT + 1];
    size_t count; /* fields seen, those past the last column too */
    bool is_whole;
    bool is_utf8;
    bool is_out_of_memory;
    struct import_text original;
    uint64_t line;      /* of its beginning */
    enum status status; /* what is wrong already */
    struct fault fault;
    uint64_t column;
};

struct import_csv {
    struct import_rows rows; /* first: the reader is handed out by it */
    struct import_lines *lines;
    struct csv_parser parser;
    struct import_line line; /* what is left of it is still to be parsed */
    bool is_ended;
    size_t fields[COLUMN_COUNT]; /* the field of each column, NO_FIELD without */
    size_t field_count;
    struct csv_row row;  /* the row read last */
    bool row_waits;      /* it begins the next record */
    struct arena *arena; /* of the record being put together */
    struct value *values;
    size_t values_size;
    struct import_text original;
};

/* --- rows, by libcsv -------------------------------------------------------------------------- */

static int no_space(unsigned char c)
{
    (void)c;
    return 0; /* RFC 4180: spaces are part of a field */
}

static void csv_on_field(void *text, size_t len, void *context)
{
    struct csv_row *row = context;
    row->is_utf8 &= handle_is_utf8(bytes_of(text, len));
    if (row->count < COLUMN_COUNT) {
        row->starts[row->count] = row->text.len;
        row->is_out_of_memory |= !import_text_append(&row->text, bytes_of(text, len));
        row->starts[row->count + 1] = row->text.len;
    }
    row->count++;
}

static void csv_on_row(int end, void *context)
{
    (void)end;
    struct csv_row *row = context;
    row->is_whole = true;
}

static void row_begin(struct csv_row *row)
{
    row->text.len = 0;
    row->original.len = 0;
    row->count = 0;
    row->is_whole = false;
    row->is_utf8 = true;
    row->is_out_of_memory = false;
    row->line = 0;
    row->status = STATUS_OK;
    row->column = 0;
}

static void row_refuse(struct csv_row *row, enum status status, uint64_t column, const char *reason)
{
    if (row->status == STATUS_OK) {
        row->status = fault_set(&row->fault, status, "%s", reason);
        row->column = column;
    }
}

static bool parser_restart(struct csv_parser *parser)
{
    csv_free(parser);
    if (csv_init(parser, CSV_STRICT | CSV_STRICT_FINI) != 0) {
        return false;
    }
    csv_set_space_func(parser, no_space);
    csv_set_blk_size(parser, 4096);
    return true;
}

/* Up to the next line end of any kind, so that no call completes two rows. */
static struct bytes next_piece(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '\r' || text.data[i] == '\n') {
            return bytes_of(text.data, i + 1);
        }
    }
    return text;
}

/* Ends the row here; the parser starts afresh with the next line. */
static void row_break(struct import_csv *reader)
{
    reader->row.is_whole = true;
    reader->line.text = BYTES_NONE;
    reader->row.is_out_of_memory |= !parser_restart(&reader->parser);
}

static void parse_line(struct import_csv *reader)
{
    struct csv_row *row = &reader->row;
    while (reader->line.text.len > 0 && !row->is_whole) {
        struct bytes piece = next_piece(reader->line.text);
        size_t taken =
            csv_parse(&reader->parser, piece.data, piece.len, csv_on_field, csv_on_row, row);
        row->is_out_of_memory |= csv_error(&reader->parser) == CSV_ENOMEM;
        if (taken != piece.len) {
            row_refuse(row, STATUS_BAD_SYNTAX, row->count + 1,
                       "a quote inside a field: quote the field and double the quote");
            row_break(reader);
            return;
        }
        reader->line.text = bytes_from(reader->line.text, piece.len);
    }
}

/* Takes the line as a row when it needs no parser and none is in the middle of a row. */
static void take_plain(struct import_csv *reader)
{
    struct csv_row *row = &reader->row;
    struct bytes line = reader->line.text;
    if (row->original.len != line.len || row->count > 0 || reader->parser.entry_pos > 0 ||
        reader->parser.quoted ||
        !import_split_row(line, &row->text, row->starts, COLUMN_COUNT, &row->count)) {
        return;
    }
    row->is_utf8 = handle_is_utf8(line);
    row->is_whole = true;
    reader->line.text = BYTES_NONE;
}

static void row_keep_line(struct import_csv *reader, enum status status, const struct fault *fault)
{
    struct csv_row *row = &reader->row;
    struct bytes text = reader->line.text;
    row->line = row->line == 0 ? reader->line.number : row->line;
    if (status != STATUS_OK) {
        row_refuse(row, status, 0, fault->text);
    }
    if (status == STATUS_NO_ROOM) {
        parse_line(reader); /* its start: the handle is in it */
        row->is_out_of_memory |= !import_text_append(&row->original, text);
        row_break(reader);
        return;
    }
    if (row->original.len + text.len <= IMPORT_LINE_MAX) {
        row->is_out_of_memory |= !import_text_append(&row->original, text);
        return;
    }
    row_refuse(row, STATUS_NO_ROOM, row->count + 1,
               "the row is too long: perhaps a quoted field is not closed");
    row_break(reader);
}

static enum status end_of_rows(struct import_csv *reader)
{
    struct csv_row *row = &reader->row;
    reader->is_ended = true;
    if (csv_fini(&reader->parser, csv_on_field, csv_on_row, row) != 0) {
        row_refuse(row, STATUS_BAD_SYNTAX, row->count + 1, "a quoted field is not closed");
        row->is_whole = true;
    }
    return row->is_whole ? STATUS_OK : STATUS_NOT_FOUND;
}

/* The next row into `reader->row`, whatever is wrong with it. NOT_FOUND: the end. */
static enum status next_row(struct import_csv *reader, struct fault *fault)
{
    struct csv_row *row = &reader->row;
    row_begin(row);
    row->line = reader->line.text.len > 0 ? reader->line.number : 0;
    while (!row->is_whole) {
        parse_line(reader);
        if (row->is_out_of_memory) {
            return STATUS_NO_MEMORY;
        }
        if (row->is_whole) {
            break;
        }
        if (row->count == 0 && row->text.len == 0 && reader->parser.entry_pos == 0 &&
            !reader->parser.quoted) {
            row->line = 0; /* nothing but an empty line so far */
            row->original.len = 0;
        }
        if (reader->is_ended) {
            return STATUS_NOT_FOUND;
        }
        enum status status = import_lines_next(reader->lines, &reader->line, fault);
        if (status == STATUS_NOT_FOUND) {
            reader->line.text = BYTES_NONE;
            return end_of_rows(reader);
        }
        if (status != STATUS_OK && !import_rows_is_refusal(status)) {
            return status;
        }
        row_keep_line(reader, status, fault);
        if (status == STATUS_OK && !row->is_whole) {
            take_plain(reader);
        }
    }
    return STATUS_OK;
}

/* A field of the row, none when the row is too short or every field of it empty. */
static struct bytes field_at(const struct csv_row *row, size_t field)
{
    if (field >= row->count || field >= COLUMN_COUNT || row->text.data == NULL) {
        return BYTES_NONE;
    }
    return bytes_of(row->text.data + row->starts[field],
                    row->starts[field + 1] - row->starts[field]);
}

/* NO_FIELD lies behind every row. */
static struct bytes row_field(const struct import_csv *reader, enum column column)
{
    return field_at(&reader->row, reader->fields[column]);
}

/* --- values ----------------------------------------------------------------------------------- */

static struct bytes trimmed(struct bytes text)
{
    while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text = bytes_from(text, 1);
    }
    while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t')) {
        text.len--;
    }
    return text;
}

static void refuse_field(struct import_csv *reader, enum column column, const char *reason)
{
    struct fault fault;
    (void)fault_set(&fault, STATUS_INVALID_VALUE, "%s: %s", column_names[column], reason);
    row_refuse(&reader->row, STATUS_INVALID_VALUE, reader->fields[column] + 1, fault.text);
}

/* The row as a value; type and data are copied to the record's arena. */
static void row_value(struct import_csv *reader, struct value *value)
{
    struct bytes ttl = trimmed(row_field(reader, COLUMN_TTL));
    struct bytes permissions = trimmed(row_field(reader, COLUMN_PERMISSIONS));
    *value = (struct value){.ttl = VALUE_TTL_DEFAULT, .permissions = VALUE_PERMISSIONS_DEFAULT};
    if (!import_text_number(trimmed(row_field(reader, COLUMN_INDEX)), &value->index) ||
        value->index == 0) {
        refuse_field(reader, COLUMN_INDEX, "a number from 1 on is expected");
    }
    if (ttl.len > 0 && !import_text_number(ttl, &value->ttl)) {
        refuse_field(reader, COLUMN_TTL, "seconds are expected");
    }
    if (permissions.len > 0 &&
        value_permissions_parse(permissions, &value->permissions) != STATUS_OK) {
        refuse_field(reader, COLUMN_PERMISSIONS, "four of 0 and 1 are expected, such as 1110");
    }
    struct bytes type = trimmed(row_field(reader, COLUMN_TYPE));
    if (type.len == 0) {
        refuse_field(reader, COLUMN_TYPE, "is empty");
    }
    value->type = arena_copy(reader->arena, type);
    value->data = arena_copy(reader->arena, row_field(reader, COLUMN_DATA));
    if ((value->type.data == NULL && value->type.len > 0) ||
        (value->data.data == NULL && value->data.len > 0)) {
        row_refuse(&reader->row, STATUS_NO_ROOM, 0, "the record is too large");
    }
}

static void check_row_shape(struct import_csv *reader)
{
    struct csv_row *row = &reader->row;
    if (!row->is_utf8) {
        struct fault fault;
        enum status status = import_rows_not_utf8(bytes_of(row->text.data, row->text.len), &fault);
        row_refuse(row, status, 0, fault.text);
    }
    if (row->count != reader->field_count) {
        struct fault fault;
        (void)fault_set(&fault, STATUS_BAD_SYNTAX, "%zu fields where the header has %zu",
                        row->count, reader->field_count);
        row_refuse(row, STATUS_BAD_SYNTAX, row->count, fault.text);
    }
    if (row_field(reader, COLUMN_HANDLE).len == 0) {
        row_refuse(row, STATUS_INVALID_HANDLE, reader->fields[COLUMN_HANDLE] + 1,
                   "handle: is empty");
    }
}

/* --- records ---------------------------------------------------------------------------------- */

/* Room for one more value; most records have few. */
static bool reserve_value(struct import_csv *reader, struct record *record)
{
    if (record->count < reader->values_size) {
        return true;
    }
    size_t size = reader->values_size * 2;
    struct value *larger = arena_alloc(reader->arena, size * sizeof *larger);
    if (larger == NULL) {
        return false;
    }
    memcpy(larger, reader->values, record->count * sizeof *larger);
    reader->values = larger;
    reader->values_size = size;
    record->values = larger;
    return true;
}

/* Adds the row to the record; what is wrong with it is wrong with the record. */
static enum status add_row(struct import_csv *reader, struct import_row *record, enum status status,
                           struct fault *fault)
{
    struct csv_row *row = &reader->row;
    struct value value;
    check_row_shape(reader);
    row_value(reader, &value);
    if (!reserve_value(reader, &record->record)) {
        return STATUS_NO_MEMORY;
    }
    if (record->record.count < VALUE_COUNT_MAX) {
        reader->values[record->record.count++] = value;
    } else {
        row_refuse(row, STATUS_INVALID_VALUE, 0, "more values than a handle may have");
    }
    struct bytes original = bytes_of(row->original.data, row->original.len);
    if (reader->original.len + original.len <= ORIGINAL_MAX &&
        !import_text_append(&reader->original, original)) {
        return STATUS_NO_MEMORY;
    }
    if (status == STATUS_OK && row->status != STATUS_OK) {
        record->line = row->line;
        record->column = row->column;
        return fault_set(fault, row->status, "%s", row->fault.text);
    }
    return status;
}

static enum status begin_record(struct import_csv *reader, struct import_row *record)
{
    arena_reset(reader->arena);
    reader->original.len = 0;
    *record = (struct import_row){.line = reader->row.line};
    reader->values_size = VALUES_FIRST;
    reader->values = arena_alloc(reader->arena, VALUES_FIRST * sizeof *reader->values);
    struct bytes handle = row_field(reader, COLUMN_HANDLE);
    record->record.handle = arena_copy(reader->arena, handle);
    record->record.values = reader->values;
    return reader->values == NULL || (record->record.handle.data == NULL && handle.len > 0)
               ? STATUS_NO_MEMORY
               : STATUS_OK;
}

static enum status csv_next(struct import_rows *rows, struct import_row *out_row,
                            struct fault *fault)
{
    struct import_csv *reader = (struct import_csv *)rows;
    enum status read = reader->row_waits ? STATUS_OK : next_row(reader, fault);
    reader->row_waits = false;
    if (read != STATUS_OK) {
        return read;
    }
    enum status status = begin_record(reader, out_row);
    if (status != STATUS_OK) {
        return status;
    }
    bool is_adjacent = true;
    while (read == STATUS_OK && is_adjacent) {
        status = add_row(reader, out_row, status, fault);
        struct fault later;
        read = next_row(reader, &later);
        is_adjacent = read == STATUS_OK && out_row->record.handle.len > 0 &&
                      bytes_equal(row_field(reader, COLUMN_HANDLE), out_row->record.handle);
        if (read != STATUS_OK && read != STATUS_NOT_FOUND) {
            return fault_set(fault, read, "%s", read == STATUS_SYSTEM ? later.text : "");
        }
    }
    reader->row_waits = read == STATUS_OK;
    out_row->original = import_lines_trim(bytes_of(reader->original.data, reader->original.len));
    return status;
}

/* --- header ----------------------------------------------------------------------------------- */

static enum status take_header(struct import_csv *reader, struct fault *fault)
{
    struct csv_row *row = &reader->row;
    for (size_t column = 0; column < COLUMN_COUNT; column++) {
        reader->fields[column] = NO_FIELD;
    }
    reader->field_count = row->count;
    for (size_t field = 0; field < row->count && field < COLUMN_COUNT; field++) {
        struct bytes name = trimmed(field_at(row, field));
        size_t column = 0;
        while (column < COLUMN_COUNT &&
               !bytes_equal_nocase(name, bytes_of_text(column_names[column]))) {
            column++;
        }
        if (column == COLUMN_COUNT || reader->fields[column] != NO_FIELD) {
            return fault_set(fault, STATUS_NOT_SUPPORTED,
                             "line %llu: column \"%.*s\" is unknown or there twice; the header is "
                             "handle,index,type,data[,ttl,permissions]",
                             (unsigned long long)row->line, (int)(name.len < 40 ? name.len : 40),
                             (const char *)name.data);
        }
        reader->fields[column] = field;
    }
    for (size_t column = 0; column <= COLUMN_DATA; column++) {
        if (reader->fields[column] == NO_FIELD || row->count > COLUMN_COUNT) {
            return fault_set(fault, STATUS_NOT_SUPPORTED,
                             "the first line must be the header "
                             "handle,index,type,data[,ttl,permissions]");
        }
    }
    return STATUS_OK;
}

static enum status read_header(struct import_csv *reader, struct fault *fault)
{
    enum status status = next_row(reader, fault);
    if (status == STATUS_NOT_FOUND) {
        return fault_set(fault, STATUS_NOT_SUPPORTED, "the file is empty");
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (reader->row.status != STATUS_OK) {
        return fault_set(fault, STATUS_NOT_SUPPORTED, "line %llu: %s",
                         (unsigned long long)reader->row.line, reader->row.fault.text);
    }
    return take_header(reader, fault);
}

static void csv_close(struct import_rows *rows)
{
    struct import_csv *reader = (struct import_csv *)rows;
    csv_free(&reader->parser);
    free(reader->row.text.data);
    free(reader->row.original.data);
    free(reader->original.data);
    arena_free(reader->arena);
    free(reader);
}

enum status import_csv_open(struct import_lines *lines, struct import_rows **out_rows,
                            struct fault *fault)
{
    struct import_csv *reader = calloc(1, sizeof *reader);
    if (reader == NULL) {
        return STATUS_NO_MEMORY;
    }
    reader->rows = (struct import_rows){csv_next, csv_close};
    reader->lines = lines;
    reader->arena = arena_new(64u << 10, IMPORT_RECORD_MAX);
    enum status status = reader->arena == NULL || !parser_restart(&reader->parser)
                             ? STATUS_NO_MEMORY
                             : read_header(reader, fault);
    if (status != STATUS_OK) {
        csv_close(&reader->rows);
        return status;
    }
    *out_rows = &reader->rows;
    return STATUS_OK;
}
