/* SPDX-License-Identifier: Apache-2.0
 *
 * What the committer tells to those who keep copies (freshness.h).
 */
#include "registry/freshness.h"

#include <stdlib.h>
#include <sys/random.h>

#include "registry/change_item.h"

enum status freshness_init(struct freshness *freshness)
{
    if (getrandom(freshness->key, sizeof(freshness->key), 0) != (ssize_t)sizeof(freshness->key)) {
        return STATUS_SYSTEM;
    }
    freshness->touched = calloc(FRESHNESS_BUCKETS, sizeof(*freshness->touched));
    return freshness->touched == NULL ? STATUS_NO_MEMORY : STATUS_OK;
}

void freshness_done(struct freshness *freshness)
{
    free(freshness->touched);
    freshness->touched = NULL;
}

/* A damaged row that was replaced or removed has an expected version, too. */
static bool replaced_something(const struct change_item *item)
{
    return item->status == STATUS_OK && item->expected_version != 0;
}

static void note_item(struct freshness *freshness, const struct change_item *item, uint64_t txn)
{
    if (item->table == CHANGE_PREFIX && item->status == STATUS_OK) {
        atomic_store_explicit(&freshness->floor, txn, memory_order_relaxed);
    } else if (item->table == CHANGE_RECORD && replaced_something(item)) {
        uint64_t hash = freshness_hash(freshness, item->canonical);
        freshness_word *word = &freshness->touched[hash % FRESHNESS_BUCKETS];
        atomic_store_explicit(word, txn, memory_order_relaxed);
    }
}

void freshness_note(struct freshness *freshness, struct change_set *const *sets, size_t count,
                    uint64_t txn)
{
    for (size_t i = 0; i < count; i++) {
        if (sets[i]->status == STATUS_OK) {
            for (size_t j = 0; j <= sets[i]->count; j++) {
                note_item(freshness, &sets[i]->items[j], txn);
            }
        }
    }
}
