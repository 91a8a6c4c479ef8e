/* SPDX-License-Identifier: Apache-2.0
 *
 * Records as JSON: what is read, what is refused with which member named, and that any
 * data of any type comes back byte for byte. Captures are in test_record_json_captured.c.
 */
#include "protocol/record_json.h"

#include <stdlib.h>

#include "tests/unit/protocol/json_survives.h"
#include "tests/unit/protocol/vectors.h"

#define NOW 1700000000

static int set_up(void **state)
{
    *state = arena_new(1 << 20, 64 << 20);
    return *state == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    arena_free(*state);
    return 0;
}

static int forget(void **state)
{
    arena_reset(*state);
    return 0;
}

static enum status parse(struct arena *arena, const char *text, struct record *out_record,
                         struct fault *fault)
{
    return record_json_parse(bytes_of_text(text), arena, NOW, out_record, fault);
}

/* The only value of a record around `members`. */
static struct value value_of(struct arena *arena, const char *members)
{
    char text[2048];
    struct record record;
    struct fault fault = {STATUS_OK, ""};
    (void)snprintf(text, sizeof(text), "{\"handle\":\"a/b\",\"values\":[{%s}]}", members);
    if (parse(arena, text, &record, &fault) != STATUS_OK) {
        fail_msg("%s: %s", text, fault.text);
    }
    assert_int_equal(record.count, 1);
    return record.values[0];
}

static void expect_refused(struct arena *arena, const char *text, const char *complaint)
{
    struct record record = {.count = 77};
    struct fault fault = {STATUS_OK, ""};
    enum status status = parse(arena, text, &record, &fault);
    if (status != STATUS_BAD_SYNTAX && status != STATUS_INVALID_VALUE) {
        fail_msg("status %d for %s", (int)status, text);
    }
    assert_int_equal(fault.status, status);
    assert_int_equal(record.count, 77);
    if (strncmp(fault.text, complaint, strlen(complaint)) != 0) {
        fail_msg("\"%s\" instead of \"%s\" for %s", fault.text, complaint, text);
    }
}

static json_t *data_json(const char *type, struct bytes data, unsigned options)
{
    const struct value value = {.index = 1, .type = bytes_of_text(type), .data = data};
    json_t *json = value_json_encode(&value, options);
    assert_non_null(json);
    json_t *member = json_incref(json_object_get(json, "data"));
    json_decref(json);
    return member;
}

static void expect_data(const char *type, struct bytes data, const char *format, const char *text)
{
    json_t *member = data_json(type, data, 0);
    assert_string_equal(json_string_value(json_object_get(member, "format")), format);
    if (text != NULL) {
        assert_string_equal(json_string_value(json_object_get(member, "value")), text);
    }
    json_decref(member);
}

static void value_when_bare_gets_defaults(void **state)
{
    struct value value = value_of(*state, "\"index\":1,\"type\":\"URL\",\"data\":\"x\"");
    assert_int_equal(value.index, 1);
    assert_int_equal(value.timestamp, NOW);
    assert_int_equal(value.ttl_type, VALUE_TTL_RELATIVE);
    assert_int_equal(value.ttl, 86400);
    assert_int_equal(value.permissions, VALUE_PERMISSIONS_DEFAULT);
    assert_int_equal(value.reference_count, 0);
    vectors_assert_equal(value.type, BYTES_LITERAL("URL"));
    vectors_assert_equal(value.data, BYTES_LITERAL("x"));
}

static void value_when_full_keeps_everything(void **state)
{
    struct value value = value_of(
        *state,
        "\"index\":2147483647,\"type\":\"T\",\"data\":{\"format\":\"hex\",\"value\":\"00fF\"},"
        "\"permissions\":\"1010\",\"ttl\":\"2030-01-01T00:00:00Z\","
        "\"timestamp\":\"2023-11-14T22:13:21Z\",\"future\":[{}],"
        "\"references\":[{\"handle\":\"20.1000/u1\",\"index\":300},{\"handle\":\"x\"}]");
    assert_int_equal(value.index, 2147483647);
    assert_int_equal(value.permissions, 0x0a);
    assert_int_equal(value.ttl_type, VALUE_TTL_ABSOLUTE);
    assert_int_equal(value.ttl, 1893456000);
    assert_int_equal(value.timestamp, NOW + 1);
    vectors_assert_equal(value.data, BYTES_LITERAL("\x00\xff"));
    assert_int_equal(value.reference_count, 2);
    vectors_assert_equal(value.references, BYTES_LITERAL("\0\0\0\x0a"
                                                         "20.1000/u1\0\0\1\x2c\0\0\0\1x\0\0\0\0"));
}

static void permissions_are_four_bits_or_all(void **state)
{
    static const struct {
        const char *text;
        uint8_t permissions;
    } cases[] = {{"1000", 8}, {"0100", 4}, {"0010", 2}, {"0001", 1}, {"0000", 0}, {"*", 15}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char members[128];
        (void)snprintf(members, sizeof(members),
                       "\"index\":1,\"type\":\"T\",\"data\":\"\",\"permissions\":\"%s\"",
                       cases[i].text);
        assert_int_equal(value_of(*state, members).permissions, cases[i].permissions);
    }
}

static void typed_data_is_read_as_its_record(void **state)
{
    struct value value = value_of(
        *state, "\"index\":1,\"type\":\"HS_ADMIN\",\"data\":{\"format\":\"admin\",\"value\":"
                "{\"handle\":\"0.NA/20.1000\",\"index\":200,"
                "\"permissions\":\"011111110011\"}}");
    vectors_assert_equal(value.data, vectors_get(*state, "V4.admin"));
    value = value_of(*state, "\"index\":1,\"type\":\"HS_ADMIN\",\"data\":{\"format\":\"admin\","
                             "\"value\":{\"handle\":\"0.NA/20.1000\",\"index\":200,"
                             "\"permissions\":\"011111110011\",\"legacyByteLength\":true}}");
    vectors_assert_equal(value.data, vectors_get(*state, "V4.admin_legacy"));
    value = value_of(*state, "\"index\":1,\"type\":\"HS_VLIST\",\"data\":{\"format\":\"vlist\","
                             "\"value\":[{\"handle\":\"20.1000/u1\",\"index\":300},"
                             "{\"handle\":\"20.1000/u2\",\"index\":0}]}");
    vectors_assert_equal(value.data, vectors_get(*state, "V4.vlist"));
    value = value_of(*state, "\"index\":1,\"type\":\"B\",\"data\":{\"format\":\"base64\","
                             "\"value\":\"AAH/\"}");
    vectors_assert_equal(value.data, BYTES_LITERAL("\x00\x01\xff"));
}

static void record_of_wrong_shape_names_the_member(void **state)
{
    static const char *const cases[][2] = {
        {"[]", "a record is a JSON object"},
        {"{}", "handle: missing"},
        {"{\"handle\":5}", "handle: not a text"},
        {"{\"handle\":\"a/b\"}", "values: missing"},
        {"{\"handle\":\"a/b\",\"values\":{}}", "values: not a list"},
        {"{\"handle\":\"a/b\",\"values\":[7]}", "values[0]: not an object"},
        {"{\"handle\":\"a/b\",\"values\":[{}]}", "values[0].index: missing"},
        {"{\"handle\":\"a/b\",\"values\":[{\"index\":1}]}", "values[0].type: missing"},
        {"{\"handle\":\"a/b\",\"values\":[{\"index\":1,\"type\":\"T\"}]}",
         "values[0].data: missing"},
        {"", "column "},
        {"{\"values\":[", "column "},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        expect_refused(*state, cases[i][0], cases[i][1]);
    }
}

/* Members of values[1] and the complaint about them. */
static const char *const wrong_members[][2] = {
    {"\"index\":1.5", "values[1].index: not a whole number"},
    {"\"index\":\"1\"", "values[1].index: not a whole number"},
    {"\"index\":0", "values[1].index: not between"},
    {"\"index\":-1", "values[1].index: not between"},
    {"\"index\":4294967296", "values[1].index: not between"},
    {"\"index\":18446744073709551616", "column "},
    {"\"index\":1e999", "column "},
    {"\"ttl\":1.0", "values[1].ttl: not a whole number"},
    {"\"ttl\":-1", "values[1].ttl: not between"},
    {"\"ttl\":\"tomorrow\"", "values[1].ttl: neither"},
    {"\"ttl\":\"2200-01-01T00:00:00Z\"", "values[1].ttl: neither"},
    {"\"timestamp\":1700000000", "values[1].timestamp: not a time"},
    {"\"timestamp\":\"1969-12-31T23:59:59Z\"", "values[1].timestamp: not a time"},
    {"\"permissions\":\"111\"", "values[1].permissions: not four"},
    {"\"permissions\":\"11100\"", "values[1].permissions: not four"},
    {"\"permissions\":\"1112\"", "values[1].permissions: not four"},
    {"\"permissions\":14", "values[1].permissions: not a text"},
    {"\"references\":{}", "values[1].references: not a list"},
    {"\"references\":[{\"index\":1}]", "values[1].references[0].handle: missing"},
    {"\"references\":[{\"handle\":\"a\",\"index\":-1}]",
     "values[1].references[0].index: not between"},
    {"\"data\":5", "values[1].data.format: missing"},
    {"\"data\":{\"format\":\"xml\",\"value\":\"\"}", "values[1].data.format: not string"},
    {"\"data\":{\"format\":\"string\"}", "values[1].data.value: not a text"},
    {"\"data\":{\"format\":\"base64\",\"value\":\"AAA\"}", "values[1].data.value: not base64"},
    {"\"data\":{\"format\":\"base64\",\"value\":\"AA A\"}", "values[1].data.value: not base64"},
    {"\"data\":{\"format\":\"base64\",\"value\":7}", "values[1].data.value: not a text"},
    {"\"data\":{\"format\":\"hex\",\"value\":\"0g\"}", "values[1].data.value: not hex"},
    {"\"data\":{\"format\":\"hex\",\"value\":\"012\"}", "values[1].data.value: not hex"},
    {"\"data\":{\"format\":\"admin\",\"value\":{}}", "values[1].data.value.handle: missing"},
    {"\"data\":{\"format\":\"admin\",\"value\":{\"handle\":\"a\",\"permissions\":\"2\"}}",
     "values[1].data.value.permissions: not up to 16"},
    {"\"data\":{\"format\":\"admin\",\"value\":{\"handle\":\"a\",\"permissions\":"
     "\"00000000000000001\"}}",
     "values[1].data.value.permissions: not up to 16"},
    {"\"data\":{\"format\":\"vlist\",\"value\":[{\"handle\":\"a\"},{}]}",
     "values[1].data.value[1].handle: missing"},
    {"\"data\":{\"format\":\"site\",\"value\":{}}",
     "values[1].data.value: protocolVersion: missing"},
    {"\"data\":{\"format\":\"key\",\"value\":{\"kty\":\"oct\"}}", "values[1].data.value: kty"},
};

static void member_of_wrong_value_is_named(void **state)
{
    for (size_t i = 0; i < sizeof(wrong_members) / sizeof(wrong_members[0]); i++) {
        static const char *const members[] = {"index", "type", "data"};
        static const char *const usual[] = {"\"index\":2", "\"type\":\"T\"", "\"data\":\"\""};
        char text[1024];
        int len = snprintf(text, sizeof(text),
                           "{\"handle\":\"a/b\",\"values\":[{\"index\":1,\"type\":\"T\","
                           "\"data\":\"\"},{%s",
                           wrong_members[i][0]);
        for (size_t k = 0; k < 3; k++) {
            char quoted[16];
            (void)snprintf(quoted, sizeof(quoted), "\"%s\"", members[k]);
            if (strncmp(wrong_members[i][0], quoted, strlen(quoted)) != 0) {
                len += snprintf(text + len, sizeof(text) - (size_t)len, ",%s", usual[k]);
            }
        }
        (void)snprintf(text + len, sizeof(text) - (size_t)len, "}]}");
        expect_refused(*state, text, wrong_members[i][1]);
    }
}

static void text_when_hostile_is_refused(void **state)
{
    static const char *const cases[] = {
        "{\"handle\":\"a\",\"handle\":\"b\",\"values\":[]}",
        "{\"handle\":\"a\\ud800\",\"values\":[]}",
        "{\"handle\":\"a\\udc00\\ud800\",\"values\":[]}",
        "{\"handle\":\"a\xff\",\"values\":[]}",
        "{\"handle\":\"a\",\"values\":[]} x",
        "{\"handle\":\"a\",\"values\":[],}",
        "{\"handle\":\"a\",\"values\":NaN}",
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        expect_refused(*state, cases[i], "column ");
    }
}

static void text_when_deep_is_refused(void **state)
{
    char text[256];
    struct record record;
    static const char open[] = "[[[[[[[[[[[[[[[[";
    static const char close[] = "]]]]]]]]]]]]]]]]";
    for (int depth = 15; depth <= 16; depth++) {
        (void)snprintf(text, sizeof(text),
                       "{\"handle\":\"[[[{{\\\"[\",\"values\":[],\"x\":%.*s%.*s}", depth, open,
                       depth, close);
        if (depth == 15) {
            assert_int_equal(parse(*state, text, &record, NULL), STATUS_OK);
        } else {
            expect_refused(*state, text, "nested deeper than 16");
        }
    }
}

static void record_with_too_many_values_is_refused(void **state)
{
    for (size_t count = VALUE_COUNT_MAX; count <= VALUE_COUNT_MAX + 1; count++) {
        json_t *values = json_array();
        for (size_t i = 0; i < count; i++) {
            json_array_append_new(values, json_pack("{s:I,s:s,s:s}", "index", (json_int_t)i + 1,
                                                    "type", "T", "data", ""));
        }
        json_t *object = json_pack("{s:s,s:o}", "handle", "a/b", "values", values);
        struct record record;
        struct fault fault = {STATUS_OK, ""};
        enum status status = record_json_decode(object, *state, NOW, &record, &fault);
        assert_int_equal(status, count == VALUE_COUNT_MAX ? STATUS_OK : STATUS_INVALID_VALUE);
        json_decref(object);
    }
}

static void record_when_arena_is_full_says_so(void **state)
{
    const char *text = "{\"handle\":\"a/b\",\"values\":[{\"index\":1,\"type\":\"URL\",\"data\":"
                       "{\"format\":\"admin\",\"value\":{\"handle\":\"0.NA/1\",\"index\":1,"
                       "\"permissions\":\"1\"}},\"references\":[{\"handle\":\"c\",\"index\":1}]}]}";
    bool is_read = false;
    (void)state;
    for (size_t size = 1; size < 2048 && !is_read; size++) {
        struct arena *small = arena_new(size, size);
        struct record record;
        enum status status = parse(small, text, &record, NULL);
        is_read = status == STATUS_OK;
        assert_true(is_read || status == STATUS_NO_MEMORY);
        arena_free(small);
    }
    assert_true(is_read);
}

static void data_is_text_only_when_it_can_be_read(void **state)
{
    (void)state;
    expect_data("URL", BYTES_LITERAL("https://\xe4\xbe\x8b.cn/"), "string",
                "https://\xe4\xbe\x8b.cn/");
    expect_data("DESC", BYTES_LITERAL("a\tb\r\nc"), "string", "a\tb\r\nc");
    expect_data("DESC", BYTES_NONE, "string", "");
    expect_data("DESC", BYTES_LITERAL("a\0b"), "base64", "YQBi");
    expect_data("DESC", BYTES_LITERAL("\x1b[2J"), "base64", "G1sySg==");
    expect_data("DESC", BYTES_LITERAL("\x7f"), "base64", "fw==");
    expect_data("DESC", BYTES_LITERAL("\xed\xa0\x80"), "base64", "7aCA");
    expect_data("DESC", BYTES_LITERAL("\xc0\xaf"), "base64", "wK8=");
    json_t *member = data_json("B", BYTES_LITERAL("\xff\0"), RECORD_JSON_HEX);
    assert_string_equal(json_string_value(json_object_get(member, "format")), "hex");
    assert_string_equal(json_string_value(json_object_get(member, "value")), "ff00");
    json_decref(member);
}

static void data_that_does_not_decode_falls_back_to_bytes(void **state)
{
    struct bytes pubkey = vectors_file(*state, "keys/adminpub.bin");
    struct bytes site = vectors_get(*state, "V7.record");
    expect_data("HS_ADMIN", BYTES_LITERAL("\0\0\0\0"), "base64", "AAAAAA==");
    expect_data("HS_ADMIN", BYTES_LITERAL("text"), "string", "text");
    expect_data("HS_ADMIN", BYTES_LITERAL("\0\1\0\0\0\1\xff\0\0\0\1"), "base64", NULL);
    expect_data("HS_VLIST", BYTES_LITERAL("\0\0\0\1\0\0\0\1\xff\0\0\0\1"), "base64", NULL);
    expect_data("HS_SITE", BYTES_LITERAL("\0\1"), "base64", "AAE=");
    expect_data("HS_SITE", bytes_of(site.data, site.len - 1), "base64", NULL);
    expect_data("HS_PUBKEY", bytes_of(pubkey.data, pubkey.len - 1), "base64", NULL);
    expect_data("HS_PUBKEY", BYTES_LITERAL("-----BEGIN"), "string", "-----BEGIN");
    expect_data("HS_PUBKEY", pubkey, "key", NULL);
    expect_data("HS_SITE", site, "site", NULL);
}

static void value_when_written_has_the_usual_members(void **state)
{
    struct value value = {.index = 100,
                          .timestamp = NOW,
                          .ttl = 86400,
                          .permissions = VALUE_PERMISSIONS_DEFAULT,
                          .type = BYTES_LITERAL("HS_ADMIN"),
                          .data = vectors_get(*state, "V4.admin_legacy")};
    json_t *json = value_json_encode(&value, 0);
    char *text = json_dumps(json, JSON_COMPACT);
    assert_string_equal(text, "{\"index\":100,\"type\":\"HS_ADMIN\",\"data\":{\"format\":\"admin\","
                              "\"value\":{\"handle\":\"0.NA/20.1000\",\"index\":200,"
                              "\"permissions\":\"011111110011\",\"legacyByteLength\":true}},"
                              "\"ttl\":86400,\"timestamp\":\"2023-11-14T22:13:20Z\"}");
    free(text);
    json_decref(json);
    value.permissions = VALUE_ADMIN_READ;
    value.ttl_type = VALUE_TTL_ABSOLUTE;
    value.ttl = 1893456000;
    value.timestamp = 0;
    value.data = BYTES_NONE;
    value.reference_count = 1;
    value.references = BYTES_LITERAL("\0\0\0\1x\0\0\0\2");
    json = value_json_encode(&value, 0);
    text = json_dumps(json, JSON_COMPACT);
    assert_string_equal(text,
                        "{\"index\":100,\"type\":\"HS_ADMIN\",\"data\":{\"format\":\"string\","
                        "\"value\":\"\"},\"permissions\":\"1000\","
                        "\"ttl\":\"2030-01-01T00:00:00Z\","
                        "\"references\":[{\"handle\":\"x\",\"index\":2}]}");
    free(text);
    json_decref(json);
}

static void value_of_old_store_with_names_that_are_no_text_is_shown(void **state)
{
    const struct value value = {.index = 1,
                                .type = BYTES_LITERAL("\xff"),
                                .reference_count = 1,
                                .references = BYTES_LITERAL("\0\0\0\1\xfe\0\0\0\2")};
    (void)state;
    json_t *json = value_json_encode(&value, 0);
    assert_non_null(json);
    assert_string_equal(json_string_value(json_object_get(json, "type")), "\\xff");
    json_t *reference = json_array_get(json_object_get(json, "references"), 0);
    assert_string_equal(json_string_value(json_object_get(reference, "handle")), "\\xfe");
    json_decref(json);
}

/* A fixed sequence: a failure can be repeated. */
static uint32_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

static struct value random_value(struct arena *arena, uint64_t *seed, struct bytes base)
{
    static const char *const types[] = {"URL",       "HS_ADMIN", "HS_VLIST",  "HS_SITE",
                                        "HS_PUBKEY", "HS_ALIAS", "HS_SECKEY", "88.x/type",
                                        "HS_SITE.6", "HS_CERT"};
    size_t len = next_random(seed) % 4 == 0 ? next_random(seed) % 600 : base.len;
    uint8_t *data = arena_alloc(arena, len + 1);
    assert_non_null(data);
    for (size_t i = 0; i < len; i++) {
        data[i] = i < base.len ? base.data[i] : (uint8_t)next_random(seed);
    }
    for (uint32_t flips = next_random(seed) % 4; flips > 0 && len > 0; flips--) {
        data[next_random(seed) % len] = (uint8_t)next_random(seed);
    }
    return (struct value){.index = 1 + next_random(seed) % INT32_MAX,
                          .timestamp = next_random(seed) % 2 == 0 ? 0 : next_random(seed),
                          .ttl_type = next_random(seed) % 2,
                          .ttl = next_random(seed) * 2,
                          .permissions = next_random(seed) % 16,
                          .type = bytes_of_text(types[next_random(seed) % 10]),
                          .data = bytes_of(data, len)};
}

static void any_data_of_any_type_survives(void **state)
{
    static const char *const names[] = {"V4.admin", "V4.admin_legacy", "V4.vlist", "V6.rsa",
                                        "V6.dsa",   "V7.record",       "V3.admin"};
    struct bytes bases[7];
    uint64_t seed = 20261121;
    for (size_t i = 0; i < 7; i++) {
        bases[i] = vectors_get(*state, names[i]);
    }
    for (int round = 0; round < 1500; round++) {
        struct arena *arena = arena_new(1 << 16, 4 << 20);
        struct value values[2];
        assert_non_null(arena);
        values[0] = random_value(arena, &seed, bases[next_random(&seed) % 7]);
        values[1] = random_value(arena, &seed, bases[next_random(&seed) % 7]);
        const struct record record = {BYTES_LITERAL("88.608/\xe4\xba\xa7\0\n"), values, 2};
        json_survives(arena, &record);
        arena_free(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(value_when_bare_gets_defaults, forget),
        cmocka_unit_test_teardown(value_when_full_keeps_everything, forget),
        cmocka_unit_test_teardown(permissions_are_four_bits_or_all, forget),
        cmocka_unit_test_teardown(typed_data_is_read_as_its_record, forget),
        cmocka_unit_test_teardown(record_of_wrong_shape_names_the_member, forget),
        cmocka_unit_test_teardown(member_of_wrong_value_is_named, forget),
        cmocka_unit_test_teardown(text_when_hostile_is_refused, forget),
        cmocka_unit_test_teardown(text_when_deep_is_refused, forget),
        cmocka_unit_test_teardown(record_with_too_many_values_is_refused, forget),
        cmocka_unit_test(record_when_arena_is_full_says_so),
        cmocka_unit_test(data_is_text_only_when_it_can_be_read),
        cmocka_unit_test_teardown(data_that_does_not_decode_falls_back_to_bytes, forget),
        cmocka_unit_test_teardown(value_when_written_has_the_usual_members, forget),
        cmocka_unit_test(value_of_old_store_with_names_that_are_no_text_is_shown),
        cmocka_unit_test_teardown(any_data_of_any_type_survives, forget),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
