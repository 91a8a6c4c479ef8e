/* SPDX-License-Identifier: Apache-2.0
 *
 * Directory, lock and length of the store's files (store_file.h). Used while opening, by one
 * thread; store_file_cover by whoever has just committed.
 */
#include "registry/store_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define DATA_NAME "data.mdb"
#define LOCK_NAME "writer.lock"
#define COVER_PAUSES 40
#define COVER_PAUSE_NS 5000000
#define FREE_DATABASE 0 /* LMDB's own list of free pages, by transaction id */

/* Of each of LMDB's first two pages: where the last page and the number of the commit stand. */
#define META_BYTES 4096
#define META_LAST_PAGE_AT 136
#define META_COMMIT_AT 144
#define FIRST_LAST_PAGE 1

static bool names_no_commit(const uint8_t *page)
{
    size_t last_page = 0;
    size_t commit = 0;
    memcpy(&last_page, page + META_LAST_PAGE_AT, sizeof(last_page));
    memcpy(&commit, page + META_COMMIT_AT, sizeof(commit));
    return last_page <= FIRST_LAST_PAGE && commit == 0;
}

bool store_file_is_unmade(int directory_fd)
{
    uint8_t pages[2 * META_BYTES] = {0};
    uint64_t len = store_file_bytes(directory_fd);
    if (len == 0 || len > sizeof(pages)) {
        return false;
    }
    int fd = openat(directory_fd, DATA_NAME, O_RDONLY | O_CLOEXEC);
    bool is_read = fd >= 0 && pread(fd, pages, len, 0) == (ssize_t)len;
    if (fd >= 0) {
        (void)close(fd);
    }
    return is_read && names_no_commit(pages) && names_no_commit(pages + META_BYTES);
}

enum status store_file_discard_unmade(int directory_fd)
{
    if (!store_file_is_unmade(directory_fd)) {
        return STATUS_OK;
    }
    int fd = openat(directory_fd, DATA_NAME, O_WRONLY | O_TRUNC | O_CLOEXEC);
    if (fd < 0) {
        return STATUS_STORAGE_FAILED;
    }
    (void)close(fd);
    return STATUS_OK;
}

enum status store_file_open_directory(const struct registry_options *options, int *out_fd,
                                      struct fault *fault)
{
    if (options->may_create && mkdir(options->path, 0700) != 0 && errno != EEXIST) {
        return fault_set(fault, STATUS_SYSTEM, "%s: cannot make the store's directory: %s",
                         options->path, strerror(errno));
    }
    int fd = open(options->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return fault_set(fault, STATUS_SYSTEM, "%s: cannot open the store's directory: %s",
                         options->path, strerror(errno));
    }
    bool is_absent = store_file_bytes(fd) == 0;
    if (!options->may_create && (is_absent || store_file_is_unmade(fd))) {
        (void)close(fd);
        return fault_set(fault, STATUS_SYSTEM, "%s: no store here (%s %s)", options->path,
                         is_absent ? "no" : "whoever made it did not finish", DATA_NAME);
    }
    *out_fd = fd;
    return STATUS_OK;
}

bool store_file_is_at(int directory_fd, const char *path)
{
    struct stat opened;
    struct stat named;
    return fstat(directory_fd, &opened) == 0 && stat(path, &named) == 0 &&
           opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

enum status store_file_settle(int directory_fd)
{
    int parent_fd = openat(directory_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_settled = parent_fd >= 0 && fsync(directory_fd) == 0 && fsync(parent_fd) == 0;
    if (parent_fd >= 0) {
        (void)close(parent_fd);
    }
    return is_settled ? STATUS_OK : STATUS_STORAGE_FAILED;
}

enum status store_file_lock(const char *path, int directory_fd, int *out_fd, struct fault *fault)
{
    int fd = openat(directory_fd, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return fault_set(fault, STATUS_SYSTEM, "%s/%s: %s", path, LOCK_NAME, strerror(errno));
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        char pid[24] = "";
        ssize_t got = pread(fd, pid, sizeof(pid) - 1, 0);
        pid[got < 0 ? 0 : got] = '\0';
        pid[strcspn(pid, "\n")] = '\0';
        (void)close(fd);
        return fault_set(fault, STATUS_LOCKED, "%s: process %s is writing to this store", path,
                         pid[0] == '\0' ? "(unknown)" : pid);
    }
    char text[24];
    int len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)len, 0) != len) {
        enum status status =
            fault_set(fault, STATUS_SYSTEM, "%s/%s: %s", path, LOCK_NAME, strerror(errno));
        (void)close(fd);
        return status;
    }
    *out_fd = fd;
    return STATUS_OK;
}

int store_file_watch(int directory_fd)
{
    return openat(directory_fd, DATA_NAME, O_RDONLY | O_CLOEXEC);
}

bool store_file_tells_loss(int sync_fd, uint64_t reserve_bytes)
{
    struct statvfs disk;
    return fdatasync(sync_fd) != 0 || fstatvfs(sync_fd, &disk) != 0 ||
           (uint64_t)disk.f_bavail * disk.f_frsize >= reserve_bytes;
}

uint64_t store_file_bytes(int directory_fd)
{
    struct stat info;
    if (fstatat(directory_fd, DATA_NAME, &info, 0) != 0 || info.st_size < 0) {
        return 0;
    }
    return (uint64_t)info.st_size;
}

struct extent {
    int fd;
    uint64_t file_bytes;
    uint64_t used_bytes; /* up to and including the last page */
    uint64_t page_bytes;
};

static bool extent_of(MDB_env *env, struct extent *out_extent)
{
    MDB_envinfo info;
    MDB_stat stat_of_main;
    struct stat file;
    int fd = -1;
    if (mdb_env_info(env, &info) != 0 || mdb_env_stat(env, &stat_of_main) != 0 ||
        mdb_env_get_fd(env, &fd) != 0 || fstat(fd, &file) != 0) {
        return false;
    }
    *out_extent = (struct extent){
        .fd = fd,
        .file_bytes = (uint64_t)file.st_size,
        .used_bytes = ((uint64_t)info.me_last_pgno + 1) * stat_of_main.ms_psize,
        .page_bytes = stat_of_main.ms_psize,
    };
    return true;
}

/* How many pages of the free list lie in [first, end); -1 when the list cannot be read. A row is a
 * count and that many page numbers, in the machine's own size and order. */
static int64_t count_free_pages(MDB_env *env, uint64_t first, uint64_t end)
{
    MDB_txn *txn = NULL;
    MDB_cursor *cursor = NULL;
    if (mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) != 0) {
        return -1;
    }
    int64_t count = mdb_cursor_open(txn, FREE_DATABASE, &cursor) == 0 ? 0 : -1;
    MDB_val key;
    MDB_val row;
    int error = MDB_NOTFOUND;
    while (count >= 0 && (error = mdb_cursor_get(cursor, &key, &row, MDB_NEXT)) == 0) {
        size_t pages = 0;
        if (row.mv_size >= sizeof(pages)) {
            memcpy(&pages, row.mv_data, sizeof(pages));
        }
        if (row.mv_size < sizeof(size_t) || pages > row.mv_size / sizeof(size_t) - 1) {
            error = MDB_CORRUPTED;
            break;
        }
        const uint8_t *list = (const uint8_t *)row.mv_data + sizeof(size_t);
        for (size_t i = 0; i < pages; i++) {
            size_t page = 0;
            memcpy(&page, list + i * sizeof(page), sizeof(page));
            count += page >= first && page < end;
        }
    }
    if (error != MDB_NOTFOUND) {
        count = -1;
    }
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    return count;
}

/* The missing pages read as zeros once the file is extended: a tree that needs one of them fails
 * cleanly instead of ending the process. */
static bool extend_over_free_pages(MDB_env *env, const struct extent *extent)
{
    uint64_t first = extent->file_bytes / extent->page_bytes;
    uint64_t end = extent->used_bytes / extent->page_bytes;
    if (ftruncate(extent->fd, (off_t)extent->used_bytes) != 0) {
        return false;
    }
    if (count_free_pages(env, first, end) == (int64_t)(end - first)) {
        return true;
    }
    (void)!ftruncate(extent->fd, (off_t)extent->file_bytes);
    return false;
}

/* Beside a writer: between its commit and store_file_cover the file may be short for a moment. */
static bool becomes_covered(MDB_env *env, struct extent *extent)
{
    const struct timespec pause = {.tv_nsec = COVER_PAUSE_NS};
    for (int i = 0; i < COVER_PAUSES && extent->file_bytes < extent->used_bytes; i++) {
        (void)nanosleep(&pause, NULL);
        if (!extent_of(env, extent)) {
            return false;
        }
    }
    return extent->file_bytes >= extent->used_bytes;
}

enum status store_file_check(MDB_env *env, bool may_write, struct fault *fault)
{
    struct extent extent;
    if (!extent_of(env, &extent)) {
        return fault_set(fault, STATUS_SYSTEM, "cannot read the size of the store: %s",
                         strerror(errno));
    }
    if (extent.file_bytes >= extent.used_bytes || (!may_write && becomes_covered(env, &extent))) {
        return STATUS_OK;
    }
    if (may_write && extend_over_free_pages(env, &extent)) {
        return STATUS_OK;
    }
    return fault_set(fault, STATUS_CORRUPT,
                     "%s has %" PRIu64 " bytes but its last page ends at %" PRIu64, DATA_NAME,
                     extent.file_bytes, extent.used_bytes);
}

void store_file_cover(MDB_env *env)
{
    struct extent extent;
    if (extent_of(env, &extent) && extent.file_bytes < extent.used_bytes) {
        /* Failing is harmless: the pages are free, and the next open tries again. */
        (void)!ftruncate(extent.fd, (off_t)extent.used_bytes);
    }
}
