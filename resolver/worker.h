/* SPDX-License-Identifier: Apache-2.0
 *
 * One worker: everything that belongs to one serving thread, and nothing that others may touch.
 *
 * It runs on whatever `net` it is given: node.c gives each its own thread, scenario tests run it on
 * a fake network without one. Before its loop runs, and after it ended, another thread may call
 * these functions; while it runs only `worker_post` is for others.
 */
#pragma once

#include "resolver/budget.h"
#include "resolver/exchange.h"
#include "resolver/log.h"
#include "resolver/mailbox.h"
#include "resolver/outbox.h"
#include "resolver/reassembly.h"
#include "resolver/seal.h"
#include "resolver/services.h"
#include "resolver/sources.h"
#include "resolver/templated.h"

#define WORKER_LISTENS_MAX 64 /* addresses x transports */
#define WORKER_REPLY_SIZE                                                                          \
    (2 * MESSAGE_PACKET_MAX) /* a batch is sent when less than one packet fits */
#define WORKER_SCRATCH_SIZE 65536

struct cache;
struct cache_reader;
struct forward;
struct forward_hub;
struct handshakes;
struct http_routes;
struct http_worker;
struct key_remote;
struct udp;
struct stream;
struct stream_listener;
struct trust;

struct worker_options {
    struct net *net;           /* borrowed */
    struct registry *registry; /* borrowed, as everything below */
    struct reassembly *reassembly;
    struct sources *sources;
    struct budget *budget;
    struct sessions *sessions;     /* NULL: nothing is kept over a request (resolution alone) */
    struct duplicates *duplicates; /* with sessions */
    struct tries *tries;           /* with sessions */
    struct key_cache *keys;        /* with sessions */
    struct crypto_pool *pool;      /* with sessions */
    services_submit *submit;       /* NULL: nothing can be written */
    void *submit_context;
    struct forward_hub *hub;          /* with sessions; NULL: nobody is asked about other names */
    struct cache *cache;              /* NULL: what other nodes answer is not kept */
    const struct http_routes *routes; /* of HTTP; NULL: there are none */
    void (*write_metrics)(void *context, FILE *out); /* OpenMetrics of the node; NULL: none */
    void *metrics_context;
    struct metrics_slot *metrics;
    struct log *log; /* NULL: limits are counted only */
    const struct generation *generation;
    void (*random)(void *out, size_t len);
    size_t worker_count; /* of the node: each has its part of what is limited in bytes */
    bool is_sweeper;     /* one worker of a node ages the shared tables */
};

struct worker {
    struct worker_options options;
    const struct generation *generation;
    struct snapshot *snapshot;
    struct arena *arena;
    struct hot_path *hot; /* NULL: switched off */
    struct mailbox *mailbox;
    struct net_timer *timer; /* sweep while serving, then the drain's deadline */
    uint8_t *reply;          /* WORKER_REPLY_SIZE: answers of one turn */
    uint8_t *scratch;        /* WORKER_SCRATCH_SIZE: what a connection just sent */
    struct udp *udps[WORKER_LISTENS_MAX];
    size_t udp_count;
    struct stream_listener *listeners[WORKER_LISTENS_MAX];
    size_t listener_count;
    struct stream *streams;      /* open connections */
    struct outbox_list outboxes; /* of those, with answers that wait */
    struct handshakes *handshakes;
    struct http_worker *http; /* NULL: HTTP is not served */
    struct parked_table *parked;
    struct exchange_services services;
    struct seal_budget certified;
    struct templated_purse templated;
    struct key_remote *key_remotes; /* keys that are being asked for */
    struct forward *forward;        /* its desk; NULL: without a hub */
    struct cache_reader *cache;     /* NULL: there is none */
    struct trust *trust;            /* NULL: nobody asked for it yet */
    bool is_draining;
    bool is_last_call_over; /* the drain's: see worker_drops */
    int64_t drain_left_ms;  /* from then on */
};

/* On failure nothing is left to be done. */
enum status worker_init(struct worker *worker, const struct worker_options *options);
void worker_done(struct worker *worker);

/* Nothing new is waited for, and what is in the mailbox is opened: of workers that speak to each
 * other, twice for all of them before worker_done for the first. */
void worker_quit(struct worker *worker);

/* Opens a socket of this worker's on `address`; `out_local` says where (port 0: which). */
enum status worker_open_udp(struct worker *worker, const struct net_address *address,
                            struct net_address *out_local, struct fault *fault);
enum status worker_open_tcp(struct worker *worker, const struct net_address *address,
                            struct net_address *out_local, struct fault *fault);
enum status worker_open_tls(struct worker *worker, const struct net_address *address,
                            struct net_address *out_local, struct fault *fault);

enum status worker_open_http(struct worker *worker, const struct net_address *address, bool is_tls,
                             struct net_address *out_local, struct fault *fault);

/* Any thread. */
void worker_post(struct worker *worker, struct mail *mail);

/* From mail: serves with these settings from now on. */
void worker_adopt(struct worker *worker, const struct generation *generation);

/* From mail: takes nothing new, answers what has arrived, stops the loop when every connection is
 * done or after `timeout_ms`. */
void worker_drain(struct worker *worker, int64_t timeout_ms);

/* --- for the transports ------------------------------------------------------------------------
 */

/* After the last read that delivered requests: the scope their exchanges run in. false: no snapshot
 * can be had (counted); nothing can be answered now. */
bool worker_begin(struct worker *worker, struct exchange_scope *out_scope);

/* What a transport has to tell about a request. */
struct worker_asked {
    enum exchange_transport transport;
    struct net_address peer;
    struct bytes request;
    struct exchange_route route;
};

/* Runs one exchange; its answer is written to `room`, MESSAGE_PACKET_MAX bytes. OK; MORE: and the
 * connection's parked_list_continue tells the rest; PENDING: the answer comes later, to the route;
 * DROP. */
enum status worker_answer(const struct exchange_scope *scope, const struct worker_asked *asked,
                          uint8_t *room, size_t *out_len);

/* Before going back to the loop. */
void worker_rest(struct worker *worker);

/* Draining, is a connection on which nothing is under way closed? One that has not asked yet was
 * made a moment ago, and its first request may be on its way: it gets a little time. */
bool worker_drops(const struct worker *worker, bool has_asked);

/* A connection or a parked exchange has ended; the last one ends a drain. */
void worker_stream_ended(struct worker *worker);
