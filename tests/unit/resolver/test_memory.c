/* SPDX-License-Identifier: Apache-2.0
 *
 * How much memory there is, on a made-up /proc and /sys.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "resolver/memory.h"

#define PATH_ROOM 256
#define GIB (1ull << 30)

static void make_folder(const char *root, const char *name)
{
    char path[2 * PATH_ROOM];
    (void)snprintf(path, sizeof(path), "%s/%s", root, name);
    assert_int_equal(mkdir(path, 0700), 0);
}

static void write_file(const char *root, const char *name, const char *text)
{
    char path[2 * PATH_ROOM];
    (void)snprintf(path, sizeof(path), "%s/%s", root, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int make_tree(void **state)
{
    static const char *const folders[] = {
        "proc",
        "proc/self",
        "sys",
        "sys/fs",
        "sys/fs/cgroup",
        "sys/fs/cgroup/city",
        "sys/fs/cgroup/city/node",
    };
    char *root = test_malloc(PATH_ROOM);
    (void)snprintf(root, PATH_ROOM, "/tmp/memory.XXXXXX");
    assert_non_null(mkdtemp(root));
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        make_folder(root, folders[i]);
    }
    write_file(root, "proc/meminfo", "MemTotal:  16777216 kB\nMemAvailable:   8388608 kB\n");
    *state = root;
    return 0;
}

static int remove_tree(void **state)
{
    char command[PATH_ROOM];
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", (char *)*state);
    assert_int_equal(system(command), 0); // NOLINT(bugprone-command-processor)
    test_free(*state);
    return 0;
}

static void machine_without_groups_has_what_the_kernel_calls_available(void **state)
{
    assert_int_equal(memory_available(*state), 8 * GIB);
    write_file(*state, "proc/self/cgroup", "5:memory:/old\n");
    assert_int_equal(memory_available(*state), 8 * GIB);
    assert_int_equal(memory_for_files(10 * GIB), 8 * GIB);
}

static void group_with_a_limit_has_the_limit_without_what_cannot_be_given_back(void **state)
{
    write_file(*state, "proc/self/cgroup", "0::/city/node\n");
    write_file(*state, "sys/fs/cgroup/city/node/memory.max", "3221225472\n");
    write_file(*state, "sys/fs/cgroup/city/node/memory.current", "2147483648\n");
    write_file(*state, "sys/fs/cgroup/city/node/memory.stat", "anon 1\nfile 1073741824\n");
    assert_int_equal(memory_available(*state), 2 * GIB);
}

static void limit_of_a_group_above_counts_too(void **state)
{
    write_file(*state, "proc/self/cgroup", "0::/city/node\n");
    write_file(*state, "sys/fs/cgroup/city/node/memory.max", "max\n");
    write_file(*state, "sys/fs/cgroup/city/memory.max", "1073741824\n");
    assert_int_equal(memory_available(*state), GIB);
    write_file(*state, "sys/fs/cgroup/city/memory.current", "2147483648\n");
    assert_int_equal(memory_available(*state), 0);
}

static void machine_that_shows_nothing_sets_no_limit(void **state)
{
    (void)state;
    assert_true(memory_available("/nowhere/at/all") == UINT64_MAX);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, make_tree, remove_tree)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(machine_without_groups_has_what_the_kernel_calls_available),
        CASE(group_with_a_limit_has_the_limit_without_what_cannot_be_given_back),
        CASE(limit_of_a_group_above_counts_too),
        cmocka_unit_test(machine_that_shows_nothing_sets_no_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
