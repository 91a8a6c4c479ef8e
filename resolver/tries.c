/* SPDX-License-Identifier: Apache-2.0
 *
 * Counters that begin anew with each minute (tries.h).
 */
#include "resolver/tries.h"

#include <stdatomic.h>
#include <stdlib.h>

#define COUNTERS 8192u
#define COUNT_BITS 24 /* of a counter; the minute stands above */
#define COUNT_MASK ((1u << COUNT_BITS) - 1)
#define MINUTE_MS 60000

struct tries {
    uint64_t seed;
    atomic_uint_fast64_t counters[COUNTERS];
};

struct tries *tries_new(uint64_t seed)
{
    struct tries *tries = calloc(1, sizeof(*tries));
    if (tries != NULL) {
        tries->seed = seed;
    }
    return tries;
}

void tries_free(struct tries *tries)
{
    free(tries);
}

/* FNV-1a over the folded name, and a finisher that the seed has gone through. */
static uint64_t hash(uint64_t seed, unsigned kind, struct bytes name)
{
    uint64_t h = seed ^ (14695981039346656037u + kind);
    for (size_t i = 0; i < name.len; i++) {
        h = (h ^ bytes_ascii_upper(name.data[i])) * 1099511628211u;
    }
    h ^= seed;
    h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9u;
    h = (h ^ h >> 27) * 0x94d049bb133111ebu;
    return h ^ h >> 31;
}

bool tries_take(struct tries *tries, unsigned kind, struct bytes name, int64_t limit,
                int64_t now_ms)
{
    atomic_uint_fast64_t *counter = &tries->counters[hash(tries->seed, kind, name) % COUNTERS];
    uint64_t minute = (uint64_t)(now_ms / MINUTE_MS) << COUNT_BITS;
    uint_fast64_t seen = atomic_load_explicit(counter, memory_order_relaxed);
    uint64_t next = 0;
    do {
        bool is_this_minute = (seen & ~(uint64_t)COUNT_MASK) == minute;
        uint64_t count = is_this_minute ? seen & COUNT_MASK : 0;
        if (count >= (uint64_t)limit || count == COUNT_MASK) {
            return false;
        }
        next = minute | (count + 1);
    } while (!atomic_compare_exchange_weak_explicit(counter, &seen, next, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}
