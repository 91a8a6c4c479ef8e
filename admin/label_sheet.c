/* SPDX-License-Identifier: Apache-2.0
 *
 * Labels on A4; see label_sheet.h. Lines are broken here, as SVG breaks none.
 */
#include "admin/label_sheet.h"

#include <stdio.h>
#include <stdlib.h>

#include <utf8proc.h>

#include "resolver/page_out.h"

#define MARGIN 8.0  /* of the sheet: what printers need, mm */
#define PADDING 2.0 /* of a label */
#define FONT 2.6    /* about 7.4 pt */
#define LINE 3.2
#define COLUMN 1.58 /* of a character that is not wide, in this font */
#define NAME_LINES 3
#define PIECE_MAX 256

enum status label_sheet_parse(const char *text, struct label_sheet *out_sheet)
{
    char *end = NULL;
    struct label_sheet sheet = {.width = strtod(text, &end)};
    if (*end != 'x') {
        return STATUS_BAD_SYNTAX;
    }
    const char *second = end + 1;
    sheet.height = strtod(second, &end);
    if (end == second || *end != '\0' || !(sheet.width >= 20) || !(sheet.height >= 25) ||
        sheet.width > LABEL_SHEET_WIDTH - 2 * MARGIN ||
        sheet.height > LABEL_SHEET_HEIGHT - 2 * MARGIN) {
        return STATUS_BAD_SYNTAX;
    }
    sheet.columns = (size_t)((LABEL_SHEET_WIDTH - 2 * MARGIN) / sheet.width);
    sheet.rows = (size_t)((LABEL_SHEET_HEIGHT - 2 * MARGIN) / sheet.height);
    *out_sheet = sheet;
    return STATUS_OK;
}

size_t label_sheet_capacity(const struct label_sheet *sheet)
{
    return sheet->columns * sheet->rows;
}

void label_sheet_open(struct http_body *out)
{
    http_body_text(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"210mm\" "
                        "height=\"297mm\" viewBox=\"0 0 210 297\">\n");
}

void label_sheet_close(struct http_body *out)
{
    http_body_text(out, "</svg>\n");
}

/* As many bytes as fit `columns` on a line; at least one character. */
static size_t fit(struct bytes text, size_t columns)
{
    size_t at = 0;
    size_t used = 0;
    while (at < text.len) {
        utf8proc_int32_t point = -1;
        utf8proc_ssize_t step =
            utf8proc_iterate(text.data + at, (utf8proc_ssize_t)(text.len - at), &point);
        size_t wide = step > 0 && utf8proc_charwidth(point) == 2 ? 2 : 1;
        if (at > 0 && used + wide > columns) {
            break;
        }
        used += wide;
        at += step > 0 ? (size_t)step : 1;
    }
    return at;
}

static void put_line(struct http_body *out, double x, double y, const char *family,
                     struct bytes line)
{
    struct page_out page = {out, PAGE_ENGLISH};
    char text[PIECE_MAX];
    (void)snprintf(text, sizeof(text),
                   "<text x=\"%.2f\" y=\"%.2f\" font-size=\"%.2f\" text-anchor=\"middle\" "
                   "font-family=\"%s\">",
                   x, y, FONT, family);
    http_body_text(out, text);
    (void)page_foreign(&page, line, line.len, true);
    http_body_text(out, "</text>\n");
}

/* Up to `lines` lines from `y` down; the last says that it was cut. Returns where the next goes. */
static double put_lines(struct http_body *out, const struct label_sheet *sheet, double x, double y,
                        struct bytes text, size_t lines)
{
    size_t columns = (size_t)((sheet->width - 2 * PADDING) / COLUMN);
    for (size_t i = 0; i < lines && text.len > 0; i++) {
        size_t len = fit(text, columns);
        bool is_cut = i + 1 == lines && len < text.len;
        char line[PIECE_MAX];
        len = is_cut ? fit(text, columns > 2 ? columns - 2 : 1) : len;
        int made = snprintf(line, sizeof(line), "%.*s%s", (int)len, (const char *)text.data,
                            is_cut ? "…" : "");
        size_t shown = made < (int)sizeof(line) ? (size_t)made : sizeof(line) - 1;
        put_line(out, x, y, lines == 1 ? "sans-serif" : "monospace", bytes_of(line, shown));
        text = bytes_from(text, len);
        y += LINE;
    }
    return y;
}

/* The symbol in a square of this side. */
static void put_code(struct http_body *out, const struct qr *qr, double x, double y, double side)
{
    char text[PIECE_MAX];
    size_t modules = qr_side_whole(qr);
    (void)snprintf(text, sizeof(text),
                   "<svg x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" viewBox=\"0 0 %zu "
                   "%zu\" shape-rendering=\"crispEdges\"><path stroke=\"#000\" d=\"",
                   x, y, side, side, modules, modules);
    http_body_text(out, text);
    qr_svg_path(qr, out);
    http_body_text(out, "\"/></svg>\n");
}

enum status label_sheet_put(const struct label_sheet *sheet, size_t position,
                            const struct label *label, struct arena *arena, struct http_body *out)
{
    struct qr qr;
    char text[PIECE_MAX];
    enum status status = qr_make(arena, label->code, &qr);
    if (status != STATUS_OK) {
        return status;
    }
    size_t column = position % sheet->columns;
    size_t row = position / sheet->columns;
    double x = (LABEL_SHEET_WIDTH - sheet->width * (double)sheet->columns) / 2 +
               sheet->width * (double)column;
    double y = (LABEL_SHEET_HEIGHT - sheet->height * (double)sheet->rows) / 2 +
               sheet->height * (double)row;
    double below = LINE * (NAME_LINES + (label->title.len > 0 ? 1 : 0));
    double side = sheet->height - below - PADDING;
    side = side > sheet->width - PADDING ? sheet->width - PADDING : side;
    (void)snprintf(text, sizeof(text),
                   "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" fill=\"none\" "
                   "stroke=\"#bbb\" stroke-width=\"0.1\"/>\n",
                   x, y, sheet->width, sheet->height);
    http_body_text(out, text);
    double middle = x + sheet->width / 2;
    put_code(out, &qr, middle - side / 2, y, side);
    double next = put_lines(out, sheet, middle, y + side + FONT, label->name, NAME_LINES);
    (void)put_lines(out, sheet, middle, next, label->title, 1);
    return out->failed ? STATUS_NO_MEMORY : STATUS_OK;
}
