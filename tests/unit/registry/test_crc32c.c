/* SPDX-License-Identifier: Apache-2.0
 *
 * CRC-32C against its published vectors (RFC 3720 B.4), and both ways of computing it together.
 */
#include "tests/unit/registry/store_fixture.h"

#include "registry/crc32c.h"

static void crc32c_of_published_vectors_is_as_published(void **state)
{
    (void)state;
    uint8_t zeros[32] = {0};
    uint8_t ones[32];
    uint8_t rising[32];
    memset(ones, 0xff, sizeof(ones));
    for (size_t i = 0; i < sizeof(rising); i++) {
        rising[i] = (uint8_t)i;
    }
    assert_int_equal(crc32c_extend(0, BYTES_LITERAL("123456789")), 0xe3069283);
    assert_int_equal(crc32c_extend(0, bytes_of(zeros, 32)), 0x8a9136aa);
    assert_int_equal(crc32c_extend(0, bytes_of(ones, 32)), 0x62a8ab43);
    assert_int_equal(crc32c_extend(0, bytes_of(rising, 32)), 0x46dd794e);
}

static void crc32c_by_table_and_by_instruction_are_equal(void **state)
{
    (void)state;
    uint8_t data[300];
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)(i * 131 + 7);
    }
    for (size_t start = 0; start < 9; start++) {
        for (size_t len = 0; len + start < sizeof(data); len += 3) {
            struct bytes run = bytes_of(data + start, len);
            assert_int_equal(crc32c_extend(77, run), crc32c_extend_portable(77, run));
        }
    }
}

static void crc32c_of_a_row_leaves_out_its_own_place(void **state)
{
    (void)state;
    uint8_t row[] = "abcdEFGHijkl";
    struct bytes all = bytes_of(row, 12);
    uint32_t before = crc32c_row(BYTES_LITERAL("key"), all, 4);
    row[5] ^= 1;
    assert_int_equal(crc32c_row(BYTES_LITERAL("key"), all, 4), before);
    row[8] ^= 1;
    assert_int_not_equal(crc32c_row(BYTES_LITERAL("key"), all, 4), before);
    row[8] ^= 1;
    assert_int_not_equal(crc32c_row(BYTES_LITERAL("kez"), all, 4), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc32c_of_published_vectors_is_as_published),
        cmocka_unit_test(crc32c_by_table_and_by_instruction_are_equal),
        cmocka_unit_test(crc32c_of_a_row_leaves_out_its_own_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
