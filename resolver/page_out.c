/* SPDX-License-Identifier: Apache-2.0
 *
 * HTML from texts of ours and bytes of strangers; see page_out.h.
 */
#include "resolver/page_out.h"

#include <inttypes.h>
#include <stdio.h>

#include <utf8proc.h>

#include "protocol/handle.h"
#include "protocol/text.h"

static const char *const texts[PAGE_TEXT_COUNT][2] = {
#define PAGE_TEXT(name, english, chinese) [PAGE_##name] = {english, chinese},
#include "resolver/page_text.def"
#undef PAGE_TEXT
};

const char *page_text(enum page_language language, enum page_text text)
{
    return texts[text][language];
}

void page_put(struct page_out *page, const char *html)
{
    http_body_text(page->body, html);
}

void page_say(struct page_out *page, enum page_text text)
{
    page_put(page, page_text(page->language, text));
}

void page_say_with(struct page_out *page, enum page_text text, struct bytes piece, size_t max)
{
    const char *whole = page_text(page->language, text);
    const char *place = strstr(whole, "%s");
    if (place == NULL) {
        page_put(page, whole);
        return;
    }
    http_body_put(page->body, bytes_of(whole, (size_t)(place - whole)));
    (void)page_foreign(page, piece, max, false);
    page_put(page, place + 2);
}

void page_number(struct page_out *page, uint64_t number)
{
    char text[24];
    (void)snprintf(text, sizeof(text), "%" PRIu64, number);
    page_put(page, text);
}

static const char *entity_of(uint8_t c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

/* Hidden, or able to make the text around it look like something else. */
static bool is_odd(utf8proc_int32_t point)
{
    utf8proc_category_t category = utf8proc_category(point);
    return category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF ||
           category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP ||
           category == UTF8PROC_CATEGORY_CO || category == UTF8PROC_CATEGORY_CN;
}

static void put_point(struct page_out *page, struct bytes one, utf8proc_int32_t point,
                      bool is_attribute)
{
    char text[48];
    const char *entity = one.len == 1 ? entity_of(one.data[0]) : NULL;
    if (entity != NULL) {
        page_put(page, entity);
    } else if (point < 0) {
        page_put(page, "\xef\xbf\xbd");
    } else if ((point == '\n' || point == '\t') && !is_attribute) {
        http_body_put(page->body, one);
    } else if (!is_odd(point)) {
        http_body_put(page->body, one);
    } else if (!is_attribute && point != '\r') {
        (void)snprintf(text, sizeof(text), "<i class=odd>U+%04" PRIX32 "</i>", (uint32_t)point);
        page_put(page, text);
    }
}

bool page_foreign(struct page_out *page, struct bytes text, size_t max, bool is_attribute)
{
    size_t at = 0;
    while (at < text.len && at < max) {
        utf8proc_int32_t point = -1;
        utf8proc_ssize_t step =
            utf8proc_iterate(text.data + at, (utf8proc_ssize_t)(text.len - at), &point);
        size_t len = step > 0 ? (size_t)step : 1;
        put_point(page, bytes_of(text.data + at, len), step > 0 ? point : -1, is_attribute);
        at += len;
    }
    if (at < text.len) {
        page_put(page, "…");
    }
    return at >= text.len;
}

void page_path(struct http_body *body, struct bytes handle)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < handle.len; i++) {
        uint8_t c = handle.data[i];
        uint8_t upper = bytes_ascii_upper(c);
        bool is_plain = (c >= '0' && c <= '9') || (upper >= 'A' && upper <= 'Z') || c == '-' ||
                        c == '_' || c == '~' || c == '.' || (c == '/' && i > 0);
        if (is_plain) {
            http_body_put(body, bytes_of(&c, 1));
        } else {
            char escape[3] = {'%', digits[c >> 4], digits[c & 15]};
            http_body_put(body, bytes_of(escape, sizeof(escape)));
        }
    }
}

void page_time(struct page_out *page, int64_t seconds)
{
    char text[TEXT_TIME_LEN];
    text_time_s(seconds, text);
    page_put(page, "<time datetime=\"");
    page_put(page, text);
    page_put(page, "\">");
    http_body_put(page->body, bytes_of(text, 10));
    page_put(page, " ");
    http_body_put(page->body, bytes_of(text + 11, 5));
    page_put(page, " UTC</time>");
}

void page_duration(struct page_out *page, uint64_t seconds)
{
    static const struct {
        uint64_t seconds;
        enum page_text text;
    } units[] = {{86400, PAGE_days}, {3600, PAGE_hours}, {60, PAGE_minutes}, {1, PAGE_seconds}};
    size_t unit = 0;
    while (unit < 3 && seconds < 2 * units[unit].seconds && seconds != units[unit].seconds) {
        unit++;
    }
    char text[24];
    int len = snprintf(text, sizeof(text), "%" PRIu64, seconds / units[unit].seconds);
    page_say_with(page, units[unit].text, bytes_of(text, (size_t)len), sizeof(text));
}

bool page_is_link(struct bytes text)
{
    size_t start = 0;
    if (text.len > 8 && bytes_equal_nocase(bytes_of(text.data, 8), BYTES_LITERAL("https://"))) {
        start = 8;
    } else if (text.len > 7 &&
               bytes_equal_nocase(bytes_of(text.data, 7), BYTES_LITERAL("http://"))) {
        start = 7;
    }
    if (start == 0 || text.len > 1000 || !handle_is_utf8(text)) {
        return false;
    }
    for (size_t i = start; i < text.len; i++) {
        utf8proc_int32_t point = -1;
        (void)utf8proc_iterate(text.data + i, (utf8proc_ssize_t)(text.len - i), &point);
        bool is_start = (text.data[i] & 0xc0) != 0x80;
        if (text.data[i] <= ' ' || text.data[i] == '\\' || (is_start && is_odd(point))) {
            return false;
        }
    }
    return text.data[start] != '/';
}

bool page_is_text(struct bytes data)
{
    for (size_t i = 0; i < data.len; i++) {
        uint8_t c = data.data[i];
        if ((c < ' ' && c != '\n' && c != '\r' && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return handle_is_utf8(data);
}
