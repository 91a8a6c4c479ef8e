/* SPDX-License-Identifier: Apache-2.0
 *
 * What makes copies stale, what does not, and prefix rows kept by a snapshot.
 */
#include "tests/unit/registry/store_fixture.h"

#include "registry/home_cache.h"
#include "registry/store.h"

static uint64_t touched(const struct fixture *f, const char *handle)
{
    const struct freshness *freshness = registry_freshness(f->registry);
    return freshness_touched(freshness, freshness_hash(freshness, bytes_of_text(handle)));
}

static uint64_t floor_of(const struct fixture *f)
{
    return freshness_floor(registry_freshness(f->registry));
}

static void buckets_when_records_change_hold_the_transaction(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    assert_int_equal(fixture_put(&f, "88.1000/a", "1"), STATUS_OK);
    assert_int_equal(touched(&f, "88.1000/A"), 0); /* nobody could have a copy */
    assert_int_equal(fixture_put(&f, "88.1000/A", "2"), STATUS_OK);
    uint64_t replaced = snapshot_txn(f.snapshot);
    assert_int_equal(touched(&f, "88.1000/a"), replaced);
    assert_int_equal(fixture_put(&f, "88.1000/a", "2"), STATUS_UNCHANGED);
    assert_int_equal(touched(&f, "88.1000/a"), replaced);
    assert_int_equal(fixture_delete(&f, "88.1000/a"), STATUS_OK);
    uint64_t deleted = snapshot_txn(f.snapshot);
    assert_true(deleted > replaced);
    assert_int_equal(touched(&f, "88.1000/a"), deleted);
    assert_int_equal(fixture_put(&f, "88.1000/a", "3"), STATUS_OK);
    assert_int_equal(touched(&f, "88.1000/a"), deleted);
    assert_int_equal(touched(&f, "88.1000/b"), 0);
    fixture_end(&f);
}

static void buckets_when_only_some_items_are_written_hold_those(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    assert_int_equal(fixture_put(&f, "88.1000/a", "1"), STATUS_OK);
    assert_int_equal(fixture_put(&f, "88.1000/b", "1"), STATUS_OK);
    struct change_set *set = fixture_set(CHANGE_PER_ITEM);
    assert_int_equal(fixture_add(set, "88.1000/a", "2", CHANGE_CREATE), STATUS_OK);
    assert_int_equal(fixture_add(set, "88.1000/b", "2", CHANGE_REPLACE), STATUS_OK);
    (void)fixture_commit(&f, set);
    assert_int_equal(touched(&f, "88.1000/a"), 0);
    assert_int_equal(touched(&f, "88.1000/b"), snapshot_txn(f.snapshot));
    fixture_end(&f);
}

static void floor_when_a_prefix_changes_rises_and_else_not(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    assert_int_equal(floor_of(&f), 0);
    fixture_home(&f, "88.1000");
    uint64_t homed = snapshot_txn(f.snapshot);
    assert_int_equal(floor_of(&f), homed);
    assert_int_equal(fixture_put(&f, "88.1000/a", "1"), STATUS_OK);
    assert_int_equal(fixture_put(&f, "88.1000/a", "2"), STATUS_OK);
    assert_int_equal(floor_of(&f), homed);
    struct prefix_row row = fixture_prefix("88.1000");
    row.state = PREFIX_STOPPED;
    assert_int_equal(fixture_put_prefix(&f, &row, CHANGE_REPLACE), STATUS_OK);
    assert_int_equal(floor_of(&f), snapshot_txn(f.snapshot));
    fixture_end(&f);
}

static void freshness_when_read_only_is_not_told(void **state)
{
    (void)state;
    struct fixture f;
    struct prefix_row row;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    fixture_close(&f);
    f.options.is_read_only = true;
    fixture_open(&f);
    assert_null(registry_freshness(f.registry));
    assert_int_equal(registry_find_home(f.snapshot, BYTES_LITERAL("88.1000/a"), &row), STATUS_OK);
    assert_int_equal(registry_find_home(f.snapshot, BYTES_LITERAL("88.1000/a"), &row), STATUS_OK);
    fixture_end(&f);
}

/* --- prefix rows kept ------------------------------------------------------------------------- */

static void home_when_kept_follows_every_change_of_its_prefix(void **state)
{
    (void)state;
    struct fixture f;
    struct prefix_row row;
    struct bytes handle = BYTES_LITERAL("88.aB/x");
    fixture_begin(&f);
    fixture_home(&f, "88.AB");
    struct prefix_row changed = fixture_prefix("88.AB");
    for (int i = 0; i < 2; i++) { /* read, then kept */
        assert_int_equal(registry_find_home(f.snapshot, handle, &row), STATUS_OK);
        assert_int_equal(row.max_identifiers, 0);
        assert_true(bytes_equal(row.prefix, BYTES_LITERAL("88.AB")));
        assert_true(bytes_equal(row.enterprise, BYTES_LITERAL("self")));
    }
    changed.max_identifiers = 5;
    assert_int_equal(fixture_put_prefix(&f, &changed, CHANGE_REPLACE), STATUS_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(registry_find_home(f.snapshot, handle, &row), STATUS_OK);
        assert_int_equal(row.max_identifiers, 5);
    }
    changed.state = PREFIX_UNHOMED;
    assert_int_equal(fixture_put_prefix(&f, &changed, CHANGE_REPLACE), STATUS_OK);
    assert_int_equal(registry_find_home(f.snapshot, handle, &row), STATUS_NOT_RESPONSIBLE);
    changed.state = PREFIX_ACTIVE;
    assert_int_equal(fixture_put_prefix(&f, &changed, CHANGE_REPLACE), STATUS_OK);
    assert_int_equal(registry_find_home(f.snapshot, handle, &row), STATUS_OK);
    fixture_end(&f);
}

static void home_when_kept_is_that_of_the_nearest_prefix(void **state)
{
    (void)state;
    struct fixture f;
    struct prefix_row row;
    struct bytes record = BYTES_LITERAL("0.NA/88.1000.5");
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(registry_find_home(f.snapshot, record, &row), STATUS_OK);
        assert_true(bytes_equal(row.prefix, BYTES_LITERAL("88.1000")));
        assert_int_equal(registry_find_home(f.snapshot, BYTES_LITERAL("88.1000.5/x"), &row),
                         STATUS_NOT_RESPONSIBLE);
    }
    fixture_home(&f, "88.1000.5");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(registry_find_home(f.snapshot, record, &row), STATUS_OK);
        assert_true(bytes_equal(row.prefix, BYTES_LITERAL("88.1000.5")));
        assert_int_equal(registry_find_home(f.snapshot, BYTES_LITERAL("88.1000.5/x"), &row),
                         STATUS_OK);
    }
    fixture_end(&f);
}

/* What a commit wrote is seen before it is published, and what it made stale is not known yet. */
static void home_when_read_before_publication_is_not_kept(void **state)
{
    (void)state;
    struct fixture f;
    struct snapshot *snapshot = NULL;
    struct prefix_row row;
    struct bytes prefix = BYTES_LITERAL("88.1000");
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    uint64_t txn = snapshot_txn(f.snapshot);
    assert_int_equal(snapshot_new(f.registry, &snapshot), STATUS_OK);
    atomic_store(&f.registry->published_txn, txn - 1);
    assert_int_equal(snapshot_refresh(snapshot), STATUS_OK);
    assert_int_equal(snapshot_txn(snapshot), txn);
    assert_false(snapshot_is_published(snapshot));
    assert_int_equal(registry_find_home(snapshot, BYTES_LITERAL("88.1000/a"), &row), STATUS_OK);
    assert_false(home_cache_find(snapshot_homes(snapshot), prefix, txn, &row));
    atomic_store(&f.registry->published_txn, txn);
    assert_int_equal(snapshot_refresh(snapshot), STATUS_OK);
    assert_true(snapshot_is_published(snapshot));
    assert_int_equal(registry_find_home(snapshot, BYTES_LITERAL("88.1000/a"), &row), STATUS_OK);
    assert_true(home_cache_find(snapshot_homes(snapshot), prefix, txn, &row));
    snapshot_free(snapshot);
    fixture_end(&f);
}

static void cache_when_a_row_is_of_another_time_does_not_give_it(void **state)
{
    (void)state;
    struct fixture f;
    struct prefix_row row = fixture_prefix("88.1000");
    struct prefix_row found;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    uint64_t now = snapshot_txn(f.snapshot);
    struct home_cache *cache = home_cache_new(registry_freshness(f.registry));
    assert_non_null(cache);
    assert_false(home_cache_find(cache, row.prefix, now, &found));
    home_cache_keep(cache, row.prefix, now, &row);
    assert_true(home_cache_find(cache, row.prefix, now, &found));
    assert_true(home_cache_find(cache, row.prefix, now + 1, &found));
    assert_false(home_cache_find(cache, row.prefix, now - 1, &found));
    home_cache_keep(cache, row.prefix, now - 1, &row); /* from before the floor */
    assert_false(home_cache_find(cache, row.prefix, now, &found));
    home_cache_keep(cache, BYTES_LITERAL("88.1000.5"), now, &row); /* an ancestor's row */
    assert_false(home_cache_find(cache, BYTES_LITERAL("88.1000.5"), now, &found));
    home_cache_free(cache);
    fixture_end(&f);
}

static void cache_when_asked_for_more_prefixes_than_it_keeps_stays_right(void **state)
{
    (void)state;
    struct fixture f;
    struct prefix_row row;
    char text[80];
    fixture_begin(&f);
    for (int i = 0; i < 20; i++) {
        (void)snprintf(text, sizeof(text), "88.%d", i);
        fixture_home(&f, text);
    }
    (void)snprintf(text, sizeof(text), "88.%060d", 1); /* too long to be kept */
    fixture_home(&f, text);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(registry_find_home(f.snapshot, bytes_of_text(text), &row), STATUS_OK);
        assert_true(bytes_equal(row.prefix, bytes_of_text(text)));
        for (int i = 0; i < 4000; i++) {
            char handle[32];
            (void)snprintf(handle, sizeof(handle), "88.%d/x", i);
            enum status status = registry_find_home(f.snapshot, bytes_of_text(handle), &row);
            assert_int_equal(status, i < 20 ? STATUS_OK : STATUS_NOT_RESPONSIBLE);
            assert_true(i >= 20 || bytes_equal(row.prefix, handle_prefix(bytes_of_text(handle))));
        }
    }
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_when_records_change_hold_the_transaction),
        cmocka_unit_test(buckets_when_only_some_items_are_written_hold_those),
        cmocka_unit_test(floor_when_a_prefix_changes_rises_and_else_not),
        cmocka_unit_test(freshness_when_read_only_is_not_told),
        cmocka_unit_test(home_when_kept_follows_every_change_of_its_prefix),
        cmocka_unit_test(home_when_kept_is_that_of_the_nearest_prefix),
        cmocka_unit_test(home_when_read_before_publication_is_not_kept),
        cmocka_unit_test(cache_when_a_row_is_of_another_time_does_not_give_it),
        cmocka_unit_test(cache_when_asked_for_more_prefixes_than_it_keeps_stays_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
