/* SPDX-License-Identifier: Apache-2.0
 *
 * Public keys of other nodes, kept for a while: encoded value lists by handle and index.
 *
 * One table for all workers, of fixed size, under one mutex that is held for a copy: a key is
 * looked for once per login, not per request. A newcomer takes the place of whoever shares its
 * slot.
 */
#pragma once

#include "protocol/arena.h"

struct key_cache;

struct key_cache *key_cache_new(uint64_t seed); /* NULL: no memory */
void key_cache_free(struct key_cache *cache);

/* The values, copied to the arena; none: not there, or over their time. */
struct bytes key_cache_get(struct key_cache *cache, struct bytes handle, uint32_t index,
                           int64_t now_ms, struct arena *arena);
void key_cache_put(struct key_cache *cache, struct bytes handle, uint32_t index,
                   struct bytes values, int64_t expires_ms);
