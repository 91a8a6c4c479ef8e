/* SPDX-License-Identifier: Apache-2.0
 *
 * template.c: which template applies, base and extension, references, documents that are no good.
 */
#include "tests/unit/protocol/template_world.h"

static void delimiter_when_absent_makes_the_base_the_whole(void **state)
{
    const char *inner = "<value type=\"T\" data=\"${base}|${extension}|\"/>";
    char xml[256];
    expect(*state, PREFIX "/abc", at(inner), "1 T 88.1000/abc||");
    (void)snprintf(xml, sizeof(xml), "<namespace><template>%s</template></namespace>", inner);
    expect(*state, PREFIX "/a@b", xml, "1 T 88.1000/a@b||");
    (void)snprintf(xml, sizeof(xml), "<x><template delimiter=\"\">%s</template></x>", inner);
    expect(*state, PREFIX "/a@b", xml, "1 T 88.1000/a@b||");
    assert_int_equal(((struct world *)*state)->asked, 0);
}

static void delimiter_when_there_divides_at_its_first_place_after_the_prefix(void **state)
{
    const char *inner = "<value type=\"T\" data=\"${base}|${extension}\"/>";
    char xml[256];
    expect(*state, PREFIX "/a@b@c", at(inner), "1 T 88.1000/a|b@c");
    expect(*state, PREFIX "/@c", at(inner), "1 T 88.1000/|c");
    (void)snprintf(xml, sizeof(xml), "<n><template delimiter=\"::\">%s</template></n>", inner);
    expect(*state, PREFIX "/a:b::c", xml, "1 T 88.1000/a:b|c");
    (void)snprintf(xml, sizeof(xml), "<n><template delimiter=\".\">%s</template></n>", inner);
    expect(*state, PREFIX "/a.c", xml, "1 T 88.1000/a|c");
    (void)snprintf(xml, sizeof(xml), "<n><template delimiter=\"/\">%s</template></n>", inner);
    expect(*state, PREFIX "/a/c", xml, "1 T 88.1000|a/c");
    assert_int_equal(((struct world *)*state)->asked, 0);
}

static void name_space_when_it_has_several_templates_uses_all(void **state)
{
    expect(*state, PREFIX "/book@1",
           "<namespace><contact>x</contact><template delimiter=\"@\"><value type=\"A\" "
           "data=\"${extension}\"/></template><locs>y</locs><template><value type=\"B\" "
           "data=\"${extension}\"/></template></namespace>",
           "1 A 1; 2 B 1");
    expect(*state, PREFIX "/book@1",
           "<template delimiter=\"@\"><value type=\"A\" data=\"\"/></template>", "1 A ");
}

static void name_space_when_it_has_no_template_gives_nothing(void **state)
{
    struct world *w = *state;
    expect_status(w, PREFIX "/book@1", "<namespace><contact>x</contact></namespace>",
                  STATUS_HANDLE_NOT_FOUND);
    const struct value other = value_of(2, "URL", BYTES_LITERAL("<template/>"));
    assert_int_equal(ask_of(w, PREFIX "/a", encoded(w, &other, 1)), STATUS_HANDLE_NOT_FOUND);
    assert_int_equal(ask_of(w, PREFIX "/a", BYTES_NONE), STATUS_HANDLE_NOT_FOUND);
}

static void name_space_when_there_are_several_is_the_public_one_of_lowest_index(void **state)
{
    struct world *w = *state;
    char text[1024];
    struct value all[] = {
        value_of(2, "HS_NAMESPACE", BYTES_LITERAL("<n><template><notfound/></template></n>")),
        value_of(9, "HS_NAMESPACE", BYTES_LITERAL("<n><template><notfound/></template></n>")),
        value_of(5, "hs_namespace",
                 BYTES_LITERAL("<n><template><value type=\"A\" data=\"\"/></template></n>")),
    };
    all[0].permissions = VALUE_ADMIN_READ;
    assert_int_equal(ask_of(w, PREFIX "/a", encoded(w, all, 3)), STATUS_OK);
    assert_string_equal(told(w, text), "1 A ");
}

static void name_space_when_inactive_refuses_with_its_words(void **state)
{
    struct world *w = *state;
    expect_status(w, PREFIX "/a@1",
                  "<namespace><status> inactive </status><statusmsg>moved to 88.2000</statusmsg>"
                  "<template delimiter=\"@\"><value type=\"A\" data=\"\"/></template></namespace>",
                  STATUS_ERROR);
    assert_string_equal(w->fault.text, "moved to 88.2000");
    expect_status(w, PREFIX "/a@1", "<namespace><status>inactive</status></namespace>",
                  STATUS_ERROR);
    assert_string_equal(w->fault.text, "");
    expect(w, PREFIX "/a@1",
           "<namespace><status>active</status><template><value type=\"A\" data=\"\"/></template>"
           "</namespace>",
           "1 A ");
}

static void base_when_it_has_a_name_space_of_its_own_uses_that(void **state)
{
    struct world *w = *state;
    put_text(w, PREFIX "/own", 5, "HS_NAMESPACE",
             "<namespace><template delimiter=\"#\"><value type=\"O\" data=\"${extension}\"/>"
             "</template></namespace>");
    put_text(w, PREFIX "/poor", 5, "HS_NAMESPACE", "<namespace/>");
    const char *xml = at("<value type=\"A\" data=\"prefix's\"/>");
    expect(w, PREFIX "/own@1", xml, "1 O 1");
    expect(w, PREFIX "/poor@1", xml, "1 A prefix's");
}

static void handle_when_a_prefix_record_or_not_utf8_has_no_template(void **state)
{
    const char *xml = at("<value type=\"A\" data=\"\"/>");
    expect_status(*state, "0.NA/88.1000.5", xml, STATUS_HANDLE_NOT_FOUND);
    expect_status(*state, PREFIX "/\xff", xml, STATUS_HANDLE_NOT_FOUND);
}

static void reference_when_there_continues_with_that_value(void **state)
{
    struct world *w = *state;
    put_text(w, "88.1000/t1", 4, "TEMPLATE",
             "<template><value type=\"A\" data=\"${extension}\"/></template>");
    put_text(w, "88.1000/t2", 1, "TEMPLATE",
             "<namespace><template ref=\"4:88.1000/t1\"/><template><value type=\"B\" data=\"2\"/>"
             "</template></namespace>");
    expect(w, PREFIX "/x@7", "<n><template delimiter=\"@\" ref=\"4:88.1000/t1\"/></n>", "1 A 7");
    expect(w, PREFIX "/x@7",
           "<n><template delimiter=\"@\" ref=\"1:88.1000/t2\"/><template><value type=\"C\" "
           "data=\"3\"/></template></n>",
           "1 A 7; 2 B 2; 3 C 3");
}

static void reference_when_it_leads_nowhere_finds_nothing(void **state)
{
    struct world *w = *state;
    struct value hidden = value_of(1, "T", BYTES_LITERAL("<template/>"));
    hidden.permissions = VALUE_ADMIN_READ;
    put(w, "88.1000/hidden", &hidden, 1);
    expect_status(w, PREFIX "/x", "<template ref=\"1:88.1000/none\"/>", STATUS_HANDLE_NOT_FOUND);
    expect_status(w, PREFIX "/x", "<template ref=\"9:88.1000/book\"/>", STATUS_HANDLE_NOT_FOUND);
    expect_status(w, PREFIX "/x", "<template ref=\"1:88.1000/hidden\"/>", STATUS_HANDLE_NOT_FOUND);
    expect_bad(w, PREFIX "/x", "<template ref=\"88.1000/book\"/>", "is not index:handle");
    expect_bad(w, PREFIX "/x", "<template ref=\"1:88.1000/book\"/>", "is not XML");
}

static void references_when_they_run_in_circles_end(void **state)
{
    struct world *w = *state;
    put_text(w, "88.1000/c1", 1, "T", "<template ref=\"1:88.1000/c2\"/>");
    put_text(w, "88.1000/c2", 1, "T",
             "<n><template ref=\"1:88.1000/c1\"/><template ref=\"1:88.1000/c1\"/></n>");
    expect_bad(w, PREFIX "/x", "<template ref=\"1:88.1000/c1\"/>", "refers more than 10 times");
    assert_int_equal(w->asked, 10);
}

static void document_when_it_is_no_plain_xml_is_refused(void **state)
{
    struct world *w = *state;
    static const char bomb[] =
        "<!DOCTYPE n [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">"
        "<!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;\">]><n x=\"&c;\">&c;</n>";
    static const char *const bad[] = {
        "",
        "x",
        "<n>",
        "<n><a></b></n>",
        "<n>&none;</n>",
        "<!DOCTYPE n><n/>",
        bomb,
        "<!DOCTYPE n SYSTEM \"file:///etc/passwd\"><n/>",
        "<!DOCTYPE n [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><n>&x;</n>",
        "<n a=\"1\" a=\"2\"/>",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        expect_status(w, PREFIX "/x", bad[i], STATUS_INVALID_VALUE);
        assert_true(w->fault.text[0] != '\0');
    }
    expect_bad(w, PREFIX "/x", "<!DOCTYPE n><n/>", "document type");
}

static void document_when_too_large_deep_or_wide_is_refused(void **state)
{
    char attributes[4096] = "<n";
    for (size_t i = 0; i < 65; i++) {
        (void)snprintf(attributes + strlen(attributes), 32, " a%zu=\"\"", i);
    }
    strcat(attributes, "/>");
    expect_bad(*state, PREFIX "/x", attributes, "more than 64 attributes");
    expect_bad(*state, PREFIX "/x", repeated("<n>", " ", 16384, "</n>"), "bytes, not 1 to");
    expect_bad(*state, PREFIX "/x", repeated("<n>", "<a/>", 2048, "</n>"), "elements");
    expect_bad(*state, PREFIX "/x", repeated("<n>", "<a>", 33, ""), "is not XML");
    char deep[2048];
    copy_text(deep, sizeof(deep), repeated("", "<a>", 33, ""));
    copy_text(deep + strlen(deep), sizeof(deep) - strlen(deep), repeated("", "</a>", 33, ""));
    expect_bad(*state, PREFIX "/x", deep, "deeper");
}

static enum status record_fails(void *context, struct bytes handle, struct bytes *out_values)
{
    (void)handle;
    (void)out_values;
    return *(enum status *)context;
}

static void record_when_it_cannot_be_read_ends_it(void **state)
{
    struct world *w = *state;
    enum status told_status = STATUS_CORRUPT;
    const struct value value = value_of(
        1, "HS_NAMESPACE",
        BYTES_LITERAL("<template delimiter=\"@\"><value type=\"A\" data=\"\"/></template>"));
    const struct template_question question = {
        .handle = BYTES_LITERAL(PREFIX "/a@b"),
        .name_space = encoded(w, &value, 1),
        .record = record_fails,
        .context = &told_status,
    };
    arena_reset(w->answer);
    assert_int_equal(template_answer(&question, w->answer, &w->values, &w->count, &w->fault),
                     STATUS_CORRUPT);
    told_status = STATUS_HANDLE_NOT_FOUND;
    assert_int_equal(template_answer(&question, w->answer, &w->values, &w->count, &w->fault),
                     STATUS_OK);
}

static void effort_when_limited_is_what_is_paid_from(void **state)
{
    struct world *w = *state;
    const struct value value = value_of(
        1, "HS_NAMESPACE", bytes_of_text(at("<foreach><value data=\"${data}\"/></foreach>")));
    uint64_t effort = TEMPLATE_EFFORT_MAX;
    const struct template_question question = {
        .handle = BYTES_LITERAL(PREFIX "/book@1"),
        .name_space = encoded(w, &value, 1),
        .record = record_of,
        .context = w,
        .effort = &effort,
    };
    assert_int_equal(template_answer(&question, w->answer, &w->values, &w->count, &w->fault),
                     STATUS_OK);
    uint64_t spent = TEMPLATE_EFFORT_MAX - effort;
    assert_in_range(spent, 1000, 100000);
    effort = spent + 1;
    assert_int_equal(template_answer(&question, w->answer, &w->values, &w->count, &w->fault),
                     STATUS_OK);
    assert_int_equal(effort, 1);
    for (effort = 0; effort < spent; effort += 50) {
        uint64_t given = effort;
        assert_int_equal(template_answer(&question, w->answer, &w->values, &w->count, &w->fault),
                         STATUS_INVALID_VALUE);
        assert_int_equal(effort, 0);
        effort = given;
    }
}

static void memory_when_it_ends_early_is_no_answer_and_no_leak(void **state)
{
    struct world *w = *state;
    const struct value value = value_of(
        1, "HS_NAMESPACE",
        bytes_of_text(at("<def parameter=\"p\"><value type=\"x\" data=\"${handle}\"/></def>"
                         "<if test=\"matches\" expression=\"(.*)\"><foreach><value/></foreach>"
                         "<value type=\"A\"><b c=\"${p}\"/></value></if>")));
    const struct template_question question = {
        .handle = BYTES_LITERAL(PREFIX "/book@1"),
        .name_space = encoded(w, &value, 1),
        .record = record_of,
        .context = w,
    };
    bool is_done = false;
    for (size_t most = 64; !is_done; most += 64) {
        struct arena *small = arena_new(64, most);
        assert_non_null(small);
        enum status status = template_answer(&question, small, &w->values, &w->count, &w->fault);
        is_done = status == STATUS_OK;
        assert_true(is_done || status == STATUS_NO_MEMORY);
        arena_free(small);
        assert_in_range(most, 64, 1u << 20);
    }
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
    const struct CMUnitTest tests[] = {
        CASE(delimiter_when_absent_makes_the_base_the_whole),
        CASE(delimiter_when_there_divides_at_its_first_place_after_the_prefix),
        CASE(name_space_when_it_has_several_templates_uses_all),
        CASE(name_space_when_it_has_no_template_gives_nothing),
        CASE(name_space_when_there_are_several_is_the_public_one_of_lowest_index),
        CASE(name_space_when_inactive_refuses_with_its_words),
        CASE(base_when_it_has_a_name_space_of_its_own_uses_that),
        CASE(handle_when_a_prefix_record_or_not_utf8_has_no_template),
        CASE(reference_when_there_continues_with_that_value),
        CASE(reference_when_it_leads_nowhere_finds_nothing),
        CASE(references_when_they_run_in_circles_end),
        CASE(document_when_it_is_no_plain_xml_is_refused),
        CASE(document_when_too_large_deep_or_wide_is_refused),
        CASE(record_when_it_cannot_be_read_ends_it),
        CASE(effort_when_limited_is_what_is_paid_from),
        CASE(memory_when_it_ends_early_is_no_answer_and_no_leak),
    };
#undef CASE
    return cmocka_run_group_tests(tests, NULL, NULL);
}
