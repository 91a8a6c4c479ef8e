/* SPDX-License-Identifier: Apache-2.0
 *
 * Sessions over HTTP: whose they are, how long, and who displaces whom.
 */
#include "resolver/web_session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#define NOW 1000000
#define THREADS 4
#define ROUNDS 500

static const struct sessions_limits limits = {
    .challenges = 1600, .challenges_per_source = 10, .sessions = 1600, .sessions_per_source = 10};

static void draw(void *out, size_t len)
{
    if (getrandom(out, len, 0) != (ssize_t)len) {
        abort();
    }
}

static int set_up(void **state)
{
    *state = web_sessions_new(7, draw);
    return *state == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    web_sessions_free(*state);
    return 0;
}

static struct net_address peer(uint8_t number)
{
    struct net_address address = {.port = 4000};
    address.ip[10] = address.ip[11] = 0xff;
    address.ip[12] = 192;
    address.ip[15] = number;
    return address;
}

static struct web_session opened(struct web_sessions *web, uint8_t number, int64_t now_ms)
{
    struct web_session session;
    struct net_address from = peer(number);
    assert_int_equal(web_sessions_open(web, &limits, now_ms, &from, &session), STATUS_OK);
    assert_false(session.is_authenticated);
    return session;
}

static enum status get(struct web_sessions *web, const struct web_session *session, int64_t now_ms,
                       struct web_session *out)
{
    return web_sessions_get(web, now_ms, bytes_of_text(session->id), out);
}

static void prove(struct web_sessions *web, const struct web_session *session, int64_t now_ms)
{
    struct web_session proved = {.index = 300, .key_version = 5, .handle_len = 3};
    memcpy(proved.handle, "a/b", 3);
    assert_int_equal(
        web_sessions_authenticate(web, &limits, now_ms, bytes_of_text(session->id), &proved),
        STATUS_OK);
}

static void session_when_opened_is_found_by_its_id_alone(void **state)
{
    struct web_session first = opened(*state, 1, NOW);
    struct web_session second = opened(*state, 1, NOW);
    struct web_session found;
    assert_string_not_equal(first.id, second.id);
    assert_memory_not_equal(first.nonce, second.nonce, sizeof(first.nonce));
    assert_int_equal(get(*state, &first, NOW, &found), STATUS_OK);
    assert_memory_equal(found.nonce, first.nonce, sizeof(found.nonce));
    for (size_t i = 0; i < WEB_SESSION_ID_TEXT - 1; i++) {
        struct web_session wrong = first;
        wrong.id[i] = wrong.id[i] == '0' ? '1' : '0';
        assert_int_equal(get(*state, &wrong, NOW, &found), STATUS_SESSION_TIMEOUT);
    }
    assert_int_equal(web_sessions_get(*state, NOW, BYTES_NONE, &found), STATUS_SESSION_TIMEOUT);
    assert_int_equal(web_sessions_get(*state, NOW, BYTES_LITERAL("0"), &found),
                     STATUS_SESSION_TIMEOUT);
}

static void session_when_proved_is_somebodys_until_it_is_closed(void **state)
{
    struct web_session session = opened(*state, 1, NOW);
    struct web_session found;
    prove(*state, &session, NOW);
    assert_int_equal(get(*state, &session, NOW, &found), STATUS_OK);
    assert_true(found.is_authenticated);
    assert_int_equal(found.index, 300);
    assert_int_equal(found.key_version, 5);
    assert_int_equal(found.handle_len, 3);
    assert_int_equal(web_sessions_close(*state, bytes_of_text(session.id)), STATUS_OK);
    assert_int_equal(web_sessions_close(*state, bytes_of_text(session.id)), STATUS_SESSION_TIMEOUT);
    assert_int_equal(get(*state, &session, NOW, &found), STATUS_SESSION_TIMEOUT);
}

static void session_when_unused_ends(void **state)
{
    struct web_session fresh = opened(*state, 1, NOW);
    struct web_session used = opened(*state, 1, NOW);
    struct web_session found;
    prove(*state, &used, NOW);
    assert_int_equal(get(*state, &fresh, NOW + WEB_SESSION_FRESH_MS, &found),
                     STATUS_SESSION_TIMEOUT);
    assert_int_equal(get(*state, &used, NOW + WEB_SESSION_IDLE_MS - 1, &found), STATUS_OK);
    assert_int_equal(get(*state, &used, NOW + WEB_SESSION_IDLE_MS + 9, &found), STATUS_OK);
    for (unsigned turn = 0; turn < 16; turn++) {
        web_sessions_sweep(*state, turn, NOW + 4 * WEB_SESSION_IDLE_MS);
    }
    assert_int_equal(web_sessions_count(*state), 0);
}

static void strangers_displace_their_own_fresh_sessions_only(void **state)
{
    struct web_session mine = opened(*state, 1, NOW);
    struct web_session waiting = opened(*state, 1, NOW);
    struct web_session other = opened(*state, 2, NOW);
    struct web_session found;
    prove(*state, &mine, NOW);
    for (int i = 0; i < 30; i++) {
        (void)opened(*state, 1, NOW);
    }
    assert_int_equal(get(*state, &mine, NOW, &found), STATUS_OK);
    assert_int_equal(get(*state, &other, NOW, &found), STATUS_OK);
    assert_int_equal(get(*state, &waiting, NOW, &found), STATUS_SESSION_TIMEOUT);
    assert_int_equal(web_sessions_count(*state), 12);
}

static void all_together_stay_below_the_limit(void **state)
{
    for (int i = 0; i < 5000; i++) {
        (void)opened(*state, (uint8_t)i, NOW);
    }
    assert_in_range(web_sessions_count(*state), 100, 1700);
}

static void *work(void *context)
{
    struct web_session found;
    for (int i = 0; i < ROUNDS; i++) {
        struct web_session session = opened(context, (uint8_t)i, NOW);
        (void)get(context, &session, NOW, &found);
        struct web_session proved = {.index = 1, .handle_len = 1};
        (void)web_sessions_authenticate(context, &limits, NOW, bytes_of_text(session.id), &proved);
        (void)web_sessions_close(context, bytes_of_text(session.id));
    }
    return NULL;
}

static void many_threads_leave_nothing_behind(void **state)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, work, *state), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(web_sessions_count(*state), 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(session_when_opened_is_found_by_its_id_alone),
        CASE(session_when_proved_is_somebodys_until_it_is_closed),
        CASE(session_when_unused_ends),
        CASE(strangers_displace_their_own_fresh_sessions_only),
        CASE(all_together_stay_below_the_limit),
        CASE(many_threads_leave_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
