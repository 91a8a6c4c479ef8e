/* SPDX-License-Identifier: Apache-2.0
 *
 * template.c and what it is made of: what templates give, and what they may not do to us.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "protocol/message.h"
#include "protocol/template.h"

#define ARENA_MAX (8u << 20)
#define RECORDS_MAX 16
#define PREFIX "88.1000"
#define STAMP 1700000000

/* Records under the names they are asked for; `name_space` is the prefix's. */
struct world {
    struct arena *arena;  /* of the records */
    struct arena *answer; /* small as a worker's */
    struct {
        const char *handle;
        struct bytes values;
    } records[RECORDS_MAX];
    size_t record_count;
    size_t asked; /* how many records were asked for */
    enum case_rule case_rule;
    struct value *values; /* the last answer */
    size_t count;
    struct fault fault;
};

static struct value value_of(uint32_t index, const char *type, struct bytes data)
{
    return (struct value){
        .index = index,
        .timestamp = STAMP,
        .ttl = 3600,
        .permissions = VALUE_PERMISSIONS_DEFAULT,
        .type = bytes_of_text(type),
        .data = data,
    };
}

static struct bytes encoded(struct world *w, const struct value *values, size_t count)
{
    size_t size = value_list_encoded_len(values, count);
    uint8_t *room = arena_alloc(w->arena, size);
    assert_non_null(room);
    struct wire_writer writer = wire_write(room, size);
    value_list_encode(&writer, values, count);
    assert_int_equal(wire_wrote(&writer).len, size);
    return wire_wrote(&writer);
}

static void put(struct world *w, const char *handle, const struct value *values, size_t count)
{
    assert_in_range(w->record_count, 0, RECORDS_MAX - 1);
    w->records[w->record_count].handle = handle;
    w->records[w->record_count++].values = encoded(w, values, count);
}

static void put_text(struct world *w, const char *handle, uint32_t index, const char *type,
                     const char *data)
{
    const struct value value = value_of(index, type, bytes_of_text(data));
    put(w, handle, &value, 1);
}

static enum status record_of(void *context, struct bytes handle, struct bytes *out_values)
{
    struct world *w = context;
    w->asked++;
    for (size_t i = 0; i < w->record_count; i++) {
        if (bytes_equal(handle, bytes_of_text(w->records[i].handle))) {
            *out_values = w->records[i].values;
            return STATUS_OK;
        }
    }
    return STATUS_HANDLE_NOT_FOUND;
}

static enum status ask_of(struct world *w, const char *handle, struct bytes prefix_values)
{
    const struct template_question question = {
        .handle = bytes_of_text(handle),
        .name_space = prefix_values,
        .case_rule = w->case_rule,
        .record = record_of,
        .context = w,
    };
    arena_reset(w->answer);
    w->asked = 0;
    w->count = 0;
    w->fault = (struct fault){0};
    return template_answer(&question, w->answer, &w->values, &w->count, &w->fault);
}

static enum status ask_bytes(struct world *w, const char *handle, struct bytes xml)
{
    const struct value value = value_of(2, "HS_NAMESPACE", xml);
    return ask_of(w, handle, encoded(w, &value, 1));
}

static enum status ask(struct world *w, const char *handle, const char *xml)
{
    return ask_bytes(w, handle, bytes_of_text(xml));
}

/* The answer as "index type data; ...". */
static const char *told(const struct world *w, char out[1024])
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < w->count && len < 900; i++) {
        const struct value *v = &w->values[i];
        len += (size_t)snprintf(out + len, 1024 - len, "%s%u %.*s %.*s", i == 0 ? "" : "; ",
                                v->index, (int)v->type.len, (const char *)v->type.data,
                                (int)v->data.len, (const char *)v->data.data);
    }
    return out;
}

static void expect(struct world *w, const char *handle, const char *xml, const char *wanted)
{
    char text[1024];
    enum status status = ask(w, handle, xml);
    if (status != STATUS_OK) {
        fail_msg("%s: %s %s", xml, status_name(status), w->fault.text);
    }
    assert_string_equal(told(w, text), wanted);
}

static void expect_status(struct world *w, const char *handle, const char *xml, enum status wanted)
{
    enum status status = ask(w, handle, xml);
    if (status != wanted) {
        fail_msg("%.300s: %s %s", xml, status_name(status), w->fault.text);
    }
    assert_int_equal(w->count, 0);
}

static void expect_bad(struct world *w, const char *handle, const char *xml, const char *reason)
{
    expect_status(w, handle, xml, STATUS_INVALID_VALUE);
    if (strstr(w->fault.text, reason) == NULL) {
        fail_msg("%.200s: said \"%s\", not \"%s\"", xml, w->fault.text, reason);
    }
}

/* `inner` in a template with the delimiter "@". */
static const char *at(const char *inner)
{
    static char text[70000];
    (void)snprintf(text, sizeof(text),
                   "<namespace><template delimiter=\"@\">%s</template></namespace>", inner);
    return text;
}

static int open_world(void **state)
{
    static struct world world;
    world = (struct world){.case_rule = CASE_INSENSITIVE};
    world.arena = arena_new(1u << 16, 64u << 20);
    world.answer = arena_new(1u << 16, ARENA_MAX);
    assert_non_null(world.arena);
    assert_non_null(world.answer);
    const struct value base[] = {
        value_of(1, "URL", BYTES_LITERAL("http://a/")),
        value_of(3, "URL", BYTES_LITERAL("http://b/")),
        value_of(7, "EMAIL", BYTES_LITERAL("x@y")),
    };
    put(&world, PREFIX "/book", base, 3);
    *state = &world;
    return 0;
}

static int close_world(void **state)
{
    struct world *w = *state;
    arena_free(w->arena);
    arena_free(w->answer);
    return 0;
}

/* --- what it gives -----------------------------------------------------------------------------
 */

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

/* --- references --------------------------------------------------------------------------------
 */

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

/* --- what it may not do ------------------------------------------------------------------------
 */

static void document_when_it_is_no_plain_xml_is_refused(void **state)
{
    struct world *w = *state;
    static const char *const bad[] = {
        "",
        "x",
        "<n>",
        "<n><a></b></n>",
        "<n>&none;</n>",
        "<!DOCTYPE n><n/>",
        "<!DOCTYPE n [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">"
        "<!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;\">]><n x=\"&c;\">&c;</n>",
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

static const char *repeated(const char *start, const char *piece, size_t times, const char *end)
{
    static char text[80000];
    size_t len = (size_t)snprintf(text, sizeof(text), "%s", start);
    for (size_t i = 0; i < times; i++) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", piece);
        assert_in_range(len, 0, sizeof(text) - 200);
    }
    (void)snprintf(text + len, sizeof(text) - len, "%s", end);
    return text;
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
    (void)snprintf(deep, sizeof(deep), "%s", repeated("", "<a>", 33, ""));
    (void)snprintf(deep + strlen(deep), sizeof(deep) - strlen(deep), "%s",
                   repeated("", "</a>", 33, ""));
    expect_bad(*state, PREFIX "/x", deep, "deeper");
}

/* Wall clocks of shared machines lie: CPU time, and far more than it takes. */
static double seconds_of(struct world *w, const char *handle, const char *xml, const char *reason)
{
    clock_t start = clock();
    expect_bad(w, handle, xml, reason);
    return (double)(clock() - start) / CLOCKS_PER_SEC;
}

#define SOON 2.0 /* with sanitizers */

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
    (void)snprintf(xml, sizeof(xml), "%s", repeated(open, "a", 1025, end));
    expect_bad(*state, PREFIX "/x@", at(xml), "1024 bytes");
    (void)snprintf(xml, sizeof(xml), "%s", repeated(open, "(a)", 64, end));
    expect_bad(*state, PREFIX "/x@", at(xml), "groups");
    (void)snprintf(xml, sizeof(xml), "%s%s%s", open,
                   "((((((((((a{1,99}){1,99}){1,99}){1,99})))))))", end);
    expect_bad(*state, PREFIX "/x@", at(xml), "bad expression");
    (void)snprintf(xml, sizeof(xml), "%s",
                   repeated("", "<if test=\"matches\" expression=\"a\"><notfound/></if>", 65, ""));
    expect_bad(*state, PREFIX "/x@b", at(xml), "more than 64 expressions");
}

static void text_when_it_doubles_and_doubles_is_given_up(void **state)
{
    const char *xml = repeated("<def parameter=\"a\"><value type=\"x\" data=\"aaaaaaaaaa\"/></def>",
                               "<def parameter=\"a\"><value type=\"x\" data=\"${a}${a}\"/></def>",
                               60, "<value type=\"A\" data=\"${a}\"/>");
    char inner[8192];
    (void)snprintf(inner, sizeof(inner), "%s", xml);
    assert_true(seconds_of(*state, PREFIX "/x@", at(inner), "more text") < SOON);
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
    (void)snprintf(inner, sizeof(inner), "%s",
                   repeated("<foreach>", "<if><if><if/></if></if>", 300, "</foreach>"));
    assert_true(seconds_of(w, PREFIX "/many@", at(inner), "takes too long") < SOON);
    (void)snprintf(inner, sizeof(inner), "%s",
                   repeated("<foreach><value data=\"", "${u", 4000, "\"/></foreach>"));
    assert_true(seconds_of(w, PREFIX "/many@", at(inner), "text") < SOON);
    (void)snprintf(
        inner, sizeof(inner), "%s",
        repeated("", "<def parameter=\"p\"><value type=\"\" data=\"\"/></def>", 150, ""));
    (void)snprintf(inner + strlen(inner), sizeof(inner) - strlen(inner), "%s",
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

/* --- checking ----------------------------------------------------------------------------------
 */

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
        CASE(value_when_it_has_variables_has_them_replaced),
        CASE(value_when_new_has_default_ttl_and_permissions),
        CASE(values_when_they_share_an_index_get_the_next_free_one),
        CASE(value_when_it_lacks_type_or_data_is_left_out),
        CASE(value_when_it_holds_elements_is_xml_and_variables_are_escaped),
        CASE(delimiter_when_absent_makes_the_base_the_whole),
        CASE(delimiter_when_there_divides_at_its_first_place_after_the_prefix),
        CASE(condition_when_equal_runs_if_otherwise_else),
        CASE(expression_when_it_matches_gives_its_groups),
        CASE(expression_when_it_matches_a_part_only_does_not_match),
        CASE(expression_when_prefix_tells_case_apart_does_too),
        CASE(expression_when_written_for_java_means_the_same),
        CASE(foreach_when_base_exists_goes_through_its_values),
        CASE(foreach_when_values_are_not_public_keeps_them_so_and_passes_keys_over),
        CASE(definition_when_it_gives_a_value_is_a_variable_for_what_follows),
        CASE(notfound_when_met_ends_it_whatever_was_given),
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
        CASE(expression_when_it_explodes_is_given_up),
        CASE(expression_when_it_is_none_or_too_large_is_refused),
        CASE(text_when_it_doubles_and_doubles_is_given_up),
        CASE(loops_when_they_look_at_too_much_are_given_up),
        CASE(values_when_they_could_not_be_stored_are_refused),
        CASE(record_when_it_cannot_be_read_ends_it),
        CASE(memory_when_it_ends_early_is_no_answer_and_no_leak),
        CASE(check_when_all_is_well_says_so),
        CASE(check_when_something_would_not_run_says_where),
    };
#undef CASE
    return cmocka_run_group_tests(tests, NULL, NULL);
}
