/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of active prefixes kept by one reader, so that finding the home of a handle takes no look
 * into the store.
 *
 * Belongs to its snapshot's thread. A row is good while no prefix has changed since the snapshot it
 * was read from (freshness.h). Only rows of prefixes that are homed are kept, so that names of
 * strangers cannot push them out; two whose hashes meet push out each other.
 */
#pragma once

#include "registry/freshness.h"
#include "registry/registry.h"

struct home_cache;

/* NULL: no memory. */
struct home_cache *home_cache_new(const struct freshness *freshness);
void home_cache_free(struct home_cache *cache);

/* What home_find would give for a handle governed by `prefix`, in a snapshot of transaction `txn`;
 * false: not known. The row is borrowed until the next call. */
bool home_cache_find(const struct home_cache *cache, struct bytes prefix, uint64_t txn,
                     struct prefix_row *out_row);

/* Copies the active row of `prefix` itself, read in a published snapshot of transaction `txn`. */
void home_cache_keep(struct home_cache *cache, struct bytes prefix, uint64_t txn,
                     const struct prefix_row *row);
