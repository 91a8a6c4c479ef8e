/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of settings and what works on whole rows: finding, defaults, comparing, merging, and
 * reading a file into memory. One arena holds a generation, its struct included.
 */
#include "conf/settings.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "conf/settings_value.h"
#include "conf/settings_yaml.h"

#define FILE_MAX (1024 * 1024) /* a file with every setting and full lists has 100 KB */
#define NAME_MAX_COMPARED 64   /* longer names are compared by their start */
#define PATH_MAX_SHOWN 100     /* leaves room for the reason in a fault */

static const struct setting_row rows[] = {
#define SETTING(section, key, type, fallback, min, max, reload, help, help_zh)                     \
    {#section, #key, SETTING_##type, fallback, min, max, SETTING_##reload, help, help_zh},
#include "conf/settings.def"
#undef SETTING
};

static const size_t offsets[] = {
#define SETTING(section, key, type, fallback, min, max, reload, help, help_zh)                     \
    offsetof(struct settings, section##_##key),
#include "conf/settings.def"
#undef SETTING
};

#define ROW_COUNT (sizeof(rows) / sizeof(rows[0]))

struct settings_memory {
    struct arena *arena;
};

size_t settings_row_count(void)
{
    return ROW_COUNT;
}

const struct setting_row *settings_row(size_t index)
{
    return index < ROW_COUNT ? &rows[index] : NULL;
}

void *settings_field(struct settings *settings, const struct setting_row *row)
{
    return (char *)settings + offsets[row - rows];
}

const void *settings_field_const(const struct settings *settings, const struct setting_row *row)
{
    return (const char *)settings + offsets[row - rows];
}

struct arena *settings_arena(struct settings *settings)
{
    return settings->memory->arena;
}

static size_t min_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* What settings_distance gives at least. */
static size_t least_distance(const char *a, const char *b)
{
    size_t a_len = min_of(strlen(a), NAME_MAX_COMPARED);
    size_t b_len = min_of(strlen(b), NAME_MAX_COMPARED);
    return a_len > b_len ? a_len - b_len : b_len - a_len;
}

size_t settings_distance(const char *a, const char *b)
{
    size_t a_len = min_of(strlen(a), NAME_MAX_COMPARED);
    size_t b_len = min_of(strlen(b), NAME_MAX_COMPARED);
    size_t costs[NAME_MAX_COMPARED + 1]; /* from a's start to each start of b */
    for (size_t j = 0; j <= b_len; j++) {
        costs[j] = j;
    }
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = costs[0];
        costs[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = costs[j];
            costs[j] = min_of(replaced, min_of(costs[j], costs[j - 1]) + 1);
        }
    }
    return costs[b_len];
}

static void row_name(const struct setting_row *row, char out[NAME_MAX_COMPARED])
{
    int len = snprintf(out, NAME_MAX_COMPARED, "%s.%s", row->section, row->key);
    assert(len > 0 && len < NAME_MAX_COMPARED);
    (void)len;
}

bool settings_is_named(const struct setting_row *row, const char *name)
{
    size_t len = strlen(row->section);
    return strncmp(name, row->section, len) == 0 && name[len] == '.' &&
           strcmp(name + len + 1, row->key) == 0;
}

const struct setting_row *settings_find(const char *name, const struct setting_row **out_nearest)
{
    char candidate[NAME_MAX_COMPARED];
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (settings_is_named(&rows[i], name)) {
            return &rows[i];
        }
    }
    size_t best = SIZE_MAX;
    for (size_t i = 0; out_nearest != NULL && i < ROW_COUNT; i++) {
        row_name(&rows[i], candidate);
        if (least_distance(name, candidate) >= best) {
            continue;
        }
        size_t distance = settings_distance(name, candidate);
        if (distance < best) {
            best = distance;
            *out_nearest = &rows[i];
        }
    }
    return NULL;
}

/* Every field zero; NULL when memory is out. */
static struct settings *settings_new(void)
{
    struct arena *arena = arena_new((size_t)8 * 1024, (size_t)4 * FILE_MAX);
    struct settings *settings = NULL;
    if (arena != NULL) {
        settings = arena_calloc(arena, 1, sizeof(*settings));
    }
    if (settings != NULL) {
        settings->memory = arena_calloc(arena, 1, sizeof(*settings->memory));
    }
    if (settings == NULL || settings->memory == NULL) {
        arena_free(arena);
        return NULL;
    }
    settings->memory->arena = arena;
    return settings;
}

void settings_free(struct settings *settings)
{
    if (settings != NULL) {
        arena_free(settings->memory->arena); /* the struct itself lives there */
    }
}

struct settings *settings_defaults(void)
{
    struct settings *settings = settings_new();
    for (size_t i = 0; settings != NULL && i < ROW_COUNT; i++) {
        struct fault fault = {.status = STATUS_OK};
        enum status status =
            settings_value_parse(settings->memory->arena, &rows[i], rows[i].fallback,
                                 settings_field(settings, &rows[i]), &fault);
        assert(status == STATUS_OK || status == STATUS_NO_MEMORY);
        if (status != STATUS_OK) {
            settings_free(settings);
            settings = NULL;
        }
    }
    return settings;
}

const char *settings_value(const struct settings *settings, const struct setting_row *row,
                           char *buffer, size_t size)
{
    settings_value_text(row, settings_field_const(settings, row), buffer, size);
    return buffer;
}

bool settings_is_default(const struct settings *settings, const struct setting_row *row)
{
    struct settings *defaults = settings_defaults();
    bool is_default = defaults != NULL && !settings_differ(settings, defaults, row);
    settings_free(defaults);
    return is_default;
}

bool settings_differ(const struct settings *a, const struct settings *b,
                     const struct setting_row *row)
{
    return !settings_value_equal(row, settings_field_const(a, row), settings_field_const(b, row));
}

struct settings *settings_merge(const struct settings *running, const struct settings *loaded)
{
    struct settings *merged = settings_new();
    for (size_t i = 0; merged != NULL && i < ROW_COUNT; i++) {
        const struct settings *source = rows[i].reload == SETTING_RESTART ? running : loaded;
        if (settings_value_copy(merged->memory->arena, &rows[i],
                                settings_field_const(source, &rows[i]),
                                settings_field(merged, &rows[i])) != STATUS_OK) {
            settings_free(merged);
            merged = NULL;
        }
    }
    return merged;
}

enum status settings_parse(struct bytes text, const char *name, struct settings **out_settings,
                           struct fault *fault)
{
    if (text.len > FILE_MAX) {
        return fault_set(fault, STATUS_BAD_SETTING, "%s:1:1: larger than 1 MiB", name);
    }
    struct settings *settings = settings_defaults();
    if (settings == NULL) {
        return fault_set(fault, STATUS_NO_MEMORY, "%s: out of memory", name);
    }
    enum status status = settings_yaml_read(text, name, settings, fault);
    if (status != STATUS_OK) {
        settings_free(settings);
        return status;
    }
    *out_settings = settings;
    return STATUS_OK;
}

/* `buffer` holds FILE_MAX + 1 bytes, so that a larger file shows. */
static enum status read_file(const char *path, uint8_t *buffer, size_t *out_len,
                             struct fault *fault)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return fault_set(fault, STATUS_SYSTEM, "%s: cannot be opened: %s", path,
                         strerrordesc_np(errno));
    }
    size_t len = fread(buffer, 1, FILE_MAX + 1, file);
    int error = ferror(file) != 0 ? errno : 0;
    (void)fclose(file);
    if (error != 0) {
        return fault_set(fault, STATUS_SYSTEM, "%s: cannot be read: %s", path,
                         strerrordesc_np(error));
    }
    *out_len = len;
    return STATUS_OK;
}

enum status settings_load(const char *path, struct settings **out_settings, struct fault *fault)
{
    const char *slash = strrchr(path, '/');
    const char *name = strlen(path) > PATH_MAX_SHOWN && slash != NULL ? slash + 1 : path;
    uint8_t *buffer = malloc(FILE_MAX + 1);
    if (buffer == NULL) {
        return fault_set(fault, STATUS_NO_MEMORY, "%s: out of memory", name);
    }
    size_t len = 0;
    enum status status = read_file(path, buffer, &len, fault);
    if (status == STATUS_OK) {
        status = settings_parse(bytes_of(buffer, len), name, out_settings, fault);
    }
    free(buffer);
    return status;
}
