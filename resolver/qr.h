/* SPDX-License-Identifier: Apache-2.0
 *
 * QR symbols of names and addresses (ISO/IEC 18004): as modules, SVG, PNG, and text for terminals.
 *
 * Error correction M: 15 % of a label may be dirty. Pure but for memory; any thread.
 */
#pragma once

#include "protocol/arena.h"
#include "protocol/status.h"
#include "resolver/http.h"

#define QR_SIDE_MAX 177
#define QR_QUIET 4          /* modules of margin on each side, as the standard wants */
#define QR_PNG_SCALE_MAX 32 /* pixels of a module */

struct qr {
    size_t side;            /* modules, without the margin */
    const uint8_t *modules; /* side * side, 1: dark; in the arena */
};

/* NO_ROOM: more than a symbol holds (2 331 bytes); BAD_SYNTAX: empty, or NUL in it; NO_MEMORY. */
enum status qr_make(struct arena *arena, struct bytes text, struct qr *out_qr);

/* Side in modules with the margin. */
size_t qr_side_whole(const struct qr *qr);

/* The path of an SVG, in units of modules; the margin is in the coordinates. */
void qr_svg_path(const struct qr *qr, struct http_body *out);
/* A document of its own, `pixels` wide unless 0. */
void qr_svg(const struct qr *qr, size_t pixels, struct http_body *out);

/* One bit a pixel, `scale` pixels a module. NO_MEMORY, or NO_ROOM: `scale` is out of range. */
enum status qr_png(const struct qr *qr, size_t scale, struct arena *arena, struct http_body *out);

/* Two modules a character, half blocks of UTF-8; light is printed, for dark terminals, unless
 * `is_light`. */
void qr_text(const struct qr *qr, bool is_light, struct http_body *out);
