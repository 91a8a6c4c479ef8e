/* SPDX-License-Identifier: Apache-2.0
 *
 * Identifiers: splitting, folding, hashing, what may be created (protocol.md §1, §8.2, vector V8,
 * §14 rows 34-37).
 */
#include "tests/unit/protocol/vectors.h"

#include <stdlib.h>

#include "protocol/digest.h"
#include "protocol/handle.h"
#include "protocol/md5.h"

#define TEXT(literal) BYTES_LITERAL(literal)

static void parts_when_slashes_then_the_first_splits(void **state)
{
    (void)state;
    vectors_assert_equal(handle_prefix(TEXT("10.5240/a/b")), TEXT("10.5240"));
    vectors_assert_equal(handle_suffix(TEXT("10.5240/a/b")), TEXT("a/b"));
    vectors_assert_equal(handle_prefix(TEXT("88.1000")), BYTES_NONE);
    vectors_assert_equal(handle_suffix(TEXT("88.1000")), TEXT("88.1000"));
    vectors_assert_equal(handle_prefix(TEXT("/x")), BYTES_NONE);
    vectors_assert_equal(handle_suffix(TEXT("20.500/")), BYTES_NONE);
    vectors_assert_equal(handle_suffix(BYTES_NONE), BYTES_NONE);
}

static void prefix_record_when_below_0_na_in_any_case(void **state)
{
    (void)state;
    assert_true(handle_is_prefix_record(TEXT("0.NA/88.1000")));
    assert_true(handle_is_prefix_record(TEXT("0.na/88.1000")));
    assert_false(handle_is_prefix_record(TEXT("0.NA/")));
    assert_false(handle_is_prefix_record(TEXT("0.NA")));
    assert_false(handle_is_prefix_record(TEXT("0.NAX/1")));
    assert_false(handle_is_prefix_record(BYTES_NONE));
}

static void expand_when_no_slash_then_the_prefix_record(void **state)
{
    uint8_t out[HANDLE_EXPANDED_MAX];
    struct bytes handle;
    (void)state;
    assert_int_equal(handle_expand(TEXT("88.1000"), out, &handle), STATUS_OK);
    vectors_assert_equal(handle, TEXT("0.NA/88.1000"));
    assert_int_equal(handle_expand(TEXT("88.1000/x"), out, &handle), STATUS_OK);
    vectors_assert_equal(handle, TEXT("88.1000/x"));
    assert_ptr_equal(handle.data, out);
}

static void expand_when_empty_or_too_long_then_invalid_handle(void **state)
{
    uint8_t out[HANDLE_EXPANDED_MAX];
    uint8_t name[HANDLE_MAX + 1];
    struct bytes handle = BYTES_NONE;
    (void)state;
    memset(name, 'a', sizeof(name));
    assert_int_equal(handle_expand(BYTES_NONE, out, &handle), STATUS_INVALID_HANDLE);
    assert_int_equal(handle_expand(bytes_of(name, HANDLE_MAX + 1), out, &handle),
                     STATUS_INVALID_HANDLE);
    assert_null(handle.data);
    assert_int_equal(handle_expand(bytes_of(name, HANDLE_MAX), out, &handle), STATUS_OK);
    assert_int_equal(handle.len, HANDLE_EXPANDED_MAX);
}

static void expect_fold(struct bytes handle, enum case_rule rule, struct bytes wanted)
{
    uint8_t *out = malloc(handle.len + 1);
    assert_non_null(out);
    vectors_assert_equal(handle_fold(handle, rule, out), wanted);
    free(out);
}

static void fold_when_insensitive_then_ascii_letters_only(void **state)
{
    (void)state;
    expect_fold(TEXT("88.aZ/dRv-1 {z}`a"), CASE_INSENSITIVE, TEXT("88.AZ/DRV-1 {Z}`A"));
    expect_fold(TEXT("88.1/\xc3\xa9t\xc3\xa9"), CASE_INSENSITIVE, TEXT("88.1/\xc3\xa9T\xc3\xa9"));
    expect_fold(TEXT("88.1/\xe6\xb5\x8b\xe8\xaf\x95"), CASE_INSENSITIVE,
                TEXT("88.1/\xe6\xb5\x8b\xe8\xaf\x95"));
    expect_fold(BYTES_NONE, CASE_INSENSITIVE, BYTES_NONE);
}

static void fold_when_sensitive_then_prefix_only(void **state)
{
    (void)state;
    expect_fold(TEXT("20.abc/Def"), CASE_SENSITIVE, TEXT("20.ABC/Def"));
    expect_fold(TEXT("0.na/20.abc"), CASE_SENSITIVE, TEXT("0.NA/20.ABC"));
    expect_fold(TEXT("0.site/status"), CASE_SENSITIVE, TEXT("0.SITE/STATUS"));
    expect_fold(TEXT("20.abc"), CASE_SENSITIVE, TEXT("20.ABC"));
}

/* Eight bytes are folded at once: each byte at each offset must come out as alone. */
static void fold_when_every_byte_at_every_offset_then_as_one_alone(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        for (size_t offset = 0; offset < 17; offset++) {
            uint8_t in[17];
            uint8_t out[17];
            uint8_t wanted[17];
            memset(in, 0xff, sizeof(in));
            memset(wanted, 0xff, sizeof(wanted));
            in[offset] = (uint8_t)byte;
            wanted[offset] = bytes_ascii_upper((uint8_t)byte);
            vectors_assert_equal(handle_fold(bytes_of(in, 17), CASE_INSENSITIVE, out),
                                 bytes_of(wanted, 17));
        }
    }
}

static void parent_when_segments_then_without_the_last(void **state)
{
    (void)state;
    vectors_assert_equal(handle_parent_prefix(TEXT("88.1000.7")), TEXT("88.1000"));
    vectors_assert_equal(handle_parent_prefix(TEXT("88")), BYTES_NONE);
    vectors_assert_equal(handle_parent_prefix(BYTES_NONE), BYTES_NONE);
}

static void governing_prefix_when_prefix_record_then_the_named_one(void **state)
{
    (void)state;
    vectors_assert_equal(handle_governing_prefix(TEXT("0.NA/88.1000")), TEXT("88.1000"));
    vectors_assert_equal(handle_governing_prefix(TEXT("88.1000/x/y")), TEXT("88.1000"));
    vectors_assert_equal(handle_governing_prefix(TEXT("88.1000")), TEXT("88.1000"));
}

static void is_under_when_equal_or_derived(void **state)
{
    (void)state;
    assert_true(handle_is_under(TEXT("88.ab"), TEXT("88.AB")));
    assert_true(handle_is_under(TEXT("88.ab.c.d"), TEXT("88.AB")));
    assert_false(handle_is_under(TEXT("88.abc"), TEXT("88.AB")));
    assert_false(handle_is_under(TEXT("88"), TEXT("88.AB")));
    assert_false(handle_is_under(TEXT(".x"), BYTES_NONE));
    assert_false(handle_is_under(BYTES_NONE, BYTES_NONE));
}

static void expect_creatable(struct bytes handle, const char *part_of_reason)
{
    struct fault fault = {.status = STATUS_OK};
    enum status status = handle_check(handle, &fault);
    if (part_of_reason == NULL) {
        assert_int_equal(status, STATUS_OK);
        assert_string_equal(fault.text, "");
        return;
    }
    assert_int_equal(status, STATUS_INVALID_HANDLE);
    assert_int_equal(fault.status, STATUS_INVALID_HANDLE);
    assert_non_null(strstr(fault.text, part_of_reason));
    assert_int_equal(handle_check(handle, NULL), STATUS_INVALID_HANDLE);
}

static void check_when_handle_may_be_created_then_ok(void **state)
{
    (void)state;
    expect_creatable(TEXT("88.1000/drv-1"), NULL);
    expect_creatable(TEXT("0.NA/88.1000"), NULL);
    expect_creatable(TEXT("88.111.1/\xe6\xb5\x8b\xe8\xaf\x95"), NULL);
    expect_creatable(bytes_of("88.1/a\0\r\n/b", 11), NULL);
}

static void check_when_a_part_is_missing_then_invalid_handle(void **state)
{
    (void)state;
    expect_creatable(BYTES_NONE, "no prefix");
    expect_creatable(TEXT("88.1000"), "no prefix");
    expect_creatable(TEXT("/x"), "no prefix");
    expect_creatable(TEXT("20.500/"), "nothing behind");
    expect_creatable(TEXT("20..5/x"), "empty segment");
    expect_creatable(TEXT(".20/x"), "empty segment");
    expect_creatable(TEXT("20./x"), "empty segment");
    expect_creatable(TEXT("88.1/\xff"), "not UTF-8");
}

static void check_when_too_long_then_invalid_handle(void **state)
{
    uint8_t handle[HANDLE_MAX + 1];
    (void)state;
    memset(handle, 'a', sizeof(handle));
    handle[2] = '/';
    expect_creatable(bytes_of(handle, HANDLE_MAX), NULL);
    expect_creatable(bytes_of(handle, HANDLE_MAX + 1), "2049 bytes");
    handle[2] = 'a';
    handle[HANDLE_PREFIX_MAX] = '/';
    expect_creatable(bytes_of(handle, 300), NULL);
    handle[HANDLE_PREFIX_MAX] = 'a';
    handle[HANDLE_PREFIX_MAX + 1] = '/';
    expect_creatable(bytes_of(handle, 300), "256 bytes");
}

static void check_prefix_when_letters_digits_dots_then_ok(void **state)
{
    struct fault fault;
    uint8_t prefix[HANDLE_PREFIX_MAX + 1];
    (void)state;
    memset(prefix, '8', sizeof(prefix));
    assert_int_equal(handle_check_prefix(TEXT("88.1000.aZ9"), &fault), STATUS_OK);
    assert_int_equal(handle_check_prefix(bytes_of(prefix, HANDLE_PREFIX_MAX), NULL), STATUS_OK);
    assert_int_equal(handle_check_prefix(bytes_of(prefix, sizeof(prefix)), &fault),
                     STATUS_INVALID_HANDLE);
    assert_int_equal(handle_check_prefix(TEXT("88..1"), NULL), STATUS_INVALID_HANDLE);
    assert_int_equal(handle_check_prefix(BYTES_NONE, NULL), STATUS_INVALID_HANDLE);
    assert_int_equal(handle_check_prefix(TEXT("88/1"), NULL), STATUS_INVALID_HANDLE);
    assert_int_equal(handle_check_prefix(TEXT("88.a_b"), &fault), STATUS_INVALID_HANDLE);
    assert_non_null(strstr(fault.text, "5f at 4"));
    assert_int_equal(handle_check_prefix(TEXT("88.\xc3\xa9"), NULL), STATUS_INVALID_HANDLE);
}

static void utf8_when_characters_then_true(void **state)
{
    static const char *const good[] = {"",
                                       "a",
                                       "\x7f",
                                       "\xc2\x80",
                                       "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xec\xbf\xbf",
                                       "\xed\x80\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xef\xbf\xbf",
                                       "\xf0\x90\x80\x80",
                                       "\xf1\x80\x80\x80",
                                       "\xf4\x8f\xbf\xbf",
                                       "a\xc3\xa9\xe6\xb5\x8b\xf0\x9f\x98\x80z"};
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(handle_is_utf8(bytes_of_text(good[i])));
    }
    assert_true(handle_is_utf8(bytes_of("a\0b", 3)));
}

static void utf8_when_overlong_surrogate_cut_or_beyond_then_false(void **state)
{
    static const char *const bad[] = {"\x80",
                                      "\xbf",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xc2",
                                      "\xc2\x41",
                                      "\xc2\xc2",
                                      "\xe0\x80\x80",
                                      "\xe0\x9f\xbf",
                                      "\xe1\x80",
                                      "\xe1\x80\x41",
                                      "\xed\xa0\x80",
                                      "\xed\xbf\xbf",
                                      "\xf0\x80\x80\x80",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf1\x80\x80",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xf8\x88\x80\x80\x80",
                                      "\xfe",
                                      "\xff",
                                      "ab\xe6\xb5"};
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(handle_is_utf8(bytes_of_text(bad[i])));
    }
}

static void hash_when_v8_then_as_computed(void **state)
{
    static const struct {
        const char *handle;
        uint32_t hashes[3];
    } rows[] = {
        {"20.1000/Abc", {1205827564, 891676978, 355651274}},
        {"20.1000/abc", {1205827564, 891676978, 355651274}},
        {"0.NA/20.1000", {36223079, 1205827564, 1794965820}},
        {"10.1000/1", {2091615925, 1869972635, 1515935840}},
        {"88.111.1/\xe6\xb5\x8b\xe8\xaf\x95", {431286036, 910813204, 1214988152}},
        {"10.5240/a/b", {1765336432, 203751747, 1321408969}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bytes handle = bytes_of_text(rows[i].handle);
        assert_int_equal(handle_hash(handle, HASH_BY_PREFIX), rows[i].hashes[0]);
        assert_int_equal(handle_hash(handle, HASH_BY_SUFFIX), rows[i].hashes[1]);
        assert_int_equal(handle_hash(handle, HASH_BY_ALL), rows[i].hashes[2]);
    }
}

static void hash_when_no_slash_then_prefix_part_is_0_na(void **state)
{
    (void)state;
    assert_int_equal(handle_hash(TEXT("20.1000"), HASH_BY_PREFIX), 36223079);
    assert_int_equal(handle_hash(TEXT("20.1000"), HASH_BY_SUFFIX), 1205827564);
    assert_int_equal(handle_hash(TEXT("20.1000"), HASH_BY_ALL), 1205827564);
}

/* Our MD5 against the library's at every length around its blocks. */
static void md5_when_any_length_then_as_the_library(void **state)
{
    uint8_t data[200];
    (void)state;
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)(i * 7 + 3);
    }
    for (size_t len = 0; len <= sizeof(data); len++) {
        struct digest wanted;
        struct md5 md5;
        uint8_t out[MD5_LEN];
        assert_int_equal(digest_compute(DIGEST_MD5, bytes_of(data, len), &wanted), STATUS_OK);
        md5_init(&md5);
        for (size_t i = 0; i < len; i++) {
            md5_add(&md5, data[i]);
        }
        md5_end(&md5, out);
        vectors_assert_equal(bytes_of(out, sizeof(out)), bytes_of(wanted.data, wanted.len));
    }
}

static void expect_reference(const char *text, uint32_t index, const char *handle)
{
    uint32_t got_index = 77;
    struct bytes got = BYTES_NONE;
    assert_int_equal(handle_parse_reference(bytes_of_text(text), &got_index, &got), STATUS_OK);
    assert_int_equal(got_index, index);
    vectors_assert_equal(got, bytes_of_text(handle));
}

/* From CPython 3.11, whose hash of bytes is SipHash-1-3 under PYTHONHASHSEED. */
static void keyed_hash_when_key_is_zero_then_as_the_reference(void **state)
{
    (void)state;
    static const struct {
        const char *handle;
        uint64_t hash;
    } cases[] = {
        {"A", 0xebd11618f299a286u},
        {"88.608/", 0x99251543df22f24fu},
        {"88.608/X", 0x1c6e0e3c14ae6c26u},
        {"88.608.8889/P-0000000001", 0xad80449b7f7c13c8u},
        {"0123456789ABCDE\xff", 0xe296959281df58feu},
    };
    const uint64_t key[2] = {0, 0};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(handle_keyed_hash(bytes_of_text(cases[i].handle), key), cases[i].hash);
    }
}

static void keyed_hash_when_case_differs_is_equal_and_else_not(void **state)
{
    (void)state;
    const uint64_t key[2] = {1, 2};
    const uint64_t other[2] = {1, 3};
    struct bytes upper = BYTES_LITERAL("88.608/ABCDEFGHIJKLMNOPQRSTUVWXYZ[@\xe4");
    struct bytes lower = BYTES_LITERAL("88.608/abcdefghijklmnopqrstuvwxyz[@\xe4");
    struct bytes fenced = BYTES_LITERAL("88.608/abcdefghijklmnopqrstuvwxyz{`\xc4");
    uint64_t hash = handle_keyed_hash(upper, key);
    assert_true(handle_keyed_hash(lower, key) == hash);
    assert_true(handle_keyed_hash(fenced, key) != hash);
    assert_true(handle_keyed_hash(upper, other) != hash);
    for (size_t len = 0; len < upper.len; len++) {
        struct bytes shorter = bytes_of(upper.data, len);
        assert_true(handle_keyed_hash(shorter, key) != hash);
    }
}

static void reference_when_digits_and_colon_then_index(void **state)
{
    (void)state;
    expect_reference("300:20.1000/u1", 300, "20.1000/u1");
    expect_reference("20.1000/u1", 0, "20.1000/u1");
    expect_reference("0:20.1000/u1", 0, "20.1000/u1");
    expect_reference("2147483647:a/b", 2147483647, "a/b");
    expect_reference("20.1000/u:1", 0, "20.1000/u:1");
    expect_reference("88", 0, "88");
}

static void reference_when_malformed_then_bad_syntax(void **state)
{
    static const char *const bad[] = {"", "300:", ":a/b", "2147483648:a/b",
                                      "99999999999999999999999999:a/b"};
    uint32_t index = 77;
    struct bytes handle = BYTES_NONE;
    uint8_t longer[HANDLE_MAX + 1];
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(handle_parse_reference(bytes_of_text(bad[i]), &index, &handle),
                         STATUS_BAD_SYNTAX);
    }
    memset(longer, 'a', sizeof(longer));
    assert_int_equal(handle_parse_reference(bytes_of(longer, sizeof(longer)), &index, &handle),
                     STATUS_BAD_SYNTAX);
    assert_int_equal(index, 77);
    assert_null(handle.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_when_slashes_then_the_first_splits),
        cmocka_unit_test(prefix_record_when_below_0_na_in_any_case),
        cmocka_unit_test(expand_when_no_slash_then_the_prefix_record),
        cmocka_unit_test(expand_when_empty_or_too_long_then_invalid_handle),
        cmocka_unit_test(fold_when_insensitive_then_ascii_letters_only),
        cmocka_unit_test(fold_when_sensitive_then_prefix_only),
        cmocka_unit_test(fold_when_every_byte_at_every_offset_then_as_one_alone),
        cmocka_unit_test(parent_when_segments_then_without_the_last),
        cmocka_unit_test(governing_prefix_when_prefix_record_then_the_named_one),
        cmocka_unit_test(is_under_when_equal_or_derived),
        cmocka_unit_test(check_when_handle_may_be_created_then_ok),
        cmocka_unit_test(check_when_a_part_is_missing_then_invalid_handle),
        cmocka_unit_test(check_when_too_long_then_invalid_handle),
        cmocka_unit_test(check_prefix_when_letters_digits_dots_then_ok),
        cmocka_unit_test(utf8_when_characters_then_true),
        cmocka_unit_test(utf8_when_overlong_surrogate_cut_or_beyond_then_false),
        cmocka_unit_test(hash_when_v8_then_as_computed),
        cmocka_unit_test(hash_when_no_slash_then_prefix_part_is_0_na),
        cmocka_unit_test(md5_when_any_length_then_as_the_library),
        cmocka_unit_test(keyed_hash_when_key_is_zero_then_as_the_reference),
        cmocka_unit_test(keyed_hash_when_case_differs_is_equal_and_else_not),
        cmocka_unit_test(reference_when_digits_and_colon_then_index),
        cmocka_unit_test(reference_when_malformed_then_bad_syntax),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
