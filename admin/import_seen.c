/* SPDX-License-Identifier: Apache-2.0
 *
 * Handles met in one run (import_seen.h): open addressing, doubled until the bound.
 *
 * While handles come in rising order none of them can have been met, so they are only listed; the
 * first that does not rise makes the table out of the list. Touching a random slot for each would
 * cost more than reading the record.
 */
#include "admin/import_seen.h"

#include <stdlib.h>

#include "protocol/handle.h"

#define FIRST_SLOTS 4096u

struct slot {
    uint64_t hash;
    uint64_t place; /* 0: free */
};

struct import_seen {
    struct slot *slots; /* a list of `count` while `is_rising`, else the table */
    size_t count, size; /* `size` is a power of two */
    size_t max_bytes;
    bool is_full;
    bool is_rising;
    size_t highest_len; /* the last handle while they rise */
    uint8_t highest[HANDLE_MAX];
};

struct import_seen *import_seen_new(size_t max_bytes)
{
    struct import_seen *seen = calloc(1, sizeof *seen);
    if (seen == NULL) {
        return NULL;
    }
    seen->size = FIRST_SLOTS;
    seen->max_bytes = max_bytes;
    seen->is_rising = true;
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

/* As a table of `size` slots; false when that exceeds the bound. */
static bool rebuild(struct import_seen *seen, size_t size)
{
    bool fits = size * sizeof *seen->slots <= seen->max_bytes;
    struct slot *slots = fits ? calloc(size, sizeof *slots) : NULL;
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

/* A list grows by doubling, too; its free slots are those behind `count`. */
static bool lengthen(struct import_seen *seen)
{
    size_t bytes = seen->size * sizeof *seen->slots;
    struct slot *slots = 2 * bytes > seen->max_bytes ? NULL : realloc(seen->slots, 2 * bytes);
    if (slots == NULL) {
        return false;
    }
    memset(slots + seen->size, 0, bytes);
    seen->slots = slots;
    seen->size *= 2;
    return true;
}

static bool rises(const struct import_seen *seen, struct bytes folded)
{
    return seen->is_rising && folded.len <= sizeof seen->highest &&
           bytes_compare(folded, bytes_of(seen->highest, seen->highest_len)) > 0;
}

static void list(struct import_seen *seen, struct bytes folded, uint64_t place)
{
    memcpy(seen->highest, folded.data, folded.len);
    seen->highest_len = folded.len;
    if (seen->is_full) {
        return;
    }
    seen->slots[seen->count++] = (struct slot){hash_of(folded), place};
    if (seen->count > seen->size / 4 * 3) {
        seen->is_full = !lengthen(seen);
    }
}

/* Without memory for it what was met is forgotten, as behind the bound. */
static void become_table(struct import_seen *seen)
{
    seen->is_rising = false;
    if (!rebuild(seen, seen->size)) {
        memset(seen->slots, 0, seen->size * sizeof *seen->slots);
        seen->is_full = true;
    }
}

uint64_t import_seen_add(struct import_seen *seen, struct bytes folded, uint64_t place)
{
    if (rises(seen, folded)) {
        list(seen, folded, place);
        return 0;
    }
    if (seen->is_rising) {
        become_table(seen);
    }
    uint64_t hash = hash_of(folded);
    struct slot *slot = find(seen->slots, seen->size, hash);
    uint64_t earlier = slot->place;
    if (earlier == 0 && seen->is_full) {
        return 0;
    }
    *slot = (struct slot){hash, place};
    if (earlier == 0 && ++seen->count > seen->size / 4 * 3) {
        seen->is_full = !rebuild(seen, seen->size * 2);
    }
    return earlier;
}

bool import_seen_is_full(const struct import_seen *seen)
{
    return seen->is_full;
}
