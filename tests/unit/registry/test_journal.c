/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading the journal: sets by position, items, audit rows, damaged rows.
 */
#include "tests/unit/registry/store_fixture.h"

#include "registry/journal_row.h"
#include "registry/store.h"

/* Positions: 1 enterprise, 2 prefix | 3, 4, 5 records | 6 deletion, 7 audit. */
static void fill(struct fixture *f)
{
    fixture_begin(f);
    fixture_home(f, "88.1000");
    struct change_set *set = fixture_set(CHANGE_ALL_OR_NOTHING);
    struct value hidden = fixture_value(1, "secret");
    hidden.permissions = VALUE_ADMIN_READ;
    struct record record = {BYTES_LITERAL("88.1000/b"), &hidden, 1};
    assert_int_equal(fixture_add(set, "88.1000/a", "x", CHANGE_CREATE), STATUS_OK);
    assert_int_equal(change_set_put_record(set, &record, CHANGE_CREATE, NULL), STATUS_OK);
    assert_int_equal(fixture_add(set, "88.1000/c", "x", CHANGE_CREATE), STATUS_OK);
    assert_int_equal(fixture_commit(f, set), STATUS_OK);
    set = fixture_set(CHANGE_ALL_OR_NOTHING);
    assert_int_equal(change_set_delete_record(set, BYTES_LITERAL("88.1000/A")), STATUS_OK);
    assert_int_equal(change_set_audit(set, "record.rm", BYTES_LITERAL("88.1000/\"A\"\n"),
                                      BYTES_LITERAL("\xe6\xa0\x87")),
                     STATUS_OK);
    assert_int_equal(fixture_commit(f, set), STATUS_OK);
}

static void journal_by_position_gives_the_set_that_holds_it(void **state)
{
    (void)state;
    static const uint64_t starts[] = {1, 1, 1, 3, 3, 3, 6, 6};
    struct fixture f;
    struct journal_set set;
    fill(&f);
    for (uint64_t position = 0; position <= 7; position++) {
        assert_int_equal(journal_get(f.snapshot, position, &set), STATUS_OK);
        assert_int_equal(set.position, starts[position]);
    }
    assert_int_equal(journal_get(f.snapshot, 8, &set), STATUS_NOT_FOUND);
    assert_int_equal(journal_get(f.snapshot, UINT64_MAX, &set), STATUS_NOT_FOUND);
    assert_int_equal(journal_head(f.snapshot, &set), STATUS_OK);
    assert_int_equal(set.position, 6);
    assert_int_equal(set.count, 2);
    assert_int_equal(set.time_ms, f.now_ms);
    assert_true(bytes_equal(set.actor, BYTES_LITERAL("uid:0(test)")));
    assert_true(bytes_equal(set.origin, BYTES_LITERAL("cli")));
    fixture_end(&f);
}

static void journal_that_is_empty_has_no_head(void **state)
{
    (void)state;
    struct fixture f;
    struct journal_set set;
    fixture_begin(&f);
    assert_int_equal(journal_head(f.snapshot, &set), STATUS_NOT_FOUND);
    assert_int_equal(journal_get(f.snapshot, 1, &set), STATUS_NOT_FOUND);
    fixture_verify(&f);
    fixture_end(&f);
}

static void items_tell_operation_table_class_key_and_version(void **state)
{
    (void)state;
    static const struct {
        enum journal_operation operation;
        enum change_table table;
        enum journal_class class;
        const char *key;
        uint64_t version;
    } expected[] = {
        {JOURNAL_PUT, CHANGE_ENTERPRISE, JOURNAL_RESTRICTED, "self", 1},
        {JOURNAL_PUT, CHANGE_PREFIX, JOURNAL_RESTRICTED, "88.1000", 1},
        {JOURNAL_PUT, CHANGE_RECORD, JOURNAL_PUBLIC, "88.1000/A", 1},
        {JOURNAL_PUT, CHANGE_RECORD, JOURNAL_RESTRICTED, "88.1000/B", 1},
        {JOURNAL_PUT, CHANGE_RECORD, JOURNAL_PUBLIC, "88.1000/C", 1},
        {JOURNAL_DELETE, CHANGE_RECORD, JOURNAL_PUBLIC, "88.1000/A", 2},
        {JOURNAL_PUT, CHANGE_AUDIT, JOURNAL_INTERNAL, "", 1},
    };
    struct fixture f;
    struct journal_set set;
    fill(&f);
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]);) {
        assert_int_equal(journal_get(f.snapshot, i + 1, &set), STATUS_OK);
        struct wire_reader r = wire_read(set.items);
        struct journal_item item;
        while (journal_next_item(&r, &item)) {
            assert_int_equal(item.operation, expected[i].operation);
            assert_int_equal(item.table, expected[i].table);
            assert_int_equal(item.class, expected[i].class);
            assert_true(bytes_equal(item.key, bytes_of_text(expected[i].key)));
            assert_int_equal(item.version, expected[i].version);
            i++;
        }
        assert_true(wire_done(&r));
    }
    fixture_end(&f);
}

static void audit_row_by_position_is_json(void **state)
{
    (void)state;
    struct fixture f;
    struct bytes row;
    fill(&f);
    assert_int_equal(journal_get_audit(f.snapshot, 6, &row), STATUS_NOT_FOUND);
    assert_int_equal(journal_get_audit(f.snapshot, 7, &row), STATUS_OK);
    static const char expected[] =
        "{\"time\":\"2023-11-14T22:13:23.000Z\",\"actor\":\"uid:0(test)\",\"origin\":\"cli\","
        "\"action\":\"record.rm\",\"object\":\"88.1000/"
        "\\\"A\\\"\\u000a\",\"detail\":\"\xe6\xa0\x87\"}";
    assert_true(bytes_equal(row, bytes_of_text(expected)));
    fixture_end(&f);
}

static void journal_row_damaged_is_corrupt_or_fails_its_reader(void **state)
{
    (void)state;
    struct fixture f;
    struct journal_set set;
    struct bytes row;
    struct store_key key;
    uint8_t copy[1024];
    fill(&f);
    keys_journal(3, &key);
    assert_int_equal(store_get(snapshot_store(f.snapshot), STORE_JOURNAL, keys_bytes(&key), &row),
                     STATUS_OK);
    assert_true(row.len <= sizeof(copy));
    memcpy(copy, row.data, row.len);
    assert_int_equal(journal_row_decode(keys_bytes(&key), row, &set), STATUS_OK);
    for (size_t len = 0; len < row.len; len++) {
        if (journal_row_decode(keys_bytes(&key), bytes_of(copy, len), &set) == STATUS_OK) {
            struct wire_reader r = wire_read(set.items);
            struct journal_item item;
            uint32_t count = 0;
            while (journal_next_item(&r, &item)) {
                count++;
            }
            assert_true(!wire_done(&r) || count < set.count);
        }
    }
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(journal_by_position_gives_the_set_that_holds_it),
        cmocka_unit_test(journal_that_is_empty_has_no_head),
        cmocka_unit_test(items_tell_operation_table_class_key_and_version),
        cmocka_unit_test(audit_row_by_position_is_json),
        cmocka_unit_test(journal_row_damaged_is_corrupt_or_fails_its_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
