/* SPDX-License-Identifier: Apache-2.0
 *
 * What other nodes answered, told from memory: the same bytes as over the full way, for those whom
 * the full way tells it from the cache, and to nobody else; and only for as long as it would.
 *
 * Every question is put to both ways of one worker at one moment.
 */
#include "tests/scenario/scene_upstream.h"

#include "resolver/hot_path.h"

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_lent, upstream_close)
#define NAME "88.2/x"
#define PLAIN ((uint32_t)MESSAGE_RECURSIVE | (uint32_t)MESSAGE_PUBLIC_ONLY)
#define AUTHORITATIVE ((uint32_t)MESSAGE_AUTHORITATIVE)
#define ROOM 4096
#define TTL 60
#define ROUNDS 30000

struct question {
    const char *name;
    const char *peer;
    enum exchange_transport transport;
    uint32_t flags;
    struct message_version version;
    uint8_t count;
};

enum told { TOLD_NOT, TOLD_IN_FULL, TOLD_FROM_MEMORY };

static const struct question trusted = {
    .name = NAME, .peer = "127.0.0.5", .flags = PLAIN, .version = {2, 11}};

static int open_lent(void **state)
{
    int failed = upstream_open_all(state, UPSTREAM_YAML, true);
    if (failed == 0) {
        cache_settle(((struct upstream_scene *)*state)->cache);
    }
    return failed;
}

/* As the answer of another node. */
static void remember_code(struct upstream_scene *up, const char *name, uint32_t code,
                          struct bytes values)
{
    const struct body_resolution asked = {.handle = bytes_of_text(name)};
    const struct cache_question question = {
        .kind = handle_is_prefix_record(asked.handle) ? CACHE_SITES : CACHE_ANSWERS,
        .rule = CASE_SENSITIVE,
        .asked = &asked,
    };
    const struct cache_answer answer = {
        .code = code, .values = values, .fetched_ms = net_wall_ms(up->scene->client_net)};
    (void)cache_put(up->workers[0].cache, &question, &answer);
    cache_settle(up->cache);
}

static void remember(struct upstream_scene *up, const char *name, const char *data, uint32_t ttl)
{
    uint8_t room[256];
    struct value value = fixture_value(1, "URL", data, 0x0e);
    value.ttl = ttl;
    struct wire_writer w = wire_write(room, sizeof(room));
    value_list_encode(&w, &value, 1);
    remember_code(up, name, 1, wire_wrote(&w));
}

static struct bytes packet_of(struct upstream_scene *up, const struct question *question)
{
    static uint8_t body[ROOM];
    struct fixture_ask ask = fixture_ask(OPCODE_RESOLUTION);
    ask.flags = question->flags;
    ask.version = question->version;
    ask.suggested = question->version;
    ask.recursion_count = question->count;
    return fixture_packet(
        &up->scene->store, &ask,
        fixture_resolution(body, sizeof(body), bytes_of_text(question->name), NULL, 0, NULL));
}

static size_t from_memory(const struct exchange_scope *scope, const struct question *question,
                          struct bytes packet, uint8_t *room)
{
    struct hot_turn turn;
    struct hot_request request;
    struct net_address peer;
    assert_int_equal(net_address_parse(question->peer, 4000, &peer), STATUS_OK);
    hot_begin(&turn, scope, question->transport);
    hot_look(&turn, packet, &request);
    hot_find(&turn, &request, 1);
    size_t len = hot_answer(&turn, &request, &peer, room);
    hot_end(&turn);
    return len;
}

static enum status in_full(const struct exchange_scope *scope, const struct question *question,
                           struct bytes packet, uint8_t *room, size_t *out_len)
{
    struct worker_asked asked = {.transport = question->transport, .request = packet};
    assert_int_equal(net_address_parse(question->peer, 4000, &asked.peer), STATUS_OK);
    return worker_answer(scope, &asked, room, out_len);
}

/* Both ways. The second may have to ask other nodes, which takes no time here. */
static enum told ask(struct upstream_scene *up, const struct question *question)
{
    static uint8_t hot_room[MESSAGE_PACKET_MAX];
    static uint8_t room[MESSAGE_PACKET_MAX];
    struct exchange_scope scope;
    size_t len = 0;
    struct bytes packet = packet_of(up, question);
    assert_true(worker_begin(&up->workers[0], &scope));
    size_t hot_len = from_memory(&scope, question, packet, hot_room);
    enum status status = in_full(&scope, question, packet, room, &len);
    worker_rest(&up->workers[0]);
    if (hot_len > 0 &&
        (status != STATUS_OK || hot_len != len || memcmp(hot_room, room, len) != 0)) {
        fail_msg("%s for %s, flags %x: %zu bytes from memory, else status %d, %zu bytes",
                 question->name, question->peer, question->flags, hot_len, (int)status, len);
    }
    if (status == STATUS_PENDING) {
        fake_world_run(up->scene->world);
        cache_settle(up->cache);
    }
    bool is_told = status == STATUS_OK && scene_code(bytes_of(room, len), FIXTURE_REQUEST_ID) == 1;
    return hot_len > 0 ? TOLD_FROM_MEMORY : is_told ? TOLD_IN_FULL : TOLD_NOT;
}

/* The first question keeps what the second is told. */
static void keep(struct upstream_scene *up)
{
    remember(up, NAME, "https://example.cn/", TTL);
    assert_int_equal(ask(up, &trusted), TOLD_IN_FULL);
    assert_int_equal(ask(up, &trusted), TOLD_FROM_MEMORY);
}

/* --- to whom ---------------------------------------------------------------------------------- */

static void answer_from_memory_is_that_of_the_full_way_for_all_flags(void **state)
{
    struct upstream_scene *up = *state;
    static const struct message_version versions[] = {{2, 0}, {2, 3}, {2, 11}, {3, 0}};
    unsigned told = 0;
    up->scene->generation.is_primary = true; /* what others answered has not our authority */
    keep(up);
    for (uint32_t bits = 0; bits < 1u << 12; bits++) {
        struct question question = trusted;
        question.flags = bits << 20;
        question.version = versions[bits % 4];
        question.count = (uint8_t)bits;
        question.transport = bits % 3 == 0 ? EXCHANGE_UDP : EXCHANGE_TCP;
        told += ask(up, &question) == TOLD_FROM_MEMORY;
    }
    assert_in_range(told, 1 << 6, 1 << 9);
}

static void strangers_get_what_they_got(void **state)
{
    struct upstream_scene *up = *state;
    keep(up);
    static const char *const strangers[] = {"203.0.113.7", "2001:db8::7", "126.255.255.255",
                                            "128.0.0.1"};
    int64_t hits = scene_count(up->scene, METRIC_hot_hits);
    for (size_t i = 0; i < 4; i++) {
        for (unsigned bits = 0; bits < 8; bits++) {
            struct question question = trusted;
            question.peer = strangers[i];
            question.transport = (bits & 1) != 0 ? EXCHANGE_UDP : EXCHANGE_TCP;
            question.flags = ((bits & 2) != 0 ? (uint32_t)MESSAGE_RECURSIVE : 0) |
                             ((bits & 4) != 0 ? (uint32_t)MESSAGE_PUBLIC_ONLY : 0);
            assert_int_equal(ask(up, &question), TOLD_NOT);
        }
    }
    assert_int_equal(scene_count(up->scene, METRIC_hot_hits), hits);
    assert_int_equal(scene_count(up->scene, METRIC_upstream_refused), 32);
}

static void who_asks_for_authority_is_not_told_from_memory(void **state)
{
    struct upstream_scene *up = *state;
    struct question question = trusted;
    question.flags |= AUTHORITATIVE;
    keep(up);
    unsigned before = upstream_questions_of(up, FIRST);
    assert_int_equal(ask(up, &question), TOLD_NOT); /* it waits */
    assert_int_equal(upstream_questions_of(up, FIRST), before + 1);
    assert_int_equal(ask(up, &trusted), TOLD_FROM_MEMORY);
}

static void who_does_not_ask_for_recursion_goes_the_full_way(void **state)
{
    struct upstream_scene *up = *state;
    struct question question = trusted;
    question.flags = (uint32_t)MESSAGE_PUBLIC_ONLY;
    keep(up);
    assert_int_not_equal(ask(up, &question), TOLD_FROM_MEMORY);
}

/* --- what ------------------------------------------------------------------------------------- */

static void refusals_and_stale_answers_are_not_kept(void **state)
{
    struct upstream_scene *up = *state;
    struct question question = trusted;
    question.name = "88.2/none";
    remember_code(up, question.name, 100, BYTES_NONE);
    assert_int_equal(ask(up, &question), TOLD_NOT);
    assert_int_equal(ask(up, &question), TOLD_NOT);
    keep(up);
    for (size_t i = 0; i < PEERS; i++) {
        up->peers[i].mode = PEER_MUTE;
    }
    fake_world_advance(up->scene->world, TTL * 1000 + 1);
    assert_int_equal(upstream_ask(up, NAME, 4500), 1);
    assert_int_equal(up->flags & MESSAGE_STALE, MESSAGE_STALE);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ask(up, &trusted), TOLD_NOT);
    }
    fake_world_advance(up->scene->world, 10000);
}

static void spelling_is_that_of_the_question(void **state)
{
    struct upstream_scene *up = *state;
    struct question question = trusted;
    question.name = "88.2/X";
    keep(up);
    assert_int_equal(ask(up, &question), TOLD_NOT); /* another name, for all we know */
    question.name = "88.2/x ";
    assert_int_equal(ask(up, &question), TOLD_NOT);
}

/* A record of a prefix may come to stand here without any prefix being changed. */
static void records_of_prefixes_are_not_kept(void **state)
{
    struct upstream_scene *up = *state;
    struct value keeper = fixture_value(1, "HS_NA_DELEGATE", "", 0x0e);
    uint8_t room[1024];
    keeper.data = upstream_site(up, room);
    fixture_put(&up->scene->store, BYTES_LITERAL("0.NA/88.1000"), &keeper, 1);
    snapshot_rest(up->scene->store.snapshot);
    remember(up, "0.NA/88.1000.5", "https://example.cn/", TTL);
    struct question question = trusted;
    question.name = "0.NA/88.1000.5";
    question.version = (struct message_version){2, 3}; /* knows no prefix referrals */
    assert_int_equal(ask(up, &question), TOLD_IN_FULL);
    assert_int_equal(ask(up, &question), TOLD_IN_FULL);
    question.version = trusted.version;
    assert_int_equal(ask(up, &question), TOLD_NOT);
    remember(up, "0.NA/88.77", "https://example.cn/", TTL);
    question.name = "0.NA/88.77";
    assert_int_equal(ask(up, &question), TOLD_IN_FULL);
    assert_int_equal(ask(up, &question), TOLD_IN_FULL);
}

/* --- how long --------------------------------------------------------------------------------- */

static void age_is_told_until_the_end(void **state)
{
    struct upstream_scene *up = *state;
    static const int64_t steps_ms[] = {1, 998, 1, 1, 999, 2500, 1, 499};
    int64_t age_ms = 0;
    keep(up);
    for (size_t i = 0; age_ms + steps_ms[i % 8] < TTL * 1000; i++) {
        age_ms += steps_ms[i % 8];
        fake_world_advance(up->scene->world, steps_ms[i % 8]);
        assert_int_equal(ask(up, &trusted), TOLD_FROM_MEMORY);
    }
    fake_world_advance(up->scene->world, TTL * 1000 - 1 - age_ms);
    assert_int_equal(ask(up, &trusted), TOLD_FROM_MEMORY);
    fake_world_advance(up->scene->world, 1); /* over its time */
    assert_int_equal(ask(up, &trusted), TOLD_NOT);
}

static void what_ends_within_a_second_ends_then(void **state)
{
    struct upstream_scene *up = *state;
    struct value value = fixture_value(1, "URL", "https://example.cn/", 0x0e);
    uint8_t room[256];
    int64_t now_ms = net_wall_ms(up->scene->client_net);
    fake_world_advance(up->scene->world, 1300 - now_ms % 1000);
    value.ttl_type = VALUE_TTL_ABSOLUTE;
    value.ttl = (uint32_t)(now_ms / 1000 + 3);
    struct wire_writer w = wire_write(room, sizeof(room));
    value_list_encode(&w, &value, 1);
    remember_code(up, "88.2/short", 1, wire_wrote(&w));
    struct question question = trusted;
    question.name = "88.2/short";
    assert_int_equal(ask(up, &question), TOLD_IN_FULL);
    fake_world_advance(up->scene->world, 1699); /* its TTL is a moment and stays as it is */
    assert_int_equal(ask(up, &question), TOLD_FROM_MEMORY);
    fake_world_advance(up->scene->world, 1);
    assert_int_equal(ask(up, &question), TOLD_NOT);
}

static void clock_set_back_ends_it(void **state)
{
    struct upstream_scene *up = *state;
    struct exchange_scope scope;
    uint8_t room[ROOM];
    keep(up);
    struct bytes packet = packet_of(up, &trusted);
    assert_true(worker_begin(&up->workers[0], &scope));
    assert_true(from_memory(&scope, &trusted, packet, room) > 0);
    uint8_t young[ROOM];
    size_t len = from_memory(&scope, &trusted, packet, young);
    scope.now_ms += 5000;
    assert_int_equal(from_memory(&scope, &trusted, packet, room), len);
    assert_memory_not_equal(room, young, len);
    scope.now_ms -= 5000;
    assert_int_equal(from_memory(&scope, &trusted, packet, room), len);
    assert_memory_equal(room, young, len);
    scope.now_ms -= 1;
    assert_int_equal(from_memory(&scope, &trusted, packet, room), 0);
    worker_rest(&up->workers[0]);
}

static void flush_ends_it(void **state)
{
    struct upstream_scene *up = *state;
    static const enum cache_scope scopes[] = {CACHE_ALL, CACHE_PREFIX, CACHE_NAME};
    static const char *const names[] = {"", "88.2", NAME};
    for (size_t i = 0; i < 3; i++) {
        uint64_t removed = 0;
        keep(up);
        assert_int_equal(cache_flush(up->cache, scopes[i], bytes_of_text(names[i]), &removed),
                         STATUS_OK);
        assert_true(removed > 0);
        assert_int_equal(ask(up, &trusted), TOLD_NOT);
        fake_world_advance(up->scene->world, 300);
    }
    keep(up);
    assert_int_equal(cache_forget(up->workers[0].cache, BYTES_LITERAL(NAME), CASE_SENSITIVE),
                     STATUS_OK);
    cache_settle(up->cache);
    assert_int_equal(ask(up, &trusted), TOLD_NOT);
}

static void another_answer_ends_it(void **state)
{
    struct upstream_scene *up = *state;
    keep(up);
    remember(up, NAME, "https://example.cn/other", TTL);
    assert_int_equal(ask(up, &trusted), TOLD_IN_FULL);
    assert_int_equal(ask(up, &trusted), TOLD_FROM_MEMORY);
    for (unsigned i = 0; i < 20; i++) { /* what is kept of others ends nothing */
        char name[32];
        (void)snprintf(name, sizeof(name), "88.2/other-%u", i);
        remember(up, name, "https://example.cn/", TTL);
    }
    assert_int_equal(ask(up, &trusted), TOLD_FROM_MEMORY);
}

/* The cache's clock is set back: everything goes. */
static void sweep_ends_it(void **state)
{
    struct upstream_scene *up = *state;
    keep(up);
    cache_tick(up->cache, net_wall_ms(up->scene->client_net) + TTL * 1000 + 8 * 86400000LL);
    cache_settle(up->cache);
    assert_int_equal(ask(up, &trusted), TOLD_NOT);
}

static void home_here_ends_it(void **state)
{
    struct upstream_scene *up = *state;
    keep(up);
    fixture_home(&up->scene->store, "88.2", PREFIX_ACTIVE, CASE_INSENSITIVE);
    snapshot_rest(up->scene->store.snapshot);
    assert_int_equal(ask(up, &trusted), TOLD_NOT);
    assert_int_equal(ask(up, &trusted), TOLD_NOT);
    fixture_home(&up->scene->store, "88.2", PREFIX_STOPPED, CASE_INSENSITIVE);
    snapshot_rest(up->scene->store.snapshot);
    assert_int_equal(ask(up, &trusted), TOLD_NOT);
    fixture_home(&up->scene->store, "88.2", PREFIX_UNHOMED, CASE_INSENSITIVE);
    snapshot_rest(up->scene->store.snapshot);
    assert_int_equal(ask(up, &trusted), TOLD_IN_FULL);
    assert_int_equal(ask(up, &trusted), TOLD_FROM_MEMORY);
}

static void settings_end_it(void **state)
{
    struct upstream_scene *up = *state;
    keep(up);
    up->upward->network_count = 0;
    worker_adopt(&up->workers[0], &up->scene->generation);
    assert_int_equal(ask(up, &trusted), TOLD_NOT);
}

/* --- through sockets -------------------------------------------------------------------------- */

static void sockets_tell_it_from_memory(void **state)
{
    struct upstream_scene *up = *state;
    struct scene *scene = up->scene;
    remember(up, NAME, "https://example.cn/", TTL);
    int64_t straight = scene_count(scene, METRIC_straight_answers);
    int64_t told = scene_count(scene, METRIC_cache_hits);
    for (unsigned i = 0; i < 4 * WORKERS; i++) {
        assert_int_equal(upstream_ask_flags(up, NAME, 0, 0), 1);
        struct scene_udp *udp = scene_udp_open(scene);
        scene_udp_send(scene, udp, scene_request(scene, NAME, 0, 5));
        fake_world_run(scene->world);
        assert_int_equal(udp->count, 1);
        scene_udp_close(udp);
    }
    assert_true(scene_count(scene, METRIC_hot_hits) >= 4 * WORKERS);
    assert_int_equal(scene_count(scene, METRIC_straight_answers), straight);
    assert_int_equal(metrics_sum(scene->store.metrics, METRIC_cache_hits, CACHE_HIT_RECORD),
                     told + 8 * WORKERS);
}

/* --- all of it, by chance --------------------------------------------------------------------- */

static uint64_t draw(uint64_t *random, uint64_t below)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (*random >> 33) % below;
}

static const char *draw_name(uint64_t *random)
{
    static const char *const names[] = {"88.2/x", "88.2/y",   "88.22/x",     "88.2/0",
                                        "88.2/X", "88.2.1/x", "0.NA/88.2.1", "88.1000/a"};
    return names[draw(random, sizeof(names) / sizeof(names[0]))];
}

static void change_prefix(struct upstream_scene *up, uint64_t *random)
{
    static const char *const prefixes[] = {"88.2", "88.22", "88.2.1"};
    struct prefix_row row = {
        .prefix = bytes_of_text(prefixes[draw(random, 3)]),
        .enterprise = BYTES_LITERAL("self"),
        .state = draw(random, 4) == 0 ? PREFIX_ACTIVE : PREFIX_UNHOMED,
        .hosting = draw(random, 3) == 0 ? PREFIX_DELEGATED : PREFIX_HOSTED,
    };
    struct change_set *set = fixture_set();
    assert_int_equal(change_set_put_prefix(set, &row, CHANGE_REPLACE, NULL), STATUS_OK);
    fixture_commit(&up->scene->store, set);
    snapshot_rest(up->scene->store.snapshot);
}

static void change_cache(struct upstream_scene *up, uint64_t *random)
{
    char data[32];
    uint64_t removed = 0;
    const char *name = draw_name(random);
    switch (draw(random, 5)) {
    case 0:
        (void)cache_flush(up->cache, CACHE_ALL, BYTES_NONE, &removed);
        break;
    case 1:
        (void)cache_flush(up->cache, CACHE_NAME, bytes_of_text(name), &removed);
        break;
    case 2:
        remember_code(up, name, 100, BYTES_NONE);
        break;
    default:
        (void)snprintf(data, sizeof(data), "%u", (unsigned)draw(random, 1000));
        remember(up, name, data, (uint32_t)draw(random, 5));
        break;
    }
}

static enum told ask_by_chance(struct upstream_scene *up, uint64_t *random)
{
    static const char *const peers[] = {"127.0.0.5", "127.9.9.9", "::1", "203.0.113.7"};
    static const uint32_t flags[] = {
        PLAIN, PLAIN, PLAIN, (uint32_t)MESSAGE_RECURSIVE, 0, PLAIN | AUTHORITATIVE};
    const struct question question = {
        .name = draw_name(random),
        .peer = peers[draw(random, 4)],
        .transport = draw(random, 2) == 0 ? EXCHANGE_UDP : EXCHANGE_TCP,
        .flags = flags[draw(random, 6)],
        .version = draw(random, 4) == 0 ? (struct message_version){2, 3} : trusted.version,
        .count = (uint8_t)draw(random, 12),
    };
    return ask(up, &question);
}

static void both_ways_tell_the_same_whatever_happens(void **state)
{
    struct upstream_scene *up = *state;
    uint64_t random = 20261121;
    unsigned told[3] = {0};
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t what = draw(&random, 100);
        if (what < 80) {
            told[ask_by_chance(up, &random)]++;
        } else if (what < 94) {
            fake_world_advance(up->scene->world, (int64_t)draw(&random, what < 92 ? 300 : 3000));
        } else if (what < 98) {
            change_cache(up, &random);
        } else {
            change_prefix(up, &random);
        }
    }
    assert_true(told[TOLD_NOT] > ROUNDS / 100);
    assert_true(told[TOLD_IN_FULL] > ROUNDS / 100);
    assert_true(told[TOLD_FROM_MEMORY] > ROUNDS / 100);
    fake_world_advance(up->scene->world, 60000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(answer_from_memory_is_that_of_the_full_way_for_all_flags),
        CASE(strangers_get_what_they_got),
        CASE(who_asks_for_authority_is_not_told_from_memory),
        CASE(who_does_not_ask_for_recursion_goes_the_full_way),
        CASE(refusals_and_stale_answers_are_not_kept),
        CASE(spelling_is_that_of_the_question),
        CASE(records_of_prefixes_are_not_kept),
        CASE(age_is_told_until_the_end),
        CASE(what_ends_within_a_second_ends_then),
        CASE(clock_set_back_ends_it),
        CASE(flush_ends_it),
        CASE(another_answer_ends_it),
        CASE(sweep_ends_it),
        CASE(home_here_ends_it),
        CASE(settings_end_it),
        CASE(sockets_tell_it_from_memory),
        CASE(both_ways_tell_the_same_whatever_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
