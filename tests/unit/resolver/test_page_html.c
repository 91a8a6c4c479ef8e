/* SPDX-License-Identifier: Apache-2.0
 *
 * The page: hostile records stay text, whatever they hold the page stays small, and what is said
 * about a name is there in both languages.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "resolver/page_html.h"
#include "resolver/page_style.h"

#define TEXT(literal) BYTES_LITERAL(literal)

struct shown {
    struct arena *arena;
    struct http_body body; /* ends with NUL after `show` */
};

static int set_up(void **state)
{
    struct shown *shown = calloc(1, sizeof(*shown));
    assert_non_null(shown);
    shown->arena = arena_new(65536, 32u << 20);
    assert_non_null(shown->arena);
    *state = shown;
    return 0;
}

static int tear_down(void **state)
{
    struct shown *shown = *state;
    http_body_free(&shown->body);
    arena_free(shown->arena);
    free(shown);
    return 0;
}

static const char *show(struct shown *shown, const struct page_model *model)
{
    http_body_free(&shown->body);
    assert_int_equal(page_html(model, shown->arena, &shown->body), STATUS_OK);
    assert_true(shown->body.len <= PAGE_MAX);
    http_body_put(&shown->body, bytes_of("", 1));
    return (const char *)shown->body.data;
}

static struct page_model record_of(struct value *values, size_t count)
{
    return (struct page_model){
        .kind = PAGE_KIND_RECORD,
        .asked = TEXT("88.608/x"),
        .handle = TEXT("88.608/x"),
        .values = values,
        .value_count = count,
        .owner = {.prefix = TEXT("88.608"), .enterprise = TEXT("e1")},
    };
}

static struct value text_value(const char *type, const char *data)
{
    return (struct value){.index = 1,
                          .timestamp = 1700000000,
                          .ttl = 86400,
                          .permissions = VALUE_PERMISSIONS_DEFAULT,
                          .type = bytes_of_text(type),
                          .data = bytes_of_text(data)};
}

static void assert_has(const char *page, const char *text)
{
    if (strstr(page, text) == NULL) {
        fail_msg("the page has no %s", text);
    }
}

static void assert_lacks(const char *page, const char *text)
{
    if (strstr(page, text) != NULL) {
        fail_msg("the page has %s", text);
    }
}

static size_t count_of(const char *page, const char *text)
{
    size_t count = 0;
    for (const char *at = strstr(page, text); at != NULL; at = strstr(at + 1, text)) {
        count++;
    }
    return count;
}

static void value_when_markup_then_text(void **state)
{
    struct value values[] = {
        text_value("<b onclick=x>", "</script><script>alert(1)</script>"),
        text_value("URL", "javascript:alert(1)"),
        text_value("URL", "data:text/html,<script>alert(1)</script>"),
        text_value("URL", "https://a.example/\"onmouseover=\"alert(1)"),
        text_value("URL", "https://a.example/ javascript:x"),
        text_value("x", "{\"<img src=x>\":\"<img src=y>\"}"),
    };
    struct page_model model = record_of(values, 6);
    const char *page = show(*state, &model);
    assert_int_equal(count_of(page, "<script>"), 1);
    assert_int_equal(count_of(page, "</script>"), 1);
    assert_lacks(page, "<b onclick");
    assert_lacks(page, "<img");
    assert_lacks(page, "href=\"javascript:");
    assert_lacks(page, "href=\"data:text");
    assert_lacks(page, "\"onmouseover");
    assert_has(page, "&lt;/script&gt;&lt;script&gt;alert(1)");
    assert_has(page, "https://a.example/&quot;onmouseover=&quot;alert(1)");
}

static void value_when_an_address_then_a_guarded_link(void **state)
{
    struct value values[] = {text_value("URL", "https://a.example/p?a=1&b=2")};
    struct page_model model = record_of(values, 1);
    assert_has(show(*state, &model), "<a rel=\"noopener noreferrer nofollow\" "
                                     "href=\"https://a.example/p?a=1&amp;b=2\">");
}

static void value_when_it_turns_the_writing_then_shown_by_its_number(void **state)
{
    struct value values[] = {text_value("x", "a\xe2\x80\xaetxt.exe\xe2\x81\xa6\xe2\x80\x8b")};
    struct page_model model = record_of(values, 1);
    model.handle = TEXT("88.608/\xe2\x80\xaeX");
    const char *page = show(*state, &model);
    assert_lacks(page, "\xe2\x80\xae");
    assert_lacks(page, "\xe2\x81\xa6");
    assert_has(page,
               "<i class=odd>U+202E</i>txt.exe<i class=odd>U+2066</i><i class=odd>U+200B</i>");
    assert_has(page, "<title>88.608/X");
    assert_has(page, "/api/handles/88.608/%E2%80%AEX");
}

static void value_when_binary_then_told_of_and_not_shown(void **state)
{
    struct value values[] = {text_value("PHOTO", ""), text_value("x", "")};
    values[0].data = TEXT("\x89PNG\r\n\x1a\n\x00\x00");
    values[1].data = TEXT("\xff\x00\x01");
    struct page_model model = record_of(values, 2);
    const char *page = show(*state, &model);
    assert_has(page, "A picture (PNG); it is not loaded here.");
    assert_has(page, "Binary data, 3 bytes");
    assert_has(page, "ff0001");
}

static void value_when_huge_then_cut_with_a_note(void **state)
{
    char *huge = malloc(200001);
    assert_non_null(huge);
    memset(huge, '<', 200000);
    huge[200000] = '\0';
    struct value values[] = {text_value("x", huge)};
    struct page_model model = record_of(values, 1);
    assert_has(show(*state, &model), "200000 bytes in all; the beginning is shown.");
    free(huge);
}

/* The most a record, a name and a symbol can do together. */
static void page_when_everything_is_as_long_as_can_be_then_small_enough(void **state)
{
    struct shown *shown = *state;
    struct value values[200];
    char data[2001];
    char name[HANDLE_MAX + 1];
    memset(data, '\x01', 2000);
    data[0] = 'x';
    data[2000] = '\0';
    memset(name, '"', HANDLE_MAX);
    memcpy(name, "88.608/", 7);
    name[HANDLE_MAX] = '\0';
    for (size_t i = 0; i < 200; i++) {
        values[i] = text_value(i % 2 == 0 ? "HS_ALIAS" : "\"\"\"\"", i % 3 == 0 ? data : name);
    }
    struct qr qr;
    assert_int_equal(qr_make(shown->arena, bytes_of(name, 230), &qr), STATUS_OK);
    struct page_model model = record_of(values, 200);
    model.handle = bytes_of(name, HANDLE_MAX);
    model.asked = model.handle;
    model.alias = model.handle;
    model.owner.parent = model.handle;
    model.owner.prefix = model.handle;
    model.owner.enterprise = BYTES_NONE;
    model.changes = 0x1ff;
    model.node_name = name;
    model.qr = &qr;
    for (int language = 0; language < 2; language++) {
        model.language = language == 0 ? PAGE_ENGLISH : PAGE_CHINESE;
        model.kind = PAGE_KIND_RECORD;
        assert_has(show(shown, &model), "</html>");
        model.kind = PAGE_KIND_PROBLEM;
        model.problem = STATUS_HANDLE_NOT_FOUND;
        model.better = model.handle;
        model.better_changes = 0x1ff;
        assert_has(show(shown, &model), "</html>");
    }
}

static void page_when_values_do_not_fit_then_says_how_many(void **state)
{
    struct value values[300];
    char data[1000];
    memset(data, 'a', sizeof(data) - 1);
    data[sizeof(data) - 1] = '\0';
    for (size_t i = 0; i < 300; i++) {
        values[i] = text_value("x", data);
        values[i].index = (uint32_t)i + 1;
    }
    struct page_model model = record_of(values, 300);
    const char *page = show(*state, &model);
    size_t count = count_of(page, "<div class=value>");
    char text[64];
    assert_in_range(count, 10, 60);
    (void)snprintf(text, sizeof(text), ": %zu are left out.", 300 - count);
    assert_has(page, text);
}

static void record_when_own_then_says_whose_and_when(void **state)
{
    struct value values[] = {text_value("NAME", "Bearing 6204")};
    struct page_model model = record_of(values, 1);
    model.created_ms = 1700000000000;
    model.changed_ms = 1710000000000;
    const char *page = show(*state, &model);
    assert_has(page, "<html lang=en>");
    assert_has(page, "Bearing 6204</bdi></p>");
    assert_has(page, "Not verified: this node has seen no papers of the enterprise.");
    assert_has(page, "<time datetime=\"2023-11-14T22:13:20Z\">2023-11-14 22:13 UTC</time>");
    model.language = PAGE_CHINESE;
    page = show(*state, &model);
    assert_has(page, "<html lang=zh-CN>");
    assert_has(page, "未核验");
    assert_has(page, "href=\"?lang=en\"");
}

static void record_when_stale_then_marked(void **state)
{
    struct value values[] = {text_value("URL", "https://a.example/")};
    struct page_model model = record_of(values, 1);
    model.source = PAGE_STALE;
    model.fetched_ms = 1700000000000;
    const char *page = show(*state, &model);
    assert_has(page, "Out of date");
    assert_has(page, "does not answer now");
    model.source = PAGE_OWN;
    assert_lacks(show(*state, &model), "Out of date");
}

static void problem_when_a_better_name_exists_then_offered(void **state)
{
    struct page_model model = {
        .kind = PAGE_KIND_PROBLEM,
        .problem = STATUS_HANDLE_NOT_FOUND,
        .asked = TEXT("88.6O8/x"),
        .better = TEXT("88.608/x"),
        .better_changes = SCANNED_LOOK_ALIKE,
        .owner = {.prefix = TEXT("88.6O8"), .parent = TEXT("88"), .parent_enterprise = TEXT("e9")},
    };
    const char *page = show(*state, &model);
    assert_has(page, "Did you mean");
    assert_has(page, "href=\"/88.608/x\"");
    assert_has(page, "look-alike characters replaced");
    assert_has(page, "<bdi>e9</bdi>");
}

static void page_when_shown_then_asks_nobody_for_anything(void **state)
{
    struct value values[] = {text_value("x", "y")};
    struct page_model model = record_of(values, 1);
    const char *page = show(*state, &model);
    assert_lacks(page, "src=");
    assert_lacks(page, "url(");
    assert_lacks(page, "@import");
    assert_lacks(page, "style=\"");
    assert_lacks(page, "onclick=\"");
    char policy[PAGE_POLICY_MAX];
    page_style_policy(policy);
    assert_has(policy, "default-src 'none'; style-src 'sha256-");
    assert_lacks(policy, "unsafe");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(value_when_markup_then_text),
        CASE(value_when_an_address_then_a_guarded_link),
        CASE(value_when_it_turns_the_writing_then_shown_by_its_number),
        CASE(value_when_binary_then_told_of_and_not_shown),
        CASE(value_when_huge_then_cut_with_a_note),
        CASE(page_when_everything_is_as_long_as_can_be_then_small_enough),
        CASE(page_when_values_do_not_fit_then_says_how_many),
        CASE(record_when_own_then_says_whose_and_when),
        CASE(record_when_stale_then_marked),
        CASE(problem_when_a_better_name_exists_then_offered),
        CASE(page_when_shown_then_asks_nobody_for_anything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
