/* SPDX-License-Identifier: Apache-2.0
 *
 * What the page is written with: texts in two languages, and everything that comes from outside
 * made harmless on its way.
 *
 * Nothing else in page_*.c puts foreign bytes into HTML.
 */
#pragma once

#include "protocol/value.h"
#include "resolver/http.h"

enum page_language { PAGE_ENGLISH = 0, PAGE_CHINESE = 1 };

enum page_text {
#define PAGE_TEXT(name, english, chinese) PAGE_##name,
#include "resolver/page_text.def"
#undef PAGE_TEXT
    PAGE_TEXT_COUNT
};

struct page_out {
    struct http_body *body;
    enum page_language language;
};

const char *page_text(enum page_language language, enum page_text text);

/* `html` as it is: our own. */
void page_put(struct page_out *page, const char *html);
void page_say(struct page_out *page, enum page_text text);
/* With %s replaced by the escaped `piece`, of which at most `max` bytes are shown. */
void page_say_with(struct page_out *page, enum page_text text, struct bytes piece, size_t max);
void page_number(struct page_out *page, uint64_t number);

/* Foreign text as HTML text or inside a quoted attribute: at most `max` of its bytes, mark-up
 * escaped, what is no UTF-8 as U+FFFD. `is_attribute`: what cannot be seen or turns the direction
 * of writing is left out; else it is shown by its number. false: it was cut. */
bool page_foreign(struct page_out *page, struct bytes text, size_t max, bool is_attribute);

/* A path: percent-encoded but for unreserved characters and slashes. */
void page_path(struct http_body *body, struct bytes handle);

/* <time> in UTC; a script makes it local. */
void page_time(struct page_out *page, int64_t seconds);
/* "24 h" */
void page_duration(struct page_out *page, uint64_t seconds);

/* The whole text is an http or https address fit to be a link. */
bool page_is_link(struct bytes text);
/* UTF-8 without control characters but line ends and tabs. */
bool page_is_text(struct bytes data);
