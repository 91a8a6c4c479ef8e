/* SPDX-License-Identifier: Apache-2.0
 *
 * The committer's thread, its queue and the way around it (committer.h).
 *
 * Everything below `lock` is guarded by it; a group being committed belongs to the thread alone.
 * Sets wait in one lane per enterprise; a group takes one set from each lane in turn.
 */
#include "registry/committer.h"

#include <pthread.h>
#include <stdlib.h>

#include "registry/change_item.h"
#include "registry/journal_backend.h"
#include "registry/store.h"

#define GROUP_ITEMS_MAX 10000
#define GROUP_BYTES_MAX ((size_t)64 << 20)
#define GROUP_SETS_MAX GROUP_ITEMS_MAX
#define CONFLICT_TRIES 3

/* Groups between two looks for readers that died: their slots hold pages. */
#define READER_CHECK_GROUPS 256

/* Enterprises that wait at once get lanes of their own; the rest share by hash. */
#define LANES 64

struct lane {
    struct change_set *first;
    struct change_set *last;
};

struct committer {
    struct registry *registry;
    struct committer_options options;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t has_work;
    struct lane lanes[LANES];
    size_t next_lane;
    bool is_stopping;
    struct committer_figures figures;
    struct change_set *group[GROUP_SETS_MAX];
};

static size_t lane_of(const struct change_set *set)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < set->enterprise.len; i++) {
        hash = (hash ^ set->enterprise.data[i]) * 16777619u;
    }
    return hash % LANES;
}

static void push(struct committer *committer, struct change_set *set)
{
    struct lane *lane = &committer->lanes[lane_of(set)];
    set->next = NULL;
    if (lane->last == NULL) {
        lane->first = set;
    } else {
        lane->last->next = set;
    }
    lane->last = set;
    committer->figures.queued_sets++;
    committer->figures.queued_bytes += set->encoded_len;
}

static struct change_set *pop(struct committer *committer, struct lane *lane)
{
    struct change_set *set = lane->first;
    lane->first = set->next;
    if (lane->first == NULL) {
        lane->last = NULL;
    }
    set->next = NULL;
    committer->figures.queued_sets--;
    committer->figures.queued_bytes -= set->encoded_len;
    return set;
}

/* Round robin until the queue is empty or the group full; the next group goes on from there. */
static size_t take_group(struct committer *committer)
{
    size_t count = 0;
    size_t items = 0;
    size_t bytes = 0;
    size_t idle_lanes = 0;
    size_t at = committer->next_lane;
    for (; idle_lanes < LANES && count < GROUP_SETS_MAX; at = (at + 1) % LANES) {
        struct lane *lane = &committer->lanes[at];
        if (lane->first == NULL) {
            idle_lanes++;
            continue;
        }
        idle_lanes = 0;
        items += lane->first->count;
        bytes += lane->first->encoded_len;
        if (count > 0 && (items > GROUP_ITEMS_MAX || bytes > GROUP_BYTES_MAX)) {
            break;
        }
        committer->group[count++] = pop(committer, lane);
    }
    committer->next_lane = at;
    return count;
}

static void count_outcomes(struct committer *committer, size_t count)
{
    struct committer_figures *figures = &committer->figures;
    figures->groups++;
    for (size_t i = 0; i < count; i++) {
        const struct change_set *set = committer->group[i];
        if (set->status == STATUS_OK) {
            figures->sets++;
            for (size_t j = 0; j <= set->count; j++) {
                figures->items += set->items[j].status == STATUS_OK;
            }
        } else if (set->status == STATUS_CONFLICT) {
            figures->conflicts++;
        } else {
            figures->refused_sets++;
        }
    }
}

/* Waits for work; 0 when stopping and nothing is left. */
static size_t wait_for_group(struct committer *committer)
{
    while (committer->figures.queued_sets == 0 && !committer->is_stopping) {
        (void)pthread_cond_wait(&committer->has_work, &committer->lock);
    }
    return take_group(committer);
}

static void *run(void *context)
{
    struct committer *committer = context;
    struct registry *registry = committer->registry;
    (void)pthread_mutex_lock(&committer->lock);
    size_t count;
    while ((count = wait_for_group(committer)) > 0) {
        bool is_check_due = committer->figures.groups % READER_CHECK_GROUPS == 0;
        (void)pthread_mutex_unlock(&committer->lock);
        registry->backend->commit_group(registry, committer->group, count);
        if (is_check_due) {
            (void)mdb_reader_check(registry->env, NULL);
        }
        (void)pthread_mutex_lock(&committer->lock);
        count_outcomes(committer, count);
        (void)pthread_mutex_unlock(&committer->lock);
        for (size_t i = 0; i < count; i++) {
            struct change_set *set = committer->group[i];
            set->done(set, set->context);
        }
        (void)pthread_mutex_lock(&committer->lock);
    }
    (void)pthread_mutex_unlock(&committer->lock);
    return NULL;
}

static struct committer *make(struct registry *registry, const struct committer_options *options)
{
    struct committer *committer = calloc(1, sizeof(*committer));
    if (committer == NULL) {
        return NULL;
    }
    committer->registry = registry;
    committer->options = *options;
    if (pthread_mutex_init(&committer->lock, NULL) != 0) {
        free(committer);
        return NULL;
    }
    if (pthread_cond_init(&committer->has_work, NULL) != 0) {
        (void)pthread_mutex_destroy(&committer->lock);
        free(committer);
        return NULL;
    }
    return committer;
}

static void discard(struct committer *committer)
{
    (void)pthread_cond_destroy(&committer->has_work);
    (void)pthread_mutex_destroy(&committer->lock);
    free(committer);
}

enum status committer_start(struct registry *registry, const struct committer_options *options,
                            struct committer **out_committer)
{
    if (registry->is_read_only) {
        return STATUS_READ_ONLY;
    }
    struct committer *committer = make(registry, options);
    if (committer == NULL) {
        return STATUS_NO_MEMORY;
    }
    if (pthread_create(&committer->thread, NULL, run, committer) != 0) {
        discard(committer);
        return STATUS_SYSTEM;
    }
    *out_committer = committer;
    return STATUS_OK;
}

enum status committer_submit(struct committer *committer, struct change_set *set,
                             committer_done *done, void *context)
{
    enum status status = STATUS_OK;
    (void)pthread_mutex_lock(&committer->lock);
    const struct committer_figures *figures = &committer->figures;
    if (committer->is_stopping) {
        status = STATUS_SERVER_BACKUP;
    } else if (figures->queued_sets >= committer->options.queue_sets ||
               figures->queued_bytes + set->encoded_len > committer->options.queue_bytes) {
        status = STATUS_SERVER_BUSY;
    } else {
        set->done = done;
        set->context = context;
        push(committer, set);
        (void)pthread_cond_signal(&committer->has_work);
    }
    (void)pthread_mutex_unlock(&committer->lock);
    return status;
}

void committer_stop(struct committer *committer)
{
    if (committer == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&committer->lock);
    committer->is_stopping = true;
    (void)pthread_cond_signal(&committer->has_work);
    (void)pthread_mutex_unlock(&committer->lock);
    (void)pthread_join(committer->thread, NULL);
    discard(committer);
}

void committer_figures(struct committer *committer, struct committer_figures *out_figures)
{
    (void)pthread_mutex_lock(&committer->lock);
    *out_figures = committer->figures;
    (void)pthread_mutex_unlock(&committer->lock);
}

enum status committer_commit_now(struct registry *registry, struct snapshot *snapshot,
                                 struct change_set *set, int64_t now_ms)
{
    enum status status = STATUS_CONFLICT;
    for (int i = 0; i < CONFLICT_TRIES && status == STATUS_CONFLICT; i++) {
        status = snapshot_refresh(snapshot);
        if (status == STATUS_OK) {
            status = change_set_prepare(set, snapshot, now_ms);
        }
        if (status != STATUS_OK) {
            continue;
        }
        /* The map may have to grow first, and waits for all who read. */
        snapshot_rest(snapshot);
        registry->backend->commit_group(registry, &set, 1);
        status = change_set_status(set);
    }
    /* So that the caller reads what it wrote. */
    (void)snapshot_refresh(snapshot);
    return status;
}
