/* SPDX-License-Identifier: Apache-2.0
 *
 * What looks wrong in a record that can be stored all the same: counted by kind, the first example
 * kept. Owned by one thread.
 */
#pragma once

#include "protocol/value.h"

enum import_note {
    IMPORT_NOTE_SECRET_PUBLIC, /* HS_SECKEY with public read */
    IMPORT_NOTE_PUBLIC_WRITE,
    IMPORT_NOTE_DAMAGED_TEXT, /* signs of a wrong conversion */
    IMPORT_NOTE_FULL_WIDTH,   /* ／ and its like in a handle */
    IMPORT_NOTE_BLANK_IN_HANDLE,
    IMPORT_NOTE_URL_SCHEME, /* a URL without "scheme:" */
    IMPORT_NOTE_FUTURE_TIME,
    IMPORT_NOTE_TEMPLATE, /* HS_NAMESPACE that gives no answers */
    IMPORT_NOTE_REPEATED, /* the handle was in an earlier row of this run */
    IMPORT_NOTE_COUNT,
};

#define IMPORT_NOTE_EXAMPLE_MAX 160

struct import_notes {
    uint64_t counts[IMPORT_NOTE_COUNT];
    char examples[IMPORT_NOTE_COUNT][IMPORT_NOTE_EXAMPLE_MAX]; /* "line 12: 88.1000/x index 3" */
    int64_t now_s;
    bool is_chinese; /* of the examples */
};

/* `index` 0: the record as a whole. */
void import_notes_add(struct import_notes *notes, enum import_note note, uint64_t line,
                      struct bytes handle, uint32_t index);

/* Looks a whole record over. */
void import_notes_look(struct import_notes *notes, const struct record *record, uint64_t line);

const char *import_notes_name(enum import_note note); /* "secret_public" */
const char *import_notes_text(enum import_note note, bool is_chinese);
