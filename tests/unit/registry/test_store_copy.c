/* SPDX-License-Identifier: Apache-2.0
 *
 * Copies of the store: one instant while somebody writes, and a taker that has had enough.
 */
#include "tests/unit/registry/store_fixture.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "registry/store_copy.h"

struct taken {
    int fd;
    uint64_t bytes;
    uint64_t stop_after; /* 0: never */
};

static enum status taken_on_piece(void *context, struct bytes piece)
{
    struct taken *taken = context;
    assert_int_equal(write(taken->fd, piece.data, piece.len), (ssize_t)piece.len);
    taken->bytes += piece.len;
    return taken->stop_after != 0 && taken->bytes >= taken->stop_after ? STATUS_STORAGE_FULL
                                                                       : STATUS_OK;
}

/* Copies into a new directory, its path in `path` (64 bytes). */
static enum status copy_to(struct registry *registry, char *path, struct taken *taken)
{
    char file[96];
    (void)strcpy(path, "/tmp/copy-test-XXXXXX");
    assert_non_null(mkdtemp(path));
    (void)snprintf(file, sizeof(file), "%s/data.mdb", path);
    taken->fd = open(file, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(taken->fd >= 0);
    enum status status = store_copy(registry, taken_on_piece, taken);
    uint64_t length = 0;
    if (status == STATUS_OK) {
        assert_int_equal(store_copy_length(path, &length, NULL), STATUS_OK);
        assert_true(length >= taken->bytes);
        assert_int_equal(ftruncate(taken->fd, (off_t)length), 0);
    }
    assert_int_equal(close(taken->fd), 0);
    return status;
}

static void remove_copy(const char *path)
{
    assert_int_equal(nftw(path, fixture_unlink, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static struct registry *open_copy(const char *path)
{
    const struct registry_options options = {
        .path = path, .map_bytes = FIXTURE_MAP_BYTES, .is_read_only = true, .is_copy = true};
    struct registry *copy = NULL;
    assert_int_equal(registry_open(&options, &copy, NULL), STATUS_OK);
    return copy;
}

static void copy_of_a_store_shows_the_same_and_leaves_nothing_beside_it(void **state)
{
    (void)state;
    struct fixture f;
    char path[64];
    char lock[96];
    struct taken taken = {.fd = -1};
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    assert_int_equal(fixture_put(&f, "88.1000/a", "one"), STATUS_OK);
    uint64_t expected = 0;
    assert_int_equal(store_copy_expect(f.registry, &expected), STATUS_OK);
    assert_int_equal(copy_to(f.registry, path, &taken), STATUS_OK);
    assert_int_equal(taken.bytes, expected);
    assert_int_equal(fixture_put(&f, "88.1000/a", "two"), STATUS_OK);

    struct registry *copy = open_copy(path);
    struct snapshot *snapshot = NULL;
    struct record_row row;
    assert_int_equal(snapshot_new(copy, &snapshot), STATUS_OK);
    assert_int_equal(
        registry_get_record(snapshot, BYTES_LITERAL("88.1000/a"), CASE_INSENSITIVE, &row),
        STATUS_OK);
    assert_true(bytes_equal(fixture_data(&row), BYTES_LITERAL("one")));
    snapshot_free(snapshot);
    registry_close(copy);
    (void)snprintf(lock, sizeof(lock), "%s/lock.mdb", path);
    assert_int_not_equal(access(lock, F_OK), 0);
    remove_copy(path);
    fixture_end(&f);
}

static void taker_that_fails_ends_the_copy_with_its_outcome(void **state)
{
    (void)state;
    struct fixture f;
    char path[64];
    struct taken taken = {.stop_after = 1};
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    struct change_set *set = fixture_set(CHANGE_PER_ITEM);
    char data[1024] = "";
    memset(data, 'x', sizeof(data) - 1);
    for (int i = 0; i < 1900; i++) {
        char handle[32];
        (void)snprintf(handle, sizeof(handle), "88.1000/%d", i);
        assert_int_equal(fixture_add(set, handle, data, CHANGE_REPLACE), STATUS_OK);
    }
    assert_int_equal(fixture_commit(&f, set), STATUS_OK);
    assert_int_equal(copy_to(f.registry, path, &taken), STATUS_STORAGE_FULL);
    remove_copy(path);
    /* Its reader is gone: nothing lags, and writing goes on. */
    struct registry_figures figures;
    assert_int_equal(fixture_put(&f, "88.1000/0", "after"), STATUS_OK);
    assert_int_equal(registry_figures(f.registry, &figures), STATUS_OK);
    assert_int_equal(figures.oldest_reader_lag, 0);
    fixture_end(&f);
}

struct writing {
    struct fixture *f;
    atomic_bool stops;
};

static void *run_writer(void *context)
{
    struct writing *writing = context;
    struct snapshot *snapshot = NULL;
    int64_t now_ms = FIXTURE_NOW_MS + 1000000;
    assert_int_equal(snapshot_new(writing->f->registry, &snapshot), STATUS_OK);
    for (unsigned i = 0; !atomic_load(&writing->stops); i++) {
        struct change_set *set = fixture_set(CHANGE_PER_ITEM);
        for (unsigned j = 0; j < 30; j++) {
            char handle[32];
            (void)snprintf(handle, sizeof(handle), "88.1000/n%u", (i * 31 + j * 17) % 3000);
            (void)fixture_add(set, handle, i % 2 == 0 ? "even" : "odd, and longer", CHANGE_REPLACE);
        }
        (void)committer_commit_now(writing->f->registry, snapshot, set, now_ms++);
        change_set_free(set);
    }
    snapshot_free(snapshot);
    return NULL;
}

static void copies_taken_while_written_verify_each(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    struct writing writing = {.f = &f};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run_writer, &writing), 0);
    uint64_t last = 0;
    for (int round = 0; round < 10 || last < 100; round++) {
        char path[64];
        struct taken taken = {.fd = -1};
        assert_int_equal(copy_to(f.registry, path, &taken), STATUS_OK);
        struct registry *copy = open_copy(path);
        struct journal_report report;
        enum status status = journal_verify(copy, NULL, NULL, &report);
        if (status != STATUS_OK) {
            print_error("round %d: %s\n", round, report.reason);
        }
        assert_int_equal(status, STATUS_OK);
        assert_true(report.items >= last);
        last = report.items;
        registry_close(copy);
        remove_copy(path);
    }
    atomic_store(&writing.stops, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copy_of_a_store_shows_the_same_and_leaves_nothing_beside_it),
        cmocka_unit_test(taker_that_fails_ends_the_copy_with_its_outcome),
        cmocka_unit_test(copies_taken_while_written_verify_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
