/* SPDX-License-Identifier: Apache-2.0
 *
 * The thread that prepares a command's change sets while its caller reads on and the committer
 * commits: digesting is a third of a bulk load's work.
 *
 * Sets are prepared in the order they are given, each against what is committed then. Starting,
 * giving and stopping belong to one thread; `failed` is called by the preparing thread.
 */
#pragma once

#include "registry/committer.h"

struct writer_prepare;

/* A set that could not be prepared or handed over, with the reason. */
typedef void writer_prepare_failed(void *context, enum status status);

/* Embedded in whatever a set belongs to. */
struct writer_prepare_set {
    struct change_set *set;
    committer_done *done; /* by the committer's thread */
    writer_prepare_failed *failed;
    void *context;
    struct writer_prepare_set *next;
};

/* SYSTEM, NO_MEMORY, and what taking a snapshot says. */
enum status writer_prepare_start(struct registry *registry, struct committer *committer,
                                 struct writer_prepare **out_prepare);

/* What was not begun fails: CLOSED. NULL is accepted. */
void writer_prepare_stop(struct writer_prepare *prepare);

/* `one` and its set stay the caller's, untouched until one of the two is called. */
void writer_prepare_give(struct writer_prepare *prepare, struct writer_prepare_set *one);
