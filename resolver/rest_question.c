/* SPDX-License-Identifier: Apache-2.0
 *
 * From REST to the Handle protocol (rest_question.h).
 */
#include "resolver/rest_question.h"

#include <jansson.h>
#include <stdio.h>

#include "protocol/json_read.h"
#include "protocol/record_json.h"

#define CALLBACK_MAX 128
#define FILTERS_MAX VALUE_COUNT_MAX
#define NUMBER_TEXT 24
#define NAME_TOLD 32                          /* bytes of a name, in a refusal */
#define PARAMETERS_MAX (2 * FILTERS_MAX + 64) /* of a form */

/* --- parameters --------------------------------------------------------------------------------
 */

/* What reading them needs. */
struct reading {
    struct arena *arena;
    struct rest_asked *asked;
    struct fault *fault;
};

static bool is_text(struct bytes text, const char *expected)
{
    return bytes_equal(text, bytes_of_text(expected));
}

/* Given without value, or yes, or true. */
static bool is_yes(struct bytes value)
{
    return value.len == 0 || is_text(value, "yes") || is_text(value, "true");
}

static bool read_number(struct bytes text, uint64_t max, uint64_t *out_number)
{
    uint64_t number = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t digit = (uint8_t)(text.data[i] - '0');
        if (digit > 9 || number > (max - digit) / 10) {
            return false;
        }
        number = number * 10 + digit;
    }
    *out_number = number;
    return text.len > 0;
}

/* Room for `more` bytes behind an encoded list. */
static uint8_t *extend(struct arena *arena, struct bytes *list, size_t *room, size_t more)
{
    if (*room < more) {
        size_t size = 2 * list->len + more + 64;
        uint8_t *data = arena_alloc(arena, size);
        if (data == NULL) {
            return NULL;
        }
        if (list->len > 0) {
            memcpy(data, list->data, list->len);
        }
        *room = size - list->len;
        list->data = data;
    }
    /* The list stands in room of ours that nobody else has seen. */
    uint8_t *end = (uint8_t *)(uintptr_t)list->data + list->len;
    *room -= more;
    list->len += more;
    return end;
}

/* "7", or "100-199" for all of them. */
static bool read_range(struct bytes text, uint64_t *out_first, uint64_t *out_last)
{
    const uint8_t *dash = text.len == 0 ? NULL : memchr(text.data, '-', text.len);
    size_t len = dash == NULL ? text.len : (size_t)(dash - text.data);
    struct bytes last = dash == NULL ? text : bytes_from(text, len + 1);
    return read_number(bytes_of(text.data, len), UINT32_MAX, out_first) &&
           read_number(last, UINT32_MAX, out_last) && *out_first <= *out_last;
}

static enum status take_index(struct reading *reading, struct bytes value)
{
    struct rest_asked *asked = reading->asked;
    uint64_t first = 0;
    uint64_t last = 0;
    if (is_text(value, "various")) {
        asked->takes_various = true;
        return STATUS_OK;
    }
    if (!read_range(value, &first, &last)) {
        return fault_set(reading->fault, STATUS_BAD_SYNTAX, "index: not a number");
    }
    if (last - first >= FILTERS_MAX - asked->index_count) {
        return fault_set(reading->fault, STATUS_BAD_SYNTAX, "index: more than %d", FILTERS_MAX);
    }
    uint32_t count = (uint32_t)(last - first) + 1;
    uint8_t *room = extend(reading->arena, &asked->indexes, &asked->index_room, 4 * (size_t)count);
    if (room == NULL) {
        return STATUS_NO_MEMORY;
    }
    for (uint32_t i = 0; i < count; i++) {
        wire_store_u32(room + (size_t)i * 4, (uint32_t)first + i);
    }
    asked->index_count += count;
    return STATUS_OK;
}

static enum status take_type(struct reading *reading, struct bytes value)
{
    struct rest_asked *asked = reading->asked;
    if (asked->type_count == FILTERS_MAX || value.len > MESSAGE_MAX) {
        return fault_set(reading->fault, STATUS_BAD_SYNTAX, "type: more than %d", FILTERS_MAX);
    }
    uint8_t *room = extend(reading->arena, &asked->types, &asked->type_room, 4 + value.len);
    if (room == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct wire_writer w = wire_write(room, 4 + value.len);
    wire_put_bytes(&w, value);
    asked->type_count++;
    return STATUS_OK;
}

/* A dotted name of JavaScript: nothing that could be more than a call. */
static enum status take_callback(struct reading *reading, struct bytes value)
{
    for (size_t i = 0; i < value.len; i++) {
        uint8_t c = value.data[i];
        uint8_t upper = bytes_ascii_upper(c);
        bool is_letter = (upper >= 'A' && upper <= 'Z') || c == '_' || c == '$';
        bool is_inner = (c >= '0' && c <= '9') || c == '.';
        if (!is_letter && (i == 0 || !is_inner)) {
            return fault_set(reading->fault, STATUS_BAD_SYNTAX, "callback: not a name");
        }
    }
    if (value.len > CALLBACK_MAX) {
        return fault_set(reading->fault, STATUS_BAD_SYNTAX, "callback: too long");
    }
    reading->asked->callback = value;
    return STATUS_OK;
}

static enum status take_page(struct reading *reading, struct bytes value)
{
    reading->asked->has_page = true;
    return read_number(value, UINT32_MAX, &reading->asked->page)
               ? STATUS_OK
               : fault_set(reading->fault, STATUS_BAD_SYNTAX, "page: not a number");
}

static enum status take_page_size(struct reading *reading, struct bytes value)
{
    reading->asked->has_page_size = true;
    return read_number(value, UINT32_MAX, &reading->asked->page_size)
               ? STATUS_OK
               : fault_set(reading->fault, STATUS_BAD_SYNTAX, "pageSize: not a number");
}

static enum status take_prefix(struct reading *reading, struct bytes value)
{
    reading->asked->has_prefix = true;
    reading->asked->prefix = value;
    return STATUS_OK;
}

static enum status take_public_only(struct reading *reading, struct bytes value)
{
    reading->asked->says_public_only = true;
    reading->asked->is_public_only = is_yes(value);
    return STATUS_OK;
}

/* Here no value and "yes" are not "true" (§9.2). */
static enum status take_overwrite(struct reading *reading, struct bytes value)
{
    reading->asked->is_create_only = !is_text(value, "true");
    return STATUS_OK;
}

static enum status take_mint(struct reading *reading, struct bytes value)
{
    reading->asked->mints = is_text(value, "true");
    return STATUS_OK;
}

static enum status take_auth(struct reading *reading, struct bytes value)
{
    reading->asked->is_authoritative = is_yes(value);
    return STATUS_OK;
}

static enum status take_cert(struct reading *reading, struct bytes value)
{
    reading->asked->is_certified = is_yes(value);
    return STATUS_OK;
}

static enum status take_do_not_refer(struct reading *reading, struct bytes value)
{
    reading->asked->does_not_refer = is_yes(value);
    return STATUS_OK;
}

static enum status take_pretty(struct reading *reading, struct bytes value)
{
    reading->asked->is_pretty = is_yes(value);
    return STATUS_OK;
}

static const struct parameter_row {
    const char *name;
    enum status (*take)(struct reading *reading, struct bytes value);
} parameters[] = {
    {"type", take_type},
    {"index", take_index},
    {"auth", take_auth},
    {"cert", take_cert},
    {"publicOnly", take_public_only},
    {"doNotRefer", take_do_not_refer},
    {"overwrite", take_overwrite},
    {"mintNewSuffix", take_mint},
    {"pretty", take_pretty},
    {"callback", take_callback},
    {"prefix", take_prefix},
    {"page", take_page},
    {"pageSize", take_page_size},
};

#define PARAMETERS (sizeof(parameters) / sizeof(parameters[0]))

/* Names that are not known are not ours. */
static enum status take(struct reading *reading, struct bytes name, struct bytes value)
{
    for (size_t i = 0; i < PARAMETERS; i++) {
        if (is_text(name, parameters[i].name)) {
            return parameters[i].take(reading, value);
        }
    }
    return STATUS_OK;
}

static enum status read_form(struct reading *reading, struct bytes text)
{
    struct http_parameter parameter;
    enum status status = STATUS_OK;
    size_t count = 0;
    while (http_parameter_next(reading->arena, &text, &parameter, &status)) {
        if (++count > PARAMETERS_MAX) {
            return fault_set(reading->fault, STATUS_BAD_SYNTAX, "more than %d parameters",
                             PARAMETERS_MAX);
        }
        if (status == STATUS_OK) {
            status = take(reading, parameter.name, parameter.value);
        }
        if (status != STATUS_OK) {
            break;
        }
    }
    return status == STATUS_BAD_SYNTAX && reading->fault->status == STATUS_OK
               ? fault_set(reading->fault, status, "a parameter has a broken %% escape")
               : status;
}

/* A member of a JSON body, as a parameter would say it. */
static enum status take_json(struct reading *reading, struct bytes name, const json_t *value)
{
    if (json_is_string(value)) {
        struct bytes text = arena_copy(reading->arena, json_read_bytes(value));
        bool is_lost = text.data == NULL && text.len > 0;
        return is_lost ? STATUS_NO_MEMORY : take(reading, name, text);
    }
    if (json_is_boolean(value)) {
        return take(reading, name, bytes_of_text(json_is_true(value) ? "true" : "false"));
    }
    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        char text[NUMBER_TEXT];
        int len = snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(value));
        struct bytes copy = arena_copy(reading->arena, bytes_of(text, (size_t)len));
        return copy.data == NULL ? STATUS_NO_MEMORY : take(reading, name, copy);
    }
    size_t len = name.len < NAME_TOLD ? name.len : NAME_TOLD;
    while (len < name.len && len > 0 && (name.data[len] & 0xc0) == 0x80) {
        len--; /* no half of a character */
    }
    return fault_set(reading->fault, STATUS_BAD_SYNTAX, "%.*s: neither text, number nor truth",
                     (int)len, (const char *)name.data);
}

static enum status read_members(struct reading *reading, json_t *object)
{
    const char *name;
    json_t *member;
    enum status status = STATUS_OK;
    json_object_foreach(object, name, member)
    {
        struct bytes key = bytes_of_text(name);
        if (!json_is_array(member)) {
            status = take_json(reading, key, member);
        }
        for (size_t i = 0; status == STATUS_OK && i < json_array_size(member); i++) {
            status = take_json(reading, key, json_array_get(member, i));
        }
        if (status != STATUS_OK) {
            return status;
        }
    }
    return status;
}

static enum status read_json(struct reading *reading, struct bytes text)
{
    json_t *object = record_json_load(text, reading->fault);
    if (object == NULL) {
        return STATUS_BAD_SYNTAX;
    }
    enum status status = json_is_object(object)
                             ? read_members(reading, object)
                             : fault_set(reading->fault, STATUS_BAD_SYNTAX, "not a JSON object");
    json_decref(object);
    return status;
}

/* What is sent, without its parameters. */
static bool is_of_type(const struct http_request *request, const char *type)
{
    struct bytes value = http_request_field(request, "Content-Type");
    const uint8_t *end = value.len == 0 ? NULL : memchr(value.data, ';', value.len);
    value.len = end == NULL ? value.len : (size_t)(end - value.data);
    while (value.len > 0 &&
           (value.data[value.len - 1] == ' ' || value.data[value.len - 1] == '\t')) {
        value.len--;
    }
    return bytes_equal_nocase(value, bytes_of_text(type));
}

enum status rest_question_read(struct arena *arena, const struct http_request *request,
                               struct rest_asked *out_asked, struct fault *fault)
{
    struct rest_asked asked = {.index_count = 0};
    struct fault own = {.status = STATUS_OK};
    struct reading reading = {arena, &asked, &own};
    enum status status = read_form(&reading, request->query);
    if (status == STATUS_OK && request->verb == HTTP_VERB_POST && request->body.len > 0) {
        status = is_of_type(request, "application/json") ? read_json(&reading, request->body)
                                                         : read_form(&reading, request->body);
    }
    if (status == STATUS_OK) {
        *out_asked = asked;
    } else {
        *fault = own;
    }
    return status;
}

enum status rest_question_path(struct arena *arena, const struct http_request *request,
                               const char *before, struct bytes *out_part, struct fault *fault)
{
    enum status status =
        http_decode(arena, bytes_from(request->path, strlen(before)), false, out_part);
    return status == STATUS_BAD_SYNTAX ? fault_set(fault, status, "the path has a broken %% escape")
                                       : status;
}

/* --- values ------------------------------------------------------------------------------------
 */

static bool is_value(const json_t *object)
{
    return json_object_get(object, "index") != NULL && json_object_get(object, "type") != NULL &&
           json_object_get(object, "data") != NULL;
}

/* The list of values in any of the shapes; a new reference, NULL: none of them. */
static json_t *values_of(json_t *document, const struct rest_asked *asked, struct fault *fault)
{
    if (json_is_array(document)) {
        return json_incref(document);
    }
    json_t *values = json_object_get(document, "values");
    const json_t *handle = json_object_get(document, "handle");
    if (values == NULL && is_value(document)) {
        return json_pack("[O]", document);
    }
    if (!json_is_array(values)) {
        (void)fault_set(fault, STATUS_BAD_SYNTAX, "neither a list of values nor a record");
        return NULL;
    }
    if (handle != NULL && !bytes_equal(json_read_bytes(handle), asked->handle)) {
        (void)fault_set(fault, STATUS_BAD_SYNTAX, "handle: another than the path's");
        return NULL;
    }
    return json_incref(values);
}

static bool has_index(const struct rest_asked *asked, uint32_t index)
{
    struct wire_reader r = wire_read(asked->indexes);
    for (uint32_t i = 0; i < asked->index_count; i++) {
        if (wire_u32(&r) == index) {
            return true;
        }
    }
    return false;
}

/* The indexes asked for and those of the values are the same (§9.2). */
static enum status check_indexes(const struct rest_asked *asked, const struct body_values *values,
                                 struct fault *fault)
{
    struct wire_reader r = wire_read(asked->indexes);
    for (size_t i = 0; i < values->count; i++) {
        if (!has_index(asked, values->values[i].index)) {
            return fault_set(fault, STATUS_BAD_SYNTAX, "index: the body has %u, the query has not",
                             (unsigned)values->values[i].index);
        }
    }
    for (uint32_t i = 0; i < asked->index_count; i++) {
        uint32_t index = wire_u32(&r);
        size_t at = 0;
        while (at < values->count && values->values[at].index != index) {
            at++;
        }
        if (at == values->count) {
            return fault_set(fault, STATUS_BAD_SYNTAX, "index: the query has %u, the body has not",
                             (unsigned)index);
        }
    }
    return STATUS_OK;
}

static enum status decode_values(struct arena *arena, const struct rest_asked *asked,
                                 json_t *values, struct body_values *out, struct fault *fault)
{
    struct record record;
    json_t *object = json_pack("{s:s, s:O}", "handle", "", "values", values);
    if (object == NULL) {
        return STATUS_NO_MEMORY;
    }
    enum status status = record_json_decode(object, arena, 0, &record, fault);
    json_decref(object);
    if (status == STATUS_OK) {
        *out = (struct body_values){asked->handle, record.values, record.count};
    }
    return status;
}

enum status rest_question_values(struct arena *arena, const struct http_request *request,
                                 const struct rest_asked *asked, struct body_values *out_values,
                                 struct fault *fault)
{
    if (!is_of_type(request, "application/json")) {
        return fault_set(fault, STATUS_BAD_SYNTAX, "Content-Type is not application/json");
    }
    json_t *document = record_json_load(request->body, fault);
    if (document == NULL) {
        return STATUS_BAD_SYNTAX;
    }
    json_t *values = values_of(document, asked, fault);
    struct body_values decoded;
    enum status status = STATUS_BAD_SYNTAX;
    if (values != NULL) {
        status = decode_values(arena, asked, values, &decoded, fault);
    }
    if (status == STATUS_OK && asked->index_count > 0 && !asked->takes_various) {
        status = check_indexes(asked, &decoded, fault);
    }
    json_decref(values);
    json_decref(document);
    if (status == STATUS_OK) {
        *out_values = decoded;
    }
    return status;
}
