/* SPDX-License-Identifier: Apache-2.0
 *
 * Lanes of jobs and threads that take from them in turn (crypto_pool.h). One mutex and condition
 * guard lanes and figures; work is done and jobs are posted without them.
 */
#include "resolver/crypto_pool.h"

#include <pthread.h>
#include <stdlib.h>

#define LANES 64
#define LANE_PART 4 /* a lane has at most this part of the queue */

struct lane {
    struct crypto_job *first;
    struct crypto_job *last;
    size_t count;
};

struct crypto_pool {
    pthread_mutex_t lock;
    pthread_cond_t has_work;
    struct lane lanes[LANES];
    size_t turn; /* the lane that is looked at next */
    size_t queue;
    bool is_stopping;
    struct crypto_pool_figures figures;
    size_t thread_count;
    pthread_t threads[];
};

static struct crypto_job *lane_take(struct lane *lane)
{
    struct crypto_job *job = lane->first;
    lane->first = job->next;
    lane->count--;
    return job;
}

/* The next job, each lane in its turn; the lock is held. NULL: none. */
static struct crypto_job *take(struct crypto_pool *pool)
{
    for (size_t i = 0; i < LANES && pool->figures.waiting > 0; i++) {
        struct lane *lane = &pool->lanes[(pool->turn + i) % LANES];
        if (lane->count > 0) {
            pool->turn = (pool->turn + i + 1) % LANES;
            pool->figures.waiting--;
            return lane_take(lane);
        }
    }
    return NULL;
}

static void put(struct crypto_pool *pool, struct lane *lane, struct crypto_job *job)
{
    job->next = NULL;
    if (lane->count == 0) {
        lane->first = job;
    } else {
        lane->last->next = job;
    }
    lane->last = job;
    lane->count++;
    pool->figures.waiting++;
}

static void *run(void *context)
{
    struct crypto_pool *pool = context;
    (void)pthread_mutex_lock(&pool->lock);
    for (;;) {
        struct crypto_job *job = take(pool);
        if (job == NULL && pool->is_stopping) {
            break;
        }
        if (job == NULL) {
            (void)pthread_cond_wait(&pool->has_work, &pool->lock);
            continue;
        }
        (void)pthread_mutex_unlock(&pool->lock);
        job->work(job);
        mailbox_post(job->home, job->mail);
        (void)pthread_mutex_lock(&pool->lock);
        pool->figures.done++;
    }
    (void)pthread_mutex_unlock(&pool->lock);
    return NULL;
}

enum status crypto_pool_start(const struct crypto_pool_options *options,
                              struct crypto_pool **out_pool)
{
    struct crypto_pool *pool =
        calloc(1, sizeof(*pool) + options->threads * sizeof(pool->threads[0]));
    if (pool == NULL) {
        return STATUS_NO_MEMORY;
    }
    pool->queue = options->queue;
    (void)pthread_mutex_init(&pool->lock, NULL);
    (void)pthread_cond_init(&pool->has_work, NULL);
    for (size_t i = 0; i < options->threads; i++) {
        if (pthread_create(&pool->threads[i], NULL, run, pool) != 0) {
            crypto_pool_stop(pool);
            return STATUS_SYSTEM;
        }
        pool->thread_count++;
    }
    *out_pool = pool;
    return STATUS_OK;
}

void crypto_pool_stop(struct crypto_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&pool->lock);
    pool->is_stopping = true;
    (void)pthread_cond_broadcast(&pool->has_work);
    (void)pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < pool->thread_count; i++) {
        (void)pthread_join(pool->threads[i], NULL);
    }
    (void)pthread_cond_destroy(&pool->has_work);
    (void)pthread_mutex_destroy(&pool->lock);
    free(pool);
}

static size_t lane_max(const struct crypto_pool *pool)
{
    size_t part = pool->queue / LANE_PART;
    return part > 0 ? part : 1;
}

enum status crypto_pool_submit(struct crypto_pool *pool, struct crypto_job *job, uint64_t source)
{
    struct lane *lane = &pool->lanes[source % LANES];
    enum status status = STATUS_OK;
    bool is_done_here = pool->thread_count == 0;
    (void)pthread_mutex_lock(&pool->lock);
    if (pool->is_stopping || pool->figures.waiting >= pool->queue ||
        lane->count >= lane_max(pool)) {
        pool->figures.refused++;
        status = STATUS_SERVER_BUSY;
    } else if (is_done_here) {
        pool->figures.done++;
    } else {
        put(pool, lane, job);
        (void)pthread_cond_signal(&pool->has_work);
    }
    (void)pthread_mutex_unlock(&pool->lock);
    if (status == STATUS_OK && is_done_here) {
        job->work(job);
        mailbox_post(job->home, job->mail);
    }
    return status;
}

void crypto_pool_figures(struct crypto_pool *pool, struct crypto_pool_figures *out_figures)
{
    (void)pthread_mutex_lock(&pool->lock);
    *out_figures = pool->figures;
    (void)pthread_mutex_unlock(&pool->lock);
}
