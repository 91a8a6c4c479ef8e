/* SPDX-License-Identifier: Apache-2.0
 *
 * The grammar: words, options, directory, help, and the table itself.
 */
#include "tests/unit/admin/run_command.h"

/* --- the table -------------------------------------------------------------------------------- */

static void assert_options_are_explained(const struct command_row *row, const char *options)
{
    struct command_option_spec spec;
    for (const char *at = options; command_next_option(&at, &spec);) {
        const struct command_option_row *help = command_option_help(row, spec.name);
        if (help == NULL || help->help[0] == '\0' || help->help_zh[0] == '\0') {
            fail_msg("%s %s: %s is not explained", row->noun, row->verb, spec.name);
        }
    }
}

static void table_every_option_is_explained_in_both_languages(void **state)
{
    (void)state;
    for (size_t i = 0; i < command_row_count(); i++) {
        const struct command_row *row = command_row(i);
        assert_options_are_explained(row, row->options);
        assert_options_are_explained(row, command_common_options(row));
    }
}

static void table_every_row_is_found_once_and_taught(void **state)
{
    (void)state;
    for (size_t i = 0; i < command_row_count(); i++) {
        const struct command_row *row = command_row(i);
        assert_ptr_equal(command_find(row->noun, row->verb), row);
        assert_true(row->help[0] != '\0' && row->help_zh[0] != '\0');
        assert_non_null(strstr(row->example, "guantong "));
    }
}

static void option_spec_takes_name_value_and_repetition_apart(void **state)
{
    (void)state;
    struct command_option_spec spec;
    const char *at = "--sm --port=PORT  --listen=ADDRESS...";
    assert_true(command_next_option(&at, &spec));
    assert_string_equal(spec.name, "--sm");
    assert_string_equal(spec.value, "");
    assert_true(command_next_option(&at, &spec));
    assert_string_equal(spec.name, "--port");
    assert_string_equal(spec.value, "PORT");
    assert_false(spec.may_repeat);
    assert_true(command_next_option(&at, &spec));
    assert_string_equal(spec.value, "ADDRESS");
    assert_true(spec.may_repeat);
    assert_false(command_next_option(&at, &spec));
}

static void nearest_word_is_named_only_when_near(void **state)
{
    (void)state;
    const char *words[] = {"prefix", "record", "journal"};
    assert_string_equal(command_nearest("prefx", words, 3), "prefix");
    assert_string_equal(command_nearest("recrod", words, 3), "record");
    assert_null(command_nearest("zzzzzz", words, 3));
    assert_null(command_nearest("", words, 3));
}

/* --- words and options ------------------------------------------------------------------------ */

static void unknown_command_names_the_nearest(void **state)
{
    (void)state;
    struct run run = EXPECT(EXIT_USAGE, "prefx");
    assert_non_null(strstr(run.err, "GT1001"));
    assert_non_null(strstr(run.err, "did you mean prefix?"));
    run_done(&run);
    run = EXPECT(EXIT_USAGE, "prefix", "hoem", "88.1");
    assert_non_null(strstr(run.err, "did you mean home?"));
    run_done(&run);
}

static void unknown_option_names_the_nearest(void **state)
{
    (void)state;
    struct run run = EXPECT(EXIT_USAGE, "conf", "reference", "--hz");
    assert_non_null(strstr(run.err, "GT1002"));
    assert_non_null(strstr(run.err, "--zh"));
    run_done(&run);
}

static void option_without_its_value_is_refused(void **state)
{
    (void)state;
    struct run run = EXPECT(EXIT_USAGE, "journal", "tail", "-n");
    assert_non_null(strstr(run.err, "GT1003"));
    run_done(&run);
    run = EXPECT(EXIT_USAGE, "conf", "reference", "--zh=1");
    assert_non_null(strstr(run.err, "GT1003"));
    run_done(&run);
}

static void option_given_twice_is_refused_unless_it_may_repeat(void **state)
{
    (void)state;
    MUST(EXIT_USAGE, "init", "/tmp/x", "--port", "1", "--port", "2", "--dry-run");
    MUST(EXIT_OK, "init", "/nonexistent-here/x", "--listen", "127.0.0.1", "--listen=::1",
         "--dry-run");
}

static void missing_argument_is_named(void **state)
{
    (void)state;
    struct run run = EXPECT(EXIT_USAGE, "completion");
    assert_non_null(strstr(run.err, "GT1004"));
    assert_non_null(strstr(run.err, "bash|zsh"));
    run_done(&run);
}

static void too_many_arguments_name_the_first_unexpected(void **state)
{
    (void)state;
    struct run run = EXPECT(EXIT_USAGE, "completion", "bash", "extra");
    assert_non_null(strstr(run.err, "GT1005"));
    assert_non_null(strstr(run.err, "extra"));
    run_done(&run);
}

static void double_dash_ends_options(void **state)
{
    (void)state;
    struct run run = EXPECT(EXIT_USAGE, "completion", "--", "--json");
    assert_non_null(strstr(run.err, "GT1007"));
    assert_non_null(strstr(run.err, "--json"));
    run_done(&run);
}

static void problems_are_json_even_before_the_words_are_understood(void **state)
{
    (void)state;
    struct run run = EXPECT(EXIT_USAGE, "nonsense", "--json");
    assert_problem(&run, "GT1001");
    run_done(&run);
    run = EXPECT(EXIT_USAGE, "--json", "conf", "reference", "--bad");
    assert_problem(&run, "GT1002");
    run_done(&run);
}

/* --- directory -------------------------------------------------------------------------------- */

static void directory_that_is_no_node_is_named(void **state)
{
    (void)state;
    struct run run = EXPECT(EXIT_CONFIGURATION, "prefix", "list", "--dir", "/tmp", "--json");
    assert_problem(&run, "GT1101");
    run_done(&run);
    run = EXPECT(EXIT_CONFIGURATION, "prefix", "list", "/tmp");
    assert_non_null(strstr(run.err, "/tmp is not a node's directory"));
    run_done(&run);
}

static void directory_comes_from_the_environment_last(void **state)
{
    (void)state;
    assert_int_equal(setenv("GUANTONG_DIR", "/nonexistent-there", 1), 0);
    struct run run = EXPECT(EXIT_CONFIGURATION, "prefix", "list");
    assert_non_null(strstr(run.err, "/nonexistent-there"));
    run_done(&run);
    run = EXPECT(EXIT_CONFIGURATION, "prefix", "list", "--dir=/nonexistent-here");
    assert_non_null(strstr(run.err, "/nonexistent-here"));
    run_done(&run);
    assert_int_equal(unsetenv("GUANTONG_DIR"), 0);
}

/* --- help ------------------------------------------------------------------------------------- */

static void help_at_every_level_teaches(void **state)
{
    (void)state;
    struct run run = EXPECT(EXIT_OK, "--help");
    assert_non_null(strstr(run.out, "init"));
    assert_non_null(strstr(run.out, "journal"));
    run_done(&run);
    run = EXPECT(EXIT_OK, "prefix", "--help");
    assert_non_null(strstr(run.out, "unhome"));
    run_done(&run);
    run = EXPECT(EXIT_OK, "prefix", "home", "--help");
    assert_non_null(strstr(run.out, "Usage: guantong prefix home [DIR] PREFIX..."));
    assert_non_null(strstr(run.out, "--max-identifiers=N"));
    assert_non_null(strstr(run.out, "Example:\n  guantong prefix home"));
    run_done(&run);
    run = EXPECT(EXIT_OK, "help", "record", "show");
    assert_non_null(strstr(run.out, "--secrets"));
    run_done(&run);
}

static void help_without_words_is_a_usage_error(void **state)
{
    (void)state;
    struct run run = run_words((const char *const[]){NULL});
    assert_int_equal(run.exit, EXIT_USAGE);
    assert_string_equal(run.out, "");
    assert_non_null(strstr(run.err, "Usage: guantong"));
    run_done(&run);
}

static void help_under_chinese_locale_is_chinese(void **state)
{
    (void)state;
    assert_int_equal(setenv("LC_ALL", "zh_CN.UTF-8", 1), 0);
    struct run run = EXPECT(EXIT_OK, "prefix", "home", "--help");
    assert_non_null(strstr(run.out, "用法：guantong prefix home"));
    assert_non_null(strstr(run.out, "标识数量配额"));
    run_done(&run);
    assert_int_equal(setenv("LC_ALL", "C", 1), 0);
    assert_int_equal(setenv("LANG", "zh_CN.UTF-8", 1), 0);
    run = EXPECT(EXIT_OK, "prefix", "home", "--help");
    assert_non_null(strstr(run.out, "Usage: "));
    run_done(&run);
    assert_int_equal(unsetenv("LC_ALL"), 0);
    assert_int_equal(unsetenv("LANG"), 0);
}

static void version_is_printed(void **state)
{
    (void)state;
    struct run run = EXPECT(EXIT_OK, "--version");
    assert_string_equal(run.out, "guantong " GUANTONG_VERSION "\n");
    run_done(&run);
}

static void reference_and_man_page_name_every_command(void **state)
{
    (void)state;
    struct run pages[] = {EXPECT(EXIT_OK, "help", "reference"),
                          EXPECT(EXIT_OK, "help", "reference", "--zh")};
    for (size_t i = 0; i < command_row_count(); i++) {
        const struct command_row *row = command_row(i);
        char heading[64];
        (void)snprintf(heading, sizeof(heading), "\n## %s%s%s\n", row->noun,
                       row->verb[0] == '\0' ? "" : " ", row->verb);
        assert_non_null(strstr(pages[0].out, heading));
        assert_non_null(strstr(pages[1].out, heading));
        assert_non_null(strstr(pages[1].out, row->help_zh));
    }
    struct run man = EXPECT(EXIT_OK, "help", "man");
    assert_non_null(strstr(man.out, ".TH GUANTONG 1"));
    assert_non_null(strstr(man.out, "guantong journal verify"));
    run_done(&man);
    run_done(&pages[0]);
    run_done(&pages[1]);
}

static void completion_scripts_parse_in_their_shells(void **state)
{
    (void)state;
    char path[64];
    scratch_make(path);
    char file[96];
    char line[160];
    (void)snprintf(file, sizeof(file), "%s/bash", path);
    struct run run = EXPECT(EXIT_OK, "completion", "bash");
    assert_non_null(strstr(run.out, "--max-identifiers"));
    write_file(file, run.out);
    (void)snprintf(line, sizeof(line), "bash -n %s", file);
    assert_int_equal(system(line), 0);
    run_done(&run);
    MUST(EXIT_OK, "completion", "zsh");
    MUST(EXIT_USAGE, "completion", "fish");
    scratch_remove(path);
}

static int plain_locale(void **state)
{
    (void)state;
    return unsetenv("LC_ALL") + unsetenv("LC_MESSAGES") + unsetenv("LANG") +
           unsetenv("GUANTONG_DIR");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_every_option_is_explained_in_both_languages),
        cmocka_unit_test(table_every_row_is_found_once_and_taught),
        cmocka_unit_test(option_spec_takes_name_value_and_repetition_apart),
        cmocka_unit_test(nearest_word_is_named_only_when_near),
        cmocka_unit_test(unknown_command_names_the_nearest),
        cmocka_unit_test(unknown_option_names_the_nearest),
        cmocka_unit_test(option_without_its_value_is_refused),
        cmocka_unit_test(option_given_twice_is_refused_unless_it_may_repeat),
        cmocka_unit_test(missing_argument_is_named),
        cmocka_unit_test(too_many_arguments_name_the_first_unexpected),
        cmocka_unit_test(double_dash_ends_options),
        cmocka_unit_test(problems_are_json_even_before_the_words_are_understood),
        cmocka_unit_test(directory_that_is_no_node_is_named),
        cmocka_unit_test(directory_comes_from_the_environment_last),
        cmocka_unit_test(help_at_every_level_teaches),
        cmocka_unit_test(help_without_words_is_a_usage_error),
        cmocka_unit_test(help_under_chinese_locale_is_chinese),
        cmocka_unit_test(version_is_printed),
        cmocka_unit_test(reference_and_man_page_name_every_command),
        cmocka_unit_test(completion_scripts_parse_in_their_shells),
    };
    return cmocka_run_group_tests(tests, plain_locale, NULL);
}
