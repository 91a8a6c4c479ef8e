/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a CSV file: every row is a record or a refusal with a reason, in order, within
 * bounds; and as GB18030, too.
 */
#include <stdlib.h>

#include "admin/import_rows.h"
#include "protocol/handle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void judge(const struct import_row *row, enum status status, uint64_t last_line)
{
    if (row->line < last_line) {
        abort();
    }
    if (status != STATUS_OK) {
        return;
    }
    if (row->record.handle.len == 0 || row->record.count == 0 ||
        row->record.count > VALUE_COUNT_MAX) {
        abort();
    }
    for (size_t i = 0; i < row->record.count; i++) {
        const struct value *value = &row->record.values[i];
        if (value->index == 0 || value->type.len == 0 || !handle_is_utf8(value->data) ||
            value->permissions > 0x0f) {
            abort();
        }
    }
}

static void read_all(struct bytes text, const char *encoding)
{
    struct import_lines *lines = NULL;
    struct import_rows *rows = NULL;
    struct fault fault = {STATUS_OK, ""};
    if (import_lines_of(text, encoding, &lines, NULL) != STATUS_OK) {
        abort();
    }
    enum status status = import_csv_open(lines, &rows, &fault);
    if (status != STATUS_OK && (status != STATUS_NOT_SUPPORTED || fault.text[0] == '\0')) {
        abort();
    }
    uint64_t last_line = 0;
    while (status == STATUS_OK || import_rows_is_refusal(status)) {
        struct import_row row = {0};
        fault.text[0] = '\0';
        status = import_rows_next(rows, &row, &fault);
        if (import_rows_is_refusal(status) && fault.text[0] == '\0') {
            abort();
        }
        if (status != STATUS_NOT_FOUND) {
            judge(&row, status, last_line);
            last_line = row.line;
        }
    }
    import_rows_close(rows);
    import_lines_close(lines);
}

/* ASCII reads the same in both encodings. */
static bool is_ascii(struct bytes text)
{
    uint8_t bits = 0;
    for (size_t i = 0; i < text.len; i++) {
        bits |= text.data[i];
    }
    return bits < 0x80;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes text = bytes_of(data, size);
    read_all(text, NULL);
    if (!is_ascii(text)) {
        read_all(text, "gb18030");
    }
    return 0;
}
