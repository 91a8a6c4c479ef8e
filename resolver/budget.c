/* SPDX-License-Identifier: Apache-2.0
 *
 * Token buckets and proofs (budget.h).
 *
 * A bucket is one word: the time in nanoseconds at which what was taken will have been earned back
 * (the "theoretical arrival time" of the generic cell rate algorithm). It needs no refilling, and 0
 * is a full bucket. A line of eight is one cache line, and both buckets of a source stand in one:
 * a second choice costs no second miss.
 *
 * A proof is one word, too: part of the source's hash and when it was given. A line is searched
 * whole; the oldest proof makes room for a new one.
 */
#include "resolver/budget.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "resolver/sources.h"

#define SLOTS 8
#define LINES 16384 /* 131 072 buckets, 1 MB */
#define PROOF_LINES 4096
#define NS_PER_S 1000000000
#define NS_PER_MS 1000000

typedef _Atomic(uint64_t) bucket_word; /* an array of plain words would say nothing of sharing */

struct line {
    _Alignas(64) bucket_word words[SLOTS];
};

struct budget {
    struct line lines[LINES];
    struct line proofs[PROOF_LINES];
    uint64_t seed;
};

/* What a bucket is for; mixed into the key, so that budgets of one source lie apart. */
enum purpose { PURPOSE_SOURCE = 1, PURPOSE_NETWORK, PURPOSE_LARGE, PURPOSE_PROOF };

/* A taking: how long it takes to earn `cost_ns`, and how much may be owed. */
struct taking {
    uint64_t now_ns;
    uint64_t cost_ns;
    uint64_t depth_ns;
};

struct budget *budget_new(uint64_t seed)
{
    struct budget *budget = aligned_alloc(_Alignof(struct budget), sizeof(*budget));
    if (budget != NULL) {
        memset(budget, 0, sizeof(*budget));
        budget->seed = seed;
    }
    return budget;
}

void budget_free(struct budget *budget)
{
    free(budget);
}

static uint64_t hash_of(const struct budget *budget, const struct net_address *peer,
                        enum purpose purpose)
{
    uint8_t key[SOURCE_LEN];
    sources_key(peer, key);
    if (purpose == PURPOSE_NETWORK || purpose == PURPOSE_LARGE) {
        key[net_address_is_ipv4(peer) ? 15 : 7] = 0; /* /24 of IPv4, /56 of IPv6 */
    }
    return sources_hash(key, budget->seed + (uint64_t)purpose);
}

static bool bucket_take(bucket_word *bucket, const struct taking *taking)
{
    uint64_t owed = atomic_load_explicit(bucket, memory_order_relaxed);
    uint64_t next;
    do {
        next = (owed > taking->now_ns ? owed : taking->now_ns) + taking->cost_ns;
        if (next > taking->now_ns + taking->depth_ns) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(bucket, &owed, next, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

static bool take(struct budget *budget, uint64_t hash, const struct taking *taking)
{
    struct line *line = &budget->lines[hash % LINES];
    size_t first = (size_t)(hash >> 32) % SLOTS;
    size_t second = (first + 1 + (size_t)(hash >> 40) % (SLOTS - 1)) % SLOTS;
    bool passes = bucket_take(&line->words[first], taking);
    return bucket_take(&line->words[second], taking) || passes;
}

static uint64_t ns_of_ms(int64_t ms)
{
    return ms < 0 ? 0 : (uint64_t)ms * NS_PER_MS;
}

static bool take_one(struct budget *budget, const struct net_address *peer, enum purpose purpose,
                     int64_t per_second, int64_t now_ms)
{
    struct taking taking = {
        .now_ns = ns_of_ms(now_ms),
        .cost_ns = NS_PER_S / (uint64_t)per_second,
        .depth_ns = NS_PER_S,
    };
    return take(budget, hash_of(budget, peer, purpose), &taking);
}

enum budget_verdict budget_take(struct budget *budget, const struct net_address *peer,
                                const struct budget_limits *limits, int64_t now_ms)
{
    if (!take_one(budget, peer, PURPOSE_SOURCE, limits->per_source, now_ms)) {
        return BUDGET_OVER_SOURCE;
    }
    return take_one(budget, peer, PURPOSE_NETWORK, limits->per_network, now_ms)
               ? BUDGET_PASSES
               : BUDGET_OVER_NETWORK;
}

bool budget_take_large(struct budget *budget, const struct net_address *peer, size_t bytes,
                       const struct budget_limits *limits, int64_t now_ms)
{
    if (budget_is_proved(budget, peer, now_ms)) {
        return true;
    }
    uint64_t per_second = (uint64_t)limits->large_bytes;
    struct taking taking = {
        .now_ns = ns_of_ms(now_ms),
        .cost_ns = (uint64_t)bytes * NS_PER_S / per_second,
        .depth_ns = (uint64_t)BUDGET_LARGE_BURST * NS_PER_S / per_second,
    };
    return take(budget, hash_of(budget, peer, PURPOSE_LARGE), &taking);
}

/* --- proofs ---------------------------------------------------------------------------------- */

/* Seconds since the clock began, from 1: an empty word proves nothing. */
static uint32_t proof_time(int64_t now_ms)
{
    return (uint32_t)(now_ms / 1000 + 1);
}

static uint64_t proof_mark(uint64_t hash)
{
    return hash & 0xffffffff00000000U;
}

/* The source's own word, else the one whose proof is oldest. */
static bucket_word *proof_word(struct line *line, uint64_t hash)
{
    bucket_word *oldest = &line->words[0];
    uint32_t oldest_time = UINT32_MAX;
    for (size_t i = 0; i < SLOTS; i++) {
        uint64_t word = atomic_load_explicit(&line->words[i], memory_order_relaxed);
        if (word != 0 && proof_mark(word) == proof_mark(hash)) {
            return &line->words[i];
        }
        if ((uint32_t)word < oldest_time) {
            oldest_time = (uint32_t)word;
            oldest = &line->words[i];
        }
    }
    return oldest;
}

void budget_prove(struct budget *budget, const struct net_address *peer, int64_t now_ms)
{
    uint64_t hash = hash_of(budget, peer, PURPOSE_PROOF);
    bucket_word *word = proof_word(&budget->proofs[hash % PROOF_LINES], hash);
    uint64_t fresh = proof_mark(hash) | proof_time(now_ms);
    if (atomic_load_explicit(word, memory_order_relaxed) != fresh) {
        atomic_store_explicit(word, fresh, memory_order_relaxed);
    }
}

bool budget_is_proved(const struct budget *budget, const struct net_address *peer, int64_t now_ms)
{
    uint64_t hash = hash_of(budget, peer, PURPOSE_PROOF);
    const struct line *line = &budget->proofs[hash % PROOF_LINES];
    int64_t now = proof_time(now_ms);
    for (size_t i = 0; i < SLOTS; i++) {
        uint64_t word = atomic_load_explicit(&line->words[i], memory_order_relaxed);
        if (word != 0 && proof_mark(word) == proof_mark(hash)) {
            return now - (int64_t)(uint32_t)word < BUDGET_PROOF_MS / 1000;
        }
    }
    return false;
}
