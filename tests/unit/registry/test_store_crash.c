/* SPDX-License-Identifier: Apache-2.0
 *
 * A writer killed at any moment: what it acknowledged is there, and the store verifies.
 *
 * The child writes records of rising number through the committer and tells each acknowledged one
 * through a pipe; the parent kills it after a random while, reopens and looks.
 */
#include "tests/unit/registry/store_fixture.h"

#include <signal.h>
#include <sys/wait.h>

#define ROUNDS 20
#define OUTSTANDING 4

/* Every seventh record is deleted again, this many later: by then it is surely committed. */
#define SEVENTH 7
#define DELETED_AFTER 21

struct feeder {
    struct fixture *fixture;
    struct committer *committer;
    int pipe_fd;
};

struct told {
    struct feeder *feeder;
    uint32_t number;
};

static void name_of(uint32_t number, char *out, size_t size)
{
    (void)snprintf(out, size, "88.1000/%08u", number);
}

/* On the committer's thread: only what is durable is told. */
static void tell(struct change_set *set, void *context)
{
    struct told *told = context;
    if (change_set_status(set) != STATUS_OK ||
        write(told->feeder->pipe_fd, &told->number, sizeof(told->number)) !=
            (ssize_t)sizeof(told->number)) {
        _exit(2);
    }
    change_set_free(set);
    free(told);
}

/* Never returns; each set creates a record, some delete an older one. */
static void feed(struct fixture *f, uint32_t number, int pipe_fd)
{
    struct feeder feeder = {.fixture = f, .pipe_fd = pipe_fd};
    const struct committer_options options = {OUTSTANDING, 1u << 30};
    fixture_open(f);
    if (committer_start(f->registry, &options, &feeder.committer) != STATUS_OK) {
        _exit(3);
    }
    for (;; number++) {
        char handle[32];
        struct change_set *set = fixture_set(CHANGE_PER_ITEM);
        name_of(number, handle, sizeof(handle));
        struct told *told = malloc(sizeof(*told));
        if (told == NULL || fixture_add(set, handle, handle, CHANGE_CREATE) != STATUS_OK) {
            _exit(4);
        }
        *told = (struct told){&feeder, number};
        if (number % SEVENTH == 0 && number > DELETED_AFTER) {
            name_of(number - DELETED_AFTER, handle, sizeof(handle));
            (void)change_set_delete_record(set, bytes_of_text(handle));
        }
        if (snapshot_refresh(f->snapshot) != STATUS_OK ||
            change_set_prepare(set, f->snapshot, FIXTURE_NOW_MS + number) != STATUS_OK) {
            _exit(5);
        }
        while (committer_submit(feeder.committer, set, tell, told) != STATUS_OK) {
            (void)usleep(50);
        }
    }
}

/* The highest acknowledged number; none may be missing between. */
static uint32_t read_told(int fd, uint32_t first)
{
    uint32_t number = 0;
    uint32_t next = first;
    while (read(fd, &number, sizeof(number)) == (ssize_t)sizeof(number)) {
        assert_int_equal(number, next);
        next++;
    }
    return next;
}

static void check(struct fixture *f, uint32_t told_end)
{
    struct record_row row;
    char handle[32];
    for (uint32_t number = 1; number < told_end; number++) {
        name_of(number, handle, sizeof(handle));
        enum status status = fixture_get(f, handle, &row);
        bool may_be_deleted = number % SEVENTH == 0;
        if (status == STATUS_OK) {
            assert_true(bytes_equal(fixture_data(&row), bytes_of_text(handle)));
            assert_true(!may_be_deleted || number + DELETED_AFTER >= told_end);
        } else {
            assert_int_equal(status, STATUS_HANDLE_NOT_FOUND);
            assert_true(may_be_deleted);
        }
    }
    fixture_verify(f);
}

/* The first number the store does not hold. */
static uint32_t find_end(struct fixture *f, uint32_t number)
{
    struct record_row row;
    char handle[32];
    do {
        name_of(number++, handle, sizeof(handle));
    } while (fixture_get(f, handle, &row) == STATUS_OK);
    return number - 1;
}

static void store_of_a_killed_writer_holds_all_it_acknowledged(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    fixture_close(&f);
    uint32_t next = 1;
    uint32_t random = (uint32_t)getpid();
    for (int round = 0; round < ROUNDS; round++) {
        int told[2];
        assert_int_equal(pipe(told), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            (void)close(told[0]);
            feed(&f, next, told[1]);
        }
        (void)close(told[1]);
        random = random * 1664525u + 1013904223u;
        (void)usleep(20000 + (random >> 8) % 60000);
        assert_int_equal(kill(pid, SIGKILL), 0);
        int result = 0;
        assert_int_equal(waitpid(pid, &result, 0), pid);
        assert_true(WIFSIGNALED(result));
        uint32_t told_end = read_told(told[0], next);
        (void)close(told[0]);
        fixture_open(&f);
        check(&f, told_end);
        next = find_end(&f, told_end);
        /* Nothing is invented: at most what was under way when it died. */
        assert_true(next - told_end <= 2 * OUTSTANDING + 1);
        fixture_close(&f);
    }
    print_message("%u records acknowledged in %d lives\n", next - 1, ROUNDS);
    assert_true(next > ROUNDS);
    fixture_open(&f);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(store_of_a_killed_writer_holds_all_it_acknowledged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
