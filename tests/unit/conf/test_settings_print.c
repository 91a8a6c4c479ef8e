/* SPDX-License-Identifier: Apache-2.0
 *
 * The template a new node gets and the reference page: both complete, the template readable by our
 * own reader.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "conf/settings.h"

static char *template_of(const char *const (*overrides)[2], size_t count)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    assert_int_equal(settings_write_template(out, overrides, count), STATUS_OK);
    (void)fclose(out);
    return text;
}

static char *reference_of(bool is_chinese)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    settings_write_reference(out, is_chinese);
    (void)fclose(out);
    return text;
}

static void template_when_read_gives_the_overrides_and_defaults(void **state)
{
    (void)state;
    static const char *const overrides[][2] = {
        {"node.prefix", "88.10"},
        {"node.description", "say \"hi\" \\ 鄂州"},
        {"listen.addresses", "127.0.0.1, ::1"},
        {"listen.handle_port", "2841"},
        {"limits.idle", "1h"},
        {"log.level", "debug"},
        {"listen.udp", "no"},
    };
    const size_t count = sizeof(overrides) / sizeof(overrides[0]);
    char *text = template_of(overrides, count);
    struct settings *settings = NULL;
    struct fault fault;
    assert_int_equal(settings_parse(bytes_of_text(text), "t", &settings, &fault), STATUS_OK);
    size_t changed = 0;
    for (size_t i = 0; i < settings_row_count(); i++) {
        changed += !settings_is_default(settings, settings_row(i));
    }
    assert_int_equal(changed, count);
    assert_string_equal(settings->node_prefix, "88.10");
    assert_string_equal(settings->node_description, "say \"hi\" \\ 鄂州");
    assert_int_equal(settings->listen_addresses.count, 2);
    assert_int_equal(settings->limits_idle, 3600000);
    assert_non_null(strstr(text, "\n  prefix: \"88.10\"\n"));
    settings_free(settings);
    free(text);
}

/* Taking every "#" away that stands before a key gives the defaults, written out. */
static void template_when_uncommented_is_the_defaults(void **state)
{
    (void)state;
    char *text = template_of(NULL, 0);
    size_t uncommented = 0;
    for (char *at = strstr(text, "\n  #"); at != NULL; at = strstr(at + 1, "\n  #")) {
        if (at[4] != ' ') {
            memmove(at + 3, at + 4, strlen(at + 4) + 1);
            uncommented++;
        }
    }
    assert_int_equal(uncommented, settings_row_count());
    struct settings *settings = NULL;
    struct fault fault = {.status = STATUS_OK};
    enum status status = settings_parse(bytes_of_text(text), "t", &settings, &fault);
    assert_string_equal(fault.text, "");
    assert_int_equal(status, STATUS_OK);
    for (size_t i = 0; i < settings_row_count(); i++) {
        assert_true(settings_is_default(settings, settings_row(i)));
    }
    settings_free(settings);
    free(text);
}

static void template_when_an_override_is_bad_is_refused(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"node.prefx", "88.1"},          {"node.prefix", "88..1"}, {"listen.handle_port", "0"},
        {"listen.addresses", "nowhere"}, {"listen.addresses", ""}, {"log.level", "loud"},
        {"node.description", "a\nb: c"},
    };
    FILE *out = tmpfile();
    assert_non_null(out);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(settings_write_template(out, &bad[i], 1), STATUS_BAD_SETTING);
    }
    assert_int_equal(ftell(out), 0);
    (void)fclose(out);
}

static void template_when_the_file_fails_says_so(void **state)
{
    (void)state;
    FILE *out = fopen("/dev/full", "w");
    assert_non_null(out);
    setbuf(out, NULL);
    assert_int_equal(settings_write_template(out, NULL, 0), STATUS_SYSTEM);
    (void)fclose(out);
}

static void reference_when_written_explains_every_row_in_both_languages(void **state)
{
    (void)state;
    for (int is_chinese = 0; is_chinese <= 1; is_chinese++) {
        char *text = reference_of(is_chinese != 0);
        size_t lines = 0;
        assert_null(strstr(text, " <"));
        for (char *at = strstr(text, "\\<"); at != NULL; at = strstr(at, "\\<")) {
            memmove(at, at + 1, strlen(at)); /* the escape Markdown needs */
        }
        for (size_t i = 0; i < settings_row_count(); i++) {
            const struct setting_row *row = settings_row(i);
            char start[64];
            (void)snprintf(start, sizeof(start), "\n| `%s` |", row->key);
            assert_non_null(strstr(text, start));
            assert_non_null(strstr(text, is_chinese != 0 ? row->help_zh : row->help));
        }
        for (const char *at = strstr(text, "\n| `"); at != NULL; at = strstr(at + 1, "\n| `")) {
            lines++;
        }
        assert_int_equal(lines, settings_row_count());
        assert_non_null(strstr(text, "`error` `warning` `notice` `info` `debug`"));
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(template_when_read_gives_the_overrides_and_defaults),
        cmocka_unit_test(template_when_uncommented_is_the_defaults),
        cmocka_unit_test(template_when_an_override_is_bad_is_refused),
        cmocka_unit_test(template_when_the_file_fails_says_so),
        cmocka_unit_test(reference_when_written_explains_every_row_in_both_languages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
