/* SPDX-License-Identifier: Apache-2.0
 *
 * Cursors: what fits is read and written, what does not leaves a failed cursor and nothing else
 * (protocol.md §2, §14 rows 31, 32).
 */
#include "tests/unit/protocol/vectors.h"

#include <stdlib.h>

static const uint8_t ramp[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

static void numbers_when_in_the_bytes_then_big_endian(void **state)
{
    struct wire_reader r = wire_read(bytes_of(ramp + 1, 15));
    (void)state;
    assert_int_equal(wire_u8(&r), 0x01);
    assert_int_equal(wire_u16(&r), 0x0203);
    assert_int_equal(wire_u32(&r), 0x04050607);
    assert_true(wire_u64(&r) == 0x08090a0b0c0d0e0f);
    assert_true(wire_ok(&r));
    assert_true(wire_done(&r));
    assert_int_equal(wire_left(&r), 0);
}

static void numbers_when_past_the_end_then_zero_and_failed(void **state)
{
    (void)state;
    for (size_t len = 0; len < 8; len++) {
        struct bytes bytes = bytes_of(ramp + 8, len);
        struct wire_reader r1 = wire_read(bytes_of(ramp, 0));
        struct wire_reader r2 = wire_read(bytes_of(ramp + 8, len < 2 ? len : 1));
        struct wire_reader r4 = wire_read(bytes_of(ramp + 8, len < 4 ? len : 3));
        struct wire_reader r8 = wire_read(bytes);
        assert_int_equal(wire_u8(&r1), 0);
        assert_int_equal(wire_u16(&r2), 0);
        assert_int_equal(wire_u32(&r4), 0);
        (void)wire_u64(&r8);
        assert_false(wire_ok(&r1) || wire_ok(&r2) || wire_ok(&r4) || wire_ok(&r8));
    }
}

static void reader_when_failed_then_stays_failed(void **state)
{
    struct wire_reader r = wire_read(bytes_of(ramp, 3));
    (void)state;
    assert_int_equal(wire_u32(&r), 0);
    assert_int_equal(wire_left(&r), 0);
    assert_int_equal(wire_u8(&r), 0); /* a byte is there, but too late */
    assert_int_equal(wire_take(&r, 0).len, 0);
    assert_false(wire_ok(&r));
    assert_false(wire_done(&r));
}

static void reader_when_not_at_the_end_then_not_done(void **state)
{
    struct wire_reader r = wire_read(bytes_of(ramp, 2));
    (void)state;
    (void)wire_u8(&r);
    assert_true(wire_ok(&r));
    assert_false(wire_done(&r));
    assert_int_equal(wire_left(&r), 1);
}

static void reader_when_of_nothing_then_done(void **state)
{
    struct wire_reader r = wire_read(BYTES_NONE);
    struct wire_reader lying = wire_read((struct bytes){NULL, 5});
    (void)state;
    assert_true(wire_done(&r));
    assert_int_equal(wire_take(&r, 0).len, 0);
    assert_true(wire_done(&r));
    assert_int_equal(wire_take(&lying, 1).len, 0);
    assert_false(wire_ok(&lying));
}

static void run_when_its_length_lies_then_failed(void **state)
{
    static const uint32_t lengths[] = {5, 0x7fffffff, 0x80000000, 0xffffffff};
    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        uint8_t bytes[8] = {0};
        wire_store_u32(bytes, lengths[i]);
        struct wire_reader r = wire_read(bytes_of(bytes, sizeof(bytes)));
        assert_int_equal(wire_bytes(&r).len, 0);
        assert_false(wire_ok(&r));
    }
    uint8_t fits[8] = {0, 0, 0, 4, 'a', 'b', 'c', 'd'};
    struct wire_reader r = wire_read(bytes_of(fits, sizeof(fits)));
    vectors_assert_equal(wire_bytes(&r), BYTES_LITERAL("abcd"));
    assert_true(wire_done(&r));
}

static void count_when_elements_cannot_be_there_then_failed(void **state)
{
    uint8_t bytes[12] = {0, 0, 0, 2};
    struct wire_reader exact = wire_read(bytes_of(bytes, 12));
    struct wire_reader large = wire_read(bytes_of(bytes, 12));
    struct wire_reader none = wire_read(bytes_of(bytes, 2));
    (void)state;
    assert_int_equal(wire_count(&exact, 4), 2);
    assert_true(wire_ok(&exact));
    assert_int_equal(wire_count(&large, 5), 0);
    assert_false(wire_ok(&large));
    assert_int_equal(wire_count(&none, 4), 0);
    assert_false(wire_ok(&none));
    memset(bytes, 0xff, 4);
    struct wire_reader absurd = wire_read(bytes_of(bytes, 12));
    assert_int_equal(wire_count(&absurd, 1), 0);
    assert_false(wire_ok(&absurd));
}

static void int_list_when_read_then_kept_encoded(void **state)
{
    uint8_t bytes[] = {0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 5};
    uint32_t count = 0;
    struct wire_reader r = wire_read(bytes_of(bytes, sizeof(bytes)));
    (void)state;
    vectors_assert_equal(wire_int_list(&r, &count), bytes_of(bytes + 4, 8));
    assert_int_equal(count, 2);
    assert_true(wire_done(&r));
    bytes[3] = 3;
    struct wire_reader lie = wire_read(bytes_of(bytes, sizeof(bytes)));
    assert_int_equal(wire_int_list(&lie, &count).len, 0);
    assert_int_equal(count, 0);
    assert_false(wire_ok(&lie));
}

static void text_list_when_read_then_each_looked_at(void **state)
{
    uint8_t bytes[] = {0, 0, 0, 2, 0, 0, 0, 1, 'a', 0, 0, 0, 2, 'b', 'c'};
    uint32_t count = 0;
    struct wire_reader r = wire_read(bytes_of(bytes, sizeof(bytes)));
    (void)state;
    vectors_assert_equal(wire_text_list(&r, &count), bytes_of(bytes + 4, sizeof(bytes) - 4));
    assert_int_equal(count, 2);
    assert_true(wire_done(&r));
    bytes[12] = 3;
    struct wire_reader lie = wire_read(bytes_of(bytes, sizeof(bytes)));
    assert_int_equal(wire_text_list(&lie, &count).len, 0);
    assert_false(wire_ok(&lie));
    bytes[7] = 9;
    struct wire_reader early = wire_read(bytes_of(bytes, sizeof(bytes)));
    assert_int_equal(wire_text_list(&early, &count).len, 0);
    assert_false(wire_ok(&early));
}

static void writer_when_everything_fits_then_what_a_reader_reads(void **state)
{
    uint8_t out[37];
    struct wire_writer w = wire_write(out, sizeof(out));
    (void)state;
    wire_put_u8(&w, 0xfe);
    wire_put_u16(&w, 0xfedc);
    wire_put_u32(&w, 0xfedcba98);
    wire_put_u64(&w, 0xfedcba9876543210);
    wire_put_raw(&w, BYTES_LITERAL("xy"));
    wire_put_raw(&w, BYTES_NONE);
    wire_put_bytes(&w, BYTES_LITERAL("z"));
    wire_put_bytes(&w, BYTES_NONE);
    wire_put_list(&w, 1, bytes_of(ramp, 4));
    uint8_t *one_byte = wire_room(&w, 1);
    assert_ptr_equal(one_byte, out + 34);
    *one_byte = 7;
    assert_int_equal(wire_wrote(&w).len, 35);
    struct wire_reader r = wire_read(wire_wrote(&w));
    assert_int_equal(wire_u8(&r), 0xfe);
    assert_int_equal(wire_u16(&r), 0xfedc);
    assert_int_equal(wire_u32(&r), 0xfedcba98);
    assert_true(wire_u64(&r) == 0xfedcba9876543210);
    vectors_assert_equal(wire_take(&r, 2), BYTES_LITERAL("xy"));
    vectors_assert_equal(wire_bytes(&r), BYTES_LITERAL("z"));
    assert_int_equal(wire_bytes(&r).len, 0);
    uint32_t count = 0;
    vectors_assert_equal(wire_int_list(&r, &count), bytes_of(ramp, 4));
    assert_int_equal(wire_u8(&r), 7);
    assert_true(wire_done(&r));
}

/* Calls each writing function with one byte too little; nothing may be written, nothing given. */
static void writer_when_full_then_failed_and_nothing_written(void **state)
{
    (void)state;
    for (unsigned which = 0; which < 7; which++) {
        static const size_t needs[] = {1, 2, 4, 8, 3, 7, 8};
        size_t size = needs[which] - 1;
        uint8_t *out = malloc(size == 0 ? 1 : size);
        assert_non_null(out);
        struct wire_writer w = wire_write(out, size);
        switch (which) {
        case 0:
            wire_put_u8(&w, 1);
            break;
        case 1:
            wire_put_u16(&w, 1);
            break;
        case 2:
            wire_put_u32(&w, 1);
            break;
        case 3:
            wire_put_u64(&w, 1);
            break;
        case 4:
            wire_put_raw(&w, BYTES_LITERAL("abc"));
            break;
        case 5:
            wire_put_bytes(&w, BYTES_LITERAL("abc"));
            break;
        default:
            wire_put_list(&w, 1, bytes_of(ramp, 4));
            break;
        }
        assert_true(w.failed);
        assert_null(wire_wrote(&w).data);
        assert_null(wire_room(&w, 0));
        free(out);
    }
}

static void writer_when_run_is_over_int4_then_failed(void **state)
{
    uint8_t out[8];
    struct wire_writer w = wire_write(out, sizeof(out));
    (void)state;
    wire_put_bytes(&w, (struct bytes){ramp, (size_t)INT32_MAX + 1});
    assert_true(w.failed);
    assert_ptr_equal(w.at, out);
}

static void length_when_filled_then_counts_what_follows(void **state)
{
    uint8_t out[16];
    struct wire_writer w = wire_write(out, sizeof(out));
    (void)state;
    uint8_t *outer = wire_open_length(&w);
    uint8_t *inner = wire_open_length(&w);
    wire_put_raw(&w, BYTES_LITERAL("abc"));
    wire_fill_length(&w, inner);
    wire_fill_length(&w, outer);
    static const uint8_t wanted[] = {0, 0, 0, 7, 0, 0, 0, 3, 'a', 'b', 'c'};
    vectors_assert_equal(wire_wrote(&w), bytes_of(wanted, sizeof(wanted)));
}

static void length_when_writer_failed_then_left_alone(void **state)
{
    uint8_t out[3];
    struct wire_writer w = wire_write(out, sizeof(out));
    (void)state;
    uint8_t *mark = wire_open_length(&w);
    assert_null(mark);
    wire_fill_length(&w, mark);
    assert_true(w.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_when_in_the_bytes_then_big_endian),
        cmocka_unit_test(numbers_when_past_the_end_then_zero_and_failed),
        cmocka_unit_test(reader_when_failed_then_stays_failed),
        cmocka_unit_test(reader_when_not_at_the_end_then_not_done),
        cmocka_unit_test(reader_when_of_nothing_then_done),
        cmocka_unit_test(run_when_its_length_lies_then_failed),
        cmocka_unit_test(count_when_elements_cannot_be_there_then_failed),
        cmocka_unit_test(int_list_when_read_then_kept_encoded),
        cmocka_unit_test(text_list_when_read_then_each_looked_at),
        cmocka_unit_test(writer_when_everything_fits_then_what_a_reader_reads),
        cmocka_unit_test(writer_when_full_then_failed_and_nothing_written),
        cmocka_unit_test(writer_when_run_is_over_int4_then_failed),
        cmocka_unit_test(length_when_filled_then_counts_what_follows),
        cmocka_unit_test(length_when_writer_failed_then_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
