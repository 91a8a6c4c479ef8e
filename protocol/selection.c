/* SPDX-License-Identifier: Apache-2.0
 *
 * Indexes and types asked for (selection.h).
 *
 * The hash is the polynomial of the folded bytes at a secret point, modulo the prime 2^61 - 1: two
 * types fall together with a chance below length / 2^60 whoever made them, and one walk over a
 * value's type gives the hashes of all its beginnings, which is what "URL." asks about.
 */
#include "protocol/selection.h"

#define PRIME ((UINT64_C(1) << 61) - 1)
#define BELOW_TOO (UINT64_C(1) << 61) /* in a tag: asked for with a dot at the end */
#define TAKEN (UINT64_C(1) << 62)     /* no tag in use is 0 */

__extension__ typedef unsigned __int128 wide;

struct selection_slot {
    uint64_t tag; /* hash and the two bits above; 0: free */
    uint32_t at;  /* of the type without its dot, in the request's list */
    uint32_t len;
};

static uint64_t hash_more(uint64_t hash, uint64_t key, uint8_t byte)
{
    wide product = (wide)hash * key + bytes_ascii_upper(byte) + 1U;
    uint64_t sum = (uint64_t)(product & PRIME) + (uint64_t)(product >> 61);
    return sum >= PRIME ? sum - PRIME : sum;
}

static uint64_t hash_all(uint64_t key, struct bytes text)
{
    uint64_t hash = 0;
    for (size_t i = 0; i < text.len; i++) {
        hash = hash_more(hash, key, text.data[i]);
    }
    return hash;
}

static struct bytes slot_type(const struct selection *selection, const struct selection_slot *slot)
{
    return bytes_of(selection->asked->types.data + slot->at, slot->len);
}

/* The slot of this type, or the free one it would have. */
static struct selection_slot *find(const struct selection *selection, uint64_t tag,
                                   struct bytes type)
{
    uint64_t at = tag & PRIME;
    for (;; at++) {
        struct selection_slot *slot = &selection->slots[at & selection->mask];
        if (slot->tag == 0 ||
            (slot->tag == tag && bytes_equal_nocase(slot_type(selection, slot), type))) {
            return slot;
        }
    }
}

static void insert(struct selection *selection, struct bytes type)
{
    uint64_t tag = TAKEN;
    if (type.len > 0 && type.data[type.len - 1] == '.') {
        type.len--;
        tag |= BELOW_TOO;
    }
    tag |= hash_all(selection->key, type);
    struct selection_slot *slot = find(selection, tag, type);
    if (slot->tag == 0) { /* else asked for twice */
        *slot = (struct selection_slot){
            .tag = tag,
            .at = (uint32_t)(type.data - selection->asked->types.data),
            .len = (uint32_t)type.len,
        };
    }
}

enum status selection_init(struct selection *selection, const struct body_resolution *asked,
                           struct arena *arena, uint64_t key)
{
    struct selection made = {.asked = asked, .key = key % PRIME};
    if (asked->type_count >= SELECTION_HASHED) {
        uint32_t size = 2 * SELECTION_HASHED; /* at most half full */
        while (size / 2 < asked->type_count) {
            size *= 2;
        }
        made.mask = size - 1;
        made.slots = arena_calloc(arena, size, sizeof(*made.slots));
        if (made.slots == NULL) {
            return STATUS_NO_MEMORY;
        }
        struct wire_reader types = wire_read(asked->types);
        struct bytes type;
        while (body_next_text(&types, &type)) {
            insert(&made, type);
        }
    }
    *selection = made;
    return STATUS_OK;
}

bool selection_is_everything(const struct selection *selection)
{
    return selection->asked->index_count == 0 && selection->asked->type_count == 0;
}

static bool has_index(const struct selection *selection, uint32_t index)
{
    struct wire_reader indexes = wire_read(selection->asked->indexes);
    for (uint32_t i = 0; i < selection->asked->index_count; i++) {
        if (wire_u32(&indexes) == index) {
            return true;
        }
    }
    return false;
}

static bool has_type_one_by_one(const struct selection *selection, struct bytes asked_of)
{
    struct wire_reader types = wire_read(selection->asked->types);
    struct bytes type;
    while (body_next_text(&types, &type)) {
        if (value_type_matches(asked_of, type)) {
            return true;
        }
    }
    return false;
}

static bool holds(const struct selection *selection, uint64_t tag, struct bytes type)
{
    return find(selection, tag | TAKEN, type)->tag != 0;
}

/* The whole type, with or without what is below it, or any beginning of it that a dot ends. */
static bool has_type_hashed(const struct selection *selection, struct bytes type)
{
    uint64_t hash = 0;
    for (size_t i = 0; i < type.len; i++) {
        if (type.data[i] == '.' && holds(selection, hash | BELOW_TOO, bytes_of(type.data, i))) {
            return true;
        }
        hash = hash_more(hash, selection->key, type.data[i]);
    }
    return holds(selection, hash, type) || holds(selection, hash | BELOW_TOO, type);
}

bool selection_has(const struct selection *selection, const struct value *value)
{
    if (selection_is_everything(selection) || has_index(selection, value->index)) {
        return true;
    }
    return selection->slots == NULL ? has_type_one_by_one(selection, value->type)
                                    : has_type_hashed(selection, value->type);
}
