/* SPDX-License-Identifier: Apache-2.0
 *
 * A worker's life on the fake network: settings adopted between requests, commits seen at once,
 * draining.
 */
#include "tests/scenario/scene.h"

struct order {
    struct mail mail;
    const struct generation *generation;
    int64_t timeout_ms;
};

static void opened_adopt(struct mail *mail, void *owner)
{
    worker_adopt(owner, ((struct order *)mail)->generation);
}

static void opened_drain(struct mail *mail, void *owner)
{
    worker_drain(owner, ((struct order *)mail)->timeout_ms);
}

static void drain(struct scene *scene, struct order *order, int64_t timeout_ms)
{
    *order = (struct order){.mail.opened = opened_drain, .timeout_ms = timeout_ms};
    worker_post(&scene->worker, &order->mail);
}

static void write_is_seen_by_the_next_request_on_an_open_connection(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    (void)scene_tcp_send(tcp, scene_request(scene, "88.1000/new", 0, 1));
    fake_world_run(scene->world);
    assert_int_equal(scene_code(scene_tcp_next(tcp), 1), 100);

    struct value value = fixture_value(1, "DESC", "now", 0x0e);
    assert_int_equal(snapshot_refresh(scene->store.snapshot), STATUS_OK);
    fixture_put(&scene->store, BYTES_LITERAL("88.1000/new"), &value, 1);
    (void)scene_tcp_send(tcp, scene_request(scene, "88.1000/new", 0, 2));
    fake_world_run(scene->world);
    assert_int_equal(scene_code(scene_tcp_next(tcp), 2), 1);
    scene_tcp_close(tcp);
}

static void adopted_settings_serve_the_next_request(void **state)
{
    struct scene *scene = *state;
    struct settings *other = settings_defaults();
    assert_non_null(other);
    other->limits_idle = 5000;
    struct generation fresh = {.settings = other, .number = 2};
    struct order order = {.mail.opened = opened_adopt, .generation = &fresh};
    struct scene_tcp *tcp = scene_tcp_open(scene);
    worker_post(&scene->worker, &order.mail);
    (void)scene_tcp_send(tcp, scene_request(scene, "88.1000/a", 0, 1));
    fake_world_run(scene->world);
    assert_int_equal(scene_count(scene, METRIC_reloads), 1);
    fake_world_advance(scene->world, 4999);
    assert_false(tcp->is_closed);
    fake_world_advance(scene->world, 1);
    assert_true(tcp->is_closed);
    worker_adopt(&scene->worker, &scene->generation);
    settings_free(other);
    scene_tcp_close(tcp);
}

static void drain_answers_what_has_arrived_and_stops(void **state)
{
    struct scene *scene = *state;
    struct order order;
    struct scene_tcp *asking = scene_tcp_open(scene);
    struct scene_tcp *idle = scene_tcp_open(scene);
    struct scene_udp *udp = scene_udp_open(scene);
    (void)scene_tcp_send(idle, scene_request(scene, "88.1000/a", 0, 7));
    fake_world_run(scene->world);
    assert_int_equal(scene_code(scene_tcp_next(idle), 7), 1);
    for (uint32_t id = 1; id <= 50; id++) {
        (void)scene_tcp_send(asking, scene_request(scene, "88.1000/a", 0, id));
        scene_udp_send(scene, udp, scene_request(scene, "88.1000/a", 0, id));
    }
    drain(scene, &order, 10000);
    fake_world_run(scene->world);
    for (uint32_t id = 1; id <= 50; id++) {
        assert_int_equal(scene_code(scene_tcp_next(asking), id), 1);
    }
    assert_int_equal(udp->count, 50);
    assert_true(asking->is_closed && idle->is_closed);
    assert_true(fake_net_is_stopped(scene->worker_net));

    struct scene_tcp *late = scene_tcp_open(scene);
    assert_true(late->is_refused);
    scene_tcp_close(asking);
    scene_tcp_close(idle);
    scene_tcp_close(late);
    scene_udp_close(udp);
}

static void drain_lets_a_request_that_is_half_in_finish(void **state)
{
    struct scene *scene = *state;
    struct order order;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    struct bytes packet = scene_request(scene, "88.1000/a", 0, 7);
    (void)scene_tcp_send(tcp, bytes_of(packet.data, 30));
    fake_world_run(scene->world);
    drain(scene, &order, 10000);
    fake_world_advance(scene->world, 5000);
    assert_false(tcp->is_closed || fake_net_is_stopped(scene->worker_net));
    (void)scene_tcp_send(tcp, bytes_from(packet, 30));
    fake_world_run(scene->world);
    assert_int_equal(scene_code(scene_tcp_next(tcp), 7), 1);
    assert_true(tcp->is_closed && fake_net_is_stopped(scene->worker_net));
    scene_tcp_close(tcp);
}

static void drain_gives_new_connections_time_for_their_first_request(void **state)
{
    struct scene *scene = *state;
    struct order order;
    struct scene_tcp *distant = scene_tcp_open(scene);
    struct scene_tcp *silent = scene_tcp_open(scene);
    fake_world_run(scene->world);
    drain(scene, &order, 10000);
    fake_world_advance(scene->world, 999);
    assert_false(distant->is_closed || silent->is_closed);
    (void)scene_tcp_send(distant, scene_request(scene, "88.1000/a", 0, 7));
    fake_world_run(scene->world);
    assert_int_equal(scene_code(scene_tcp_next(distant), 7), 1);
    assert_true(distant->is_closed);
    assert_false(silent->is_closed || fake_net_is_stopped(scene->worker_net));
    fake_world_advance(scene->world, 1);
    assert_true(silent->is_closed && fake_net_is_stopped(scene->worker_net));
    scene_tcp_close(distant);
    scene_tcp_close(silent);
}

static void drain_waits_no_longer_than_its_time(void **state)
{
    struct scene *scene = *state;
    struct order order;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    (void)scene_tcp_send(tcp, bytes_of(scene_request(scene, "88.1000/a", 0, 7).data, 30));
    fake_world_run(scene->world);
    drain(scene, &order, 10000);
    fake_world_advance(scene->world, 9999);
    assert_false(fake_net_is_stopped(scene->worker_net));
    fake_world_advance(scene->world, 1);
    assert_true(fake_net_is_stopped(scene->worker_net));
    scene_tcp_close(tcp);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, scene_open, scene_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(write_is_seen_by_the_next_request_on_an_open_connection),
        CASE(adopted_settings_serve_the_next_request),
        CASE(drain_answers_what_has_arrived_and_stops),
        CASE(drain_lets_a_request_that_is_half_in_finish),
        CASE(drain_gives_new_connections_time_for_their_first_request),
        CASE(drain_waits_no_longer_than_its_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
