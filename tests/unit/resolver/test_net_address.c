/* SPDX-License-Identifier: Apache-2.0
 *
 * Addresses: parsing, printing, comparing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "resolver/net.h"

static struct net_address parsed(const char *ip, uint16_t port)
{
    struct net_address address;
    assert_int_equal(net_address_parse(ip, port, &address), STATUS_OK);
    return address;
}

static void assert_prints(const char *ip, uint16_t port, const char *expected)
{
    char text[NET_ADDRESS_TEXT];
    struct net_address address = parsed(ip, port);
    net_address_text(&address, text);
    assert_string_equal(text, expected);
}

static void address_when_parsed_prints_as_people_write_it(void **state)
{
    (void)state;
    assert_prints("127.0.0.1", 2641, "127.0.0.1:2641");
    assert_prints("::1", 2641, "[::1]:2641");
    assert_prints("2001:DB8:0::7", 65535, "[2001:db8::7]:65535");
    assert_prints("10.0.0.1", 0, "10.0.0.1");
    assert_prints("::", 0, "::");
    assert_prints("::ffff:192.0.2.1", 1, "192.0.2.1:1");
    assert_prints("fe80::1%4294967295", 2641, "[fe80::1%4294967295]:2641");
    assert_prints("2001:db80:aaaa:bbbb:cccc:dddd:eeee:ffff%4294967295", 65535,
                  "[2001:db80:aaaa:bbbb:cccc:dddd:eeee:ffff%4294967295]:65535");
}

static void ipv4_when_parsed_is_kept_as_mapped(void **state)
{
    (void)state;
    struct net_address plain = parsed("192.0.2.1", 5);
    struct net_address mapped = parsed("::ffff:192.0.2.1", 5);
    assert_true(net_address_equal(&plain, &mapped));
    assert_true(net_address_is_ipv4(&plain));
    struct net_address other = parsed("::192.0.2.1", 5);
    assert_false(net_address_is_ipv4(&other));
}

static void addresses_that_differ_anywhere_are_not_equal(void **state)
{
    (void)state;
    struct net_address one = parsed("fe80::1%1", 5);
    struct net_address port = parsed("fe80::1%1", 6);
    struct net_address scope = parsed("fe80::1%2", 5);
    struct net_address ip = parsed("fe80::2%1", 5);
    assert_true(net_address_equal(&one, &one));
    assert_false(net_address_equal(&one, &port));
    assert_false(net_address_equal(&one, &scope));
    assert_false(net_address_equal(&one, &ip));
}

static void loopback_is_known_in_both_families(void **state)
{
    static const struct {
        const char *ip;
        bool is_loopback;
    } rows[] = {{"127.0.0.1", true},  {"127.9.9.9", true}, {"::1", true},
                {"128.0.0.1", false}, {"0.0.0.0", false},  {"::", false},
                {"::2", false},       {"1::1", false},     {"::ffff:127.0.0.1", true}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct net_address address = parsed(rows[i].ip, 1);
        assert_int_equal(net_address_is_loopback(&address), rows[i].is_loopback);
    }
}

static void zone_name_is_looked_up(void **state)
{
    (void)state;
    struct net_address address = parsed("fe80::1%lo", 1);
    assert_int_not_equal(address.scope, 0);
    assert_int_equal(net_address_parse("fe80::1%no-such-zone", 1, &address), STATUS_BAD_SYNTAX);
}

static void what_is_no_address_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "localhost",
        "1.2.3",
        "1.2.3.4.5",
        "256.0.0.1",
        "1.2.3.4 ",
        ":::",
        "[::1]",
        "1.2.3.4:2641",
        "::1%",
        "::1%0",
        "::1%-1",
        "::g",
        "1111:2222:3333:4444:5555:6666:7777:8888:9999:1111:2222:3333:4444:5555:6666:7777",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct net_address address = {.port = 77};
        assert_int_equal(net_address_parse(bad[i], 1, &address), STATUS_BAD_SYNTAX);
        assert_int_equal(address.port, 77);
    }
}

static void public_addresses_are_hosts_of_the_open_internet(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_public;
    } rows[] = {
        {"8.8.8.8", true},
        {"172.15.0.1", true},
        {"172.32.0.1", true},
        {"100.63.0.1", true},
        {"100.128.0.1", true},
        {"192.167.1.1", true},
        {"169.253.0.1", true},
        {"223.255.255.1", true},
        {"2001:db8::1", true},
        {"2400:3200::1", true},
        {"0.0.0.0", false},
        {"10.1.2.3", false},
        {"100.64.0.1", false},
        {"127.0.0.1", false},
        {"169.254.169.254", false},
        {"172.16.0.1", false},
        {"172.31.255.1", false},
        {"192.168.1.1", false},
        {"224.0.0.1", false},
        {"255.255.255.255", false},
        {"::", false},
        {"::1", false},
        {"fd00::1", false},
        {"ff02::1", false},
        {"64:ff9b::7f00:1", false},
        {"2002:7f00:1::", false},
        {"::ffff:10.0.0.1", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct net_address address;
        assert_int_equal(net_address_parse(rows[i].text, 1, &address), STATUS_OK);
        if (net_address_is_public(&address) != rows[i].is_public) {
            fail_msg("%s", rows[i].text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(address_when_parsed_prints_as_people_write_it),
        cmocka_unit_test(ipv4_when_parsed_is_kept_as_mapped),
        cmocka_unit_test(addresses_that_differ_anywhere_are_not_equal),
        cmocka_unit_test(loopback_is_known_in_both_families),
        cmocka_unit_test(zone_name_is_looked_up),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(public_addresses_are_hosts_of_the_open_internet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
