/* SPDX-License-Identifier: Apache-2.0
 *
 * libxml2 with its doors shut (xml.h).
 */
#include "protocol/xml.h"

#include <libxml/parser.h>

/* Entities stay as they are, as NOENT is not among these; NOERROR and NOWARNING: nothing is
 * printed. Without HUGE libxml2 keeps its own bounds, too. */
#define OPTIONS (XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA)

/* The declaration of a document type ends the parsing before anything in it is read. */
static void xml_on_document_type(void *context, const xmlChar *name, const xmlChar *external,
                                 const xmlChar *system)
{
    xmlParserCtxt *parser = context;
    (void)name;
    (void)external;
    (void)system;
    *(bool *)parser->_private = true;
    xmlStopParser(parser);
}

static enum status refuse(xmlParserCtxt *parser, bool has_document_type, struct fault *fault)
{
    if (has_document_type) {
        return fault_set(fault, STATUS_INVALID_VALUE, "declares a document type");
    }
    const xmlError *error = xmlCtxtGetLastError(parser);
    if (error == NULL || error->message == NULL) {
        return fault_set(fault, STATUS_INVALID_VALUE, "is not XML");
    }
    if (error->code == XML_ERR_NO_MEMORY) {
        return STATUS_NO_MEMORY;
    }
    return fault_set(fault, STATUS_INVALID_VALUE, "is not XML: line %d: %.*s", error->line,
                     (int)strcspn(error->message, "\n"), error->message);
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The parser's time grows with the square of an element's attributes, so they are counted before
 * it sees them: an equals sign and a quote are in each, a '<' in none. */
static bool has_many_attributes(struct bytes text, size_t most)
{
    size_t count = 0;
    bool is_behind_equals = false;
    for (size_t i = 0; i < text.len && count <= most; i++) {
        uint8_t c = text.data[i];
        if (c == '<') {
            count = 0;
        }
        count += is_behind_equals && (c == '"' || c == '\'');
        is_behind_equals = c == '=' || (is_behind_equals && is_blank(c));
    }
    return count > most;
}

/* Without recursion: down, then right, then up until there is a right. */
static enum status measure(const xmlNode *root, const struct xml_limits *limits,
                           struct fault *fault)
{
    size_t elements = 0;
    size_t depth = 1;
    const xmlNode *at = root;
    while (at != NULL) {
        bool is_element = at->type == XML_ELEMENT_NODE;
        elements += is_element;
        if (elements > limits->elements || (is_element && depth > limits->depth)) {
            return fault_set(fault, STATUS_INVALID_VALUE,
                             "has more than %zu elements or is deeper than %zu", limits->elements,
                             limits->depth);
        }
        if (is_element && at->children != NULL) {
            at = at->children;
            depth++;
            continue;
        }
        while (at != root && at->next == NULL) {
            at = at->parent;
            depth--;
        }
        at = at == root ? NULL : at->next;
    }
    return STATUS_OK;
}

enum status xml_parse(struct bytes text, const struct xml_limits *limits, xmlDoc **out_document,
                      struct fault *fault)
{
    if (text.len == 0 || text.len > limits->bytes || text.len > INT_MAX) {
        return fault_set(fault, STATUS_INVALID_VALUE, "has %zu bytes, not 1 to %zu", text.len,
                         limits->bytes);
    }
    if (has_many_attributes(text, limits->attributes)) {
        return fault_set(fault, STATUS_INVALID_VALUE, "an element has more than %zu attributes",
                         limits->attributes);
    }
    xmlParserCtxt *parser = xmlNewParserCtxt();
    if (parser == NULL) {
        return STATUS_NO_MEMORY;
    }
    bool has_document_type = false;
    parser->_private = &has_document_type;
    parser->sax->internalSubset = xml_on_document_type;
    xmlDoc *document =
        xmlCtxtReadMemory(parser, (const char *)text.data, (int)text.len, NULL, "UTF-8", OPTIONS);
    enum status status = STATUS_OK;
    if (document == NULL || has_document_type || xmlDocGetRootElement(document) == NULL) {
        status = refuse(parser, has_document_type, fault);
    } else {
        status = measure(xmlDocGetRootElement(document), limits, fault);
    }
    xmlFreeParserCtxt(parser);
    if (status != STATUS_OK) {
        xmlFreeDoc(document);
        return status;
    }
    *out_document = document;
    return STATUS_OK;
}

bool xml_is(const xmlNode *node, const char *name)
{
    return node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0;
}

const xmlNode *xml_element(const xmlNode *node)
{
    while (node != NULL && node->type != XML_ELEMENT_NODE) {
        node = node->next;
    }
    return node;
}

/* The text of a run of text nodes; a single one is borrowed. */
static struct bytes text_of(const xmlNode *first, struct arena *arena)
{
    if (first != NULL && first->next == NULL && first->type == XML_TEXT_NODE) {
        return bytes_of_text((const char *)first->content);
    }
    size_t len = 0;
    for (const xmlNode *at = first; at != NULL; at = at->next) {
        len += at->type == XML_TEXT_NODE ? strlen((const char *)at->content) : 0;
    }
    char *text = arena_alloc(arena, len + 1);
    if (text == NULL) {
        return BYTES_NONE;
    }
    char *to = text;
    for (const xmlNode *at = first; at != NULL; at = at->next) {
        to = at->type == XML_TEXT_NODE ? stpcpy(to, (const char *)at->content) : to;
    }
    *to = '\0';
    return bytes_of(text, len);
}

struct bytes xml_attribute(const xmlNode *element, const char *name, struct arena *arena)
{
    for (const xmlAttr *at = element->properties; at != NULL; at = at->next) {
        if (strcmp((const char *)at->name, name) == 0) {
            return text_of(at->children, arena);
        }
    }
    return BYTES_NONE;
}

static struct bytes markup_of(const xmlNode *first, struct arena *arena)
{
    xmlBuffer *buffer = xmlBufferCreate();
    bool is_whole = buffer != NULL;
    for (const xmlNode *at = first; is_whole && at != NULL; at = xml_element(at->next)) {
        is_whole = xmlNodeDump(buffer, at->doc, (xmlNode *)at, 0, 0) >= 0;
    }
    struct bytes markup = BYTES_NONE;
    if (is_whole) {
        markup = arena_copy(arena, bytes_of_text((const char *)xmlBufferContent(buffer)));
    }
    xmlBufferFree(buffer);
    return markup;
}

struct bytes xml_content(const xmlNode *element, struct arena *arena, bool *out_is_markup)
{
    const xmlNode *first = xml_element(element->children);
    *out_is_markup = first != NULL;
    if (first != NULL) {
        return markup_of(first, arena);
    }
    struct bytes text = text_of(element->children, arena);
    return text.len == 0 ? BYTES_NONE : text;
}
