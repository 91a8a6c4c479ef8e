/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers written without a tree say what the tree says (rest_json_write.h).
 */
#include "resolver/rest_json_write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "protocol/record_json.h"
#include "protocol/value_types.h"

static int setup(void **state)
{
    *state = arena_new(4096, 64u << 20);
    return *state == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    arena_free(*state);
    return 0;
}

static struct value value_of(const char *type, struct bytes data)
{
    return (struct value){
        .index = 1,
        .timestamp = 1700000000,
        .ttl = VALUE_TTL_DEFAULT,
        .permissions = VALUE_PERMISSIONS_DEFAULT,
        .type = bytes_of_text(type),
        .data = data,
    };
}

static struct bytes wrote(struct arena *arena, const struct value *value)
{
    struct rest_json json = rest_json_new(arena, 1);
    rest_json_value(&json, value);
    assert_false(json.failed);
    return rest_json_wrote(&json);
}

/* Compact and pretty, what jansson makes of the tree. */
static void assert_same(struct arena *arena, const struct value *value)
{
    json_t *tree = value_json_encode(value, 0);
    assert_non_null(tree);
    char *compact = json_dumps(tree, JSON_COMPACT);
    char *pretty = json_dumps(tree, JSON_INDENT(2));
    struct bytes ours = wrote(arena, value);
    assert_int_equal(ours.len, strlen(compact));
    assert_memory_equal(ours.data, compact, ours.len);
    struct rest_json indented = rest_json_indented(arena, ours);
    struct bytes lines = rest_json_wrote(&indented);
    assert_int_equal(lines.len, strlen(pretty));
    assert_memory_equal(lines.data, pretty, lines.len);
    free(compact);
    free(pretty);
    json_decref(tree);
}

static struct bytes from_vector(struct arena *arena, const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof(path), TEST_VECTORS "/%s", name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    uint8_t *data = arena_alloc(arena, 65536);
    size_t len = fread(data, 1, 65536, file);
    (void)fclose(file);
    assert_true(len > 0);
    return bytes_of(data, len);
}

static void value_when_text_then_as_the_tree_has_it(void **state)
{
    static const char *const texts[] = {
        "",
        "https://example.com/r",
        "{\"name\":\"轴承\"}",
        "a\\b\"c/d",
        "tab\tline\nreturn\r",
        "\xe2\x82\xac \xe2\x80",
        "\xf0\x9f\x8f\xad",
        "a\x7f",
        "\x01\x02",
        "\xff\xfe",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const struct value value = value_of("URL", bytes_of_text(texts[i]));
        assert_same(*state, &value);
    }
}

static void value_when_binary_then_base64(void **state)
{
    uint8_t all[256];
    for (size_t i = 0; i < sizeof(all); i++) {
        all[i] = (uint8_t)i;
    }
    for (size_t len = 1; len < 20; len++) {
        const struct value value = value_of("BIN", bytes_of(all, len));
        assert_same(*state, &value);
    }
    const struct value value = value_of("BIN", bytes_of(all, sizeof(all)));
    assert_same(*state, &value);
}

static void value_when_line_separator_then_escaped(void **state)
{
    const struct value value = value_of("NOTE", bytes_of_text("a\xe2\x80\xa8 b\xe2\x80\xa9"));
    struct bytes text = wrote(*state, &value);
    assert_non_null(memmem(text.data, text.len, "\"a\\u2028 b\\u2029\"", 17));
}

static void value_when_type_is_no_utf8_then_as_the_tree_has_it(void **state)
{
    struct value value = value_of("\xff\xc0q", BYTES_LITERAL("x"));
    assert_same(*state, &value);
    value.type = BYTES_LITERAL("A\0B\x1f\b\f");
    assert_same(*state, &value);
}

static void value_when_every_member_then_as_the_tree_has_it(void **state)
{
    uint8_t room[256];
    struct wire_writer w = wire_write(room, sizeof(room));
    wire_put_bytes(&w, BYTES_LITERAL("88.608/\"a\""));
    wire_put_u32(&w, 300);
    wire_put_bytes(&w, BYTES_LITERAL("\xff"));
    wire_put_u32(&w, 0);
    for (unsigned permissions = 0; permissions < 16; permissions++) {
        struct value value = value_of("NAME", BYTES_LITERAL("x"));
        value.permissions = (uint8_t)permissions;
        value.timestamp = permissions % 3 == 0 ? 0 : UINT32_MAX;
        value.ttl_type = permissions % 2 == 0 ? VALUE_TTL_RELATIVE : VALUE_TTL_ABSOLUTE;
        value.ttl = permissions * 1000;
        value.index = UINT32_MAX;
        value.reference_count = 2;
        value.references = wire_wrote(&w);
        assert_same(*state, &value);
    }
}

static void value_when_admin_then_as_the_tree_has_it(void **state)
{
    static const uint16_t bits[] = {0, 1, 0x0800, 0x0fff, 0x1000, 0xffff};
    for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
        uint8_t room[128];
        struct wire_writer w = wire_write(room, sizeof(room));
        const struct admin admin = {
            .permissions = bits[i],
            .identity = {i % 2 == 0 ? BYTES_LITERAL("0.NA/88.608") : BYTES_LITERAL("\xc3("), 300},
            .is_legacy = i == 2,
        };
        admin_encode(&w, &admin);
        struct value value = value_of(i == 4 ? "HS_ADMIN.X" : "HS_ADMIN", wire_wrote(&w));
        assert_same(*state, &value);
        value.data.len--;
        assert_same(*state, &value);
    }
}

static void value_when_vlist_then_as_the_tree_has_it(void **state)
{
    for (uint32_t count = 0; count < 4; count++) {
        uint8_t room[128];
        struct wire_writer w = wire_write(room, sizeof(room));
        wire_put_u32(&w, count);
        for (uint32_t i = 0; i < count; i++) {
            wire_put_bytes(&w, i == 2 ? BYTES_LITERAL("\x80") : BYTES_LITERAL("88.608/User_li"));
            wire_put_u32(&w, i);
        }
        const struct value value = value_of("HS_VLIST", wire_wrote(&w));
        assert_same(*state, &value);
    }
}

static void value_when_site_or_key_then_as_the_tree_has_it(void **state)
{
    struct bytes site = from_vector(*state, "keys/siteinfo.bin");
    struct value value = value_of("HS_SITE", site);
    assert_same(*state, &value);
    value.data.len--;
    assert_same(*state, &value);
    value = value_of("HS_PUBKEY", from_vector(*state, "keys/adminpub.bin"));
    assert_same(*state, &value);
    value.data = BYTES_LITERAL("no key");
    assert_same(*state, &value);
}

static void json_when_it_outgrows_its_room_then_whole(void **state)
{
    struct rest_json json = rest_json_new(*state, 1);
    for (unsigned i = 0; i < 50000; i++) {
        rest_json_number(&json, i % 10);
    }
    struct bytes text = rest_json_wrote(&json);
    assert_int_equal(text.len, 50000);
    for (unsigned i = 0; i < 50000; i++) {
        assert_int_equal(text.data[i], '0' + i % 10);
    }
}

static void json_when_arena_is_full_then_nothing(void **state)
{
    (void)state;
    struct arena *small = arena_new(1024, 2048);
    struct rest_json json = rest_json_new(small, 1);
    for (unsigned i = 0; i < 5000; i++) {
        rest_json_text(&json, BYTES_LITERAL("0123456789"));
    }
    assert_true(json.failed);
    assert_int_equal(rest_json_wrote(&json).len, 0);
    arena_free(small);
}

static void number_when_at_its_ends_then_decimal(void **state)
{
    struct rest_json json = rest_json_new(*state, 1);
    rest_json_number(&json, 0);
    REST_JSON_RAW(&json, " ");
    rest_json_number(&json, UINT64_MAX);
    struct bytes text = rest_json_wrote(&json);
    assert_int_equal(text.len, 22);
    assert_memory_equal(text.data, "0 18446744073709551615", 22);
}

static void indented_when_empty_lists_then_on_one_line(void **state)
{
    static const char pretty[] =
        "{\n  \"a\": [],\n  \"b\": {},\n  \"c\": [\n    \"[{,:\\\"\"\n  ]\n}";
    struct rest_json json =
        rest_json_indented(*state, BYTES_LITERAL("{\"a\":[],\"b\":{},\"c\":[\"[{,:\\\"\"]}"));
    struct bytes text = rest_json_wrote(&json);
    assert_int_equal(text.len, sizeof(pretty) - 1);
    assert_memory_equal(text.data, pretty, text.len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(value_when_text_then_as_the_tree_has_it, setup, teardown),
        cmocka_unit_test_setup_teardown(value_when_binary_then_base64, setup, teardown),
        cmocka_unit_test_setup_teardown(value_when_line_separator_then_escaped, setup, teardown),
        cmocka_unit_test_setup_teardown(value_when_type_is_no_utf8_then_as_the_tree_has_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(value_when_every_member_then_as_the_tree_has_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(value_when_admin_then_as_the_tree_has_it, setup, teardown),
        cmocka_unit_test_setup_teardown(value_when_vlist_then_as_the_tree_has_it, setup, teardown),
        cmocka_unit_test_setup_teardown(value_when_site_or_key_then_as_the_tree_has_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(json_when_it_outgrows_its_room_then_whole, setup, teardown),
        cmocka_unit_test(json_when_arena_is_full_then_nothing),
        cmocka_unit_test_setup_teardown(number_when_at_its_ends_then_decimal, setup, teardown),
        cmocka_unit_test_setup_teardown(indented_when_empty_lists_then_on_one_line, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
