/* SPDX-License-Identifier: Apache-2.0
 *
 * Unfinished UDP messages (reassembly.h). A shard's list of a source holds only few sets, so that
 * chains stay short; a set's bytes are charged when it begins and given back when it ends.
 */
#include "resolver/reassembly.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "resolver/sources.h"

#define SHARDS 16
#define BUCKETS 256

struct set {
    struct set *next;
    uint8_t source[SOURCE_LEN];
    struct net_address peer;
    int64_t begun_ms;
    size_t charge;
    struct fragment_set fragments;
};

struct shard {
    pthread_mutex_t lock;
    struct set *buckets[BUCKETS]; /* by source */
};

struct reassembly {
    uint64_t seed;
    atomic_size_t bytes;
    atomic_size_t expired; /* met by a late piece; the next sweep reports them */
    struct shard shards[SHARDS];
};

struct reassembly *reassembly_new(uint64_t seed)
{
    struct reassembly *reassembly = calloc(1, sizeof(*reassembly));
    if (reassembly != NULL) {
        reassembly->seed = seed;
        for (size_t i = 0; i < SHARDS; i++) {
            (void)pthread_mutex_init(&reassembly->shards[i].lock, NULL);
        }
    }
    return reassembly;
}

/* Unlinks the set; its buffer goes with it unless it was taken out. */
static void drop(struct reassembly *reassembly, struct set **link)
{
    struct set *set = *link;
    *link = set->next;
    (void)atomic_fetch_sub_explicit(&reassembly->bytes, set->charge, memory_order_relaxed);
    free(set->fragments.buffer);
    free(set);
}

static size_t drop_older(struct reassembly *reassembly, struct shard *shard, int64_t begun_ms)
{
    size_t dropped = 0;
    for (size_t i = 0; i < BUCKETS; i++) {
        struct set **link = &shard->buckets[i];
        while (*link != NULL) {
            if ((*link)->begun_ms <= begun_ms) {
                drop(reassembly, link);
                dropped++;
            } else {
                link = &(*link)->next;
            }
        }
    }
    return dropped;
}

void reassembly_free(struct reassembly *reassembly)
{
    if (reassembly == NULL) {
        return;
    }
    for (size_t i = 0; i < SHARDS; i++) {
        (void)drop_older(reassembly, &reassembly->shards[i], INT64_MAX);
        (void)pthread_mutex_destroy(&reassembly->shards[i].lock);
    }
    free(reassembly);
}

static bool is_same(const struct set *set, const struct net_address *peer, uint32_t request_id)
{
    return set->fragments.first.request_id == request_id && net_address_equal(&set->peer, peer);
}

/* The link to the message's set, or to the end of the chain; counts the source's sets on the way.
 */
static struct set **find(struct set **link, const uint8_t source[SOURCE_LEN],
                         const struct net_address *peer, uint32_t request_id, size_t *out_count)
{
    size_t count = 0;
    while (*link != NULL && !is_same(*link, peer, request_id)) {
        count += memcmp((*link)->source, source, SOURCE_LEN) == 0;
        link = &(*link)->next;
    }
    *out_count = count;
    return link;
}

static bool charge(struct reassembly *reassembly, size_t bytes, size_t limit)
{
    size_t before = atomic_fetch_add_explicit(&reassembly->bytes, bytes, memory_order_relaxed);
    if (before + bytes > limit) {
        (void)atomic_fetch_sub_explicit(&reassembly->bytes, bytes, memory_order_relaxed);
        return false;
    }
    return true;
}

static struct set *begin(struct reassembly *reassembly, size_t bytes_limit,
                         const struct envelope *envelope)
{
    size_t len = fragment_buffer_len(envelope);
    size_t total = len + sizeof(struct set);
    if (!charge(reassembly, total, bytes_limit)) {
        return NULL;
    }
    struct set *set = calloc(1, sizeof(*set));
    uint8_t *buffer = malloc(len);
    if (set == NULL || buffer == NULL) {
        free(set);
        free(buffer);
        (void)atomic_fetch_sub_explicit(&reassembly->bytes, total, memory_order_relaxed);
        return NULL;
    }
    set->charge = total;
    fragment_set_init(&set->fragments, envelope, buffer);
    return set;
}

static enum reassembly_outcome add_piece(struct reassembly *reassembly, struct set **link,
                                         const struct envelope *envelope, struct bytes datagram,
                                         struct bytes *out_packet)
{
    struct fragment_set *fragments = &(*link)->fragments;
    switch (fragment_set_add(fragments, envelope, datagram)) {
    case FRAGMENT_COMPLETE:
        *out_packet = fragment_set_message(fragments);
        fragments->buffer = NULL;
        drop(reassembly, link);
        return REASSEMBLY_COMPLETE;
    case FRAGMENT_MISMATCH:
        drop(reassembly, link);
        return REASSEMBLY_MISMATCH;
    case FRAGMENT_STORED:
    case FRAGMENT_DUPLICATE:
        break;
    }
    return REASSEMBLY_WAITING;
}

/* The set this piece belongs to, begun if need be; the link holds NULL when a limit forbids it. */
static struct set **locate(struct reassembly *reassembly, const struct reassembly_limits *limits,
                           int64_t now_ms, const struct net_address *peer,
                           const struct envelope *envelope, struct set **chain)
{
    uint8_t source[SOURCE_LEN];
    sources_key(peer, source);
    size_t of_source = 0;
    struct set **link = find(chain, source, peer, envelope->request_id, &of_source);
    if (*link != NULL && now_ms - (*link)->begun_ms >= REASSEMBLY_TIMEOUT_MS) {
        drop(reassembly, link);
        (void)atomic_fetch_add_explicit(&reassembly->expired, 1, memory_order_relaxed);
        link = find(chain, source, peer, envelope->request_id, &of_source);
    }
    if (*link == NULL && of_source < limits->sets_per_source) {
        *link = begin(reassembly, limits->bytes, envelope);
        if (*link != NULL) {
            (*link)->peer = *peer;
            (*link)->begun_ms = now_ms;
            memcpy((*link)->source, source, SOURCE_LEN);
        }
    }
    return link;
}

enum reassembly_outcome reassembly_add(struct reassembly *reassembly,
                                       const struct reassembly_limits *limits, int64_t now_ms,
                                       const struct net_address *peer, struct bytes datagram,
                                       struct bytes *out_packet)
{
    struct envelope envelope;
    if (envelope_decode(datagram, &envelope) != STATUS_OK) {
        return REASSEMBLY_MISMATCH;
    }
    uint8_t source[SOURCE_LEN];
    sources_key(peer, source);
    uint64_t hash = sources_hash(source, reassembly->seed);
    struct shard *shard = &reassembly->shards[hash % SHARDS];
    enum reassembly_outcome outcome = REASSEMBLY_REFUSED;
    (void)pthread_mutex_lock(&shard->lock);
    struct set **link = locate(reassembly, limits, now_ms, peer, &envelope,
                               &shard->buckets[hash / SHARDS % BUCKETS]);
    if (*link != NULL) {
        outcome = add_piece(reassembly, link, &envelope, datagram, out_packet);
    }
    (void)pthread_mutex_unlock(&shard->lock);
    return outcome;
}

void reassembly_release(struct bytes packet)
{
    free((void *)(uintptr_t)packet.data);
}

size_t reassembly_sweep(struct reassembly *reassembly, int64_t now_ms)
{
    size_t dropped = atomic_exchange_explicit(&reassembly->expired, 0, memory_order_relaxed);
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &reassembly->shards[i];
        (void)pthread_mutex_lock(&shard->lock);
        dropped += drop_older(reassembly, shard, now_ms - REASSEMBLY_TIMEOUT_MS);
        (void)pthread_mutex_unlock(&shard->lock);
    }
    return dropped;
}

size_t reassembly_bytes(const struct reassembly *reassembly)
{
    return atomic_load_explicit(&reassembly->bytes, memory_order_relaxed);
}
