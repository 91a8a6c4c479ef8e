/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of challenges and sessions: bounds, whose they are, single use under many threads.
 */
#include "resolver/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define NOW 1000000
#define THREADS 4
#define ROUNDS 2000

static const uint8_t nonce[SESSION_NONCE_LEN] = {1, 2, 3};
static const struct digest digest = {.algorithm = DIGEST_SHA256, .len = 32};

static void draw(void *out, size_t len)
{
    if (getrandom(out, len, 0) != (ssize_t)len) {
        abort();
    }
}

static int set_up(void **state)
{
    *state = sessions_new(7, draw);
    return *state == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    sessions_free(*state);
    return 0;
}

static struct sessions_limits limits(void)
{
    return (struct sessions_limits){
        .challenges = 100,
        .challenge_bytes = 1 << 20,
        .challenges_per_source = 50,
        .challenge_ms = 60000,
        .sessions = 100,
        .sessions_per_source = 50,
    };
}

static struct net_address peer(uint8_t number)
{
    struct net_address address = {.port = 4000};
    address.ip[10] = address.ip[11] = 0xff;
    address.ip[12] = 10;
    address.ip[15] = number;
    return address;
}

static uint32_t keep(struct sessions *sessions, const struct sessions_limits *bound, uint8_t number,
                     struct bytes packet)
{
    struct challenge_ask ask = {
        .peer = peer(number), .digest = &digest, .packet = packet, .nonce = nonce};
    uint8_t out[SESSION_NONCE_LEN];
    uint32_t id = 0;
    assert_int_equal(sessions_keep_challenge(sessions, bound, NOW, &ask, &id, out), STATUS_OK);
    assert_in_range(id, 1, INT32_MAX);
    return id;
}

static enum status take(struct sessions *sessions, uint32_t id, int64_t now_ms)
{
    struct challenge *challenge = NULL;
    struct net_address from = peer(1);
    enum status status = sessions_take_challenge(sessions, now_ms, id, &from, &challenge);
    challenge_free(status == STATUS_OK ? challenge : NULL);
    return status;
}

static void challenge_is_taken_once_with_its_request(void **state)
{
    struct sessions_limits bound = limits();
    uint32_t id = keep(*state, &bound, 1, BYTES_LITERAL("a request"));
    struct challenge *challenge = NULL;
    struct net_address from = peer(2);
    assert_int_equal(sessions_take_challenge(*state, NOW, id, &from, &challenge), STATUS_OK);
    assert_int_equal(challenge->packet_len, 9);
    assert_memory_equal(challenge->packet, "a request", 9);
    assert_memory_equal(challenge->nonce, nonce, sizeof(nonce));
    challenge_free(challenge);
    assert_int_equal(take(*state, id, NOW), STATUS_AUTHENTICATION_TIMEOUT);
}

static void challenge_over_udp_is_its_addresss_alone(void **state)
{
    struct sessions_limits bound = limits();
    struct challenge_ask ask = {.is_bound = true,
                                .peer = peer(1),
                                .digest = &digest,
                                .packet = BYTES_LITERAL("x"),
                                .nonce = nonce};
    uint8_t out[SESSION_NONCE_LEN];
    uint32_t id = 0;
    struct challenge *challenge = NULL;
    struct net_address other = peer(2);
    struct net_address other_port = peer(1);
    other_port.port++;
    assert_int_equal(sessions_keep_challenge(*state, &bound, NOW, &ask, &id, out), STATUS_OK);
    assert_int_equal(sessions_take_challenge(*state, NOW, id, &other, &challenge),
                     STATUS_AUTHENTICATION_TIMEOUT);
    assert_int_equal(sessions_take_challenge(*state, NOW, id, &other_port, &challenge), STATUS_OK);
    challenge_free(challenge);
}

static void challenges_of_others_survive_a_flood(void **state)
{
    struct sessions_limits bound = limits();
    uint32_t quiet = keep(*state, &bound, 1, BYTES_LITERAL("x"));
    for (int i = 0; i < 1000; i++) {
        (void)keep(*state, &bound, 2, BYTES_LITERAL("x"));
    }
    struct sessions_figures figures;
    sessions_figures(*state, &figures);
    assert_int_equal(figures.challenges, 51);
    size_t challenges = 0;
    size_t opened = 0;
    sessions_take_displaced(*state, &challenges, &opened);
    assert_int_equal(challenges, 950);
    assert_int_equal(opened, 0);
    sessions_take_displaced(*state, &challenges, &opened);
    assert_int_equal(challenges, 0);
    assert_int_equal(take(*state, quiet, NOW), STATUS_OK);
}

static void challenges_are_bounded_in_all_and_in_bytes(void **state)
{
    struct sessions_limits bound = limits();
    struct sessions_figures figures;
    for (int i = 0; i < 1000; i++) {
        (void)keep(*state, &bound, (uint8_t)(i % 100), BYTES_LITERAL("x"));
    }
    sessions_figures(*state, &figures);
    assert_int_equal(figures.challenges, 100);
    bound.challenge_bytes = figures.challenge_bytes / 2;
    (void)keep(*state, &bound, 1, BYTES_LITERAL("x"));
    sessions_figures(*state, &figures);
    assert_true(figures.challenge_bytes <= bound.challenge_bytes);
    assert_true(figures.challenges > 0);
}

static void request_longer_than_may_be_kept_is_refused(void **state)
{
    struct sessions_limits bound = limits();
    static uint8_t packet[1024];
    bound.challenge_bytes = 1024;
    struct challenge_ask ask = {
        .peer = peer(1), .digest = &digest, .packet = {packet, sizeof(packet)}, .nonce = nonce};
    uint8_t out[SESSION_NONCE_LEN];
    uint32_t id = 0;
    assert_int_equal(sessions_keep_challenge(*state, &bound, NOW, &ask, &id, out), STATUS_NO_ROOM);
}

static uint32_t open_session(struct sessions *sessions, uint8_t number)
{
    static const struct session_key key = {.algorithm = SESSION_AES, .data = {9}, .len = 32};
    struct sessions_limits bound = limits();
    struct session_ask ask = {
        .key = &key,
        .version = {2, 11},
        .identity = {.handle = BYTES_LITERAL("88.1/u"), .index = 300},
        .timeout_ms = 60000,
        .peer = peer(number),
    };
    uint32_t id = 0;
    assert_int_equal(sessions_open(sessions, &bound, NOW, &ask, &id), STATUS_OK);
    return id;
}

static void session_is_found_until_it_is_closed(void **state)
{
    uint32_t id = open_session(*state, 1);
    struct session *session = NULL;
    assert_int_equal(sessions_get(*state, NOW, id, &session), STATUS_OK);
    assert_int_equal(session->key.data[0], 9);
    assert_true(bytes_equal(session->identity.handle, BYTES_LITERAL("88.1/u")));
    assert_false(session->is_authenticated);
    session_free(session);
    sessions_authenticate(*state, id, 302);
    assert_int_equal(sessions_get(*state, NOW + 59999, id, &session), STATUS_OK);
    assert_true(session->is_authenticated);
    assert_int_equal(session->proved_index, 302);
    session_free(session);
    assert_int_equal(sessions_close(*state, id), STATUS_OK);
    assert_int_equal(sessions_get(*state, NOW, id, &session), STATUS_SESSION_TIMEOUT);
    assert_int_equal(sessions_close(*state, id), STATUS_SESSION_TIMEOUT);
}

static void closing_a_session_takes_its_challenge_along(void **state)
{
    uint32_t id = open_session(*state, 1);
    struct sessions_limits bound = limits();
    struct challenge_ask ask = {.session_id = id,
                                .peer = peer(9),
                                .digest = &digest,
                                .packet = BYTES_LITERAL("x"),
                                .nonce = nonce};
    uint8_t out[SESSION_NONCE_LEN];
    uint32_t told = 0;
    assert_int_equal(sessions_keep_challenge(*state, &bound, NOW, &ask, &told, out), STATUS_OK);
    assert_int_equal(told, id);
    assert_int_equal(sessions_close(*state, id), STATUS_OK);
    assert_int_equal(take(*state, id, NOW), STATUS_AUTHENTICATION_TIMEOUT);
}

static void counters_count_once_and_in_a_window(void **state)
{
    uint32_t id = open_session(*state, 1);
    uint32_t ours = 0;
    for (uint32_t i = 1; i <= 1000; i++) {
        assert_int_equal(sessions_take_counter(*state, id, i * 2), STATUS_OK);
        assert_int_equal(sessions_take_counter(*state, id, i * 2), STATUS_SESSION_REJECTED);
    }
    assert_int_equal(sessions_take_counter(*state, id, 1), STATUS_SESSION_REJECTED);
    assert_int_equal(sessions_take_counter(*state, id, 1999), STATUS_OK);
    assert_int_equal(sessions_next_counter(*state, id, &ours), STATUS_OK);
    assert_int_equal(ours, 1);
    assert_int_equal(sessions_next_counter(*state, id, &ours), STATUS_OK);
    assert_int_equal(ours, 2);
}

/* --- many threads ------------------------------------------------------------------------------
 */

struct crowd {
    struct sessions *sessions;
    uint32_t session_id;
    uint32_t ids[ROUNDS];
    atomic_uint taken;
    atomic_uint counted;
};

static void *crowd_run(void *context)
{
    struct crowd *crowd = context;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        crowd->taken += take(crowd->sessions, crowd->ids[i], NOW) == STATUS_OK;
        crowd->counted +=
            sessions_take_counter(crowd->sessions, crowd->session_id, i + 1) == STATUS_OK;
        struct session *session = NULL;
        if (sessions_get(crowd->sessions, NOW, crowd->session_id, &session) == STATUS_OK) {
            session_free(session);
        }
        sessions_sweep(crowd->sessions, NOW);
    }
    return NULL;
}

static void many_threads_take_each_challenge_and_counter_once(void **state)
{
    struct crowd *crowd = calloc(1, sizeof(*crowd));
    pthread_t threads[THREADS];
    struct sessions_limits bound = limits();
    bound.challenges = bound.challenges_per_source = 2 * ROUNDS;
    assert_non_null(crowd);
    crowd->sessions = *state;
    crowd->session_id = open_session(*state, 1);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        crowd->ids[i] = keep(*state, &bound, (uint8_t)(i % 50), BYTES_LITERAL("x"));
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, crowd_run, crowd), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    assert_int_equal(crowd->taken, ROUNDS);
    assert_in_range(crowd->counted, SESSION_COUNTERS, ROUNDS);
    free(crowd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(challenge_is_taken_once_with_its_request),
        CASE(challenge_over_udp_is_its_addresss_alone),
        CASE(challenges_of_others_survive_a_flood),
        CASE(challenges_are_bounded_in_all_and_in_bytes),
        CASE(request_longer_than_may_be_kept_is_refused),
        CASE(session_is_found_until_it_is_closed),
        CASE(closing_a_session_takes_its_challenge_along),
        CASE(counters_count_once_and_in_a_window),
        CASE(many_threads_take_each_challenge_and_counter_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
