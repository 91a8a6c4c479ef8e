/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of outcomes: codes as protocol.md §4.4 numbers them, no number twice, internal outcomes
 * mapped to what may travel.
 */
#include "tests/unit/protocol/vectors.h"

#include "protocol/status.h"

static void codes_are_those_of_the_protocol(void **state)
{
    static const struct {
        enum status status;
        uint16_t code;
    } rows[] = {
        {STATUS_OK, 1},
        {STATUS_ERROR, 2},
        {STATUS_SERVER_BUSY, 3},
        {STATUS_PROTOCOL_ERROR, 4},
        {STATUS_NOT_SUPPORTED, 5},
        {STATUS_RECURSION_TOO_HIGH, 6},
        {STATUS_SERVER_BACKUP, 7},
        {STATUS_HANDLE_NOT_FOUND, 100},
        {STATUS_HANDLE_EXISTS, 101},
        {STATUS_INVALID_HANDLE, 102},
        {STATUS_VALUES_NOT_FOUND, 200},
        {STATUS_VALUE_EXISTS, 201},
        {STATUS_INVALID_VALUE, 202},
        {STATUS_SITE_INFO_OUT_OF_DATE, 300},
        {STATUS_NOT_RESPONSIBLE, 301},
        {STATUS_SERVICE_REFERRAL, 302},
        {STATUS_PREFIX_REFERRAL, 303},
        {STATUS_INVALID_ADMIN, 400},
        {STATUS_ACCESS_DENIED, 401},
        {STATUS_AUTHENTICATION_NEEDED, 402},
        {STATUS_AUTHENTICATION_FAILED, 403},
        {STATUS_INVALID_CREDENTIAL, 404},
        {STATUS_AUTHENTICATION_TIMEOUT, 405},
        {STATUS_UNABLE_TO_AUTHENTICATE, 406},
        {STATUS_RELOGIN, 407},
        {STATUS_LOGIN_FIRST, 408},
        {STATUS_SESSION_TIMEOUT, 500},
        {STATUS_SESSION_FAILED, 501},
        {STATUS_INVALID_SESSION_KEY, 502},
        {STATUS_NEED_RSA_KEY, 503},
        {STATUS_INVALID_SESSION_SETUP, 504},
        {STATUS_SESSION_REJECTED, 505},
    };
    (void)state;
    assert_int_equal(STATUS_OK, 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(status_wire_code(rows[i].status), rows[i].code);
        assert_int_equal(status_of_wire_code(rows[i].code), rows[i].status);
    }
}

static void every_row_has_texts_and_a_code_of_its_own(void **state)
{
    (void)state;
    for (int i = 0; i < STATUS_COUNT; i++) {
        enum status status = (enum status)i;
        assert_true(strlen(status_name(status)) > 0);
        assert_true(strlen(status_english(status)) > 0);
        assert_true(strlen(status_chinese(status)) > 0);
        assert_in_range(status_http(status), 200, 599);
        uint16_t code = status_wire_code(status);
        assert_int_not_equal(code, 0);
        enum status back = status_of_wire_code(code);
        assert_int_equal(status_wire_code(back), code);
        assert_true(back <= status);
    }
    assert_string_equal(status_name(STATUS_HANDLE_NOT_FOUND), "HANDLE_NOT_FOUND");
    assert_int_equal(status_http(STATUS_HANDLE_NOT_FOUND), 404);
}

static void internal_outcomes_when_sent_then_mapped(void **state)
{
    (void)state;
    assert_int_equal(status_wire_code(STATUS_NO_MEMORY), 3);
    assert_int_equal(status_wire_code(STATUS_STORAGE_FULL), 3);
    assert_int_equal(status_wire_code(STATUS_STORAGE_FAILED), 3);
    assert_int_equal(status_wire_code(STATUS_CONFLICT), 3);
    assert_int_equal(status_wire_code(STATUS_READ_ONLY), 7);
    assert_int_equal(status_wire_code(STATUS_CORRUPT), 2);
    assert_int_equal(status_wire_code(STATUS_BAD_SYNTAX), 2);
}

static void code_when_unknown_then_error(void **state)
{
    static const uint32_t codes[] = {0, 8, 99, 901, 3001, 0xffffffff};
    (void)state;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        assert_int_equal(status_of_wire_code(codes[i]), STATUS_ERROR);
    }
}

static void fault_when_set_then_status_and_text(void **state)
{
    struct fault fault;
    char wide[400];
    (void)state;
    memset(wide, 'x', sizeof(wide) - 1);
    wide[sizeof(wide) - 1] = '\0';
    assert_int_equal(fault_set(&fault, STATUS_INVALID_VALUE, "value %d", 7), STATUS_INVALID_VALUE);
    assert_int_equal(fault.status, STATUS_INVALID_VALUE);
    assert_string_equal(fault.text, "value 7");
    assert_int_equal(fault_set(&fault, STATUS_ERROR, "%s", wide), STATUS_ERROR);
    assert_int_equal(strlen(fault.text), sizeof(fault.text) - 1);
    assert_int_equal(fault_set(NULL, STATUS_CORRUPT, "%s", "nobody listens"), STATUS_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_are_those_of_the_protocol),
        cmocka_unit_test(every_row_has_texts_and_a_code_of_its_own),
        cmocka_unit_test(internal_outcomes_when_sent_then_mapped),
        cmocka_unit_test(code_when_unknown_then_error),
        cmocka_unit_test(fault_when_set_then_status_and_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
