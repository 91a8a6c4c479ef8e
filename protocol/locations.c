/* SPDX-License-Identifier: Apache-2.0
 *
 * 10320/loc; see locations.h.
 *
 * Selectors are kept in the order of `chooseby`; one that would leave nothing is passed over. Ours
 * are locatt, country, language and weighted; others are for proxies that know more of who asks.
 */
#include "protocol/locations.h"

#include <math.h>
#include <stdlib.h>

#include "protocol/wire.h"
#include "protocol/xml.h"

#define XML_MAX 65536

static struct bytes text_of(const xmlChar *text)
{
    return bytes_of_text((const char *)text);
}

static bool read_attributes(const xmlNode *element, struct arena *arena, struct location *out)
{
    struct location_attribute *attributes =
        arena_calloc(arena, LOCATIONS_ATTRIBUTES_MAX, sizeof(*attributes));
    size_t count = 0;
    for (const xmlAttr *at = element->properties;
         attributes != NULL && at != NULL && count < LOCATIONS_ATTRIBUTES_MAX; at = at->next) {
        struct bytes name = arena_copy(arena, text_of(at->name));
        struct bytes value = xml_attribute(element, (const char *)at->name, arena);
        value = arena_copy(arena, value);
        if (name.data == NULL || (value.data == NULL && value.len > 0)) {
            return false;
        }
        attributes[count++] = (struct location_attribute){name, value};
    }
    out->attributes = attributes;
    out->attribute_count = count;
    return attributes != NULL;
}

static struct bytes attribute(const struct location *location, const char *name)
{
    for (size_t i = 0; i < location->attribute_count; i++) {
        if (bytes_equal(location->attributes[i].name, bytes_of_text(name))) {
            return location->attributes[i].value;
        }
    }
    return BYTES_NONE;
}

/* 1 when there is none or it is none. */
static double weight_of(struct bytes text, struct arena *arena)
{
    char *copy = text.len == 0 || text.len > 32 ? NULL : arena_text(arena, text);
    char *end = copy;
    double weight = copy == NULL ? 1 : strtod(copy, &end);
    return copy == NULL || *end != '\0' || !isfinite(weight) || weight < 0 || weight > 1e6 ? 1
                                                                                           : weight;
}

static unsigned http_status_of(struct bytes text)
{
    static const unsigned allowed[] = {301, 302, 303, 307, 308};
    unsigned number = 0;
    for (size_t i = 0; text.len == 3 && i < 3; i++) {
        number = number * 10 + (unsigned)(text.data[i] - '0');
    }
    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
        if (number == allowed[i]) {
            return number;
        }
    }
    return 0;
}

static enum status read_location(const xmlNode *element, struct arena *arena,
                                 struct locations *locations)
{
    struct location *location = &locations->items[locations->count];
    if (!read_attributes(element, arena, location)) {
        return STATUS_NO_MEMORY;
    }
    location->href = attribute(location, "href");
    location->href_template = attribute(location, "href_template");
    location->weight = weight_of(attribute(location, "weight"), arena);
    location->http_status = http_status_of(attribute(location, "http_sc"));
    locations->count += location->href.len > 0 || location->href_template.len > 0 ? 1 : 0;
    return STATUS_OK;
}

static enum status read_all(const xmlNode *root, struct arena *arena, struct locations *locations)
{
    enum status status = STATUS_OK;
    locations->choose_by = arena_copy(arena, xml_attribute(root, "chooseby", arena));
    locations->items = arena_calloc(arena, LOCATIONS_MAX, sizeof(*locations->items));
    if (locations->items == NULL) {
        return STATUS_NO_MEMORY;
    }
    for (const xmlNode *at = xml_element(root->children);
         at != NULL && locations->count < LOCATIONS_MAX && status == STATUS_OK;
         at = xml_element(at->next)) {
        if (xml_is(at, "location")) {
            status = read_location(at, arena, locations);
        }
    }
    return status;
}

enum status locations_parse(struct bytes xml, struct arena *arena, struct locations *out_locations,
                            struct fault *fault)
{
    const struct xml_limits limits = {
        .bytes = XML_MAX, .elements = 1000, .depth = 8, .attributes = 64};
    struct locations locations = {.count = 0};
    xmlDoc *document = NULL;
    enum status status = xml_parse(xml, &limits, &document, fault);
    if (status != STATUS_OK) {
        return status;
    }
    const xmlNode *root = xmlDocGetRootElement(document);
    if (!xml_is(root, "locations") && !xml_is(root, "locs")) {
        status = fault_set(fault, STATUS_INVALID_VALUE, "the root is not locations");
    } else {
        status = read_all(root, arena, &locations);
    }
    xmlFreeDoc(document);
    if (status == STATUS_OK) {
        *out_locations = locations;
    }
    return status;
}

/* --- choosing -----------------------------------------------------------------------------------
 */

struct selected {
    const struct location *items[LOCATIONS_MAX];
    size_t count;
};

/* Those whose attribute has this value, unless that leaves none. */
static bool keep_equal(struct selected *selected, const char *name, struct bytes value)
{
    struct selected kept = {.count = 0};
    for (size_t i = 0; value.len > 0 && i < selected->count; i++) {
        if (bytes_equal_nocase(attribute(selected->items[i], name), value)) {
            kept.items[kept.count++] = selected->items[i];
        }
    }
    if (kept.count > 0) {
        *selected = kept;
    }
    return kept.count > 0;
}

static struct bytes next_word(struct bytes *list)
{
    size_t end = 0;
    while (end < list->len && list->data[end] != ',') {
        end++;
    }
    struct bytes word = bytes_of(list->data, end);
    *list = bytes_from(*list, end + 1);
    while (word.len > 0 && word.data[0] == ' ') {
        word = bytes_from(word, 1);
    }
    while (word.len > 0 && word.data[word.len - 1] == ' ') {
        word.len--;
    }
    return word;
}

/* By weight; those of weight 0 only when `is_explicit`, and then when there are no others. */
static const struct location *pick(const struct selected *selected, uint32_t chance,
                                   bool is_explicit)
{
    double total = 0;
    for (size_t i = 0; i < selected->count; i++) {
        total += selected->items[i]->weight;
    }
    if (total <= 0) {
        return is_explicit && selected->count > 0 ? selected->items[0] : NULL;
    }
    double at = total * ((double)chance / 4294967296.0);
    for (size_t i = 0; i < selected->count; i++) {
        at -= selected->items[i]->weight;
        if (at < 0) {
            return selected->items[i];
        }
    }
    return selected->items[selected->count - 1];
}

static bool select_by(struct selected *selected, struct bytes word,
                      const struct location_choice *choice, struct arena *arena)
{
    if (bytes_equal_nocase(word, BYTES_LITERAL("locatt"))) {
        char *name = choice->name.len == 0 ? NULL : arena_text(arena, choice->name);
        return name != NULL && keep_equal(selected, name, choice->value);
    }
    if (bytes_equal_nocase(word, BYTES_LITERAL("country"))) {
        return keep_equal(selected, "country", choice->country);
    }
    if (bytes_equal_nocase(word, BYTES_LITERAL("language"))) {
        return keep_equal(selected, "language", choice->language);
    }
    return false;
}

/* {hdl} in a template. NULL data: no memory. */
static struct bytes filled(struct bytes template, struct bytes handle, struct arena *arena)
{
    const struct bytes field = BYTES_LITERAL("{hdl}");
    size_t count = 0;
    for (size_t i = 0; i < template.len; i++) {
        count += bytes_start_with(bytes_from(template, i), field) ? 1 : 0;
    }
    size_t size = template.len + count * handle.len + 1;
    uint8_t *room = arena_alloc(arena, size);
    if (room == NULL) {
        return BYTES_NONE;
    }
    struct wire_writer w = wire_write(room, size);
    while (template.len > 0) {
        bool is_field = bytes_start_with(template, field);
        wire_put_raw(&w, is_field ? handle : bytes_of(template.data, 1));
        template = bytes_from(template, is_field ? field.len : 1);
    }
    return bytes_of(room, wire_wrote(&w).len);
}

enum status locations_choose(const struct locations *locations,
                             const struct location_choice *choice, struct arena *arena,
                             const struct location **out_location, struct bytes *out_href)
{
    struct selected selected = {.count = 0};
    bool is_explicit = false;
    for (size_t i = 0; i < locations->count && i < LOCATIONS_MAX; i++) {
        selected.items[selected.count++] = &locations->items[i];
    }
    struct bytes words = locations->choose_by.len > 0
                             ? locations->choose_by
                             : BYTES_LITERAL("locatt,country,language,weighted");
    while (words.len > 0) {
        is_explicit |= select_by(&selected, next_word(&words), choice, arena);
    }
    const struct location *chosen = pick(&selected, choice->chance, is_explicit);
    if (chosen == NULL) {
        return STATUS_NOT_FOUND;
    }
    struct bytes href =
        chosen->href.len > 0 ? chosen->href : filled(chosen->href_template, choice->handle, arena);
    if (href.data == NULL) {
        return STATUS_NO_MEMORY;
    }
    *out_location = chosen;
    *out_href = href;
    return STATUS_OK;
}
