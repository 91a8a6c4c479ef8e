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

#include "resolver/frame.h"
#include "resolver/limit.h"

#define READS_PER_TURN 4              /* then others get their turn */
#define TURN_WORK (1u << 20)          /* bytes asked and answered, likewise: about a millisecond */
#define REQUEST_WORK 4096             /* what a request costs beside its bytes */
#define DISCARDS 16                   /* reads thrown away before closing */
#define INPUT_FIRST 512               /* most requests are shorter */
#define OUTPUT_MAX MESSAGE_PACKET_MAX /* more bytes than this waiting: nothing is read */
#define OUTPUT_PART_MIN (1u << 20)    /* of a worker; more than one connection can have waiting */
#define NEVER INT64_MAX

struct stream_listener {
    struct worker *worker;
    struct net_listener *net;
};

struct stream {
    struct worker *worker;
    struct stream *next;
    struct stream *previous;
    struct net_stream *net;
    struct net_address peer;
    struct net_timer *timer;
    int64_t timer_ms;    /* when it fires: at the latest when the first of these is due */
    int64_t deadline_ms; /* of the first request, of idleness, of the last answers */
    int64_t message_ms;  /* a message that has begun must be complete then */
    struct buffer input;
    struct outbox outbox;
    bool is_held;   /* not read because answers wait */
    bool has_asked; /* a complete request has come: the idle time counts */
    bool is_ending; /* nothing more is read: flush, then close */
    bool is_dead;   /* nothing more can be written either */
};

/* One stay in the loop's hands: the answers made meanwhile stand in the worker's reply buffer. */
struct turn {
    struct stream *stream;
    struct exchange_scope scope;
    size_t reply_len;
    size_t answers;
    size_t work;
    bool has_asked;
};

/* --- life ------------------------------------------------------------------------------------ */

static const struct settings *settings_of(const struct stream *stream)
{
    return stream->worker->generation->settings;
}

static int64_t now_of(const struct stream *stream)
{
    return net_now_ms(stream->worker->options.net);
}

static void stream_close(struct stream *stream)
{
    struct worker *worker = stream->worker;
    if (stream->previous != NULL) {
        stream->previous->next = stream->next;
    } else {
        worker->streams = stream->next;
    }
    if (stream->next != NULL) {
        stream->next->previous = stream->previous;
    }
    net_timer_free(stream->timer);
    net_stream_close(stream->net);
    buffer_clear(&stream->input);
    outbox_clear(&stream->outbox, &worker->outboxes);
    sources_leave(worker->options.sources, &stream->peer);
    metrics_add(worker->options.metrics, METRIC_tcp_connections, 0, -1);
    free(stream);
    worker_stream_ended(worker);
}

static int64_t due_ms(const struct stream *stream)
{
    return stream->deadline_ms < stream->message_ms ? stream->deadline_ms : stream->message_ms;
}

/* A due time that moves away leaves the timer alone; it finds out when it fires. */
static void stream_arm(struct stream *stream, int64_t now_ms)
{
    int64_t due = due_ms(stream);
    if (due < stream->timer_ms) {
        stream->timer_ms = due;
        net_timer_start(stream->timer, due - now_ms);
    }
}

static void stream_on_timer(void *context)
{
    struct stream *stream = context;
    int64_t now_ms = now_of(stream);
    stream->timer_ms = NEVER;
    if (due_ms(stream) > now_ms) {
        stream_arm(stream, now_ms);
        return;
    }
    if (!stream->has_asked && stream->deadline_ms <= now_ms) {
        limit_hit(stream->worker, LIMIT_FIRST_REQUEST, &stream->peer);
    } else if (stream->message_ms <= now_ms) {
        limit_hit(stream->worker, LIMIT_MESSAGE, &stream->peer);
    } else {
        metrics_add(stream->worker->options.metrics, METRIC_tcp_timeouts, 0, 1);
    }
    stream_close(stream);
}

/* A complete request came, or the peer took bytes: the idle time begins anew. */
static void stream_lives(struct stream *stream, int64_t now_ms)
{
    if (!stream->is_ending) {
        stream->deadline_ms = now_ms + settings_of(stream)->limits_idle;
        stream->has_asked = true;
        stream_arm(stream, now_ms);
    }
}

/* The last answers must leave in the time a first request may take. */
static void stream_end(struct stream *stream)
{
    if (!stream->is_ending) {
        int64_t now_ms = now_of(stream);
        stream->is_ending = true;
        stream->deadline_ms = now_ms + settings_of(stream)->limits_first_request;
        stream->message_ms = NEVER;
        stream_arm(stream, now_ms);
    }
}

/* The peer is to complete what it began; time in which it is not read does not count. */
static void stream_watch_message(struct stream *stream, bool is_begun)
{
    if (!is_begun) {
        stream->message_ms = NEVER;
    } else if (stream->message_ms == NEVER) {
        int64_t now_ms = now_of(stream);
        stream->message_ms = now_ms + settings_of(stream)->limits_message;
        stream_arm(stream, now_ms);
    }
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
    return stream->outbox.answers >= (size_t)settings_of(stream)->limits_pipelined ||
           waiting > OUTPUT_MAX ||
           (waiting > 0 && stream->worker->outboxes.bytes > output_part(stream->worker) / 2);
}

/* Hands `data` to the kernel; what it did not take remains in `data`. */
static void push(struct stream *stream, struct bytes *data)
{
    while (data->len > 0 && !stream->is_dead) {
        size_t len = 0;
        enum status status = net_stream_write(stream->net, *data, &len);
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

/* The answers of this turn leave, in one write where the kernel takes them. */
static void turn_flush(struct turn *turn)
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

/* --- input ----------------------------------------------------------------------------------- */

/* A request waits in `input` for its answer. */
static bool has_request(const struct stream *stream)
{
    size_t len = 0;
    return frame_next(bytes_of(stream->input.data, stream->input.len), &len) != FRAME_INCOMPLETE;
}

/* Makes room for one more answer; false: none may be made now. */
static bool turn_may_answer(struct turn *turn)
{
    struct stream *stream = turn->stream;
    if (WORKER_REPLY_SIZE - turn->reply_len < MESSAGE_PACKET_MAX ||
        stream->outbox.answers + turn->answers >= (size_t)settings_of(stream)->limits_pipelined) {
        turn_flush(turn);
    }
    bool is_done = stream->is_ending || stream->is_dead || turn->work >= TURN_WORK;
    return !is_done && !is_blocked(stream);
}

static void turn_answer(struct turn *turn, struct bytes request)
{
    struct stream *stream = turn->stream;
    size_t len = 0;
    turn->has_asked = true;
    turn->work += REQUEST_WORK + request.len;
    if (worker_answer(&turn->scope, EXCHANGE_TCP, &stream->peer, request,
                      stream->worker->reply + turn->reply_len, &len) != STATUS_OK) {
        stream_end(stream);
        return;
    }
    turn->reply_len += len;
    turn->work += len;
    turn->answers++;
}

/* Answers every complete message in `data`; how many bytes are done with. */
static size_t turn_take(struct turn *turn, struct bytes data)
{
    struct stream *stream = turn->stream;
    size_t at = 0;
    while (turn_may_answer(turn)) {
        struct bytes rest = bytes_from(data, at);
        size_t len = 0;
        switch (frame_next(rest, &len)) {
        case FRAME_INCOMPLETE:
            return at;
        case FRAME_LOST:
            turn_answer(turn, bytes_of(rest.data, len));
            metrics_add(stream->worker->options.metrics, METRIC_tcp_framing_errors, 0, 1);
            stream_end(stream);
            break;
        case FRAME_COMPLETE:
            turn_answer(turn, bytes_of(rest.data, len));
            at += len;
            break;
        }
    }
    return stream->is_ending ? data.len : at;
}

/* Where the next bytes go: a kept beginning is continued, no further than its message's end. */
static uint8_t *turn_room(struct stream *stream, size_t *out_size)
{
    struct buffer *input = &stream->input;
    if (input->len == 0) {
        *out_size = WORKER_SCRATCH_SIZE;
        return stream->worker->scratch;
    }
    size_t needed = 0;
    enum frame frame = frame_next(bytes_of(input->data, input->len), &needed);
    assert(frame == FRAME_INCOMPLETE && needed > input->len);
    (void)frame;
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
        stream->is_dead |= !buffer_append(input, bytes_from(came, turn_take(turn, came)));
    } else {
        input->len += len;
        buffer_drop_start(input, turn_take(turn, bytes_of(input->data, input->len)));
    }
}

static void turn_read(struct turn *turn)
{
    struct stream *stream = turn->stream;
    for (int i = 0; i < READS_PER_TURN && turn_may_answer(turn); i++) {
        size_t size = 0;
        size_t len = 0;
        uint8_t *room = turn_room(stream, &size);
        if (room == NULL) {
            stream->is_dead = true;
            return;
        }
        enum status status = net_stream_read(stream->net, room, size, &len);
        if (status == STATUS_CLOSED) {
            stream_end(stream); /* perhaps only half-closed: what was asked is still answered */
        }
        if (status != STATUS_OK) {
            return;
        }
        turn_got(turn, room, len);
        if (len < size) {
            return;
        }
    }
}

/* After the peer took answers, or the last turn was long enough: what waits in `input` may be
 * answered now. */
static void turn_resume(struct turn *turn)
{
    struct stream *stream = turn->stream;
    struct buffer *input = &stream->input;
    if (input->len > 0 && turn_may_answer(turn)) {
        if (worker_begin(stream->worker, &turn->scope)) {
            buffer_drop_start(input, turn_take(turn, bytes_of(input->data, input->len)));
        } else {
            stream->is_dead = true;
        }
    }
}

/* Closing with unread bytes would reset the connection and destroy the answer on its way. */
static void discard(struct stream *stream)
{
    size_t len = 0;
    for (int i = 0; i < DISCARDS; i++) {
        if (net_stream_read(stream->net, stream->worker->scratch, WORKER_SCRATCH_SIZE, &len) !=
            STATUS_OK) {
            return;
        }
    }
}

/* The peer's address is true: it took part in a handshake. */
static void turn_has_asked(struct stream *stream)
{
    int64_t now_ms = now_of(stream);
    stream_lives(stream, now_ms);
    stream->message_ms = NEVER;
    budget_prove(stream->worker->options.budget, &stream->peer, now_ms);
}

/* What the connection waits for now. */
static void stream_wait(struct stream *stream)
{
    bool is_held = is_blocked(stream);
    bool has_more = !stream->is_ending && has_request(stream);
    bool may_read = !stream->is_ending && !is_held && !has_more;
    if (is_held && !stream->is_held) {
        limit_hit(stream->worker, LIMIT_PIPELINED, &stream->peer);
    }
    stream->is_held = is_held;
    stream_watch_message(stream, may_read && stream->input.len > 0);
    net_stream_want(stream->net, may_read, has_more || outbox_waiting(&stream->outbox) > 0);
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
    if (stream->input.len == 0 && worker_drops(stream->worker, stream->has_asked)) {
        stream_end(stream);
    }
    if (stream->is_dead || (stream->is_ending && outbox_waiting(&stream->outbox) == 0)) {
        discard(stream);
        stream_close(stream);
        return;
    }
    stream_wait(stream);
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

static void stream_on_readable(void *context)
{
    struct turn turn = {.stream = context};
    struct worker *worker = turn.stream->worker;
    turn_read(&turn);
    turn_finish(&turn);
    make_room(worker);
}

static void stream_on_writable(void *context)
{
    struct turn turn = {.stream = context};
    struct worker *worker = turn.stream->worker;
    output_flush(turn.stream);
    turn_resume(&turn);
    turn_finish(&turn);
    make_room(worker);
}

static void stream_on_failed(void *context, enum status status)
{
    (void)status;
    stream_close(context);
}

/* --- accepting ------------------------------------------------------------------------------- */

/* Counts the connection in; false: a limit is reached, which is told. */
static bool may_connect(struct worker *worker, const struct net_address *peer)
{
    const struct generation *generation = worker->generation;
    bool is_trusted = sources_trust(peer, generation->trusted, generation->trusted_count);
    struct sources_limits limits = {
        .connections = (size_t)generation->settings->limits_connections,
        .connections_per_source =
            is_trusted ? SIZE_MAX : (size_t)generation->settings->limits_connections_per_source,
    };
    switch (sources_enter(worker->options.sources, peer, &limits)) {
    case SOURCES_ENTERED:
        return true;
    case SOURCES_FULL:
        limit_hit(worker, LIMIT_CONNECTIONS, peer);
        break;
    case SOURCES_SOURCE_FULL:
        limit_hit(worker, LIMIT_CONNECTIONS_PER_SOURCE, peer);
        break;
    }
    return false;
}

/* The stream of an accepted connection, counted in already; NULL: no memory. */
static struct stream *stream_new(struct worker *worker, struct net_stream *net)
{
    struct stream *stream = calloc(1, sizeof(*stream));
    if (stream == NULL ||
        net_timer_new(worker->options.net, stream_on_timer, stream, &stream->timer) != STATUS_OK) {
        free(stream);
        return NULL;
    }
    stream->worker = worker;
    stream->net = net;
    stream->peer = net_stream_peer(net);
    stream->timer_ms = NEVER;
    stream->message_ms = NEVER;
    stream->next = worker->streams;
    if (stream->next != NULL) {
        stream->next->previous = stream;
    }
    worker->streams = stream;
    return stream;
}

static void stream_on_accepted(void *context, struct net_stream *net)
{
    static const struct net_stream_events events = {
        .readable = stream_on_readable,
        .writable = stream_on_writable,
        .failed = stream_on_failed,
    };
    struct stream_listener *listener = context;
    struct worker *worker = listener->worker;
    struct metrics_slot *metrics = worker->options.metrics;
    struct net_address peer = net_stream_peer(net);
    if (!may_connect(worker, &peer)) {
        net_stream_close(net);
        return;
    }
    struct stream *stream = stream_new(worker, net);
    if (stream == NULL) {
        sources_leave(worker->options.sources, &peer);
        metrics_add(metrics, METRIC_tcp_refused, 0, 1);
        net_stream_close(net);
        return;
    }
    metrics_add(metrics, METRIC_tcp_accepted, 0, 1);
    metrics_add(metrics, METRIC_tcp_connections, 0, 1);
    int64_t now_ms = now_of(stream);
    stream->deadline_ms = now_ms + settings_of(stream)->limits_first_request;
    stream_arm(stream, now_ms);
    net_stream_set_events(net, &events, stream);
    net_stream_want(net, true, false);
}

enum status stream_listen(struct worker *worker, const struct net_address *address,
                          struct stream_listener **out_listener, struct fault *fault)
{
    struct stream_listener *listener = calloc(1, sizeof(*listener));
    if (listener == NULL) {
        return fault_set(fault, STATUS_NO_MEMORY, "out of memory");
    }
    listener->worker = worker;
    enum status status = net_listen(worker->options.net, address, stream_on_accepted, listener,
                                    &listener->net, fault);
    if (status != STATUS_OK) {
        free(listener);
        return status;
    }
    *out_listener = listener;
    return STATUS_OK;
}

void stream_listener_close(struct stream_listener *listener)
{
    if (listener != NULL) {
        net_listener_close(listener->net);
        free(listener);
    }
}

struct net_address stream_listener_local(const struct stream_listener *listener)
{
    return net_listener_local(listener->net);
}

void stream_listener_flush(struct stream_listener *listener)
{
    net_listener_flush(listener->net);
}

void stream_drain_all(struct worker *worker)
{
    struct stream *next = NULL;
    for (struct stream *stream = worker->streams; stream != NULL; stream = next) {
        next = stream->next;
        struct turn turn = {.stream = stream};
        turn_resume(&turn);
        turn_read(&turn);
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
