/* SPDX-License-Identifier: Apache-2.0
 *
 * A connection that speaks the Handle protocol (stream_parts.h; protocol.md §3.4): messages one
 * after the other, answered as soon as each is ready. Belongs to its worker's thread.
 */
#include "resolver/frame.h"
#include "resolver/hot_ahead.h"
#include "resolver/stream_parts.h"

/* What became of a request: `len` bytes of answer stand where the next one was to be written. */
static void turn_answered(struct turn *turn, enum status status, size_t len)
{
    if (status == STATUS_OK || status == STATUS_MORE) {
        turn->reply_len += len;
        turn->work += len;
        turn->answers++;
    } else if (status != STATUS_PENDING) {
        stream_end(turn->stream);
    }
}

static void turn_answer(struct turn *turn, struct bytes request)
{
    struct stream *stream = turn->stream;
    const struct worker_asked asked = {
        .transport = stream->transport,
        .peer = stream->peer,
        .request = request,
        .route = {.stream = stream},
    };
    size_t len = 0;
    turn->has_asked = true;
    turn->work += STREAM_REQUEST_WORK + request.len;
    enum status status =
        worker_answer(&turn->scope, &asked, stream->worker->reply + turn->reply_len, &len);
    turn_answered(turn, status, len);
}

static void handle_more(struct turn *turn)
{
    struct stream *stream = turn->stream;
    size_t len = 0;
    enum status status = parked_list_continue(&stream->parked, &turn->scope,
                                              stream->worker->reply + turn->reply_len, &len, NULL);
    turn->work += STREAM_REQUEST_WORK;
    turn_answered(turn, status, len);
}

/* Who logged in has limits of its own: all it asks goes the full way. */
static bool turn_answer_hot(struct turn *turn, struct hot_ahead *ahead,
                            const struct hot_request *asked)
{
    struct stream *stream = turn->stream;
    uint8_t *room = stream->worker->reply + turn->reply_len;
    size_t len =
        login_is_in(&stream->login) ? 0 : hot_answer(&ahead->hot, asked, &stream->peer, room);
    if (len == 0) {
        return false;
    }
    turn->has_asked = true;
    turn->work += STREAM_REQUEST_WORK + asked->packet.len;
    turn_answered(turn, STATUS_OK, len);
    return true;
}

/* What is no complete message: the rest of it is to come, or nobody knows where the next begins. */
static void turn_judge(struct turn *turn, struct bytes rest)
{
    struct stream *stream = turn->stream;
    size_t len = 0;
    if (frame_next(rest, &len) == FRAME_LOST) {
        turn_answer(turn, bytes_of(rest.data, len));
        metrics_add(stream->worker->options.metrics, METRIC_tcp_framing_errors, 0, 1);
        stream_end(stream);
    }
}

/* Answers every complete message in `data`; how many bytes are done with. */
static size_t handle_take(struct turn *turn, struct bytes data)
{
    struct hot_ahead ahead;
    size_t at = 0;
    hot_ahead_begin(&ahead, &turn->scope, turn->stream->transport);
    while (turn_may_answer(turn)) {
        struct bytes rest = bytes_from(data, at);
        const struct hot_request *asked = hot_ahead_next(&ahead, rest);
        if (asked == NULL) {
            turn_judge(turn, rest);
            break;
        }
        if (!turn_answer_hot(turn, &ahead, asked)) {
            turn_answer(turn, asked->packet);
        }
        at += asked->packet.len;
    }
    hot_ahead_end(&ahead);
    return turn->stream->is_ending ? data.len : at;
}

static enum stream_state handle_state(const struct stream *stream)
{
    size_t len = 0;
    if (stream->input.len == 0) {
        return STREAM_IDLE;
    }
    enum frame frame = frame_next(bytes_of(stream->input.data, stream->input.len), &len);
    return frame == FRAME_INCOMPLETE ? STREAM_BEGUN : STREAM_READY;
}

static size_t handle_needed(const struct stream *stream)
{
    size_t len = 0;
    (void)frame_next(bytes_of(stream->input.data, stream->input.len), &len);
    return len;
}

static void handle_later(struct turn *turn, const struct exchange_route *route, enum status status,
                         struct bytes answer)
{
    (void)route;
    turn_answered(turn, status, answer.len);
}

const struct stream_speech stream_handle_speech = {
    .state = handle_state,
    .needed = handle_needed,
    .take = handle_take,
    .more = handle_more,
    .later = handle_later,
};
