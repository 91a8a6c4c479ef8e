/* SPDX-License-Identifier: Apache-2.0
 *
 * TCP: listeners and connections of a worker, with the Handle protocol (protocol.md §3.4) or HTTP,
 * plain or through TLS. A connection is kept after an answer and may pipeline; everything readable
 * is answered before one write.
 */
#pragma once

#include "resolver/worker.h"

struct certificate;
struct stream_listener;
struct stream;

/* What its connections speak, and whether through TLS, is `transport`'s to say; not UDP. */
enum status stream_listen(struct worker *worker, const struct net_address *address,
                          enum exchange_transport transport, struct stream_listener **out_listener,
                          struct fault *fault);
/* Accepts what waits in the kernel's queue. */
void stream_listener_flush(struct stream_listener *listener);
/* NULL is allowed. Connections stay. */
void stream_listener_close(struct stream_listener *listener);
struct net_address stream_listener_local(const struct stream_listener *listener);

/* Answers what has arrived on every connection, then closes each as soon as its answers have left
 * and no request is half-way in. */
void stream_drain_all(struct worker *worker);
/* At once. */
void stream_close_all(struct worker *worker);

/* --- for requests that wait ---------------------------------------------------------------------
 */
struct parked_list *stream_parked(struct stream *stream);
struct login *stream_login(struct stream *stream);
/* What its client showed; NULL: nothing. `stream` may be NULL. */
const struct certificate *stream_certificate(const struct stream *stream);

/* The end of a run that began after its request's turn: `answer` stands at the start of the
 * worker's reply buffer and goes to the stream of `route`. DROP ends a connection of the Handle
 * protocol. The stream may be gone afterwards. */
void stream_answer_later(const struct exchange_route *route, enum status status,
                         struct bytes answer);

/* Memory that unfinished requests of this worker take. */
size_t stream_input_bytes(const struct worker *worker);
