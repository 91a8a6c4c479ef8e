/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of the registry: the LMDB environment and its transactions.
 *
 * `struct registry` belongs to the process; readers share it without a lock. Whoever writes holds
 * `write_lock`, which guards the head and the scratch memory. `published_txn` is stored (release)
 * after a durable commit and loaded (acquire) by snapshots; what the commit made stale stands in
 * `freshness` before that. One process opens a store once: LMDB's
 * own locks do not survive a second environment on the same file.
 */
#pragma once

#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>

#include "registry/freshness.h"
#include "registry/journal.h"
#include "registry/keys.h"
#include "registry/reader_age.h"

/* Rule 6: what record writes leave free in map and file system, so that the journal, audit rows and
 * deletions still fit. */
#define STORE_RESERVE_BYTES (64ull << 20)

/* A row as it is superseded: the largest record with its header and spelling. */
#define STORE_ROW_MAX (320u << 10)

#define STORE_PAGE 4096u

/* Named databases an environment may hold, ours and those to come. */
#define STORE_DATABASES_MAX 64

/* Of a store of an older schema that is only read: every key is NOT_FOUND there. */
#define STORE_NO_DATABASE ((MDB_dbi)-1)

/* What the next change set continues from; adopted only after a commit. */
struct journal_state {
    uint64_t position; /* of the last item, 0 when empty */
    int64_t time_ms;   /* of the last set */
    uint8_t chain[JOURNAL_HASH_LEN];
};

struct journal_backend;

struct registry {
    MDB_env *env;
    MDB_env *rescue; /* NULL unless a commit failed (store_rescue.h); set under write_lock */
    char *path;      /* absolute */
    MDB_dbi databases[STORE_DATABASES];
    int directory_fd;
    int lock_fd; /* -1 when read-only */
    int sync_fd; /* the data file once more; -1 when read-only (store_file_tells_loss) */
    bool is_read_only;
    bool forbids_reuse;
    bool serves_damaged;
    const char *damage; /* registry_damage */
    bool has_commitment_key;
    uint8_t commitment_key[REGISTRY_COMMITMENT_KEY_LEN];
    _Atomic uint64_t published_txn;
    struct freshness freshness; /* empty when read-only */
    _Atomic bool refuses_writes;
    _Atomic uint64_t refusals;   /* groups of changes the store took not or not all */
    _Atomic enum status refusal; /* of the newest changes, by the store; OK: they were taken */
    _Atomic uint32_t active_snapshots; /* read transactions that may touch a page (store_map.h) */
    _Atomic bool is_remapping;         /* who reads waits on map_lock */
    _Atomic bool is_unmapped;          /* `env` has no map any more: nothing may look into it */
    _Atomic uint64_t map_bytes_max;    /* 0: as far as the address space goes */
    pthread_mutex_t map_lock;          /* held while the map is exchanged */
    uint64_t reserve_bytes;            /* rule 6; STORE_RESERVE_BYTES unless told */
    _Atomic uint32_t map_holds;        /* readers that stay long: nobody waits for them */
    uint32_t map_pause;                /* groups until growing is tried again; under write_lock */
    struct reader_age reader_age;      /* of the writer */
    _Atomic uint64_t clock_behind_ms;  /* what the last set's clock lagged behind the journal */
    pthread_mutex_t write_lock;
    bool has_locks;
    struct journal_state head; /* under write_lock */
    uint8_t *scratch;          /* STORE_ROW_MAX bytes, under write_lock */
    const struct journal_backend *backend;
};

/* A transaction that remembers its first failure: later steps do nothing, commit aborts. */
struct store_txn {
    struct registry *registry;
    MDB_txn *mdb;
    int error;                      /* LMDB's or errno's, 0 while all is well */
    struct change_set *const *sets; /* what it writes and may make copies stale (freshness.h) */
    size_t set_count;
};

enum status store_status(int error);

/* True for failures that no retry on this machine will cure before somebody acts. */
bool store_is_exhausted(int error);

/* Entered into the map's readers (store_map.h) when OK: whoever ends or rests it leaves. */
enum status store_begin_read(struct registry *registry, struct store_txn *out_txn);

/* Where the figures of the store are to be read: nothing looks into an environment without map. */
MDB_env *store_env(struct registry *registry);

/* The caller holds write_lock. */
enum status store_begin_write(struct registry *registry, struct store_txn *out_txn);
void store_abort(struct store_txn *txn);

/* Durable and published when OK. */
enum status store_commit(struct store_txn *txn);

/* NOT_FOUND, or a failure the transaction remembers. */
enum status store_get(struct store_txn *txn, enum store_database database, struct bytes key,
                      struct bytes *out_row);
/* The row behind `after` (empty: the first) in order of keys; what is handed out is borrowed from
 * the transaction's pages. NOT_FOUND at the end, also of a database that an older store has not. */
enum status store_next(const struct store_txn *txn, enum store_database database,
                       struct bytes after, struct bytes *out_key, struct bytes *out_row);
void store_put(struct store_txn *txn, enum store_database database, struct bytes key,
               struct bytes row);

/* Room of `len` bytes inside the page, to be filled before the next step; NULL on failure. */
uint8_t *store_reserve(struct store_txn *txn, enum store_database database, struct bytes key,
                       size_t len);

void store_delete(struct store_txn *txn, enum store_database database, struct bytes key);
uint64_t store_entries(struct store_txn *txn, enum store_database database);

/* OK, or STORAGE_FULL when `coming_bytes` would leave less than the reserve in the map or the file
 * system. */
enum status store_check_reserve(struct registry *registry, uint64_t coming_bytes);

/* --- one reader: snapshot.c --- */

struct snapshot {
    struct store_txn txn;
    MDB_cursor *records;      /* kept over renewals; knows the stored key, which mdb_get does not */
    uint64_t published;       /* the transaction id found published at the last refresh */
    struct home_cache *homes; /* NULL: not asked yet, or nobody tells what became stale */
    bool is_active;
};

/* What a read goes through; the snapshot must be active. */
struct store_txn *snapshot_store(struct snapshot *snapshot);

/* The prefix rows this reader keeps; NULL: none can be kept. */
struct home_cache *snapshot_homes(struct snapshot *snapshot);

/* The record row under K with the key as it lies in the page. NOT_FOUND. */
enum status snapshot_get_record(struct snapshot *snapshot, struct bytes key, struct bytes *out_key,
                                struct bytes *out_row);

static inline struct bytes store_bytes(const MDB_val *val)
{
    return bytes_of(val->mv_data, val->mv_size);
}

static inline MDB_val store_val(struct bytes b)
{
    /* LMDB takes keys and rows as void * and does not write through it. */
    return (MDB_val){b.len, (void *)(uintptr_t)b.data};
}
