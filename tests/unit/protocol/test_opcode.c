/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of operations: numbers as protocol.md §4.3 has them, unknown ones told apart.
 */
#include "tests/unit/protocol/vectors.h"

#include "protocol/opcode.h"

static void rows_are_those_of_the_protocol(void **state)
{
    static const struct opcode_row rows[] = {
        {1, OPCODE_READ, OPCODE_ANY, "RESOLUTION"},
        {2, OPCODE_READ, OPCODE_ANY, "GET_SITE_INFO"},
        {100, OPCODE_WRITE, OPCODE_STREAM, "CREATE_HANDLE"},
        {101, OPCODE_WRITE, OPCODE_STREAM, "DELETE_HANDLE"},
        {102, OPCODE_WRITE, OPCODE_STREAM, "ADD_VALUE"},
        {103, OPCODE_WRITE, OPCODE_STREAM, "REMOVE_VALUE"},
        {104, OPCODE_WRITE, OPCODE_STREAM, "MODIFY_VALUE"},
        {105, OPCODE_WRITE, OPCODE_STREAM, "LIST_HANDLES"},
        {106, OPCODE_WRITE, OPCODE_STREAM, "LIST_DERIVED_PREFIXES"},
        {200, OPCODE_AUTH, OPCODE_ANY, "CHALLENGE_RESPONSE"},
        {201, OPCODE_AUTH, OPCODE_ANY, "VERIFY_RESPONSE"},
        {300, OPCODE_WRITE, OPCODE_STREAM, "HOME_PREFIX"},
        {301, OPCODE_WRITE, OPCODE_STREAM, "UNHOME_PREFIX"},
        {302, OPCODE_WRITE, OPCODE_STREAM, "LIST_HOMED_PREFIXES"},
        {400, OPCODE_AUTH, OPCODE_ANY, "SESSION_SETUP"},
        {401, OPCODE_AUTH, OPCODE_ANY, "SESSION_TERMINATE"},
        {402, OPCODE_AUTH, OPCODE_ANY, "SESSION_EXCHANGE_KEY"},
        {1000, OPCODE_NODE, OPCODE_STREAM, "GET_NEXT_TXN_ID"},
        {1001, OPCODE_NODE, OPCODE_STREAM, "RETRIEVE_TXN_LOG"},
        {1002, OPCODE_NODE, OPCODE_STREAM, "DUMP_HANDLES"},
        {1003, OPCODE_NODE, OPCODE_STREAM, "BACKUP_SERVER"},
        {2000, OPCODE_AUTH, OPCODE_STREAM, "LOGIN_PASSWORD"},
        {2001, OPCODE_AUTH, OPCODE_STREAM, "LOGIN"},
    };
    size_t found = 0;
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct opcode_row *row = opcode_find(rows[i].number);
        assert_non_null(row);
        assert_int_equal(row->number, rows[i].number);
        assert_int_equal(row->effect, rows[i].effect);
        assert_int_equal(row->transports, rows[i].transports);
        assert_string_equal(row->name, rows[i].name);
        assert_string_equal(opcode_name(rows[i].number), rows[i].name);
    }
    for (uint32_t number = 0; number < 4000; number++) {
        found += opcode_find(number) != NULL;
    }
    assert_int_equal(found, sizeof(rows) / sizeof(rows[0]));
}

static void number_when_unknown_then_no_row(void **state)
{
    static const uint32_t numbers[] = {0, 3, 999, 606, 1004, 2002, 0xffffffff};
    (void)state;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        assert_null(opcode_find(numbers[i]));
        assert_string_equal(opcode_name(numbers[i]), "UNKNOWN");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_those_of_the_protocol),
        cmocka_unit_test(number_when_unknown_then_no_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
