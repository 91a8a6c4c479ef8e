/* SPDX-License-Identifier: Apache-2.0
 *
 * record_list.c: every name once, in order, also when the store changes between two pieces.
 */
#include "tests/unit/registry/store_fixture.h"

#include "registry/record_list.h"

static int open_fixture(void **state)
{
    static struct fixture fixture;
    fixture_begin(&fixture);
    fixture_home(&fixture, "88.608");
    fixture_home(&fixture, "88.609");
    *state = &fixture;
    return 0;
}

static int close_fixture(void **state)
{
    fixture_end(*state);
    return 0;
}

/* The name behind `after`, "" at the end. */
static const char *next(struct fixture *f, const char *start, struct bytes after,
                        enum case_rule rule, struct record_list_name *out)
{
    static char text[HANDLE_MAX + 1];
    assert_int_equal(snapshot_refresh(f->snapshot), STATUS_OK);
    enum status status = record_list_next(f->snapshot, bytes_of_text(start), after, rule, out);
    if (status == STATUS_NOT_FOUND) {
        return "";
    }
    assert_int_equal(status, STATUS_OK);
    memcpy(text, out->name.data, out->name.len);
    text[out->name.len] = '\0';
    return text;
}

static void names_when_listed_are_folded_ordered_and_those_of_the_prefix(void **state)
{
    struct fixture *f = *state;
    struct record_list_name name;
    static const char *const handles[] = {"88.608/b", "88.608/A", "88.609/x", "88.608/c"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(fixture_put(f, handles[i], "x"), STATUS_OK);
    }
    assert_string_equal(next(f, "88.608/", BYTES_NONE, CASE_INSENSITIVE, &name), "88.608/A");
    assert_string_equal(next(f, "88.608/", name.key, CASE_INSENSITIVE, &name), "88.608/B");
    assert_string_equal(next(f, "88.608/", name.key, CASE_INSENSITIVE, &name), "88.608/C");
    assert_string_equal(next(f, "88.608/", name.key, CASE_INSENSITIVE, &name), "");
    assert_string_equal(next(f, "88.60", BYTES_LITERAL("88.608/C"), CASE_INSENSITIVE, &name),
                        "88.609/X");
}

static void list_when_the_last_name_went_meanwhile_goes_on_behind_it(void **state)
{
    struct fixture *f = *state;
    struct record_list_name name;
    uint8_t last[64];
    assert_int_equal(fixture_put(f, "88.608/1", "x"), STATUS_OK);
    assert_int_equal(fixture_put(f, "88.608/2", "x"), STATUS_OK);
    assert_string_equal(next(f, "88.608/", BYTES_NONE, CASE_INSENSITIVE, &name), "88.608/1");
    struct bytes after = bytes_of(memcpy(last, name.key.data, name.key.len), name.key.len);
    assert_int_equal(fixture_delete(f, "88.608/1"), STATUS_OK);
    assert_int_equal(fixture_put(f, "88.608/0", "x"), STATUS_OK);
    assert_int_equal(fixture_put(f, "88.608/15", "x"), STATUS_OK);
    assert_string_equal(next(f, "88.608/", after, CASE_INSENSITIVE, &name), "88.608/15");
    assert_string_equal(next(f, "88.608/", name.key, CASE_INSENSITIVE, &name), "88.608/2");
}

static void name_when_its_key_is_shortened_is_told_whole(void **state)
{
    struct fixture *f = *state;
    struct record_list_name name;
    char handle[600] = "88.608/";
    char folded[600] = "88.608/";
    for (size_t i = strlen(handle); i < 590; i++) {
        handle[i] = (char)('a' + i % 26);
        folded[i] = (char)('A' + i % 26);
    }
    assert_int_equal(fixture_put(f, handle, "x"), STATUS_OK);
    assert_string_equal(next(f, "88.608/", BYTES_NONE, CASE_INSENSITIVE, &name), folded);
    assert_true(name.key.len < strlen(folded));
    assert_string_equal(next(f, "88.608/", name.key, CASE_INSENSITIVE, &name), "");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(names_when_listed_are_folded_ordered_and_those_of_the_prefix),
        CASE(list_when_the_last_name_went_meanwhile_goes_on_behind_it),
        CASE(name_when_its_key_is_shortened_is_told_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
