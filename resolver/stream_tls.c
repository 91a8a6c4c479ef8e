/* SPDX-License-Identifier: Apache-2.0
 *
 * What differs between connections with and without TLS (stream_parts.h): how bytes come and go,
 * what is waited for, the handshake before and the farewell after. Belongs to its worker's thread.
 *
 * Beside its input and output a TLS connection has what OpenSSL keeps: at rest some kilobytes, and
 * for a record that is half there, or half gone, its bytes (17 KB each way at most).
 */
#include "resolver/handshakes.h"
#include "resolver/stream_parts.h"

enum status stream_take(struct stream *stream, uint8_t *room, size_t size, size_t *out_len)
{
    if (stream->tls == NULL) {
        return net_stream_read(stream->net, room, size, out_len);
    }
    enum status status = tls_read(stream->tls, room, size, out_len);
    stream->reads_late = status == STATUS_PENDING && tls_wants_write(stream->tls);
    return status;
}

enum status stream_give(struct stream *stream, struct bytes data, size_t *out_len)
{
    return stream->tls == NULL ? net_stream_write(stream->net, data, out_len)
                               : tls_write(stream->tls, data, out_len);
}

bool stream_reads_on_writable(const struct stream *stream)
{
    return stream->tls != NULL && (stream->reads_late || tls_has_pending(stream->tls));
}

void stream_want(struct stream *stream, bool may_read, bool wants_write)
{
    bool is_late = stream->is_shaking ? tls_wants_write(stream->tls) : stream->reads_late;
    bool reads_on = may_read && !stream->is_shaking && stream_reads_on_writable(stream);
    net_stream_want(stream->net, may_read && !is_late && !stream->waits_turn,
                    wants_write || reads_on || (is_late && !stream->waits_turn));
}

static bool established(struct stream *stream)
{
    struct worker *worker = stream->worker;
    int64_t now_ms = net_now_ms(worker->options.net);
    stream->is_shaking = false;
    stream->shown = certificate_of(stream->tls);
    stream->deadline_ms = now_ms + worker->generation->settings->limits_first_request;
    stream_arm(stream, now_ms);
    metrics_add(worker->options.metrics, METRIC_tls_handshakes, 0, 1);
    metrics_add(worker->options.metrics, METRIC_tls_resumed, 0, tls_is_resumed(stream->tls));
    return true;
}

/* Whoever mistook the port is told so, in what it speaks; true: the connection ends with it. */
static bool has_told(struct stream *stream)
{
    struct turn turn = {.stream = stream};
    if (stream->speech->plain == NULL || !tls_is_plain_http(stream->tls)) {
        return false;
    }
    stream_tls_end(stream);
    stream->speech->plain(&turn);
    turn_flush(&turn);
    return true;
}

bool stream_shake(struct stream *stream)
{
    struct worker *worker = stream->worker;
    if (!handshakes_take(worker->handshakes, stream)) {
        stream_want(stream, false, false);
        return false;
    }
    switch (tls_handshake(stream->tls)) {
    case STATUS_OK:
        return established(stream);
    case STATUS_PENDING:
        stream_want(stream, true, false);
        return false;
    default:
        metrics_add(worker->options.metrics, METRIC_tls_handshake_failures, 0, 1);
        if (has_told(stream)) {
            return true;
        }
        stream_close(stream);
        return false;
    }
}

void stream_tls_end(struct stream *stream)
{
    if (stream->tls != NULL) {
        struct worker *worker = stream->worker;
        handshakes_leave(worker->handshakes, stream);
        tls_finish(stream->tls);
        tls_free(stream->tls);
        stream->tls = NULL;
        stream->is_shaking = false;
        metrics_add(worker->options.metrics, METRIC_tls_connections, 0, -1);
    }
    certificate_free(stream->shown);
    stream->shown = NULL;
}
