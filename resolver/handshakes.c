/* SPDX-License-Identifier: Apache-2.0
 *
 * Turns of handshakes (handshakes.h): a timer that is due at once fires behind all that has
 * arrived.
 */
#include "resolver/handshakes.h"

#include <stdlib.h>

#include "resolver/stream_parts.h"

struct handshakes {
    struct net_timer *timer;
    struct stream *first;
    struct stream *last;
    unsigned left; /* of this turn */
    bool is_counting;
    bool is_served; /* the one at the head of the list has its turn */
};

static void on_turn(void *context)
{
    struct handshakes *handshakes = context;
    handshakes->left = HANDSHAKES_PER_TURN;
    handshakes->is_counting = false;
    while (handshakes->left > 0 && handshakes->first != NULL) {
        struct stream *stream = handshakes->first;
        handshakes_leave(handshakes, stream);
        handshakes->is_served = true;
        stream_on_readable(stream);
        handshakes->is_served = false;
    }
}

enum status handshakes_new(struct worker *worker, struct handshakes **out_handshakes)
{
    struct handshakes *handshakes = calloc(1, sizeof(*handshakes));
    if (handshakes == NULL) {
        return STATUS_NO_MEMORY;
    }
    enum status status =
        net_timer_new(worker->options.net, on_turn, handshakes, &handshakes->timer);
    if (status != STATUS_OK) {
        free(handshakes);
        return status;
    }
    handshakes->left = HANDSHAKES_PER_TURN;
    *out_handshakes = handshakes;
    return STATUS_OK;
}

void handshakes_free(struct handshakes *handshakes)
{
    if (handshakes != NULL) {
        net_timer_free(handshakes->timer);
        free(handshakes);
    }
}

static void join(struct handshakes *handshakes, struct stream *stream)
{
    stream->waits_turn = true;
    stream->turn_next = NULL;
    stream->turn_previous = handshakes->last;
    *(handshakes->last != NULL ? &handshakes->last->turn_next : &handshakes->first) = stream;
    handshakes->last = stream;
}

void handshakes_leave(struct handshakes *handshakes, struct stream *stream)
{
    if (!stream->waits_turn) {
        return;
    }
    stream->waits_turn = false;
    *(stream->turn_previous != NULL ? &stream->turn_previous->turn_next : &handshakes->first) =
        stream->turn_next;
    *(stream->turn_next != NULL ? &stream->turn_next->turn_previous : &handshakes->last) =
        stream->turn_previous;
}

bool handshakes_take(struct handshakes *handshakes, struct stream *stream)
{
    if (!handshakes->is_counting) {
        handshakes->is_counting = true;
        net_timer_start(handshakes->timer, 0);
    }
    bool is_next = handshakes->is_served || handshakes->first == NULL;
    if (!stream->waits_turn && is_next && handshakes->left > 0) {
        handshakes->left--;
        return true;
    }
    if (!stream->waits_turn) {
        join(handshakes, stream);
    }
    return false;
}
