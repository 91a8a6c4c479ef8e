/* SPDX-License-Identifier: Apache-2.0
 *
 * templated.c: handles without a record, answered by the template of their prefix as if they had
 * one. What templates can say is test_template.c's.
 */
#include "tests/unit/resolver/exchange_fixture.h"

#define ROOM 4096

static const char *const name_space =
    "<namespace><template delimiter=\"@\">"
    "<if expression=\"none\"><notfound/></if>"
    "<if test=\"matches\" expression=\"p(\\d+)\">"
    "<foreach><if value=\"type\" expression=\"URL\"><value data=\"${data}?p=$1\"/></if>"
    "<else><value/></else></foreach><value index=\"1\" type=\"BASE\" data=\"${base}\"/></if>"
    "<if expression=\"slow\"><if value=\"base\" test=\"matches\" expression=\"(.+)+[%#]\"/></if>"
    "</template></namespace>";

static void put_text(struct fixture *f, const char *handle, const char *type, const char *data)
{
    const struct value value = fixture_value(1, type, data, 0x0e);
    fixture_put(f, bytes_of_text(handle), &value, 1);
}

static int open_fixture(void **state)
{
    static struct fixture fixture;
    struct fixture *f = &fixture;
    fixture_open(f);
    fixture_home(f, "88.1000", PREFIX_ACTIVE, CASE_INSENSITIVE);
    fixture_home(f, "88.1000.5", PREFIX_ACTIVE, CASE_INSENSITIVE);
    fixture_home(f, "88.2000", PREFIX_ACTIVE, CASE_SENSITIVE);
    fixture_home(f, "88.3000", PREFIX_ACTIVE, CASE_INSENSITIVE);
    const struct value base[] = {
        fixture_value(2, "URL", "https://example.com/", 0x0e),
        fixture_value(3, "NOTE", "administrators", 0x0c),
        fixture_value(4, "HS_SECKEY", "s3cret", 0x0e),
    };
    fixture_put(f, BYTES_LITERAL("88.1000/Base"), base, 3);
    put_text(f, "88.1000/open", "URL", "https://example.com/open");
    put_text(f, "88.1000/stored@p1", "URL", "https://example.com/stored");
    put_text(f, "0.NA/88.1000", "HS_NAMESPACE", name_space);
    put_text(f, "0.NA/88.2000", "HS_NAMESPACE",
             "<namespace><status>inactive</status><statusmsg>moved</statusmsg></namespace>");
    put_text(f, "0.NA/88.3000", "HS_NAMESPACE",
             "<n><template delimiter=\"@\" ref=\"1:88.9000/t\"/></n>");
    *state = f;
    return 0;
}

static int close_fixture(void **state)
{
    fixture_close(*state);
    return 0;
}

static struct message resolve(struct fixture *f, const char *name, uint32_t flags,
                              const char *const *types)
{
    static uint8_t room[ROOM];
    struct fixture_ask ask = fixture_ask(OPCODE_RESOLUTION);
    ask.flags = flags;
    struct bytes body = fixture_resolution(room, sizeof(room), bytes_of_text(name), NULL, 0, types);
    return fixture_answer(f, EXCHANGE_UDP, &ask, body);
}

static void assert_answers(struct fixture *f, const char *name, const char *const *types,
                           const char *wanted)
{
    struct message answer = resolve(f, name, MESSAGE_PUBLIC_ONLY, types);
    struct body_values body;
    char text[1024] = "";
    assert_int_equal(answer.header.response_code, 1);
    assert_int_equal(body_values_decode(answer.body, f->arena, &body), STATUS_OK);
    assert_true(bytes_equal(body.handle, bytes_of_text(name)));
    for (size_t i = 0; i < body.count; i++) {
        const struct value *v = &body.values[i];
        size_t len = strlen(text);
        (void)snprintf(text + len, sizeof(text) - len, "%s%u %.*s", i == 0 ? "" : "; ", v->index,
                       (int)v->data.len, (const char *)v->data.data);
    }
    assert_string_equal(text, wanted);
}

static void assert_code(struct fixture *f, const char *name, uint32_t flags, uint32_t code)
{
    struct message answer = resolve(f, name, flags, NULL);
    if (answer.header.response_code != code) {
        fail_msg("%s: %u, not %u", name, answer.header.response_code, code);
    }
}

static void handle_when_absent_is_answered_by_the_template(void **state)
{
    struct fixture *f = *state;
    int64_t before = metrics_sum(f->metrics, METRIC_template_answers, 0);
    assert_answers(f, "88.1000/BASE@P12", NULL, "1 88.1000/BASE; 2 https://example.com/?p=12");
    assert_answers(f, "88.1000/none@p1", NULL, "1 88.1000/none");
    assert_int_equal(metrics_sum(f->metrics, METRIC_template_answers, 0), before + 2);
    struct message answer = resolve(f, "88.1000/base@p1", MESSAGE_PUBLIC_ONLY, NULL);
    assert_true((answer.header.flags & (uint32_t)MESSAGE_AUTHORITATIVE) != 0);
}

static void handle_when_it_has_a_record_is_answered_by_that(void **state)
{
    assert_answers(*state, "88.1000/stored@p1", NULL, "1 https://example.com/stored");
    assert_answers(*state, "88.1000/open", NULL, "1 https://example.com/open");
}

static void filters_when_given_select_of_what_is_computed(void **state)
{
    static const char *const url[] = {"URL", NULL};
    static const char *const email[] = {"EMAIL", NULL};
    assert_answers(*state, "88.1000/base@p1", url, "2 https://example.com/?p=1");
    struct message answer = resolve(*state, "88.1000/base@p1", MESSAGE_PUBLIC_ONLY, email);
    assert_int_equal(answer.header.response_code, 200);
}

static void values_when_not_public_are_for_administrators(void **state)
{
    static const char *const note[] = {"NOTE", NULL};
    static const char *const key[] = {"HS_SECKEY", NULL};
    assert_code(*state, "88.1000/base@p1", 0, 402);
    struct message answer = resolve(*state, "88.1000/base@p1", MESSAGE_PUBLIC_ONLY, note);
    assert_int_equal(answer.header.response_code, 200);
    answer = resolve(*state, "88.1000/base@p1", 0, key);
    assert_int_equal(answer.header.response_code, 200);
}

static void handle_when_no_template_fits_is_not_found(void **state)
{
    struct fixture *f = *state;
    assert_code(f, "88.1000/base@none", MESSAGE_PUBLIC_ONLY, 100);
    assert_code(f, "88.1000/base@other", MESSAGE_PUBLIC_ONLY, 100);
    assert_code(f, "88.1000/other", MESSAGE_PUBLIC_ONLY, 100);
    assert_code(f, "88.1000.5/base@p1", MESSAGE_PUBLIC_ONLY, 100);
    assert_code(f, "0.NA/88.1000.7", MESSAGE_PUBLIC_ONLY, 100);
    assert_code(f, "88.3000/base@p1", MESSAGE_PUBLIC_ONLY, 100);
}

static void template_when_it_fails_is_an_error_and_counted(void **state)
{
    struct fixture *f = *state;
    char name[200] = "88.1000/";
    memset(name + 8, 'a', 100);
    strcat(name, "@slow");
    int64_t before = metrics_sum(f->metrics, METRIC_template_failures, 0);
    struct message answer = resolve(f, name, MESSAGE_PUBLIC_ONLY, NULL);
    assert_int_equal(answer.header.response_code, 2);
    struct bytes text = fixture_text(&answer);
    assert_true(bytes_equal(text, BYTES_LITERAL("the prefix's template gives no answer")));
    assert_int_equal(metrics_sum(f->metrics, METRIC_template_failures, 0), before + 1);
}

static void name_space_when_inactive_says_why(void **state)
{
    struct message answer = resolve(*state, "88.2000/x", MESSAGE_PUBLIC_ONLY, NULL);
    assert_int_equal(answer.header.response_code, 2);
    assert_true(bytes_equal(fixture_text(&answer), BYTES_LITERAL("moved")));
}

static void reference_when_replaced_is_seen_at_once(void **state)
{
    struct fixture *f = *state;
    put_text(f, "88.1000/t", "T", "<template><value type=\"T\" data=\"${extension}\"/></template>");
    put_text(f, "0.NA/88.3000", "HS_NAMESPACE",
             "<n><template delimiter=\"@\" ref=\"1:88.1000/t\"/></n>");
    assert_answers(f, "88.3000/base@p1", NULL, "1 p1");
    put_text(f, "88.1000/t", "T", "<template><value type=\"T\" data=\"new\"/></template>");
    assert_answers(f, "88.3000/base@p1", NULL, "1 new");
}

static void answer_when_computed_is_never_copied_straight(void **state)
{
    struct fixture *f = *state;
    int64_t straight = metrics_sum(f->metrics, METRIC_straight_answers, 0);
    int64_t kept = metrics_sum(f->metrics, METRIC_hot_entries, 0);
    assert_answers(f, "88.1000/none@p1", NULL, "1 88.1000/none");
    assert_int_equal(metrics_sum(f->metrics, METRIC_straight_answers, 0), straight);
    assert_int_equal(metrics_sum(f->metrics, METRIC_hot_entries, 0), kept);
    assert_answers(f, "88.1000/open", NULL, "1 https://example.com/open");
    assert_int_equal(metrics_sum(f->metrics, METRIC_straight_answers, 0), straight + 1);
}

static void name_space_when_it_is_no_xml_is_an_error_until_replaced(void **state)
{
    struct fixture *f = *state;
    put_text(f, "0.NA/88.2000", "HS_NAMESPACE", "<a></b>");
    assert_code(f, "88.2000/x", MESSAGE_PUBLIC_ONLY, 2);
    put_text(f, "0.NA/88.2000", "URL", "http://x/");
    assert_code(f, "88.2000/x", MESSAGE_PUBLIC_ONLY, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handle_when_absent_is_answered_by_the_template),
        cmocka_unit_test(handle_when_it_has_a_record_is_answered_by_that),
        cmocka_unit_test(filters_when_given_select_of_what_is_computed),
        cmocka_unit_test(values_when_not_public_are_for_administrators),
        cmocka_unit_test(handle_when_no_template_fits_is_not_found),
        cmocka_unit_test(template_when_it_fails_is_an_error_and_counted),
        cmocka_unit_test(name_space_when_inactive_says_why),
        cmocka_unit_test(reference_when_replaced_is_seen_at_once),
        cmocka_unit_test(answer_when_computed_is_never_copied_straight),
        cmocka_unit_test(name_space_when_it_is_no_xml_is_an_error_until_replaced),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
