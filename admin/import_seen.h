/* SPDX-License-Identifier: Apache-2.0
 *
 * Which handles a run has met: hashes of their folded forms, in bounded memory.
 *
 * When the bound is reached (about four million handles) later repetitions go unnoticed; nothing
 * else changes. Owned by one thread.
 */
#pragma once

#include "protocol/bytes.h"

struct import_seen;

struct import_seen *import_seen_new(size_t max_bytes);
void import_seen_free(struct import_seen *seen);

/* Notes `folded` at `place` (> 0). Returns the place it was met at last, 0 when it is new. */
uint64_t import_seen_add(struct import_seen *seen, struct bytes folded, uint64_t place);

bool import_seen_is_full(const struct import_seen *seen);
