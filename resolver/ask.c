/* SPDX-License-Identifier: Apache-2.0
 *
 * One question to one server over UDP, TCP, TLS or HTTP.
 *
 * An ask owns its sockets, timers and buffers and ends in exactly one call of `done`, after which
 * it is gone. What arrives is a stranger's until source, request id, length and shape fit; over
 * UDP anything else is passed over, so that nobody can end a question by guessing a port.
 */
#include "resolver/ask.h"

#include <stdlib.h>

#include "protocol/fragment.h"
#include "resolver/tls.h"
#include "resolver/tunnel.h"

#define TIMEOUT_DEFAULT_MS 10000
#define DATAGRAM_ROOM 65536
#define HTTP_CHUNK 4096
#define EARLY_ERROR_ID UINT32_MAX /* what reference servers put into early errors, §3.4 */

/* How long each send waits for its answer (protocol.md §3.3). */
static const int64_t patience_ms[] = {500, 1000, 1500};
#define SENDS_MAX (sizeof(patience_ms) / sizeof(patience_ms[0]))

struct ask {
    struct net *net;
    struct ask_options options;
    struct envelope asked;
    ask_done *done;
    void *context;
    struct net_timer *deadline;
    int64_t started_us;
    struct ask_figures figures;

    uint8_t *request;
    size_t request_len;
    uint8_t *buffer; /* one datagram, or the stream's answer as it grows */
    size_t buffer_len;

    struct net_udp *udp;
    struct net_timer *retry;
    struct fragment_set pieces;
    uint8_t *whole; /* where pieces go; NULL: none came yet */

    struct net_stream *stream;
    struct tls *tls;       /* NULL: TCP, or not connected yet */
    bool is_open;          /* connected, hands are shaken */
    struct tunnel *tunnel; /* HTTP: what fills the buffer; NULL: not HTTP */
    size_t written;
};

static void ask_free(struct ask *ask)
{
    if (ask == NULL) {
        return;
    }
    net_timer_free(ask->deadline);
    net_timer_free(ask->retry);
    net_udp_close(ask->udp);
    if (ask->tls != NULL) {
        tls_finish(ask->tls);
        tls_free(ask->tls);
    }
    net_stream_close(ask->stream);
    tunnel_free(ask->tunnel);
    free(ask->request);
    free(ask->buffer);
    free(ask->whole);
    free(ask);
}

static int64_t timeout_of(const struct ask *ask)
{
    return ask->options.timeout_ms > 0 ? ask->options.timeout_ms : TIMEOUT_DEFAULT_MS;
}

static void finish(struct ask *ask, enum status status, struct bytes answer)
{
    ask->figures.elapsed_us = net_now_us(ask->net) - ask->started_us;
    net_timer_stop(ask->deadline);
    ask->done(ask->context, status, answer, &ask->figures);
    ask_free(ask);
}

static void deadline_on_fired(void *context)
{
    finish(context, STATUS_TIMED_OUT, BYTES_NONE);
}

/* Is this whole packet an answer at all? Encrypted ones can only be judged by whoever has the key.
 */
static bool is_answer(const struct ask *ask, struct bytes packet, const struct envelope *envelope)
{
    struct message message;
    bool is_sound = envelope->is_encrypted || (message_decode(packet, &message) == STATUS_OK &&
                                               message.header.response_code != 0);
    return is_sound && (ask->options.judge == NULL || ask->options.judge(ask->context, packet));
}

/* --- UDP ------------------------------------------------------------------------------------- */

static void send_piece(struct ask *ask, uint32_t sequence)
{
    uint8_t room[FRAGMENT_DATAGRAM];
    uint32_t len = fragment_payload_len(ask->asked.message_len, sequence);
    size_t offset = MESSAGE_ENVELOPE_LEN + (size_t)sequence * FRAGMENT_PAYLOAD;
    struct wire_reader r = wire_read(bytes_of(ask->request, ask->request_len));
    (void)wire_take(&r, offset);
    struct bytes payload = wire_take(&r, len);
    fragment_envelope(&ask->asked, sequence, room);
    struct wire_writer w = wire_write(room, sizeof(room));
    (void)wire_room(&w, MESSAGE_ENVELOPE_LEN);
    wire_put_raw(&w, payload);
    struct net_datagram datagram = {.data = room, .peer = ask->options.server};
    datagram.len = wire_wrote(&w).len;
    (void)net_udp_send(ask->udp, &datagram, 1);
    ask->figures.sent_bytes += datagram.len;
}

static void send_request(struct ask *ask)
{
    uint32_t pieces = fragment_count(ask->asked.message_len);
    for (uint32_t i = 0; i < pieces; i++) {
        send_piece(ask, i);
    }
    net_timer_start(ask->retry, patience_ms[ask->figures.attempts]);
    ask->figures.attempts++;
}

static void retry_on_fired(void *context)
{
    struct ask *ask = context;
    if (ask->figures.attempts < SENDS_MAX) {
        send_request(ask);
    } else if (ask->whole == NULL) {
        finish(ask, STATUS_TIMED_OUT, BYTES_NONE);
    } /* else pieces are coming: the deadline decides */
}

/* A set that does not fit the piece is given up for the piece: the newer answer wins. */
static enum fragment_added add_piece(struct ask *ask, const struct envelope *envelope,
                                     struct bytes datagram)
{
    if (ask->whole != NULL) {
        enum fragment_added added = fragment_set_add(&ask->pieces, envelope, datagram);
        if (added != FRAGMENT_MISMATCH) {
            return added;
        }
        free(ask->whole);
    }
    ask->whole = malloc(fragment_buffer_len(envelope));
    if (ask->whole == NULL) {
        return FRAGMENT_MISMATCH;
    }
    fragment_set_init(&ask->pieces, envelope, ask->whole);
    return fragment_set_add(&ask->pieces, envelope, datagram);
}

/* The answer, once this datagram completes it. */
static struct bytes take_datagram(struct ask *ask, struct bytes datagram)
{
    struct envelope envelope;
    struct bytes packet = BYTES_NONE;
    if (envelope_decode(datagram, &envelope) != STATUS_OK ||
        envelope.request_id != ask->asked.request_id) {
        ask->figures.discarded++;
        return BYTES_NONE;
    }
    switch (fragment_classify(&envelope, datagram.len)) {
    case FRAGMENT_WHOLE:
        packet = datagram;
        break;
    case FRAGMENT_PIECE:
        if (add_piece(ask, &envelope, datagram) == FRAGMENT_COMPLETE) {
            packet = fragment_set_message(&ask->pieces);
        }
        break;
    case FRAGMENT_BAD:
    case FRAGMENT_IGNORE:
    default:
        ask->figures.discarded++;
        break;
    }
    if (packet.len > 0 && !is_answer(ask, packet, &envelope)) {
        ask->figures.discarded++;
        if (packet.data != datagram.data) { /* the pieces of the true one may follow */
            free(ask->whole);
            ask->whole = NULL;
        }
        return BYTES_NONE;
    }
    return packet;
}

static void udp_on_answer(void *context)
{
    struct ask *ask = context;
    struct net_datagram datagram = {.data = ask->buffer, .size = DATAGRAM_ROOM};
    while (net_udp_receive(ask->udp, &datagram, 1) == 1) {
        if (net_address_equal(&datagram.peer, &ask->options.server)) {
            ask->figures.datagrams++;
            ask->figures.received_bytes += datagram.len;
            struct bytes answer = take_datagram(ask, bytes_of(datagram.data, datagram.len));
            if (answer.len > 0) {
                finish(ask, STATUS_OK, answer);
                return;
            }
        } else {
            ask->figures.discarded++;
        }
        datagram = (struct net_datagram){.data = ask->buffer, .size = DATAGRAM_ROOM};
    }
}

static enum status start_udp(struct ask *ask)
{
    ask->buffer = malloc(DATAGRAM_ROOM);
    if (ask->buffer == NULL) {
        return STATUS_NO_MEMORY;
    }
    enum status status =
        net_udp_connect(ask->net, &ask->options.server, udp_on_answer, ask, &ask->udp);
    if (status == STATUS_OK) {
        status = net_timer_new(ask->net, retry_on_fired, ask, &ask->retry);
    }
    if (status == STATUS_OK) {
        send_request(ask);
    }
    return status;
}

/* --- TCP ------------------------------------------------------------------------------------- */

static void stream_on_failed(void *context, enum status status)
{
    finish(context, status, BYTES_NONE);
}

static enum status give(struct ask *ask, struct bytes data, size_t *out_len)
{
    return ask->tls == NULL ? net_stream_write(ask->stream, data, out_len)
                            : tls_write(ask->tls, data, out_len);
}

static enum status take(struct ask *ask, uint8_t *room, size_t size, size_t *out_len)
{
    return ask->tls == NULL ? net_stream_read(ask->stream, room, size, out_len)
                            : tls_read(ask->tls, room, size, out_len);
}

static bool needs_tls(enum ask_transport transport)
{
    return transport == ASK_TLS || transport == ASK_HTTPS;
}

static bool is_http(enum ask_transport transport)
{
    return transport == ASK_HTTP || transport == ASK_HTTPS;
}

static enum status shake(struct ask *ask)
{
    if (!needs_tls(ask->options.transport)) {
        return STATUS_OK;
    }
    enum status status = STATUS_OK;
    if (ask->tls == NULL) {
        status = tls_connect(ask->options.tls, ask->stream, &ask->tls);
    }
    return status == STATUS_OK ? tls_handshake(ask->tls) : status;
}

/* May the request leave? The ask may have ended. */
static bool open_stream(struct ask *ask)
{
    enum status status = shake(ask);
    if (status == STATUS_PENDING) {
        bool wants_write = tls_wants_write(ask->tls);
        net_stream_want(ask->stream, !wants_write, wants_write);
    } else if (status != STATUS_OK) {
        finish(ask, status, BYTES_NONE);
    } else {
        ask->is_open = true;
    }
    return status == STATUS_OK;
}

static void stream_on_ask_writable(void *context)
{
    struct ask *ask = context;
    if (!ask->is_open && !open_stream(ask)) {
        return;
    }
    while (ask->written < ask->request_len) {
        size_t took = 0;
        struct bytes rest = bytes_from(bytes_of(ask->request, ask->request_len), ask->written);
        enum status status = give(ask, rest, &took);
        if (status == STATUS_PENDING) {
            net_stream_want(ask->stream, true, true);
            return;
        }
        if (status != STATUS_OK) {
            finish(ask, status, BYTES_NONE);
            return;
        }
        ask->written += took;
        ask->figures.sent_bytes += took;
    }
    net_stream_want(ask->stream, true, false);
}

static bool is_expected(const struct ask *ask, const struct envelope *envelope)
{
    return envelope->request_id == ask->asked.request_id || envelope->request_id == EARLY_ERROR_ID;
}

/* How many bytes the answer has in all, as far as what came tells; PROTOCOL_ERROR when it can not
 * be one. */
static enum status expected_len(const struct ask *ask, size_t *out_len)
{
    struct envelope envelope;
    if (envelope_decode(bytes_of(ask->buffer, ask->buffer_len), &envelope) != STATUS_OK) {
        *out_len = MESSAGE_ENVELOPE_LEN;
        return STATUS_OK;
    }
    if (envelope.message_len > MESSAGE_MAX || !is_expected(ask, &envelope)) {
        return STATUS_PROTOCOL_ERROR;
    }
    *out_len = (size_t)MESSAGE_ENVELOPE_LEN + envelope.message_len;
    return STATUS_OK;
}

/* Has the answer's next message to be read? Then what came was handed on. */
static bool goes_on(struct ask *ask, struct bytes packet, const struct envelope *envelope)
{
    struct message message;
    if (ask->options.more == NULL || envelope->is_encrypted ||
        message_decode(packet, &message) != STATUS_OK || message.header.response_code == 0 ||
        (message.header.flags & MESSAGE_CONTINUED) == 0 ||
        !ask->options.more(ask->context, packet)) {
        return false;
    }
    ask->buffer_len = 0;
    net_timer_start(ask->deadline, timeout_of(ask));
    return true;
}

/* A whole message stands in the buffer. false: the ask has ended. */
static bool take_message(struct ask *ask)
{
    struct envelope envelope;
    struct bytes packet = bytes_of(ask->buffer, ask->buffer_len);
    (void)envelope_decode(packet, &envelope);
    if (goes_on(ask, packet, &envelope)) {
        return true;
    }
    bool is_sound = is_answer(ask, packet, &envelope);
    ask->figures.discarded += is_sound ? 0 : 1;
    finish(ask, is_sound ? STATUS_OK : STATUS_PROTOCOL_ERROR, is_sound ? packet : BYTES_NONE);
    return false;
}

/* HTTP. PENDING: more must come; OK: the packet stands in the buffer. */
static enum status take_content(struct ask *ask, struct bytes data)
{
    size_t expected = 0;
    enum status status = tunnel_take(ask->tunnel, data);
    ask->buffer_len = tunnel_content_len(ask->tunnel);
    if (status != STATUS_OK && status != STATUS_PENDING) {
        return status;
    }
    if (expected_len(ask, &expected) != STATUS_OK || ask->buffer_len > expected) {
        return STATUS_PROTOCOL_ERROR;
    }
    bool is_packet = expected > MESSAGE_ENVELOPE_LEN && ask->buffer_len == expected;
    return status == STATUS_OK && !is_packet ? STATUS_PROTOCOL_ERROR : status;
}

static void read_content(struct ask *ask)
{
    uint8_t chunk[HTTP_CHUNK];
    enum status status = STATUS_PENDING;
    while (status == STATUS_PENDING) {
        size_t got = 0;
        status = take(ask, chunk, sizeof(chunk), &got);
        if (status == STATUS_PENDING) {
            return;
        }
        if (status == STATUS_CLOSED && tunnel_end(ask->tunnel) == STATUS_OK) {
            status = take_content(ask, BYTES_NONE);
        } else if (status == STATUS_OK) {
            ask->figures.received_bytes += got;
            status = take_content(ask, bytes_of(chunk, got));
        }
    }
    if (status == STATUS_OK) {
        (void)take_message(ask);
    } else {
        finish(ask, status, BYTES_NONE);
    }
}

static void stream_on_ask_readable(void *context)
{
    struct ask *ask = context;
    if (!ask->is_open) {
        stream_on_ask_writable(ask);
        return;
    }
    if (ask->tunnel != NULL) {
        read_content(ask);
        return;
    }
    for (;;) {
        size_t expected = 0;
        enum status status = expected_len(ask, &expected);
        if (status == STATUS_OK && ask->buffer_len == expected) {
            if (!take_message(ask)) {
                return;
            }
            continue;
        }
        size_t got = 0;
        if (status == STATUS_OK) {
            status = take(ask, ask->buffer + ask->buffer_len, expected - ask->buffer_len, &got);
        }
        if (status == STATUS_PENDING) {
            return;
        }
        if (status != STATUS_OK) {
            finish(ask, status, BYTES_NONE);
            return;
        }
        ask->buffer_len += got;
        ask->figures.received_bytes += got;
    }
}

static enum status start_tcp(struct ask *ask)
{
    static const struct net_stream_events events = {
        .readable = stream_on_ask_readable,
        .writable = stream_on_ask_writable,
        .failed = stream_on_failed,
    };
    ask->figures.attempts = 1;
    ask->buffer = malloc(MESSAGE_PACKET_MAX);
    if (ask->buffer == NULL) {
        return STATUS_NO_MEMORY;
    }
    if (is_http(ask->options.transport)) {
        ask->tunnel = tunnel_new(ask->buffer, MESSAGE_PACKET_MAX);
        if (ask->tunnel == NULL) {
            return STATUS_NO_MEMORY;
        }
    }
    return net_connect(ask->net, &ask->options.server, &events, ask, &ask->stream);
}

/* --- both ------------------------------------------------------------------------------------ */

/* What is sent: the packet, over HTTP behind a head. */
static enum status keep_request(struct ask *ask, struct bytes packet)
{
    enum status status = STATUS_OK;
    size_t size = packet.len + (is_http(ask->options.transport) ? TUNNEL_REQUEST_MAX : 0);
    ask->request = malloc(size);
    if (ask->request == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct wire_writer w = wire_write(ask->request, size);
    if (is_http(ask->options.transport)) {
        status = tunnel_write_head(&w, &ask->options.server, ask->options.path, packet.len);
    }
    wire_put_raw(&w, packet);
    ask->request_len = wire_wrote(&w).len;
    return status;
}

static enum status start(struct ask *ask, struct bytes request)
{
    enum status status = keep_request(ask, request);
    if (status != STATUS_OK) {
        return status;
    }
    ask->started_us = net_now_us(ask->net);
    status = net_timer_new(ask->net, deadline_on_fired, ask, &ask->deadline);
    if (status == STATUS_OK) {
        net_timer_start(ask->deadline, timeout_of(ask));
        status = ask->options.transport == ASK_UDP ? start_udp(ask) : start_tcp(ask);
    }
    return status;
}

enum status ask_start(struct net *net, const struct ask_options *options, struct bytes request,
                      ask_done *done, void *context, struct ask **out_ask)
{
    struct envelope asked;
    if ((needs_tls(options->transport) && options->tls == NULL) ||
        (is_http(options->transport) && options->more != NULL)) {
        return STATUS_NOT_SUPPORTED;
    }
    if (envelope_decode(request, &asked) != STATUS_OK || asked.message_len > MESSAGE_MAX ||
        request.len != (size_t)MESSAGE_ENVELOPE_LEN + asked.message_len) {
        return STATUS_PROTOCOL_ERROR;
    }
    struct ask *ask = calloc(1, sizeof(*ask));
    if (ask == NULL) {
        return STATUS_NO_MEMORY;
    }
    ask->net = net;
    ask->options = *options;
    ask->asked = asked;
    ask->done = done;
    ask->context = context;
    enum status status = start(ask, request);
    if (status != STATUS_OK) {
        ask_free(ask);
        return status;
    }
    *out_ask = ask;
    return STATUS_OK;
}

void ask_cancel(struct ask *ask)
{
    ask_free(ask);
}

const struct ask_figures *ask_figures_of(const struct ask *ask)
{
    return &ask->figures;
}
