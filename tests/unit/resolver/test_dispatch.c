/* SPDX-License-Identifier: Apache-2.0
 *
 * dispatch.c: the row of opcode.def decides; what has no row, or is not the transport's, is
 * refused before a handler sees it.
 */
#include "tests/unit/resolver/exchange_fixture.h"

static int open_fixture(void **state)
{
    static struct fixture fixture;
    fixture_open(&fixture);
    *state = &fixture;
    return 0;
}

static int close_fixture(void **state)
{
    fixture_close(*state);
    return 0;
}

static void opcode_when_unknown_is_not_supported(void **state)
{
    static const uint32_t opcodes[] = {3, 99, 107, 606, 999, 1004, 2002, 0x80000001u, 0xffffffffu};
    for (size_t i = 0; i < sizeof(opcodes) / sizeof(opcodes[0]); i++) {
        struct fixture_ask ask = fixture_ask(opcodes[i]);
        struct message answer = fixture_answer(*state, EXCHANGE_UDP, &ask, BYTES_NONE);
        assert_int_equal(answer.header.response_code, 5);
        assert_int_equal(answer.header.opcode, opcodes[i]);
        assert_int_equal(answer.envelope.request_id, FIXTURE_REQUEST_ID);
    }
}

static void opcode_when_0_is_a_protocol_error(void **state)
{
    struct fixture_ask ask = fixture_ask(0);
    struct message answer = fixture_answer(*state, EXCHANGE_UDP, &ask, BYTES_NONE);
    assert_int_equal(answer.header.response_code, 4);
}

static const struct {
    uint32_t number;
    enum opcode_effect effect;
    enum opcode_transports transports;
} rows[] = {
#define OPCODE(name, number, effect, transports, handler)                                          \
    {number, OPCODE_##effect, OPCODE_##transports},
#include "protocol/opcode.def"
#undef OPCODE
};

/* A body no operation can have, so that a handler that was reached says "malformed body". */
static void opcode_when_not_the_transports_is_refused_with_a_text(void **state)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fixture_ask ask = fixture_ask(rows[i].number);
        struct message answer =
            fixture_answer(*state, EXCHANGE_UDP, &ask, BYTES_LITERAL("\xff\xff\xff\xff"));
        assert_int_equal(answer.header.response_code, 4);
        bool is_refused = bytes_equal(fixture_text(&answer),
                                      BYTES_LITERAL("this operation is not served over UDP"));
        assert_int_equal(is_refused, rows[i].transports == OPCODE_STREAM);
        assert_true(rows[i].effect != OPCODE_WRITE || is_refused);
        answer = fixture_answer(*state, EXCHANGE_TCP, &ask, BYTES_LITERAL("\xff\xff\xff\xff"));
        assert_true(bytes_equal(fixture_text(&answer), BYTES_LITERAL("malformed body")));
    }
}

static uint32_t code_with_credential(struct fixture *f, const char *type)
{
    struct message request = {
        .envelope = {.version = {2, 11}, .suggested = {2, 11}, .session_id = 36},
        .header = {.opcode = OPCODE_GET_SITE_INFO},
        .credential = {.is_present = true, .counter = 1, .type = bytes_of_text(type)},
    };
    struct wire_writer w = wire_write(f->request, MESSAGE_PACKET_MAX);
    message_encode(&w, &request);
    struct message answer;
    assert_int_equal(message_decode(fixture_run(f, EXCHANGE_TCP, wire_wrote(&w)), &answer),
                     STATUS_OK);
    assert_int_equal(answer.envelope.session_id, 36);
    return answer.header.response_code;
}

static void mac_when_sent_names_a_session_nobody_has(void **state)
{
    struct fixture *f = *state;
    f->generation.site = BYTES_LITERAL("site");
    assert_int_equal(code_with_credential(f, "HS_MAC"), 500);
    assert_int_equal(code_with_credential(f, "HS_SIGNED"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opcode_when_unknown_is_not_supported),
        cmocka_unit_test(opcode_when_0_is_a_protocol_error),
        cmocka_unit_test(opcode_when_not_the_transports_is_refused_with_a_text),
        cmocka_unit_test(mac_when_sent_names_a_session_nobody_has),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
