/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers kept in memory: one table of one worker, of fixed size, shared with nobody.
 *
 * The table is cut into pages, each a set of its own: a hash chooses the page, and everything about
 * an entry happens in it, so that a look costs a line of tags and the answer itself, whatever
 * others put in. In a page that is full the oldest entry not used lately makes room, and only some
 * newcomers are let in: names that are asked for again and again get in soon enough, and a walk
 * over all names costs little.
 *
 * Whether an entry is still true is the caller's question (hot_path.h): it keeps the transaction id
 * it was given, and with what is lent to it, the lease.
 */
#pragma once

#include "protocol/bytes.h"
#include "resolver/cache.h"

#define HOT_SET_PAGE 4096
#define HOT_SET_BODY_MAX 2000 /* a page holds at least two */

/* How long what another node answered may be told. */
struct hot_lease {
    struct cache_span span;
    struct cache_stamp stamp;
    int64_t age_s; /* the TTLs in the body are right at this age */
};

struct hot_entry {
    uint64_t txn;
    uint32_t body_len;
    uint16_t key_len;   /* the body begins with the key */
    uint16_t lease_len; /* 0: none; it stands behind the body */
    uint8_t body[];
};

/* Of an entry that has one. */
struct hot_lease hot_entry_lease(const struct hot_entry *entry);
void hot_entry_renew(struct hot_entry *entry, const struct hot_lease *lease);

struct hot_set;

struct hot_set_figures {
    uint64_t entries;
    uint64_t bytes; /* of their bodies */
    uint64_t evictions;
};

/* `bytes` is rounded down to pages, at least one. NULL: no memory. */
struct hot_set *hot_set_new(uint64_t bytes);
void hot_set_free(struct hot_set *set);

/* First sweep: the line of tags this hash leads to is on its way. */
void hot_set_prefetch(const struct hot_set *set, uint64_t hash);

/* Second sweep: so is the entry, if there seems to be one. */
void hot_set_prefetch_entry(const struct hot_set *set, uint64_t hash);

/* The entry with exactly this key; NULL. Valid until the next put. */
struct hot_entry *hot_set_find(struct hot_set *set, uint64_t hash, struct bytes key);

/* The body of an answer: int4 length of the name ‖ name ‖ values. Length and name are the key. */
struct hot_body {
    struct bytes name;
    struct bytes values;
    const struct hot_lease *lease; /* NULL: none */
};

/* Keeps a copy in place of what has this key; nothing when it is too large, or when no newcomer is
 * let in. */
void hot_set_put(struct hot_set *set, uint64_t hash, uint64_t txn, const struct hot_body *body);

struct hot_set_figures hot_set_figures(const struct hot_set *set);
