/* SPDX-License-Identifier: Apache-2.0
 *
 * What the prober (probe.c: when) and its visits (probe_visit.c: how) share. Private to them.
 */
#pragma once

#include "registry/registry.h"
#include "resolver/dns.h"
#include "resolver/probe.h"
#include "resolver/probe_check.h"
#include "resolver/probe_route.h"

struct prober {
    struct probe_options options;
    struct probe_plan *plan; /* NULL: none yet */
    struct snapshot *snapshot;
    struct net_timer *timer;
    struct probe_visit *visits;
    size_t visit_count;
    size_t next; /* whose turn it is to be looked at */

    uint64_t walk; /* number of the walk over the store */
    bool is_walking;
    int64_t walk_due_ms;
    uint8_t walked[512]; /* the prefix it came to */
    size_t walked_len;

    bool is_changed; /* since the file was written */
    bool is_urgent;  /* a state changed */
    int64_t saved_ms;
    bool save_failed; /* and was told */
};

/* Begins a round; it ends by itself with prober_on_round. NO_MEMORY: it did not begin. */
enum status probe_visit_start(struct prober *prober, struct probe_entry *entry);
/* Without an end. */
void probe_visit_cancel(struct probe_visit *visit);

/* The visit is gone. */
void prober_on_round(struct prober *prober, struct probe_entry *entry,
                     const struct probe_round *round);
