/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a file ahead: all of it, nothing of one that is too large, and no longer than asked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "resolver/warmup.h"

#define FILE_BYTES ((5 << 20) + 12345)
#define PATIENCE_MS 20000

struct file {
    char path[64];
    int fd;
};

static int make_file(void **state)
{
    struct file *file = test_calloc(1, sizeof(*file));
    (void)snprintf(file->path, sizeof(file->path), "/var/tmp/warmup.XXXXXX");
    file->fd = mkstemp(file->path);
    assert_true(file->fd >= 0);
    uint8_t *bytes = test_malloc(FILE_BYTES);
    memset(bytes, 'w', FILE_BYTES);
    assert_int_equal(write(file->fd, bytes, FILE_BYTES), FILE_BYTES);
    test_free(bytes);
    *state = file;
    return 0;
}

static int remove_file(void **state)
{
    struct file *file = *state;
    (void)close(file->fd);
    (void)unlink(file->path);
    test_free(file);
    return 0;
}

static struct warmup *start(const char *path, uint64_t memory_bytes)
{
    struct warmup *warmup = NULL;
    struct warmup_options options = {.path = path, .memory_bytes = memory_bytes};
    assert_int_equal(warmup_start(&options, &warmup), STATUS_OK);
    return warmup;
}

static void wait_for_end(const struct warmup *warmup)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    for (int i = 0; i < PATIENCE_MS && !warmup_is_over(warmup); i++) {
        (void)nanosleep(&moment, NULL);
    }
    assert_true(warmup_is_over(warmup));
}

static void file_that_fits_is_read_to_its_end(void **state)
{
    struct file *file = *state;
    assert_int_equal(fsync(file->fd), 0);
    (void)posix_fadvise(file->fd, 0, 0, POSIX_FADV_DONTNEED);
    struct warmup *warmup = start(file->path, FILE_BYTES);
    wait_for_end(warmup);
    assert_int_equal(warmup_bytes(warmup), FILE_BYTES);
    warmup_stop(warmup);

    static unsigned char resident[FILE_BYTES / 4096 + 1];
    void *map = mmap(NULL, FILE_BYTES, PROT_READ, MAP_SHARED, file->fd, 0);
    assert_true(map != MAP_FAILED);
    assert_int_equal(mincore(map, FILE_BYTES, resident), 0);
    for (size_t i = 0; i < sizeof(resident); i++) {
        assert_int_equal(resident[i] & 1, 1);
    }
    (void)munmap(map, FILE_BYTES);
}

static void file_larger_than_memory_is_left_alone(void **state)
{
    struct file *file = *state;
    struct warmup *warmup = start(file->path, FILE_BYTES - 1);
    wait_for_end(warmup);
    assert_int_equal(warmup_bytes(warmup), 0);
    warmup_stop(warmup);
}

static void file_that_is_missing_ends_it_at_once(void **state)
{
    (void)state;
    struct warmup *warmup = start("/nowhere/data.mdb", UINT64_MAX);
    wait_for_end(warmup);
    assert_int_equal(warmup_bytes(warmup), 0);
    warmup_stop(warmup);
    warmup_stop(NULL);
}

/* Sparse: 64 GiB take a while although nothing is read from a disk. */
static void warm_up_that_is_stopped_ends_long_before_the_file_does(void **state)
{
    struct file *file = *state;
    const off_t large = (off_t)64 << 30;
    if (ftruncate(file->fd, large) != 0) {
        skip();
    }
    struct warmup *warmup = start(file->path, UINT64_MAX);
    const struct timespec moment = {.tv_nsec = 60000000};
    (void)nanosleep(&moment, NULL);
    assert_false(warmup_is_over(warmup));
    warmup_stop(warmup);
    (void)posix_fadvise(file->fd, 0, 0, POSIX_FADV_DONTNEED);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, make_file, remove_file)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(file_that_fits_is_read_to_its_end),
        CASE(file_larger_than_memory_is_left_alone),
        CASE(file_that_is_missing_ends_it_at_once),
        CASE(warm_up_that_is_stopped_ends_long_before_the_file_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
