/* SPDX-License-Identifier: Apache-2.0
 *
 * Asking a Handle server: one request, its answer or the reason why there is none.
 *
 * Asynchronous on net.h; the CLI uses it with a loop of its own, forwarding will in the workers.
 * UDP: resends after 500, 1 000, 1 500 ms (protocol.md §3.3), puts fragments together, ignores
 * answers whose source, request id or shape is wrong. TCP: connects, sends, reads one answer, or
 * all messages of one that goes on (lists). TLS: the same behind a handshake. HTTP, HTTPS: a POST
 * and its answer, one message (tunnel.h).
 */
#pragma once

#include "protocol/message.h"
#include "resolver/net.h"

struct tls_context;

enum ask_transport { ASK_UDP, ASK_TCP, ASK_TLS, ASK_HTTP, ASK_HTTPS };

/* A message of an answer that goes on (flag CN), whole packet, valid during the call. Over TCP and
 * TLS alone;
 * not told of encrypted messages, whose flags only their reader sees. false: no more of it is
 * wanted.
 */
typedef bool ask_more(void *context, struct bytes answer);

/* A whole packet from the right server with the right id. false: it is no answer to this request;
 * over UDP waiting goes on, a TCP connection ends with PROTOCOL_ERROR. */
typedef bool ask_judge(void *context, struct bytes answer);

struct ask_options {
    struct net_address server;
    enum ask_transport transport;
    int64_t timeout_ms;      /* for everything; from one message of a list to the next; 0: 10 000 */
    ask_more *more;          /* NULL: the first message is the answer */
    struct tls_context *tls; /* ASK_TLS, ASK_HTTPS: a client's; borrowed while asking */
    struct bytes path;       /* ASK_HTTP, ASK_HTTPS: of the site; borrowed during the call */
    ask_judge *judge;        /* NULL: whatever is an answer at all */
};

struct ask_figures {
    unsigned attempts;  /* UDP sends, or 1 */
    unsigned datagrams; /* received */
    unsigned discarded; /* of another source, id or shape, or not judged an answer */
    size_t sent_bytes;
    size_t received_bytes;
    int64_t elapsed_us; /* from the first send (TCP: from connecting) to the answer */
};

struct ask;

/* `answer` is the whole packet (envelope ‖ message) on OK, valid during the call; else TIMED_OUT,
 * UNREACHABLE, CLOSED, PROTOCOL_ERROR, INVALID_CREDENTIAL (TLS: the server has another key than the
 * context trusts). Called exactly once unless cancelled. */
typedef void ask_done(void *context, enum status status, struct bytes answer,
                      const struct ask_figures *figures);

/* `request` is a whole packet, copied. */
enum status ask_start(struct net *net, const struct ask_options *options, struct bytes request,
                      ask_done *done, void *context, struct ask **out_ask);
void ask_cancel(struct ask *ask); /* `done` is not called any more */

/* What happened so far; of one that was not told yet. */
const struct ask_figures *ask_figures_of(const struct ask *ask);
