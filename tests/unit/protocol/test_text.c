/* SPDX-License-Identifier: Apache-2.0
 *
 * Hex, base64 and times as text, both ways, and what is refused.
 */
#include "tests/unit/protocol/vectors.h"

#include <stdlib.h>

static int setup(void **state)
{
    *state = arena_new(1 << 12, 1 << 20);
    return *state == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    arena_free(*state);
    return 0;
}

static void hex_both_ways(void **state)
{
    uint8_t all[256];
    struct bytes again;
    for (unsigned i = 0; i < sizeof(all); i++) {
        all[i] = (uint8_t)i;
    }
    const char *text = text_hex(*state, bytes_of(all, sizeof(all)));
    assert_non_null(text);
    assert_int_equal(strlen(text), 512);
    assert_memory_equal(text + 0x9a * 2, "9a9b9c", 6);
    assert_int_equal(text_hex_parse(bytes_of_text(text), *state, &again), STATUS_OK);
    vectors_assert_equal(again, bytes_of(all, sizeof(all)));
    assert_string_equal(text_hex(*state, BYTES_NONE), "");
}

static void hex_when_spaced_or_upper_case_then_read(void **state)
{
    static const uint8_t wanted[] = {0xab, 0xcd, 0xef};
    struct bytes data;
    assert_int_equal(text_hex_parse(BYTES_LITERAL(" A b\tCd\r\nEF\n"), *state, &data), STATUS_OK);
    vectors_assert_equal(data, bytes_of(wanted, sizeof(wanted)));
    assert_int_equal(text_hex_parse(BYTES_LITERAL(" "), *state, &data), STATUS_OK);
    assert_int_equal(data.len, 0);
}

static void hex_when_odd_or_strange_then_bad_syntax(void **state)
{
    static const char *const bad[] = {"a",     "abc", "0x12", "gg", "a-b",
                                      "12:34", "@0",  "`0",   "/0", ":0"};
    struct bytes data = BYTES_NONE;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(text_hex_parse(bytes_of_text(bad[i]), *state, &data), STATUS_BAD_SYNTAX);
    }
    assert_null(data.data);
}

static void base64_when_rfc_4648_then_both_ways(void **state)
{
    static const char *const rows[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bytes data;
        char url[16];
        assert_string_equal(text_base64(*state, bytes_of_text(rows[i][0])), rows[i][1]);
        assert_int_equal(text_base64_parse(bytes_of_text(rows[i][1]), *state, &data), STATUS_OK);
        vectors_assert_equal(data, bytes_of_text(rows[i][0]));
        (void)snprintf(url, sizeof(url), "%.*s", (int)strcspn(rows[i][1], "="), rows[i][1]);
        assert_string_equal(text_base64url(*state, bytes_of_text(rows[i][0])), url);
        assert_int_equal(text_base64url_parse(bytes_of_text(url), *state, &data), STATUS_OK);
        vectors_assert_equal(data, bytes_of_text(rows[i][0]));
    }
}

static void base64_when_last_letters_then_of_the_alphabet(void **state)
{
    static const uint8_t high[] = {0xfb, 0xff, 0xbf};
    struct bytes data;
    assert_string_equal(text_base64(*state, bytes_of(high, 3)), "+/+/");
    assert_string_equal(text_base64url(*state, bytes_of(high, 3)), "-_-_");
    assert_int_equal(text_base64_parse(BYTES_LITERAL("-_-_"), *state, &data), STATUS_BAD_SYNTAX);
    assert_int_equal(text_base64url_parse(BYTES_LITERAL("+/+/"), *state, &data), STATUS_BAD_SYNTAX);
}

static void base64_when_malformed_then_bad_syntax(void **state)
{
    static const char *const bad[] = {"Z",    "Zg",   "Zg=",      "Zg===", "Z===",   "====",
                                      "Zh==", "Zm9=", "Zg==Zg==", "Zm 9",  "Zm9v\n", "Z=g="};
    static const char *const bad_url[] = {"Z", "Zh", "Zm9=", "Zg==", "Zm9vY"};
    struct bytes data = BYTES_NONE;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(text_base64_parse(bytes_of_text(bad[i]), *state, &data),
                         STATUS_BAD_SYNTAX);
    }
    for (size_t i = 0; i < sizeof(bad_url) / sizeof(bad_url[0]); i++) {
        assert_int_equal(text_base64url_parse(bytes_of_text(bad_url[i]), *state, &data),
                         STATUS_BAD_SYNTAX);
    }
    assert_null(data.data);
}

static void anything_when_arena_is_full_then_told(void **state)
{
    struct arena *small = arena_new(16, 16);
    uint8_t many[256] = {0};
    struct bytes data;
    (void)state;
    assert_non_null(small);
    assert_null(text_hex(small, bytes_of(many, sizeof(many))));
    assert_null(text_base64(small, bytes_of(many, sizeof(many))));
    assert_null(text_base64url(small, bytes_of(many, sizeof(many))));
    memset(many, 'a', sizeof(many));
    assert_int_equal(text_hex_parse(bytes_of(many, sizeof(many)), small, &data), STATUS_NO_MEMORY);
    assert_int_equal(text_base64_parse(bytes_of(many, sizeof(many)), small, &data),
                     STATUS_NO_MEMORY);
    arena_free(small);
}

static void time_when_written_then_rfc_3339(void **state)
{
    char text[TEXT_TIME_LEN];
    (void)state;
    text_time_s(0, text);
    assert_string_equal(text, "1970-01-01T00:00:00Z");
    text_time_s(1795253454, text);
    assert_string_equal(text, "2026-11-21T09:30:54Z");
    text_time_s(-1, text);
    assert_string_equal(text, "1969-12-31T23:59:59Z");
    text_time_s(0xffffffff, text);
    assert_string_equal(text, "2106-02-07T06:28:15Z");
    text_time_ms(1795253454123, text);
    assert_string_equal(text, "2026-11-21T09:30:54.123Z");
    text_time_ms(-1, text);
    assert_string_equal(text, "1969-12-31T23:59:59.999Z");
}

static void time_when_beyond_four_digit_years_then_the_nearest(void **state)
{
    char text[TEXT_TIME_LEN];
    (void)state;
    text_time_s(INT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59Z");
    text_time_ms(INT64_MAX, text);
    assert_int_equal(strlen(text), 24);
    text_time_s(INT64_MIN, text);
    assert_string_equal(text, "0000-01-01T00:00:00Z");
}

static void expect_time(const char *text, int64_t wanted)
{
    int64_t seconds = 77;
    assert_int_equal(text_time_parse(bytes_of_text(text), &seconds), STATUS_OK);
    assert_true(seconds == wanted);
}

static void time_when_read_then_seconds(void **state)
{
    (void)state;
    expect_time("1970-01-01T00:00:00Z", 0);
    expect_time("2026-11-21T09:30:54Z", 1795253454);
    expect_time("2026-11-21t09:30:54z", 1795253454);
    expect_time("2026-11-21T09:30:54.999Z", 1795253454);
    expect_time("2026-11-21T17:30:54+08:00", 1795253454);
    expect_time("2026-11-21T17:30:54.5+08:00", 1795253454);
    expect_time("2026-11-21T04:00:54-05:30", 1795253454);
    expect_time("2024-02-29T00:00:00Z", 1709164800);
    expect_time("2000-02-29T00:00:00Z", 951782400);
    expect_time("2016-12-31T23:59:60Z", 1483228800);
    expect_time("1969-12-31T23:59:59Z", -1);
}

static void time_when_malformed_then_bad_syntax(void **state)
{
    static const char *const bad[] = {"",
                                      "2026-11-21",
                                      "2026-11-21T09:30Z",
                                      "2026-11-21T09:30:54",
                                      "2026-11-21 09:30:54Z",
                                      "2026-13-01T00:00:00Z",
                                      "2026-00-01T00:00:00Z",
                                      "2026-11-31T00:00:00Z",
                                      "2026-11-00T00:00:00Z",
                                      "2026-02-29T00:00:00Z",
                                      "2100-02-29T00:00:00Z",
                                      "2026-11-21T24:00:00Z",
                                      "2026-11-21T09:60:00Z",
                                      "2026-11-21T09:30:61Z",
                                      "2026-11-21T09:30:54.Z",
                                      "2026-11-21T09:30:54.1",
                                      "2026-11-21T09:30:54+0800",
                                      "2026-11-21T09:30:54+08",
                                      "2026-11-21T09:30:54+24:00",
                                      "2026-11-21T09:30:54+08:60",
                                      "2026-11-21T09:30:54Z ",
                                      "2026-11-21T09:30:54ZZ",
                                      "2o26-11-21T09:30:54Z",
                                      "+026-11-21T09:30:54Z",
                                      "26-11-21T09:30:54Z"};
    int64_t seconds = 77;
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(text_time_parse(bytes_of_text(bad[i]), &seconds), STATUS_BAD_SYNTAX);
    }
    assert_true(seconds == 77);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(hex_both_ways),
        CASE(hex_when_spaced_or_upper_case_then_read),
        CASE(hex_when_odd_or_strange_then_bad_syntax),
        CASE(base64_when_rfc_4648_then_both_ways),
        CASE(base64_when_last_letters_then_of_the_alphabet),
        CASE(base64_when_malformed_then_bad_syntax),
        CASE(anything_when_arena_is_full_then_told),
        CASE(time_when_written_then_rfc_3339),
        CASE(time_when_beyond_four_digit_years_then_the_nearest),
        CASE(time_when_read_then_seconds),
        CASE(time_when_malformed_then_bad_syntax),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
