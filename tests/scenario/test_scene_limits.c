/* SPDX-License-Identifier: Apache-2.0
 *
 * What strangers can make a node keep over TCP, on the fake network: slow messages, answers nobody
 * takes; and connections that are made while the node stops (protocol.md §14 row 20).
 */
#include "tests/scenario/scene.h"

#define PEERS 40

static void send_whole(struct scene *scene, struct scene_tcp *tcp, uint32_t id)
{
    struct bytes packet = scene_request(scene, "88.1000/a", 0, id);
    assert_int_equal(scene_tcp_send(tcp, packet), packet.len);
    fake_world_run(scene->world);
}

static void send_half(struct scene *scene, struct scene_tcp *tcp, uint32_t id)
{
    (void)scene_tcp_send(tcp, bytes_of(scene_request(scene, "88.1000/a", 0, id).data, 30));
    fake_world_run(scene->world);
}

static void send_rest(struct scene *scene, struct scene_tcp *tcp, uint32_t id)
{
    (void)scene_tcp_send(tcp, bytes_from(scene_request(scene, "88.1000/a", 0, id), 30));
    fake_world_run(scene->world);
}

static void message_begun_after_the_first_must_be_complete_in_30_s(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    send_whole(scene, tcp, 1);
    fake_world_advance(scene->world, 100000);
    send_half(scene, tcp, 2);
    fake_world_advance(scene->world, 29999);
    assert_false(tcp->is_closed);
    send_rest(scene, tcp, 2);
    assert_int_equal(scene_code(scene_tcp_next(tcp), 1), 1);
    assert_int_equal(scene_code(scene_tcp_next(tcp), 2), 1);
    fake_world_advance(scene->world, 600000);
    assert_false(tcp->is_closed); /* idle, and nothing begun */

    send_half(scene, tcp, 3);
    for (int second = 0; second < 29; second++) {
        uint8_t drip = 0;
        (void)scene_tcp_send(tcp, bytes_of(&drip, 1));
        fake_world_advance(scene->world, 1000);
    }
    assert_false(tcp->is_closed);
    fake_world_advance(scene->world, 1000);
    assert_true(tcp->is_closed);
    assert_int_equal(scene_count(scene, METRIC_tcp_slow_messages), 1);
    assert_int_equal(scene_count(scene, METRIC_tcp_timeouts), 0);
    scene_tcp_close(tcp);
}

static void each_message_has_its_own_30_s(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    send_half(scene, tcp, 1);
    for (uint32_t id = 1; id < 10; id++) { /* never at rest between two messages */
        fake_world_advance(scene->world, 20000);
        struct bytes packet = bytes_from(scene_request(scene, "88.1000/a", 0, id), 30);
        (void)scene_tcp_send(tcp, packet);
        send_half(scene, tcp, id + 1);
        assert_int_equal(scene_code(scene_tcp_next(tcp), id), 1);
    }
    assert_false(tcp->is_closed);
    fake_world_advance(scene->world, 30000);
    assert_true(tcp->is_closed);
    scene_tcp_close(tcp);
}

static void time_in_which_a_connection_is_not_read_is_not_the_peers(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    scene->settings->limits_pipelined = 1;
    fake_world_streams(scene->world, 0, 200);
    net_stream_want(tcp->net, false, false);
    for (uint32_t id = 1; id <= 4; id++) {
        send_whole(scene, tcp, id);
    }
    send_half(scene, tcp, 5);
    assert_int_equal(scene_count(scene, METRIC_tcp_held_back), 1);
    fake_world_advance(scene->world, 60000);
    assert_false(tcp->is_closed);
    fake_world_streams(scene->world, 0, 0);
    net_stream_want(tcp->net, true, false);
    fake_world_run(scene->world);
    send_rest(scene, tcp, 5);
    for (uint32_t id = 1; id <= 5; id++) {
        assert_int_equal(scene_code(scene_tcp_next(tcp), id), 1);
    }
    scene_tcp_close(tcp);
}

/* --- answers nobody takes -------------------------------------------------------------------- */

/* Asks for 200 large answers, all in one go, and reads none. */
static struct scene_tcp *open_lazy(struct scene *scene)
{
    struct scene_tcp *tcp = scene_tcp_open(scene);
    net_stream_want(tcp->net, false, false);
    fake_world_streams(scene->world, 0, 0);
    for (uint32_t id = 1; id <= 200; id++) {
        (void)scene_tcp_send(tcp, scene_request(scene, "88.1000/large", 0, id));
    }
    fake_world_streams(scene->world, 0, 4096);
    fake_world_run(scene->world);
    return tcp;
}

static bool is_reset(struct scene *scene, struct scene_tcp *tcp)
{
    net_stream_want(tcp->net, true, false);
    fake_world_run(scene->world);
    return tcp->is_closed;
}

static void answers_nobody_takes_are_bounded_over_all_connections(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *lazy[PEERS];
    const size_t limit = 4u << 20;
    scene->settings->limits_output_bytes = (int64_t)limit;
    for (size_t i = 0; i < PEERS; i++) {
        lazy[i] = open_lazy(scene);
        assert_true(scene->worker.outboxes.bytes <= limit);
        assert_int_equal(scene_count(scene, METRIC_tcp_output_bytes), scene->worker.outboxes.bytes);
    }
    assert_true(scene->worker.outboxes.bytes > limit / 2);
    assert_true(scene_count(scene, METRIC_tcp_output_closed) > 0);
    fake_world_streams(scene->world, 0, 0);
    struct scene_tcp *good = scene_tcp_open(scene);
    send_whole(scene, good, 1);
    assert_int_equal(scene_code(scene_tcp_next(good), 1), 1);
    for (size_t i = 0; i < PEERS; i++) {
        scene_tcp_close(lazy[i]);
    }
    fake_world_run(scene->world);
    assert_int_equal(scene->worker.outboxes.bytes, 0);
    assert_int_equal(scene_count(scene, METRIC_tcp_output_bytes), 0);
    scene_tcp_close(good);
}

static void over_the_limit_the_peer_that_took_nothing_longest_is_closed(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *lazy[PEERS];
    scene->settings->limits_output_bytes = 2 << 20;
    lazy[0] = open_lazy(scene);
    lazy[1] = open_lazy(scene);
    fake_world_advance(scene->world, 10000);
    /* The first takes a little: now the second has waited longest. */
    scene_tcp_on_readable(lazy[0]);
    fake_world_run(scene->world);
    size_t count = 2;
    while (scene_count(scene, METRIC_tcp_output_closed) == 0) {
        assert_true(count < PEERS);
        lazy[count++] = open_lazy(scene);
    }
    assert_int_equal(scene_count(scene, METRIC_tcp_output_closed), 1);
    fake_world_streams(scene->world, 0, 0);
    assert_true(is_reset(scene, lazy[1]));
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(is_reset(scene, lazy[i]), i == 1);
        scene_tcp_close(lazy[i]);
    }
}

/* --- the end --------------------------------------------------------------------------------- */

struct order {
    struct mail mail;
};

static void opened_drain(struct mail *mail, void *owner)
{
    (void)mail;
    worker_drain(owner, 10000);
}

static void drain_answers_connections_that_wait_to_be_accepted(void **state)
{
    static const struct net_stream_events events = {
        .readable = scene_tcp_on_readable,
        .writable = scene_tcp_on_writable,
        .failed = scene_tcp_on_failed,
    };
    struct scene *scene = *state;
    struct order order = {.mail.opened = opened_drain};
    struct scene_tcp *clients[100];
    worker_post(&scene->worker, &order.mail);
    for (uint32_t i = 0; i < 100; i++) {
        clients[i] = calloc(1, sizeof(*clients[i]));
        assert_non_null(clients[i]);
        assert_int_equal(
            net_connect(scene->client_net, &scene->address, &events, clients[i], &clients[i]->net),
            STATUS_OK);
        (void)scene_tcp_send(clients[i], scene_request(scene, "88.1000/a", 0, i + 1));
    }
    fake_world_run(scene->world);
    assert_true(fake_net_is_stopped(scene->worker_net));
    for (uint32_t i = 0; i < 100; i++) {
        assert_false(clients[i]->is_refused);
        assert_int_equal(scene_code(scene_tcp_next(clients[i]), i + 1), 1);
        scene_tcp_close(clients[i]);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, scene_open, scene_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(message_begun_after_the_first_must_be_complete_in_30_s),
        CASE(each_message_has_its_own_30_s),
        CASE(time_in_which_a_connection_is_not_read_is_not_the_peers),
        CASE(answers_nobody_takes_are_bounded_over_all_connections),
        CASE(over_the_limit_the_peer_that_took_nothing_longest_is_closed),
        CASE(drain_answers_connections_that_wait_to_be_accepted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
