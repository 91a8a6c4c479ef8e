/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers of the Handle protocol as HTTP status and JSON (rest_answer.h).
 */
#include "resolver/rest_answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "protocol/body.h"

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

#define HANDLE BYTES_LITERAL("88.608/a\"b")
#define HANDLE_JSON "\"handle\":\"88.608/a\\\"b\""

static struct bytes packet_of(struct arena *arena, uint32_t code, uint32_t flags, struct bytes body)
{
    size_t size = 128 + body.len;
    struct wire_writer w = wire_write(arena_alloc(arena, size), size);
    const struct message message = {
        .envelope = {.version = {2, 11}, .suggested = {2, 11}, .request_id = 1},
        .header = {.opcode = 1, .response_code = code, .flags = flags},
        .body = body,
    };
    message_encode(&w, &message);
    assert_false(w.failed);
    return wire_wrote(&w);
}

static struct value value_1(void)
{
    return (struct value){.index = 1,
                          .ttl = 60,
                          .permissions = VALUE_PERMISSIONS_DEFAULT,
                          .type = BYTES_LITERAL("URL"),
                          .data = BYTES_LITERAL("x")};
}

#define VALUE_JSON                                                                                 \
    "{\"index\":1,\"type\":\"URL\",\"data\":{\"format\":\"string\",\"value\":\"x\"},\"ttl\":60}"

static void assert_reply(struct arena *arena, enum rest_kind kind, struct bytes packet,
                         unsigned status, const char *body)
{
    struct rest_reply reply;
    assert_int_equal(rest_answer_read(arena, kind, HANDLE, packet, &reply), STATUS_OK);
    assert_int_equal(reply.status, status);
    if (!bytes_equal(reply.body, bytes_of_text(body))) {
        fail_msg("%.*s", (int)reply.body.len, (const char *)reply.body.data);
    }
}

static struct bytes text_body(struct arena *arena, const char *text)
{
    size_t size = 64 + strlen(text);
    struct wire_writer w = wire_write(arena_alloc(arena, size), size);
    body_error_encode(&w, &(struct body_error){.text = bytes_of_text(text)});
    return wire_wrote(&w);
}

static void status_when_code_then_as_the_table_says(void **state)
{
    (void)state;
    static const unsigned rows[][2] = {
        {1, 200},   {302, 300}, {303, 300}, {100, 404}, {101, 409}, {201, 409}, {4, 400},
        {102, 400}, {202, 400}, {301, 400}, {5, 501},   {3, 503},   {7, 503},   {402, 401},
        {400, 403}, {401, 403}, {403, 403}, {404, 403}, {405, 500}, {406, 500}, {2, 500},
        {6, 500},   {500, 500}, {999, 500}, {200, 400},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(rest_answer_status(REST_CHANGE, rows[i][0], true), rows[i][1]);
    }
    assert_int_equal(rest_answer_status(REST_RESOLVE, 200, true), 200);
    assert_int_equal(rest_answer_status(REST_CHANGE, 402, false), 403);
}

static void resolution_when_found_then_values(void **state)
{
    uint8_t room[256];
    struct wire_writer w = wire_write(room, sizeof(room));
    struct value values[2] = {value_1(), value_1()};
    body_values_encode(&w, &(struct body_values){BYTES_LITERAL("other/spelling"), values, 2});
    assert_reply(*state, REST_RESOLVE, packet_of(*state, 1, 0, wire_wrote(&w)), 200,
                 "{\"responseCode\":1," HANDLE_JSON ",\"values\":[" VALUE_JSON "," VALUE_JSON "]}");
}

static void resolution_when_digest_leads_then_values(void **state)
{
    uint8_t room[256] = {DIGEST_SHA256};
    struct wire_writer w = wire_write(room, sizeof(room));
    (void)wire_room(&w, 33);
    struct value value = value_1();
    body_values_encode(&w, &(struct body_values){HANDLE, &value, 1});
    assert_reply(*state, REST_RESOLVE, packet_of(*state, 1, MESSAGE_REQUEST_DIGEST, wire_wrote(&w)),
                 200, "{\"responseCode\":1," HANDLE_JSON ",\"values\":[" VALUE_JSON "]}");
}

static void resolution_when_nothing_then_as_captured(void **state)
{
    assert_reply(*state, REST_RESOLVE, packet_of(*state, 200, 0, BYTES_NONE), 200,
                 "{\"responseCode\":200,\"values\":[]," HANDLE_JSON "}");
    assert_reply(*state, REST_RESOLVE, packet_of(*state, 100, 0, text_body(*state, "")), 404,
                 "{\"responseCode\":100," HANDLE_JSON "}");
    assert_reply(*state, REST_RESOLVE, packet_of(*state, 100, 0, BYTES_NONE), 404,
                 "{\"responseCode\":100," HANDLE_JSON "}");
    assert_reply(*state, REST_RESOLVE, packet_of(*state, 301, 0, text_body(*state, "not \"here\"")),
                 400, "{\"responseCode\":301,\"message\":\"not \\\"here\\\"\"," HANDLE_JSON "}");
}

static void resolution_when_referred_then_where_to(void **state)
{
    uint8_t room[256];
    struct wire_writer w = wire_write(room, sizeof(room));
    body_referral_encode(&w, &(struct body_referral){.handle = BYTES_LITERAL("0.NA/88")});
    assert_reply(*state, REST_RESOLVE, packet_of(*state, 302, 0, wire_wrote(&w)), 300,
                 "{\"responseCode\":302," HANDLE_JSON ",\"referralHandle\":\"0.NA/88\"}");
    struct value value = value_1();
    w = wire_write(room, sizeof(room));
    body_referral_encode(&w, &(struct body_referral){BYTES_NONE, &value, 1});
    assert_reply(*state, REST_RESOLVE, packet_of(*state, 303, 0, wire_wrote(&w)), 300,
                 "{\"responseCode\":303," HANDLE_JSON ",\"values\":[" VALUE_JSON "]}");
}

static void put_when_done_then_201_or_200(void **state)
{
    uint8_t room[64];
    struct wire_writer w = wire_write(room, sizeof(room));
    body_handle_encode(&w, BYTES_LITERAL("88.608/minted"));
    assert_reply(*state, REST_PUT, packet_of(*state, 1, 0, wire_wrote(&w)), 201,
                 "{\"responseCode\":1,\"handle\":\"88.608/minted\"}");
    assert_reply(*state, REST_PUT, packet_of(*state, 1, MESSAGE_OVERWRITE, BYTES_NONE), 200,
                 "{\"responseCode\":1," HANDLE_JSON "}");
}

static void change_when_refused_then_why(void **state)
{
    assert_reply(*state, REST_CHANGE, packet_of(*state, 1, 0, BYTES_NONE), 200,
                 "{\"responseCode\":1," HANDLE_JSON "}");
    assert_reply(*state, REST_CHANGE, packet_of(*state, 200, 0, BYTES_NONE), 400,
                 "{\"responseCode\":200," HANDLE_JSON "}");
    assert_reply(*state, REST_PUT, packet_of(*state, 101, 0, BYTES_NONE), 409,
                 "{\"responseCode\":101," HANDLE_JSON "}");
    assert_reply(*state, REST_PUT, packet_of(*state, 202, 0, text_body(*state, "bad")), 400,
                 "{\"responseCode\":202,\"message\":\"bad\"," HANDLE_JSON "}");
}

static void change_when_challenged_then_nothing_of_the_challenge(void **state)
{
    uint8_t room[128] = {DIGEST_SHA256};
    struct wire_writer w = wire_write(room, sizeof(room));
    (void)wire_room(&w, 33);
    wire_put_bytes(&w, BYTES_LITERAL("0123456789abcdef"));
    assert_reply(*state, REST_CHANGE,
                 packet_of(*state, 402, MESSAGE_REQUEST_DIGEST, wire_wrote(&w)), 401,
                 "{\"responseCode\":402," HANDLE_JSON "}");
}

static void answer_when_it_lies_then_protocol_error(void **state)
{
    struct rest_reply reply;
    struct bytes packet = packet_of(*state, 1, 0, BYTES_LITERAL("\0\0\0\x09x"));
    assert_int_equal(rest_answer_read(*state, REST_RESOLVE, HANDLE, packet, &reply),
                     STATUS_PROTOCOL_ERROR);
    packet.len = 30;
    assert_int_equal(rest_answer_read(*state, REST_RESOLVE, HANDLE, packet, &reply),
                     STATUS_PROTOCOL_ERROR);
}

/* Both ways say the same, with and without filter. */
static void record_when_written_straight_then_as_through_a_packet(void **state)
{
    uint8_t room[512];
    struct value values[3] = {value_1(), value_1(), value_1()};
    values[1].index = 2;
    values[1].type = BYTES_LITERAL("NAME");
    values[2].index = 3;
    values[2].timestamp = 1700000000;
    struct wire_writer w = wire_write(room, sizeof(room));
    value_list_encode(&w, values, 3);
    const struct record_row row = {.values = wire_wrote(&w)};
    static const uint8_t two[4] = {0, 0, 0, 2};
    static const uint8_t nine[4] = {0, 0, 0, 9};
    const struct body_resolution asks[3] = {
        {.handle = HANDLE},
        {.handle = HANDLE, .index_count = 1, .indexes = bytes_of(two, 4)},
        {.handle = HANDLE, .index_count = 1, .indexes = bytes_of(nine, 4)},
    };
    for (size_t i = 0; i < 3; i++) {
        struct selection selection;
        struct rest_reply straight;
        struct rest_reply packed;
        uint8_t body[512];
        assert_int_equal(selection_init(&selection, &asks[i], *state, 0), STATUS_OK);
        assert_int_equal(rest_answer_record(*state, HANDLE, &row, &selection, &straight),
                         STATUS_OK);
        struct wire_writer answer = wire_write(body, sizeof(body));
        const struct body_values all = {HANDLE, values, 3};
        const struct body_values one = {HANDLE, values + 1, 1};
        if (i < 2) {
            body_values_encode(&answer, i == 0 ? &all : &one);
        }
        struct bytes packet = packet_of(*state, i < 2 ? 1 : 200, 0, wire_wrote(&answer));
        assert_int_equal(rest_answer_read(*state, REST_RESOLVE, HANDLE, packet, &packed),
                         STATUS_OK);
        assert_int_equal(straight.status, packed.status);
        assert_int_equal(straight.code, packed.code);
        assert_true(bytes_equal(straight.body, packed.body));
    }
}

static void record_when_damaged_then_corrupt(void **state)
{
    const struct body_resolution asked = {.handle = HANDLE};
    const struct record_row row = {.values = BYTES_LITERAL("\0\0\0\1abcdefghijklmnopqrstuvwxyz0")};
    struct selection selection;
    struct rest_reply reply;
    assert_int_equal(selection_init(&selection, &asked, *state, 0), STATUS_OK);
    assert_int_equal(rest_answer_record(*state, HANDLE, &row, &selection, &reply), STATUS_CORRUPT);
}

static void names_when_several_messages_then_one_list(void **state)
{
    uint8_t room[128];
    struct wire_writer w = wire_write(room, sizeof(room));
    wire_put_u32(&w, 2);
    wire_put_bytes(&w, BYTES_LITERAL("88.608/A"));
    wire_put_bytes(&w, BYTES_LITERAL("88.608/\"B"));
    struct message message;
    assert_int_equal(message_decode(packet_of(*state, 1, 0, wire_wrote(&w)), &message), STATUS_OK);
    struct rest_json json = rest_json_new(*state, 1);
    uint64_t count = 0;
    assert_int_equal(rest_answer_names(&json, &message, &count), STATUS_OK);
    assert_int_equal(rest_answer_names(&json, &message, &count), STATUS_OK);
    assert_int_equal(count, 4);
    assert_true(
        bytes_equal(rest_json_wrote(&json),
                    BYTES_LITERAL("\"88.608/A\",\"88.608/\\\"B\",\"88.608/A\",\"88.608/\\\"B\"")));
    message.body.len--;
    assert_int_equal(rest_answer_names(&json, &message, &count), STATUS_PROTOCOL_ERROR);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(status_when_code_then_as_the_table_says),
        CASE(resolution_when_found_then_values),
        CASE(resolution_when_digest_leads_then_values),
        CASE(resolution_when_nothing_then_as_captured),
        CASE(resolution_when_referred_then_where_to),
        CASE(put_when_done_then_201_or_200),
        CASE(change_when_refused_then_why),
        CASE(change_when_challenged_then_nothing_of_the_challenge),
        CASE(answer_when_it_lies_then_protocol_error),
        CASE(record_when_written_straight_then_as_through_a_packet),
        CASE(record_when_damaged_then_corrupt),
        CASE(names_when_several_messages_then_one_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
