/* SPDX-License-Identifier: Apache-2.0
 *
 * Texts with variables (template_parts.h): ${name}, ${name[2]}, ${2}, $2; a backslash takes the
 * meaning from what follows. What is not known is nothing.
 */
#include "protocol/template_parts.h"

/* The variable whose groups bare numbers name. */
#define DEFAULT_NAME BYTES_LITERAL("extension")

#define GROUP_DIGITS 4 /* no expression has more groups than that names */
#define KEY_MAX 255    /* bytes between the braces */
#define LOOK_COST 8    /* of a variable that is not the one, of a piece of text */

/* Where text goes; without room it is only counted. */
struct target {
    struct template_work *work;
    const struct template_variable *names;
    uint8_t *room;
    size_t len;
    bool is_markup;
};

enum status template_text_bind(struct template_work *work, const struct template_variable **names,
                               const struct template_variable *value)
{
    struct template_variable *made = arena_alloc(work->arena, sizeof(*made));
    if (made == NULL) {
        return STATUS_NO_MEMORY;
    }
    *made = *value;
    made->older = *names;
    *names = made;
    return STATUS_OK;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* All digits, and few of them. */
static bool read_group(struct bytes digits, size_t *out_group)
{
    size_t group = 0;
    for (size_t i = 0; i < digits.len; i++) {
        if (!is_digit(digits.data[i]) || i == GROUP_DIGITS) {
            return false;
        }
        group = group * 10 + (size_t)(digits.data[i] - '0');
    }
    *out_group = group;
    return digits.len > 0;
}

static const struct template_variable *
find(struct template_work *work, const struct template_variable *names, struct bytes name)
{
    while (names != NULL && template_pay(work, LOOK_COST) && !bytes_equal(names->name, name)) {
        names = names->older;
    }
    return work->left.effort == 0 ? NULL : names;
}

static struct bytes find_group(struct template_work *work, const struct template_variable *names,
                               struct bytes name, size_t group)
{
    const struct template_variable *found = find(work, names, name);
    if (found == NULL) {
        return BYTES_NONE;
    }
    if (found->groups != NULL) {
        return group < found->group_count ? found->groups[group] : BYTES_NONE;
    }
    return group == 0 ? found->text : BYTES_NONE;
}

struct bytes template_text_find(struct template_work *work, const struct template_variable *names,
                                struct bytes key)
{
    size_t group = 0;
    if (read_group(key, &group)) {
        return find_group(work, names, DEFAULT_NAME, group);
    }
    const uint8_t *open =
        key.len == 0 || key.data[key.len - 1] != ']' ? NULL : memrchr(key.data, '[', key.len);
    if (open != NULL) {
        size_t at = (size_t)(open - key.data);
        if (read_group(bytes_of(open + 1, key.len - at - 2), &group)) {
            return find_group(work, names, bytes_of(key.data, at), group);
        }
    }
    const struct template_variable *found = find(work, names, key);
    return found == NULL ? BYTES_NONE : found->text;
}

static void put(struct target *to, struct bytes text)
{
    if (to->room != NULL && text.len > 0) {
        memcpy(to->room + to->len, text.data, text.len);
    }
    to->len += text.len;
}

static struct bytes reference_to(uint8_t c)
{
    switch (c) {
    case '&':
        return BYTES_LITERAL("&amp;");
    case '<':
        return BYTES_LITERAL("&lt;");
    case '>':
        return BYTES_LITERAL("&gt;");
    case '"':
        return BYTES_LITERAL("&quot;");
    case '\'':
        return BYTES_LITERAL("&apos;");
    default:
        return BYTES_NONE;
    }
}

static void put_variable(struct target *to, struct bytes text)
{
    if (!to->is_markup) {
        put(to, text);
        return;
    }
    for (size_t i = 0; i < text.len; i++) {
        struct bytes reference = reference_to(text.data[i]);
        put(to, reference.len > 0 ? reference : bytes_of(text.data + i, 1));
    }
}

/* What begins with '$' at `pattern`; tells how long that is. */
static size_t put_dollar(struct target *to, struct bytes pattern)
{
    if (pattern.len > 1 && pattern.data[1] == '{') {
        const uint8_t *end =
            memchr(pattern.data, '}', pattern.len < KEY_MAX + 3 ? pattern.len : KEY_MAX + 3);
        if (end != NULL) {
            size_t len = (size_t)(end - pattern.data);
            struct bytes key = bytes_of(pattern.data + 2, len - 2);
            put_variable(to, template_text_find(to->work, to->names, key));
            return len + 1;
        }
        put(to, bytes_of(pattern.data, 2));
        return 2;
    }
    size_t len = 1;
    while (len < pattern.len && is_digit(pattern.data[len])) {
        len++;
    }
    if (len == 1) {
        len = pattern.len < 2 ? 1 : 2; /* with what follows, as the reference server does */
        put(to, bytes_of(pattern.data, len));
        return len;
    }
    struct bytes key = bytes_of(pattern.data + 1, len - 1);
    put_variable(to, template_text_find(to->work, to->names, key));
    return len;
}

static size_t plain_len(struct bytes pattern)
{
    size_t len = 0;
    while (len < pattern.len && pattern.data[len] != '$' && pattern.data[len] != '\\') {
        len++;
    }
    return len;
}

/* One piece of the pattern; tells how long that was. */
static size_t put_piece(struct target *to, struct bytes pattern)
{
    size_t len = plain_len(pattern);
    if (len > 0) {
        put(to, bytes_of(pattern.data, len));
        return len;
    }
    if (pattern.data[0] == '$') {
        return put_dollar(to, pattern);
    }
    bool is_last = pattern.len == 1;
    put(to, bytes_of(pattern.data + (is_last ? 0 : 1), 1));
    return is_last ? 1 : 2;
}

/* Stops where more than `most` bytes are made. */
static bool fill(struct target *to, struct bytes pattern, size_t most)
{
    size_t at = 0;
    while (at < pattern.len && to->len <= most) {
        size_t len = put_piece(to, bytes_from(pattern, at));
        if (!template_pay(to->work, LOOK_COST + len)) {
            return false;
        }
        at += len;
    }
    return to->len <= most;
}

enum status template_text_fill(struct template_work *work, const struct template_variable *names,
                               struct bytes pattern, bool is_markup, struct bytes *out_text)
{
    struct target counted = {.work = work, .names = names, .is_markup = is_markup};
    if (!fill(&counted, pattern, work->left.text)) {
        return fault_set(work->fault, STATUS_INVALID_VALUE, "makes more text than it may");
    }
    struct target written = counted;
    written.len = 0;
    written.room = arena_alloc(work->arena, counted.len);
    if (written.room == NULL) {
        return STATUS_NO_MEMORY;
    }
    if (!fill(&written, pattern, counted.len)) {
        return fault_set(work->fault, STATUS_INVALID_VALUE, "makes more text than it may");
    }
    work->left.text -= counted.len;
    *out_text = bytes_of(written.room, written.len);
    return STATUS_OK;
}
