/* SPDX-License-Identifier: Apache-2.0
 *
 * A list of blocks, the newest first; allocation moves a mark in the newest. See arena.h.
 */
#include "protocol/arena.h"

#include <stdalign.h>
#include <stdlib.h>

struct block {
    struct block *older;
    size_t size;
    size_t used;
    alignas(max_align_t) uint8_t data[];
};

struct arena {
    struct block *newest;
    size_t max_bytes;
    size_t held_bytes; /* sum of the blocks' sizes */
    size_t used_bytes;
};

static struct block *block_new(size_t size)
{
    struct block *block = malloc(sizeof(*block) + size);
    if (block != NULL) {
        block->older = NULL;
        block->size = size;
        block->used = 0;
    }
    return block;
}

struct arena *arena_new(size_t first_bytes, size_t max_bytes)
{
    struct arena *arena = calloc(1, sizeof(*arena));
    if (arena == NULL) {
        return NULL;
    }
    arena->newest = block_new(first_bytes);
    if (arena->newest == NULL) {
        free(arena);
        return NULL;
    }
    arena->max_bytes = max_bytes < first_bytes ? first_bytes : max_bytes;
    arena->held_bytes = first_bytes;
    return arena;
}

void arena_free(struct arena *arena)
{
    if (arena == NULL) {
        return;
    }
    arena_reset(arena);
    free(arena->newest);
    free(arena);
}

/* Makes a block that holds `len` bytes the newest; false when the bound or memory is reached. */
static bool arena_grow(struct arena *arena, size_t len)
{
    size_t size = arena->newest->size < len ? len : arena->newest->size;
    size_t left = arena->max_bytes - arena->held_bytes;
    if (size > left) {
        size = len;
    }
    if (size > left) {
        return false;
    }
    struct block *block = block_new(size);
    if (block == NULL) {
        return false;
    }
    block->older = arena->newest;
    arena->newest = block;
    arena->held_bytes += size;
    return true;
}

void *arena_alloc(struct arena *arena, size_t len)
{
    const size_t align = alignof(max_align_t);
    if (len > SIZE_MAX - align) {
        return NULL;
    }
    size_t rounded = len == 0 ? align : (len + align - 1) / align * align;
    if (rounded > arena->newest->size - arena->newest->used && !arena_grow(arena, rounded)) {
        return NULL;
    }
    void *piece = arena->newest->data + arena->newest->used;
    arena->newest->used += rounded;
    arena->used_bytes += rounded;
    return piece;
}

void *arena_calloc(struct arena *arena, size_t count, size_t size)
{
    size_t len = 0;
    if (__builtin_mul_overflow(count, size, &len)) {
        return NULL;
    }
    void *piece = arena_alloc(arena, len);
    if (piece != NULL) {
        memset(piece, 0, len);
    }
    return piece;
}

struct bytes arena_copy(struct arena *arena, struct bytes from)
{
    if (from.len == 0) {
        return BYTES_NONE;
    }
    uint8_t *piece = arena_alloc(arena, from.len);
    if (piece != NULL) {
        memcpy(piece, from.data, from.len);
    }
    return bytes_of(piece, from.len);
}

char *arena_text(struct arena *arena, struct bytes from)
{
    char *text = arena_alloc(arena, from.len + 1);
    if (text != NULL) {
        if (from.len > 0) {
            memcpy(text, from.data, from.len);
        }
        text[from.len] = '\0';
    }
    return text;
}

void arena_reset(struct arena *arena)
{
    while (arena->newest->older != NULL) {
        struct block *older = arena->newest->older;
        arena->held_bytes -= arena->newest->size;
        free(arena->newest);
        arena->newest = older;
    }
    arena->newest->used = 0;
    arena->used_bytes = 0;
}

size_t arena_used(const struct arena *arena)
{
    return arena->used_bytes;
}
