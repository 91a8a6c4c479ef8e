/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading code tables (code_tables.h).
 */
#include "admin/code_tables.h"

#include <csv.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "admin/codes_gbt2260.h"
#include "admin/codes_gbt4754_2017.h"
#include "admin/directory.h"

#define FILE_BYTES_MAX (8u << 20)
#define COLUMNS 4
#define CELL_MAX 256

/* One row as libcsv brings it, cell by cell. */
struct csv_table {
    struct codes *codes;
    enum codes_kind kind;
    char cells[COLUMNS][CELL_MAX];
    size_t lens[COLUMNS];
    size_t column;
    uint64_t row; /* 0: the header */
    enum status status;
    uint64_t bad_row;
};

static void table_on_cell(void *text, size_t len, void *context)
{
    struct csv_table *table = context;
    if (table->column < COLUMNS && len < CELL_MAX) {
        memcpy(table->cells[table->column], text == NULL ? "" : text, len);
        table->lens[table->column] = len;
    } else {
        table->status = STATUS_BAD_SYNTAX;
    }
    table->column++;
}

static struct bytes cell(const struct csv_table *table, size_t column)
{
    return bytes_of(table->cells[column], table->lens[column]);
}

static bool is_header(const struct csv_table *table)
{
    static const char *const names[COLUMNS] = {"code", "parent", "level", "name"};
    bool is_right = table->column == COLUMNS;
    for (size_t i = 0; is_right && i < COLUMNS; i++) {
        is_right = bytes_equal(cell(table, i), bytes_of_text(names[i]));
    }
    return is_right;
}

/* The first row's level word tells which kind the table is. */
static enum status begin_table(struct csv_table *table)
{
    table->kind = codes_level(CODES_REGION, cell(table, 2)) != 0 ? CODES_REGION : CODES_INDUSTRY;
    return codes_new(table->kind, &table->codes);
}

static void take_row(struct csv_table *table)
{
    if (table->column != COLUMNS) {
        table->status = STATUS_BAD_SYNTAX;
        return;
    }
    if (table->codes == NULL) {
        table->status = begin_table(table);
    }
    const struct code_row row = {
        .code = cell(table, 0),
        .parent = cell(table, 1),
        .level = codes_level(table->kind, cell(table, 2)),
        .name = cell(table, 3),
    };
    if (table->status == STATUS_OK) {
        table->status = codes_add(table->codes, &row);
    }
}

static void table_on_row(int end, void *context)
{
    struct csv_table *table = context;
    (void)end;
    if (table->status == STATUS_OK && table->row == 0) {
        table->status = is_header(table) ? STATUS_OK : STATUS_BAD_SYNTAX;
    } else if (table->status == STATUS_OK) {
        take_row(table);
    }
    if (table->status != STATUS_OK && table->bad_row == 0) {
        table->bad_row = table->row + 1;
    }
    table->row++;
    table->column = 0;
}

static enum status close_table(struct csv_table *table, struct fault *fault)
{
    const struct code_row *row = NULL;
    if (table->status != STATUS_OK) {
        return fault_set(fault, table->status, "row %llu is not code,parent,level,name",
                         (unsigned long long)table->bad_row);
    }
    if (table->codes == NULL) {
        return fault_set(fault, STATUS_BAD_SYNTAX, "the table has no row");
    }
    enum status status = codes_close(table->codes, &row);
    return status == STATUS_BAD_SYNTAX && row != NULL
               ? fault_set(fault, status, "code %.*s stands there twice or has no parent",
                           (int)row->code.len, (const char *)row->code.data)
               : status;
}

enum status code_tables_parse(struct bytes text, enum codes_kind *out_kind,
                              struct codes **out_codes, struct fault *fault)
{
    struct csv_table table = {.status = STATUS_OK};
    struct csv_parser parser;
    if (csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI) != 0) {
        return STATUS_NO_MEMORY;
    }
    bool is_read =
        csv_parse(&parser, text.data, text.len, table_on_cell, table_on_row, &table) == text.len &&
        csv_fini(&parser, table_on_cell, table_on_row, &table) == 0;
    if (!is_read && table.status == STATUS_OK) {
        table.status = STATUS_BAD_SYNTAX;
        table.bad_row = table.row + 1;
    }
    csv_free(&parser);
    enum status status = close_table(&table, fault);
    if (status != STATUS_OK) {
        codes_free(table.codes);
        return status;
    }
    *out_kind = table.kind;
    *out_codes = table.codes;
    return STATUS_OK;
}

const char *code_tables_file(enum codes_kind kind)
{
    return kind == CODES_REGION ? "codes/region.csv" : "codes/industry.csv";
}

/* The file's text; `out_text` stays empty when there is none. */
static enum status read_imported(struct arena *arena, const char *path, struct bytes *out_text,
                                 struct fault *fault)
{
    FILE *file = fopen(path, "rbe");
    if (file == NULL) {
        return errno == ENOENT ? STATUS_OK
                               : fault_set(fault, STATUS_SYSTEM, "%s: %s", path, strerror(errno));
    }
    char *room = arena_alloc(arena, FILE_BYTES_MAX);
    size_t len = room == NULL ? 0 : fread(room, 1, FILE_BYTES_MAX, file);
    bool is_bad = ferror(file) != 0 || len == FILE_BYTES_MAX;
    (void)fclose(file);
    if (room == NULL || is_bad) {
        return fault_set(fault, room == NULL ? STATUS_NO_MEMORY : STATUS_BAD_SYNTAX,
                         "%s cannot be read", path);
    }
    *out_text = bytes_of(room, len);
    return STATUS_OK;
}

static enum status load_one(struct arena *arena, const char *directory, enum codes_kind kind,
                            struct codes **out_codes, bool *out_is_imported, struct fault *fault)
{
    struct bytes built_in = kind == CODES_REGION
                                ? bytes_of(codes_gbt2260, sizeof(codes_gbt2260))
                                : bytes_of(codes_gbt4754_2017, sizeof(codes_gbt4754_2017));
    struct bytes text = BYTES_NONE;
    enum codes_kind found = kind;
    const char *path = directory_path(arena, directory, code_tables_file(kind));
    if (path == NULL) {
        return STATUS_NO_MEMORY;
    }
    enum status status = read_imported(arena, path, &text, fault);
    *out_is_imported = text.len > 0;
    if (status == STATUS_OK) {
        status = code_tables_parse(text.len > 0 ? text : built_in, &found, out_codes, fault);
    }
    return status == STATUS_OK && found != kind
               ? fault_set(fault, STATUS_BAD_SYNTAX, "%s holds codes of the other kind", path)
               : status;
}

enum status code_tables_load(struct arena *arena, const char *directory,
                             struct code_tables *out_tables, struct fault *fault)
{
    *out_tables = (struct code_tables){.regions = NULL};
    enum status status = load_one(arena, directory, CODES_REGION, &out_tables->regions,
                                  &out_tables->are_regions_imported, fault);
    return status == STATUS_OK ? load_one(arena, directory, CODES_INDUSTRY, &out_tables->industries,
                                          &out_tables->are_industries_imported, fault)
                               : status;
}

void code_tables_done(struct code_tables *tables)
{
    codes_free(tables->regions);
    codes_free(tables->industries);
}
