/* SPDX-License-Identifier: Apache-2.0
 *
 * The cache's thread and what it is told (cache.h).
 *
 * The thread opens the store first, which may take a while as every page is looked at; until then
 * nothing is found and what is put waits in the buffer. Then it takes turns: acts that wait,
 * a flush, what is over its time, what is too much.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "resolver/cache_parts.h"

#define SPARE_BYTES (256u << 20) /* more than the store wants left for itself */
#define SWEEP_MS 1000
#define CLOCK_SLACK_MS 60000
#define DEAD_READERS_MS 60000

static void count(const struct cache *cache, enum metric metric, int64_t delta)
{
    if (cache->options.slot != NULL && delta != 0) {
        metrics_add(cache->options.slot, metric, 0, delta);
    }
}

static void note(const struct cache *cache, enum log_level level, const char *what,
                 const char *reason)
{
    if (cache->options.log != NULL) {
        log_write(cache->options.log, level, "cache", "%s (%s)", what, reason);
    }
}

/* --- acts ---------------------------------------------------------------------------------------
 */

enum status cache_submit(struct cache *cache, enum cache_act act, struct bytes key,
                         const struct cache_stored *stored, struct bytes name)
{
    struct cache_act_head head = {
        .key_len = (uint32_t)key.len,
        .row_len = (uint32_t)(stored != NULL ? cache_row_len(stored) : name.len),
        .act = act,
    };
    size_t len = sizeof(head) + head.key_len + head.row_len;
    enum status status = STATUS_OK;
    (void)pthread_mutex_lock(&cache->lock);
    struct cache_buffer *buffer = &cache->filling;
    if (cache->is_stopping || cache->is_failed) {
        status = STATUS_CLOSED;
    } else if (len > CACHE_QUEUE_BYTES - buffer->len) {
        status = STATUS_SERVER_BUSY;
    } else {
        uint8_t *at = buffer->bytes + buffer->len;
        memcpy(at, &head, sizeof(head));
        memcpy(at + sizeof(head), key.data, key.len);
        if (stored != NULL) {
            cache_row_encode(stored, at + sizeof(head) + key.len);
        } else {
            memcpy(at + sizeof(head) + key.len, name.data, name.len);
        }
        buffer->len += len;
        (void)pthread_cond_signal(&cache->has_work);
    }
    (void)pthread_mutex_unlock(&cache->lock);
    if (status == STATUS_SERVER_BUSY) {
        (void)atomic_fetch_add_explicit(&cache->dropped, 1, memory_order_relaxed);
    }
    return status;
}

static void tell_figures(struct cache *cache, struct cache_write *write)
{
    MDB_stat figures;
    if (mdb_stat(write->txn, cache->store.entries, &figures) != 0) {
        return;
    }
    int64_t entries = (int64_t)figures.ms_entries;
    int64_t bytes = (int64_t)cache_store_used_bytes(&cache->store, write->txn);
    count(cache, METRIC_cache_entries, entries - cache->entries_told);
    count(cache, METRIC_cache_bytes, bytes - cache->bytes_told);
    cache->entries_told = entries;
    cache->bytes_told = bytes;
}

static void count_dropped(struct cache *cache, size_t dropped)
{
    (void)atomic_fetch_add_explicit(&cache->dropped, dropped, memory_order_relaxed);
    count(cache, METRIC_cache_dropped, (int64_t)dropped);
}

/* One transaction of removals until what is used is below the ceiling; false: that was enough, or
 * it cannot be done. */
static bool evict_some(struct cache *cache)
{
    struct cache_write write;
    if (cache_write_begin(&cache->store, &write) != STATUS_OK) {
        return false;
    }
    if (!cache_write_is_crowded(&write)) {
        mdb_txn_abort(write.txn);
        return false;
    }
    size_t removed = cache_write_sweep(&write, INT64_MAX);
    tell_figures(cache, &write);
    if (cache_write_commit(&write) != STATUS_OK || removed == 0) {
        return false;
    }
    (void)atomic_fetch_add_explicit(&cache->evicted, removed, memory_order_relaxed);
    count(cache, METRIC_cache_evictions, (int64_t)removed);
    return true;
}

/* Does the acts from `at` on that one transaction can take; where the next begins. */
static size_t do_acts(struct cache *cache, struct cache_buffer *buffer, size_t at)
{
    struct cache_write write;
    size_t puts = 0;
    size_t first = at;
    cache_store_grow(&cache->store);
    while (evict_some(cache)) {
    }
    enum status status = cache_write_begin(&cache->store, &write);
    bool is_crowded = status == STATUS_OK && cache_write_is_crowded(&write);
    for (size_t acts = 0;
         at < buffer->len && acts < CACHE_TURN_ITEMS && at - first < CACHE_TURN_BYTES; acts++) {
        struct cache_act_head head;
        memcpy(&head, buffer->bytes + at, sizeof(head));
        uint8_t *row = buffer->bytes + at + sizeof(head) + head.key_len;
        struct bytes key = bytes_of(buffer->bytes + at + sizeof(head), head.key_len);
        at += sizeof(head) + head.key_len + head.row_len;
        puts += head.act == CACHE_ACT_PUT;
        if (status != STATUS_OK) {
            continue;
        }
        if (head.act == CACHE_ACT_FORGET) {
            (void)cache_write_remove(&write, key, bytes_of(row, head.row_len));
        } else if (!is_crowded) {
            cache_write_put(&write, key, row, head.row_len);
        }
    }
    if (status == STATUS_OK) {
        tell_figures(cache, &write);
        status = cache_write_commit(&write);
    }
    if (status != STATUS_OK || is_crowded) {
        count_dropped(cache, puts);
    }
    return at;
}

static void empty_buffer(struct cache *cache)
{
    size_t at = 0;
    while (at < cache->emptying.len) {
        at = do_acts(cache, &cache->emptying, at);
    }
    cache->emptying.len = 0;
    while (evict_some(cache)) {
    }
}

/* --- flush and sweep
 * ------------------------------------------------------------------------------
 */

typedef size_t remove_some(struct cache_write *write, const void *what);

/* In as many transactions as it takes. */
static enum status remove_all(struct cache *cache, remove_some *remove, const void *what,
                              uint64_t *removed)
{
    enum status status = STATUS_OK;
    size_t some = 0;
    do {
        struct cache_write write;
        status = cache_write_begin(&cache->store, &write);
        if (status == STATUS_OK) {
            some = remove(&write, what);
            tell_figures(cache, &write);
            status = cache_write_commit(&write);
        }
        *removed += status == STATUS_OK ? some : 0;
    } while (status == STATUS_OK && some > 0);
    return status;
}

static size_t remove_range(struct cache_write *write, const void *what)
{
    const struct cache_range *range = what;
    return cache_write_remove(write, bytes_of(range->start, range->start_len),
                              bytes_of(range->name, range->name_len));
}

static void do_flush(struct cache *cache, struct cache_flush *flush)
{
    struct cache_range ranges[CACHE_RANGES_MAX];
    size_t count_of_ranges = 0;
    flush->status = cache_ranges(flush->scope, flush->name, ranges, &count_of_ranges);
    for (size_t i = 0; flush->status == STATUS_OK && i < count_of_ranges; i++) {
        flush->status = remove_all(cache, remove_range, &ranges[i], &flush->removed);
    }
}

static size_t sweep_some(struct cache_write *write, const void *what)
{
    const int64_t *now_ms = what;
    return cache_write_sweep(write, *now_ms);
}

/* Entries of a clock that ran ahead would stay for as long as it was wrong. */
static void sweep(struct cache *cache, int64_t now_ms)
{
    struct cache_store *store = &cache->store;
    uint64_t removed = 0;
    if (now_ms + CLOCK_SLACK_MS < store->clock_ms) {
        static const struct cache_range everything = {.start_len = 0};
        note(cache, LOG_LEVEL_NOTICE, "emptied", "the clock was set back");
        store->clock_ms = now_ms;
        (void)remove_all(cache, remove_range, &everything, &removed);
        return;
    }
    if (now_ms - store->clock_ms >= DEAD_READERS_MS) {
        (void)mdb_reader_check(store->env, NULL);
    }
    store->clock_ms = now_ms > store->clock_ms ? now_ms : store->clock_ms;
    (void)remove_all(cache, sweep_some, &now_ms, &removed);
}

/* --- the thread
 * ----------------------------------------------------------------------------------- */

static enum status open_store(struct cache *cache)
{
    struct fault fault = {.status = STATUS_OK};
    const char *reason = NULL;
    uint64_t max_bytes = cache->options.max_bytes;
    uint64_t spare_bytes = cache->options.spare_bytes;
    const struct cache_store_options options = {
        .path = cache->path,
        .max_bytes = max_bytes > CACHE_BYTES_MIN ? max_bytes : CACHE_BYTES_MIN,
        .spare_bytes = spare_bytes != 0 ? spare_bytes : SPARE_BYTES,
        .boot_id = cache->boot_id,
        .now_ms = cache->options.now_ms,
    };
    enum status status = cache_store_open(&options, &cache->store, &reason, &fault);
    if (status != STATUS_OK) {
        note(cache, LOG_LEVEL_WARNING, "nothing is kept", fault.text);
        return status;
    }
    if (reason != NULL) {
        note(cache, LOG_LEVEL_NOTICE, "made anew", reason);
    }
    struct cache_write write;
    if (cache_write_begin(&cache->store, &write) == STATUS_OK) {
        tell_figures(cache, &write);
        mdb_txn_abort(write.txn);
    }
    atomic_store_explicit(&cache->is_ready, true, memory_order_release);
    return STATUS_OK;
}

/* What there is to do, taken from the shared part. */
struct turn {
    struct cache_flush *flush;
    int64_t tick_ms;
};

/* Under the lock. false: stopping and nothing is left. */
static bool wait_for_turn(struct cache *cache, struct turn *out_turn)
{
    while (cache->filling.len == 0 && cache->flush == NULL && cache->tick_ms == 0) {
        if (cache->is_stopping) {
            return false;
        }
        (void)pthread_cond_wait(&cache->has_work, &cache->lock);
    }
    struct cache_buffer full = cache->filling;
    cache->filling = cache->emptying;
    cache->emptying = full;
    *out_turn = (struct turn){cache->flush, cache->tick_ms};
    cache->tick_ms = 0;
    cache->is_busy = true;
    return true;
}

static void end_turn(struct cache *cache, const struct turn *turn)
{
    if (turn->flush != NULL) {
        turn->flush->is_done = true;
        cache->flush = NULL;
    }
    cache->is_busy = false;
    (void)pthread_cond_broadcast(&cache->has_rested);
}

static void serve(struct cache *cache)
{
    struct turn turn;
    while (wait_for_turn(cache, &turn)) {
        (void)pthread_mutex_unlock(&cache->lock);
        empty_buffer(cache);
        if (turn.flush != NULL) {
            do_flush(cache, turn.flush);
        }
        if (turn.tick_ms != 0) {
            sweep(cache, turn.tick_ms);
        }
        (void)pthread_mutex_lock(&cache->lock);
        end_turn(cache, &turn);
    }
}

/* Nobody waits for what will not come. */
static void give_up(struct cache *cache)
{
    struct turn turn = {cache->flush, 0};
    cache->is_failed = true;
    cache->filling.len = 0;
    cache->tick_ms = 0;
    if (turn.flush != NULL) {
        turn.flush->status = STATUS_CLOSED;
    }
    end_turn(cache, &turn);
}

static void *run(void *context)
{
    struct cache *cache = context;
    enum status status = open_store(cache);
    (void)pthread_mutex_lock(&cache->lock);
    if (status == STATUS_OK) {
        cache->is_busy = false;
        (void)pthread_cond_broadcast(&cache->has_rested);
        serve(cache);
    } else {
        give_up(cache);
    }
    (void)pthread_mutex_unlock(&cache->lock);
    return NULL;
}

/* --- life
 * ----------------------------------------------------------------------------------------- */

static void read_boot_id(char out[CACHE_BOOT_MAX])
{
    out[0] = '\0';
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t got = read(fd, out, CACHE_BOOT_MAX - 1);
        out[got > 0 ? got : 0] = '\0';
        out[strcspn(out, "\n")] = '\0';
        (void)close(fd);
    }
}

void cache_limit(struct cache *cache, const struct cache_limits *limits)
{
    if (cache != NULL) {
        atomic_store_explicit(&cache->ttl_ms, limits->ttl_ms, memory_order_relaxed);
        atomic_store_explicit(&cache->negative_ms, limits->negative_ms, memory_order_relaxed);
        atomic_store_explicit(&cache->stale_ms, limits->stale_ms, memory_order_relaxed);
    }
}

static void discard(struct cache *cache)
{
    (void)pthread_cond_destroy(&cache->has_rested);
    (void)pthread_cond_destroy(&cache->has_work);
    (void)pthread_mutex_destroy(&cache->lock);
    free(cache->filling.bytes);
    free(cache->emptying.bytes);
    free(cache->path);
    free(cache);
}

static struct cache *make(const struct cache_options *options)
{
    struct cache *cache = calloc(1, sizeof(*cache));
    if (cache == NULL) {
        return NULL;
    }
    cache->options = *options;
    cache->store.fd = -1;
    cache->is_busy = true; /* opening */
    cache->path = strdup(options->path);
    cache->filling.bytes = malloc(CACHE_QUEUE_BYTES);
    cache->emptying.bytes = malloc(CACHE_QUEUE_BYTES);
    (void)pthread_mutex_init(&cache->lock, NULL);
    (void)pthread_cond_init(&cache->has_work, NULL);
    (void)pthread_cond_init(&cache->has_rested, NULL);
    if (cache->path == NULL || cache->filling.bytes == NULL || cache->emptying.bytes == NULL) {
        discard(cache);
        return NULL;
    }
    if (options->boot_id != NULL) {
        (void)strncpy(cache->boot_id, options->boot_id, CACHE_BOOT_MAX - 1);
    } else {
        read_boot_id(cache->boot_id);
    }
    cache_limit(cache, &options->limits);
    return cache;
}

/* Signals are main's. */
static int start_thread(struct cache *cache)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&cache->thread, NULL, run, cache);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

enum status cache_open(const struct cache_options *options, struct cache **out_cache,
                       struct fault *fault)
{
    if (options->max_bytes == 0) {
        cache_store_discard(options->path);
        *out_cache = NULL;
        return STATUS_OK;
    }
    struct cache *cache = make(options);
    if (cache == NULL) {
        return fault_set(fault, STATUS_NO_MEMORY, "out of memory");
    }
    if (start_thread(cache) != 0) {
        discard(cache);
        return fault_set(fault, STATUS_SYSTEM, "cannot start the cache's thread");
    }
    *out_cache = cache;
    return STATUS_OK;
}

enum status cache_open_view(const char *path, struct cache **out_cache, struct fault *fault)
{
    const struct cache_options options = {.path = path};
    struct cache *cache = make(&options);
    if (cache == NULL) {
        return fault_set(fault, STATUS_NO_MEMORY, "out of memory");
    }
    enum status status = cache_store_open_view(path, &cache->store, fault);
    if (status != STATUS_OK) {
        discard(cache);
        return status;
    }
    cache->is_view = true;
    atomic_store(&cache->is_ready, true);
    *out_cache = cache;
    return STATUS_OK;
}

void cache_close(struct cache *cache)
{
    if (cache == NULL) {
        return;
    }
    if (!cache->is_view) {
        (void)pthread_mutex_lock(&cache->lock);
        cache->is_stopping = true;
        (void)pthread_cond_signal(&cache->has_work);
        (void)pthread_mutex_unlock(&cache->lock);
        (void)pthread_join(cache->thread, NULL);
    }
    cache_store_close(&cache->store);
    discard(cache);
}

void cache_tick(struct cache *cache, int64_t now_ms)
{
    if (cache == NULL) {
        return;
    }
    int64_t before_ms = atomic_load_explicit(&cache->now_ms, memory_order_relaxed);
    if (now_ms >= before_ms && now_ms - before_ms < SWEEP_MS) {
        return;
    }
    atomic_store_explicit(&cache->now_ms, now_ms, memory_order_relaxed);
    (void)pthread_mutex_lock(&cache->lock);
    if (!cache->is_failed && !cache->is_stopping) {
        cache->tick_ms = now_ms;
        (void)pthread_cond_signal(&cache->has_work);
    }
    (void)pthread_mutex_unlock(&cache->lock);
}

static bool is_resting(const struct cache *cache)
{
    return !cache->is_busy && cache->filling.len == 0 && cache->flush == NULL &&
           cache->tick_ms == 0;
}

void cache_settle(struct cache *cache)
{
    if (cache == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&cache->lock);
    while (!is_resting(cache)) {
        (void)pthread_cond_wait(&cache->has_rested, &cache->lock);
    }
    (void)pthread_mutex_unlock(&cache->lock);
}

/* --- for people
 * ----------------------------------------------------------------------------------- */

enum status cache_flush(struct cache *cache, enum cache_scope scope, struct bytes name,
                        uint64_t *out_removed)
{
    struct cache_flush flush = {.scope = scope, .name = name};
    if (cache == NULL) {
        return STATUS_CLOSED;
    }
    (void)pthread_mutex_lock(&cache->lock);
    while (cache->flush != NULL) {
        (void)pthread_cond_wait(&cache->has_rested, &cache->lock);
    }
    if (cache->is_failed || cache->is_stopping) {
        flush.status = STATUS_CLOSED;
    } else {
        cache->flush = &flush;
        (void)pthread_cond_signal(&cache->has_work);
        while (!flush.is_done) {
            (void)pthread_cond_wait(&cache->has_rested, &cache->lock);
        }
    }
    (void)pthread_mutex_unlock(&cache->lock);
    if (flush.status == STATUS_OK) {
        *out_removed = flush.removed;
    }
    return flush.status;
}

enum status cache_figures(struct cache *cache, struct cache_figures *out_figures)
{
    MDB_txn *txn = NULL;
    MDB_stat entries;
    MDB_envinfo info;
    if (cache == NULL || !atomic_load_explicit(&cache->is_ready, memory_order_acquire)) {
        return STATUS_CLOSED;
    }
    if (mdb_txn_begin(cache->store.env, NULL, MDB_RDONLY, &txn) != 0) {
        return STATUS_STORAGE_FAILED;
    }
    bool is_told = mdb_stat(txn, cache->store.entries, &entries) == 0 &&
                   mdb_env_info(cache->store.env, &info) == 0;
    if (is_told) {
        *out_figures = (struct cache_figures){
            .entries = entries.ms_entries,
            .used_bytes = cache_store_used_bytes(&cache->store, txn),
            .max_bytes = info.me_mapsize,
            .evicted = atomic_load_explicit(&cache->evicted, memory_order_relaxed),
            .dropped = atomic_load_explicit(&cache->dropped, memory_order_relaxed),
        };
    }
    mdb_txn_abort(txn);
    return is_told ? STATUS_OK : STATUS_STORAGE_FAILED;
}
