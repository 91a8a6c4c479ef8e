/* SPDX-License-Identifier: Apache-2.0
 *
 * TCP listeners: connections counted in and begun (stream.h). Belongs to its worker's thread.
 */
#include <stdlib.h>

#include "resolver/limit.h"
#include "resolver/stream_parts.h"

struct stream_listener {
    struct worker *worker;
    struct net_listener *net;
    enum exchange_transport transport;
};

static bool is_tls(enum exchange_transport transport)
{
    return transport == EXCHANGE_TLS || transport == EXCHANGE_HTTPS;
}

static const struct stream_speech *speech_of(enum exchange_transport transport)
{
    bool is_http = transport == EXCHANGE_HTTP || transport == EXCHANGE_HTTPS;
    return is_http ? &http_stream_speech : &stream_handle_speech;
}

/* A handshake costs us more than whoever asks for it. */
static bool may_shake(struct worker *worker, const struct net_address *peer)
{
    const struct generation *generation = worker->generation;
    uint8_t source[SOURCE_LEN];
    if (generation->tls == NULL) {
        return false;
    }
    if (worker->options.tries == NULL ||
        sources_trust(peer, generation->trusted, generation->trusted_count)) {
        return true;
    }
    sources_key(peer, source);
    if (!tries_take(worker->options.tries, TRIES_HANDSHAKE, bytes_of(source, sizeof(source)),
                    generation->settings->limits_handshakes, net_wall_ms(worker->options.net))) {
        limit_hit(worker, LIMIT_HANDSHAKES, peer);
        return false;
    }
    return true;
}

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
static struct stream *stream_new(struct worker *worker, struct net_stream *net,
                                 enum exchange_transport transport)
{
    struct stream *stream = calloc(1, sizeof(*stream));
    if (stream == NULL ||
        (is_tls(transport) &&
         tls_accept(worker->generation->tls, net, &stream->tls) != STATUS_OK) ||
        net_timer_new(worker->options.net, stream_on_timer, stream, &stream->timer) != STATUS_OK) {
        if (stream != NULL) {
            tls_free(stream->tls);
        }
        free(stream);
        return NULL;
    }
    stream->is_shaking = is_tls(transport);
    stream->speech = speech_of(transport);
    stream->transport = transport;
    stream->worker = worker;
    stream->net = net;
    stream->peer = net_stream_peer(net);
    stream->timer_ms = STREAM_NEVER;
    stream->message_ms = STREAM_NEVER;
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
    if (net == NULL) {
        limit_hit(worker, LIMIT_DESCRIPTORS, NULL);
        return;
    }
    struct net_address peer = net_stream_peer(net);
    if ((is_tls(listener->transport) && !may_shake(worker, &peer)) || !may_connect(worker, &peer)) {
        net_stream_close(net);
        return;
    }
    struct stream *stream = stream_new(worker, net, listener->transport);
    if (stream == NULL) {
        sources_leave(worker->options.sources, &peer);
        metrics_add(metrics, METRIC_tcp_refused, 0, 1);
        net_stream_close(net);
        return;
    }
    metrics_add(metrics, METRIC_tcp_accepted, 0, 1);
    metrics_add(metrics, METRIC_tcp_connections, 0, 1);
    metrics_add(metrics, METRIC_tls_connections, 0, is_tls(listener->transport));
    int64_t now_ms = net_now_ms(worker->options.net);
    const struct settings *settings = worker->generation->settings;
    stream->deadline_ms = now_ms + (is_tls(listener->transport) ? settings->limits_handshake
                                                                : settings->limits_first_request);
    stream_arm(stream, now_ms);
    net_stream_set_events(net, &events, stream);
    net_stream_want(net, true, false);
}

enum status stream_listen(struct worker *worker, const struct net_address *address,
                          enum exchange_transport transport, struct stream_listener **out_listener,
                          struct fault *fault)
{
    struct stream_listener *listener = calloc(1, sizeof(*listener));
    if (listener == NULL) {
        return fault_set(fault, STATUS_NO_MEMORY, "out of memory");
    }
    listener->worker = worker;
    listener->transport = transport;
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
