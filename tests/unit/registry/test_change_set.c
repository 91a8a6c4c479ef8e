/* SPDX-License-Identifier: Apache-2.0
 *
 * Building a change set: limits, judgement of what is put in, one item per key.
 */
#include "tests/unit/registry/store_fixture.h"

static void set_with_the_same_handle_twice_refuses_the_second(void **state)
{
    (void)state;
    struct change_set *set = fixture_set(CHANGE_PER_ITEM);
    assert_int_equal(fixture_add(set, "88.a/x", "1", CHANGE_REPLACE), STATUS_OK);
    assert_int_equal(fixture_add(set, "88.A/x", "2", CHANGE_REPLACE), STATUS_HANDLE_EXISTS);
    assert_int_equal(change_set_delete_record(set, BYTES_LITERAL("88.a/x")), STATUS_HANDLE_EXISTS);
    assert_int_equal(fixture_add(set, "88.a/X", "2", CHANGE_REPLACE), STATUS_OK);
    assert_int_equal(change_set_count(set), 2);
    change_set_free(set);
}

static void set_over_its_items_has_no_room(void **state)
{
    (void)state;
    struct change_set *set = fixture_set(CHANGE_PER_ITEM);
    for (int i = 0; i < CHANGE_SET_ITEMS_MAX; i++) {
        char handle[32];
        (void)snprintf(handle, sizeof(handle), "88.1000/%d", i);
        assert_int_equal(fixture_add(set, handle, "x", CHANGE_CREATE), STATUS_OK);
    }
    size_t bytes = change_set_bytes(set);
    assert_int_equal(fixture_add(set, "88.1000/more", "x", CHANGE_CREATE), STATUS_NO_ROOM);
    assert_int_equal(change_set_count(set), CHANGE_SET_ITEMS_MAX);
    assert_int_equal(change_set_bytes(set), bytes);
    change_set_free(set);
}

static void set_over_its_bytes_has_no_room(void **state)
{
    (void)state;
    static char data[200001];
    memset(data, 'd', sizeof(data) - 1);
    struct change_set *set = fixture_set(CHANGE_PER_ITEM);
    enum status status = STATUS_OK;
    size_t count = 0;
    for (; status == STATUS_OK && count < 100; count++) {
        char handle[32];
        (void)snprintf(handle, sizeof(handle), "88.1000/%zu", count);
        status = fixture_add(set, handle, data, CHANGE_CREATE);
    }
    assert_int_equal(status, STATUS_NO_ROOM);
    assert_true(change_set_bytes(set) <= CHANGE_SET_BYTES_MAX);
    assert_true(change_set_bytes(set) > CHANGE_SET_BYTES_MAX - 300000);
    assert_int_equal(change_set_count(set), count - 1);
    change_set_free(set);
}

static void set_over_its_dependencies_has_no_room(void **state)
{
    (void)state;
    struct change_set *set = fixture_set(CHANGE_PER_ITEM);
    for (int i = 0; i < CHANGE_SET_DEPENDENCIES_MAX; i++) {
        assert_int_equal(change_set_depends(set, CHANGE_PREFIX, BYTES_LITERAL("88"), 1), STATUS_OK);
    }
    assert_int_equal(change_set_depends(set, CHANGE_PREFIX, BYTES_LITERAL("88"), 1),
                     STATUS_NO_ROOM);
    change_set_free(set);
}

static void set_judges_handles_and_values(void **state)
{
    (void)state;
    struct change_set *set = fixture_set(CHANGE_PER_ITEM);
    struct fault fault = {0};
    struct value values[2] = {fixture_value(1, "a"), fixture_value(1, "b")};
    struct record record = {BYTES_LITERAL("88.1000/x"), values, 2};
    assert_int_equal(change_set_put_record(set, &record, CHANGE_CREATE, &fault),
                     STATUS_VALUE_EXISTS);
    values[1].index = 0;
    assert_int_equal(change_set_put_record(set, &record, CHANGE_CREATE, &fault),
                     STATUS_INVALID_VALUE);
    record.handle = BYTES_LITERAL("88.1000/");
    record.count = 1;
    assert_int_equal(change_set_put_record(set, &record, CHANGE_CREATE, &fault),
                     STATUS_INVALID_HANDLE);
    assert_true(fault.text[0] != '\0');
    assert_int_equal(change_set_count(set), 0);
    change_set_free(set);
}

static void set_judges_prefixes(void **state)
{
    (void)state;
    struct change_set *set = fixture_set(CHANGE_PER_ITEM);
    struct prefix_row row = fixture_prefix("88..1");
    assert_int_equal(change_set_put_prefix(set, &row, CHANGE_CREATE, NULL), STATUS_INVALID_HANDLE);
    row = fixture_prefix("88.1");
    row.enterprise = BYTES_NONE;
    assert_int_equal(change_set_put_prefix(set, &row, CHANGE_CREATE, NULL), STATUS_INVALID_VALUE);
    row = fixture_prefix("88.1");
    row.state = 0;
    assert_int_equal(change_set_put_prefix(set, &row, CHANGE_CREATE, NULL), STATUS_INVALID_VALUE);
    row = fixture_prefix("88.a");
    assert_int_equal(change_set_put_prefix(set, &row, CHANGE_CREATE, NULL), STATUS_OK);
    row = fixture_prefix("88.A");
    assert_int_equal(change_set_put_prefix(set, &row, CHANGE_CREATE, NULL), STATUS_HANDLE_EXISTS);
    change_set_free(set);
}

static void set_with_audit_text_that_is_not_utf8_refuses_it(void **state)
{
    (void)state;
    struct change_set *set = fixture_set(CHANGE_PER_ITEM);
    assert_int_equal(change_set_audit(set, "record.put", BYTES_LITERAL("\xff"), BYTES_NONE),
                     STATUS_INVALID_VALUE);
    change_set_free(set);
}

static void set_with_a_long_actor_keeps_whole_characters(void **state)
{
    (void)state;
    struct fixture f;
    struct journal_set head;
    uint8_t actor[600];
    for (size_t i = 0; i < sizeof(actor); i += 2) {
        actor[i] = 0xc3;
        actor[i + 1] = 0xa9;
    }
    fixture_begin(&f);
    struct change_set *set =
        change_set_new(CHANGE_ALL_OR_NOTHING, bytes_of(actor, sizeof(actor)), BYTES_NONE);
    assert_non_null(set);
    assert_int_equal(change_set_audit(set, "test", BYTES_NONE, BYTES_NONE), STATUS_OK);
    assert_int_equal(fixture_commit(&f, set), STATUS_OK);
    assert_int_equal(journal_head(f.snapshot, &head), STATUS_OK);
    assert_int_equal(head.actor.len, 254);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_with_the_same_handle_twice_refuses_the_second),
        cmocka_unit_test(set_over_its_items_has_no_room),
        cmocka_unit_test(set_over_its_bytes_has_no_room),
        cmocka_unit_test(set_over_its_dependencies_has_no_room),
        cmocka_unit_test(set_judges_handles_and_values),
        cmocka_unit_test(set_judges_prefixes),
        cmocka_unit_test(set_with_audit_text_that_is_not_utf8_refuses_it),
        cmocka_unit_test(set_with_a_long_actor_keeps_whole_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
