/* SPDX-License-Identifier: Apache-2.0
 *
 * A change that rests on a version of its record (exchange.h, struct exchange_terms).
 */
#include "tests/unit/resolver/exchange_fixture.h"

#include "resolver/administer.h"
#include "resolver/exchange_progress.h"

#define HANDLE BYTES_LITERAL("88.608/a")

static struct fixture fixture;

static int setup(void **state)
{
    fixture_open(&fixture);
    fixture_home(&fixture, "88.608", PREFIX_ACTIVE, CASE_INSENSITIVE);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    fixture_close(*state);
    return 0;
}

static enum status find_as(struct fixture *f, bool is_known, bool has_version, uint64_t version)
{
    struct lookup found;
    struct exchange x = {.scope = &f->scope};
    x.route.terms = (struct exchange_terms){.has_version = has_version, .version = version};
    if (is_known) {
        const struct reference li = {.handle = BYTES_LITERAL("88.608/li"), .index = 300};
        assert_non_null(progress_of(&x));
        assert_int_equal(progress_claim(x.progress, li, IDENTITY_LOGIN, true), STATUS_OK);
    }
    enum status status = administer_find(&x, HANDLE, &found);
    progress_free(x.progress);
    return status;
}

static enum status find(struct fixture *f, bool has_version, uint64_t version)
{
    return find_as(f, true, has_version, version);
}

static void write_value(struct fixture *f, const char *text)
{
    const struct value value = fixture_value(1, "URL", text, VALUE_PERMISSIONS_DEFAULT);
    fixture_put(f, HANDLE, &value, 1);
}

static void record_when_no_terms_then_found_whatever_its_version(void **state)
{
    assert_int_equal(find(*state, false, 0), STATUS_OK);
    write_value(*state, "a");
    assert_int_equal(find(*state, false, 0), STATUS_OK);
}

static void record_when_absent_then_only_terms_of_no_record_hold(void **state)
{
    assert_int_equal(find(*state, true, 0), STATUS_OK);
    assert_int_equal(find(*state, true, 1), STATUS_CONFLICT);
}

static void record_when_changed_then_terms_of_before_hold_no_longer(void **state)
{
    write_value(*state, "a");
    assert_int_equal(find(*state, true, 0), STATUS_CONFLICT);
    assert_int_equal(find(*state, true, 1), STATUS_OK);
    write_value(*state, "b");
    assert_int_equal(find(*state, true, 1), STATUS_CONFLICT);
    assert_int_equal(find(*state, true, 2), STATUS_OK);
}

static void version_when_nobody_is_known_is_not_told(void **state)
{
    write_value(*state, "a");
    assert_int_equal(find_as(*state, false, true, 1), STATUS_OK); /* refused for other reasons */
    assert_int_equal(find_as(*state, false, true, 7), STATUS_OK);
}

static void refusal_when_terms_are_broken_then_says_so(void **state)
{
    struct fixture *f = *state;
    struct envelope envelope = {.version = {2, 11}, .suggested = {2, 11}};
    struct header header = {.opcode = OPCODE_CREATE_HANDLE};
    struct exchange x = {.scope = &f->scope, .reply = wire_write(f->reply, f->reply_room)};
    exchange_answer_head(&f->scope, &envelope, &header, &x.answer_envelope, &x.answer_header);
    assert_int_equal(administer_refuse(&x, STATUS_CONFLICT), STATUS_OK);
    struct message answer;
    struct body_error error;
    assert_int_equal(message_decode(wire_wrote(&x.reply), &answer), STATUS_OK);
    assert_int_equal(answer.header.response_code, status_wire_code(STATUS_SERVER_BUSY));
    assert_int_equal(body_error_decode(answer.body, &error), STATUS_OK);
    assert_true(bytes_equal(error.text, BYTES_LITERAL(EXCHANGE_TERMS_BROKEN)));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(record_when_no_terms_then_found_whatever_its_version),
        CASE(record_when_absent_then_only_terms_of_no_record_hold),
        CASE(record_when_changed_then_terms_of_before_hold_no_longer),
        CASE(version_when_nobody_is_known_is_not_told),
        CASE(refusal_when_terms_are_broken_then_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
