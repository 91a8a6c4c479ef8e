/* SPDX-License-Identifier: Apache-2.0
 *
 * One value of a settings row: the text of a file <-> a field of struct settings.
 *
 * Pure; texts handed out live in the arena given. A fault reads "section.key: what is wrong",
 * without a place: whoever knows line and column puts them in front.
 */
#pragma once

#include "conf/settings.h"
#include "protocol/arena.h"

#define SETTINGS_TEXT_MAX 1024  /* bytes of one text or list item */
#define SETTINGS_ITEMS_MAX 1000 /* items of one list */

/* Where the texts of `settings` live. */
struct arena *settings_arena(struct settings *settings);

/* The field of a row. Rows come from settings_row or settings_find. */
void *settings_field(struct settings *settings, const struct setting_row *row);
const void *settings_field_const(const struct settings *settings, const struct setting_row *row);

/* Checks `text` against type, range and meaning, and fills the field; LIST takes texts separated by
 * commas. BAD_SETTING, NO_MEMORY. */
enum status settings_value_parse(struct arena *arena, const struct setting_row *row,
                                 const char *text, void *out_field, struct fault *fault);

/* A LIST from items already checked with settings_check_item. NO_MEMORY. */
enum status settings_value_list(struct arena *arena, const char *const *items, size_t count,
                                struct settings_list *out_list);

/* The same value in another arena. NO_MEMORY. */
enum status settings_value_copy(struct arena *arena, const struct setting_row *row,
                                const void *field, void *out_field);

bool settings_value_equal(const struct setting_row *row, const void *a, const void *b);

/* As it would be written in a file, without quotes; cut off when `size` is too small. */
void settings_value_text(const struct setting_row *row, const void *field, char *out, size_t size);

/* One text or list item: UTF-8, one line, length and the row's meaning (settings_check.c). */
enum status settings_check_item(const struct setting_row *row, const char *text,
                                struct fault *fault);

/* What no single value shows: `out_row` is the row to blame. */
enum status settings_check_whole(const struct settings *settings,
                                 const struct setting_row **out_row, struct fault *fault);

/* `text` between quotes, shortened and with unprintable bytes replaced: fit for a message. */
struct settings_quote {
    char text[56];
};
struct settings_quote settings_quote(const char *text);
