/* SPDX-License-Identifier: Apache-2.0
 *
 * Two shelves in every shard, one of challenges and one of sessions (session.h).
 */
#include "resolver/session.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "resolver/shelf.h"
#include "resolver/web_session.h"

#define SHARDS 16u
#define ID_TRIES 16

struct kept_challenge {
    struct shelf_item item;
    struct challenge *challenge;
};

struct kept_session {
    struct shelf_item item;
    struct session *session;
    uint32_t next_counter;
    uint32_t counters[SESSION_COUNTERS]; /* a ring of those the peer used */
    size_t counter_count;                /* ever */
};

struct shard {
    pthread_mutex_t lock;
    struct shelf challenges;
    struct shelf sessions;
};

/* What all shards hold together; relaxed, for the bounds. */
struct totals {
    atomic_size_t challenges, challenge_bytes, sessions;
    atomic_size_t challenges_displaced, sessions_displaced; /* since somebody took the count */
};

struct sessions {
    void (*random)(void *out, size_t len);
    uint64_t seed;
    atomic_uint sweep;
    struct totals totals;
    struct web_sessions *web;
    struct shard shards[SHARDS];
};

struct sessions *sessions_new(uint64_t seed, void (*random)(void *out, size_t len))
{
    struct sessions *sessions = calloc(1, sizeof(*sessions));
    if (sessions == NULL) {
        return NULL;
    }
    sessions->seed = seed;
    sessions->random = random;
    for (size_t i = 0; i < SHARDS; i++) {
        (void)pthread_mutex_init(&sessions->shards[i].lock, NULL);
    }
    sessions->web = web_sessions_new(seed, random);
    if (sessions->web == NULL) {
        sessions_free(sessions);
        return NULL;
    }
    return sessions;
}

struct web_sessions *sessions_web(struct sessions *sessions)
{
    return sessions->web;
}

static struct shard *shard_of(struct sessions *sessions, uint32_t id)
{
    return &sessions->shards[id % SHARDS];
}

static struct shard *lock_shard(struct sessions *sessions, uint32_t id)
{
    struct shard *shard = shard_of(sessions, id);
    (void)pthread_mutex_lock(&shard->lock);
    return shard;
}

static void unlock_shard(struct shard *shard)
{
    (void)pthread_mutex_unlock(&shard->lock);
}

/* --- out of the shelves; the shard is locked ---------------------------------------------------
 */

static struct challenge *take_challenge(struct sessions *sessions, struct shard *shard,
                                        struct shelf_item *item)
{
    struct kept_challenge *kept = (struct kept_challenge *)item;
    struct challenge *challenge = kept->challenge;
    shelf_take(&shard->challenges, item);
    atomic_fetch_sub_explicit(&sessions->totals.challenges, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&sessions->totals.challenge_bytes, item->bytes, memory_order_relaxed);
    free(kept);
    return challenge;
}

static void drop_challenge(struct sessions *sessions, struct shard *shard, struct shelf_item *item)
{
    challenge_free(take_challenge(sessions, shard, item));
}

static void drop_session(struct sessions *sessions, struct shard *shard, struct shelf_item *item)
{
    struct kept_session *kept = (struct kept_session *)item;
    struct shelf_item *pending = shelf_find(&shard->challenges, item->id);
    if (pending != NULL) {
        drop_challenge(sessions, shard, pending);
    }
    shelf_take(&shard->sessions, item);
    atomic_fetch_sub_explicit(&sessions->totals.sessions, 1, memory_order_relaxed);
    session_free(kept->session);
    free(kept);
}

void sessions_free(struct sessions *sessions)
{
    if (sessions == NULL) {
        return;
    }
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &sessions->shards[i];
        while (shard->sessions.all.oldest != NULL) {
            drop_session(sessions, shard, shard->sessions.all.oldest);
        }
        while (shard->challenges.all.oldest != NULL) {
            drop_challenge(sessions, shard, shard->challenges.all.oldest);
        }
        (void)pthread_mutex_destroy(&shard->lock);
    }
    web_sessions_free(sessions->web);
    free(sessions);
}

void challenge_free(struct challenge *challenge)
{
    if (challenge != NULL) {
        OPENSSL_cleanse(challenge->packet, challenge->packet_len);
        free(challenge);
    }
}

void session_free(struct session *session)
{
    if (session != NULL) {
        session_key_cleanse(&session->key);
        free(session);
    }
}

void sessions_sweep(struct sessions *sessions, int64_t now_ms)
{
    unsigned turn = atomic_fetch_add_explicit(&sessions->sweep, 1, memory_order_relaxed);
    web_sessions_sweep(sessions->web, turn, now_ms);
    struct shard *shard = lock_shard(sessions, turn);
    struct shelf_item *next = NULL;
    for (struct shelf_item *item = shard->sessions.all.oldest; item != NULL; item = next) {
        next = item->newer;
        if (item->due_ms <= now_ms) {
            drop_session(sessions, shard, item);
        }
    }
    while (shard->challenges.all.oldest != NULL && shard->challenges.all.oldest->due_ms <= now_ms) {
        drop_challenge(sessions, shard, shard->challenges.all.oldest);
    }
    unlock_shard(shard);
}

/* --- bounds ------------------------------------------------------------------------------------
 */

/* A stranger's flood fills its own shard: the fullest gives way. No lock is held. */
static struct shard *fullest(struct sessions *sessions, bool of_sessions)
{
    struct shard *most = NULL;
    size_t count = 0;
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &sessions->shards[i];
        (void)pthread_mutex_lock(&shard->lock);
        size_t has = of_sessions ? shard->sessions.count : shard->challenges.bytes;
        unlock_shard(shard);
        if (has > count) {
            count = has;
            most = shard;
        }
    }
    return most;
}

static size_t total_of(const atomic_size_t *total)
{
    return atomic_load_explicit(total, memory_order_relaxed);
}

static void displaced(atomic_size_t *total)
{
    atomic_fetch_add_explicit(total, 1, memory_order_relaxed);
}

static void bound_challenges(struct sessions *sessions, const struct sessions_limits *limits)
{
    struct shard *shard = NULL;
    while ((total_of(&sessions->totals.challenges) > limits->challenges ||
            total_of(&sessions->totals.challenge_bytes) > limits->challenge_bytes) &&
           (shard = fullest(sessions, false)) != NULL) {
        (void)pthread_mutex_lock(&shard->lock);
        if (shard->challenges.all.oldest != NULL) {
            drop_challenge(sessions, shard, shard->challenges.all.oldest);
            displaced(&sessions->totals.challenges_displaced);
        }
        unlock_shard(shard);
    }
}

static void bound_sessions(struct sessions *sessions, const struct sessions_limits *limits)
{
    struct shard *shard = NULL;
    while (total_of(&sessions->totals.sessions) > limits->sessions &&
           (shard = fullest(sessions, true)) != NULL) {
        (void)pthread_mutex_lock(&shard->lock);
        if (shard->sessions.all.oldest != NULL) {
            drop_session(sessions, shard, shard->sessions.all.oldest);
            displaced(&sessions->totals.sessions_displaced);
        }
        unlock_shard(shard);
    }
}

/* --- ids ---------------------------------------------------------------------------------------
 */

/* Whose it is, and with that in which shard it lies. */
static void item_set_source(const struct sessions *sessions, struct shelf_item *item,
                            const struct net_address *peer)
{
    sources_key(peer, item->source);
    item->source_hash = sources_hash(item->source, sessions->seed);
}

/* An id nobody has in the shard it names; 0 when chance is against us. */
static uint32_t fresh_id(struct sessions *sessions, const struct shelf_item *item,
                         struct shard **out_shard)
{
    for (int i = 0; i < ID_TRIES; i++) {
        uint32_t id = 0;
        sessions->random(&id, sizeof(id));
        id = ((id & INT32_MAX) & ~(SHARDS - 1)) | (uint32_t)(item->source_hash % SHARDS);
        struct shard *shard = lock_shard(sessions, id);
        if (id != 0 && shelf_find(&shard->challenges, id) == NULL &&
            shelf_find(&shard->sessions, id) == NULL) {
            *out_shard = shard;
            return id;
        }
        unlock_shard(shard);
    }
    return 0;
}

/* --- challenges --------------------------------------------------------------------------------
 */

static struct kept_challenge *challenge_new(const struct challenge_ask *ask, int64_t due_ms)
{
    size_t size = sizeof(struct challenge) + ask->packet.len;
    struct kept_challenge *kept = calloc(1, sizeof(*kept));
    struct challenge *challenge = malloc(size);
    if (kept == NULL || challenge == NULL) {
        free(kept);
        free(challenge);
        return NULL;
    }
    *challenge = (struct challenge){
        .is_in_session = ask->session_id != 0,
        .request_id = ask->request_id,
        .is_bound = ask->is_bound,
        .peer = ask->peer,
        .version = ask->version,
        .digest = *ask->digest,
        .expires_ms = due_ms,
        .packet_len = ask->packet.len,
    };
    memcpy(challenge->nonce, ask->nonce, SESSION_NONCE_LEN);
    memcpy(challenge->packet, ask->packet.data, ask->packet.len);
    kept->challenge = challenge;
    kept->item.due_ms = due_ms;
    kept->item.bytes = size + sizeof(*kept);
    return kept;
}

static bool is_same_request(const struct challenge *challenge, const struct challenge_ask *ask)
{
    return challenge->request_id == ask->request_id &&
           bytes_equal(bytes_of(challenge->packet, challenge->packet_len), ask->packet);
}

/* In a session one is pending; the shard is locked. */
static void replace_pending(struct sessions *sessions, struct shard *shard,
                            struct challenge *challenge, const struct challenge_ask *ask)
{
    struct shelf_item *item = shelf_find(&shard->challenges, ask->session_id);
    if (item != NULL) {
        const struct challenge *pending = ((struct kept_challenge *)item)->challenge;
        if (is_same_request(pending, ask)) {
            memcpy(challenge->nonce, pending->nonce, SESSION_NONCE_LEN);
        }
        drop_challenge(sessions, shard, item);
    }
}

static uint32_t challenge_id(struct sessions *sessions, const struct challenge_ask *ask,
                             struct kept_challenge *kept, struct shard **out_shard)
{
    item_set_source(sessions, &kept->item, &ask->peer);
    if (ask->session_id == 0) {
        return fresh_id(sessions, &kept->item, out_shard);
    }
    *out_shard = lock_shard(sessions, ask->session_id);
    replace_pending(sessions, *out_shard, kept->challenge, ask);
    return ask->session_id;
}

enum status sessions_keep_challenge(struct sessions *sessions, const struct sessions_limits *limits,
                                    int64_t now_ms, const struct challenge_ask *ask,
                                    uint32_t *out_id, uint8_t out_nonce[SESSION_NONCE_LEN])
{
    if (ask->packet.len > limits->challenge_bytes / 2) {
        return STATUS_NO_ROOM;
    }
    struct kept_challenge *kept = challenge_new(ask, now_ms + limits->challenge_ms);
    if (kept == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct shard *shard = NULL;
    uint32_t id = challenge_id(sessions, ask, kept, &shard);
    if (id == 0) {
        challenge_free(kept->challenge);
        free(kept);
        return STATUS_NO_MEMORY;
    }
    kept->challenge->id = kept->item.id = *out_id = id;
    memcpy(out_nonce, kept->challenge->nonce, SESSION_NONCE_LEN);
    shelf_put(&shard->challenges, &kept->item);
    atomic_fetch_add_explicit(&sessions->totals.challenges, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&sessions->totals.challenge_bytes, kept->item.bytes,
                              memory_order_relaxed);
    struct shelf_item *oldest = NULL;
    if (shelf_count_source(&shard->challenges, &kept->item, &oldest) >
        limits->challenges_per_source) {
        drop_challenge(sessions, shard, oldest);
        displaced(&sessions->totals.challenges_displaced);
    }
    unlock_shard(shard);
    bound_challenges(sessions, limits);
    return STATUS_OK;
}

/* The reference client sends each datagram from a port of its own. */
static bool is_same_host(struct net_address a, struct net_address b)
{
    a.port = 0;
    b.port = 0;
    return net_address_equal(&a, &b);
}

static bool may_answer(const struct challenge *challenge, int64_t now_ms,
                       const struct net_address *peer)
{
    return challenge->expires_ms > now_ms &&
           (!challenge->is_bound || is_same_host(challenge->peer, *peer));
}

enum status sessions_take_challenge(struct sessions *sessions, int64_t now_ms, uint32_t id,
                                    const struct net_address *peer,
                                    struct challenge **out_challenge)
{
    struct shard *shard = lock_shard(sessions, id);
    struct shelf_item *item = shelf_find(&shard->challenges, id);
    enum status status = STATUS_AUTHENTICATION_TIMEOUT;
    /* A stranger who guesses an id does not take it away from the one who was given it. */
    if (item != NULL && may_answer(((struct kept_challenge *)item)->challenge, now_ms, peer)) {
        *out_challenge = take_challenge(sessions, shard, item);
        status = STATUS_OK;
    }
    unlock_shard(shard);
    return status;
}

/* --- sessions ----------------------------------------------------------------------------------
 */

static struct session *session_new(const struct session_ask *ask)
{
    struct session *session = malloc(sizeof(*session) + ask->identity.handle.len);
    if (session == NULL) {
        return NULL;
    }
    *session = (struct session){
        .key = *ask->key,
        .version = ask->version,
        .is_anonymous = ask->is_anonymous,
        .identity = {.handle = bytes_of(session->handle, ask->identity.handle.len),
                     .index = ask->identity.index},
        .timeout_ms = ask->timeout_ms,
    };
    if (ask->identity.handle.len > 0) {
        memcpy(session->handle, ask->identity.handle.data, ask->identity.handle.len);
    }
    return session;
}

static struct session *session_copy(const struct session *from)
{
    size_t size = sizeof(*from) + from->identity.handle.len;
    struct session *copy = malloc(size);
    if (copy != NULL) {
        memcpy(copy, from, size);
        copy->identity.handle.data = copy->handle;
    }
    return copy;
}

static enum status shelve_session(struct sessions *sessions, const struct sessions_limits *limits,
                                  struct kept_session *kept, uint32_t *out_id)
{
    struct shard *shard = NULL;
    uint32_t id = fresh_id(sessions, &kept->item, &shard);
    if (id == 0) {
        return STATUS_NO_MEMORY;
    }
    kept->session->id = kept->item.id = *out_id = id;
    shelf_put(&shard->sessions, &kept->item);
    atomic_fetch_add_explicit(&sessions->totals.sessions, 1, memory_order_relaxed);
    struct shelf_item *oldest = NULL;
    if (shelf_count_source(&shard->sessions, &kept->item, &oldest) > limits->sessions_per_source) {
        drop_session(sessions, shard, oldest);
        displaced(&sessions->totals.sessions_displaced);
    }
    unlock_shard(shard);
    return STATUS_OK;
}

enum status sessions_open(struct sessions *sessions, const struct sessions_limits *limits,
                          int64_t now_ms, const struct session_ask *ask, uint32_t *out_id)
{
    struct kept_session *kept = calloc(1, sizeof(*kept));
    struct session *session = session_new(ask);
    enum status status = STATUS_NO_MEMORY;
    if (kept != NULL && session != NULL) {
        kept->session = session;
        kept->item.bytes = sizeof(*kept) + sizeof(*session) + ask->identity.handle.len;
        kept->item.due_ms = now_ms + ask->timeout_ms;
        item_set_source(sessions, &kept->item, &ask->peer);
        status = shelve_session(sessions, limits, kept, out_id);
    }
    if (status != STATUS_OK) {
        session_free(session);
        free(kept);
        return status;
    }
    bound_sessions(sessions, limits);
    return STATUS_OK;
}

/* NULL: none. The shard is locked. */
static struct kept_session *find_session(struct shard *shard, uint32_t id)
{
    return (struct kept_session *)shelf_find(&shard->sessions, id);
}

enum status sessions_get(struct sessions *sessions, int64_t now_ms, uint32_t id,
                         struct session **out_session)
{
    struct shard *shard = lock_shard(sessions, id);
    struct kept_session *kept = find_session(shard, id);
    enum status status = STATUS_SESSION_TIMEOUT;
    if (kept != NULL && kept->item.due_ms <= now_ms) {
        drop_session(sessions, shard, &kept->item);
    } else if (kept != NULL) {
        kept->item.due_ms = now_ms + kept->session->timeout_ms;
        shelf_touch(&shard->sessions, &kept->item);
        *out_session = session_copy(kept->session);
        status = *out_session == NULL ? STATUS_NO_MEMORY : STATUS_OK;
    }
    unlock_shard(shard);
    return status;
}

/* Used before, or not above the oldest remembered once as many as we keep were used. */
static bool is_replayed(const struct kept_session *kept, uint32_t counter)
{
    size_t kept_count =
        kept->counter_count < SESSION_COUNTERS ? kept->counter_count : SESSION_COUNTERS;
    uint32_t lowest = UINT32_MAX;
    for (size_t i = 0; i < kept_count; i++) {
        if (kept->counters[i] == counter) {
            return true;
        }
        lowest = kept->counters[i] < lowest ? kept->counters[i] : lowest;
    }
    return kept_count == SESSION_COUNTERS && counter < lowest;
}

/* In the lowest one's place, so that the highest are remembered. */
static void remember(struct kept_session *kept, uint32_t counter)
{
    size_t at = kept->counter_count;
    if (at >= SESSION_COUNTERS) {
        at = 0;
        for (size_t i = 1; i < SESSION_COUNTERS; i++) {
            at = kept->counters[i] < kept->counters[at] ? i : at;
        }
    }
    kept->counters[at] = counter;
    kept->counter_count++;
}

enum status sessions_take_counter(struct sessions *sessions, uint32_t id, uint32_t counter)
{
    struct shard *shard = lock_shard(sessions, id);
    struct kept_session *kept = find_session(shard, id);
    enum status status = STATUS_SESSION_TIMEOUT;
    if (kept != NULL) {
        status = STATUS_SESSION_REJECTED;
        if (!is_replayed(kept, counter)) {
            remember(kept, counter);
            status = STATUS_OK;
        }
    }
    unlock_shard(shard);
    return status;
}

enum status sessions_next_counter(struct sessions *sessions, uint32_t id, uint32_t *out_counter)
{
    struct shard *shard = lock_shard(sessions, id);
    struct kept_session *kept = find_session(shard, id);
    if (kept != NULL) {
        *out_counter = ++kept->next_counter;
    }
    unlock_shard(shard);
    return kept != NULL ? STATUS_OK : STATUS_SESSION_TIMEOUT;
}

void sessions_authenticate(struct sessions *sessions, uint32_t id, uint32_t index)
{
    struct shard *shard = lock_shard(sessions, id);
    struct kept_session *kept = find_session(shard, id);
    if (kept != NULL) {
        kept->session->is_authenticated = true;
        kept->session->proved_index = index;
    }
    unlock_shard(shard);
}

enum status sessions_close(struct sessions *sessions, uint32_t id)
{
    struct shard *shard = lock_shard(sessions, id);
    struct kept_session *kept = find_session(shard, id);
    if (kept != NULL) {
        drop_session(sessions, shard, &kept->item);
    }
    unlock_shard(shard);
    return kept != NULL ? STATUS_OK : STATUS_SESSION_TIMEOUT;
}

/* Mostly there is nothing, and no cache line to take. */
static size_t take_total(atomic_size_t *total)
{
    return total_of(total) == 0 ? 0 : atomic_exchange_explicit(total, 0, memory_order_relaxed);
}

void sessions_take_displaced(struct sessions *sessions, size_t *out_challenges,
                             size_t *out_sessions)
{
    *out_challenges = take_total(&sessions->totals.challenges_displaced);
    *out_sessions = take_total(&sessions->totals.sessions_displaced);
}

void sessions_figures(struct sessions *sessions, struct sessions_figures *out_figures)
{
    *out_figures = (struct sessions_figures){
        .challenges = total_of(&sessions->totals.challenges),
        .challenge_bytes = total_of(&sessions->totals.challenge_bytes),
        .sessions = total_of(&sessions->totals.sessions),
    };
}
