/* SPDX-License-Identifier: Apache-2.0
 *
 * Prefix and enterprise rows: round trip and damage.
 */
#include "tests/unit/registry/store_fixture.h"

#include "registry/prefix_row.h"

#define KEY BYTES_LITERAL("88.1000")

static struct bytes encode(uint8_t *room)
{
    struct prefix_row row = fixture_prefix("88.1000");
    row.version = 3;
    row.created_ms = FIXTURE_NOW_MS;
    row.state = PREFIX_STOPPED;
    row.hosting = PREFIX_DELEGATED;
    row.case_rule = CASE_SENSITIVE;
    row.max_identifiers = 1ull << 40;
    row.max_bytes = 99;
    row.slot = 17;
    struct wire_writer w = wire_write(room, PREFIX_ROW_MAX);
    prefix_row_encode(&w, &row, 4711);
    return wire_wrote(&w);
}

static void prefix_row_when_decoded_is_what_was_encoded(void **state)
{
    (void)state;
    uint8_t room[PREFIX_ROW_MAX];
    struct prefix_row row;
    uint64_t position = 0;
    assert_int_equal(prefix_row_decode(KEY, encode(room), &row, &position), STATUS_OK);
    assert_true(bytes_equal(row.prefix, KEY));
    assert_true(bytes_equal(row.enterprise, BYTES_LITERAL("self")));
    assert_int_equal(row.version, 3);
    assert_int_equal(row.created_ms, FIXTURE_NOW_MS);
    assert_int_equal(row.state, PREFIX_STOPPED);
    assert_int_equal(row.hosting, PREFIX_DELEGATED);
    assert_int_equal(row.case_rule, CASE_SENSITIVE);
    assert_int_equal(row.max_identifiers, 1ull << 40);
    assert_int_equal(row.max_bytes, 99);
    assert_int_equal(row.slot, 17);
    assert_int_equal(position, 4711);
}

static void prefix_row_damaged_anywhere_is_corrupt(void **state)
{
    (void)state;
    uint8_t room[PREFIX_ROW_MAX];
    struct bytes good = encode(room);
    struct prefix_row row;
    for (size_t i = 0; i < good.len * 8; i++) {
        room[i / 8] ^= (uint8_t)(1u << i % 8);
        assert_int_equal(prefix_row_decode(KEY, good, &row, NULL), STATUS_CORRUPT);
        room[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    for (size_t len = 0; len < good.len; len++) {
        assert_int_equal(prefix_row_decode(KEY, bytes_of(room, len), &row, NULL), STATUS_CORRUPT);
    }
    assert_int_equal(prefix_row_decode(BYTES_LITERAL("88.1001"), good, &row, NULL), STATUS_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefix_row_when_decoded_is_what_was_encoded),
        cmocka_unit_test(prefix_row_damaged_anywhere_is_corrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
