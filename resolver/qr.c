/* SPDX-License-Identifier: Apache-2.0
 *
 * QR symbols by libqrencode; PNG is put together here, its compression is zlib's.
 */
#include "resolver/qr.h"

#include <inttypes.h>
#include <qrencode.h>
#include <stdio.h>
#include <zlib.h>

#include "protocol/wire.h"

enum status qr_make(struct arena *arena, struct bytes text, struct qr *out_qr)
{
    char *copy = arena_text(arena, text);
    if (copy == NULL) {
        return STATUS_NO_MEMORY;
    }
    if (text.len == 0 || memchr(text.data, '\0', text.len) != NULL) {
        return STATUS_BAD_SYNTAX;
    }
    QRcode *code = QRcode_encodeString(copy, 0, QR_ECLEVEL_M, QR_MODE_8, 1);
    if (code == NULL) {
        return STATUS_NO_ROOM;
    }
    size_t side = (size_t)code->width;
    uint8_t *modules = arena_alloc(arena, side * side);
    for (size_t i = 0; modules != NULL && i < side * side; i++) {
        modules[i] = code->data[i] & 1;
    }
    QRcode_free(code);
    if (modules == NULL) {
        return STATUS_NO_MEMORY;
    }
    *out_qr = (struct qr){side, modules};
    return STATUS_OK;
}

size_t qr_side_whole(const struct qr *qr)
{
    return qr->side + (size_t)2 * QR_QUIET;
}

static bool is_dark(const struct qr *qr, size_t x, size_t y)
{
    return x >= QR_QUIET && y >= QR_QUIET && x < QR_QUIET + qr->side && y < QR_QUIET + qr->side &&
           qr->modules[(y - QR_QUIET) * qr->side + x - QR_QUIET] != 0;
}

/* Runs as strokes of width 1: a third of what rectangles take. */
void qr_svg_path(const struct qr *qr, struct http_body *out)
{
    char text[64];
    for (size_t y = 0; y < qr->side; y++) {
        const uint8_t *row = qr->modules + y * qr->side;
        size_t end = 0; /* of the run before, once there is one */
        bool is_first = true;
        for (size_t x = 0; x < qr->side; x++) {
            size_t from = x;
            while (x < qr->side && row[x] != 0) {
                x++;
            }
            if (x == from) {
                continue;
            }
            if (is_first) {
                (void)snprintf(text, sizeof(text), "M%zu %zu.5h%zu", from + QR_QUIET, y + QR_QUIET,
                               x - from);
            } else {
                (void)snprintf(text, sizeof(text), "m%zu 0h%zu", from - end, x - from);
            }
            http_body_text(out, text);
            is_first = false;
            end = x;
        }
    }
}

void qr_svg(const struct qr *qr, size_t pixels, struct http_body *out)
{
    char text[256];
    size_t side = qr_side_whole(qr);
    http_body_text(out, "<svg xmlns=\"http://www.w3.org/2000/svg\"");
    if (pixels > 0) {
        (void)snprintf(text, sizeof(text), " width=\"%zu\" height=\"%zu\"", pixels, pixels);
        http_body_text(out, text);
    }
    (void)snprintf(text, sizeof(text),
                   " viewBox=\"0 0 %zu %zu\" shape-rendering=\"crispEdges\">"
                   "<path fill=\"#fff\" d=\"M0 0h%zuv%zuH0z\"/><path stroke=\"#000\" d=\"",
                   side, side, side, side);
    http_body_text(out, text);
    qr_svg_path(qr, out);
    http_body_text(out, "\"/></svg>\n");
}

/* --- PNG ----------------------------------------------------------------------------------------
 */

static void put_chunk(struct http_body *out, const char *type, struct bytes data)
{
    uint8_t number[4];
    wire_store_u32(number, (uint32_t)data.len);
    http_body_put(out, bytes_of(number, 4));
    http_body_text(out, type);
    http_body_put(out, data);
    uLong sum = crc32(0, (const Bytef *)type, 4);
    sum = data.len == 0 ? sum : crc32(sum, data.data, (uInt)data.len);
    wire_store_u32(number, (uint32_t)sum);
    http_body_put(out, bytes_of(number, 4));
}

/* Each line behind its filter, which is none; a set bit is white. */
static void draw(const struct qr *qr, size_t scale, size_t row, uint8_t *pixels)
{
    size_t side = qr_side_whole(qr) * scale;
    memset(pixels, 0, side * row);
    for (size_t y = 0; y < side; y++) {
        for (size_t x = 0; x < side; x++) {
            if (!is_dark(qr, x / scale, y / scale)) {
                pixels[y * row + 1 + x / 8] |= (uint8_t)(0x80u >> (x % 8));
            }
        }
    }
}

enum status qr_png(const struct qr *qr, size_t scale, struct arena *arena, struct http_body *out)
{
    if (scale == 0 || scale > QR_PNG_SCALE_MAX) {
        return STATUS_NO_ROOM;
    }
    size_t side = qr_side_whole(qr) * scale;
    size_t row = 1 + (side + 7) / 8;
    uLongf len = compressBound((uLong)(row * side));
    uint8_t *pixels = arena_alloc(arena, row * side);
    uint8_t *packed = arena_alloc(arena, len);
    if (pixels == NULL || packed == NULL) {
        return STATUS_NO_MEMORY;
    }
    draw(qr, scale, row, pixels);
    if (compress2(packed, &len, pixels, (uLong)(row * side), 6) != Z_OK) {
        return STATUS_NO_MEMORY;
    }
    uint8_t head[13] = {[8] = 1}; /* one bit, grey, nothing special */
    wire_store_u32(head, (uint32_t)side);
    wire_store_u32(head + 4, (uint32_t)side);
    http_body_put(out, BYTES_LITERAL("\x89PNG\r\n\x1a\n"));
    put_chunk(out, "IHDR", bytes_of(head, sizeof(head)));
    put_chunk(out, "IDAT", bytes_of(packed, len));
    put_chunk(out, "IEND", BYTES_NONE);
    return STATUS_OK;
}

/* --- terminals ----------------------------------------------------------------------------------
 */

void qr_text(const struct qr *qr, bool is_light, struct http_body *out)
{
    static const char *const blocks[] = {" ", "▄", "▀", "█"}; /* upper 2, lower 1 */
    size_t side = qr_side_whole(qr);
    for (size_t y = 0; y < side; y += 2) {
        for (size_t x = 0; x < side; x++) {
            bool upper = is_dark(qr, x, y) == is_light;
            bool lower = is_dark(qr, x, y + 1) == is_light;
            http_body_text(out, blocks[(upper ? 2 : 0) + (lower ? 1 : 0)]);
        }
        http_body_text(out, "\n");
    }
}
