/* SPDX-License-Identifier: Apache-2.0
 *
 * Probes on the fake network and clock: nodes that answer, lie, die for an hour and return; many
 * prefixes spread over the interval, few at a time; our own canary; what outlasts a restart.
 */
#include "tests/scenario/scene.h"

#include "protocol/site.h"
#include "resolver/dns.h"
#include "resolver/probe.h"

#define NODE_PORT 2650
#define MINUTE 60000
#define MANY 200

struct stage {
    struct scene *scene;
    struct net *net; /* the prober's */
    struct dns *dns;
    struct probe_table *table;
    struct prober *prober;
    struct settings *settings;
    struct net_udp *node; /* the enterprise's */
    char path[128];
    bool is_mute;
    uint32_t code;   /* of answers to names */
    uint16_t serial; /* of the site record it serves */
    unsigned questions;
    unsigned sites; /* of those, for its site record: one a visit */
};

/* --- the other node --------------------------------------------------------------------------- */

static struct bytes site_record(const char *host, uint16_t serial, uint8_t *room, size_t size)
{
    struct site_interface interfaces[] = {{SITE_BOTH, SITE_UDP, NODE_PORT}};
    struct site_server server = {.id = 1, .interfaces = interfaces, .interface_count = 1};
    struct site_attribute domain = {BYTES_LITERAL("domain"), bytes_of_text(host)};
    struct site site = {.format = 1,
                        .protocol_major = 2,
                        .protocol_minor = 11,
                        .serial = serial,
                        .primary_mask = SITE_PRIMARY,
                        .servers = &server,
                        .server_count = 1};
    if (!site_address_parse(host, server.address)) {
        site.attributes = &domain;
        site.attribute_count = 1;
    }
    struct wire_writer w = wire_write(room, size);
    site_encode(&w, &site);
    assert_false(w.failed);
    return wire_wrote(&w);
}

static size_t answer(struct stage *stage, struct bytes packet, uint8_t *room, size_t size)
{
    struct message asked;
    uint8_t site[512];
    assert_int_equal(message_decode(packet, &asked), STATUS_OK);
    bool is_site = asked.header.opcode == OPCODE_GET_SITE_INFO;
    struct header header = asked.header;
    header.response_code = is_site ? 1 : stage->code;
    header.expiration = UINT32_MAX;
    stage->sites += is_site ? 1 : 0;
    struct wire_writer w = wire_write(room, size);
    struct message_marks marks = message_open(&w, &asked.envelope, &header);
    if (is_site) {
        wire_put_raw(&w, site_record("127.0.0.8", stage->serial, site, sizeof(site)));
    } else {
        body_error_encode(&w, &(struct body_error){.index_count = 0});
    }
    message_close(&w, marks, NULL);
    assert_false(w.failed);
    return wire_wrote(&w).len;
}

static void node_on_datagram(void *context)
{
    struct stage *stage = context;
    uint8_t in[1024];
    uint8_t out[1024];
    struct net_datagram datagram = {.data = in, .size = sizeof(in)};
    while (net_udp_receive(stage->node, &datagram, 1) == 1) {
        stage->questions++;
        if (!stage->is_mute) {
            size_t len = answer(stage, bytes_of(in, datagram.len), out, sizeof(out));
            struct net_datagram back = {.data = out, .len = len, .peer = datagram.peer};
            (void)net_udp_send(stage->node, &back, 1);
        }
        datagram = (struct net_datagram){.data = in, .size = sizeof(in)};
    }
}

/* --- the stage -------------------------------------------------------------------------------- */

static void open_prober(struct stage *stage)
{
    const struct settings_list none = {.count = 0};
    stage->net = fake_world_net(stage->scene->world);
    assert_int_equal(dns_new(stage->net, &none, &stage->dns), STATUS_OK);
    stage->table = probe_table_new(metrics_slot(stage->scene->store.metrics, 0));
    assert_non_null(stage->table);
    const struct probe_options options = {
        .net = stage->net,
        .registry = stage->scene->store.registry,
        .table = stage->table,
        .metrics = metrics_slot(stage->scene->store.metrics, 0),
        .dns = stage->dns,
        .path = stage->path,
        .random = fixture_random,
    };
    assert_int_equal(prober_new(&options, &stage->prober), STATUS_OK);
}

static void close_prober(struct stage *stage)
{
    prober_free(stage->prober);
    dns_free(stage->dns);
    probe_table_free(stage->table);
    net_free(stage->net);
}

static int stage_open(void **state)
{
    struct stage *stage = calloc(1, sizeof(*stage));
    void *inner = NULL;
    struct net_address address;
    assert_non_null(stage);
    assert_int_equal(scene_open(&inner), 0);
    stage->scene = inner;
    stage->code = 100;
    stage->serial = 1;
    (void)snprintf(stage->path, sizeof(stage->path), "%s/probes.json",
                   stage->scene->store.directory);
    scene_trust(stage->scene);
    assert_int_equal(net_address_parse("127.0.0.8", NODE_PORT, &address), STATUS_OK);
    assert_int_equal(net_udp_open(stage->scene->client_net, &address, node_on_datagram, stage,
                                  &stage->node, NULL),
                     STATUS_OK);
    open_prober(stage);
    *state = stage;
    return 0;
}

static int stage_close(void **state)
{
    struct stage *stage = *state;
    void *inner = stage->scene;
    close_prober(stage);
    net_udp_close(stage->node);
    settings_free(stage->settings);
    free(stage);
    return scene_close(&inner);
}

/* `port`: of our own sockets; 0: there are none to be asked at. */
static void adopt_at(struct stage *stage, uint16_t port, const char *yaml)
{
    struct probe_plan *plan = NULL;
    struct fault fault = {0};
    settings_free(stage->settings);
    if (settings_parse(bytes_of_text(yaml), "test", &stage->settings, &fault) != STATUS_OK ||
        probe_plan_new(stage->settings, port, NULL, &plan, &fault) != STATUS_OK) {
        fail_msg("%s", fault.text);
    }
    prober_adopt(stage->prober, plan);
}

static void adopt(struct stage *stage, const char *yaml)
{
    adopt_at(stage, 0, yaml);
}

static void set_prefix(struct stage *stage, const char *prefix, enum prefix_hosting hosting)
{
    const struct prefix_row row = {.prefix = bytes_of_text(prefix),
                                   .enterprise = BYTES_LITERAL("self"),
                                   .state = PREFIX_ACTIVE,
                                   .hosting = hosting,
                                   .case_rule = CASE_INSENSITIVE};
    struct change_set *set = fixture_set();
    assert_int_equal(change_set_put_prefix(set, &row, CHANGE_REPLACE, NULL), STATUS_OK);
    fixture_commit(&stage->scene->store, set);
    snapshot_rest(stage->scene->store.snapshot);
}

static void delegate(struct stage *stage, const char *prefix, const char *host)
{
    char name[64];
    uint8_t room[512];
    struct value value = fixture_value(1, "HS_SITE", "", 0x0e);
    value.data = site_record(host, 1, room, sizeof(room));
    int len = snprintf(name, sizeof(name), "0.NA/%s", prefix);
    set_prefix(stage, prefix, PREFIX_DELEGATED);
    assert_int_equal(snapshot_refresh(stage->scene->store.snapshot), STATUS_OK);
    fixture_put(&stage->scene->store, bytes_of(name, (size_t)len), &value, 1);
    snapshot_rest(stage->scene->store.snapshot);
}

static void wait_minutes(struct stage *stage, int64_t minutes)
{
    fake_world_advance(stage->scene->world, minutes * MINUTE);
}

static const struct probe_track *track_of(struct stage *stage, const char *prefix)
{
    for (size_t i = 0; i < probe_table_count(stage->table); i++) {
        const struct probe_entry *entry = probe_table_at(stage->table, i);
        if (strcmp(entry->name, prefix) == 0) {
            return &entry->track;
        }
    }
    fail_msg("%s is not probed", prefix);
    return NULL;
}

static enum probe_state state_of(struct stage *stage, const char *prefix)
{
    return track_of(stage, prefix)->state;
}

static int64_t gauge(const struct stage *stage, enum metric metric, enum probe_state state)
{
    return metrics_sum(stage->scene->store.metrics, metric, (unsigned)state);
}

#define QUIET "probe:\n  interval: 5m\n  canary: 88.1000/a\n"

/* --- one node --------------------------------------------------------------------------------- */

static void node_when_it_dies_for_an_hour_is_down_and_then_up(void **state)
{
    struct stage *stage = *state;
    delegate(stage, "88.2", "127.0.0.8");
    adopt(stage, QUIET);
    wait_minutes(stage, 12);
    assert_int_equal(state_of(stage, "88.2"), PROBE_UP);
    assert_in_range(stage->sites, 2, 3);
    assert_int_equal(gauge(stage, METRIC_probe_prefixes, PROBE_UP), 1);

    stage->is_mute = true;
    unsigned before = stage->questions;
    wait_minutes(stage, 10);
    assert_int_equal(state_of(stage, "88.2"), PROBE_DOWN);
    assert_int_equal(track_of(stage, "88.2")->last.finding, FINDING_NO_ANSWER);
    assert_string_equal(track_of(stage, "88.2")->last.where, "udp 127.0.0.8:2650");
    wait_minutes(stage, 50);
    assert_int_equal(state_of(stage, "88.2"), PROBE_DOWN);
    assert_in_range(stage->questions - before, 11 * 3, 16 * 3); /* UDP sends thrice */
    assert_int_equal(gauge(stage, METRIC_probe_prefixes, PROBE_DOWN), 1);
    assert_int_equal(gauge(stage, METRIC_probe_prefixes, PROBE_UP), 0);

    stage->is_mute = false;
    wait_minutes(stage, 8);
    assert_int_equal(state_of(stage, "88.2"), PROBE_UP);
    assert_int_equal(scene_count(stage->scene, METRIC_probe_changes), 3);
}

static void node_when_one_round_is_lost_stays_up(void **state)
{
    struct stage *stage = *state;
    delegate(stage, "88.2", "127.0.0.8");
    adopt(stage, QUIET);
    wait_minutes(stage, 12);
    unsigned seen = stage->sites;
    stage->is_mute = true;
    for (unsigned asked = stage->questions; stage->questions < asked + 3;) {
        fake_world_advance(stage->scene->world, 1000);
    }
    stage->is_mute = false;
    wait_minutes(stage, 3); /* who wavers is asked again soon */
    assert_true(stage->sites > seen);
    assert_int_equal(state_of(stage, "88.2"), PROBE_UP);
    assert_int_equal(track_of(stage, "88.2")->history_count, 3);
    assert_int_equal(scene_count(stage->scene, METRIC_probe_changes), 1);
}

static void node_when_it_does_not_serve_the_prefix_is_down(void **state)
{
    struct stage *stage = *state;
    stage->code = 301;
    delegate(stage, "88.2", "127.0.0.8");
    adopt(stage, QUIET);
    wait_minutes(stage, 15);
    assert_int_equal(state_of(stage, "88.2"), PROBE_DOWN);
    assert_int_equal(track_of(stage, "88.2")->last.finding, FINDING_NOT_RESPONSIBLE);
    assert_true(track_of(stage, "88.2")->last.rtt_us > 0);
}

static void node_when_its_site_record_is_newer_is_degraded(void **state)
{
    struct stage *stage = *state;
    stage->serial = 2;
    delegate(stage, "88.2", "127.0.0.8");
    adopt(stage, QUIET);
    wait_minutes(stage, 15);
    assert_int_equal(state_of(stage, "88.2"), PROBE_DEGRADED);
    assert_int_equal(track_of(stage, "88.2")->last.finding, FINDING_NEWER_SITE);
}

static void node_when_named_is_looked_up(void **state)
{
    struct stage *stage = *state;
    delegate(stage, "88.2", "127.0.0.8.test");
    delegate(stage, "88.3", "nowhere.invalid");
    adopt(stage, QUIET);
    wait_minutes(stage, 15);
    assert_int_equal(state_of(stage, "88.2"), PROBE_UP);
    assert_int_equal(state_of(stage, "88.3"), PROBE_DOWN);
    assert_int_equal(track_of(stage, "88.3")->last.finding, FINDING_NO_HOST);
    assert_string_equal(track_of(stage, "88.3")->last.where, "udp nowhere.invalid:2650");
}

static void node_when_told_by_a_handle_is_found_there(void **state)
{
    struct stage *stage = *state;
    uint8_t room[512];
    struct value site = fixture_value(1, "HS_SITE", "", 0x0e);
    struct value ours = fixture_value(1, "HS_SERV", "88.1000/serv", 0x0e);
    struct value other = fixture_value(1, "HS_SERV", "88.7777/serv", 0x0e);
    site.data = site_record("127.0.0.8", 1, room, sizeof(room));
    set_prefix(stage, "88.2", PREFIX_DELEGATED);
    set_prefix(stage, "88.3", PREFIX_DELEGATED);
    assert_int_equal(snapshot_refresh(stage->scene->store.snapshot), STATUS_OK);
    fixture_put(&stage->scene->store, BYTES_LITERAL("88.1000/serv"), &site, 1);
    fixture_put(&stage->scene->store, BYTES_LITERAL("0.NA/88.2"), &ours, 1);
    fixture_put(&stage->scene->store, BYTES_LITERAL("0.NA/88.3"), &other, 1);
    snapshot_rest(stage->scene->store.snapshot);
    adopt_at(stage, SCENE_PORT,
             "probe:\n  interval: 5m\n  canary: 88.1000/a\n"
             "listen:\n  addresses: ['127.0.0.1']\n");
    wait_minutes(stage, 15);
    assert_int_equal(state_of(stage, "88.2"), PROBE_UP);
    assert_int_equal(state_of(stage, "88.3"), PROBE_UNKNOWN); /* nobody can be asked about it */
    assert_int_equal(track_of(stage, "88.3")->last.finding, FINDING_ELSEWHERE);
}

static void prefix_when_taken_back_is_not_probed_any_more(void **state)
{
    struct stage *stage = *state;
    delegate(stage, "88.2", "127.0.0.8");
    adopt(stage, QUIET);
    wait_minutes(stage, 6);
    assert_int_equal(probe_table_count(stage->table), 1);
    set_prefix(stage, "88.2", PREFIX_HOSTED);
    wait_minutes(stage, 2);
    assert_int_equal(probe_table_count(stage->table), 0);
    unsigned before = stage->questions;
    wait_minutes(stage, 20);
    assert_int_equal(stage->questions, before);
    for (int i = 0; i < PROBE_STATES; i++) {
        assert_int_equal(gauge(stage, METRIC_probe_prefixes, (enum probe_state)i), 0);
    }
}

/* --- many nodes ------------------------------------------------------------------------------- */

/* In two change sets. */
static void delegate_many(struct stage *stage)
{
    uint8_t room[512];
    struct value value = fixture_value(1, "HS_SITE", "", 0x0e);
    struct change_set *rows = fixture_set();
    struct change_set *records = fixture_set();
    value.data = site_record("127.0.0.8", 1, room, sizeof(room));
    for (int i = 0; i < MANY; i++) {
        char name[32];
        int len = snprintf(name, sizeof(name), "0.NA/88.%d", 5000 + i);
        const struct prefix_row row = {.prefix = bytes_of(name + 5, (size_t)len - 5),
                                       .enterprise = BYTES_LITERAL("self"),
                                       .state = PREFIX_ACTIVE,
                                       .hosting = PREFIX_DELEGATED,
                                       .case_rule = CASE_INSENSITIVE};
        const struct record record = {bytes_of(name, (size_t)len), &value, 1};
        assert_int_equal(change_set_put_prefix(rows, &row, CHANGE_CREATE, NULL), STATUS_OK);
        assert_int_equal(change_set_put_record(records, &record, CHANGE_CREATE, NULL), STATUS_OK);
    }
    fixture_commit(&stage->scene->store, rows);
    fixture_commit(&stage->scene->store, records);
    snapshot_rest(stage->scene->store.snapshot);
}

static void many_prefixes_are_spread_over_the_interval(void **state)
{
    struct stage *stage = *state;
    unsigned most = 0;
    unsigned idle = 0;
    delegate_many(stage);
    adopt(stage, QUIET);
    for (int ten_seconds = 0; ten_seconds < 60; ten_seconds++) {
        unsigned before = stage->sites;
        fake_world_advance(stage->scene->world, 10000);
        unsigned visits = stage->sites - before;
        most = visits > most ? visits : most;
        idle += visits == 0 ? 1 : 0;
    }
    assert_in_range(stage->sites, MANY + MANY / 2, 2 * MANY + MANY / 4); /* in ten minutes */
    assert_true(most < MANY / 8); /* evenly it would be one in thirty */
    assert_true(idle < 3);
    assert_int_equal(gauge(stage, METRIC_probe_prefixes, PROBE_UP), MANY);
}

static void mute_nodes_are_asked_a_few_at_a_time(void **state)
{
    struct stage *stage = *state;
    size_t most = 0;
    stage->is_mute = true;
    delegate_many(stage);
    adopt(stage, "probe:\n  interval: 10s\n  parallel: 2\n");
    for (int i = 0; i < 3000; i++) {
        fake_world_advance(stage->scene->world, 100);
        size_t now = prober_under_way(stage->prober);
        most = now > most ? now : most;
    }
    assert_int_equal(most, 2);
    /* Two at a time, three seconds and a tick each: everyone had a turn. */
    assert_in_range(scene_count(stage->scene, METRIC_probe_rounds), 130, MANY);
}

/* --- our own canary --------------------------------------------------------------------------- */

static const struct probe_track *canary(struct stage *stage, enum canary_way way)
{
    return &probe_table_canary(stage->table, way)->track;
}

static void canary_when_it_resolves_is_up_over_udp_and_tcp(void **state)
{
    struct stage *stage = *state;
    adopt_at(stage, SCENE_PORT,
             "probe:\n  interval: 5m\n  canary: 88.1000/a\n"
             "listen:\n  addresses: ['127.0.0.1']\n");
    wait_minutes(stage, 2);
    assert_int_equal(canary(stage, CANARY_UDP)->state, PROBE_UP);
    assert_int_equal(canary(stage, CANARY_TCP)->state, PROBE_UP);
    assert_int_equal(canary(stage, CANARY_ABOVE)->state, PROBE_UNKNOWN);
    assert_int_equal(gauge(stage, METRIC_canary_ways, PROBE_UP), 2);
    assert_true(scene_count(stage->scene, METRIC_requests) > 0);
}

static void canary_when_it_is_not_there_is_down(void **state)
{
    struct stage *stage = *state;
    adopt_at(stage, SCENE_PORT,
             "probe:\n  interval: 5m\n  canary: 88.1000/none\n"
             "listen:\n  addresses: ['0.0.0.0']\n");
    wait_minutes(stage, 10);
    assert_int_equal(canary(stage, CANARY_UDP)->state, PROBE_DOWN);
    assert_int_equal(canary(stage, CANARY_TCP)->last.finding, FINDING_NOT_FOUND);
}

static void canary_when_the_service_above_does_not_know_it_is_down_there(void **state)
{
    struct stage *stage = *state;
    adopt(stage, "probe:\n  interval: 5m\n  canary: 88.1000/a\n"
                 "upstream:\n  servers: ['127.0.0.8:2650']\n");
    wait_minutes(stage, 10);
    assert_int_equal(canary(stage, CANARY_ABOVE)->state, PROBE_DOWN); /* TCP is not served */
    assert_int_equal(canary(stage, CANARY_ABOVE)->last.finding, FINDING_NOT_FOUND);
    assert_string_equal(canary(stage, CANARY_ABOVE)->last.where, "udp 127.0.0.8:2650");
}

/* Where no port is told, the records of the name say who offers the service. */
static void canary_when_the_service_above_has_records_is_asked_where_they_say(void **state)
{
    struct stage *stage = *state;
    adopt(stage, "probe:\n  interval: 5m\n  canary: 88.1000/a\n"
                 "upstream:\n  servers: ['peers.test']\n");
    wait_minutes(stage, 10);
    assert_true(stage->questions > 0);
    assert_int_equal(canary(stage, CANARY_ABOVE)->last.finding, FINDING_NOT_FOUND);
    adopt(stage, "probe:\n  interval: 5m\n  canary: 88.1000/a\n"
                 "upstream:\n  servers: ['none.test']\n");
    wait_minutes(stage, 10);
    assert_int_equal(canary(stage, CANARY_ABOVE)->last.finding, FINDING_NO_HOST);
}

/* --- plans and files -------------------------------------------------------------------------- */

static void states_when_the_node_restarts_are_still_known(void **state)
{
    struct stage *stage = *state;
    delegate(stage, "88.2", "127.0.0.8");
    delegate(stage, "88.3", "127.0.0.8");
    adopt(stage, QUIET);
    wait_minutes(stage, 12);
    stage->is_mute = true;
    wait_minutes(stage, 15);
    int64_t since_ms = track_of(stage, "88.2")->since_ms;
    size_t count = track_of(stage, "88.2")->history_count;
    close_prober(stage);
    open_prober(stage);
    assert_int_equal(probe_table_count(stage->table), 2);
    assert_int_equal(state_of(stage, "88.2"), PROBE_DOWN);
    assert_int_equal(track_of(stage, "88.2")->since_ms, since_ms);
    assert_int_equal(track_of(stage, "88.2")->history_count, count);
    adopt(stage, QUIET);
    stage->is_mute = false;
    wait_minutes(stage, 15);
    assert_int_equal(state_of(stage, "88.2"), PROBE_UP);
    assert_int_equal(state_of(stage, "88.3"), PROBE_UP);
}

static void file_when_it_is_damaged_begins_anew(void **state)
{
    struct stage *stage = *state;
    close_prober(stage);
    FILE *file = fopen(stage->path, "we");
    assert_non_null(file);
    assert_true(fputs("{\"prefixes\": [", file) >= 0);
    assert_int_equal(fclose(file), 0);
    open_prober(stage);
    assert_int_equal(probe_table_count(stage->table), 0);
    delegate(stage, "88.2", "127.0.0.8");
    adopt(stage, QUIET);
    wait_minutes(stage, 6);
    assert_int_equal(state_of(stage, "88.2"), PROBE_UP);
}

static void plan_when_exchanged_in_the_midst_of_visits_loses_nothing(void **state)
{
    struct stage *stage = *state;
    stage->is_mute = true;
    delegate(stage, "88.2", "127.0.0.8");
    adopt(stage, "probe:\n  interval: 1s\n");
    for (int i = 0; i < 100 && prober_under_way(stage->prober) == 0; i++) {
        fake_world_advance(stage->scene->world, 100);
    }
    assert_int_equal(prober_under_way(stage->prober), 1);
    adopt(stage, QUIET);
    assert_int_equal(prober_under_way(stage->prober), 0);
    stage->is_mute = false;
    wait_minutes(stage, 6);
    assert_int_equal(state_of(stage, "88.2"), PROBE_UP);
}

static void probes_when_switched_off_stop_and_nothing_is_claimed(void **state)
{
    struct stage *stage = *state;
    delegate(stage, "88.2", "127.0.0.8");
    adopt(stage, QUIET);
    wait_minutes(stage, 6);
    adopt(stage, "probe:\n  interval: 0s\n");
    unsigned before = stage->questions;
    wait_minutes(stage, 60);
    assert_int_equal(stage->questions, before);
    assert_int_equal(state_of(stage, "88.2"), PROBE_UNKNOWN);
    assert_int_equal(gauge(stage, METRIC_probe_prefixes, PROBE_UNKNOWN), 1);
    adopt(stage, QUIET);
    wait_minutes(stage, 6);
    assert_int_equal(state_of(stage, "88.2"), PROBE_UP);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, stage_open, stage_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(node_when_it_dies_for_an_hour_is_down_and_then_up),
        CASE(node_when_one_round_is_lost_stays_up),
        CASE(node_when_it_does_not_serve_the_prefix_is_down),
        CASE(node_when_its_site_record_is_newer_is_degraded),
        CASE(node_when_named_is_looked_up),
        CASE(node_when_told_by_a_handle_is_found_there),
        CASE(prefix_when_taken_back_is_not_probed_any_more),
        CASE(many_prefixes_are_spread_over_the_interval),
        CASE(mute_nodes_are_asked_a_few_at_a_time),
        CASE(canary_when_it_resolves_is_up_over_udp_and_tcp),
        CASE(canary_when_it_is_not_there_is_down),
        CASE(canary_when_the_service_above_does_not_know_it_is_down_there),
        CASE(canary_when_the_service_above_has_records_is_asked_where_they_say),
        CASE(states_when_the_node_restarts_are_still_known),
        CASE(file_when_it_is_damaged_begins_anew),
        CASE(plan_when_exchanged_in_the_midst_of_visits_loses_nothing),
        CASE(probes_when_switched_off_stop_and_nothing_is_claimed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
