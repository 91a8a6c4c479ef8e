/* SPDX-License-Identifier: Apache-2.0
 *
 * Two processes on one store: one writes without pause, the other opens it read-only, verifies,
 * walks and closes, again and again. Whatever instant it meets must hold.
 */
#include "tests/unit/registry/store_fixture.h"

#include <signal.h>
#include <sys/wait.h>

#define ITEMS 3000 /* written while we look */
#define NAMES 300
#define BIG 60000
#define KILLED_SNAPSHOTS 1000

static uint32_t draw(uint32_t *random, uint32_t below)
{
    *random = *random * 1664525u + 1013904223u;
    return (*random >> 8) % below;
}

/* Never returns. Large rows come and go, so that the file often ends in pages just freed. */
static void write_for_ever(struct fixture *f)
{
    static char data[BIG + 1];
    uint32_t random = 7;
    fixture_open(f);
    for (;;) {
        struct change_set *set = fixture_set(CHANGE_PER_ITEM);
        for (int i = 0; i < 4; i++) {
            char handle[32];
            size_t len = draw(&random, 3) == 0 ? draw(&random, BIG) : draw(&random, 200);
            (void)snprintf(handle, sizeof(handle), "88.1000/%u", draw(&random, NAMES));
            memset(data, 'a' + (int)draw(&random, 26), len);
            data[len] = '\0';
            /* A name drawn twice is refused by the set: nothing to do about it. */
            (void)(draw(&random, 3) == 0 ? change_set_delete_record(set, bytes_of_text(handle))
                                         : fixture_add(set, handle, data, CHANGE_REPLACE));
        }
        if (committer_commit_now(f->registry, f->snapshot, set, f->now_ms++) != STATUS_OK) {
            _exit(2);
        }
        change_set_free(set);
    }
}

/* The head of the journal as it was seen. */
static uint64_t look(const struct fixture *f)
{
    struct registry_options options = f->options;
    options.is_read_only = true;
    struct fixture reader = {.options = options};
    fixture_open(&reader);
    fixture_verify(&reader);
    struct record_walk *walk = NULL;
    struct record_row row;
    assert_int_equal(record_walk_open(reader.registry, BYTES_NONE, &walk), STATUS_OK);
    enum status status = STATUS_OK;
    while ((status = record_walk_next(walk, &row)) == STATUS_OK) {
        assert_true(row.version > 0);
    }
    assert_int_equal(status, STATUS_NOT_FOUND);
    record_walk_close(walk);
    struct registry_figures figures;
    assert_int_equal(registry_figures(reader.registry, &figures), STATUS_OK);
    fixture_close(&reader);
    return figures.journal_head;
}

static void store_read_by_others_while_written_holds_at_every_instant(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    fixture_close(&f);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        write_for_ever(&f);
    }
    int rounds = 0;
    while (look(&f) < ITEMS) {
        rounds++;
    }
    print_message("looked %d times\n", rounds);
    int result = 0;
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &result, 0), pid);
    assert_true(WIFSIGNALED(result));
    fixture_open(&f);
    fixture_verify(&f);
    fixture_end(&f);
}

/* Takes nearly every reader's slot and waits to be killed. */
static void hold_slots(const struct fixture *f, int pipe_fd)
{
    struct registry_options options = f->options;
    struct registry *registry = NULL;
    options.is_read_only = true;
    enum status status = registry_open(&options, &registry, NULL);
    struct snapshot *snapshot = NULL;
    for (int i = 0; i < 2 * KILLED_SNAPSHOTS && status == STATUS_OK; i++) {
        status = snapshot_new(registry, &snapshot);
    }
    /* SERVER_BUSY: every slot is taken. */
    char told = status == STATUS_SERVER_BUSY ? 'y' : 'n';
    (void)!write(pipe_fd, &told, 1);
    (void)pause();
}

static void slots_of_a_killed_reader_are_given_to_the_next(void **state)
{
    (void)state;
    struct fixture f;
    int told[2];
    char answer = 0;
    fixture_begin(&f);
    assert_int_equal(pipe(told), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        hold_slots(&f, told[1]);
        _exit(1);
    }
    assert_int_equal(read(told[0], &answer, 1), 1);
    assert_int_equal(answer, 'y');
    struct snapshot *snapshot = NULL;
    assert_int_equal(snapshot_new(f.registry, &snapshot), STATUS_SERVER_BUSY);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(snapshot_new(f.registry, &snapshot), STATUS_OK);
    snapshot_free(snapshot);
    (void)close(told[0]);
    (void)close(told[1]);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_of_a_killed_reader_are_given_to_the_next),
        cmocka_unit_test(store_read_by_others_while_written_holds_at_every_instant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
