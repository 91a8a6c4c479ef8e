/* SPDX-License-Identifier: Apache-2.0
 *
 * lookup.c: names to homes and records.
 */
#include "tests/unit/resolver/exchange_fixture.h"

#include "resolver/lookup.h"

static void delegate(struct fixture *f, const char *prefix)
{
    const struct prefix_row row = {
        .prefix = bytes_of_text(prefix),
        .enterprise = BYTES_LITERAL("self"),
        .state = PREFIX_ACTIVE,
        .hosting = PREFIX_DELEGATED,
    };
    struct change_set *set = fixture_set();
    assert_int_equal(change_set_put_prefix(set, &row, CHANGE_REPLACE, NULL), STATUS_OK);
    fixture_commit(f, set);
}

static int open_fixture(void **state)
{
    static struct fixture fixture;
    struct value value = fixture_value(1, "URL", "https://example.com/", 0x0e);
    fixture_open(&fixture);
    fixture_home(&fixture, "88.1000", PREFIX_ACTIVE, CASE_INSENSITIVE);
    fixture_home(&fixture, "88.2000", PREFIX_ACTIVE, CASE_SENSITIVE);
    fixture_home(&fixture, "88.3000", PREFIX_STOPPED, CASE_INSENSITIVE);
    fixture_put(&fixture, BYTES_LITERAL("88.1000/Thing"), &value, 1);
    fixture_put(&fixture, BYTES_LITERAL("88.2000/Thing"), &value, 1);
    fixture_home(&fixture, "88.1000.4", PREFIX_ACTIVE, CASE_INSENSITIVE);
    fixture_put(&fixture, BYTES_LITERAL("88.1000.4/Thing"), &value, 1);
    fixture_put(&fixture, BYTES_LITERAL("0.NA/88.1000.4"), &value, 1);
    delegate(&fixture, "88.1000.4");
    fixture_put(&fixture, BYTES_LITERAL("0.NA/88.1000"), &value, 1);
    *state = &fixture;
    return 0;
}

static int close_fixture(void **state)
{
    fixture_close(*state);
    return 0;
}

static enum status find(struct fixture *f, const char *name, struct lookup *out_found)
{
    return lookup_record(f->snapshot, bytes_of_text(name), out_found);
}

static void record_when_there_comes_with_its_home(void **state)
{
    struct lookup found;
    assert_int_equal(find(*state, "88.1000/tHING", &found), STATUS_OK);
    assert_true(bytes_equal(found.home.prefix, BYTES_LITERAL("88.1000")));
    assert_true(bytes_equal(found.record.handle, BYTES_LITERAL("88.1000/Thing")));
    assert_int_equal(found.record.flags & RECORD_ALL_PUBLIC, RECORD_ALL_PUBLIC);
}

static void record_when_prefix_is_case_sensitive_needs_its_spelling(void **state)
{
    struct lookup found;
    assert_int_equal(find(*state, "88.2000/Thing", &found), STATUS_OK);
    assert_int_equal(find(*state, "88.2000/thing", &found), STATUS_HANDLE_NOT_FOUND);
}

static void name_when_without_slash_is_its_prefix_record(void **state)
{
    struct lookup found;
    assert_int_equal(find(*state, "88.1000", &found), STATUS_OK);
    assert_true(bytes_equal(found.handle, BYTES_LITERAL("0.NA/88.1000")));
    assert_int_equal(find(*state, "88.1000.9", &found), STATUS_HANDLE_NOT_FOUND);
    assert_true(bytes_equal(found.home.prefix, BYTES_LITERAL("88.1000")));
}

static void name_when_not_served_tells_why(void **state)
{
    struct lookup found;
    static char longest[HANDLE_MAX + 2];
    memset(longest, 'x', HANDLE_MAX + 1);
    memcpy(longest, "88.1000/", 8);
    assert_int_equal(find(*state, longest, &found), STATUS_INVALID_HANDLE);
    longest[HANDLE_MAX] = '\0';
    assert_int_equal(find(*state, longest, &found), STATUS_HANDLE_NOT_FOUND);
    assert_int_equal(find(*state, "", &found), STATUS_INVALID_HANDLE);
    assert_int_equal(find(*state, "88.3000/x", &found), STATUS_NOT_RESPONSIBLE);
    assert_int_equal(find(*state, "88/x", &found), STATUS_NOT_RESPONSIBLE);
    assert_int_equal(find(*state, "/x", &found), STATUS_NOT_RESPONSIBLE);
}

static void name_when_its_prefix_is_delegated_is_not_ours_but_the_prefix_record_is(void **state)
{
    struct lookup found;
    assert_int_equal(find(*state, "88.1000.4/Thing", &found), STATUS_NOT_RESPONSIBLE);
    assert_int_equal(find(*state, "88.1000.4/none", &found), STATUS_NOT_RESPONSIBLE);
    assert_int_equal(find(*state, "0.na/88.1000.4", &found), STATUS_OK);
    assert_int_equal(find(*state, "0.NA/88.1000.4.1", &found), STATUS_HANDLE_NOT_FOUND);
}

static void prefix_when_asked_for_must_itself_be_homed(void **state)
{
    static const struct {
        const char *name;
        enum status status;
    } cases[] = {
        {"88.1000", STATUS_OK},
        {"0.na/88.1000", STATUS_OK},
        {"88.1000/x", STATUS_OK},
        {"88.1000.1", STATUS_NOT_RESPONSIBLE},
        {"88.3000", STATUS_NOT_RESPONSIBLE},
        {"88.1000.4", STATUS_NOT_RESPONSIBLE},
        {"88", STATUS_NOT_RESPONSIBLE},
        {"", STATUS_INVALID_HANDLE},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lookup found;
        assert_int_equal(lookup_prefix(f->snapshot, bytes_of_text(cases[i].name), &found),
                         cases[i].status);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(record_when_there_comes_with_its_home),
        cmocka_unit_test(record_when_prefix_is_case_sensitive_needs_its_spelling),
        cmocka_unit_test(name_when_without_slash_is_its_prefix_record),
        cmocka_unit_test(name_when_not_served_tells_why),
        cmocka_unit_test(name_when_its_prefix_is_delegated_is_not_ours_but_the_prefix_record_is),
        cmocka_unit_test(prefix_when_asked_for_must_itself_be_homed),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
