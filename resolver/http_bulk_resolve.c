/* SPDX-License-Identifier: Apache-2.0
 *
 * POST /v1/handles:resolve: many names at once, a delivery note. Each is asked for as GET asks for
 * one; the answer has a line of JSON for each, in their order.
 *
 * What the node knows is answered in slices of well under a millisecond, between which others have
 * their turn; of names that other nodes hold some are out at a time.
 */
#include <stdio.h>
#include <stdlib.h>

#include "resolver/bulk_note.h"
#include "resolver/http_auth.h"
#include "resolver/http_parts.h"
#include "resolver/http_rest.h"
#include "resolver/http_route.h"
#include "resolver/lookup.h"

#define OUT_MAX 32 /* questions of a note that wait */
#define SLICE_NAMES 64
#define SLICE_BYTES (128u << 10)
#define LINES_TYPE "application/x-ndjson"

/* The call's state. */
struct resolving {
    struct http_worker *http;
    struct bulk_note note;
    size_t next;   /* name to be looked at */
    size_t copied; /* names from here on may repeat one that was late */
    size_t out;    /* questions not answered */
    bool is_slicing;
};

static void resolving_free(void *state)
{
    struct resolving *resolving = state;
    resolving->http->bulk_count--;
    bulk_note_done(&resolving->note);
    free(resolving);
}

/* --- lines -------------------------------------------------------------------------------------
 */

static size_t most_bytes(const struct http_call *call)
{
    size_t most = (size_t)call->worker->generation->settings->limits_http_answer;
    return most < HTTP_BODY_MAX ? most : HTTP_BODY_MAX;
}

static void refuse_line(struct http_call *call, size_t at, enum status why, const char *text)
{
    struct bulk_note *note = &((struct resolving *)call->state)->note;
    bulk_note_put(note, at,
                  rest_answer_error(call->scope->arena, status_wire_code(why), bytes_of_text(text),
                                    note->lines[at].name));
}

static void put_line(struct http_call *call, size_t at, struct bytes json)
{
    struct bulk_note *note = &((struct resolving *)call->state)->note;
    if (json.len == 0) {
        refuse_line(call, at, STATUS_SERVER_BUSY, "no memory");
    } else if (bulk_note_is_full(note, json.len, most_bytes(call))) {
        refuse_line(call, at, STATUS_SERVER_BUSY,
                    "left out: the answer is as long as limits.http_answer allows");
    } else {
        bulk_note_put(note, at, json);
    }
}

static enum status finish(struct http_call *call)
{
    struct resolving *resolving = call->state;
    struct bytes body;
    if (bulk_note_finish(&resolving->note, &body) != STATUS_OK) {
        return STATUS_NO_MEMORY;
    }
    http_reply_begin(call, 200);
    http_reply_body(call, LINES_TYPE, body);
    return STATUS_OK;
}

/* --- one name ----------------------------------------------------------------------------------
 */

static enum status bulk_go_on(struct http_call *call, const struct http_answer *answer);

/* After an answer: more may be asked, or nothing is left. */
static enum status go_on_soon(struct http_call *call)
{
    const struct resolving *resolving = call->state;
    if (resolving->is_slicing) {
        return STATUS_PENDING;
    }
    bool may_ask = resolving->next < resolving->note.count && resolving->out < OUT_MAX;
    return may_ask || resolving->out == 0 ? http_call_later(call, bulk_go_on) : STATUS_PENDING;
}

static enum status on_resolved(struct http_call *call, const struct http_answer *answer)
{
    struct resolving *resolving = call->state;
    struct rest_reply reply;
    size_t at = answer->tag;
    struct bytes name = resolving->note.lines[at].name;
    resolving->out--;
    if (answer->status != STATUS_OK) {
        refuse_line(call, at, STATUS_SERVER_BUSY, "");
    } else if (rest_answer_read(call->scope->arena, REST_RESOLVE, name, answer->packet, &reply) !=
               STATUS_OK) {
        refuse_line(call, at, STATUS_ERROR, "");
    } else {
        put_line(call, at, reply.body);
    }
    return go_on_soon(call);
}

static bool wants_public_only(const struct http_call *call, const struct rest_asked *asked)
{
    struct reference who;
    return asked->says_public_only ? asked->is_public_only : !http_call_identity(call, &who);
}

static void ask(struct http_call *call, const struct rest_asked *asked, size_t at)
{
    struct resolving *resolving = call->state;
    struct bytes packet = rest_question_resolve(
        call->scope->arena, asked, wants_public_only(call, asked), call->scope->now_ms);
    if (packet.len == 0) {
        refuse_line(call, at, STATUS_INVALID_HANDLE, "too long for a message");
        return;
    }
    resolving->out++;
    enum status status = http_ask(
        call,
        &(struct http_question){.packet = packet, .tag = (uint32_t)at, .answered = on_resolved});
    if (status == STATUS_SERVER_BUSY) {
        resolving->out--;
        refuse_line(call, at, status, "");
    }
}

/* A name asked for before has its answer, or gets it; nothing is asked twice. */
static void repeat(struct http_call *call, size_t at)
{
    const struct bulk_note *note = &((struct resolving *)call->state)->note;
    const struct bulk_line *first = &note->lines[note->lines[at].first];
    if (first->len > 0) {
        put_line(
            call, at,
            arena_copy(call->scope->arena, bytes_of(note->text.data + first->at, first->len - 1)));
    }
}

static void answer_name(struct http_call *call, size_t at)
{
    struct bulk_note *note = &((struct resolving *)call->state)->note;
    struct rest_asked asked = note->asked;
    struct lookup found;
    struct rest_reply reply;
    asked.handle = note->lines[at].name;
    if (note->lines[at].first != at) {
        repeat(call, at);
    } else if (asked.handle.len == 0) {
        refuse_line(call, at, STATUS_PROTOCOL_ERROR, "not a name");
    } else if (http_rest_straight(call, &asked, &found, &reply)) {
        put_line(call, at, reply.body);
    } else {
        ask(call, &asked, at);
    }
}

/* --- slices ------------------------------------------------------------------------------------
 */

static void run_slice(struct http_call *call)
{
    struct resolving *resolving = call->state;
    const struct bulk_note *note = &resolving->note;
    size_t end = note->text.len + SLICE_BYTES;
    for (size_t i = 0; i < SLICE_NAMES && resolving->next < note->count &&
                       resolving->out < OUT_MAX && note->text.len < end;
         i++) {
        answer_name(call, resolving->next++);
    }
}

/* Those whose first was still out when they were looked at. */
static void copy_slice(struct http_call *call)
{
    struct resolving *resolving = call->state;
    const struct bulk_note *note = &resolving->note;
    size_t end = note->text.len + SLICE_BYTES;
    while (resolving->copied < note->count && note->text.len < end) {
        size_t at = resolving->copied++;
        if (note->lines[at].len == 0) {
            repeat(call, at);
        }
    }
}

static enum status bulk_go_on(struct http_call *call, const struct http_answer *answer)
{
    struct resolving *resolving = call->state;
    (void)answer;
    resolving->is_slicing = true;
    run_slice(call);
    if (resolving->next == resolving->note.count && resolving->out == 0) {
        copy_slice(call);
    }
    resolving->is_slicing = false;
    if (resolving->out == 0 && resolving->copied == resolving->note.count) {
        return finish(call);
    }
    return go_on_soon(call);
}

/* --- the note ----------------------------------------------------------------------------------
 */

static enum status refuse_note(struct http_call *call, enum status status, const char *text)
{
    switch (status) {
    case STATUS_BAD_SYNTAX:
        http_reply_problem(call, 400, status, text);
        return STATUS_OK;
    case STATUS_NO_ROOM:
        http_reply_problem(call, 413, status, text);
        return STATUS_OK;
    case STATUS_NOT_SUPPORTED:
        http_reply_problem(call, 415, status, text);
        return STATUS_OK;
    default:
        return status;
    }
}

static enum status begin(struct http_call *call)
{
    const struct settings *settings = call->worker->generation->settings;
    struct http_worker *http = call->worker->http;
    struct fault fault = {.status = STATUS_OK};
    if (http->bulk_count >= (size_t)settings->limits_bulk) {
        http_reply_problem(call, 503, STATUS_SERVER_BUSY,
                           "as many calls for many names as limits.bulk allows are under way");
        return STATUS_OK;
    }
    struct resolving *resolving = calloc(1, sizeof(*resolving));
    if (resolving == NULL) {
        return STATUS_NO_MEMORY;
    }
    resolving->http = http;
    http->bulk_count++;
    call->state = resolving;
    call->state_free = resolving_free;
    struct bulk_note_bounds bounds = {.most = (size_t)settings->limits_resolve_names};
    call->scope->random(bounds.key, sizeof(bounds.key));
    enum status status =
        bulk_note_read(&resolving->note, &call->request, &bounds, call->scope->arena, &fault);
    return status == STATUS_OK ? http_call_later(call, bulk_go_on)
                               : refuse_note(call, status, fault.text);
}

enum status http_bulk_resolve(struct http_call *call)
{
    return http_auth_begin(call, begin);
}
