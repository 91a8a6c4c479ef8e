/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys: folding, the 470-byte rule, order, room under LMDB's limit.
 */
#include "tests/unit/registry/store_fixture.h"

#include "registry/keys.h"

static struct bytes long_handle(uint8_t *room, size_t len, char last)
{
    memset(room, 'x', len);
    static const char start[] = {'8', '8', '.', '1', '0', '0', '0', '/'};
    memcpy(room, start, sizeof(start));
    room[len - 1] = (uint8_t)last;
    return bytes_of(room, len);
}

static void record_key_up_to_470_bytes_is_the_folded_handle(void **state)
{
    (void)state;
    uint8_t room[HANDLE_MAX];
    struct record_key key;
    assert_int_equal(keys_record(long_handle(room, 470, 'z'), CASE_INSENSITIVE, &key), STATUS_OK);
    assert_int_equal(key.key.len, 470);
    assert_false(keys_is_shortened(key.key));
    assert_true(bytes_equal(key.key, key.canonical));
    assert_int_equal(key.key.data[469], 'Z');
}

static void record_key_over_470_bytes_ends_in_a_hash(void **state)
{
    (void)state;
    uint8_t room[HANDLE_MAX];
    struct record_key a;
    struct record_key b;
    for (size_t len = 471; len <= HANDLE_MAX; len += 97) {
        assert_int_equal(keys_record(long_handle(room, len, 'a'), CASE_INSENSITIVE, &a), STATUS_OK);
        assert_int_equal(keys_record(long_handle(room, len, 'b'), CASE_INSENSITIVE, &b), STATUS_OK);
        assert_int_equal(a.key.len, KEYS_RECORD_MAX);
        assert_true(keys_is_shortened(a.key));
        assert_memory_equal(a.key.data, b.key.data, 470);
        assert_false(bytes_equal(a.key, b.key));
        assert_int_equal(a.canonical.len, len);
    }
}

static void record_key_of_an_impossible_handle_is_refused(void **state)
{
    (void)state;
    static const uint8_t room[HANDLE_MAX + 1];
    struct record_key key;
    assert_int_equal(keys_record(BYTES_NONE, CASE_INSENSITIVE, &key), STATUS_INVALID_HANDLE);
    assert_int_equal(keys_record(bytes_of(room, sizeof(room)), CASE_INSENSITIVE, &key),
                     STATUS_INVALID_HANDLE);
}

static void record_key_by_case_rule_folds_the_suffix_or_not(void **state)
{
    (void)state;
    struct record_key key;
    struct bytes handle = BYTES_LITERAL("88.a/Bc");
    assert_int_equal(keys_record(handle, CASE_INSENSITIVE, &key), STATUS_OK);
    assert_true(bytes_equal(key.key, BYTES_LITERAL("88.A/BC")));
    assert_int_equal(keys_record(handle, CASE_SENSITIVE, &key), STATUS_OK);
    assert_true(bytes_equal(key.key, BYTES_LITERAL("88.A/Bc")));
    assert_int_equal(keys_record(BYTES_LITERAL("0.na/88.x"), CASE_SENSITIVE, &key), STATUS_OK);
    assert_true(bytes_equal(key.key, BYTES_LITERAL("0.NA/88.X")));
}

static void record_key_of_its_canonical_handle_is_itself(void **state)
{
    (void)state;
    uint8_t room[HANDLE_MAX];
    struct record_key first;
    struct record_key again;
    for (int rule = CASE_INSENSITIVE; rule <= CASE_SENSITIVE; rule++) {
        assert_int_equal(keys_record(long_handle(room, 700, 'q'), (enum case_rule)rule, &first),
                         STATUS_OK);
        assert_int_equal(keys_record(first.canonical, CASE_SENSITIVE, &again), STATUS_OK);
        assert_true(bytes_equal(first.key, again.key));
    }
}

static void history_key_of_the_longest_record_fits_lmdb(void **state)
{
    (void)state;
    uint8_t room[HANDLE_MAX];
    struct record_key key;
    struct store_key history;
    assert_int_equal(keys_record(long_handle(room, HANDLE_MAX, 'a'), CASE_INSENSITIVE, &key),
                     STATUS_OK);
    keys_history(CHANGE_RECORD, key.key, UINT64_MAX, &history);
    assert_int_equal(history.len, KEYS_MAX);
}

static void history_keys_of_a_record_are_in_order_of_version(void **state)
{
    (void)state;
    struct store_key low;
    struct store_key high;
    struct bytes key = BYTES_LITERAL("88.1000/A");
    keys_history(CHANGE_RECORD, key, 255, &low);
    keys_history(CHANGE_RECORD, key, 256, &high);
    assert_true(bytes_compare(keys_bytes(&low), keys_bytes(&high)) < 0);
    keys_journal(9, &low);
    keys_journal(10, &high);
    assert_true(bytes_compare(keys_bytes(&low), keys_bytes(&high)) < 0);
}

static void prefix_key_is_upper_case_and_bounded(void **state)
{
    (void)state;
    struct store_key key;
    static const uint8_t room[HANDLE_PREFIX_MAX + 1] = {'8'};
    assert_int_equal(keys_prefix(BYTES_LITERAL("88.aB"), &key), STATUS_OK);
    assert_true(bytes_equal(keys_bytes(&key), BYTES_LITERAL("88.AB")));
    assert_int_equal(keys_prefix(BYTES_NONE, &key), STATUS_INVALID_HANDLE);
    assert_int_equal(keys_prefix(bytes_of(room, sizeof(room)), &key), STATUS_INVALID_HANDLE);
}

static void database_names_are_all_different(void **state)
{
    (void)state;
    for (int i = 0; i < STORE_DATABASES; i++) {
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(keys_database_name((enum store_database)i),
                                    keys_database_name((enum store_database)j));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(record_key_up_to_470_bytes_is_the_folded_handle),
        cmocka_unit_test(record_key_over_470_bytes_ends_in_a_hash),
        cmocka_unit_test(record_key_of_an_impossible_handle_is_refused),
        cmocka_unit_test(record_key_by_case_rule_folds_the_suffix_or_not),
        cmocka_unit_test(record_key_of_its_canonical_handle_is_itself),
        cmocka_unit_test(history_key_of_the_longest_record_fits_lmdb),
        cmocka_unit_test(history_keys_of_a_record_are_in_order_of_version),
        cmocka_unit_test(prefix_key_is_upper_case_and_bounded),
        cmocka_unit_test(database_names_are_all_different),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
