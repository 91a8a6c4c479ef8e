/* SPDX-License-Identifier: Apache-2.0
 *
 * Handles of ours that have no record, but a prefix whose record tells by a template what they
 * would hold (protocol.md §8.7, protocol/template.h).
 *
 * Computed each time it is asked for and never kept: the hot set and the straight copy know stored
 * records only. Nothing but a resolution sees these values: they give no right and are no key.
 */
#pragma once

#include "resolver/exchange.h"
#include "resolver/lookup.h"

/* `found` is what lookup_record left when it said HANDLE_NOT_FOUND. OK: its record has the computed
 * values, in the arena. HANDLE_NOT_FOUND: no template, or none for this handle. ERROR: the name
 * space is not active, or its template is no good (counted and logged); `fault` has what to tell.
 * CORRUPT, NO_MEMORY. */
enum status templated_find(struct exchange *x, struct lookup *found, struct fault *fault);
