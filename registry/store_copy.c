/* SPDX-License-Identifier: Apache-2.0
 *
 * One instant of the store through a pipe (store_copy.h).
 *
 * The plain copy, not the compacting one: it reads the file in its order instead of walking trees.
 */
#include "registry/store_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "registry/store_map.h"

#define PIECE_BYTES (1u << 20) /* also what the pipe is asked to hold */

struct copier {
    struct registry *registry;
    int pipe_fd; /* the writing end, the thread's */
    int error;   /* of the copy, once the thread has ended */
};

static void *run_copier(void *context)
{
    struct copier *copier = context;
    store_map_hold(copier->registry);
    copier->error = mdb_env_copyfd2(copier->registry->env, copier->pipe_fd, 0);
    store_map_release(copier->registry);
    (void)close(copier->pipe_fd);
    return NULL;
}

/* No signal may interrupt LMDB's writes, and that of a pipe nobody reads any more means EPIPE. */
static int start_copier(struct copier *copier, pthread_t *out_thread)
{
    sigset_t all;
    sigset_t former;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, &former);
    int error = pthread_create(out_thread, NULL, run_copier, copier);
    (void)pthread_sigmask(SIG_SETMASK, &former, NULL);
    return error;
}

static enum status take_pieces(int fd, store_copy_taker *take, void *context)
{
    uint8_t *piece = malloc(PIECE_BYTES);
    enum status status = piece == NULL ? STATUS_NO_MEMORY : STATUS_OK;
    while (status == STATUS_OK) {
        ssize_t got = read(fd, piece, PIECE_BYTES);
        if (got == 0) {
            break;
        }
        if (got > 0) {
            status = take(context, bytes_of(piece, (size_t)got));
        } else if (errno != EINTR) {
            status = STATUS_SYSTEM;
        }
    }
    free(piece);
    return status;
}

static enum status copy_once(struct registry *registry, store_copy_taker *take, void *context,
                             int *out_error)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return STATUS_SYSTEM;
    }
    (void)fcntl(ends[1], F_SETPIPE_SZ, PIECE_BYTES);
    struct copier copier = {.registry = registry, .pipe_fd = ends[1]};
    pthread_t thread;
    if (start_copier(&copier, &thread) != 0) {
        (void)close(ends[0]);
        (void)close(ends[1]);
        return STATUS_NO_MEMORY;
    }
    enum status status = take_pieces(ends[0], take, context);
    (void)close(ends[0]);
    (void)pthread_join(thread, NULL);
    *out_error = copier.error;
    return status == STATUS_OK ? store_status(copier.error) : status;
}

enum status store_copy(struct registry *registry, store_copy_taker *take, void *context)
{
    int error = 0;
    enum status status = copy_once(registry, take, context, &error);
    if (error != MDB_MAP_RESIZED) {
        return status;
    }
    /* The writer beside us made its map larger, found before anything was copied: a snapshot adopts
     * the new size. */
    struct snapshot *snapshot = NULL;
    status = snapshot_new(registry, &snapshot);
    snapshot_free(snapshot);
    return status == STATUS_OK ? copy_once(registry, take, context, &error) : status;
}

static enum status used_bytes(MDB_env *env, uint64_t *out_bytes)
{
    MDB_envinfo info;
    MDB_stat tree;
    int error = mdb_env_info(env, &info);
    if (error == 0) {
        error = mdb_env_stat(env, &tree);
    }
    if (error == 0) {
        *out_bytes = ((uint64_t)info.me_last_pgno + 1) * tree.ms_psize;
    }
    return store_status(error);
}

enum status store_copy_expect(struct registry *registry, uint64_t *out_bytes)
{
    return used_bytes(store_env(registry), out_bytes);
}

enum status store_copy_length(const char *directory, uint64_t *out_bytes, struct fault *fault)
{
    MDB_env *env = NULL;
    int error = mdb_env_create(&env);
    if (error == 0) {
        error = mdb_env_open(env, directory, MDB_RDONLY | MDB_NOLOCK | MDB_NOTLS, 0600);
    }
    enum status status = error == 0 ? used_bytes(env, out_bytes) : store_status(error);
    mdb_env_close(env);
    return status == STATUS_OK ? STATUS_OK
                               : fault_set(fault, status, "%s: cannot open the copied store: %s",
                                           directory, mdb_strerror(error));
}
