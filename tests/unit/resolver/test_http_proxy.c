/* SPDX-License-Identifier: Apache-2.0
 *
 * Whom a proxy speaks for, and that nobody else is believed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "resolver/http_proxy.h"

static struct net_address address_of(const char *text)
{
    struct net_address address;
    assert_int_equal(net_address_parse(text, 0, &address), STATUS_OK);
    return address;
}

/* The client a node with the proxies 10.0.0.0/8 and ::1 believes in. */
static struct http_request believe(const char *peer, const struct http_field *fields, size_t count)
{
    struct settings_network proxies[2];
    assert_int_equal(settings_parse_network("10.0.0.0/8", &proxies[0]), STATUS_OK);
    assert_int_equal(settings_parse_network("::1/128", &proxies[1]), STATUS_OK);
    const struct generation generation = {.proxies = proxies, .proxy_count = 2};
    struct http_request request = {.peer = address_of(peer),
                                   .client = address_of(peer),
                                   .fields = fields,
                                   .field_count = count};
    http_proxy_believe(&generation, &request);
    return request;
}

static void client_when_a_proxy_tells_is_the_last_that_is_no_proxy(void **state)
{
    (void)state;
    static const struct {
        const char *peer;
        const char *told;
        const char *client;
    } rows[] = {
        {"10.0.0.1", "192.0.2.7", "192.0.2.7"},
        {"10.0.0.1", "192.0.2.7:4711", "192.0.2.7"},
        {"10.0.0.1", "[2001:db8::1]:80", "2001:db8::1"},
        {"::1", "2001:db8::1", "2001:db8::1"},
        {"10.0.0.1", "198.51.100.1, 192.0.2.7", "192.0.2.7"},
        {"10.0.0.1", "198.51.100.1, 192.0.2.7, 10.0.0.9,10.0.0.8", "192.0.2.7"},
        {"10.0.0.1", "10.0.0.9", "10.0.0.9"},
        {"10.0.0.1", "198.51.100.1, unknown", "10.0.0.1"},
        {"10.0.0.1", "198.51.100.1, 10.0.0.9, what?", "10.0.0.1"},
        {"10.0.0.1", "198.51.100.1, rubbish, 10.0.0.9", "10.0.0.9"},
        {"10.0.0.1", "198.51.100.1,", "10.0.0.1"},
        {"10.0.0.1", "", "10.0.0.1"},
        {"192.0.2.1", "198.51.100.1", "192.0.2.1"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct http_field field = {BYTES_LITERAL("x-forwarded-for"),
                                         bytes_of_text(rows[i].told)};
        struct http_request request = believe(rows[i].peer, &field, 1);
        struct net_address wanted = address_of(rows[i].client);
        if (!net_address_equal(&request.client, &wanted)) {
            fail_msg("row %zu: %s", i, rows[i].told);
        }
    }
}

static void fields_when_there_are_several_are_one_list(void **state)
{
    (void)state;
    const struct http_field fields[] = {
        {BYTES_LITERAL("X-Forwarded-For"), BYTES_LITERAL("198.51.100.1, 192.0.2.7")},
        {BYTES_LITERAL("X-Forwarded-For"), BYTES_LITERAL("10.0.0.9")},
        {BYTES_LITERAL("X-Forwarded-Proto"), BYTES_LITERAL("HTTPS")},
    };
    struct http_request request = believe("10.0.0.1", fields, 3);
    struct net_address wanted = address_of("192.0.2.7");
    assert_true(net_address_equal(&request.client, &wanted));
    assert_true(request.is_tls);
}

static void scheme_when_a_stranger_tells_it_is_not_believed(void **state)
{
    (void)state;
    const struct http_field fields[] = {
        {BYTES_LITERAL("X-Forwarded-Proto"), BYTES_LITERAL("https")},
        {BYTES_LITERAL("X-Forwarded-Proto"), BYTES_LITERAL("http")},
    };
    assert_false(believe("192.0.2.1", fields, 1).is_tls);
    assert_true(believe("10.0.0.1", fields, 1).is_tls);
    assert_false(believe("10.0.0.1", fields, 2).is_tls); /* said twice: by whom? */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(client_when_a_proxy_tells_is_the_last_that_is_no_proxy),
        cmocka_unit_test(fields_when_there_are_several_are_one_list),
        cmocka_unit_test(scheme_when_a_stranger_tells_it_is_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
