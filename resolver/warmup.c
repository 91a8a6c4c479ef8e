/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading ahead (warmup.h). Nothing is copied: the kernel is told what will be needed, and waiting
 * for the last byte of each piece keeps what is under way small, so that who asks for a page now
 * does not stand behind the whole file.
 */
#include "resolver/warmup.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PIECE_BYTES (1 << 20)
#define AHEAD_BYTES (2 * PIECE_BYTES) /* the disk works while a piece is waited for */
#define HEAD_START_MS 50              /* for who asks first: those pages come one by one */
#define NICE 19                       /* also the lowest rank of best effort at the disk */

struct warmup {
    struct warmup_options options;
    pthread_t thread;
    int fd;
    atomic_bool stops;
    atomic_bool is_over;
    atomic_uint_fast64_t bytes;
};

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* false: it cannot be read. */
static bool wait_for(const struct warmup *warmup, off_t last)
{
    uint8_t byte;
    ssize_t got = pread(warmup->fd, &byte, 1, last);
    return got >= 0 || errno == EINTR;
}

/* false: stopped, or unreadable. */
static bool read_all(struct warmup *warmup, off_t size)
{
    off_t ahead = 0;
    for (off_t at = 0; at < size;) {
        for (; ahead < size && ahead <= at + AHEAD_BYTES; ahead += PIECE_BYTES) {
            (void)posix_fadvise(warmup->fd, ahead, PIECE_BYTES, POSIX_FADV_WILLNEED);
        }
        off_t end = size - at < PIECE_BYTES ? size : at + PIECE_BYTES;
        if (atomic_load_explicit(&warmup->stops, memory_order_relaxed) ||
            !wait_for(warmup, end - 1)) {
            return false;
        }
        at = end;
        atomic_store_explicit(&warmup->bytes, (uint64_t)at, memory_order_relaxed);
    }
    return true;
}

static void tell(const struct warmup *warmup, const char *what, int64_t took_ms)
{
    if (warmup->options.log != NULL) {
        log_write(warmup->options.log, LOG_LEVEL_INFO, "store",
                  "%s: %llu MiB of the file in %lld ms", what,
                  (unsigned long long)(atomic_load(&warmup->bytes) >> 20), (long long)took_ms);
    }
}

static void *warmup_run(void *context)
{
    struct warmup *warmup = context;
    struct stat file;
    const struct timespec head_start = {.tv_nsec = HEAD_START_MS * 1000000};
    (void)setpriority(PRIO_PROCESS, 0, NICE); /* on Linux: of this thread */
    (void)nanosleep(&head_start, NULL);
    int64_t begun_ms = now_ms();
    if (warmup->fd >= 0 && fstat(warmup->fd, &file) == 0) {
        if ((uint64_t)file.st_size > warmup->options.memory_bytes) {
            tell(warmup, "not warmed up, memory is smaller", 0);
        } else if (read_all(warmup, file.st_size)) {
            tell(warmup, "warmed up", now_ms() - begun_ms);
        } else {
            tell(warmup, "warm-up ended early", now_ms() - begun_ms);
        }
    }
    atomic_store(&warmup->is_over, true);
    return NULL;
}

enum status warmup_start(const struct warmup_options *options, struct warmup **out_warmup)
{
    struct warmup *warmup = calloc(1, sizeof(*warmup));
    if (warmup == NULL) {
        return STATUS_NO_MEMORY;
    }
    warmup->options = *options;
    warmup->fd = open(options->path, O_RDONLY | O_CLOEXEC);
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&warmup->thread, NULL, warmup_run, warmup);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed != 0) {
        if (warmup->fd >= 0) {
            (void)close(warmup->fd);
        }
        free(warmup);
        return STATUS_SYSTEM;
    }
    *out_warmup = warmup;
    return STATUS_OK;
}

bool warmup_is_over(const struct warmup *warmup)
{
    return atomic_load(&warmup->is_over);
}

uint64_t warmup_bytes(const struct warmup *warmup)
{
    return atomic_load(&warmup->bytes);
}

void warmup_stop(struct warmup *warmup)
{
    if (warmup != NULL) {
        atomic_store(&warmup->stops, true);
        (void)pthread_join(warmup->thread, NULL);
        if (warmup->fd >= 0) {
            (void)close(warmup->fd);
        }
        free(warmup);
    }
}
