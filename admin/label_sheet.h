/* SPDX-License-Identifier: Apache-2.0
 *
 * Sheets of labels, A4: a QR symbol with a name below it, many times, as SVG in millimetres.
 *
 * Pure but for memory; one thread.
 */
#pragma once

#include "resolver/qr.h"

#define LABEL_SHEET_WIDTH 210.0 /* mm */
#define LABEL_SHEET_HEIGHT 297.0

struct label_sheet {
    double width; /* of a label, mm */
    double height;
    size_t columns;
    size_t rows;
};

struct label {
    struct bytes code;  /* what the symbol holds */
    struct bytes name;  /* printed below it */
    struct bytes title; /* printed below the name; empty: nothing */
};

/* "45x55": width and height of a label in mm. BAD_SYNTAX: none, or too small or large for A4. */
enum status label_sheet_parse(const char *text, struct label_sheet *out_sheet);

size_t label_sheet_capacity(const struct label_sheet *sheet);

/* One page: open, labels at 0 .. capacity - 1, close. */
void label_sheet_open(struct http_body *out);
/* NO_ROOM: no symbol holds that much; NO_MEMORY. */
enum status label_sheet_put(const struct label_sheet *sheet, size_t position,
                            const struct label *label, struct arena *arena, struct http_body *out);
void label_sheet_close(struct http_body *out);
