/* SPDX-License-Identifier: Apache-2.0
 *
 * Lags in seconds: the first commit behind a transaction tells since when it is old.
 */
#include "tests/unit/registry/store_fixture.h"

#include <sys/wait.h>

#include "registry/reader_age.h"

static struct reader_age *fresh(void)
{
    struct reader_age *age = calloc(1, sizeof(*age));
    assert_non_null(age);
    assert_int_equal(reader_age_init(age), STATUS_OK);
    return age;
}

static void discard(struct reader_age *age)
{
    reader_age_done(age);
    free(age);
}

static void transaction_nobody_superseded_has_no_age(void **state)
{
    (void)state;
    struct reader_age *age = fresh();
    assert_int_equal(reader_age_since(age, 0), 0);
    reader_age_note(age, 5, 1000);
    assert_int_equal(reader_age_since(age, 5), 0);
    assert_int_equal(reader_age_since(age, 9), 0);
    discard(age);
}

static void transaction_superseded_is_old_since_the_commit_behind_it(void **state)
{
    (void)state;
    struct reader_age *age = fresh();
    for (uint64_t i = 1; i <= 10; i++) {
        reader_age_note(age, 10 * i, (int64_t)(1000 * i));
    }
    assert_int_equal(reader_age_since(age, 0), 1000);
    assert_int_equal(reader_age_since(age, 9), 1000);
    assert_int_equal(reader_age_since(age, 10), 2000);
    assert_int_equal(reader_age_since(age, 55), 6000);
    assert_int_equal(reader_age_since(age, 99), 10000);
    assert_int_equal(reader_age_since(age, 100), 0);
    discard(age);
}

static void commits_within_a_second_are_one_note(void **state)
{
    (void)state;
    struct reader_age *age = fresh();
    reader_age_note(age, 1, 1000);
    reader_age_note(age, 2, 1999);
    reader_age_note(age, 3, 2000);
    assert_int_equal(reader_age_since(age, 1), 2000);
    assert_int_equal(age->count, 2);
    discard(age);
}

static void notes_overwritten_tell_the_oldest_kept(void **state)
{
    (void)state;
    struct reader_age *age = fresh();
    for (uint64_t i = 1; i <= READER_AGE_NOTES + 10; i++) {
        reader_age_note(age, i, (int64_t)(1000 * i));
    }
    assert_int_equal(reader_age_since(age, 0), 11000);
    assert_int_equal(reader_age_since(age, 11), 12000);
    assert_int_equal(reader_age_since(age, READER_AGE_NOTES + 9), 1000 * (READER_AGE_NOTES + 10));
    discard(age);
}

static void figures_tell_since_when_the_oldest_reader_is_old(void **state)
{
    (void)state;
    struct fixture f;
    struct registry_figures figures;
    struct snapshot *old = NULL;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    assert_int_equal(snapshot_new(f.registry, &old), STATUS_OK);
    assert_int_equal(registry_figures(f.registry, &figures), STATUS_OK);
    assert_int_equal(figures.oldest_reader_since_ms, 0);
    assert_int_equal(fixture_put(&f, "88.1000/a", "one"), STATUS_OK);
    int64_t superseded_ms = f.now_ms;
    assert_int_equal(fixture_put(&f, "88.1000/a", "two"), STATUS_OK);
    assert_int_equal(registry_figures(f.registry, &figures), STATUS_OK);
    assert_int_equal(figures.oldest_reader_since_ms, superseded_ms);
    assert_int_equal(figures.oldest_reader_pid, getpid());
    assert_int_equal(figures.oldest_reader_lag, 2);
    assert_int_equal(figures.journal_time_ms, f.now_ms);
    snapshot_free(old);
    assert_int_equal(registry_figures(f.registry, &figures), STATUS_OK);
    assert_int_equal(figures.oldest_reader_since_ms, 0);
    assert_int_equal(figures.oldest_reader_pid, 0);
    fixture_end(&f);
}

/* A process killed while it read. */
static void reader_that_died_is_forgotten_by_the_figures(void **state)
{
    (void)state;
    struct fixture f;
    struct registry_figures figures;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    pid_t child = fork();
    if (child == 0) {
        const struct registry_options options = {
            .path = f.path, .map_bytes = FIXTURE_MAP_BYTES, .is_read_only = true};
        struct registry *registry = NULL;
        struct snapshot *snapshot = NULL;
        /* The parent's environment is open here, too, but this process only leaves a reader. */
        bool is_open = registry_open(&options, &registry, NULL) == STATUS_OK &&
                       snapshot_new(registry, &snapshot) == STATUS_OK;
        _exit(is_open ? 0 : 1);
    }
    int outcome = -1;
    assert_int_equal(waitpid(child, &outcome, 0), child);
    assert_int_equal(outcome, 0);
    assert_int_equal(fixture_put(&f, "88.1000/a", "one"), STATUS_OK);
    assert_int_equal(registry_figures(f.registry, &figures), STATUS_OK);
    assert_int_equal(figures.oldest_reader_lag, 0);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transaction_nobody_superseded_has_no_age),
        cmocka_unit_test(transaction_superseded_is_old_since_the_commit_behind_it),
        cmocka_unit_test(commits_within_a_second_are_one_note),
        cmocka_unit_test(notes_overwritten_tell_the_oldest_kept),
        cmocka_unit_test(figures_tell_since_when_the_oldest_reader_is_old),
        cmocka_unit_test(reader_that_died_is_forgotten_by_the_figures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
