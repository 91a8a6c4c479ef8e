/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading, keeping and telling batches (bulk_batch.h).
 */
#include "resolver/bulk_batch.h"

#include <stdlib.h>

#include "protocol/body.h"
#include "protocol/json_read.h"
#include "protocol/record_json.h"

#define SLOTS 4096 /* at most half full with the 2 000 items of a set */

struct batch *batch_new(bool is_all)
{
    struct batch *batch = calloc(1, sizeof(*batch));
    if (batch != NULL) {
        batch->holders = 1;
        batch->is_all = is_all;
    }
    return batch;
}

struct batch *batch_hold(struct batch *batch)
{
    batch->holders++;
    return batch;
}

void batch_release(struct batch *batch)
{
    if (batch == NULL || --batch->holders > 0) {
        return;
    }
    for (size_t i = 0; i < batch->count; i++) {
        free(batch->items[i].text);
    }
    change_set_free(batch->set);
    http_body_free(&batch->bytes);
    free(batch->items);
    free(batch->slots);
    free(batch);
}

/* --- lines -------------------------------------------------------------------------------------
 */

static enum batch_operation operation_of(const json_t *name)
{
    static const char *const names[] = {"", "create", "put", "delete"};
    const char *text = json_string_value(name);
    for (int i = BATCH_CREATE; text != NULL && i <= BATCH_DELETE; i++) {
        if (strcmp(text, names[i]) == 0) {
            return (enum batch_operation)i;
        }
    }
    return BATCH_UNKNOWN;
}

/* The handle, and behind it the values that are to be put. */
static enum status keep(struct batch *batch, struct batch_item *item,
                        const struct body_values *body, struct arena *arena)
{
    bool is_put = item->operation != BATCH_DELETE;
    size_t len = 4 + body->handle.len;
    len += is_put ? value_list_encoded_len(body->values, body->count) : 0;
    uint8_t *room = arena_alloc(arena, len);
    if (room == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct wire_writer w = wire_write(room, len);
    if (is_put) {
        body_values_encode(&w, body);
    } else {
        wire_put_bytes(&w, body->handle);
    }
    item->at = batch->bytes.len;
    item->len = len;
    item->handle_len = body->handle.len;
    http_body_put(&batch->bytes, wire_wrote(&w));
    return w.failed || batch->bytes.failed ? STATUS_NO_MEMORY : STATUS_OK;
}

static enum status read_version(struct batch_item *item, const json_t *object, struct fault *fault)
{
    static const int64_t bounds[2] = {0, INT64_MAX};
    int64_t version = -1;
    enum status status = json_read_number(object, "if_version", NULL, bounds, &version, fault);
    item->has_version = version >= 0;
    item->if_version = version >= 0 ? (uint64_t)version : 0;
    return status;
}

/* The handle is known as soon as it can be, to be named beside whatever is wrong. */
static enum status read_item(struct batch *batch, struct batch_item *item, const json_t *object,
                             struct arena *arena, struct fault *fault)
{
    struct record record = {0};
    struct body_values body = {0};
    if (!json_is_object(object)) {
        return fault_set(fault, STATUS_BAD_SYNTAX, "not a JSON object");
    }
    enum status status = json_read_text(object, "handle", NULL, &body.handle, fault);
    if (status != STATUS_OK) {
        return status;
    }
    enum batch_operation operation = operation_of(json_object_get(object, "op"));
    item->operation = BATCH_DELETE;
    status = keep(batch, item, &body, arena);
    item->operation = operation;
    if (status != STATUS_OK) {
        return status;
    }
    if (operation == BATCH_UNKNOWN) {
        return fault_set(fault, STATUS_BAD_SYNTAX, "op: not create, put or delete");
    }
    status = read_version(item, object, fault);
    if (status != STATUS_OK || operation == BATCH_DELETE) {
        return status;
    }
    status = record_json_decode(object, arena, 0, &record, fault);
    if (status == STATUS_OK) {
        batch->bytes.len = item->at;
        body.values = record.values;
        body.count = record.count;
        status = keep(batch, item, &body, arena);
    }
    return status;
}

static struct batch_item *next_item(struct batch *batch)
{
    if (batch->count == batch->capacity) {
        size_t capacity = batch->capacity == 0 ? 64 : 2 * batch->capacity;
        struct batch_item *items = realloc(batch->items, capacity * sizeof(*items));
        if (items == NULL) {
            return NULL;
        }
        batch->items = items;
        batch->capacity = capacity;
    }
    struct batch_item *item = &batch->items[batch->count++];
    *item = (struct batch_item){.status = STATUS_PENDING};
    return item;
}

enum status batch_add(struct batch *batch, struct bytes line, size_t number, struct arena *arena)
{
    struct fault fault = {.status = STATUS_OK};
    struct batch_item *item = next_item(batch);
    if (item == NULL) {
        return STATUS_NO_MEMORY;
    }
    item->line = number;
    json_t *object = record_json_load(line, &fault);
    enum status status =
        object == NULL ? STATUS_BAD_SYNTAX : read_item(batch, item, object, arena, &fault);
    json_decref(object);
    if (status != STATUS_OK && status != STATUS_NO_MEMORY) {
        item->is_malformed = true;
        batch_refuse(item, status == STATUS_BAD_SYNTAX ? STATUS_PROTOCOL_ERROR : status,
                     fault.text);
        status = STATUS_OK;
    }
    return status;
}

/* --- while it is carried out -------------------------------------------------------------------
 */

struct bytes batch_handle(const struct batch *batch, const struct batch_item *item)
{
    return item->handle_len == 0 ? BYTES_NONE
                                 : bytes_of(batch->bytes.data + item->at + 4, item->handle_len);
}

void batch_refuse(struct batch_item *item, enum status status, const char *text)
{
    free(item->text);
    item->status = status;
    item->is_in_set = false;
    item->version = 0;
    item->text = text[0] == '\0' ? NULL : strdup(text);
}

void batch_begin_again(struct batch *batch)
{
    change_set_free(batch->set);
    batch->set = NULL;
    batch->next = 0;
    batch->is_committed = false;
    for (size_t i = 0; i < batch->count; i++) {
        if (!batch->items[i].is_malformed) {
            batch_refuse(&batch->items[i], STATUS_PENDING, "");
        }
    }
    if (batch->slots != NULL) {
        memset(batch->slots, 0, SLOTS * sizeof(*batch->slots));
    }
}

static bool are_same(struct bytes a, struct bytes b, enum case_rule rule)
{
    uint8_t folded[2][HANDLE_MAX];
    if (a.len != b.len || a.len > HANDLE_MAX) {
        return false;
    }
    return bytes_equal(handle_fold(a, rule, folded[0]), handle_fold(b, rule, folded[1]));
}

const struct batch_item *batch_meets(struct batch *batch, size_t at, enum case_rule rule,
                                     enum status *out_status)
{
    struct bytes handle = batch_handle(batch, &batch->items[at]);
    if (batch->slots == NULL) {
        batch->slots = calloc(SLOTS, sizeof(*batch->slots));
    }
    if (batch->slots == NULL || batch->count > SLOTS / 2) {
        *out_status = STATUS_NO_MEMORY;
        return NULL;
    }
    size_t slot = handle_keyed_hash(handle, batch->hash_key) % SLOTS;
    while (batch->slots[slot] != 0) {
        const struct batch_item *other = &batch->items[batch->slots[slot] - 1];
        if (other == &batch->items[at]) { /* judged once more */
            return NULL;
        }
        if (are_same(batch_handle(batch, other), handle, rule)) {
            return other;
        }
        slot = (slot + 1) % SLOTS;
    }
    batch->slots[slot] = (uint32_t)at + 1;
    return NULL;
}

static bool is_done(const struct batch_item *item)
{
    return item->status == STATUS_OK;
}

size_t batch_refused(const struct batch *batch)
{
    size_t count = 0;
    for (size_t i = 0; i < batch->count; i++) {
        count += !is_done(&batch->items[i]) && batch->items[i].status != STATUS_PENDING;
    }
    return count;
}

/* --- the outcome -------------------------------------------------------------------------------
 */

void batch_take(struct batch *batch, const struct change_set *done)
{
    bool is_whole = change_set_status(done) == STATUS_OK;
    for (size_t i = 0, at = 0; i < batch->count; i++) {
        struct batch_item *item = &batch->items[i];
        if (!item->is_in_set || at >= change_set_count(done)) {
            continue;
        }
        enum status status = change_set_item_status(done, at);
        item->is_unchanged = status == STATUS_UNCHANGED;
        item->version = is_whole ? change_set_item_version(done, at) : 0;
        if (status == STATUS_OK || status == STATUS_UNCHANGED) {
            item->status = STATUS_OK;
        } else if (status != STATUS_PENDING) {
            uint64_t version = item->version;
            batch_refuse(item, status, change_set_item_reason(done, at));
            item->version = version;
        }
        at++;
    }
    batch->is_committed = is_whole;
}

/* index 4 ‖ code 2 ‖ text, of each that was refused. */
enum status batch_note(const struct batch *batch, struct http_body *out_note)
{
    for (size_t i = 0; i < batch->count; i++) {
        const struct batch_item *item = &batch->items[i];
        if (item->is_in_set) {
            continue;
        }
        uint8_t head[10];
        struct wire_writer w = wire_write(head, sizeof(head));
        struct bytes text = bytes_of_text(item->text);
        wire_put_u32(&w, (uint32_t)i);
        wire_put_u16(&w, status_wire_code(item->status));
        wire_put_u32(&w, (uint32_t)text.len);
        http_body_put(out_note, wire_wrote(&w));
        http_body_put(out_note, text);
    }
    return out_note->failed ? STATUS_NO_MEMORY : STATUS_OK;
}

static enum status recall_refused(struct batch *batch, struct bytes note)
{
    struct wire_reader r = wire_read(note);
    while (wire_ok(&r) && r.at < r.end) {
        uint32_t index = wire_u32(&r);
        uint16_t code = wire_u16(&r);
        struct bytes text = wire_bytes(&r);
        char words[sizeof(((struct fault *)0)->text)];
        if (!wire_ok(&r) || index >= batch->count || text.len >= sizeof(words)) {
            return STATUS_CORRUPT;
        }
        if (text.len > 0) {
            memcpy(words, text.data, text.len);
        }
        words[text.len] = '\0';
        batch_refuse(&batch->items[index], status_of_wire_code(code), words);
    }
    return wire_done(&r) ? STATUS_OK : STATUS_CORRUPT;
}

enum status batch_recall(struct batch *batch, const struct repeat_row *row)
{
    struct wire_reader r = wire_read(row->items);
    struct repeat_item outcome;
    for (size_t i = 0; i < batch->count; i++) {
        batch_refuse(&batch->items[i], STATUS_PENDING, "");
    }
    enum status status = recall_refused(batch, row->note);
    for (size_t i = 0; status == STATUS_OK && i < batch->count; i++) {
        struct batch_item *item = &batch->items[i];
        if (item->status != STATUS_PENDING) {
            continue;
        }
        if (!repeats_next_item(&r, &outcome)) {
            return STATUS_CORRUPT;
        }
        item->status = status_of_wire_code(outcome.code);
        item->is_unchanged = outcome.is_unchanged;
        item->version = outcome.version;
    }
    batch->is_committed = true;
    batch->was_repeated = true;
    return status == STATUS_OK && wire_done(&r) ? STATUS_OK : STATUS_CORRUPT;
}

/* --- telling -----------------------------------------------------------------------------------
 */

static const char *words_of(const struct batch_item *item)
{
    return item->text != NULL ? item->text : status_english(item->status);
}

void batch_write_item(const struct batch *batch, size_t at, struct rest_json *json)
{
    static const char *const names[] = {NULL, "create", "put", "delete"};
    const struct batch_item *item = &batch->items[at];
    bool is_left = item->status == STATUS_PENDING || (is_done(item) && !batch->is_committed);
    REST_JSON_RAW(json, "{\"line\":");
    rest_json_number(json, item->line);
    if (item->operation != BATCH_UNKNOWN) {
        REST_JSON_RAW(json, ",\"op\":");
        rest_json_text(json, bytes_of_text(names[item->operation]));
    }
    if (item->handle_len > 0) {
        REST_JSON_RAW(json, ",\"handle\":");
        rest_json_text(json, batch_handle(batch, item));
    }
    if (is_left) { /* what would have been done, had it not been for others */
        REST_JSON_RAW(json, ",\"done\":false}\n");
        return;
    }
    REST_JSON_RAW(json, ",\"responseCode\":");
    rest_json_number(json, status_wire_code(item->status));
    if (!is_done(item)) {
        REST_JSON_RAW(json, ",\"message\":");
        rest_json_text(json, bytes_of_text(words_of(item)));
    } else {
        REST_JSON_RAW(json, ",\"version\":");
        rest_json_number(json, item->version);
        rest_json_raw(json, item->is_unchanged ? BYTES_LITERAL(",\"unchanged\":true") : BYTES_NONE);
    }
    REST_JSON_RAW(json, "}\n");
}

void batch_write_summary(const struct batch *batch, struct rest_json *json)
{
    size_t done = 0;
    size_t unchanged = 0;
    for (size_t i = 0; batch->is_committed && i < batch->count; i++) {
        done += is_done(&batch->items[i]) && !batch->items[i].is_unchanged;
        unchanged += is_done(&batch->items[i]) && batch->items[i].is_unchanged;
    }
    REST_JSON_RAW(json, "{\"summary\":{\"mode\":");
    rest_json_raw(json, batch->is_all ? BYTES_LITERAL("\"all\"") : BYTES_LITERAL("\"item\""));
    REST_JSON_RAW(json, ",\"items\":");
    rest_json_number(json, batch->count);
    REST_JSON_RAW(json, ",\"done\":");
    rest_json_number(json, done);
    REST_JSON_RAW(json, ",\"unchanged\":");
    rest_json_number(json, unchanged);
    REST_JSON_RAW(json, ",\"refused\":");
    rest_json_number(json, batch_refused(batch));
    REST_JSON_RAW(json, "}}\n");
}
