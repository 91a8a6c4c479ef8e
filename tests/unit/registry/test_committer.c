/* SPDX-License-Identifier: Apache-2.0
 *
 * The committer: many threads with one, reading one's own writes, full queues, stopping.
 */
#include "tests/unit/registry/store_fixture.h"

#include <pthread.h>

#define WRITERS 8
#define SETS_EACH 40

/* One set under way: who waits for it. */
struct waiting {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_done;
};

static void on_done(struct change_set *set, void *context)
{
    struct waiting *waiting = context;
    (void)set;
    (void)pthread_mutex_lock(&waiting->lock);
    waiting->is_done = true;
    (void)pthread_cond_signal(&waiting->changed);
    (void)pthread_mutex_unlock(&waiting->lock);
}

static void wait_until_done(struct waiting *waiting)
{
    (void)pthread_mutex_lock(&waiting->lock);
    while (!waiting->is_done) {
        (void)pthread_cond_wait(&waiting->changed, &waiting->lock);
    }
    waiting->is_done = false;
    (void)pthread_mutex_unlock(&waiting->lock);
}

struct writer {
    struct fixture *fixture;
    struct committer *committer;
    int number;
    int errors; /* what did not go as it must */
    int conflicts;
};

/* Writes one record and reads it back on this thread's own snapshot after the acknowledgement. */
static void write_and_read(struct writer *writer, struct snapshot *snapshot,
                           struct waiting *waiting, const char *handle, const char *data)
{
    struct value value = fixture_value(1, data);
    struct record record = {bytes_of_text(handle), &value, 1};
    struct change_set *set =
        change_set_new(CHANGE_ALL_OR_NOTHING, BYTES_LITERAL("thread"), BYTES_LITERAL("test"));
    enum status status = STATUS_NO_MEMORY;
    if (set != NULL) {
        status = change_set_put_record(set, &record, CHANGE_REPLACE, NULL);
    }
    do {
        if (status == STATUS_OK || status == STATUS_CONFLICT) {
            status = snapshot_refresh(snapshot);
        }
        if (status == STATUS_OK) {
            status = change_set_prepare(set, snapshot, FIXTURE_NOW_MS);
        }
        if (status == STATUS_OK) {
            status = committer_submit(writer->committer, set, on_done, waiting);
        }
        if (status == STATUS_OK) {
            wait_until_done(waiting);
            status = change_set_status(set);
        }
        writer->conflicts += status == STATUS_CONFLICT;
    } while (status == STATUS_CONFLICT);
    struct record_row row = {0};
    bool is_read =
        status == STATUS_OK && snapshot_refresh(snapshot) == STATUS_OK &&
        registry_get_record(snapshot, record.handle, CASE_INSENSITIVE, &row) == STATUS_OK &&
        row.version >= change_set_item_version(set, 0);
    writer->errors += !is_read;
    change_set_free(set);
}

static void *write_many(void *context)
{
    struct writer *writer = context;
    struct snapshot *snapshot = NULL;
    struct waiting waiting = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
    if (snapshot_new(writer->fixture->registry, &snapshot) != STATUS_OK) {
        writer->errors++;
        return NULL;
    }
    for (int i = 0; i < SETS_EACH; i++) {
        char handle[32];
        char data[32];
        (void)snprintf(handle, sizeof(handle), "88.1000/%d-%d", writer->number, i);
        write_and_read(writer, snapshot, &waiting, handle, "own");
        (void)snprintf(data, sizeof(data), "%d-%d", writer->number, i);
        write_and_read(writer, snapshot, &waiting, "88.1000/shared", data);
    }
    snapshot_free(snapshot);
    return NULL;
}

static void threads_that_write_at_once_lose_nothing_and_read_their_own(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    struct committer *committer = NULL;
    const struct committer_options options = {1000, 1u << 30};
    assert_int_equal(committer_start(f.registry, &options, &committer), STATUS_OK);
    struct writer writers[WRITERS];
    pthread_t threads[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.fixture = &f, .committer = committer, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, &writers[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(writers[i].errors, 0);
    }
    struct committer_figures figures;
    committer_figures(committer, &figures);
    committer_stop(committer);
    assert_int_equal(figures.sets, 2 * WRITERS * SETS_EACH);
    assert_int_equal(figures.items, 2 * WRITERS * SETS_EACH);
    assert_int_equal(figures.queued_sets, 0);
    assert_int_equal(figures.queued_bytes, 0);
    assert_int_equal(snapshot_refresh(f.snapshot), STATUS_OK);
    struct record_row row;
    assert_int_equal(fixture_get(&f, "88.1000/shared", &row), STATUS_OK);
    assert_int_equal(row.version, WRITERS * SETS_EACH);
    assert_int_equal(registry_counter(f.snapshot, BYTES_LITERAL("88.1000"), COUNTER_IDENTIFIERS),
                     WRITERS * SETS_EACH + 1);
    fixture_verify(&f);
    fixture_end(&f);
}

/* Refreshes on another thread than the writer's, after being told of the acknowledgement. */
struct reader {
    struct fixture *fixture;
    struct waiting told;
    struct waiting answered;
    uint64_t expected;
    int errors;
    bool is_stopping;
};

static void *read_after_each(void *context)
{
    struct reader *reader = context;
    struct snapshot *snapshot = NULL;
    struct record_row row;
    if (snapshot_new(reader->fixture->registry, &snapshot) != STATUS_OK) {
        reader->errors++;
    }
    for (;;) {
        wait_until_done(&reader->told);
        if (reader->is_stopping) {
            break;
        }
        bool is_seen = snapshot != NULL && snapshot_refresh(snapshot) == STATUS_OK &&
                       registry_get_record(snapshot, BYTES_LITERAL("88.1000/a"), CASE_INSENSITIVE,
                                           &row) == STATUS_OK &&
                       row.version == reader->expected;
        reader->errors += !is_seen;
        on_done(NULL, &reader->answered);
    }
    snapshot_free(snapshot);
    return NULL;
}

static void reader_that_refreshes_after_an_acknowledgement_sees_the_write(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    struct committer *committer = NULL;
    const struct committer_options options = {10, 1u << 20};
    assert_int_equal(committer_start(f.registry, &options, &committer), STATUS_OK);
    struct reader reader = {
        .fixture = &f,
        .told = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false},
        .answered = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false},
    };
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, read_after_each, &reader), 0);
    struct waiting waiting = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
    for (uint64_t i = 1; i <= 100; i++) {
        char data[24];
        (void)snprintf(data, sizeof(data), "%lu", (unsigned long)i);
        struct change_set *set = fixture_set(CHANGE_ALL_OR_NOTHING);
        assert_int_equal(fixture_add(set, "88.1000/a", data, CHANGE_REPLACE), STATUS_OK);
        assert_int_equal(snapshot_refresh(f.snapshot), STATUS_OK);
        assert_int_equal(change_set_prepare(set, f.snapshot, f.now_ms), STATUS_OK);
        assert_int_equal(committer_submit(committer, set, on_done, &waiting), STATUS_OK);
        wait_until_done(&waiting);
        assert_int_equal(change_set_status(set), STATUS_OK);
        reader.expected = i;
        on_done(NULL, &reader.told);
        wait_until_done(&reader.answered);
        change_set_free(set);
    }
    reader.is_stopping = true;
    on_done(NULL, &reader.told);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(reader.errors, 0);
    committer_stop(committer);
    fixture_end(&f);
}

static void free_when_done(struct change_set *set, void *context)
{
    int *count = context;
    *count += change_set_status(set) == STATUS_OK;
    change_set_free(set);
}

/* Holds the committer in its first completion, so that what follows stays queued. */
static void wait_in_done(struct change_set *set, void *context)
{
    struct waiting *gate = context;
    change_set_free(set);
    wait_until_done(gate);
}

static struct change_set *audit_set(struct fixture *f)
{
    struct change_set *set = fixture_set(CHANGE_ALL_OR_NOTHING);
    assert_int_equal(change_set_audit(set, "test", BYTES_NONE, BYTES_NONE), STATUS_OK);
    assert_int_equal(change_set_prepare(set, f->snapshot, f->now_ms), STATUS_OK);
    return set;
}

static void queue_that_is_full_is_busy_and_stopping_commits_what_is_queued(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    struct committer *committer = NULL;
    const struct committer_options options = {3, 1u << 20};
    assert_int_equal(committer_start(f.registry, &options, &committer), STATUS_OK);
    struct waiting gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
    assert_int_equal(committer_submit(committer, audit_set(&f), wait_in_done, &gate), STATUS_OK);
    struct committer_figures figures;
    do {
        committer_figures(committer, &figures);
    } while (figures.groups == 0);
    int committed = 0;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(committer_submit(committer, audit_set(&f), free_when_done, &committed),
                         STATUS_OK);
    }
    struct change_set *late = audit_set(&f);
    assert_int_equal(committer_submit(committer, late, free_when_done, &committed),
                     STATUS_SERVER_BUSY);
    committer_figures(committer, &figures);
    assert_int_equal(figures.queued_sets, 3);
    on_done(NULL, &gate);
    committer_stop(committer);
    assert_int_equal(committed, 3);
    change_set_free(late);
    committer_stop(NULL);
    fixture_verify(&f);
    fixture_end(&f);
}

static void queue_over_its_bytes_is_busy(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    struct committer *committer = NULL;
    struct change_set *set = audit_set(&f);
    const struct committer_options options = {3, change_set_bytes(set) - 1};
    assert_int_equal(committer_start(f.registry, &options, &committer), STATUS_OK);
    assert_int_equal(committer_submit(committer, set, free_when_done, NULL), STATUS_SERVER_BUSY);
    committer_stop(committer);
    change_set_free(set);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_that_write_at_once_lose_nothing_and_read_their_own),
        cmocka_unit_test(reader_that_refreshes_after_an_acknowledgement_sees_the_write),
        cmocka_unit_test(queue_that_is_full_is_busy_and_stopping_commits_what_is_queued),
        cmocka_unit_test(queue_over_its_bytes_is_busy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
