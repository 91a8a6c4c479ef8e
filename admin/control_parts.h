/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside the control socket's server (control.h): what its files share. All of it belongs to the
 * admin thread, except where a lock is named.
 *
 * Nobody hurts the others: a connection has at most one frame in memory, a window of change sets,
 * a bounded answer buffer and deadlines; when one of them is used up it is simply not read. One
 * frame is taken per callback, so that connections take turns. A set the committer's queue has no
 * room for is kept and offered again; its connection is not read until then.
 */
#pragma once

#include <pthread.h>

#include "admin/control.h"
#include "registry/committer.h"

#define CONTROL_CONNECTIONS_MAX 64
#define CONTROL_WINDOW 16              /* sets of one connection under way; clients use 8 */
#define CONTROL_INPUT_MAX (128u << 20) /* unfinished frames of all connections */
#define CONTROL_OUTPUT_MAX (1u << 20)  /* unread answers of one connection: stop reading it */
#define CONTROL_CALL_MAX (1u << 20)
#define CONTROL_TURN_BYTES (256u << 10) /* read from one before the next has its turn */
#define CONTROL_FRAME_MS 60000          /* for one frame, and for an answer to be read */
#define CONTROL_IDLE_MS 3600000
#define CONTROL_ATTEMPTS 3 /* a set that lost a race, before "busy" */

struct control_connection {
    struct control *control;
    struct control_connection *next;
    struct net_stream *stream;
    struct net_credentials peer;
    char actor[80]; /* "uid:0(root)" */

    uint8_t head[4];
    size_t head_len;
    uint8_t *in; /* kind and payload of the frame being read */
    size_t in_len;
    size_t in_room;
    size_t in_need; /* known once `head` is complete */

    uint8_t *out;
    size_t out_at;
    size_t out_len;
    size_t out_room;

    unsigned sets;     /* under way or held */
    bool is_held;      /* one of them waits for room in the queue */
    bool waits_memory; /* for CONTROL_INPUT_MAX */
    bool ends;         /* closed once its answers are written */
    bool is_dead;
    int64_t frame_deadline_ms; /* 0: no frame begun */
    int64_t write_deadline_ms; /* 0: nothing to write */
    int64_t last_ms;
};

/* A change set on its way through the committer. */
struct control_set {
    struct control *control;
    struct control_connection *connection; /* NULL: gone meanwhile */
    struct change_set *set;
    uint64_t tag;
    unsigned attempts;
    struct control_set *next;
    struct control_set *next_open;
};

struct control {
    struct control_options options;
    char *socket_path;
    struct net *net;
    struct net_listener *listener;
    struct net_wake *wake;
    struct net_timer *tick;  /* deadlines */
    struct net_timer *retry; /* held sets */
    struct snapshot *snapshot;
    struct control_connection *connections;
    size_t connection_count;
    size_t input_bytes;
    struct control_set *open; /* every set under way */
    size_t open_count;
    struct control_set *held;
    bool drains;
    bool clock_is_behind; /* and was told */
    uint64_t refusals;    /* of the store, as seen */
    int refusal_calm;     /* looks without one */
    bool refusal_is_told;
    int64_t damage_met; /* as told */
    bool reader_is_old;
    int64_t stop_deadline_ms; /* 0: not stopping */
    pthread_t thread;

    pthread_mutex_t lock; /* guards what follows */
    struct control_set *arrived;
    bool stop_is_asked;
    json_t *settings; /* {"section.key":"value"} of the generation that serves */
};

/* --- control_connection.c --------------------------------------------------------------------- */

/* Takes the stream; refuses and closes it when the peer may not come in. */
void control_connection_accept(struct control *control, struct net_stream *stream);
void control_connection_free(struct control_connection *connection);

/* Appends one frame to what the connection is to be sent; a connection that cannot take it dies. */
void control_connection_send(struct control_connection *connection, enum control_kind kind,
                             struct bytes payload);

/* Writes what can be written, closes what is over, says what is wanted next. Ends every callback.
 */
void control_connection_settle(struct control_connection *connection);
void control_connection_settle_all(struct control *control);

/* Closes what missed its deadline. */
void control_connection_tick(struct control *control);

/* --- control_care.c --------------------------------------------------------------------------- */

/* Once a second: tells the log when the clock was set back or a reader holds pages for long, and
 * when that is over; gives back what killed readers held. */
void control_care_tick(struct control *control);  /* the store */
void control_care_reads(struct control *control); /* what the node's reads met */

/* --- control_sets.c --------------------------------------------------------------------------- */

/* A CHANGE_SET frame. Its outcome is sent when it is known. */
void control_sets_take(struct control_connection *connection, struct bytes payload);
void control_sets_offer_held(struct control *control);
void control_sets_on_arrival(struct control *control);
void control_sets_forget(struct control_connection *connection);

/* Held sets are answered SERVER_BACKUP: the node stops. */
void control_sets_refuse_held(struct control *control);

/* --- control_calls.c -------------------------------------------------------------------------- */

/* A CALL frame: answered at once. */
void control_calls_take(struct control_connection *connection, struct bytes payload);
