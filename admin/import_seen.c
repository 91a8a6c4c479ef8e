/* SPDX-License-Identifier: Apache-2.0
 *
 * Handles met in one run (import_seen.h): open addressing, doubled until the bound.
 */
#include "admin/import_seen.h"

#include <stdlib.h>

#define FIRST_SLOTS 4096u

struct slot {
    uint64_t hash;
    uint64_t place; /* 0: free */
};

struct import_seen {
    struct slot *slots;
    size_t count, size; /* `size` is a power of two */
    size_t max_bytes;
    bool is_full;
};

struct import_seen *import_seen_new(size_t max_bytes)
{
    struct import_seen *seen = calloc(1, sizeof *seen);
    if (seen == NULL) {
        return NULL;
    }
    seen->size = FIRST_SLOTS;
    seen->max_bytes = max_bytes;
    seen->slots = calloc(seen->size, sizeof *seen->slots);
    if (seen->slots == NULL) {
        free(seen);
        return NULL;
    }
    return seen;
}

void import_seen_free(struct import_seen *seen)
{
    if (seen != NULL) {
        free(seen->slots);
        free(seen);
    }
}

/* FNV-1a, then the finaliser of MurmurHash3, whose low bits are good enough to index with. Two
 * handles of four million share 64 bits once in two million runs. */
static uint64_t hash_of(struct bytes text)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < text.len; i++) {
        hash = (hash ^ text.data[i]) * 0x100000001b3u;
    }
    hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccdu;
    hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53u;
    return hash ^ (hash >> 33);
}

static struct slot *find(struct slot *slots, size_t size, uint64_t hash)
{
    size_t at = (size_t)hash & (size - 1);
    while (slots[at].place != 0 && slots[at].hash != hash) {
        at = (at + 1) & (size - 1);
    }
    return &slots[at];
}

static bool grow(struct import_seen *seen)
{
    size_t size = seen->size * 2;
    struct slot *slots =
        size * sizeof *slots > seen->max_bytes ? NULL : calloc(size, sizeof *slots);
    if (slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < seen->size; i++) {
        if (seen->slots[i].place != 0) {
            *find(slots, size, seen->slots[i].hash) = seen->slots[i];
        }
    }
    free(seen->slots);
    seen->slots = slots;
    seen->size = size;
    return true;
}

uint64_t import_seen_add(struct import_seen *seen, struct bytes folded, uint64_t place)
{
    uint64_t hash = hash_of(folded);
    struct slot *slot = find(seen->slots, seen->size, hash);
    uint64_t earlier = slot->place;
    if (earlier == 0 && seen->is_full) {
        return 0;
    }
    *slot = (struct slot){hash, place};
    if (earlier == 0 && ++seen->count > seen->size / 4 * 3) {
        seen->is_full = !grow(seen);
    }
    return earlier;
}

bool import_seen_is_full(const struct import_seen *seen)
{
    return seen->is_full;
}
