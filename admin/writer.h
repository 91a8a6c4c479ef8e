/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a command's writes go: through the daemon's control socket while it is up, else into the
 * store, taking its lock. The caller cannot tell the difference.
 *
 * Under --dry-run nothing is written at all: sets are prepared against the store as it is and their
 * outcome is what preparing says.
 *
 * Several sets may be outstanding; outcomes come back in order of completion from `writer_submit`
 * (when the window is full), `writer_poll` and `writer_flush`, on the caller's thread.
 */
#pragma once

#include "admin/command.h"
#include "registry/change_set.h"

struct writer;

/* One item's outcome. */
struct writer_item {
    enum status status;
    uint64_t version;
};

/* `status` is the set's own; `items` follow the order they were put in. `tag` is the submitter's.
 */
typedef void writer_done(void *context, uint64_t tag, enum status status,
                         const struct writer_item *items, size_t count);

enum status writer_open(struct command_call *call, writer_done *done, void *context,
                        struct writer **out_writer, struct fault *fault);

/* The same for a bulk load of about `bytes` (0: unknown). Without a daemon, and when the store is
 * small beside them, what is written goes into a new store that takes the old one's place, whole
 * and durable, with writer_finish_load; closing without it leaves the old one. */
struct writer_load {
    uint64_t bytes;
    writer_done *done;
    void *context;
};
enum status writer_open_load(struct command_call *call, const struct writer_load *load,
                             struct writer **out_writer, struct fault *fault);

/* Is what was written so far not in its place yet? */
bool writer_is_loading(const struct writer *writer);

/* With nothing outstanding. OK when there is no such load. */
enum status writer_finish_load(struct writer *writer, struct fault *fault);

/* Takes the set (freed by the writer). Blocks while the window (8 sets) is full. */
enum status writer_submit(struct writer *writer, struct change_set *set, uint64_t tag,
                          struct fault *fault);

/* Delivers what has completed, without waiting. */
enum status writer_poll(struct writer *writer, struct fault *fault);

/* Waits for everything outstanding. CLOSED: the daemon went away; sets not reported are unknown. */
enum status writer_flush(struct writer *writer, struct fault *fault);
void writer_close(struct writer *writer);

/* Reading beside: the registry opened read-only (through the daemon's store) or the writer's own.
 */
struct registry *writer_registry(struct writer *writer);

bool writer_is_through_daemon(const struct writer *writer);

/* "uid:0(root)" of this process: the actor of a set made here. */
struct bytes writer_actor(struct writer *writer);

/* One small set, to the end: submit, flush, the first failing item's status. */
enum status writer_write(struct writer *writer, struct change_set *set, struct fault *fault);
