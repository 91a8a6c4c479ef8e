/* SPDX-License-Identifier: Apache-2.0
 *
 * What a crash test writes: change sets that follow from (seed, number) alone.
 *
 * Writer and checker both compute a set from its numbers, so the checker knows every byte that was
 * ever asked for without trusting the store or the writer. Each value names its set and item, so
 * two writes are never equal. Set 0 homes the prefixes. Pure but for workload_build's allocation.
 */
#pragma once

#include "registry/change_set.h"

#define WORKLOAD_HANDLES 96
#define WORKLOAD_PREFIXES 2
#define WORKLOAD_ITEMS_MAX 8
#define WORKLOAD_VALUES_MAX 3
#define WORKLOAD_HANDLE_BYTES 640
#define WORKLOAD_DATA_MAX 14000

struct workload_item {
    bool is_put;
    enum change_mode mode;
    uint32_t handle; /* below WORKLOAD_HANDLES */
};

struct workload_set {
    uint64_t seed;
    uint64_t number;
    enum change_policy policy;
    bool has_audit;
    size_t count;
    struct workload_item items[WORKLOAD_ITEMS_MAX];
};

void workload_make(uint64_t seed, uint64_t number, struct workload_set *out_set);

/* Its name into `out`; handle and canonical form are the same. */
struct bytes workload_handle(uint32_t handle, char out[WORKLOAD_HANDLE_BYTES]);

/* Index below WORKLOAD_HANDLES, or WORKLOAD_HANDLES when it is none of ours. */
uint32_t workload_find(struct bytes handle);

struct bytes workload_prefix(uint32_t handle);

/* "set:<number>": the actor under which the journal keeps the set. */
struct bytes workload_actor(uint64_t number, char out[32]);

/* The number in an actor; UINT64_MAX when it is not one of ours. */
uint64_t workload_number(struct bytes actor);

struct workload_values {
    size_t count;
    struct value values[WORKLOAD_VALUES_MAX];
    char data[WORKLOAD_VALUES_MAX][WORKLOAD_DATA_MAX];
};

void workload_values(const struct workload_set *set, size_t item, struct workload_values *out);

/* NULL when memory is out. */
struct change_set *workload_build(const struct workload_set *set);

/* The key every crash test store is opened with. */
struct bytes workload_commitment_key(void);

/* A small random number generator, the same everywhere. */
static inline uint64_t workload_random(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u;
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}
