/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows, defaults, merging and files of settings.
 */
#include "conf/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct settings *parse(const char *text)
{
    struct settings *settings = NULL;
    struct fault fault = {.status = STATUS_OK};
    enum status status = settings_parse(bytes_of_text(text), "t.yaml", &settings, &fault);
    if (status != STATUS_OK) {
        fail_msg("%s", fault.text);
    }
    return settings;
}

static void defaults_when_made_equal_the_table(void **state)
{
    (void)state;
    struct settings *settings = settings_defaults();
    assert_non_null(settings);
    assert_int_equal(settings->listen_handle_port, 2641);
    assert_int_equal(settings->limits_idle, 700000);
    assert_int_equal(settings->store_queue_bytes, 256 * 1024 * 1024);
    assert_string_equal(settings->node_prefix, "88.608");
    assert_int_equal(settings->listen_addresses.count, 2);
    assert_string_equal(settings->listen_addresses.items[1], "::");
    assert_int_equal(settings->limits_trusted_networks.count, 0);
    assert_true(settings->listen_udp);
    for (size_t i = 0; i < settings_row_count(); i++) {
        char text[256];
        const struct setting_row *row = settings_row(i);
        assert_true(settings_is_default(settings, row));
        assert_string_equal(settings_value(settings, row, text, sizeof(text)), row->fallback);
    }
    settings_free(settings);
}

static void row_when_past_the_end_is_null(void **state)
{
    (void)state;
    assert_null(settings_row(settings_row_count()));
    assert_non_null(settings_row(settings_row_count() - 1));
}

static void find_when_known_gives_the_row(void **state)
{
    (void)state;
    const struct setting_row *nearest = NULL;
    const struct setting_row *row = settings_find("log.level", &nearest);
    assert_non_null(row);
    assert_string_equal(row->section, "log");
    assert_string_equal(row->key, "level");
    assert_null(nearest);
}

static void find_when_misspelled_names_the_nearest(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"limits.conections", "connections"},
        {"lisen.handle_port", "handle_port"},
        {"listen.handel_port", "handle_port"},
        {"limits.idel", "idle"},
        {"worker.count", "count"},
        {"log.levle", "level"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct setting_row *nearest = NULL;
        assert_null(settings_find(cases[i][0], &nearest));
        assert_non_null(nearest);
        assert_string_equal(nearest->key, cases[i][1]);
    }
    assert_null(settings_find("", NULL));
}

static void merge_when_file_changed_keeps_what_needs_a_restart(void **state)
{
    (void)state;
    struct settings *running = parse("listen: {handle_port: 3000}\nlog: {level: debug}\n");
    struct settings *loaded = parse("listen: {handle_port: 4000, addresses: [127.0.0.1]}\n"
                                    "log: {level: error}\n"
                                    "limits: {trusted_networks: [10.0.0.0/8, fd00::/8]}\n");
    struct settings *merged = settings_merge(running, loaded);
    assert_non_null(merged);
    settings_free(running);
    settings_free(loaded);
    assert_int_equal(merged->listen_handle_port, 3000);
    assert_int_equal(merged->listen_addresses.count, 2);
    assert_string_equal(merged->log_level, "error");
    assert_int_equal(merged->limits_trusted_networks.count, 2);
    assert_string_equal(merged->limits_trusted_networks.items[1], "fd00::/8");
    settings_free(merged);
}

static void differ_when_values_differ_says_so_for_every_type(void **state)
{
    (void)state;
    struct settings *defaults = settings_defaults();
    assert_non_null(defaults);
    struct settings *other = parse("node: {description: x, drain_timeout: 3s}\n"
                                   "listen: {udp: no, addresses: ['::', 0.0.0.0]}\n"
                                   "workers: {count: 3}\nstore: {map_size: 1G}\n"
                                   "prefix: {reuse: never}\n");
    size_t count = 0;
    for (size_t i = 0; i < settings_row_count(); i++) {
        const struct setting_row *row = settings_row(i);
        assert_false(settings_differ(defaults, defaults, row));
        assert_int_equal(settings_differ(defaults, other, row), !settings_is_default(other, row));
        count += settings_differ(defaults, other, row);
    }
    assert_int_equal(count, 7);
    settings_free(defaults);
    settings_free(other);
}

static void load_when_file_is_good_reads_it(void **state)
{
    (void)state;
    char path[] = "/tmp/guantong-settings-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    static const char text[] = "listen:\n  handle_port: 2841\n";
    assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    (void)close(fd);
    struct settings *settings = NULL;
    struct fault fault;
    assert_int_equal(settings_load(path, &settings, &fault), STATUS_OK);
    assert_int_equal(settings->listen_handle_port, 2841);
    settings_free(settings);
    (void)unlink(path);
}

static void load_when_file_cannot_be_read_hands_out_nothing(void **state)
{
    (void)state;
    struct settings *settings = NULL;
    struct fault fault = {.status = STATUS_OK};
    assert_int_equal(settings_load("/nonexistent/guantong.yaml", &settings, &fault), STATUS_SYSTEM);
    assert_non_null(strstr(fault.text, "/nonexistent/guantong.yaml"));
    assert_int_equal(settings_load("/tmp", &settings, &fault), STATUS_SYSTEM);
    assert_null(settings);
    assert_int_equal(settings_load("/nonexistent", &settings, NULL), STATUS_SYSTEM);
}

static void load_when_file_is_over_a_mebibyte_refuses_it(void **state)
{
    (void)state;
    char path[] = "/tmp/guantong-settings-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "w");
    assert_non_null(file);
    for (size_t i = 0; i < (size_t)1024 * 1024 + 1; i++) {
        (void)fputc('\n', file);
    }
    (void)fclose(file);
    struct settings *settings = NULL;
    struct fault fault;
    assert_int_equal(settings_load(path, &settings, &fault), STATUS_BAD_SETTING);
    assert_non_null(strstr(fault.text, "larger than 1 MiB"));
    (void)truncate(path, (off_t)1024 * 1024);
    assert_int_equal(settings_load(path, &settings, &fault), STATUS_OK);
    settings_free(settings);
    (void)unlink(path);
}

static void free_when_null_does_nothing(void **state)
{
    (void)state;
    settings_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_when_made_equal_the_table),
        cmocka_unit_test(row_when_past_the_end_is_null),
        cmocka_unit_test(find_when_known_gives_the_row),
        cmocka_unit_test(find_when_misspelled_names_the_nearest),
        cmocka_unit_test(merge_when_file_changed_keeps_what_needs_a_restart),
        cmocka_unit_test(differ_when_values_differ_says_so_for_every_type),
        cmocka_unit_test(load_when_file_is_good_reads_it),
        cmocka_unit_test(load_when_file_cannot_be_read_hands_out_nothing),
        cmocka_unit_test(load_when_file_is_over_a_mebibyte_refuses_it),
        cmocka_unit_test(free_when_null_does_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
