/* SPDX-License-Identifier: Apache-2.0
 *
 * op_refusals.c: every operation not served yet is decoded and gets the answer an honest server
 * owes it.
 */
#include "tests/unit/resolver/exchange_fixture.h"

static int open_fixture(void **state)
{
    static struct fixture fixture;
    fixture_open(&fixture);
    fixture_home(&fixture, "88.1000", PREFIX_ACTIVE, CASE_INSENSITIVE);
    fixture_home(&fixture, "88.3000", PREFIX_STOPPED, CASE_INSENSITIVE);
    *state = &fixture;
    return 0;
}

static int close_fixture(void **state)
{
    fixture_close(*state);
    return 0;
}

/* A well-formed body of the operation about `name`. */
static struct bytes body_about(uint32_t opcode, const char *name, uint8_t room[256])
{
    struct bytes handle = bytes_of_text(name);
    struct value value = fixture_value(1, "URL", "https://example.com/", 0x0e);
    struct wire_writer w = wire_write(room, 256);
    switch (opcode) {
    case OPCODE_CREATE_HANDLE:
    case OPCODE_ADD_VALUE:
    case OPCODE_MODIFY_VALUE:
        body_values_encode(&w, &(struct body_values){handle, &value, 1});
        break;
    case OPCODE_REMOVE_VALUE:
        body_remove_encode(&w, &(struct body_remove){handle, 1, BYTES_LITERAL("\0\0\0\1")});
        break;
    case OPCODE_CHALLENGE_RESPONSE:
        body_answer_encode(&w, &(struct body_answer){BYTES_LITERAL("HS_PUBKEY"),
                                                     {handle, 300},
                                                     BYTES_LITERAL("signed")});
        break;
    case OPCODE_VERIFY_RESPONSE:
        body_verify_encode(&w, &(struct body_verify){.identity = {handle, 300},
                                                     .nonce = BYTES_LITERAL("0123456789abcdef"),
                                                     .digest = BYTES_LITERAL("0123456789abcdef"),
                                                     .signed_response = BYTES_LITERAL("mac")});
        break;
    case OPCODE_SESSION_SETUP:
        body_session_setup_encode(&w,
                                  &(struct body_session_setup){.mode = SESSION_DIFFIE_HELLMAN,
                                                               .timeout_s = 60,
                                                               .identity = {handle, 300},
                                                               .public_key = BYTES_LITERAL("key"),
                                                               .trailing_zeros = 2});
        break;
    case OPCODE_SESSION_EXCHANGE_KEY:
        body_exchange_key_encode(&w, BYTES_LITERAL("sealed"));
        break;
    case OPCODE_RETRIEVE_TXN_LOG:
        body_retrieve_log_encode(&w,
                                 &(struct body_retrieve_log){.has_kind = true, .server_count = 1});
        break;
    case OPCODE_DUMP_HANDLES:
        body_dump_encode(&w, &(struct body_dump){.server_count = 1});
        break;
    case OPCODE_LOGIN_PASSWORD:
        wire_put_bytes(&w, handle);
        wire_put_u32(&w, 0);
        wire_put_u32(&w, 1);
        wire_put_bytes(&w, BYTES_LITERAL("password"));
        break;
    case OPCODE_LOGIN:
        body_login_encode(&w, &(struct reference){handle, 300});
        break;
    default:
        body_handle_encode(&w, handle);
        break;
    }
    assert_false(w.failed);
    return wire_wrote(&w);
}

static uint32_t code_about(struct fixture *f, uint32_t opcode, const char *name)
{
    uint8_t room[256];
    struct fixture_ask ask = fixture_ask(opcode);
    struct bytes body = body_about(opcode, name, room);
    struct message answer = fixture_answer(f, EXCHANGE_TCP, &ask, body);
    assert_int_equal(answer.header.opcode, opcode);
    if (answer.header.response_code == 402) {
        fixture_assert_challenge(&answer, fixture_packet(f, &ask, body));
    }
    return answer.header.response_code;
}

static void other_operations_when_asked_get_their_code(void **state)
{
    static const struct {
        uint32_t opcode;
        uint32_t code;
    } cases[] = {
        {OPCODE_CHALLENGE_RESPONSE, 405},
        {OPCODE_VERIFY_RESPONSE, 5},
        {OPCODE_SESSION_SETUP, 5},
        {OPCODE_SESSION_TERMINATE, 500},
        {OPCODE_SESSION_EXCHANGE_KEY, 500},
        {OPCODE_GET_NEXT_TXN_ID, 5},
        {OPCODE_RETRIEVE_TXN_LOG, 5},
        {OPCODE_DUMP_HANDLES, 5},
        {OPCODE_BACKUP_SERVER, 5},
        {OPCODE_LOGIN_PASSWORD, 5},
        {OPCODE_LOGIN, 402},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(code_about(*state, cases[i].opcode, "88.1000/User_li"), cases[i].code);
    }
}

static void login_when_national_is_challenged_under_its_own_opcode(void **state)
{
    struct fixture *f = *state;
    uint8_t room[256];
    struct fixture_ask ask = fixture_ask(OPCODE_LOGIN);
    ask.version = (struct message_version){2, 3};
    ask.suggested = (struct message_version){2, 10};
    ask.flags = MESSAGE_REQUEST_DIGEST;
    struct bytes body = body_about(OPCODE_LOGIN, "88.1000/User_li", room);
    struct message answer = fixture_answer(f, EXCHANGE_TCP, &ask, body);
    assert_int_equal(answer.header.opcode, 2001);
    assert_int_equal(answer.envelope.version.minor, 10);
    fixture_assert_challenge(&answer, fixture_packet(f, &ask, body));
}

/* What every cut of the body of `opcode` gets. */
static void assert_cuts_are_malformed(struct fixture *f, uint32_t opcode, struct bytes body)
{
    struct fixture_ask ask = fixture_ask(opcode);
    for (size_t len = 1; len < body.len; len++) {
        /* set-up ends in any number of zeros (protocol.md §5.11) */
        bool is_sound = opcode == OPCODE_SESSION_SETUP && len >= body.len - 2;
        struct message answer = fixture_answer(f, EXCHANGE_TCP, &ask, bytes_of(body.data, len));
        assert_int_equal(answer.header.response_code, is_sound ? 5 : 4);
    }
}

static void body_when_cut_is_malformed_for_every_operation(void **state)
{
#define OPCODE(name, number, effect, transports, handler) number,
    static const uint32_t opcodes[] = {
#include "protocol/opcode.def"
    };
#undef OPCODE
    for (size_t i = 0; i < sizeof(opcodes) / sizeof(opcodes[0]); i++) {
        uint8_t room[256];
        /* a login by password has the shape of a resolution */
        uint32_t shape = opcodes[i] == OPCODE_RESOLUTION ? OPCODE_LOGIN_PASSWORD : opcodes[i];
        assert_cuts_are_malformed(*state, opcodes[i], body_about(shape, "88.1000/a", room));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_operations_when_asked_get_their_code),
        cmocka_unit_test(login_when_national_is_challenged_under_its_own_opcode),
        cmocka_unit_test(body_when_cut_is_malformed_for_every_operation),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
