/* SPDX-License-Identifier: Apache-2.0
 *
 * Damaged rows: whoever replaces or deletes one repairs it, whatever the damage; versions go on,
 * counters stay right, the loss is told.
 */
#include "tests/unit/registry/store_fixture.h"

#include "registry/journal_backend.h"
#include "registry/store.h"

#define ROW_MAX 2048

/* A stored row, copied out. */
struct kept {
    enum store_database database;
    struct store_key key;
    uint8_t row[ROW_MAX];
    size_t len;
};

static void keep(struct fixture *f, enum store_database database, struct bytes key,
                 struct kept *out)
{
    struct bytes row;
    assert_int_equal(snapshot_refresh(f->snapshot), STATUS_OK);
    assert_int_equal(store_get(snapshot_store(f->snapshot), database, key, &row), STATUS_OK);
    assert_true(row.len <= sizeof(out->row));
    out->database = database;
    memcpy(out->key.data, key.data, key.len);
    out->key.len = key.len;
    memcpy(out->row, row.data, row.len);
    out->len = row.len;
}

/* Stores it with one byte changed. */
static void damage(struct fixture *f, const struct kept *kept, size_t at, uint8_t flip)
{
    uint8_t row[ROW_MAX];
    struct store_txn txn;
    memcpy(row, kept->row, kept->len);
    row[at] ^= flip;
    assert_int_equal(store_begin_write(f->registry, &txn), STATUS_OK);
    store_put(&txn, kept->database, keys_bytes(&kept->key), bytes_of(row, kept->len));
    assert_int_equal(store_commit(&txn), STATUS_OK);
    assert_int_equal(snapshot_refresh(f->snapshot), STATUS_OK);
}

static void assert_repaired(struct fixture *f, const char *handle, uint64_t lost_version)
{
    struct journal_report report;
    struct history_row old;
    assert_int_equal(journal_verify(f->registry, NULL, NULL, &report), STATUS_OK);
    assert_int_equal(report.lost, 1);
    assert_int_equal(registry_get_history(f->snapshot, bytes_of_text(handle), CASE_INSENSITIVE,
                                          lost_version + 1, &old),
                     STATUS_OK);
    assert_true(old.is_damaged);
    assert_int_equal(old.row.version, lost_version);
    assert_int_equal(old.row.values.len, 0);
}

/* Damages every byte of the row in turn, each time in a new store. */
static void repair_each_byte(const char *handle, bool is_deletion)
{
    struct record_row row;
    struct record_key key;
    size_t len = 1;
    for (size_t at = 0; at < len; at++) {
        struct fixture f;
        struct kept kept;
        fixture_begin(&f);
        fixture_home(&f, "88.1000");
        assert_int_equal(fixture_put(&f, handle, "one"), STATUS_OK);
        assert_int_equal(fixture_put(&f, "88.1000/neighbour", "x"), STATUS_OK);
        assert_int_equal(fixture_put(&f, handle, "second"), STATUS_OK);
        assert_int_equal(fixture_get(&f, handle, &row), STATUS_OK);
        int64_t created_ms = row.created_ms;
        assert_int_equal(keys_record(bytes_of_text(handle), CASE_INSENSITIVE, &key), STATUS_OK);
        keep(&f, STORE_RECORD, key.key, &kept);
        len = kept.len;
        damage(&f, &kept, at, (uint8_t)(1u << at % 8));
        assert_int_equal(fixture_get(&f, handle, &row), STATUS_CORRUPT);
        if (is_deletion) {
            struct tombstone_row mark;
            assert_int_equal(fixture_delete(&f, handle), STATUS_OK);
            assert_int_equal(fixture_get(&f, handle, &row), STATUS_HANDLE_NOT_FOUND);
            assert_int_equal(
                registry_get_tombstone(f.snapshot, bytes_of_text(handle), CASE_INSENSITIVE, &mark),
                STATUS_OK);
            assert_int_equal(mark.version, 3);
        } else {
            assert_int_equal(fixture_put(&f, handle, "third"), STATUS_OK);
            assert_int_equal(fixture_get(&f, handle, &row), STATUS_OK);
            assert_int_equal(row.version, 3);
            assert_int_equal(row.created_ms, created_ms);
            assert_true(bytes_equal(row.handle, bytes_of_text(handle)));
        }
        assert_repaired(&f, handle, 2);
        fixture_end(&f);
        if (at == 60) {
            at = len - 4; /* values are all alike */
        }
    }
}

static void damaged_record_is_repaired_by_replacing_it(void **state)
{
    (void)state;
    repair_each_byte("88.1000/A", false);
    repair_each_byte("88.1000/spelled in lower case", false);
}

static void damaged_record_is_repaired_by_deleting_it(void **state)
{
    (void)state;
    repair_each_byte("88.1000/spelled in lower case", true);
}

static void damaged_record_of_a_long_name_is_repaired(void **state)
{
    (void)state;
    char handle[701] = "88.1000/";
    memset(handle + 8, 'n', 692);
    repair_each_byte(handle, false);
}

static void damaged_record_is_not_created_over(void **state)
{
    (void)state;
    struct fixture f;
    struct kept kept;
    struct record_row row;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    assert_int_equal(fixture_put(&f, "88.1000/A", "one"), STATUS_OK);
    keep(&f, STORE_RECORD, BYTES_LITERAL("88.1000/A"), &kept);
    damage(&f, &kept, 10, 1);
    struct change_set *set = fixture_set(CHANGE_ALL_OR_NOTHING);
    assert_int_equal(fixture_add(set, "88.1000/a", "two", CHANGE_CREATE), STATUS_OK);
    assert_int_equal(fixture_commit(&f, set), STATUS_HANDLE_EXISTS);
    assert_int_equal(fixture_get(&f, "88.1000/a", &row), STATUS_CORRUPT);
    fixture_end(&f);
}

/* Two repairs decided on the same damage: one passes, the other meets a sound row. */
static void damage_repaired_by_another_meanwhile_is_a_conflict(void **state)
{
    (void)state;
    struct fixture f;
    struct kept kept;
    struct record_row row;
    struct change_set *sets[2];
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    assert_int_equal(fixture_put(&f, "88.1000/a", "one"), STATUS_OK);
    keep(&f, STORE_RECORD, BYTES_LITERAL("88.1000/A"), &kept);
    damage(&f, &kept, kept.len - 1, 1);
    for (int i = 0; i < 2; i++) {
        sets[i] = fixture_set(CHANGE_ALL_OR_NOTHING);
        assert_int_equal(fixture_add(sets[i], "88.1000/a", "two", CHANGE_REPLACE), STATUS_OK);
        assert_int_equal(change_set_prepare(sets[i], f.snapshot, f.now_ms), STATUS_OK);
    }
    journal_lmdb.commit_group(f.registry, sets, 2);
    assert_int_equal(change_set_status(sets[0]), STATUS_OK);
    assert_int_equal(change_set_status(sets[1]), STATUS_CONFLICT);
    change_set_free(sets[0]);
    change_set_free(sets[1]);
    assert_int_equal(snapshot_refresh(f.snapshot), STATUS_OK);
    assert_int_equal(fixture_get(&f, "88.1000/a", &row), STATUS_OK);
    assert_int_equal(row.version, 2);
    assert_repaired(&f, "88.1000/a", 1);
    fixture_end(&f);
}

static void damaged_tombstone_is_given_up_by_creating_again(void **state)
{
    (void)state;
    struct fixture f;
    struct kept kept;
    struct record_row row;
    struct store_key mark;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    assert_int_equal(fixture_put(&f, "88.1000/a", "one"), STATUS_OK);
    assert_int_equal(fixture_delete(&f, "88.1000/a"), STATUS_OK);
    keys_tombstone(CHANGE_RECORD, BYTES_LITERAL("88.1000/A"), &mark);
    keep(&f, STORE_TOMBSTONE, keys_bytes(&mark), &kept);
    damage(&f, &kept, 7, 0x80);
    struct journal_report report;
    assert_int_equal(journal_verify(f.registry, NULL, NULL, &report), STATUS_CORRUPT);
    assert_int_equal(report.first_bad_position, 4);
    assert_int_equal(fixture_put(&f, "88.1000/a", "again"), STATUS_OK);
    assert_int_equal(fixture_get(&f, "88.1000/a", &row), STATUS_OK);
    assert_int_equal(row.version, 3);
    assert_repaired(&f, "88.1000/a", 2);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damaged_record_is_repaired_by_replacing_it),
        cmocka_unit_test(damaged_record_is_repaired_by_deleting_it),
        cmocka_unit_test(damaged_record_of_a_long_name_is_repaired),
        cmocka_unit_test(damaged_record_is_not_created_over),
        cmocka_unit_test(damage_repaired_by_another_meanwhile_is_a_conflict),
        cmocka_unit_test(damaged_tombstone_is_given_up_by_creating_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
