/* SPDX-License-Identifier: Apache-2.0
 *
 * The prober of a running node on a thread of its own: it waits, writes its file and disturbs
 * nobody. Started, given plans and stopped by whoever owns the node; its states are for any thread.
 */
#pragma once

#include <jansson.h>

#include "resolver/probe.h"

struct probe_thread_options {
    struct registry *registry;
    struct metrics_slot *metrics;
    struct log *log;
    const char *directory;                    /* the node's; NULL: histories are not kept */
    const struct settings_list *name_servers; /* read at the start alone */
    void (*random)(void *out, size_t len);
};

struct probe_thread;

/* The plan is the thread's, whatever comes of it. */
enum status probe_thread_start(const struct probe_thread_options *options, struct probe_plan *plan,
                               struct probe_thread **out_thread);
void probe_thread_adopt(struct probe_thread *thread, struct probe_plan *plan);
void probe_thread_stop(struct probe_thread *thread); /* NULL is allowed */

/* As probe_table_json. */
json_t *probe_thread_states(struct probe_thread *thread, const char *prefix);
