/* SPDX-License-Identifier: Apache-2.0
 *
 * The site object, against the reference server's and byte for byte.
 */
#include <stdlib.h>

#include "protocol/record_json.h"
#include "protocol/site.h"
#include "tests/unit/protocol/vectors.h"

static int set_up(void **state)
{
    *state = arena_new(1 << 16, 4 << 20);
    return *state == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    arena_free(*state);
    return 0;
}

static json_t *captured_site(struct arena *arena)
{
    struct bytes http = vectors_hex(arena, vectors_file(arena, "captured/rest-site.resp.hex"));
    const uint8_t *end = memmem(http.data, http.len, "\r\n\r\n", 4);
    assert_non_null(end);
    struct bytes body = bytes_from(http, (size_t)(end - http.data) + 4);
    json_t *answer = json_loadb((const char *)body.data, body.len, 0, NULL);
    json_t *site = json_incref(json_object_get(answer, "site"));
    json_decref(answer);
    assert_non_null(site);
    return site;
}

static void site_when_written_is_the_references(void **state)
{
    json_t *theirs = captured_site(*state);
    json_t *ours = site_json_encode(vectors_file(*state, "keys/siteinfo.bin"));
    char *left = json_dumps(ours, JSON_COMPACT);
    char *right = json_dumps(theirs, JSON_COMPACT);
    assert_string_equal(left, right); /* the order of members, too */
    free(left);
    free(right);
    json_decref(ours);
    json_decref(theirs);
}

static void site_when_read_is_the_record(void **state)
{
    json_t *json = captured_site(*state);
    struct bytes data;
    assert_int_equal(site_json_decode(json, *state, &data, NULL), STATUS_OK);
    vectors_assert_equal(data, vectors_file(*state, "keys/siteinfo.bin"));
    json_decref(json);
}

static void expect_survives(struct arena *arena, const struct site *site)
{
    uint8_t *room = arena_alloc(arena, 4096);
    assert_non_null(room);
    struct wire_writer w = wire_write(room, 4096);
    struct bytes again;
    site_encode(&w, site);
    json_t *json = site_json_encode(wire_wrote(&w));
    assert_non_null(json);
    assert_int_equal(site_json_decode(json, arena, &again, NULL), STATUS_OK);
    vectors_assert_equal(again, wire_wrote(&w));
    json_decref(json);
}

static void site_of_every_kind_survives(void **state)
{
    struct site_interface interfaces[] = {{SITE_OUT_OF_SERVICE, SITE_UDP, 1},
                                          {SITE_ADMIN, SITE_TCP, 65535},
                                          {SITE_QUERY, SITE_HTTP, 80},
                                          {SITE_BOTH, SITE_HTTPS, 70000}};
    struct site_attribute attributes[] = {{BYTES_LITERAL("desc"), BYTES_LITERAL("\xe5\xb8\x82")},
                                          {BYTES_NONE, BYTES_NONE}};
    struct site_server servers[] = {
        {.id = 1, .address = {[12] = 192, 0, 2, 1}, .interfaces = interfaces, .interface_count = 4},
        {.id = 4000000000,
         .address = {0x20, 1, 0x0d, 0xb8, [15] = 1},
         .public_key = BYTES_LITERAL("no key at all")},
        {.id = 0, .public_key = vectors_get(*state, "V6.rsa")},
    };
    struct site site = {.format = 1,
                        .protocol_major = 2,
                        .protocol_minor = 0,
                        .serial = 65535,
                        .primary_mask = SITE_PRIMARY | SITE_MULTI_PRIMARY,
                        .hash_option = 0,
                        .hash_filter = BYTES_LITERAL("filter"),
                        .attributes = attributes,
                        .attribute_count = 2,
                        .servers = servers,
                        .server_count = 3};
    expect_survives(*state, &site);
    site.primary_mask = 0;
    site.format = 0;
    site.hash_option = 1;
    site.server_count = 0;
    site.attribute_count = 0;
    expect_survives(*state, &site);
}

static void site_that_json_cannot_carry_is_not_written(void **state)
{
    struct site_interface interface = {SITE_BOTH, SITE_TCP, 2641};
    struct site_server server = {
        .id = 1, .address = {[12] = 10}, .interfaces = &interface, .interface_count = 1};
    const struct site plain = {
        .format = 1, .hash_option = 2, .servers = &server, .server_count = 1};
    for (int variant = 0; variant <= 5; variant++) {
        struct site site = plain;
        interface = (struct site_interface){SITE_BOTH, SITE_TCP, 2641};
        memset(server.address, 0, sizeof(server.address));
        switch (variant) {
        case 1:
            site.primary_mask = 0x20; /* a bit without a name */
            break;
        case 2:
            site.hash_option = 3;
            break;
        case 3:
            interface.protocol = 4;
            break;
        case 4:
            memset(server.address + 10, 0xff, 2); /* ::ffff:0.0.0.0 reads back as 0.0.0.0 */
            break;
        case 5:
            site.hash_filter = BYTES_LITERAL("\xff");
            break;
        default:
            break;
        }
        uint8_t *room = arena_alloc(*state, 512);
        assert_non_null(room);
        struct wire_writer w = wire_write(room, 512);
        site_encode(&w, &site);
        json_t *json = site_json_encode(wire_wrote(&w));
        assert_int_equal(json != NULL, variant == 0);
        json_decref(json);
    }
}

static void site_by_hand_gets_defaults(void **state)
{
    json_t *json = json_pack("{s:s, s:[{s:i, s:s, s:[{s:b, s:s, s:i}]}]}", "protocolVersion",
                             "2.11", "servers", "serverId", 1, "address", "192.0.2.7", "interfaces",
                             "query", 1, "protocol", "tcp", "port", 2641);
    struct bytes data;
    struct site site;
    assert_non_null(json);
    assert_int_equal(site_json_decode(json, *state, &data, NULL), STATUS_OK);
    assert_int_equal(site_decode(data, *state, &site), STATUS_OK);
    assert_int_equal(site_check(&site, NULL), STATUS_OK);
    assert_int_equal(site.format, 1);
    assert_int_equal(site.hash_option, 2);
    assert_int_equal(site.primary_mask, 0);
    assert_int_equal(site.attribute_count, 0);
    assert_int_equal(site.servers[0].address[15], 7);
    assert_int_equal(site.servers[0].interfaces[0].use, SITE_QUERY);
    assert_int_equal(site.servers[0].interfaces[0].protocol, SITE_TCP);
    json_decref(json);
}

static void site_with_wrong_member_names_it(void **state)
{
#define SERVER "\"protocolVersion\":\"2.11\",\"servers\":[{\"serverId\":1,\"address\":\"::1\","
    static const char *const cases[][2] = {
        {"7", "a site is a JSON object"},
        {"{}", "protocolVersion: missing"},
        {"{\"protocolVersion\":\"2\"}", "protocolVersion: not like 2.11"},
        {"{\"protocolVersion\":\"2.256\"}", "protocolVersion: not like 2.11"},
        {"{\"protocolVersion\":\"2.11x\"}", "protocolVersion: not like 2.11"},
        {"{\"protocolVersion\":\"2.11\",\"version\":65536}", "version: not between"},
        {"{\"protocolVersion\":\"2.11\",\"serialNumber\":-1}", "serialNumber: not between"},
        {"{\"protocolVersion\":\"2.11\",\"hashOption\":3}", "hashOption: not between"},
        {"{\"protocolVersion\":\"2.11\",\"primarySite\":1}", "primarySite: neither"},
        {"{\"protocolVersion\":\"2.11\",\"hashFilter\":1}", "hashFilter: not a text"},
        {"{\"protocolVersion\":\"2.11\",\"attributes\":{}}", "attributes: not a list"},
        {"{\"protocolVersion\":\"2.11\",\"attributes\":[{\"name\":\"x\"}]}",
         "attributes[0].value: missing"},
        {"{\"protocolVersion\":\"2.11\"}", "servers: not a list"},
        {"{\"protocolVersion\":\"2.11\",\"servers\":[{}]}", "servers[0].address: missing"},
        {"{\"protocolVersion\":\"2.11\",\"servers\":[{\"address\":\"host\"}]}",
         "servers[0].address: not an IP address"},
        {"{\"protocolVersion\":\"2.11\",\"servers\":[{\"address\":\"1.2.3.4\\u0000x\"}]}",
         "servers[0].address: not an IP address"},
        {"{" SERVER "\"publicKey\":{\"format\":\"key\",\"value\":{\"kty\":\"RSA\"}}}]}",
         "servers[0].publicKey.value: e: missing"},
        {"{" SERVER "\"publicKey\":{\"format\":\"base64\",\"value\":\"?\"}}]}",
         "servers[0].publicKey: neither"},
        {"{" SERVER "\"interfaces\":7}]}", "servers[0].interfaces: not a list"},
        {"{" SERVER "\"interfaces\":[{\"protocol\":\"QUIC\"}]}]}",
         "servers[0].interfaces[0]: protocol"},
        {"{" SERVER "\"interfaces\":[{\"protocol\":\"TCP\",\"port\":1.5}]}]}",
         "servers[0].interfaces[0].port: not a whole number"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *json = json_loads(cases[i][0], JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        struct bytes data = BYTES_LITERAL("untouched");
        struct fault fault = {STATUS_OK, ""};
        assert_non_null(json);
        assert_int_not_equal(site_json_decode(json, *state, &data, &fault), STATUS_OK);
        vectors_assert_equal(data, BYTES_LITERAL("untouched"));
        if (strncmp(fault.text, cases[i][1], strlen(cases[i][1])) != 0) {
            fail_msg("\"%s\" instead of \"%s\"", fault.text, cases[i][1]);
        }
        json_decref(json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(site_when_written_is_the_references),
        cmocka_unit_test(site_when_read_is_the_record),
        cmocka_unit_test(site_of_every_kind_survives),
        cmocka_unit_test(site_that_json_cannot_carry_is_not_written),
        cmocka_unit_test(site_by_hand_gets_defaults),
        cmocka_unit_test(site_with_wrong_member_names_it),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
