/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening the cache's environment, making it anew, letting its file grow (cache_store.h).
 */
#include "resolver/cache_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "resolver/cache_check.h"

#define GROW_STEP (16ull << 20)
#define READERS_MAX 512 /* workers, and who looks on */
#define DATABASES 3
#define PATH_ROOM 4096
#define CLOCK_SLACK_MS 60000
#define SCHEMA 1

static enum status path_of(const char *path, const char *name, char out[PATH_ROOM])
{
    int len = snprintf(out, PATH_ROOM, "%s/%s", path, name);
    return len > 0 && len < PATH_ROOM ? STATUS_OK : STATUS_BAD_SETTING;
}

void cache_store_discard(const char *path)
{
    static const char *const names[] = {"data.mdb", "lock.mdb"};
    char file[PATH_ROOM];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (path_of(path, names[i], file) == STATUS_OK) {
            (void)unlink(file);
        }
    }
}

void cache_store_close(struct cache_store *store)
{
    if (store->env != NULL) {
        mdb_env_close(store->env);
    }
    if (store->fd >= 0) {
        (void)close(store->fd);
    }
    store->env = NULL;
    store->fd = -1;
}

/* --- making the environment --------------------------------------------------------------------
 */

static int open_databases(struct cache_store *store, unsigned flags)
{
    MDB_txn *txn = NULL;
    int error = mdb_txn_begin(store->env, NULL, flags == 0 ? MDB_RDONLY : 0, &txn);
    if (error != 0) {
        return error;
    }
    error = mdb_dbi_open(txn, "entry", flags, &store->entries);
    if (error == 0) {
        error = mdb_dbi_open(txn, "order", flags, &store->order);
    }
    if (error == 0) {
        error = mdb_dbi_open(txn, "about", flags, &store->about);
    }
    MDB_stat figures;
    if (error == 0) {
        error = mdb_stat(txn, store->entries, &figures);
        store->page = figures.ms_psize;
    }
    atomic_store_explicit(&store->published, mdb_txn_id(txn), memory_order_release);
    if (error == 0) {
        return mdb_txn_commit(txn);
    }
    mdb_txn_abort(txn);
    return error;
}

static int open_environment(const char *path, struct cache_store *store, unsigned flags)
{
    int error = mdb_env_create(&store->env);
    if (error != 0) {
        store->env = NULL;
        return error;
    }
    error = mdb_env_set_maxdbs(store->env, DATABASES);
    if (error == 0) {
        error = mdb_env_set_maxreaders(store->env, READERS_MAX);
    }
    if (error == 0 && store->max_bytes > 0) {
        error = mdb_env_set_mapsize(store->env, store->max_bytes);
    }
    if (error == 0) {
        error = mdb_env_open(store->env, path, flags | MDB_NOTLS | MDB_NORDAHEAD, 0600);
    }
    return error == 0 ? open_databases(store, (flags & MDB_RDONLY) != 0 ? 0 : MDB_CREATE) : error;
}

/* --- what lies there ---------------------------------------------------------------------------
 */

/* Whose it is and until when its clock has run; a reason when that is of no use. */
static void read_about(struct cache_store *store, const char *boot_id, int64_t now_ms,
                       const char **out_reason)
{
    MDB_txn *txn = NULL;
    MDB_val boot = {0, NULL};
    MDB_val time = {0, NULL};
    MDB_val name = cache_val(BYTES_LITERAL("boot"));
    if (mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn) != 0) {
        *out_reason = "it cannot be used";
        return;
    }
    bool is_told = mdb_get(txn, store->about, &name, &boot) == 0;
    name = cache_val(BYTES_LITERAL("time"));
    is_told = is_told && mdb_get(txn, store->about, &name, &time) == 0;
    struct wire_reader r = wire_read(cache_bytes(&time));
    store->clock_ms = (int64_t)wire_u64(&r);
    store->sequence = wire_u64(&r);
    struct wire_reader b = wire_read(cache_bytes(&boot));
    bool is_schema = wire_u8(&b) == SCHEMA;
    struct bytes id = wire_take(&b, wire_left(&b));
    bool is_ours = is_told && is_schema && wire_done(&r) && boot_id[0] != '\0' &&
                   bytes_equal(id, bytes_of_text(boot_id));
    mdb_txn_abort(txn);
    if (!is_ours) {
        *out_reason = "the machine was started anew since";
    } else if (store->clock_ms > now_ms + CLOCK_SLACK_MS) {
        *out_reason = "the clock was set back";
    }
}

static enum status write_about(struct cache_store *store, const char *boot_id, int64_t now_ms)
{
    uint8_t about[1 + CACHE_BOOT_MAX];
    struct cache_write write;
    store->clock_ms = now_ms;
    store->sequence = 0;
    struct wire_writer w = wire_write(about, sizeof(about));
    wire_put_u8(&w, SCHEMA);
    wire_put_raw(&w, bytes_of_text(boot_id));
    enum status status = cache_write_begin(store, &write);
    if (status != STATUS_OK) {
        return status;
    }
    MDB_val name = cache_val(BYTES_LITERAL("boot"));
    MDB_val val = cache_val(wire_wrote(&w));
    write.error = mdb_put(write.txn, store->about, &name, &val, 0);
    return cache_write_commit(&write);
}

/* Nothing there, or something to go on with; else the reason why not. */
static const char *look_at_file(const struct cache_store_options *options)
{
    char file[PATH_ROOM];
    if (path_of(options->path, "data.mdb", file) != STATUS_OK) {
        return NULL;
    }
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return errno == ENOENT ? NULL : "it cannot be opened";
    }
    struct stat about;
    const char *reason = NULL;
    if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode)) {
        reason = "it is no file";
    } else if ((uint64_t)about.st_size > options->max_bytes) {
        reason = "it is larger than cache.size";
    } else if (about.st_size > 0 && cache_check(fd, options->max_bytes) != STATUS_OK) {
        reason = "it is damaged";
    }
    (void)close(fd);
    return reason;
}

static enum status open_data(const struct cache_store_options *options, struct cache_store *store,
                             struct fault *fault)
{
    char file[PATH_ROOM];
    struct stat about;
    int error = open_environment(options->path, store, MDB_NOSYNC);
    if (error != 0) {
        return fault_set(fault, STATUS_STORAGE_FAILED, "%s: %s", options->path,
                         mdb_strerror(error));
    }
    if (path_of(options->path, "data.mdb", file) == STATUS_OK) {
        store->fd = open(file, O_RDWR | O_CLOEXEC);
    }
    if (store->fd < 0 || fstat(store->fd, &about) != 0) {
        return fault_set(fault, STATUS_STORAGE_FAILED, "%s: %s", options->path, strerror(errno));
    }
    store->allocated = 0; /* whatever has holes is filled up */
    return STATUS_OK;
}

static void reset(const struct cache_store_options *options, struct cache_store *store)
{
    *store = (struct cache_store){
        .fd = -1,
        .max_bytes = options->max_bytes,
        .spare_bytes = options->spare_bytes,
    };
}

enum status cache_store_open(const struct cache_store_options *options, struct cache_store *store,
                             const char **out_reason, struct fault *fault)
{
    reset(options, store);
    if (mkdir(options->path, 0700) != 0 && errno != EEXIST) {
        return fault_set(fault, STATUS_SYSTEM, "%s: %s", options->path, strerror(errno));
    }
    const char *reason = look_at_file(options);
    if (reason == NULL && open_data(options, store, NULL) != STATUS_OK) {
        reason = "it cannot be used";
    }
    bool is_new = reason == NULL && store->env != NULL &&
                  atomic_load(&store->published) <= 1; /* the databases were just made */
    if (reason == NULL && !is_new) {
        read_about(store, options->boot_id, options->now_ms, &reason);
    }
    if (reason == NULL && !is_new) {
        return STATUS_OK;
    }
    enum status status = STATUS_OK;
    if (reason != NULL) {
        cache_store_close(store);
        cache_store_discard(options->path);
        reset(options, store);
        status = open_data(options, store, fault);
    }
    if (status == STATUS_OK) {
        status = write_about(store, options->boot_id, options->now_ms);
        if (status != STATUS_OK) {
            (void)fault_set(fault, status, "%s: %s", options->path, status_english(status));
        }
    }
    if (status != STATUS_OK) {
        cache_store_close(store);
        return status;
    }
    *out_reason = reason;
    return STATUS_OK;
}

enum status cache_store_open_view(const char *path, struct cache_store *store, struct fault *fault)
{
    char file[PATH_ROOM];
    *store = (struct cache_store){.fd = -1};
    enum status status = path_of(path, "data.mdb", file);
    if (status == STATUS_OK && access(file, F_OK) != 0) {
        return fault_set(fault, errno == EACCES ? STATUS_ACCESS_DENIED : STATUS_NOT_FOUND, "%s",
                         path);
    }
    int error = open_environment(path, store, MDB_RDONLY);
    if (error != 0) {
        cache_store_close(store);
        return fault_set(fault, error == EACCES ? STATUS_ACCESS_DENIED : STATUS_STORAGE_FAILED,
                         "%s: %s", path, mdb_strerror(error));
    }
    return STATUS_OK;
}

/* --- room on the disk --------------------------------------------------------------------------
 */

static bool has_spare(const struct cache_store *store, uint64_t bytes)
{
    struct statvfs disk;
    return fstatvfs(store->fd, &disk) == 0 &&
           (uint64_t)disk.f_bavail * disk.f_frsize >= bytes + store->spare_bytes;
}

void cache_store_grow(struct cache_store *store)
{
    MDB_envinfo info;
    if (store->allocated >= store->max_bytes || mdb_env_info(store->env, &info) != 0) {
        return;
    }
    uint64_t used = ((uint64_t)info.me_last_pgno + 1) * store->page;
    if (used + GROW_STEP / 2 <= store->allocated) {
        return;
    }
    uint64_t wanted = (used / GROW_STEP + 2) * GROW_STEP;
    wanted = wanted < store->max_bytes ? wanted : store->max_bytes;
    uint64_t missing = wanted - (store->allocated < used ? used : store->allocated);
    store->cannot_grow =
        !has_spare(store, missing) || posix_fallocate(store->fd, 0, (off_t)wanted) != 0;
    if (!store->cannot_grow) {
        store->allocated = wanted;
    }
}
