/* SPDX-License-Identifier: Apache-2.0
 *
 * registry/codes.c: tables are closed sound or refused, and know what lies within what.
 */
#include "registry/codes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static enum status add(struct codes *codes, const char *code, const char *parent, unsigned level)
{
    struct code_row row = {
        .code = bytes_of_text(code),
        .parent = bytes_of_text(parent),
        .level = level,
        .name = BYTES_LITERAL("湖北省"),
    };
    return codes_add(codes, &row);
}

static struct codes *hubei(void)
{
    struct codes *codes = NULL;
    const struct code_row *bad = NULL;
    assert_int_equal(codes_new(CODES_REGION, &codes), STATUS_OK);
    assert_int_equal(add(codes, "420704", "420700", 3), STATUS_OK);
    assert_int_equal(add(codes, "420700", "420000", 2), STATUS_OK);
    assert_int_equal(add(codes, "420000", "", 1), STATUS_OK);
    assert_int_equal(add(codes, "110000", "", 1), STATUS_OK);
    assert_int_equal(add(codes, "110108", "110000", 3), STATUS_OK);
    assert_int_equal(codes_close(codes, &bad), STATUS_OK);
    return codes;
}

static void codes_when_closed_are_found_and_nest(void **state)
{
    (void)state;
    struct codes *codes = hubei();
    assert_int_equal(codes_count(codes), 5);
    const struct code_row *row = codes_find(codes, BYTES_LITERAL("420704"));
    assert_non_null(row);
    assert_int_equal(row->level, 3);
    assert_true(bytes_equal(row->parent, BYTES_LITERAL("420700")));
    assert_true(bytes_equal(row->name, BYTES_LITERAL("湖北省")));
    assert_true(codes_nests(codes, BYTES_LITERAL("420704"), BYTES_LITERAL("420700")));
    assert_true(codes_nests(codes, BYTES_LITERAL("420704"), BYTES_LITERAL("420000")));
    assert_true(codes_nests(codes, BYTES_LITERAL("110108"), BYTES_LITERAL("110000")));
    assert_false(codes_nests(codes, BYTES_LITERAL("420704"), BYTES_LITERAL("110000")));
    assert_false(codes_nests(codes, BYTES_LITERAL("420000"), BYTES_LITERAL("420704")));
    assert_false(codes_nests(codes, BYTES_LITERAL("420704"), BYTES_LITERAL("420704")));
    assert_null(codes_find(codes, BYTES_LITERAL("42070")));
    assert_null(codes_find(codes, BYTES_NONE));
    codes_free(codes);
}

static void close_when_rows_contradict_names_one(void **state)
{
    (void)state;
    static const struct {
        enum codes_kind kind;
        const char *code;
        const char *parent;
        unsigned level;
    } wrong[] = {
        {CODES_REGION, "420000", "", 1},       /* twice */
        {CODES_REGION, "430100", "430000", 2}, /* no such parent */
        {CODES_REGION, "430100", "", 2},       /* a city without one */
        {CODES_REGION, "430000", "420700", 1}, /* a parent that lies deeper */
        {CODES_REGION, "430000", "430000", 1}, /* its own */
        {CODES_INDUSTRY, "0111", "01", 4},     /* a class in no group */
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct codes *codes = NULL;
        const struct code_row *bad = NULL;
        assert_int_equal(codes_new(wrong[i].kind, &codes), STATUS_OK);
        assert_int_equal(add(codes, "420000", "", 1), STATUS_OK);
        assert_int_equal(add(codes, "420700", "420000", 2), STATUS_OK);
        assert_int_equal(add(codes, "01", "420000", 2), STATUS_OK);
        assert_int_equal(add(codes, wrong[i].code, wrong[i].parent, wrong[i].level), STATUS_OK);
        assert_int_equal(codes_close(codes, &bad), STATUS_BAD_SYNTAX);
        assert_true(bytes_equal(bad->code, bytes_of_text(wrong[i].code)));
        codes_free(codes);
    }
}

static void add_when_a_row_is_unsound_refuses_it(void **state)
{
    (void)state;
    struct codes *codes = NULL;
    assert_int_equal(codes_new(CODES_REGION, &codes), STATUS_OK);
    assert_int_equal(add(codes, "", "", 1), STATUS_BAD_SYNTAX);
    assert_int_equal(add(codes, "12345678901234567", "", 1), STATUS_BAD_SYNTAX);
    assert_int_equal(add(codes, "1", "", 0), STATUS_BAD_SYNTAX);
    assert_int_equal(add(codes, "1", "", 4), STATUS_BAD_SYNTAX); /* regions have three */
    assert_int_equal(add(codes, "1", "", 5), STATUS_BAD_SYNTAX);
    assert_int_equal(add(codes, "\xff", "", 1), STATUS_BAD_SYNTAX);
    assert_int_equal(codes_count(codes), 0);
    codes_free(codes);
    codes_free(NULL);
}

static void add_over_the_limit_or_after_closing_is_refused(void **state)
{
    (void)state;
    struct codes *codes = NULL;
    const struct code_row *bad = NULL;
    char code[CODES_CODE_MAX];
    assert_int_equal(codes_new(CODES_REGION, &codes), STATUS_OK);
    for (int i = 0; i < CODES_ROWS_MAX; i++) {
        (void)snprintf(code, sizeof(code), "%d", i);
        assert_int_equal(add(codes, code, "", 1), STATUS_OK);
    }
    assert_int_equal(add(codes, "x", "", 1), STATUS_BAD_SYNTAX);
    assert_int_equal(codes_close(codes, &bad), STATUS_OK);
    assert_int_equal(add(codes, "y", "", 1), STATUS_BAD_SYNTAX);
    assert_non_null(codes_find(codes, BYTES_LITERAL("99999")));
    codes_free(codes);
}

static void level_words_are_those_of_the_kind(void **state)
{
    (void)state;
    assert_int_equal(codes_level(CODES_REGION, BYTES_LITERAL("county")), 3);
    assert_int_equal(codes_level(CODES_INDUSTRY, BYTES_LITERAL("class")), 4);
    assert_int_equal(codes_level(CODES_INDUSTRY, BYTES_LITERAL("county")), 0);
    assert_int_equal(codes_level(CODES_REGION, BYTES_NONE), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_when_closed_are_found_and_nest),
        cmocka_unit_test(close_when_rows_contradict_names_one),
        cmocka_unit_test(add_when_a_row_is_unsound_refuses_it),
        cmocka_unit_test(add_over_the_limit_or_after_closing_is_refused),
        cmocka_unit_test(level_words_are_those_of_the_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
