/* SPDX-License-Identifier: Apache-2.0
 *
 * A serving node: its workers and what they share. Several may live in one process.
 *
 * Started, reloaded and stopped by one thread (main, or a test). Reading its figures is for any.
 */
#pragma once

#include "conf/settings.h"
#include "registry/committer.h"
#include "registry/registry.h"
#include "resolver/exchange.h"
#include "resolver/log.h"
#include "resolver/metrics.h"
#include "resolver/net.h"

struct cache;
struct http_routes;
struct node;

struct node_options {
    const struct settings *settings; /* borrowed until the next reload or the end */
    struct registry *registry;       /* borrowed until node_free; opened for writing */
    struct log *log;                 /* borrowed until node_free */
    const char *site_key_path;       /* keys/site.pem, borrowed; NULL: answers are not signed */
    const char *previous_key_path;   /* keys/site.previous.pem, likewise */
    const char *directory; /* what paths of the settings are relative to; NULL: the process's */
    const char *key_server_key_path; /* keys/key_server.pem, likewise; NULL: it is not known */
    /* UDP and listening TCP sockets bound by somebody else; with any of them nothing is bound here
     * and the listen section of the settings has no say. Needed by node_start alone. */
    const int *given;
    const enum exchange_transport *given_as; /* what each is for; NULL: the Handle protocol */
    size_t given_count;
    const struct http_routes *routes; /* of HTTP; NULL: http_routes_own */
    /* What /metrics says, without its end; any worker's thread. NULL: there is no such thing. */
    void (*write_metrics)(struct node *node, FILE *out);
};

/* Opens every listener, or serves the sockets given (so that a port in use is told at once), starts
 * workers and committer. `listen.handle_port` 0 picks free ports (tests). The site record is read
 * from the store's meta "site". On failure everything is closed again. */
enum status node_start(const struct node_options *options, struct node **out_node,
                       struct fault *fault);

/* Posts a new generation to every worker and returns once all have adopted it; then nobody reads
 * the old settings any more and the caller frees them. The site record and the key are read again,
 * too. */
enum status node_reload(struct node *node, const struct settings *settings, struct fault *fault);

/* Stops accepting, lets answers in progress finish for up to `timeout_ms`, ends workers, then the
 * committer. Returns when all threads have ended. */
void node_drain(struct node *node, int64_t timeout_ms);
void node_free(struct node *node);

/* Says in the log where it listens. */
void node_tell_ports(const struct node *node);

uint16_t node_port(const struct node *node);
uint16_t node_tls_port(const struct node *node); /* 0: TLS is not served */
uint16_t node_http_port(const struct node *node);
uint16_t node_https_port(const struct node *node);
size_t node_worker_count(const struct node *node);
struct committer *node_committer(struct node *node);
struct registry *node_registry(struct node *node);
struct cache *node_cache(struct node *node); /* NULL: there is none */
struct metrics *node_metrics(struct node *node);
/* What probes found, as probe_table_json ("": of our canary alone), until the node is told to
 * drain. NULL: no memory. */
json_t *node_probes(struct node *node, const char *prefix);
uint64_t node_generation(const struct node *node);
int64_t node_started_ms(const struct node *node); /* wall clock */
