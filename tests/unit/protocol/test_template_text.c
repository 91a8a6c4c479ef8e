/* SPDX-License-Identifier: Apache-2.0
 *
 * template_text.c: variables in texts.
 */
#include "tests/unit/protocol/template_world.h"

static void value_when_it_has_variables_has_them_replaced(void **state)
{
    expect(*state, PREFIX "/abc@7",
           at("<value index=\"4\" type=\"URL\" data=\"http://x/${base}?p=${extension}\"/>"),
           "4 URL http://x/88.1000/abc?p=7");
    expect(*state, PREFIX "/abc@7", at("<value type=\"T\">${handle}|${none}|\\${base}</value>"),
           "1 T 88.1000/abc@7||${base}");
    expect(*state, PREFIX "/abc@7", at("<value type=\"T\" data=\"a$b$${x\"/>"), "1 T a$b$${x");
    expect(*state, PREFIX "/abc@7", at("<value type=\"T\" data=\"$\"/>"), "1 T $");
}

static void value_when_it_holds_elements_is_xml_and_variables_are_escaped(void **state)
{
    expect(*state, PREFIX "/a@x\"&<y",
           at("<value type=\"10320/loc\"><locations><location href=\"http://h/${extension}\"/>"
              "</locations></value>"),
           "1 10320/loc <locations><location href=\"http://h/x&quot;&amp;&lt;y\"/></locations>");
    expect(*state, PREFIX "/a@x\"&<y", at("<value type=\"T\">&lt;${extension}</value>"),
           "1 T <x\"&<y");
    expect(*state, PREFIX "/a@b", at("<value type=\"T\"><![CDATA[<q>]]>r</value>"), "1 T <q>r");
}

static void text_when_it_doubles_and_doubles_is_given_up(void **state)
{
    const char *xml = repeated("<def parameter=\"a\"><value type=\"x\" data=\"aaaaaaaaaa\"/></def>",
                               "<def parameter=\"a\"><value type=\"x\" data=\"${a}${a}\"/></def>",
                               60, "<value type=\"A\" data=\"${a}\"/>");
    char inner[8192];
    copy_text(inner, sizeof(inner), xml);
    assert_true(seconds_of(*state, PREFIX "/x@", at(inner), "more text") < SOON);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
    const struct CMUnitTest tests[] = {
        CASE(value_when_it_has_variables_has_them_replaced),
        CASE(value_when_it_holds_elements_is_xml_and_variables_are_escaped),
        CASE(text_when_it_doubles_and_doubles_is_given_up),
    };
#undef CASE
    return cmocka_run_group_tests(tests, NULL, NULL);
}
