/* SPDX-License-Identifier: Apache-2.0
 *
 * Counting readers and exchanging the map (store_map.h).
 *
 * A reader counts itself, then looks whether the map is being exchanged; the exchanger says so,
 * then looks at the count: one of the two always sees the other (both are sequentially consistent).
 */
#include "registry/store_map.h"

#include <sys/mman.h>
#include <time.h>

#define PAUSE_NS 50000
/* How long readers are waited for, in pauses; meanwhile new ones wait, too. A snapshot may live for
 * 100 ms, so only who has run out of room waits that long. */
#define PATIENCE_SPARE 200
#define PATIENCE_SHORT 4000
/* Groups until the next try after readers did not rest. */
#define GROUPS_AFTER_FAILURE 64

void store_map_enter(struct registry *registry)
{
    for (;;) {
        (void)atomic_fetch_add(&registry->active_snapshots, 1);
        if (!atomic_load(&registry->is_remapping)) {
            return;
        }
        (void)atomic_fetch_sub(&registry->active_snapshots, 1);
        (void)pthread_mutex_lock(&registry->map_lock);
        (void)pthread_mutex_unlock(&registry->map_lock);
    }
}

void store_map_leave(struct registry *registry)
{
    (void)atomic_fetch_sub(&registry->active_snapshots, 1);
}

void store_map_hold(struct registry *registry)
{
    (void)atomic_fetch_add(&registry->map_holds, 1);
    store_map_enter(registry);
}

void store_map_release(struct registry *registry)
{
    store_map_leave(registry);
    (void)atomic_fetch_sub(&registry->map_holds, 1);
}

struct extent {
    uint64_t map_bytes;
    uint64_t used_bytes;
};

static bool extent_of(const struct registry *registry, struct extent *out_extent)
{
    MDB_envinfo info;
    MDB_stat tree;
    if (mdb_env_info(registry->env, &info) != 0 || mdb_env_stat(registry->env, &tree) != 0) {
        return false;
    }
    *out_extent = (struct extent){
        .map_bytes = info.me_mapsize,
        .used_bytes = ((uint64_t)info.me_last_pgno + 1) * tree.ms_psize,
    };
    return true;
}

/* LMDB gives the old map up before it asks for the new one; this asks first. */
static bool has_address_space(uint64_t more_bytes)
{
    void *room =
        mmap(NULL, more_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return room != MAP_FAILED && munmap(room, more_bytes) == 0;
}

static bool readers_rest(struct registry *registry, int patience)
{
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    while (atomic_load(&registry->active_snapshots) != 0) {
        if (patience-- == 0) {
            return false;
        }
        (void)nanosleep(&pause, NULL);
    }
    return true;
}

static bool exchange(struct registry *registry, uint64_t bytes, int patience)
{
    bool is_done = false;
    (void)pthread_mutex_lock(&registry->map_lock);
    atomic_store(&registry->is_remapping, true);
    if (readers_rest(registry, patience)) {
        is_done = mdb_env_set_mapsize(registry->env, bytes) == 0;
        if (!is_done) {
            /* The old map is gone and there is no new one: reads go on through the second
             * environment, writes wait for a restart. */
            atomic_store(&registry->is_unmapped, true);
            atomic_store_explicit(&registry->refuses_writes, true, memory_order_relaxed);
        }
    }
    atomic_store(&registry->is_remapping, false);
    (void)pthread_mutex_unlock(&registry->map_lock);
    return is_done;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* What the ceiling should become; what it is when it may not rise. */
static uint64_t next_bytes(struct registry *registry, const struct extent *extent)
{
    uint64_t max = atomic_load_explicit(&registry->map_bytes_max, memory_order_relaxed);
    uint64_t wanted =
        larger(extent->map_bytes * 2, extent->used_bytes + 4 * registry->reserve_bytes);
    if (max != 0 && wanted > max) {
        wanted = larger(max / STORE_PAGE * STORE_PAGE, extent->map_bytes);
    }
    return (wanted + STORE_PAGE - 1) / STORE_PAGE * STORE_PAGE;
}

static bool grow(struct registry *registry, const struct extent *extent, int patience)
{
    uint64_t bytes = next_bytes(registry, extent);
    if (bytes <= extent->map_bytes || atomic_load(&registry->map_holds) > 0 ||
        atomic_load_explicit(&registry->refuses_writes, memory_order_relaxed)) {
        return false;
    }
    if (!has_address_space(bytes - extent->map_bytes)) {
        /* A smaller step may still fit. */
        bytes = extent->map_bytes + registry->reserve_bytes / STORE_PAGE * STORE_PAGE;
        if (bytes > next_bytes(registry, extent) || !has_address_space(bytes - extent->map_bytes)) {
            return false;
        }
    }
    return exchange(registry, bytes, patience);
}

void store_map_care(struct registry *registry, uint64_t coming_bytes)
{
    struct extent extent;
    if (atomic_load(&registry->is_unmapped) || !extent_of(registry, &extent)) {
        return;
    }
    extent.used_bytes += coming_bytes;
    bool is_short = extent.used_bytes + registry->reserve_bytes > extent.map_bytes;
    bool is_near = extent.used_bytes + 2 * registry->reserve_bytes > extent.map_bytes ||
                   extent.used_bytes > extent.map_bytes / 4 * 3;
    if (is_short) {
        (void)grow(registry, &extent, PATIENCE_SHORT);
    } else if (is_near && registry->map_pause > 0) {
        registry->map_pause--;
    } else if (is_near && !grow(registry, &extent, PATIENCE_SPARE)) {
        registry->map_pause = GROUPS_AFTER_FAILURE;
    }
}

bool store_map_grow(struct registry *registry)
{
    struct extent extent;
    return !atomic_load(&registry->is_unmapped) && extent_of(registry, &extent) &&
           grow(registry, &extent, PATIENCE_SHORT);
}

void registry_limit_map(struct registry *registry, uint64_t max_bytes)
{
    atomic_store_explicit(&registry->map_bytes_max, max_bytes, memory_order_relaxed);
}
