/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes of one command: into the store, through the daemon, and dry.
 */
#include "tests/unit/admin/run_node.h"

struct told {
    size_t sets;
    size_t items;
    size_t ok;
    size_t unchanged;
    enum status last;
    uint64_t last_version;
    bool seen[64];
    bool twice;
};

struct stage {
    struct home *home;
    struct command_call call;
    struct told told;
    struct writer *writer;
};

static void writer_on_told(void *context, uint64_t tag, enum status status,
                           const struct writer_item *items, size_t count)
{
    struct told *told = context;
    told->sets++;
    told->items += count;
    told->last = status;
    told->twice = told->twice || (tag < 64 && told->seen[tag]);
    if (tag < 64) {
        told->seen[tag] = true;
    }
    for (size_t i = 0; i < count; i++) {
        told->ok += items[i].status == STATUS_OK ? 1 : 0;
        told->unchanged += items[i].status == STATUS_UNCHANGED ? 1 : 0;
        told->last_version = items[i].version;
    }
}

static int make_stage(void **state)
{
    struct stage *stage = calloc(1, sizeof(*stage));
    stage->home = home_make();
    stage->call.directory = stage->home->path;
    stage->call.arena = stage->home->arena;
    *state = stage;
    return 0;
}

static int make_served_stage(void **state)
{
    int made = make_stage(state);
    home_serve(((struct stage *)*state)->home, 4096);
    return made;
}

static int remove_stage(void **state)
{
    struct stage *stage = *state;
    writer_close(stage->writer);
    home_free(stage->home);
    free(stage);
    return 0;
}

static void open_writer(struct stage *stage)
{
    struct fault fault = {.status = STATUS_OK};
    assert_int_equal(
        writer_open(&stage->call, writer_on_told, &stage->told, &stage->writer, &fault), STATUS_OK);
}

static void submit(struct stage *stage, uint64_t tag, const char *name, size_t count)
{
    struct fault fault = {.status = STATUS_OK};
    assert_int_equal(writer_submit(stage->writer, home_set(name, count, "x"), tag, &fault),
                     STATUS_OK);
}

static void flush(struct stage *stage)
{
    struct fault fault = {.status = STATUS_OK};
    assert_int_equal(writer_flush(stage->writer, &fault), STATUS_OK);
}

static void write_thirty_sets(struct stage *stage)
{
    for (uint64_t tag = 0; tag < 30; tag++) {
        char name[64];
        struct fault fault = {.status = STATUS_OK};
        (void)snprintf(name, sizeof(name), "88.1000/t%u", (unsigned)tag);
        submit(stage, tag, name, 10);
        assert_int_equal(writer_poll(stage->writer, &fault), STATUS_OK);
    }
    flush(stage);
    assert_int_equal(stage->told.sets, 30);
    assert_int_equal(stage->told.ok, 300);
    assert_false(stage->told.twice);
}

static void writer_without_daemon_opens_the_store(void **state)
{
    struct stage *stage = *state;
    open_writer(stage);
    assert_false(writer_is_through_daemon(stage->writer));
    write_thirty_sets(stage);
    writer_close(stage->writer);
    stage->writer = NULL;
    struct run run = EXPECT(EXIT_OK, "prefix", "list", stage->home->path, "--json");
    json_t *list = run_json(&run);
    json_t *row = json_array_get(json_object_get(list, "items"), 0);
    assert_int_equal(json_number(row, "identifiers"), 300);
    json_decref(list);
    run_done(&run);
}

static void writer_beside_a_daemon_goes_through_it(void **state)
{
    struct stage *stage = *state;
    open_writer(stage);
    assert_true(writer_is_through_daemon(stage->writer));
    write_thirty_sets(stage);
    assert_true(home_has(stage->home, "88.1000/t29-9"));
}

static void set_equal_to_the_store_is_unchanged(void **state)
{
    struct stage *stage = *state;
    open_writer(stage);
    submit(stage, 0, "88.1000/u", 5);
    flush(stage);
    submit(stage, 1, "88.1000/u", 5);
    flush(stage);
    assert_int_equal(stage->told.ok, 5);
    assert_int_equal(stage->told.unchanged, 5);
}

static void sets_racing_for_one_key_are_prepared_again(void **state)
{
    struct stage *stage = *state;
    open_writer(stage);
    for (uint64_t tag = 0; tag < 3; tag++) {
        struct fault fault = {.status = STATUS_OK};
        char text[16];
        (void)snprintf(text, sizeof(text), "text %u", (unsigned)tag);
        assert_int_equal(
            writer_submit(stage->writer, home_set("88.1000/race", 1, text), tag, &fault),
            STATUS_OK);
    }
    flush(stage);
    assert_int_equal(stage->told.ok, 3);
    assert_int_equal(stage->told.last_version, 3);
}

static void writer_that_is_dry_judges_and_writes_nothing(void **state)
{
    struct stage *stage = *state;
    stage->call.is_dry_run = true;
    open_writer(stage);
    submit(stage, 0, "88.1000/d", 4);
    submit(stage, 1, "99.9/d", 2);
    flush(stage);
    assert_int_equal(stage->told.sets, 2);
    assert_int_equal(stage->told.items, 6);
    assert_int_equal(stage->told.ok, 4);
    struct snapshot *snapshot = NULL;
    struct record_row row;
    assert_int_equal(snapshot_new(writer_registry(stage->writer), &snapshot), STATUS_OK);
    assert_int_equal(
        registry_get_record(snapshot, BYTES_LITERAL("88.1000/d-0"), CASE_INSENSITIVE, &row),
        STATUS_HANDLE_NOT_FOUND);
    snapshot_free(snapshot);
}

static void write_of_one_set_returns_the_first_failure(void **state)
{
    struct stage *stage = *state;
    struct fault fault = {.status = STATUS_OK};
    open_writer(stage);
    assert_int_equal(writer_write(stage->writer, home_set("88.1000/o", 2, "x"), &fault), STATUS_OK);
    assert_int_equal(writer_write(stage->writer, home_set("88.1000/o", 2, "x"), &fault), STATUS_OK);
    assert_int_equal(writer_write(stage->writer, home_set("99.9/o", 2, "x"), &fault),
                     STATUS_NOT_RESPONSIBLE);
    assert_int_equal(stage->told.sets, 0);
}

static void second_writer_is_locked_out(void **state)
{
    struct stage *stage = *state;
    open_writer(stage);
    struct run run = EXPECT(EXIT_REFUSED, "prefix", "home", stage->home->path, "88.1001", "--json");
    assert_problem(&run, "GT1304");
    run_done(&run);
}

static void daemon_that_goes_away_is_told_not_waited_for(void **state)
{
    struct stage *stage = *state;
    struct fault fault = {.status = STATUS_OK};
    open_writer(stage);
    submit(stage, 0, "88.1000/g", 5);
    flush(stage);
    home_stop(stage->home);
    enum status status = writer_submit(stage->writer, home_set("88.1000/h", 5, "x"), 1, &fault);
    status = status == STATUS_OK ? writer_flush(stage->writer, &fault) : status;
    assert_int_equal(status, STATUS_CLOSED);
    assert_int_equal(stage->told.sets, 1);
}

static void actor_is_the_process_own_user(void **state)
{
    struct stage *stage = *state;
    open_writer(stage);
    char start[32];
    (void)snprintf(start, sizeof(start), "uid:%u", (unsigned)geteuid());
    assert_true(bytes_start_with(writer_actor(stage->writer), bytes_of_text(start)));
}

#define ALONE(name) cmocka_unit_test_setup_teardown(name, make_stage, remove_stage)
#define SERVED(name) cmocka_unit_test_setup_teardown(name, make_served_stage, remove_stage)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ALONE(writer_without_daemon_opens_the_store),
        SERVED(writer_beside_a_daemon_goes_through_it),
        ALONE(set_equal_to_the_store_is_unchanged),
        SERVED(set_equal_to_the_store_is_unchanged),
        ALONE(sets_racing_for_one_key_are_prepared_again),
        SERVED(sets_racing_for_one_key_are_prepared_again),
        ALONE(writer_that_is_dry_judges_and_writes_nothing),
        ALONE(write_of_one_set_returns_the_first_failure),
        SERVED(write_of_one_set_returns_the_first_failure),
        ALONE(second_writer_is_locked_out),
        SERVED(daemon_that_goes_away_is_told_not_waited_for),
        ALONE(actor_is_the_process_own_user),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
