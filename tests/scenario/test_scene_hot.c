/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers from memory through a worker's sockets: the second question finds what the first left,
 * over UDP and TCP; budgets count it; a write and a reload end it.
 */
#include "tests/scenario/scene.h"

static void ask_udp(struct scene *scene, struct scene_udp *udp, uint32_t id)
{
    size_t before = udp->count;
    scene_udp_send(scene, udp, scene_request(scene, "88.1000/a", 0, id));
    fake_world_run(scene->world);
    assert_int_equal(udp->count, before + 1);
    assert_int_equal(scene_code(bytes_of(udp->got[before].data, udp->got[before].len), id), 1);
}

static void second_question_is_answered_from_memory_over_udp_and_tcp(void **state)
{
    struct scene *scene = *state;
    struct scene_udp *udp = scene_udp_open(scene);
    struct scene_tcp *tcp = scene_tcp_open(scene);
    ask_udp(scene, udp, 1);
    assert_int_equal(scene_count(scene, METRIC_hot_hits), 0);
    ask_udp(scene, udp, 2);
    assert_int_equal(scene_count(scene, METRIC_hot_hits), 1);
    size_t len = udp->got[0].len;
    assert_int_equal(udp->got[1].len, len);
    for (uint32_t id = 3; id < 6; id++) {
        (void)scene_tcp_send(tcp, scene_request(scene, "88.1000/a", 0, id));
    }
    (void)scene_tcp_send(tcp, scene_request(scene, "88.1000/nothing", 0, 6));
    fake_world_run(scene->world);
    for (uint32_t id = 3; id < 7; id++) {
        assert_int_equal(scene_code(scene_tcp_next(tcp), id), id < 6 ? 1 : 100);
    }
    assert_int_equal(scene_count(scene, METRIC_hot_hits), 4);
    assert_int_equal(metrics_sum(scene->store.metrics, METRIC_requests, EXCHANGE_TCP), 4);
    assert_int_equal(metrics_sum(scene->store.metrics, METRIC_requests, EXCHANGE_UDP), 2);
    scene_tcp_close(tcp);
    scene_udp_close(udp);
}

static void large_answer_from_memory_leaves_in_pieces(void **state)
{
    struct scene *scene = *state;
    static char text[1201];
    memset(text, 'y', sizeof(text) - 1);
    struct value value = fixture_value(1, "DESC", text, 0x0e);
    fixture_put(&scene->store, BYTES_LITERAL("88.1000/three"), &value, 1);
    snapshot_rest(scene->store.snapshot);
    struct scene_udp *udp = scene_udp_open(scene);
    for (uint32_t id = 1; id < 3; id++) {
        scene_udp_send(scene, udp, scene_request(scene, "88.1000/three", 0, id));
        fake_world_run(scene->world);
        assert_int_equal(udp->count, 3 * id);
    }
    assert_int_equal(scene_count(scene, METRIC_hot_hits), 1);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(udp->got[i].len, udp->got[3 + i].len);
        assert_memory_equal(udp->got[i].data + MESSAGE_ENVELOPE_LEN,
                            udp->got[3 + i].data + MESSAGE_ENVELOPE_LEN,
                            udp->got[i].len - MESSAGE_ENVELOPE_LEN);
    }
    scene_udp_close(udp);
}

static void budget_counts_answers_from_memory(void **state)
{
    struct scene *scene = *state;
    struct scene_udp *udp = scene_udp_open(scene);
    scene->settings->limits_udp_per_source = 5;
    for (uint32_t id = 1; id <= 20; id++) {
        scene_udp_send(scene, udp, scene_request(scene, "88.1000/a", 0, id));
        fake_world_run(scene->world);
    }
    assert_in_range(udp->count, 5, 10); /* a source has two buckets */
    assert_int_equal(scene_count(scene, METRIC_hot_hits), (int64_t)udp->count - 1);
    assert_int_equal(scene_count(scene, METRIC_udp_over_source), 20 - (int64_t)udp->count);
    scene_udp_close(udp);
}

static void write_and_reload_end_what_was_kept(void **state)
{
    struct scene *scene = *state;
    struct scene_udp *udp = scene_udp_open(scene);
    struct value value = fixture_value(1, "DESC", "another part", 0x0e);
    ask_udp(scene, udp, 1);
    fixture_put(&scene->store, BYTES_LITERAL("88.1000/a"), &value, 1);
    snapshot_rest(scene->store.snapshot);
    ask_udp(scene, udp, 2);
    assert_int_equal(scene_count(scene, METRIC_hot_hits), 0);
    assert_int_equal(udp->got[1].len, udp->got[0].len + strlen("another part") - strlen("a part"));
    ask_udp(scene, udp, 3);
    assert_int_equal(scene_count(scene, METRIC_hot_hits), 1);
    worker_adopt(&scene->worker, &scene->generation);
    assert_int_equal(scene_count(scene, METRIC_hot_entries), 0);
    ask_udp(scene, udp, 4);
    assert_int_equal(scene_count(scene, METRIC_hot_hits), 1);
    scene->settings->workers_hot_set = 0;
    worker_adopt(&scene->worker, &scene->generation);
    ask_udp(scene, udp, 5);
    ask_udp(scene, udp, 6);
    assert_int_equal(scene_count(scene, METRIC_hot_hits), 1);
    assert_int_equal(scene_count(scene, METRIC_hot_misses), 3);
    scene_udp_close(udp);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, scene_open, scene_close)
    const struct CMUnitTest tests[] = {
        CASE(second_question_is_answered_from_memory_over_udp_and_tcp),
        CASE(large_answer_from_memory_leaves_in_pieces),
        CASE(budget_counts_answers_from_memory),
        CASE(write_and_reload_end_what_was_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
