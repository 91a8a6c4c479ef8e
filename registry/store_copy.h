/* SPDX-License-Identifier: Apache-2.0
 *
 * The store as it is at one instant, page by page, while others write to it.
 *
 * LMDB copies inside one read transaction, on a thread of its own and through a pipe, so that the
 * taker counts, digests and may stop at any moment. Pages freed by later commits are kept
 * meanwhile: the store grows by what is written during the copy, which is why the taker should
 * write to a local disk and wait for nobody. Any thread; the registry may be read-only beside a
 * writer.
 */
#pragma once

#include "registry/registry.h"

/* Takes the next piece; anything but OK ends the copy. */
typedef enum status store_copy_taker(void *context, struct bytes piece);

/* What a copy taken now would come to. */
enum status store_copy_expect(struct registry *registry, uint64_t *out_bytes);

/* Hands the whole data file to `take`. The taker's failure is returned as it is. */
enum status store_copy(struct registry *registry, store_copy_taker *take, void *context);

/* How long the copied file in `directory` (a data.mdb) must be: LMDB leaves pages at the end of a
 * store unwritten that nobody uses; the missing bytes are zeros. */
enum status store_copy_length(const char *directory, uint64_t *out_bytes, struct fault *fault);
