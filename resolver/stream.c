/* SPDX-License-Identifier: Apache-2.0
 *
 * TCP transport (stream.h). Belongs to its worker's thread.
 *
 * A connection at rest owns no buffer: bytes are read into the worker's scratch, answered from
 * there into the worker's reply buffer and written at once. Only what is left over is kept: bytes
 * of messages not yet answered in `input`, which grows as they arrive and never beyond what the
 * message announced needs, and answers the peer has not taken yet in `output`. While more waits
 * there than the settings allow, nothing is read (back-pressure).
 * All connections of a worker together keep a bounded number of such bytes: from half of it on,
 * none is read while any of its own wait; over it, the peer that took none for the longest time is
 * closed.
 */
#include "resolver/stream.h"

#include <assert.h>
#include <stdlib.h>

#include "resolver/limit.h"
#include "resolver/stream_parts.h"

#define READS_PER_TURN 4              /* then others get their turn */
#define TURN_WORK (1u << 20)          /* bytes asked and answered, likewise: about a millisecond */
#define INPUT_FIRST 512               /* most requests are shorter */
#define OUTPUT_MAX MESSAGE_PACKET_MAX /* more bytes than this waiting: nothing is read */
#define OUTPUT_PART_MIN (1u << 20)    /* of a worker; more than one connection can have waiting */

/* --- life ------------------------------------------------------------------------------------ */

static const struct settings *settings_of(const struct stream *stream)
{
    return stream->worker->generation->settings;
}

static int64_t now_of(const struct stream *stream)
{
    return net_now_ms(stream->worker->options.net);
}

void stream_close(struct stream *stream)
{
    struct worker *worker = stream->worker;
    if (stream->speech->end != NULL) {
        stream->speech->end(stream);
    }
    if (stream->previous != NULL) {
        stream->previous->next = stream->next;
    } else {
        worker->streams = stream->next;
    }
    if (stream->next != NULL) {
        stream->next->previous = stream->previous;
    }
    stream_tls_end(stream);
    net_timer_free(stream->timer);
    net_stream_close(stream->net);
    buffer_clear(&stream->input);
    outbox_clear(&stream->outbox, &worker->outboxes);
    parked_list_orphan(&stream->parked);
    login_leave(&stream->login);
    sources_leave(worker->options.sources, &stream->peer);
    metrics_add(worker->options.metrics, METRIC_tcp_connections, 0, -1);
    free(stream);
    worker_stream_ended(worker);
}

static int64_t due_ms(const struct stream *stream)
{
    return stream->deadline_ms < stream->message_ms ? stream->deadline_ms : stream->message_ms;
}

void stream_arm(struct stream *stream, int64_t now_ms)
{
    int64_t due = due_ms(stream);
    if (due < stream->timer_ms) {
        stream->timer_ms = due;
        net_timer_start(stream->timer, due - now_ms);
    }
}

static bool is_http(const struct stream *stream)
{
    return stream->transport == EXCHANGE_HTTP || stream->transport == EXCHANGE_HTTPS;
}

static int64_t idle_ms(const struct stream *stream)
{
    const struct settings *settings = settings_of(stream);
    return is_http(stream) ? settings->limits_http_idle : settings->limits_idle;
}

/* A complete request came, or the peer took bytes: the idle time begins anew. */
static void stream_lives(struct stream *stream, int64_t now_ms)
{
    if (!stream->is_ending) {
        stream->deadline_ms = now_ms + idle_ms(stream);
        stream->has_asked = true;
        stream_arm(stream, now_ms);
    }
}

void stream_end(struct stream *stream)
{
    if (!stream->is_ending) {
        int64_t now_ms = now_of(stream);
        stream->is_ending = true;
        stream->deadline_ms = now_ms + settings_of(stream)->limits_first_request;
        stream->message_ms = STREAM_NEVER;
        stream_arm(stream, now_ms);
    }
}

/* The peer is to complete what it began; time in which it is not read does not count. */
static void stream_watch_message(struct stream *stream, bool is_begun)
{
    if (!is_begun) {
        stream->message_ms = STREAM_NEVER;
    } else if (stream->message_ms == STREAM_NEVER) {
        const struct settings *settings = settings_of(stream);
        stream_more_time(stream,
                         is_http(stream) ? settings->limits_http_head : settings->limits_message);
    }
}

void stream_more_time(struct stream *stream, int64_t ms)
{
    int64_t now_ms = now_of(stream);
    stream->message_ms = now_ms + ms;
    stream_arm(stream, now_ms);
}

/* --- output ---------------------------------------------------------------------------------- */

/* What this worker's connections may keep for their peers. */
static size_t output_part(const struct worker *worker)
{
    size_t part = (size_t)worker->generation->settings->limits_output_bytes;
    part /= worker->options.worker_count > 0 ? worker->options.worker_count : 1;
    return part > OUTPUT_PART_MIN ? part : OUTPUT_PART_MIN;
}

static bool is_blocked(const struct stream *stream)
{
    size_t waiting = outbox_waiting(&stream->outbox);
    return stream->outbox.answers + stream->parked.count >=
               (size_t)settings_of(stream)->limits_pipelined ||
           waiting > OUTPUT_MAX ||
           (waiting > 0 && stream->worker->outboxes.bytes > output_part(stream->worker) / 2);
}

/* Hands `data` to the kernel; what it did not take remains in `data`. */
static void push(struct stream *stream, struct bytes *data)
{
    while (data->len > 0 && !stream->is_dead) {
        size_t len = 0;
        enum status status = stream_give(stream, *data, &len);
        if (status == STATUS_PENDING) {
            return;
        }
        stream->is_dead = status != STATUS_OK;
        *data = bytes_from(*data, len);
    }
}

static void output_flush(struct stream *stream)
{
    struct bytes rest = outbox_rest(&stream->outbox);
    size_t before = rest.len;
    push(stream, &rest);
    if (rest.len < before) {
        stream_lives(stream, now_of(stream));
    }
    outbox_took(&stream->outbox, &stream->worker->outboxes, before - rest.len);
}

void turn_flush(struct turn *turn)
{
    struct stream *stream = turn->stream;
    struct worker *worker = stream->worker;
    struct bytes fresh = bytes_of(worker->reply, turn->reply_len);
    if (outbox_waiting(&stream->outbox) == 0) {
        push(stream, &fresh);
    }
    if (fresh.len > 0 && !stream->is_dead) {
        stream->is_dead = !outbox_keep(&stream->outbox, &worker->outboxes, fresh, turn->answers);
    }
    turn->reply_len = 0;
    turn->answers = 0;
}

void turn_put(struct turn *turn, struct bytes data)
{
    struct stream *stream = turn->stream;
    struct worker *worker = stream->worker;
    if (data.len > MESSAGE_PACKET_MAX - turn->reply_len) {
        turn_flush(turn);
    }
    turn->work += data.len;
    if (data.len <= MESSAGE_PACKET_MAX) {
        memcpy(worker->reply + turn->reply_len, data.data, data.len);
        turn->reply_len += data.len;
        return;
    }
    if (outbox_waiting(&stream->outbox) == 0) {
        push(stream, &data);
    }
    if (data.len > 0 && !stream->is_dead) {
        stream->is_dead = !outbox_keep(&stream->outbox, &worker->outboxes, data, 0);
    }
}

/* --- input ----------------------------------------------------------------------------------- */

bool turn_may_answer(struct turn *turn)
{
    struct stream *stream = turn->stream;
    if (WORKER_REPLY_SIZE - turn->reply_len < MESSAGE_PACKET_MAX ||
        stream->outbox.answers + turn->answers >= (size_t)settings_of(stream)->limits_pipelined) {
        turn_flush(turn);
    }
    bool is_done = stream->is_ending || stream->is_dead || turn->work >= TURN_WORK;
    return !is_done && !is_blocked(stream);
}

static bool has_list(struct turn *turn)
{
    return turn->stream->parked.more_count > 0 && turn_may_answer(turn);
}

static enum stream_state state_of(const struct stream *stream)
{
    return stream->speech->state(stream);
}

/* Where the next bytes go: a kept beginning is continued, no further than its message's end. */
static uint8_t *turn_room(struct stream *stream, size_t *out_size)
{
    struct buffer *input = &stream->input;
    if (input->len == 0) {
        *out_size = WORKER_SCRATCH_SIZE;
        return stream->worker->scratch;
    }
    size_t needed = stream->speech->needed(stream);
    assert(needed > input->len);
    size_t grown = 2 * input->len > INPUT_FIRST ? 2 * input->len : INPUT_FIRST;
    size_t size = needed < grown ? needed : grown;
    if (!buffer_reserve(input, size)) {
        return NULL;
    }
    *out_size = size - input->len;
    return input->data + input->len;
}

/* `len` bytes came to `room`. */
static void turn_got(struct turn *turn, const uint8_t *room, size_t len)
{
    struct stream *stream = turn->stream;
    struct buffer *input = &stream->input;
    if (!worker_begin(stream->worker, &turn->scope)) {
        stream->is_dead = true;
    } else if (room == stream->worker->scratch) {
        struct bytes came = bytes_of(room, len);
        stream->is_dead |=
            !buffer_append(input, bytes_from(came, stream->speech->take(turn, came)));
    } else {
        input->len += len;
        buffer_drop_start(input, stream->speech->take(turn, bytes_of(input->data, input->len)));
    }
}

static void turn_read(struct turn *turn)
{
    struct stream *stream = turn->stream;
    for (int i = 0; i < READS_PER_TURN && turn_may_answer(turn); i++) {
        if (state_of(stream) >= STREAM_READY) {
            return;
        }
        size_t size = 0;
        size_t len = 0;
        uint8_t *room = turn_room(stream, &size);
        if (room == NULL) {
            stream->is_dead = true;
            return;
        }
        enum status status = stream_take(stream, room, size, &len);
        if (status == STATUS_CLOSED) {
            stream_end(stream); /* perhaps only half-closed: what was asked is still answered */
        }
        if (status != STATUS_OK) {
            return;
        }
        turn_got(turn, room, len);
        if (len < size && !stream_reads_on_writable(stream)) {
            return;
        }
    }
}

/* Lists go on while their peer takes them; a request behind one need not wait for its end. */
static size_t turn_share(struct turn *turn, struct bytes input)
{
    const struct stream_speech *speech = turn->stream->speech;
    if (has_list(turn)) {
        speech->more(turn);
    }
    size_t taken = speech->take(turn, input);
    while (has_list(turn)) {
        speech->more(turn);
    }
    return taken;
}

/* After the peer took answers, or the last turn was long enough: what waits in `input` may be
 * answered now. */
static void turn_resume(struct turn *turn)
{
    struct stream *stream = turn->stream;
    struct buffer *input = &stream->input;
    if ((input->len > 0 || stream->parked.more_count > 0) && turn_may_answer(turn)) {
        if (worker_begin(stream->worker, &turn->scope)) {
            buffer_drop_start(input, turn_share(turn, bytes_of(input->data, input->len)));
        } else {
            stream->is_dead = true;
        }
    }
}

/* The peer's address is true: it took part in a handshake. */
static void turn_has_asked(struct stream *stream)
{
    int64_t now_ms = now_of(stream);
    stream_lives(stream, now_ms);
    stream->message_ms = STREAM_NEVER;
    budget_prove(stream->worker->options.budget, &stream->peer, now_ms);
}

/* What the connection waits for now. */
static void stream_wait(struct stream *stream)
{
    bool is_held = is_blocked(stream);
    enum stream_state state = stream->is_ending ? STREAM_BUSY : state_of(stream);
    bool has_more = state == STREAM_READY || (stream->parked.more_count > 0 && !is_held);
    bool may_read = state <= STREAM_BEGUN && !is_held;
    if (is_held && !stream->is_held) {
        limit_hit(stream->worker, LIMIT_PIPELINED, &stream->peer);
    }
    stream->is_held = is_held;
    stream_watch_message(stream, may_read && state == STREAM_BEGUN);
    stream_want(stream, may_read, has_more || outbox_waiting(&stream->outbox) > 0);
}

/* Ends a turn; the stream may be gone afterwards. */
static void turn_finish(struct turn *turn)
{
    struct stream *stream = turn->stream;
    turn_flush(turn);
    worker_rest(stream->worker);
    if (turn->has_asked) {
        turn_has_asked(stream);
    }
    if (worker_drops(stream->worker, stream->has_asked) && state_of(stream) == STREAM_IDLE) {
        stream_end(stream);
    }
    bool is_done = outbox_waiting(&stream->outbox) == 0 && stream->parked.count == 0;
    if (stream->is_dead || (stream->is_ending && is_done)) {
        stream_leave(stream);
        return;
    }
    stream_wait(stream);
}

/* A request that never became whole is answered all the same, where its protocol has an answer. */
static bool has_last_words(const struct stream *stream)
{
    return !stream->is_shaking && !stream->is_ending && stream->speech->late != NULL &&
           stream->speech->state(stream) == STREAM_BEGUN;
}

void stream_on_timer(void *context)
{
    struct stream *stream = context;
    int64_t now_ms = now_of(stream);
    stream->timer_ms = STREAM_NEVER;
    if (stream->parked.count > 0 && !stream->is_ending) {
        stream_lives(stream, now_ms); /* it is we who are late */
    }
    if (due_ms(stream) > now_ms) {
        stream_arm(stream, now_ms);
        return;
    }
    if (stream->is_lingering) {
        stream_close(stream);
        return;
    }
    if (stream->is_shaking) {
        limit_hit(stream->worker, LIMIT_HANDSHAKE, &stream->peer);
    } else if (!stream->has_asked && stream->deadline_ms <= now_ms) {
        limit_hit(stream->worker, LIMIT_FIRST_REQUEST, &stream->peer);
    } else if (stream->message_ms <= now_ms) {
        limit_hit(stream->worker, LIMIT_MESSAGE, &stream->peer);
    } else {
        metrics_add(stream->worker->options.metrics, METRIC_tcp_timeouts, 0, 1);
    }
    if (has_last_words(stream)) {
        struct turn turn = {.stream = stream};
        stream->speech->late(&turn);
        turn_finish(&turn);
    } else {
        stream_close(stream);
    }
}

/* Between turns: any connection may be closed. */
static void make_room(struct worker *worker)
{
    size_t part = output_part(worker);
    struct outbox *next = NULL;
    for (struct outbox *box = worker->outboxes.first; box != NULL && worker->outboxes.bytes > part;
         box = next) {
        struct stream *slowest = (struct stream *)((char *)box - offsetof(struct stream, outbox));
        next = box->next;
        limit_hit(worker, LIMIT_OUTPUT, &slowest->peer);
        stream_close(slowest);
    }
}

void stream_on_readable(void *context)
{
    struct turn turn = {.stream = context};
    struct worker *worker = turn.stream->worker;
    if (turn.stream->is_lingering) {
        stream_linger(turn.stream);
        return;
    }
    if (turn.stream->is_shaking && !stream_shake(turn.stream)) {
        return;
    }
    turn_read(&turn);
    turn_finish(&turn);
    make_room(worker);
}

void stream_on_writable(void *context)
{
    struct turn turn = {.stream = context};
    struct worker *worker = turn.stream->worker;
    if (turn.stream->is_shaking && !stream_shake(turn.stream)) {
        return;
    }
    output_flush(turn.stream);
    turn_resume(&turn);
    if (stream_reads_on_writable(turn.stream)) {
        turn_read(&turn);
    }
    turn_finish(&turn);
    make_room(worker);
}

void stream_on_failed(void *context, enum status status)
{
    (void)status;
    stream_close(context);
}

struct parked_list *stream_parked(struct stream *stream)
{
    return &stream->parked;
}

struct login *stream_login(struct stream *stream)
{
    return &stream->login;
}

const struct certificate *stream_certificate(const struct stream *stream)
{
    return stream == NULL ? NULL : stream->shown;
}

void stream_answer_later(const struct exchange_route *route, enum status status,
                         struct bytes answer)
{
    struct stream *stream = route->stream;
    struct worker *worker = stream->worker;
    struct turn turn = {.stream = stream};
    assert(answer.len == 0 || answer.data == worker->reply);
    stream->speech->later(&turn, route, status, answer);
    turn_finish(&turn);
    make_room(worker);
}

void stream_drain_all(struct worker *worker)
{
    struct stream *next = NULL;
    for (struct stream *stream = worker->streams; stream != NULL; stream = next) {
        next = stream->next;
        struct turn turn = {.stream = stream};
        if (stream->is_lingering) {
            stream_close(stream);
            continue;
        }
        if (!stream->is_shaking) {
            turn_resume(&turn);
            turn_read(&turn);
        }
        turn_finish(&turn);
    }
    make_room(worker);
}

void stream_close_all(struct worker *worker)
{
    struct stream *next = NULL;
    for (struct stream *stream = worker->streams; stream != NULL; stream = next) {
        next = stream->next;
        stream_close(stream);
    }
}

size_t stream_input_bytes(const struct worker *worker)
{
    size_t bytes = 0;
    for (const struct stream *stream = worker->streams; stream != NULL; stream = stream->next) {
        bytes += stream->input.size;
    }
    return bytes;
}
