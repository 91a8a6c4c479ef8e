/* SPDX-License-Identifier: Apache-2.0
 *
 * The cache beside a plain table, under a clock that runs, jumps and is set back, over restarts;
 * and several readers beside a writer (resolver/cache.h).
 */
#include "tests/unit/resolver/cache_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#define NAMES 40
#define TYPES 3 /* none, URL, EMAIL */
#define STEPS 6000

static uint64_t draw(uint64_t *random, uint64_t below)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (*random >> 33) % below;
}

/* --- the model ----------------------------------------------------------------------------------
 */

/* What the table holds under a name and filter; number 0: nothing. */
struct held {
    uint32_t number; /* of the answer, stands in its data */
    uint32_t code;
    bool is_verified;
    int64_t fetched_ms, expires_ms, kept_ms;
};

struct model {
    struct held held[NAMES][TYPES];
    uint32_t answers;
    uint64_t random;
    int64_t clock_ms; /* the newest tick */
};

static const char *const types[TYPES] = {NULL, "URL", "EMAIL"};

static const struct cache_question *ask_model(struct asked *asked, size_t name, size_t type,
                                              bool needs_verified)
{
    static char handles[NAMES][16];
    (void)snprintf(handles[name], sizeof(handles[name]), "20.500/%zu", name);
    (void)ask_type(asked, handles[name], types[type]);
    asked->question.needs_verified = needs_verified;
    return &asked->question;
}

static void model_put(struct model *model, struct cache_fixture *f)
{
    static const uint32_t ttls[] = {0, 1, 30, 600, 86400, 172800};
    static const uint32_t codes[] = {1, 1, 1, 100, 200};
    size_t name = draw(&model->random, NAMES);
    size_t type = draw(&model->random, TYPES);
    uint32_t ttl = ttls[draw(&model->random, 6)];
    struct held fresh = {
        .number = ++model->answers,
        .code = codes[draw(&model->random, 5)],
        .is_verified = draw(&model->random, 4) == 0,
        .fetched_ms = f->now_ms,
    };
    struct asked asked;
    struct value_list list;
    char data[16];
    (void)snprintf(data, sizeof(data), "%u", fresh.number);
    struct value value = value_of(1, "URL", data, ttl);
    encode(&list, &value, 1);
    struct cache_answer answer = {fresh.code, fresh.is_verified ? CACHE_VERIFIED : 0, BYTES_NONE,
                                  list.encoded, f->now_ms};
    enum status status = cache_put(f->reader, ask_model(&asked, name, type, false), &answer);
    int64_t life_ms = fresh.code != 1 ? 60 * SECOND : ttl > 86400 ? DAY : ttl * SECOND;
    assert_int_equal(status, life_ms > 0 ? STATUS_OK : STATUS_NOT_SUPPORTED);
    cache_settle(f->cache);
    fresh.expires_ms = f->now_ms + life_ms;
    fresh.kept_ms = fresh.expires_ms + (fresh.code == 1 ? 7 * DAY : 0);
    struct held *held = &model->held[name][fresh.code == 100 ? 0 : type];
    bool is_protected = held->number != 0 && held->is_verified && !fresh.is_verified &&
                        held->fetched_ms <= f->now_ms && f->now_ms < held->expires_ms;
    if (life_ms > 0 && !is_protected) {
        *held = fresh;
    }
}

static enum cache_state state_of(const struct held *held, int64_t now_ms, bool needs_verified)
{
    if (held->number == 0 || held->fetched_ms > now_ms || held->kept_ms <= now_ms ||
        (needs_verified && !held->is_verified)) {
        return CACHE_NONE;
    }
    return now_ms < held->expires_ms ? CACHE_FRESH : CACHE_STALE;
}

/* What the table answers: the whole record if fresh, else the part if fresh, else the newer one. */
static const struct held *model_get(const struct model *model, size_t name, size_t type,
                                    int64_t now_ms, bool needs_verified)
{
    const struct held *whole = &model->held[name][0];
    const struct held *part = &model->held[name][type];
    enum cache_state of_whole = state_of(whole, now_ms, needs_verified);
    enum cache_state of_part = state_of(part, now_ms, needs_verified);
    if (of_whole == CACHE_FRESH || of_part == CACHE_NONE) {
        return whole;
    }
    bool is_newer = of_whole == CACHE_NONE || part->fetched_ms > whole->fetched_ms;
    return of_part == CACHE_FRESH || is_newer ? part : whole;
}

static void check_name(struct model *model, struct cache_fixture *f, size_t name)
{
    size_t type = draw(&model->random, TYPES);
    bool needs_verified = draw(&model->random, 5) == 0;
    struct asked asked;
    struct cache_entry entry;
    enum cache_state state = get(f, ask_model(&asked, name, type, needs_verified), &entry);
    const struct held *held = model_get(model, name, type, f->now_ms, needs_verified);
    assert_int_equal(state, state_of(held, f->now_ms, needs_verified));
    if (state == CACHE_NONE) {
        return;
    }
    assert_int_equal(entry.code, held->code);
    assert_int_equal(entry.fetched_ms, held->fetched_ms);
    assert_int_equal(entry.expires_ms, held->expires_ms);
    if (held->code == 1) {
        struct wire_reader r = wire_read(entry.values);
        struct value value;
        char data[16];
        (void)snprintf(data, sizeof(data), "%u", held->number);
        assert_int_equal(wire_u32(&r), 1);
        assert_int_equal(value_decode(&r, &value), STATUS_OK);
        assert_true(bytes_equal(value.data, bytes_of_text(data)));
    }
}

/* Sweeps what is over; after a clock set back far, everything. */
static void model_tick(struct model *model, struct cache_fixture *f)
{
    bool is_back = f->now_ms + 60 * SECOND < model->clock_ms;
    cache_tick(f->cache, f->now_ms);
    cache_settle(f->cache);
    for (size_t i = 0; i < NAMES; i++) {
        for (size_t j = 0; j < TYPES; j++) {
            struct held *held = &model->held[i][j];
            if (is_back || held->kept_ms <= f->now_ms) {
                *held = (struct held){0};
            }
        }
    }
    model->clock_ms = is_back || f->now_ms > model->clock_ms ? f->now_ms : model->clock_ms;
}

static void model_forget(struct model *model, struct cache_fixture *f)
{
    size_t name = draw(&model->random, NAMES);
    struct asked asked;
    (void)ask_model(&asked, name, 0, false);
    assert_int_equal(cache_forget(f->reader, asked.body.handle, CASE_SENSITIVE), STATUS_OK);
    cache_settle(f->cache);
    memset(model->held[name], 0, sizeof(model->held[name]));
}

/* Steps of a second, a minute, a day, a week; back by a little or a lot. */
static void model_move(struct model *model, struct cache_fixture *f)
{
    static const int64_t steps[] = {SECOND, 20 * SECOND, 60 * SECOND, HOUR, DAY, 7 * DAY};
    f->now_ms += draw(&model->random, 8) == 0 ? -(int64_t)draw(&model->random, 50 * SECOND)
                                              : steps[draw(&model->random, 6)];
    if (draw(&model->random, 40) == 0) {
        f->now_ms -= 3 * DAY;
    }
    model_tick(model, f);
}

static void cache_when_beside_a_table_then_both_say_the_same(void **state)
{
    struct cache_fixture *f = *state;
    static struct model model;
    model = (struct model){.random = 20260203, .clock_ms = NOON};
    for (size_t step = 0; step < STEPS; step++) {
        uint64_t act = draw(&model.random, 100);
        if (act < 50) {
            model_put(&model, f);
        } else if (act < 60) {
            model_move(&model, f);
        } else if (act < 63) {
            model_forget(&model, f);
        } else if (act < 64) {
            fixture_close(f);
            fixture_open(f);
        }
        check_name(&model, f, draw(&model.random, NAMES));
    }
    for (size_t i = 0; i < NAMES; i++) {
        check_name(&model, f, i);
    }
}

/* --- readers beside a writer --------------------------------------------------------------------
 */

#define READERS 3
#define WRITES 3000
#define SHARED 16

struct shared {
    struct cache *cache;
    _Atomic uint32_t settled[SHARED]; /* the number every reader must see, or a later one */
    _Atomic uint32_t begun[SHARED];
    atomic_bool is_over;
    atomic_uint wrong;
    atomic_uint asked;
};

static uint32_t number_of(const struct cache_entry *entry)
{
    struct wire_reader r = wire_read(entry->values);
    struct value value;
    if (wire_u32(&r) != 1 || value_decode(&r, &value) != STATUS_OK) {
        return 0;
    }
    char data[16] = "";
    memcpy(data, value.data.data, value.data.len < 15 ? value.data.len : 15);
    return (uint32_t)strtoul(data, NULL, 10);
}

static void *read_on(void *context)
{
    struct shared *shared = context;
    struct cache_reader *reader = NULL;
    uint64_t random = (uint64_t)(uintptr_t)&reader;
    if (cache_reader_new(shared->cache, NULL, &reader) != STATUS_OK) {
        return NULL;
    }
    while (!atomic_load(&shared->is_over)) {
        size_t name = draw(&random, SHARED);
        char handle[16];
        struct asked asked;
        struct cache_entry entry;
        (void)snprintf(handle, sizeof(handle), "20.500/%zu", name);
        uint32_t least = atomic_load(&shared->settled[name]);
        enum cache_state state = cache_get(reader, ask(&asked, handle), NOON, &entry);
        uint32_t got = state == CACHE_FRESH ? number_of(&entry) : 0;
        uint32_t most = atomic_load(&shared->begun[name]);
        atomic_fetch_add(&shared->wrong, got < least || got > most);
        atomic_fetch_add(&shared->asked, 1);
        if (draw(&random, 4) == 0) {
            cache_rest(reader);
        }
    }
    cache_reader_free(reader);
    return NULL;
}

static void readers_when_beside_a_writer_then_see_whatever_was_written(void **state)
{
    struct cache_fixture *f = *state;
    static struct shared shared;
    pthread_t threads[READERS];
    struct cache_figures figures;
    uint64_t dropped = 0;
    shared.cache = f->cache;
    for (size_t i = 0; i < READERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, &shared), 0);
    }
    for (uint32_t i = 1; i <= WRITES; i++) {
        char handle[16];
        char data[16];
        struct asked asked;
        (void)snprintf(handle, sizeof(handle), "20.500/%u", i % SHARED);
        (void)snprintf(data, sizeof(data), "%u", i);
        atomic_store(&shared.begun[i % SHARED], i);
        assert_int_equal(put_url(f, ask(&asked, handle), data, 600), STATUS_OK);
        /* A reader that is not let run for long enough keeps the file from being written. */
        assert_int_equal(cache_figures(f->cache, &figures), STATUS_OK);
        if (figures.dropped == dropped) {
            atomic_store(&shared.settled[i % SHARED], i);
        }
        dropped = figures.dropped;
    }
    atomic_store(&shared.is_over, true);
    for (size_t i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(shared.wrong, 0);
    assert_true(shared.asked > 0);
    assert_true(dropped < WRITES);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(cache_when_beside_a_table_then_both_say_the_same),
        CASE(readers_when_beside_a_writer_then_see_whatever_was_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
