/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads the store's file into memory in the background, from its start to its end, so that a node
 * is at full speed soon after a start and not only when everything was asked for once.
 *
 * A thread of its own with the lowest priority; it touches the file and the log, nothing else. What
 * does not fit into memory is not read: it would only push out what is asked for.
 */
#pragma once

#include "protocol/status.h"
#include "resolver/log.h"

struct warmup;

struct warmup_options {
    const char *path;      /* of the file; borrowed until warmup_stop */
    uint64_t memory_bytes; /* the file may have; larger ones are left alone */
    struct log *log;       /* borrowed; NULL: says nothing */
};

/* SYSTEM: no thread. Everything else is said in the log: a node serves without it. */
enum status warmup_start(const struct warmup_options *options, struct warmup **out_warmup);

bool warmup_is_over(const struct warmup *warmup);
/* How far it read. */
uint64_t warmup_bytes(const struct warmup *warmup);

/* Ends it within a piece and frees it; NULL is allowed. */
void warmup_stop(struct warmup *warmup);
