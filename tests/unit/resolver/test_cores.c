/* SPDX-License-Identifier: Apache-2.0
 *
 * What is known about CPUs, on a made-up tree of interfaces.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "resolver/cores.h"

#define PATH_ROOM 256

static int make_tree(void **state)
{
    char *tree = test_malloc(PATH_ROOM);
    (void)snprintf(tree, PATH_ROOM, "/tmp/cores.XXXXXX");
    assert_non_null(mkdtemp(tree));
    *state = tree;
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

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[2 * PATH_ROOM];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void add_interface(const char *tree, const char *name, const char *state, int queues,
                          const char *mask)
{
    char path[PATH_ROOM];
    (void)snprintf(path, sizeof(path), "%s/%s", tree, name);
    assert_int_equal(mkdir(path, 0700), 0);
    write_file(path, "operstate", state);
    (void)snprintf(path, sizeof(path), "%s/%s/queues", tree, name);
    assert_int_equal(mkdir(path, 0700), 0);
    for (int i = 0; i < queues; i++) {
        (void)snprintf(path, sizeof(path), "%s/%s/queues/rx-%d", tree, name, i);
        assert_int_equal(mkdir(path, 0700), 0);
        write_file(path, "rps_cpus", mask);
    }
}

static void queue_for_each_cpu_spreads_and_one_queue_does_not(void **state)
{
    const char *tree = *state;
    add_interface(tree, "lo", "unknown\n", 1, "0\n");
    assert_true(cores_receive_spread(tree, 4)); /* nothing but what is local */
    add_interface(tree, "eth0", "up\n", 4, "0\n");
    assert_true(cores_receive_spread(tree, 4));
    assert_false(cores_receive_spread(tree, 5));
    add_interface(tree, "eth1", "down\n", 1, "0\n");
    assert_true(cores_receive_spread(tree, 4));
    add_interface(tree, "eth2", "unknown\n", 1, "0\n");
    assert_false(cores_receive_spread(tree, 4));
}

static void single_queue_that_is_spread_in_software_counts(void **state)
{
    const char *tree = *state;
    add_interface(tree, "eth0", "up\n", 1, "00000001,0000000f\n");
    assert_true(cores_receive_spread(tree, 5));
    assert_false(cores_receive_spread(tree, 6));
}

static void machine_that_shows_nothing_does_not_spread(void **state)
{
    (void)state;
    assert_false(cores_receive_spread("/nowhere/at/all", 2));
}

static void allowed_cpus_are_those_of_the_cpuset_and_a_pinned_thread_has_one(void **state)
{
    (void)state;
    static int cpus[CORES_MAX];
    cpu_set_t before;
    assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
    size_t count = cores_allowed(cpus);
    assert_int_equal(count, CPU_COUNT(&before));
    int last = cpus[count - 1];
    assert_true(cores_pin(last));
    assert_int_equal(cores_allowed(cpus), 1);
    assert_int_equal(cpus[0], last);
    assert_false(cores_pin(CPU_SETSIZE - 1));
    assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(queue_for_each_cpu_spreads_and_one_queue_does_not,
                                        make_tree, remove_tree),
        cmocka_unit_test_setup_teardown(single_queue_that_is_spread_in_software_counts, make_tree,
                                        remove_tree),
        cmocka_unit_test(machine_that_shows_nothing_does_not_spread),
        cmocka_unit_test(allowed_cpus_are_those_of_the_cpuset_and_a_pinned_thread_has_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
