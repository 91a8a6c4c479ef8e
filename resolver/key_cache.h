/* SPDX-License-Identifier: Apache-2.0
 *
 * Public keys and groups of other nodes, kept for a while: encoded value lists by handle and index.
 *
 * One table for all workers, of fixed size, under one mutex that is held for a copy: they are
 * looked for once per login or write, not per request. A newcomer takes the place of whoever shares
 * its slot.
 */
#pragma once

#include "conf/settings.h"
#include "protocol/arena.h"
#include "protocol/value.h"

#define KEY_CACHE_RECORD UINT32_MAX /* in place of an index: all public values of the handle */

struct key_cache;

struct key_cache *key_cache_new(uint64_t seed); /* NULL: no memory */
void key_cache_free(struct key_cache *cache);

/* The values, copied to the arena; none: not there, or over their time. */
struct bytes key_cache_get(struct key_cache *cache, struct bytes handle, uint32_t index,
                           int64_t now_ms, struct arena *arena);
void key_cache_put(struct key_cache *cache, struct bytes handle, uint32_t index,
                   struct bytes values, int64_t expires_ms);

/* How long values that have just come may be kept: the shortest of their lives and the settings'.
 */
int64_t key_cache_life(const struct value *values, size_t count, const struct settings *settings,
                       int64_t now_ms);
