/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections per source and trusted networks, also from several threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>

#include "resolver/sources.h"

static struct net_address parsed(const char *ip)
{
    struct net_address address;
    assert_int_equal(net_address_parse(ip, 1000, &address), STATUS_OK);
    return address;
}

static void source_over_its_limit_is_refused_until_it_leaves(void **state)
{
    (void)state;
    struct sources *sources = sources_new(7);
    struct sources_limits limits = {.connections = 10, .connections_per_source = 2};
    struct net_address one = parsed("192.0.2.1");
    struct net_address other = parsed("192.0.2.2");
    assert_int_equal(sources_enter(sources, &one, &limits), SOURCES_ENTERED);
    assert_int_equal(sources_enter(sources, &one, &limits), SOURCES_ENTERED);
    assert_int_equal(sources_enter(sources, &one, &limits), SOURCES_SOURCE_FULL);
    assert_int_equal(sources_enter(sources, &other, &limits), SOURCES_ENTERED);
    assert_int_equal(sources_connections(sources), 3);
    sources_leave(sources, &one);
    assert_int_equal(sources_enter(sources, &one, &limits), SOURCES_ENTERED);
    sources_free(sources);
}

static void limit_in_all_holds_over_sources(void **state)
{
    (void)state;
    struct sources *sources = sources_new(7);
    struct sources_limits limits = {.connections = 300, .connections_per_source = 2};
    char ip[32];
    for (unsigned i = 0; i < 300; i++) {
        (void)snprintf(ip, sizeof(ip), "10.0.%u.%u", i / 200, i % 200);
        struct net_address address = parsed(ip);
        assert_int_equal(sources_enter(sources, &address, &limits), SOURCES_ENTERED);
    }
    struct net_address late = parsed("10.1.0.0");
    assert_int_equal(sources_enter(sources, &late, &limits), SOURCES_FULL);
    for (unsigned i = 0; i < 300; i++) {
        (void)snprintf(ip, sizeof(ip), "10.0.%u.%u", i / 200, i % 200);
        struct net_address address = parsed(ip);
        sources_leave(sources, &address);
    }
    assert_int_equal(sources_connections(sources), 0);
    assert_int_equal(sources_enter(sources, &late, &limits), SOURCES_ENTERED);
    sources_free(sources);
}

static void ipv6_source_is_its_64(void **state)
{
    (void)state;
    struct sources *sources = sources_new(7);
    struct sources_limits limits = {.connections = 10, .connections_per_source = 1};
    struct net_address one = parsed("2001:db8:0:1::1");
    struct net_address same = parsed("2001:db8:0:1:ffff::2");
    struct net_address other = parsed("2001:db8:0:2::1");
    assert_int_equal(sources_enter(sources, &one, &limits), SOURCES_ENTERED);
    assert_int_equal(sources_enter(sources, &same, &limits), SOURCES_SOURCE_FULL);
    assert_int_equal(sources_enter(sources, &other, &limits), SOURCES_ENTERED);
    sources_free(sources);
}

static void address_in_a_trusted_network_is_trusted(void **state)
{
    static const char *const texts[] = {"10.1.0.0/16", "192.0.2.128/25", "fd00::/8", "::1"};
    static const struct {
        const char *ip;
        bool is_trusted;
    } rows[] = {{"10.1.255.255", true}, {"10.2.0.0", false}, {"192.0.2.200", true},
                {"192.0.2.127", false}, {"fdab::1", true},   {"fc00::1", false},
                {"::1", true},          {"::2", false},      {"127.0.0.1", false}};
    struct settings_network networks[4];
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(settings_parse_network(texts[i], &networks[i]), STATUS_OK);
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct net_address address = parsed(rows[i].ip);
        assert_int_equal(sources_trust(&address, networks, 4), rows[i].is_trusted);
        assert_false(sources_trust(&address, networks, 0));
    }
}

static void *come_and_go(void *context)
{
    struct sources *sources = context;
    struct sources_limits limits = {.connections = 3, .connections_per_source = 2};
    struct net_address address = {.ip = {1, 2, 3}};
    for (int i = 0; i < 20000; i++) {
        address.ip[3] = (uint8_t)(i % 5);
        if (sources_enter(sources, &address, &limits) == SOURCES_ENTERED) {
            sources_leave(sources, &address);
        }
    }
    return NULL;
}

static void threads_that_come_and_go_leave_nothing_behind(void **state)
{
    (void)state;
    struct sources *sources = sources_new(7);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, sources), 0);
    }
    for (int i = 0; i < 4; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    assert_int_equal(sources_connections(sources), 0);
    sources_free(sources);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(source_over_its_limit_is_refused_until_it_leaves),
        cmocka_unit_test(limit_in_all_holds_over_sources),
        cmocka_unit_test(ipv6_source_is_its_64),
        cmocka_unit_test(address_in_a_trusted_network_is_trusted),
        cmocka_unit_test(threads_that_come_and_go_leave_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
