/* SPDX-License-Identifier: Apache-2.0
 *
 * Hash chains in shards, each in the order of arrival (duplicates.h).
 */
#include "resolver/duplicates.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "protocol/digest.h"
#include "protocol/wire.h"

#define SHARDS 16
#define SLOTS 256 /* per shard; keys are digests, so any four bytes spread well */

struct entry {
    struct entry *chain; /* of its slot */
    struct entry *older; /* order of arrival */
    struct entry *newer;
    struct duplicate_key key;
    int64_t expires_ms;
    bool is_answered;
    size_t len;
    uint8_t *answer;
};

struct shard {
    pthread_mutex_t lock;
    struct entry *slots[SLOTS];
    struct entry *oldest;
    struct entry *newest;
    size_t bytes;
};

struct duplicates {
    size_t shard_bytes;
    atomic_size_t displaced; /* since somebody took the count */
    struct shard shards[SHARDS];
};

struct duplicates *duplicates_new(size_t bytes)
{
    struct duplicates *duplicates = calloc(1, sizeof(*duplicates));
    if (duplicates != NULL) {
        duplicates->shard_bytes = bytes / SHARDS;
        for (size_t i = 0; i < SHARDS; i++) {
            (void)pthread_mutex_init(&duplicates->shards[i].lock, NULL);
        }
    }
    return duplicates;
}

static struct shard *shard_of(struct duplicates *duplicates, const struct duplicate_key *key)
{
    return &duplicates->shards[key->data[0] % SHARDS];
}

static struct entry **slot_of(struct shard *shard, const struct duplicate_key *key)
{
    return &shard->slots[key->data[1] % SLOTS];
}

static size_t weight(const struct entry *entry)
{
    return sizeof(*entry) + entry->len;
}

static struct entry *find(struct shard *shard, const struct duplicate_key *key)
{
    struct entry *entry = *slot_of(shard, key);
    while (entry != NULL && memcmp(entry->key.data, key->data, DUPLICATE_KEY_LEN) != 0) {
        entry = entry->chain;
    }
    return entry;
}

static void leave(struct shard *shard, const struct entry *entry)
{
    *(entry->older != NULL ? &entry->older->newer : &shard->oldest) = entry->newer;
    *(entry->newer != NULL ? &entry->newer->older : &shard->newest) = entry->older;
}

/* As the newest. */
static void queue(struct shard *shard, struct entry *entry)
{
    entry->newer = NULL;
    entry->older = shard->newest;
    *(shard->newest != NULL ? &shard->newest->newer : &shard->oldest) = entry;
    shard->newest = entry;
}

static void drop(struct shard *shard, struct entry *entry)
{
    struct entry **at = slot_of(shard, &entry->key);
    while (*at != entry) {
        at = &(*at)->chain;
    }
    *at = entry->chain;
    leave(shard, entry);
    shard->bytes -= weight(entry);
    if (entry->answer != NULL) { /* values that few may read */
        OPENSSL_cleanse(entry->answer, entry->len);
    }
    free(entry->answer);
    free(entry);
}

static void join(struct shard *shard, struct entry *entry)
{
    struct entry **slot = slot_of(shard, &entry->key);
    entry->chain = *slot;
    *slot = entry;
    queue(shard, entry);
    shard->bytes += weight(entry);
}

/* Answers over their time go, and while too much is kept, the oldest answers. What is still running
 * has no time to be over, and stays: its repetition would run beside it. */
static void tidy(struct duplicates *duplicates, struct shard *shard, int64_t now_ms)
{
    struct entry *next = NULL;
    for (struct entry *entry = shard->oldest; entry != NULL; entry = next) {
        bool is_over = shard->bytes > duplicates->shard_bytes;
        next = entry->newer;
        if (entry->expires_ms > now_ms && !is_over) {
            return;
        }
        if (entry->is_answered) {
            if (entry->expires_ms > now_ms) {
                atomic_fetch_add_explicit(&duplicates->displaced, 1, memory_order_relaxed);
            }
            drop(shard, entry);
        } else if (entry->expires_ms <= now_ms) {
            leave(shard, entry);
            entry->expires_ms = now_ms + DUPLICATES_MS;
            queue(shard, entry);
        }
    }
}

void duplicates_free(struct duplicates *duplicates)
{
    if (duplicates == NULL) {
        return;
    }
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &duplicates->shards[i];
        while (shard->oldest != NULL) {
            drop(shard, shard->oldest);
        }
        (void)pthread_mutex_destroy(&shard->lock);
    }
    free(duplicates);
}

enum status duplicate_key_of(const struct net_address *peer, bool with_port, struct reference known,
                             struct bytes packet, struct duplicate_key *out_key)
{
    uint8_t port[2] = {0};
    uint8_t numbers[8];
    wire_store_u32(numbers, known.index);
    wire_store_u32(numbers + 4, (uint32_t)known.handle.len);
    if (with_port) {
        port[0] = (uint8_t)(peer->port >> 8);
        port[1] = (uint8_t)peer->port;
    }
    const struct bytes runs[] = {
        bytes_of(peer->ip, sizeof(peer->ip)),
        bytes_of(port, sizeof(port)),
        bytes_of(numbers, sizeof(numbers)),
        known.handle,
        packet,
    };
    return digest_sha256(runs, sizeof(runs) / sizeof(runs[0]), out_key->data);
}

static enum duplicate_verdict begin(struct duplicates *duplicates, struct shard *shard,
                                    int64_t now_ms, const struct duplicate_key *key)
{
    struct entry *entry = calloc(1, sizeof(*entry));
    if (entry == NULL) {
        return DUPLICATE_CROWDED;
    }
    entry->key = *key;
    entry->expires_ms = now_ms + DUPLICATES_MS;
    join(shard, entry);
    tidy(duplicates, shard, now_ms);
    if (shard->bytes > duplicates->shard_bytes) { /* all of them running */
        drop(shard, entry);
        return DUPLICATE_CROWDED;
    }
    return DUPLICATE_FIRST;
}

static enum duplicate_verdict judge(struct duplicates *duplicates, struct shard *shard,
                                    int64_t now_ms, const struct duplicate_key *key, uint8_t *room,
                                    size_t *out_len)
{
    tidy(duplicates, shard, now_ms);
    struct entry *entry = find(shard, key);
    if (entry == NULL) {
        return begin(duplicates, shard, now_ms, key);
    }
    if (!entry->is_answered) {
        return DUPLICATE_RUNNING;
    }
    memcpy(room, entry->answer, entry->len);
    *out_len = entry->len;
    return DUPLICATE_ANSWERED;
}

enum duplicate_verdict duplicates_enter(struct duplicates *duplicates, int64_t now_ms,
                                        const struct duplicate_key *key, uint8_t *room,
                                        size_t *out_len)
{
    struct shard *shard = shard_of(duplicates, key);
    (void)pthread_mutex_lock(&shard->lock);
    enum duplicate_verdict verdict = judge(duplicates, shard, now_ms, key, room, out_len);
    (void)pthread_mutex_unlock(&shard->lock);
    return verdict;
}

static void forget(struct shard *shard, const struct duplicate_key *key)
{
    struct entry *entry = find(shard, key);
    if (entry != NULL) {
        drop(shard, entry);
    }
}

void duplicates_keep(struct duplicates *duplicates, int64_t now_ms, const struct duplicate_key *key,
                     struct bytes answer)
{
    struct shard *shard = shard_of(duplicates, key);
    struct entry *entry = calloc(1, sizeof(*entry));
    uint8_t *copy = malloc(answer.len);
    if (entry == NULL || copy == NULL || answer.len > duplicates->shard_bytes) {
        free(entry);
        free(copy);
        duplicates_release(duplicates, key);
        return;
    }
    memcpy(copy, answer.data, answer.len);
    *entry = (struct entry){
        .key = *key,
        .expires_ms = now_ms + DUPLICATES_MS,
        .is_answered = true,
        .len = answer.len,
        .answer = copy,
    };
    (void)pthread_mutex_lock(&shard->lock);
    forget(shard, key);
    join(shard, entry);
    tidy(duplicates, shard, now_ms);
    (void)pthread_mutex_unlock(&shard->lock);
}

void duplicates_release(struct duplicates *duplicates, const struct duplicate_key *key)
{
    struct shard *shard = shard_of(duplicates, key);
    (void)pthread_mutex_lock(&shard->lock);
    forget(shard, key);
    (void)pthread_mutex_unlock(&shard->lock);
}

size_t duplicates_take_displaced(struct duplicates *duplicates)
{
    atomic_size_t *displaced = &duplicates->displaced;
    return atomic_load_explicit(displaced, memory_order_relaxed) == 0
               ? 0
               : atomic_exchange_explicit(displaced, 0, memory_order_relaxed);
}
