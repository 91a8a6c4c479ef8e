/* SPDX-License-Identifier: Apache-2.0
 *
 * Values and lists of them: vectors V3 and V22, and what is malformed (protocol.md §14 rows 31, 32,
 * 36, 38-44).
 */
#include "tests/unit/protocol/vectors.h"

#include <stdlib.h>

#include "protocol/digest.h"
#include "protocol/handle.h"
#include "protocol/message.h"
#include "protocol/value.h"

#define TEXT(literal) BYTES_LITERAL(literal)
#define HANDLE TEXT("88.1000/x")
#define ANSWER_OVERHEAD (24 + 33 + 4 + 4 + 1024)

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

static struct value url_value(uint32_t index)
{
    return (struct value){.index = index,
                          .ttl = VALUE_TTL_DEFAULT,
                          .permissions = VALUE_PERMISSIONS_DEFAULT,
                          .type = TEXT("URL"),
                          .data = TEXT("http://x/")};
}

static void expect_recoded(struct arena *arena, const char *name, struct value *out_value)
{
    struct bytes bytes = vectors_get(arena, name);
    struct wire_reader r = wire_read(bytes);
    uint8_t *out = arena_alloc(arena, bytes.len);
    struct wire_writer w = wire_write(out, bytes.len);
    assert_non_null(out);
    assert_int_equal(value_decode(&r, out_value), STATUS_OK);
    assert_true(wire_done(&r));
    value_encode(&w, out_value);
    vectors_assert_equal(wire_wrote(&w), bytes);
    assert_int_equal(value_encoded_len(out_value), bytes.len);
}

static void v3_url_both_ways(void **state)
{
    struct value value;
    expect_recoded(*state, "V3.url", &value);
    assert_int_equal(value.index, 1);
    assert_int_equal(value.timestamp, 1700000000);
    assert_int_equal(value.ttl_type, VALUE_TTL_RELATIVE);
    assert_int_equal(value.ttl, 86400);
    assert_int_equal(value.permissions, VALUE_PERMISSIONS_DEFAULT);
    vectors_assert_equal(value.type, TEXT("URL"));
    vectors_assert_equal(value.data, TEXT("http://example.org/"));
    assert_int_equal(value.reference_count, 0);
    assert_int_equal(value_check(&value, NULL), STATUS_OK);
}

static void v3_admin_both_ways(void **state)
{
    struct value value;
    struct reference reference;
    expect_recoded(*state, "V3.admin", &value);
    assert_int_equal(value.index, 100);
    assert_int_equal(value.ttl_type, VALUE_TTL_ABSOLUTE);
    assert_int_equal(value.ttl, 1893456000);
    vectors_assert_equal(value.type, TEXT("HS_ADMIN"));
    vectors_assert_equal(value.data, vectors_get(*state, "V4.admin"));
    assert_int_equal(value.reference_count, 1);
    struct wire_reader r = wire_read(value.references);
    assert_true(value_next_reference(&r, &reference));
    vectors_assert_equal(reference.handle, TEXT("20.1000/u1"));
    assert_int_equal(reference.index, 300);
    assert_false(value_next_reference(&r, &reference));
    assert_true(wire_done(&r));
    assert_int_equal(value_check(&value, NULL), STATUS_OK);
}

static void v22_digest_is_over_the_encoding_from_byte_8(void **state)
{
    struct bytes url = vectors_get(*state, "V3.url");
    struct bytes covered = bytes_from(url, 8);
    struct digest digest;
    vectors_assert_equal(covered, vectors_get(*state, "V22.covered"));
    assert_int_equal(digest_compute(DIGEST_SHA256, covered, &digest), STATUS_OK);
    vectors_assert_equal(bytes_of(digest.data, digest.len), vectors_get(*state, "V22.digest"));
    assert_string_equal(text_base64(*state, bytes_of(digest.data, digest.len)),
                        "EmFkr18IzGanFmXTJWQKpn2oCN3wnVLIbXac/d1dZVk=");
}

static void value_when_cut_anywhere_then_protocol_error(void **state)
{
    struct bytes whole = vectors_get(*state, "V3.admin");
    for (size_t len = 0; len < whole.len; len++) {
        uint8_t *cut = malloc(len == 0 ? 1 : len);
        assert_non_null(cut);
        memcpy(cut, whole.data, len);
        struct wire_reader r = wire_read(bytes_of(cut, len));
        struct value value = {.index = 7};
        assert_int_equal(value_decode(&r, &value), STATUS_PROTOCOL_ERROR);
        assert_false(wire_ok(&r));
        assert_int_equal(value.index, 7);
        free(cut);
    }
}

static void value_when_reference_count_lies_then_protocol_error(void **state)
{
    static const uint32_t counts[] = {2, 0x7fffffff, 0x80000000, 0xffffffff};
    struct bytes whole = vectors_get(*state, "V3.admin");
    size_t count_at = whole.len - 18 - 4;
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        uint8_t changed[128];
        struct value value;
        memcpy(changed, whole.data, whole.len);
        wire_store_u32(changed + count_at, counts[i]);
        struct wire_reader r = wire_read(bytes_of(changed, whole.len));
        assert_int_equal(value_decode(&r, &value), STATUS_PROTOCOL_ERROR);
    }
}

static void list_when_written_then_read_the_same(void **state)
{
    struct value values[3] = {url_value(1), url_value(2), url_value(3)};
    uint8_t out[512];
    struct wire_writer w = wire_write(out, sizeof(out));
    struct value *again = NULL;
    size_t count = 0;
    value_list_encode(&w, values, 3);
    wire_put_u8(&w, 9);
    struct bytes wrote = wire_wrote(&w);
    assert_int_equal(value_list_encoded_len(values, 3), wrote.len - 1);
    struct wire_reader r = wire_read(wrote);
    assert_int_equal(value_list_decode(&r, *state, &again, &count), STATUS_OK);
    assert_int_equal(count, 3);
    assert_int_equal(again[2].index, 3);
    vectors_assert_equal(again[1].data, TEXT("http://x/"));
    assert_int_equal(wire_left(&r), 1);
}

static void list_when_empty_then_no_values(void **state)
{
    static const uint8_t zero[4];
    struct wire_reader r = wire_read(bytes_of(zero, 4));
    struct value *values = (struct value *)&r;
    size_t count = 7;
    assert_int_equal(value_list_decode(&r, *state, &values, &count), STATUS_OK);
    assert_int_equal(count, 0);
    assert_null(values);
}

static void list_when_count_lies_then_protocol_error_before_memory(void **state)
{
    static const uint32_t counts[] = {2, 0x10000, 0x80000000, 0xffffffff};
    struct value value = url_value(1);
    uint8_t out[64];
    struct value *values = NULL;
    size_t count = 0;
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        struct wire_writer w = wire_write(out, sizeof(out));
        value_list_encode(&w, &value, 1);
        wire_store_u32(out, counts[i]);
        struct wire_reader r = wire_read(wire_wrote(&w));
        assert_int_equal(value_list_decode(&r, *state, &values, &count), STATUS_PROTOCOL_ERROR);
        assert_int_equal(arena_used(*state), 0);
    }
}

static void list_when_a_later_value_is_cut_then_protocol_error(void **state)
{
    struct value pair[2] = {url_value(1), url_value(2)};
    uint8_t out[256];
    struct wire_writer w = wire_write(out, sizeof(out));
    struct value *values = NULL;
    size_t count = 0;
    value_list_encode(&w, pair, 2);
    struct bytes wrote = wire_wrote(&w);
    struct wire_reader r = wire_read(bytes_of(wrote.data, wrote.len - 1));
    assert_int_equal(value_list_decode(&r, *state, &values, &count), STATUS_PROTOCOL_ERROR);
    assert_null(values);
}

static void list_when_arena_is_full_then_no_memory(void **state)
{
    struct value value = url_value(1);
    uint8_t out[64];
    struct wire_writer w = wire_write(out, sizeof(out));
    struct arena *small = arena_new(16, 16);
    struct value *values = NULL;
    size_t count = 0;
    (void)state;
    assert_non_null(small);
    value_list_encode(&w, &value, 1);
    struct wire_reader r = wire_read(wire_wrote(&w));
    assert_int_equal(value_list_decode(&r, small, &values, &count), STATUS_NO_MEMORY);
    arena_free(small);
}

static void sort_when_unordered_then_by_index_and_stable(void **state)
{
    static const uint32_t indexes[] = {5, 1, 3, 1, 900, 2, 3, 1, 4, 6};
    static const uint32_t wanted[] = {1, 1, 1, 2, 3, 3, 4, 5, 6, 900};
    static const uint32_t came_as[] = {1, 3, 7, 5, 2, 6, 8, 0, 9, 4};
    struct value values[10];
    (void)state;
    for (uint32_t i = 0; i < 10; i++) {
        values[i] = url_value(indexes[i]);
        values[i].timestamp = i;
    }
    value_list_sort(values, 10);
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(values[i].index, wanted[i]);
        assert_int_equal(values[i].timestamp, came_as[i]);
    }
    value_list_sort(values, 0);
    value_list_sort(NULL, 0);
}

static void expect_unfit(const struct value *value, const char *part_of_reason)
{
    struct fault fault = {.status = STATUS_OK};
    assert_int_equal(value_check(value, &fault), STATUS_INVALID_VALUE);
    assert_int_equal(fault.status, STATUS_INVALID_VALUE);
    assert_non_null(strstr(fault.text, part_of_reason));
}

static void check_when_index_is_0_or_negative_then_invalid_value(void **state)
{
    struct value value = url_value(0);
    (void)state;
    expect_unfit(&value, "index 0");
    value.index = 0x80000000;
    expect_unfit(&value, "index");
    value.index = 0xffffffff;
    expect_unfit(&value, "index");
    value.index = 0x7fffffff;
    assert_int_equal(value_check(&value, NULL), STATUS_OK);
}

static void check_when_type_is_unfit_then_invalid_value(void **state)
{
    uint8_t type[VALUE_TYPE_MAX + 1];
    struct value value = url_value(1);
    (void)state;
    memset(type, 'T', sizeof(type));
    value.type = BYTES_NONE;
    expect_unfit(&value, "type");
    value.type = bytes_of(type, VALUE_TYPE_MAX + 1);
    expect_unfit(&value, "type");
    value.type = TEXT("UR\xc3");
    expect_unfit(&value, "type");
    value.type = bytes_of(type, VALUE_TYPE_MAX);
    assert_int_equal(value_check(&value, NULL), STATUS_OK);
}

static void check_when_ttl_type_or_permissions_are_unknown_then_invalid_value(void **state)
{
    struct value value = url_value(1);
    (void)state;
    value.ttl_type = 2;
    expect_unfit(&value, "TTL");
    value.ttl_type = VALUE_TTL_ABSOLUTE;
    value.permissions = 0x1e;
    expect_unfit(&value, "permission");
    value.permissions = 0x0f;
    assert_int_equal(value_check(&value, NULL), STATUS_OK);
}

static void check_when_data_is_larger_than_a_message_then_invalid_value(void **state)
{
    struct value value = url_value(1);
    uint8_t *data = arena_calloc(*state, MESSAGE_MAX + 1, 1);
    assert_non_null(data);
    value.type = TEXT("X");
    value.data = bytes_of(data, MESSAGE_MAX + 1);
    expect_unfit(&value, "too many");
}

static void check_when_predefined_type_is_malformed_then_invalid_value(void **state)
{
    struct value value = url_value(100);
    (void)state;
    value.type = TEXT("HS_ADMIN");
    assert_int_equal(value_check(&value, NULL), STATUS_INVALID_VALUE);
    value.type = TEXT("HS_VLIST");
    assert_int_equal(value_check(&value, NULL), STATUS_INVALID_VALUE);
}

static void check_when_references_are_unfit_then_invalid_value(void **state)
{
    static const uint8_t good[] = {0, 0, 0, 3, 'a', '/', 'b', 0, 0, 0, 1};
    static const uint8_t bad[] = {0, 0, 0, 3, 'a', '/', 0xff, 0, 0, 0, 1};
    struct value value = url_value(1);
    (void)state;
    value.references = bytes_of(good, sizeof(good));
    value.reference_count = 1;
    assert_int_equal(value_check(&value, NULL), STATUS_OK);
    value.reference_count = 2;
    expect_unfit(&value, "malformed");
    value.reference_count = 1;
    value.references = bytes_of(good, sizeof(good) - 1);
    expect_unfit(&value, "malformed");
    value.references = bytes_of(bad, sizeof(bad));
    expect_unfit(&value, "reference 1");
}

static void list_check_when_index_occurs_twice_then_value_exists(void **state)
{
    struct value values[4] = {url_value(1), url_value(3), url_value(2), url_value(3)};
    struct fault fault = {.status = STATUS_OK};
    (void)state;
    assert_int_equal(value_list_check(HANDLE, values, 4, &fault), STATUS_VALUE_EXISTS);
    assert_non_null(strstr(fault.text, "index 3"));
    values[3].index = 2;
    assert_int_equal(value_list_check(HANDLE, values, 4, NULL), STATUS_VALUE_EXISTS);
    assert_int_equal(value_list_check(HANDLE, values, 3, NULL), STATUS_OK);
    values[1].index = 0;
    assert_int_equal(value_list_check(HANDLE, values, 3, NULL), STATUS_INVALID_VALUE);
    assert_int_equal(value_list_check(HANDLE, NULL, 0, NULL), STATUS_OK);
}

static void list_check_when_too_many_then_invalid_value(void **state)
{
    struct value *values = arena_calloc(*state, VALUE_COUNT_MAX + 1, sizeof(*values));
    assert_non_null(values);
    for (uint32_t i = 0; i <= VALUE_COUNT_MAX; i++) {
        values[i] = url_value(VALUE_COUNT_MAX + 1 - i);
    }
    assert_int_equal(value_list_check(HANDLE, values, VALUE_COUNT_MAX, NULL), STATUS_OK);
    assert_int_equal(value_list_check(HANDLE, values, VALUE_COUNT_MAX + 1, NULL),
                     STATUS_INVALID_VALUE);
}

static void list_check_when_answer_does_not_fit_then_invalid_value(void **state)
{
    struct value value = url_value(1);
    struct fault fault = {.status = STATUS_OK};
    uint8_t *data = arena_calloc(*state, MESSAGE_MAX, 1);
    size_t fits = MESSAGE_MAX - ANSWER_OVERHEAD - HANDLE.len - 4 - VALUE_SMALLEST - 1;
    assert_non_null(data);
    value.type = TEXT("X");
    value.data = bytes_of(data, fits);
    assert_int_equal(value_list_check(HANDLE, &value, 1, NULL), STATUS_OK);
    value.data.len = fits + 1;
    assert_int_equal(value_list_check(HANDLE, &value, 1, &fault), STATUS_INVALID_VALUE);
    assert_non_null(strstr(fault.text, "262145 bytes"));
}

static void type_matches_when_equal_or_below_a_dot(void **state)
{
    (void)state;
    assert_true(value_type_matches(TEXT("URL"), TEXT("url")));
    assert_false(value_type_matches(TEXT("URL.HTTP"), TEXT("URL")));
    assert_true(value_type_matches(TEXT("URL.HTTP"), TEXT("url.")));
    assert_true(value_type_matches(TEXT("URL"), TEXT("URL.")));
    assert_false(value_type_matches(TEXT("URLX"), TEXT("URL.")));
    assert_false(value_type_matches(TEXT("UR"), TEXT("URL")));
    assert_false(value_type_matches(TEXT("URL"), BYTES_NONE));
}

static void type_is_when_equal_or_subtype(void **state)
{
    (void)state;
    assert_true(value_type_is(TEXT("hs_admin"), TEXT("HS_ADMIN")));
    assert_true(value_type_is(TEXT("HS_ADMIN.x"), TEXT("HS_ADMIN")));
    assert_false(value_type_is(TEXT("HS_ADMINX"), TEXT("HS_ADMIN")));
    assert_false(value_type_is(TEXT("HS_ADM"), TEXT("HS_ADMIN")));
}

static void secret_when_hs_seckey_then_never_public(void **state)
{
    struct value value = url_value(302);
    (void)state;
    assert_true(value_is_public(&value));
    assert_false(value_is_secret(&value));
    value.type = TEXT("hs_seckey");
    assert_true(value_is_secret(&value));
    assert_false(value_is_public(&value));
    value.type = TEXT("HS_SECKEY.old");
    assert_false(value_is_public(&value));
    value.type = TEXT("URL");
    value.permissions = VALUE_ADMIN_READ;
    assert_false(value_is_public(&value));
}

static void permissions_text_both_ways(void **state)
{
    (void)state;
    for (unsigned permissions = 0; permissions < 16; permissions++) {
        char text[5];
        uint8_t again = 0xff;
        value_permissions_text((uint8_t)permissions, text);
        assert_int_equal(value_permissions_parse(bytes_of_text(text), &again), STATUS_OK);
        assert_int_equal(again, permissions);
    }
    char text[5];
    value_permissions_text(0x0e, text);
    assert_string_equal(text, "1110");
}

static void permissions_when_not_four_bits_then_bad_syntax(void **state)
{
    static const char *const bad[] = {"", "111", "11100", "1120", "**", "abcd"};
    uint8_t permissions = 0;
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(value_permissions_parse(bytes_of_text(bad[i]), &permissions),
                         STATUS_BAD_SYNTAX);
    }
    assert_int_equal(value_permissions_parse(TEXT("*"), &permissions), STATUS_OK);
    assert_int_equal(permissions, 0x0f);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(v3_url_both_ways),
        CASE(v3_admin_both_ways),
        CASE(v22_digest_is_over_the_encoding_from_byte_8),
        CASE(value_when_cut_anywhere_then_protocol_error),
        CASE(value_when_reference_count_lies_then_protocol_error),
        CASE(list_when_written_then_read_the_same),
        CASE(list_when_empty_then_no_values),
        CASE(list_when_count_lies_then_protocol_error_before_memory),
        CASE(list_when_a_later_value_is_cut_then_protocol_error),
        CASE(list_when_arena_is_full_then_no_memory),
        CASE(sort_when_unordered_then_by_index_and_stable),
        CASE(check_when_index_is_0_or_negative_then_invalid_value),
        CASE(check_when_type_is_unfit_then_invalid_value),
        CASE(check_when_ttl_type_or_permissions_are_unknown_then_invalid_value),
        CASE(check_when_data_is_larger_than_a_message_then_invalid_value),
        CASE(check_when_predefined_type_is_malformed_then_invalid_value),
        CASE(check_when_references_are_unfit_then_invalid_value),
        CASE(list_check_when_index_occurs_twice_then_value_exists),
        CASE(list_check_when_too_many_then_invalid_value),
        CASE(list_check_when_answer_does_not_fit_then_invalid_value),
        CASE(type_matches_when_equal_or_below_a_dot),
        CASE(type_is_when_equal_or_subtype),
        CASE(secret_when_hs_seckey_then_never_public),
        CASE(permissions_text_both_ways),
        CASE(permissions_when_not_four_bits_then_bad_syntax),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
