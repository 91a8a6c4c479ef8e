/* SPDX-License-Identifier: Apache-2.0
 *
 * Threads for slow arithmetic, so that resolutions never wait for it: signatures, key agreement,
 * derived keys.
 *
 * A job owns its bytes. Sources take turns: a bounded queue holds them in lanes by source, and one
 * lane has at most a quarter of it. A finished job comes home as mail. Submitting is for any
 * thread.
 */
#pragma once

#include "resolver/mailbox.h"

struct crypto_pool;

struct crypto_job {
    struct mail *mail; /* posted to `home` once the work is done; `opened` is set */
    struct mailbox *home;
    void (*work)(struct crypto_job *job); /* on a thread of the pool */
    struct crypto_job *next;              /* the pool's */
};

struct crypto_pool_options {
    size_t threads; /* 0: none, jobs are done where they are submitted (scenario tests) */
    size_t queue;   /* jobs waiting in all */
};

enum status crypto_pool_start(const struct crypto_pool_options *options,
                              struct crypto_pool **out_pool);

/* Does what is queued, posts it, ends the threads. NULL is allowed. */
void crypto_pool_stop(struct crypto_pool *pool);

/* `source` stands for whose work it is. SERVER_BUSY: the queue or the source's lane is full, or it
 * is stopping; the job stays the caller's. */
enum status crypto_pool_submit(struct crypto_pool *pool, struct crypto_job *job, uint64_t source);

struct crypto_pool_figures {
    uint64_t done, refused, waiting;
};
void crypto_pool_figures(struct crypto_pool *pool, struct crypto_pool_figures *out_figures);
