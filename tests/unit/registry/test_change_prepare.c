/* SPDX-License-Identifier: Apache-2.0
 *
 * What a change set meets and does: modes, versions, unchanged rows, time stamps, homes, re-use.
 */
#include "tests/unit/registry/store_fixture.h"

#define VALUE_AT 4 /* behind the count */
#define TIMESTAMP_AT 8

static uint32_t first_timestamp(const struct record_row *row)
{
    struct wire_reader r = wire_read(bytes_from(row->values, TIMESTAMP_AT));
    return wire_u32(&r);
}

static enum status put_with(struct fixture *f, const char *handle, enum change_mode mode)
{
    struct change_set *set = fixture_set(CHANGE_ALL_OR_NOTHING);
    assert_int_equal(fixture_add(set, handle, "http://a", mode), STATUS_OK);
    return fixture_commit(f, set);
}

static void create_of_an_existing_handle_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    assert_int_equal(put_with(&f, "88.1000/a", CHANGE_CREATE), STATUS_OK);
    assert_int_equal(put_with(&f, "88.1000/A", CHANGE_CREATE), STATUS_HANDLE_EXISTS);
    fixture_end(&f);
}

static void modify_of_an_absent_handle_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    assert_int_equal(put_with(&f, "88.1000/a", CHANGE_MODIFY), STATUS_HANDLE_NOT_FOUND);
    assert_int_equal(fixture_delete(&f, "88.1000/a"), STATUS_HANDLE_NOT_FOUND);
    fixture_end(&f);
}

static void put_of_equal_values_writes_nothing(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    assert_int_equal(fixture_put(&f, "88.1000/a", "http://a"), STATUS_OK);
    struct registry_figures before;
    struct registry_figures after;
    assert_int_equal(registry_figures(f.registry, &before), STATUS_OK);
    assert_int_equal(fixture_put(&f, "88.1000/A", "http://a"), STATUS_UNCHANGED);
    assert_int_equal(registry_figures(f.registry, &after), STATUS_OK);
    assert_int_equal(after.journal_head, before.journal_head);
    assert_int_equal(after.last_txn, before.last_txn);
    struct record_row row;
    assert_int_equal(fixture_get(&f, "88.1000/a", &row), STATUS_OK);
    assert_true(bytes_equal(row.handle, BYTES_LITERAL("88.1000/a")));
    fixture_end(&f);
}

static void replacing_keeps_spelling_and_creation_and_raises_the_version(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    assert_int_equal(fixture_put(&f, "88.1000/Part", "http://a"), STATUS_OK);
    int64_t created_ms = f.now_ms;
    assert_int_equal(fixture_put(&f, "88.1000/PART", "http://b"), STATUS_OK);
    struct record_row row;
    assert_int_equal(fixture_get(&f, "88.1000/part", &row), STATUS_OK);
    assert_true(bytes_equal(row.handle, BYTES_LITERAL("88.1000/Part")));
    assert_true(bytes_equal(fixture_data(&row), BYTES_LITERAL("http://b")));
    assert_int_equal(row.version, 2);
    assert_int_equal(row.created_ms, created_ms);
    assert_int_equal(row.changed_ms, f.now_ms);
    fixture_verify(&f);
    fixture_end(&f);
}

static enum status put_without_time(struct fixture *f, const char *data)
{
    struct change_set *set = fixture_set(CHANGE_ALL_OR_NOTHING);
    struct value value = fixture_value(1, data);
    value.timestamp = 0;
    struct record record = {BYTES_LITERAL("88.1000/a"), &value, 1};
    assert_int_equal(change_set_put_record(set, &record, CHANGE_REPLACE, NULL), STATUS_OK);
    return fixture_commit(f, set);
}

static void value_without_timestamp_keeps_the_stored_one_when_equal(void **state)
{
    (void)state;
    struct fixture f;
    struct record_row row;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    assert_int_equal(put_without_time(&f, "http://a"), STATUS_OK);
    int64_t written_ms = f.now_ms;
    assert_int_equal(put_without_time(&f, "http://a"), STATUS_UNCHANGED);
    assert_int_equal(fixture_get(&f, "88.1000/a", &row), STATUS_OK);
    assert_int_equal(first_timestamp(&row), written_ms / 1000);
    assert_int_equal(put_without_time(&f, "http://b"), STATUS_OK);
    assert_int_equal(fixture_get(&f, "88.1000/a", &row), STATUS_OK);
    assert_int_equal(first_timestamp(&row), f.now_ms / 1000);
    fixture_end(&f);
}

static void value_without_timestamp_is_matched_by_index(void **state)
{
    (void)state;
    struct fixture f;
    struct record_row row;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    struct value values[3] = {fixture_value(3, "c"), fixture_value(1, "a"), fixture_value(2, "b")};
    struct record record = {BYTES_LITERAL("88.1000/a"), values, 3};
    struct change_set *set = fixture_set(CHANGE_ALL_OR_NOTHING);
    assert_int_equal(change_set_put_record(set, &record, CHANGE_REPLACE, NULL), STATUS_OK);
    assert_int_equal(fixture_commit(&f, set), STATUS_OK);
    values[0] = fixture_value(4, "d");
    values[1] = fixture_value(3, "c");
    values[0].timestamp = 0;
    values[1].timestamp = 0;
    record.count = 2;
    set = fixture_set(CHANGE_ALL_OR_NOTHING);
    assert_int_equal(change_set_put_record(set, &record, CHANGE_REPLACE, NULL), STATUS_OK);
    assert_int_equal(fixture_commit(&f, set), STATUS_OK);
    assert_int_equal(fixture_get(&f, "88.1000/a", &row), STATUS_OK);
    struct wire_reader r = wire_read(bytes_from(row.values, VALUE_AT));
    struct value value;
    assert_int_equal(value_decode(&r, &value), STATUS_OK);
    assert_int_equal(value.index, 3);
    assert_int_equal(value.timestamp, 1600000000);
    assert_int_equal(value_decode(&r, &value), STATUS_OK);
    assert_int_equal(value.index, 4);
    assert_int_equal(value.timestamp, f.now_ms / 1000);
    fixture_end(&f);
}

static void handle_created_again_goes_on_from_the_tombstone(void **state)
{
    (void)state;
    struct fixture f;
    struct record_row row;
    struct tombstone_row mark;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    struct bytes handle = BYTES_LITERAL("88.1000/a");
    assert_int_equal(fixture_put(&f, "88.1000/a", "1"), STATUS_OK);
    assert_int_equal(fixture_delete(&f, "88.1000/A"), STATUS_OK);
    assert_int_equal(fixture_get(&f, "88.1000/a", &row), STATUS_HANDLE_NOT_FOUND);
    assert_int_equal(registry_get_tombstone(f.snapshot, handle, CASE_INSENSITIVE, &mark),
                     STATUS_OK);
    assert_int_equal(mark.version, 2);
    assert_int_equal(mark.deleted_ms, f.now_ms);
    assert_true(bytes_equal(mark.enterprise, BYTES_LITERAL("self")));
    assert_int_equal(fixture_put(&f, "88.1000/a", "3"), STATUS_OK);
    assert_int_equal(registry_get_tombstone(f.snapshot, handle, CASE_INSENSITIVE, &mark),
                     STATUS_NOT_FOUND);
    assert_int_equal(fixture_get(&f, "88.1000/a", &row), STATUS_OK);
    assert_int_equal(row.version, 3);
    fixture_verify(&f);
    fixture_end(&f);
}

static void handle_created_again_where_forbidden_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    assert_int_equal(fixture_put(&f, "88.1000/a", "1"), STATUS_OK);
    assert_int_equal(fixture_delete(&f, "88.1000/a"), STATUS_OK);
    fixture_close(&f);
    f.options.forbids_reuse = true;
    fixture_open(&f);
    struct change_set *set = fixture_set(CHANGE_PER_ITEM);
    assert_int_equal(fixture_add(set, "88.1000/a", "2", CHANGE_CREATE), STATUS_OK);
    assert_int_equal(change_set_prepare(set, f.snapshot, f.now_ms), STATUS_OK);
    assert_int_equal(change_set_item_status(set, 0), STATUS_HANDLE_EXISTS);
    assert_non_null(strstr(change_set_item_reason(set, 0), "again"));
    change_set_free(set);
    assert_int_equal(fixture_put(&f, "88.1000/new", "2"), STATUS_OK);
    fixture_end(&f);
}

static void record_of_a_prefix_not_active_is_not_ours(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    assert_int_equal(fixture_put(&f, "88.1000/a", "1"), STATUS_NOT_RESPONSIBLE);
    fixture_home(&f, "88.1000");
    assert_int_equal(fixture_put(&f, "88.1000.5/a", "1"), STATUS_NOT_RESPONSIBLE);
    struct prefix_row row = fixture_prefix("88.1000");
    row.state = PREFIX_STOPPED;
    assert_int_equal(fixture_put_prefix(&f, &row, CHANGE_MODIFY), STATUS_OK);
    assert_int_equal(fixture_put(&f, "88.1000/a", "1"), STATUS_NOT_RESPONSIBLE);
    row.state = PREFIX_ACTIVE;
    row.hosting = PREFIX_DELEGATED;
    assert_int_equal(fixture_put_prefix(&f, &row, CHANGE_MODIFY), STATUS_OK);
    assert_int_equal(fixture_put(&f, "88.1000/a", "1"), STATUS_NOT_RESPONSIBLE);
    fixture_end(&f);
}

static void prefix_record_is_ours_when_an_ancestor_is(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    assert_int_equal(fixture_put(&f, "0.NA/88.1000", "1"), STATUS_OK);
    assert_int_equal(fixture_put(&f, "0.na/88.1000.7.8", "1"), STATUS_OK);
    assert_int_equal(fixture_put(&f, "0.NA/88", "1"), STATUS_NOT_RESPONSIBLE);
    assert_int_equal(fixture_put(&f, "0.NA/88.10001", "1"), STATUS_NOT_RESPONSIBLE);
    assert_int_equal(registry_counter(f.snapshot, BYTES_LITERAL("0.na"), COUNTER_IDENTIFIERS), 2);
    assert_int_equal(registry_counter(f.snapshot, BYTES_LITERAL("88.1000"), COUNTER_IDENTIFIERS),
                     0);
    fixture_verify(&f);
    fixture_end(&f);
}

static void prefix_and_its_records_in_one_set_are_committed_together(void **state)
{
    (void)state;
    struct fixture f;
    struct record_row row;
    fixture_begin(&f);
    struct change_set *set = fixture_set(CHANGE_ALL_OR_NOTHING);
    struct prefix_row prefix = fixture_prefix("88.1000");
    assert_int_equal(fixture_add(set, "0.NA/88.1000", "site", CHANGE_CREATE), STATUS_OK);
    assert_int_equal(fixture_add(set, "88.1000/a", "part", CHANGE_CREATE), STATUS_OK);
    assert_int_equal(change_set_put_prefix(set, &prefix, CHANGE_CREATE, NULL), STATUS_OK);
    assert_int_equal(fixture_commit(&f, set), STATUS_OK);
    assert_int_equal(fixture_get(&f, "0.NA/88.1000", &row), STATUS_OK);
    assert_int_equal(fixture_get(&f, "88.1000/a", &row), STATUS_OK);
    struct registry_figures figures;
    assert_int_equal(registry_figures(f.registry, &figures), STATUS_OK);
    assert_int_equal(figures.journal_sets, 1);
    assert_int_equal(figures.journal_head, 4);
    fixture_verify(&f);
    fixture_end(&f);
}

static void handles_that_fold_together_in_one_set_are_found(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    struct prefix_row sensitive = fixture_prefix("88.2000");
    sensitive.case_rule = CASE_SENSITIVE;
    assert_int_equal(fixture_put_prefix(&f, &sensitive, CHANGE_CREATE), STATUS_OK);
    struct change_set *set = fixture_set(CHANGE_PER_ITEM);
    assert_int_equal(fixture_add(set, "88.1000/a", "1", CHANGE_REPLACE), STATUS_OK);
    assert_int_equal(fixture_add(set, "88.1000/A", "2", CHANGE_REPLACE), STATUS_OK);
    assert_int_equal(fixture_add(set, "88.2000/a", "3", CHANGE_REPLACE), STATUS_OK);
    assert_int_equal(fixture_add(set, "88.2000/A", "4", CHANGE_REPLACE), STATUS_OK);
    assert_int_equal(committer_commit_now(f.registry, f.snapshot, set, f.now_ms), STATUS_OK);
    assert_int_equal(change_set_item_status(set, 0), STATUS_OK);
    assert_int_equal(change_set_item_status(set, 1), STATUS_HANDLE_EXISTS);
    assert_non_null(strstr(change_set_item_reason(set, 1), "folds together"));
    assert_int_equal(change_set_item_status(set, 2), STATUS_OK);
    assert_int_equal(change_set_item_status(set, 3), STATUS_OK);
    change_set_free(set);
    assert_int_equal(registry_counter(f.snapshot, BYTES_LITERAL("88.2000"), COUNTER_IDENTIFIERS),
                     2);
    fixture_verify(&f);
    fixture_end(&f);
}

static void prefix_of_another_enterprise_is_not_taken_over(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    struct prefix_row row = fixture_prefix("88.1000");
    row.enterprise = BYTES_LITERAL("other");
    assert_int_equal(fixture_put_prefix(&f, &row, CHANGE_REPLACE), STATUS_HANDLE_EXISTS);
    row = fixture_prefix("88.2000");
    row.enterprise = BYTES_LITERAL("other");
    assert_int_equal(fixture_put_prefix(&f, &row, CHANGE_REPLACE), STATUS_NOT_FOUND);
    assert_int_equal(registry_get_prefix(f.snapshot, BYTES_LITERAL("88.2000"), &row),
                     STATUS_NOT_FOUND);
    fixture_end(&f);
}

static void prefix_homed_again_with_equal_content_is_unchanged(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    struct prefix_row row = fixture_prefix("88.1000");
    assert_int_equal(fixture_put_prefix(&f, &row, CHANGE_REPLACE), STATUS_UNCHANGED);
    assert_int_equal(fixture_put_prefix(&f, &row, CHANGE_CREATE), STATUS_UNCHANGED);
    row.max_identifiers = 5;
    assert_int_equal(fixture_put_prefix(&f, &row, CHANGE_CREATE), STATUS_HANDLE_EXISTS);
    assert_int_equal(fixture_put_prefix(&f, &row, CHANGE_REPLACE), STATUS_OK);
    assert_int_equal(registry_get_prefix(f.snapshot, BYTES_LITERAL("88.1000"), &row), STATUS_OK);
    assert_int_equal(row.version, 2);
    assert_int_equal(row.max_identifiers, 5);
    fixture_verify(&f);
    fixture_end(&f);
}

static void prefix_given_up_and_homed_again_keeps_case_rule_and_slot(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    fixture_home(&f, "88.2000");
    struct prefix_row row = fixture_prefix("88.1000");
    row.state = PREFIX_UNHOMED;
    assert_int_equal(fixture_put_prefix(&f, &row, CHANGE_MODIFY), STATUS_OK);
    assert_int_equal(registry_find_home(f.snapshot, BYTES_LITERAL("88.1000/a"), &row),
                     STATUS_NOT_RESPONSIBLE);
    row = fixture_prefix("88.1000");
    row.case_rule = CASE_SENSITIVE;
    assert_int_equal(fixture_put_prefix(&f, &row, CHANGE_CREATE), STATUS_OK);
    assert_int_equal(registry_find_home(f.snapshot, BYTES_LITERAL("88.1000/a"), &row), STATUS_OK);
    assert_int_equal(row.case_rule, CASE_INSENSITIVE);
    assert_int_equal(row.slot, 1);
    assert_int_equal(row.version, 3);
    assert_int_equal(registry_get_prefix(f.snapshot, BYTES_LITERAL("88.2000"), &row), STATUS_OK);
    assert_int_equal(row.slot, 2);
    fixture_verify(&f);
    fixture_end(&f);
}

static void dependency_that_no_longer_holds_is_a_conflict(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    assert_int_equal(fixture_put(&f, "88.1000/key", "1"), STATUS_OK);
    struct change_set *set = fixture_set(CHANGE_ALL_OR_NOTHING);
    assert_int_equal(fixture_add(set, "88.1000/a", "1", CHANGE_REPLACE), STATUS_OK);
    assert_int_equal(change_set_depends(set, CHANGE_RECORD, BYTES_LITERAL("88.1000/Key"), 1),
                     STATUS_OK);
    assert_int_equal(change_set_depends(set, CHANGE_RECORD, BYTES_LITERAL("88.1000/none"), 0),
                     STATUS_OK);
    assert_int_equal(change_set_depends(set, CHANGE_PREFIX, BYTES_LITERAL("88.1000"), 1),
                     STATUS_OK);
    assert_int_equal(change_set_depends(set, CHANGE_ENTERPRISE, BYTES_LITERAL("self"), 1),
                     STATUS_OK);
    assert_int_equal(change_set_prepare(set, f.snapshot, f.now_ms), STATUS_OK);
    assert_int_equal(fixture_put(&f, "88.1000/key", "2"), STATUS_OK);
    assert_int_equal(change_set_prepare(set, f.snapshot, f.now_ms), STATUS_CONFLICT);
    change_set_free(set);
    fixture_end(&f);
}

static void all_or_nothing_set_with_one_failing_item_writes_nothing(void **state)
{
    (void)state;
    struct fixture f;
    struct record_row row;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    struct change_set *set = fixture_set(CHANGE_ALL_OR_NOTHING);
    assert_int_equal(fixture_add(set, "88.1000/a", "1", CHANGE_CREATE), STATUS_OK);
    assert_int_equal(fixture_add(set, "88.9/b", "1", CHANGE_CREATE), STATUS_OK);
    assert_int_equal(committer_commit_now(f.registry, f.snapshot, set, f.now_ms),
                     STATUS_NOT_RESPONSIBLE);
    assert_int_equal(change_set_item_status(set, 1), STATUS_NOT_RESPONSIBLE);
    change_set_free(set);
    assert_int_equal(fixture_get(&f, "88.1000/a", &row), STATUS_HANDLE_NOT_FOUND);
    fixture_end(&f);
}

static void per_item_set_with_failing_items_writes_the_others(void **state)
{
    (void)state;
    struct fixture f;
    struct record_row row;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    assert_int_equal(fixture_put(&f, "88.1000/same", "x"), STATUS_OK);
    struct change_set *set = fixture_set(CHANGE_PER_ITEM);
    assert_int_equal(fixture_add(set, "88.9/b", "1", CHANGE_CREATE), STATUS_OK);
    assert_int_equal(fixture_add(set, "88.1000/a", "1", CHANGE_CREATE), STATUS_OK);
    assert_int_equal(fixture_add(set, "88.1000/same", "x", CHANGE_REPLACE), STATUS_OK);
    assert_int_equal(committer_commit_now(f.registry, f.snapshot, set, f.now_ms), STATUS_OK);
    assert_int_equal(change_set_item_status(set, 0), STATUS_NOT_RESPONSIBLE);
    assert_int_equal(change_set_item_version(set, 0), 0);
    assert_int_equal(change_set_item_status(set, 1), STATUS_OK);
    assert_int_equal(change_set_item_version(set, 1), 1);
    assert_int_equal(change_set_item_status(set, 2), STATUS_UNCHANGED);
    assert_int_equal(change_set_item_version(set, 2), 1);
    change_set_free(set);
    assert_int_equal(fixture_get(&f, "88.1000/a", &row), STATUS_OK);
    fixture_verify(&f);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(create_of_an_existing_handle_is_refused),
        cmocka_unit_test(modify_of_an_absent_handle_is_refused),
        cmocka_unit_test(put_of_equal_values_writes_nothing),
        cmocka_unit_test(replacing_keeps_spelling_and_creation_and_raises_the_version),
        cmocka_unit_test(value_without_timestamp_keeps_the_stored_one_when_equal),
        cmocka_unit_test(value_without_timestamp_is_matched_by_index),
        cmocka_unit_test(handle_created_again_goes_on_from_the_tombstone),
        cmocka_unit_test(handle_created_again_where_forbidden_is_refused),
        cmocka_unit_test(record_of_a_prefix_not_active_is_not_ours),
        cmocka_unit_test(prefix_record_is_ours_when_an_ancestor_is),
        cmocka_unit_test(prefix_and_its_records_in_one_set_are_committed_together),
        cmocka_unit_test(handles_that_fold_together_in_one_set_are_found),
        cmocka_unit_test(prefix_of_another_enterprise_is_not_taken_over),
        cmocka_unit_test(prefix_homed_again_with_equal_content_is_unchanged),
        cmocka_unit_test(prefix_given_up_and_homed_again_keeps_case_rule_and_slot),
        cmocka_unit_test(dependency_that_no_longer_holds_is_a_conflict),
        cmocka_unit_test(all_or_nothing_set_with_one_failing_item_writes_nothing),
        cmocka_unit_test(per_item_set_with_failing_items_writes_the_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
