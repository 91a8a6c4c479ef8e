/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers, sizes and durations as text; every value survives printing and reading again.
 */
#include "conf/settings_value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void number_when_well_written_is_read(void **state)
{
    (void)state;
    static const struct {
        enum setting_type type;
        const char *text;
        int64_t number;
    } cases[] = {
        {SETTING_INTEGER, "0", 0},
        {SETTING_INTEGER, "007", 7},
        {SETTING_INTEGER, "9223372036854775807", INT64_MAX},
        {SETTING_SIZE, "4096", 4096},
        {SETTING_SIZE, "64K", 65536},
        {SETTING_SIZE, "3M", 3 * 1048576},
        {SETTING_SIZE, "64T", INT64_C(64) << 40},
        {SETTING_DURATION, "1ms", 1},
        {SETTING_DURATION, "90s", 90000},
        {SETTING_DURATION, "5m", 300000},
        {SETTING_DURATION, "2h", 7200000},
        {SETTING_DURATION, "190d", INT64_C(16416000000)},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t number = -1;
        assert_int_equal(settings_parse_number(cases[i].type, cases[i].text, &number), STATUS_OK);
        assert_true(number == cases[i].number);
    }
}

static void number_when_badly_written_is_refused(void **state)
{
    (void)state;
    static const struct {
        enum setting_type type;
        const char *text;
    } cases[] = {
        {SETTING_INTEGER, ""},
        {SETTING_INTEGER, "-1"},
        {SETTING_INTEGER, "+1"},
        {SETTING_INTEGER, "1 "},
        {SETTING_INTEGER, "0x10"},
        {SETTING_INTEGER, "9223372036854775808"},
        {SETTING_INTEGER, "1K"},
        {SETTING_SIZE, "K"},
        {SETTING_SIZE, "1KB"},
        {SETTING_SIZE, "1.5G"},
        {SETTING_SIZE, "8388608T"},
        {SETTING_DURATION, "30"},
        {SETTING_DURATION, "1h30m"},
        {SETTING_DURATION, "1 s"},
        {SETTING_DURATION, "106751991168d"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t number = -1;
        assert_int_equal(settings_parse_number(cases[i].type, cases[i].text, &number),
                         STATUS_BAD_SETTING);
    }
}

/* The bounds of a row are values of the row: printing and reading them again changes nothing. */
static void value_when_printed_reads_back_equal(void **state)
{
    (void)state;
    struct settings *settings = settings_defaults();
    struct settings *again = settings_defaults();
    assert_non_null(settings);
    assert_non_null(again);
    for (size_t i = 0; i < settings_row_count(); i++) {
        const struct setting_row *row = settings_row(i);
        const char *const texts[] = {row->fallback, row->min, row->max};
        for (size_t t = 0; t < (row->type == SETTING_CHOICE ? 1u : 3u); t++) {
            char printed[256];
            struct fault fault;
            if (t > 0 && texts[t][0] == '\0') {
                continue;
            }
            assert_int_equal(settings_value_parse(settings_arena(settings), row, texts[t],
                                                  settings_field(settings, row), &fault),
                             STATUS_OK);
            (void)settings_value(settings, row, printed, sizeof(printed));
            assert_int_equal(settings_value_parse(settings_arena(again), row, printed,
                                                  settings_field(again, row), &fault),
                             STATUS_OK);
            assert_false(settings_differ(settings, again, row));
        }
    }
    settings_free(settings);
    settings_free(again);
}

static void number_when_printed_has_the_largest_unit_that_divides(void **state)
{
    (void)state;
    struct settings *settings = settings_defaults();
    assert_non_null(settings);
    const struct setting_row *row = settings_find("limits.idle", NULL);
    char text[32];
    settings->limits_idle = 90000;
    assert_string_equal(settings_value(settings, row, text, sizeof(text)), "90s");
    settings->limits_idle = 86400000;
    assert_string_equal(settings_value(settings, row, text, sizeof(text)), "1d");
    settings->limits_idle = 1001;
    assert_string_equal(settings_value(settings, row, text, sizeof(text)), "1001ms");
    settings->limits_idle = 0;
    assert_string_equal(settings_value(settings, row, text, sizeof(text)), "0s");
    row = settings_find("store.map_size", NULL);
    settings->store_map_size = INT64_C(3) << 30;
    assert_string_equal(settings_value(settings, row, text, sizeof(text)), "3G");
    settings->store_map_size = 1025;
    assert_string_equal(settings_value(settings, row, text, sizeof(text)), "1025");
    settings_free(settings);
}

static void text_when_the_buffer_is_small_is_cut(void **state)
{
    (void)state;
    struct settings *settings = settings_defaults();
    assert_non_null(settings);
    char text[6];
    const struct setting_row *row = settings_find("listen.addresses", NULL);
    assert_string_equal(settings_value(settings, row, text, sizeof(text)), "0.0.0");
    row = settings_find("node.prefix", NULL);
    assert_string_equal(settings_value(settings, row, text, sizeof(text)), "88.60");
    settings_free(settings);
}

static void value_when_memory_is_out_is_no_memory(void **state)
{
    (void)state;
    struct arena *arena = arena_new(16, 16);
    assert_non_null(arena);
    struct settings_list list = {.count = 0};
    const char *text = NULL;
    assert_int_equal(settings_value_parse(arena, settings_find("listen.addresses", NULL),
                                          "192.168.100.100,192.168.100.101", &list, NULL),
                     STATUS_NO_MEMORY);
    assert_int_equal(settings_value_parse(arena, settings_find("node.description", NULL),
                                          "longer than sixteen bytes", &text, NULL),
                     STATUS_NO_MEMORY);
    assert_null(text);
    assert_int_equal(list.count, 0);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(number_when_well_written_is_read),
        cmocka_unit_test(number_when_badly_written_is_refused),
        cmocka_unit_test(value_when_printed_reads_back_equal),
        cmocka_unit_test(number_when_printed_has_the_largest_unit_that_divides),
        cmocka_unit_test(text_when_the_buffer_is_small_is_cut),
        cmocka_unit_test(value_when_memory_is_out_is_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
