/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of stream*.c and http_stream.c: what a connection is, and what it speaks.
 *
 * stream.c moves bytes, keeps time and limits; where a request ends and what its answer looks like
 * is its speech's: stream_handle.c, http_stream.c.
 */
#pragma once

#include "resolver/certificate.h"
#include "resolver/login.h"
#include "resolver/stream.h"
#include "resolver/tls.h"

#define STREAM_NEVER INT64_MAX

struct http_inside;
struct stream;

/* One stay in the loop's hands: the answers made meanwhile stand in the worker's reply buffer. */
struct turn {
    struct stream *stream;
    struct exchange_scope scope;
    size_t reply_len;
    size_t answers;
    size_t work; /* bytes asked and answered: others get their turn */
    bool has_asked;
};

enum stream_state {
    STREAM_IDLE,  /* nothing has begun */
    STREAM_BEGUN, /* a request has, the rest is to come */
    STREAM_READY, /* one can be answered as soon as it may be */
    STREAM_BUSY,  /* one is being answered; nothing is read meanwhile */
};

struct stream_speech {
    enum stream_state (*state)(const struct stream *stream);
    /* BEGUN: how long `input` must or may become for its request; more than it is. */
    size_t (*needed)(const struct stream *stream);
    /* Answers what is complete in `data`; how many bytes are done with. */
    size_t (*take)(struct turn *turn, struct bytes data);
    /* One more message of a list that waits for its peer. */
    void (*more)(struct turn *turn);
    /* An exchange that waited has come to an end, or to the next message of its list. `answer`
     * stands at the start of the worker's reply buffer; nothing else does. */
    void (*later)(struct turn *turn, const struct exchange_route *route, enum status status,
                  struct bytes answer);
    /* A request took too long to arrive: last words. NULL: none. */
    void (*late)(struct turn *turn);
    /* TLS was to come, and plain HTTP did: last words. NULL: none. */
    void (*plain)(struct turn *turn);
    /* The connection goes. NULL: nothing is kept. */
    void (*end)(struct stream *stream);
};

extern const struct stream_speech stream_handle_speech;
extern const struct stream_speech http_stream_speech;

struct stream {
    const struct stream_speech *speech;
    enum exchange_transport transport;
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
    struct http_inside *http; /* the request HTTP works on; NULL: none */
    uint32_t question_id;     /* the last one given to a question of HTTP */
    struct tls *tls;          /* NULL: plain TCP */
    struct certificate *shown;
    struct stream *turn_next; /* of those that wait for their turn to shake hands */
    struct stream *turn_previous;
    bool is_shaking;   /* hands: nothing else happens before */
    bool waits_turn;   /* is in that list */
    bool reads_late;   /* TLS has to write before it can read on */
    bool is_held;      /* not read because answers wait */
    bool has_asked;    /* a complete request has come: the idle time counts */
    bool is_ending;    /* nothing more is read: flush, then close */
    bool is_dead;      /* nothing more can be written either */
    bool has_refused;  /* what the peer may still be sending */
    bool is_lingering; /* all has left; what comes is thrown away */
    size_t thrown_away;
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
/* The last answer has left: closes, at once or when the peer has stopped sending what was refused.
 * The stream may be gone. */
void stream_leave(struct stream *stream);
/* More came while it lingers. The stream may be gone. */
void stream_linger(struct stream *stream);

/* --- for speeches -------------------------------------------------------------------------------
 */

#define STREAM_REQUEST_WORK 4096 /* of a turn: what a request costs beside its bytes */

/* Makes room for one more answer; false: none may be made now. */
bool turn_may_answer(struct turn *turn);
/* The answers of this turn leave, in one write where the kernel takes them. */
void turn_flush(struct turn *turn);
/* `data` leaves behind the answers of this turn, however long it is; it may stand anywhere but in
 * the first half of the worker's reply buffer. */
void turn_put(struct turn *turn, struct bytes data);
/* Nothing more is read; the last answers must leave in the time a first request may take. */
void stream_end(struct stream *stream);
/* The request that has begun has so much more time, from now. */
void stream_more_time(struct stream *stream, int64_t ms);

/* What an accepted connection is called with. */
void stream_on_timer(void *context);
void stream_on_readable(void *context);
void stream_on_writable(void *context);
void stream_on_failed(void *context, enum status status);
