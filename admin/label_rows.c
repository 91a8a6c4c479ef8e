/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists of names by libcsv; see label_rows.h.
 */
#include "admin/label_rows.h"

#include <csv.h>

#include "protocol/handle.h"

#define FIELD_MAX 4096
#define CHUNK 65536

enum field { FIELD_HANDLE, FIELD_TITLE, FIELD_COUNT };

struct reading {
    label_row_taken *taken;
    void *context;
    enum status status;
    uint64_t number;
    size_t columns[FIELD_COUNT]; /* in which column each stands */
    size_t column;               /* the next */
    bool is_header;              /* this row turned out to be one */
    uint8_t fields[FIELD_COUNT][FIELD_MAX];
    size_t lens[FIELD_COUNT];
};

static bool is_word(struct bytes field, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (bytes_equal_nocase(field, bytes_of_text(*words))) {
            return true;
        }
    }
    return false;
}

/* In the first row: a column's name tells where its field stands. */
static void look_for_header(struct reading *reading, struct bytes field)
{
    static const char *const handles[] = {"handle", "identifier", "标识", NULL};
    static const char *const titles[] = {"title", "name", "text", "名称", NULL};
    bool is_handle = is_word(field, handles);
    if (!is_handle && !is_word(field, titles)) {
        return;
    }
    if (!reading->is_header) {
        reading->is_header = true;
        reading->columns[FIELD_HANDLE] = SIZE_MAX;
        reading->columns[FIELD_TITLE] = SIZE_MAX;
    }
    reading->columns[is_handle ? FIELD_HANDLE : FIELD_TITLE] = reading->column;
}

static void labels_on_field(void *data, size_t len, void *context)
{
    struct reading *reading = context;
    struct bytes field = bytes_of(data, len);
    if (reading->number == 0 && reading->column == 0 &&
        bytes_start_with(field, BYTES_LITERAL("\xef\xbb\xbf"))) {
        field = bytes_from(field, 3);
    }
    if (reading->number == 0) {
        look_for_header(reading, field);
    }
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        if (reading->columns[i] == reading->column) {
            if (field.len > FIELD_MAX) {
                reading->status = STATUS_INVALID_VALUE;
            } else if (field.len > 0) {
                memcpy(reading->fields[i], field.data, field.len);
                reading->lens[i] = field.len;
            }
        }
    }
    reading->column++;
}

static void labels_on_row(int end, void *context)
{
    struct reading *reading = context;
    (void)end;
    reading->number++;
    if (reading->status == STATUS_OK && !reading->is_header) {
        const struct label_row row = {
            .number = reading->number,
            .handle = bytes_of(reading->fields[FIELD_HANDLE], reading->lens[FIELD_HANDLE]),
            .title = bytes_of(reading->fields[FIELD_TITLE], reading->lens[FIELD_TITLE]),
        };
        reading->status = reading->taken(reading->context, &row);
    }
    reading->is_header = false;
    reading->column = 0;
    reading->lens[FIELD_HANDLE] = 0;
    reading->lens[FIELD_TITLE] = 0;
}

static enum status read_all(FILE *file, struct csv_parser *parser, struct reading *reading)
{
    char chunk[CHUNK];
    size_t len = 0;
    while (reading->status == STATUS_OK && (len = fread(chunk, 1, sizeof(chunk), file)) > 0) {
        if (csv_parse(parser, chunk, len, labels_on_field, labels_on_row, reading) != len) {
            return csv_error(parser) == CSV_ENOMEM ? STATUS_NO_MEMORY : STATUS_INVALID_VALUE;
        }
    }
    if (ferror(file)) {
        return STATUS_SYSTEM;
    }
    if (reading->status == STATUS_OK &&
        csv_fini(parser, labels_on_field, labels_on_row, reading) != 0) {
        return STATUS_INVALID_VALUE;
    }
    return reading->status;
}

enum status label_rows_read(FILE *file, label_row_taken *taken, void *context)
{
    struct reading reading = {
        .taken = taken, .context = context, .columns = {[FIELD_HANDLE] = 0, [FIELD_TITLE] = 1}};
    struct csv_parser parser;
    if (csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI) != 0) {
        return STATUS_NO_MEMORY;
    }
    enum status status = read_all(file, &parser, &reading);
    csv_free(&parser);
    return status;
}
