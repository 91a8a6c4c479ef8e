/* SPDX-License-Identifier: Apache-2.0
 *
 * Walking records: order, one prefix, more rows than one snapshot serves, changes meanwhile.
 */
#include "tests/unit/registry/store_fixture.h"

#include "registry/record_walk.h"

#define MANY 2500

static void put_many(struct fixture *f, const char *prefix, int count)
{
    struct change_set *set = fixture_set(CHANGE_PER_ITEM);
    for (int i = 0; i < count; i++) {
        char handle[48];
        (void)snprintf(handle, sizeof(handle), "%s/%06d", prefix, i);
        if (fixture_add(set, handle, "x", CHANGE_CREATE) == STATUS_NO_ROOM) {
            assert_int_equal(fixture_commit(f, set), STATUS_OK);
            set = fixture_set(CHANGE_PER_ITEM);
            assert_int_equal(fixture_add(set, handle, "x", CHANGE_CREATE), STATUS_OK);
        }
    }
    assert_int_equal(fixture_commit(f, set), STATUS_OK);
}

static void walk_over_everything_is_in_key_order(void **state)
{
    (void)state;
    struct fixture f;
    struct record_row row;
    struct record_walk *walk = NULL;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    fixture_home(&f, "88.1000.5");
    put_many(&f, "88.1000", MANY);
    put_many(&f, "88.1000.5", 10);
    assert_int_equal(record_walk_open(f.registry, BYTES_NONE, &walk), STATUS_OK);
    char last[64] = "";
    int count = 0;
    while (record_walk_next(walk, &row) == STATUS_OK) {
        assert_true(bytes_compare(bytes_of_text(last), row.handle) < 0);
        memcpy(last, row.handle.data, row.handle.len);
        last[row.handle.len] = '\0';
        count++;
    }
    assert_int_equal(count, MANY + 10);
    assert_int_equal(record_walk_next(walk, &row), STATUS_NOT_FOUND);
    record_walk_close(walk);
    fixture_end(&f);
}

static void walk_over_a_prefix_leaves_its_neighbours_out(void **state)
{
    (void)state;
    struct fixture f;
    struct record_row row;
    struct record_walk *walk = NULL;
    fixture_begin(&f);
    fixture_home(&f, "88.ab");
    fixture_home(&f, "88.ab.5");
    fixture_home(&f, "88.abc");
    put_many(&f, "88.ab", 3);
    put_many(&f, "88.ab.5", 3);
    put_many(&f, "88.abc", 3);
    assert_int_equal(fixture_put(&f, "0.NA/88.ab", "site"), STATUS_OK);
    assert_int_equal(record_walk_open(f.registry, BYTES_LITERAL("88.Ab"), &walk), STATUS_OK);
    int count = 0;
    while (record_walk_next(walk, &row) == STATUS_OK) {
        assert_true(bytes_start_with(row.handle, BYTES_LITERAL("88.ab/")));
        count++;
    }
    assert_int_equal(count, 3);
    record_walk_close(walk);
    assert_int_equal(record_walk_open(f.registry, BYTES_LITERAL("0.na"), &walk), STATUS_OK);
    assert_int_equal(record_walk_next(walk, &row), STATUS_OK);
    assert_true(bytes_equal(row.handle, BYTES_LITERAL("0.NA/88.ab")));
    assert_int_equal(record_walk_next(walk, &row), STATUS_NOT_FOUND);
    record_walk_close(walk);
    record_walk_close(NULL);
    fixture_end(&f);
}

static void walk_goes_on_after_its_row_was_deleted(void **state)
{
    (void)state;
    struct fixture f;
    struct record_row row;
    struct record_walk *walk = NULL;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    put_many(&f, "88.1000", 4);
    assert_int_equal(record_walk_open(f.registry, BYTES_LITERAL("88.1000"), &walk), STATUS_OK);
    assert_int_equal(record_walk_next(walk, &row), STATUS_OK);
    assert_int_equal(record_walk_next(walk, &row), STATUS_OK);
    assert_int_equal(fixture_delete(&f, "88.1000/000001"), STATUS_OK);
    assert_int_equal(fixture_delete(&f, "88.1000/000002"), STATUS_OK);
    record_walk_rest(walk);
    assert_int_equal(record_walk_next(walk, &row), STATUS_OK);
    assert_true(bytes_equal(row.handle, BYTES_LITERAL("88.1000/000003")));
    assert_int_equal(record_walk_next(walk, &row), STATUS_NOT_FOUND);
    record_walk_close(walk);
    fixture_end(&f);
}

static void walk_over_a_damaged_row_tells_and_goes_on(void **state)
{
    (void)state;
    struct fixture f;
    struct record_row row;
    struct record_walk *walk = NULL;
    struct store_txn txn;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    put_many(&f, "88.1000", 3);
    assert_int_equal(store_begin_write(f.registry, &txn), STATUS_OK);
    store_put(&txn, STORE_RECORD, BYTES_LITERAL("88.1000/000001"), BYTES_LITERAL("rubbish"));
    assert_int_equal(store_commit(&txn), STATUS_OK);
    assert_int_equal(record_walk_open(f.registry, BYTES_NONE, &walk), STATUS_OK);
    assert_int_equal(record_walk_next(walk, &row), STATUS_OK);
    assert_int_equal(record_walk_next(walk, &row), STATUS_CORRUPT);
    assert_int_equal(record_walk_next(walk, &row), STATUS_OK);
    assert_int_equal(record_walk_next(walk, &row), STATUS_NOT_FOUND);
    record_walk_close(walk);
    fixture_end(&f);
}

/* A page that leads back: without a look at the order the walk would never end. */
static void walk_that_is_led_backwards_ends(void **state)
{
    (void)state;
    struct fixture f;
    struct record_row row;
    struct record_walk *walk = NULL;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    put_many(&f, "88.1000", 3);
    assert_int_equal(record_walk_open(f.registry, BYTES_NONE, &walk), STATUS_OK);
    assert_int_equal(record_walk_next(walk, &row), STATUS_OK);
    walk->last.data[walk->last.len - 1] = '9';
    assert_int_equal(record_walk_next(walk, &row), STATUS_STORAGE_FAILED);
    record_walk_close(walk);
    fixture_end(&f);
}

static void walk_over_large_rows_renews_sooner(void **state)
{
    (void)state;
    static char big[200001];
    memset(big, 'b', sizeof(big) - 1);
    struct fixture f;
    struct record_row row;
    struct record_walk *walk = NULL;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    for (int i = 0; i < 40; i++) {
        char handle[32];
        (void)snprintf(handle, sizeof(handle), "88.1000/%02d", i);
        assert_int_equal(fixture_put(&f, handle, big), STATUS_OK);
    }
    assert_int_equal(record_walk_open(f.registry, BYTES_NONE, &walk), STATUS_OK);
    int count = 0;
    while (record_walk_next(walk, &row) == STATUS_OK) {
        count++;
    }
    assert_int_equal(count, 40);
    assert_in_range(walk->renewals, 4, 6);
    record_walk_close(walk);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(walk_over_everything_is_in_key_order),
        cmocka_unit_test(walk_over_a_prefix_leaves_its_neighbours_out),
        cmocka_unit_test(walk_goes_on_after_its_row_was_deleted),
        cmocka_unit_test(walk_over_a_damaged_row_tells_and_goes_on),
        cmocka_unit_test(walk_that_is_led_backwards_ends),
        cmocka_unit_test(walk_over_large_rows_renews_sooner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
