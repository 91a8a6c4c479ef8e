/* SPDX-License-Identifier: Apache-2.0
 *
 * A node backed up, verified and restored in this process: what is stopped leaves nothing.
 */
#include "tests/unit/admin/run_node.h"

#include "admin/backup_create.h"
#include "admin/backup_restore.h"

struct round {
    struct home *home;
    struct backup_made *made;
    char target[128];
    enum backup_phase stop_at;
    bool stops;
    bool was_told;
};

static bool round_on_progress(void *context, enum backup_phase phase, uint64_t done, uint64_t total)
{
    struct round *round = context;
    (void)done;
    (void)total;
    round->was_told = true;
    return !(round->stops && phase == round->stop_at);
}

static void round_begin(struct round *round)
{
    *round = (struct round){.home = home_make(), .made = calloc(1, sizeof(*round->made))};
    assert_non_null(round->made);
    (void)snprintf(round->target, sizeof(round->target), "%s/files/target", round->home->path);
}

static void round_end(struct round *round)
{
    free(round->made);
    home_free(round->home);
}

static enum status create(struct round *round, const char *parent)
{
    struct fault fault = {STATUS_OK, ""};
    const struct backup_create_options options = {.directory = round->home->path,
                                                  .parent = parent,
                                                  .now_ms = 1700000000000,
                                                  .watch = {round_on_progress, round}};
    return backup_create(&options, round->home->arena, round->made, &fault);
}

static enum status verify(struct round *round, struct backup_verified *verified)
{
    struct fault fault = {STATUS_OK, ""};
    const struct backup_verify_options options = {.path = round->made->path,
                                                  .watch = {round_on_progress, round}};
    return backup_verify(&options, round->home->arena, verified, &fault);
}

static enum status restore(struct round *round)
{
    struct fault fault = {STATUS_OK, ""};
    const struct backup_restore_options options = {.path = round->made->path,
                                                   .target = round->target,
                                                   .manifest = &round->made->manifest,
                                                   .watch = {round_on_progress, round}};
    return backup_restore(&options, round->home->arena, &fault);
}

static bool exists(const char *directory, const char *name)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    return access(path, F_OK) == 0;
}

static void node_backed_up_is_verified_and_restored(void **state)
{
    (void)state;
    struct round round;
    struct backup_verified verified;
    round_begin(&round);
    assert_int_equal(create(&round, NULL), STATUS_OK);
    assert_non_null(strstr(round.made->path, "/backup/88.1000-20231114T221320Z"));
    assert_int_equal(round.made->manifest.records, 1);
    assert_false(round.made->manifest.has_keys);
    assert_int_equal(verify(&round, &verified), STATUS_OK);
    assert_int_equal(verified.rows.records, 1);
    assert_int_equal(restore(&round), STATUS_OK);
    assert_true(exists(round.target, "guantong.yaml"));
    assert_true(exists(round.target, "store/data.mdb"));
    assert_false(exists(round.target, "keys/site.pem"));
    assert_int_equal(backup_restore_check(round.target, NULL), STATUS_LOCKED);
    assert_int_equal(restore(&round), STATUS_LOCKED);
    assert_true(exists(round.target, "guantong.yaml"));
    round_end(&round);
}

static void names_of_one_second_differ(void **state)
{
    (void)state;
    struct round round;
    char first[BACKUP_PATH_MAX];
    round_begin(&round);
    assert_int_equal(create(&round, NULL), STATUS_OK);
    (void)snprintf(first, sizeof(first), "%s", round.made->path);
    assert_int_equal(create(&round, NULL), STATUS_OK);
    assert_string_not_equal(round.made->path, first);
    round_end(&round);
}

static void copy_stopped_leaves_nothing(void **state)
{
    (void)state;
    struct round round;
    char parent[128];
    round_begin(&round);
    (void)snprintf(parent, sizeof(parent), "%s/files", round.home->path);
    round.stops = true;
    round.stop_at = BACKUP_COPIES;
    assert_int_equal(create(&round, parent), STATUS_SYSTEM);
    assert_true(round.was_told);
    assert_int_equal(rmdir(parent), 0); /* empty */
    assert_int_equal(create(&round, parent), STATUS_SYSTEM);
    round_end(&round);
}

static void restore_stopped_leaves_nothing(void **state)
{
    (void)state;
    struct round round;
    round_begin(&round);
    assert_int_equal(create(&round, NULL), STATUS_OK);
    round.stops = true;
    round.stop_at = BACKUP_RESTORES;
    assert_int_equal(restore(&round), STATUS_SYSTEM);
    assert_int_not_equal(access(round.target, F_OK), 0);
    assert_int_equal(mkdir(round.target, 0700), 0);
    assert_int_equal(restore(&round), STATUS_SYSTEM);
    assert_int_equal(rmdir(round.target), 0);
    round.stops = false;
    assert_int_equal(restore(&round), STATUS_OK);
    round_end(&round);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(node_backed_up_is_verified_and_restored),
        cmocka_unit_test(names_of_one_second_differ),
        cmocka_unit_test(copy_stopped_leaves_nothing),
        cmocka_unit_test(restore_stopped_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
