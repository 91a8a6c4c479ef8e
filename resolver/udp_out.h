/* SPDX-License-Identifier: Apache-2.0
 *
 * What a UDP socket of a worker is about to send. An answer goes whole or not at all: when the
 * socket's buffer fills in the midst of one, the rest of it is kept and leaves first as soon as
 * there is room; at most one answer is ever kept. What finds no room otherwise is lost and counted.
 * Belongs to its worker's thread.
 */
#pragma once

#include "resolver/metrics.h"
#include "resolver/net.h"

#define UDP_OUT_MAX 64
/* A client waits seconds for a missing piece before it asks again. */
#define UDP_OUT_REST_MS 1000

struct udp_out {
    struct net_udp *net; /* borrowed */
    net_udp_writable *writable;
    struct metrics_slot *metrics;
    struct net_datagram queue[UDP_OUT_MAX]; /* answers; their bytes are the caller's */
    size_t count;
    uint8_t *rest_memory; /* NULL: nothing is kept */
    struct net_datagram rest;
    int64_t rest_until_ms;
};

/* `writable` is called with the socket's context and calls udp_out_on_writable. */
void udp_out_init(struct udp_out *out, struct net_udp *net, net_udp_writable *writable,
                  struct metrics_slot *metrics);
void udp_out_done(struct udp_out *out);

/* An answer to whoever sent `asked`, in datagrams of `piece` bytes (0: one); not when full. */
void udp_out_add(struct udp_out *out, const struct net_datagram *asked, struct bytes answer,
                 size_t piece);
static inline bool udp_out_is_full(const struct udp_out *out)
{
    return out->count == UDP_OUT_MAX;
}
/* Everything added; afterwards nothing of it is borrowed any more. */
void udp_out_send(struct udp_out *out, int64_t now_ms);
void udp_out_on_writable(struct udp_out *out, int64_t now_ms);
