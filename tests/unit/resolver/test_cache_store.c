/* SPDX-License-Identifier: Apache-2.0
 *
 * What becomes of the cache's file: restarts, other boots, damage, full disks, too many entries
 * (resolver/cache_store.h, resolver/cache_check.h).
 */
#include "tests/unit/resolver/cache_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "resolver/cache_check.h"

static void data_path(const struct cache_fixture *f, char out[128])
{
    (void)snprintf(out, 128, "%s/data.mdb", f->path);
}

static uint64_t file_bytes(const struct cache_fixture *f)
{
    char file[128];
    struct stat about;
    data_path(f, file);
    assert_int_equal(stat(file, &about), 0);
    return (uint64_t)about.st_size;
}

static uint64_t entries(struct cache_fixture *f)
{
    struct cache_figures figures;
    assert_int_equal(cache_figures(f->cache, &figures), STATUS_OK);
    return figures.entries;
}

/* Entries with `len` bytes of data each, some with filters. Waits now and then, so that none is
 * dropped. */
static void fill(struct cache_fixture *f, unsigned from, unsigned count, size_t len)
{
    static char data[65536];
    struct value_list list;
    (void)memset(data, 'x', len);
    data[len] = '\0';
    struct value value = value_of(1, "URL", data, 3600);
    encode(&list, &value, 1);
    for (unsigned i = from; i < from + count; i++) {
        char handle[64];
        struct asked asked;
        (void)snprintf(handle, sizeof(handle), "20.500/%08x", i * 2654435761u);
        struct cache_answer answer = {1, 0, BYTES_NONE, list.encoded, f->now_ms + i};
        const struct cache_question *question = ask_type(&asked, handle, i % 4 == 0 ? "URL" : NULL);
        while (cache_put(f->reader, question, &answer) == STATUS_SERVER_BUSY) {
            cache_settle(f->cache);
        }
    }
    cache_settle(f->cache);
}

/* --- restarts -----------------------------------------------------------------------------------
 */

static void restart_when_of_the_same_boot_then_everything_is_there(void **state)
{
    struct cache_fixture *f = *state;
    struct asked asked;
    struct cache_entry entry;
    assert_int_equal(put_url(f, ask(&asked, "20.500/1"), "x", 3600), STATUS_OK);
    fixture_close(f);
    f->now_ms = NOON + 1000;
    fixture_open(f);
    assert_int_equal(get(f, &asked.question, &entry), CACHE_FRESH);
    assert_int_equal(put_url(f, ask(&asked, "20.500/2"), "x", 3600), STATUS_OK);
    assert_int_equal(entries(f), 2);
}

static void restart_when_of_another_boot_then_nothing_is_there(void **state)
{
    struct cache_fixture *f = *state;
    static const char *const others[] = {"3f1c2b5e-0000-4000-8000-000000000002", ""};
    for (size_t i = 0; i < 2; i++) {
        struct asked asked;
        struct cache_entry entry;
        assert_int_equal(put_url(f, ask(&asked, "20.500/1"), "x", 3600), STATUS_OK);
        fixture_close(f);
        struct cache_options options = fixture_options(f);
        options.boot_id = others[i];
        fixture_open_with(f, &options);
        assert_int_equal(get(f, &asked.question, &entry), CACHE_NONE);
        assert_int_equal(entries(f), 0);
    }
}

static void restart_when_no_boot_is_known_then_nothing_is_kept_over_it(void **state)
{
    struct cache_fixture *f = *state;
    struct asked asked;
    struct cache_options options = fixture_options(f);
    options.boot_id = "";
    fixture_close(f);
    fixture_open_with(f, &options);
    assert_int_equal(put_url(f, ask(&asked, "20.500/1"), "x", 3600), STATUS_OK);
    fixture_close(f);
    fixture_open_with(f, &options);
    assert_int_equal(entries(f), 0);
}

static void restart_when_the_kernel_tells_the_boot_then_everything_is_there(void **state)
{
    struct cache_fixture *f = *state;
    struct asked asked;
    struct cache_options options = fixture_options(f);
    options.boot_id = NULL;
    fixture_close(f);
    fixture_open_with(f, &options);
    assert_int_equal(put_url(f, ask(&asked, "20.500/1"), "x", 3600), STATUS_OK);
    fixture_close(f);
    fixture_open_with(f, &options);
    assert_int_equal(entries(f), 1);
}

static void restart_when_the_clock_was_set_back_then_nothing_is_there(void **state)
{
    struct cache_fixture *f = *state;
    struct asked asked;
    assert_int_equal(put_url(f, ask(&asked, "20.500/1"), "x", 3600), STATUS_OK);
    fixture_close(f);
    f->now_ms = NOON - 61 * SECOND;
    fixture_open(f);
    assert_int_equal(entries(f), 0);
}

static void restart_when_a_smaller_size_is_wanted_then_the_file_obeys(void **state)
{
    struct cache_fixture *f = *state;
    struct cache_options options = fixture_options(f);
    options.max_bytes = 64u << 20;
    fixture_close(f);
    fixture_open_with(f, &options);
    fill(f, 0, 1000, 45000);
    assert_true(file_bytes(f) > 32u << 20);
    fixture_close(f);
    fixture_open(f);
    fill(f, 0, 1000, 45000);
    assert_true(file_bytes(f) <= 32u << 20);
}

static void size_when_nothing_then_no_file_is_left(void **state)
{
    struct cache_fixture *f = *state;
    struct cache_options options = fixture_options(f);
    struct fault fault;
    char file[128];
    fixture_close(f);
    options.max_bytes = 0;
    assert_int_equal(cache_open(&options, &f->cache, &fault), STATUS_OK);
    assert_null(f->cache);
    data_path(f, file);
    assert_int_equal(access(file, F_OK), -1);
}

static void
directory_when_it_cannot_be_made_then_everything_is_refused_and_nobody_waits(void **state)
{
    struct cache_fixture *f = *state;
    struct cache_options options = fixture_options(f);
    struct asked asked;
    struct cache_entry entry;
    uint64_t removed = 0;
    fixture_close(f);
    options.path = "/proc/self/nothing/cache";
    fixture_open_with(f, &options);
    assert_int_equal(put_url(f, ask(&asked, "20.500/1"), "x", 3600), STATUS_CLOSED);
    assert_int_equal(get(f, &asked.question, &entry), CACHE_NONE);
    assert_int_equal(cache_flush(f->cache, CACHE_ALL, BYTES_NONE, &removed), STATUS_CLOSED);
    cache_tick(f->cache, NOON + DAY);
    cache_settle(f->cache);
}

/* --- damage -------------------------------------------------------------------------------------
 */

static enum status check_file(const struct cache_fixture *f)
{
    char file[128];
    data_path(f, file);
    int fd = open(file, O_RDONLY);
    assert_true(fd >= 0);
    enum status status = cache_check(fd, 32u << 20);
    (void)close(fd);
    return status;
}

/* Every kind of page: branches, leaves, overflow, free. */
static void make_used_file(struct cache_fixture *f)
{
    uint64_t removed = 0;
    assert_int_equal(cache_flush(f->cache, CACHE_ALL, BYTES_NONE, &removed), STATUS_OK);
    fill(f, 0, 3000, 200);
    fill(f, 3000, 50, 9000);
    fill(f, 0, 500, 300);
    for (unsigned i = 0; i < 3000; i += 3) {
        char handle[64];
        (void)snprintf(handle, sizeof(handle), "20.500/%08x", i * 2654435761u);
        assert_int_equal(cache_flush(f->cache, CACHE_NAME, bytes_of_text(handle), &removed),
                         STATUS_OK);
        assert_int_equal(removed, 1);
    }
}

static void file_when_sound_then_found_sound_at_every_size(void **state)
{
    struct cache_fixture *f = *state;
    for (unsigned i = 0; i < 20; i++) {
        fill(f, i * 300, 300, i % 5 == 4 ? 30000 : 100 + i);
        fixture_close(f);
        assert_int_equal(check_file(f), STATUS_OK);
        fixture_open(f);
        assert_true(entries(f) > 0);
    }
    make_used_file(f);
    fixture_close(f);
    assert_int_equal(check_file(f), STATUS_OK);
}

static void file_when_cut_or_foreign_then_made_anew(void **state)
{
    struct cache_fixture *f = *state;
    char file[128];
    data_path(f, file);
    static const off_t lengths[] = {1, 100, 4096, 8192, 8193, 40960};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        fill(f, 0, 500, 200);
        fixture_close(f);
        assert_int_equal(truncate(file, lengths[i]), 0);
        fixture_open(f);
        assert_int_equal(entries(f), 0);
    }
    fill(f, 0, 500, 200);
    fixture_close(f);
    int fd = open(file, O_WRONLY | O_TRUNC);
    static const char foreign[] = "this is no database at all";
    assert_int_equal(write(fd, foreign, sizeof(foreign)), sizeof(foreign));
    (void)close(fd);
    fixture_open(f);
    assert_int_equal(entries(f), 0);
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

/* Whatever is done to a file, looking at it ends, and what passes can be used to the end: read,
 * written over, emptied. */
static void file_when_bytes_are_changed_then_it_never_hurts(void **state)
{
    struct cache_fixture *f = *state;
    char file[128];
    uint32_t seed = 20260101;
    size_t passed = 0;
    data_path(f, file);
    for (unsigned round = 0; round < 120; round++) {
        if (entries(f) == 0) {
            fill(f, 0, 400, 150);
            fill(f, 400, 6, 9000);
            fill(f, 0, 100, 170);
        }
        fixture_close(f);
        int fd = open(file, O_RDWR);
        assert_true(fd >= 0);
        for (unsigned i = 0; i < 1 + round % 3; i++) {
            /* Heads of pages matter most. */
            uint32_t page = next_random(&seed) % 70;
            uint32_t within = next_random(&seed) % (round % 2 == 0 ? 200 : 4096);
            uint8_t byte = (uint8_t)next_random(&seed);
            assert_int_equal(pwrite(fd, &byte, 1, (off_t)page * 4096 + within), 1);
        }
        (void)close(fd);
        fixture_open(f);
        passed += entries(f) > 0;
        fill(f, 200, 300, 160);
        assert_true(entries(f) > 0);
        if (round % 10 == 9) {
            uint64_t removed = 0;
            (void)cache_flush(f->cache, CACHE_ALL, BYTES_NONE, &removed);
        }
    }
    assert_true(passed > 0);
    assert_true(passed < 120);
}

static void row_when_its_bytes_are_changed_then_not_found(void **state)
{
    struct cache_fixture *f = *state;
    char file[128];
    static uint8_t page[4096];
    struct asked asked;
    struct cache_entry entry;
    static const char mark[] = "https://mark.example/";
    size_t changed = 0;
    assert_int_equal(put_url(f, ask(&asked, "20.500/1"), mark, 3600), STATUS_OK);
    fixture_close(f);
    data_path(f, file);
    int fd = open(file, O_RDWR);
    for (off_t at = 0; at < 64 * 4096; at += 4096) {
        assert_int_equal(pread(fd, page, sizeof(page), at), sizeof(page));
        uint8_t *found = memmem(page, sizeof(page), mark, sizeof(mark) - 1);
        if (found != NULL) {
            *found ^= 1;
            assert_int_equal(pwrite(fd, page, sizeof(page), at), sizeof(page));
            changed++;
        }
    }
    (void)close(fd);
    assert_true(changed > 0);
    fixture_open(f);
    assert_int_equal(entries(f), 1);
    assert_int_equal(get(f, &asked.question, &entry), CACHE_NONE);
    assert_int_equal(put_url(f, &asked.question, "x", 3600), STATUS_OK);
    assert_int_equal(get(f, &asked.question, &entry), CACHE_FRESH);
}

/* --- room ---------------------------------------------------------------------------------------
 */

static bool is_there(struct cache_fixture *f, unsigned i)
{
    char handle[64];
    struct asked asked;
    struct cache_entry entry;
    (void)snprintf(handle, sizeof(handle), "20.500/%08x", i * 2654435761u);
    ask_type(&asked, handle, i % 4 == 0 ? "URL" : NULL);
    return cache_get(f->reader, &asked.question, NOON + HOUR - 1, &entry) == CACHE_FRESH;
}

static void entries_when_too_many_then_the_oldest_go(void **state)
{
    struct cache_fixture *f = *state;
    struct cache_figures figures;
    for (unsigned i = 0; i < 20; i++) {
        fill(f, i * 4000, 4000, 700);
        assert_int_equal(cache_figures(f->cache, &figures), STATUS_OK);
        assert_true(figures.used_bytes <= 32u << 20);
        assert_true(file_bytes(f) <= 32u << 20);
    }
    assert_int_equal(figures.dropped, 0);
    assert_true(figures.evicted > 30000);
    assert_int_equal(figures.entries + figures.evicted, 80000);
    assert_true(figures.used_bytes > 16u << 20);
    for (unsigned i = 0; i < 80000; i += 97) {
        assert_int_equal(is_there(f, i), i >= figures.evicted);
    }
}

static void entries_when_of_all_sizes_then_the_bound_holds(void **state)
{
    struct cache_fixture *f = *state;
    uint32_t seed = 7;
    for (unsigned i = 0; i < 3000; i++) {
        uint32_t kind = next_random(&seed) % 10;
        fill(f, i, 1, kind < 6 ? 100 : kind < 9 ? 5000 : 60000);
    }
    fill(f, 10000, 2000, 3000);
    assert_true(file_bytes(f) <= 32u << 20);
    assert_true(is_there(f, 11999));
    fixture_close(f);
    assert_int_equal(check_file(f), STATUS_OK);
}

static void negatives_when_many_then_go_before_answers(void **state)
{
    struct cache_fixture *f = *state;
    struct cache_figures figures;
    fill(f, 0, 100, 700);
    for (unsigned i = 0; i < 150000; i++) {
        char handle[64];
        struct asked asked;
        (void)snprintf(handle, sizeof(handle), "20.600/%08x", i * 2654435761u);
        struct cache_answer answer = {100, 0, BYTES_NONE, BYTES_NONE, f->now_ms};
        while (cache_put(f->reader, ask(&asked, handle), &answer) == STATUS_SERVER_BUSY) {
            cache_settle(f->cache);
        }
    }
    cache_settle(f->cache);
    assert_int_equal(cache_figures(f->cache, &figures), STATUS_OK);
    assert_true(figures.evicted > 0);
    for (unsigned i = 0; i < 100; i++) {
        assert_true(is_there(f, i));
    }
}

static void disk_when_files_may_not_grow_then_dropped_and_it_recovers(void **state)
{
    struct cache_fixture *f = *state;
    struct rlimit before;
    struct cache_figures figures;
    fill(f, 0, 10, 700);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit tight = {file_bytes(f) + 8192, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    fill(f, 10, 60000, 700);
    assert_int_equal(cache_figures(f->cache, &figures), STATUS_OK);
    assert_true(figures.evicted + figures.dropped > 0);
    assert_true(figures.entries > 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    fill(f, 70000, 100, 700);
    assert_true(is_there(f, 70099));
    fixture_close(f);
    assert_int_equal(check_file(f), STATUS_OK);
}

static void disk_when_nothing_is_to_spare_then_the_file_does_not_grow(void **state)
{
    struct cache_fixture *f = *state;
    struct cache_options options = fixture_options(f);
    options.spare_bytes = UINT64_MAX / 2;
    fixture_close(f);
    fixture_open_with(f, &options);
    fill(f, 0, 5000, 700);
    assert_true(file_bytes(f) < 4u << 20);
}

static void view_when_beside_the_writer_then_shows_what_is_there(void **state)
{
    struct cache_fixture *f = *state;
    struct cache *view = NULL;
    struct cache_walk *walk = NULL;
    struct cache_row row;
    struct fault fault;
    size_t found = 0;
    size_t parts = 0;
    fill(f, 0, 2000, 100);
    fixture_close(f);
    assert_int_equal(cache_open_view(f->path, &view, &fault), STATUS_OK);
    assert_int_equal(cache_walk_open(view, CACHE_PREFIX, BYTES_LITERAL("20.500"), &walk),
                     STATUS_OK);
    while (cache_walk_next(walk, &row) == STATUS_OK) {
        found++;
        parts += row.is_filtered;
        assert_true(bytes_start_with(row.name, BYTES_LITERAL("20.500/")));
    }
    cache_walk_close(walk);
    assert_int_equal(found, 2000);
    assert_int_equal(parts, 500);
    assert_int_equal(cache_walk_open(view, CACHE_NAME, BYTES_LITERAL("20.500/00000000"), &walk),
                     STATUS_OK);
    assert_int_equal(cache_walk_next(walk, &row), STATUS_OK);
    assert_true(row.is_filtered);
    assert_int_equal(cache_walk_next(walk, &row), STATUS_NOT_FOUND);
    cache_walk_close(walk);
    cache_close(view);
    assert_int_equal(cache_open_view("/nowhere", &view, &fault), STATUS_NOT_FOUND);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    (void)signal(SIGXFSZ, SIG_IGN);
    const struct CMUnitTest tests[] = {
        CASE(restart_when_of_the_same_boot_then_everything_is_there),
        CASE(restart_when_of_another_boot_then_nothing_is_there),
        CASE(restart_when_no_boot_is_known_then_nothing_is_kept_over_it),
        CASE(restart_when_the_kernel_tells_the_boot_then_everything_is_there),
        CASE(restart_when_the_clock_was_set_back_then_nothing_is_there),
        CASE(restart_when_a_smaller_size_is_wanted_then_the_file_obeys),
        CASE(size_when_nothing_then_no_file_is_left),
        CASE(directory_when_it_cannot_be_made_then_everything_is_refused_and_nobody_waits),
        CASE(file_when_sound_then_found_sound_at_every_size),
        CASE(file_when_cut_or_foreign_then_made_anew),
        CASE(file_when_bytes_are_changed_then_it_never_hurts),
        CASE(row_when_its_bytes_are_changed_then_not_found),
        CASE(entries_when_too_many_then_the_oldest_go),
        CASE(entries_when_of_all_sizes_then_the_bound_holds),
        CASE(negatives_when_many_then_go_before_answers),
        CASE(disk_when_files_may_not_grow_then_dropped_and_it_recovers),
        CASE(disk_when_nothing_is_to_spare_then_the_file_does_not_grow),
        CASE(view_when_beside_the_writer_then_shows_what_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
