/* SPDX-License-Identifier: Apache-2.0
 *
 * What REST requests ask, and the packets they become (rest_question.h).
 */
#include "resolver/rest_question.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "protocol/opcode.h"

#define NOW_MS 1795230000000

static int setup(void **state)
{
    *state = arena_new(4096, 16u << 20);
    return *state == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    arena_free(*state);
    return 0;
}

#define JSON_TYPE "application/json ; charset=utf-8"

static const struct http_field content_type = {{(const uint8_t *)"content-type", 12},
                                               {(const uint8_t *)JSON_TYPE, sizeof(JSON_TYPE) - 1}};

static struct http_request asking(const char *query)
{
    return (struct http_request){
        .verb = HTTP_VERB_GET,
        .path = BYTES_LITERAL("/api/handles/88.608/%E4%BA%A7+1"),
        .query = bytes_of_text(query),
    };
}

static struct http_request sending(enum http_verb verb, const char *body)
{
    struct http_request request = asking("");
    request.verb = verb;
    request.fields = &content_type;
    request.field_count = 1;
    request.body = bytes_of_text(body);
    return request;
}

static struct rest_asked reads(struct arena *arena, const struct http_request *request)
{
    struct rest_asked asked;
    struct fault fault = {STATUS_OK, ""};
    if (rest_question_read(arena, request, &asked, &fault) != STATUS_OK) {
        fail_msg("%s", fault.text);
    }
    asked.handle = BYTES_LITERAL("88.608/a");
    return asked;
}

static void assert_refuses(struct arena *arena, const char *query, const char *word)
{
    const struct http_request request = asking(query);
    struct rest_asked asked;
    struct fault fault = {STATUS_OK, ""};
    assert_int_equal(rest_question_read(arena, &request, &asked, &fault), STATUS_BAD_SYNTAX);
    assert_non_null(strstr(fault.text, word));
}

static struct message packet_message(struct bytes packet)
{
    struct message message;
    assert_int_equal(message_decode(packet, &message), STATUS_OK);
    assert_int_equal(message.header.expiration, NOW_MS / 1000 + MESSAGE_EXPIRY_S);
    return message;
}

/* --- parameters --------------------------------------------------------------------------------
 */

static void path_when_escaped_then_decoded(void **state)
{
    const struct http_request request = asking("");
    struct fault fault = {STATUS_OK, ""};
    struct bytes part;
    assert_int_equal(rest_question_path(*state, &request, "/api/handles/", &part, &fault),
                     STATUS_OK);
    assert_true(bytes_equal(part, BYTES_LITERAL("88.608/\xe4\xba\xa7+1")));
}

static void parameters_when_booleans_then_as_the_rules_say(void **state)
{
    struct http_request request = asking("auth&cert=yes&pretty=true&publicOnly=false&doNotRefer=1");
    struct rest_asked asked = reads(*state, &request);
    assert_true(asked.is_authoritative);
    assert_true(asked.is_certified);
    assert_true(asked.is_pretty);
    assert_true(asked.says_public_only);
    assert_false(asked.is_public_only);
    assert_false(asked.does_not_refer);
    request = asking("");
    asked = reads(*state, &request);
    assert_false(asked.is_authoritative);
    assert_false(asked.says_public_only);
    assert_false(asked.is_create_only);
}

static void overwrite_when_anything_but_true_then_create_only(void **state)
{
    static const char *const queries[] = {"overwrite=false", "overwrite", "overwrite=yes",
                                          "overwrite=TRUE"};
    for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
        const struct http_request request = asking(queries[i]);
        assert_true(reads(*state, &request).is_create_only);
    }
    const struct http_request request = asking("overwrite=true");
    assert_false(reads(*state, &request).is_create_only);
}

static void mint_when_anything_but_true_then_not(void **state)
{
    struct http_request request = asking("mintNewSuffix");
    assert_false(reads(*state, &request).mints);
    request = asking("mintNewSuffix=yes");
    assert_false(reads(*state, &request).mints);
    request = asking("mintNewSuffix=true");
    assert_true(reads(*state, &request).mints);
}

static void filters_when_many_then_all_in_order(void **state)
{
    char query[40000] = "";
    size_t len = 0;
    for (unsigned i = 1; i <= 2000; i++) {
        len += (size_t)snprintf(query + len, sizeof(query) - len, "&index=%u&type=T", i);
    }
    const struct http_request request = asking(query);
    struct rest_asked asked = reads(*state, &request);
    assert_int_equal(asked.index_count, 2000);
    assert_int_equal(asked.type_count, 2000);
    struct wire_reader r = wire_read(asked.indexes);
    for (unsigned i = 1; i <= 2000; i++) {
        assert_int_equal(wire_u32(&r), i);
    }
    assert_true(wire_done(&r));
    r = wire_read(asked.types);
    struct bytes type;
    while (body_next_text(&r, &type)) {
        assert_true(bytes_equal(type, BYTES_LITERAL("T")));
    }
    assert_true(wire_done(&r));
}

static void index_when_a_range_then_all_of_it(void **state)
{
    struct http_request request = asking("index=100-102&index=7&index=4294967295-4294967295");
    struct rest_asked asked = reads(*state, &request);
    static const uint32_t expected[] = {100, 101, 102, 7, UINT32_MAX};
    assert_int_equal(asked.index_count, 5);
    struct wire_reader r = wire_read(asked.indexes);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(wire_u32(&r), expected[i]);
    }
    assert_true(wire_done(&r));
    request = asking("index=1-2048");
    assert_int_equal(reads(*state, &request).index_count, 2048);
    assert_refuses(*state, "index=1-2049", "more than");
    assert_refuses(*state, "index=1-2048&index=9", "more than");
    assert_refuses(*state, "index=0-4294967295", "more than");
    assert_refuses(*state, "index=2-1", "index");
    assert_refuses(*state, "index=1-", "index");
    assert_refuses(*state, "index=1-2-3", "index");
    assert_refuses(*state, "index=-", "index");
}

static void parameters_when_wrong_then_named(void **state)
{
    assert_refuses(*state, "index=x", "index");
    assert_refuses(*state, "index=", "index");
    assert_refuses(*state, "index=4294967296", "index");
    assert_refuses(*state, "index=-1", "index");
    assert_refuses(*state, "page=a", "page");
    assert_refuses(*state, "pageSize=99999999999999999999999", "pageSize");
    assert_refuses(*state, "callback=alert(1)", "callback");
    assert_refuses(*state, "callback=1a", "callback");
    assert_refuses(*state, "callback=a%20b", "callback");
    assert_refuses(*state, "callback=%3Cscript", "callback");
    assert_refuses(*state, "type=%4", "escape");
}

static void callback_when_a_dotted_name_then_taken(void **state)
{
    const struct http_request request = asking("callback=$a_1.b2");
    assert_true(bytes_equal(reads(*state, &request).callback, BYTES_LITERAL("$a_1.b2")));
}

static void post_when_form_then_as_a_query(void **state)
{
    struct http_request request = sending(HTTP_VERB_POST, "type=a+b&index=3&pretty");
    request.field_count = 0;
    struct rest_asked asked = reads(*state, &request);
    assert_int_equal(asked.index_count, 1);
    assert_int_equal(asked.type_count, 1);
    assert_true(asked.is_pretty);
    assert_true(bytes_equal(bytes_from(asked.types, 4), BYTES_LITERAL("a b")));
}

static void post_when_json_then_as_a_query(void **state)
{
    struct http_request request =
        sending(HTTP_VERB_POST, "{\"type\":[\"URL\",\"NAME\"],\"index\":[1,2,\"3\"],\"auth\":true,"
                                "\"publicOnly\":false,\"other\":7}");
    request.query = BYTES_LITERAL("type=X");
    struct rest_asked asked = reads(*state, &request);
    assert_int_equal(asked.type_count, 3);
    assert_int_equal(asked.index_count, 3);
    assert_true(asked.is_authoritative);
    assert_true(asked.says_public_only && !asked.is_public_only);
}

static void post_when_json_is_none_then_bad_syntax(void **state)
{
    static const char *const bodies[] = {"[]", "{", "{\"index\":1.5}", "{\"type\":[[]]}",
                                         "{\"type\":null}"};
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        const struct http_request request = sending(HTTP_VERB_POST, bodies[i]);
        struct rest_asked asked;
        struct fault fault = {STATUS_OK, ""};
        assert_int_equal(rest_question_read(*state, &request, &asked, &fault), STATUS_BAD_SYNTAX);
        assert_true(fault.text[0] != '\0');
    }
}

/* --- values ------------------------------------------------------------------------------------
 */

#define VALUE_1 "{\"index\":1,\"type\":\"URL\",\"data\":\"x\"}"

static enum status take_values(struct arena *arena, const char *query, const char *body,
                               struct body_values *out)
{
    struct http_request request = sending(HTTP_VERB_PUT, body);
    request.query = bytes_of_text(query);
    struct rest_asked asked = reads(arena, &request);
    struct fault fault = {STATUS_OK, ""};
    enum status status = rest_question_values(arena, &request, &asked, out, &fault);
    assert_int_equal(status == STATUS_OK, fault.text[0] == '\0');
    return status;
}

static void values_when_any_shape_then_taken(void **state)
{
    static const char *const bodies[] = {
        "[" VALUE_1 "]",
        "{\"values\":[" VALUE_1 "]}",
        "{\"handle\":\"88.608/a\",\"values\":[" VALUE_1 "]}",
        VALUE_1,
    };
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct body_values values;
        assert_int_equal(take_values(*state, "", bodies[i], &values), STATUS_OK);
        assert_int_equal(values.count, 1);
        assert_int_equal(values.values[0].index, 1);
        assert_int_equal(values.values[0].ttl, VALUE_TTL_DEFAULT);
        assert_int_equal(values.values[0].permissions, VALUE_PERMISSIONS_DEFAULT);
        assert_true(bytes_equal(values.handle, BYTES_LITERAL("88.608/a")));
    }
}

static void values_when_no_such_shape_then_bad_syntax(void **state)
{
    static const char *const bodies[] = {
        "",
        "{\"values\":[",
        "7",
        "null",
        "\"x\"",
        "{}",
        "{\"values\":{}}",
        "{\"handle\":\"88.608/b\",\"values\":[]}",
        "{\"handle\":7,\"values\":[]}",
        "{\"values\":[],\"values\":[]}",
        "[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]",
    };
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct body_values values;
        assert_int_equal(take_values(*state, "", bodies[i], &values), STATUS_BAD_SYNTAX);
    }
}

static void values_when_permissions_then_all_four_bits(void **state)
{
    struct body_values values;
    assert_int_equal(take_values(*state, "",
                                 "[{\"index\":1,\"type\":\"T\",\"data\":\"\",\"permissions\":"
                                 "\"0110\"}]",
                                 &values),
                     STATUS_OK);
    assert_int_equal(values.values[0].permissions, VALUE_ADMIN_WRITE | VALUE_PUBLIC_READ);
    assert_int_equal(
        take_values(*state, "",
                    "[{\"index\":1,\"type\":\"T\",\"data\":\"\",\"permissions\":\"*\"}]", &values),
        STATUS_OK);
    assert_int_equal(values.values[0].permissions, 15);
    assert_int_equal(
        take_values(*state, "",
                    "[{\"index\":1,\"type\":\"T\",\"data\":\"\",\"permissions\":\"01100\"}]",
                    &values),
        STATUS_INVALID_VALUE);
}

static void values_when_indexes_differ_then_bad_syntax(void **state)
{
    struct body_values values;
    assert_int_equal(take_values(*state, "index=1", "[" VALUE_1 "]", &values), STATUS_OK);
    assert_int_equal(take_values(*state, "index=various", "[" VALUE_1 "]", &values), STATUS_OK);
    assert_int_equal(take_values(*state, "index=2", "[" VALUE_1 "]", &values), STATUS_BAD_SYNTAX);
    assert_int_equal(take_values(*state, "index=1&index=2", "[" VALUE_1 "]", &values),
                     STATUS_BAD_SYNTAX);
    assert_int_equal(take_values(*state, "index=1", "[]", &values), STATUS_BAD_SYNTAX);
}

static void values_when_not_said_to_be_json_then_bad_syntax(void **state)
{
    struct http_request request = sending(HTTP_VERB_PUT, "[" VALUE_1 "]");
    struct rest_asked asked = reads(*state, &request);
    struct body_values values;
    struct fault fault = {STATUS_OK, ""};
    request.field_count = 0;
    assert_int_equal(rest_question_values(*state, &request, &asked, &values, &fault),
                     STATUS_BAD_SYNTAX);
    assert_non_null(strstr(fault.text, "application/json"));
}

/* --- packets -----------------------------------------------------------------------------------
 */

static void resolution_when_asked_then_its_packet(void **state)
{
    const struct http_request request = asking("index=1&index=2&type=URL&auth&cert&doNotRefer");
    const struct rest_asked asked = reads(*state, &request);
    struct message message = packet_message(rest_question_resolve(*state, &asked, true, NOW_MS));
    struct body_resolution body;
    assert_int_equal(message.header.opcode, OPCODE_RESOLUTION);
    assert_int_equal(message.header.flags, (uint32_t)MESSAGE_AUTHORITATIVE | MESSAGE_CERTIFIED |
                                               MESSAGE_DO_NOT_REFER | MESSAGE_RECURSIVE |
                                               MESSAGE_PUBLIC_ONLY);
    assert_int_equal(body_resolution_decode(message.body, &body), STATUS_OK);
    assert_true(bytes_equal(body.handle, asked.handle));
    assert_int_equal(body.index_count, 2);
    assert_int_equal(body.type_count, 1);
    message = packet_message(rest_question_resolve(*state, &asked, false, NOW_MS));
    assert_int_equal(message.header.flags & MESSAGE_PUBLIC_ONLY, 0);
}

static void put_when_asked_then_its_operation(void **state)
{
    static const struct {
        const char *query;
        uint32_t opcode;
        uint32_t flags;
    } rows[] = {
        {"", OPCODE_CREATE_HANDLE, MESSAGE_OVERWRITE},
        {"overwrite=true", OPCODE_CREATE_HANDLE, MESSAGE_OVERWRITE},
        {"overwrite=false", OPCODE_CREATE_HANDLE, 0},
        {"overwrite=false&mintNewSuffix=true", OPCODE_CREATE_HANDLE, MESSAGE_MINT},
        {"index=1", OPCODE_ADD_VALUE, MESSAGE_OVERWRITE},
        {"index=various&overwrite=false", OPCODE_ADD_VALUE, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_request request = sending(HTTP_VERB_PUT, "[" VALUE_1 "]");
        struct fault fault = {STATUS_OK, ""};
        struct body_values values;
        request.query = bytes_of_text(rows[i].query);
        const struct rest_asked asked = reads(*state, &request);
        assert_int_equal(rest_question_values(*state, &request, &asked, &values, &fault),
                         STATUS_OK);
        struct message message = packet_message(rest_question_put(*state, &asked, &values, NOW_MS));
        assert_int_equal(message.header.opcode, rows[i].opcode);
        assert_int_equal(message.header.flags, rows[i].flags);
        assert_int_equal(body_values_decode(message.body, *state, &values), STATUS_OK);
        assert_int_equal(values.count, 1);
    }
}

static void delete_when_asked_then_its_operation(void **state)
{
    struct http_request request = asking("");
    struct rest_asked asked = reads(*state, &request);
    struct message message = packet_message(rest_question_delete(*state, &asked, NOW_MS));
    assert_int_equal(message.header.opcode, OPCODE_DELETE_HANDLE);
    request = asking("index=3&index=4");
    asked = reads(*state, &request);
    message = packet_message(rest_question_delete(*state, &asked, NOW_MS));
    assert_int_equal(message.header.opcode, OPCODE_REMOVE_VALUE);
    struct body_remove body;
    assert_int_equal(body_remove_decode(message.body, &body), STATUS_OK);
    assert_int_equal(body.index_count, 2);
}

static void packet_when_too_long_then_none(void **state)
{
    struct rest_asked asked = {.handle = {(const uint8_t *)"", MESSAGE_MAX}};
    assert_int_equal(rest_question_name(*state, OPCODE_DELETE_HANDLE, asked.handle, NOW_MS).len, 0);
    struct value value = {.index = 1, .type = BYTES_LITERAL("T")};
    value.data = (struct bytes){(const uint8_t *)"", MESSAGE_MAX};
    const struct body_values values = {BYTES_LITERAL("88.608/a"), &value, 1};
    assert_int_equal(rest_question_put(*state, &asked, &values, NOW_MS).len, 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(path_when_escaped_then_decoded),
        CASE(parameters_when_booleans_then_as_the_rules_say),
        CASE(overwrite_when_anything_but_true_then_create_only),
        CASE(mint_when_anything_but_true_then_not),
        CASE(filters_when_many_then_all_in_order),
        CASE(index_when_a_range_then_all_of_it),
        CASE(parameters_when_wrong_then_named),
        CASE(callback_when_a_dotted_name_then_taken),
        CASE(post_when_form_then_as_a_query),
        CASE(post_when_json_then_as_a_query),
        CASE(post_when_json_is_none_then_bad_syntax),
        CASE(values_when_any_shape_then_taken),
        CASE(values_when_no_such_shape_then_bad_syntax),
        CASE(values_when_permissions_then_all_four_bits),
        CASE(values_when_indexes_differ_then_bad_syntax),
        CASE(values_when_not_said_to_be_json_then_bad_syntax),
        CASE(resolution_when_asked_then_its_packet),
        CASE(put_when_asked_then_its_operation),
        CASE(delete_when_asked_then_its_operation),
        CASE(packet_when_too_long_then_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
