/* SPDX-License-Identifier: Apache-2.0
 *
 * From the Handle protocol to REST (rest_answer.h). The order of members is that of the reference
 * server, as captured.
 */
#include "resolver/rest_answer.h"

#include <stdlib.h>

#include "protocol/body.h"
#include "protocol/record_json.h"

/* --- statuses ----------------------------------------------------------------------------------
 */

static const struct status_row {
    uint16_t code;
    uint16_t http;
} statuses[] = {
    {1, 200},   {2, 500},   {3, 503},   {4, 400},   {5, 501},   {6, 500},   {7, 503},   {100, 404},
    {101, 409}, {102, 400}, {200, 400}, {201, 409}, {202, 400}, {301, 400}, {302, 300}, {303, 300},
    {400, 403}, {401, 403}, {402, 401}, {403, 403}, {404, 403}, {603, 429}, {604, 403}, {605, 403},
};

#define STATUSES (sizeof(statuses) / sizeof(statuses[0]))

unsigned rest_answer_status(enum rest_kind kind, uint32_t code, bool may_authenticate)
{
    unsigned http = 500;
    for (size_t i = 0; i < STATUSES; i++) {
        if (statuses[i].code == code) {
            http = statuses[i].http;
        }
    }
    if (kind == REST_RESOLVE && code == 200) {
        return 200;
    }
    return http == 401 && !may_authenticate ? 403 : http;
}

/* --- parts -------------------------------------------------------------------------------------
 */

static void put_head(struct rest_json *json, uint32_t code)
{
    REST_JSON_RAW(json, "{\"responseCode\":");
    rest_json_number(json, code);
}

static void put_handle(struct rest_json *json, struct bytes handle)
{
    REST_JSON_RAW(json, ",\"handle\":");
    rest_json_text(json, handle);
}

static void put_values(struct rest_json *json, const struct value *values, size_t count)
{
    REST_JSON_RAW(json, ",\"values\":[");
    for (size_t i = 0; i < count; i++) {
        rest_json_raw(json, i == 0 ? BYTES_NONE : BYTES_LITERAL(","));
        rest_json_value(json, &values[i]);
    }
    REST_JSON_RAW(json, "]");
}

static enum status finish(struct rest_json *json, struct rest_reply *reply)
{
    REST_JSON_RAW(json, "}");
    reply->body = rest_json_wrote(json);
    return json->failed ? STATUS_NO_MEMORY : STATUS_OK;
}

struct bytes rest_answer_error(struct arena *arena, uint32_t code, struct bytes text,
                               struct bytes handle)
{
    struct rest_reply reply = {.body = BYTES_NONE};
    struct rest_json json = rest_json_new(arena, 2 * (text.len + handle.len));
    put_head(&json, code);
    if (text.len > 0) {
        REST_JSON_RAW(&json, ",\"message\":");
        rest_json_text(&json, text);
    }
    if (handle.len > 0) {
        put_handle(&json, handle);
    }
    (void)finish(&json, &reply);
    return reply.body;
}

struct bytes rest_answer_text(const struct message *answer)
{
    struct bytes body;
    struct digest digest;
    bool has_digest;
    struct body_error error;
    bool is_text = answer->header.response_code != 402 &&
                   body_take_digest(answer, &body, &digest, &has_digest) == STATUS_OK &&
                   body_error_decode(body, &error) == STATUS_OK;
    return is_text ? error.text : BYTES_NONE;
}

/* --- what is answered --------------------------------------------------------------------------
 */

/* A packet being read, and the answer being written. */
struct view {
    struct arena *arena;
    struct bytes handle;
    struct message answer;
    struct bytes body; /* without digest */
};

static enum status show_values(const struct view *view, struct rest_reply *reply)
{
    struct body_values values;
    enum status status = body_values_decode(view->body, view->arena, &values);
    if (status != STATUS_OK) {
        return status;
    }
    struct rest_json json =
        rest_json_new(view->arena, rest_json_expected(view->body.len, values.count));
    put_head(&json, reply->code);
    put_handle(&json, view->handle);
    put_values(&json, values.values, values.count);
    return finish(&json, reply);
}

static enum status show_none(const struct view *view, struct rest_reply *reply)
{
    struct rest_json json = rest_json_new(view->arena, 2 * view->handle.len);
    put_head(&json, reply->code);
    REST_JSON_RAW(&json, ",\"values\":[]");
    put_handle(&json, view->handle);
    return finish(&json, reply);
}

static enum status show_referral(const struct view *view, struct rest_reply *reply)
{
    struct body_referral referral;
    enum status status = body_referral_decode(view->body, view->arena, &referral);
    if (status != STATUS_OK) {
        return status;
    }
    struct rest_json json =
        rest_json_new(view->arena, rest_json_expected(view->body.len, referral.count));
    put_head(&json, reply->code);
    put_handle(&json, view->handle);
    if (referral.handle.len > 0) {
        REST_JSON_RAW(&json, ",\"referralHandle\":");
        rest_json_text(&json, referral.handle);
    }
    if (referral.count > 0) {
        put_values(&json, referral.values, referral.count);
    }
    return finish(&json, reply);
}

/* The name in the answer is the minted one, else the one asked for. */
static enum status show_put(const struct view *view, struct rest_reply *reply)
{
    struct bytes handle = view->handle;
    bool overwrote = (view->answer.header.flags & (uint32_t)MESSAGE_OVERWRITE) != 0;
    enum status status =
        view->body.len == 0 ? STATUS_OK : body_handle_decode(view->body, true, &handle);
    reply->status = overwrote ? 200 : 201;
    reply->body = rest_answer_error(view->arena, reply->code, BYTES_NONE, handle);
    return status == STATUS_OK && reply->body.len == 0 ? STATUS_NO_MEMORY : status;
}

static enum status show_site(const struct view *view, struct rest_reply *reply)
{
    struct bytes site;
    enum status status = body_site_decode(view->body, &site);
    if (status != STATUS_OK) {
        return status;
    }
    json_t *tree = site_json_encode(site);
    char *text = tree == NULL ? NULL : json_dumps(tree, JSON_COMPACT);
    json_decref(tree);
    if (text == NULL) {
        return STATUS_PROTOCOL_ERROR;
    }
    struct rest_json json = rest_json_new(view->arena, strlen(text) + 64);
    put_head(&json, reply->code);
    REST_JSON_RAW(&json, ",\"site\":");
    rest_json_raw(&json, bytes_of_text(text));
    free(text);
    return finish(&json, reply);
}

static enum status show_plain(const struct view *view, struct rest_reply *reply)
{
    struct bytes text = reply->code == 1 ? BYTES_NONE : rest_answer_text(&view->answer);
    reply->body = rest_answer_error(view->arena, reply->code, text, view->handle);
    return reply->body.len == 0 ? STATUS_NO_MEMORY : STATUS_OK;
}

static enum status show(const struct view *view, enum rest_kind kind, struct rest_reply *reply)
{
    bool is_done = reply->code == 1;
    if (reply->code == 302 || reply->code == 303) {
        return show_referral(view, reply);
    }
    if (kind == REST_RESOLVE && reply->code == 200) {
        return show_none(view, reply);
    }
    if (kind == REST_RESOLVE && is_done) {
        return show_values(view, reply);
    }
    if (kind == REST_PUT && is_done) {
        return show_put(view, reply);
    }
    return kind == REST_SITE && is_done ? show_site(view, reply) : show_plain(view, reply);
}

enum status rest_answer_read(struct arena *arena, enum rest_kind kind, struct bytes handle,
                             struct bytes packet, struct rest_reply *out_reply)
{
    struct digest digest;
    bool has_digest;
    struct view view = {.arena = arena, .handle = handle};
    enum status status = message_decode(packet, &view.answer);
    if (status == STATUS_OK) {
        status = body_take_digest(&view.answer, &view.body, &digest, &has_digest);
    }
    if (status != STATUS_OK) {
        return status;
    }
    uint32_t code = view.answer.header.response_code;
    struct rest_reply reply = {rest_answer_status(kind, code, true), code, BYTES_NONE};
    status = show(&view, kind, &reply);
    if (status == STATUS_OK) {
        *out_reply = reply;
    }
    return status;
}

/* --- the short way ------------------------------------------------------------------------------
 */

enum status rest_answer_record(struct arena *arena, struct bytes handle,
                               const struct record_row *record, const struct selection *selection,
                               struct rest_reply *out_reply)
{
    struct wire_reader r = wire_read(record->values);
    uint32_t count = wire_count(&r, VALUE_SMALLEST);
    struct rest_json json = rest_json_new(arena, rest_json_expected(record->values.len, count));
    struct value value;
    bool is_first = true;
    put_head(&json, 1);
    put_handle(&json, handle);
    REST_JSON_RAW(&json, ",\"values\":[");
    for (uint32_t i = 0; i < count && value_decode(&r, &value) == STATUS_OK; i++) {
        if (selection_has(selection, &value)) {
            rest_json_raw(&json, is_first ? BYTES_NONE : BYTES_LITERAL(","));
            rest_json_value(&json, &value);
            is_first = false;
        }
    }
    REST_JSON_RAW(&json, "]");
    struct rest_reply reply = {200, 1, BYTES_NONE};
    enum status status = wire_done(&r) ? finish(&json, &reply) : STATUS_CORRUPT;
    if (status == STATUS_OK && is_first) {
        const struct view view = {.arena = arena, .handle = handle};
        reply.code = 200;
        status = show_none(&view, &reply);
    }
    if (status == STATUS_OK) {
        *out_reply = reply;
    }
    return status;
}

/* --- lists -------------------------------------------------------------------------------------
 */

enum status rest_answer_names(struct rest_json *json, const struct message *answer, uint64_t *count)
{
    struct bytes body;
    struct digest digest;
    bool has_digest;
    struct body_names names;
    enum status status = body_take_digest(answer, &body, &digest, &has_digest);
    if (status == STATUS_OK) {
        status = body_names_decode(body, &names);
    }
    if (status != STATUS_OK) {
        return status;
    }
    struct wire_reader r = wire_read(names.names);
    struct bytes name;
    while (body_next_text(&r, &name)) {
        rest_json_raw(json, (*count)++ == 0 ? BYTES_NONE : BYTES_LITERAL(","));
        rest_json_text(json, name);
    }
    return json->failed ? STATUS_NO_MEMORY : STATUS_OK;
}
