/* SPDX-License-Identifier: Apache-2.0
 *
 * The prober: visits the node of every delegated prefix now and then, and asks for our own canary
 * as strangers do: at our own sockets, and through the service above.
 *
 * One thread, on net.h. Prefixes are read from the store some hundred at a time, each visit reads
 * one record; nothing is held between. Visits are spread over the interval by chance, so many at a
 * time as the plan allows, one question each; who wavers is visited sooner, nobody more often than
 * five times an interval. A change of state is one line in the log.
 */
#pragma once

#include "conf/settings.h"
#include "registry/registry.h"
#include "resolver/log.h"
#include "resolver/net.h"
#include "resolver/probe_table.h"
#include "resolver/service.h"

struct dns;
struct upward;

/* What to do; made of the settings by whoever reads them, then the prober's own. */
struct probe_plan {
    int64_t interval_ms; /* 0: nothing */
    int64_t timeout_ms;
    struct probe_rules rules;
    size_t parallel;
    char *canary;
    char *own_prefix;
    struct net_address own[2]; /* our sockets, ASK_UDP and ASK_TCP */
    bool has_own[2];
    struct upward *upward; /* the service above; without sites: there is none */
};

/* `port`: where we answer. `site_path` as in upward.h. */
enum status probe_plan_new(const struct settings *settings, uint16_t port, const char *site_path,
                           struct probe_plan **out_plan, struct fault *fault);
void probe_plan_free(struct probe_plan *plan); /* NULL is allowed */

/* Where a client on this machine reaches a node with these settings. false: no address is told. */
bool probe_own_address(const struct settings *settings, uint16_t port,
                       struct net_address *out_address);

struct probe_options {
    struct net *net;
    struct registry *registry;
    struct probe_table *table;
    struct metrics_slot *metrics;
    struct log *log;  /* NULL: nothing is told */
    struct dns *dns;  /* NULL: names of hosts are not looked up */
    const char *path; /* the histories' file; NULL: there is none */
    void (*random)(void *out, size_t len);
};

struct prober;

/* Reads the file. Nothing happens before the first plan. */
enum status prober_new(const struct probe_options *options, struct prober **out_prober);
/* Writes the file. NULL is allowed. */
void prober_free(struct prober *prober);

/* Takes the plan; the former one goes. */
void prober_adopt(struct prober *prober, struct probe_plan *plan);

size_t prober_under_way(const struct prober *prober);
