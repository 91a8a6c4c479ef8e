/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading the store: homes, long handles, history, damaged rows, meta, figures, snapshots.
 */
#include "tests/unit/registry/store_fixture.h"

#include "registry/record_row.h"
#include "registry/store.h"

static void long_handle(char *room, size_t len, char last)
{
    memset(room, 'x', len);
    static const char start[] = {'8', '8', '.', '1', '0', '0', '0', '/'};
    memcpy(room, start, sizeof(start));
    room[len - 1] = last;
    room[len] = '\0';
}

static void long_handles_sharing_470_bytes_are_kept_apart(void **state)
{
    (void)state;
    static const size_t lengths[] = {470, 471, 472, 1000, 2047, 2048};
    struct fixture f;
    struct record_row row;
    static char handle[HANDLE_MAX + 1];
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        for (int last = 'a'; last <= 'c'; last++) {
            char data[2] = {(char)last, '\0'};
            long_handle(handle, lengths[i], (char)last);
            assert_int_equal(fixture_put(&f, handle, data), STATUS_OK);
        }
    }
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        long_handle(handle, lengths[i], 'B');
        assert_int_equal(fixture_get(&f, handle, &row), STATUS_OK);
        assert_true(bytes_equal(fixture_data(&row), BYTES_LITERAL("b")));
        assert_true(bytes_equal_nocase(row.handle, bytes_of_text(handle)));
        long_handle(handle, lengths[i], 'd');
        assert_int_equal(fixture_get(&f, handle, &row), STATUS_HANDLE_NOT_FOUND);
    }
    long_handle(handle, 2048, 'a');
    assert_int_equal(fixture_delete(&f, handle), STATUS_OK);
    assert_int_equal(fixture_put(&f, handle, "again"), STATUS_OK);
    struct history_row old;
    assert_int_equal(
        registry_get_history(f.snapshot, bytes_of_text(handle), CASE_INSENSITIVE, UINT64_MAX, &old),
        STATUS_OK);
    assert_true(old.is_deletion);
    fixture_verify(&f);
    fixture_end(&f);
}

static void home_of_a_name_follows_the_nearest_active_prefix(void **state)
{
    (void)state;
    struct fixture f;
    struct prefix_row row;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    fixture_home(&f, "88.1000.5");
    assert_int_equal(registry_find_home(f.snapshot, BYTES_LITERAL("0.NA/88.1000.5.6"), &row),
                     STATUS_OK);
    assert_true(bytes_equal(row.prefix, BYTES_LITERAL("88.1000.5")));
    assert_int_equal(registry_find_home(f.snapshot, BYTES_LITERAL("0.na/88.1000.6"), &row),
                     STATUS_OK);
    assert_true(bytes_equal(row.prefix, BYTES_LITERAL("88.1000")));
    assert_int_equal(registry_find_home(f.snapshot, BYTES_LITERAL("88.1000.6/x"), &row),
                     STATUS_NOT_RESPONSIBLE);
    struct prefix_row stopped = fixture_prefix("88.1000.5");
    stopped.state = PREFIX_STOPPED;
    assert_int_equal(fixture_put_prefix(&f, &stopped, CHANGE_MODIFY), STATUS_OK);
    assert_int_equal(registry_find_home(f.snapshot, BYTES_LITERAL("0.NA/88.1000.5"), &row),
                     STATUS_NOT_RESPONSIBLE);
    assert_int_equal(registry_find_home(f.snapshot, BYTES_LITERAL("0.NA/88.1000.5.6"), &row),
                     STATUS_NOT_RESPONSIBLE);
    stopped.state = PREFIX_UNHOMED;
    assert_int_equal(fixture_put_prefix(&f, &stopped, CHANGE_MODIFY), STATUS_OK);
    assert_int_equal(registry_find_home(f.snapshot, BYTES_LITERAL("0.NA/88.1000.5"), &row),
                     STATUS_OK);
    assert_true(bytes_equal(row.prefix, BYTES_LITERAL("88.1000")));
    fixture_end(&f);
}

static void prefixes_are_listed_in_order(void **state)
{
    (void)state;
    static const char *const prefixes[] = {"88.1000", "88.1000.5", "88.AB"};
    struct fixture f;
    struct prefix_row row = {0};
    fixture_begin(&f);
    assert_int_equal(registry_next_prefix(f.snapshot, BYTES_NONE, &row), STATUS_NOT_FOUND);
    fixture_home(&f, "88.ab");
    fixture_home(&f, "88.1000.5");
    fixture_home(&f, "88.1000");
    struct bytes after = BYTES_NONE;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(registry_next_prefix(f.snapshot, after, &row), STATUS_OK);
        assert_true(bytes_equal(row.prefix, bytes_of_text(prefixes[i])));
        after = row.prefix;
    }
    assert_int_equal(registry_next_prefix(f.snapshot, after, &row), STATUS_NOT_FOUND);
    assert_int_equal(registry_next_prefix(f.snapshot, BYTES_LITERAL("88.1000.1"), &row), STATUS_OK);
    assert_true(bytes_equal(row.prefix, BYTES_LITERAL("88.1000.5")));
    fixture_end(&f);
}

static void history_walks_back_through_rows_and_deletions(void **state)
{
    (void)state;
    struct fixture f;
    struct history_row old = {0};
    struct bytes handle = BYTES_LITERAL("88.1000/a");
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    assert_int_equal(fixture_put(&f, "88.1000/a", "one"), STATUS_OK);
    assert_int_equal(registry_get_history(f.snapshot, handle, CASE_INSENSITIVE, UINT64_MAX, &old),
                     STATUS_NOT_FOUND);
    assert_int_equal(fixture_put(&f, "88.1000/a", "two"), STATUS_OK);
    assert_int_equal(fixture_delete(&f, "88.1000/a"), STATUS_OK);
    assert_int_equal(fixture_put(&f, "88.1000/A", "four"), STATUS_OK);
    /* Neighbours whose keys surround those of the handle. */
    assert_int_equal(fixture_put(&f, "88.1000/aa", "n"), STATUS_OK);
    assert_int_equal(fixture_put(&f, "88.1000/aa", "m"), STATUS_OK);
    uint64_t replaced = 0;
    static const char *const data[] = {"", "one", "two", ""};
    uint64_t before = UINT64_MAX;
    for (uint64_t version = 3; version >= 1; version--) {
        assert_int_equal(registry_get_history(f.snapshot, handle, CASE_INSENSITIVE, before, &old),
                         STATUS_OK);
        assert_int_equal(old.row.version, version);
        assert_int_equal(old.is_deletion, version == 3);
        assert_true(replaced == 0 || old.replaced_position == replaced);
        replaced = old.row.position;
        if (old.is_deletion) {
            assert_int_equal(old.row.values.len, 0);
        } else {
            assert_true(bytes_equal(fixture_data(&old.row), bytes_of_text(data[version])));
        }
        before = old.row.version;
    }
    assert_int_equal(registry_get_history(f.snapshot, handle, CASE_INSENSITIVE, before, &old),
                     STATUS_NOT_FOUND);
    fixture_end(&f);
}

/* Changes one byte of the stored row through LMDB, as a disk might. */
static void damage(struct fixture *f, enum store_database database, struct bytes key, size_t at)
{
    struct store_txn txn;
    struct bytes row;
    uint8_t copy[1024] = {0};
    (void)pthread_mutex_lock(&f->registry->write_lock);
    assert_int_equal(store_begin_write(f->registry, &txn), STATUS_OK);
    assert_int_equal(store_get(&txn, database, key, &row), STATUS_OK);
    assert_true(row.len <= sizeof(copy) && at < row.len);
    memcpy(copy, row.data, row.len);
    copy[at] ^= 0x10;
    store_put(&txn, database, key, bytes_of(copy, row.len));
    assert_int_equal(store_commit(&txn), STATUS_OK);
    (void)pthread_mutex_unlock(&f->registry->write_lock);
    assert_int_equal(snapshot_refresh(f->snapshot), STATUS_OK);
}

static void record_damaged_in_any_byte_is_corrupt(void **state)
{
    (void)state;
    struct fixture f;
    struct record_row row;
    struct bytes key = BYTES_LITERAL("88.1000/A");
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    assert_int_equal(fixture_put(&f, "88.1000/a", "data"), STATUS_OK);
    assert_int_equal(fixture_get(&f, "88.1000/a", &row), STATUS_OK);
    size_t len = RECORD_ROW_FIXED + row.handle.len + row.values.len;
    for (size_t i = 0; i < len; i++) {
        damage(&f, STORE_RECORD, key, i);
        assert_int_equal(fixture_get(&f, "88.1000/a", &row), STATUS_CORRUPT);
        damage(&f, STORE_RECORD, key, i);
    }
    assert_int_equal(fixture_get(&f, "88.1000/a", &row), STATUS_OK);
    fixture_end(&f);
}

static void meta_when_set_is_read_back_and_the_schema_is_not_touched(void **state)
{
    (void)state;
    struct fixture f;
    struct bytes value;
    fixture_begin(&f);
    assert_int_equal(registry_get_meta(f.snapshot, "node_id", &value), STATUS_NOT_FOUND);
    assert_int_equal(registry_set_meta(f.registry, "node_id", BYTES_LITERAL("n1")), STATUS_OK);
    assert_int_equal(snapshot_refresh(f.snapshot), STATUS_OK);
    assert_int_equal(registry_get_meta(f.snapshot, "node_id", &value), STATUS_OK);
    assert_true(bytes_equal(value, BYTES_LITERAL("n1")));
    assert_int_equal(registry_set_meta(f.registry, "schema", BYTES_LITERAL("9")),
                     STATUS_INVALID_VALUE);
    assert_int_equal(registry_set_meta(f.registry, "", BYTES_LITERAL("9")), STATUS_INVALID_VALUE);
    fixture_end(&f);
}

static void figures_count_what_is_there(void **state)
{
    (void)state;
    struct fixture f;
    struct registry_figures figures;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    assert_int_equal(fixture_put(&f, "88.1000/a", "1"), STATUS_OK);
    assert_int_equal(fixture_put(&f, "88.1000/b", "1"), STATUS_OK);
    assert_int_equal(fixture_put(&f, "88.1000/b", "2"), STATUS_OK);
    assert_int_equal(fixture_delete(&f, "88.1000/a"), STATUS_OK);
    assert_int_equal(registry_figures(f.registry, &figures), STATUS_OK);
    assert_int_equal(figures.records, 1);
    assert_int_equal(figures.prefixes, 1);
    assert_int_equal(figures.history_rows, 2);
    assert_int_equal(figures.tombstones, 1);
    assert_int_equal(figures.journal_sets, 5);
    assert_int_equal(figures.journal_head, 6);
    assert_int_equal(figures.map_bytes, FIXTURE_MAP_BYTES);
    assert_int_equal(figures.last_txn, snapshot_txn(f.snapshot));
    assert_int_equal(figures.readers, 2);
    assert_int_equal(figures.oldest_reader_lag, 0);
    assert_false(figures.refuses_writes);
    struct snapshot *old = NULL;
    assert_int_equal(snapshot_new(f.registry, &old), STATUS_OK);
    assert_int_equal(fixture_put(&f, "88.1000/c", "1"), STATUS_OK);
    assert_int_equal(fixture_put(&f, "88.1000/d", "1"), STATUS_OK);
    assert_int_equal(registry_figures(f.registry, &figures), STATUS_OK);
    assert_int_equal(figures.oldest_reader_lag, 2);
    snapshot_rest(old);
    assert_int_equal(registry_figures(f.registry, &figures), STATUS_OK);
    assert_int_equal(figures.oldest_reader_lag, 0);
    snapshot_free(old);
    fixture_end(&f);
}

static void snapshot_shows_one_instant_until_refreshed(void **state)
{
    (void)state;
    struct fixture f;
    struct record_row row;
    struct snapshot *old = NULL;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    assert_int_equal(snapshot_new(f.registry, &old), STATUS_OK);
    assert_int_equal(fixture_put(&f, "88.1000/a", "1"), STATUS_OK);
    struct bytes handle = BYTES_LITERAL("88.1000/a");
    assert_int_equal(registry_get_record(old, handle, CASE_INSENSITIVE, &row),
                     STATUS_HANDLE_NOT_FOUND);
    assert_int_equal(snapshot_refresh(old), STATUS_OK);
    assert_int_equal(registry_get_record(old, handle, CASE_INSENSITIVE, &row), STATUS_OK);
    uint64_t txn = snapshot_txn(old);
    assert_int_equal(snapshot_refresh(old), STATUS_OK);
    assert_int_equal(snapshot_txn(old), txn);
    snapshot_rest(old);
    assert_int_equal(snapshot_refresh(old), STATUS_OK);
    assert_int_equal(registry_get_record(old, handle, CASE_INSENSITIVE, &row), STATUS_OK);
    snapshot_free(old);
    snapshot_free(NULL);
    registry_close(NULL);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_handles_sharing_470_bytes_are_kept_apart),
        cmocka_unit_test(home_of_a_name_follows_the_nearest_active_prefix),
        cmocka_unit_test(prefixes_are_listed_in_order),
        cmocka_unit_test(history_walks_back_through_rows_and_deletions),
        cmocka_unit_test(record_damaged_in_any_byte_is_corrupt),
        cmocka_unit_test(meta_when_set_is_read_back_and_the_schema_is_not_touched),
        cmocka_unit_test(figures_count_what_is_there),
        cmocka_unit_test(snapshot_shows_one_instant_until_refreshed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
