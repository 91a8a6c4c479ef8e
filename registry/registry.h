/* SPDX-License-Identifier: Apache-2.0
 *
 * What a node knows for good: the LMDB store, its snapshots and everything read from them.
 *
 * One `struct registry` per process and store. Any thread may read through a snapshot of its own;
 * writes go through change sets (change_set.h) and the committer (committer.h) alone. The rules of
 * the store stand in docs/architecture.md; keys and rows on one page in keys.h.
 *
 * Whatever a read hands out is borrowed from the snapshot's pages: valid until the snapshot is
 * refreshed, rested or freed.
 */
#pragma once

#include "protocol/handle.h"
#include "protocol/value.h"

struct registry;
struct snapshot;

#define REGISTRY_COMMITMENT_KEY_LEN 32

struct registry_options {
    const char *path;            /* the store's directory */
    uint64_t map_bytes;          /* 0: the larger of 64 GiB and four times the file; grows */
    uint64_t map_bytes_max;      /* 0: it grows as far as the address space goes */
    uint64_t reserve_bytes;      /* what record writes leave free in map and disk; 0: 64 MiB */
    bool is_read_only;           /* beside a running writer */
    bool is_copy;                /* with is_read_only: nobody writes to it; nothing is left in it */
    bool is_load;                /* commits do not wait for the disk: load_file.h alone */
    bool may_create;             /* make directory and databases when there are none */
    bool serves_damaged;         /* open for reading what can be read; see registry_damage */
    bool is_larger_than_memory;  /* nothing is read ahead around a page that is asked for */
    bool forbids_reuse;          /* a deleted handle may not be created again */
    struct bytes commitment_key; /* 32 bytes, copied; may be empty when read-only */
};

/* One process opens a store once. Writing needs the commitment key: BAD_SETTING.
 *
 * LOCKED: another writer holds the store (its pid in `fault`); CORRUPT: file shorter than its last
 * page, unknown schema (the version is named); SYSTEM; NO_MEMORY. */
enum status registry_open(const struct registry_options *options, struct registry **out_registry,
                          struct fault *fault);
void registry_close(struct registry *registry);

/* Why a store opened with `serves_damaged` takes no writes (CORRUPT) until a backup is restored;
 * NULL when it is sound as far as opening it tells. */
const char *registry_damage(const struct registry *registry);

/* How far the map may grow from now on, 0: no limit. Any thread. */
void registry_limit_map(struct registry *registry, uint64_t max_bytes);

/* --- snapshots: one LMDB read transaction, owned by one thread ------------------------------ */

enum status snapshot_new(struct registry *registry, struct snapshot **out_snapshot);
void snapshot_free(struct snapshot *snapshot);

/* Sees every commit published before the call. Cheap when nothing was committed since (measured
 * 11 ns). Call it after the last read that delivered a request. */
enum status snapshot_refresh(struct snapshot *snapshot);

/* Gives the reader slot's pages back: call before waiting. No snapshot lives over 100 ms. */
void snapshot_rest(struct snapshot *snapshot);

/* The LMDB transaction id this snapshot reads. */
uint64_t snapshot_txn(const struct snapshot *snapshot);

/* Does it read exactly what was published when it was refreshed? Between a commit and its
 * publication it may read more, of which not everything is known yet: then no copy of what it says
 * may be kept. */
bool snapshot_is_published(const struct snapshot *snapshot);

/* What tells whether a copy of something read is still good (freshness.h); NULL when read-only, as
 * nobody tells. */
const struct freshness *registry_freshness(const struct registry *registry);

/* --- prefixes --------------------------------------------------------------------------------- */

enum prefix_state {
    PREFIX_ACTIVE = 1,    /* resolves and takes records */
    PREFIX_STOPPED = 2,   /* neither; records are kept */
    PREFIX_UNHOMED = 3,   /* given up here; the row stays so that nobody else gets the prefix */
    PREFIX_READ_ONLY = 4, /* resolves; its records stay as they are */
};
enum prefix_hosting { PREFIX_HOSTED = 1, PREFIX_DELEGATED = 2 };

struct prefix_row {
    struct bytes prefix;     /* folded to upper case */
    struct bytes enterprise; /* id; "self" is the node's own */
    uint64_t version;
    int64_t created_ms;
    enum prefix_state state;
    enum prefix_hosting hosting;
    enum case_rule case_rule;
    uint64_t max_identifiers; /* 0: no limit */
    uint64_t max_bytes;       /* 0: no limit; bytes of stored value lists */
    uint32_t slot;            /* statistics slot, unique per prefix, from 1 */
};

/* Does it resolve? */
static inline bool prefix_answers(const struct prefix_row *row)
{
    return row->state == PREFIX_ACTIVE || row->state == PREFIX_READ_ONLY;
}

/* NOT_FOUND, CORRUPT. Any case of the prefix is accepted. */
enum status registry_get_prefix(struct snapshot *snapshot, struct bytes prefix,
                                struct prefix_row *out_row);

/* The prefix that answers for `handle`: its governing prefix; for 0.NA/x the nearest that answers
 * among x and its ancestors, unless a stopped one lies before it. NOT_RESPONSIBLE when there is
 * none. */
enum status registry_find_home(struct snapshot *snapshot, struct bytes handle,
                               struct prefix_row *out_row);

/* The row behind `after` (empty: the first) in key order; NOT_FOUND at the end. */
enum status registry_next_prefix(struct snapshot *snapshot, struct bytes after,
                                 struct prefix_row *out_row);

/* --- API keys (apikey_row.h) ------------------------------------------------------------------ */

struct apikey_row;

/* NOT_FOUND, CORRUPT. */
enum status registry_get_apikey(struct snapshot *snapshot, struct bytes id,
                                struct apikey_row *out_row);

/* The key behind `after` (empty: the first) in order of ids; NOT_FOUND at the end. */
enum status registry_next_apikey(struct snapshot *snapshot, struct bytes after,
                                 struct apikey_row *out_row);

/* What a row keeps of this secret. BAD_SETTING: there is no commitment key. */
enum status registry_apikey_mac(struct snapshot *snapshot, struct bytes id, struct bytes secret,
                                uint8_t out[32]);

/* --- counters --------------------------------------------------------------------------------- */

enum counter { COUNTER_IDENTIFIERS = 1, COUNTER_BYTES = 2 };

/* Exact as of the snapshot; 0 when never charged. Records 0.NA/... are counted under "0.NA". */
uint64_t registry_counter(struct snapshot *snapshot, struct bytes prefix, enum counter counter);

/* --- records
 * -------------------------------------------------------------------------------------- */

enum record_flag {
    RECORD_ALL_PUBLIC = 1, /* every value publicly readable, none secret: straight copy */
};

struct record_row {
    uint64_t version;   /* from 1; never runs backwards for a handle */
    uint64_t position;  /* journal position of the change that wrote it */
    int64_t created_ms; /* of the handle, kept over replacements */
    int64_t changed_ms;
    uint32_t flags;      /* enum record_flag */
    struct bytes handle; /* as its creator spelled it */
    struct bytes values; /* encoded: count ‖ values sorted by index */
};

/* `handle` has a slash. HANDLE_NOT_FOUND; CORRUPT when the checksum fails. */
enum status registry_get_record(struct snapshot *snapshot, struct bytes handle, enum case_rule rule,
                                struct record_row *out_row);

/* Walks all records, or those of one prefix ("88.608.8889" gives 88.608.8889/...; "0.NA" the prefix
 * records), in key order, renewing its own snapshot every 1 000 rows or 2 MiB so that no page is
 * held long. A row handed out is valid until the next call. CORRUPT is one row's: the next call
 * goes on; any other failure ends the walk. */
struct record_walk;
enum status record_walk_open(struct registry *registry, struct bytes prefix,
                             struct record_walk **out_walk);
enum status record_walk_next(struct record_walk *walk,
                             struct record_row *out_row); /* NOT_FOUND: end */
/* Before waiting for something (a full pipe): gives the pages back; the walk goes on afterwards. */
void record_walk_rest(struct record_walk *walk);
void record_walk_close(struct record_walk *walk);

/* One superseded row; `before_version` walks backwards (UINT64_MAX: the newest). NOT_FOUND. */
struct history_row {
    struct record_row row;      /* values empty and version set when the body was a deletion mark */
    bool is_deletion;           /* this version was the deletion itself */
    bool is_damaged;            /* its body was lost to damage and given up by the next version */
    uint64_t replaced_position; /* journal position of the change that superseded it */
    int64_t replaced_ms;
};
enum status registry_get_history(struct snapshot *snapshot, struct bytes handle,
                                 enum case_rule rule, uint64_t before_version,
                                 struct history_row *out_row);

struct tombstone_row {
    uint64_t version;
    struct bytes enterprise;
    int64_t deleted_ms;
};
enum status registry_get_tombstone(struct snapshot *snapshot, struct bytes handle,
                                   enum case_rule rule, struct tombstone_row *out_row);

/* --- the node's own facts
 * ------------------------------------------------------------------------- */

/* Small named values of the store ("node_id", "created"): NOT_FOUND. Written by `registry_set_meta`
 * in a transaction of its own; not journalled. */
enum status registry_get_meta(struct snapshot *snapshot, const char *name, struct bytes *out_value);
enum status registry_set_meta(struct registry *registry, const char *name, struct bytes value);

struct registry_figures {
    uint64_t records, prefixes, history_rows, tombstones, journal_sets;
    uint64_t journal_head; /* position of the last item, 0 when empty */
    uint64_t map_bytes, used_bytes;
    uint64_t last_txn;
    uint64_t clock_behind_ms; /* of the last set's clock to the journal's time: over 2 000, alarm */
    uint32_t readers;
    uint64_t oldest_reader_lag; /* transactions the oldest reader is behind */
    int64_t
        oldest_reader_since_ms; /* since when, by the journal's clock; 0: it is not, or unknown */
    int64_t oldest_reader_pid;  /* 0: it is not behind */
    int64_t journal_time_ms;    /* of the newest change; over the clock's: that was set back */
    uint64_t refusals;          /* groups of changes the store took not or not all, since opening */
    enum status refusal;        /* why the store refused the newest changes; OK: it took them */
    bool refuses_writes; /* after a failed sync or a stranger's write: until restart, verify */
};
enum status registry_figures(struct registry *registry, struct registry_figures *out_figures);
