/* SPDX-License-Identifier: Apache-2.0
 *
 * Everything that is probed, and what was found: the delegated prefixes, and the ways to our own
 * canary. Kept in a file between runs.
 *
 * The prober's thread alone changes it; the admin thread reads it as JSON. One mutex, held for a
 * change or a copy. The file is disposable: nothing but histories is lost with it.
 */
#pragma once

#include <jansson.h>

#include "resolver/metrics.h"
#include "resolver/probe_state.h"

enum canary_way { CANARY_UDP, CANARY_TCP, CANARY_ABOVE, CANARY_WAYS };

struct probe_visit;

struct probe_entry {
    struct probe_track track;
    int64_t due_ms;            /* monotonic */
    struct probe_visit *visit; /* under way; NULL: none */
    uint64_t seen;             /* the walk over the store that met it last */
    bool is_canary;
    enum canary_way way; /* of a canary */
    size_t name_len;
    char name[]; /* the prefix, folded; NUL-terminated */
};

struct probe_table;

/* `metrics` is the caller's slot. NULL: no memory. */
struct probe_table *probe_table_new(struct metrics_slot *metrics);
void probe_table_free(struct probe_table *table); /* NULL is allowed; no visits are under way */

/* --- the prober's thread ------------------------------------------------------------------------
 */

/* The entry of a prefix, made when there is none: NULL then only for want of memory. */
struct probe_entry *probe_table_prefix(struct probe_table *table, struct bytes prefix,
                                       bool *out_is_new);
struct probe_entry *probe_table_canary(struct probe_table *table, enum canary_way way);
size_t probe_table_count(const struct probe_table *table); /* of prefixes */
struct probe_entry *probe_table_at(const struct probe_table *table, size_t index);
void probe_table_remove(struct probe_table *table, size_t index);

bool probe_table_note(struct probe_table *table, struct probe_entry *entry,
                      const struct probe_round *round, const struct probe_rules *rules);

/* It is not checked any more: nobody knows its state. */
void probe_table_forget(struct probe_table *table, struct probe_entry *entry);

/* NOT_FOUND: there is no file; CORRUPT: it is not one of ours. */
enum status probe_table_load(struct probe_table *table, const char *path, size_t history);
/* Whole or not at all. */
enum status probe_table_save(struct probe_table *table, const char *path);

/* --- any thread ---------------------------------------------------------------------------------
 */

/* {"prefixes":{"88.608.9":{...}},"canary":{"udp":{...},"tcp":{...},"above":{...}}}; `prefix` not
 * NULL: that one alone, with its history. NULL: no memory. */
json_t *probe_table_json(struct probe_table *table, const char *prefix);

const char *canary_way_name(enum canary_way way); /* "udp", "tcp", "above" */
