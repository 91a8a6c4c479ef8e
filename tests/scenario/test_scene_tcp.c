/* SPDX-License-Identifier: Apache-2.0
 *
 * TCP on the fake network: kept and pipelined connections, slow and greedy peers, lost framing,
 * time-outs, limits (protocol.md §3.4, §14 rows 1-3, 18-20, 27).
 */
#include "tests/scenario/scene.h"

static void kept_connection_answers_one_request_after_the_other(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    assert_true(tcp->is_connected);
    for (uint32_t id = 1; id <= 20; id++) {
        struct bytes packet = scene_request(scene, "88.1000/a", 0, id);
        assert_int_equal(scene_tcp_send(tcp, packet), packet.len);
        fake_world_advance(scene->world, 600000);
        assert_int_equal(scene_code(scene_tcp_next(tcp), id), 1);
    }
    assert_false(tcp->is_closed);
    assert_int_equal(scene_count(scene, METRIC_tcp_accepted), 1);
    scene_tcp_close(tcp);
}

static void request_that_comes_byte_by_byte_is_answered(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    struct bytes packet = scene_request(scene, "88.1000/a", 200, 3);
    for (size_t i = 0; i < packet.len; i++) {
        assert_int_equal(tcp->len, 0);
        assert_int_equal(scene_tcp_send(tcp, bytes_of(packet.data + i, 1)), 1);
        fake_world_run(scene->world);
    }
    assert_int_equal(scene_code(scene_tcp_next(tcp), 3), 1);
    scene_tcp_close(tcp);
}

static void pipelined_requests_are_answered_in_one_write(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    for (uint32_t id = 1; id <= 100; id++) {
        struct bytes packet = scene_request(scene, "88.1000/a", 0, id);
        assert_int_equal(scene_tcp_send(tcp, packet), packet.len);
    }
    fake_world_run(scene->world);
    assert_int_equal(tcp->reads, 1);
    for (uint32_t id = 1; id <= 100; id++) {
        assert_int_equal(scene_code(scene_tcp_next(tcp), id), 1);
    }
    scene_tcp_close(tcp);
}

static void writes_cut_into_small_parts_carry_every_answer(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    fake_world_streams(scene->world, 7, 50);
    for (uint32_t id = 1; id <= 30; id++) {
        struct bytes packet = scene_request(scene, "88.1000/large", 0, id);
        size_t sent = 0;
        while (sent < packet.len) {
            sent += scene_tcp_send(tcp, bytes_from(packet, sent));
            fake_world_run(scene->world);
        }
    }
    for (uint32_t id = 1; id <= 30; id++) {
        assert_int_equal(scene_code(scene_tcp_next(tcp), id), 1);
    }
    assert_int_equal(tcp->taken, tcp->len);
    scene_tcp_close(tcp);
}

/* Sends as long as the node reads, without reading a single answer; how many requests went in. */
static uint32_t flood(struct scene *scene, struct scene_tcp *tcp, const char *handle, uint32_t most)
{
    net_stream_want(tcp->net, false, false);
    uint32_t id = 0;
    size_t sent = 0;
    while (id < most) {
        struct bytes packet = bytes_from(scene_request(scene, handle, 0, id + 1), sent);
        size_t len = scene_tcp_send(tcp, packet);
        fake_world_run(scene->world);
        sent = len < packet.len ? sent + len : 0;
        id += len == packet.len;
        if (len == 0) {
            break;
        }
    }
    return id;
}

static void peer_that_does_not_read_is_not_read_from(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    fake_world_streams(scene->world, 0, 4096);
    uint32_t sent = flood(scene, tcp, "88.1000/large", 100000);
    assert_in_range(sent, 50, 1000);
    int64_t asked = metrics_sum(scene->store.metrics, METRIC_requests, EXCHANGE_TCP);
    assert_true(asked * SCENE_LARGE < 3 * MESSAGE_MAX);

    fake_world_streams(scene->world, 0, 0);
    net_stream_want(tcp->net, true, false);
    fake_world_run(scene->world);
    for (uint32_t id = 1; id <= sent; id++) {
        assert_int_equal(scene_code(scene_tcp_next(tcp), id), 1);
    }
    scene_tcp_close(tcp);
}

/* A peer that notes how much was answered before the loop ran again, which is when it reads. */
struct watcher {
    struct scene *scene;
    struct scene_tcp *tcp;
    int64_t answered_in_first_turn;
};

static void watcher_on_readable(void *context)
{
    struct watcher *watcher = context;
    if (watcher->answered_in_first_turn == 0) {
        watcher->answered_in_first_turn =
            metrics_sum(watcher->scene->store.metrics, METRIC_requests, EXCHANGE_TCP);
    }
    scene_tcp_on_readable(watcher->tcp);
}

/* Requests for answers of 3 000 bytes, all in one go. */
static void send_greedily(struct scene *scene, struct scene_tcp *tcp, uint32_t count)
{
    for (uint32_t id = 1; id <= count; id++) {
        struct bytes packet = scene_request(scene, "88.1000/large", 0, id);
        assert_int_equal(scene_tcp_send(tcp, packet), packet.len);
    }
}

static void greedy_peer_lets_others_have_their_turn(void **state)
{
    static const struct net_stream_events events = {.readable = watcher_on_readable};
    struct scene *scene = *state;
    struct watcher watcher = {.scene = scene, .tcp = scene_tcp_open(scene)};
    const uint32_t count = 800;
    net_stream_set_events(watcher.tcp->net, &events, &watcher);
    send_greedily(scene, watcher.tcp, count);
    fake_world_run(scene->world);
    assert_in_range(watcher.answered_in_first_turn, 1, count / 2);
    for (uint32_t id = 1; id <= count; id++) {
        assert_int_equal(scene_code(scene_tcp_next(watcher.tcp), id), 1);
    }
    assert_false(watcher.tcp->is_closed);
    scene_tcp_close(watcher.tcp);
}

static void half_closed_greedy_peer_gets_every_answer(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    const uint32_t count = 800;
    send_greedily(scene, tcp, count);
    fake_stream_finish(tcp->net);
    fake_world_run(scene->world);
    for (uint32_t id = 1; id <= count; id++) {
        assert_int_equal(scene_code(scene_tcp_next(tcp), id), 1);
    }
    assert_true(tcp->is_closed);
    scene_tcp_close(tcp);
}

static void answers_that_wait_are_bounded_by_the_setting(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    scene->settings->limits_pipelined = 10;
    fake_world_streams(scene->world, 0, 200);
    uint32_t sent = flood(scene, tcp, "88.1000/a", 100000);
    assert_in_range(sent, 10, 20);
    assert_in_range(metrics_sum(scene->store.metrics, METRIC_requests, EXCHANGE_TCP), 10, 14);

    net_stream_want(tcp->net, true, false);
    fake_world_run(scene->world);
    for (uint32_t id = 1; id <= sent; id++) {
        assert_int_equal(scene_code(scene_tcp_next(tcp), id), 1);
    }
    scene_tcp_close(tcp);
}

static void connection_without_a_request_is_closed_after_30_s(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    fake_world_advance(scene->world, 29999);
    assert_false(tcp->is_closed);
    fake_world_advance(scene->world, 1);
    assert_true(tcp->is_closed);
    assert_int_equal(scene_count(scene, METRIC_tcp_timeouts), 1);
    assert_int_equal(scene_count(scene, METRIC_tcp_connections), 0);
    scene_tcp_close(tcp);
}

static void slow_first_request_is_closed_after_30_s_however_it_drips(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    struct bytes packet = scene_request(scene, "88.1000/a", 0, 1);
    size_t sent = 0;
    for (int second = 0; second < 29; second++) {
        sent += scene_tcp_send(tcp, bytes_of(packet.data + sent, 1));
        fake_world_advance(scene->world, 1000);
    }
    assert_true(sent < packet.len);
    assert_false(tcp->is_closed);
    fake_world_advance(scene->world, 1000);
    assert_true(tcp->is_closed);
    scene_tcp_close(tcp);
}

static void kept_connection_is_closed_after_700_s_of_idleness(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    for (uint32_t id = 1; id <= 3; id++) {
        (void)scene_tcp_send(tcp, scene_request(scene, "88.1000/a", 0, id));
        fake_world_advance(scene->world, 699999);
        assert_false(tcp->is_closed);
    }
    fake_world_advance(scene->world, 1);
    assert_true(tcp->is_closed);
    assert_int_equal(scene_count(scene, METRIC_tcp_timeouts), 1);
    scene_tcp_close(tcp);
}

static void impossible_length_is_answered_4_and_closed(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    struct bytes packet = scene_request(scene, "88.1000/a", 0, 21);
    (void)scene_tcp_send(tcp, packet);
    wire_store_u32(scene->store.request + 16, MESSAGE_MAX + 1);
    (void)scene_tcp_send(tcp, packet);
    (void)scene_tcp_send(tcp, packet); /* what follows is not understood any more */
    fake_world_run(scene->world);
    assert_int_equal(scene_code(scene_tcp_next(tcp), 21), 1);
    assert_int_equal(scene_code(scene_tcp_next(tcp), 21), 4);
    assert_true(tcp->is_closed);
    assert_int_equal(tcp->taken, tcp->len);
    assert_int_equal(scene_count(scene, METRIC_tcp_framing_errors), 1);
    scene_tcp_close(tcp);
}

static void message_shorter_than_a_header_is_answered_4_and_the_next_one_served(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    struct bytes packet = scene_request(scene, "88.1000/a", 0, 22);
    uint8_t copy[MESSAGE_ENVELOPE_LEN + 23];
    memcpy(copy, scene->store.request, MESSAGE_ENVELOPE_LEN);
    memset(copy + MESSAGE_ENVELOPE_LEN, 0, 23);
    wire_store_u32(copy + 16, 23);
    (void)scene_tcp_send(tcp, bytes_of(copy, sizeof(copy)));
    wire_store_u32(copy + 16, 0);
    (void)scene_tcp_send(tcp, bytes_of(copy, MESSAGE_ENVELOPE_LEN));
    (void)scene_tcp_send(tcp, packet);
    fake_world_run(scene->world);
    assert_int_equal(scene_code(scene_tcp_next(tcp), 22), 4);
    assert_int_equal(scene_code(scene_tcp_next(tcp), 22), 4);
    assert_int_equal(scene_code(scene_tcp_next(tcp), 22), 1);
    assert_false(tcp->is_closed);
    scene_tcp_close(tcp);
}

static void piece_over_tcp_is_answered_4(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    struct bytes packet = scene_request(scene, "88.1000/a", 0, 23);
    scene->store.request[2] |= 0x20;
    (void)scene_tcp_send(tcp, packet);
    fake_world_run(scene->world);
    assert_int_equal(scene_code(scene_tcp_next(tcp), 23), 4);
    assert_false(tcp->is_closed);
    scene_tcp_close(tcp);
}

static void response_sent_as_request_closes_after_earlier_answers(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    struct bytes packet = scene_request(scene, "88.1000/a", 0, 24);
    (void)scene_tcp_send(tcp, packet);
    wire_store_u32(scene->store.request + 24, 1);
    for (int i = 0; i < 2000; i++) { /* more than one read takes */
        (void)scene_tcp_send(tcp, packet);
    }
    fake_world_run(scene->world);
    assert_int_equal(scene_code(scene_tcp_next(tcp), 24), 1);
    assert_true(tcp->is_closed);
    assert_int_equal(tcp->taken, tcp->len);
    scene_tcp_close(tcp);
}

static void half_closed_peer_gets_the_answers_it_asked_for(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    fake_world_streams(scene->world, 0, 100000);
    for (uint32_t id = 1; id <= 20; id++) {
        (void)scene_tcp_send(tcp, scene_request(scene, "88.1000/large", 0, id));
    }
    fake_stream_finish(tcp->net);
    fake_world_run(scene->world);
    for (uint32_t id = 1; id <= 20; id++) {
        assert_int_equal(scene_code(scene_tcp_next(tcp), id), 1);
    }
    assert_true(tcp->is_closed);
    scene_tcp_close(tcp);
}

static void peer_that_ends_inside_a_message_is_closed_without_answer(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    struct bytes packet = scene_request(scene, "88.1000/a", 0, 25);
    (void)scene_tcp_send(tcp, bytes_of(packet.data, packet.len - 1));
    fake_stream_finish(tcp->net);
    fake_world_run(scene->world);
    assert_int_equal(tcp->len, 0);
    assert_true(tcp->is_closed);
    scene_tcp_close(tcp);
}

static void announced_size_is_not_allocated_before_its_bytes_arrive(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *clients[100];
    struct bytes packet = scene_request(scene, "88.1000/a", 0, 26);
    wire_store_u32(scene->store.request + 16, MESSAGE_MAX);
    for (size_t i = 0; i < 100; i++) {
        clients[i] = scene_tcp_open(scene);
        (void)scene_tcp_send(clients[i], packet);
    }
    fake_world_run(scene->world);
    assert_int_equal(scene_count(scene, METRIC_tcp_connections), 100);
    assert_true(stream_input_bytes(&scene->worker) <= 100 * 1024);
    for (size_t i = 0; i < 100; i++) {
        scene_tcp_close(clients[i]);
    }
    fake_world_run(scene->world);
    assert_int_equal(scene_count(scene, METRIC_tcp_connections), 0);
}

static void connection_over_the_limit_of_its_source_is_refused_until_one_ends(void **state)
{
    struct scene *scene = *state;
    scene->settings->limits_connections_per_source = 2;
    struct scene_tcp *one = scene_tcp_open(scene);
    struct scene_tcp *two = scene_tcp_open(scene);
    struct scene_tcp *three = scene_tcp_open(scene);
    assert_true(three->is_closed && !one->is_closed && !two->is_closed);
    assert_int_equal(scene_count(scene, METRIC_tcp_over_source), 1);
    scene_tcp_close(one);
    fake_world_run(scene->world);
    struct scene_tcp *four = scene_tcp_open(scene);
    (void)scene_tcp_send(four, scene_request(scene, "88.1000/a", 0, 4));
    fake_world_run(scene->world);
    assert_int_equal(scene_code(scene_tcp_next(four), 4), 1);
    scene_tcp_close(two);
    scene_tcp_close(three);
    scene_tcp_close(four);
}

static void trusted_network_is_exempt_from_the_limit_of_a_source(void **state)
{
    struct scene *scene = *state;
    scene->settings->limits_connections_per_source = 1;
    scene_trust(scene);
    struct scene_tcp *one = scene_tcp_open(scene);
    struct scene_tcp *two = scene_tcp_open(scene);
    assert_false(one->is_closed || two->is_closed);
    scene->settings->limits_connections = 2;
    struct scene_tcp *three = scene_tcp_open(scene);
    assert_true(three->is_closed);
    scene_tcp_close(one);
    scene_tcp_close(two);
    scene_tcp_close(three);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, scene_open, scene_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(kept_connection_answers_one_request_after_the_other),
        CASE(request_that_comes_byte_by_byte_is_answered),
        CASE(pipelined_requests_are_answered_in_one_write),
        CASE(writes_cut_into_small_parts_carry_every_answer),
        CASE(peer_that_does_not_read_is_not_read_from),
        CASE(greedy_peer_lets_others_have_their_turn),
        CASE(half_closed_greedy_peer_gets_every_answer),
        CASE(answers_that_wait_are_bounded_by_the_setting),
        CASE(connection_without_a_request_is_closed_after_30_s),
        CASE(slow_first_request_is_closed_after_30_s_however_it_drips),
        CASE(kept_connection_is_closed_after_700_s_of_idleness),
        CASE(impossible_length_is_answered_4_and_closed),
        CASE(message_shorter_than_a_header_is_answered_4_and_the_next_one_served),
        CASE(piece_over_tcp_is_answered_4),
        CASE(response_sent_as_request_closes_after_earlier_answers),
        CASE(half_closed_peer_gets_the_answers_it_asked_for),
        CASE(peer_that_ends_inside_a_message_is_closed_without_answer),
        CASE(announced_size_is_not_allocated_before_its_bytes_arrive),
        CASE(connection_over_the_limit_of_its_source_is_refused_until_one_ends),
        CASE(trusted_network_is_exempt_from_the_limit_of_a_source),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
