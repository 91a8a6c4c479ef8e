/* SPDX-License-Identifier: Apache-2.0
 *
 * Records out of a file, one at a time, whatever the file's form: JSON Lines, CSV, batch text.
 *
 * A reader gives a record or says why it cannot; it goes on behind a bad one. What it hands out is
 * valid until the next call. Adding a form is one file with an `_open` and a row in
 * `import_rows_open`. Owned by one thread.
 */
#pragma once

#include "admin/import_lines.h"
#include "protocol/value.h"

/* What one record may take in memory while it is read. */
#define IMPORT_RECORD_MAX (8u << 20)

struct import_row {
    uint64_t line;         /* where it begins, from 1 */
    uint64_t column;       /* what is wrong: character (JSON) or field (CSV), from 1; 0: unknown */
    struct bytes original; /* as read; cut when it is overlong */
    struct record record;  /* of a bad row: the handle when it is known */
};

struct import_rows {
    enum status (*next)(struct import_rows *rows, struct import_row *out_row, struct fault *fault);
    void (*close)(struct import_rows *rows);
};

enum import_form { IMPORT_UNKNOWN, IMPORT_JSONL, IMPORT_CSV, IMPORT_BATCH };

/* By the name's ending, else by the first bytes. */
enum import_form import_rows_guess(const char *path, struct bytes start);

/* The words of --format (jsonl, csv, batch); IMPORT_UNKNOWN for others. */
enum import_form import_rows_form(const char *word);

/* Borrows `lines`. NOT_SUPPORTED when the file cannot be of this form (a CSV without its header):
 * said in `fault`. */
enum status import_rows_open(enum import_form form, struct import_lines *lines,
                             struct import_rows **out_rows, struct fault *fault);

/* NOT_FOUND: the end. `import_rows_is_refusal`: this row is bad, go on. Anything else: stop. */
enum status import_rows_next(struct import_rows *rows, struct import_row *out_row,
                             struct fault *fault);
bool import_rows_is_refusal(enum status status);
void import_rows_close(struct import_rows *rows);

/* Says that a text is not UTF-8, and what to do when it looks like GB18030. */
enum status import_rows_not_utf8(struct bytes text, struct fault *fault);

/* A growing run of bytes that keeps its room; the owner frees `data`. False when memory is out. */
struct import_text {
    uint8_t *data;
    size_t len, size;
};
bool import_text_append(struct import_text *text, struct bytes more);

/* Digits up to 2^31 - 1, nothing else. */
bool import_text_number(struct bytes text, uint32_t *out_number);

/* --- the forms -------------------------------------------------------------------------------- */
enum status import_jsonl_open(struct import_lines *lines, struct import_rows **out_rows,
                              struct fault *fault);
enum status import_csv_open(struct import_lines *lines, struct import_rows **out_rows,
                            struct fault *fault);
enum status import_batch_open(struct import_lines *lines, struct import_rows **out_rows,
                              struct fault *fault);
/* Does a file that begins so hold batch operations? */
bool import_batch_begins(struct bytes start);
