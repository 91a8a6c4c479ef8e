/* SPDX-License-Identifier: Apache-2.0
 *
 * Verification row by row: all damage is named, nothing sound is, also while somebody writes.
 */
#include "tests/unit/registry/store_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#include "registry/keys.h"
#include "registry/record_verify.h"
#include "registry/store.h"

#define FOUND_MAX 16

struct heard {
    size_t count;
    struct {
        enum record_flaw flaw;
        char key[64];
        uint64_t version;
    } found[FOUND_MAX];
    uint64_t told;
    uint64_t stop_at; /* 0: never */
};

static void heard_on_found(void *context, const struct record_finding *finding)
{
    struct heard *heard = context;
    assert_true(heard->count < FOUND_MAX);
    assert_true(finding->key.len < sizeof(heard->found[0].key));
    heard->found[heard->count].flaw = finding->flaw;
    heard->found[heard->count].version = finding->version;
    memcpy(heard->found[heard->count].key, finding->key.data, finding->key.len);
    heard->count++;
}

static bool heard_on_progress(void *context, enum record_verify_phase phase, uint64_t done,
                              uint64_t total)
{
    struct heard *heard = context;
    (void)phase;
    assert_true(done <= total);
    heard->told++;
    return heard->told != heard->stop_at;
}

static enum status verify(struct fixture *f, struct heard *heard,
                          struct record_verify_report *report)
{
    const struct record_verify_watch watch = {heard_on_found, heard_on_progress, heard};
    return record_verify(f->registry, &watch, report);
}

static void assert_found(const struct heard *heard, enum record_flaw flaw, const char *key,
                         uint64_t version)
{
    for (size_t i = 0; i < heard->count; i++) {
        if (heard->found[i].flaw == flaw && strcmp(heard->found[i].key, key) == 0 &&
            heard->found[i].version == version) {
            return;
        }
    }
    fail_msg("%s version %lu was not found", key, (unsigned long)version);
}

/* Versions: a 2, b 1 and deleted 2, c 1. */
static void fill(struct fixture *f)
{
    fixture_begin(f);
    fixture_home(f, "88.1000");
    assert_int_equal(fixture_put(f, "88.1000/a", "one"), STATUS_OK);
    assert_int_equal(fixture_put(f, "88.1000/a", "two"), STATUS_OK);
    assert_int_equal(fixture_put(f, "88.1000/b", "x"), STATUS_OK);
    assert_int_equal(fixture_delete(f, "88.1000/b"), STATUS_OK);
    assert_int_equal(fixture_put(f, "88.1000/c", "y"), STATUS_OK);
}

static void replace(struct fixture *f, enum store_database database, struct bytes key,
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
    assert_int_equal(snapshot_refresh(f->snapshot), STATUS_OK);
}

static void store_that_is_sound_holds_and_is_counted(void **state)
{
    (void)state;
    struct fixture f;
    struct heard heard = {0};
    struct record_verify_report report;
    fill(&f);
    assert_int_equal(verify(&f, &heard, &report), STATUS_OK);
    assert_int_equal(heard.count, 0);
    assert_int_equal(report.records, 2);
    assert_int_equal(report.history_rows, 2);
    assert_int_equal(report.marks, 1);
    assert_int_equal(report.prefixes, 1);
    assert_int_equal(report.enterprises, 1);
    assert_int_equal(report.damaged, 0);
    assert_true(report.counters_compared);
    assert_true(report.counters_hold);
    fixture_end(&f);
}

static void rows_damaged_in_every_table_are_all_named(void **state)
{
    (void)state;
    struct fixture f;
    struct heard heard = {0};
    struct record_verify_report report;
    struct store_key key;
    struct bytes rubbish = BYTES_LITERAL("rubbish");
    fill(&f);
    replace(&f, STORE_RECORD, BYTES_LITERAL("88.1000/A"), rubbish);
    replace(&f, STORE_RECORD, BYTES_LITERAL("88.1000/C"), rubbish);
    keys_history(CHANGE_RECORD, BYTES_LITERAL("88.1000/A"), 1, &key);
    replace(&f, STORE_HISTORY, keys_bytes(&key), rubbish);
    keys_tombstone(CHANGE_RECORD, BYTES_LITERAL("88.1000/B"), &key);
    replace(&f, STORE_TOMBSTONE, keys_bytes(&key), rubbish);
    replace(&f, STORE_PREFIX, BYTES_LITERAL("88.1000"), rubbish);
    assert_int_equal(verify(&f, &heard, &report), STATUS_CORRUPT);
    assert_found(&heard, RECORD_ROW_DAMAGED, "88.1000/A", 0);
    assert_found(&heard, RECORD_ROW_DAMAGED, "88.1000/C", 0);
    assert_found(&heard, RECORD_HISTORY_DAMAGED, "88.1000/A", 1);
    assert_found(&heard, RECORD_MARK_DAMAGED, "88.1000/B", 0);
    assert_found(&heard, RECORD_ROW_DAMAGED, "88.1000", 0);
    assert_int_equal(report.damaged, 5);
    assert_int_equal(heard.count, 5);
    assert_false(report.counters_compared);
    fixture_end(&f);
}

static void version_gone_from_history_is_named(void **state)
{
    (void)state;
    struct fixture f;
    struct heard heard = {0};
    struct record_verify_report report;
    struct store_key key;
    fill(&f);
    keys_history(CHANGE_RECORD, BYTES_LITERAL("88.1000/A"), 1, &key);
    replace(&f, STORE_HISTORY, keys_bytes(&key), BYTES_NONE);
    assert_int_equal(verify(&f, &heard, &report), STATUS_CORRUPT);
    assert_int_equal(heard.count, 1);
    assert_found(&heard, RECORD_VERSION_MISSING, "88.1000/A", 1);
    assert_true(report.counters_hold);
    fixture_end(&f);
}

static void row_of_another_record_is_not_as_digested(void **state)
{
    (void)state;
    struct fixture f;
    struct heard heard = {0};
    struct record_verify_report report;
    struct bytes stored = BYTES_NONE;
    struct bytes key = BYTES_NONE;
    uint8_t copy[512];
    fill(&f);
    /* What version 1 was, under the current key: readable, its checksum right. */
    assert_int_equal(snapshot_get_record(f.snapshot, BYTES_LITERAL("88.1000/C"), &key, &stored),
                     STATUS_OK);
    assert_true(stored.len <= sizeof(copy));
    memcpy(copy, stored.data, stored.len);
    struct bytes kept = bytes_of(copy, stored.len);
    assert_int_equal(fixture_delete(&f, "88.1000/c"), STATUS_OK);
    replace(&f, STORE_RECORD, BYTES_LITERAL("88.1000/C"), kept);
    assert_int_equal(verify(&f, &heard, &report), STATUS_CORRUPT);
    assert_int_equal(heard.count, 0);
    assert_true(report.counters_compared);
    assert_false(report.counters_hold);
    assert_non_null(strstr(report.journal.reason, "88.1000"));
    fixture_end(&f);
}

static void body_damaged_before_its_replacement_is_lost_and_holds(void **state)
{
    (void)state;
    struct fixture f;
    struct heard heard = {0};
    struct record_verify_report report;
    fill(&f);
    replace(&f, STORE_RECORD, BYTES_LITERAL("88.1000/C"), BYTES_LITERAL("rubbish"));
    assert_int_equal(fixture_put(&f, "88.1000/c", "anew"), STATUS_OK);
    enum status status = verify(&f, &heard, &report);
    assert_found(&heard, RECORD_HISTORY_LOST, "88.1000/C", 1);
    assert_int_equal(report.lost, 1);
    assert_int_equal(report.damaged, 0);
    (void)status; /* the counter of bytes depends on what the damage left */
    fixture_end(&f);
}

static void counter_that_lies_is_told(void **state)
{
    (void)state;
    struct fixture f;
    struct heard heard = {0};
    struct record_verify_report report;
    struct store_key key;
    uint8_t row[8];
    fill(&f);
    keys_counter(BYTES_LITERAL("88.1000"), COUNTER_IDENTIFIERS, &key);
    struct wire_writer w = wire_write(row, sizeof(row));
    wire_put_u64(&w, 77);
    replace(&f, STORE_COUNTER, keys_bytes(&key), bytes_of(row, sizeof(row)));
    assert_int_equal(verify(&f, &heard, &report), STATUS_CORRUPT);
    assert_true(report.counters_compared);
    assert_false(report.counters_hold);
    assert_non_null(strstr(report.journal.reason, "77"));
    fixture_end(&f);
}

static void watch_that_says_no_stops_it(void **state)
{
    (void)state;
    struct fixture f;
    struct heard heard = {.stop_at = 1};
    struct record_verify_report report;
    fill(&f);
    struct change_set *set = fixture_set(CHANGE_ALL_OR_NOTHING);
    char handle[32];
    for (int i = 0; i < 1500; i++) {
        (void)snprintf(handle, sizeof(handle), "88.1000/n%d", i);
        assert_int_equal(fixture_add(set, handle, "x", CHANGE_REPLACE), STATUS_OK);
    }
    assert_int_equal(fixture_commit(&f, set), STATUS_OK);
    assert_int_equal(verify(&f, &heard, &report), STATUS_PENDING);
    assert_int_equal(report.records, 1000);
    fixture_end(&f);
}

struct writing {
    struct fixture *f;
    atomic_bool stops;
    atomic_uint commits;
};

/* Creates, replaces and deletes, before and behind where the passes are. */
static void *run_writer(void *context)
{
    struct writing *writing = context;
    struct snapshot *snapshot = NULL;
    int64_t now_ms = FIXTURE_NOW_MS + 1000000;
    assert_int_equal(snapshot_new(writing->f->registry, &snapshot), STATUS_OK);
    for (unsigned i = 0; !atomic_load(&writing->stops); i++) {
        struct change_set *set = fixture_set(CHANGE_PER_ITEM);
        for (unsigned j = 0; j < 20; j++) {
            char handle[32];
            unsigned name = (i * 7919 + j * 104729) % 5000;
            (void)snprintf(handle, sizeof(handle), "88.1000/n%u", name);
            if ((i + j) % 3 == 0) {
                (void)change_set_delete_record(set, bytes_of_text(handle));
            } else {
                (void)fixture_add(set, handle, i % 2 == 0 ? "even" : "odd, and longer",
                                  CHANGE_REPLACE);
            }
        }
        (void)committer_commit_now(writing->f->registry, snapshot, set, now_ms++);
        change_set_free(set);
        (void)atomic_fetch_add(&writing->commits, 1);
    }
    snapshot_free(snapshot);
    return NULL;
}

static void store_being_written_holds_in_every_round(void **state)
{
    (void)state;
    struct fixture f;
    fill(&f);
    for (int round = 0; round < 3; round++) {
        struct change_set *set = fixture_set(CHANGE_PER_ITEM);
        for (int i = 0; i < 1500; i++) {
            char handle[32];
            (void)snprintf(handle, sizeof(handle), "88.1000/n%d", round * 1500 + i);
            assert_int_equal(fixture_add(set, handle, "start", CHANGE_REPLACE), STATUS_OK);
        }
        assert_int_equal(fixture_commit(&f, set), STATUS_OK);
    }
    struct writing writing = {.f = &f};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run_writer, &writing), 0);
    for (int round = 0; round < 5 || atomic_load(&writing.commits) < 20; round++) {
        struct heard heard = {0};
        struct record_verify_report report;
        enum status status = verify(&f, &heard, &report);
        if (status != STATUS_OK) {
            print_error("round %d: %s\n", round, report.journal.reason);
        }
        assert_int_equal(status, STATUS_OK);
        assert_int_equal(heard.count, 0);
    }
    atomic_store(&writing.stops, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(store_that_is_sound_holds_and_is_counted),
        cmocka_unit_test(rows_damaged_in_every_table_are_all_named),
        cmocka_unit_test(version_gone_from_history_is_named),
        cmocka_unit_test(row_of_another_record_is_not_as_digested),
        cmocka_unit_test(body_damaged_before_its_replacement_is_lost_and_holds),
        cmocka_unit_test(counter_that_lies_is_told),
        cmocka_unit_test(watch_that_says_no_stops_it),
        cmocka_unit_test(store_being_written_holds_in_every_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
