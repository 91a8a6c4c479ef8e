/* SPDX-License-Identifier: Apache-2.0
 *
 * The one thread that writes: bounded queue, group commit, completion after durability.
 *
 * It never waits for company: a group is what queued up while the previous commit ran (at most
 * 10 000 items, 64 MiB), round robin over enterprises. Publication of the transaction id precedes
 * every completion, so that a snapshot refreshed after an acknowledgement sees the write.
 */
#pragma once

#include "registry/change_set.h"

struct committer;

struct committer_options {
    size_t queue_sets; /* over it: SERVER_BUSY */
    size_t queue_bytes;
};

/* Called on the committer's thread once the set's outcome is final; the set is the callee's again.
 * Must be short and must not block: post it to a mailbox. CONFLICT means: prepare again. */
typedef void committer_done(struct change_set *set, void *context);

enum status committer_start(struct registry *registry, const struct committer_options *options,
                            struct committer **out_committer);

/* Takes the prepared set. SERVER_BUSY (queue full) and SERVER_BACKUP (stopping) leave it with the
 * caller; otherwise `done` is called exactly once. Any thread. */
enum status committer_submit(struct committer *committer, struct change_set *set,
                             committer_done *done, void *context);

/* Commits what is queued, then ends the thread. NULL is allowed. */
void committer_stop(struct committer *committer);

struct committer_figures {
    uint64_t groups, sets, items, refused_sets, conflicts;
    uint64_t queued_sets, queued_bytes;
};
void committer_figures(struct committer *committer, struct committer_figures *out_figures);

/* Without a thread, for a process that holds the store alone: refreshes the snapshot, prepares,
 * commits, retries a conflict, refreshes again; returns change_set_status. `set` stays the
 * caller's. */
enum status committer_commit_now(struct registry *registry, struct snapshot *snapshot,
                                 struct change_set *set, int64_t now_ms);
