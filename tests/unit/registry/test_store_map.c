/* SPDX-License-Identifier: Apache-2.0
 *
 * The ceiling of the map: growing under readers, its limits, and what happens at them.
 */
#include "tests/unit/registry/store_fixture.h"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "registry/store_map.h"

#define SMALL_MAP (1ull << 20)
#define SMALL_RESERVE (1ull << 20)
#define DATA_LEN 100000
#define READERS 3

static void begin_small(struct fixture *f, uint64_t max_bytes)
{
    fixture_begin(f);
    fixture_close(f);
    f->options.map_bytes = SMALL_MAP;
    f->options.map_bytes_max = max_bytes;
    f->options.reserve_bytes = SMALL_RESERVE;
    fixture_open(f);
    fixture_home(f, "88.1000");
}

static uint64_t map_bytes(struct fixture *f)
{
    struct registry_figures figures;
    assert_int_equal(registry_figures(f->registry, &figures), STATUS_OK);
    return figures.map_bytes;
}

static enum status put_big(struct fixture *f, int number)
{
    static char data[DATA_LEN + 1];
    char handle[32];
    memset(data, 'a' + number % 26, DATA_LEN);
    (void)snprintf(handle, sizeof(handle), "88.1000/%d", number);
    return fixture_put(f, handle, data);
}

/* Until something else than OK comes; how many were taken. */
static int fill(struct fixture *f, int first, int end, enum status *out_status)
{
    int number = first;
    *out_status = STATUS_OK;
    while (number < end && (*out_status = put_big(f, number)) == STATUS_OK) {
        number++;
    }
    return number - first;
}

/* --- readers ------------------------------------------------------------------------------------
 */

struct reader {
    struct registry *registry;
    atomic_int *newest;
    atomic_bool *is_over;
    pthread_t thread;
    uint64_t reads;
    int wrong;
};

static bool reads_right(struct snapshot *snapshot, int number)
{
    char handle[32];
    struct record_row row;
    int len = snprintf(handle, sizeof(handle), "88.1000/%d", number);
    if (snapshot_refresh(snapshot) != STATUS_OK ||
        registry_get_record(snapshot, bytes_of(handle, (size_t)len), CASE_INSENSITIVE, &row) !=
            STATUS_OK) {
        return false;
    }
    struct value value;
    struct wire_reader r = wire_read(row.values);
    (void)wire_u32(&r);
    return value_decode(&r, &value) == STATUS_OK && value.data.len == DATA_LEN &&
           value.data.data[DATA_LEN - 1] == 'a' + number % 26;
}

static void *read_on(void *context)
{
    struct reader *reader = context;
    struct snapshot *snapshot = NULL;
    if (snapshot_new(reader->registry, &snapshot) != STATUS_OK) {
        reader->wrong = 1;
        return NULL;
    }
    unsigned state = 7;
    while (!atomic_load(reader->is_over)) {
        int newest = atomic_load(reader->newest);
        state = state * 1664525u + 1013904223u;
        if (newest > 0) {
            reader->wrong += !reads_right(snapshot, (int)(state >> 8) % newest);
            reader->reads++;
        }
        snapshot_rest(snapshot);
    }
    snapshot_free(snapshot);
    return NULL;
}

static void small_map_grows_under_readers_and_no_read_or_write_fails(void **state)
{
    (void)state;
    struct fixture f;
    begin_small(&f, 0);
    atomic_int newest = 0;
    atomic_bool is_over = false;
    struct reader readers[READERS];
    for (int i = 0; i < READERS; i++) {
        readers[i] = (struct reader){f.registry, &newest, &is_over, 0, 0, 0};
        assert_int_equal(pthread_create(&readers[i].thread, NULL, read_on, &readers[i]), 0);
    }
    uint64_t map = map_bytes(&f);
    int growths = 0;
    for (int number = 0; number < 400; number++) {
        assert_int_equal(put_big(&f, number), STATUS_OK);
        atomic_store(&newest, number + 1);
        growths += map_bytes(&f) > map;
        map = map_bytes(&f);
    }
    atomic_store(&is_over, true);
    for (int i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(readers[i].thread, NULL), 0);
        assert_int_equal(readers[i].wrong, 0);
        assert_true(readers[i].reads > 0);
    }
    assert_true(growths >= 3);
    fixture_verify(&f);
    fixture_end(&f);
}

/* --- limits ------------------------------------------------------------------------------------
 */

static void map_at_its_limit_refuses_records_until_the_limit_is_raised(void **state)
{
    (void)state;
    struct fixture f;
    enum status status;
    begin_small(&f, 8u << 20);
    int taken = fill(&f, 0, 400, &status);
    assert_int_equal(status, STATUS_STORAGE_FULL);
    assert_true(taken > 20);
    assert_int_equal(map_bytes(&f), 8u << 20);
    struct record_row row;
    assert_int_equal(fixture_get(&f, "88.1000/3", &row), STATUS_OK);
    assert_int_equal(fixture_delete(&f, "88.1000/3"), STATUS_OK);
    registry_limit_map(f.registry, 64u << 20);
    assert_int_equal(fill(&f, 400, 450, &status), 50);
    fixture_verify(&f);
    fixture_end(&f);
}

static void map_grows_within_a_set_that_outruns_it(void **state)
{
    (void)state;
    struct fixture f;
    begin_small(&f, 0);
    static char data[DATA_LEN + 1];
    memset(data, 'x', DATA_LEN);
    struct change_set *set = fixture_set(CHANGE_ALL_OR_NOTHING);
    for (int i = 0; i < 120; i++) {
        char handle[32];
        (void)snprintf(handle, sizeof(handle), "88.1000/%d", i);
        assert_int_equal(fixture_add(set, handle, data, CHANGE_CREATE), STATUS_OK);
    }
    uint64_t before = map_bytes(&f);
    assert_true(change_set_bytes(set) > before);
    assert_int_equal(fixture_commit(&f, set), STATUS_OK);
    assert_true(map_bytes(&f) > before);
    fixture_verify(&f);
    fixture_end(&f);
}

static void reader_that_does_not_rest_only_delays_growth(void **state)
{
    (void)state;
    struct fixture f;
    enum status status;
    begin_small(&f, 0);
    struct snapshot *held = NULL;
    assert_int_equal(snapshot_new(f.registry, &held), STATUS_OK);
    uint64_t before = map_bytes(&f);
    (void)fill(&f, 0, 100, &status);
    assert_int_equal(status, STATUS_STORAGE_FULL);
    assert_int_equal(map_bytes(&f), before);
    snapshot_rest(held);
    assert_int_equal(fill(&f, 100, 150, &status), 50);
    assert_int_equal(snapshot_refresh(held), STATUS_OK);
    snapshot_free(held);
    fixture_verify(&f);
    fixture_end(&f);
}

static uint64_t address_space(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%lu", &pages) != 1) {
        pages = 0;
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return (uint64_t)pages * STORE_PAGE;
}

/* In a process of its own; under a limit of the address space the map stays as it is. */
static int grow_under_limit(const char *path)
{
    struct fixture f = {.now_ms = FIXTURE_NOW_MS};
    struct rlimit before;
    enum status status;
    f.options = (struct registry_options){
        .path = path,
        .map_bytes = 256u << 20,
        .reserve_bytes = 254u << 20,
        .commitment_key = bytes_of(fixture_key, sizeof(fixture_key)),
    };
    if (registry_open(&f.options, &f.registry, NULL) != STATUS_OK ||
        snapshot_new(f.registry, &f.snapshot) != STATUS_OK || getrlimit(RLIMIT_AS, &before) != 0) {
        return 1;
    }
    struct rlimit limit = {address_space() + (64u << 20), before.rlim_max};
    if (setrlimit(RLIMIT_AS, &limit) != 0) {
        return 2;
    }
    (void)fill(&f, 0, 100, &status);
    struct record_row row;
    bool reads = fixture_get(&f, "88.1000/0", &row) == STATUS_OK;
    bool is_kept = map_bytes(&f) == 256u << 20;
    if (status != STATUS_STORAGE_FULL || !reads || !is_kept || setrlimit(RLIMIT_AS, &before) != 0) {
        return 3;
    }
    int taken = fill(&f, 100, 110, &status);
    fixture_close(&f);
    return taken == 10 ? 0 : 4;
}

static void map_without_address_space_refuses_records_and_reads_go_on(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    fixture_close(&f);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        _exit(grow_under_limit(f.path));
    }
    int result = 0;
    assert_int_equal(waitpid(pid, &result, 0), pid);
    assert_int_equal(result, 0);
    fixture_open(&f);
    fixture_verify(&f);
    fixture_end(&f);
}

/* LMDB gives the old map up before it asks for the new one. */
static void map_lost_while_growing_leaves_a_store_that_reads(void **state)
{
    (void)state;
    struct fixture f;
    enum status status;
    begin_small(&f, 0);
    assert_int_equal(fill(&f, 0, 10, &status), 10);
    snapshot_rest(f.snapshot);
    atomic_store(&f.registry->is_unmapped, true);
    atomic_store(&f.registry->refuses_writes, true);
    assert_int_equal(snapshot_refresh(f.snapshot), STATUS_OK);
    struct record_row row;
    assert_int_equal(fixture_get(&f, "88.1000/9", &row), STATUS_OK);
    struct registry_figures figures;
    assert_int_equal(registry_figures(f.registry, &figures), STATUS_OK);
    assert_true(figures.refuses_writes);
    assert_int_equal(figures.records, 10);
    assert_int_equal(put_big(&f, 10), STATUS_STORAGE_FAILED);
    fixture_verify(&f);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_map_grows_under_readers_and_no_read_or_write_fails),
        cmocka_unit_test(map_at_its_limit_refuses_records_until_the_limit_is_raised),
        cmocka_unit_test(map_grows_within_a_set_that_outruns_it),
        cmocka_unit_test(reader_that_does_not_rest_only_delays_growth),
        cmocka_unit_test(map_without_address_space_refuses_records_and_reads_go_on),
        cmocka_unit_test(map_lost_while_growing_leaves_a_store_that_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
