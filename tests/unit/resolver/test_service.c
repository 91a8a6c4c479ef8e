/* SPDX-License-Identifier: Apache-2.0
 *
 * From site records to the servers that are asked, in order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "protocol/handle.h"
#include "resolver/service.h"

#define NAME BYTES_LITERAL("88.2/x")

static struct arena *arena;

static int open_arena(void **state)
{
    (void)state;
    arena = arena_new(4096, 1u << 20);
    return arena == NULL;
}

static int close_arena(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

struct plan {
    const char *address;
    const char *attribute;
    const char *text;
    uint8_t major;
    uint8_t mask;
    size_t servers; /* addresses count up from the first */
};

static struct value site_value(const char *type, const struct plan *plan)
{
    static const struct site_interface interfaces[] = {{SITE_BOTH, SITE_TCP, 2641},
                                                       {SITE_QUERY, SITE_UDP, 2641},
                                                       {SITE_ADMIN, SITE_UDP, 2642},
                                                       {SITE_BOTH, SITE_HTTP, 8000},
                                                       {SITE_BOTH, SITE_UDP, 70000}};
    struct site_server servers[8] = {{0}};
    struct site_attribute attribute = {BYTES_NONE, BYTES_NONE};
    struct site site = {.format = 1,
                        .protocol_major = plan->major,
                        .protocol_minor = 10,
                        .serial = 3,
                        .primary_mask = plan->mask,
                        .attributes = &attribute,
                        .servers = servers,
                        .server_count = plan->servers > 0 ? plan->servers : 1};
    if (plan->attribute != NULL) {
        attribute =
            (struct site_attribute){bytes_of_text(plan->attribute), bytes_of_text(plan->text)};
        site.attribute_count = 1;
    }
    for (size_t i = 0; i < site.server_count; i++) {
        servers[i].id = (uint32_t)i + 1;
        servers[i].interfaces = (struct site_interface *)(uintptr_t)interfaces;
        servers[i].interface_count = 5;
        assert_true(site_address_parse(plan->address, servers[i].address));
        servers[i].address[15] = (uint8_t)(servers[i].address[15] + i);
    }
    uint8_t *room = arena_alloc(arena, 2048);
    struct wire_writer w = wire_write(room, 2048);
    site_encode(&w, &site);
    return (struct value){.index = 1, .type = bytes_of_text(type), .data = wire_wrote(&w)};
}

static size_t targets_of(const struct value *values, size_t count, const struct service_need *need,
                         struct service_target out[SERVICE_TARGETS_MAX])
{
    struct service service;
    assert_int_equal(service_read(values, count, SERVICE_OF_NAMES, arena, &service), STATUS_OK);
    return service_targets(&service, need, NULL, NULL, out);
}

static void assert_target(const struct service_target *target, const char *address,
                          enum ask_transport transport)
{
    char text[NET_ADDRESS_TEXT];
    net_address_text(&target->address, text);
    assert_string_equal(text, address);
    assert_int_equal(target->transport, transport);
}

static const struct service_need plain = {.handle = {(const uint8_t *)"88.2/x", 6}};

static void udp_of_all_sites_comes_before_tcp_before_http_and_ipv6_before_ipv4(void **state)
{
    (void)state;
    struct service_target out[SERVICE_TARGETS_MAX];
    const struct value values[] = {
        site_value("HS_SITE", &(struct plan){.address = "192.0.2.1", .major = 2}),
        site_value("HS_SITE.6", &(struct plan){.address = "2001:db8::1", .major = 2}),
        {.type = BYTES_LITERAL("HS_ADMIN"), .data = BYTES_LITERAL("none")},
    };
    assert_int_equal(targets_of(values, 3, &plain, out), 6);
    assert_target(&out[0], "[2001:db8::1]:2641", ASK_UDP);
    assert_target(&out[1], "192.0.2.1:2641", ASK_UDP);
    assert_target(&out[2], "[2001:db8::1]:2641", ASK_TCP);
    assert_target(&out[3], "192.0.2.1:2641", ASK_TCP);
    assert_target(&out[4], "[2001:db8::1]:8000", ASK_HTTP);
    assert_target(&out[5], "192.0.2.1:8000", ASK_HTTP);
    assert_int_equal(out[0].version.minor, 10);
    assert_int_equal(out[0].serial, 3);
}

static void large_requests_go_over_tcp_first(void **state)
{
    (void)state;
    struct service_target out[SERVICE_TARGETS_MAX];
    const struct service_need need = {.handle = NAME, .is_large = true};
    const struct value value =
        site_value("HS_SITE", &(struct plan){.address = "192.0.2.1", .major = 2});
    assert_int_equal(targets_of(&value, 1, &need, out), 3);
    assert_int_equal(out[0].transport, ASK_TCP);
    assert_int_equal(out[2].transport, ASK_HTTP);
}

static void hash_chooses_the_server(void **state)
{
    (void)state;
    struct service_target out[SERVICE_TARGETS_MAX];
    const struct value value =
        site_value("HS_SITE", &(struct plan){.address = "192.0.2.1", .major = 2, .servers = 5});
    bool seen[5] = {false};
    for (unsigned i = 0; i < 40; i++) {
        char name[] = "88.2x/x";
        name[4] = (char)('A' + i % 26);
        name[3] = (char)('0' + i % 10);
        const struct service_need need = {.handle = bytes_of_text(name)};
        assert_int_equal(targets_of(&value, 1, &need, out), 3);
        uint32_t chosen = out[0].address.ip[15] - 1U;
        assert_int_equal(chosen, handle_hash(need.handle, HASH_BY_PREFIX) % 5);
        seen[chosen] = true;
    }
    assert_true(seen[0] && seen[1] && seen[2] && seen[3] && seen[4]);
}

static void primaries_alone_answer_with_authority(void **state)
{
    (void)state;
    struct service_target out[SERVICE_TARGETS_MAX];
    const struct value values[] = {
        site_value("HS_SITE", &(struct plan){.address = "192.0.2.1", .major = 2}),
        site_value("HS_SITE",
                   &(struct plan){.address = "192.0.2.2", .major = 2, .mask = SITE_PRIMARY}),
    };
    const struct service_need need = {.handle = NAME, .is_primary_only = true};
    assert_int_equal(targets_of(values, 2, &need, out), 3);
    assert_target(&out[0], "192.0.2.2:2641", ASK_UDP);
    assert_int_equal(targets_of(values, 1, &need, out), 0);
}

static int64_t cost_by_address(void *context, const struct service_target *target)
{
    (void)context;
    return 100 - target->address.ip[15];
}

static void own_protocol_then_the_quicker_server_is_preferred(void **state)
{
    (void)state;
    struct service service;
    struct service_target out[SERVICE_TARGETS_MAX];
    const struct value values[] = {
        site_value("HS_SITE", &(struct plan){.address = "192.0.2.9", .major = 3}),
        site_value("HS_SITE", &(struct plan){.address = "192.0.2.1", .major = 2}),
        site_value("HS_SITE", &(struct plan){.address = "192.0.2.2", .major = 2}),
    };
    assert_int_equal(service_read(values, 3, SERVICE_OF_NAMES, arena, &service), STATUS_OK);
    assert_int_equal(service_targets(&service, &plain, cost_by_address, NULL, out), 9);
    assert_target(&out[0], "192.0.2.2:2641", ASK_UDP);
    assert_target(&out[1], "192.0.2.1:2641", ASK_UDP);
    assert_target(&out[5], "192.0.2.1:8000", ASK_HTTP);
    assert_target(&out[7], "192.0.2.9:2641", ASK_TCP);
}

static int64_t cost_of_silent_udp(void *context, const struct service_target *target)
{
    (void)context;
    return target->transport == ASK_UDP ? 400 : 20;
}

static void tcp_comes_first_where_udp_is_much_slower(void **state)
{
    (void)state;
    struct service service;
    struct service_target out[SERVICE_TARGETS_MAX];
    const struct value value =
        site_value("HS_SITE", &(struct plan){.address = "192.0.2.1", .major = 2});
    assert_int_equal(service_read(&value, 1, SERVICE_OF_NAMES, arena, &service), STATUS_OK);
    assert_int_equal(service_targets(&service, &plain, cost_of_silent_udp, NULL, out), 3);
    assert_int_equal(out[0].transport, ASK_TCP);
}

static void sites_with_http_alone_are_asked_there(void **state)
{
    (void)state;
    struct service service;
    struct service_target out[SERVICE_TARGETS_MAX];
    struct site_interface interfaces[] = {{SITE_BOTH, SITE_HTTPS, 8443},
                                          {SITE_QUERY, SITE_HTTP, 8000},
                                          {SITE_ADMIN, SITE_HTTP, 8001},
                                          {SITE_QUERY, 4, 8002}};
    struct site_attribute path = {BYTES_LITERAL("path"), BYTES_LITERAL("/hdl")};
    struct site_server server = {.id = 1, .interfaces = interfaces, .interface_count = 4};
    struct site site = {.format = 1,
                        .protocol_major = 2,
                        .protocol_minor = 10,
                        .attributes = &path,
                        .attribute_count = 1,
                        .servers = &server,
                        .server_count = 1};
    assert_true(site_address_parse("192.0.2.1", server.address));
    service.sites[0] = site;
    service.count = 1;
    assert_int_equal(service_targets(&service, &plain, NULL, NULL, out), 2);
    assert_target(&out[0], "192.0.2.1:8000", ASK_HTTP);
    assert_target(&out[1], "192.0.2.1:8443", ASK_HTTPS);
    assert_true(bytes_equal(out[0].path, BYTES_LITERAL("/hdl")));
}

static void host_names_and_other_addresses_are_ways_too(void **state)
{
    (void)state;
    struct service_target out[SERVICE_TARGETS_MAX];
    struct value value = site_value(
        "HS_SITE",
        &(struct plan){
            .address = "::", .major = 2, .attribute = "domain.1", .text = "tln.example.cn"});
    assert_int_equal(targets_of(&value, 1, &plain, out), 3);
    assert_true(bytes_equal(out[0].host, BYTES_LITERAL("tln.example.cn")));
    assert_int_equal(out[0].address.port, 2641);
    value = site_value("HS_SITE", &(struct plan){.address = "192.0.2.1",
                                                 .major = 2,
                                                 .attribute = "alt_addr",
                                                 .text = "192.0.2.77"});
    assert_int_equal(targets_of(&value, 1, &plain, out), 6);
    assert_target(&out[0], "192.0.2.1:2641", ASK_UDP);
    assert_target(&out[1], "192.0.2.77:2641", ASK_UDP);
    value = site_value(
        "HS_SITE",
        &(struct plan){
            .address = "::", .major = 2, .attribute = "domain", .text = "no host\r\nat all"});
    assert_int_equal(targets_of(&value, 1, &plain, out), 0);
}

static void records_that_lie_are_passed_over(void **state)
{
    (void)state;
    struct service_target out[SERVICE_TARGETS_MAX];
    struct value values[40];
    struct value good = site_value("HS_SITE", &(struct plan){.address = "192.0.2.1", .major = 2});
    values[0] = (struct value){.type = BYTES_LITERAL("HS_SITE"), .data = BYTES_LITERAL("junk")};
    values[1] = good;
    values[1].data.len--;
    assert_int_equal(targets_of(values, 2, &plain, out), 0);
    for (size_t i = 0; i < 40; i++) { /* more than anybody has */
        values[i] = good;
    }
    assert_int_equal(targets_of(values, 40, &plain, out), SERVICE_TARGETS_MAX);
}

static void service_handles_are_told_apart(void **state)
{
    (void)state;
    const struct value values[] = {
        {.type = BYTES_LITERAL("HS_SERV.PREFIX"), .data = BYTES_LITERAL("0.SERV/b")},
        {.type = BYTES_LITERAL("hs_serv"), .data = BYTES_LITERAL("0.SERV/a")},
    };
    assert_true(bytes_equal(service_alias(values, 2, SERVICE_OF_NAMES), BYTES_LITERAL("0.SERV/a")));
    assert_true(
        bytes_equal(service_alias(values, 2, SERVICE_OF_PREFIXES), BYTES_LITERAL("0.SERV/b")));
    assert_int_equal(service_alias(values, 1, SERVICE_OF_NAMES).len, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_arena, close_arena)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(udp_of_all_sites_comes_before_tcp_before_http_and_ipv6_before_ipv4),
        CASE(large_requests_go_over_tcp_first),
        CASE(hash_chooses_the_server),
        CASE(primaries_alone_answer_with_authority),
        CASE(own_protocol_then_the_quicker_server_is_preferred),
        CASE(tcp_comes_first_where_udp_is_much_slower),
        CASE(sites_with_http_alone_are_asked_there),
        CASE(host_names_and_other_addresses_are_ways_too),
        CASE(records_that_lie_are_passed_over),
        CASE(service_handles_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
