/* SPDX-License-Identifier: Apache-2.0
 *
 * UDP budgets: exact at one instant, earned back with time, apart for sources, networks and nodes,
 * of fixed size whoever asks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>

#include "resolver/budget.h"

#define START_MS 5000

static const struct budget_limits limits = {
    .per_source = 200,
    .per_network = 1000,
    .large_bytes = 20000,
};

static struct net_address parsed(const char *ip)
{
    struct net_address address;
    assert_int_equal(net_address_parse(ip, 1000, &address), STATUS_OK);
    return address;
}

static struct net_address numbered(uint32_t number)
{
    struct net_address address = parsed("0.0.0.0");
    for (size_t i = 0; i < 4; i++) {
        address.ip[12 + i] = (uint8_t)(number >> (24 - 8 * i));
    }
    return address;
}

static int open_budget(void **state)
{
    *state = budget_new(42);
    return *state == NULL;
}

static int close_budget(void **state)
{
    budget_free(*state);
    return 0;
}

/* How many of `tries` pass at one instant. */
static unsigned passes(struct budget *budget, const char *ip, unsigned tries, int64_t now_ms)
{
    struct net_address peer = parsed(ip);
    unsigned passed = 0;
    for (unsigned i = 0; i < tries; i++) {
        passed += budget_take(budget, &peer, &limits, now_ms) == BUDGET_PASSES;
    }
    return passed;
}

static unsigned large(struct budget *budget, const char *ip, size_t bytes, unsigned tries,
                      int64_t now_ms)
{
    struct net_address peer = parsed(ip);
    unsigned passed = 0;
    for (unsigned i = 0; i < tries; i++) {
        passed += budget_take_large(budget, &peer, bytes, &limits, now_ms);
    }
    return passed;
}

static void source_when_it_asks_at_once_gets_one_second_worth(void **state)
{
    assert_int_equal(passes(*state, "192.0.2.1", 1000, START_MS), 200);
    struct net_address peer = parsed("192.0.2.1");
    assert_int_equal(budget_take(*state, &peer, &limits, START_MS), BUDGET_OVER_SOURCE);
}

static void source_when_time_passes_earns_its_rate(void **state)
{
    (void)passes(*state, "192.0.2.1", 1000, START_MS);
    assert_int_equal(passes(*state, "192.0.2.1", 10, START_MS + 4), 0);
    assert_int_equal(passes(*state, "192.0.2.1", 10, START_MS + 5), 1);
    assert_int_equal(passes(*state, "192.0.2.1", 1000, START_MS + 505), 100);
    assert_int_equal(passes(*state, "192.0.2.1", 1000, START_MS + 3600000), 200);
}

static void source_when_it_floods_leaves_its_network_to_others(void **state)
{
    (void)passes(*state, "192.0.2.1", 100000, START_MS);
    assert_int_equal(passes(*state, "192.0.2.2", 1000, START_MS), 200);
}

static void network_when_many_addresses_ask_is_one(void **state)
{
    char ip[32];
    unsigned passed = 0;
    for (unsigned i = 0; i < 256; i++) {
        (void)snprintf(ip, sizeof(ip), "192.0.2.%u", i);
        passed += passes(*state, ip, 100, START_MS);
    }
    assert_int_equal(passed, 1000);
    struct net_address peer = parsed("192.0.2.99");
    assert_int_equal(budget_take(*state, &peer, &limits, START_MS), BUDGET_OVER_NETWORK);
    assert_int_equal(passes(*state, "192.0.3.1", 100, START_MS), 100);
    assert_int_equal(passes(*state, "192.0.2.99", 100, START_MS + 10), 10);
}

static void ipv6_source_is_its_64_and_network_its_56(void **state)
{
    assert_int_equal(passes(*state, "2001:db8:0:100::1", 150, START_MS), 150);
    assert_int_equal(passes(*state, "2001:db8:0:100:ffff::2", 150, START_MS), 50);
    char ip[40];
    unsigned passed = 200;
    for (unsigned i = 1; i < 256; i++) {
        (void)snprintf(ip, sizeof(ip), "2001:db8:0:1%02x::1", i);
        passed += passes(*state, ip, 10, START_MS);
    }
    assert_int_equal(passed, 1000);
    assert_int_equal(passes(*state, "2001:db8:0:200::1", 10, START_MS), 10);
}

static void large_answers_leave_whole_within_the_burst_and_then_at_the_rate(void **state)
{
    assert_int_equal(large(*state, "192.0.2.1", 262144, 2, START_MS), 1);
    assert_int_equal(large(*state, "192.0.2.2", 513, 1, START_MS), 0);
    assert_int_equal(large(*state, "198.51.100.1", 3000, 1000, START_MS), 262144 / 3000);
    assert_int_equal(large(*state, "192.0.2.3", 20000, 2, START_MS + 999), 0);
    assert_int_equal(large(*state, "192.0.2.3", 20000, 2, START_MS + 1000), 1);
    assert_int_equal(large(*state, "192.0.2.1", 262144, 2, START_MS + 1000000), 1);
}

static void large_answer_that_does_not_fit_leaves_room_for_a_smaller_one(void **state)
{
    assert_int_equal(large(*state, "192.0.2.1", 260000, 1, START_MS), 1);
    assert_int_equal(large(*state, "192.0.2.1", 3000, 1, START_MS), 0);
    assert_int_equal(large(*state, "192.0.2.1", 2000, 1, START_MS), 1);
}

static void proved_source_gets_large_answers_for_ten_minutes(void **state)
{
    struct net_address peer = parsed("192.0.2.1");
    (void)large(*state, "192.0.2.1", 262144, 1, START_MS);
    assert_false(budget_is_proved(*state, &peer, START_MS));
    budget_prove(*state, &peer, START_MS);
    assert_int_equal(large(*state, "192.0.2.1", 262144, 100, START_MS), 100);
    assert_int_equal(large(*state, "192.0.2.2", 1000, 1, START_MS), 0);
    assert_int_equal(large(*state, "192.0.2.1", 262144, 1, START_MS + BUDGET_PROOF_MS - 1), 1);
    assert_false(budget_is_proved(*state, &peer, START_MS + BUDGET_PROOF_MS));
    budget_prove(*state, &peer, START_MS + BUDGET_PROOF_MS);
    assert_true(budget_is_proved(*state, &peer, START_MS + 2 * BUDGET_PROOF_MS - 1));
    assert_true(budget_is_proved(*state, &peer, START_MS)); /* a thread that looked earlier */
}

static void extreme_rates_and_times_do_not_overflow(void **state)
{
    static const struct budget_limits slow = {1, 1, 1};
    static const struct budget_limits fast = {1000000, 1000000, 1 << 30};
    const int64_t century_ms = (int64_t)100 * 365 * 86400 * 1000;
    struct net_address peer = parsed("192.0.2.1");
    assert_int_equal(budget_take(*state, &peer, &slow, century_ms), BUDGET_PASSES);
    assert_int_equal(budget_take(*state, &peer, &slow, century_ms + 999), BUDGET_OVER_SOURCE);
    assert_int_equal(budget_take(*state, &peer, &slow, century_ms + 1000), BUDGET_PASSES);
    assert_true(budget_take_large(*state, &peer, 262144, &slow, century_ms));
    assert_false(budget_take_large(*state, &peer, 1, &slow, century_ms + 999));
    assert_true(budget_take_large(*state, &peer, 1, &slow, century_ms + 1000));
    struct net_address other = parsed("198.51.100.1");
    unsigned passed = 0;
    for (unsigned i = 0; i < 1000001; i++) {
        passed += budget_take(*state, &other, &fast, century_ms) == BUDGET_PASSES;
    }
    assert_int_equal(passed, 1000000);
}

static void time_that_goes_back_earns_nothing(void **state)
{
    assert_int_equal(passes(*state, "192.0.2.1", 1000, START_MS), 200);
    assert_int_equal(passes(*state, "192.0.2.1", 1000, START_MS - 1000), 0);
    assert_int_equal(passes(*state, "192.0.2.1", 1000, START_MS), 0);
}

static void two_nodes_count_apart(void **state)
{
    struct budget *other = budget_new(42);
    assert_non_null(other);
    assert_int_equal(passes(*state, "192.0.2.1", 1000, START_MS), 200);
    assert_int_equal(passes(other, "192.0.2.1", 1000, START_MS), 200);
    budget_free(other);
}

static void many_sources_that_ask_once_all_pass(void **state)
{
    unsigned refused = 0;
    for (uint32_t i = 0; i < 1000000; i++) {
        struct net_address peer = numbered(0x0a000000U + i * 4099U);
        int64_t now_ms = START_MS + i / 1000;
        refused += budget_take(*state, &peer, &limits, now_ms) != BUDGET_PASSES;
    }
    assert_int_equal(refused, 0);
}

static void sources_that_flood_take_little_from_others(void **state)
{
    for (uint32_t i = 0; i < 5000; i++) {
        struct net_address peer = numbered(0x0a000000U + i * 4099U);
        while (budget_take(*state, &peer, &limits, START_MS) == BUDGET_PASSES) {
        }
    }
    unsigned refused = 0;
    for (uint32_t i = 0; i < 10000; i++) {
        struct net_address peer = numbered(0xc0000000U + i * 4099U);
        refused += budget_take(*state, &peer, &limits, START_MS) != BUDGET_PASSES;
    }
    assert_in_range(refused, 0, 500);
}

/* --- threads --------------------------------------------------------------------------------- */

struct taker {
    struct budget *budget;
    unsigned passed;
};

static void *take_and_prove(void *context)
{
    struct taker *taker = context;
    struct net_address same = numbered(0xc0000201U);
    for (uint32_t i = 0; i < 20000; i++) {
        struct net_address other = numbered(0x0a000000U + i);
        taker->passed += budget_take(taker->budget, &same, &limits, START_MS) == BUDGET_PASSES;
        (void)budget_take_large(taker->budget, &other, 1000, &limits, START_MS + i);
        budget_prove(taker->budget, &other, START_MS + i);
    }
    return NULL;
}

static void threads_that_take_from_one_source_share_its_budget(void **state)
{
    struct taker takers[4];
    pthread_t threads[4];
    unsigned passed = 0;
    for (size_t i = 0; i < 4; i++) {
        takers[i] = (struct taker){.budget = *state};
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_prove, &takers[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        (void)pthread_join(threads[i], NULL);
        passed += takers[i].passed;
    }
    assert_in_range(passed, 200, 400); /* each of two buckets is exact */
    assert_int_equal(passes(*state, "192.0.2.1", 100, START_MS), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_budget, close_budget)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(source_when_it_asks_at_once_gets_one_second_worth),
        CASE(source_when_time_passes_earns_its_rate),
        CASE(source_when_it_floods_leaves_its_network_to_others),
        CASE(network_when_many_addresses_ask_is_one),
        CASE(ipv6_source_is_its_64_and_network_its_56),
        CASE(large_answers_leave_whole_within_the_burst_and_then_at_the_rate),
        CASE(large_answer_that_does_not_fit_leaves_room_for_a_smaller_one),
        CASE(proved_source_gets_large_answers_for_ten_minutes),
        CASE(extreme_rates_and_times_do_not_overflow),
        CASE(time_that_goes_back_earns_nothing),
        CASE(two_nodes_count_apart),
        CASE(many_sources_that_ask_once_all_pass),
        CASE(sources_that_flood_take_little_from_others),
        CASE(threads_that_take_from_one_source_share_its_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
