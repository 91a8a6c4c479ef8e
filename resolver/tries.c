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
static uint64_t hash(uint64_t seed, enum tries_kind kind, struct bytes name)
{
    uint64_t h = seed ^ (14695981039346656037u + (uint64_t)kind);
    for (size_t i = 0; i < name.len; i++) {
        h = (h ^ bytes_ascii_upper(name.data[i])) * 1099511628211u;
    }
    h ^= seed;
    h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9u;
    h = (h ^ h >> 27) * 0x94d049bb133111ebu;
    return h ^ h >> 31;
}

static size_t place_of(const struct tries *tries, enum tries_kind kind, struct bytes name)
{
    return hash(tries->seed, kind, name) % COUNTERS;
}

static uint64_t minute_of(int64_t now_ms)
{
    return (uint64_t)(now_ms / MINUTE_MS) << COUNT_BITS;
}

static uint64_t count_in(uint_fast64_t seen, uint64_t minute)
{
    return (seen & ~(uint64_t)COUNT_MASK) == minute ? seen & COUNT_MASK : 0;
}

static bool is_left(uint64_t count, int64_t limit)
{
    return count < (uint64_t)limit && count < COUNT_MASK;
}

bool tries_take(struct tries *tries, enum tries_kind kind, struct bytes name, int64_t limit,
                int64_t now_ms)
{
    atomic_uint_fast64_t *counter = &tries->counters[place_of(tries, kind, name)];
    uint64_t minute = minute_of(now_ms);
    uint_fast64_t seen = atomic_load_explicit(counter, memory_order_relaxed);
    uint64_t next = 0;
    do {
        uint64_t count = count_in(seen, minute);
        if (!is_left(count, limit)) {
            return false;
        }
        next = minute | (count + 1);
    } while (!atomic_compare_exchange_weak_explicit(counter, &seen, next, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

bool tries_is_left(const struct tries *tries, enum tries_kind kind, struct bytes name,
                   int64_t limit, int64_t now_ms)
{
    const atomic_uint_fast64_t *counter = &tries->counters[place_of(tries, kind, name)];
    uint_fast64_t seen = atomic_load_explicit(counter, memory_order_relaxed);
    return is_left(count_in(seen, minute_of(now_ms)), limit);
}
