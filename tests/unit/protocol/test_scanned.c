/* SPDX-License-Identifier: Apache-2.0
 *
 * Scanned and typed text: which names it may stand for, and what is said to have been changed.
 */
#include "tests/unit/protocol/vectors.h"

#include <stdlib.h>

#include "protocol/scanned.h"

static int make_arena(void **state)
{
    *state = arena_new(4096, 1u << 20);
    return *state == NULL ? -1 : 0;
}

static int drop_arena(void **state)
{
    arena_free(*state);
    return 0;
}

static void assert_reading(struct scanned_reading reading, const char *name, unsigned changes)
{
    vectors_assert_equal(reading.name, bytes_of_text(name));
    assert_int_equal(reading.changes, changes);
}

/* The only reading of `text`. */
static void assert_only(void **state, const char *text, const char *name, unsigned changes)
{
    struct scanned scanned;
    assert_int_equal(scanned_read(*state, bytes_of_text(text), &scanned), STATUS_OK);
    assert_int_equal(scanned.count, 1);
    assert_reading(scanned.readings[0], name, changes);
}

/* The last but the boldest: what remains when everything doubtful was cleaned. */
static void assert_guess(void **state, const char *text, const char *name, unsigned changes)
{
    struct scanned scanned;
    assert_int_equal(scanned_read(*state, bytes_of_text(text), &scanned), STATUS_OK);
    for (size_t i = 0; i < scanned.count; i++) {
        if (bytes_equal(scanned.readings[i].name, bytes_of_text(name))) {
            assert_int_equal(scanned.readings[i].changes, changes);
            assert_true(scanned_is_guess(&scanned.readings[i]));
            return;
        }
    }
    fail_msg("%s was not read as %s", text, name);
}

static void read_when_it_is_a_name_then_as_it_is(void **state)
{
    assert_only(state, "88.608.8889/ABC-2026", "88.608.8889/ABC-2026", 0);
    assert_only(state, "0.NA/88.608", "0.NA/88.608", 0);
    assert_only(state, "88.608", "88.608", 0);
    assert_only(state, "88.608/轴承-6204", "88.608/轴承-6204", 0);
    struct scanned scanned;
    assert_int_equal(scanned_read(*state, BYTES_LITERAL("88.608/x/"), &scanned), STATUS_OK);
    assert_int_equal(scanned.count, 2);
    assert_reading(scanned.readings[0], "88.608/x/", 0);
    assert_reading(scanned.readings[1], "88.608/x", SCANNED_ENDING);
    assert_true(scanned_is_guess(&scanned.readings[1]));
}

static void read_when_a_scheme_leads_then_without_it(void **state)
{
    assert_only(state, "hdl:88.608/x", "88.608/x", SCANNED_SCHEME);
    assert_only(state, "HDL:88.608/x", "88.608/x", SCANNED_SCHEME);
    assert_only(state, "doi:10.1000/182", "10.1000/182", SCANNED_SCHEME);
    assert_only(state, "info:hdl/88.608/x", "88.608/x", SCANNED_SCHEME);
    assert_only(state, "info:doi/10.1000/182", "10.1000/182", SCANNED_SCHEME);
    assert_only(state, "urn:hdl:88.608/x", "88.608/x", SCANNED_SCHEME);
    assert_only(state, "URN:handle:88.608/x:y", "88.608/x:y", SCANNED_SCHEME);
}

static void read_when_an_address_then_what_its_path_names(void **state)
{
    assert_only(state, "https://id.example.cn/88.608/x", "88.608/x", SCANNED_ADDRESS);
    assert_only(state, "http://hdl.example.net:8000/88.608/x?noredirect#top", "88.608/x",
                SCANNED_ADDRESS);
    assert_only(state, "https://a.example/api/handles/88.608/x?type=URL", "88.608/x",
                SCANNED_ADDRESS);
    assert_only(state, "http://[2001:db8::1]:8000/88.608/x", "88.608/x", SCANNED_ADDRESS);
    assert_only(state, "https://a.example/88.608%2Fx%23%e5%bc%a0", "88.608/x#张", SCANNED_ADDRESS);
    assert_only(state, "https://a.example/snms/ui/88.608/x", "88.608/x", SCANNED_ADDRESS);
    assert_only(state, "https://a.example/detail?lang=zh&hdl=88.608%2Fx+y", "88.608/x y",
                SCANNED_ADDRESS);
    assert_only(state, "https://a.example/hdl:88.608/x", "88.608/x", SCANNED_ADDRESS);
}

static void read_when_a_host_without_scheme_then_the_exact_name_first(void **state)
{
    struct scanned scanned;
    assert_int_equal(scanned_read(*state, BYTES_LITERAL("hdl.example.net/88.608/x"), &scanned),
                     STATUS_OK);
    assert_int_equal(scanned.count, 2);
    assert_reading(scanned.readings[0], "hdl.example.net/88.608/x", 0);
    assert_reading(scanned.readings[1], "88.608/x", SCANNED_ADDRESS);
    assert_false(scanned_is_guess(&scanned.readings[1]));
}

static void read_when_blanks_are_around_then_the_exact_name_first(void **state)
{
    struct scanned scanned;
    assert_int_equal(scanned_read(*state, BYTES_LITERAL("88.608/x \r\n"), &scanned), STATUS_OK);
    assert_int_equal(scanned.count, 2);
    assert_reading(scanned.readings[0], "88.608/x \r\n", 0);
    assert_reading(scanned.readings[1], "88.608/x", SCANNED_BLANKS);
    assert_false(scanned_is_guess(&scanned.readings[1]));
}

static void read_when_characters_are_not_ascii_then_a_guess(void **state)
{
    assert_guess(state, "８８．６０８／ＡＢＣ１２３", "88.608/ABC123", SCANNED_WIDTH);
    assert_guess(state, "88。608/x", "88.608/x", SCANNED_LOOK_ALIKE);
    assert_guess(state, "88.608∕x", "88.608/x", SCANNED_LOOK_ALIKE);
    assert_guess(state, "88.6O8/x", "88.608/x", SCANNED_LOOK_ALIKE);
    assert_guess(state, "88.608\\x", "88.608/x", SCANNED_LOOK_ALIKE);
    assert_guess(state, "88.608/АВ–1", "88.608/AB-1", SCANNED_LOOK_ALIKE);
    assert_guess(state,
                 "88.608/A\xe2\x80\x8b"
                 "B",
                 "88.608/AB", SCANNED_INVISIBLE);
    assert_guess(state,
                 "\xef\xbb\xbf"
                 "88.608/\xe2\x80\xae"
                 "B",
                 "88.608/B", SCANNED_INVISIBLE);
    assert_guess(state, "88.608/A B", "88.608/AB", SCANNED_INVISIBLE);
    assert_guess(state, "88.608/A%2DB", "88.608/A-B", SCANNED_ESCAPES);
    assert_guess(state, "标识：88.608/x。", "88.608/x",
                 SCANNED_LOOK_ALIKE | SCANNED_ENDING | SCANNED_AROUND | SCANNED_WIDTH);
    assert_guess(state, "“88.608/x”", "88.608/x", SCANNED_ENDING | SCANNED_AROUND);
    assert_guess(state, "88.608/lO5", "88.608/105", SCANNED_LOOK_ALIKE);
}

static void read_when_a_guess_is_possible_then_the_exact_name_still_leads(void **state)
{
    struct scanned scanned;
    assert_int_equal(scanned_read(*state, BYTES_LITERAL("88.6O8/ＡＢ／"), &scanned), STATUS_OK);
    assert_reading(scanned.readings[0], "88.6O8/ＡＢ／", 0);
    assert_true(scanned.count >= 2);
    assert_true(scanned_is_guess(&scanned.readings[1]));
}

static void read_when_nothing_can_be_a_name_then_invalid(void **state)
{
    static const char *const texts[] = {"你好",      "/",   " ", "http://", "https://example.cn/",
                                        "{\"a\":1}", "hdl:"};
    struct scanned scanned;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(scanned_read(*state, bytes_of_text(texts[i]), &scanned),
                         STATUS_INVALID_HANDLE);
    }
    assert_int_equal(scanned_read(*state, BYTES_NONE, &scanned), STATUS_INVALID_HANDLE);
    assert_int_equal(scanned_read(*state, BYTES_LITERAL("\xff\xfe/x"), &scanned),
                     STATUS_INVALID_HANDLE);
}

static void read_when_longer_than_a_name_in_an_address_then_invalid(void **state)
{
    struct scanned scanned;
    char *text = malloc(SCANNED_TEXT_MAX + 1);
    assert_non_null(text);
    memset(text, 'a', SCANNED_TEXT_MAX + 1);
    memcpy(text, "88.608/", 7);
    assert_int_equal(scanned_read(*state, bytes_of(text, SCANNED_TEXT_MAX + 1), &scanned),
                     STATUS_INVALID_HANDLE);
    assert_int_equal(scanned_read(*state, bytes_of(text, HANDLE_MAX + 1), &scanned),
                     STATUS_INVALID_HANDLE);
    assert_int_equal(scanned_read(*state, bytes_of(text, HANDLE_MAX), &scanned), STATUS_OK);
    free(text);
}

/* Whatever the bytes, nothing is read beyond them, and what comes out can be a name. */
static void read_when_bytes_are_random_then_readings_are_possible_names(void **state)
{
    static const char alphabet[] = "88.6/%2Fhdl:tp?#=&+ \\\xef\xbc\xa1\xe2\x80\x8bOl。\t\"'>";
    uint32_t seed = 20261121;
    for (int round = 0; round < 20000; round++) {
        uint8_t text[40];
        arena_reset(*state);
        seed = seed * 1664525u + 1013904223u;
        size_t len = seed >> 8 & 31;
        for (size_t i = 0; i < len; i++) {
            seed = seed * 1664525u + 1013904223u;
            text[i] = (uint8_t)alphabet[(seed >> 12) % (sizeof(alphabet) - 1)];
        }
        struct scanned scanned;
        if (scanned_read(*state, bytes_of(text, len), &scanned) == STATUS_OK) {
            assert_in_range(scanned.count, 1, SCANNED_READINGS_MAX);
            for (size_t i = 0; i < scanned.count; i++) {
                assert_true(handle_is_utf8(scanned.readings[i].name));
                assert_in_range(scanned.readings[i].name.len, 1, HANDLE_MAX);
            }
        }
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, make_arena, drop_arena)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(read_when_it_is_a_name_then_as_it_is),
        CASE(read_when_a_scheme_leads_then_without_it),
        CASE(read_when_an_address_then_what_its_path_names),
        CASE(read_when_a_host_without_scheme_then_the_exact_name_first),
        CASE(read_when_blanks_are_around_then_the_exact_name_first),
        CASE(read_when_characters_are_not_ascii_then_a_guess),
        CASE(read_when_a_guess_is_possible_then_the_exact_name_still_leads),
        CASE(read_when_nothing_can_be_a_name_then_invalid),
        CASE(read_when_longer_than_a_name_in_an_address_then_invalid),
        CASE(read_when_bytes_are_random_then_readings_are_possible_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
