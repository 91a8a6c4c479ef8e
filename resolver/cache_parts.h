/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of cache.c, cache_reader.c and cache_walk.c: what a cache is.
 *
 * `store` belongs to the cache thread once it is ready; readers use its environment for read
 * transactions only. What waits to be written lies in one of two buffers of fixed size: workers
 * fill one under the lock, held for a copy, while the thread empties the other.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "resolver/cache_store.h"

#define CACHE_QUEUE_BYTES (4u << 20)

enum cache_act { CACHE_ACT_PUT = 1, CACHE_ACT_FORGET = 2 };

/* Before each act in a buffer: key and row (of a FORGET: the name) follow. */
struct cache_act_head {
    uint32_t key_len;
    uint32_t row_len;
    enum cache_act act;
};

struct cache_buffer {
    uint8_t *bytes;
    size_t len;
};

struct cache_flush {
    enum cache_scope scope;
    struct bytes name;
    uint64_t removed;
    enum status status;
    bool is_done;
};

struct cache {
    struct cache_options options;
    char *path;
    char boot_id[CACHE_BOOT_MAX];
    struct cache_store store;
    bool is_view;
    _Atomic bool is_ready;  /* `store` is open and readers may begin */
    _Atomic int64_t now_ms; /* the last tick */
    _Atomic int64_t ttl_ms; /* cache_limits */
    _Atomic int64_t negative_ms;
    _Atomic int64_t stale_ms;
    _Atomic uint64_t evicted;
    _Atomic uint64_t dropped;
    int64_t entries_told; /* to the metrics; the thread's */
    int64_t bytes_told;
    pthread_t thread;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t has_work;
    pthread_cond_t has_rested;
    struct cache_buffer filling;
    struct cache_buffer emptying; /* the thread's while is_busy */
    struct cache_flush *flush;
    int64_t tick_ms; /* 0: no tick since the last was looked at */
    bool is_busy;
    bool is_failed; /* there is no store and will be none */
    bool is_stopping;
};

/* One act, copied. SERVER_BUSY: no room; CLOSED. */
enum status cache_submit(struct cache *cache, enum cache_act act, struct bytes key,
                         const struct cache_stored *stored, struct bytes name);

/* As it is handed out. */
struct cache_entry cache_entry_of(const struct cache_stored *stored);
