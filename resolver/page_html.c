/* SPDX-License-Identifier: Apache-2.0
 *
 * The document, from top to bottom; see page_html.h.
 */
#include "resolver/page_html.h"

#include <stdio.h>

#include "protocol/handle.h"
#include "resolver/page_style.h"
#include "resolver/page_value.h"

#define NAME_SHOWN 300 /* bytes of a name; links carry it whole */
#define LINKED_MAX 700 /* bytes of a name beside which there is room for a second link */

/* What values may fill, so that everything around them always fits. */
#define VALUES_UNTIL 34000

/* A symbol that would take more than it helps is left to its own address. */
#define QR_SIDE_SHOWN 61

static void put_name(struct page_out *page, struct bytes name)
{
    (void)page_foreign(page, name, NAME_SHOWN, false);
}

/* --- head ---------------------------------------------------------------------------------------
 */

static enum page_text problem_title(enum status problem)
{
    switch (problem) {
    case STATUS_HANDLE_NOT_FOUND:
        return PAGE_not_found;
    case STATUS_VALUES_NOT_FOUND:
        return PAGE_nothing_public;
    case STATUS_NOT_RESPONSIBLE:
    case STATUS_SERVICE_REFERRAL:
    case STATUS_PREFIX_REFERRAL:
        return PAGE_unknown_prefix;
    case STATUS_INVALID_HANDLE:
        return PAGE_invalid;
    case STATUS_UNREACHABLE:
    case STATUS_TIMED_OUT:
    case STATUS_CLOSED:
    case STATUS_CHANNEL_TIMEOUT:
        return PAGE_unreachable;
    case STATUS_SERVER_BUSY:
    case STATUS_SERVER_BACKUP:
        return PAGE_busy;
    case STATUS_CONFLICT:
        return PAGE_alias_loop;
    default:
        return PAGE_failed;
    }
}

static void put_title(struct page_out *page, const struct page_model *model)
{
    switch (model->kind) {
    case PAGE_KIND_RECORD:
        (void)page_foreign(page, model->handle, NAME_SHOWN, true);
        break;
    case PAGE_KIND_PROBLEM:
        page_say(page, problem_title(model->problem));
        break;
    default:
        page_say(page, PAGE_start_title);
        break;
    }
}

static void put_node_name(struct page_out *page, const struct page_model *model)
{
    if (model->node_name != NULL && model->node_name[0] != '\0') {
        (void)page_foreign(page, bytes_of_text(model->node_name), 80, true);
    } else {
        page_say(page, PAGE_site_name);
    }
}

static void put_head(struct page_out *page, const struct page_model *model)
{
    page_put(page, "<!doctype html>\n<html lang=");
    page_say(page, PAGE_language);
    page_put(page, "><head><meta charset=utf-8><meta name=viewport "
                   "content=\"width=device-width,initial-scale=1\"><title>");
    put_title(page, model);
    page_put(page, " · ");
    put_node_name(page, model);
    page_put(page,
             "</title><link rel=icon href=\"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/"
             "2000/svg' viewBox='0 0 16 16'%3E%3Cpath fill='%230a6259' d='M1 1h6v6H1zM9 1h6v6H9z"
             "M1 9h6v6H1zM11 11h4v4h-4z'/%3E%3C/svg%3E\"><style>");
    for (const char *const *piece = page_style(); *piece != NULL; piece++) {
        page_put(page, *piece);
    }
    page_put(page, "</style></head>\n<body><header><a class=home href=\"/?lang=");
    page_put(page, page->language == PAGE_CHINESE ? "zh" : "en");
    page_put(page,
             "\"><svg width=20 height=20 viewBox=\"0 0 16 16\" aria-hidden=true><path "
             "fill=currentColor d=\"M1 1h6v6H1zM9 1h6v6H9zM1 9h6v6H1zM11 11h4v4h-4z\"/></svg>");
    put_node_name(page, model);
    page_put(page, "</a><a class=other href=\"?lang=");
    page_say(page, PAGE_other_language);
    page_put(page, "\" hreflang=");
    page_say(page, PAGE_other_language);
    page_put(page, " lang=");
    page_say(page, PAGE_other_language);
    page_put(page, ">");
    page_say(page, PAGE_other_name);
    page_put(page, "</a></header>\n<main>");
}

static void put_foot(struct page_out *page)
{
    page_put(page, "</main>\n<footer>");
    page_say(page, PAGE_footer);
    page_put(page, "</footer><script>");
    page_put(page, page_script());
    page_put(page, "</script></body></html>\n");
}

/* --- pieces -------------------------------------------------------------------------------------
 */

static void put_form(struct page_out *page, struct bytes text)
{
    page_put(page, "<form action=\"/\" method=get class=card><label for=hdl>");
    page_say(page, PAGE_field_label);
    page_put(page, "</label><div class=ask><input id=hdl name=hdl type=text inputmode=url "
                   "autocapitalize=off autocomplete=off spellcheck=false required maxlength=2048 "
                   "placeholder=\"");
    page_say(page, PAGE_field_hint);
    page_put(page, "\" value=\"");
    (void)page_foreign(page, bytes_of(text.data, text.len <= NAME_SHOWN ? text.len : 0), NAME_SHOWN,
                       true);
    page_put(page, "\"><input type=hidden name=lang value=");
    page_put(page, page->language == PAGE_CHINESE ? "zh" : "en");
    page_put(page, "><button class=main>");
    page_say(page, PAGE_look_up);
    page_put(page, "</button></div></form>\n");
}

static void put_changes(struct page_out *page, unsigned changes)
{
    static const struct {
        unsigned change;
        enum page_text text;
    } rows[] = {
        {SCANNED_SCHEME, PAGE_change_1},    {SCANNED_ADDRESS, PAGE_change_2},
        {SCANNED_BLANKS, PAGE_change_4},    {SCANNED_INVISIBLE, PAGE_change_8},
        {SCANNED_WIDTH, PAGE_change_16},    {SCANNED_LOOK_ALIKE, PAGE_change_32},
        {SCANNED_ENDING, PAGE_change_64},   {SCANNED_AROUND, PAGE_change_128},
        {SCANNED_ESCAPES, PAGE_change_256},
    };
    page_put(page, "<ul>");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if ((changes & rows[i].change) != 0) {
            page_put(page, "<li>");
            page_say(page, rows[i].text);
            page_put(page, "</li>");
        }
    }
    page_put(page, "</ul>");
}

static void put_row(struct page_out *page, enum page_text name)
{
    page_put(page, "</dd><dt>");
    page_say(page, name);
    page_put(page, "</dt><dd>");
}

static void put_enterprise(struct page_out *page, struct bytes enterprise)
{
    if (enterprise.len == 0) {
        page_say(page, PAGE_enterprise_none);
    } else if (bytes_equal(enterprise, BYTES_LITERAL("self"))) {
        page_say(page, PAGE_enterprise_self);
    } else {
        page_put(page, "<bdi>");
        (void)page_foreign(page, enterprise, 100, false);
        page_put(page, "</bdi>");
    }
}

static enum page_text verification(const struct page_owner *owner)
{
    if (owner->enterprise.len == 0) {
        return PAGE_verified_other;
    }
    return bytes_equal(owner->enterprise, BYTES_LITERAL("self")) ? PAGE_verified_self
                                                                 : PAGE_verified_no;
}

static void put_owner(struct page_out *page, const struct page_model *model)
{
    page_put(page, "<section class=card><h2>");
    page_say(page, PAGE_owner);
    page_put(page, "</h2><dl class=table><dt>");
    page_say(page, PAGE_prefix);
    page_put(page, "</dt><dd><bdi>");
    put_name(page, model->owner.prefix);
    page_put(page, "</bdi>");
    if (model->owner.enterprise.len == 0 && model->owner.parent.len > 0) {
        put_row(page, PAGE_parent);
        put_name(page, model->owner.parent);
    }
    put_row(page, PAGE_enterprise);
    put_enterprise(page, model->owner.enterprise);
    put_row(page, PAGE_verified);
    page_say(page, verification(&model->owner));
    if (model->created_ms > 0) {
        put_row(page, PAGE_registered);
        page_time(page, model->created_ms / 1000);
    }
    if (model->changed_ms > 0) {
        put_row(page, PAGE_last_changed);
        page_time(page, model->changed_ms / 1000);
    }
    if (model->version > 0) {
        put_row(page, PAGE_version);
        page_number(page, model->version);
    }
    page_put(page, "</dd></dl></section>\n");
}

/* A link that would fill the page is left away. */
static void put_raw_link(struct page_out *page, struct bytes handle)
{
    if (handle.len <= LINKED_MAX) {
        page_put(page, "<a href=\"/api/handles/");
        page_path(page->body, handle);
        page_put(page, "\">");
        page_say(page, PAGE_raw);
        page_put(page, "</a>");
    }
}

static void put_code(struct page_out *page, const struct page_model *model)
{
    char box[64];
    page_put(page, "<section class=card><h2>");
    page_say(page, PAGE_code);
    page_put(page, "</h2>");
    if (model->qr != NULL && model->qr->side <= QR_SIDE_SHOWN) {
        size_t side = qr_side_whole(model->qr);
        (void)snprintf(box, sizeof(box), "<svg class=qr viewBox=\"0 0 %zu %zu\"", side, side);
        page_put(page, box);
        page_put(page, " role=img shape-rendering=crispEdges aria-label=\"");
        const char *label = page_text(page->language, PAGE_code_of);
        const char *place = strstr(label, "%s");
        http_body_put(page->body, bytes_of(label, (size_t)(place - label)));
        (void)page_foreign(page, model->handle, NAME_SHOWN, true);
        page_put(page, place + 2);
        page_put(page, "\"><path stroke=#000 d=\"");
        qr_svg_path(model->qr, page->body);
        page_put(page, "\"/></svg><p class=\"center meta\">");
        page_say(page, model->qr_is_bare ? PAGE_code_note_bare : PAGE_code_note);
        page_put(page, "</p>");
    }
    page_put(page, "<p class=center><a href=\"?qr=svg\">SVG</a> · <a href=\"?qr=png\">PNG</a>");
    page_put(page, model->handle.len <= LINKED_MAX ? " · " : "");
    put_raw_link(page, model->handle);
    page_put(page, "</p></section>\n");
}

/* --- a record -----------------------------------------------------------------------------------
 */

static struct bytes record_title(const struct page_model *model, struct arena *arena)
{
    for (size_t i = 0; i < model->value_count; i++) {
        struct bytes title = page_value_title(arena, &model->values[i]);
        if (title.len > 0) {
            return title;
        }
    }
    return BYTES_NONE;
}

static void put_tag(struct page_out *page, enum page_text text, bool is_warm)
{
    page_put(page, is_warm ? "<span class=\"tag warm\">" : "<span class=tag>");
    page_say(page, text);
    page_put(page, "</span>");
}

static void put_handle_split(struct page_out *page, struct bytes handle)
{
    struct bytes prefix = handle_prefix(handle);
    page_put(page, "<span id=handle dir=ltr>");
    if (prefix.len > 0) {
        page_put(page, "<span class=prefix>");
        put_name(page, prefix);
        page_put(page, "/</span><wbr>");
    }
    put_name(page, handle_suffix(handle));
    page_put(page, "</span>");
}

static void put_plate(struct page_out *page, const struct page_model *model, struct arena *arena)
{
    struct bytes title = record_title(model, arena);
    page_put(page, "<section class=plate><p class=what>");
    page_say(page, PAGE_identifier);
    page_put(page, "</p><h1>");
    put_handle_split(page, model->handle);
    page_put(page, "</h1>");
    if (title.len > 0) {
        page_put(page, "<p class=title><bdi>");
        (void)page_foreign(page, title, 200, false);
        page_put(page, "</bdi></p>");
    }
    page_put(page, "<p class=tags>");
    put_tag(page, model->source == PAGE_OWN ? PAGE_tag_own : PAGE_tag_other, false);
    if (model->source == PAGE_OWN && verification(&model->owner) == PAGE_verified_no) {
        put_tag(page, PAGE_tag_unverified, false);
    }
    if (model->source == PAGE_CACHED) {
        put_tag(page, PAGE_tag_cached, false);
    } else if (model->source == PAGE_STALE) {
        put_tag(page, PAGE_tag_stale, true);
    }
    page_put(page, "</p><p class=actions><button id=copy class=main hidden data-done=\"");
    page_say(page, PAGE_copied);
    page_put(page, "\">");
    page_say(page, PAGE_copy);
    page_put(page, "</button><button id=share hidden>");
    page_say(page, PAGE_share);
    page_put(page, "</button></p></section>\n");
}

static void put_time_note(struct page_out *page, const struct page_model *model)
{
    bool is_stale = model->source == PAGE_STALE;
    const char *text = page_text(page->language, is_stale ? PAGE_stale_note : PAGE_cached_note);
    const char *place = strstr(text, "%s");
    page_put(page, is_stale ? "<p class=note role=status>" : "<p class=\"note calm\">");
    http_body_put(page->body, bytes_of(text, (size_t)(place - text)));
    page_time(page, model->fetched_ms / 1000);
    page_put(page, place + 2);
    page_put(page, "</p>\n");
}

static void put_notes(struct page_out *page, const struct page_model *model)
{
    if (model->fetched_ms > 0) {
        put_time_note(page, model);
    }
    if (model->changes != 0) {
        page_put(page, "<div class=\"note calm\">");
        page_say_with(page, PAGE_read_from, model->asked, NAME_SHOWN);
        put_changes(page, model->changes);
        page_put(page, "</div>\n");
    }
    if (model->alias.len > 0) {
        page_put(page, "<p class=\"note calm\">");
        page_say_with(page, PAGE_alias_from, model->alias, NAME_SHOWN);
        page_put(page, "</p>\n");
    }
}

/* All values of one sort that fit; returns how many did not. */
static size_t put_sort(struct page_out *page, const struct page_model *model, struct arena *arena,
                       bool is_technical)
{
    size_t left_out = 0;
    for (size_t i = 0; i < model->value_count; i++) {
        const struct value *value = &model->values[i];
        if (page_value_is_technical(value) != is_technical) {
            continue;
        }
        size_t before = page->body->len;
        if (before < VALUES_UNTIL && left_out == 0) {
            page_value(page, arena, value);
        } else {
            left_out++;
        }
        if (page->body->len > VALUES_UNTIL && before > 0) {
            page->body->len = before; /* it would push out what follows */
            left_out++;
        }
    }
    return left_out;
}

static size_t count_sort(const struct page_model *model, bool is_technical)
{
    size_t count = 0;
    for (size_t i = 0; i < model->value_count; i++) {
        count += page_value_is_technical(&model->values[i]) == is_technical ? 1 : 0;
    }
    return count;
}

static void put_left_out(struct page_out *page, const struct page_model *model, size_t count)
{
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%zu", count);
    page_put(page, "<p class=meta>");
    page_say_with(page, PAGE_values_left_out, bytes_of(digits, (size_t)len), sizeof(digits));
    page_put(page, " ");
    put_raw_link(page, model->handle);
    page_put(page, "</p>");
}

static void put_values(struct page_out *page, const struct page_model *model, struct arena *arena)
{
    size_t left_out = 0;
    page_put(page, "<section class=card><h2>");
    page_say(page, PAGE_values);
    page_put(page, "</h2>");
    if (count_sort(model, false) == 0) {
        page_put(page, "<p>");
        page_say(page, PAGE_no_values);
        page_put(page, "</p>");
    } else {
        page_put(page, "<dl class=values>");
        left_out += put_sort(page, model, arena, false);
        page_put(page, "</dl>");
    }
    if (count_sort(model, true) > 0) {
        page_put(page, "<details><summary>");
        page_say(page, PAGE_values_system);
        page_put(page, " (");
        page_number(page, count_sort(model, true));
        page_put(page, ")</summary><dl class=values>");
        left_out += put_sort(page, model, arena, true);
        page_put(page, "</dl></details>");
    }
    if (left_out > 0) {
        put_left_out(page, model, left_out);
    }
    page_put(page, "</section>\n");
}

static void put_record(struct page_out *page, const struct page_model *model, struct arena *arena)
{
    put_plate(page, model, arena);
    put_notes(page, model);
    page_put(page, "<div class=columns>");
    put_values(page, model, arena);
    page_put(page, "<div>");
    put_owner(page, model);
    put_code(page, model);
    page_put(page, "</div></div>");
}

/* --- problems -----------------------------------------------------------------------------------
 */

static void put_explanation(struct page_out *page, const struct page_model *model)
{
    const struct page_owner *owner = &model->owner;
    switch (problem_title(model->problem)) {
    case PAGE_not_found:
        page_say_with(page, owner->enterprise.len > 0 ? PAGE_not_found_here : PAGE_not_found_there,
                      owner->prefix, NAME_SHOWN);
        break;
    case PAGE_nothing_public:
        page_say(page, PAGE_nothing_public_note);
        break;
    case PAGE_unknown_prefix:
        if (model->problem == STATUS_NOT_RESPONSIBLE) {
            page_say_with(page, PAGE_unknown_prefix_note, owner->prefix, NAME_SHOWN);
        } else {
            page_say(page, PAGE_referred_note);
        }
        break;
    case PAGE_invalid:
        page_say(page, PAGE_invalid_note);
        break;
    case PAGE_unreachable:
        page_say(page, PAGE_unreachable_note);
        break;
    case PAGE_busy:
        page_say(page, PAGE_busy_note);
        break;
    case PAGE_alias_loop:
        page_say(page, PAGE_alias_loop_note);
        break;
    default:
        page_say_with(page, PAGE_failed_note,
                      bytes_of_text(page->language == PAGE_CHINESE
                                        ? status_chinese(model->problem)
                                        : status_english(model->problem)),
                      120);
        break;
    }
}

static void put_better(struct page_out *page, const struct page_model *model)
{
    page_put(page, "<div class=\"note calm\">");
    page_say(page, PAGE_did_you_mean);
    page_put(page, "<a class=better href=\"/");
    page_path(page->body, model->better);
    page_put(page, "\"><bdi>");
    put_name(page, model->better);
    page_put(page, "</bdi></a>");
    page_say(page, PAGE_it_exists);
    put_changes(page, model->better_changes);
    page_put(page, "</div>\n");
}

static void put_hints(struct page_out *page)
{
    static const enum page_text hints[] = {PAGE_hint_characters, PAGE_hint_whole, PAGE_hint_new};
    page_put(page, "<section class=card><h2>");
    page_say(page, PAGE_hints);
    page_put(page, "</h2><ul class=hints>");
    for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++) {
        page_put(page, "<li>");
        page_say(page, hints[i]);
        page_put(page, "</li>");
    }
    page_put(page, "</ul></section>\n");
}

static void put_problem(struct page_out *page, const struct page_model *model)
{
    enum page_text title = problem_title(model->problem);
    page_put(page, "<section class=plate><p class=what><bdi>");
    put_name(page, model->asked);
    page_put(page, "</bdi></p><h1 class=words>");
    page_say(page, title);
    page_put(page, "</h1></section>\n<p>");
    put_explanation(page, model);
    page_put(page, "</p>\n");
    if (model->owner.enterprise.len == 0 && model->owner.parent.len > 0) {
        page_put(page, "<p class=\"note calm\">");
        page_say_with(page, PAGE_parent_note, model->owner.parent, NAME_SHOWN);
        page_put(page, page->language == PAGE_CHINESE ? "" : " ");
        put_enterprise(page, model->owner.parent_enterprise);
        page_put(page, "</p>\n");
    }
    if (model->better.len > 0) {
        put_better(page, model);
    }
    if (title == PAGE_unreachable || title == PAGE_busy) {
        page_put(page, "<p><a class=button href=\"\">");
        page_say(page, PAGE_try_again);
        page_put(page, "</a></p>\n");
    } else if (title == PAGE_not_found || title == PAGE_unknown_prefix || title == PAGE_invalid) {
        put_hints(page);
    }
    put_form(page, model->asked);
}

static void put_start(struct page_out *page)
{
    page_put(page, "<section class=plate><p class=what>");
    page_say(page, PAGE_identifier);
    page_put(page, "</p><h1 class=words>");
    page_say(page, PAGE_start_title);
    page_put(page, "</h1></section>\n<p>");
    page_say(page, PAGE_start_lead);
    page_put(page, "</p>\n");
    put_form(page, BYTES_NONE);
    page_put(page, "<p>");
    page_say(page, PAGE_start_forms);
    page_put(page, "</p><p>");
    page_say(page, PAGE_start_phone);
    page_put(page, "</p>\n");
}

enum status page_html(const struct page_model *model, struct arena *arena, struct http_body *out)
{
    struct page_out page = {out, model->language};
    put_head(&page, model);
    switch (model->kind) {
    case PAGE_KIND_RECORD:
        put_record(&page, model, arena);
        break;
    case PAGE_KIND_PROBLEM:
        put_problem(&page, model);
        break;
    default:
        put_start(&page);
        break;
    }
    put_foot(&page);
    return out->failed ? STATUS_NO_MEMORY : STATUS_OK;
}
