/* SPDX-License-Identifier: Apache-2.0
 *
 * Preloaded into a program: one call of the C library fails.
 *
 *   CRASH_FAIL_CALL    one of `names` below
 *   CRASH_FAIL_AT      which call, from 1; 0: none, they are only counted
 *   CRASH_FAIL_ERROR   errno as a number; "short": half of a write is done and told;
 *                      "late": the call is done, then EIO
 *   CRASH_FAIL_COUNTS  file that gets a line "CALL COUNT" for each call at the end
 *
 * pwrite stands for writev, too, pread for read, malloc for calloc and realloc, send for sendto.
 * Files named *.ledger never fail: they are the test's own. Counts are atomic; any thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum call {
    CALL_PWRITE,
    CALL_WRITE,
    CALL_FDATASYNC,
    CALL_FSYNC,
    CALL_OPEN,
    CALL_MMAP,
    CALL_FTRUNCATE,
    CALL_MALLOC,
    CALL_PREAD,
    CALL_SENDMMSG,
    CALL_RECVMMSG,
    CALL_SEND,
    CALL_RECV,
    CALL_ACCEPT4,
    CALL_EPOLL_CTL,
    CALL_SOCKET,
    CALL_EVENTFD,
    CALLS
};

enum fault_kind { FAULT_NONE, FAULT_ERROR, FAULT_SHORT, FAULT_LATE };

static const char *const names[CALLS] = {
    "pwrite",    "write",   "fdatasync", "fsync",    "open",     "mmap",
    "ftruncate", "malloc",  "pread",     "sendmmsg", "recvmmsg", "send",
    "recv",      "accept4", "epoll_ctl", "socket",   "eventfd"};
static atomic_ulong counts[CALLS];
static enum call failing_call = CALLS;
static unsigned long failing_at;
static enum fault_kind failing_kind;
static int failing_error;

/* glibc's own, behind the names that are taken here. */
// NOLINTBEGIN(readability-identifier-naming)
extern void *__libc_malloc(size_t len);
extern void *__libc_calloc(size_t count, size_t len);
extern void *__libc_realloc(void *old, size_t len);
extern void *__libc_memalign(size_t alignment, size_t len);
// NOLINTEND(readability-identifier-naming)

/* Runs before main; what the loader allocates before is neither counted nor failed. */
__attribute__((constructor)) static void start(void)
{
    const char *call = getenv("CRASH_FAIL_CALL");
    const char *at = getenv("CRASH_FAIL_AT");
    const char *error = getenv("CRASH_FAIL_ERROR");
    if (call == NULL || at == NULL || error == NULL) {
        return;
    }
    for (int i = 0; i < CALLS; i++) {
        atomic_store(&counts[i], 0);
        if (strcmp(names[i], call) == 0) {
            failing_call = (enum call)i;
        }
    }
    failing_kind = strcmp(error, "short") == 0  ? FAULT_SHORT
                   : strcmp(error, "late") == 0 ? FAULT_LATE
                                                : FAULT_ERROR;
    failing_error = failing_kind == FAULT_ERROR ? (int)strtol(error, NULL, 10) : EIO;
    failing_at = strtoul(at, NULL, 10);
}

__attribute__((destructor)) static void finish(void)
{
    const char *path = getenv("CRASH_FAIL_COUNTS");
    char text[512];
    size_t len = 0;
    failing_call = CALLS;
    if (path == NULL) {
        return;
    }
    for (int i = 0; i < CALLS; i++) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s %lu\n", names[i],
                                atomic_load(&counts[i]));
    }
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    (void)!syscall(SYS_write, fd, text, len);
    (void)syscall(SYS_close, fd);
}

static enum fault_kind count(enum call call)
{
    unsigned long number = atomic_fetch_add(&counts[call], 1) + 1;
    return call == failing_call && number == failing_at ? failing_kind : FAULT_NONE;
}

static int fail(void)
{
    errno = failing_error;
    return -1;
}

static bool is_ledger(const char *path)
{
    size_t len = strlen(path);
    return len > 7 && strcmp(path + len - 7, ".ledger") == 0;
}

static bool is_ledger_fd(int fd)
{
    char link[40];
    char path[512];
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof(path) - 1);
    path[len < 0 ? 0 : len] = '\0';
    return is_ledger(path);
}

/* --- writing -----------------------------------------------------------------------------------
 */

static ssize_t pwrite_some(int fd, const void *data, size_t len, off_t offset)
{
    return syscall(SYS_pwrite64, fd, data, len, offset);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t offset)
{
    enum fault_kind fault = count(CALL_PWRITE);
    if (fault == FAULT_ERROR) {
        return fail();
    }
    ssize_t done = pwrite_some(fd, data, fault == FAULT_SHORT ? len / 2 : len, offset);
    return fault == FAULT_LATE ? fail() : done;
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t offset)
{
    return pwrite(fd, data, len, offset);
}

ssize_t writev(int fd, const struct iovec *runs, int run_count)
{
    enum fault_kind fault = count(CALL_PWRITE);
    if (fault == FAULT_ERROR) {
        return fail();
    }
    /* Half of the first run: what a full disk does. */
    ssize_t done = fault == FAULT_SHORT
                       ? syscall(SYS_write, fd, runs[0].iov_base, runs[0].iov_len / 2)
                       : syscall(SYS_writev, fd, runs, run_count);
    return fault == FAULT_LATE ? fail() : done;
}

ssize_t write(int fd, const void *data, size_t len)
{
    enum fault_kind fault = is_ledger_fd(fd) ? FAULT_NONE : count(CALL_WRITE);
    if (fault == FAULT_ERROR) {
        return fail();
    }
    ssize_t done = syscall(SYS_write, fd, data, fault == FAULT_SHORT ? (len + 1) / 2 : len);
    return fault == FAULT_LATE ? fail() : done;
}

static int plain(enum call call, long number, int fd, off_t argument)
{
    enum fault_kind fault = count(call);
    if (fault == FAULT_ERROR || fault == FAULT_SHORT) {
        return fail();
    }
    int done = (int)syscall(number, fd, argument);
    return fault == FAULT_LATE ? fail() : done;
}

int fdatasync(int fd)
{
    return plain(CALL_FDATASYNC, SYS_fdatasync, fd, 0);
}

int fsync(int fd)
{
    return plain(CALL_FSYNC, SYS_fsync, fd, 0);
}

int ftruncate(int fd, off_t len)
{
    return plain(CALL_FTRUNCATE, SYS_ftruncate, fd, len);
}

int ftruncate64(int fd, off64_t len)
{
    return ftruncate(fd, len);
}

/* --- reading, sockets --------------------------------------------------------------------------
 */

ssize_t pread(int fd, void *room, size_t len, off_t offset)
{
    return count(CALL_PREAD) != FAULT_NONE ? fail() : syscall(SYS_pread64, fd, room, len, offset);
}

ssize_t pread64(int fd, void *room, size_t len, off64_t offset)
{
    return pread(fd, room, len, offset);
}

ssize_t read(int fd, void *room, size_t len)
{
    return count(CALL_PREAD) != FAULT_NONE ? fail() : syscall(SYS_read, fd, room, len);
}

int sendmmsg(int fd, struct mmsghdr *messages, unsigned message_count, int flags)
{
    enum fault_kind fault = count(CALL_SENDMMSG);
    if (fault == FAULT_ERROR) {
        return fail();
    }
    unsigned sent = fault == FAULT_SHORT ? (message_count + 1) / 2 : message_count;
    return (int)syscall(SYS_sendmmsg, fd, messages, sent, flags);
}

int recvmmsg(int fd, struct mmsghdr *messages, unsigned message_count, int flags,
             struct timespec *patience)
{
    return count(CALL_RECVMMSG) != FAULT_NONE
               ? fail()
               : (int)syscall(SYS_recvmmsg, fd, messages, message_count, flags, patience);
}

/* The C library's headers take addresses as a union of their own, which standard C cannot repeat:
 * these two have their names from the assembler. */
ssize_t send_to(int fd, const void *data, size_t len, int flags, const struct sockaddr *to,
                socklen_t to_len) __asm__("sendto");
int accept_one(int fd, struct sockaddr *from, socklen_t *from_len, int flags) __asm__("accept4");

ssize_t send_to(int fd, const void *data, size_t len, int flags, const struct sockaddr *to,
                socklen_t to_len)
{
    enum fault_kind fault = count(CALL_SEND);
    if (fault == FAULT_ERROR) {
        return fail();
    }
    return syscall(SYS_sendto, fd, data, fault == FAULT_SHORT ? (len + 1) / 2 : len, flags, to,
                   to_len);
}

ssize_t send(int fd, const void *data, size_t len, int flags)
{
    return send_to(fd, data, len, flags, NULL, 0);
}

ssize_t recv(int fd, void *room, size_t len, int flags)
{
    return count(CALL_RECV) != FAULT_NONE ? fail()
                                          : syscall(SYS_recvfrom, fd, room, len, flags, NULL, NULL);
}

int accept_one(int fd, struct sockaddr *from, socklen_t *from_len, int flags)
{
    return count(CALL_ACCEPT4) != FAULT_NONE ? fail()
                                             : (int)syscall(SYS_accept4, fd, from, from_len, flags);
}

int epoll_ctl(int fd, int operation, int of, struct epoll_event *event)
{
    return count(CALL_EPOLL_CTL) != FAULT_NONE
               ? fail()
               : (int)syscall(SYS_epoll_ctl, fd, operation, of, event);
}

int socket(int family, int type, int protocol)
{
    return count(CALL_SOCKET) != FAULT_NONE ? fail()
                                            : (int)syscall(SYS_socket, family, type, protocol);
}

int eventfd(unsigned start_at, int flags)
{
    return count(CALL_EVENTFD) != FAULT_NONE ? fail() : (int)syscall(SYS_eventfd2, start_at, flags);
}

/* --- opening and mapping -----------------------------------------------------------------------
 */

static int open_at(int directory, const char *path, int flags, mode_t mode)
{
    if (!is_ledger(path) && count(CALL_OPEN) != FAULT_NONE) {
        return fail();
    }
    return (int)syscall(SYS_openat, directory, path, flags, mode);
}

#define MODE_OF(flags, mode)                                                                       \
    va_list arguments;                                                                             \
    va_start(arguments, flags);                                                                    \
    mode_t mode = ((flags) & (O_CREAT | __O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;        \
    va_end(arguments)

int open(const char *path, int flags, ...)
{
    MODE_OF(flags, mode);
    return open_at(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    MODE_OF(flags, mode);
    return open_at(AT_FDCWD, path, flags, mode);
}

int openat(int directory, const char *path, int flags, ...)
{
    MODE_OF(flags, mode);
    return open_at(directory, path, flags, mode);
}

int openat64(int directory, const char *path, int flags, ...)
{
    MODE_OF(flags, mode);
    return open_at(directory, path, flags, mode);
}

void *mmap(void *start_of, size_t len, int protection, int flags, int fd, off_t offset)
{
    if (count(CALL_MMAP) != FAULT_NONE) {
        errno = failing_error;
        return MAP_FAILED;
    }
    long mapped = syscall(SYS_mmap, start_of, len, protection, flags, fd, offset);
    void *address = MAP_FAILED;
    memcpy(&address, &mapped, sizeof(address));
    return address;
}

void *mmap64(void *start_of, size_t len, int protection, int flags, int fd, off64_t offset)
{
    return mmap(start_of, len, protection, flags, fd, offset);
}

/* --- memory ------------------------------------------------------------------------------------
 */

static bool has_no_memory(void)
{
    if (count(CALL_MALLOC) == FAULT_NONE) {
        return false;
    }
    errno = ENOMEM;
    return true;
}

void *malloc(size_t len)
{
    return has_no_memory() ? NULL : __libc_malloc(len);
}

void *calloc(size_t number, size_t len)
{
    return has_no_memory() ? NULL : __libc_calloc(number, len);
}

void *realloc(void *old, size_t len)
{
    return has_no_memory() ? NULL : __libc_realloc(old, len);
}

int posix_memalign(void **out_block, size_t alignment, size_t len)
{
    void *block = has_no_memory() ? NULL : __libc_memalign(alignment, len);
    if (block == NULL) {
        return ENOMEM;
    }
    *out_block = block;
    return 0;
}
