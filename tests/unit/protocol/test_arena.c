/* SPDX-License-Identifier: Apache-2.0
 *
 * The arena: aligned pieces, one bound over all blocks, everything given back at once.
 */
#include "tests/unit/protocol/vectors.h"

#include <stdalign.h>

static void alloc_when_any_size_then_aligned_and_apart(void **state)
{
    struct arena *arena = arena_new(64, 1 << 16);
    uint8_t *previous = NULL;
    (void)state;
    assert_non_null(arena);
    for (size_t len = 0; len < 100; len++) {
        uint8_t *piece = arena_alloc(arena, len);
        assert_non_null(piece);
        assert_int_equal((uintptr_t)piece % alignof(max_align_t), 0);
        assert_ptr_not_equal(piece, previous);
        memset(piece, (int)len, len);
        if (len > 1) {
            assert_int_equal(previous[0], len - 1);
        }
        previous = piece;
    }
    arena_free(arena);
}

static void alloc_when_bound_is_reached_then_null(void **state)
{
    struct arena *arena = arena_new(64, 256);
    (void)state;
    assert_non_null(arena);
    assert_non_null(arena_alloc(arena, 64));
    assert_non_null(arena_alloc(arena, 100)); /* rounded to 112 of the 192 left */
    assert_null(arena_alloc(arena, 100));
    assert_non_null(arena_alloc(arena, 80)); /* exactly what is left */
    assert_null(arena_alloc(arena, 1));
    assert_null(arena_alloc(arena, 0));
    assert_int_equal(arena_used(arena), 256);
    arena_reset(arena);
    assert_int_equal(arena_used(arena), 0);
    assert_non_null(arena_alloc(arena, 64));
    arena_free(arena);
}

static void alloc_when_absurd_then_null(void **state)
{
    struct arena *arena = arena_new(64, SIZE_MAX);
    (void)state;
    assert_non_null(arena);
    assert_null(arena_alloc(arena, SIZE_MAX));
    assert_null(arena_alloc(arena, SIZE_MAX - 7));
    assert_null(arena_calloc(arena, SIZE_MAX / 2, 3));
    assert_int_equal(arena_used(arena), 0);
    arena_free(arena);
}

static void calloc_when_memory_was_used_then_cleared(void **state)
{
    static const uint8_t zeros[48];
    struct arena *arena = arena_new(64, 64);
    (void)state;
    assert_non_null(arena);
    memset(arena_alloc(arena, 64), 0xff, 64);
    arena_reset(arena);
    uint8_t *piece = arena_calloc(arena, 3, 16);
    assert_non_null(piece);
    assert_memory_equal(piece, zeros, sizeof(zeros));
    assert_null(arena_calloc(arena, 2, 16));
    arena_free(arena);
}

static void reset_when_blocks_were_added_then_first_block_is_kept(void **state)
{
    struct arena *arena = arena_new(64, 1 << 16);
    (void)state;
    assert_non_null(arena);
    const void *first = arena_alloc(arena, 16);
    assert_non_null(arena_alloc(arena, 1000));
    assert_non_null(arena_alloc(arena, 1000));
    arena_reset(arena);
    assert_ptr_equal(arena_alloc(arena, 16), first);
    arena_free(arena);
}

static void copies_when_room_then_equal_and_apart(void **state)
{
    struct arena *arena = arena_new(64, 64);
    struct bytes from = BYTES_LITERAL("abc");
    (void)state;
    assert_non_null(arena);
    struct bytes copy = arena_copy(arena, from);
    vectors_assert_equal(copy, from);
    assert_ptr_not_equal(copy.data, from.data);
    assert_null(arena_copy(arena, BYTES_NONE).data);
    assert_string_equal(arena_text(arena, from), "abc");
    assert_string_equal(arena_text(arena, BYTES_NONE), "");
    arena_free(arena);
}

static void copies_when_no_room_then_no_data(void **state)
{
    static const uint8_t many[100];
    struct arena *arena = arena_new(16, 16);
    (void)state;
    assert_non_null(arena);
    struct bytes copy = arena_copy(arena, bytes_of(many, sizeof(many)));
    assert_null(copy.data);
    assert_int_equal(copy.len, sizeof(many));
    assert_null(arena_text(arena, bytes_of(many, sizeof(many))));
    arena_free(arena);
}

static void new_when_first_is_above_the_bound_then_first_counts(void **state)
{
    struct arena *arena = arena_new(128, 16);
    (void)state;
    assert_non_null(arena);
    assert_non_null(arena_alloc(arena, 128));
    assert_null(arena_alloc(arena, 1));
    arena_free(arena);
    arena_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alloc_when_any_size_then_aligned_and_apart),
        cmocka_unit_test(alloc_when_bound_is_reached_then_null),
        cmocka_unit_test(alloc_when_absurd_then_null),
        cmocka_unit_test(calloc_when_memory_was_used_then_cleared),
        cmocka_unit_test(reset_when_blocks_were_added_then_first_block_is_kept),
        cmocka_unit_test(copies_when_room_then_equal_and_apart),
        cmocka_unit_test(copies_when_no_room_then_no_data),
        cmocka_unit_test(new_when_first_is_above_the_bound_then_first_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
