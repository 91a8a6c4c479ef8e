/* SPDX-License-Identifier: Apache-2.0
 *
 * Several workers answer from their hot sets while one writes, deletes, creates anew, stops and
 * starts prefixes and reloads: no answer is older than the last write that was acknowledged before
 * it was asked for, and none is of a write that had not begun.
 *
 * Every write of a name has a number, which is what the record then says. A reader notes the last
 * acknowledged number, asks, and notes the last number begun: what it was told is one of the states
 * between the two.
 */
#include "tests/unit/resolver/exchange_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#include "resolver/hot_path.h"

#define READERS 3
#define PREFIXES 2
#define NAMES 24 /* few, so that they are written again while they are kept */
#define COMMITS 400
#define WRITES_MAX (COMMITS * 4 + 2)
#define SET_BYTES (8u << 12) /* 8 pages: entries are pushed out, too */
#define RELOAD_EVERY 5000
#define ROOM 4096

enum state { STATE_ABSENT, STATE_PRESENT };

struct track {
    atomic_uint begun;
    atomic_uint acknowledged;
    _Atomic uint8_t states[WRITES_MAX]; /* after write i; 0 is before the first */
};

struct model {
    struct fixture *f;
    struct track names[NAMES];
    struct track prefixes[PREFIXES]; /* PRESENT: active */
    atomic_bool is_over;
    atomic_uint_fast64_t wrong;
    atomic_uint_fast64_t hits;
    atomic_uint_fast64_t asked;
};

struct reader {
    struct model *model;
    pthread_t thread;
    unsigned slot;
    uint64_t random;
};

static uint64_t draw(uint64_t *random, uint64_t below)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (*random >> 33) % below;
}

static void name_text(size_t name, bool is_upper, char out[32])
{
    (void)snprintf(out, 32, is_upper ? "88.%zu/NAME-%zu" : "88.%zu/name-%zu", name % PREFIXES,
                   name);
}

/* --- reading --------------------------------------------------------------------------------- */

struct seen {
    unsigned name_from, prefix_from; /* acknowledged before it was asked */
    uint32_t code;
    unsigned number; /* what the record says */
};

static void read_answer(struct bytes packet, struct seen *seen)
{
    struct message answer;
    if (message_decode(packet, &answer) != STATUS_OK) {
        seen->code = 0;
        return;
    }
    seen->code = answer.header.response_code;
    if (seen->code == 1) {
        struct wire_reader r = wire_read(answer.body);
        struct value value;
        (void)wire_bytes(&r);
        (void)wire_u32(&r);
        if (value_decode(&r, &value) == STATUS_OK) {
            seen->number = 0;
            for (size_t i = 0; i < value.data.len; i++) {
                seen->number = seen->number * 10 + (unsigned)(value.data.data[i] - '0');
            }
        }
    }
}

static bool was(const struct track *track, unsigned from, unsigned to, enum state state)
{
    bool found = false;
    for (unsigned i = from; i <= to && !found; i++) {
        found = atomic_load_explicit(&track->states[i], memory_order_relaxed) == (uint8_t)state;
    }
    return found;
}

static bool is_possible(const struct model *model, size_t name, const struct seen *seen)
{
    const struct track *prefix = &model->prefixes[name % PREFIXES];
    const struct track *track = &model->names[name];
    unsigned prefix_to = atomic_load(&prefix->begun);
    unsigned name_to = atomic_load(&track->begun);
    switch (seen->code) {
    case 1:
        return seen->number >= seen->name_from && seen->number <= name_to &&
               was(track, seen->number, seen->number, STATE_PRESENT) &&
               was(prefix, seen->prefix_from, prefix_to, STATE_PRESENT);
    case 100:
        return was(track, seen->name_from, name_to, STATE_ABSENT) &&
               was(prefix, seen->prefix_from, prefix_to, STATE_PRESENT);
    case 301:
        return was(prefix, seen->prefix_from, prefix_to, STATE_ABSENT);
    default:
        return false;
    }
}

static struct bytes request_for(size_t name, bool is_upper, uint8_t room[ROOM])
{
    char text[32];
    uint8_t body[128];
    name_text(name, is_upper, text);
    struct message message = {
        .envelope = {.version = {2, 11}, .suggested = {2, 11}, .request_id = 1},
        .header = {.opcode = OPCODE_RESOLUTION, .flags = MESSAGE_PUBLIC_ONLY},
        .body = fixture_resolution(body, sizeof(body), bytes_of_text(text), NULL, 0, NULL),
    };
    struct wire_writer w = wire_write(room, ROOM);
    message_encode(&w, &message);
    return wire_wrote(&w);
}

/* As a transport does it. */
static struct bytes serve(const struct exchange_scope *scope, struct bytes request, uint8_t *room,
                          struct model *model)
{
    static const struct net_address nobody;
    struct hot_turn turn;
    struct hot_request asked;
    hot_begin(&turn, scope, EXCHANGE_UDP);
    hot_look(&turn, request, &asked);
    hot_find(&turn, &asked, 1);
    size_t len = hot_answer(&turn, &asked, &nobody, room);
    hot_end(&turn);
    if (len > 0) {
        atomic_fetch_add_explicit(&model->hits, 1, memory_order_relaxed);
        return bytes_of(room, len);
    }
    struct exchange x = {
        .scope = scope,
        .transport = EXCHANGE_UDP,
        .request = request,
        .reply = wire_write(room, ROOM),
    };
    arena_reset(scope->arena);
    return exchange_run(&x) == STATUS_OK ? wire_wrote(&x.reply) : BYTES_NONE;
}

static void ask_once(struct reader *reader, const struct exchange_scope *scope)
{
    struct model *model = reader->model;
    uint8_t request[ROOM];
    uint8_t room[ROOM];
    size_t name = (size_t)draw(&reader->random, NAMES);
    bool is_upper = draw(&reader->random, 4) == 0;
    struct bytes packet = request_for(name, is_upper, request);
    struct seen seen = {
        .prefix_from = atomic_load(&model->prefixes[name % PREFIXES].acknowledged),
        .name_from = atomic_load(&model->names[name].acknowledged),
    };
    if (snapshot_refresh(scope->snapshot) != STATUS_OK) {
        atomic_fetch_add(&model->wrong, 1);
        return;
    }
    read_answer(serve(scope, packet, room, model), &seen);
    if (draw(&reader->random, 2) == 0) {
        snapshot_rest(scope->snapshot);
    }
    atomic_fetch_add_explicit(&model->asked, 1, memory_order_relaxed);
    if (!is_possible(model, name, &seen)) {
        atomic_fetch_add(&model->wrong, 1);
        print_error("name %zu: code %u, number %u; acknowledged %u, begun %u\n", name, seen.code,
                    seen.number, seen.name_from, atomic_load(&model->names[name].begun));
    }
}

static void *reader_run(void *context)
{
    struct reader *reader = context;
    struct fixture *f = reader->model->f;
    struct metrics_slot *metrics = metrics_slot(f->metrics, reader->slot);
    struct exchange_scope scope = f->scope;
    scope.metrics = metrics;
    scope.arena = arena_new(65536, 4u << 20);
    bool is_ready = scope.arena != NULL &&
                    snapshot_new(f->registry, &scope.snapshot) == STATUS_OK &&
                    hot_path_new(SET_BYTES, f->registry, metrics, &scope.hot) == STATUS_OK;
    for (uint64_t i = 1; is_ready && !atomic_load(&reader->model->is_over); i++) {
        ask_once(reader, &scope);
        if (i % RELOAD_EVERY == 0) {
            hot_path_free(scope.hot);
            is_ready = hot_path_new(SET_BYTES, f->registry, metrics, &scope.hot) == STATUS_OK;
        }
    }
    if (!is_ready) {
        atomic_fetch_add(&reader->model->wrong, 1);
    }
    hot_path_free(scope.hot);
    snapshot_free(scope.snapshot);
    arena_free(scope.arena);
    return NULL;
}

/* --- writing --------------------------------------------------------------------------------- */

static unsigned begin(struct track *track, enum state state)
{
    unsigned number = atomic_load(&track->begun) + 1;
    assert_in_range(number, 1, WRITES_MAX - 1);
    atomic_store_explicit(&track->states[number], (uint8_t)state, memory_order_relaxed);
    atomic_store(&track->begun, number);
    return number;
}

static void acknowledge(struct track *track)
{
    atomic_store(&track->acknowledged, atomic_load(&track->begun));
}

static void write_records(struct model *model, uint64_t *random)
{
    struct change_set *set = fixture_set();
    size_t names[4];
    size_t count = 1 + (size_t)draw(random, 4);
    size_t first = (size_t)draw(random, NAMES / PREFIXES) * PREFIXES;
    for (size_t i = 0; i < count; i++) {
        names[i] = (first + i * PREFIXES) % NAMES;
        struct track *track = &model->names[names[i]];
        char text[32];
        char data[16];
        name_text(names[i], draw(random, 2) == 0, text);
        bool is_present = atomic_load(&track->states[atomic_load(&track->begun)]) == STATE_PRESENT;
        if (is_present && draw(random, 3) == 0) {
            (void)begin(track, STATE_ABSENT);
            assert_int_equal(change_set_delete_record(set, bytes_of_text(text)), STATUS_OK);
            continue;
        }
        (void)snprintf(data, sizeof(data), "%u", begin(track, STATE_PRESENT));
        struct value value = fixture_value(1, "URL", data, 0x0e);
        struct record record = {bytes_of_text(text), &value, 1};
        assert_int_equal(change_set_put_record(set, &record, CHANGE_REPLACE, NULL), STATUS_OK);
    }
    fixture_commit(model->f, set);
    for (size_t i = 0; i < count; i++) {
        acknowledge(&model->names[names[i]]);
    }
}

/* Only prefix 1 is stopped and started; the names written stand under 0. */
static void write_prefix(struct model *model)
{
    struct track *track = &model->prefixes[1];
    bool is_active = atomic_load(&track->states[atomic_load(&track->begun)]) == STATE_PRESENT;
    (void)begin(track, is_active ? STATE_ABSENT : STATE_PRESENT);
    fixture_home(model->f, "88.1", is_active ? PREFIX_UNHOMED : PREFIX_ACTIVE, CASE_INSENSITIVE);
    acknowledge(track);
}

static void write_first(struct model *model)
{
    for (size_t i = 0; i < PREFIXES; i++) {
        char text[16];
        (void)snprintf(text, sizeof(text), "88.%zu", i);
        (void)begin(&model->prefixes[i], STATE_PRESENT);
        fixture_home(model->f, text, PREFIX_ACTIVE, CASE_INSENSITIVE);
        acknowledge(&model->prefixes[i]);
    }
    for (size_t i = 0; i < NAMES; i++) {
        char text[32];
        name_text(i, false, text);
        (void)begin(&model->names[i], STATE_PRESENT);
        struct value value = fixture_value(1, "URL", "1", 0x0e);
        fixture_put(model->f, bytes_of_text(text), &value, 1);
        acknowledge(&model->names[i]);
    }
}

static void answers_when_others_write_are_never_older_than_what_was_acknowledged(void **state)
{
    (void)state;
    static struct fixture f;
    struct model *model = calloc(1, sizeof(*model));
    struct reader readers[READERS];
    uint64_t random = 2026;
    assert_non_null(model);
    fixture_open(&f);
    metrics_free(f.metrics);
    assert_int_equal(metrics_new(1 + READERS, &f.metrics), STATUS_OK);
    f.scope.metrics = metrics_slot(f.metrics, 0);
    model->f = &f;
    write_first(model);
    for (unsigned i = 0; i < READERS; i++) {
        readers[i] = (struct reader){.model = model, .slot = i + 1, .random = i};
        assert_int_equal(pthread_create(&readers[i].thread, NULL, reader_run, &readers[i]), 0);
    }
    for (unsigned i = 0; i < COMMITS && atomic_load(&model->wrong) == 0; i++) {
        if (draw(&random, 8) == 0) {
            write_prefix(model);
        } else {
            write_records(model, &random);
        }
    }
    atomic_store(&model->is_over, true);
    for (unsigned i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(readers[i].thread, NULL), 0);
    }
    assert_int_equal(atomic_load(&model->wrong), 0);
    assert_true(atomic_load(&model->asked) > COMMITS);
    assert_true(atomic_load(&model->hits) > 0);
    fixture_close(&f);
    free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_when_others_write_are_never_older_than_what_was_acknowledged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
