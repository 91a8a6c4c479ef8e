/* SPDX-License-Identifier: Apache-2.0
 *
 * template_match.c: what expressions match, and those that would take for ever.
 */
#include "tests/unit/protocol/template_world.h"

static void expression_when_it_matches_gives_its_groups(void **state)
{
    expect(*state, PREFIX "/book@p12-x",
           at("<if test=\"matches\" expression=\"p(\\d+)-(y)?(.)\">"
              "<value type=\"A\" data=\"$1|${1}|${extension[3]}|${extension[2]}|"
              "${extension[0]}|${extension[9]}|$7|${extension}\"/></if>"),
           "1 A 12|12|x||p12-x|||p12-x");
    expect(*state, PREFIX "/book@p12",
           at("<if value=\"handle\" test=\"matches\" parameter=\"h\" expression=\".*/(.*)@.*\">"
              "<value type=\"A\" data=\"${h[1]} ${handle[1]}|${handle[0]}\"/></if>"),
           "1 A book |88.1000/book@p12");
    expect(
        *state, PREFIX "/book@p12",
        at("<if test=\"matches\" expression=\"(p)(1)2\">"
           "<if value=\"extension[2]\" expression=\"1\"><value type=\"A\" data=\"$1\"/></if></if>"),
        "1 A p");
}

static void expression_when_it_matches_a_part_only_does_not_match(void **state)
{
    expect_status(*state, PREFIX "/book@p12",
                  at("<if test=\"matches\" expression=\"p\\d\"><value type=\"A\" data=\"\"/></if>"),
                  STATUS_HANDLE_NOT_FOUND);
    expect(*state, PREFIX "/book@ab",
           at("<if test=\"matches\" expression=\"a|ab\"><value type=\"A\" data=\"\"/></if>"),
           "1 A ");
    expect(*state, PREFIX "/book@",
           at("<if test=\"matches\" expression=\"\"><value type=\"A\" data=\"\"/></if>"), "1 A ");
}

static void expression_when_prefix_tells_case_apart_does_too(void **state)
{
    struct world *w = *state;
    const char *xml =
        at("<if test=\"matches\" expression=\"[\\u4e00-\\u9fa5]\xc3\xa9p\"><value type=\"A\" "
           "data=\"\"/></if>");
    expect(w, PREFIX "/book@\xe4\xb8\xad\xc3\x89P", xml, "1 A ");
    w->case_rule = CASE_SENSITIVE;
    expect_status(w, PREFIX "/book@\xe4\xb8\xad\xc3\x89P", xml, STATUS_HANDLE_NOT_FOUND);
    expect(w, PREFIX "/book@\xe4\xb8\xad\xc3\xa9p", xml, "1 A ");
    w->case_rule = CASE_INSENSITIVE;
}

static void expression_when_written_for_java_means_the_same(void **state)
{
    static const struct {
        const char *expression;
        const char *extension;
        bool matches;
    } cases[] = {
        {"\\d{4}-\\d{2}", "2026-11", true},
        {"\\d", "\xd9\xa1", false}, /* ASCII only, unless asked otherwise */
        {"\\w+", "a_1", true},
        {"\\p{L}+", "\xe4\xb8\xad\xe6\x96\x87", true},
        {"[\\u4e00-\\u9fa5]+", "\xe4\xb8\xad", true},
        {".", "\xe4\xb8\xad", true},
        {"a*?b", "aab", true},
        {"a*+a", "aa", false},
        {"(?=a)ab(?!c)", "ab", true},
        {"(?&lt;=a)b", "ab", false},
        {"(a)(b)\\2\\1", "abba", true},
        {"(?&lt;n>a)\\k&lt;n>", "aa", true},
        {"^ab$", "ab", true},
        {"a.b", "a\nb", false},
        {"(?s)a.b", "a\nb", true},
        {"\\Qa.b\\E", "a.b", true},
    };
    struct world *w = *state;
    w->case_rule = CASE_SENSITIVE;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char handle[64];
        char inner[256];
        (void)snprintf(handle, sizeof(handle), PREFIX "/x@%s", cases[i].extension);
        (void)snprintf(inner, sizeof(inner),
                       "<if test=\"matches\" expression=\"%s\"><value type=\"A\" data=\"\"/></if>",
                       cases[i].expression);
        enum status wanted = cases[i].matches ? STATUS_OK : STATUS_HANDLE_NOT_FOUND;
        if (ask(w, handle, at(inner)) != wanted) {
            fail_msg("%s: %s", cases[i].expression, w->fault.text);
        }
    }
    expect(w, PREFIX "/x@AB",
           at("<if test=\"matches\" expression=\"(?i)(a)b\"><value type=\"A\" "
              "data=\"$1\"/></if>"),
           "1 A A");
}

static void expression_when_it_explodes_is_given_up(void **state)
{
    static const char *const bad[] = {
        "(a+)+[bc]",
        "(a|a)*[bc]",
        "(a|aa)+[bc]",
        "(.*)*[bc]",
        "((a*)*)*[bc]",
        "(a?){64}a{64}[bc]",
        "(.*)(.*)(.*)(.*)(.*)[bc]",
        "(?:(?:a{0,30}){0,30}){0,30}[bc]",
        "(([a-z])+.)+[A-Z]([0-9])+",
        "(?R)?a|a(?R)b",
        "(?:a|(?1)b)(a(?1)?)[bc]",
    };
    char handle[2000] = PREFIX "/x@";
    memset(handle + strlen(handle), 'a', 1800);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char inner[512];
        (void)snprintf(inner, sizeof(inner),
                       "<if test=\"matches\" expression=\"%s\"><value type=\"A\" data=\"\"/></if>",
                       bad[i]);
        clock_t start = clock();
        enum status status = ask(*state, handle, at(inner));
        double took = (double)(clock() - start) / CLOCKS_PER_SEC;
        if ((status != STATUS_INVALID_VALUE && status != STATUS_HANDLE_NOT_FOUND) || took > SOON) {
            fail_msg("%s: %s after %f s", bad[i], status_name(status), took);
        }
    }
    assert_true(seconds_of(*state, handle,
                           at("<if test=\"matches\" expression=\"(a+)+[bc]\"><notfound/></if>"),
                           "take too long") < SOON);
}

static void expression_when_it_is_none_or_too_large_is_refused(void **state)
{
    const char *open = "<if test=\"matches\" expression=\"";
    const char *end = "\"><notfound/></if>";
    char xml[8192];
    static const char *const bad[] = {"(",   "[a",   "a**",      "(?'x",
                                      "\\C", "(?C1", "a{99999}", "(*FOO)"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        (void)snprintf(xml, sizeof(xml), "%s%s%s", open, bad[i], end);
        expect_bad(*state, PREFIX "/x@", at(xml), "bad expression");
    }
    copy_text(xml, sizeof(xml), repeated(open, "a", 1025, end));
    expect_bad(*state, PREFIX "/x@", at(xml), "1024 bytes");
    copy_text(xml, sizeof(xml), repeated(open, "(a)", 64, end));
    expect_bad(*state, PREFIX "/x@", at(xml), "groups");
    (void)snprintf(xml, sizeof(xml), "%s%s%s", open,
                   "((((((((((a{1,99}){1,99}){1,99}){1,99})))))))", end);
    expect_bad(*state, PREFIX "/x@", at(xml), "bad expression");
    copy_text(xml, sizeof(xml),
              repeated("", "<if test=\"matches\" expression=\"a\"><notfound/></if>", 65, ""));
    expect_bad(*state, PREFIX "/x@b", at(xml), "more than 64 expressions");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
    const struct CMUnitTest tests[] = {
        CASE(expression_when_it_matches_gives_its_groups),
        CASE(expression_when_it_matches_a_part_only_does_not_match),
        CASE(expression_when_prefix_tells_case_apart_does_too),
        CASE(expression_when_written_for_java_means_the_same),
        CASE(expression_when_it_explodes_is_given_up),
        CASE(expression_when_it_is_none_or_too_large_is_refused),
    };
#undef CASE
    return cmocka_run_group_tests(tests, NULL, NULL);
}
