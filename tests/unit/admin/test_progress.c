/* SPDX-License-Identifier: Apache-2.0
 *
 * The progress line: what it says, when it keeps silent.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admin/progress.h"

static void count_is_grouped_by_three(void **state)
{
    (void)state;
    char text[32];
    progress_count(0, text);
    assert_string_equal(text, "0");
    progress_count(999, text);
    assert_string_equal(text, "999");
    progress_count(1000, text);
    assert_string_equal(text, "1 000");
    progress_count(UINT64_MAX, text);
    assert_string_equal(text, "18 446 744 073 709 551 615");
}

static void text_of_a_file_has_rate_share_and_time_left(void **state)
{
    (void)state;
    char text[PROGRESS_TEXT_MAX];
    struct progress_figures figures = {"a.jsonl", 50000, 250, 1000, 2000};
    progress_text(&figures, false, text);
    assert_string_equal(text, "a.jsonl: 50 000 records  25 000/s  25 %  6 s left");
    figures.total_bytes = 250000;
    progress_text(&figures, true, text);
    assert_string_equal(text, "a.jsonl：50 000 条  25 000 条/秒  0 %  剩余 34 分钟");
}

static void text_of_a_pipe_has_neither_share_nor_time_left(void **state)
{
    (void)state;
    char text[PROGRESS_TEXT_MAX];
    struct progress_figures figures = {"stdin", 10, 500, 0, 1000};
    progress_text(&figures, false, text);
    assert_string_equal(text, "stdin: 10 records  10/s");
}

static void text_of_a_file_that_grew_stays_below_all(void **state)
{
    (void)state;
    char text[PROGRESS_TEXT_MAX];
    struct progress_figures figures = {"a", 1, 2000, 1000, 1000};
    progress_text(&figures, false, text);
    assert_string_equal(text, "a: 1 records  1/s  100 %  0 s left");
}

static void show_without_a_stream_is_silent(void **state)
{
    (void)state;
    struct progress progress;
    struct progress_figures figures = {"a", 1, 1, 1, 1};
    progress_init(&progress, NULL, false);
    progress_show(&progress, &figures, 1000);
    progress_clear(&progress);
    assert_false(progress.is_shown);
}

static void show_waits_until_it_is_due_and_clear_wipes(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len = 0;
    FILE *stream = open_memstream(&text, &len);
    struct progress progress;
    struct progress_figures figures = {"a", 1, 0, 0, 1000};
    progress_init(&progress, stream, false);
    progress_show(&progress, &figures, 1000);
    figures.records = 2;
    progress_show(&progress, &figures, 1100);
    figures.records = 3;
    progress_show(&progress, &figures, 1200);
    progress_clear(&progress);
    progress_clear(&progress);
    assert_int_equal(fclose(stream), 0);
    assert_string_equal(text, "\r\033[?7la: 1 records  1/s\033[K\033[?7h"
                              "\r\033[?7la: 3 records  3/s\033[K\033[?7h\r\033[K");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(count_is_grouped_by_three),
        cmocka_unit_test(text_of_a_file_has_rate_share_and_time_left),
        cmocka_unit_test(text_of_a_pipe_has_neither_share_nor_time_left),
        cmocka_unit_test(text_of_a_file_that_grew_stays_below_all),
        cmocka_unit_test(show_without_a_stream_is_silent),
        cmocka_unit_test(show_waits_until_it_is_due_and_clear_wipes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
