/* SPDX-License-Identifier: Apache-2.0
 *
 * What other nodes answered, for a while: a disposable LMDB environment of its own (design: cache).
 *
 * Every worker reads through a reader of its own and sees whatever was written before it asked; one
 * cache thread writes what the workers hand it through a bounded queue. Nothing here is worth a
 * failure: what cannot be read is not there, what cannot be written is dropped and counted.
 * Whatever is handed out is borrowed from the reader's pages, until `cache_rest`.
 *
 * The clock is the callers': wall time in milliseconds. An entry fetched later than now is
 * expired. All functions take a NULL cache or reader, which holds nothing.
 */
#pragma once

#include "protocol/body.h"
#include "protocol/handle.h"
#include "resolver/log.h"
#include "resolver/metrics.h"

#include <stdatomic.h>

struct cache;
struct cache_reader;

/* --- asking and telling, by workers ----------------------------------------------------------- */

enum cache_kind {
    CACHE_ANSWERS = 1, /* what a resolution got: the whole public record, a part of it, nothing */
    CACHE_SITES = 2,   /* where the service of a prefix runs: values of 0.NA/<prefix> */
};

/* From CACHE_FLAG_OWN on they are the callers'. */
enum cache_flag {
    CACHE_VERIFIED = 1,  /* the answer's signature was checked and is good */
    CACHE_CERTIFIED = 2, /* the question had asked for a signature */
    CACHE_FLAG_OWN = 0x100,
};

struct cache_question {
    enum cache_kind kind;
    enum case_rule rule;                 /* CASE_SENSITIVE unless the service's is known */
    const struct body_resolution *asked; /* handle with a slash; indexes and types: ANSWERS only */
    bool needs_verified;                 /* only entries with CACHE_VERIFIED will do */
};

enum cache_state {
    CACHE_NONE,
    CACHE_FRESH,
    CACHE_STALE, /* over its time: for when nobody answers; is to be marked */
};

struct cache_entry {
    uint32_t code;       /* the answer's: 1; 100 no such handle; 200 no such values */
    uint32_t flags;      /* enum cache_flag, and the caller's own */
    bool is_whole;       /* `values` is the whole public record: the question still selects */
    struct bytes handle; /* as the answer spelled it */
    struct bytes values; /* as they were received: count ‖ values; well formed */
    int64_t fetched_ms;
    int64_t expires_ms;
    int64_t kept_until_ms;
};

/* Labels of METRIC_cache_hits. */
enum cache_hit { CACHE_HIT_RECORD, CACHE_HIT_PART, CACHE_HIT_NEGATIVE, CACHE_HIT_SITES };

/* Asked with a filter, an entry of the whole record answers, too. */
enum cache_state cache_get(struct cache_reader *reader, const struct cache_question *question,
                           int64_t now_ms, struct cache_entry *out_entry);

/* The same when nobody answers: what is told then leaves marked, and is counted as such. */
enum cache_state cache_get_stale(struct cache_reader *reader, const struct cache_question *question,
                                 int64_t now_ms, struct cache_entry *out_entry);

/* The same for those who only tell people about it: nothing is counted. */
enum cache_state cache_peek(struct cache_reader *reader, const struct cache_question *question,
                            int64_t now_ms, struct cache_entry *out_entry);

/* What was answered to `question`, asked with PO and without AT. */
struct cache_answer {
    uint32_t code;       /* 1, 100, 200; others are not kept */
    uint32_t flags;      /* enum cache_flag, and the caller's own */
    struct bytes handle; /* as the answer spells it; empty: as the question does */
    struct bytes values; /* count ‖ values; with code 1 at least one, all public */
    int64_t fetched_ms;
};

/* Copied; seen by others a moment later. Does not take the place of a fresh verified answer, unless
 * it is verified. OK; NOT_SUPPORTED: not to be kept (another code, private or malformed values,
 * over 64 KiB, no time left); SERVER_BUSY: dropped, the queue is full; CLOSED: there is no cache.
 */
enum status cache_put(struct cache_reader *reader, const struct cache_question *question,
                      const struct cache_answer *answer);

/* Everything about this handle goes: it turned out to be wrong. As cache_put. */
enum status cache_forget(struct cache_reader *reader, struct bytes handle, enum case_rule rule);

/* The entry's values with the time they have left: relative TTLs lose the entry's age, of a stale
 * entry they are short; everything else is kept byte by byte. */
void cache_write_values(struct wire_writer *w, const struct cache_entry *entry, int64_t now_ms);

/* The same for one decoded value. */
uint32_t cache_ttl(const struct cache_entry *entry, const struct value *value, int64_t now_ms);

/* While a fresh entry stays fresh: from the one until before the other. */
struct cache_span {
    int64_t fetched_ms;
    int64_t expires_ms;
};

/* Its age in whole seconds, which is what TTLs lose. */
static inline int64_t cache_age_s(const struct cache_span *span, int64_t now_ms)
{
    return (now_ms - span->fetched_ms) / 1000;
}

/* For who keeps what cache_write_values wrote: puts TTLs right, in place, that were so at the age
 * of `from_s`. Both ages are within the entry's span. */
void cache_age_values(uint8_t *values, size_t len, int64_t from_s, int64_t to_s);

/* For who keeps a copy of what cache_get has just told about the whole record of a handle: does the
 * cache still hold what it was made from? Whatever touches the entry afterwards ends it: another
 * answer, a flush, its eviction; others may end it, too. */
struct cache_stamp {
    const _Atomic uint64_t *touched; /* the newest transaction that did; as long as the cache */
    uint64_t txn;                    /* what the copy was read in */
};
struct cache_stamp cache_stamp(const struct cache_reader *reader,
                               const struct cache_question *question);

static inline bool cache_stamp_holds(const struct cache_stamp *stamp)
{
    return atomic_load_explicit(stamp->touched, memory_order_relaxed) <= stamp->txn;
}

/* One per worker; `slot` is the worker's, may be NULL. `out_reader` is NULL with a NULL cache. */
enum status cache_reader_new(struct cache *cache, struct metrics_slot *slot,
                             struct cache_reader **out_reader);
void cache_reader_free(struct cache_reader *reader);

/* Before going back to the loop: gives the pages back. */
void cache_rest(struct cache_reader *reader);

/* --- the cache itself ------------------------------------------------------------------------- */

struct cache_limits {
    int64_t ttl_ms;      /* no answer is fresh for longer */
    int64_t negative_ms; /* nor one that says no; 0: those are not kept */
    int64_t stale_ms;    /* kept for that long after its time; not those that say no */
};

struct cache_options {
    const char *path;     /* the directory, made when missing */
    uint64_t max_bytes;   /* of the file, 32 MiB at least; 0: no cache, and none is left there */
    uint64_t spare_bytes; /* of the disk, which the file does not grow into; 0: 256 MiB */
    struct cache_limits limits;
    const char *boot_id; /* NULL: the kernel's. Entries of another boot are discarded */
    int64_t now_ms;
    struct metrics_slot *slot; /* the cache thread's own; may be NULL */
    struct log *log;           /* may be NULL */
};

/* Starts the cache thread, which opens the store: what lies there is kept when it is of this boot
 * and sound, else made anew; until then nothing is found. `*out_cache` is NULL with max_bytes 0. A
 * failure need not stop anybody: serve without. NO_MEMORY, SYSTEM. */
enum status cache_open(const struct cache_options *options, struct cache **out_cache,
                       struct fault *fault);

/* Writes what waits, ends the thread. Its readers are gone before. */
void cache_close(struct cache *cache);

/* Any thread; for what is put from now on. */
void cache_limit(struct cache *cache, const struct cache_limits *limits);

/* What the time is: now and then, by one worker. Sweeps what is over its time, on the cache's
 * thread; after a clock set back by more than a minute everything. */
void cache_tick(struct cache *cache, int64_t now_ms);

/* Returns when everything put before was written. Not for workers. */
void cache_settle(struct cache *cache);

/* --- for people ------------------------------------------------------------------------------- */

enum cache_scope { CACHE_ALL, CACHE_PREFIX, CACHE_NAME };

/* Waits until it is done. `name` is the prefix or handle, in any case. */
enum status cache_flush(struct cache *cache, enum cache_scope scope, struct bytes name,
                        uint64_t *out_removed);

struct cache_figures {
    uint64_t entries;
    uint64_t used_bytes; /* pages in use */
    uint64_t max_bytes;
    uint64_t evicted;
    uint64_t dropped;
};
enum status cache_figures(struct cache *cache, struct cache_figures *out_figures);

/* Beside a running node, without a thread; only to look. NOT_FOUND: there is none. */
enum status cache_open_view(const char *path, struct cache **out_cache, struct fault *fault);

/* One entry after the other, in key order; `out_entry` is valid until the next call. NOT_FOUND:
 * that was the last. `scope` and `name` as above. */
struct cache_row {
    enum cache_kind kind;
    bool is_filtered;
    struct bytes name; /* folded */
    struct cache_entry entry;
};
struct cache_walk;
enum status cache_walk_open(struct cache *cache, enum cache_scope scope, struct bytes name,
                            struct cache_walk **out_walk);
enum status cache_walk_next(struct cache_walk *walk, struct cache_row *out_row);
void cache_walk_close(struct cache_walk *walk);
