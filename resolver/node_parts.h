/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of node.c, node_listen.c and node_generation.c: what a node is.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "resolver/cores.h"
#include "resolver/node.h"
#include "resolver/worker.h"

/* A worker, its loop and its thread. */
struct seat {
    struct node *node;
    struct net *net;
    struct worker worker;
    pthread_t thread;
    bool is_ready; /* worker_init was done */
    bool is_running;
    struct mail adopt;
    struct mail drain;
};

struct probe_plan;

struct node {
    struct node_options options;
    struct generation *generation;
    atomic_uint_fast64_t generation_number;
    struct metrics *metrics;
    struct reassembly *reassembly;
    struct sources *sources;
    struct budget *budget;
    struct sessions *sessions;
    struct duplicates *duplicates;
    struct tries *tries;
    struct key_cache *keys;
    struct forward_hub *hub;
    struct cache *cache; /* NULL: nothing other nodes answer is kept */
    struct crypto_pool *pool;
    struct committer *committer;
    struct probe_thread *probes; /* NULL: it could not be started, or has ended */
    struct seat *seats;
    size_t seat_count;
    int cpus[CORES_MAX]; /* the i-th worker's, when they are steered */
    bool is_steered;
    uint16_t port;
    uint16_t tls_port; /* 0: none is open; likewise the others */
    uint16_t http_port;
    uint16_t https_port;
    bool serves_tls;
    int64_t started_ms;
    pthread_mutex_t lock;
    pthread_cond_t adopted;
    size_t adoptions_missing;
    const struct generation *adopting;
    int64_t drain_timeout_ms;
};

/* Opens every socket, or serves those given. A port in use is told at once. */
enum status node_listen(struct node *node, struct fault *fault);

/* Settings, site record and keys, and the context of TLS if it is served. */
enum status node_generation_new(const struct node *node, const struct settings *settings,
                                uint64_t number, struct generation **out_generation,
                                struct fault *fault);

/* What the prober is to do by these settings. */
enum status node_probe_plan(const struct node *node, const struct settings *settings,
                            struct probe_plan **out_plan, struct fault *fault);
