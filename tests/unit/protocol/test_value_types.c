/* SPDX-License-Identifier: Apache-2.0
 *
 * The predefined types: recoding, formats and what may be stored.
 */
#include "protocol/value_types.h"

#include "tests/unit/protocol/vectors.h"

static int set_up(void **state)
{
    *state = arena_new(1 << 16, 4 << 20);
    return *state == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    arena_free(*state);
    return 0;
}

static void expect_fit(const char *type, struct bytes data)
{
    struct fault fault = {STATUS_OK, ""};
    if (value_types_check(bytes_of_text(type), data, &fault) != STATUS_OK) {
        fail_msg("%s refused: %s", type, fault.text);
    }
}

static void expect_unfit(const char *type, struct bytes data)
{
    struct fault fault = {STATUS_OK, ""};
    if (value_types_check(bytes_of_text(type), data, &fault) != STATUS_INVALID_VALUE) {
        fail_msg("%s accepted: %.*s", type, (int)data.len, (const char *)data.data);
    }
    assert_int_equal(fault.status, STATUS_INVALID_VALUE);
    assert_true(fault.text[0] != '\0');
}

static void expect_cuts_unfit(const char *type, struct bytes data)
{
    expect_fit(type, data);
    for (size_t len = 0; len < data.len; len++) {
        expect_unfit(type, bytes_of(data.data, len));
    }
}

static void admin_when_recoded_has_the_same_bytes(void **state)
{
    static const char *const names[] = {"V4.admin", "V4.admin_legacy"};
    for (size_t i = 0; i < 2; i++) {
        struct bytes data = vectors_get(*state, names[i]);
        struct admin admin;
        uint8_t room[64];
        struct wire_writer w = wire_write(room, sizeof(room));
        assert_int_equal(admin_decode(data, &admin), STATUS_OK);
        assert_int_equal(admin.permissions, 0x07f3);
        assert_int_equal(admin.identity.index, 200);
        vectors_assert_equal(admin.identity.handle, BYTES_LITERAL("0.NA/20.1000"));
        assert_int_equal(admin.is_legacy, i == 1);
        admin_encode(&w, &admin);
        vectors_assert_equal(wire_wrote(&w), data);
    }
}

static void admin_of_wrong_length_is_unfit(void **state)
{
    uint8_t data[32] = {0};
    struct bytes legacy = vectors_get(*state, "V4.admin_legacy");
    memcpy(data, legacy.data, legacy.len);
    expect_fit("HS_ADMIN", bytes_of(data, 22));
    expect_unfit("HS_ADMIN", bytes_of(data, 21));
    expect_unfit("HS_ADMIN", bytes_of(data, 23));
    expect_fit("HS_ADMIN", bytes_of(data, 24));
    expect_unfit("HS_ADMIN", bytes_of(data, 25));
    data[23] = 1; /* a tail that says something is none of the reference's */
    expect_unfit("HS_ADMIN", bytes_of(data, 24));
    data[23] = 0;
    data[5] = 0x0b; /* the handle's length lies */
    expect_unfit("HS_ADMIN", bytes_of(data, 22));
    expect_unfit("hs_admin.team", bytes_of(data, 22));
}

static void vlist_when_recoded_has_the_same_bytes(void **state)
{
    struct bytes data = vectors_get(*state, "V4.vlist");
    struct vlist list;
    uint8_t room[64];
    struct wire_writer w = wire_write(room, sizeof(room));
    assert_int_equal(vlist_decode(data, &list), STATUS_OK);
    assert_int_equal(list.count, 2);
    struct wire_reader r = wire_read(list.references);
    struct reference reference;
    assert_true(value_next_reference(&r, &reference));
    assert_int_equal(reference.index, 300);
    assert_true(value_next_reference(&r, &reference));
    vectors_assert_equal(reference.handle, BYTES_LITERAL("20.1000/u2"));
    assert_false(value_next_reference(&r, &reference));
    vlist_encode(&w, &list);
    vectors_assert_equal(wire_wrote(&w), data);
}

static void vlist_when_count_lies_is_unfit(void **state)
{
    uint8_t data[64] = {0};
    struct bytes vector = vectors_get(*state, "V4.vlist");
    expect_cuts_unfit("HS_VLIST", vector);
    memcpy(data, vector.data, vector.len);
    expect_unfit("HS_VLIST", bytes_of(data, vector.len + 1));
    data[3] = 1;
    expect_unfit("HS_VLIST", bytes_of(data, vector.len));
    data[3] = 3;
    expect_unfit("HS_VLIST", bytes_of(data, vector.len));
    memset(data, 0xff, 4);
    expect_unfit("HS_VLIST", bytes_of(data, vector.len));
    expect_fit("HS_VLIST", BYTES_LITERAL("\0\0\0\0"));
}

static void site_types_are_all_judged(void **state)
{
    static const char *const types[] = {"HS_SITE", "HS_SITE.6", "HS_SITE.PREFIX", "HS_NA_DELEGATE",
                                        "hs_site"};
    struct bytes site = vectors_get(*state, "V7.record");
    uint8_t *wrong = arena_alloc(*state, site.len);
    assert_non_null(wrong);
    struct wire_writer w = wire_write(wrong, site.len);
    wire_put_raw(&w, bytes_of(site.data, site.len - 2));
    wire_put_u16(&w, 0); /* the last interface's port */
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        expect_fit(types[i], site);
        expect_unfit(types[i], bytes_of(site.data, site.len - 1));
        expect_unfit(types[i], bytes_of(wrong, site.len));
    }
    expect_fit("HS_SITE.MINE", BYTES_LITERAL("anything"));
}

static void service_handles_are_text(void **state)
{
    static const char *const types[] = {"HS_SERV", "HS_SERV.PREFIX", "HS_ALIAS"};
    static const uint8_t long_handle[2049];
    (void)state;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        struct bytes handle;
        expect_fit(types[i], BYTES_LITERAL("88.608/\xe4\xba\xa7"));
        expect_unfit(types[i], BYTES_NONE);
        expect_unfit(types[i], BYTES_LITERAL("88.608/\xe4\xba"));
        expect_unfit(types[i], bytes_of(long_handle, sizeof(long_handle)));
        assert_int_equal(value_types_target(BYTES_LITERAL("a/b"), &handle), STATUS_OK);
        vectors_assert_equal(handle, BYTES_LITERAL("a/b"));
    }
}

static void namespace_when_balanced_is_fit(void **state)
{
    static const char *const texts[] = {
        "<namespace/>",
        "<?xml version=\"1.0\"?>\n<namespace><template delimiter=\"@\"><foreach>"
        "<if value='type' test=\"matches\" expression=\"a>b\"><value data='x/'/></if>"
        "</foreach></template></namespace>\n",
        "<!-- <a> --><n><![CDATA[<b>]]></n>",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        expect_fit("HS_NAMESPACE", bytes_of_text(texts[i]));
    }
}

static void namespace_when_dangerous_or_broken_is_unfit(void **state)
{
    static const char *const texts[] = {
        "",
        "text",
        "<",
        "<a",
        "<>",
        "<a></a></b>",
        "</a>",
        "<a>",
        "<a b='></a>",
        "<!-- <a/>",
        "<a>\xff</a>",
        "<a><![CDATA[</a>",
        "<!DOCTYPE a><a/>",
        "<!doctype a SYSTEM 'file:///etc/passwd'><a/>",
        "<a><!ENTITY x 'y'></a>",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        expect_unfit("HS_NAMESPACE", bytes_of_text(texts[i]));
    }
    expect_unfit("HS_NAMESPACE", BYTES_LITERAL("<\0a\0/\0>\0"));
}

static struct bytes nested(struct arena *arena, size_t depth)
{
    uint8_t *room = arena_alloc(arena, 7 * depth);
    assert_non_null(room);
    struct wire_writer w = wire_write(room, 7 * depth);
    for (size_t i = 0; i < depth; i++) {
        wire_put_raw(&w, BYTES_LITERAL("<a>"));
    }
    for (size_t i = 0; i < depth; i++) {
        wire_put_raw(&w, BYTES_LITERAL("</a>"));
    }
    return wire_wrote(&w);
}

static void namespace_when_deep_or_huge_is_unfit(void **state)
{
    enum { LARGEST = 65536 };
    expect_fit("HS_NAMESPACE", nested(*state, 64));
    expect_unfit("HS_NAMESPACE", nested(*state, 65));
    uint8_t *huge = arena_alloc(*state, LARGEST + 1);
    assert_non_null(huge);
    memset(huge, ' ', LARGEST + 1);
    struct wire_writer w = wire_write(huge, 4);
    wire_put_raw(&w, BYTES_LITERAL("<a/>"));
    expect_fit("HS_NAMESPACE", bytes_of(huge, LARGEST));
    expect_unfit("HS_NAMESPACE", bytes_of(huge, LARGEST + 1));
}

static void signatures_are_jws(void **state)
{
    (void)state;
    expect_fit("HS_SIGNATURE", BYTES_LITERAL("e30.e30.AAAA"));
    expect_fit("HS_CERT", BYTES_LITERAL("e30.e30.AAAA"));
    expect_unfit("HS_SIGNATURE", BYTES_LITERAL("e30.e30"));
    expect_unfit("HS_CERT", BYTES_LITERAL("{}"));
}

static void keys_are_judged_and_other_types_are_free(void **state)
{
    expect_fit("HS_PUBKEY", vectors_file(*state, "keys/adminpub.bin"));
    expect_unfit("HS_PUBKEY", BYTES_LITERAL("key"));
    expect_fit("HS_SECKEY", BYTES_LITERAL("\xff\x00 raw"));
    expect_fit("URL", BYTES_LITERAL("\xff\xfe"));
    expect_fit("HS_ADMINISTRATOR", BYTES_NONE);
}

static void format_follows_the_type(void **state)
{
    (void)state;
    assert_int_equal(value_types_format(BYTES_LITERAL("HS_ADMIN")), VALUE_FORMAT_ADMIN);
    assert_int_equal(value_types_format(BYTES_LITERAL("hs_admin.x")), VALUE_FORMAT_ADMIN);
    assert_int_equal(value_types_format(BYTES_LITERAL("HS_VLIST")), VALUE_FORMAT_VLIST);
    assert_int_equal(value_types_format(BYTES_LITERAL("HS_SITE.6")), VALUE_FORMAT_SITE);
    assert_int_equal(value_types_format(BYTES_LITERAL("HS_NA_DELEGATE")), VALUE_FORMAT_SITE);
    assert_int_equal(value_types_format(BYTES_LITERAL("HS_SITE.MINE")), VALUE_FORMAT_TEXT);
    assert_int_equal(value_types_format(BYTES_LITERAL("HS_PUBKEY")), VALUE_FORMAT_KEY);
    assert_int_equal(value_types_format(BYTES_LITERAL("HS_ALIAS")), VALUE_FORMAT_TEXT);
    assert_int_equal(value_types_format(BYTES_LITERAL("URL")), VALUE_FORMAT_TEXT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(admin_when_recoded_has_the_same_bytes),
        cmocka_unit_test(admin_of_wrong_length_is_unfit),
        cmocka_unit_test(vlist_when_recoded_has_the_same_bytes),
        cmocka_unit_test(vlist_when_count_lies_is_unfit),
        cmocka_unit_test(site_types_are_all_judged),
        cmocka_unit_test(service_handles_are_text),
        cmocka_unit_test(namespace_when_balanced_is_fit),
        cmocka_unit_test(namespace_when_dangerous_or_broken_is_unfit),
        cmocka_unit_test(namespace_when_deep_or_huge_is_unfit),
        cmocka_unit_test(signatures_are_jws),
        cmocka_unit_test(keys_are_judged_and_other_types_are_free),
        cmocka_unit_test(format_follows_the_type),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
