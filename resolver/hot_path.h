/* SPDX-License-Identifier: Apache-2.0
 *
 * The short way of a plain request: recognised, found in the worker's hot set, answered.
 *
 * A transport goes through what one read brought in sweeps, so that memory is waited for once and
 * not once for each request: `hot_look` at each, `hot_find` them all, then `hot_answer` each; where
 * that gives nothing, the exchange runs, and op_resolve.c keeps what it answers by `hot_keep`. An
 * answer is the same bytes either way, and counts the same.
 *
 * An entry holds what depends on the record alone: name as spelled, values. It is told while no
 * transaction published before this turn's snapshot replaced or removed its record or changed a
 * prefix (registry/freshness.h); the head of the answer is made for each request. Belongs to its
 * worker's thread.
 *
 * What another node answered is lent by the cache: to those for whom such names are resolved
 * whatever they say about themselves (forward_tells_kept), while it is fresh, its TTLs growing
 * shorter, and until the cache is told anything else about it. A prefix that comes here ends it,
 * too.
 */
#pragma once

#include "resolver/exchange.h"
#include "resolver/hot_set.h"
#include "resolver/plain_request.h"

#define HOT_BATCH 32

struct hot_path;

/* `bytes` 0: *out_path is NULL, every request goes the full way; so does a NULL path below. */
enum status hot_path_new(uint64_t bytes, const struct registry *registry,
                         struct metrics_slot *metrics, struct hot_path **out_path);
void hot_path_free(struct hot_path *path);

/* A request on its way. */
struct hot_request {
    struct bytes packet;
    struct plain_request plain;
    uint64_t hash;
    bool is_plain;
};

/* The head of an answer, and what it was made for. */
struct hot_head {
    uint8_t bytes[MESSAGE_ENVELOPE_LEN + MESSAGE_HEADER_LEN];
    bool is_made;
    struct envelope asked;
    uint32_t flags;
    uint8_t recursion_count;
};

/* One turn of a transport. */
struct hot_turn {
    struct hot_path *path; /* NULL: switched off */
    const struct exchange_scope *scope;
    enum exchange_transport transport;
    uint64_t floor;
    uint64_t txn;
    struct hot_head head;
    struct hot_head lent_head;
    int64_t hits, lent_hits, misses, request_bytes, answer_bytes;
};

/* After worker_begin, so that everything published is seen. */
void hot_begin(struct hot_turn *turn, const struct exchange_scope *scope,
               enum exchange_transport transport);
void hot_end(struct hot_turn *turn); /* counts what was answered */

void hot_look(const struct hot_turn *turn, struct bytes packet, struct hot_request *out_request);

/* What they need is on its way afterwards. At most HOT_BATCH. */
void hot_find(const struct hot_turn *turn, const struct hot_request *requests, size_t count);

/* Writes the answer for `peer` to `room`, MESSAGE_PACKET_MAX bytes; its length, 0 when there is
 * none. */
size_t hot_answer(struct hot_turn *turn, const struct hot_request *request,
                  const struct net_address *peer, uint8_t *room);

/* For op_resolve.c: this all-public record was just read from the scope's snapshot under this name.
 */
void hot_keep(const struct exchange_scope *scope, struct bytes name, struct bytes values);

/* For forward.c: this whole public record of a name that has no home here was just read from the
 * cache. */
void hot_keep_lent(const struct exchange_scope *scope, struct bytes name, struct bytes values,
                   const struct hot_lease *lease);
