/* SPDX-License-Identifier: Apache-2.0
 *
 * QR symbols: their shape, and that SVG, PNG and text draw the same modules.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <zlib.h>

#include "protocol/wire.h"
#include "resolver/qr.h"

struct drawn {
    struct arena *arena;
    struct http_body body;
};

static int set_up(void **state)
{
    struct drawn *drawn = calloc(1, sizeof(*drawn));
    assert_non_null(drawn);
    drawn->arena = arena_new(4096, 32u << 20);
    *state = drawn;
    return drawn->arena == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    struct drawn *drawn = *state;
    http_body_free(&drawn->body);
    arena_free(drawn->arena);
    free(drawn);
    return 0;
}

static struct qr made(struct drawn *drawn, const char *text)
{
    struct qr qr;
    assert_int_equal(qr_make(drawn->arena, bytes_of_text(text), &qr), STATUS_OK);
    return qr;
}

static void make_when_short_then_smallest_with_its_corner_marks(void **state)
{
    struct qr qr = made(*state, "88.608/X");
    assert_int_equal(qr.side, 21);
    assert_int_equal(qr_side_whole(&qr), 29);
    for (size_t i = 0; i < 7; i++) { /* the upper edge of the mark in the corner */
        assert_int_equal(qr.modules[i], 1);
    }
    assert_int_equal(qr.modules[7], 0);
}

static void make_when_impossible_then_says_why(void **state)
{
    struct drawn *drawn = *state;
    struct qr qr;
    uint8_t text[2400];
    memset(text, 'a', sizeof(text));
    assert_int_equal(qr_make(drawn->arena, bytes_of(text, 2331), &qr), STATUS_OK);
    assert_int_equal(qr.side, QR_SIDE_MAX);
    assert_int_equal(qr_make(drawn->arena, bytes_of(text, 2332), &qr), STATUS_NO_ROOM);
    assert_int_equal(qr_make(drawn->arena, BYTES_NONE, &qr), STATUS_BAD_SYNTAX);
    text[5] = '\0';
    assert_int_equal(qr_make(drawn->arena, bytes_of(text, 10), &qr), STATUS_BAD_SYNTAX);
}

/* Follows the path's strokes. */
static void svg_when_drawn_then_every_module_is_there(void **state)
{
    struct drawn *drawn = *state;
    struct qr qr = made(drawn, "https://id.example.cn/88.608/BEARING-6204");
    uint8_t seen[QR_SIDE_MAX * QR_SIDE_MAX] = {0};
    qr_svg_path(&qr, &drawn->body);
    http_body_put(&drawn->body, bytes_of("", 1));
    char *at = (char *)drawn->body.data;
    size_t x = 0;
    size_t y = 0;
    while (*at != '\0') {
        bool is_move = *at == 'M';
        size_t step = strtoul(at + 1, &at, 10);
        x = is_move ? step : x + step;
        size_t row = strtoul(at, &at, 10);
        if (is_move) {
            y = row;
            at += 2; /* .5 */
        }
        assert_int_equal(*at, 'h');
        size_t len = strtoul(at + 1, &at, 10);
        for (; len > 0; len--, x++) {
            seen[(y - QR_QUIET) * qr.side + x - QR_QUIET] = 1;
        }
    }
    assert_memory_equal(seen, qr.modules, qr.side * qr.side);
}

static void png_when_unpacked_then_every_module_is_there(void **state)
{
    struct drawn *drawn = *state;
    struct qr qr = made(drawn, "88.608/BEARING-6204");
    enum { SCALE = 3 };
    size_t side = qr_side_whole(&qr) * SCALE;
    size_t row = 1 + (side + 7) / 8;
    assert_int_equal(qr_png(&qr, SCALE, drawn->arena, &drawn->body), STATUS_OK);
    struct wire_reader r = wire_read(bytes_of(drawn->body.data, drawn->body.len));
    (void)wire_take(&r, 8 + 8);
    assert_int_equal(wire_u32(&r), side);
    (void)wire_take(&r, 4 + 5 + 4);
    uint32_t len = wire_u32(&r);
    (void)wire_take(&r, 4);
    struct bytes packed = wire_take(&r, len);
    uLongf size = row * side;
    uint8_t *pixels = arena_alloc(drawn->arena, size);
    assert_int_equal(uncompress(pixels, &size, packed.data, packed.len), Z_OK);
    assert_int_equal(size, row * side);
    for (size_t y = 0; y < qr.side; y++) {
        for (size_t x = 0; x < qr.side; x++) {
            size_t at = (x + QR_QUIET) * SCALE + 1;
            const uint8_t *line = pixels + ((y + QR_QUIET) * SCALE + 1) * row + 1;
            bool is_dark = (line[at / 8] & 0x80 >> at % 8) == 0;
            assert_int_equal(is_dark, qr.modules[y * qr.side + x]);
        }
    }
    assert_int_equal(qr_png(&qr, QR_PNG_SCALE_MAX + 1, drawn->arena, &drawn->body), STATUS_NO_ROOM);
}

static void text_when_dark_or_light_then_the_opposite(void **state)
{
    struct drawn *drawn = *state;
    struct qr qr = made(drawn, "88.608/X");
    qr_text(&qr, false, &drawn->body);
    http_body_put(&drawn->body, bytes_of("", 1));
    assert_true(bytes_start_with(bytes_of(drawn->body.data, drawn->body.len),
                                 BYTES_LITERAL("█████████████████████████████\n")));
    drawn->body.len = 0;
    qr_text(&qr, true, &drawn->body);
    http_body_put(&drawn->body, bytes_of("", 1));
    assert_int_equal(strspn((const char *)drawn->body.data, " "), qr_side_whole(&qr));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(make_when_short_then_smallest_with_its_corner_marks),
        CASE(make_when_impossible_then_says_why),
        CASE(svg_when_drawn_then_every_module_is_there),
        CASE(png_when_unpacked_then_every_module_is_there),
        CASE(text_when_dark_or_light_then_the_opposite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
