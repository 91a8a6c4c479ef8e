/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory of one exchange, one parsed row, one command: taken piece by piece, given back at once.
 *
 * An arena belongs to one thread. It keeps its first block over resets, so that a worker's steady
 * state allocates nothing. What a stranger can make it hold is bounded by `max_bytes`.
 */
#pragma once

#include "protocol/bytes.h"

struct arena;

/* NULL when memory is out. `first_bytes` are taken at once; `max_bytes` bounds all blocks. */
struct arena *arena_new(size_t first_bytes, size_t max_bytes);
void arena_free(struct arena *arena);

/* Aligned for any type, not cleared. NULL when the bound or memory is reached: STATUS_NO_MEMORY. */
void *arena_alloc(struct arena *arena, size_t len);

/* `count` elements of `size` bytes, cleared; NULL on overflow of the product, too. */
void *arena_calloc(struct arena *arena, size_t count, size_t size);

/* A copy in the arena; data is NULL (len kept) when there is no room and `from` was not empty. */
struct bytes arena_copy(struct arena *arena, struct bytes from);

/* A NUL-terminated copy, or NULL. */
char *arena_text(struct arena *arena, struct bytes from);

/* Everything handed out becomes invalid; blocks after the first are freed. */
void arena_reset(struct arena *arena);

/* Bytes handed out since the last reset. */
size_t arena_used(const struct arena *arena);
