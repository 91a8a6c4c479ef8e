/* SPDX-License-Identifier: Apache-2.0
 *
 * Is what was kept outside the store still what the store says?
 *
 * Whoever keeps a copy of something read through a snapshot remembers the snapshot's transaction
 * id. Here stands, for each bucket of handles, the last transaction that replaced or removed a
 * record in it, and for all prefixes together, the last one that changed any of them (the floor). A
 * copy is good while it is not older than these. It is made only where snapshot_is_published: a
 * snapshot taken between a commit and its publication reads what the commit wrote, while copies it
 * made stale still look good, and what is put together from both would be stamped as new. New
 * records bump nothing, as nobody keeps a copy of what was not there: an import does not make
 * copies stale.
 *
 * The committer stores after its commit is durable and before it publishes the transaction id
 * (release). Readers load after `snapshot_refresh`, which loads that id (acquire): whoever sees an
 * acknowledged transaction as published sees what it made stale. Between commit and publication a
 * copy may be told that is one transaction old; nobody was told yet that it is.
 */
#pragma once

#include <stdatomic.h>

#include "protocol/handle.h"

/* 2 MiB: handles that share a bucket make each other stale, so there are more buckets than copies a
 * worker usually keeps. */
#define FRESHNESS_BUCKETS (1u << 18)

struct change_set;

typedef _Atomic(uint64_t) freshness_word;

struct freshness {
    uint64_t key[2]; /* of the hash: secret, as names come from strangers */
    freshness_word floor;
    freshness_word *touched; /* FRESHNESS_BUCKETS */
};

/* NO_MEMORY, SYSTEM (no random bytes). */
enum status freshness_init(struct freshness *freshness);
void freshness_done(struct freshness *freshness);

/* What transaction `txn` made stale; the committer only. */
void freshness_note(struct freshness *freshness, struct change_set *const *sets, size_t count,
                    uint64_t txn);

/* The hash under which a handle is found: equal for all its spellings. `handle` has a slash. */
static inline uint64_t freshness_hash(const struct freshness *freshness, struct bytes handle)
{
    return handle_keyed_hash(handle, freshness->key);
}

static inline const freshness_word *freshness_bucket(const struct freshness *freshness,
                                                     uint64_t hash)
{
    return &freshness->touched[hash % FRESHNESS_BUCKETS];
}

static inline uint64_t freshness_floor(const struct freshness *freshness)
{
    return atomic_load_explicit(&freshness->floor, memory_order_relaxed);
}

static inline uint64_t freshness_touched(const struct freshness *freshness, uint64_t hash)
{
    return atomic_load_explicit(freshness_bucket(freshness, hash), memory_order_relaxed);
}
