/* SPDX-License-Identifier: Apache-2.0
 *
 * A table of fixed size, one place for each hash (home_cache.h).
 */
#include "registry/home_cache.h"

#include <stdlib.h>

#define SLOTS 512
#define PREFIX_KEPT_MAX 48 /* longer ones are looked up each time */
#define ENTERPRISE_KEPT_MAX 64

struct home_slot {
    uint64_t txn; /* 0: empty */
    struct prefix_row row;
    uint8_t prefix[PREFIX_KEPT_MAX];
    uint8_t enterprise[ENTERPRISE_KEPT_MAX];
};

struct home_cache {
    const struct freshness *freshness;
    struct home_slot slots[SLOTS];
};

struct home_cache *home_cache_new(const struct freshness *freshness)
{
    struct home_cache *cache = calloc(1, sizeof(*cache));
    if (cache != NULL) {
        cache->freshness = freshness;
    }
    return cache;
}

void home_cache_free(struct home_cache *cache)
{
    free(cache);
}

static size_t slot_of(const struct home_cache *cache, struct bytes prefix)
{
    return freshness_hash(cache->freshness, prefix) % SLOTS;
}

bool home_cache_find(const struct home_cache *cache, struct bytes prefix, uint64_t txn,
                     struct prefix_row *out_row)
{
    const struct home_slot *slot = &cache->slots[slot_of(cache, prefix)];
    /* Not newer either: no reader goes back in time by a row it kept. */
    if (slot->txn == 0 || slot->txn < freshness_floor(cache->freshness) || slot->txn > txn ||
        !bytes_equal_nocase(slot->row.prefix, prefix)) {
        return false;
    }
    *out_row = slot->row;
    return true;
}

void home_cache_keep(struct home_cache *cache, struct bytes prefix, uint64_t txn,
                     const struct prefix_row *row)
{
    if (row->prefix.len > PREFIX_KEPT_MAX || row->enterprise.len > ENTERPRISE_KEPT_MAX ||
        row->prefix.len != prefix.len) {
        return;
    }
    struct home_slot *slot = &cache->slots[slot_of(cache, prefix)];
    slot->txn = txn;
    slot->row = *row;
    memcpy(slot->prefix, row->prefix.data, row->prefix.len);
    memcpy(slot->enterprise, row->enterprise.data, row->enterprise.len);
    slot->row.prefix = bytes_of(slot->prefix, row->prefix.len);
    slot->row.enterprise = bytes_of(slot->enterprise, row->enterprise.len);
}
