/* SPDX-License-Identifier: Apache-2.0
 *
 * The settings of a node: one table (settings.def), one struct, one reader (libyaml).
 *
 * A `struct settings` is immutable once loaded and may be read by all threads; whoever loaded it
 * frees it when nobody reads it any more. Loading touches nothing but the file named.
 */
#pragma once

#include <stdio.h>

#include "protocol/bytes.h"
#include "protocol/status.h"

struct settings_list {
    size_t count;
    const char *const *items;
};

enum setting_type {
    SETTING_TEXT,
    SETTING_BOOL,
    SETTING_INTEGER,
    SETTING_SIZE,
    SETTING_DURATION,
    SETTING_LIST,
    SETTING_CHOICE,
};

enum setting_reload { SETTING_LIVE, SETTING_RESTART };

struct setting_row {
    const char *section;
    const char *key;
    enum setting_type type;
    const char *fallback; /* the default, as written in a file */
    const char *min;      /* CHOICE: the allowed words */
    const char *max;
    enum setting_reload reload;
    const char *help;
    const char *help_zh;
};

#define SETTING_C_TEXT const char *
#define SETTING_C_BOOL bool
#define SETTING_C_INTEGER int64_t
#define SETTING_C_SIZE int64_t     /* bytes */
#define SETTING_C_DURATION int64_t /* milliseconds */
#define SETTING_C_LIST struct settings_list
#define SETTING_C_CHOICE const char *

struct settings {
#define SETTING(section, key, type, fallback, min, max, reload, help, help_zh)                     \
    SETTING_C_##type section##_##key;
#include "conf/settings.def"
#undef SETTING
    struct settings_memory *memory; /* owns every text above */
};

/* The whole file of `path`. BAD_SETTING with "file:line:column: reason" in `fault`, naming the
 * nearest known key for an unknown one and the allowed range for a value out of it; SYSTEM when the
 * file cannot be read. On failure nothing is handed out. */
enum status settings_load(const char *path, struct settings **out_settings, struct fault *fault);

/* The same from memory; `name` stands for the file in messages. */
enum status settings_parse(struct bytes text, const char *name, struct settings **out_settings,
                           struct fault *fault);

/* Every row at its default; NULL when memory is out. */
struct settings *settings_defaults(void);

/* NULL is allowed. */
void settings_free(struct settings *settings);

size_t settings_row_count(void);
const struct setting_row *settings_row(size_t index);

/* `name` is "section.key" of this row. */
bool settings_is_named(const struct setting_row *row, const char *name);

/* The row named "section.key", or NULL; `out_nearest` (may be NULL) then names the closest one. */
const struct setting_row *settings_find(const char *name, const struct setting_row **out_nearest);

/* The value of a row as it would be written in a file, without quotes, a LIST joined by ", ":
 * what `fallback` is for the default. Cut off when `size` is too small; returns `buffer`. */
const char *settings_value(const struct settings *settings, const struct setting_row *row,
                           char *buffer, size_t size);

bool settings_is_default(const struct settings *settings, const struct setting_row *row);
bool settings_differ(const struct settings *a, const struct settings *b,
                     const struct setting_row *row);

/* A generation that serves: `running`'s RESTART rows with `loaded`'s LIVE rows. NULL: no memory. */
struct settings *settings_merge(const struct settings *running, const struct settings *loaded);

/* guantong.yaml for a new node: every setting with its help as comment, those in `overrides`
 * ("section.key", "value" pairs) written out, the others commented at their default. BAD_SETTING:
 * an override names no setting or has a value the reader would refuse; SYSTEM: `out` failed. */
enum status settings_write_template(FILE *out, const char *const (*overrides)[2], size_t count);

/* The reference page docs/settings.md (is_chinese: docs/settings.zh.md), from the same table. */
void settings_write_reference(FILE *out, bool is_chinese);

/* The manual page guantong.yaml(5), from the same table. */
void settings_write_man(FILE *out);

/* "42", "64K", "30s" as a row of this type (INTEGER, SIZE, DURATION) reads them: a plain number,
 * bytes, milliseconds. BAD_SETTING, also when it does not fit. */
enum status settings_parse_number(enum setting_type type, const char *text, int64_t *out_number);

/* "10.1.0.0/16", "fd00::/8", a bare address: BAD_SETTING. IPv4 in 16 bytes as ::ffff:a.b.c.d. */
struct settings_network {
    uint8_t address[16];
    uint8_t bits;
};
enum status settings_parse_network(const char *text, struct settings_network *out_network);
