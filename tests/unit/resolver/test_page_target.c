/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a record leads: which value counts, and what no browser is sent to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "resolver/page_target.h"

static int make_arena(void **state)
{
    *state = arena_new(4096, 1u << 20);
    return *state == NULL ? -1 : 0;
}

static int drop_arena(void **state)
{
    arena_free(*state);
    return 0;
}

static struct value value_of(const char *type, const char *data)
{
    return (struct value){
        .index = 1, .ttl = 60, .type = bytes_of_text(type), .data = bytes_of_text(data)};
}

static enum status find(void **state, const struct value *values, size_t count, const char *append,
                        struct page_target *out_target)
{
    const struct location_choice choice = {.handle = BYTES_LITERAL("88.1/x")};
    return page_target_find(values, count, &choice, bytes_of_text(append), *state, out_target);
}

static void assert_leads(void **state, struct value value, const char *append, const char *address)
{
    struct page_target target;
    assert_int_equal(find(state, &value, 1, append, &target), STATUS_OK);
    assert_int_equal(target.address.len, strlen(address));
    assert_memory_equal(target.address.data, address, target.address.len);
}

static void find_when_several_then_in_the_order_of_the_reference(void **state)
{
    struct page_target target;
    const struct value values[] = {
        value_of("URL.x", "http://third/"),
        value_of("url", "http://second/"),
        value_of("10320/loc",
                 "<locations><location href=\"http://first/\" http_sc=\"307\"/></locations>"),
    };
    assert_int_equal(find(state, values, 3, "", &target), STATUS_OK);
    assert_memory_equal(target.address.data, "http://first/", 13);
    assert_int_equal(target.http_status, 307);
    assert_int_equal(find(state, values, 2, "", &target), STATUS_OK);
    assert_memory_equal(target.address.data, "http://second/", 14);
    assert_int_equal(target.http_status, 302);
    assert_int_equal(target.ttl_s, 60);
    assert_int_equal(find(state, values, 1, "", &target), STATUS_OK);
    assert_memory_equal(target.address.data, "http://third/", 13);
}

static void find_when_no_place_for_a_browser_then_none(void **state)
{
    static const char *const addresses[] = {"javascript:alert(1)",
                                            "data:text/html,x",
                                            "//a.example/",
                                            "http:///x",
                                            "http://",
                                            "",
                                            "http://a/\r\nX:y",
                                            "http://a/ b",
                                            "http://a\\b/",
                                            "ftp://a/",
                                            "http://a/\xe2\x80\xae"};
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        struct page_target target;
        struct value value = value_of("URL", addresses[i]);
        assert_int_equal(find(state, &value, 1, "", &target), STATUS_NOT_FOUND);
    }
}

static void find_when_not_ascii_then_escaped(void **state)
{
    assert_leads(state, value_of("0.TYPE/URL", "https://a.example/张?b"), "",
                 "https://a.example/%E5%BC%A0?b");
}

static void append_when_given_then_never_part_of_the_host(void **state)
{
    assert_leads(state, value_of("URL", "https://a.example/p"), "?x=1", "https://a.example/p?x=1");
    assert_leads(state, value_of("URL", "https://a.example"), ".evil/", "https://a.example/.evil/");
    assert_leads(state, value_of("URL", "https://a.example"), "@evil/", "https://a.example/@evil/");
    assert_leads(state, value_of("URL", "https://a.example?b"), "&c", "https://a.example?b&c");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, make_arena, drop_arena)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(find_when_several_then_in_the_order_of_the_reference),
        CASE(find_when_no_place_for_a_browser_then_none),
        CASE(find_when_not_ascii_then_escaped),
        CASE(append_when_given_then_never_part_of_the_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
