/* SPDX-License-Identifier: Apache-2.0
 *
 * A bulk load into a store that is still small: into a new store beside it, which takes its place
 * at the end.
 *
 * The new store begins as a copy of the old (prefixes, journal, all) and is written without waiting
 * for the disk; finishing makes it durable, then exchanges the two directories in one step.
 * So whoever looks finds either the old store or the whole new one, also after a power failure; who
 * reads the old one goes on reading it. Both writer's locks are held meanwhile: nobody else writes.
 *
 * `DIR.loading` beside the store's directory is what a load that was cut off leaves; the next load
 * removes it. Owned by one thread.
 */
#pragma once

#include "registry/registry.h"

struct load_file;

/* `store` was opened for writing and stays the caller's, to be closed after the load and not
 * written to any more. NOT_SUPPORTED: it holds more than `max_bytes`, or its directory cannot be
 * exchanged; SYSTEM, STORAGE_FULL, and what opening says: load the ordinary way. */
enum status load_file_begin(struct registry *store, uint64_t max_bytes, struct load_file **out_load,
                            struct fault *fault);

/* Where to write, through a committer as ever; the caller's to close, before the load. */
struct registry *load_file_registry(struct load_file *load);

/* With nothing under way. Durable and in place when OK; from then on its registry is that of a
 * store like any other. Not OK: the old store is as it was, but for STORAGE_FAILED: then it is not
 * known which of the two a power failure would leave. */
enum status load_file_finish(struct load_file *load, struct fault *fault);

/* What was not finished is removed. NULL is accepted. */
void load_file_close(struct load_file *load);
