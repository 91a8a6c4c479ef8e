/* SPDX-License-Identifier: Apache-2.0
 *
 * Problems, tables and printable text of the command line.
 */
#include "tests/unit/admin/run_command.h"

#include "admin/say.h"

struct page {
    struct command_call call;
    char *out;
    char *err;
    size_t out_len, err_len;
};

static int open_page(void **state)
{
    struct page *page = calloc(1, sizeof(*page));
    page->call.arena = arena_new(1024, 1 << 20);
    page->call.out = open_memstream(&page->out, &page->out_len);
    page->call.err = open_memstream(&page->err, &page->err_len);
    *state = page;
    return page->call.out == NULL || page->call.err == NULL ? -1 : 0;
}

static void flush_page(struct page *page)
{
    (void)fflush(page->call.out);
    (void)fflush(page->call.err);
}

static int close_page(void **state)
{
    struct page *page = *state;
    (void)fclose(page->call.out);
    (void)fclose(page->call.err);
    free(page->out);
    free(page->err);
    arena_free(page->call.arena);
    free(page);
    return 0;
}

static void problem_in_text_names_code_reason_and_remedy(void **state)
{
    struct page *page = *state;
    assert_int_equal(say_problem(&page->call, PROBLEM_NOT_HOMED, "88.1000"), EXIT_REFUSED);
    flush_page(page);
    assert_string_equal(page->err, "guantong: GT1203 prefix of 88.1000 is not homed here\n"
                                   "remedy: home it first: guantong prefix home PREFIX\n");
    assert_int_equal(page->out_len, 0);
}

static void problem_under_chinese_locale_is_chinese(void **state)
{
    struct page *page = *state;
    page->call.is_chinese = true;
    assert_int_equal(say_problem(&page->call, PROBLEM_HANDLE_NOT_FOUND, "88.1/a"), EXIT_NEGATIVE);
    flush_page(page);
    assert_string_equal(page->err, "guantong: GT1201 标识 88.1/a 不存在\n");
}

static void problem_as_json_goes_to_stdout_alone(void **state)
{
    struct page *page = *state;
    page->call.is_json = true;
    assert_int_equal(say_problem(&page->call, PROBLEM_QUOTA, "88.1"), EXIT_QUOTA);
    flush_page(page);
    json_t *document = json_loads(page->out, 0, NULL);
    json_t *error = json_object_get(document, "error");
    assert_string_equal(json_text(error, "code"), "GT1601");
    assert_string_equal(json_text(error, "reason"), "88.1: quota reached");
    assert_true(json_text(error, "remedy")[0] != '\0');
    assert_int_equal(page->err_len, 0);
    json_decref(document);
}

static void problem_with_hostile_name_prints_no_control_byte(void **state)
{
    struct page *page = *state;
    (void)say_problem(&page->call, PROBLEM_HANDLE_NOT_FOUND, "a\033[2J\xff%s%n");
    flush_page(page);
    assert_string_equal(page->err, "guantong: GT1201 handle a\\x1b[2J\\xff%s%n not found\n");
}

static void problem_with_long_name_is_cut_not_overrun(void **state)
{
    struct page *page = *state;
    char name[5000];
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(say_problem(&page->call, PROBLEM_NOT_HOMED, name), EXIT_REFUSED);
    flush_page(page);
    assert_true(page->err_len > 2000 && page->err_len < 5000);
}

static void problem_with_long_chinese_name_is_cut_between_characters(void **state)
{
    struct page *page = *state;
    char name[4000];
    size_t len = 0;
    page->call.is_json = true;
    for (size_t shift = 0; shift < 3; shift++) {
        for (len = shift; len + 3 < sizeof(name); len += 3) {
            (void)strcpy(name + len, "标");
        }
        memset(name, 'x', shift);
        assert_int_equal(say_problem(&page->call, PROBLEM_NOT_FOUND, name), EXIT_NEGATIVE);
        flush_page(page);
    }
    const char *line = page->out;
    for (size_t i = 0; i < 3; i++, line = strchr(line, '\n') + 1) {
        json_t *document = json_loads(line, JSON_DISABLE_EOF_CHECK, NULL);
        assert_non_null(json_object_get(document, "error"));
        json_decref(document);
    }
}

static void status_with_fault_brings_its_reason(void **state)
{
    struct page *page = *state;
    struct fault fault;
    (void)fault_set(&fault, STATUS_BAD_SETTING, "%s", "guantong.yaml:3:1: unknown key");
    assert_int_equal(say_status(&page->call, STATUS_BAD_SETTING, "/srv/x", &fault),
                     EXIT_CONFIGURATION);
    flush_page(page);
    assert_non_null(strstr(page->err,
                           "GT1103 unusable setting in /srv/x: guantong.yaml:3:1: unknown "
                           "key\n"));
}

static void status_exits_follow_the_documented_codes(void **state)
{
    (void)state;
    assert_int_equal(say_exit(STATUS_OK), 0);
    assert_int_equal(say_exit(STATUS_HANDLE_NOT_FOUND), 1);
    assert_int_equal(say_exit(STATUS_BAD_SETTING), 3);
    assert_int_equal(say_exit(STATUS_NOT_RESPONSIBLE), 4);
    assert_int_equal(say_exit(STATUS_ACCESS_DENIED), 4);
    assert_int_equal(say_exit(STATUS_TIMED_OUT), 5);
    assert_int_equal(say_exit(STATUS_UNREACHABLE), 5);
    assert_int_equal(say_exit(STATUS_QUOTA_EXCEEDED), 7);
    assert_int_equal(say_exit(STATUS_ERROR), 70);
}

static void table_with_wide_characters_is_aligned_by_width(void **state)
{
    struct page *page = *state;
    const char *headings[] = {"名称", "V"};
    const char *first[] = {"ab", "1"};
    const char *second[] = {"鄂州市", "2"};
    struct say_table *table = say_table_new(headings, 2);
    say_table_row(table, first);
    say_table_row(table, second);
    say_table_print(table, page->call.out);
    flush_page(page);
    assert_string_equal(page->out, "名称    V\nab      1\n鄂州市  2\n");
}

static void width_counts_columns_not_bytes(void **state)
{
    (void)state;
    assert_int_equal(say_width("abc"), 3);
    assert_int_equal(say_width("标识"), 4);
    assert_int_equal(say_width("e\xcc\x81"), 1);
    assert_int_equal(say_width(""), 0);
}

static void printable_text_escapes_what_steers_a_terminal(void **state)
{
    struct page *page = *state;
    static const struct {
        const char *in;
        const char *out;
    } rows[] = {
        {"plain 标识", "plain 标识"},
        {"\t\n", "\\x09\\x0a"},
        {"\x7f", "\\x7f"},
        {"\xc2\x9b", "\\xc2\\x9b"},
        {"\xe2\x80\xae", "\\xe2\\x80\\xae"},
        {"\xed\xa0\x80", "\\xed\\xa0\\x80"},
        {"\xe6\xa0", "\\xe6\\xa0"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *text = say_printable(page->call.arena, bytes_of_text(rows[i].in));
        assert_string_equal(text, rows[i].out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(problem_in_text_names_code_reason_and_remedy, open_page,
                                        close_page),
        cmocka_unit_test_setup_teardown(problem_under_chinese_locale_is_chinese, open_page,
                                        close_page),
        cmocka_unit_test_setup_teardown(problem_as_json_goes_to_stdout_alone, open_page,
                                        close_page),
        cmocka_unit_test_setup_teardown(problem_with_hostile_name_prints_no_control_byte, open_page,
                                        close_page),
        cmocka_unit_test_setup_teardown(problem_with_long_name_is_cut_not_overrun, open_page,
                                        close_page),
        cmocka_unit_test_setup_teardown(problem_with_long_chinese_name_is_cut_between_characters,
                                        open_page, close_page),
        cmocka_unit_test_setup_teardown(status_with_fault_brings_its_reason, open_page, close_page),
        cmocka_unit_test(status_exits_follow_the_documented_codes),
        cmocka_unit_test_setup_teardown(table_with_wide_characters_is_aligned_by_width, open_page,
                                        close_page),
        cmocka_unit_test(width_counts_columns_not_bytes),
        cmocka_unit_test_setup_teardown(printable_text_escapes_what_steers_a_terminal, open_page,
                                        close_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
