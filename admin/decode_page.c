/* SPDX-License-Identifier: Apache-2.0
 *
 * Fields with offsets (decode_page.h).
 */
#include "admin/decode_page.h"

#include <assert.h>
#include <inttypes.h>

#include "admin/say.h"
#include "admin/value_show.h"

void decode_page_begin(struct decode_page *page, struct command_call *call, struct bytes packet,
                       size_t origin)
{
    *page = (struct decode_page){.call = call, .packet = packet, .origin = origin};
    page->lists[0] = call->is_json ? json_array() : NULL;
}

static size_t offset_of(const struct decode_page *page, struct bytes at)
{
    size_t offset = at.data == NULL ? page->packet.len : (size_t)(at.data - page->packet.data);
    return offset < page->origin ? 0 : offset - page->origin;
}

static json_t *field_json(const struct decode_page *page, struct bytes at, const char *name,
                          const char *text)
{
    json_t *field = json_pack("{s:s, s:I, s:I}", "name", name, "offset",
                              (json_int_t)offset_of(page, at), "length", (json_int_t)at.len);
    if (text != NULL && text[0] != '\0') {
        json_object_set_new(field, "value", json_string(text));
    }
    return field;
}

static void print_field(const struct decode_page *page, struct bytes at, const char *name,
                        const char *text)
{
    int indent = (int)page->depth * 2;
    (void)fprintf(page->call->out, "%06zu %6zu  %*s%-*s  %s\n", offset_of(page, at), at.len, indent,
                  "", 24 - indent, name, text == NULL ? "" : text);
}

void decode_page_field(struct decode_page *page, struct bytes at, const char *name,
                       const char *text)
{
    if (page->lists[0] != NULL) {
        json_array_append_new(page->lists[page->depth], field_json(page, at, name, text));
    } else {
        print_field(page, at, name, text);
    }
}

void decode_page_open(struct decode_page *page, struct bytes at, const char *name, const char *text)
{
    assert(page->depth + 1 < DECODE_DEPTH_MAX);
    if (page->lists[0] != NULL) {
        json_t *field = field_json(page, at, name, text);
        json_t *inside = json_array();
        json_object_set_new(field, "fields", inside);
        json_array_append_new(page->lists[page->depth], field);
        page->lists[page->depth + 1] = inside;
    } else {
        print_field(page, at, name, text);
    }
    page->depth++;
}

void decode_page_close(struct decode_page *page)
{
    assert(page->depth > 0);
    page->depth--;
}

void decode_page_damage(struct decode_page *page, struct bytes at, const char *what)
{
    page->is_damaged = true;
    decode_page_field(page, at, say_text(page->call, "DAMAGED", "损坏"), what);
}

json_t *decode_page_end(struct decode_page *page)
{
    json_t *fields = page->lists[0];
    page->lists[0] = NULL;
    return fields;
}
