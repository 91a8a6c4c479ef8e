/* SPDX-License-Identifier: Apache-2.0
 *
 * REST for single names: /api/handles/<handle>, /api/prefixes/<prefix>, /api/site (protocol.md
 * §9). A client of ourselves: what is asked becomes a packet, the answer becomes JSON. Only records
 * that everybody may read are written straight from the store, as every resolution of them is.
 */
#include "resolver/http_rest.h"

#include <inttypes.h>
#include <stdio.h>

#include "protocol/opcode.h"
#include "registry/repeats.h"
#include "resolver/http_auth.h"
#include "resolver/http_repeat.h"
#include "resolver/http_route.h"
#include "resolver/http_tag.h"
#include "resolver/lookup.h"

#define HANDLES "/api/handles/"
#define PREFIXES "/api/prefixes/"
#define JSON_TYPE "application/json;charset=utf-8"
#define SCRIPT_TYPE "application/javascript;charset=utf-8"

/* --- shared ------------------------------------------------------------------------------------
 */

static bool is_stranger(const struct http_call *call)
{
    struct reference who;
    return !http_call_identity(call, &who);
}

static struct bytes wrap(struct arena *arena, struct bytes callback, struct bytes body)
{
    struct rest_json json = rest_json_new(arena, callback.len + body.len + 3);
    rest_json_raw(&json, callback);
    REST_JSON_RAW(&json, "(");
    rest_json_raw(&json, body);
    REST_JSON_RAW(&json, ");");
    return rest_json_wrote(&json);
}

/* As it was asked for; a document too large for that is left compact. */
static struct bytes shape(struct arena *arena, const struct rest_asked *asked, struct bytes body)
{
    if (asked->is_pretty && body.len > 0) {
        struct rest_json json = rest_json_indented(arena, body);
        body = json.failed ? body : rest_json_wrote(&json);
    }
    return asked->callback.len == 0 || body.len == 0 ? body : wrap(arena, asked->callback, body);
}

enum status http_rest_send(struct http_call *call, const struct rest_asked *asked,
                           const struct http_rest_reply *reply)
{
    bool is_script = asked != NULL && asked->callback.len > 0;
    struct bytes body = asked == NULL ? reply->body : shape(call->scope->arena, asked, reply->body);
    if (body.len == 0) {
        return STATUS_NO_MEMORY;
    }
    http_reply_begin(call, reply->status);
    if (reply->status == 401) {
        http_auth_challenge(call);
    }
    if (reply->tag.len > 0) {
        http_reply_field(call, "ETag", reply->tag);
    }
    if (!is_stranger(call)) { /* it is theirs alone */
        http_reply_field(call, "Cache-Control", BYTES_LITERAL("private, no-cache"));
    }
    if (is_script) { /* nothing else may be made of it */
        http_reply_field(call, "X-Content-Type-Options", BYTES_LITERAL("nosniff"));
    }
    http_reply_body(call, is_script ? SCRIPT_TYPE : JSON_TYPE, body);
    return STATUS_OK;
}

enum status http_rest_refuse(struct http_call *call, unsigned status, enum status why,
                             struct bytes text, struct bytes handle)
{
    const struct http_rest_reply reply = {
        .status = status,
        .body = rest_answer_error(call->scope->arena, status_wire_code(why), text, handle),
    };
    return http_rest_send(call, NULL, &reply);
}

bool http_rest_read(struct http_call *call, const char *before, struct rest_asked *out_asked)
{
    struct fault fault = {.status = STATUS_OK};
    struct bytes name = BYTES_NONE;
    struct arena *arena = call->scope->arena;
    enum status status = rest_question_path(arena, &call->request, before, &name, &fault);
    if (status == STATUS_OK) {
        status = rest_question_read(arena, &call->request, out_asked, &fault);
    }
    if (status == STATUS_OK) {
        out_asked->handle = name;
        return true;
    }
    bool is_theirs = status == STATUS_BAD_SYNTAX;
    (void)http_rest_refuse(call, is_theirs ? 400 : 503,
                           is_theirs ? STATUS_PROTOCOL_ERROR : STATUS_SERVER_BUSY,
                           bytes_of_text(fault.text), BYTES_NONE);
    return false;
}

enum status http_rest_ask(struct http_call *call, struct bytes handle,
                          const struct http_question *question)
{
    if (question->packet.len == 0) {
        return http_rest_refuse(call, 400, STATUS_INVALID_VALUE,
                                BYTES_LITERAL("too long for a message"), handle);
    }
    enum status status = http_ask(call, question);
    return status == STATUS_SERVER_BUSY ? http_rest_refuse(call, 503, status, BYTES_NONE, handle)
                                        : status;
}

static enum status send_answer(struct http_call *call, const struct rest_asked *asked,
                               const struct rest_reply *answer, struct bytes tag)
{
    unsigned status = answer->status;
    if (status == 401 && !call->request.is_tls) {
        status = 403;
    }
    const struct http_rest_reply reply = {status, answer->body, tag};
    return http_rest_send(call, asked, &reply);
}

enum status http_rest_answer(struct http_call *call, enum rest_kind kind,
                             const struct rest_asked *asked, struct bytes packet)
{
    struct rest_reply answer;
    enum status status = rest_answer_read(call->scope->arena, kind, asked->handle, packet, &answer);
    return status == STATUS_OK
               ? send_answer(call, asked, &answer, BYTES_NONE)
               : http_rest_refuse(call, 500, STATUS_ERROR, BYTES_NONE, asked->handle);
}

/* An answer came, and the question is known again. */
static bool come_back(struct http_call *call, const char *before, const struct http_answer *answer,
                      struct rest_asked *out_asked)
{
    if (answer->status != STATUS_OK) {
        (void)http_rest_refuse(call, 503, STATUS_SERVER_BUSY, BYTES_NONE, BYTES_NONE);
        return false;
    }
    return http_rest_read(call, before, out_asked);
}

/* --- GET ---------------------------------------------------------------------------------------
 */

/* The version of a record of ours as whoever asks may know it: what everybody may not read changes
 * it, too. 0: none. */
static uint64_t version_shown(struct http_call *call, struct bytes handle)
{
    struct lookup found;
    bool is_ours = lookup_record(call->scope->snapshot, handle, &found) == STATUS_OK;
    bool may_know =
        is_ours && ((found.record.flags & RECORD_ALL_PUBLIC) != 0 || !is_stranger(call));
    return may_know ? found.record.version : 0;
}

/* The version of a record of ours; 0: there is none. */
static uint64_t version_of(struct http_call *call, struct bytes handle)
{
    struct lookup found;
    bool is_ours = lookup_record(call->scope->snapshot, handle, &found) == STATUS_OK;
    return is_ours ? found.record.version : 0;
}

/* Any page may load a script, and browsers then say who their user is. */
static bool wants_public_only(const struct http_call *call, const struct rest_asked *asked)
{
    if (asked->callback.len > 0) {
        return true;
    }
    return asked->says_public_only ? asked->is_public_only : is_stranger(call);
}

/* 304 when the client has it already. */
static enum status send_resolution(struct http_call *call, const struct rest_asked *asked,
                                   const struct rest_reply *answer, uint64_t version)
{
    char room[HTTP_TAG_ROOM];
    struct bytes tag = BYTES_NONE;
    if (answer->status == 200 && version != 0 && call->request.verb != HTTP_VERB_POST) {
        tag = http_tag_make(version, call->request.query, wants_public_only(call, asked), room);
        if (http_tag_is_known(&call->request, tag)) {
            http_reply_begin(call, 304);
            http_reply_field(call, "ETag", tag);
            http_reply_end(call);
            return STATUS_OK;
        }
    }
    return send_answer(call, asked, answer, tag);
}

/* What an exchange would have counted. */
static void count_straight(const struct http_call *call, uint32_t code)
{
    struct metrics_slot *metrics = call->scope->metrics;
    unsigned transport = call->request.is_tls ? EXCHANGE_HTTPS : EXCHANGE_HTTP;
    metrics_add(metrics, METRIC_requests, transport, 1);
    metrics_add(metrics, METRIC_operations, metrics_opcode_label(OPCODE_RESOLUTION), 1);
    metrics_add(metrics, METRIC_answers, metrics_code_label(code), 1);
    metrics_add(metrics, METRIC_straight_answers, 0, 1);
}

bool http_rest_straight(struct http_call *call, const struct rest_asked *asked,
                        struct lookup *found, struct rest_reply *out_answer)
{
    const struct body_resolution asks = {
        .handle = asked->handle,
        .index_count = asked->index_count,
        .indexes = asked->indexes,
        .type_count = asked->type_count,
        .types = asked->types,
    };
    struct selection selection;
    uint64_t key = 0;
    if (asked->is_certified || http_auth_is_limited(call) ||
        lookup_record(call->scope->snapshot, asked->handle, found) != STATUS_OK ||
        (found->record.flags & RECORD_ALL_PUBLIC) == 0) {
        return false;
    }
    if (asks.type_count >= SELECTION_HASHED) {
        call->scope->random(&key, sizeof(key));
    }
    bool is_answered = selection_init(&selection, &asks, call->scope->arena, key) == STATUS_OK &&
                       rest_answer_record(call->scope->arena, asked->handle, &found->record,
                                          &selection, out_answer) == STATUS_OK;
    if (is_answered) {
        count_straight(call, out_answer->code);
    }
    return is_answered;
}

/* The tag says which version was asked about: an answer that waited may be of another. */
static enum status on_resolved(struct http_call *call, const struct http_answer *answer)
{
    struct rest_asked asked;
    struct rest_reply reply;
    if (!come_back(call, HANDLES, answer, &asked)) {
        return STATUS_OK;
    }
    enum status status =
        rest_answer_read(call->scope->arena, REST_RESOLVE, asked.handle, answer->packet, &reply);
    if (status != STATUS_OK) {
        return http_rest_refuse(call, 500, STATUS_ERROR, BYTES_NONE, asked.handle);
    }
    uint64_t version = version_shown(call, asked.handle);
    return send_resolution(call, &asked, &reply, (uint32_t)version == answer->tag ? version : 0);
}

static enum status resolve(struct http_call *call)
{
    struct rest_asked asked;
    struct lookup found;
    struct rest_reply answer;
    if (!http_rest_read(call, HANDLES, &asked)) {
        return STATUS_OK;
    }
    if (asked.takes_various) {
        return http_rest_refuse(call, 400, STATUS_PROTOCOL_ERROR,
                                BYTES_LITERAL("index: not a number"), asked.handle);
    }
    if (http_rest_straight(call, &asked, &found, &answer)) {
        return send_resolution(call, &asked, &answer, found.record.version);
    }
    struct bytes packet = rest_question_resolve(
        call->scope->arena, &asked, wants_public_only(call, &asked), call->scope->now_ms);
    return http_rest_ask(call, asked.handle,
                         &(struct http_question){.packet = packet,
                                                 .tag = (uint32_t)version_shown(call, asked.handle),
                                                 .answered = on_resolved});
}

enum status http_rest_get(struct http_call *call)
{
    return http_auth_begin(call, resolve);
}

/* --- PUT, DELETE -------------------------------------------------------------------------------
 */

static bool says(const struct message *message, const char *text)
{
    return bytes_equal(rest_answer_text(message), bytes_of_text(text));
}

static enum status refuse_condition(struct http_call *call, struct bytes handle)
{
    return http_rest_refuse(call, 412, STATUS_CONFLICT, bytes_of_text(EXCHANGE_TERMS_BROKEN),
                            handle);
}

static enum status on_changed(struct http_call *call, const struct http_answer *answer)
{
    struct rest_asked asked;
    struct message message;
    if (!come_back(call, HANDLES, answer, &asked)) {
        return STATUS_OK;
    }
    bool is_read = message_decode(answer->packet, &message) == STATUS_OK;
    if (is_read && says(&message, EXCHANGE_TERMS_BROKEN)) {
        return refuse_condition(call, asked.handle);
    }
    if (is_read && says(&message, EXCHANGE_TERMS_CLASH)) {
        return http_repeat_refuse(call);
    }
    enum rest_kind kind = call->request.verb == HTTP_VERB_PUT ? REST_PUT : REST_CHANGE;
    return http_rest_answer(call, kind, &asked, answer->packet);
}

/* What was done once under its key is told again, whatever its conditions say of the record now.
 * false: it was refused. */
static bool read_repeat(struct http_call *call, struct exchange_terms *terms, bool *out_was_done)
{
    struct http_repeat repeat;
    struct repeat_row row;
    if (!http_repeat_read(call, &repeat)) {
        return false;
    }
    terms->has_repeat = repeat.is_wanted;
    memcpy(terms->repeat_key, repeat.key, sizeof(terms->repeat_key));
    memcpy(terms->repeat_digest, repeat.digest, sizeof(terms->repeat_digest));
    *out_was_done = repeat.is_wanted &&
                    repeats_get(call->scope->snapshot, bytes_of(repeat.key, sizeof(repeat.key)),
                                call->scope->now_ms, &row) == STATUS_OK;
    return true;
}

/* Asks for a change, on the conditions of the request. */
static enum status change(struct http_call *call, const struct rest_asked *asked,
                          struct bytes packet)
{
    struct http_question question = {.packet = packet, .answered = on_changed};
    uint64_t version = version_of(call, asked->handle);
    bool was_done = false;
    if (!read_repeat(call, &question.terms, &was_done)) {
        return STATUS_OK;
    }
    if (!was_done && !http_tag_allows(&call->request, version, &question.terms)) {
        if (!is_stranger(call)) {
            return refuse_condition(call, asked->handle);
        }
        question.terms.has_version = true; /* first they say who they are */
        question.terms.version = UINT64_MAX;
    }
    return http_rest_ask(call, asked->handle, &question);
}

static enum status put(struct http_call *call)
{
    struct rest_asked asked;
    struct body_values values;
    struct fault fault = {.status = STATUS_OK};
    struct arena *arena = call->scope->arena;
    if (!http_rest_read(call, HANDLES, &asked)) {
        return STATUS_OK;
    }
    enum status status = rest_question_values(arena, &call->request, &asked, &values, &fault);
    if (status == STATUS_BAD_SYNTAX) {
        return http_rest_refuse(call, 400, STATUS_PROTOCOL_ERROR, bytes_of_text(fault.text),
                                BYTES_NONE);
    }
    if (status == STATUS_INVALID_VALUE) {
        return http_rest_refuse(call, 400, status, bytes_of_text(fault.text), asked.handle);
    }
    if (status != STATUS_OK) {
        return http_rest_refuse(call, 503, STATUS_SERVER_BUSY, BYTES_NONE, asked.handle);
    }
    return change(call, &asked, rest_question_put(arena, &asked, &values, call->scope->now_ms));
}

static enum status remove_it(struct http_call *call)
{
    struct rest_asked asked;
    if (!http_rest_read(call, HANDLES, &asked)) {
        return STATUS_OK;
    }
    if (asked.takes_various) {
        return http_rest_refuse(call, 400, STATUS_PROTOCOL_ERROR,
                                BYTES_LITERAL("index: not a number"), asked.handle);
    }
    return change(call, &asked,
                  rest_question_delete(call->scope->arena, &asked, call->scope->now_ms));
}

enum status http_rest_put(struct http_call *call)
{
    return http_auth_begin(call, put);
}

enum status http_rest_delete(struct http_call *call)
{
    return http_auth_begin(call, remove_it);
}

/* --- the node itself ---------------------------------------------------------------------------
 */

static enum status on_site(struct http_call *call, const struct http_answer *answer)
{
    struct rest_asked asked;
    return come_back(call, "/api/site", answer, &asked)
               ? http_rest_answer(call, REST_SITE, &asked, answer->packet)
               : STATUS_OK;
}

enum status http_rest_site(struct http_call *call)
{
    struct bytes packet = rest_question_name(call->scope->arena, OPCODE_GET_SITE_INFO, BYTES_NONE,
                                             call->scope->now_ms);
    return http_rest_ask(call, BYTES_NONE,
                         &(struct http_question){.packet = packet, .answered = on_site});
}

static enum status on_homed(struct http_call *call, const struct http_answer *answer)
{
    struct rest_asked asked;
    return come_back(call, PREFIXES, answer, &asked)
               ? http_rest_answer(call, REST_CHANGE, &asked, answer->packet)
               : STATUS_OK;
}

static enum status home(struct http_call *call)
{
    struct rest_asked asked;
    bool ends = call->request.verb == HTTP_VERB_DELETE;
    if (!http_rest_read(call, PREFIXES, &asked)) {
        return STATUS_OK;
    }
    /* Browsers send a POST of any page without asking us first; a PUT they do not. */
    if (call->request.verb == HTTP_VERB_POST &&
        http_request_field(&call->request, "Origin").data != NULL) {
        return http_rest_refuse(call, 403, STATUS_ACCESS_DENIED,
                                BYTES_LITERAL("from a web page: only by PUT"), asked.handle);
    }
    struct bytes packet =
        rest_question_name(call->scope->arena, ends ? OPCODE_UNHOME_PREFIX : OPCODE_HOME_PREFIX,
                           asked.handle, call->scope->now_ms);
    return http_rest_ask(call, asked.handle,
                         &(struct http_question){.packet = packet, .answered = on_homed});
}

enum status http_rest_home(struct http_call *call)
{
    return http_auth_begin(call, home);
}

enum status http_rest_none(struct http_call *call)
{
    return http_rest_refuse(call, 404, STATUS_PROTOCOL_ERROR,
                            BYTES_LITERAL("nothing is served under this path"), BYTES_NONE);
}
