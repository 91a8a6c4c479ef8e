/* SPDX-License-Identifier: Apache-2.0
 *
 * The LMDB environment: opening by the rules of the store, transactions, steps inside them.
 *
 * Default flags + NOTLS: a simulation of power failures lost acknowledged commits with anything
 * faster. Any thread; see store.h for who guards what.
 */
#include "registry/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "registry/journal_backend.h"
#include "registry/store_file.h"
#include "registry/store_map.h"
#include "registry/store_rescue.h"

#define MAP_BYTES_DEFAULT (64ull << 30)
#define READERS_MAX 1024

static const char schema_name[] = "schema";
static const char damaged_head[] = "the newest journal row cannot be read";

enum status store_status(int error)
{
    switch (error) {
    case 0:
        return STATUS_OK;
    case MDB_NOTFOUND:
        return STATUS_NOT_FOUND;
    case ENOMEM:
        return STATUS_NO_MEMORY;
    case MDB_MAP_FULL:
    case ENOSPC:
    case EDQUOT:
        return STATUS_STORAGE_FULL;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
        return STATUS_CORRUPT;
    case MDB_READERS_FULL:
        return STATUS_SERVER_BUSY;
    case EACCES:
        return STATUS_READ_ONLY;
    default:
        return STATUS_STORAGE_FAILED;
    }
}

static bool is_full(int error)
{
    return error == ENOSPC || error == EDQUOT;
}

bool store_is_exhausted(int error)
{
    return is_full(error) || error == EIO || error == MDB_MAP_FULL || error == MDB_PANIC;
}

/* --- transactions ------------------------------------------------------------------------------
 */

/* Another process made the map larger. Only while no transaction but the one about to begin is
 * active may it be mapped anew, so this is for processes that read beside a daemon; they hold few
 * snapshots. */
static int adopt_map_size(struct registry *registry)
{
    if (atomic_load(&registry->active_snapshots) != 1) {
        return MDB_MAP_RESIZED;
    }
    return mdb_env_set_mapsize(registry->env, 0);
}

MDB_env *store_env(struct registry *registry)
{
    return atomic_load(&registry->is_unmapped) ? registry->rescue : registry->env;
}

static bool frees_dead_readers(struct registry *registry)
{
    int dead = 0;
    return mdb_reader_check(registry->env, &dead) == 0 && dead > 0;
}

enum status store_begin_read(struct registry *registry, struct store_txn *out_txn)
{
    struct store_txn txn = {.registry = registry};
    store_map_enter(registry);
    int error = atomic_load(&registry->is_unmapped)
                    ? MDB_PANIC
                    : mdb_txn_begin(registry->env, NULL, MDB_RDONLY, &txn.mdb);
    if ((error == MDB_MAP_RESIZED && adopt_map_size(registry) == 0) ||
        (error == MDB_READERS_FULL && frees_dead_readers(registry))) {
        error = mdb_txn_begin(registry->env, NULL, MDB_RDONLY, &txn.mdb);
    }
    if (error == MDB_PANIC) {
        error = store_rescue_begin(registry, &txn.mdb);
    }
    if (error != 0) {
        store_map_leave(registry);
        return error == MDB_MAP_RESIZED ? STATUS_SERVER_BUSY : store_status(error);
    }
    *out_txn = txn;
    return STATUS_OK;
}

/* Rule 6: what a failed sync has dropped cannot be known, so nothing more is written. A write that
 * found no room lost nothing; LMDB calls it EIO when some of it was done. */
static void note_failure(struct store_txn *txn)
{
    const struct registry *registry = txn->registry;
    if (is_full(txn->error) || txn->error == EIO) {
        bool is_lost = store_file_tells_loss(registry->sync_fd, registry->reserve_bytes);
        txn->error = is_lost ? EIO : ENOSPC;
    }
    if (txn->error == EIO || txn->error == MDB_PANIC) {
        atomic_store_explicit(&txn->registry->refuses_writes, true, memory_order_relaxed);
    }
}

enum status store_begin_write(struct registry *registry, struct store_txn *out_txn)
{
    if (registry->is_read_only) {
        return STATUS_READ_ONLY;
    }
    if (atomic_load_explicit(&registry->refuses_writes, memory_order_relaxed)) {
        return registry->damage != NULL ? STATUS_CORRUPT : STATUS_STORAGE_FAILED;
    }
    struct store_txn txn = {.registry = registry};
    txn.error = mdb_txn_begin(registry->env, NULL, 0, &txn.mdb);
    if (txn.error != 0) {
        note_failure(&txn);
        return store_status(txn.error);
    }
    /* Transactions are numbered without a gap. One that is not ours means that the writer's lock
     * was got round: our head of the journal is stale, and writing on would break the chain. */
    if (mdb_txn_id(txn.mdb) !=
        atomic_load_explicit(&registry->published_txn, memory_order_relaxed) + 1) {
        mdb_txn_abort(txn.mdb);
        atomic_store_explicit(&registry->refuses_writes, true, memory_order_relaxed);
        return STATUS_STORAGE_FAILED;
    }
    *out_txn = txn;
    return STATUS_OK;
}

void store_abort(struct store_txn *txn)
{
    note_failure(txn);
    mdb_txn_abort(txn->mdb);
    txn->mdb = NULL;
}

enum status store_commit(struct store_txn *txn)
{
    struct registry *registry = txn->registry;
    uint64_t id = mdb_txn_id(txn->mdb);
    if (txn->error == 0) {
        txn->error = mdb_txn_commit(txn->mdb);
    } else {
        mdb_txn_abort(txn->mdb);
    }
    txn->mdb = NULL;
    note_failure(txn);
    if (txn->error != 0) {
        return store_status(txn->error);
    }
    store_file_cover(registry->env);
    freshness_note(&registry->freshness, txn->sets, txn->set_count, id);
    atomic_store_explicit(&registry->published_txn, id, memory_order_release);
    return STATUS_OK;
}

enum status store_get(struct store_txn *txn, enum store_database database, struct bytes key,
                      struct bytes *out_row)
{
    if (txn->error != 0) {
        return store_status(txn->error);
    }
    MDB_val at = store_val(key);
    MDB_val row;
    bool is_none = txn->registry->databases[database] == STORE_NO_DATABASE;
    int error = is_none || key.len == 0 || key.len > KEYS_MAX
                    ? MDB_NOTFOUND
                    : mdb_get(txn->mdb, txn->registry->databases[database], &at, &row);
    if (error == 0) {
        *out_row = store_bytes(&row);
        return STATUS_OK;
    }
    if (error != MDB_NOTFOUND) {
        txn->error = error;
    }
    return store_status(error);
}

static int put(struct store_txn *txn, enum store_database database, struct bytes key, MDB_val *row,
               unsigned flags)
{
    MDB_val at = store_val(key);
    return mdb_put(txn->mdb, txn->registry->databases[database], &at, row, flags);
}

void store_put(struct store_txn *txn, enum store_database database, struct bytes key,
               struct bytes row)
{
    if (txn->error != 0) {
        return;
    }
    /* Behind the last key LMDB fills pages only when told so, else it leaves them half empty. */
    MDB_val val = store_val(row);
    txn->error = put(txn, database, key, &val, MDB_APPEND);
    if (txn->error == MDB_KEYEXIST) {
        val = store_val(row);
        txn->error = put(txn, database, key, &val, 0);
    }
}

uint8_t *store_reserve(struct store_txn *txn, enum store_database database, struct bytes key,
                       size_t len)
{
    if (txn->error != 0) {
        return NULL;
    }
    MDB_val val = {len, NULL};
    txn->error = put(txn, database, key, &val, MDB_RESERVE | MDB_APPEND);
    if (txn->error == MDB_KEYEXIST) {
        val = (MDB_val){len, NULL};
        txn->error = put(txn, database, key, &val, MDB_RESERVE);
    }
    return txn->error == 0 ? val.mv_data : NULL;
}

void store_delete(struct store_txn *txn, enum store_database database, struct bytes key)
{
    if (txn->error == 0) {
        MDB_val at = store_val(key);
        txn->error = mdb_del(txn->mdb, txn->registry->databases[database], &at, NULL);
    }
}

uint64_t store_entries(struct store_txn *txn, enum store_database database)
{
    MDB_stat figures = {0};
    if (txn->error == 0) {
        txn->error = mdb_stat(txn->mdb, txn->registry->databases[database], &figures);
    }
    return figures.ms_entries;
}

enum status store_check_reserve(struct registry *registry, uint64_t coming_bytes)
{
    MDB_envinfo info;
    MDB_stat main_tree;
    struct statvfs disk;
    if (mdb_env_info(registry->env, &info) != 0 || mdb_env_stat(registry->env, &main_tree) != 0 ||
        fstatvfs(registry->directory_fd, &disk) != 0) {
        return STATUS_STORAGE_FAILED;
    }
    uint64_t used = ((uint64_t)info.me_last_pgno + 1) * main_tree.ms_psize;
    uint64_t free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
    uint64_t wanted = registry->reserve_bytes + coming_bytes;
    bool is_low = used + wanted > info.me_mapsize || free_bytes < wanted;
    return is_low ? STATUS_STORAGE_FULL : STATUS_OK;
}

/* --- opening -----------------------------------------------------------------------------------
 */

static uint64_t choose_map_bytes(const struct registry_options *options, uint64_t file_bytes)
{
    uint64_t map_bytes = options->map_bytes;
    if (map_bytes == 0) {
        map_bytes = file_bytes * 4 > MAP_BYTES_DEFAULT ? file_bytes * 4 : MAP_BYTES_DEFAULT;
    }
    return (map_bytes + STORE_PAGE - 1) / STORE_PAGE * STORE_PAGE;
}

/* LMDB leaves its data file open to whatever we execute. */
static bool keep_from_children(MDB_env *env)
{
    int fd = -1;
    return mdb_env_get_fd(env, &fd) == 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

static enum status open_environment(struct registry *registry,
                                    const struct registry_options *options, struct fault *fault)
{
    uint64_t map_bytes = choose_map_bytes(options, store_file_bytes(registry->directory_fd));
    unsigned flags = MDB_NOTLS | (options->is_read_only ? MDB_RDONLY : 0u) |
                     (options->is_load ? MDB_NOSYNC : 0u) | (options->is_copy ? MDB_NOLOCK : 0u) |
                     (options->is_larger_than_memory ? MDB_NORDAHEAD : 0u);
    int error = mdb_env_create(&registry->env);
    if (error == 0) {
        error = mdb_env_set_mapsize(registry->env, map_bytes);
    }
    if (error == 0) {
        error = mdb_env_set_maxreaders(registry->env, READERS_MAX);
    }
    if (error == 0) {
        error = mdb_env_set_maxdbs(registry->env, STORE_DATABASES_MAX);
    }
    if (error == 0) {
        error = mdb_env_open(registry->env, options->path, flags, 0600);
    }
    if (error == 0 && !keep_from_children(registry->env)) {
        error = errno;
    }
    if (error == 0 && !options->is_read_only) {
        registry->sync_fd = store_file_watch(registry->directory_fd);
        error = registry->sync_fd < 0 ? errno : 0;
    }
    if (error != 0) {
        enum status status = store_status(error);
        status = status == STATUS_CORRUPT || status == STATUS_NO_MEMORY ? status : STATUS_SYSTEM;
        return fault_set(fault, status, "%s: cannot open the store: %s", options->path,
                         mdb_strerror(error));
    }
    return store_file_check(registry->env, !options->is_read_only, fault);
}

static void put_schema(struct store_txn *txn)
{
    uint8_t version[4];
    wire_store_u32(version, KEYS_SCHEMA);
    store_put(txn, STORE_META, bytes_of_text(schema_name), bytes_of(version, sizeof(version)));
}

static enum status check_schema(struct store_txn *txn, bool is_writer, struct fault *fault)
{
    struct bytes stored = BYTES_NONE;
    enum status status = store_get(txn, STORE_META, bytes_of_text(schema_name), &stored);
    if (status == STATUS_NOT_FOUND && is_writer && store_entries(txn, STORE_JOURNAL) == 0) {
        put_schema(txn);
        return store_status(txn->error);
    }
    struct wire_reader r = wire_read(stored);
    uint32_t version = wire_u32(&r);
    if (!wire_done(&r)) {
        return fault_set(fault, STATUS_CORRUPT, "the store does not say which schema it has");
    }
    if (version >= KEYS_SCHEMA_OLDEST && version < KEYS_SCHEMA) {
        if (!txn->registry->is_read_only) {
            put_schema(txn);
        }
        return store_status(txn->error);
    }
    if (version != KEYS_SCHEMA) {
        return fault_set(fault, STATUS_CORRUPT,
                         "the store has schema %u, this program knows schema %u", version,
                         KEYS_SCHEMA);
    }
    return STATUS_OK;
}

/* What schema 1 did not have yet is made by whoever may write. */
static int open_database(struct store_txn *txn, enum store_database database, unsigned flags)
{
    struct registry *registry = txn->registry;
    bool is_new = database == STORE_APIKEY || database == STORE_ENTERPRISE_INDEX ||
                  database == STORE_IDEMPOTENCY;
    if (is_new && !registry->is_read_only) {
        flags |= MDB_CREATE;
    }
    int error =
        mdb_dbi_open(txn->mdb, keys_database_name(database), flags, &registry->databases[database]);
    if (error == MDB_NOTFOUND && is_new && registry->is_read_only) {
        registry->databases[database] = STORE_NO_DATABASE;
        error = 0;
    }
    return error;
}

static enum status open_databases(struct registry *registry, bool may_create, struct fault *fault)
{
    struct store_txn txn = {.registry = registry};
    unsigned txn_flags = registry->is_read_only ? MDB_RDONLY : 0u;
    txn.error = mdb_txn_begin(registry->env, NULL, txn_flags, &txn.mdb);
    if (txn.error != 0) {
        return fault_set(fault, store_status(txn.error), "cannot read the store: %s",
                         mdb_strerror(txn.error));
    }
    unsigned flags = may_create && !registry->is_read_only ? MDB_CREATE : 0u;
    for (int i = 0; i < STORE_DATABASES && txn.error == 0; i++) {
        txn.error = open_database(&txn, (enum store_database)i, flags);
    }
    if (txn.error != 0) {
        mdb_txn_abort(txn.mdb);
        return fault_set(fault, STATUS_CORRUPT, "not a store of this program (%s)",
                         mdb_strerror(txn.error));
    }
    enum status status = check_schema(&txn, flags != 0, fault);
    if (status != STATUS_OK) {
        mdb_txn_abort(txn.mdb);
        return status;
    }
    txn.error = mdb_txn_commit(txn.mdb);
    if (txn.error == 0 && flags != 0 && store_file_settle(registry->directory_fd) != STATUS_OK) {
        return fault_set(fault, STATUS_STORAGE_FAILED, "cannot sync the store's directory: %s",
                         strerror(errno));
    }
    return txn.error == 0 ? STATUS_OK
                          : fault_set(fault, store_status(txn.error), "cannot write the store: %s",
                                      mdb_strerror(txn.error));
}

/* Continuing from a row that miscounts its items would use positions twice. */
static bool counts_right(const struct journal_set *set)
{
    struct wire_reader r = wire_read(set->items);
    struct journal_item item;
    uint32_t count = 0;
    while (journal_next_item(&r, &item)) {
        count++;
    }
    return wire_done(&r) && count == set->count;
}

static enum status open_head(struct registry *registry, struct fault *fault)
{
    MDB_envinfo info;
    if (mdb_env_info(registry->env, &info) != 0) {
        return fault_set(fault, STATUS_SYSTEM, "cannot read the state of the store");
    }
    atomic_store_explicit(&registry->published_txn, info.me_last_txnid, memory_order_relaxed);
    if (registry->is_read_only) {
        return STATUS_OK; /* has no use for it, and must be able to look at a damaged store */
    }
    struct snapshot *snapshot = NULL;
    enum status status = snapshot_new(registry, &snapshot);
    struct journal_set last;
    if (status == STATUS_OK) {
        status = journal_head(snapshot, &last);
    }
    if (status == STATUS_OK && !counts_right(&last)) {
        status = STATUS_CORRUPT;
    }
    if (status == STATUS_OK) {
        registry->head.position = last.position + last.count - 1;
        registry->head.time_ms = last.time_ms;
        memcpy(registry->head.chain, last.chain, JOURNAL_HASH_LEN);
    }
    snapshot_free(snapshot);
    if (status == STATUS_OK || status == STATUS_NOT_FOUND) {
        return STATUS_OK;
    }
    if (status == STATUS_CORRUPT && registry->serves_damaged) {
        registry->damage = damaged_head;
        atomic_store_explicit(&registry->refuses_writes, true, memory_order_relaxed);
        return STATUS_OK;
    }
    return fault_set(fault, status, "%s", damaged_head);
}

static enum status open_writer(struct registry *registry, const struct registry_options *options,
                               struct fault *fault)
{
    if (options->commitment_key.len != REGISTRY_COMMITMENT_KEY_LEN) {
        return fault_set(fault, STATUS_BAD_SETTING, "writing needs a commitment key of %d bytes",
                         REGISTRY_COMMITMENT_KEY_LEN);
    }
    registry->scratch = malloc(STORE_ROW_MAX);
    if (registry->scratch == NULL) {
        return STATUS_NO_MEMORY;
    }
    enum status status = freshness_init(&registry->freshness);
    if (status != STATUS_OK) {
        return status;
    }
    status = reader_age_init(&registry->reader_age);
    if (status != STATUS_OK) {
        return status;
    }
    status = store_file_lock(options->path, registry->directory_fd, &registry->lock_fd, fault);
    if (status == STATUS_OK && options->may_create) {
        status = store_file_discard_unmade(registry->directory_fd);
    }
    return status;
}

static enum status open_parts(struct registry *registry, const struct registry_options *options,
                              struct fault *fault)
{
    if (pthread_mutex_init(&registry->write_lock, NULL) != 0) {
        return STATUS_NO_MEMORY;
    }
    (void)pthread_mutex_init(&registry->map_lock, NULL);
    registry->has_locks = true;
    enum status status = store_file_open_directory(options, &registry->directory_fd, fault);
    if (status == STATUS_OK) {
        registry->path = realpath(options->path, NULL);
        status = registry->path == NULL ? STATUS_NO_MEMORY : STATUS_OK;
    }
    if (status == STATUS_OK && !options->is_read_only) {
        status = open_writer(registry, options, fault);
    }
    if (status == STATUS_OK) {
        status = open_environment(registry, options, fault);
    }
    if (status == STATUS_OK && !store_file_is_at(registry->directory_fd, options->path)) {
        /* A load put another store in its place while we opened it (load_file.h): LMDB may have the
         * lock of one and the data of the other. */
        status =
            fault_set(fault, STATUS_LOCKED, "%s: was replaced just now; try again", options->path);
    }
    if (status == STATUS_OK) {
        status = open_databases(registry, options->may_create, fault);
    }
    if (status == STATUS_OK) {
        status = open_head(registry, fault);
    }
    if (status == STATUS_OK && !options->is_read_only) {
        /* Slots of readers that died would hold pages for ever. */
        (void)mdb_reader_check(registry->env, NULL);
    }
    return status;
}

enum status registry_open(const struct registry_options *options, struct registry **out_registry,
                          struct fault *fault)
{
    struct registry *registry = calloc(1, sizeof(*registry));
    if (registry == NULL) {
        return STATUS_NO_MEMORY;
    }
    registry->directory_fd = -1;
    registry->lock_fd = -1;
    registry->sync_fd = -1;
    registry->is_read_only = options->is_read_only;
    registry->forbids_reuse = options->forbids_reuse;
    registry->serves_damaged = options->serves_damaged;
    registry->reserve_bytes =
        options->reserve_bytes != 0 ? options->reserve_bytes : STORE_RESERVE_BYTES;
    registry_limit_map(registry, options->map_bytes_max);
    registry->backend = &journal_lmdb;
    if (options->commitment_key.len == REGISTRY_COMMITMENT_KEY_LEN) {
        memcpy(registry->commitment_key, options->commitment_key.data, REGISTRY_COMMITMENT_KEY_LEN);
        registry->has_commitment_key = true;
    }
    enum status status = open_parts(registry, options, fault);
    if (status != STATUS_OK) {
        registry_close(registry);
        return status;
    }
    *out_registry = registry;
    return STATUS_OK;
}

const char *registry_damage(const struct registry *registry)
{
    return registry->damage;
}

void registry_close(struct registry *registry)
{
    if (registry == NULL) {
        return;
    }
    mdb_env_close(registry->rescue);
    mdb_env_close(registry->env);
    if (registry->sync_fd >= 0) {
        (void)close(registry->sync_fd);
    }
    if (registry->lock_fd >= 0) {
        (void)close(registry->lock_fd);
    }
    if (registry->directory_fd >= 0) {
        (void)close(registry->directory_fd);
    }
    if (registry->has_locks) {
        (void)pthread_mutex_destroy(&registry->map_lock);
        (void)pthread_mutex_destroy(&registry->write_lock);
    }
    explicit_bzero(registry->commitment_key, sizeof(registry->commitment_key));
    free(registry->path);
    free(registry->scratch);
    freshness_done(&registry->freshness);
    reader_age_done(&registry->reader_age);
    free(registry);
}
