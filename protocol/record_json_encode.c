/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing values and records as JSON (protocol.md §9.4).
 *
 * Data is shown in its type's format only when that form reads back to the same bytes; everything
 * else is text when printable, base64 (or hex) otherwise. So every stored value survives the way
 * through JSON.
 */
#include "protocol/handle.h"
#include "protocol/record_json.h"
#include "protocol/text.h"
#include "protocol/value_types.h"

#define ADMIN_BITS 12
#define TEXT_MEMORY 64 /* beside two characters a byte */

bool record_json_is_text(struct bytes data)
{
    for (size_t i = 0; i < data.len; i++) {
        uint8_t c = data.data[i];
        if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f) {
            return false;
        }
    }
    return handle_is_utf8(data);
}

static json_t *tagged(const char *format, json_t *value)
{
    return value == NULL ? NULL : json_pack("{s:s, s:o}", "format", format, "value", value);
}

static json_t *text_json(struct bytes text)
{
    if (text.len == 0) {
        return json_string("");
    }
    return handle_is_utf8(text) ? json_stringn((const char *)text.data, text.len) : NULL;
}

/* Names are UTF-8 when they came through `value_check`; older stores may hold anything. */
static json_t *name_json(struct bytes name)
{
    json_t *text = text_json(name);
    if (text != NULL || handle_is_utf8(name)) {
        return text; /* NULL: memory is out, which is no reason to spell the name in hex */
    }
    size_t size = TEXT_MEMORY + 2 * name.len;
    struct arena *arena = arena_new(size, size);
    char *hex = arena == NULL ? NULL : text_hex(arena, name);
    text = hex == NULL ? NULL : json_sprintf("\\x%s", hex);
    arena_free(arena);
    return text;
}

/* A list of {"handle","index"}; `handle_json` decides what becomes of a handle that is no UTF-8:
 * NULL refuses the list. */
static json_t *references_json(struct bytes references, json_t *(*handle_json)(struct bytes handle))
{
    json_t *list = json_array();
    struct wire_reader r = wire_read(references);
    struct reference reference;
    while (list != NULL && value_next_reference(&r, &reference)) {
        json_t *entry = json_pack("{s:o, s:I}", "handle", handle_json(reference.handle), "index",
                                  (json_int_t)reference.index);
        if (entry == NULL || json_array_append_new(list, entry) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    return list;
}

static json_t *admin_json(struct bytes data)
{
    struct admin admin;
    if (admin_decode(data, &admin) != STATUS_OK) {
        return NULL;
    }
    char bits[17];
    size_t count = admin.permissions >> ADMIN_BITS == 0 ? ADMIN_BITS : 16;
    for (size_t i = 0; i < count; i++) {
        bits[i] = (admin.permissions >> (count - 1 - i) & 1) != 0 ? '1' : '0';
    }
    bits[count] = '\0';
    json_t *object = json_pack("{s:o, s:I, s:s}", "handle", text_json(admin.identity.handle),
                               "index", (json_int_t)admin.identity.index, "permissions", bits);
    if (object != NULL && admin.is_legacy &&
        json_object_set_new(object, "legacyByteLength", json_true()) != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static json_t *vlist_json(struct bytes data)
{
    struct vlist list;
    return vlist_decode(data, &list) == STATUS_OK ? references_json(list.references, text_json)
                                                  : NULL;
}

/* The form people read; NULL when the data has none. */
static json_t *typed_json(const struct value *value)
{
    switch (value_types_format(value->type)) {
    case VALUE_FORMAT_ADMIN:
        return tagged("admin", admin_json(value->data));
    case VALUE_FORMAT_VLIST:
        return tagged("vlist", vlist_json(value->data));
    case VALUE_FORMAT_SITE:
        return tagged("site", site_json_encode(value->data));
    case VALUE_FORMAT_KEY:
        return tagged("key", key_json_encode(value->data));
    case VALUE_FORMAT_TEXT:
    default:
        return NULL;
    }
}

static json_t *binary_json(struct bytes data, unsigned options)
{
    bool is_hex = (options & RECORD_JSON_HEX) != 0;
    size_t size = TEXT_MEMORY + 2 * data.len;
    struct arena *arena = arena_new(size, size);
    char *text = NULL;
    if (arena != NULL) {
        text = is_hex ? text_hex(arena, data) : text_base64(arena, data);
    }
    json_t *object = text == NULL ? NULL : tagged(is_hex ? "hex" : "base64", json_string(text));
    arena_free(arena);
    return object;
}

static json_t *data_json(const struct value *value, unsigned options)
{
    json_t *object = typed_json(value);
    if (object == NULL && record_json_is_text(value->data)) {
        object = tagged("string", text_json(value->data));
    }
    return object == NULL ? binary_json(value->data, options) : object;
}

static json_t *ttl_json(const struct value *value)
{
    if (value->ttl_type == VALUE_TTL_RELATIVE) {
        return json_integer(value->ttl);
    }
    char at[TEXT_TIME_LEN];
    text_time_s(value->ttl, at);
    return json_string(at);
}

json_t *value_json_encode(const struct value *value, unsigned options)
{
    json_t *object = json_pack("{s:I, s:o, s:o}", "index", (json_int_t)value->index, "type",
                               name_json(value->type), "data", data_json(value, options));
    bool is_whole = object != NULL;
    if (is_whole && (value->permissions != VALUE_PERMISSIONS_DEFAULT ||
                     (options & RECORD_JSON_PERMISSIONS) != 0)) {
        char bits[5];
        value_permissions_text(value->permissions, bits);
        is_whole = json_object_set_new(object, "permissions", json_string(bits)) == 0;
    }
    is_whole = is_whole && json_object_set_new(object, "ttl", ttl_json(value)) == 0;
    if (is_whole && value->timestamp != 0) {
        char at[TEXT_TIME_LEN];
        text_time_s(value->timestamp, at);
        is_whole = json_object_set_new(object, "timestamp", json_string(at)) == 0;
    }
    if (is_whole && value->reference_count > 0) {
        is_whole = json_object_set_new(object, "references",
                                       references_json(value->references, name_json)) == 0;
    }
    if (!is_whole) {
        json_decref(object);
        return NULL;
    }
    return object;
}

json_t *record_json_encode(const struct record *record, unsigned options)
{
    json_t *values = json_array();
    for (size_t i = 0; values != NULL && i < record->count; i++) {
        json_t *value = value_json_encode(&record->values[i], options);
        if (value == NULL || json_array_append_new(values, value) != 0) {
            json_decref(values);
            values = NULL;
        }
    }
    return values == NULL
               ? NULL
               : json_pack("{s:o, s:o}", "handle", name_json(record->handle), "values", values);
}
