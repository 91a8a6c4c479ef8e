/* SPDX-License-Identifier: Apache-2.0
 *
 * UDP: one socket of a worker. A batch of datagrams in, each answered, a batch out.
 *
 * The receive size takes every datagram UDP can carry, so that a whole message that fits is taken
 * whatever its size; answers over 492 bytes leave in pieces (protocol.md §3.3).
 */
#pragma once

#include "resolver/worker.h"

struct udp;

enum status udp_open(struct worker *worker, const struct net_address *address, struct udp **out_udp,
                     struct fault *fault);
/* NULL is allowed. */
void udp_close(struct udp *udp);
struct net_address udp_local(const struct udp *udp);

/* Answers what waits in the socket now; for a drain. */
void udp_flush(struct udp *udp);

/* The answer to a request that waited stands at the start of the worker's reply buffer; it is not
 * sent when the socket it came to has been closed. */
void udp_answer_later(struct worker *worker, const struct exchange_route *route,
                      const struct net_address *peer, struct bytes answer);
