/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of the cache: its LMDB environment, and the transactions of the one thread that writes.
 *
 * MDB_NOSYNC: a power failure may leave anything, so that what lies there is used only in the boot
 * that wrote it, and after every page was looked at (cache_check.h). No WRITEMAP: writing to a full
 * disk fails instead of raising SIGBUS. The file is allocated ahead in steps; where the disk has
 * nothing to spare the cache makes do with what it has.
 */
#pragma once

#include <lmdb.h>
#include <stdatomic.h>

#include "resolver/cache_row.h"

#define CACHE_BYTES_MIN (32u << 20)
#define CACHE_BOOT_MAX 64
#define CACHE_TOUCHED 4096 /* words; entries that share one end each other's copies */

struct cache_store {
    MDB_env *env;
    MDB_dbi entries;
    MDB_dbi order;
    MDB_dbi about;
    int fd;                     /* of the data file, -1 when read-only */
    uint64_t page;              /* bytes */
    uint64_t max_bytes;         /* the map: the file never grows over it */
    uint64_t spare_bytes;       /* of the disk, left to others */
    uint64_t allocated;         /* of the file, for sure */
    bool cannot_grow;           /* the disk has nothing to spare: `allocated` is the ceiling */
    uint64_t sequence;          /* of the newest row */
    int64_t clock_ms;           /* the newest time any entry was fetched or any tick told */
    _Atomic uint64_t published; /* the newest transaction readers can have */

    /* The newest transaction that wrote or removed an entry, by its key; stored before its commit,
     * so that it is there when that can be seen. */
    _Atomic uint64_t touched[CACHE_TOUCHED];
};

struct cache_store_options {
    const char *path;
    uint64_t max_bytes;
    uint64_t spare_bytes;
    const char *boot_id;
    int64_t now_ms;
};

/* `out_reason`: why what lay there was made anew; NULL when it was kept or nothing lay there. */
enum status cache_store_open(const struct cache_store_options *options, struct cache_store *store,
                             const char **out_reason, struct fault *fault);
enum status cache_store_open_view(const char *path, struct cache_store *store, struct fault *fault);
void cache_store_close(struct cache_store *store);

/* Removes the files; what others have open stays theirs. */
void cache_store_discard(const char *path);

/* --- one write transaction -------------------------------------------------------------------- */

#define CACHE_TURN_ITEMS 64 /* puts of one transaction */
#define CACHE_TURN_BYTES (512u << 10)
#define CACHE_TURN_REMOVALS 256

struct cache_write {
    struct cache_store *store;
    MDB_txn *txn;
    int error; /* LMDB's, the first; later steps do nothing */
};

enum status cache_write_begin(struct cache_store *store, struct cache_write *out_write);

/* Published when OK; on failure nothing was done. */
enum status cache_write_commit(struct cache_write *write);

/* `row` is sealed here. Does not take the place of a verified answer that is fresh, unless it is
 * verified itself. */
void cache_write_put(struct cache_write *write, struct bytes key, uint8_t *row, size_t len);

/* Entries whose key begins with `start` and that are of `name` (empty: any); how many went. At most
 * CACHE_TURN_REMOVALS. */
size_t cache_write_remove(struct cache_write *write, struct bytes start, struct bytes name);

/* Those that are not kept beyond `now_ms`, first those that end first; at most
 * CACHE_TURN_REMOVALS. INT64_MAX: any. */
size_t cache_write_sweep(struct cache_write *write, int64_t now_ms);

/* Are more pages in use than the ceiling allows, room for the next transactions left free? */
bool cache_write_is_crowded(struct cache_write *write);

/* Before a transaction that adds something. */
void cache_store_grow(struct cache_store *store);

/* The word of the entry with this key. */
const _Atomic uint64_t *cache_store_touched(const struct cache_store *store, struct bytes key);

uint64_t cache_store_used_bytes(const struct cache_store *store, MDB_txn *txn);

static inline struct bytes cache_bytes(const MDB_val *val)
{
    return bytes_of(val->mv_data, val->mv_size);
}

static inline MDB_val cache_val(struct bytes b)
{
    /* LMDB takes keys and rows as void * and does not write through it. */
    return (MDB_val){b.len, (void *)(uintptr_t)b.data};
}
