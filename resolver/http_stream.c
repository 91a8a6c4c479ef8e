/* SPDX-License-Identifier: Apache-2.0
 *
 * A connection that speaks HTTP/1.1 (stream_parts.h): heads and bodies, one call at a time, replies
 * in the order of the requests. Belongs to its worker's thread.
 *
 * A connection at rest owns no buffer. With a whole head its call begins, which keeps a copy of the
 * head and gathers the body; while the call waits nothing is read, and what was read already waits
 * in `input`. The last call's memory stays with the worker for the next one.
 */
#include "resolver/http_stream.h"

#include <stdlib.h>

#include "resolver/http_parts.h"
#include "resolver/http_proxy.h"
#include "resolver/limit.h"
#include "resolver/sources.h"

#define ARENA_FIRST (64u << 10)
#define ARENA_MAX (64u << 20)
/* Nobody has to take the messages of a list, and one may have looked at many names to tell few. */
#define MORE_WORK (16 * STREAM_REQUEST_WORK)
#define SPARE_BYTES (64u << 10) /* of each buffer that stays with the worker */
#define BODY_SMALL (16u << 10)  /* is taken however many others there are */
#define BODY_PART (1u << 20)    /* has limits.message to arrive */
#define CONTINUE BYTES_LITERAL("HTTP/1.1 100 Continue\r\n\r\n")

/* --- what calls are made of --------------------------------------------------------------------
 */

struct http_worker *http_worker_new(void)
{
    struct http_worker *http = calloc(1, sizeof(*http));
    if (http != NULL) {
        http->arena = arena_new(ARENA_FIRST, ARENA_MAX);
    }
    if (http != NULL && http->arena == NULL) {
        free(http);
        http = NULL;
    }
    return http;
}

static void inside_free(struct http_inside *inside)
{
    if (inside != NULL) {
        buffer_clear(&inside->text);
        buffer_clear(&inside->body);
        buffer_clear(&inside->reply);
        buffer_clear(&inside->question);
        free(inside->spare);
        free(inside);
    }
}

void http_worker_free(struct http_worker *http)
{
    if (http != NULL) {
        inside_free(http->spare);
        arena_free(http->arena);
        free(http);
    }
}

static void empty(struct buffer *buffer)
{
    if (buffer->size > SPARE_BYTES) {
        buffer_clear(buffer);
    }
    buffer->len = 0;
}

static struct http_inside *inside_new(struct stream *stream)
{
    struct http_worker *http = stream->worker->http;
    struct http_inside *inside = http->spare;
    http->spare = NULL;
    if (inside == NULL) {
        inside = calloc(1, sizeof(*inside));
    }
    if (inside == NULL) {
        return NULL;
    }
    inside->stream = stream;
    inside->body_counted = 0;
    inside->call = (struct http_call){.worker = stream->worker, .inside = inside};
    inside->chunks = (struct http_chunks){0};
    inside->status = 0;
    inside->depth = 0;
    inside->is_receiving = true;
    inside->has_replied = false;
    inside->has_failed = false;
    inside->is_from = false;
    inside->has_time = false;
    return inside;
}

static void end_call(struct stream *stream)
{
    struct http_inside *inside = stream->http;
    struct http_worker *http = stream->worker->http;
    stream->http = NULL;
    if (inside == NULL) {
        return;
    }
    http_call_end(inside);
    http->body_bytes -= inside->body_counted;
    if (http->spare != NULL) {
        inside_free(inside);
        return;
    }
    empty(&inside->text);
    empty(&inside->body);
    empty(&inside->reply);
    empty(&inside->question);
    http->spare = inside;
}

/* --- heads and bodies --------------------------------------------------------------------------
 */

static const struct settings *settings_of(const struct stream *stream)
{
    return stream->worker->generation->settings;
}

static void refuse(struct turn *turn, unsigned status)
{
    metrics_add(turn->stream->worker->options.metrics, METRIC_http_refused, 0, 1);
    if (status == 400 && turn->stream->http != NULL && turn->stream->http->head.is_rest) {
        http_reply_refuse_rest(turn);
    } else {
        http_reply_refuse(turn, status);
    }
}

static void fill_request(struct http_inside *inside)
{
    struct stream *stream = inside->stream;
    const struct http_head *head = &inside->head;
    inside->call.request = (struct http_request){
        .verb = head->verb,
        .path = head->path,
        .query = head->query,
        .fields = head->fields,
        .field_count = head->field_count,
        .is_tls = stream->transport == EXCHANGE_HTTPS,
        .peer = stream->peer,
        .client = stream->peer,
        .certificate = stream->shown,
    };
    http_proxy_believe(stream->worker->generation, &inside->call.request);
}

/* A call for the head; how the peer is refused, or 0. */
static unsigned begin_call(struct turn *turn, struct bytes head)
{
    struct stream *stream = turn->stream;
    struct http_inside *inside = inside_new(stream);
    if (inside == NULL) {
        return 503;
    }
    stream->http = inside;
    if (!buffer_append(&inside->text, head)) {
        return 503;
    }
    unsigned refusal = http_head_read(bytes_of(inside->text.data, inside->text.len), &inside->head);
    if (refusal == 0 && inside->head.body_len > (uint64_t)settings_of(stream)->limits_http_body) {
        refusal = 413;
    }
    if (refusal == 0) {
        fill_request(inside);
    }
    return refusal;
}

/* Looks for a head at the start of `data`; how many bytes it took, 0: none. */
static size_t take_head(struct turn *turn, struct bytes data)
{
    struct stream *stream = turn->stream;
    size_t most = (size_t)settings_of(stream)->limits_http_header;
    size_t len = data.len;
    enum http_head_found found = http_head_find(data, &len);
    unsigned refusal = found == HTTP_HEAD_BROKEN ? 400 : 0;
    if (refusal == 0 && len > most) {
        refusal = 431;
    }
    if (refusal == 0 && found == HTTP_HEAD_PART) {
        return 0;
    }
    if (refusal == 0) {
        refusal = begin_call(turn, bytes_of(data.data, len));
    }
    if (refusal != 0) {
        refuse(turn, refusal);
        end_call(stream);
        return 0;
    }
    return len;
}

static enum status take_plain(struct http_inside *inside, struct bytes *data)
{
    size_t left = (size_t)inside->head.body_len - inside->body.len;
    struct bytes part = bytes_of(data->data, data->len < left ? data->len : left);
    struct buffer *body = &inside->body;
    size_t needed = body->len + part.len;
    size_t grown = 2 * body->size > needed ? 2 * body->size : needed;
    if ((needed > body->size && !buffer_reserve(body, grown)) || !buffer_append(body, part)) {
        return STATUS_NO_MEMORY;
    }
    *data = bytes_from(*data, part.len);
    return part.len == left ? STATUS_OK : STATUS_PENDING;
}

/* The more of a body has come, the longer the rest of it may take. */
static void give_time(struct http_inside *inside, size_t before)
{
    struct stream *stream = inside->stream;
    bool is_new = !inside->has_time;
    if (is_new || inside->body.len / BODY_PART != before / BODY_PART) {
        inside->has_time = true;
        stream_more_time(stream, settings_of(stream)->limits_message);
        if (stream->deadline_ms < stream->message_ms) { /* nobody is idle here */
            stream->deadline_ms = stream->message_ms;
        }
    }
}

/* One that grows while all together are more than this worker may keep. */
static bool is_body_too_much(struct http_inside *inside)
{
    struct worker *worker = inside->stream->worker;
    const struct generation *generation = worker->generation;
    size_t workers = worker->options.worker_count > 0 ? worker->options.worker_count : 1;
    size_t part = (size_t)generation->settings->limits_http_bodies / workers;
    bool grows = inside->body.size > inside->body_counted;
    worker->http->body_bytes += inside->body.size - inside->body_counted;
    inside->body_counted = inside->body.size;
    return grows && inside->body.len > BODY_SMALL && worker->http->body_bytes > part &&
           !sources_trust(&inside->call.request.client, generation->trusted,
                          generation->trusted_count);
}

/* Takes what there is of the body; false: it is not whole. */
static bool take_body(struct turn *turn, struct bytes *data)
{
    struct stream *stream = turn->stream;
    struct http_inside *inside = stream->http;
    size_t before = inside->body.len;
    size_t most = (size_t)settings_of(stream)->limits_http_body;
    enum status status = inside->head.is_chunked
                             ? http_chunks_take(&inside->chunks, data, most, &inside->body)
                             : take_plain(inside, data);
    if ((status == STATUS_OK || status == STATUS_PENDING) && is_body_too_much(inside)) {
        status = STATUS_NO_MEMORY;
    }
    switch (status) {
    case STATUS_OK:
        inside->is_receiving = false;
        inside->call.request.body = bytes_of(inside->body.data, inside->body.len);
        return true;
    case STATUS_PENDING:
        give_time(inside, before);
        if (inside->head.expects) {
            inside->head.expects = false;
            turn_put(turn, CONTINUE);
        }
        return false;
    default:
        refuse(turn, status == STATUS_NO_ROOM ? 413 : status == STATUS_NO_MEMORY ? 503 : 400);
        end_call(stream);
        return false;
    }
}

/* --- speech ------------------------------------------------------------------------------------
 */

/* After something of its call ran. */
static void settle(struct stream *stream)
{
    if (stream->http != NULL && stream->http->has_replied) {
        end_call(stream);
    }
}

static void run_call(struct turn *turn)
{
    struct http_inside *inside = turn->stream->http;
    turn->has_asked = true;
    turn->work += STREAM_REQUEST_WORK + inside->text.len + inside->body.len;
    inside->turn = turn;
    http_call_begin(inside);
    settle(turn->stream);
}

static bool is_waiting(const struct stream *stream)
{
    return stream->http != NULL && !stream->http->is_receiving;
}

/* One request, or as much of it as there is; false: the rest is to come. */
static bool take_request(struct turn *turn, struct bytes *data)
{
    struct stream *stream = turn->stream;
    if (stream->http == NULL) {
        size_t len = data->len == 0 ? 0 : take_head(turn, *data);
        *data = bytes_from(*data, len);
        if (len == 0) {
            return false;
        }
    }
    if (!take_body(turn, data)) {
        return false;
    }
    run_call(turn);
    return true;
}

static size_t http_take(struct turn *turn, struct bytes data)
{
    struct stream *stream = turn->stream;
    struct bytes rest = data;
    while (turn_may_answer(turn) && !is_waiting(stream) && take_request(turn, &rest)) {
    }
    return stream->is_ending ? data.len : data.len - rest.len;
}

static enum stream_state http_state(const struct stream *stream)
{
    size_t len = 0;
    if (is_waiting(stream)) {
        return STREAM_BUSY;
    }
    if (stream->input.len == 0) {
        return stream->http == NULL ? STREAM_IDLE : STREAM_BEGUN;
    }
    if (stream->http != NULL ||
        stream->input.len > (size_t)settings_of(stream)->limits_http_header) {
        return STREAM_READY;
    }
    enum http_head_found found =
        http_head_find(bytes_of(stream->input.data, stream->input.len), &len);
    return found == HTTP_HEAD_PART ? STREAM_BEGUN : STREAM_READY;
}

/* One byte over the limit says that it is over. */
static size_t http_needed(const struct stream *stream)
{
    return (size_t)settings_of(stream)->limits_http_header + 1;
}

static void http_more(struct turn *turn)
{
    struct stream *stream = turn->stream;
    uint8_t *room = stream->worker->reply + MESSAGE_PACKET_MAX;
    size_t len = 0;
    uint32_t question = 0;
    enum status status = parked_list_continue(&stream->parked, &turn->scope, room, &len, &question);
    turn->work += MORE_WORK + len;
    if (stream->http != NULL) {
        stream->http->turn = turn;
        http_call_answer(stream->http, question, status, bytes_of(room, len));
        settle(stream);
    }
}

static void http_later(struct turn *turn, const struct exchange_route *route, enum status status,
                       struct bytes answer)
{
    struct stream *stream = turn->stream;
    struct worker *worker = stream->worker;
    uint8_t *room = worker->reply + MESSAGE_PACKET_MAX;
    if (stream->http == NULL) {
        return;
    }
    if (!worker_begin(worker, &turn->scope)) {
        stream->is_dead = true;
        return;
    }
    if (answer.len > 0) { /* what leaves this turn is written where it stands */
        memcpy(room, answer.data, answer.len);
    }
    stream->http->turn = turn;
    http_call_answer(stream->http, route->question, status, bytes_of(room, answer.len));
    settle(stream);
}

static void http_late(struct turn *turn)
{
    metrics_add(turn->stream->worker->options.metrics, METRIC_http_late, 0, 1);
    http_reply_refuse(turn, 408);
    turn->stream->has_refused = false; /* it sends nothing */
    end_call(turn->stream);
}

static void http_plain(struct turn *turn)
{
    metrics_add(turn->stream->worker->options.metrics, METRIC_http_refused, 0, 1);
    http_reply_plain(turn);
}

const struct stream_speech http_stream_speech = {
    .state = http_state,
    .needed = http_needed,
    .take = http_take,
    .more = http_more,
    .later = http_later,
    .late = http_late,
    .plain = http_plain,
    .end = end_call,
};
