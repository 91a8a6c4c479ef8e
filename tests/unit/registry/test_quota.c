/* SPDX-License-Identifier: Apache-2.0
 *
 * Quotas: exact, in item order, by identifiers and bytes, never against what shrinks.
 */
#include "tests/unit/registry/store_fixture.h"

static void limit(struct fixture *f, uint64_t identifiers, uint64_t bytes)
{
    struct prefix_row row = fixture_prefix("88.1000");
    row.max_identifiers = identifiers;
    row.max_bytes = bytes;
    assert_int_equal(fixture_put_prefix(f, &row, CHANGE_REPLACE), STATUS_OK);
}

static uint64_t counted(struct fixture *f, enum counter counter)
{
    return registry_counter(f->snapshot, BYTES_LITERAL("88.1000"), counter);
}

/* Stored bytes of a record with one value that has `data`. */
static size_t bytes_of_record(const char *data)
{
    struct value value = fixture_value(1, data);
    return value_list_encoded_len(&value, 1);
}

static struct change_set *five_records(enum change_policy policy)
{
    struct change_set *set = fixture_set(policy);
    for (int i = 0; i < 5; i++) {
        char handle[32];
        (void)snprintf(handle, sizeof(handle), "88.1000/%d", i);
        assert_int_equal(fixture_add(set, handle, "data", CHANGE_CREATE), STATUS_OK);
    }
    return set;
}

static void per_item_set_over_the_limit_fills_in_order(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    limit(&f, 3, 0);
    struct change_set *set = five_records(CHANGE_PER_ITEM);
    assert_int_equal(committer_commit_now(f.registry, f.snapshot, set, f.now_ms), STATUS_OK);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(change_set_item_status(set, i), i < 3 ? STATUS_OK : STATUS_QUOTA_EXCEEDED);
    }
    change_set_free(set);
    assert_int_equal(counted(&f, COUNTER_IDENTIFIERS), 3);
    assert_int_equal(counted(&f, COUNTER_BYTES), 3 * bytes_of_record("data"));
    fixture_verify(&f);
    fixture_end(&f);
}

static void all_or_nothing_set_over_the_limit_charges_nothing(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    limit(&f, 4, 0);
    struct change_set *set = five_records(CHANGE_ALL_OR_NOTHING);
    assert_int_equal(committer_commit_now(f.registry, f.snapshot, set, f.now_ms),
                     STATUS_QUOTA_EXCEEDED);
    assert_int_equal(change_set_item_status(set, 4), STATUS_QUOTA_EXCEEDED);
    change_set_free(set);
    assert_int_equal(counted(&f, COUNTER_IDENTIFIERS), 0);
    limit(&f, 5, 0);
    set = five_records(CHANGE_ALL_OR_NOTHING);
    assert_int_equal(fixture_commit(&f, set), STATUS_OK);
    assert_int_equal(counted(&f, COUNTER_IDENTIFIERS), 5);
    fixture_verify(&f);
    fixture_end(&f);
}

static void replacing_charges_the_difference_in_bytes(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    limit(&f, 0, bytes_of_record("0123456789"));
    assert_int_equal(fixture_put(&f, "88.1000/a", "01234"), STATUS_OK);
    assert_int_equal(counted(&f, COUNTER_BYTES), bytes_of_record("01234"));
    assert_int_equal(fixture_put(&f, "88.1000/a", "0123456789"), STATUS_OK);
    assert_int_equal(counted(&f, COUNTER_BYTES), bytes_of_record("0123456789"));
    assert_int_equal(fixture_put(&f, "88.1000/a", "0123456789x"), STATUS_QUOTA_EXCEEDED);
    assert_int_equal(counted(&f, COUNTER_BYTES), bytes_of_record("0123456789"));
    fixture_end(&f);
}

static void deleting_gives_back_and_lets_others_in(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    limit(&f, 1, 0);
    assert_int_equal(fixture_put(&f, "88.1000/a", "x"), STATUS_OK);
    assert_int_equal(fixture_put(&f, "88.1000/b", "x"), STATUS_QUOTA_EXCEEDED);
    struct change_set *set = fixture_set(CHANGE_ALL_OR_NOTHING);
    assert_int_equal(change_set_delete_record(set, BYTES_LITERAL("88.1000/a")), STATUS_OK);
    assert_int_equal(fixture_add(set, "88.1000/b", "x", CHANGE_CREATE), STATUS_OK);
    assert_int_equal(fixture_commit(&f, set), STATUS_OK);
    assert_int_equal(counted(&f, COUNTER_IDENTIFIERS), 1);
    fixture_verify(&f);
    fixture_end(&f);
}

static void shrinking_over_a_lowered_limit_is_allowed(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    limit(&f, 0, 0);
    assert_int_equal(fixture_put(&f, "88.1000/a", "a long text"), STATUS_OK);
    assert_int_equal(fixture_put(&f, "88.1000/b", "x"), STATUS_OK);
    limit(&f, 1, 1);
    assert_int_equal(fixture_put(&f, "88.1000/a", "short"), STATUS_OK);
    assert_int_equal(fixture_put(&f, "88.1000/a", "longer"), STATUS_QUOTA_EXCEEDED);
    assert_int_equal(fixture_delete(&f, "88.1000/b"), STATUS_OK);
    assert_int_equal(counted(&f, COUNTER_IDENTIFIERS), 1);
    fixture_verify(&f);
    fixture_end(&f);
}

static void limits_homed_in_the_same_set_count_at_once(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    struct change_set *set = five_records(CHANGE_PER_ITEM);
    struct prefix_row row = fixture_prefix("88.1000");
    row.max_identifiers = 2;
    assert_int_equal(change_set_put_prefix(set, &row, CHANGE_CREATE, NULL), STATUS_OK);
    assert_int_equal(committer_commit_now(f.registry, f.snapshot, set, f.now_ms), STATUS_OK);
    assert_int_equal(change_set_item_status(set, 1), STATUS_OK);
    assert_int_equal(change_set_item_status(set, 2), STATUS_QUOTA_EXCEEDED);
    change_set_free(set);
    assert_int_equal(counted(&f, COUNTER_IDENTIFIERS), 2);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(per_item_set_over_the_limit_fills_in_order),
        cmocka_unit_test(all_or_nothing_set_over_the_limit_charges_nothing),
        cmocka_unit_test(replacing_charges_the_difference_in_bytes),
        cmocka_unit_test(deleting_gives_back_and_lets_others_in),
        cmocka_unit_test(shrinking_over_a_lowered_limit_is_allowed),
        cmocka_unit_test(limits_homed_in_the_same_set_count_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
