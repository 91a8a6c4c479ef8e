/* SPDX-License-Identifier: Apache-2.0
 *
 * Choosing how a file to import is read (import_rows.h).
 */
#include "admin/import_rows.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

static bool ends_with(const char *path, const char *ending)
{
    size_t path_len = strlen(path);
    size_t len = strlen(ending);
    return path_len >= len && strcasecmp(path + path_len - len, ending) == 0;
}

enum import_form import_rows_guess(const char *path, struct bytes start)
{
    if (ends_with(path, ".csv")) {
        return IMPORT_CSV;
    }
    if (ends_with(path, ".jsonl") || ends_with(path, ".ndjson") || ends_with(path, ".json")) {
        return IMPORT_JSONL;
    }
    size_t at = 0;
    while (at < start.len && isspace(start.data[at])) {
        at++;
    }
    struct bytes rest = bytes_from(start, at);
    if (rest.len == 0 || rest.data[0] == '{' || rest.data[0] == '[') {
        return IMPORT_JSONL;
    }
    if (import_batch_begins(rest)) {
        return IMPORT_BATCH;
    }
    const uint8_t *end = memchr(rest.data, '\n', rest.len);
    struct bytes first = {rest.data, end == NULL ? rest.len : (size_t)(end - rest.data)};
    return memchr(first.data, ',', first.len) != NULL ? IMPORT_CSV : IMPORT_UNKNOWN;
}

enum import_form import_rows_form(const char *word)
{
    if (strcmp(word, "jsonl") == 0) {
        return IMPORT_JSONL;
    }
    if (strcmp(word, "batch") == 0) {
        return IMPORT_BATCH;
    }
    return strcmp(word, "csv") == 0 ? IMPORT_CSV : IMPORT_UNKNOWN;
}

enum status import_rows_open(enum import_form form, struct import_lines *lines,
                             struct import_rows **out_rows, struct fault *fault)
{
    switch (form) {
    case IMPORT_JSONL:
        return import_jsonl_open(lines, out_rows, fault);
    case IMPORT_CSV:
        return import_csv_open(lines, out_rows, fault);
    case IMPORT_BATCH:
        return import_batch_open(lines, out_rows, fault);
    case IMPORT_UNKNOWN:
        break;
    }
    return fault_set(fault, STATUS_NOT_SUPPORTED,
                     "neither JSON Lines nor CSV nor batch text by its name or first line: give "
                     "--format");
}

enum status import_rows_next(struct import_rows *rows, struct import_row *out_row,
                             struct fault *fault)
{
    return rows->next(rows, out_row, fault);
}

bool import_rows_is_refusal(enum status status)
{
    switch (status) {
    case STATUS_BAD_SYNTAX:
    case STATUS_INVALID_HANDLE:
    case STATUS_INVALID_VALUE:
    case STATUS_VALUE_EXISTS:
    case STATUS_NO_ROOM:
        return true;
    default:
        return false;
    }
}

void import_rows_close(struct import_rows *rows)
{
    if (rows != NULL) {
        rows->close(rows);
    }
}

enum status import_rows_not_utf8(struct bytes text, struct fault *fault)
{
    return fault_set(
        fault, STATUS_BAD_SYNTAX, "not UTF-8%s",
        import_lines_looks_gb18030(text) ? "; looks like GB18030: pass --encoding gb18030" : "");
}

bool import_text_append(struct import_text *text, struct bytes more)
{
    if (more.len > text->size - text->len) {
        size_t size = (text->len + more.len) * 2 + 256;
        uint8_t *larger = realloc(text->data, size);
        if (larger == NULL) {
            return false;
        }
        text->data = larger;
        text->size = size;
    }
    if (more.len > 0) {
        memcpy(text->data + text->len, more.data, more.len);
        text->len += more.len;
    }
    return true;
}

bool import_text_number(struct bytes text, uint32_t *out_number)
{
    uint64_t number = 0;
    if (text.len == 0 || text.len > 10) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
        number = number * 10 + (uint64_t)(text.data[i] - '0');
    }
    *out_number = (uint32_t)number;
    return number <= INT32_MAX;
}
