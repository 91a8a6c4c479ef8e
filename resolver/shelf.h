/* SPDX-License-Identifier: Apache-2.0
 *
 * Things kept for strangers until they come back: found by id, counted by source, in order of age.
 *
 * Items are embedded in what is kept and belong to the caller; nothing here allocates or locks.
 */
#pragma once

#include "resolver/sources.h"

#define SHELF_SLOTS 512

struct shelf_item {
    uint32_t id;
    uint8_t source[SOURCE_LEN];
    uint64_t source_hash;
    int64_t due_ms; /* of no use from then on */
    size_t bytes;
    struct shelf_item *chain; /* of its id's slot */
    struct shelf_item *older;
    struct shelf_item *newer;
    struct shelf_item *source_older; /* of its source's slot */
    struct shelf_item *source_newer;
};

struct shelf_ends {
    struct shelf_item *oldest;
    struct shelf_item *newest;
};

struct shelf {
    struct shelf_item *slots[SHELF_SLOTS];
    struct shelf_ends sources[SHELF_SLOTS];
    struct shelf_ends all;
    size_t count;
    size_t bytes;
};

struct shelf_item *shelf_find(const struct shelf *shelf, uint32_t id);

/* As the newest; id, source, source_hash, due_ms and bytes are filled in. */
void shelf_put(struct shelf *shelf, struct shelf_item *item);
void shelf_take(struct shelf *shelf, struct shelf_item *item);

/* It was used: the newest again. */
void shelf_touch(struct shelf *shelf, struct shelf_item *item);

/* How many the item's source has, and its oldest. */
size_t shelf_count_source(const struct shelf *shelf, const struct shelf_item *item,
                          struct shelf_item **out_oldest);
