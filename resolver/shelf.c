/* SPDX-License-Identifier: Apache-2.0
 *
 * Three linked lists over the same items (shelf.h).
 */
#include "resolver/shelf.h"

static struct shelf_item **slot_of(struct shelf *shelf, uint32_t id)
{
    return &shelf->slots[(id >> 4) % SHELF_SLOTS]; /* the low bits chose the shelf */
}

static struct shelf_ends *source_of(struct shelf *shelf, const struct shelf_item *item)
{
    return &shelf->sources[(item->source_hash >> 8) % SHELF_SLOTS];
}

struct shelf_item *shelf_find(const struct shelf *shelf, uint32_t id)
{
    struct shelf_item *item = shelf->slots[(id >> 4) % SHELF_SLOTS];
    while (item != NULL && item->id != id) {
        item = item->chain;
    }
    return item;
}

static void age_put(struct shelf *shelf, struct shelf_item *item)
{
    struct shelf_ends *all = &shelf->all;
    struct shelf_ends *own = source_of(shelf, item);
    item->newer = NULL;
    item->older = all->newest;
    *(all->newest != NULL ? &all->newest->newer : &all->oldest) = item;
    all->newest = item;
    item->source_newer = NULL;
    item->source_older = own->newest;
    *(own->newest != NULL ? &own->newest->source_newer : &own->oldest) = item;
    own->newest = item;
}

static void age_take(struct shelf *shelf, struct shelf_item *item)
{
    struct shelf_ends *all = &shelf->all;
    struct shelf_ends *own = source_of(shelf, item);
    *(item->older != NULL ? &item->older->newer : &all->oldest) = item->newer;
    *(item->newer != NULL ? &item->newer->older : &all->newest) = item->older;
    *(item->source_older != NULL ? &item->source_older->source_newer : &own->oldest) =
        item->source_newer;
    *(item->source_newer != NULL ? &item->source_newer->source_older : &own->newest) =
        item->source_older;
}

void shelf_put(struct shelf *shelf, struct shelf_item *item)
{
    struct shelf_item **slot = slot_of(shelf, item->id);
    item->chain = *slot;
    *slot = item;
    age_put(shelf, item);
    shelf->count++;
    shelf->bytes += item->bytes;
}

void shelf_take(struct shelf *shelf, struct shelf_item *item)
{
    struct shelf_item **at = slot_of(shelf, item->id);
    while (*at != item) {
        at = &(*at)->chain;
    }
    *at = item->chain;
    age_take(shelf, item);
    shelf->count--;
    shelf->bytes -= item->bytes;
}

void shelf_touch(struct shelf *shelf, struct shelf_item *item)
{
    age_take(shelf, item);
    age_put(shelf, item);
}

size_t shelf_count_source(const struct shelf *shelf, const struct shelf_item *item,
                          struct shelf_item **out_oldest)
{
    size_t count = 0;
    *out_oldest = NULL;
    struct shelf_item *at = shelf->sources[(item->source_hash >> 8) % SHELF_SLOTS].oldest;
    for (; at != NULL; at = at->source_newer) {
        if (memcmp(at->source, item->source, SOURCE_LEN) == 0) {
            *out_oldest = count == 0 ? at : *out_oldest;
            count++;
        }
    }
    return count;
}
