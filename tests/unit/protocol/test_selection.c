/* SPDX-License-Identifier: Apache-2.0
 *
 * Indexes and types asked for: hashed lists select what one-by-one comparing selects, whatever the
 * key (protocol.md §5.2).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants those before it */
#include <cmocka.h>
#include <stdio.h>

#include "protocol/selection.h"

#define ROOM (1 << 18)
#define MANY 2048
#define ROUNDS 2000

struct list {
    uint8_t room[ROOM];
    struct wire_writer w;
    struct body_resolution asked;
};

static struct list *list_of(struct arena *arena)
{
    struct list *list = arena_calloc(arena, 1, sizeof(*list));
    assert_non_null(list);
    list->w = wire_write(list->room, ROOM);
    return list;
}

static void list_add(struct list *list, struct bytes type)
{
    wire_put_bytes(&list->w, type);
    list->asked.types = wire_wrote(&list->w);
    list->asked.type_count++;
}

static int setup(void **state)
{
    *state = arena_new(1 << 16, 8 << 20);
    return *state == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    arena_free(*state);
    return 0;
}

static bool is_selected(struct arena *arena, const struct list *list, uint64_t key,
                        struct bytes type)
{
    struct selection selection;
    struct value value = {.index = 7, .type = type};
    assert_int_equal(selection_init(&selection, &list->asked, arena, key), STATUS_OK);
    return selection_has(&selection, &value);
}

/* Enough types that match nothing to have the list hashed. */
static void pad(struct list *list)
{
    for (int i = 0; i < SELECTION_HASHED; i++) {
        list_add(list, BYTES_LITERAL("NO_SUCH_TYPE"));
    }
}

static void types_when_hashed_match_names_dots_and_case(void **state)
{
    static const struct {
        const char *asked;
        const char *type;
        bool is_match;
    } cases[] = {
        {"URL", "URL", true},       {"url", "Url", true},       {"URL", "URL.HTTP", false},
        {"URL.", "URL", true},      {"url.", "URL.http", true}, {"URL.", "URLS", false},
        {"URL.HTTP", "URL", false}, {"URL.", "URL.", true},     {"URL", "URL.", false},
        {"A.B.", "a.b.c.d", true},  {"A.B.", "A.BC.D", false},  {".", ".x", true},
        {".", "x", false},          {"", "x", false},           {"", "", true},
        {"..", "..", true},         {"..", ".", true},          {"A", "B", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct list *list = list_of(*state);
        struct bytes type = bytes_of_text(cases[i].type);
        list_add(list, bytes_of_text(cases[i].asked));
        assert_int_equal(is_selected(*state, list, 1, type), cases[i].is_match);
        pad(list);
        for (uint64_t key = 0; key < 4; key++) {
            assert_int_equal(is_selected(*state, list, key << 59 | 12345 * key, type),
                             cases[i].is_match);
        }
        arena_reset(*state);
    }
}

/* A small generator, so that every run is the same. */
static uint32_t next(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(*seed >> 33);
}

static struct bytes random_type(struct arena *arena, uint64_t *seed)
{
    static const char letters[] = "aAbB..";
    size_t len = next(seed) % 5;
    uint8_t *text = arena_alloc(arena, len + 1);
    assert_non_null(text);
    for (size_t i = 0; i < len; i++) {
        text[i] = (uint8_t)letters[next(seed) % (sizeof(letters) - 1)];
    }
    return bytes_of(text, len);
}

static void types_when_hashed_select_what_comparing_selects(void **state)
{
    struct arena *arena = *state;
    uint64_t seed = 11;
    size_t selected = 0;
    for (int round = 0; round < ROUNDS; round++) {
        struct list *list = list_of(arena);
        size_t count = SELECTION_HASHED + next(&seed) % 8;
        struct bytes type = random_type(arena, &seed);
        bool is_match = false;
        for (size_t i = 0; i < count; i++) {
            struct bytes asked = random_type(arena, &seed);
            list_add(list, asked);
            is_match |= value_type_matches(type, asked);
        }
        assert_int_equal(is_selected(arena, list, (uint64_t)next(&seed) << 30, type), is_match);
        selected += is_match;
        arena_reset(arena);
    }
    assert_in_range(selected, ROUNDS / 10, ROUNDS - ROUNDS / 10);
}

static void types_when_many_and_alike_are_told_apart(void **state)
{
    struct arena *arena = *state;
    struct list *list = list_of(arena);
    char text[100];
    for (unsigned i = 0; i < MANY; i++) {
        (void)snprintf(text, sizeof(text), "%080u%u", 0U, 2 * i);
        list_add(list, bytes_of_text(text));
    }
    struct selection selection;
    assert_int_equal(selection_init(&selection, &list->asked, arena, UINT64_MAX), STATUS_OK);
    for (unsigned i = 0; i < 2 * MANY; i++) {
        (void)snprintf(text, sizeof(text), "%080u%u", 0U, i);
        struct value value = {.index = 1, .type = bytes_of_text(text)};
        assert_int_equal(selection_has(&selection, &value), i % 2 == 0);
    }
}

static void types_when_one_is_asked_for_a_thousand_times_take_one_place(void **state)
{
    struct list *list = list_of(*state);
    for (unsigned i = 0; i < MANY; i++) {
        list_add(list, BYTES_LITERAL("SAME"));
    }
    assert_true(is_selected(*state, list, 3, BYTES_LITERAL("same")));
    assert_false(is_selected(*state, list, 3, BYTES_LITERAL("other")));
}

static void indexes_and_types_are_a_union_and_nothing_is_everything(void **state)
{
    struct list *list = list_of(*state);
    static const uint8_t seven[] = {0, 0, 0, 9, 0, 0, 0, 7};
    assert_true(is_selected(*state, list, 0, BYTES_LITERAL("ANY")));
    list->asked.indexes = bytes_of(seven, sizeof(seven));
    list->asked.index_count = 1;
    assert_false(is_selected(*state, list, 0, BYTES_LITERAL("ANY")));
    list->asked.index_count = 2;
    assert_true(is_selected(*state, list, 0, BYTES_LITERAL("ANY")));
    list->asked.index_count = 1;
    pad(list);
    list_add(list, BYTES_LITERAL("ANY"));
    assert_true(is_selected(*state, list, 0, BYTES_LITERAL("ANY")));
    assert_false(is_selected(*state, list, 0, BYTES_LITERAL("OTHER")));
}

static void table_when_memory_is_out_is_told(void **state)
{
    struct list *list = list_of(*state);
    struct arena *small = arena_new(64, 64);
    struct selection selection;
    pad(list);
    assert_non_null(small);
    assert_int_equal(selection_init(&selection, &list->asked, small, 1), STATUS_NO_MEMORY);
    arena_free(small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_when_hashed_match_names_dots_and_case),
        cmocka_unit_test(types_when_hashed_select_what_comparing_selects),
        cmocka_unit_test(types_when_many_and_alike_are_told_apart),
        cmocka_unit_test(types_when_one_is_asked_for_a_thousand_times_take_one_place),
        cmocka_unit_test(indexes_and_types_are_a_union_and_nothing_is_everything),
        cmocka_unit_test(table_when_memory_is_out_is_told),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
