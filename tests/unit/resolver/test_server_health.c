/* SPDX-License-Identifier: Apache-2.0
 *
 * How long servers are left alone, and whom they let through.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "resolver/server_health.h"

#define MIDDLE INT16_MAX /* no spread */
#define HOLD_MAX 30000

static struct service_target target_of(uint8_t last, uint16_t port)
{
    struct service_target target = {.transport = ASK_UDP};
    target.address.ip[10] = 0xff;
    target.address.ip[11] = 0xff;
    target.address.ip[12] = 127;
    target.address.ip[15] = last;
    target.address.port = port;
    return target;
}

static int open_table(void **state)
{
    *state = server_health_new();
    return *state == NULL;
}

static int close_table(void **state)
{
    server_health_free(*state);
    return 0;
}

static void round_trips_are_averaged(void **state)
{
    struct service_target target = target_of(1, 1);
    struct server_health *health = server_health_of(*state, &target, 0);
    assert_int_equal(server_health_rtt(NULL), SERVER_HEALTH_FIRST_MS);
    assert_int_equal(server_health_rtt(health), SERVER_HEALTH_FIRST_MS);
    server_health_asked(health, 0, 3000);
    server_health_answered(health, 0, 8);
    assert_int_equal(server_health_rtt(health), 8);
    server_health_asked(health, 0, 3000);
    server_health_answered(health, 0, 88);
    assert_int_equal(server_health_rtt(health), 18);
    server_health_asked(health, 0, 3000);
    server_health_passed(health, 400);
    assert_int_equal(server_health_rtt(health), 400);
}

static void failures_double_the_while_up_to_the_most(void **state)
{
    const int64_t expected[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000};
    struct service_target target = target_of(1, 1);
    struct server_health *health = server_health_of(*state, &target, 0);
    int64_t now = 0;
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        server_health_asked(health, now, 3000);
        server_health_failed(health, now, now, HOLD_MAX, MIDDLE);
        assert_false(server_health_admits(health, 10, now + expected[i] - 1));
        now += expected[i];
        assert_true(server_health_admits(health, 10, now));
    }
    server_health_asked(health, now, 3000);
    assert_false(server_health_admits(health, 10, now)); /* one is enough to see */
    assert_true(server_health_admits(health, 10, now + 3000));
    server_health_answered(health, 0, 5);
    assert_true(server_health_admits(health, 10, now));
}

static void who_answers_others_is_not_left_alone_for_one_question(void **state)
{
    struct service_target target = target_of(1, 1);
    struct server_health *health = server_health_of(*state, &target, 0);
    server_health_asked(health, 0, 3000); /* never answered */
    server_health_asked(health, 100, 3000);
    server_health_answered(health, 105, 5);
    server_health_failed(health, 0, 4000, HOLD_MAX, MIDDLE);
    assert_true(server_health_admits(health, 1, 4000));
    server_health_asked(health, 4000, 3000); /* but nobody else since */
    server_health_failed(health, 4000, 8000, HOLD_MAX, MIDDLE);
    assert_false(server_health_admits(health, 1, 8000));
}

static void chance_spreads_the_while_by_a_quarter(void **state)
{
    struct service_target target = target_of(1, 1);
    struct server_health *health = server_health_of(*state, &target, 0);
    server_health_asked(health, 0, 3000);
    server_health_failed(health, 0, 0, HOLD_MAX, 0);
    assert_false(server_health_admits(health, 10, 749));
    assert_true(server_health_admits(health, 10, 751));
    server_health_asked(health, 1000, 3000);
    server_health_failed(health, 1000, 1000, HOLD_MAX, UINT16_MAX);
    assert_false(server_health_admits(health, 10, 1000 + 2499));
    assert_true(server_health_admits(health, 10, 1000 + 2502));
}

static void so_many_questions_at_once_and_no_more(void **state)
{
    struct service_target target = target_of(1, 1);
    struct server_health *health = server_health_of(*state, &target, 0);
    server_health_asked(health, 0, 3000);
    assert_true(server_health_admits(health, 2, 0));
    server_health_asked(health, 0, 3000);
    assert_false(server_health_admits(health, 2, 0));
    server_health_answered(health, 0, 5);
    assert_true(server_health_admits(health, 2, 0));
    server_health_answered(health, 0, 5);
}

static void full_table_forgets_the_oldest_that_is_idle(void **state)
{
    struct service_target busy = target_of(1, 1);
    server_health_asked(server_health_of(*state, &busy, 0), 0, 3000);
    for (uint16_t port = 2; port <= 256; port++) {
        struct service_target target = target_of(1, port);
        assert_non_null(server_health_of(*state, &target, port));
    }
    struct service_target oldest = target_of(1, 2);
    struct service_target fresh = target_of(1, 999);
    assert_non_null(server_health_find(*state, &oldest));
    assert_non_null(server_health_of(*state, &fresh, 1000));
    assert_null(server_health_find(*state, &oldest));
    assert_non_null(server_health_find(*state, &busy));
    struct service_target other = fresh;
    other.transport = ASK_TCP;
    assert_null(server_health_find(*state, &other));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_table, close_table)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(round_trips_are_averaged),
        CASE(failures_double_the_while_up_to_the_most),
        CASE(who_answers_others_is_not_left_alone_for_one_question),
        CASE(chance_spreads_the_while_by_a_quarter),
        CASE(so_many_questions_at_once_and_no_more),
        CASE(full_table_forgets_the_oldest_that_is_idle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
