/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of data items, what a change of them means, and what strangers see of them (dossier.h).
 */
#include "registry/dossier.h"

#include <string.h>

static const struct dossier_item items[] = {
#define REQUIRED DOSSIER_NEED_REQUIRED
#define OPTIONAL DOSSIER_NEED_OPTIONAL
#define LOCAL DOSSIER_NEED_LOCAL
#define CLOUD DOSSIER_NEED_CLOUD
#define FULL true
#define INCREMENTAL false
#define PERSONAL true
#define PLAIN false
#define ITEM(group, name, national, kind, max, need, update, privacy, text, text_zh)               \
    {DOSSIER_##group, #name, national, DOSSIER_KIND_##kind, max, need, update,                     \
     privacy,         text,  text_zh},
#include "registry/dossier.def"
#undef ITEM
#undef REQUIRED
#undef OPTIONAL
#undef LOCAL
#undef CLOUD
#undef FULL
#undef INCREMENTAL
#undef PERSONAL
#undef PLAIN
};

#define ITEMS (sizeof(items) / sizeof(items[0]))

const struct dossier_item *dossier_items(size_t *out_count)
{
    *out_count = ITEMS;
    return items;
}

const char *dossier_list_of(enum dossier_group group)
{
    switch (group) {
    case DOSSIER_SYSTEM:
        return "systems";
    case DOSSIER_INDUSTRY:
        return "industries";
    case DOSSIER_LICENCE:
        return "licences";
    case DOSSIER_ORG:
    case DOSSIER_CONTACT:
    case DOSSIER_LEGAL:
    case DOSSIER_PREFIX:
    case DOSSIER_BUILD:
    case DOSSIER_HOSTING:
        break;
    }
    return NULL;
}

/* --- change ----------------------------------------------------------------------------------- */

/* "2" and 2 are the same choice. */
static bool is_same(const json_t *one, const json_t *other)
{
    bool is_none = one == NULL || json_is_null(one);
    if (is_none || other == NULL || json_is_null(other)) {
        return is_none && (other == NULL || json_is_null(other));
    }
    if (json_is_integer(one) != json_is_integer(other)) {
        const json_t *number = json_is_integer(one) ? one : other;
        const json_t *text = number == one ? other : one;
        return json_is_string(text) && json_string_length(text) == 1 &&
               json_integer_value(number) == json_string_value(text)[0] - '0';
    }
    return json_equal(one, other) == 1;
}

enum dossier_change dossier_compare(const json_t *from, const json_t *to)
{
    static const char *const others[] = {"systems", "industries", "licences", "overrides"};
    enum dossier_change change = DOSSIER_SAME;
    for (size_t i = 0; i < ITEMS; i++) {
        if (dossier_list_of(items[i].group) == NULL &&
            !is_same(json_object_get(from, items[i].name), json_object_get(to, items[i].name))) {
            if (items[i].is_reviewed) {
                return DOSSIER_FULL;
            }
            change = DOSSIER_INCREMENTAL;
        }
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (!is_same(json_object_get(from, others[i]), json_object_get(to, others[i]))) {
            change = DOSSIER_INCREMENTAL;
        }
    }
    return change;
}

/* --- masking ---------------------------------------------------------------------------------- */

static size_t characters_of(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text++) {
        count += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return count;
}

/* Where the character number `count` begins. */
static const char *skip(const char *text, size_t count)
{
    while (count > 0 && *text != '\0') {
        text++;
        count -= ((unsigned char)*text & 0xc0) != 0x80;
    }
    return text;
}

/* The first `head` and last `tail` characters; at least half of it is hidden. */
static json_t *mask(const char *text, size_t head, size_t tail)
{
    size_t count = characters_of(text);
    while (head + tail > 0 && 2 * (head + tail) > count) {
        head > tail ? head-- : tail--;
    }
    const char *hidden = skip(text, head);
    const char *end = skip(text, count - tail);
    return json_sprintf("%.*s***%s", (int)(hidden - text), text, end);
}

static json_t *masked_value(const struct dossier_item *item, const json_t *value)
{
    const char *text = json_string_value(value);
    if (text == NULL) {
        return json_null();
    }
    switch (item->kind) {
    case DOSSIER_KIND_PHONE:
        return mask(text, 3, 4);
    case DOSSIER_KIND_PERSON:
        return mask(text, 4, 2);
    case DOSSIER_KIND_EMAIL: {
        const char *at = strchr(text, '@');
        return at == NULL ? mask(text, 1, 0) : json_sprintf("***%s", at);
    }
    case DOSSIER_KIND_FILE:
        return json_null();
    default:
        return mask(text, 1, 0);
    }
}

json_t *dossier_masked(const json_t *dossier)
{
    json_t *copy = json_deep_copy(dossier);
    if (copy == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < ITEMS; i++) {
        const json_t *value = json_object_get(copy, items[i].name);
        if (!items[i].is_personal || value == NULL || json_is_null(value)) {
            continue;
        }
        if (json_object_set_new(copy, items[i].name, masked_value(&items[i], value)) != 0) {
            json_decref(copy);
            return NULL;
        }
    }
    return copy;
}
