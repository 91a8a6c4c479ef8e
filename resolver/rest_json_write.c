/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing answers (rest_json_write.h). Sites and keys are rare and deep: their form comes from
 * protocol/ as a tree and is printed from there.
 */
#include "resolver/rest_json_write.h"

#include <stdlib.h>

#include "protocol/handle.h"
#include "protocol/record_json.h"
#include "protocol/value_types.h"

#define SMALLEST 512
#define NUMBER_MAX 20   /* digits of a 64-bit number */
#define MEMBERS_LEN 160 /* names and numbers of one value */
#define ADMIN_BITS 12
#define ADMIN_BITS_ALL 16

/* --- text ------------------------------------------------------------------------------------- */

struct rest_json rest_json_new(struct arena *arena, size_t size)
{
    struct rest_json json = {.arena = arena, .size = size < SMALLEST ? SMALLEST : size};
    json.data = arena_alloc(arena, json.size);
    json.failed = json.data == NULL;
    return json;
}

struct bytes rest_json_wrote(const struct rest_json *json)
{
    return json->failed ? BYTES_NONE : bytes_of(json->data, json->len);
}

static bool has_room(struct rest_json *json, size_t len)
{
    if (json->failed || len <= json->size - json->len) {
        return !json->failed;
    }
    size_t size = 2 * json->size + len;
    uint8_t *data = arena_alloc(json->arena, size);
    if (data == NULL) {
        json->failed = true;
        return false;
    }
    memcpy(data, json->data, json->len);
    json->data = data;
    json->size = size;
    return true;
}

void rest_json_raw(struct rest_json *json, struct bytes bytes)
{
    if (bytes.len > 0 && has_room(json, bytes.len)) {
        memcpy(json->data + json->len, bytes.data, bytes.len);
        json->len += bytes.len;
    }
}

/* As it stands, as "\u00XX", as a backslash and this letter; LINE: the first byte of U+2028 and
 * U+2029 among others, which end a line in JavaScript. */
enum escape { PLAIN = 0, HEX = 1, LINE = 2 };

static const uint8_t escapes[256] = {
    [0x00] = HEX, [0x01] = HEX, [0x02] = HEX, [0x03] = HEX,  [0x04] = HEX,  [0x05] = HEX,
    [0x06] = HEX, [0x07] = HEX, [0x08] = 'b', [0x09] = 't',  [0x0a] = 'n',  [0x0b] = HEX,
    [0x0c] = 'f', [0x0d] = 'r', [0x0e] = HEX, [0x0f] = HEX,  [0x10] = HEX,  [0x11] = HEX,
    [0x12] = HEX, [0x13] = HEX, [0x14] = HEX, [0x15] = HEX,  [0x16] = HEX,  [0x17] = HEX,
    [0x18] = HEX, [0x19] = HEX, [0x1a] = HEX, [0x1b] = HEX,  [0x1c] = HEX,  [0x1d] = HEX,
    [0x1e] = HEX, [0x1f] = HEX, ['"'] = '"',  ['\\'] = '\\', [0xe2] = LINE,
};

static void put_hex(struct rest_json *json, struct bytes data)
{
    static const char digits[] = "0123456789abcdef";
    if (!has_room(json, 2 * data.len)) {
        return;
    }
    for (size_t i = 0; i < data.len; i++) {
        json->data[json->len++] = (uint8_t)digits[data.data[i] >> 4];
        json->data[json->len++] = (uint8_t)digits[data.data[i] & 15];
    }
}

/* Writes the character that begins `rest` and is not plain; how many bytes it has. */
static size_t put_escaped(struct rest_json *json, struct bytes rest)
{
    uint8_t how = escapes[rest.data[0]];
    if (how == LINE) {
        bool ends_line = rest.len >= 3 && rest.data[1] == 0x80 && (rest.data[2] & 0xfe) == 0xa8;
        if (!ends_line) {
            rest_json_raw(json, bytes_of(rest.data, 1));
            return 1;
        }
        rest_json_raw(json,
                      rest.data[2] == 0xa8 ? BYTES_LITERAL("\\u2028") : BYTES_LITERAL("\\u2029"));
        return 3;
    }
    if (how == HEX) {
        const uint8_t code[2] = {(uint8_t)('0' + (rest.data[0] >> 4)),
                                 (uint8_t) "0123456789ABCDEF"[rest.data[0] & 15]};
        REST_JSON_RAW(json, "\\u00");
        rest_json_raw(json, bytes_of(code, sizeof(code)));
        return 1;
    }
    const uint8_t pair[2] = {'\\', how};
    rest_json_raw(json, bytes_of(pair, sizeof(pair)));
    return 1;
}

/* UTF-8, between quotes. */
static void put_text(struct rest_json *json, struct bytes text)
{
    REST_JSON_RAW(json, "\"");
    size_t from = 0;
    for (size_t i = 0; i < text.len && !json->failed;) {
        if (escapes[text.data[i]] == PLAIN) {
            i++;
            continue;
        }
        rest_json_raw(json, bytes_of(text.data + from, i - from));
        i += put_escaped(json, bytes_from(text, i));
        from = i;
    }
    rest_json_raw(json, bytes_from(text, from));
    REST_JSON_RAW(json, "\"");
}

void rest_json_text(struct rest_json *json, struct bytes text)
{
    if (handle_is_utf8(text)) {
        put_text(json, text);
        return;
    }
    REST_JSON_RAW(json, "\"\\\\x");
    put_hex(json, text);
    REST_JSON_RAW(json, "\"");
}

void rest_json_number(struct rest_json *json, uint64_t number)
{
    uint8_t digits[NUMBER_MAX];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (uint8_t)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    rest_json_raw(json, bytes_of(digits + at, sizeof(digits) - at));
}

static void put_time(struct rest_json *json, uint32_t seconds)
{
    if (json->time_text[0] == '\0' || json->time != seconds) {
        text_time_s(seconds, json->time_text);
        json->time = seconds;
    }
    REST_JSON_RAW(json, "\"");
    rest_json_raw(json, bytes_of_text(json->time_text));
    REST_JSON_RAW(json, "\"");
}

/* --- data: each form is written whole, or not at all and false ---------------------------------
 */

static void put_reference(struct rest_json *json, const struct reference *reference)
{
    REST_JSON_RAW(json, "{\"handle\":");
    rest_json_text(json, reference->handle);
    REST_JSON_RAW(json, ",\"index\":");
    rest_json_number(json, reference->index);
}

static void put_references(struct rest_json *json, struct bytes references)
{
    struct wire_reader r = wire_read(references);
    struct reference reference;
    bool is_first = true;
    REST_JSON_RAW(json, "[");
    while (value_next_reference(&r, &reference)) {
        rest_json_raw(json, is_first ? BYTES_NONE : BYTES_LITERAL(","));
        put_reference(json, &reference);
        REST_JSON_RAW(json, "}");
        is_first = false;
    }
    REST_JSON_RAW(json, "]");
}

static bool put_admin(struct rest_json *json, struct bytes data)
{
    struct admin admin;
    if (admin_decode(data, &admin) != STATUS_OK || !handle_is_utf8(admin.identity.handle)) {
        return false;
    }
    uint8_t bits[ADMIN_BITS_ALL];
    size_t count = admin.permissions >> ADMIN_BITS == 0 ? ADMIN_BITS : ADMIN_BITS_ALL;
    for (size_t i = 0; i < count; i++) {
        bits[i] = (admin.permissions >> (count - 1 - i) & 1) != 0 ? '1' : '0';
    }
    REST_JSON_RAW(json, "{\"format\":\"admin\",\"value\":");
    put_reference(json, &admin.identity);
    REST_JSON_RAW(json, ",\"permissions\":\"");
    rest_json_raw(json, bytes_of(bits, count));
    rest_json_raw(json, admin.is_legacy ? BYTES_LITERAL("\",\"legacyByteLength\":true}}")
                                        : BYTES_LITERAL("\"}}"));
    return true;
}

static bool put_vlist(struct rest_json *json, struct bytes data)
{
    struct vlist list;
    if (vlist_decode(data, &list) != STATUS_OK) {
        return false;
    }
    struct wire_reader r = wire_read(list.references);
    struct reference reference;
    while (value_next_reference(&r, &reference)) {
        if (!handle_is_utf8(reference.handle)) {
            return false;
        }
    }
    REST_JSON_RAW(json, "{\"format\":\"vlist\",\"value\":");
    put_references(json, list.references);
    REST_JSON_RAW(json, "}");
    return true;
}

static bool put_tree(struct rest_json *json, struct bytes format, json_t *tree)
{
    char *text = tree == NULL ? NULL : json_dumps(tree, JSON_COMPACT);
    json_decref(tree);
    if (text == NULL) {
        return false;
    }
    REST_JSON_RAW(json, "{\"format\":\"");
    rest_json_raw(json, format);
    REST_JSON_RAW(json, "\",\"value\":");
    rest_json_raw(json, bytes_of_text(text));
    REST_JSON_RAW(json, "}");
    free(text);
    return true;
}

static bool put_typed(struct rest_json *json, const struct value *value)
{
    switch (value_types_format(value->type)) {
    case VALUE_FORMAT_ADMIN:
        return put_admin(json, value->data);
    case VALUE_FORMAT_VLIST:
        return put_vlist(json, value->data);
    case VALUE_FORMAT_SITE:
        return put_tree(json, BYTES_LITERAL("site"), site_json_encode(value->data));
    case VALUE_FORMAT_KEY:
        return put_tree(json, BYTES_LITERAL("key"), key_json_encode(value->data));
    case VALUE_FORMAT_TEXT:
    default:
        return false;
    }
}

static void put_base64(struct rest_json *json, struct bytes data)
{
    char *text = text_base64(json->arena, data);
    json->failed = json->failed || text == NULL;
    REST_JSON_RAW(json, "{\"format\":\"base64\",\"value\":\"");
    rest_json_raw(json, bytes_of_text(text));
    REST_JSON_RAW(json, "\"}");
}

static void put_data(struct rest_json *json, const struct value *value)
{
    if (put_typed(json, value)) {
        return;
    }
    if (!record_json_is_text(value->data)) {
        put_base64(json, value->data);
        return;
    }
    REST_JSON_RAW(json, "{\"format\":\"string\",\"value\":");
    put_text(json, value->data);
    REST_JSON_RAW(json, "}");
}

/* --- values ----------------------------------------------------------------------------------- */

void rest_json_value(struct rest_json *json, const struct value *value)
{
    REST_JSON_RAW(json, "{\"index\":");
    rest_json_number(json, value->index);
    REST_JSON_RAW(json, ",\"type\":");
    rest_json_text(json, value->type);
    REST_JSON_RAW(json, ",\"data\":");
    put_data(json, value);
    if (value->permissions != VALUE_PERMISSIONS_DEFAULT) {
        char bits[5];
        value_permissions_text(value->permissions, bits);
        REST_JSON_RAW(json, ",\"permissions\":\"");
        rest_json_raw(json, bytes_of_text(bits));
        REST_JSON_RAW(json, "\"");
    }
    REST_JSON_RAW(json, ",\"ttl\":");
    if (value->ttl_type == VALUE_TTL_RELATIVE) {
        rest_json_number(json, value->ttl);
    } else {
        put_time(json, value->ttl);
    }
    if (value->timestamp != 0) {
        REST_JSON_RAW(json, ",\"timestamp\":");
        put_time(json, value->timestamp);
    }
    if (value->reference_count > 0) {
        REST_JSON_RAW(json, ",\"references\":");
        put_references(json, value->references);
    }
    REST_JSON_RAW(json, "}");
}

size_t rest_json_expected(size_t stored_len, size_t value_count)
{
    return SMALLEST + 2 * stored_len + MEMBERS_LEN * value_count;
}

/* --- lines ------------------------------------------------------------------------------------ */

static void put_line(struct rest_json *json, size_t depth)
{
    REST_JSON_RAW(json, "\n");
    for (size_t i = 0; i < depth; i++) {
        REST_JSON_RAW(json, "  ");
    }
}

/* The end of the JSON text that begins at `from`. */
static size_t skip_text(struct bytes compact, size_t from)
{
    size_t i = from + 1;
    while (i < compact.len && compact.data[i] != '"') {
        i += compact.data[i] == '\\' ? 2 : 1;
    }
    return i < compact.len ? i + 1 : compact.len;
}

/* "[" or "{": an empty one stays on its line. */
static size_t put_opening(struct rest_json *json, struct bytes compact, size_t at, size_t *depth)
{
    bool is_empty =
        at + 1 < compact.len && (compact.data[at + 1] == ']' || compact.data[at + 1] == '}');
    rest_json_raw(json, bytes_of(compact.data + at, is_empty ? 2 : 1));
    if (!is_empty) {
        put_line(json, ++*depth);
    }
    return is_empty ? 2 : 1;
}

struct rest_json rest_json_indented(struct arena *arena, struct bytes compact)
{
    struct rest_json json = rest_json_new(arena, 2 * compact.len);
    size_t depth = 0;
    for (size_t i = 0; i < compact.len && !json.failed;) {
        const struct bytes one = {compact.data + i, 1};
        switch (one.data[0]) {
        case '"': {
            size_t end = skip_text(compact, i);
            rest_json_raw(&json, bytes_of(one.data, end - i));
            i = end;
            break;
        }
        case '{':
        case '[':
            i += put_opening(&json, compact, i, &depth);
            break;
        case '}':
        case ']':
            depth -= depth > 0 ? 1 : 0;
            put_line(&json, depth);
            rest_json_raw(&json, one);
            i++;
            break;
        case ',':
            rest_json_raw(&json, one);
            put_line(&json, depth);
            i++;
            break;
        default:
            rest_json_raw(&json, one.data[0] == ':' ? BYTES_LITERAL(": ") : one);
            i++;
            break;
        }
    }
    return json;
}
