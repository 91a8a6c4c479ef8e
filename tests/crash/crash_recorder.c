/* SPDX-License-Identifier: Apache-2.0
 *
 * Preloaded into a writer: records what it does to "data.mdb" and to "*.ledger" (recording.h).
 *
 *   CRASH_RECORDING      file to append to
 *   CRASH_LMDB_FLAGS     "nosync" or "nometasync": opens the environment that way, to see whether
 *                        the replay tells that acknowledged sets are lost
 *
 * One lock orders records as the kernel saw the calls. A call that cannot be recorded ends the
 * process: a recording with a hole would prove nothing.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/crash/recording.h"

enum file_kind { FILE_OTHER, FILE_DATA, FILE_LEDGER };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int recording = -1;

__attribute__((constructor)) static void start(void)
{
    const char *path = getenv("CRASH_RECORDING");
    if (path != NULL) {
        recording = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    }
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text);
    size_t end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static enum file_kind kind_of(int fd)
{
    char link[40];
    char path[512];
    if (recording < 0 || fd == recording) {
        return FILE_OTHER;
    }
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof(path) - 1);
    path[len < 0 ? 0 : len] = '\0';
    if (ends_with(path, "/data.mdb")) {
        return FILE_DATA;
    }
    return ends_with(path, ".ledger") ? FILE_LEDGER : FILE_OTHER;
}

static void put_raw(const void *data, size_t len)
{
    if (syscall(SYS_write, recording, data, len) != (long)len) {
        abort();
    }
}

static void put_record(enum record_kind kind, uint64_t offset, const void *data, size_t len)
{
    const struct record_header header = {(uint32_t)kind, (uint32_t)len, offset};
    put_raw(&header, sizeof(header));
    if (len > 0) {
        put_raw(data, len);
    }
}

static void put_durable(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0 && (flags & O_DSYNC) != 0) {
        put_record(RECORD_DURABLE, 0, NULL, 0);
    }
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t offset)
{
    bool is_data = kind_of(fd) == FILE_DATA;
    (void)pthread_mutex_lock(&lock);
    if (is_data) {
        put_record(RECORD_WRITE, (uint64_t)offset, data, len);
    }
    long done = syscall(SYS_pwrite64, fd, data, len, offset);
    int error = errno;
    if (is_data && done != (long)len) {
        abort();
    }
    if (is_data) {
        put_durable(fd);
    }
    (void)pthread_mutex_unlock(&lock);
    errno = error;
    return done;
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t offset)
{
    return pwrite(fd, data, len, offset);
}

ssize_t writev(int fd, const struct iovec *runs, int count)
{
    bool is_data = kind_of(fd) == FILE_DATA;
    (void)pthread_mutex_lock(&lock);
    uint64_t offset = is_data ? (uint64_t)lseek(fd, 0, SEEK_CUR) : 0;
    uint64_t first = offset;
    for (int i = 0; is_data && i < count; i++) {
        put_record(RECORD_WRITE, offset, runs[i].iov_base, runs[i].iov_len);
        offset += runs[i].iov_len;
    }
    long done = syscall(SYS_writev, fd, runs, count);
    int error = errno;
    if (is_data && done != (long)(offset - first)) {
        abort();
    }
    (void)pthread_mutex_unlock(&lock);
    errno = error;
    return done;
}

ssize_t write(int fd, const void *data, size_t len)
{
    enum file_kind kind = kind_of(fd);
    if (kind == FILE_DATA) {
        abort(); /* LMDB does not: see pwrite and writev */
    }
    (void)pthread_mutex_lock(&lock);
    if (kind == FILE_LEDGER) {
        put_record(RECORD_MARK, 0, data, len);
    }
    long done = syscall(SYS_write, fd, data, len);
    int error = errno;
    (void)pthread_mutex_unlock(&lock);
    errno = error;
    return done;
}

static int sync_with(long call, int fd)
{
    bool is_data = kind_of(fd) == FILE_DATA;
    (void)pthread_mutex_lock(&lock);
    int done = (int)syscall(call, fd);
    int error = errno;
    if (is_data && done == 0) {
        put_record(RECORD_SYNC, 0, NULL, 0);
    }
    (void)pthread_mutex_unlock(&lock);
    errno = error;
    return done;
}

int fdatasync(int fd)
{
    return sync_with(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    return sync_with(SYS_fsync, fd);
}

int ftruncate(int fd, off_t len)
{
    bool is_data = kind_of(fd) == FILE_DATA;
    (void)pthread_mutex_lock(&lock);
    if (is_data) {
        put_record(RECORD_TRUNCATE, (uint64_t)len, NULL, 0);
    }
    int done = (int)syscall(SYS_ftruncate, fd, len);
    int error = errno;
    (void)pthread_mutex_unlock(&lock);
    errno = error;
    return done;
}

int ftruncate64(int fd, off64_t len)
{
    return ftruncate(fd, len);
}

/* A writable map would change the file behind our back. */
int msync(void *start_of, size_t len, int flags)
{
    (void)start_of;
    (void)len;
    (void)flags;
    abort();
}

int mdb_env_open(MDB_env *env, const char *path, unsigned int flags, mdb_mode_t mode)
{
    int (*next)(MDB_env *, const char *, unsigned int, mdb_mode_t) = NULL;
    void *symbol = dlsym(RTLD_NEXT, "mdb_env_open");
    const char *wanted = getenv("CRASH_LMDB_FLAGS");
    memcpy(&next, &symbol, sizeof(next));
    if (next == NULL) {
        abort();
    }
    if (wanted != NULL && strcmp(wanted, "nosync") == 0) {
        flags |= MDB_NOSYNC;
    } else if (wanted != NULL && strcmp(wanted, "nometasync") == 0) {
        flags |= MDB_NOMETASYNC;
    }
    return next(env, path, flags, mode);
}
