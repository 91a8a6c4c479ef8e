/* SPDX-License-Identifier: Apache-2.0
 *
 * HS_SITE records and addresses.
 */
#include "protocol/site.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "tests/unit/protocol/vectors.h"

static int set_up(void **state)
{
    *state = arena_new(1 << 16, 1 << 20);
    return *state == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    arena_free(*state);
    return 0;
}

static struct bytes encode(struct arena *arena, const struct site *site)
{
    uint8_t *room = arena_alloc(arena, 4096);
    assert_non_null(room);
    struct wire_writer w = wire_write(room, 4096);
    site_encode(&w, site);
    assert_false(w.failed);
    return wire_wrote(&w);
}

static struct site decoded(struct arena *arena, const char *vector)
{
    struct site site;
    assert_int_equal(site_decode(vectors_get(arena, vector), arena, &site), STATUS_OK);
    return site;
}

static void site_when_decoded_has_every_field(void **state)
{
    struct site site = decoded(*state, "V7.record");
    assert_int_equal(site.format, 1);
    assert_int_equal(site.protocol_major, 2);
    assert_int_equal(site.protocol_minor, 11);
    assert_int_equal(site.serial, 7);
    assert_int_equal(site.primary_mask, SITE_PRIMARY);
    assert_int_equal(site.hash_option, 2);
    assert_int_equal(site.hash_filter.len, 0);
    assert_int_equal(site.attribute_count, 1);
    vectors_assert_equal(site.attributes[0].name, BYTES_LITERAL("desc"));
    vectors_assert_equal(site.attributes[0].value, BYTES_LITERAL("Test"));
    assert_int_equal(site.server_count, 1);
    assert_int_equal(site.servers[0].id, 1);
    vectors_assert_equal(site.servers[0].public_key, vectors_get(*state, "V6.rsa"));
    assert_int_equal(site.servers[0].interface_count, 3);
    assert_int_equal(site.servers[0].interfaces[1].use, SITE_QUERY);
    assert_int_equal(site.servers[0].interfaces[1].protocol, SITE_UDP);
    assert_int_equal(site.servers[0].interfaces[2].port, 8000);
}

static void site_when_recoded_has_the_same_bytes(void **state)
{
    struct bytes real = vectors_file(*state, "keys/siteinfo.bin");
    struct bytes vector = vectors_get(*state, "V7.record");
    struct site site;
    assert_int_equal(site_decode(vector, *state, &site), STATUS_OK);
    vectors_assert_equal(encode(*state, &site), vector);
    assert_int_equal(site_decode(real, *state, &site), STATUS_OK);
    vectors_assert_equal(encode(*state, &site), real);
}

static void site_when_cut_anywhere_is_refused(void **state)
{
    struct bytes whole = vectors_get(*state, "V7.record");
    for (size_t len = 0; len < whole.len; len++) {
        struct site site = {.serial = 99};
        uint8_t *cut = malloc(len + 1); /* its own block, so that a read behind the end is seen */
        assert_non_null(cut);
        memcpy(cut, whole.data, len);
        assert_int_equal(site_decode(bytes_of(cut, len), *state, &site), STATUS_INVALID_VALUE);
        assert_int_equal(site.serial, 99);
        free(cut);
    }
}

static void site_with_bytes_behind_is_refused(void **state)
{
    struct bytes whole = vectors_get(*state, "V7.record");
    uint8_t *longer = arena_alloc(*state, whole.len + 1);
    struct site site;
    memcpy(longer, whole.data, whole.len);
    longer[whole.len] = 0;
    assert_int_equal(site_decode(bytes_of(longer, whole.len + 1), *state, &site),
                     STATUS_INVALID_VALUE);
}

static void site_when_counts_lie_allocates_nothing(void **state)
{
    static const uint8_t attributes[] = {0, 1, 2, 11, 0,    1,    0x80, 2,
                                         0, 0, 0, 0,  0x7f, 0xff, 0xff, 0xff};
    static const uint8_t servers[] = {0, 1, 2, 11, 0, 1, 0x80, 2,    0,    0,
                                      0, 0, 0, 0,  0, 0, 0xff, 0xff, 0xff, 0xff};
    struct site site;
    size_t before = arena_used(*state);
    assert_int_equal(site_decode(bytes_of(attributes, sizeof(attributes)), *state, &site),
                     STATUS_INVALID_VALUE);
    assert_int_equal(site_decode(bytes_of(servers, sizeof(servers)), *state, &site),
                     STATUS_INVALID_VALUE);
    assert_true(arena_used(*state) - before < 256);
}

static void site_when_arena_is_full_says_so(void **state)
{
    struct arena *small = arena_new(16, 16);
    struct site site;
    assert_non_null(small);
    assert_int_equal(site_decode(vectors_get(*state, "V7.record"), small, &site), STATUS_NO_MEMORY);
    arena_free(small);
}

static void expect_unfit(const struct site *site, const char *word)
{
    struct fault fault = {STATUS_OK, ""};
    assert_int_equal(site_check(site, &fault), STATUS_INVALID_VALUE);
    if (strstr(fault.text, word) == NULL) {
        fail_msg("\"%s\" does not name %s", fault.text, word);
    }
}

static void check_when_site_is_sound_is_ok(void **state)
{
    struct site site = decoded(*state, "V7.record");
    assert_int_equal(site_check(&site, NULL), STATUS_OK);
    site.format = 0;
    assert_int_equal(site_check(&site, NULL), STATUS_OK);
}

static void check_when_meaning_is_wrong_names_it(void **state)
{
    struct site site = decoded(*state, "V7.record");
    struct site_interface *interface = &site.servers[0].interfaces[0];
    interface->port = 0;
    expect_unfit(&site, "port 0");
    interface->port = 65536;
    expect_unfit(&site, "port 65536");
    interface->port = 65535;
    interface->protocol = 4;
    expect_unfit(&site, "interface");
    interface->protocol = SITE_TCP;
    interface->use = 4;
    expect_unfit(&site, "interface");
    interface->use = SITE_BOTH;
    site.hash_option = 3;
    expect_unfit(&site, "hash option 3");
    site.hash_option = 2;
    site.format = 2;
    expect_unfit(&site, "format 2");
    site.format = 1;
    site.server_count = 0;
    expect_unfit(&site, "server");
}

static void address_when_parsed_and_written_is_the_same(void **state)
{
    static const char *const texts[] = {"192.0.2.1", "0.0.0.0", "127.0.0.1", "2001:db8::1",
                                        "::1",       "0.0.0.2", "fe80::1:2"};
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        uint8_t address[16];
        char text[INET6_ADDRSTRLEN];
        assert_true(site_address_parse(texts[i], address));
        site_address_text(address, text);
        assert_string_equal(text, texts[i]);
    }
}

static void address_when_ipv4_mapped_is_ipv4(void **state)
{
    static const uint8_t plain[16] = {[12] = 192, [14] = 2, [15] = 9};
    static const uint8_t mapped[16] = {[10] = 0xff, 0xff, 192, 0, 2, 9};
    uint8_t address[16];
    char text[INET6_ADDRSTRLEN];
    (void)state;
    assert_true(site_address_parse("::ffff:192.0.2.9", address));
    assert_memory_equal(address, plain, sizeof(plain));
    site_address_text(mapped, text);
    assert_string_equal(text, "192.0.2.9");
}

static void address_when_no_address_is_refused(void **state)
{
    static const char *const texts[] = {"",    "192.0.2",  "192.0.2.1 ", "host.example",
                                        "::g", "1.2.3.4.5"};
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        uint8_t address[16] = {7};
        assert_false(site_address_parse(texts[i], address));
        assert_int_equal(address[0], 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(site_when_decoded_has_every_field),
        cmocka_unit_test(site_when_recoded_has_the_same_bytes),
        cmocka_unit_test(site_when_cut_anywhere_is_refused),
        cmocka_unit_test(site_with_bytes_behind_is_refused),
        cmocka_unit_test(site_when_counts_lie_allocates_nothing),
        cmocka_unit_test(site_when_arena_is_full_says_so),
        cmocka_unit_test(check_when_site_is_sound_is_ok),
        cmocka_unit_test(check_when_meaning_is_wrong_names_it),
        cmocka_unit_test(address_when_parsed_and_written_is_the_same),
        cmocka_unit_test(address_when_ipv4_mapped_is_ipv4),
        cmocka_unit_test(address_when_no_address_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
