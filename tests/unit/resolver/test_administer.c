/* SPDX-License-Identifier: Apache-2.0
 *
 * administer.c, op_create.c, op_delete.c, op_values.c, op_list.c, op_home.c: what strangers get.
 * What those get who prove who they are: tests/system/test_administration.py.
 */
#include "tests/unit/resolver/exchange_fixture.h"

#include "tests/unit/resolver/capture.h"

static int open_fixture(void **state)
{
    static struct fixture fixture;
    fixture_open(&fixture);
    fixture_home(&fixture, "88.1000", PREFIX_ACTIVE, CASE_INSENSITIVE);
    fixture_home(&fixture, "88.3000", PREFIX_STOPPED, CASE_INSENSITIVE);
    const struct value values[] = {fixture_value(1, "URL", "https://example.com/", 0x0e)};
    fixture_put(&fixture, BYTES_LITERAL("88.1000/stored"), values, 1);
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

static const uint32_t changes[] = {OPCODE_CREATE_HANDLE, OPCODE_DELETE_HANDLE, OPCODE_ADD_VALUE,
                                   OPCODE_REMOVE_VALUE, OPCODE_MODIFY_VALUE};
static const uint32_t lists[] = {OPCODE_LIST_HANDLES, OPCODE_LIST_DERIVED_PREFIXES};
static const uint32_t homings[] = {OPCODE_HOME_PREFIX, OPCODE_UNHOME_PREFIX};

/* What there is to change, where the operation looks before it asks who is asking. */
static const char *subject_of(uint32_t opcode)
{
    return opcode == OPCODE_MODIFY_VALUE ? "88.1000/stored" : "88.1000/thing";
}

static void change_when_unidentified_is_challenged_where_homed(void **state)
{
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(code_about(*state, changes[i], subject_of(changes[i])), 402);
        uint32_t missing = changes[i] == OPCODE_MODIFY_VALUE ? 100 : 402;
        assert_int_equal(code_about(*state, changes[i], "0.NA/88.1000"), missing);
        assert_int_equal(code_about(*state, changes[i], "0.NA/88.1000.7"), missing);
        assert_int_equal(code_about(*state, changes[i], "88.1000.7/thing"), 301);
        assert_int_equal(code_about(*state, changes[i], "88.3000/thing"), 301);
        assert_int_equal(code_about(*state, changes[i], "77.9999/thing"), 301);
        assert_int_equal(code_about(*state, changes[i], ""), 102);
    }
}

static void list_when_unidentified_is_challenged_where_that_prefix_is_homed(void **state)
{
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(code_about(*state, lists[i], "0.NA/88.1000"), 402);
        assert_int_equal(code_about(*state, lists[i], "88.1000"), 402);
        assert_int_equal(code_about(*state, lists[i], "0.NA/88.1000.7"), 301);
        assert_int_equal(code_about(*state, lists[i], "0.NA/88.3000"), 301);
        assert_int_equal(code_about(*state, lists[i], ""), 102);
    }
}

static void homing_when_unidentified_is_challenged_for_prefixes(void **state)
{
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(code_about(*state, homings[i], "0.NA/88.7"), 402);
        assert_int_equal(code_about(*state, homings[i], "0.na/88.7"), 402);
        assert_int_equal(code_about(*state, homings[i], "88.7"), 402);
        assert_int_equal(code_about(*state, homings[i], "88.7/thing"), 102);
        assert_int_equal(code_about(*state, homings[i], "/"), 102);
        assert_int_equal(code_about(*state, homings[i], ""), 102);
    }
    assert_int_equal(code_about(*state, OPCODE_LIST_HOMED_PREFIXES, "/"), 402);
}

static void national_sdk_when_unidentified_is_told_to_log_in(void **state)
{
    struct fixture *f = *state;
    static const uint32_t opcodes[] = {100, 101, 102, 103, 104, 105, 106, 300, 301, 302};
    for (size_t i = 0; i < sizeof(opcodes) / sizeof(opcodes[0]); i++) {
        uint8_t room[256];
        const char *name = opcodes[i] < 105 ? subject_of(opcodes[i]) : "0.NA/88.1000";
        struct fixture_ask ask = fixture_ask(opcodes[i]);
        ask.version = (struct message_version){2, 3};
        ask.suggested = (struct message_version){2, 10};
        ask.flags = 0;
        struct message answer =
            fixture_answer(f, EXCHANGE_TCP, &ask, body_about(opcodes[i], name, room));
        assert_int_equal(answer.header.response_code, 408);
        assert_true(bytes_equal(fixture_text(&answer), BYTES_LITERAL("please login first")));
    }
}

/* First requests of captured flows: the code before anybody proved who they are. */
static void captured_administration_when_begun_is_challenged(void **state)
{
    static const char *const names[] = {
        "create-noauth",   "delete-handle.1",      "add-value.1",         "remove-value.1",
        "modify-value.1",  "list-handles.1",       "list-homed-nas.1",    "home-prefix.1",
        "unhome-prefix.1", "modify-seckey-v2.0.1", "modify-seckey-v2.3.1"};
    struct fixture *f = *state;
    const struct value values[] = {fixture_value(1, "URL", "https://example.com/", 0x0e),
                                   fixture_value(2, "EMAIL", "a@example.com", 0x0e)};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct capture asked;
        struct capture given;
        struct message ours;
        struct message theirs;
        if (i == 1) { /* the first is about a record that is not there */
            fixture_put(f, BYTES_LITERAL("88.1000/drv-1"), values, 2);
            fixture_put(f, BYTES_LITERAL("88.1000/sec-1"), values, 2);
        }
        assert_true(capture_load(names[i], ".req.hex", &asked));
        assert_true(capture_load(names[i], ".resp.hex", &given));
        struct bytes packet = capture_message(&asked, 0);
        assert_int_equal(message_decode(fixture_run(f, EXCHANGE_TCP, packet), &ours), STATUS_OK);
        assert_int_equal(message_decode(capture_message(&given, 0), &theirs), STATUS_OK);
        fixture_assert_challenge(&ours, packet);
        assert_int_equal(ours.header.flags, theirs.header.flags);
        assert_int_equal(ours.header.opcode, theirs.header.opcode);
        assert_int_equal(ours.body.len, theirs.body.len);
        assert_int_equal(ours.envelope.version.minor, theirs.envelope.version.minor);
        capture_free(&asked);
        capture_free(&given);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(change_when_unidentified_is_challenged_where_homed),
        cmocka_unit_test(list_when_unidentified_is_challenged_where_that_prefix_is_homed),
        cmocka_unit_test(homing_when_unidentified_is_challenged_for_prefixes),
        cmocka_unit_test(national_sdk_when_unidentified_is_told_to_log_in),
        cmocka_unit_test(captured_administration_when_begun_is_challenged),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
