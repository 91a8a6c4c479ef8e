/* SPDX-License-Identifier: Apache-2.0
 *
 * One value of a record as people read it: by its type where we know it, by its look otherwise.
 *
 * Links lead to http and https alone, pictures are told of and never loaded, markup is text.
 */
#pragma once

#include "resolver/page_out.h"

#define PAGE_VALUE_MAX 2000 /* bytes of a value that are shown */

/* HS_*: for machines; shown apart. */
bool page_value_is_technical(const struct value *value);

/* `arena` is scratch. */
void page_value(struct page_out *page, struct arena *arena, const struct value *value);

/* The value's words for what the whole record is about ("轴承 6204"): a text named like a name, or
 * a JSON object's member named so. Empty: it has none. Borrowed from value and arena. */
struct bytes page_value_title(struct arena *arena, const struct value *value);
