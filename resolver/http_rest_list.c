/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists over REST: /api/handles?prefix=, /api/prefixes (protocol.md §9.1). The names come in
 * messages of operations 105 and 302; a page of handles is what the operation tells, so that what
 * is not asked for is not sent through messages either.
 */
#include <stdlib.h>

#include "protocol/opcode.h"
#include "resolver/http_auth.h"
#include "resolver/http_rest.h"
#include "resolver/http_route.h"
#include "resolver/lookup.h"

#define LIST_HEAD 4096 /* what stands around the names, a prefix of any length included */

/* The call's state: names as they come. */
struct listing {
    struct http_body names;
    uint64_t count;
};

static void listing_free(void *state)
{
    struct listing *listing = state;
    http_body_free(&listing->names);
    free(listing);
}

static bool begin(struct http_call *call)
{
    struct listing *listing = calloc(1, sizeof(*listing));
    if (listing == NULL) {
        (void)http_rest_refuse(call, 503, STATUS_SERVER_BUSY, BYTES_NONE, BYTES_NONE);
        return false;
    }
    call->state = listing;
    call->state_free = listing_free;
    return true;
}

static void put_number(struct rest_json *json, const char *name, uint64_t number)
{
    REST_JSON_RAW(json, ",\"");
    rest_json_raw(json, bytes_of_text(name));
    REST_JSON_RAW(json, "\":");
    rest_json_number(json, number);
}

/* {"responseCode":1,"prefix":...,"totalCount":"...","page":...,"pageSize":...,NAME:[...]} */
static enum status send_list(struct http_call *call, const struct rest_asked *asked,
                             const char *name, uint64_t total)
{
    const struct listing *listing = call->state;
    if (asked->callback.len > 0) { /* lists are not for everybody, and any page may load a script */
        return http_rest_refuse(call, 400, STATUS_PROTOCOL_ERROR,
                                BYTES_LITERAL("callback: not for lists"), BYTES_NONE);
    }
    struct rest_json json = rest_json_new(call->scope->arena, listing->names.len + 256);
    REST_JSON_RAW(&json, "{\"responseCode\":1");
    if (asked->has_prefix) {
        REST_JSON_RAW(&json, ",\"prefix\":");
        rest_json_text(&json, asked->prefix);
    }
    REST_JSON_RAW(&json, ",\"totalCount\":\"");
    rest_json_number(&json, total);
    REST_JSON_RAW(&json, "\"");
    if (asked->has_page && asked->has_page_size) {
        put_number(&json, "page", asked->page);
        put_number(&json, "pageSize", asked->page_size);
    }
    REST_JSON_RAW(&json, ",\"");
    rest_json_raw(&json, bytes_of_text(name));
    REST_JSON_RAW(&json, "\":[");
    rest_json_raw(&json, bytes_of(listing->names.data, listing->names.len));
    REST_JSON_RAW(&json, "]}");
    return http_rest_send(call, asked,
                          &(struct http_rest_reply){.status = 200, .body = rest_json_wrote(&json)});
}

static enum status refuse_length(struct http_call *call, struct bytes prefix)
{
    return http_rest_refuse(call, 400, STATUS_PROTOCOL_ERROR,
                            BYTES_LITERAL("the list is too long: ask for pages"), prefix);
}

/* One message more: PENDING while others follow, OK at the end; else it was replied (DROP). */
static enum status take(struct http_call *call, const struct rest_asked *asked,
                        const struct http_answer *answer)
{
    struct listing *listing = call->state;
    struct message message;
    if (answer->status != STATUS_OK || message_decode(answer->packet, &message) != STATUS_OK) {
        (void)http_rest_refuse(call, 503, STATUS_SERVER_BUSY, BYTES_NONE, asked->handle);
        return STATUS_DROP;
    }
    if (message.header.response_code != status_wire_code(STATUS_OK)) {
        (void)http_rest_answer(call, REST_CHANGE, asked, answer->packet);
        return STATUS_DROP;
    }
    struct rest_json json = rest_json_new(call->scope->arena, 2 * message.body.len);
    uint64_t count = listing->count;
    if (rest_answer_names(&json, &message, &count) != STATUS_OK) {
        (void)http_rest_refuse(call, 500, STATUS_ERROR, BYTES_NONE, asked->handle);
        return STATUS_DROP;
    }
    listing->count = count;
    http_body_put(&listing->names, rest_json_wrote(&json));
    int64_t most = call->scope->generation->settings->limits_http_answer;
    if (listing->names.failed || (int64_t)(listing->names.len + LIST_HEAD) > most) {
        (void)refuse_length(call, asked->handle);
        return STATUS_DROP;
    }
    return answer->is_last ? STATUS_OK : STATUS_PENDING;
}

/* --- handles -----------------------------------------------------------------------------------
 */

static uint64_t identifiers_under(struct http_call *call, struct bytes prefix)
{
    struct lookup found;
    struct snapshot *snapshot = call->scope->snapshot;
    return lookup_prefix(snapshot, prefix, &found) == STATUS_OK
               ? registry_counter(snapshot, found.home.prefix, COUNTER_IDENTIFIERS)
               : 0;
}

static enum status on_handles(struct http_call *call, const struct http_answer *answer)
{
    struct rest_asked asked;
    if (!http_rest_read(call, "/api/handles", &asked)) {
        return STATUS_OK;
    }
    asked.handle = asked.prefix; /* whom refusals name */
    enum status status = take(call, &asked, answer);
    if (status != STATUS_OK) {
        return status == STATUS_PENDING ? status : STATUS_OK;
    }
    return send_list(call, &asked, "handles", identifiers_under(call, asked.prefix));
}

static enum status list_handles(struct http_call *call)
{
    struct rest_asked asked;
    if (!http_rest_read(call, "/api/handles", &asked)) {
        return STATUS_OK;
    }
    if (!asked.has_prefix) {
        return http_rest_refuse(call, 400, STATUS_PROTOCOL_ERROR, BYTES_LITERAL("prefix: missing"),
                                BYTES_NONE);
    }
    if (!begin(call)) {
        return STATUS_OK;
    }
    const struct http_question question = {
        .packet = rest_question_name(call->scope->arena, OPCODE_LIST_HANDLES, asked.prefix,
                                     call->scope->now_ms),
        .answered = on_handles,
        .terms = {.is_page = asked.has_page_size,
                  .page_from = asked.page * asked.page_size,
                  .page_len = asked.page_size},
    };
    return http_rest_ask(call, asked.prefix, &question);
}

enum status http_rest_list_handles(struct http_call *call)
{
    return http_auth_begin(call, list_handles);
}

/* --- prefixes: few enough to be told whole -----------------------------------------------------
 */

/* Keeps the page of the names that are there. */
static void cut_page(struct listing *listing, const struct rest_asked *asked)
{
    struct http_body *names = &listing->names;
    uint64_t from = asked->page * asked->page_size;
    uint64_t at = 0;
    size_t start = names->len;
    size_t end = names->len;
    if (!asked->has_page_size) {
        return;
    }
    for (size_t i = 0; i < names->len; i++) { /* labels hold no comma */
        start = at == from && start == names->len ? i : start;
        at += names->data[i] == ',' ? 1 : 0;
        if (at == from + asked->page_size && names->data[i] == ',') {
            end = i;
            break;
        }
    }
    names->len = asked->page_size == 0 || start >= end ? 0 : end - start;
    memmove(names->data, names->data + start, names->len);
}

static enum status on_prefixes(struct http_call *call, const struct http_answer *answer)
{
    struct rest_asked asked;
    struct listing *listing = call->state;
    if (!http_rest_read(call, "/api/prefixes", &asked)) {
        return STATUS_OK;
    }
    asked.has_prefix = false;
    enum status status = take(call, &asked, answer);
    if (status != STATUS_OK) {
        return status == STATUS_PENDING ? status : STATUS_OK;
    }
    if (listing->names.len > 0) {
        cut_page(listing, &asked);
    }
    return send_list(call, &asked, "prefixes", listing->count);
}

static enum status list_prefixes(struct http_call *call)
{
    if (!begin(call)) {
        return STATUS_OK;
    }
    const struct http_question question = {
        .packet = rest_question_name(call->scope->arena, OPCODE_LIST_HOMED_PREFIXES,
                                     BYTES_LITERAL("/"), call->scope->now_ms),
        .answered = on_prefixes,
    };
    return http_rest_ask(call, BYTES_NONE, &question);
}

enum status http_rest_list_prefixes(struct http_call *call)
{
    return http_auth_begin(call, list_prefixes);
}
