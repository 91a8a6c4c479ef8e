/* SPDX-License-Identifier: Apache-2.0
 *
 * UDP transport (udp.h). One turn: recvmmsg, refresh the snapshot, one exchange per message, cut
 * large answers, sendmmsg, rest the snapshot. Belongs to its worker's thread.
 *
 * Answers stand one behind the other in the worker's reply buffer and are sent from there; cutting
 * one into pieces happens in place.
 */
#include "resolver/udp.h"

#include <stdlib.h>

#include "protocol/fragment.h"
#include "resolver/hot_path.h"
#include "resolver/limit.h"
#include "resolver/udp_out.h"

#define BATCH 32                               /* goals.md: 128 did not help */
#define RECEIVE_SIZE 65536                     /* 65 507 is the most UDP over IPv4 carries */
#define RECEIVE_STRIDE (RECEIVE_SIZE + 9 * 64) /* not a power of two: starts share no cache set */
/* An answer and the envelopes of its further pieces. */
#define ANSWER_ROOM (MESSAGE_PACKET_MAX + FRAGMENT_COUNT_MAX * MESSAGE_ENVELOPE_LEN)
#define TURN_BATCHES_MAX 4   /* full ones, before connections and mail have their turn */
#define FLUSH_BATCHES_MAX 64 /* a drain must end although a flood goes on */

struct udp {
    struct worker *worker;
    struct net_udp *net;
    uint8_t *memory;
    struct net_datagram in[BATCH];
    struct udp_out out;
    size_t reply_len;
    int64_t now_ms; /* of this batch, as what follows */
    struct hot_turn hot;
    struct hot_request asked[BATCH];
};

static void send_out(struct udp *udp)
{
    udp_out_send(&udp->out, udp->now_ms);
    udp->reply_len = 0;
}

/* Spreads the packet at `packet` from the back, so that no payload is overwritten before it moved:
 * piece i begins at i x 512, its payload at i x 492 before. */
static void queue_pieces(struct udp *udp, const struct net_datagram *asked, uint8_t *packet,
                         const struct envelope *whole)
{
    uint32_t count = fragment_count(whole->message_len);
    for (uint32_t i = count; i-- > 0;) {
        uint8_t *payload = packet + MESSAGE_ENVELOPE_LEN + (size_t)i * FRAGMENT_PAYLOAD;
        uint8_t *piece = packet + (size_t)i * FRAGMENT_DATAGRAM;
        memmove(piece + MESSAGE_ENVELOPE_LEN, payload, fragment_payload_len(whole->message_len, i));
        fragment_envelope(whole, i, piece);
    }
    size_t len = (size_t)whole->message_len + (size_t)count * MESSAGE_ENVELOPE_LEN;
    udp_out_add(&udp->out, asked, bytes_of(packet, len), FRAGMENT_DATAGRAM);
    udp->reply_len += (size_t)count * FRAGMENT_DATAGRAM;
}

static bool is_trusted_peer(const struct udp *udp, const struct net_address *peer)
{
    const struct generation *generation = udp->worker->generation;
    return sources_trust(peer, generation->trusted, generation->trusted_count);
}

static struct budget_limits limits_of(const struct udp *udp)
{
    const struct settings *settings = udp->worker->generation->settings;
    return (struct budget_limits){
        .per_source = settings->limits_udp_per_source,
        .per_network = settings->limits_udp_per_network,
        .large_bytes = settings->limits_udp_large_bytes,
    };
}

static bool may_answer(const struct udp *udp, const struct net_address *peer)
{
    struct budget_limits limits = limits_of(udp);
    switch (budget_take(udp->worker->options.budget, peer, &limits, udp->now_ms)) {
    case BUDGET_PASSES:
        return true;
    case BUDGET_OVER_SOURCE:
        limit_hit(udp->worker, LIMIT_UDP_PER_SOURCE, peer);
        break;
    case BUDGET_OVER_NETWORK:
        limit_hit(udp->worker, LIMIT_UDP_PER_NETWORK, peer);
        break;
    }
    return false;
}

static bool may_be_large(const struct udp *udp, const struct net_address *peer, size_t bytes)
{
    struct budget_limits limits = limits_of(udp);
    if (budget_take_large(udp->worker->options.budget, peer, bytes, &limits, udp->now_ms)) {
        return true;
    }
    limit_hit(udp->worker, LIMIT_UDP_LARGE, peer);
    return false;
}

/* `data` is the start of ANSWER_ROOM bytes and holds a packet of `len`. */
static void queue_answer(struct udp *udp, const struct net_datagram *asked, uint8_t *data,
                         size_t len)
{
    struct envelope envelope;
    if (len <= FRAGMENT_DATAGRAM) {
        udp_out_add(&udp->out, asked, bytes_of(data, len), 0);
        udp->reply_len += len;
    } else if (envelope_decode(bytes_of(data, len), &envelope) == STATUS_OK &&
               (is_trusted_peer(udp, &asked->peer) ||
                may_be_large(udp, &asked->peer, envelope.message_len))) {
        queue_pieces(udp, asked, data, &envelope);
    }
}

/* The answer to a request over the full way; its length, 0 when none leaves now. */
static size_t run(struct udp *udp, const struct exchange_scope *scope,
                  const struct net_datagram *asked, struct bytes request, uint8_t *room)
{
    const struct worker_asked exchange = {
        .transport = EXCHANGE_UDP,
        .peer = asked->peer,
        .request = request,
        .route = {.udp = udp, .local = asked->local},
    };
    size_t len = 0;
    return worker_answer(scope, &exchange, room, &len) == STATUS_OK ? len : 0;
}

/* What a flood asks is judged before anything is looked up; how large an answer is, after. `hot`
 * is NULL for what is no plain request. */
static void answer(struct udp *udp, const struct exchange_scope *scope,
                   const struct net_datagram *asked, struct bytes request,
                   const struct hot_request *hot)
{
    bool is_trusted = is_trusted_peer(udp, &asked->peer);
    if (!is_trusted && !may_answer(udp, &asked->peer)) {
        return;
    }
    if (WORKER_REPLY_SIZE - udp->reply_len < ANSWER_ROOM || udp_out_is_full(&udp->out)) {
        send_out(udp);
    }
    uint8_t *room = udp->worker->reply + udp->reply_len;
    size_t len = hot == NULL ? 0 : hot_answer(&udp->hot, hot, &asked->peer, room);
    if (len == 0) {
        len = run(udp, scope, asked, request, room);
    }
    if (len > 0) {
        queue_answer(udp, asked, room, len);
    }
}

static void take_piece(struct udp *udp, const struct exchange_scope *scope,
                       const struct net_datagram *datagram)
{
    const struct worker *worker = udp->worker;
    const struct settings *settings = worker->generation->settings;
    struct reassembly_limits limits = {
        .bytes = (size_t)settings->limits_reassembly_bytes,
        .sets_per_source = is_trusted_peer(udp, &datagram->peer)
                               ? SIZE_MAX
                               : (size_t)settings->limits_reassembly_per_source,
    };
    struct bytes packet;
    switch (reassembly_add(worker->options.reassembly, &limits, udp->now_ms, &datagram->peer,
                           bytes_of(datagram->data, datagram->len), &packet)) {
    case REASSEMBLY_COMPLETE:
        metrics_add(worker->options.metrics, METRIC_reassembled, 0, 1);
        answer(udp, scope, datagram, packet, NULL);
        reassembly_release(packet);
        break;
    case REASSEMBLY_REFUSED:
        limit_hit(worker, LIMIT_REASSEMBLY, &datagram->peer);
        break;
    case REASSEMBLY_CROWDED:
        limit_hit(worker, LIMIT_REASSEMBLY_BYTES, &datagram->peer);
        break;
    case REASSEMBLY_MISMATCH:
        metrics_add(worker->options.metrics, METRIC_udp_malformed, 0, 1);
        break;
    case REASSEMBLY_WAITING:
        break;
    }
}

static void take(struct udp *udp, const struct exchange_scope *scope,
                 const struct net_datagram *datagram)
{
    struct bytes packet = bytes_of(datagram->data, datagram->len);
    struct envelope envelope;
    enum fragment_kind kind = FRAGMENT_IGNORE;
    if (envelope_decode(packet, &envelope) == STATUS_OK) {
        kind = fragment_classify(&envelope, packet.len);
    }
    switch (kind) {
    case FRAGMENT_WHOLE:
        answer(udp, scope, datagram, packet, NULL);
        break;
    case FRAGMENT_PIECE:
        take_piece(udp, scope, datagram);
        break;
    case FRAGMENT_BAD: /* decoding fails the same way, which answers 4 */
        metrics_add(udp->worker->options.metrics, METRIC_udp_malformed, 0, 1);
        answer(udp, scope, datagram, packet, NULL);
        break;
    case FRAGMENT_IGNORE:
        metrics_add(udp->worker->options.metrics, METRIC_udp_malformed, 0, 1);
        break;
    }
}

/* Plain requests are looked at together first (hot_path.h). */
static void take_batch(struct udp *udp, const struct exchange_scope *scope, size_t count)
{
    hot_begin(&udp->hot, scope, EXCHANGE_UDP);
    for (size_t i = 0; i < count; i++) {
        hot_look(&udp->hot, bytes_of(udp->in[i].data, udp->in[i].len), &udp->asked[i]);
    }
    hot_find(&udp->hot, udp->asked, count);
    for (size_t i = 0; i < count; i++) {
        const struct hot_request *asked = &udp->asked[i];
        if (asked->is_plain) {
            answer(udp, scope, &udp->in[i], asked->packet, asked);
        } else {
            take(udp, scope, &udp->in[i]);
        }
    }
    hot_end(&udp->hot);
}

/* One batch; how many datagrams waited. */
static size_t serve(struct udp *udp)
{
    struct metrics_slot *metrics = udp->worker->options.metrics;
    size_t count = net_udp_receive(udp->net, udp->in, BATCH);
    if (count == 0) {
        return 0;
    }
    metrics_add(metrics, METRIC_udp_batches, 0, 1);
    metrics_add(metrics, METRIC_udp_datagrams_in, 0, (int64_t)count);
    struct exchange_scope scope;
    udp->now_ms = net_now_ms(udp->worker->options.net);
    if (worker_begin(udp->worker, &scope)) {
        take_batch(udp, &scope, count);
        send_out(udp);
        worker_rest(udp->worker);
    }
    return count;
}

static void udp_on_readable(void *context)
{
    for (int i = 0; i < TURN_BATCHES_MAX && serve(context) == BATCH; i++) {
    }
}

static void udp_on_writable(void *context)
{
    struct udp *udp = context;
    udp_out_on_writable(&udp->out, net_now_ms(udp->worker->options.net));
}

void udp_answer_later(struct worker *worker, const struct exchange_route *route,
                      const struct net_address *peer, struct bytes answer)
{
    for (size_t i = 0; i < worker->udp_count; i++) {
        struct udp *udp = worker->udps[i];
        if (udp == route->udp) { /* it is still open */
            const struct net_datagram asked = {.peer = *peer, .local = route->local};
            udp->now_ms = net_now_ms(worker->options.net);
            queue_answer(udp, &asked, worker->reply, answer.len);
            send_out(udp);
        }
    }
}

void udp_flush(struct udp *udp)
{
    for (int i = 0; i < FLUSH_BATCHES_MAX && serve(udp) > 0; i++) {
    }
}

enum status udp_open(struct worker *worker, const struct net_address *address, struct udp **out_udp,
                     struct fault *fault)
{
    struct udp *udp = calloc(1, sizeof(*udp));
    if (udp == NULL || (udp->memory = malloc((size_t)BATCH * RECEIVE_STRIDE)) == NULL) {
        free(udp);
        return fault_set(fault, STATUS_NO_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < BATCH; i++) {
        udp->in[i].data = udp->memory + i * RECEIVE_STRIDE;
        udp->in[i].size = RECEIVE_SIZE;
    }
    udp->worker = worker;
    enum status status =
        net_udp_open(worker->options.net, address, udp_on_readable, udp, &udp->net, fault);
    if (status != STATUS_OK) {
        udp_close(udp);
        return status;
    }
    udp_out_init(&udp->out, udp->net, udp_on_writable, worker->options.metrics);
    *out_udp = udp;
    return STATUS_OK;
}

void udp_close(struct udp *udp)
{
    if (udp != NULL) {
        udp_out_done(&udp->out);
        net_udp_close(udp->net);
        free(udp->memory);
        free(udp);
    }
}

struct net_address udp_local(const struct udp *udp)
{
    return net_udp_local(udp->net);
}
