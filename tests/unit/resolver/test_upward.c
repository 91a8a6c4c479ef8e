/* SPDX-License-Identifier: Apache-2.0
 *
 * The upstream section: whom to ask, for whom, about what not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "resolver/upward.h"

static struct settings *settings;
static struct upward *upward;
static struct fault fault;

static enum status read_yaml(const char *yaml, const char *site_path)
{
    fault = (struct fault){0};
    assert_int_equal(settings_parse(bytes_of_text(yaml), "test", &settings, &fault), STATUS_OK);
    return upward_new(settings, site_path, &upward, &fault);
}

static int forget(void **state)
{
    (void)state;
    upward_free(upward);
    settings_free(settings);
    upward = NULL;
    settings = NULL;
    return 0;
}

static const struct service_need need = {.handle = {(const uint8_t *)"0.NA/88", 7}};

static void nobody_is_asked_by_default(void **state)
{
    (void)state;
    assert_int_equal(read_yaml("node:\n  prefix: '88.608'\n", NULL), STATUS_OK);
    assert_int_equal(upward->service.count, 0);
    assert_true(upward->network_count >= 5);
}

static void servers_are_addresses_and_names_with_and_without_port(void **state)
{
    (void)state;
    struct service_target out[SERVICE_TARGETS_MAX];
    char text[NET_ADDRESS_TEXT];
    assert_int_equal(read_yaml("upstream:\n  servers: ['192.0.2.7', '[2001:db8::1]:99', "
                               "'2001:db8::2', 'wuhan.example:2650']\n",
                               NULL),
                     STATUS_OK);
    assert_int_equal(service_targets(&upward->service, &need, NULL, NULL, out), 8);
    const char *expected[] = {"192.0.2.7:2641", "[2001:db8::1]:99", "[2001:db8::2]:2641"};
    for (size_t i = 0; i < 3; i++) {
        net_address_text(&out[i].address, text);
        assert_string_equal(text, expected[i]);
        assert_int_equal(out[i].transport, ASK_UDP);
    }
    assert_true(bytes_equal(out[3].host, BYTES_LITERAL("wuhan.example")));
    assert_int_equal(out[3].address.port, 2650);
    assert_false(out[3].has_records);
}

static void names_without_port_may_have_service_records(void **state)
{
    (void)state;
    struct service_target out[SERVICE_TARGETS_MAX];
    assert_int_equal(read_yaml("upstream:\n  servers: ['wuhan.example', '192.0.2.7']\n", NULL),
                     STATUS_OK);
    assert_int_equal(service_targets(&upward->service, &need, NULL, NULL, out), 4);
    assert_true(bytes_equal(out[0].host, BYTES_LITERAL("wuhan.example")));
    assert_true(out[0].has_records);
    assert_int_equal(out[0].address.port, 2641);
    assert_int_equal(out[1].host.len, 0);
    assert_false(out[1].has_records);
}

static void servers_that_are_none_are_named(void **state)
{
    static const char *const bad[] = {"wuhan.example:", "wuhan.example:0", "a:70000",
                                      "a:1x",           "[2001:db8::1",    "[::1]x"};
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char yaml[128];
        (void)snprintf(yaml, sizeof(yaml), "upstream:\n  servers: ['%s']\n", bad[i]);
        assert_int_equal(read_yaml(yaml, NULL), STATUS_BAD_SETTING);
        assert_non_null(strstr(fault.text, bad[i]));
        forget(NULL);
    }
}

static void networks_that_are_none_are_named(void **state)
{
    (void)state;
    assert_int_equal(read_yaml("upstream:\n  allowed_networks: [here]\n", NULL),
                     STATUS_BAD_SETTING);
    assert_non_null(strstr(fault.text, "here"));
}

static void refused_prefixes_include_what_is_below(void **state)
{
    (void)state;
    assert_int_equal(read_yaml("upstream:\n  refused: ['88.66']\n", NULL), STATUS_OK);
    assert_true(upward_refuses(upward, BYTES_LITERAL("88.66/x")));
    assert_true(upward_refuses(upward, BYTES_LITERAL("88.66.1/x")));
    assert_true(upward_refuses(upward, BYTES_LITERAL("0.NA/88.66")));
    assert_false(upward_refuses(upward, BYTES_LITERAL("88.661/x")));
    assert_false(upward_refuses(upward, BYTES_LITERAL("88/x")));
}

static enum status read_site_file(const void *content, size_t len)
{
    char path[] = "/tmp/guantong-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, len), (ssize_t)len);
    (void)close(fd);
    enum status status = read_yaml("node:\n  prefix: '88.608'\n", path);
    (void)unlink(path);
    return status;
}

static void site_file_holds_a_record_or_json(void **state)
{
    (void)state;
    struct service_target out[SERVICE_TARGETS_MAX];
    struct site_interface interface = {SITE_BOTH, SITE_TCP, 2641};
    struct site_server server = {.id = 1, .interfaces = &interface, .interface_count = 1};
    struct site site = {.format = 1, .protocol_major = 2, .servers = &server, .server_count = 1};
    uint8_t room[256];
    assert_true(site_address_parse("192.0.2.7", server.address));
    struct wire_writer w = wire_write(room, sizeof(room));
    site_encode(&w, &site);
    struct bytes record = wire_wrote(&w);
    assert_int_equal(read_site_file(record.data, record.len), STATUS_OK);
    assert_int_equal(service_targets(&upward->service, &need, NULL, NULL, out), 1);
    forget(NULL);
    const char json[] =
        "[{\"version\":1,\"protocolVersion\":\"2.11\",\"serialNumber\":1,\"primarySite\":true,"
        "\"multiPrimary\":false,\"attributes\":[],\"servers\":[{\"serverId\":1,\"address\":"
        "\"192.0.2.8\",\"interfaces\":[{\"query\":true,\"admin\":false,\"protocol\":\"UDP\","
        "\"port\":2641}]}]}]";
    assert_int_equal(read_site_file(json, sizeof(json) - 1), STATUS_OK);
    assert_int_equal(service_targets(&upward->service, &need, NULL, NULL, out), 1);
    assert_int_equal(out[0].address.ip[15], 8);
}

static void site_file_that_is_none_is_refused(void **state)
{
    (void)state;
    assert_int_equal(read_site_file("junk", 4), STATUS_BAD_SETTING);
    forget(NULL);
    assert_int_equal(read_site_file("{\"a\":", 5), STATUS_BAD_SETTING);
    forget(NULL);
    assert_int_equal(read_yaml("node:\n  prefix: '88.608'\n", "/nonexistent/site"),
                     STATUS_BAD_SETTING);
    assert_non_null(strstr(fault.text, "/nonexistent/site"));
}

#define CASE(name) cmocka_unit_test_teardown(name, forget)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(nobody_is_asked_by_default),
        CASE(servers_are_addresses_and_names_with_and_without_port),
        CASE(names_without_port_may_have_service_records),
        CASE(servers_that_are_none_are_named),
        CASE(networks_that_are_none_are_named),
        CASE(refused_prefixes_include_what_is_below),
        CASE(site_file_holds_a_record_or_json),
        CASE(site_file_that_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
