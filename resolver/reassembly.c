/* SPDX-License-Identifier: Apache-2.0
 *
 * Unfinished UDP messages (reassembly.h). A source has few sets, so that chains stay short; a set's
 * bytes are charged when it begins and given back when it ends.
 *
 * When the bytes are used up, the oldest set of the shard (or of another) makes room: honest pieces
 * come within milliseconds, so what waits longest is most likely never to be completed, and sixty
 * forged datagrams that announce the largest message cannot lock everybody out for five seconds.
 */
#include "resolver/reassembly.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "resolver/sources.h"

#define SHARDS 16
#define BUCKETS 256

struct set {
    struct set *next;  /* in its bucket */
    struct set *older; /* in its shard */
    struct set *newer;
    struct set **bucket;
    uint8_t source[SOURCE_LEN];
    struct net_address peer;
    int64_t begun_ms;
    size_t charge;
    struct fragment_set fragments;
};

struct shard {
    pthread_mutex_t lock;
    struct set *buckets[BUCKETS]; /* by source */
    struct set *oldest;
    struct set *newest;
};

struct reassembly {
    uint64_t seed;
    atomic_size_t bytes;
    atomic_size_t given_up; /* since the last sweep, which reports them */
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
static void drop(struct reassembly *reassembly, struct shard *shard, struct set *set)
{
    struct set **link = set->bucket;
    while (*link != set) {
        link = &(*link)->next;
    }
    *link = set->next;
    *(set->older != NULL ? &set->older->newer : &shard->oldest) = set->newer;
    *(set->newer != NULL ? &set->newer->older : &shard->newest) = set->older;
    (void)atomic_fetch_sub_explicit(&reassembly->bytes, set->charge, memory_order_relaxed);
    free(set->fragments.buffer);
    free(set);
}

static void give_up(struct reassembly *reassembly, struct shard *shard, struct set *set)
{
    drop(reassembly, shard, set);
    (void)atomic_fetch_add_explicit(&reassembly->given_up, 1, memory_order_relaxed);
}

static void give_up_older(struct reassembly *reassembly, struct shard *shard, int64_t begun_ms)
{
    while (shard->oldest != NULL && shard->oldest->begun_ms <= begun_ms) {
        give_up(reassembly, shard, shard->oldest);
    }
}

void reassembly_free(struct reassembly *reassembly)
{
    if (reassembly == NULL) {
        return;
    }
    for (size_t i = 0; i < SHARDS; i++) {
        give_up_older(reassembly, &reassembly->shards[i], INT64_MAX);
        (void)pthread_mutex_destroy(&reassembly->shards[i].lock);
    }
    free(reassembly);
}

static bool is_same(const struct set *set, const struct net_address *peer, uint32_t request_id)
{
    return set->fragments.first.request_id == request_id && net_address_equal(&set->peer, peer);
}

/* The message's set; NULL: not begun, and `out_count` says how many its source has. */
static struct set *find(struct set *first, const uint8_t source[SOURCE_LEN],
                        const struct net_address *peer, uint32_t request_id, size_t *out_count)
{
    size_t count = 0;
    for (struct set *set = first; set != NULL; set = set->next) {
        if (is_same(set, peer, request_id)) {
            return set;
        }
        count += memcmp(set->source, source, SOURCE_LEN) == 0;
    }
    *out_count = count;
    return NULL;
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

/* The oldest set of some other shard; a shard somebody works in is passed over, so that nobody ever
 * waits for two. */
static bool give_up_elsewhere(struct reassembly *reassembly, const struct shard *mine)
{
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &reassembly->shards[i];
        if (shard == mine || pthread_mutex_trylock(&shard->lock) != 0) {
            continue;
        }
        bool has_one = shard->oldest != NULL;
        if (has_one) {
            give_up(reassembly, shard, shard->oldest);
        }
        (void)pthread_mutex_unlock(&shard->lock);
        if (has_one) {
            return true;
        }
    }
    return false;
}

/* Charges the bytes, at the cost of older sets if need be: CROWDED. REFUSED: too many. */
static enum reassembly_outcome make_room(struct reassembly *reassembly, struct shard *shard,
                                         size_t bytes, size_t limit)
{
    enum reassembly_outcome outcome = REASSEMBLY_WAITING;
    while (!charge(reassembly, bytes, limit)) {
        outcome = REASSEMBLY_CROWDED;
        if (shard->oldest != NULL) {
            give_up(reassembly, shard, shard->oldest);
        } else if (!give_up_elsewhere(reassembly, shard)) {
            return REASSEMBLY_REFUSED;
        }
    }
    return outcome;
}

/* NULL: REFUSED. */
static struct set *begin(struct reassembly *reassembly, struct shard *shard, size_t bytes_limit,
                         const struct envelope *envelope, enum reassembly_outcome *out_outcome)
{
    size_t len = fragment_buffer_len(envelope);
    size_t total = len + sizeof(struct set);
    *out_outcome = make_room(reassembly, shard, total, bytes_limit);
    if (*out_outcome == REASSEMBLY_REFUSED) {
        return NULL;
    }
    struct set *set = calloc(1, sizeof(*set));
    uint8_t *buffer = malloc(len);
    if (set == NULL || buffer == NULL) {
        free(set);
        free(buffer);
        (void)atomic_fetch_sub_explicit(&reassembly->bytes, total, memory_order_relaxed);
        *out_outcome = REASSEMBLY_REFUSED;
        return NULL;
    }
    set->charge = total;
    fragment_set_init(&set->fragments, envelope, buffer);
    return set;
}

/* Sets stand in their shard in the order they began. */
static void link_in(struct shard *shard, struct set **bucket, struct set *set)
{
    set->bucket = bucket;
    set->next = *bucket;
    *bucket = set;
    set->older = shard->newest;
    *(shard->newest != NULL ? &shard->newest->newer : &shard->oldest) = set;
    shard->newest = set;
}

static enum reassembly_outcome add_piece(struct reassembly *reassembly, struct shard *shard,
                                         struct set *set, const struct envelope *envelope,
                                         struct bytes datagram, struct bytes *out_packet)
{
    struct fragment_set *fragments = &set->fragments;
    switch (fragment_set_add(fragments, envelope, datagram)) {
    case FRAGMENT_COMPLETE:
        *out_packet = fragment_set_message(fragments);
        fragments->buffer = NULL;
        drop(reassembly, shard, set);
        return REASSEMBLY_COMPLETE;
    case FRAGMENT_MISMATCH:
        drop(reassembly, shard, set);
        return REASSEMBLY_MISMATCH;
    case FRAGMENT_STORED:
    case FRAGMENT_DUPLICATE:
        break;
    }
    return REASSEMBLY_WAITING;
}

/* Where a piece belongs. */
struct place {
    struct shard *shard;
    struct set **bucket;
    uint8_t source[SOURCE_LEN];
};

static void place_of(struct reassembly *reassembly, const struct net_address *peer,
                     struct place *out_place)
{
    sources_key(peer, out_place->source);
    uint64_t hash = sources_hash(out_place->source, reassembly->seed);
    out_place->shard = &reassembly->shards[hash % SHARDS];
    out_place->bucket = &out_place->shard->buckets[hash / SHARDS % BUCKETS];
}

/* A piece, and what is to be kept to. */
struct arrival {
    const struct reassembly_limits *limits;
    int64_t now_ms;
    const struct net_address *peer;
    struct envelope envelope;
};

/* The set this piece belongs to, begun if need be; NULL: REFUSED, a limit forbids it. */
static struct set *locate(struct reassembly *reassembly, const struct place *place,
                          const struct arrival *arrival, enum reassembly_outcome *out_outcome)
{
    size_t of_source = 0;
    give_up_older(reassembly, place->shard, arrival->now_ms - REASSEMBLY_TIMEOUT_MS);
    struct set *set = find(*place->bucket, place->source, arrival->peer,
                           arrival->envelope.request_id, &of_source);
    *out_outcome = set == NULL ? REASSEMBLY_REFUSED : REASSEMBLY_WAITING;
    if (set != NULL || of_source >= arrival->limits->sets_per_source) {
        return set;
    }
    set = begin(reassembly, place->shard, arrival->limits->bytes, &arrival->envelope, out_outcome);
    if (set != NULL) {
        set->peer = *arrival->peer;
        set->begun_ms = arrival->now_ms;
        memcpy(set->source, place->source, SOURCE_LEN);
        link_in(place->shard, place->bucket, set);
    }
    return set;
}

enum reassembly_outcome reassembly_add(struct reassembly *reassembly,
                                       const struct reassembly_limits *limits, int64_t now_ms,
                                       const struct net_address *peer, struct bytes datagram,
                                       struct bytes *out_packet)
{
    struct arrival arrival = {.limits = limits, .now_ms = now_ms, .peer = peer};
    if (envelope_decode(datagram, &arrival.envelope) != STATUS_OK) {
        return REASSEMBLY_MISMATCH;
    }
    struct place place;
    place_of(reassembly, peer, &place);
    enum reassembly_outcome outcome;
    (void)pthread_mutex_lock(&place.shard->lock);
    struct set *set = locate(reassembly, &place, &arrival, &outcome);
    if (set != NULL) {
        enum reassembly_outcome added =
            add_piece(reassembly, place.shard, set, &arrival.envelope, datagram, out_packet);
        outcome = added == REASSEMBLY_WAITING ? outcome : added;
    }
    (void)pthread_mutex_unlock(&place.shard->lock);
    return outcome;
}

void reassembly_release(struct bytes packet)
{
    free((void *)(uintptr_t)packet.data);
}

size_t reassembly_sweep(struct reassembly *reassembly, int64_t now_ms)
{
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &reassembly->shards[i];
        (void)pthread_mutex_lock(&shard->lock);
        give_up_older(reassembly, shard, now_ms - REASSEMBLY_TIMEOUT_MS);
        (void)pthread_mutex_unlock(&shard->lock);
    }
    return atomic_exchange_explicit(&reassembly->given_up, 0, memory_order_relaxed);
}

size_t reassembly_bytes(const struct reassembly *reassembly)
{
    return atomic_load_explicit(&reassembly->bytes, memory_order_relaxed);
}
