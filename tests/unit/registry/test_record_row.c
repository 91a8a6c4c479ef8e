/* SPDX-License-Identifier: Apache-2.0
 *
 * Record rows: round trip, spelling, and every way to damage one.
 */
#include "tests/unit/registry/store_fixture.h"

#include "registry/record_row.h"

struct sample {
    struct record_key key;
    struct record_row row;
    uint8_t encoded[4096];
    size_t len;
};

static void make(struct sample *s, struct bytes handle, enum case_rule rule)
{
    assert_int_equal(keys_record(handle, rule, &s->key), STATUS_OK);
    s->row = (struct record_row){
        .version = 7,
        .position = 1234567890123,
        .created_ms = FIXTURE_NOW_MS,
        .changed_ms = FIXTURE_NOW_MS + 5,
        .flags = RECORD_ALL_PUBLIC,
        .handle = handle,
        .values = BYTES_LITERAL("\0\0\0\0"),
    };
    s->len = record_row_encoded_len(&s->key, &s->row);
    struct wire_writer w = wire_write(s->encoded, sizeof(s->encoded));
    record_row_encode(&w, &s->key, &s->row);
    assert_int_equal(wire_wrote(&w).len, s->len);
    record_row_seal(s->key.key, s->encoded, s->len, &s->row);
}

static void row_when_decoded_is_what_was_encoded(void **state)
{
    (void)state;
    struct sample s;
    struct record_row row;
    make(&s, BYTES_LITERAL("88.1000/Part-7"), CASE_INSENSITIVE);
    assert_int_equal(record_row_decode(s.key.key, bytes_of(s.encoded, s.len), &row), STATUS_OK);
    assert_int_equal(row.version, 7);
    assert_int_equal(row.position, 1234567890123);
    assert_int_equal(row.created_ms, FIXTURE_NOW_MS);
    assert_int_equal(row.changed_ms, FIXTURE_NOW_MS + 5);
    assert_int_equal(row.flags, RECORD_ALL_PUBLIC);
    assert_true(bytes_equal(row.handle, s.row.handle));
    assert_true(bytes_equal(row.values, s.row.values));
}

static void row_of_a_handle_spelled_as_its_key_stores_no_spelling(void **state)
{
    (void)state;
    struct sample s;
    struct record_row row;
    make(&s, BYTES_LITERAL("88.1000/PART"), CASE_INSENSITIVE);
    assert_int_equal(s.len, RECORD_ROW_FIXED + 4);
    assert_int_equal(record_row_decode(s.key.key, bytes_of(s.encoded, s.len), &row), STATUS_OK);
    assert_true(bytes_equal(row.handle, s.row.handle));
}

static void row_of_a_shortened_key_knows_its_handle(void **state)
{
    (void)state;
    uint8_t handle[600];
    memset(handle, 'X', sizeof(handle));
    static const char start[] = {'8', '8', '.', '1', '0', '0', '0', '/'};
    memcpy(handle, start, sizeof(start));
    struct sample s;
    struct record_row row;
    make(&s, bytes_of(handle, sizeof(handle)), CASE_INSENSITIVE);
    assert_int_equal(record_row_decode(s.key.key, bytes_of(s.encoded, s.len), &row), STATUS_OK);
    assert_true(record_row_is_of(&row, &s.key, CASE_INSENSITIVE));
    struct record_key other;
    handle[599] = 'Y';
    assert_int_equal(keys_record(bytes_of(handle, sizeof(handle)), CASE_INSENSITIVE, &other),
                     STATUS_OK);
    assert_false(record_row_is_of(&row, &other, CASE_INSENSITIVE));
}

static void row_with_any_bit_flipped_is_corrupt(void **state)
{
    (void)state;
    struct sample s;
    make(&s, BYTES_LITERAL("88.1000/Part-7"), CASE_INSENSITIVE);
    for (size_t i = 0; i < s.len * 8; i++) {
        s.encoded[i / 8] ^= (uint8_t)(1u << i % 8);
        struct record_row row;
        assert_int_equal(record_row_decode(s.key.key, bytes_of(s.encoded, s.len), &row),
                         STATUS_CORRUPT);
        s.encoded[i / 8] ^= (uint8_t)(1u << i % 8);
    }
}

static void row_cut_anywhere_is_corrupt(void **state)
{
    (void)state;
    struct sample s;
    make(&s, BYTES_LITERAL("88.1000/Part-7"), CASE_INSENSITIVE);
    for (size_t len = 0; len < s.len; len++) {
        struct record_row row;
        assert_int_equal(record_row_decode(s.key.key, bytes_of(s.encoded, len), &row),
                         STATUS_CORRUPT);
    }
}

/* The row's length comes from a page that may be damaged: nothing behind the bound is read. */
static void row_longer_than_any_record_is_not_read(void **state)
{
    (void)state;
    struct sample s;
    struct record_row row;
    make(&s, BYTES_LITERAL("88.1000/Part-7"), CASE_INSENSITIVE);
    assert_int_equal(record_row_decode(s.key.key, bytes_of(s.encoded, RECORD_ROW_MAX + 1), &row),
                     STATUS_CORRUPT);
}

static void row_under_another_key_is_corrupt(void **state)
{
    (void)state;
    struct sample s;
    struct record_row row;
    make(&s, BYTES_LITERAL("88.1000/PART"), CASE_INSENSITIVE);
    assert_int_equal(
        record_row_decode(BYTES_LITERAL("88.1000/PARS"), bytes_of(s.encoded, s.len), &row),
        STATUS_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(row_when_decoded_is_what_was_encoded),
        cmocka_unit_test(row_of_a_handle_spelled_as_its_key_stores_no_spelling),
        cmocka_unit_test(row_of_a_shortened_key_knows_its_handle),
        cmocka_unit_test(row_with_any_bit_flipped_is_corrupt),
        cmocka_unit_test(row_cut_anywhere_is_corrupt),
        cmocka_unit_test(row_longer_than_any_record_is_not_read),
        cmocka_unit_test(row_under_another_key_is_corrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
