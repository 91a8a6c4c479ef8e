/* SPDX-License-Identifier: Apache-2.0
 *
 * Notes (bulk_note.h).
 */
#include "resolver/bulk_note.h"

#include <stdlib.h>

#include "protocol/handle.h"
#include "protocol/json_read.h"
#include "protocol/record_json.h"

/* What a line that leaves an answer out takes beside its name, which JSON may make six times as
 * long. */
#define LEFT_OUT 160
#define ESCAPED 6
#define FILTERS_MAX 1000

void bulk_note_done(struct bulk_note *note)
{
    json_decref(note->document);
    free(note->lines);
    http_body_free(&note->lists);
    http_body_free(&note->text);
    *note = (struct bulk_note){0};
}

/* --- content -----------------------------------------------------------------------------------
 */

bool bulk_is_of_type(const struct http_request *request, const char *type)
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

bool bulk_is_lines(const struct http_request *request)
{
    static const char *const types[] = {"application/x-ndjson", "application/jsonl",
                                        "application/x-jsonlines", "application/json-lines"};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (bulk_is_of_type(request, types[i])) {
            return true;
        }
    }
    return false;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct bytes trim(struct bytes text)
{
    while (text.len > 0 && is_blank(text.data[0])) {
        text = bytes_from(text, 1);
    }
    while (text.len > 0 && is_blank(text.data[text.len - 1])) {
        text.len--;
    }
    return text;
}

bool bulk_next_line(struct bytes *rest, size_t *number, struct bytes *out_line)
{
    struct bytes line = BYTES_NONE;
    while (rest->len > 0 && line.len == 0) {
        const uint8_t *end = memchr(rest->data, '\n', rest->len);
        size_t len = end == NULL ? rest->len : (size_t)(end - rest->data);
        line = trim(bytes_of(rest->data, len));
        *rest = bytes_from(*rest, end == NULL ? len : len + 1);
        (*number)++;
    }
    *out_line = line;
    return line.len > 0;
}

/* --- names -------------------------------------------------------------------------------------
 */

static size_t count_lines(struct bytes text)
{
    size_t number = 0;
    size_t count = 0;
    struct bytes line;
    while (bulk_next_line(&text, &number, &line)) {
        count++;
    }
    return count;
}

static enum status make_room(struct bulk_note *note, size_t count, size_t most, struct fault *fault)
{
    if (count > most) {
        return fault_set(fault, STATUS_NO_ROOM, "%zu names; limits.resolve_names is %zu", count,
                         most);
    }
    note->lines = calloc(count + 1, sizeof(*note->lines));
    return note->lines == NULL ? STATUS_NO_MEMORY : STATUS_OK;
}

static void add_name(struct bulk_note *note, struct bytes name)
{
    note->lines[note->count] = (struct bulk_line){.name = name, .first = note->count};
    note->count++;
    note->open_bytes += name.len;
    note->open_count++;
}

static enum status read_text(struct bulk_note *note, struct bytes body, size_t most,
                             struct fault *fault)
{
    size_t number = 0;
    struct bytes line;
    enum status status = make_room(note, count_lines(body), most, fault);
    while (status == STATUS_OK && bulk_next_line(&body, &number, &line)) {
        add_name(note, line);
    }
    return status;
}

/* A line is a text, or an object with a handle. */
static enum status read_lines(struct bulk_note *note, struct bytes body, size_t most,
                              struct fault *fault)
{
    size_t number = 0;
    struct bytes line;
    enum status status = make_room(note, count_lines(body), most, fault);
    note->document = json_array();
    while (status == STATUS_OK && bulk_next_line(&body, &number, &line)) {
        json_error_t error;
        json_t *said =
            json_loadb((const char *)line.data, line.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
        const json_t *name = json_is_object(said) ? json_object_get(said, "handle") : said;
        struct bytes text = json_is_string(name) ? json_read_bytes(name) : BYTES_NONE;
        if (said != NULL && json_array_append_new(note->document, said) != 0) {
            return STATUS_NO_MEMORY;
        }
        add_name(note, text);
    }
    return status == STATUS_OK && note->document == NULL ? STATUS_NO_MEMORY : status;
}

static enum status read_names(struct bulk_note *note, const json_t *names, size_t most,
                              struct fault *fault)
{
    if (!json_is_array(names)) {
        return fault_set(fault, STATUS_BAD_SYNTAX, "handles: not a list");
    }
    enum status status = make_room(note, json_array_size(names), most, fault);
    for (size_t i = 0; status == STATUS_OK && i < json_array_size(names); i++) {
        const json_t *name = json_array_get(names, i);
        add_name(note, json_is_string(name) ? json_read_bytes(name) : BYTES_NONE);
    }
    return status;
}

/* Finds those that are asked for more than once. */
static enum status pair_up(struct bulk_note *note, const uint64_t key[2])
{
    size_t size = 16;
    while (size < 2 * note->count) {
        size *= 2;
    }
    uint32_t *slots = calloc(size, sizeof(*slots));
    if (slots == NULL) {
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < note->count; i++) {
        struct bulk_line *line = &note->lines[i];
        size_t slot = handle_keyed_hash(line->name, key) & (size - 1);
        while (slots[slot] != 0 && !bytes_equal(note->lines[slots[slot] - 1].name, line->name)) {
            slot = (slot + 1) & (size - 1);
        }
        if (slots[slot] == 0) {
            slots[slot] = (uint32_t)i + 1;
        }
        line->first = slots[slot] - 1;
    }
    free(slots);
    return STATUS_OK;
}

/* --- what is wanted of each --------------------------------------------------------------------
 */

static void put_u32(struct http_body *body, uint32_t number)
{
    uint8_t room[sizeof(number)];
    wire_store_u32(room, number);
    http_body_put(body, bytes_of(room, sizeof(room)));
}

static enum status read_indexes(struct bulk_note *note, const json_t *list, struct fault *fault)
{
    struct rest_asked *asked = &note->asked;
    if (json_array_size(list) > FILTERS_MAX || (list != NULL && !json_is_array(list))) {
        return fault_set(fault, STATUS_BAD_SYNTAX, "indexes: not a list of up to %d", FILTERS_MAX);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *index = json_array_get(list, i);
        json_int_t number = json_is_integer(index) ? json_integer_value(index) : -1;
        if (number < 0 || number > UINT32_MAX) {
            return fault_set(fault, STATUS_BAD_SYNTAX, "indexes: not a number");
        }
        put_u32(&note->lists, (uint32_t)number);
        asked->index_count++;
    }
    return STATUS_OK;
}

static enum status read_types(struct bulk_note *note, const json_t *list, struct fault *fault)
{
    struct rest_asked *asked = &note->asked;
    if (json_array_size(list) > FILTERS_MAX || (list != NULL && !json_is_array(list))) {
        return fault_set(fault, STATUS_BAD_SYNTAX, "types: not a list of up to %d", FILTERS_MAX);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *type = json_array_get(list, i);
        struct bytes text = json_is_string(type) ? json_read_bytes(type) : BYTES_NONE;
        if (text.len == 0 || text.len > MESSAGE_MAX) {
            return fault_set(fault, STATUS_BAD_SYNTAX, "types: not a text");
        }
        put_u32(&note->lists, (uint32_t)text.len);
        http_body_put(&note->lists, text);
        asked->type_count++;
    }
    return STATUS_OK;
}

/* {"handles":[...],"types":[...],"indexes":[...],"public_only":true} */
static enum status read_document(struct bulk_note *note, struct bytes body, size_t most,
                                 struct fault *fault)
{
    note->document = record_json_load(body, fault);
    if (note->document == NULL) {
        return STATUS_BAD_SYNTAX;
    }
    if (json_is_array(note->document)) {
        return read_names(note, note->document, most, fault);
    }
    const json_t *indexes = json_object_get(note->document, "indexes");
    const json_t *types = json_object_get(note->document, "types");
    const json_t *public_only = json_object_get(note->document, "public_only");
    if (indexes != NULL || types != NULL) {
        note->asked.index_count = 0; /* the body's, not the query's */
        note->asked.type_count = 0;
        note->lists.len = 0;
    }
    enum status status = read_indexes(note, indexes, fault);
    size_t split = note->lists.len;
    if (status == STATUS_OK) {
        status = read_types(note, types, fault);
    }
    if (indexes != NULL || types != NULL) {
        note->asked.indexes.len = split;
    }
    if (public_only != NULL) {
        note->asked.says_public_only = true;
        note->asked.is_public_only = json_is_true(public_only);
    }
    return status == STATUS_OK
               ? read_names(note, json_object_get(note->document, "handles"), most, fault)
               : status;
}

static enum status read_query(struct bulk_note *note, const struct http_request *request,
                              struct arena *arena, struct fault *fault)
{
    struct http_request query = *request;
    struct rest_asked *asked = &note->asked;
    query.body = BYTES_NONE;
    enum status status = rest_question_read(arena, &query, asked, fault);
    if (status == STATUS_OK && asked->takes_various) {
        status = fault_set(fault, STATUS_BAD_SYNTAX, "index: not a number");
    }
    if (status == STATUS_OK) { /* the arena is this turn's */
        http_body_put(&note->lists, asked->indexes);
        http_body_put(&note->lists, asked->types);
    }
    return status;
}

/* Its lists are whole now and stay where they are. */
static void point_to_lists(struct bulk_note *note)
{
    struct rest_asked *asked = &note->asked;
    size_t split = asked->indexes.len;
    asked->indexes = bytes_of(note->lists.data, split);
    asked->types = bytes_from(bytes_of(note->lists.data, note->lists.len), split);
    asked->index_room = 0;
    asked->type_room = 0;
}

enum status bulk_note_read(struct bulk_note *note, const struct http_request *request,
                           const struct bulk_note_bounds *bounds, struct arena *arena,
                           struct fault *fault)
{
    size_t most = bounds->most;
    enum status status = read_query(note, request, arena, fault);
    if (status != STATUS_OK) {
        return status;
    }
    if (bulk_is_of_type(request, "application/json")) {
        status = read_document(note, request->body, most, fault);
    } else if (bulk_is_lines(request)) {
        status = read_lines(note, request->body, most, fault);
    } else if (bulk_is_of_type(request, "text/plain")) {
        status = read_text(note, request->body, most, fault);
    } else {
        status = fault_set(fault, STATUS_NOT_SUPPORTED,
                           "application/json, application/x-ndjson and text/plain are taken here");
    }
    if (status == STATUS_OK) {
        point_to_lists(note);
        status = note->lists.failed ? STATUS_NO_MEMORY : pair_up(note, bounds->key);
    }
    return status;
}

/* --- answers -----------------------------------------------------------------------------------
 */

void bulk_note_put(struct bulk_note *note, size_t at, struct bytes json)
{
    struct bulk_line *line = &note->lines[at];
    line->at = note->text.len;
    http_body_put(&note->text, json);
    http_body_put(&note->text, BYTES_LITERAL("\n"));
    line->len = note->text.len - line->at;
    note->told += note->told == at;
    note->open_bytes -= line->name.len;
    note->open_count--;
}

bool bulk_note_is_full(const struct bulk_note *note, size_t len, size_t most)
{
    size_t rest = note->open_bytes * ESCAPED + note->open_count * LEFT_OUT;
    return note->text.len + len + 1 + rest > most;
}

enum status bulk_note_finish(struct bulk_note *note, struct bytes *out_body)
{
    if (note->text.failed) {
        return STATUS_NO_MEMORY;
    }
    if (note->told < note->count) {
        struct http_body ordered = {0};
        for (size_t i = 0; i < note->count; i++) {
            const struct bulk_line *line = &note->lines[i];
            http_body_put(&ordered, bytes_of(note->text.data + line->at, line->len));
        }
        http_body_free(&note->text);
        note->text = ordered;
    }
    *out_body = bytes_of(note->text.data, note->text.len);
    return note->text.failed ? STATUS_NO_MEMORY : STATUS_OK;
}
