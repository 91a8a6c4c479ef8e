/* SPDX-License-Identifier: Apache-2.0
 *
 * Verification: a sound store passes, also beside a writer; each kind of damage is found and
 * placed.
 */
#include "tests/unit/registry/store_fixture.h"

#include <pthread.h>

#include "registry/crc32c.h"
#include "registry/journal_recount.h"
#include "registry/record_row.h"
#include "registry/store.h"

/* Positions: 1 enterprise, 2 prefix, 3 a v1, 4 a v2, 5 b v1, 6 b deleted, 7 audit. */
static void fill(struct fixture *f)
{
    fixture_begin(f);
    fixture_home(f, "88.1000");
    assert_int_equal(fixture_put(f, "88.1000/a", "one"), STATUS_OK);
    assert_int_equal(fixture_put(f, "88.1000/a", "two"), STATUS_OK);
    assert_int_equal(fixture_put(f, "88.1000/b", "x"), STATUS_OK);
    assert_int_equal(fixture_delete(f, "88.1000/b"), STATUS_OK);
    struct change_set *set = fixture_set(CHANGE_ALL_OR_NOTHING);
    assert_int_equal(change_set_audit(set, "test", BYTES_NONE, BYTES_NONE), STATUS_OK);
    assert_int_equal(fixture_commit(f, set), STATUS_OK);
}

static void damage(struct fixture *f, enum store_database database, struct bytes key,
                   struct bytes row)
{
    struct store_txn txn;
    assert_int_equal(store_begin_write(f->registry, &txn), STATUS_OK);
    if (row.len == 0) {
        store_delete(&txn, database, key);
    } else {
        store_put(&txn, database, key, row);
    }
    assert_int_equal(store_commit(&txn), STATUS_OK);
}

static void assert_bad(struct fixture *f, uint64_t position, const char *reason)
{
    struct journal_report report;
    assert_int_equal(journal_verify(f->registry, NULL, NULL, &report), STATUS_CORRUPT);
    if (strstr(report.reason, reason) == NULL || report.first_bad_position != position) {
        print_error("%lu: %s\n", (unsigned long)report.first_bad_position, report.reason);
    }
    assert_int_equal(report.first_bad_position, position);
    assert_non_null(strstr(report.reason, reason));
}

static struct bytes history_key(struct store_key *key, const char *record, uint64_t version)
{
    keys_history(CHANGE_RECORD, bytes_of_text(record), version, key);
    return keys_bytes(key);
}

static void store_that_is_sound_verifies_and_counts(void **state)
{
    (void)state;
    struct fixture f;
    struct journal_report report;
    fill(&f);
    assert_int_equal(journal_verify(f.registry, NULL, NULL, &report), STATUS_OK);
    assert_int_equal(report.sets, 6);
    assert_int_equal(report.items, 7);
    assert_int_equal(report.bodies, 7);
    assert_string_equal(report.reason, "");
    fixture_end(&f);
}

static void record_damaged_is_found_at_its_position(void **state)
{
    (void)state;
    struct fixture f;
    fill(&f);
    damage(&f, STORE_RECORD, BYTES_LITERAL("88.1000/A"), BYTES_LITERAL("rubbish"));
    assert_bad(&f, 4, "damaged");
    fixture_end(&f);
}

static void record_exchanged_with_a_right_checksum_is_found_by_its_digest(void **state)
{
    (void)state;
    struct fixture f;
    struct bytes stored;
    uint8_t copy[512];
    struct bytes key = BYTES_LITERAL("88.1000/A");
    fill(&f);
    assert_int_equal(store_get(snapshot_store(f.snapshot), STORE_RECORD, key, &stored), STATUS_OK);
    memcpy(copy, stored.data, stored.len);
    copy[stored.len - 5] ^= 1;
    struct record_row facts;
    assert_int_equal(record_row_decode(key, stored, &facts), STATUS_OK);
    record_row_seal(key, copy, stored.len, &facts);
    damage(&f, STORE_RECORD, key, bytes_of(copy, stored.len));
    assert_bad(&f, 4, "digest");
    fixture_end(&f);
}

static void record_lost_is_found(void **state)
{
    (void)state;
    struct fixture f;
    fill(&f);
    damage(&f, STORE_RECORD, BYTES_LITERAL("88.1000/A"), BYTES_NONE);
    assert_bad(&f, 4, "neither current nor in history");
    fixture_end(&f);
}

static void history_lost_is_found(void **state)
{
    (void)state;
    struct fixture f;
    struct store_key key;
    fill(&f);
    damage(&f, STORE_HISTORY, history_key(&key, "88.1000/A", 1), BYTES_NONE);
    assert_bad(&f, 3, "neither current nor in history");
    fixture_end(&f);
}

static void tombstone_lost_is_found(void **state)
{
    (void)state;
    struct fixture f;
    struct store_key key;
    fill(&f);
    keys_tombstone(CHANGE_RECORD, BYTES_LITERAL("88.1000/B"), &key);
    damage(&f, STORE_TOMBSTONE, keys_bytes(&key), BYTES_NONE);
    assert_bad(&f, 6, "neither current nor in history");
    fixture_end(&f);
}

static void audit_row_changed_is_found(void **state)
{
    (void)state;
    struct fixture f;
    struct store_key key;
    fill(&f);
    keys_audit(7, &key);
    damage(&f, STORE_AUDIT, keys_bytes(&key), BYTES_LITERAL("{}"));
    assert_bad(&f, 7, "digest");
    fixture_end(&f);
}

static void journal_row_lost_is_a_gap(void **state)
{
    (void)state;
    struct fixture f;
    struct store_key key;
    fill(&f);
    keys_journal(4, &key);
    damage(&f, STORE_JOURNAL, keys_bytes(&key), BYTES_NONE);
    assert_bad(&f, 4, "gap");
    fixture_end(&f);
}

static void journal_row_changed_anywhere_is_found(void **state)
{
    (void)state;
    struct fixture f;
    struct store_key key;
    struct bytes stored;
    uint8_t copy[512];
    uint8_t good[512];
    fill(&f);
    keys_journal(5, &key);
    assert_int_equal(
        store_get(snapshot_store(f.snapshot), STORE_JOURNAL, keys_bytes(&key), &stored), STATUS_OK);
    size_t len = stored.len;
    assert_true(len <= sizeof(copy));
    memcpy(good, stored.data, len);
    for (size_t i = 0; i < len; i++) {
        struct journal_report report;
        memcpy(copy, good, len);
        copy[i] ^= 1;
        damage(&f, STORE_JOURNAL, keys_bytes(&key), bytes_of(copy, len));
        assert_int_equal(journal_verify(f.registry, NULL, NULL, &report), STATUS_CORRUPT);
        assert_in_range(report.first_bad_position, 5, 6);
    }
    damage(&f, STORE_JOURNAL, keys_bytes(&key), bytes_of(good, len));
    fixture_verify(&f);
    fixture_end(&f);
}

static void counter_that_is_off_is_found(void **state)
{
    (void)state;
    struct fixture f;
    struct store_key key;
    fill(&f);
    keys_counter(BYTES_LITERAL("88.1000"), COUNTER_BYTES, &key);
    damage(&f, STORE_COUNTER, keys_bytes(&key), BYTES_LITERAL("\0\0\0\0\0\0\0\1"));
    assert_bad(&f, 0, "bytes says 1");
    fixture_end(&f);
}

static bool stop_at_once(void *context, uint64_t position, uint64_t head)
{
    uint64_t *calls = context;
    (*calls)++;
    assert_true(position <= head);
    return false;
}

static void progress_that_says_no_stops(void **state)
{
    (void)state;
    struct fixture f;
    struct journal_report report;
    uint64_t calls = 0;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    for (int round = 0; round < 6; round++) {
        struct change_set *set = fixture_set(CHANGE_PER_ITEM);
        for (int i = 0; i < CHANGE_SET_ITEMS_MAX; i++) {
            char handle[48];
            (void)snprintf(handle, sizeof(handle), "88.1000/%d-%d", round, i);
            assert_int_equal(fixture_add(set, handle, "x", CHANGE_CREATE), STATUS_OK);
        }
        assert_int_equal(fixture_commit(&f, set), STATUS_OK);
    }
    assert_int_equal(journal_verify(f.registry, stop_at_once, &calls, &report), STATUS_PENDING);
    assert_int_equal(calls, 1);
    fixture_verify(&f);
    fixture_end(&f);
}

/* --- beside a writer ---------------------------------------------------------------------------
 */

struct busy_writer {
    struct fixture *fixture;
    _Atomic bool is_stopping;
    _Atomic unsigned commits;
};

/* Puts and deletes all over the key space, as fast as it can. */
static void *write_all_over(void *context)
{
    struct busy_writer *writer = context;
    struct snapshot *snapshot = NULL;
    uint32_t random = 12345;
    if (snapshot_new(writer->fixture->registry, &snapshot) != STATUS_OK) {
        return NULL;
    }
    while (!atomic_load(&writer->is_stopping)) {
        struct change_set *set =
            change_set_new(CHANGE_PER_ITEM, BYTES_LITERAL("thread"), BYTES_LITERAL("test"));
        for (int i = 0; set != NULL && i < 20; i++) {
            char handle[32];
            random = random * 1664525u + 1013904223u;
            (void)snprintf(handle, sizeof(handle), "88.1000/%05u", (random >> 8) % 6000);
            if (random >> 30 == 0) {
                (void)change_set_delete_record(set, bytes_of_text(handle));
            } else {
                (void)fixture_add(set, handle, random >> 31 == 0 ? "short" : "a longer text",
                                  CHANGE_REPLACE);
            }
        }
        if (set != NULL && committer_commit_now(writer->fixture->registry, snapshot, set,
                                                FIXTURE_NOW_MS) == STATUS_OK) {
            atomic_fetch_add(&writer->commits, 1);
        }
        change_set_free(set);
    }
    snapshot_free(snapshot);
    return NULL;
}

static void store_being_written_verifies_all_the_same(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    for (int round = 0; round < 2; round++) {
        struct change_set *set = fixture_set(CHANGE_PER_ITEM);
        for (int i = 0; i < 2000; i++) {
            char handle[32];
            (void)snprintf(handle, sizeof(handle), "88.1000/%05d", round * 3000 + i);
            assert_int_equal(fixture_add(set, handle, "x", CHANGE_CREATE), STATUS_OK);
        }
        assert_int_equal(fixture_commit(&f, set), STATUS_OK);
    }
    struct busy_writer writer = {.fixture = &f};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, write_all_over, &writer), 0);
    while (atomic_load(&writer.commits) == 0) {
        (void)usleep(100);
    }
    unsigned commits_meanwhile = 0;
    for (int i = 0; i < 200 && (i < 10 || commits_meanwhile < 20); i++) {
        struct recount_result result;
        unsigned before = atomic_load(&writer.commits);
        enum status status = journal_recount(f.registry, &result);
        if (status != STATUS_OK) {
            print_error("%s\n", result.reason);
        }
        assert_int_equal(status, STATUS_OK);
        commits_meanwhile += atomic_load(&writer.commits) - before;
    }
    assert_true(commits_meanwhile >= 20);
    fixture_verify(&f);
    atomic_store(&writer.is_stopping, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    fixture_verify(&f);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(store_that_is_sound_verifies_and_counts),
        cmocka_unit_test(record_damaged_is_found_at_its_position),
        cmocka_unit_test(record_exchanged_with_a_right_checksum_is_found_by_its_digest),
        cmocka_unit_test(record_lost_is_found),
        cmocka_unit_test(history_lost_is_found),
        cmocka_unit_test(tombstone_lost_is_found),
        cmocka_unit_test(audit_row_changed_is_found),
        cmocka_unit_test(journal_row_lost_is_a_gap),
        cmocka_unit_test(journal_row_changed_anywhere_is_found),
        cmocka_unit_test(counter_that_is_off_is_found),
        cmocka_unit_test(progress_that_says_no_stops),
        cmocka_unit_test(store_being_written_verifies_all_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
