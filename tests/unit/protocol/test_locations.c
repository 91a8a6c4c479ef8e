/* SPDX-License-Identifier: Apache-2.0
 *
 * 10320/loc: what is read of it, and which place is chosen (protocol.md §9.10).
 */
#include "tests/unit/protocol/vectors.h"

#include "protocol/locations.h"

#define TEXT(literal) BYTES_LITERAL(literal)

static const char three[] =
    "<locations chooseby=\"locatt,country,weighted\">"
    "<location id=\"0\" href=\"http://a/1\" weight=\"1\" country=\"us\" http_sc=\"303\"/>"
    "<location id=\"1\" href=\"http://b/2\" weight=\"3\" country=\"cn\"/>"
    "<location id=\"2\" href_template=\"http://c/{hdl}?x={hdl}\" weight=\"0\"/>"
    "<location id=\"3\"/></locations>";

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

static struct locations parse(void **state, const char *xml)
{
    struct locations locations;
    struct fault fault;
    assert_int_equal(locations_parse(bytes_of_text(xml), *state, &locations, &fault), STATUS_OK);
    return locations;
}

static void assert_chosen(void **state, const struct locations *locations,
                          const struct location_choice *choice, const char *href)
{
    const struct location *location = NULL;
    struct bytes found = BYTES_NONE;
    assert_int_equal(locations_choose(locations, choice, *state, &location, &found), STATUS_OK);
    vectors_assert_equal(found, bytes_of_text(href));
}

static void parse_when_well_formed_then_all_with_a_place(void **state)
{
    struct locations locations = parse(state, three);
    vectors_assert_equal(locations.choose_by, TEXT("locatt,country,weighted"));
    assert_int_equal(locations.count, 3);
    assert_int_equal(locations.items[0].http_status, 303);
    assert_int_equal(locations.items[1].http_status, 0);
    assert_true(locations.items[2].weight < 0.1);
}

static void parse_when_no_locations_then_refused(void **state)
{
    static const char *const texts[] = {
        "", "<locations", "<other/>", "plain",
        "<!DOCTYPE l [<!ENTITY a \"x\">]><locations><location href=\"&a;\"/></locations>"};
    struct locations locations;
    struct fault fault;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(locations_parse(bytes_of_text(texts[i]), *state, &locations, &fault),
                         STATUS_INVALID_VALUE);
    }
}

static void choose_when_named_then_that_one_even_of_no_weight(void **state)
{
    struct locations locations = parse(state, three);
    struct location_choice choice = {
        .handle = TEXT("88.608/x"), .name = TEXT("id"), .value = TEXT("2")};
    assert_chosen(state, &locations, &choice, "http://c/88.608/x?x=88.608/x");
    choice.value = TEXT("0");
    assert_chosen(state, &locations, &choice, "http://a/1");
}

static void choose_when_the_country_is_known_then_its_place(void **state)
{
    struct locations locations = parse(state, three);
    struct location_choice choice = {.country = TEXT("CN")};
    assert_chosen(state, &locations, &choice, "http://b/2");
    choice.country = TEXT("fr"); /* nobody's: all remain */
    assert_chosen(state, &locations, &choice, "http://a/1");
}

static void choose_when_nothing_selects_then_by_weight(void **state)
{
    struct locations locations = parse(state, three);
    struct location_choice choice = {.chance = 0};
    assert_chosen(state, &locations, &choice, "http://a/1");
    choice.chance = 0x3fffffff;
    assert_chosen(state, &locations, &choice, "http://a/1");
    choice.chance = 0x40000000;
    assert_chosen(state, &locations, &choice, "http://b/2");
    choice.chance = 0xffffffff;
    assert_chosen(state, &locations, &choice, "http://b/2");
}

static void choose_when_all_weigh_nothing_then_none(void **state)
{
    struct locations locations =
        parse(state, "<locations><location href=\"http://a/\" weight=\"0\"/></locations>");
    struct location_choice choice = {.chance = 1};
    const struct location *location = NULL;
    struct bytes href;
    assert_int_equal(locations_choose(&locations, &choice, *state, &location, &href),
                     STATUS_NOT_FOUND);
}

static void weight_when_it_is_no_number_then_one(void **state)
{
    struct locations locations =
        parse(state, "<locations><location href=\"http://a/\" weight=\"nan\"/>"
                     "<location href=\"http://b/\" weight=\"-4\"/></locations>");
    assert_true(locations.items[0].weight > 0.9 && locations.items[0].weight < 1.1);
    assert_true(locations.items[1].weight > 0.9 && locations.items[1].weight < 1.1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, make_arena, drop_arena)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(parse_when_well_formed_then_all_with_a_place),
        CASE(parse_when_no_locations_then_refused),
        CASE(choose_when_named_then_that_one_even_of_no_weight),
        CASE(choose_when_the_country_is_known_then_its_place),
        CASE(choose_when_nothing_selects_then_by_weight),
        CASE(choose_when_all_weigh_nothing_then_none),
        CASE(weight_when_it_is_no_number_then_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
