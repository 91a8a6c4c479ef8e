/* SPDX-License-Identifier: Apache-2.0
 *
 * How a connection is closed once its last answer has left (stream_parts.h). Closing with bytes
 * unread, or still on their way, resets it and destroys the answer; so what the peer still sends is
 * thrown away, before a refusal for a while, so that whoever sends a large body learns why it is
 * not wanted. Belongs to its worker's thread.
 */
#include "resolver/stream_parts.h"

#define DISCARDS 16              /* reads of a turn */
#define LINGER_MS 5000           /* in all */
#define LINGER_BYTES (64u << 20) /* in all */

/* false: nothing more comes, or it has been enough. */
static bool throw_away(struct stream *stream)
{
    for (int i = 0; i < DISCARDS; i++) {
        size_t len = 0;
        enum status status =
            net_stream_read(stream->net, stream->worker->scratch, WORKER_SCRATCH_SIZE, &len);
        if (status != STATUS_OK) {
            return status == STATUS_PENDING;
        }
        stream->thrown_away += len;
    }
    return stream->thrown_away < LINGER_BYTES;
}

void stream_leave(struct stream *stream)
{
    struct worker *worker = stream->worker;
    bool may_linger = stream->has_refused && !stream->is_dead && !worker->is_draining;
    stream_tls_end(stream);
    if (!throw_away(stream) || !may_linger) {
        stream_close(stream);
        return;
    }
    int64_t now_ms = net_now_ms(worker->options.net);
    stream->is_lingering = true;
    stream->message_ms = STREAM_NEVER;
    stream->deadline_ms = now_ms + LINGER_MS;
    stream_arm(stream, now_ms);
    net_stream_finish(stream->net);
    net_stream_want(stream->net, true, false);
}

void stream_linger(struct stream *stream)
{
    if (!throw_away(stream)) {
        stream_close(stream);
    }
}
