/* SPDX-License-Identifier: Apache-2.0
 *
 * metrics.c: what is counted is what is told, in every form.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/metrics.h"

static struct metrics *metrics_of(size_t slots)
{
    struct metrics *metrics;
    assert_int_equal(metrics_new(slots, &metrics), STATUS_OK);
    return metrics;
}

static void metric_when_added_in_several_slots_is_summed(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_of(3);
    for (size_t i = 0; i < 3; i++) {
        metrics_add(metrics_slot(metrics, i), METRIC_requests, 1, (int64_t)i + 1);
    }
    metrics_add(metrics_slot(metrics, 0), METRIC_tcp_connections, 0, 5);
    metrics_add(metrics_slot(metrics, 2), METRIC_tcp_connections, 0, -2);
    assert_int_equal(metrics_sum(metrics, METRIC_requests, 1), 6);
    assert_int_equal(metrics_sum(metrics, METRIC_requests, 0), 0);
    assert_int_equal(metrics_sum(metrics, METRIC_tcp_connections, 0), 3);
    metrics_free(metrics);
}

static void cells_when_filled_do_not_overlap(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_of(1);
    int64_t number = 0;
    for (enum metric metric = 0; metric < METRIC_COUNT; metric++) {
        for (unsigned label = 0; label < metrics_label_count(metric); label++) {
            metrics_add(metrics_slot(metrics, 0), metric, label, ++number);
        }
    }
    number = 0;
    for (enum metric metric = 0; metric < METRIC_COUNT; metric++) {
        for (unsigned label = 0; label < metrics_label_count(metric); label++) {
            assert_int_equal(metrics_sum(metrics, metric, label), ++number);
        }
    }
    metrics_free(metrics);
}

static void slots_when_made_share_no_cache_line(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_of(4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal((uintptr_t)metrics_slot(metrics, i) % 64, 0);
    }
    metrics_free(metrics);
}

static void labels_when_named_say_operation_and_code(void **state)
{
    (void)state;
    assert_string_equal(metrics_label_name(METRIC_requests, 0), "udp");
    assert_string_equal(metrics_label_name(METRIC_requests, 1), "tcp");
    assert_string_equal(metrics_label_name(METRIC_operations, metrics_opcode_label(1)),
                        "RESOLUTION");
    assert_string_equal(metrics_label_name(METRIC_operations, metrics_opcode_label(2001)), "LOGIN");
    assert_string_equal(metrics_label_name(METRIC_operations, metrics_opcode_label(4242)),
                        "unknown");
    assert_string_equal(metrics_label_name(METRIC_answers, metrics_code_label(100)), "100");
    assert_string_equal(metrics_label_name(METRIC_answers, metrics_code_label(605)), "605");
    assert_string_equal(metrics_label_name(METRIC_answers, metrics_code_label(31337)), "2");
    assert_string_equal(metrics_label_name(METRIC_reloads, 0), "");
    assert_string_equal(metrics_name(METRIC_reloads), "reloads");
}

static void json_when_made_holds_figures_by_label(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_of(1);
    metrics_add(metrics_slot(metrics, 0), METRIC_requests, 0, 7);
    metrics_add(metrics_slot(metrics, 0), METRIC_straight_answers, 0, 3);
    metrics_add(metrics_slot(metrics, 0), METRIC_answers, metrics_code_label(100), 2);
    json_t *json = metrics_json(metrics);
    json_t *requests = json_object_get(json, "requests");
    json_t *answers = json_object_get(json, "answers");
    assert_int_equal(json_object_size(json), METRIC_COUNT);
    assert_int_equal(json_integer_value(json_object_get(requests, "udp")), 7);
    assert_true(json_is_integer(json_object_get(requests, "tcp")));
    assert_int_equal(json_integer_value(json_object_get(json, "straight_answers")), 3);
    assert_int_equal(json_object_size(answers), 1);
    assert_int_equal(json_integer_value(json_object_get(answers, "100")), 2);
    json_decref(json);
    metrics_free(metrics);
}

static char *text_of(const struct metrics *metrics, bool is_reference)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    if (is_reference) {
        metrics_write_reference(out);
    } else {
        metrics_openmetrics(metrics, out);
    }
    assert_int_equal(fclose(out), 0);
    return text;
}

static size_t count_of(const char *text, const char *what)
{
    size_t count = 0;
    for (const char *at = strstr(text, what); at != NULL; at = strstr(at + 1, what)) {
        count++;
    }
    return count;
}

/* Family by family: TYPE, HELP, then its own samples only, counters ending in _total, no series
 * twice. */
static void openmetrics_when_written_is_well_formed(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_of(1);
    char *text = text_of(metrics, false);
    char *whole = strdup(text);
    char *rest = text;
    char family[128] = "";
    char kind[16] = "";
    size_t families = 0;
    size_t samples = 0;
    assert_non_null(whole);
    for (char *line = strsep(&rest, "\n"); line != NULL && *line != '\0';
         line = strsep(&rest, "\n")) {
        char series[160];
        if (sscanf(line, "# TYPE %127s %15s", family, kind) == 2) {
            (void)snprintf(series, sizeof(series), "# TYPE %s ", family);
            assert_int_equal(count_of(whole, series), 1);
            families++;
            continue;
        }
        (void)snprintf(series, sizeof(series), "# HELP %s ", family);
        if (line[0] == '#') {
            assert_memory_equal(line, series, strlen(series));
            continue;
        }
        const char *suffix = strcmp(kind, "counter") == 0 ? "_total" : "";
        int len = snprintf(series, sizeof(series), "%s%s", family, suffix);
        assert_memory_equal(line, series, (size_t)len);
        assert_true(line[len] == ' ' || line[len] == '{');
        (void)snprintf(series, sizeof(series), "\n%.*s", (int)(strrchr(line, ' ') - line + 1),
                       line);
        assert_int_equal(count_of(whole, series), 1);
        samples++;
    }
    assert_int_equal(families, METRIC_COUNT);
    assert_true(samples > METRIC_COUNT);
    assert_int_equal(count_of(whole, "# EOF"), 0);
    free(whole);
    free(text);
    metrics_free(metrics);
}

static void openmetrics_when_written_tells_values_and_labels(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_of(1);
    metrics_add(metrics_slot(metrics, 0), METRIC_requests, 1, 12);
    metrics_add(metrics_slot(metrics, 0), METRIC_tcp_connections, 0, 4);
    metrics_add(metrics_slot(metrics, 0), METRIC_answers, metrics_code_label(301), 9);
    char *text = text_of(metrics, false);
    assert_int_equal(count_of(text, "\nguantong_requests_total{transport=\"tcp\"} 12\n"), 1);
    assert_int_equal(count_of(text, "\nguantong_tcp_connections 4\n"), 1);
    assert_int_equal(count_of(text, "\nguantong_answers_total{code=\"301\"} 9\n"), 1);
    assert_int_equal(count_of(text, "guantong_operations_total{operation=\"RESOLUTION\"} 0\n"), 1);
    free(text);
    metrics_free(metrics);
}

static void reference_when_written_has_a_row_for_each(void **state)
{
    (void)state;
    char *text = text_of(NULL, true);
    assert_int_equal(count_of(text, "\n| `guantong_"), METRIC_COUNT);
    assert_int_equal(count_of(text, "| `guantong_tcp_connections` | gauge |"), 1);
    free(text);
}

static void *add_often(void *context)
{
    for (int i = 0; i < 100000; i++) {
        metrics_add(context, METRIC_udp_datagrams_in, 0, 1);
    }
    return NULL;
}

static void sum_when_read_beside_its_owner_never_runs_back(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_of(1);
    pthread_t owner;
    assert_int_equal(pthread_create(&owner, NULL, add_often, metrics_slot(metrics, 0)), 0);
    int64_t last = 0;
    while (last < 1000) {
        int64_t now = metrics_sum(metrics, METRIC_udp_datagrams_in, 0);
        assert_true(now >= last);
        last = now;
    }
    assert_int_equal(pthread_join(owner, NULL), 0);
    assert_int_equal(metrics_sum(metrics, METRIC_udp_datagrams_in, 0), 100000);
    metrics_free(metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metric_when_added_in_several_slots_is_summed),
        cmocka_unit_test(cells_when_filled_do_not_overlap),
        cmocka_unit_test(slots_when_made_share_no_cache_line),
        cmocka_unit_test(labels_when_named_say_operation_and_code),
        cmocka_unit_test(json_when_made_holds_figures_by_label),
        cmocka_unit_test(openmetrics_when_written_is_well_formed),
        cmocka_unit_test(openmetrics_when_written_tells_values_and_labels),
        cmocka_unit_test(reference_when_written_has_a_row_for_each),
        cmocka_unit_test(sum_when_read_beside_its_owner_never_runs_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
