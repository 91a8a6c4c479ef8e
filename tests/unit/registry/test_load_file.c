/* SPDX-License-Identifier: Apache-2.0
 *
 * Loading beside a store: what stands where before, during and after the exchange.
 */
#include "tests/unit/registry/store_fixture.h"

#include "registry/load_file.h"

#define MANY 5000
#define SET_ITEMS 1000

static int begin(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    fixture_begin(f);
    fixture_home(f, "88.1000");
    assert_int_equal(fixture_put(f, "88.1000/old", "before"), STATUS_OK);
    f->options.may_create = false;
    *state = f;
    return 0;
}

static bool has_leftover(const struct fixture *f)
{
    char path[96];
    (void)snprintf(path, sizeof(path), "%s.loading", f->path);
    return access(path, F_OK) == 0;
}

static int end(void **state)
{
    struct fixture *f = *state;
    assert_false(has_leftover(f));
    fixture_end(f);
    free(f);
    return 0;
}

/* Long names, names that only differ behind the cut, replaced ones, names out of order. */
static void name_of(unsigned number, char out[700])
{
    if (number % 500 == 7) {
        memset(out, 'x', 600);
        (void)snprintf(out + 600, 100, "%05u", number);
        memcpy(out, "88.1000/", 8);
    } else {
        unsigned shown = number % 300 == 11 ? number / 2 : number;
        (void)snprintf(out, 700, number % 3 == 0 ? "88.1000/P-%05u" : "88.1000/p-%05u", shown);
    }
}

static void fill(struct registry *registry)
{
    struct snapshot *snapshot = NULL;
    assert_int_equal(snapshot_new(registry, &snapshot), STATUS_OK);
    for (unsigned first = 0; first < MANY; first += SET_ITEMS) {
        struct change_set *set = fixture_set(CHANGE_PER_ITEM);
        for (unsigned i = first; i < first + SET_ITEMS; i++) {
            char name[700];
            char data[40];
            name_of(i, name);
            (void)snprintf(data, sizeof(data), "https://x.example/%u", i);
            enum status status = fixture_add(set, name, data, CHANGE_REPLACE);
            assert_true(status == STATUS_OK || status == STATUS_HANDLE_EXISTS);
        }
        assert_int_equal(committer_commit_now(registry, snapshot, set, FIXTURE_NOW_MS + first),
                         STATUS_OK);
        change_set_free(set);
    }
    snapshot_free(snapshot);
}

static struct load_file *load_begin(struct fixture *f)
{
    struct load_file *load = NULL;
    struct fault fault = {STATUS_OK, ""};
    assert_int_equal(load_file_begin(f->registry, 1u << 30, &load, &fault), STATUS_OK);
    return load;
}

/* As the command does it: then the store is opened anew. */
static void load_end(struct fixture *f, struct load_file *load)
{
    registry_close(load_file_registry(load));
    load_file_close(load);
    fixture_close(f);
    fixture_open(f);
}

static void load_when_finished_takes_the_stores_place(void **state)
{
    struct fixture *f = *state;
    struct fault fault;
    struct record_row row;
    struct load_file *load = load_begin(f);
    fill(load_file_registry(load));
    assert_int_equal(load_file_finish(load, &fault), STATUS_OK);
    assert_int_equal(fixture_get(f, "88.1000/p-00001", &row), STATUS_HANDLE_NOT_FOUND);
    load_end(f, load);
    assert_int_equal(fixture_get(f, "88.1000/old", &row), STATUS_OK);
    assert_int_equal(fixture_get(f, "88.1000/p-00001", &row), STATUS_OK);
    fixture_verify(f);
    assert_int_equal(fixture_put(f, "88.1000/new", "after"), STATUS_OK);
    fixture_verify(f);
}

static void load_when_closed_unfinished_leaves_the_store(void **state)
{
    struct fixture *f = *state;
    struct record_row row;
    struct load_file *load = load_begin(f);
    fill(load_file_registry(load));
    load_end(f, load);
    assert_int_equal(fixture_get(f, "88.1000/old", &row), STATUS_OK);
    assert_int_equal(fixture_get(f, "88.1000/p-00001", &row), STATUS_HANDLE_NOT_FOUND);
    fixture_verify(f);
}

static void load_when_under_way_keeps_writers_out_and_lets_readers_in(void **state)
{
    struct fixture *f = *state;
    struct fault fault;
    struct record_row row;
    struct registry *other = NULL;
    struct load_file *load = load_begin(f);
    fill(load_file_registry(load));
    assert_int_equal(registry_open(&f->options, &other, &fault), STATUS_LOCKED);
    assert_int_equal(load_file_finish(load, &fault), STATUS_OK);
    assert_int_equal(registry_open(&f->options, &other, &fault), STATUS_LOCKED);
    struct fixture reader = {.options = f->options};
    registry_close(load_file_registry(load));
    load_file_close(load);
    reader.options.is_read_only = true;
    fixture_open(&reader);
    assert_int_equal(fixture_get(&reader, "88.1000/p-00001", &row), STATUS_OK);
    assert_int_equal(snapshot_refresh(f->snapshot), STATUS_OK);
    assert_int_equal(fixture_get(f, "88.1000/old", &row), STATUS_OK);
    assert_int_equal(fixture_get(f, "88.1000/p-00001", &row), STATUS_HANDLE_NOT_FOUND);
    fixture_close(&reader);
    fixture_close(f);
    fixture_open(f);
}

static void load_when_the_store_is_large_is_refused(void **state)
{
    struct fixture *f = *state;
    struct load_file *load = NULL;
    struct fault fault;
    assert_int_equal(load_file_begin(f->registry, 4096, &load, &fault), STATUS_NOT_SUPPORTED);
}

static void load_when_another_was_cut_off_begins_anew(void **state)
{
    struct fixture *f = *state;
    struct fault fault;
    struct record_row row;
    char path[96];
    (void)snprintf(path, sizeof(path), "%s.loading", f->path);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof(path), "%s.loading/data.mdb", f->path);
    FILE *torn = fopen(path, "w");
    assert_non_null(torn);
    assert_int_equal(fclose(torn), 0);
    struct load_file *load = load_begin(f);
    fill(load_file_registry(load));
    assert_int_equal(load_file_finish(load, &fault), STATUS_OK);
    load_end(f, load);
    assert_int_equal(fixture_get(f, "88.1000/p-00001", &row), STATUS_OK);
}

/* Sets, positions and chain: what makes one journal equal to another. */
static void assert_same_journal(struct snapshot *a, struct snapshot *b)
{
    struct journal_set one;
    struct journal_set other;
    uint64_t position = 1;
    enum status status = STATUS_OK;
    while ((status = journal_get(a, position, &one)) == STATUS_OK) {
        assert_int_equal(journal_get(b, position, &other), STATUS_OK);
        assert_int_equal(one.position, other.position);
        assert_int_equal(one.count, other.count);
        assert_int_equal(one.time_ms, other.time_ms);
        assert_true(bytes_equal(one.items, other.items));
        assert_true(bytes_equal(one.actor, other.actor));
        assert_memory_equal(one.chain, other.chain, JOURNAL_HASH_LEN);
        position = one.position + one.count;
    }
    assert_int_equal(status, STATUS_NOT_FOUND);
    assert_int_equal(journal_get(b, position, &other), STATUS_NOT_FOUND);
}

static void load_gives_the_same_journal_and_counters_as_writing_in_place(void **state)
{
    struct fixture *f = *state;
    struct fault fault;
    struct fixture plain;
    fixture_begin(&plain);
    fixture_home(&plain, "88.1000");
    assert_int_equal(fixture_put(&plain, "88.1000/old", "before"), STATUS_OK);
    fill(plain.registry);
    struct load_file *load = load_begin(f);
    fill(load_file_registry(load));
    assert_int_equal(load_file_finish(load, &fault), STATUS_OK);
    load_end(f, load);
    assert_int_equal(snapshot_refresh(plain.snapshot), STATUS_OK);
    assert_same_journal(plain.snapshot, f->snapshot);
    for (enum counter counter = COUNTER_IDENTIFIERS; counter <= COUNTER_BYTES; counter++) {
        assert_int_equal(registry_counter(f->snapshot, BYTES_LITERAL("88.1000"), counter),
                         registry_counter(plain.snapshot, BYTES_LITERAL("88.1000"), counter));
    }
    fixture_end(&plain);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(load_when_finished_takes_the_stores_place),
        CASE(load_when_closed_unfinished_leaves_the_store),
        CASE(load_when_under_way_keeps_writers_out_and_lets_readers_in),
        CASE(load_when_the_store_is_large_is_refused),
        CASE(load_when_another_was_cut_off_begins_anew),
        CASE(load_gives_the_same_journal_and_counters_as_writing_in_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
