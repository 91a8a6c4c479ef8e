/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections per source in sharded hash tables, each under a mutex; entries live as long as their
 * source has a connection, so the table is bounded by `limits.connections`.
 */
#include "resolver/sources.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define SHARDS 16
#define BUCKETS 256

struct source {
    struct source *next;
    uint8_t bytes[SOURCE_LEN];
    size_t connections;
};

struct shard {
    pthread_mutex_t lock;
    struct source *buckets[BUCKETS];
};

struct sources {
    uint64_t seed;
    atomic_size_t connections;
    struct shard shards[SHARDS];
};

void sources_key(const struct net_address *address, uint8_t out_source[SOURCE_LEN])
{
    memcpy(out_source, address->ip, SOURCE_LEN);
    if (!net_address_is_ipv4(address)) {
        memset(out_source + 8, 0, 8);
    }
}

/* The finaliser of MurmurHash3, once for each half. */
static uint64_t mix(uint64_t h)
{
    h ^= h >> 33;
    h *= 0xff51afd7ed558ccdULL;
    h ^= h >> 33;
    h *= 0xc4ceb9fe1a85ec53ULL;
    return h ^ h >> 33;
}

uint64_t sources_hash(const uint8_t source[SOURCE_LEN], uint64_t seed)
{
    uint64_t halves[2];
    memcpy(halves, source, sizeof(halves));
    return mix(mix(halves[0] ^ seed) ^ halves[1]);
}

static bool is_within(const uint8_t ip[16], const struct settings_network *network)
{
    size_t whole = network->bits / 8U;
    unsigned rest = network->bits % 8U;
    if (memcmp(ip, network->address, whole) != 0) {
        return false;
    }
    uint8_t mask = (uint8_t)(0xff00U >> rest);
    return rest == 0 || ((ip[whole] ^ network->address[whole]) & mask) == 0;
}

bool sources_trust(const struct net_address *address, const struct settings_network *networks,
                   size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (is_within(address->ip, &networks[i])) {
            return true;
        }
    }
    return false;
}

struct sources *sources_new(uint64_t seed)
{
    struct sources *sources = calloc(1, sizeof(*sources));
    if (sources != NULL) {
        sources->seed = seed;
        for (size_t i = 0; i < SHARDS; i++) {
            (void)pthread_mutex_init(&sources->shards[i].lock, NULL);
        }
    }
    return sources;
}

void sources_free(struct sources *sources)
{
    if (sources == NULL) {
        return;
    }
    for (size_t i = 0; i < SHARDS; i++) {
        for (size_t j = 0; j < BUCKETS; j++) {
            struct source *next = NULL;
            for (struct source *s = sources->shards[i].buckets[j]; s != NULL; s = next) {
                next = s->next;
                free(s);
            }
        }
        (void)pthread_mutex_destroy(&sources->shards[i].lock);
    }
    free(sources);
}

/* The link that points to the source, or to the end of its chain. */
static struct source **find(struct shard *shard, uint64_t hash, const uint8_t bytes[SOURCE_LEN])
{
    struct source **link = &shard->buckets[hash / SHARDS % BUCKETS];
    while (*link != NULL && memcmp((*link)->bytes, bytes, SOURCE_LEN) != 0) {
        link = &(*link)->next;
    }
    return link;
}

static bool enter_source(struct source **link, const uint8_t bytes[SOURCE_LEN], size_t limit)
{
    if (*link == NULL) {
        struct source *source = calloc(1, sizeof(*source));
        if (source == NULL) {
            return false;
        }
        memcpy(source->bytes, bytes, SOURCE_LEN);
        *link = source;
    }
    if ((*link)->connections >= limit) {
        return false;
    }
    (*link)->connections++;
    return true;
}

enum sources_outcome sources_enter(struct sources *sources, const struct net_address *peer,
                                   const struct sources_limits *limits)
{
    uint8_t bytes[SOURCE_LEN];
    sources_key(peer, bytes);
    uint64_t hash = sources_hash(bytes, sources->seed);
    struct shard *shard = &sources->shards[hash % SHARDS];
    if (atomic_fetch_add_explicit(&sources->connections, 1, memory_order_relaxed) >=
        limits->connections) {
        (void)atomic_fetch_sub_explicit(&sources->connections, 1, memory_order_relaxed);
        return SOURCES_FULL;
    }
    (void)pthread_mutex_lock(&shard->lock);
    bool entered = enter_source(find(shard, hash, bytes), bytes, limits->connections_per_source);
    (void)pthread_mutex_unlock(&shard->lock);
    if (!entered) {
        (void)atomic_fetch_sub_explicit(&sources->connections, 1, memory_order_relaxed);
    }
    return entered ? SOURCES_ENTERED : SOURCES_SOURCE_FULL;
}

void sources_leave(struct sources *sources, const struct net_address *peer)
{
    uint8_t bytes[SOURCE_LEN];
    sources_key(peer, bytes);
    uint64_t hash = sources_hash(bytes, sources->seed);
    struct shard *shard = &sources->shards[hash % SHARDS];
    (void)pthread_mutex_lock(&shard->lock);
    struct source **link = find(shard, hash, bytes);
    struct source *source = *link;
    if (source != NULL && --source->connections == 0) {
        *link = source->next;
        free(source);
    }
    (void)pthread_mutex_unlock(&shard->lock);
    (void)atomic_fetch_sub_explicit(&sources->connections, 1, memory_order_relaxed);
}

size_t sources_connections(struct sources *sources)
{
    return atomic_load_explicit(&sources->connections, memory_order_relaxed);
}
