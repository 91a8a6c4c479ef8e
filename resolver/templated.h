/* SPDX-License-Identifier: Apache-2.0
 *
 * Handles of ours that have no record, but a prefix whose record tells by a template what they
 * would hold (protocol.md §8.7, protocol/template.h).
 *
 * What it costs is bounded twice: protocol/template.h bounds an answer, and of a worker's time no
 * more than a part goes into answers that cost more than usual, so that a flood for names of a dear
 * template leaves the other names theirs.
 *
 * Computed each time it is asked for and never kept: the hot set and the straight copy know stored
 * records only. Nothing but a resolution sees these values: they give no right and are no key.
 */
#pragma once

#include "resolver/exchange.h"
#include "resolver/lookup.h"

/* A worker's, from zero on. */
struct templated_purse {
    uint64_t units; /* of effort that may be spent beyond the usual */
    int64_t at_ms;  /* when that was so */
};

/* `found` is what lookup_record left when it said HANDLE_NOT_FOUND. OK: its record has the computed
 * values, in the arena. HANDLE_NOT_FOUND: no template, or none for this handle. ERROR: the name
 * space is not active, or its template is no good (counted and logged); `fault` has what to tell.
 * SERVER_BUSY: the worker has spent too much on such answers; CORRUPT, NO_MEMORY. */
enum status templated_find(struct exchange *x, struct lookup *found, struct fault *fault);
