/* SPDX-License-Identifier: Apache-2.0
 *
 * Preparing on a thread of its own (writer_prepare.h). `first` and `is_stopping` are guarded by
 * `lock`; the snapshot is the thread's.
 */
#include "admin/writer_prepare.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct writer_prepare {
    struct committer *committer;
    struct snapshot *snapshot;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t has_work;
    struct writer_prepare_set *first;
    struct writer_prepare_set *last;
    bool is_stopping;
};

static int64_t wall_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* NULL: stopping. */
static struct writer_prepare_set *next_set(struct writer_prepare *prepare)
{
    (void)pthread_mutex_lock(&prepare->lock);
    while (prepare->first == NULL && !prepare->is_stopping) {
        (void)pthread_cond_wait(&prepare->has_work, &prepare->lock);
    }
    struct writer_prepare_set *one = prepare->is_stopping ? NULL : prepare->first;
    if (one != NULL) {
        prepare->first = one->next;
    }
    (void)pthread_mutex_unlock(&prepare->lock);
    return one;
}

static void pass_on(struct writer_prepare *prepare, struct writer_prepare_set *one)
{
    enum status status = snapshot_refresh(prepare->snapshot);
    if (status == STATUS_OK) {
        status = change_set_prepare(one->set, prepare->snapshot, wall_ms());
    }
    snapshot_rest(prepare->snapshot);
    if (status == STATUS_OK) {
        status = committer_submit(prepare->committer, one->set, one->done, one->context);
    }
    if (status != STATUS_OK) {
        one->failed(one->context, status);
    }
}

static void *run(void *context)
{
    struct writer_prepare *prepare = context;
    struct writer_prepare_set *one;
    while ((one = next_set(prepare)) != NULL) {
        pass_on(prepare, one);
    }
    return NULL;
}

enum status writer_prepare_start(struct registry *registry, struct committer *committer,
                                 struct writer_prepare **out_prepare)
{
    struct writer_prepare *prepare = calloc(1, sizeof(*prepare));
    if (prepare == NULL) {
        return STATUS_NO_MEMORY;
    }
    prepare->committer = committer;
    enum status status = snapshot_new(registry, &prepare->snapshot);
    if (status != STATUS_OK) {
        free(prepare);
        return status;
    }
    snapshot_rest(prepare->snapshot);
    (void)pthread_mutex_init(&prepare->lock, NULL);
    (void)pthread_cond_init(&prepare->has_work, NULL);
    if (pthread_create(&prepare->thread, NULL, run, prepare) != 0) {
        (void)pthread_cond_destroy(&prepare->has_work);
        (void)pthread_mutex_destroy(&prepare->lock);
        snapshot_free(prepare->snapshot);
        free(prepare);
        return STATUS_SYSTEM;
    }
    *out_prepare = prepare;
    return STATUS_OK;
}

void writer_prepare_stop(struct writer_prepare *prepare)
{
    if (prepare == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&prepare->lock);
    prepare->is_stopping = true;
    (void)pthread_cond_signal(&prepare->has_work);
    (void)pthread_mutex_unlock(&prepare->lock);
    (void)pthread_join(prepare->thread, NULL);
    for (struct writer_prepare_set *one = prepare->first; one != NULL;) {
        struct writer_prepare_set *next = one->next; /* `one` ends with the call */
        one->failed(one->context, STATUS_CLOSED);
        one = next;
    }
    (void)pthread_cond_destroy(&prepare->has_work);
    (void)pthread_mutex_destroy(&prepare->lock);
    snapshot_free(prepare->snapshot);
    free(prepare);
}

void writer_prepare_give(struct writer_prepare *prepare, struct writer_prepare_set *one)
{
    one->next = NULL;
    (void)pthread_mutex_lock(&prepare->lock);
    if (prepare->first == NULL) {
        prepare->first = one;
    } else {
        prepare->last->next = one;
    }
    prepare->last = one;
    (void)pthread_cond_signal(&prepare->has_work);
    (void)pthread_mutex_unlock(&prepare->lock);
}
