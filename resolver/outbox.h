/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers that wait until their peer takes them, and all outboxes of a worker: how much they hold,
 * and which peer has taken nothing for the longest time. Belongs to its worker's thread.
 */
#pragma once

#include "resolver/buffer.h"
#include "resolver/metrics.h"

struct outbox {
    struct buffer kept;
    size_t at;      /* what stands before it is with the kernel */
    size_t answers; /* put in since it was last empty */
    size_t counted; /* in the list's bytes */
    struct outbox *next;
    struct outbox *previous;
    bool is_listed;
};

/* Those that hold something, in the order in which their peers took bytes last. */
struct outbox_list {
    struct outbox *first;
    struct outbox *last;
    size_t bytes; /* memory of all; METRIC_tcp_output_bytes */
    struct metrics_slot *metrics;
};

static inline size_t outbox_waiting(const struct outbox *box)
{
    return box->kept.len - box->at;
}

/* What waits; borrowed until the next change. */
struct bytes outbox_rest(const struct outbox *box);
/* `len` bytes of it are with the kernel. */
void outbox_took(struct outbox *box, struct outbox_list *list, size_t len);
/* Keeps a copy of answers behind what waits; false: no memory. */
bool outbox_keep(struct outbox *box, struct outbox_list *list, struct bytes data, size_t answers);
void outbox_clear(struct outbox *box, struct outbox_list *list);
