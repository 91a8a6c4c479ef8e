/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of stream.c, stream_accept.c and stream_tls.c: what a connection is.
 */
#pragma once

#include "resolver/certificate.h"
#include "resolver/frame.h"
#include "resolver/login.h"
#include "resolver/stream.h"
#include "resolver/tls.h"

#define STREAM_NEVER INT64_MAX

struct stream {
    struct worker *worker;
    struct stream *next;
    struct stream *previous;
    struct net_stream *net;
    struct net_address peer;
    struct net_timer *timer;
    int64_t timer_ms;    /* when it fires: at the latest when the first of these is due */
    int64_t deadline_ms; /* of the first request, of idleness, of the last answers */
    int64_t message_ms;  /* a message that has begun must be complete then */
    struct buffer input;
    struct outbox outbox;
    struct parked_list parked; /* requests that wait */
    struct login login;
    struct tls *tls; /* NULL: plain TCP */
    struct certificate *shown;
    struct stream *turn_next; /* of those that wait for their turn to shake hands */
    struct stream *turn_previous;
    bool is_shaking; /* hands: nothing else happens before */
    bool waits_turn; /* is in that list */
    bool reads_late; /* TLS has to write before it can read on */
    bool is_held;    /* not read because answers wait */
    bool has_asked;  /* a complete request has come: the idle time counts */
    bool is_ending;  /* nothing more is read: flush, then close */
    bool is_dead;    /* nothing more can be written either */
};

/* A due time that moves away leaves the timer alone; it finds out when it fires. */
void stream_arm(struct stream *stream, int64_t now_ms);

/* Bytes as their applications see them, whatever carries them. OK, PENDING, CLOSED as in net.h. */
enum status stream_take(struct stream *stream, uint8_t *room, size_t size, size_t *out_len);
enum status stream_give(struct stream *stream, struct bytes data, size_t *out_len);
/* `may_read` and `wants_write` as the application means them. */
void stream_want(struct stream *stream, bool may_read, bool wants_write);
/* Becoming writable means that more is to be read, too. */
bool stream_reads_on_writable(const struct stream *stream);

/* Its handshake goes on; true: it is over. The stream may be gone. */
bool stream_shake(struct stream *stream);
/* It is being closed: tells the peer, frees what TLS has. */
void stream_tls_end(struct stream *stream);

void stream_close(struct stream *stream);

/* What an accepted connection is called with. */
void stream_on_timer(void *context);
void stream_on_readable(void *context);
void stream_on_writable(void *context);
void stream_on_failed(void *context, enum status status);
