/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of stream.c and stream_accept.c: what a connection is.
 */
#pragma once

#include "resolver/frame.h"
#include "resolver/login.h"
#include "resolver/stream.h"

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
    bool is_held;   /* not read because answers wait */
    bool has_asked; /* a complete request has come: the idle time counts */
    bool is_ending; /* nothing more is read: flush, then close */
    bool is_dead;   /* nothing more can be written either */
};

/* A due time that moves away leaves the timer alone; it finds out when it fires. */
void stream_arm(struct stream *stream, int64_t now_ms);

/* What an accepted connection is called with. */
void stream_on_timer(void *context);
void stream_on_readable(void *context);
void stream_on_writable(void *context);
void stream_on_failed(void *context, enum status status);
