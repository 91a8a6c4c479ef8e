/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of other nodes, asked for at scripted servers: who is asked, what is believed, how long is
 * waited, and how often.
 */
#include "tests/scenario/scene_upstream.h"

#include "resolver/http_route.h"

#define CASE(name) cmocka_unit_test_setup_teardown(name, upstream_open, upstream_close)
#define CACHED(name) cmocka_unit_test_setup_teardown(name, open_cached, upstream_close)
#define VERIFYING(name) cmocka_unit_test_setup_teardown(name, open_verifying, upstream_close)
#define NAME "88.2/x"

static const char verifying[] = UPSTREAM_YAML "  verify: yes\n";

static int open_verifying(void **state)
{
    return upstream_open_all(state, verifying, false);
}

static int open_cached(void **state)
{
    return upstream_open_all(state, UPSTREAM_YAML, true);
}

static void name_of_another_node_is_found_through_its_prefix(void **state)
{
    struct upstream_scene *up = *state;
    assert_int_equal(upstream_ask(up, NAME, 0), 1);
    assert_int_equal(upstream_questions_of(up, TOP), 1);
    assert_int_equal(upstream_questions_of(up, FIRST) + upstream_questions_of(up, SECOND), 1);
    assert_int_equal(up->peers[TOP].last_count, 2);
    const struct peer *asked = &up->peers[upstream_questions_of(up, FIRST) == 1 ? FIRST : SECOND];
    assert_int_equal(asked->last_count, 1);
    assert_int_equal(asked->last_flags, MESSAGE_PUBLIC_ONLY | MESSAGE_REQUEST_DIGEST);
}

static void name_that_is_not_there_is_not_found(void **state)
{
    assert_int_equal(upstream_ask(*state, "88.2/0", 0), 100);
}

static void values_not_for_all_are_not_relayed(void **state)
{
    struct upstream_scene *up = *state;
    struct scene *scene = up->scene;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    struct message message;
    struct body_values values;
    struct bytes packet = scene_request(scene, NAME, 0, 5);
    assert_int_equal(scene_tcp_send(tcp, packet), packet.len);
    fake_world_run(scene->world);
    assert_int_equal(message_decode(scene_tcp_next(tcp), &message), STATUS_OK);
    assert_int_equal(message.header.flags & (uint32_t)MESSAGE_AUTHORITATIVE, 0);
    assert_int_equal(body_values_decode(message.body, scene->kept, &values), STATUS_OK);
    assert_int_equal(values.count, 2);
    scene_tcp_close(tcp);
}

static void lost_datagrams_are_sent_again(void **state)
{
    struct upstream_scene *up = *state;
    const enum fake_fate fates[] = {FAKE_LOSE};
    fake_world_fates(up->scene->world, fates, 1);
    assert_int_equal(upstream_ask(up, NAME, 2000), 1);
}

static void server_that_is_silent_over_udp_is_asked_over_tcp(void **state)
{
    struct upstream_scene *up = *state;
    up->peers[TOP].mode = PEER_DEAD_UDP;
    assert_int_equal(upstream_ask(up, NAME, 3000), 1);
}

static void mirror_answers_while_the_primary_is_silent(void **state)
{
    struct upstream_scene *up = *state;
    up->peers[FIRST].mode = PEER_MUTE;
    assert_int_equal(upstream_ask(up, NAME, 2000), 1);
    up->peers[FIRST].mode = PEER_ANSWERS;
    up->peers[SECOND].mode = PEER_MUTE;
    assert_int_equal(upstream_ask(up, "88.22/x", 2000), 1);
}

static void mirror_answers_while_the_primary_is_busy(void **state)
{
    struct upstream_scene *up = *state;
    up->peers[FIRST].mode = PEER_BUSY;
    assert_int_equal(upstream_ask(up, NAME, 100), 1);
    up->peers[SECOND].mode = PEER_BUSY;
    assert_int_equal(upstream_ask(up, "88.22/x", 1000), 3);
}

static void budget_ends_what_nobody_answers(void **state)
{
    struct upstream_scene *up = *state;
    up->peers[TOP].mode = PEER_MUTE;
    assert_int_equal(upstream_ask(up, NAME, 3800), 0);
    fake_world_advance(up->scene->world, 1000);
    up->peers[TOP].mode = PEER_ANSWERS;
    fake_world_advance(up->scene->world, 5000);
    assert_int_equal(upstream_ask(up, NAME, 4500), 1);
    assert_int_equal(scene_count(up->scene, METRIC_upstream_under_way), 0);
}

static void believes_nothing(struct upstream_scene *up, enum peer_mode mode)
{
    up->peers[TOP].mode = mode;
    assert_int_equal(upstream_ask(up, NAME, 4500), 3);
    assert_int_equal(upstream_questions_of(up, FIRST) + upstream_questions_of(up, SECOND), 0);
    assert_true(scene_count(up->scene, METRIC_upstream_discarded) > 0);
}

static void answers_with_another_id_are_not_believed(void **state)
{
    believes_nothing(*state, PEER_WRONG_ID);
}

static void answers_to_another_question_are_not_believed(void **state)
{
    believes_nothing(*state, PEER_WRONG_DIGEST);
}

static void answers_from_elsewhere_over_udp_are_passed_over(void **state)
{
    struct upstream_scene *up = *state;
    up->peers[TOP].mode = PEER_WRONG_SOURCE;
    assert_int_equal(upstream_ask(up, NAME, 4500), 1); /* over TCP */
    assert_true(scene_count(up->scene, METRIC_upstream_discarded) > 0);
}

static void answer_about_another_name_is_an_error(void **state)
{
    struct upstream_scene *up = *state;
    up->peers[FIRST].mode = PEER_WRONG_NAME;
    up->peers[SECOND].mode = PEER_WRONG_NAME;
    assert_int_equal(upstream_ask(up, NAME, 4500), 2);
}

static void forged_answer_does_not_end_the_waiting(void **state)
{
    struct upstream_scene *up = *state;
    struct scene *scene = up->scene;
    up->peers[TOP].mode = PEER_MUTE;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    struct bytes packet = scene_request(scene, NAME, 0, 5);
    assert_int_equal(scene_tcp_send(tcp, packet), packet.len);
    fake_world_run(scene->world);
    assert_int_equal(upstream_questions_of(up, TOP), 1);
    uint16_t port = up->peers[TOP].last_port;
    for (uint32_t guess = 1; guess < 200; guess++) { /* from the right source to the right port */
        uint8_t forged[64] = {2, 11, 2, 11};
        wire_store_u32(forged + 8, guess);
        wire_store_u32(forged + 16, 28);
        struct net_datagram out = {.data = forged, .len = 48, .peer = scene->address};
        out.peer.port = port;
        (void)net_udp_send(up->peers[TOP].udp, &out, 1);
    }
    up->peers[TOP].mode = PEER_ANSWERS;
    fake_world_run(scene->world);
    assert_int_equal(scene_tcp_next(tcp).len, 0);
    fake_world_advance(scene->world, 1000);
    assert_int_equal(scene_code(scene_tcp_next(tcp), 5), 1);
    assert_int_equal(scene_count(scene, METRIC_upstream_discarded), 199);
    scene_tcp_close(tcp);
}

static void ids_do_not_tell_the_next_one(void **state)
{
    struct upstream_scene *up = *state;
    uint32_t ids[8];
    for (size_t i = 0; i < 8; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "0.NA/88.2%zu", i);
        assert_int_equal(upstream_ask(up, name, 0), 1);
        ids[i] = up->peers[TOP].last_id;
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(ids[i] - ids[j], i - j);
        }
    }
}

static void unsigned_answers_are_not_believed_where_a_key_is_told(void **state)
{
    struct upstream_scene *up = *state;
    up->has_key = true;
    up->peers[SECOND].mode = PEER_MUTE; /* whose site tells none */
    assert_int_equal(upstream_ask(up, NAME, 4500), 3);
    assert_true(upstream_questions_of(up, FIRST) > 0);
    assert_int_not_equal(up->peers[FIRST].last_flags & MESSAGE_CERTIFIED, 0);
}

static void right_signatures_are_believed(void **state)
{
    struct upstream_scene *up = *state;
    up->has_key = true;
    up->signer = EVP_RSA_gen(2048);
    assert_non_null(up->signer);
    up->peers[SECOND].mode = PEER_MUTE;
    assert_int_equal(upstream_ask(up, NAME, 100), 1);
    assert_int_equal(scene_count(up->scene, METRIC_upstream_discarded), 0);
}

/* --- circles and storms ----------------------------------------------------------------------- */

static void referral_to_itself_ends(void **state)
{
    struct upstream_scene *up = *state;
    up->peers[FIRST].mode = PEER_REFERS_TO_ITSELF;
    up->peers[SECOND].mode = PEER_REFERS_TO_ITSELF;
    assert_int_equal(upstream_ask(up, NAME, 4500), 6);
    assert_true(upstream_questions_of(up, FIRST) <= FORWARD_COUNT_MAX);
}

static void referrals_to_ever_new_names_end(void **state)
{
    struct upstream_scene *up = *state;
    up->peers[FIRST].mode = PEER_TELLS_OTHERS;
    up->peers[SECOND].mode = PEER_TELLS_OTHERS;
    assert_int_equal(upstream_ask(up, NAME, 4500), 6);
    unsigned all = upstream_questions_of(up, TOP) + upstream_questions_of(up, FIRST) +
                   upstream_questions_of(up, SECOND);
    assert_true(all <= 4 * FORWARD_COUNT_MAX);
}

static void service_handle_that_needs_itself_ends(void **state)
{
    assert_int_equal(upstream_ask(*state, "88.3/x", 4500), 6);
}

static void prefix_record_that_tells_itself_ends(void **state)
{
    struct upstream_scene *up = *state;
    assert_int_equal(upstream_ask(up, "88.4/x", 1000), 6);
    assert_true(scene_count(up->scene, METRIC_upstream_coalesced) <= FORWARD_COUNT_MAX);
}

static void service_that_wants_proof_of_who_asks_is_no_use(void **state)
{
    struct upstream_scene *up = *state;
    up->peers[FIRST].mode = PEER_WANTS_PROOF;
    up->peers[SECOND].mode = PEER_WANTS_PROOF;
    assert_int_equal(upstream_ask(up, NAME, 4500), 2);
}

/* What was told of it long ago may have changed, but not a moment ago. */
static void service_that_is_silent_may_have_moved(void **state)
{
    struct upstream_scene *up = *state;
    assert_int_equal(upstream_ask(up, NAME, 1000), 1);
    cache_settle(up->cache);
    unsigned before = upstream_questions_of(up, TOP);
    up->peers[FIRST].mode = PEER_MUTE;
    up->peers[SECOND].mode = PEER_MUTE;
    assert_int_equal(upstream_ask(up, "88.2/a", 5000), 3);
    assert_int_equal(upstream_questions_of(up, TOP), before);
    fake_world_advance(up->scene->world, 70000);
    for (unsigned i = 0; i < 5; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "88.2/b%u", i);
        assert_int_equal(upstream_ask(up, name, 5000), 3);
        cache_settle(up->cache);
    }
    assert_int_equal(upstream_questions_of(up, TOP), before + 1);
    assert_int_not_equal(up->peers[TOP].last_flags & (uint32_t)MESSAGE_AUTHORITATIVE, 0);
}

static void high_recursion_count_is_refused_before_anything_is_asked(void **state)
{
    struct upstream_scene *up = *state;
    assert_int_equal(upstream_ask_count(up, NAME, 10, 0), 6);
    assert_int_equal(upstream_ask_count(up, NAME, 200, 0), 6);
    assert_int_equal(upstream_ask_count(up, "88.1000/a", 200, 0), 1);
    assert_int_equal(upstream_questions_of(up, TOP), 0);
}

static void site_that_says_it_is_not_responsible_is_looked_up_once_more(void **state)
{
    struct upstream_scene *up = *state;
    up->peers[FIRST].mode = PEER_NOT_RESPONSIBLE;
    up->peers[SECOND].mode = PEER_NOT_RESPONSIBLE;
    assert_int_equal(upstream_ask(up, NAME, 4500), 2);
    assert_int_equal(upstream_questions_of(up, TOP), 2);
    assert_int_not_equal(up->peers[TOP].last_flags & (uint32_t)MESSAGE_AUTHORITATIVE, 0);
}

/* --- policy ----------------------------------------------------------------------------------- */

static void own_and_refused_prefixes_are_never_asked_about(void **state)
{
    struct upstream_scene *up = *state;
    assert_int_equal(upstream_ask(up, "88.1.9/x", 0), 301);
    assert_int_equal(upstream_ask(up, "0.NA/88.1.9", 0), 301);
    assert_int_equal(upstream_ask(up, "88.66/x", 0), 301);
    assert_int_equal(upstream_ask(up, "88.66.1/x", 0), 301);
    assert_int_equal(upstream_questions_of(up, TOP), 0);
}

static void strangers_are_not_served(void **state)
{
    struct upstream_scene *up = *state;
    up->upward->network_count = 0;
    assert_int_equal(upstream_ask(up, NAME, 0), 301);
    assert_int_equal(upstream_questions_of(up, TOP), 0);
    assert_int_equal(scene_count(up->scene, METRIC_upstream_refused), 1);
}

/* What the top-level server tells leads to an address behind our own walls. */
static void services_on_private_addresses_are_not_asked_for_others(void **state)
{
    struct upstream_scene *up = *state;
    up->upward->private_count = 0;
    assert_int_not_equal(upstream_ask(up, NAME, 5000), 1);
    assert_true(upstream_questions_of(up, TOP) > 0); /* our settings name it */
    assert_int_equal(upstream_questions_of(up, FIRST), 0);
    assert_int_equal(upstream_questions_of(up, SECOND), 0);
    assert_true(scene_count(up->scene, METRIC_upstream_private) > 0);
}

/* The same through the tunnel of HTTP. */
static uint32_t ask_by_http(struct scene *scene, const char *handle)
{
    struct scene_tcp *tcp = scene_tcp_open(scene);
    struct bytes packet = scene_request(scene, handle, 0, 5);
    char head[160];
    (void)snprintf(head, sizeof(head),
                   "POST / HTTP/1.1\r\nHost: n\r\nContent-Type: application/x-hdl-message\r\n"
                   "Content-Length: %zu\r\n\r\n",
                   packet.len);
    assert_int_equal(scene_tcp_send(tcp, bytes_of_text(head)), strlen(head));
    assert_int_equal(scene_tcp_send(tcp, packet), packet.len);
    fake_world_run(scene->world);
    const uint8_t *end = memmem(tcp->data, tcp->len, "\r\n\r\n", 4);
    assert_non_null(end);
    tcp->taken = (size_t)(end + 4 - tcp->data);
    uint32_t code = scene_code(scene_tcp_next(tcp), 5);
    scene_tcp_close(tcp);
    return code;
}

static void strangers_are_served_a_few_names_over_http(void **state)
{
    struct upstream_scene *up = *state;
    struct scene *scene = up->scene;
    struct net_address any;
    struct net_address local;
    assert_int_equal(net_address_parse("0.0.0.0", 8000, &any), STATUS_OK);
    up->workers[0].options.routes = &http_routes_own;
    assert_int_equal(worker_open_http(&up->workers[0], &any, false, &local, NULL), STATUS_OK);
    scene->address.port = 8000;
    up->settings->upstream_http_strangers = 1;
    up->upward->network_count = 0;
    for (int i = 0; i < 5; i++) { /* five seconds' worth at once */
        assert_int_equal(ask_by_http(scene, NAME), 1);
    }
    assert_int_equal(ask_by_http(scene, NAME), 301);
    fake_world_advance(scene->world, 5000);
    assert_int_equal(ask_by_http(scene, NAME), 1);
    up->settings->upstream_http_strangers = 0;
    fake_world_advance(scene->world, 5000);
    assert_int_equal(ask_by_http(scene, NAME), 301);
}

/* --- a top node that dies --------------------------------------------------------------------- */

static void dead_top_node_is_not_hammered_and_is_found_again(void **state)
{
    struct upstream_scene *up = *state;
    struct scene *scene = up->scene;
    up->peers[TOP].mode = PEER_MUTE;
    for (unsigned second = 0; second < 3600; second++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "88.2/dead-%u", second % 100);
        struct scene_udp *udp = scene_udp_open(scene);
        scene_udp_send(scene, udp, scene_request(scene, name, 0, second + 1));
        fake_world_run(scene->world);
        fake_world_advance(scene->world, 1000);
        scene_udp_close(udp);
    }
    /* Each of the workers tries UDP and TCP twice a minute or so, up to three datagrams each. */
    assert_true(upstream_questions_of(up, TOP) < 60 * 2 * WORKERS * 4);
    assert_true(upstream_questions_of(up, TOP) > 60);
    fake_world_advance(scene->world, 10000);
    assert_int_equal(scene_count(scene, METRIC_upstream_under_way), 0);
    assert_int_equal(scene_count(scene, METRIC_parked), 0);
    up->peers[TOP].mode = PEER_ANSWERS;
    fake_world_advance(scene->world, 40000);
    assert_int_equal(upstream_ask(up, NAME, 1000), 1);
}

/* --- the cache ----------------------------------------------------------------------------------
 */

static unsigned asked_in_all(const struct upstream_scene *up)
{
    return upstream_questions_of(up, TOP) + upstream_questions_of(up, FIRST) +
           upstream_questions_of(up, SECOND);
}

static void known_names_are_not_asked_for_again(void **state)
{
    struct upstream_scene *up = *state;
    assert_int_equal(upstream_ask(up, NAME, 1000), 1);
    cache_settle(up->cache); /* its thread knows no fake clock */
    assert_int_equal(upstream_ask(up, "88.2/0", 1000), 100);
    cache_settle(up->cache);
    unsigned before = asked_in_all(up);
    assert_int_equal(before, 3);
    assert_int_equal(upstream_ask(up, NAME, 1000), 1);
    assert_int_equal(upstream_ask(up, "88.2/0", 1000), 100);
    assert_int_equal(asked_in_all(up), before);
    assert_int_equal(upstream_ask_flags(up, NAME, (uint32_t)MESSAGE_AUTHORITATIVE, 1000), 1);
    assert_int_equal(asked_in_all(up), before + 1);
}

static void answers_grow_old_and_are_asked_for_again(void **state)
{
    struct upstream_scene *up = *state;
    assert_int_equal(upstream_ask(up, NAME, 0), 1);
    assert_int_equal(upstream_ask(up, "88.2/0", 0), 100);
    cache_settle(up->cache);
    unsigned before = asked_in_all(up);
    fake_world_advance(up->scene->world, 61 * 1000);
    assert_int_equal(upstream_ask(up, NAME, 0), 1);
    assert_int_equal(asked_in_all(up), before);
    assert_int_equal(upstream_ask(up, "88.2/0", 0), 100);
    assert_int_equal(asked_in_all(up), before + 1);
    cache_settle(up->cache);
    fake_world_advance(up->scene->world, 86400 * 1000);
    assert_int_equal(upstream_ask(up, NAME, 0), 1);
    assert_int_equal(asked_in_all(up), before + 3);
}

static void dead_services_leave_what_was_known_before(void **state)
{
    struct upstream_scene *up = *state;
    assert_int_equal(upstream_ask(up, NAME, 0), 1);
    assert_int_equal(up->flags & MESSAGE_STALE, 0);
    cache_settle(up->cache);
    fake_world_advance(up->scene->world, 86401 * 1000);
    for (size_t i = 0; i < PEERS; i++) {
        up->peers[i].mode = PEER_MUTE;
    }
    assert_int_equal(upstream_ask(up, NAME, 4500), 1);
    assert_int_equal(up->flags & MESSAGE_STALE, MESSAGE_STALE);
    assert_true(scene_count(up->scene, METRIC_cache_stale) > 0);
    int64_t stale = scene_count(up->scene, METRIC_cache_stale);
    assert_int_equal(upstream_ask(up, "88.2/new", 9000), 3);
    cache_settle(up->cache);
    for (unsigned minute = 0; minute < 60; minute++) {
        assert_int_equal(upstream_ask(up, NAME, 60 * 1000), 1);
        assert_int_equal(up->flags & MESSAGE_STALE, MESSAGE_STALE);
    }
    assert_true(scene_count(up->scene, METRIC_cache_stale) > stale);
    for (size_t i = 0; i < PEERS; i++) {
        up->peers[i].mode = PEER_ANSWERS;
    }
    fake_world_advance(up->scene->world, 60 * 1000);
    stale = scene_count(up->scene, METRIC_cache_stale);
    assert_int_equal(upstream_ask(up, NAME, 1000), 1);
    assert_int_equal(up->flags & MESSAGE_STALE, 0);
    assert_int_equal(upstream_ask(up, "88.2/new", 1000), 1);
    assert_int_equal(scene_count(up->scene, METRIC_cache_stale), stale);
}

static void what_was_just_answered_is_known_without_a_cache(void **state)
{
    struct upstream_scene *up = *state;
    assert_int_equal(upstream_ask(up, NAME, 100), 1);
    unsigned before = asked_in_all(up);
    assert_int_equal(upstream_ask(up, NAME, 100), 1);
    assert_int_equal(asked_in_all(up), before);
    fake_world_advance(up->scene->world, 300);
    assert_int_equal(upstream_ask(up, NAME, 100), 1);
    assert_int_equal(asked_in_all(up), before + 2);
}

/* --- one question for all ----------------------------------------------------------------------
 */

#define SOCKETS 200
#define REQUESTS 10000

static void ten_thousand_exchanges_ask_once(void **state)
{
    struct upstream_scene *up = *state;
    struct scene *scene = up->scene;
    struct scene_udp *sockets[SOCKETS];
    const enum fake_fate no_fates[] = {FAKE_DELIVER};
    fake_world_fates(scene->world, no_fates, 0);
    up->peers[TOP].mode = PEER_MUTE; /* until all have asked */
    for (size_t i = 0; i < SOCKETS; i++) {
        sockets[i] = scene_udp_open(scene);
    }
    for (uint32_t i = 0; i < REQUESTS; i++) {
        scene_udp_send(scene, sockets[i % SOCKETS], scene_request(scene, NAME, 0, i + 1));
        if (i % 1000 == 999) {
            fake_world_run(scene->world);
        }
    }
    assert_int_equal(scene_count(scene, METRIC_parked), REQUESTS);
    assert_int_equal(scene_count(scene, METRIC_upstream_coalesced), REQUESTS - 1);
    for (size_t i = 0; i < WORKERS; i++) { /* they are spread */
        assert_true(parked_count(up->workers[i].parked) > REQUESTS / WORKERS / 4);
    }
    unsigned before = upstream_questions_of(up, TOP);
    up->peers[TOP].mode = PEER_ANSWERS;
    fake_world_advance(scene->world, 900);
    size_t answered = 0;
    for (size_t i = 0; i < SOCKETS; i++) {
        answered += sockets[i]->count;
        scene_udp_close(sockets[i]);
    }
    assert_int_equal(before, 1);
    assert_int_equal(answered, REQUESTS);
    assert_int_equal(upstream_questions_of(up, FIRST) + upstream_questions_of(up, SECOND), 1);
    assert_int_equal(scene_count(scene, METRIC_parked), 0);
}

static void names_of_one_prefix_ask_for_it_once(void **state)
{
    struct upstream_scene *up = *state;
    struct scene *scene = up->scene;
    struct scene_udp *udp = scene_udp_open(scene);
    up->peers[TOP].mode = PEER_MUTE;
    for (uint32_t i = 0; i < 100; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "88.2/part-%u", (unsigned)i);
        scene_udp_send(scene, udp, scene_request(scene, name, 0, i + 1));
    }
    fake_world_run(scene->world);
    assert_int_equal(upstream_questions_of(up, TOP), 1);
    up->peers[TOP].mode = PEER_ANSWERS;
    fake_world_advance(scene->world, 900);
    assert_int_equal(udp->count, 100);
    assert_int_equal(upstream_questions_of(up, FIRST) + upstream_questions_of(up, SECOND), 100);
    scene_udp_close(udp);
}

static void node_that_stops_leaves_nothing_behind(void **state)
{
    struct upstream_scene *up = *state;
    struct scene *scene = up->scene;
    struct scene_udp *udp = scene_udp_open(scene);
    up->peers[FIRST].mode = PEER_MUTE;
    up->peers[SECOND].mode = PEER_MUTE;
    for (uint32_t i = 0; i < 20; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "88.2%u/x", (unsigned)i);
        scene_udp_send(scene, udp, scene_request(scene, name, 0, i + 1));
    }
    fake_world_run(scene->world);
    assert_int_equal(scene_count(scene, METRIC_parked), 20);
    scene_udp_close(udp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(name_of_another_node_is_found_through_its_prefix),
        CASE(name_that_is_not_there_is_not_found),
        CASE(values_not_for_all_are_not_relayed),
        CASE(lost_datagrams_are_sent_again),
        CASE(server_that_is_silent_over_udp_is_asked_over_tcp),
        CASE(mirror_answers_while_the_primary_is_silent),
        CASE(mirror_answers_while_the_primary_is_busy),
        CASE(budget_ends_what_nobody_answers),
        CASE(answers_with_another_id_are_not_believed),
        CASE(answers_to_another_question_are_not_believed),
        CASE(answers_from_elsewhere_over_udp_are_passed_over),
        CASE(answer_about_another_name_is_an_error),
        CASE(forged_answer_does_not_end_the_waiting),
        CASE(ids_do_not_tell_the_next_one),
        VERIFYING(unsigned_answers_are_not_believed_where_a_key_is_told),
        VERIFYING(right_signatures_are_believed),
        CACHED(known_names_are_not_asked_for_again),
        CACHED(answers_grow_old_and_are_asked_for_again),
        CACHED(dead_services_leave_what_was_known_before),
        CASE(what_was_just_answered_is_known_without_a_cache),
        CASE(referral_to_itself_ends),
        CASE(referrals_to_ever_new_names_end),
        CASE(service_handle_that_needs_itself_ends),
        CASE(prefix_record_that_tells_itself_ends),
        CASE(service_that_wants_proof_of_who_asks_is_no_use),
        CACHED(service_that_is_silent_may_have_moved),
        CASE(high_recursion_count_is_refused_before_anything_is_asked),
        CASE(site_that_says_it_is_not_responsible_is_looked_up_once_more),
        CASE(own_and_refused_prefixes_are_never_asked_about),
        CASE(services_on_private_addresses_are_not_asked_for_others),
        CASE(strangers_are_not_served),
        CASE(strangers_are_served_a_few_names_over_http),
        CASE(dead_top_node_is_not_hammered_and_is_found_again),
        CASE(ten_thousand_exchanges_ask_once),
        CASE(names_of_one_prefix_ask_for_it_once),
        CASE(node_that_stops_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
