/* SPDX-License-Identifier: Apache-2.0
 *
 * Committing groups: conflicts, sets that fail beside sets that do not, failing disks.
 *
 * The calls LMDB writes with are defined here, so that the n-th of them can be made to fail.
 */
#include "tests/unit/registry/store_fixture.h"

#include <errno.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "registry/journal_backend.h"
#include "registry/store.h"

struct io_fault {
    int calls_left; /* until the failing one; below 0: never */
    int error;
    int failed;
    bool is_full; /* and then the file system has no room */
};
static struct io_fault io = {.calls_left = -1};

static bool io_fails(void)
{
    if (io.calls_left < 0 || io.calls_left-- > 0) {
        return false;
    }
    io.failed++;
    errno = io.error;
    return true;
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t offset)
{
    return io_fails() ? -1 : syscall(SYS_pwrite64, fd, data, len, offset);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    return io_fails() ? -1 : syscall(SYS_writev, fd, parts, count);
}

int fdatasync(int fd)
{
    return io_fails() ? -1 : (int)syscall(SYS_fdatasync, fd);
}

/* Full once a call has failed; before that there is room. */
int fstatvfs(int fd, struct statvfs *out)
{
    int done = statvfs("/tmp", out);
    (void)fd;
    if (done == 0 && io.failed > 0 && io.is_full) {
        out->f_bavail = 1;
    }
    return done;
}

static struct change_set *prepared(struct fixture *f, const char *handle, const char *data,
                                   enum change_mode mode)
{
    struct change_set *set = fixture_set(CHANGE_ALL_OR_NOTHING);
    assert_int_equal(fixture_add(set, handle, data, mode), STATUS_OK);
    assert_int_equal(snapshot_refresh(f->snapshot), STATUS_OK);
    assert_int_equal(change_set_prepare(set, f->snapshot, f->now_ms), STATUS_OK);
    return set;
}

static void commit(struct fixture *f, struct change_set **sets, size_t count)
{
    journal_lmdb.commit_group(f->registry, sets, count);
    assert_int_equal(snapshot_refresh(f->snapshot), STATUS_OK);
}

static bool has(struct fixture *f, const char *handle, const char *data)
{
    struct record_row row;
    return fixture_get(f, handle, &row) == STATUS_OK &&
           bytes_equal(fixture_data(&row), bytes_of_text(data));
}

static void sets_prepared_on_the_same_version_let_one_through(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    assert_int_equal(fixture_put(&f, "88.1000/a", "old"), STATUS_OK);
    struct change_set *first = prepared(&f, "88.1000/a", "first", CHANGE_REPLACE);
    struct change_set *second = prepared(&f, "88.1000/A", "second", CHANGE_REPLACE);
    commit(&f, &first, 1);
    commit(&f, &second, 1);
    assert_int_equal(change_set_status(first), STATUS_OK);
    assert_int_equal(change_set_status(second), STATUS_CONFLICT);
    assert_true(has(&f, "88.1000/a", "first"));
    assert_int_equal(change_set_prepare(second, f.snapshot, f.now_ms), STATUS_OK);
    commit(&f, &second, 1);
    assert_int_equal(change_set_status(second), STATUS_OK);
    assert_int_equal(change_set_item_version(second, 0), 3);
    assert_true(has(&f, "88.1000/a", "second"));
    change_set_free(first);
    change_set_free(second);
    fixture_verify(&f);
    fixture_end(&f);
}

static void creations_of_one_handle_prepared_together_let_one_through(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    struct change_set *sets[2] = {prepared(&f, "88.1000/a", "1", CHANGE_CREATE),
                                  prepared(&f, "88.1000/a", "2", CHANGE_CREATE)};
    commit(&f, sets, 2);
    assert_int_equal(change_set_status(sets[0]), STATUS_OK);
    assert_int_equal(change_set_status(sets[1]), STATUS_CONFLICT);
    assert_int_equal(change_set_prepare(sets[1], f.snapshot, f.now_ms), STATUS_HANDLE_EXISTS);
    change_set_free(sets[0]);
    change_set_free(sets[1]);
    fixture_end(&f);
}

static void unchanged_item_whose_row_changed_since_is_a_conflict(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    assert_int_equal(fixture_put(&f, "88.1000/a", "same"), STATUS_OK);
    struct change_set *set = prepared(&f, "88.1000/a", "same", CHANGE_REPLACE);
    assert_int_equal(fixture_put(&f, "88.1000/a", "other"), STATUS_OK);
    commit(&f, &set, 1);
    assert_int_equal(change_set_status(set), STATUS_CONFLICT);
    change_set_free(set);
    fixture_end(&f);
}

static void deletion_and_creation_between_is_a_conflict(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    struct change_set *set = prepared(&f, "88.1000/a", "mine", CHANGE_CREATE);
    assert_int_equal(fixture_put(&f, "88.1000/a", "x"), STATUS_OK);
    assert_int_equal(fixture_delete(&f, "88.1000/a"), STATUS_OK);
    commit(&f, &set, 1);
    assert_int_equal(change_set_status(set), STATUS_CONFLICT);
    assert_int_equal(change_set_prepare(set, f.snapshot, f.now_ms), STATUS_OK);
    commit(&f, &set, 1);
    assert_int_equal(change_set_status(set), STATUS_OK);
    assert_int_equal(change_set_item_version(set, 0), 3);
    change_set_free(set);
    fixture_verify(&f);
    fixture_end(&f);
}

static void prefix_stopped_since_preparing_takes_no_record(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    struct change_set *sets[2] = {prepared(&f, "88.1000/a", "1", CHANGE_CREATE),
                                  prepared(&f, "0.NA/88.1000.1", "1", CHANGE_CREATE)};
    struct prefix_row row = fixture_prefix("88.1000");
    row.state = PREFIX_STOPPED;
    assert_int_equal(fixture_put_prefix(&f, &row, CHANGE_MODIFY), STATUS_OK);
    commit(&f, sets, 2);
    assert_int_equal(change_set_status(sets[0]), STATUS_NOT_RESPONSIBLE);
    assert_int_equal(change_set_status(sets[1]), STATUS_NOT_RESPONSIBLE);
    change_set_free(sets[0]);
    change_set_free(sets[1]);
    fixture_verify(&f);
    fixture_end(&f);
}

static void dependency_changed_since_preparing_is_a_conflict(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    assert_int_equal(fixture_put(&f, "88.1000/key", "1"), STATUS_OK);
    struct change_set *set = fixture_set(CHANGE_ALL_OR_NOTHING);
    assert_int_equal(fixture_add(set, "88.1000/a", "1", CHANGE_CREATE), STATUS_OK);
    assert_int_equal(change_set_depends(set, CHANGE_RECORD, BYTES_LITERAL("88.1000/key"), 1),
                     STATUS_OK);
    assert_int_equal(change_set_prepare(set, f.snapshot, f.now_ms), STATUS_OK);
    assert_int_equal(fixture_delete(&f, "88.1000/key"), STATUS_OK);
    commit(&f, &set, 1);
    assert_int_equal(change_set_status(set), STATUS_CONFLICT);
    change_set_free(set);
    fixture_end(&f);
}

static void group_with_one_refused_set_commits_the_others_densely(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    assert_int_equal(fixture_put(&f, "88.1000/b", "old"), STATUS_OK);
    struct change_set *sets[3] = {prepared(&f, "88.1000/a", "1", CHANGE_CREATE),
                                  prepared(&f, "88.1000/b", "2", CHANGE_REPLACE),
                                  prepared(&f, "88.1000/c", "3", CHANGE_CREATE)};
    assert_int_equal(fixture_put(&f, "88.1000/b", "newer"), STATUS_OK);
    uint64_t txn = snapshot_txn(f.snapshot);
    commit(&f, sets, 3);
    assert_int_equal(snapshot_txn(f.snapshot), txn + 1);
    assert_int_equal(change_set_status(sets[0]), STATUS_OK);
    assert_int_equal(change_set_status(sets[1]), STATUS_CONFLICT);
    assert_int_equal(change_set_item_status(sets[1], 0), STATUS_PENDING);
    assert_int_equal(change_set_status(sets[2]), STATUS_OK);
    assert_true(has(&f, "88.1000/b", "newer"));
    struct journal_set head;
    assert_int_equal(journal_head(f.snapshot, &head), STATUS_OK);
    assert_int_equal(head.position, 6);
    for (int i = 0; i < 3; i++) {
        change_set_free(sets[i]);
    }
    fixture_verify(&f);
    fixture_end(&f);
}

static void time_running_backwards_stands_still_in_the_journal(void **state)
{
    (void)state;
    struct fixture f;
    struct journal_set head;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    int64_t last_ms = f.now_ms;
    f.now_ms -= 1000000;
    assert_int_equal(fixture_put(&f, "88.1000/a", "x"), STATUS_OK);
    assert_int_equal(journal_head(f.snapshot, &head), STATUS_OK);
    assert_int_equal(head.time_ms, last_ms);
    struct registry_figures figures;
    assert_int_equal(registry_figures(f.registry, &figures), STATUS_OK);
    assert_int_equal(figures.clock_behind_ms, 999000);
    fixture_close(&f);
    fixture_open(&f);
    assert_int_equal(fixture_put(&f, "88.1000/a", "y"), STATUS_OK);
    assert_int_equal(journal_head(f.snapshot, &head), STATUS_OK);
    assert_int_equal(head.time_ms, last_ms);
    f.now_ms = last_ms;
    assert_int_equal(fixture_put(&f, "88.1000/a", "z"), STATUS_OK);
    assert_int_equal(registry_figures(f.registry, &figures), STATUS_OK);
    assert_int_equal(figures.clock_behind_ms, 0);
    fixture_verify(&f);
    fixture_end(&f);
}

static void sync_that_fails_refuses_every_later_write_until_reopened(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    assert_int_equal(fixture_put(&f, "88.1000/a", "kept"), STATUS_OK);
    struct change_set *set = prepared(&f, "88.1000/a", "lost", CHANGE_REPLACE);
    io = (struct io_fault){.calls_left = 0, .error = EIO};
    commit(&f, &set, 1);
    io.calls_left = -1;
    assert_int_equal(change_set_status(set), STATUS_STORAGE_FAILED);
    change_set_free(set);
    struct registry_figures figures;
    assert_int_equal(registry_figures(f.registry, &figures), STATUS_OK);
    assert_true(figures.refuses_writes);
    assert_int_equal(fixture_put(&f, "88.1000/b", "x"), STATUS_STORAGE_FAILED);
    assert_true(has(&f, "88.1000/a", "kept"));
    fixture_close(&f);
    fixture_open(&f);
    assert_int_equal(fixture_put(&f, "88.1000/b", "x"), STATUS_OK);
    fixture_verify(&f);
    fixture_end(&f);
}

static void full_disk_refuses_the_whole_group_and_no_later_one(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    struct change_set *sets[2] = {prepared(&f, "88.1000/a", "1", CHANGE_CREATE),
                                  prepared(&f, "88.1000/b", "2", CHANGE_CREATE)};
    io = (struct io_fault){.calls_left = 0, .error = ENOSPC, .is_full = true};
    commit(&f, sets, 2);
    assert_int_equal(io.failed, 1);
    io = (struct io_fault){.calls_left = -1};
    assert_int_equal(change_set_status(sets[0]), STATUS_STORAGE_FULL);
    assert_int_equal(change_set_status(sets[1]), STATUS_STORAGE_FULL);
    assert_int_equal(change_set_item_status(sets[1], 0), STATUS_PENDING);
    commit(&f, sets, 2);
    assert_int_equal(change_set_status(sets[0]), STATUS_OK);
    assert_int_equal(change_set_status(sets[1]), STATUS_OK);
    change_set_free(sets[0]);
    change_set_free(sets[1]);
    fixture_verify(&f);
    fixture_end(&f);
}

/* The file system had room: what failed was no plain write, and pages may be lost. */
static void sync_without_room_refuses_every_later_write_until_reopened(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    assert_int_equal(fixture_put(&f, "88.1000/kept", "1"), STATUS_OK);
    struct change_set *set = prepared(&f, "88.1000/a", "1", CHANGE_CREATE);
    io = (struct io_fault){.calls_left = 1, .error = ENOSPC};
    commit(&f, &set, 1);
    assert_int_equal(io.failed, 1);
    io.calls_left = -1;
    assert_int_equal(change_set_status(set), STATUS_STORAGE_FAILED);
    commit(&f, &set, 1);
    assert_int_equal(change_set_status(set), STATUS_STORAGE_FAILED);
    change_set_free(set);
    struct record_row row;
    assert_int_equal(snapshot_refresh(f.snapshot), STATUS_OK);
    assert_int_equal(fixture_get(&f, "88.1000/kept", &row), STATUS_OK);
    fixture_close(&f);
    fixture_open(&f);
    assert_int_equal(fixture_put(&f, "88.1000/a", "1"), STATUS_OK);
    fixture_verify(&f);
    fixture_end(&f);
}

static void group_with_a_passing_fault_is_retried_set_by_set(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    struct change_set *sets[2] = {prepared(&f, "88.1000/a", "1", CHANGE_CREATE),
                                  prepared(&f, "88.1000/b", "2", CHANGE_CREATE)};
    uint64_t txn = snapshot_txn(f.snapshot);
    io = (struct io_fault){.calls_left = 0, .error = EFBIG};
    commit(&f, sets, 2);
    io.calls_left = -1;
    assert_int_equal(io.failed, 1);
    assert_int_equal(change_set_status(sets[0]), STATUS_OK);
    assert_int_equal(change_set_status(sets[1]), STATUS_OK);
    assert_int_equal(snapshot_txn(f.snapshot), txn + 2);
    change_set_free(sets[0]);
    change_set_free(sets[1]);
    fixture_verify(&f);
    fixture_end(&f);
}

/* Whichever call of a commit fails: what was acknowledged is there, the journal holds, and after
 * reopening writes go on. */
static void commit_with_its_nth_call_failing_keeps_the_store_sound(void **state)
{
    (void)state;
    static const int errors[] = {EIO, ENOSPC, EFBIG};
    for (size_t kind = 0; kind < sizeof(errors) / sizeof(errors[0]); kind++) {
        struct fixture f;
        fixture_begin(&f);
        fixture_home(&f, "88.1000");
        bool was_reached = true;
        for (int n = 0; was_reached; n++) {
            char text[16];
            (void)snprintf(text, sizeof(text), "%d", n);
            struct change_set *set = prepared(&f, "88.1000/a", text, CHANGE_REPLACE);
            io = (struct io_fault){.calls_left = n, .error = errors[kind]};
            commit(&f, &set, 1);
            io.calls_left = -1;
            was_reached = io.failed > 0;
            bool is_acknowledged = change_set_status(set) == STATUS_OK;
            change_set_free(set);
            fixture_close(&f);
            fixture_open(&f);
            assert_true(!is_acknowledged || has(&f, "88.1000/a", text));
            fixture_verify(&f);
            assert_true(n < 50);
        }
        fixture_end(&f);
    }
}

/* Whichever call of a commit fails: every reader goes on, those at rest, walks and new ones too. */
static void reads_after_any_failed_call_go_on(void **state)
{
    (void)state;
    bool was_reached = true;
    int panics = 0;
    for (int n = 0; was_reached; n++) {
        struct fixture f;
        struct record_row row;
        struct record_walk *walk = NULL;
        struct snapshot *fresh = NULL;
        fixture_begin(&f);
        fixture_home(&f, "88.1000");
        assert_int_equal(fixture_put(&f, "88.1000/a", "kept"), STATUS_OK);
        assert_int_equal(record_walk_open(f.registry, BYTES_NONE, &walk), STATUS_OK);
        struct change_set *set = prepared(&f, "88.1000/b", "lost", CHANGE_CREATE);
        snapshot_rest(f.snapshot);
        io = (struct io_fault){.calls_left = n, .error = EIO};
        journal_lmdb.commit_group(f.registry, &set, 1);
        io.calls_left = -1;
        was_reached = io.failed > 0;
        enum status outcome = change_set_status(set);
        assert_int_equal(outcome, was_reached ? STATUS_STORAGE_FAILED : STATUS_OK);
        change_set_free(set);
        MDB_txn *txn = NULL;
        int error = mdb_txn_begin(f.registry->env, NULL, MDB_RDONLY, &txn);
        panics += error == MDB_PANIC;
        mdb_txn_abort(txn);
        assert_int_equal(snapshot_refresh(f.snapshot), STATUS_OK);
        assert_true(has(&f, "88.1000/a", "kept"));
        assert_true(!was_reached || fixture_get(&f, "88.1000/b", &row) == STATUS_HANDLE_NOT_FOUND);
        assert_int_equal(record_walk_next(walk, &row), STATUS_OK);
        assert_int_equal(snapshot_new(f.registry, &fresh), STATUS_OK);
        assert_int_equal(
            registry_get_record(fresh, BYTES_LITERAL("88.1000/a"), CASE_INSENSITIVE, &row),
            STATUS_OK);
        struct registry_figures figures;
        assert_int_equal(registry_figures(f.registry, &figures), STATUS_OK);
        assert_int_equal(figures.refuses_writes, was_reached);
        assert_int_equal(fixture_put(&f, "88.1000/b", "x"),
                         was_reached ? STATUS_STORAGE_FAILED : STATUS_OK);
        record_walk_close(walk);
        snapshot_free(fresh);
        fixture_verify(&f);
        fixture_end(&f);
    }
    assert_true(panics > 0);
}

static void store_near_its_ceiling_refuses_records_but_not_deletions(void **state)
{
    (void)state;
    static char data[100001];
    memset(data, 'x', sizeof(data) - 1);
    struct fixture f;
    fixture_begin(&f);
    fixture_close(&f);
    f.options.map_bytes = STORE_RESERVE_BYTES + (8u << 20);
    f.options.map_bytes_max = f.options.map_bytes;
    fixture_open(&f);
    fixture_home(&f, "88.1000");
    enum status status = STATUS_OK;
    int count = 0;
    for (; status == STATUS_OK && count < 200; count++) {
        char handle[32];
        (void)snprintf(handle, sizeof(handle), "88.1000/%d", count);
        status = fixture_put(&f, handle, data);
    }
    assert_int_equal(status, STATUS_STORAGE_FULL);
    assert_true(count > 40);
    assert_int_equal(fixture_delete(&f, "88.1000/0"), STATUS_OK);
    struct change_set *set = fixture_set(CHANGE_ALL_OR_NOTHING);
    assert_int_equal(change_set_audit(set, "node.full", BYTES_NONE, BYTES_NONE), STATUS_OK);
    assert_int_equal(fixture_commit(&f, set), STATUS_OK);
    fixture_verify(&f);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_prepared_on_the_same_version_let_one_through),
        cmocka_unit_test(creations_of_one_handle_prepared_together_let_one_through),
        cmocka_unit_test(unchanged_item_whose_row_changed_since_is_a_conflict),
        cmocka_unit_test(deletion_and_creation_between_is_a_conflict),
        cmocka_unit_test(prefix_stopped_since_preparing_takes_no_record),
        cmocka_unit_test(dependency_changed_since_preparing_is_a_conflict),
        cmocka_unit_test(group_with_one_refused_set_commits_the_others_densely),
        cmocka_unit_test(time_running_backwards_stands_still_in_the_journal),
        cmocka_unit_test(sync_that_fails_refuses_every_later_write_until_reopened),
        cmocka_unit_test(full_disk_refuses_the_whole_group_and_no_later_one),
        cmocka_unit_test(sync_without_room_refuses_every_later_write_until_reopened),
        cmocka_unit_test(group_with_a_passing_fault_is_retried_set_by_set),
        cmocka_unit_test(commit_with_its_nth_call_failing_keeps_the_store_sound),
        cmocka_unit_test(reads_after_any_failed_call_go_on),
        cmocka_unit_test(store_near_its_ceiling_refuses_records_but_not_deletions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
