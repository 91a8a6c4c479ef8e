/* SPDX-License-Identifier: Apache-2.0
 *
 * log.c: one line an event, whatever the event holds, and files that can be rotated.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "resolver/log.h"

struct scratch {
    char directory[64];
    char path[96];
    char moved[96];
    char content[1u << 20];
};

static int open_scratch(void **state)
{
    static struct scratch scratch;
    (void)snprintf(scratch.directory, sizeof(scratch.directory), "/tmp/guantong-log-XXXXXX");
    if (mkdtemp(scratch.directory) == NULL) {
        return -1;
    }
    (void)snprintf(scratch.path, sizeof(scratch.path), "%s/log", scratch.directory);
    (void)snprintf(scratch.moved, sizeof(scratch.moved), "%s/log.1", scratch.directory);
    *state = &scratch;
    return 0;
}

static int close_scratch(void **state)
{
    struct scratch *scratch = *state;
    (void)unlink(scratch->path);
    (void)unlink(scratch->moved);
    return rmdir(scratch->directory);
}

static const char *read_file(struct scratch *scratch, const char *path)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t len = fread(scratch->content, 1, sizeof(scratch->content) - 1, file);
    scratch->content[len] = '\0';
    assert_int_equal(fclose(file), 0);
    return scratch->content;
}

static struct log *open_log(struct scratch *scratch, enum log_level level, bool is_json)
{
    struct log_options options = {level, is_json, scratch->path, false};
    struct log *log;
    (void)unlink(scratch->path);
    assert_int_equal(log_open(&options, &log, NULL), STATUS_OK);
    return log;
}

static void line_when_written_has_time_level_subject_and_what(void **state)
{
    struct log *log = open_log(*state, LOG_LEVEL_INFO, false);
    log_write(log, LOG_LEVEL_WARNING, "udp", "port %d busy (%s)", 2641, "in use");
    log_close(log);
    const char *line = read_file(*state, ((struct scratch *)*state)->path);
    assert_string_equal(line + 24, " warning udp: port 2641 busy (in use)\n");
    assert_int_equal(line[10], 'T');
    assert_int_equal(line[23], 'Z');
}

static void level_when_below_is_not_written(void **state)
{
    struct log *log = open_log(*state, LOG_LEVEL_NOTICE, false);
    assert_true(log_wants(log, LOG_LEVEL_ERROR));
    assert_true(log_wants(log, LOG_LEVEL_NOTICE));
    assert_false(log_wants(log, LOG_LEVEL_INFO));
    log_write(log, LOG_LEVEL_INFO, "node", "quiet");
    log_write(log, LOG_LEVEL_DEBUG, "node", "quiet");
    log_close(log);
    assert_string_equal(read_file(*state, ((struct scratch *)*state)->path), "");
}

static void level_when_named_is_understood(void **state)
{
    (void)state;
    assert_int_equal(log_level_parse("error"), LOG_LEVEL_ERROR);
    assert_int_equal(log_level_parse("debug"), LOG_LEVEL_DEBUG);
    assert_int_equal(log_level_parse("loud"), LOG_LEVEL_INFO);
}

static void line_when_json_is_one_object(void **state)
{
    struct log *log = open_log(*state, LOG_LEVEL_INFO, true);
    log_write(log, LOG_LEVEL_ERROR, "store", "\"%s\" \\ %s\n\x01\xff", "quoted", "标识");
    log_close(log);
    const char *line = read_file(*state, ((struct scratch *)*state)->path);
    json_t *object = json_loads(line, 0, NULL);
    assert_non_null(object);
    assert_int_equal(json_object_size(object), 4);
    assert_string_equal(json_string_value(json_object_get(object, "level")), "error");
    assert_string_equal(json_string_value(json_object_get(object, "subject")), "store");
    assert_string_equal(json_string_value(json_object_get(object, "message")),
                        "\"quoted\" \\ 标识\\x0a\\x01\\xff");
    assert_non_null(json_object_get(object, "time"));
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    json_decref(object);
}

static void line_when_event_holds_line_breaks_stays_one(void **state)
{
    struct log *log = open_log(*state, LOG_LEVEL_INFO, false);
    log_write(log, LOG_LEVEL_INFO, "peer", "a\r\n2026 error forged: b\x1b[2J\xc2\x9b");
    log_close(log);
    const char *line = read_file(*state, ((struct scratch *)*state)->path);
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    assert_non_null(strstr(line, "a\\x0d\\x0a2026 error forged: b\\x1b[2J\\xc2\\x9b"));
}

static void line_when_too_long_is_cut_not_lost(void **state)
{
    static char text[10000];
    memset(text, 1, sizeof(text) - 1); /* the longest escape each */
    struct log *log = open_log(*state, LOG_LEVEL_INFO, true);
    log_write(log, LOG_LEVEL_INFO, "test", "%s", text);
    log_close(log);
    json_t *object = json_loads(read_file(*state, ((struct scratch *)*state)->path), 0, NULL);
    assert_non_null(object);
    assert_true(json_string_length(json_object_get(object, "message")) > 8000);
    json_decref(object);
}

static void file_when_rotated_is_made_again(void **state)
{
    struct scratch *scratch = *state;
    struct log *log = open_log(scratch, LOG_LEVEL_INFO, false);
    log_write(log, LOG_LEVEL_INFO, "a", "first");
    assert_int_equal(rename(scratch->path, scratch->moved), 0);
    log_write(log, LOG_LEVEL_INFO, "a", "second");
    struct log_options options = {LOG_LEVEL_DEBUG, true, scratch->path, false};
    assert_int_equal(log_reopen(log, &options, NULL), STATUS_OK);
    log_write(log, LOG_LEVEL_DEBUG, "a", "third");
    log_close(log);
    const char *old = read_file(scratch, scratch->moved);
    assert_non_null(strstr(old, "first"));
    assert_non_null(strstr(old, "second"));
    assert_null(strstr(old, "third"));
    assert_non_null(strstr(read_file(scratch, scratch->path), "\"message\":\"third\""));
}

static void file_when_it_cannot_be_opened_leaves_the_old_one(void **state)
{
    struct scratch *scratch = *state;
    struct fault fault = {0};
    struct log *log = open_log(scratch, LOG_LEVEL_INFO, false);
    struct log_options bad = {LOG_LEVEL_DEBUG, true, "/nonexistent/guantong/log", false};
    assert_int_equal(log_reopen(log, &bad, &fault), STATUS_SYSTEM);
    assert_non_null(strstr(fault.text, "/nonexistent/guantong/log"));
    assert_false(log_wants(log, LOG_LEVEL_DEBUG));
    log_write(log, LOG_LEVEL_INFO, "a", "still here");
    log_close(log);
    assert_non_null(strstr(read_file(scratch, scratch->path), " info a: still here\n"));
    assert_int_equal(log_open(&bad, &log, &fault), STATUS_SYSTEM);
    log_close(NULL);
}

static void *write_often(void *context)
{
    for (int i = 0; i < 500; i++) {
        log_write(context, LOG_LEVEL_INFO, "thread", "one whole line number %d", i);
    }
    return NULL;
}

static void lines_when_written_by_threads_stay_whole(void **state)
{
    struct scratch *scratch = *state;
    struct log *log = open_log(scratch, LOG_LEVEL_INFO, false);
    struct log_options options = {LOG_LEVEL_INFO, false, scratch->path, false};
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, write_often, log), 0);
    }
    for (int i = 0; i < 20; i++) {
        assert_int_equal(log_reopen(log, &options, NULL), STATUS_OK);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    log_close(log);
    char *rest = scratch->content;
    size_t lines = 0;
    (void)read_file(scratch, scratch->path);
    for (char *line = strsep(&rest, "\n"); *line != '\0'; line = strsep(&rest, "\n")) {
        int number = -1;
        assert_int_equal(sscanf(line + 24, " info thread: one whole line number %d", &number), 1);
        assert_in_range(number, 0, 499);
        lines++;
    }
    assert_int_equal(lines, 2000);
}

static void gate_when_passed_opens_again_after_a_second(void **state)
{
    (void)state;
    struct log_options options = {.level = LOG_LEVEL_INFO};
    struct log *log;
    struct fault fault;
    assert_int_equal(log_open(&options, &log, &fault), STATUS_OK);
    assert_true(log_gate(log, 0, 5000));
    assert_false(log_gate(log, 0, 5000));
    assert_false(log_gate(log, 0, 5999));
    assert_true(log_gate(log, LOG_GATES - 1, 5999));
    assert_true(log_gate(log, 0, 6000));
    assert_false(log_gate(log, 0, 6001));
    log_close(log);
}

static void quote_when_given_foreign_bytes_is_printable(void **state)
{
    (void)state;
    char out[64];
    static const struct {
        struct bytes data;
        const char *shown;
    } cases[] = {
        {{(const uint8_t *)"plain 标识", 12}, "plain 标识"},
        {{(const uint8_t *)"a\0b\x7f\n", 5}, "a\\x00b\\x7f\\x0a"},
        {{(const uint8_t *)"\xff\xc3(\xe6\xa0", 5}, "\\xff\\xc3(\\xe6\\xa0"},
        {{(const uint8_t *)"\xe2\x80\xae"
                           "abc",
          6},
         "\\xe2\\x80\\xaeabc"},
        {{(const uint8_t *)"\xed\xa0\x80", 3}, "\\xed\\xa0\\x80"},
        {{NULL, 0}, ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_ptr_equal(log_quote(cases[i].data, out, sizeof(out)), out);
        assert_string_equal(out, cases[i].shown);
    }
}

static void quote_when_too_long_is_cut_at_a_character(void **state)
{
    (void)state;
    char out[9];
    assert_string_equal(log_quote(BYTES_LITERAL("12345678"), out, sizeof(out)), "12345678");
    assert_string_equal(log_quote(BYTES_LITERAL("123456789"), out, sizeof(out)), "12345...");
    assert_string_equal(log_quote(BYTES_LITERAL("标识标识"), out, sizeof(out)), "标...");
    assert_string_equal(log_quote(BYTES_LITERAL("\x01\x01\x01"), out, sizeof(out)), "\\x01...");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_when_written_has_time_level_subject_and_what),
        cmocka_unit_test(level_when_below_is_not_written),
        cmocka_unit_test(level_when_named_is_understood),
        cmocka_unit_test(line_when_json_is_one_object),
        cmocka_unit_test(line_when_event_holds_line_breaks_stays_one),
        cmocka_unit_test(line_when_too_long_is_cut_not_lost),
        cmocka_unit_test(file_when_rotated_is_made_again),
        cmocka_unit_test(file_when_it_cannot_be_opened_leaves_the_old_one),
        cmocka_unit_test(lines_when_written_by_threads_stay_whole),
        cmocka_unit_test(gate_when_passed_opens_again_after_a_second),
        cmocka_unit_test(quote_when_given_foreign_bytes_is_printable),
        cmocka_unit_test(quote_when_too_long_is_cut_at_a_character),
    };
    return cmocka_run_group_tests(tests, open_scratch, close_scratch);
}
