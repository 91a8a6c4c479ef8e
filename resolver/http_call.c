/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls: their handler, what they ask and how its answers come back (http.h, http_parts.h).
 *
 * A question asked by the handler itself is answered at once where that is possible. One asked by
 * a callback is kept until the callback has returned: what it reads stays where it is, and a chain
 * of questions needs no deeper stack than one.
 */
#include <stdlib.h>

#include "resolver/http_auth.h"
#include "resolver/http_key.h"
#include "resolver/http_parts.h"
#include "resolver/http_route.h"

#define REQUEST_ID_AT 8 /* of the envelope (protocol.md §3.1) */

static void free_asked(struct http_asked *asked)
{
    if (asked != NULL) {
        free(asked->packet);
        free(asked);
    }
}

/* --- running -----------------------------------------------------------------------------------
 */

static void step_in(struct http_inside *inside)
{
    inside->depth++;
    inside->scope = inside->turn->scope;
    inside->scope.arena = inside->stream->worker->http->arena;
    inside->call.scope = &inside->scope;
}

static void step_out(struct http_inside *inside, enum status status)
{
    inside->depth--;
    if (!inside->has_replied && status != STATUS_OK && status != STATUS_PENDING) {
        http_reply_problem(&inside->call, (unsigned)status_http(status), status, NULL);
    }
}

/* A reply stands, or something is out; anything else is our mistake. */
static void settle(struct http_inside *inside)
{
    if (!inside->has_replied && inside->asked == NULL) {
        http_reply_problem(&inside->call, 500, STATUS_ERROR, NULL);
    }
    arena_reset(inside->stream->worker->http->arena);
}

static enum status deliver(struct http_inside *inside, const struct http_asked *asked,
                           const struct http_answer *answer)
{
    if (inside->has_replied) {
        return STATUS_OK;
    }
    step_in(inside);
    enum status status = asked->answered(&inside->call, answer);
    step_out(inside, status);
    return status;
}

/* --- asking ------------------------------------------------------------------------------------
 */

static void join(struct http_inside *inside, struct http_asked *asked)
{
    struct http_asked **at = &inside->asked;
    while (*at != NULL) {
        at = &(*at)->next;
    }
    asked->next = NULL;
    *at = asked;
    inside->asked_count++;
}

static struct http_asked *take_out(struct http_inside *inside, struct http_asked *asked)
{
    struct http_asked **at = &inside->asked;
    while (*at != asked) {
        at = &(*at)->next;
    }
    *at = asked->next;
    inside->asked_count--;
    return asked;
}

static struct http_asked *find_asked(const struct http_inside *inside, uint32_t id)
{
    struct http_asked *at = inside->asked;
    while (at != NULL && at->id != id) {
        at = at->next;
    }
    return at;
}

static struct http_asked *take_spare(struct http_inside *inside)
{
    struct http_asked *spare = inside->spare;
    inside->spare = NULL;
    return spare != NULL ? spare : calloc(1, sizeof(*spare));
}

static void give_spare(struct http_inside *inside, struct http_asked *asked)
{
    if (inside->spare != NULL || asked->packet != NULL) {
        free_asked(asked);
    } else {
        inside->spare = asked;
    }
}

/* The packet as it is asked, in room of the call's. */
static bool prepare(struct http_inside *inside, struct bytes packet, bool keeps_id)
{
    struct buffer *question = &inside->question;
    question->len = 0;
    if (!buffer_append(question, packet)) {
        return false;
    }
    if (!keeps_id && packet.len >= REQUEST_ID_AT + sizeof(uint32_t)) {
        uint32_t id = 0;
        inside->stream->worker->options.random(&id, sizeof(id));
        wire_store_u32(question->data + REQUEST_ID_AT, id & INT32_MAX);
    }
    return true;
}

/* An exchange of its own in the upper half of the worker's reply buffer: what leaves this turn
 * stands in the lower. */
static enum status run_exchange(struct http_inside *inside, const struct http_asked *asked,
                                struct bytes *out_answer)
{
    struct stream *stream = inside->stream;
    struct worker *worker = stream->worker;
    struct worker_asked request = {
        .transport = stream->transport,
        .peer = inside->call.request.client,
        .request = bytes_of(inside->question.data, inside->question.len),
        .route = {.stream = stream, .question = asked->id, .terms = asked->terms},
    };
    uint8_t *room = worker->reply + MESSAGE_PACKET_MAX;
    size_t len = 0;
    const char *why = http_key_forbids(&inside->call, request.request);
    if (why != NULL) {
        *out_answer = http_key_refusal(&inside->call, request.request, why,
                                       bytes_of(room, MESSAGE_PACKET_MAX));
        return out_answer->len > 0 ? STATUS_OK : STATUS_DROP;
    }
    http_key_name(&inside->call, &request.route.terms);
    inside->turn->work += STREAM_REQUEST_WORK;
    enum status status = worker_answer(&inside->turn->scope, &request, room, &len);
    *out_answer = bytes_of(room, len);
    return status;
}

/* Never 0: that one waits to be asked. */
static uint32_t next_id(struct stream *stream)
{
    stream->question_id++;
    stream->question_id += stream->question_id == 0;
    return stream->question_id;
}

/* `asked` is the caller's, and this function's to dispose of. */
static enum status ask_now(struct http_inside *inside, struct http_asked *asked)
{
    struct bytes packet = BYTES_NONE;
    asked->id = next_id(inside->stream);
    enum status status = run_exchange(inside, asked, &packet);
    bool is_last = status != STATUS_PENDING && status != STATUS_MORE;
    if (!is_last) {
        join(inside, asked);
    }
    if (status == STATUS_PENDING) {
        return status;
    }
    const struct http_answer answer = {
        .status = is_last && status != STATUS_OK ? STATUS_DROP : STATUS_OK,
        .tag = asked->tag,
        .packet = packet,
        .is_last = is_last,
    };
    status = deliver(inside, asked, &answer);
    if (is_last) {
        give_spare(inside, asked);
    }
    return status;
}

/* Those that callbacks asked, now that none runs. */
static void ask_waiting(struct http_inside *inside)
{
    struct http_asked *asked = NULL;
    while (!inside->has_replied && (asked = find_asked(inside, 0)) != NULL) {
        bool is_ready = prepare(inside, bytes_of(asked->packet, asked->len), asked->keeps_id);
        free(take_out(inside, asked)->packet);
        asked->packet = NULL;
        if (is_ready) {
            (void)ask_now(inside, asked);
        } else {
            const struct http_answer none = {
                .status = STATUS_DROP, .tag = asked->tag, .is_last = true};
            (void)deliver(inside, asked, &none);
            give_spare(inside, asked);
        }
    }
}

static enum status ask_later(struct http_inside *inside, struct http_asked *asked,
                             struct bytes packet)
{
    asked->packet = malloc(packet.len + 1);
    if (asked->packet == NULL) {
        give_spare(inside, asked);
        return STATUS_SERVER_BUSY;
    }
    memcpy(asked->packet, packet.data, packet.len);
    asked->len = packet.len;
    asked->id = 0;
    join(inside, asked);
    return STATUS_PENDING;
}

enum status http_ask(struct http_call *call, const struct http_question *question)
{
    struct http_inside *inside = call->inside;
    if (inside->asked_count >= HTTP_QUESTIONS_MAX) {
        return STATUS_SERVER_BUSY;
    }
    struct http_asked *asked = take_spare(inside);
    if (asked == NULL) {
        return STATUS_SERVER_BUSY;
    }
    *asked = (struct http_asked){
        .tag = question->tag,
        .answered = question->answered,
        .keeps_id = question->keeps_id,
        .terms = question->terms,
    };
    if (inside->depth > 1) {
        return ask_later(inside, asked, question->packet);
    }
    if (!prepare(inside, question->packet, question->keeps_id)) {
        give_spare(inside, asked);
        return STATUS_SERVER_BUSY;
    }
    return ask_now(inside, asked);
}

/* --- going on later ----------------------------------------------------------------------------
 */

/* Its own mail; belongs to itself once the call has ended. */
struct http_later {
    struct mail mail;
    struct http_inside *inside; /* NULL: the call has ended */
    uint32_t id;
};

static void later_on_open(struct mail *mail, void *owner)
{
    struct http_later *later = (struct http_later *)mail;
    struct http_inside *inside = later->inside;
    (void)owner;
    if (inside != NULL) {
        const struct exchange_route route = {.stream = inside->stream, .question = later->id};
        inside->later = NULL;
        stream_answer_later(&route, STATUS_OK, BYTES_NONE);
    }
    free(later);
}

enum status http_call_later(struct http_call *call, http_answered *go_on)
{
    struct http_inside *inside = call->inside;
    if (inside->later != NULL) {
        return STATUS_PENDING;
    }
    struct http_later *later = calloc(1, sizeof(*later));
    struct http_asked *asked = later == NULL ? NULL : take_spare(inside);
    if (asked == NULL) {
        free(later);
        return STATUS_NO_MEMORY;
    }
    *asked = (struct http_asked){.id = next_id(inside->stream), .answered = go_on};
    join(inside, asked);
    later->mail.opened = later_on_open;
    later->inside = inside;
    later->id = asked->id;
    inside->later = later;
    mailbox_post(call->worker->mailbox, &later->mail);
    return STATUS_PENDING;
}

/* --- what calls go through ---------------------------------------------------------------------
 */

void http_call_begin(struct http_inside *inside)
{
    const struct worker *worker = inside->stream->worker;
    metrics_add(worker->options.metrics, METRIC_http_requests, 0, 1);
    step_in(inside);
    enum status status = http_route_run(&inside->call, worker->options.routes);
    ask_waiting(inside);
    step_out(inside, status);
    settle(inside);
}

void http_call_answer(struct http_inside *inside, uint32_t id, enum status status,
                      struct bytes packet)
{
    struct http_asked *asked = find_asked(inside, id);
    if (asked == NULL || status == STATUS_PENDING) {
        return;
    }
    const struct http_answer answer = {
        .status = status == STATUS_OK || status == STATUS_MORE ? STATUS_OK : STATUS_DROP,
        .tag = asked->tag,
        .packet = packet,
        .is_last = status != STATUS_MORE,
    };
    if (answer.is_last) {
        (void)take_out(inside, asked);
    }
    inside->depth++; /* what its callback asks waits until it has returned */
    (void)deliver(inside, asked, &answer);
    ask_waiting(inside);
    inside->depth--;
    if (answer.is_last) {
        give_spare(inside, asked);
    }
    settle(inside);
}

void http_call_end(struct http_inside *inside)
{
    struct http_asked *next = NULL;
    for (struct http_asked *at = inside->asked; at != NULL; at = next) {
        next = at->next;
        free_asked(at);
    }
    inside->asked = NULL;
    inside->asked_count = 0;
    if (inside->later != NULL) {
        inside->later->inside = NULL;
        inside->later = NULL;
    }
    if (inside->call.state_free != NULL) {
        inside->call.state_free(inside->call.state);
    }
    http_auth_free(inside->call.auth);
    if (inside->is_from) { /* whom the next call comes from is its own business */
        login_leave(&inside->stream->login);
        inside->stream->login = (struct login){0};
    }
}

enum status http_call_is_from(struct http_call *call, struct reference identity)
{
    struct http_inside *inside = call->inside;
    inside->is_from = true;
    return login_enter(&inside->stream->login, identity, inside->scope.now_ms);
}

bool http_call_identity(const struct http_call *call, struct reference *out_identity)
{
    struct http_inside *inside = call->inside;
    return login_get(&inside->stream->login, inside->scope.now_ms, out_identity);
}
