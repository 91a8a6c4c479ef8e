/* SPDX-License-Identifier: Apache-2.0
 *
 * Values of settings rows as text and as fields; what each type reads and prints. See
 * settings_value.h.
 */
#include "conf/settings_value.h"

#include <stdio.h>

struct unit {
    const char *suffix;
    int64_t factor;
};

/* The largest first: printing takes the first that divides. */
static const struct unit size_units[] = {
    {"T", INT64_C(1) << 40},
    {"G", INT64_C(1) << 30},
    {"M", INT64_C(1) << 20},
    {"K", INT64_C(1) << 10},
    {"", 1},
};
static const struct unit duration_units[] = {
    {"d", INT64_C(86400000)}, {"h", INT64_C(3600000)}, {"m", INT64_C(60000)},
    {"s", INT64_C(1000)},     {"ms", INT64_C(1)},
};
static const struct unit plain_units[] = {{"", 1}};

static const struct unit *units_of(enum setting_type type, size_t *out_count)
{
    switch (type) {
    case SETTING_SIZE:
        *out_count = sizeof(size_units) / sizeof(size_units[0]);
        return size_units;
    case SETTING_DURATION:
        *out_count = sizeof(duration_units) / sizeof(duration_units[0]);
        return duration_units;
    default:
        *out_count = sizeof(plain_units) / sizeof(plain_units[0]);
        return plain_units;
    }
}

enum status settings_parse_number(enum setting_type type, const char *text, int64_t *out_number)
{
    int64_t number = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (__builtin_mul_overflow(number, INT64_C(10), &number) ||
            __builtin_add_overflow(number, (int64_t)(*at - '0'), &number)) {
            return STATUS_BAD_SETTING;
        }
    }
    if (at == text) {
        return STATUS_BAD_SETTING;
    }
    size_t count;
    const struct unit *units = units_of(type, &count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(at, units[i].suffix) == 0) {
            return __builtin_mul_overflow(number, units[i].factor, out_number) ? STATUS_BAD_SETTING
                                                                               : STATUS_OK;
        }
    }
    return STATUS_BAD_SETTING;
}

static enum status parse_number(const struct setting_row *row, const char *text, int64_t *out_field,
                                struct fault *fault)
{
    static const char *const expected[] = {
        [SETTING_INTEGER] = "a whole number",
        [SETTING_SIZE] = "a size in bytes such as 4096, 64K, 16M, 4G or 1T",
        [SETTING_DURATION] = "a duration with its unit such as 500ms, 30s, 5m, 1h or 1d",
    };
    int64_t number;
    if (settings_parse_number(row->type, text, &number) != STATUS_OK) {
        return fault_set(fault, STATUS_BAD_SETTING, "%s.%s: %s is not %s", row->section, row->key,
                         settings_quote(text).text, expected[row->type]);
    }
    int64_t min = 0;
    int64_t max = INT64_MAX;
    bool has_min = settings_parse_number(row->type, row->min, &min) == STATUS_OK;
    bool has_max = settings_parse_number(row->type, row->max, &max) == STATUS_OK;
    if (number < min || number > max) {
        return fault_set(fault, STATUS_BAD_SETTING, "%s.%s: %s is out of range (%s to %s)",
                         row->section, row->key, settings_quote(text).text,
                         has_min ? row->min : "0", has_max ? row->max : "any");
    }
    *out_field = number;
    return STATUS_OK;
}

static enum status parse_bool(const struct setting_row *row, const char *text, bool *out_field,
                              struct fault *fault)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"yes", true}, {"no", false},  {"true", true},
                 {"on", true},  {"off", false}, {"false", false}};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(text, words[i].word) == 0) {
            *out_field = words[i].value;
            return STATUS_OK;
        }
    }
    return fault_set(fault, STATUS_BAD_SETTING, "%s.%s: %s is not yes or no", row->section,
                     row->key, settings_quote(text).text);
}

static enum status parse_choice(struct arena *arena, const struct setting_row *row,
                                const char *text, const char **out_field, struct fault *fault)
{
    size_t text_len = strlen(text);
    for (const char *word = row->min; *word != '\0';) {
        size_t len = strcspn(word, "|");
        if (len == text_len && memcmp(word, text, len) == 0) {
            *out_field = arena_text(arena, bytes_of(word, len));
            return *out_field == NULL ? STATUS_NO_MEMORY : STATUS_OK;
        }
        word += len + (word[len] == '|');
    }
    return fault_set(fault, STATUS_BAD_SETTING, "%s.%s: %s is none of %s", row->section, row->key,
                     settings_quote(text).text, row->min);
}

static enum status parse_text(struct arena *arena, const struct setting_row *row, const char *text,
                              const char **out_field, struct fault *fault)
{
    enum status status = settings_check_item(row, text, fault);
    if (status != STATUS_OK) {
        return status;
    }
    char *copy = arena_text(arena, bytes_of_text(text));
    if (copy == NULL) {
        return STATUS_NO_MEMORY;
    }
    *out_field = copy;
    return STATUS_OK;
}

enum status settings_value_list(struct arena *arena, const char *const *items, size_t count,
                                struct settings_list *out_list)
{
    const char **copies = arena_calloc(arena, count == 0 ? 1 : count, sizeof(*copies));
    if (copies == NULL) {
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        copies[i] = arena_text(arena, bytes_of_text(items[i]));
        if (copies[i] == NULL) {
            return STATUS_NO_MEMORY;
        }
    }
    *out_list = (struct settings_list){.count = count, .items = copies};
    return STATUS_OK;
}

/* The item that starts at *at without the blanks around it; *at moves behind the comma, or becomes
 * NULL after the last one. */
static struct bytes next_item(const char **at)
{
    const char *start = *at + strspn(*at, " ");
    size_t len = strcspn(start, ",");
    *at = start[len] == ',' ? start + len + 1 : NULL;
    while (len > 0 && start[len - 1] == ' ') {
        len--;
    }
    return bytes_of(start, len);
}

static enum status parse_list(struct arena *arena, const struct setting_row *row, const char *text,
                              struct settings_list *out_list, struct fault *fault)
{
    const char *items[SETTINGS_ITEMS_MAX];
    size_t count = 0;
    bool is_empty = text[strspn(text, " ")] == '\0';
    for (const char *at = is_empty ? NULL : text; at != NULL; count++) {
        if (count == SETTINGS_ITEMS_MAX) {
            return fault_set(fault, STATUS_BAD_SETTING, "%s.%s: more than %d items", row->section,
                             row->key, SETTINGS_ITEMS_MAX);
        }
        items[count] = arena_text(arena, next_item(&at));
        if (items[count] == NULL) {
            return STATUS_NO_MEMORY;
        }
        enum status status = settings_check_item(row, items[count], fault);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return settings_value_list(arena, items, count, out_list);
}

enum status settings_value_parse(struct arena *arena, const struct setting_row *row,
                                 const char *text, void *out_field, struct fault *fault)
{
    switch (row->type) {
    case SETTING_BOOL:
        return parse_bool(row, text, out_field, fault);
    case SETTING_INTEGER:
    case SETTING_SIZE:
    case SETTING_DURATION:
        return parse_number(row, text, out_field, fault);
    case SETTING_CHOICE:
        return parse_choice(arena, row, text, out_field, fault);
    case SETTING_LIST:
        return parse_list(arena, row, text, out_field, fault);
    case SETTING_TEXT:
        break;
    }
    return parse_text(arena, row, text, out_field, fault);
}

enum status settings_value_copy(struct arena *arena, const struct setting_row *row,
                                const void *field, void *out_field)
{
    if (row->type == SETTING_BOOL) {
        memcpy(out_field, field, sizeof(bool));
        return STATUS_OK;
    }
    if (row->type == SETTING_LIST) {
        const struct settings_list *list = field;
        return settings_value_list(arena, list->items, list->count, out_field);
    }
    if (row->type == SETTING_TEXT || row->type == SETTING_CHOICE) {
        const char *const *text = field;
        const char **out_text = out_field;
        *out_text = arena_text(arena, bytes_of_text(*text));
        return *out_text == NULL ? STATUS_NO_MEMORY : STATUS_OK;
    }
    memcpy(out_field, field, sizeof(int64_t));
    return STATUS_OK;
}

static bool list_equal(const struct settings_list *a, const struct settings_list *b)
{
    bool is_equal = a->count == b->count;
    for (size_t i = 0; is_equal && i < a->count; i++) {
        is_equal = strcmp(a->items[i], b->items[i]) == 0;
    }
    return is_equal;
}

bool settings_value_equal(const struct setting_row *row, const void *a, const void *b)
{
    if (row->type == SETTING_LIST) {
        return list_equal(a, b);
    }
    if (row->type == SETTING_TEXT || row->type == SETTING_CHOICE) {
        const char *const *text_a = a;
        const char *const *text_b = b;
        return strcmp(*text_a, *text_b) == 0;
    }
    return memcmp(a, b, row->type == SETTING_BOOL ? sizeof(bool) : sizeof(int64_t)) == 0;
}

static void print_number(enum setting_type type, int64_t number, char *out, size_t size)
{
    size_t count;
    const struct unit *units = units_of(type, &count);
    const struct unit *fits = &units[count - 1];
    for (size_t i = count; i > 0 && number != 0; i--) {
        if (number % units[i - 1].factor == 0) {
            fits = &units[i - 1];
        }
    }
    if (number == 0 && type == SETTING_DURATION) {
        (void)snprintf(out, size, "0s");
        return;
    }
    (void)snprintf(out, size, "%lld%s", (long long)(number / fits->factor), fits->suffix);
}

static void print_list(const struct settings_list *list, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < list->count && used < size; i++) {
        int written = snprintf(out + used, size - used, "%s%s", i == 0 ? "" : ", ", list->items[i]);
        used += written < 0 ? size : (size_t)written;
    }
}

void settings_value_text(const struct setting_row *row, const void *field, char *out, size_t size)
{
    if (size == 0) {
        return;
    }
    switch (row->type) {
    case SETTING_BOOL:
        (void)snprintf(out, size, "%s", *(const bool *)field ? "yes" : "no");
        break;
    case SETTING_INTEGER:
    case SETTING_SIZE:
    case SETTING_DURATION:
        print_number(row->type, *(const int64_t *)field, out, size);
        break;
    case SETTING_LIST:
        print_list(field, out, size);
        break;
    case SETTING_TEXT:
    case SETTING_CHOICE:
        (void)snprintf(out, size, "%s", *(const char *const *)field);
        break;
    }
}
