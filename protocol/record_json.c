/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading values and records from JSON (protocol.md §9.4). Sites are in site_json.c, keys in
 * key_json.c, writing in record_json_encode.c.
 */
#include "protocol/record_json.h"

#include "protocol/json_read.h"
#include "protocol/text.h"
#include "protocol/value_types.h"

#define DEPTH_MAX 16
#define PARTS_MAX 131072u /* members and elements: far more than fit a message */

static const int64_t bounds_u32[2] = {0, UINT32_MAX};
static const int64_t bounds_index[2] = {1, UINT32_MAX};

static enum status decode_reference(const json_t *entry, const struct json_path *path,
                                    struct reference *out, struct fault *fault)
{
    int64_t index = 0;
    enum status status = json_read_text(entry, "handle", path, &out->handle, fault);
    if (status == STATUS_OK) {
        status = json_read_number(entry, "index", path, bounds_u32, &index, fault);
    }
    out->index = (uint32_t)index;
    return status;
}

/* A list of {"handle","index"} as encoded references. */
static enum status decode_references(const json_t *list, const struct json_path *path,
                                     struct arena *arena, struct vlist *out, struct fault *fault)
{
    if (!json_is_array(list)) {
        return json_read_fail(fault, STATUS_BAD_SYNTAX, path, "not a list");
    }
    size_t size = 0;
    size_t count = json_array_size(list);
    for (size_t i = 0; i < count; i++) {
        const json_t *handle = json_object_get(json_array_get(list, i), "handle");
        size += VALUE_REFERENCE_SMALLEST + json_string_length(handle);
    }
    uint8_t *room = arena_alloc(arena, size);
    if (room == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct wire_writer w = wire_write(room, size);
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        const struct json_path entry_path = {path, NULL, i};
        struct reference reference;
        status = decode_reference(json_array_get(list, i), &entry_path, &reference, fault);
        if (status == STATUS_OK) {
            wire_put_bytes(&w, reference.handle);
            wire_put_u32(&w, reference.index);
        }
    }
    if (status == STATUS_OK) {
        *out = (struct vlist){(uint32_t)count, wire_wrote(&w)};
    }
    return status;
}

/* What a format's decoder needs. */
struct data_source {
    const json_t *value;
    struct json_path path; /* of the member "value" */
    struct arena *arena;
    struct fault *fault;
};

static enum status decode_text(const struct data_source *from, struct bytes *out_data)
{
    if (!json_is_string(from->value)) {
        return json_read_fail(from->fault, STATUS_BAD_SYNTAX, &from->path, "not a text");
    }
    struct bytes text = json_read_bytes(from->value);
    *out_data = arena_copy(from->arena, text);
    return text.len > 0 && out_data->data == NULL ? STATUS_NO_MEMORY : STATUS_OK;
}

static enum status decode_coded(const struct data_source *from, struct bytes *out_data,
                                enum status (*parse)(struct bytes, struct arena *, struct bytes *),
                                const char *complaint)
{
    if (!json_is_string(from->value)) {
        return json_read_fail(from->fault, STATUS_BAD_SYNTAX, &from->path, "not a text");
    }
    enum status status = parse(json_read_bytes(from->value), from->arena, out_data);
    return status == STATUS_BAD_SYNTAX
               ? json_read_fail(from->fault, STATUS_INVALID_VALUE, &from->path, complaint)
               : status;
}

static enum status decode_base64(const struct data_source *from, struct bytes *out_data)
{
    return decode_coded(from, out_data, text_base64_parse, "not base64");
}

static enum status decode_hex(const struct data_source *from, struct bytes *out_data)
{
    return decode_coded(from, out_data, text_hex_parse, "not hex");
}

static bool permission_bits(struct bytes text, uint16_t *out_bits)
{
    unsigned bits = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] != '0' && text.data[i] != '1') {
            return false;
        }
        bits = bits << 1 | (unsigned)(text.data[i] == '1');
    }
    *out_bits = (uint16_t)bits;
    return text.len > 0 && text.len <= 16;
}

static enum status decode_admin(const struct data_source *from, struct bytes *out_data)
{
    struct admin admin = {0};
    struct bytes bits;
    enum status status = decode_reference(from->value, &from->path, &admin.identity, from->fault);
    if (status == STATUS_OK) {
        status = json_read_text(from->value, "permissions", &from->path, &bits, from->fault);
    }
    if (status == STATUS_OK) {
        status = json_read_bool(from->value, "legacyByteLength", &from->path, &admin.is_legacy,
                                from->fault);
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (!permission_bits(bits, &admin.permissions)) {
        const struct json_path path = {&from->path, "permissions", 0};
        return json_read_fail(from->fault, STATUS_INVALID_VALUE, &path, "not up to 16 of 0 and 1");
    }
    size_t size = 12 + admin.identity.handle.len;
    uint8_t *room = arena_alloc(from->arena, size);
    if (room == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct wire_writer w = wire_write(room, size);
    admin_encode(&w, &admin);
    *out_data = wire_wrote(&w);
    return STATUS_OK;
}

static enum status decode_vlist(const struct data_source *from, struct bytes *out_data)
{
    struct vlist list;
    enum status status =
        decode_references(from->value, &from->path, from->arena, &list, from->fault);
    if (status != STATUS_OK) {
        return status;
    }
    size_t size = 4 + list.references.len;
    uint8_t *room = arena_alloc(from->arena, size);
    if (room == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct wire_writer w = wire_write(room, size);
    vlist_encode(&w, &list);
    *out_data = wire_wrote(&w);
    return STATUS_OK;
}

static enum status decode_site(const struct data_source *from, struct bytes *out_data)
{
    struct fault inner = {STATUS_OK, ""};
    enum status status = site_json_decode(from->value, from->arena, out_data, &inner);
    return json_read_nested(from->fault, status, &from->path, &inner);
}

static enum status decode_key(const struct data_source *from, struct bytes *out_data)
{
    struct fault inner = {STATUS_OK, ""};
    enum status status = key_json_decode(from->value, from->arena, out_data, &inner);
    return json_read_nested(from->fault, status, &from->path, &inner);
}

static const struct format_row {
    const char *name;
    enum status (*decode)(const struct data_source *from, struct bytes *out_data);
} formats[] = {
    {"string", decode_text}, {"base64", decode_base64}, {"hex", decode_hex},
    {"admin", decode_admin}, {"vlist", decode_vlist},   {"site", decode_site},
    {"key", decode_key},
};

static enum status decode_data(const json_t *object, const struct json_path *value_path,
                               struct arena *arena, struct bytes *out_data, struct fault *fault)
{
    const json_t *data = json_object_get(object, "data");
    const struct json_path path = {value_path, "data", 0};
    if (data == NULL) {
        return json_read_fail(fault, STATUS_BAD_SYNTAX, &path, "missing");
    }
    if (json_is_string(data)) {
        const struct data_source from = {data, path, arena, fault};
        return decode_text(&from, out_data);
    }
    struct bytes format;
    enum status status = json_read_text(data, "format", &path, &format, fault);
    if (status != STATUS_OK) {
        return status;
    }
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (bytes_equal(format, bytes_of_text(formats[i].name))) {
            const struct data_source from = {
                json_object_get(data, "value"), {&path, "value", 0}, arena, fault};
            return formats[i].decode(&from, out_data);
        }
    }
    const struct json_path format_path = {&path, "format", 0};
    return json_read_fail(fault, STATUS_INVALID_VALUE, &format_path,
                          "not string, base64, hex, admin, vlist, site or key");
}

/* Whole seconds are relative, a time is absolute. */
static enum status decode_ttl(const json_t *object, const struct json_path *path,
                              struct value *value, struct fault *fault)
{
    const json_t *ttl = json_object_get(object, "ttl");
    const struct json_path ttl_path = {path, "ttl", 0};
    value->ttl_type = VALUE_TTL_RELATIVE;
    value->ttl = VALUE_TTL_DEFAULT;
    if (json_is_string(ttl)) {
        int64_t at = 0;
        if (text_time_parse(json_read_bytes(ttl), &at) != STATUS_OK || at < 0 || at > UINT32_MAX) {
            return json_read_fail(fault, STATUS_INVALID_VALUE, &ttl_path,
                                  "neither seconds nor a time like 2026-11-21T00:00:00Z");
        }
        value->ttl_type = VALUE_TTL_ABSOLUTE;
        value->ttl = (uint32_t)at;
        return STATUS_OK;
    }
    int64_t seconds = VALUE_TTL_DEFAULT;
    enum status status = json_read_number(object, "ttl", path, bounds_u32, &seconds, fault);
    value->ttl = (uint32_t)seconds;
    return status;
}

static enum status decode_timestamp(const json_t *object, const struct json_path *path,
                                    uint32_t now_s, uint32_t *out_timestamp, struct fault *fault)
{
    const json_t *timestamp = json_object_get(object, "timestamp");
    const struct json_path timestamp_path = {path, "timestamp", 0};
    int64_t at = 0;
    *out_timestamp = now_s;
    if (timestamp == NULL) {
        return STATUS_OK;
    }
    if (!json_is_string(timestamp) ||
        text_time_parse(json_read_bytes(timestamp), &at) != STATUS_OK || at < 0 ||
        at > UINT32_MAX) {
        return json_read_fail(fault, STATUS_INVALID_VALUE, &timestamp_path,
                              "not a time like 2026-11-21T00:00:00Z");
    }
    *out_timestamp = (uint32_t)at;
    return STATUS_OK;
}

static enum status decode_permissions(const json_t *object, const struct json_path *path,
                                      uint8_t *out_permissions, struct fault *fault)
{
    const struct json_path permissions_path = {path, "permissions", 0};
    struct bytes text;
    *out_permissions = VALUE_PERMISSIONS_DEFAULT;
    if (json_object_get(object, "permissions") == NULL) {
        return STATUS_OK;
    }
    enum status status = json_read_text(object, "permissions", path, &text, fault);
    if (status == STATUS_OK && value_permissions_parse(text, out_permissions) != STATUS_OK) {
        return json_read_fail(fault, STATUS_INVALID_VALUE, &permissions_path,
                              "not four of 0 and 1 (admin read, admin write, public read, write)");
    }
    return status;
}

static enum status decode_value(const json_t *object, const struct json_path *path,
                                struct arena *arena, struct value *value, struct fault *fault)
{
    if (!json_is_object(object)) {
        return json_read_fail(fault, STATUS_BAD_SYNTAX, path, "not an object");
    }
    struct bytes type;
    const struct json_path index_path = {path, "index", 0};
    int64_t index = 0;
    if (json_object_get(object, "index") == NULL) {
        return json_read_fail(fault, STATUS_BAD_SYNTAX, &index_path, "missing");
    }
    enum status status = json_read_number(object, "index", path, bounds_index, &index, fault);
    value->index = (uint32_t)index;
    status = status == STATUS_OK ? json_read_text(object, "type", path, &type, fault) : status;
    if (status == STATUS_OK) {
        value->type = arena_copy(arena, type);
        status = type.len > 0 && value->type.data == NULL ? STATUS_NO_MEMORY : STATUS_OK;
    }
    status = status == STATUS_OK ? decode_ttl(object, path, value, fault) : status;
    if (status == STATUS_OK) {
        status = decode_permissions(object, path, &value->permissions, fault);
    }
    status = status == STATUS_OK ? decode_data(object, path, arena, &value->data, fault) : status;
    const json_t *references = json_object_get(object, "references");
    if (status == STATUS_OK && references != NULL) {
        const struct json_path references_path = {path, "references", 0};
        struct vlist list = {0};
        status = decode_references(references, &references_path, arena, &list, fault);
        value->reference_count = list.count;
        value->references = list.references;
    }
    return status;
}

static enum status decode_value_at(const json_t *object, const struct json_path *path,
                                   struct arena *arena, uint32_t now_s, struct value *out_value,
                                   struct fault *fault)
{
    struct value value = {0};
    enum status status = decode_value(object, path, arena, &value, fault);
    if (status == STATUS_OK) {
        status = decode_timestamp(object, path, now_s, &value.timestamp, fault);
    }
    if (status == STATUS_OK) {
        *out_value = value;
    }
    return status;
}

enum status value_json_decode(const json_t *object, struct arena *arena, uint32_t now_s,
                              struct value *out_value, struct fault *fault)
{
    return decode_value_at(object, NULL, arena, now_s, out_value, fault);
}

enum status record_json_decode(const json_t *object, struct arena *arena, uint32_t now_s,
                               struct record *out_record, struct fault *fault)
{
    const struct json_path values_path = {NULL, "values", 0};
    struct record record = {0};
    struct bytes handle;
    if (!json_is_object(object)) {
        return fault_set(fault, STATUS_BAD_SYNTAX, "a record is a JSON object");
    }
    enum status status = json_read_text(object, "handle", NULL, &handle, fault);
    if (status != STATUS_OK) {
        return status;
    }
    const json_t *values = json_object_get(object, "values");
    if (!json_is_array(values)) {
        return json_read_fail(fault, STATUS_BAD_SYNTAX, &values_path,
                              values == NULL ? "missing" : "not a list");
    }
    if (json_array_size(values) > VALUE_COUNT_MAX) {
        return json_read_fail(fault, STATUS_INVALID_VALUE, &values_path, "more than 2048 values");
    }
    record.handle = arena_copy(arena, handle);
    record.count = json_array_size(values);
    record.values = arena_calloc(arena, record.count, sizeof(*record.values));
    if (record.values == NULL || (handle.len > 0 && record.handle.data == NULL)) {
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < record.count; i++) {
        const struct json_path path = {&values_path, NULL, i};
        status = decode_value_at(json_array_get(values, i), &path, arena, now_s, &record.values[i],
                                 fault);
        if (status != STATUS_OK) {
            return status;
        }
    }
    *out_record = record;
    return STATUS_OK;
}

/* jansson nests up to 2 048, and what it makes of a few bytes takes a hundred; ours never needs
 * more than this, strings aside. */
static bool is_too_much(struct bytes text, struct fault *fault)
{
    size_t depth = 0;
    size_t parts = 0;
    bool in_text = false;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (in_text) {
            i += c == '\\' ? 1 : 0;
            in_text = c != '"';
        } else if (c == '"') {
            in_text = true;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        } else if (c == ',') {
            parts++;
        }
        if (depth > DEPTH_MAX) {
            (void)fault_set(fault, STATUS_BAD_SYNTAX, "nested deeper than %d", DEPTH_MAX);
            return true;
        }
        if (parts > PARTS_MAX) {
            (void)fault_set(fault, STATUS_BAD_SYNTAX, "more than %u parts", PARTS_MAX);
            return true;
        }
    }
    return false;
}

json_t *record_json_load(struct bytes text, struct fault *fault)
{
    if (is_too_much(text, fault)) {
        return NULL;
    }
    json_error_t error;
    json_t *document = json_loadb((const char *)text.data, text.len,
                                  JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (document == NULL) {
        (void)fault_set(fault, STATUS_BAD_SYNTAX, "column %d: %s", error.column, error.text);
    }
    return document;
}

enum status record_json_parse(struct bytes text, struct arena *arena, uint32_t now_s,
                              struct record *out_record, struct fault *fault)
{
    json_t *object = record_json_load(text, fault);
    if (object == NULL) {
        return STATUS_BAD_SYNTAX;
    }
    enum status status = record_json_decode(object, arena, now_s, out_record, fault);
    json_decref(object);
    return status;
}
