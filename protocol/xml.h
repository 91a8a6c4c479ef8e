/* SPDX-License-Identifier: Apache-2.0
 *
 * XML that strangers wrote, as libxml2's tree, with everything off that fetches, expands or
 * explodes (protocol.md §14 row 50): no network, no document type and so no entities but the five,
 * no XInclude; bounded in bytes, depth and elements before anybody looks at the tree.
 *
 * Pure; any thread. The tree owns its memory, outside of any arena: xmlFreeDoc.
 */
#pragma once

#include <libxml/tree.h>

#include "protocol/arena.h"
#include "protocol/status.h"

struct xml_limits {
    size_t bytes;
    size_t elements;
    size_t depth;      /* the root alone is 1 */
    size_t attributes; /* of one element */
};

/* Text is UTF-8 whatever it declares. INVALID_VALUE with the reason, NO_MEMORY. */
enum status xml_parse(struct bytes text, const struct xml_limits *limits, xmlDoc **out_document,
                      struct fault *fault);

/* Is this an element of that name? Name spaces do not count. */
bool xml_is(const xmlNode *node, const char *name);

/* The node itself when it is an element, or the next sibling that is; NULL: none. */
const xmlNode *xml_element(const xmlNode *node);

/* The attribute's text, NUL-terminated, borrowed from the tree or copied to the arena; data is NULL
 * when there is no such attribute, or no room. */
struct bytes xml_attribute(const xmlNode *element, const char *name, struct arena *arena);

/* What stands in the element: its elements as XML when it has some, else its text. Data is NULL
 * when there is nothing, or no room; `out_is_markup` tells which. */
struct bytes xml_content(const xmlNode *element, struct arena *arena, bool *out_is_markup);
