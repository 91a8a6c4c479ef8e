/* SPDX-License-Identifier: Apache-2.0
 *
 * Warnings nobody asked for: a clock set back, in the log, the status and the figures.
 */
#include "tests/unit/admin/run_node.h"

#include <time.h>

#include "admin/control_parts.h"
#include "admin/figures.h"
#include "registry/committer.h"

#define HOUR_MS 3600000

static int64_t wall_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A change made when the clock stood `ahead_ms` later. */
static void write_ahead(struct home *home, int64_t ahead_ms)
{
    struct fault fault = {.status = STATUS_OK};
    struct registry *registry = NULL;
    struct snapshot *snapshot = NULL;
    assert_int_equal(directory_open_registry(home->arena, home->path, false, &registry, &fault),
                     STATUS_OK);
    assert_int_equal(snapshot_new(registry, &snapshot), STATUS_OK);
    struct change_set *set = home_set("88.1000/p", 1, "x");
    assert_int_equal(committer_commit_now(registry, snapshot, set, wall_ms() + ahead_ms),
                     STATUS_OK);
    change_set_free(set);
    snapshot_free(snapshot);
    registry_close(registry);
}

static json_int_t behind_ms(struct home *home)
{
    struct run run = EXPECT(EXIT_OK, "node", "status", home->path, "--json");
    json_t *status = run_json(&run);
    json_int_t behind = json_number(status, "clock_behind_ms");
    json_decref(status);
    run_done(&run);
    return behind;
}

static void clock_set_back_is_warned_of(void **state)
{
    (void)state;
    struct home *home = home_make();
    write_ahead(home, HOUR_MS);
    home_serve(home, 100);
    json_int_t behind = behind_ms(home);
    assert_true(behind > HOUR_MS - 60000 && behind <= HOUR_MS);
    struct run run = EXPECT(EXIT_OK, "node", "status", home->path);
    assert_non_null(strstr(run.out, "set back"));
    run_done(&run);
    run = EXPECT(EXIT_OK, "stats", home->path, "--json");
    json_t *stats = run_json(&run);
    assert_true(json_number(json_object_get(stats, "store"), "store_clock_behind_ms") > 3000000);
    json_decref(stats);
    run_done(&run);
    home_free(home);
}

static void clock_that_is_right_is_not(void **state)
{
    (void)state;
    struct home *home = home_make();
    write_ahead(home, 0);
    home_serve(home, 100);
    assert_int_equal(behind_ms(home), 0);
    struct run run = EXPECT(EXIT_OK, "node", "status", home->path);
    assert_null(strstr(run.out, "set back"));
    run_done(&run);
    home_free(home);
}

static size_t count_lines(const char *path, const char *with)
{
    char line[512];
    size_t count = 0;
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    while (fgets(line, sizeof(line), in) != NULL) {
        count += strstr(line, with) != NULL;
    }
    (void)fclose(in);
    return count;
}

static void clock_set_back_is_logged_once_and_once_when_over(void **state)
{
    (void)state;
    struct home *home = home_make();
    struct fault fault = {.status = STATUS_OK};
    struct control control = {.stop_deadline_ms = 0};
    char path[96];
    (void)snprintf(path, sizeof(path), "%s/log/test.log", home->path);
    const struct log_options options = {.level = LOG_LEVEL_INFO, .file = path};
    write_ahead(home, 5000);
    assert_int_equal(log_open(&options, &control.options.log, &fault), STATUS_OK);
    assert_int_equal(net_new(&control.net), STATUS_OK);
    assert_int_equal(
        directory_open_registry(home->arena, home->path, false, &control.options.registry, &fault),
        STATUS_OK);
    control_care_tick(&control);
    control_care_tick(&control);
    assert_int_equal(count_lines(path, "set back"), 1);
    assert_int_equal(count_lines(path, "caught up with"), 0);
    const struct timespec until_over = {.tv_sec = 6};
    (void)nanosleep(&until_over, NULL);
    control_care_tick(&control);
    control_care_tick(&control);
    assert_int_equal(count_lines(path, "set back"), 1);
    assert_int_equal(count_lines(path, "caught up with"), 1);
    registry_close(control.options.registry);
    net_free(control.net);
    log_close(control.options.log);
    home_free(home);
}

static void age_of_a_reader_is_seconds_since_it_was_superseded(void **state)
{
    (void)state;
    struct registry_figures figures = {.oldest_reader_since_ms = 10000};
    assert_int_equal(figures_age_s(&figures, 75999), 65);
    assert_int_equal(figures_age_s(&figures, 9000), 0);
    figures.oldest_reader_since_ms = 0;
    assert_int_equal(figures_age_s(&figures, 75999), 0);
    figures.journal_time_ms = 5000;
    assert_int_equal(figures_clock_behind_ms(&figures, 1000), 4000);
    assert_int_equal(figures_clock_behind_ms(&figures, 5000), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clock_set_back_is_warned_of),
        cmocka_unit_test(clock_that_is_right_is_not),
        cmocka_unit_test(clock_set_back_is_logged_once_and_once_when_over),
        cmocka_unit_test(age_of_a_reader_is_seconds_since_it_was_superseded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
