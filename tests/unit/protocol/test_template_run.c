/* SPDX-License-Identifier: Apache-2.0
 *
 * template_run.c: what the elements of a template give, how much of them is too much, and what the
 * checker finds.
 */
#include "tests/unit/protocol/template_world.h"

static void value_when_new_has_default_ttl_and_permissions(void **state)
{
    struct world *w = *state;
    expect(w, PREFIX "/abc@7", at("<value type=\"T\" data=\"\"/>"), "1 T ");
    assert_int_equal(w->values[0].ttl, VALUE_TTL_DEFAULT);
    assert_int_equal(w->values[0].ttl_type, VALUE_TTL_RELATIVE);
    assert_int_equal(w->values[0].permissions, VALUE_PERMISSIONS_DEFAULT);
    assert_int_equal(w->values[0].timestamp, STAMP);
}

static void values_when_they_share_an_index_get_the_next_free_one(void **state)
{
    expect(*state, PREFIX "/a@",
           at("<value index=\"2\" type=\"A\" data=\"\"/><value type=\"B\" data=\"\"/>"
              "<value type=\"C\" data=\"\"/><value index=\"2\" type=\"D\" data=\"\"/>"
              "<value index=\"x\" type=\"E\" data=\"\"/><value index=\"0\" type=\"F\" data=\"\"/>"),
           "1 B ; 2 A ; 3 C ; 4 D ; 5 E ; 6 F ");
    expect_bad(*state, PREFIX "/a@",
               at("<value index=\"4294967295\" type=\"A\" data=\"\"/>"
                  "<value index=\"4294967295\" type=\"A\" data=\"\"/>"),
               "runs out of indexes");
}

static void value_when_it_lacks_type_or_data_is_left_out(void **state)
{
    expect(*state, PREFIX "/a@",
           at("<value type=\"A\"/><value data=\"b\"/><value type=\"C\" data=\"c\"/>"), "1 C c");
    expect_status(*state, PREFIX "/a@", at("<value type=\"A\"/>"), STATUS_HANDLE_NOT_FOUND);
}

static void condition_when_equal_runs_if_otherwise_else(void **state)
{
    const char *xml = at("<if value=\"extension\" test=\"equals\" expression=\"ch1\">"
                         "<value type=\"A\" data=\"1\"/></if>"
                         "<else><value type=\"B\" data=\"2\"/></else>");
    expect(*state, PREFIX "/book@ch1", xml, "1 A 1");
    expect(*state, PREFIX "/book@CH1", xml, "1 B 2");
    expect(*state, PREFIX "/book@ch1",
           at("<if expression=\"ch1\" negate=\"true\"><value type=\"A\" data=\"1\"/></if>"
              "<else><value type=\"B\" data=\"2\"/></else>"),
           "1 B 2");
    expect(*state, PREFIX "/book@ch1",
           at("<if><value type=\"A\" data=\"1\"/></if><else><notfound/></else>"), "1 A 1");
    expect_status(*state, PREFIX "/book@ch1", at("<else><value type=\"A\" data=\"1\"/></else>"),
                  STATUS_HANDLE_NOT_FOUND);
    expect_status(*state, PREFIX "/book@ch1",
                  at("<if test=\"like\" expression=\"ch1\"><value type=\"A\" data=\"1\"/></if>"),
                  STATUS_HANDLE_NOT_FOUND);
}

static void foreach_when_base_exists_goes_through_its_values(void **state)
{
    struct world *w = *state;
    expect(w, PREFIX "/book@9",
           at("<foreach><if value=\"type\" expression=\"URL\">"
              "<value data=\"${data}?p=${extension}&amp;i=${index}\"/></if>"
              "<else><value type=\"X-${type}\"/></else></foreach>"),
           "1 URL http://a/?p=9&i=1; 3 URL http://b/?p=9&i=3; 7 X-EMAIL x@y");
    assert_int_equal(w->asked, 1);
    assert_int_equal(w->values[0].ttl, 3600);
    expect(w, PREFIX "/book@9", at("<foreach><value/><foreach><value/></foreach></foreach>"),
           "1 URL http://a/; 3 URL http://b/; 7 EMAIL x@y");
    expect_status(w, PREFIX "/none@9", at("<foreach><value/></foreach>"), STATUS_HANDLE_NOT_FOUND);
    expect(w, PREFIX "/none@9",
           at("<foreach><value/></foreach><value type=\"A\" data=\"${data}\"/>"), "1 A ");
}

static void foreach_when_values_are_not_public_keeps_them_so_and_passes_keys_over(void **state)
{
    struct world *w = *state;
    struct value base[] = {
        value_of(1, "HS_SECKEY", BYTES_LITERAL("secret")),
        value_of(2, "NOTE", BYTES_LITERAL("inner")),
        value_of(3, "HS_SECKEY.SM4", BYTES_LITERAL("secret")),
    };
    base[1].permissions = VALUE_ADMIN_READ | VALUE_ADMIN_WRITE;
    put(w, PREFIX "/safe", base, 3);
    expect(w, PREFIX "/safe@1",
           at("<foreach><def parameter=\"kept\"><value/></def><value type=\"T\" data=\"${kept}\"/>"
              "</foreach><value type=\"U\" data=\"${kept}${data}\"/>"),
           "1 U ; 2 T inner");
    assert_int_equal(w->values[1].permissions, VALUE_ADMIN_READ | VALUE_ADMIN_WRITE);
}

static void definition_when_it_gives_a_value_is_a_variable_for_what_follows(void **state)
{
    expect(*state, PREFIX "/book@12",
           at("<def parameter=\"page\"><if test=\"matches\" expression=\"\\d+\">"
              "<value type=\"x\" data=\"p${extension}\"/></if>"
              "<else><value type=\"x\" data=\"none\"/></else></def>"
              "<value type=\"A\" data=\"${page}\"/>"),
           "1 A p12");
    expect(*state, PREFIX "/book@12",
           at("<if><def parameter=\"in\"><value type=\"x\" data=\"1\"/><value type=\"x\" "
              "data=\"2\"/></def><value type=\"A\" data=\"${in}\"/></if>"
              "<value type=\"B\" data=\"${in}\"/>"),
           "1 A 1; 2 B ");
    expect(*state, PREFIX "/book@12",
           at("<def parameter=\"a\"/><def><value type=\"x\" data=\"1\"/></def>"
              "<value type=\"A\" data=\"${a}\"/>"),
           "1 A ");
    expect(*state, PREFIX "/book@12",
           at("<def parameter=\"first\"><foreach><value/></foreach></def>"
              "<value type=\"A\" data=\"${first}\"/>"),
           "1 A http://a/");
}

static void notfound_when_met_ends_it_whatever_was_given(void **state)
{
    expect_status(*state, PREFIX "/book@1", at("<value type=\"A\" data=\"\"/><notfound/>"),
                  STATUS_HANDLE_NOT_FOUND);
    expect_status(*state, PREFIX "/book@1",
                  at("<foreach><def parameter=\"p\"><if><notfound/></if></def></foreach>"),
                  STATUS_HANDLE_NOT_FOUND);
}

static void loops_when_they_look_at_too_much_are_given_up(void **state)
{
    struct world *w = *state;
    static struct value many[VALUE_COUNT_MAX];
    for (uint32_t i = 0; i < VALUE_COUNT_MAX; i++) {
        many[i] = value_of(i + 1, "T", BYTES_LITERAL("some text"));
    }
    put(w, PREFIX "/many", many, VALUE_COUNT_MAX);
    char inner[16384];
    copy_text(inner, sizeof(inner),
              repeated("<foreach>", "<if><if><if/></if></if>", 300, "</foreach>"));
    assert_true(seconds_of(w, PREFIX "/many@", at(inner), "takes too long") < SOON);
    copy_text(inner, sizeof(inner),
              repeated("<foreach><value data=\"", "${u", 4000, "\"/></foreach>"));
    assert_true(seconds_of(w, PREFIX "/many@", at(inner), "text") < SOON);
    copy_text(inner, sizeof(inner),
              repeated("", "<def parameter=\"p\"><value type=\"\" data=\"\"/></def>", 150, ""));
    copy_text(inner + strlen(inner), sizeof(inner) - strlen(inner),
              repeated("<foreach><value data=\"", "${u}", 1500, "\"/></foreach>"));
    assert_true(seconds_of(w, PREFIX "/many@", at(inner), "") < SOON);
    assert_true(seconds_of(w, PREFIX "/many@", at("<foreach><value index=\"1\"/></foreach>"),
                           "takes too long") < SOON);
    expect_bad(w, PREFIX "/many@", at("<foreach><value/></foreach><value type=\"A\" data=\"\"/>"),
               "more than 2048 values");
    assert_int_equal(ask(w, PREFIX "/many@", at("<foreach><value/></foreach>")), STATUS_OK);
    assert_int_equal(w->count, VALUE_COUNT_MAX);
}

static void values_when_they_could_not_be_stored_are_refused(void **state)
{
    struct world *w = *state;
    static char large[200001];
    memset(large, 'x', 200000);
    put_text(w, PREFIX "/large", 1, "T", large);
    assert_int_equal(ask(w, PREFIX "/large@", at("<foreach><value/></foreach>")), STATUS_OK);
    expect_status(w, PREFIX "/large@", at("<foreach><value/><value/></foreach>"),
                  STATUS_INVALID_VALUE);
    expect_bad(w, PREFIX "/large@", at("<foreach><value data=\"${data}${data}\"/></foreach>"),
               "more text");
    expect_bad(w, PREFIX "/large@",
               at("<foreach><if value=\"data\" test=\"matches\" expression=\"x\"/></foreach>"),
               "more than 4096 bytes");
    expect_bad(w, PREFIX "/x@", at("<value type=\"\" data=\"\"/>"), "type");
    expect_bad(w, PREFIX "/x@", at("<value type=\"HS_ALIAS\" data=\"\"/>"),
               "not the text of a handle");
}

static enum status check(struct world *w, const char *xml)
{
    arena_reset(w->answer);
    w->fault = (struct fault){0};
    return template_check(bytes_of_text(xml), w->answer, &w->fault);
}

static void check_when_all_is_well_says_so(void **state)
{
    struct world *w = *state;
    assert_int_equal(check(w, "<namespace/>"), STATUS_OK);
    assert_int_equal(check(w, "<template ref=\"1:2/3\"/>"), STATUS_OK);
    assert_int_equal(check(w, at("<foreach><if value=\"type\" test=\"matches\" "
                                 "expression=\"(U)RL\"><def parameter=\"x\"><value "
                                 "type=\"a\"><any/></value></def></if><else><notfound/></else>"
                                 "</foreach><if><if test=\"equals\"/></if>")),
                     STATUS_OK);
}

static void check_when_something_would_not_run_says_where(void **state)
{
    struct world *w = *state;
    assert_int_equal(check(w, "<n"), STATUS_INVALID_VALUE);
    assert_int_equal(check(w, at("<foreach>\n<if><valeu/></if></foreach>")), STATUS_INVALID_VALUE);
    assert_string_equal(w->fault.text, "line 2: <valeu> is not known here");
    assert_int_equal(check(w, at("<if test=\"is\"/>")), STATUS_INVALID_VALUE);
    assert_non_null(strstr(w->fault.text, "neither equals nor matches"));
    assert_int_equal(
        check(w, at("<if/><if><else><if test=\"matches\" expression=\"(\"/></else></if>")),
        STATUS_INVALID_VALUE);
    assert_non_null(strstr(w->fault.text, "bad expression"));
    assert_int_equal(check(w, "<n><template/><template><x/></template></n>"), STATUS_INVALID_VALUE);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
    const struct CMUnitTest tests[] = {
        CASE(value_when_new_has_default_ttl_and_permissions),
        CASE(values_when_they_share_an_index_get_the_next_free_one),
        CASE(value_when_it_lacks_type_or_data_is_left_out),
        CASE(condition_when_equal_runs_if_otherwise_else),
        CASE(foreach_when_base_exists_goes_through_its_values),
        CASE(foreach_when_values_are_not_public_keeps_them_so_and_passes_keys_over),
        CASE(definition_when_it_gives_a_value_is_a_variable_for_what_follows),
        CASE(notfound_when_met_ends_it_whatever_was_given),
        CASE(loops_when_they_look_at_too_much_are_given_up),
        CASE(values_when_they_could_not_be_stored_are_refused),
        CASE(check_when_all_is_well_says_so),
        CASE(check_when_something_would_not_run_says_where),
    };
#undef CASE
    return cmocka_run_group_tests(tests, NULL, NULL);
}
