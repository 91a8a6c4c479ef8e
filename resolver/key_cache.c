/* SPDX-License-Identifier: Apache-2.0
 *
 * A direct-mapped table (key_cache.h).
 */
#include "resolver/key_cache.h"

#include <pthread.h>
#include <stdlib.h>

#include "protocol/wire.h"

#define SLOTS 1024u
#define ENTRY_MAX 65536u /* bytes of handle and values; longer ones are not kept */

struct slot {
    uint8_t *data; /* handle ‖ values; NULL: empty */
    size_t handle_len;
    size_t len;
    uint32_t index;
    int64_t expires_ms;
};

struct key_cache {
    uint64_t seed;
    pthread_mutex_t lock;
    struct slot slots[SLOTS];
};

struct key_cache *key_cache_new(uint64_t seed)
{
    struct key_cache *cache = calloc(1, sizeof(*cache));
    if (cache != NULL) {
        cache->seed = seed;
        (void)pthread_mutex_init(&cache->lock, NULL);
    }
    return cache;
}

void key_cache_free(struct key_cache *cache)
{
    if (cache != NULL) {
        for (size_t i = 0; i < SLOTS; i++) {
            free(cache->slots[i].data);
        }
        (void)pthread_mutex_destroy(&cache->lock);
        free(cache);
    }
}

static struct slot *slot_of(struct key_cache *cache, struct bytes handle, uint32_t index)
{
    uint64_t hash = cache->seed ^ 14695981039346656037u ^ index;
    for (size_t i = 0; i < handle.len; i++) {
        hash = (hash ^ handle.data[i]) * 1099511628211u;
    }
    hash = (hash ^ cache->seed ^ hash >> 32) * 0x9e3779b97f4a7c15u;
    return &cache->slots[(hash >> 40) % SLOTS];
}

struct bytes key_cache_get(struct key_cache *cache, struct bytes handle, uint32_t index,
                           int64_t now_ms, struct arena *arena)
{
    struct bytes found = BYTES_NONE;
    struct slot *slot = slot_of(cache, handle, index);
    (void)pthread_mutex_lock(&cache->lock);
    if (slot->data != NULL && slot->index == index && slot->expires_ms > now_ms &&
        bytes_equal(bytes_of(slot->data, slot->handle_len), handle)) {
        found = arena_copy(arena,
                           bytes_of(slot->data + slot->handle_len, slot->len - slot->handle_len));
    }
    (void)pthread_mutex_unlock(&cache->lock);
    return found.data == NULL ? BYTES_NONE : found;
}

void key_cache_put(struct key_cache *cache, struct bytes handle, uint32_t index,
                   struct bytes values, int64_t expires_ms)
{
    size_t len = handle.len + values.len;
    uint8_t *copy = len > 0 && len <= ENTRY_MAX ? malloc(len) : NULL;
    if (copy == NULL) {
        return;
    }
    struct wire_writer w = wire_write(copy, len);
    wire_put_raw(&w, handle);
    wire_put_raw(&w, values);
    struct slot *slot = slot_of(cache, handle, index);
    (void)pthread_mutex_lock(&cache->lock);
    free(slot->data);
    *slot = (struct slot){
        .data = copy,
        .handle_len = handle.len,
        .len = len,
        .index = index,
        .expires_ms = expires_ms,
    };
    (void)pthread_mutex_unlock(&cache->lock);
}

int64_t key_cache_life(const struct value *values, size_t count, const struct settings *settings,
                       int64_t now_ms)
{
    int64_t longest_ms = settings->auth_key_cache;
    for (size_t i = 0; i < count; i++) {
        int64_t life_ms = (int64_t)values[i].ttl * 1000;
        life_ms = values[i].ttl_type == VALUE_TTL_RELATIVE ? life_ms : life_ms - now_ms;
        longest_ms = life_ms < longest_ms ? life_ms : longest_ms;
    }
    return longest_ms;
}
