/* SPDX-License-Identifier: Apache-2.0
 *
 * UDP floods on the fake network: budgets, proofs, amplification from forged addresses (protocol.md
 * §14 rows 12, 17, 78).
 */
#include "tests/scenario/scene.h"

#include <stdio.h>
#include <unistd.h>

#include "resolver/limit.h"

#define FLOOD_PORT 5353
#define HEADERS 28 /* of IPv4 and UDP, in each datagram */

/* Whoever is behind an address of 192.0.2.0/24, and one honest client elsewhere. */
struct strangers {
    struct net_udp *net;
    uint64_t bytes_in; /* what they sent, headers counted */
    uint64_t bytes_out;
    size_t datagrams;
    size_t to_honest;
};

static bool is_honest(const struct net_address *address)
{
    return address->ip[12] == 198;
}

static void strangers_on_readable(void *context)
{
    struct strangers *strangers = context;
    uint8_t room[FRAGMENT_DATAGRAM];
    struct net_datagram got = {.data = room, .size = sizeof(room)};
    assert_int_equal(net_udp_receive(strangers->net, &got, 1), 1);
    if (is_honest(&got.local)) {
        strangers->to_honest++;
    } else {
        strangers->bytes_out += got.len + HEADERS;
        strangers->datagrams++;
    }
}

static void strangers_open(struct scene *scene, struct strangers *strangers)
{
    struct net_address any;
    *strangers = (struct strangers){0};
    assert_int_equal(net_address_parse("0.0.0.0", FLOOD_PORT, &any), STATUS_OK);
    assert_int_equal(net_udp_open(scene->client_net, &any, strangers_on_readable, strangers,
                                  &strangers->net, NULL),
                     STATUS_OK);
}

static struct net_address stranger(const char *network, unsigned host)
{
    struct net_address address;
    char ip[32];
    (void)snprintf(ip, sizeof(ip), "%s.%u", network, host);
    assert_int_equal(net_address_parse(ip, FLOOD_PORT, &address), STATUS_OK);
    return address;
}

static void forge(struct scene *scene, struct strangers *strangers, const struct net_address *from,
                  struct bytes datagram)
{
    struct net_datagram out = {
        .data = (uint8_t *)(uintptr_t)datagram.data,
        .len = datagram.len,
        .peer = scene->address,
        .local = *from,
    };
    assert_int_equal(net_udp_send(strangers->net, &out, 1), 1);
    if (!is_honest(from)) {
        strangers->bytes_in += datagram.len + HEADERS;
    }
}

/* `count` requests of one client at one instant; how many datagrams came back. */
static size_t ask(struct scene *scene, struct scene_udp *udp, const char *handle, uint32_t count)
{
    udp->count = 0;
    for (uint32_t i = 0; i < count; i++) {
        scene_udp_send(scene, udp, scene_request(scene, handle, 0, i + 1));
    }
    fake_world_run(scene->world);
    return udp->count;
}

static size_t pieces_of_large(void)
{
    return fragment_count(SCENE_LARGE + 100);
}

static void source_over_its_budget_is_not_answered_until_time_passes(void **state)
{
    struct scene *scene = *state;
    struct scene_udp *udp = scene_udp_open(scene);
    assert_int_equal(ask(scene, udp, "88.1000/a", 300), 200);
    assert_int_equal(scene_count(scene, METRIC_udp_over_source), 100);
    assert_int_equal(metrics_sum(scene->store.metrics, METRIC_requests, EXCHANGE_UDP), 200);
    fake_world_advance(scene->world, 100);
    assert_int_equal(ask(scene, udp, "88.1000/a", 300), 20);
    scene->settings->limits_udp_per_source = 400; /* a reload */
    fake_world_advance(scene->world, 1000);
    assert_int_equal(ask(scene, udp, "88.1000/a", 500), 400);
    scene_udp_close(udp);
}

static void network_over_its_budget_leaves_other_networks_alone(void **state)
{
    struct scene *scene = *state;
    struct strangers strangers;
    strangers_open(scene, &strangers);
    struct bytes packet = scene_request(scene, "88.1000/a", 0, 1);
    for (unsigned i = 0; i < 2560; i++) {
        struct net_address from = stranger("192.0.2", i % 256);
        forge(scene, &strangers, &from, packet);
    }
    struct net_address honest = stranger("198.51.100", 1);
    forge(scene, &strangers, &honest, packet);
    fake_world_run(scene->world);
    assert_int_equal(strangers.datagrams, 1000);
    assert_int_equal(strangers.to_honest, 1);
    assert_int_equal(scene_count(scene, METRIC_udp_over_network), 1560);
    net_udp_close(strangers.net);
}

static void large_answers_leave_whole_or_not_at_all(void **state)
{
    struct scene *scene = *state;
    struct scene_udp *udp = scene_udp_open(scene);
    size_t datagrams = ask(scene, udp, "88.1000/large", 200);
    size_t answers = datagrams / pieces_of_large();
    assert_int_equal(datagrams % pieces_of_large(), 0);
    assert_in_range(answers, BUDGET_LARGE_BURST / (SCENE_LARGE + 100),
                    BUDGET_LARGE_BURST / SCENE_LARGE);
    assert_int_equal(scene_count(scene, METRIC_udp_over_large), 200 - answers);
    fake_world_advance(scene->world, 1000);
    assert_int_equal(ask(scene, udp, "88.1000/a", 10), 10);
    assert_int_equal(ask(scene, udp, "88.1000/large", 100),
                     20480 / SCENE_LARGE * pieces_of_large());
    scene_udp_close(udp);
}

static void client_that_asked_over_tcp_gets_large_answers_for_ten_minutes(void **state)
{
    struct scene *scene = *state;
    struct scene_udp *udp = scene_udp_open(scene);
    (void)ask(scene, udp, "88.1000/large", 200);
    struct scene_tcp *tcp = scene_tcp_open(scene);
    fake_world_advance(scene->world, 1000);
    assert_in_range(ask(scene, udp, "88.1000/large", 100), 1, 10 * pieces_of_large());

    (void)scene_tcp_send(tcp, scene_request(scene, "88.1000/a", 0, 1));
    fake_world_advance(scene->world, 1000);
    assert_int_equal(ask(scene, udp, "88.1000/large", 100), 100 * pieces_of_large());
    fake_world_advance(scene->world, BUDGET_PROOF_MS - 1001);
    assert_int_equal(ask(scene, udp, "88.1000/large", 100), 100 * pieces_of_large());
    fake_world_advance(scene->world, 1);
    assert_in_range(ask(scene, udp, "88.1000/large", 100), 1, 90 * pieces_of_large());
    scene_tcp_close(tcp);
    scene_udp_close(udp);
}

static void trusted_network_is_exempt_from_udp_budgets(void **state)
{
    struct scene *scene = *state;
    struct scene_udp *udp = scene_udp_open(scene);
    scene_trust(scene);
    assert_int_equal(ask(scene, udp, "88.1000/a", 900), 900);
    assert_int_equal(ask(scene, udp, "88.1000/large", 120), 120 * pieces_of_large());
    scene_udp_close(udp);
}

static void message_in_pieces_is_one_answer_of_the_budget(void **state)
{
    struct scene *scene = *state;
    struct scene_udp *udp = scene_udp_open(scene);
    assert_int_equal(ask(scene, udp, "88.1000/a", 199), 199);
    struct bytes packet = scene_request(scene, "88.1000/a", 60, 7);
    uint32_t count = fragment_count((uint32_t)(packet.len - MESSAGE_ENVELOPE_LEN));
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < count; i++) {
            scene_udp_send_piece(scene, udp, packet, i);
        }
    }
    fake_world_run(scene->world);
    assert_int_equal(scene_count(scene, METRIC_reassembled), 2);
    assert_int_equal(udp->count, 199 + 1);
    scene_udp_close(udp);
}

static void whole_datagram_that_claims_to_be_a_later_piece_is_dropped(void **state)
{
    struct scene *scene = *state;
    struct scene_udp *udp = scene_udp_open(scene);
    struct bytes packet = scene_request(scene, "88.1000/a", 0, 8);
    scene->store.request[2] |= 0x20;
    wire_store_u32(scene->store.request + 12, 1);
    scene_udp_send(scene, udp, packet);
    fake_world_run(scene->world);
    assert_int_equal(udp->count, 0);
    assert_int_equal(scene_count(scene, METRIC_udp_malformed), 1);
    wire_store_u32(scene->store.request + 12, 0);
    scene_udp_send(scene, udp, packet);
    fake_world_run(scene->world);
    assert_int_equal(udp->count, 1);
    scene_udp_close(udp);
}

static void impossible_length_is_answered_alike_over_udp_and_tcp(void **state)
{
    struct scene *scene = *state;
    struct scene_udp *udp = scene_udp_open(scene);
    struct scene_tcp *tcp = scene_tcp_open(scene);
    struct bytes packet = scene_request(scene, "88.1000/a", 0, 9);
    wire_store_u32(scene->store.request + 16, MESSAGE_MAX + 1);
    scene_udp_send(scene, udp, packet);
    (void)scene_tcp_send(tcp, packet);
    fake_world_run(scene->world);
    assert_int_equal(udp->count, 1);
    struct bytes by_udp = bytes_of(udp->got[0].data, udp->got[0].len);
    struct bytes by_tcp = scene_tcp_next(tcp);
    assert_int_equal(scene_code(by_udp, 9), 4);
    assert_int_equal(by_udp.len, by_tcp.len);
    assert_memory_equal(by_udp.data, by_tcp.data, by_tcp.len);
    scene_tcp_close(tcp);
    scene_udp_close(udp);
}

static size_t count_lines(FILE *file)
{
    size_t lines = 0;
    rewind(file);
    for (int c = getc(file); c != EOF; c = getc(file)) {
        lines += c == '\n';
    }
    return lines;
}

static void flood_writes_one_line_a_second_for_each_limit(void **state)
{
    struct scene *scene = *state;
    struct fault fault;
    char path[] = "/tmp/guantong-floods-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    struct log_options options = {.level = LOG_LEVEL_INFO, .file = path};
    assert_int_equal(log_open(&options, &scene->worker.options.log, &fault), STATUS_OK);
    struct scene_udp *udp = scene_udp_open(scene);
    for (int i = 0; i < 10; i++) { /* 2.25 s */
        (void)ask(scene, udp, "88.1000/large", 300);
        fake_world_advance(scene->world, 250);
    }
    assert_true(scene_count(scene, METRIC_udp_over_source) > 1000);
    assert_true(scene_count(scene, METRIC_udp_over_large) > 100);
    FILE *file = fdopen(fd, "r");
    assert_non_null(file);
    assert_int_equal(count_lines(file), 2 * 3);
    (void)fclose(file);
    (void)unlink(path);
    log_close(scene->worker.options.log);
    scene_udp_close(udp);
}

static void each_limit_when_hit_is_counted_and_told_once_a_second(void **state)
{
    struct scene *scene = *state;
    char path[] = "/tmp/guantong-limits-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    struct log_options options = {.level = LOG_LEVEL_WARNING, .file = path};
    assert_int_equal(log_open(&options, &scene->worker.options.log, NULL), STATUS_OK);
    int64_t counted = 0;
    for (int i = 0; i < METRIC_COUNT; i++) {
        counted -= scene_count(scene, (enum metric)i);
    }
    for (int i = 0; i < LIMIT_COUNT * 100; i++) {
        limit_hit(&scene->worker, (enum limit)(i % LIMIT_COUNT), &scene->address);
    }
    fake_world_advance(scene->world, 1000);
    for (int i = 0; i < LIMIT_COUNT * 100; i++) {
        limit_hit(&scene->worker, (enum limit)(i % LIMIT_COUNT), &scene->address);
    }
    for (int i = 0; i < METRIC_COUNT; i++) {
        counted += scene_count(scene, (enum metric)i);
    }
    assert_int_equal(counted, LIMIT_COUNT * 200);
    FILE *file = fdopen(fd, "r");
    assert_non_null(file);
    assert_int_equal(count_lines(file), 2 * LIMIT_COUNT);
    (void)fclose(file);
    (void)unlink(path);
    log_close(scene->worker.options.log);
}

/* --- amplification --------------------------------------------------------------------------- */

/* What a request of each kind of answer looks like; each is as short as it can be. */
static struct bytes request_of(struct scene *scene, size_t kind)
{
    static const char *const handles[] = {"88.1000/a", "88.1000/large", "88.1000/none", "99.1/x"};
    static const uint32_t opcodes[] = {2, 100, 200, 400, 999};
    const size_t handle_count = sizeof(handles) / sizeof(handles[0]);
    if (kind < handle_count) {
        return scene_request(scene, handles[kind], 0, 1);
    }
    size_t which = kind - handle_count;
    const size_t opcode_count = sizeof(opcodes) / sizeof(opcodes[0]);
    if (which < opcode_count) {
        struct fixture_ask ask = fixture_ask(opcodes[which]);
        return fixture_packet(&scene->store, &ask, BYTES_LITERAL("\0\0\0\1/"));
    }
    if (which == opcode_count) { /* nothing but an envelope that promises too much */
        (void)scene_request(scene, "88.1000/a", 0, 1);
        wire_store_u32(scene->store.request + 16, UINT32_MAX);
        return bytes_of(scene->store.request, MESSAGE_ENVELOPE_LEN);
    }
    return BYTES_NONE;
}

/* 10 s of 10 000 requests a second; an honest client asks ten times a second meanwhile. */
static void flood_from_one_network(struct scene *scene, struct strangers *strangers, size_t kind)
{
    struct net_address froms[256];
    struct net_address honest = stranger("198.51.100", 1);
    uint8_t copy[FRAGMENT_DATAGRAM];
    struct bytes request = request_of(scene, kind);
    struct wire_writer w = wire_write(copy, sizeof(copy));
    wire_put_raw(&w, request);
    assert_false(w.failed);
    request = wire_wrote(&w);
    for (unsigned i = 0; i < 256; i++) {
        froms[i] = stranger("192.0.2", i);
    }
    unsigned host = 0;
    for (int tick = 0; tick < 1000; tick++) {
        for (int i = 0; i < 100; i++) {
            forge(scene, strangers, &froms[host++ % 256], request);
        }
        if (tick % 10 == 0) {
            forge(scene, strangers, &honest, scene_request(scene, "88.1000/a", 0, 1));
        }
        fake_world_advance(scene->world, 10);
    }
}

static void forged_flood_of_any_kind_is_amplified_three_times_at_most(void **state)
{
    struct scene *scene = *state;
    static uint8_t site[480];
    scene->generation.site = bytes_of(site, sizeof(site));
    for (size_t kind = 0; request_of(scene, kind).len > 0; kind++) {
        struct strangers strangers;
        strangers_open(scene, &strangers);
        flood_from_one_network(scene, &strangers, kind);
        assert_int_equal(strangers.to_honest, 100);
        assert_true(strangers.datagrams > 0);
        assert_true(strangers.bytes_out <= 3 * strangers.bytes_in);
        net_udp_close(strangers.net);
        fake_world_advance(scene->world, 60000);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, scene_open, scene_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(source_over_its_budget_is_not_answered_until_time_passes),
        CASE(network_over_its_budget_leaves_other_networks_alone),
        CASE(large_answers_leave_whole_or_not_at_all),
        CASE(client_that_asked_over_tcp_gets_large_answers_for_ten_minutes),
        CASE(trusted_network_is_exempt_from_udp_budgets),
        CASE(message_in_pieces_is_one_answer_of_the_budget),
        CASE(whole_datagram_that_claims_to_be_a_later_piece_is_dropped),
        CASE(impossible_length_is_answered_alike_over_udp_and_tcp),
        CASE(flood_writes_one_line_a_second_for_each_limit),
        CASE(each_limit_when_hit_is_counted_and_told_once_a_second),
        CASE(forged_flood_of_any_kind_is_amplified_three_times_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
