/* SPDX-License-Identifier: Apache-2.0
 *
 * The store's files below LMDB: the directory, the writer's lock, the data file's length.
 *
 * Nothing here reads a mapped page before the length is known to be right: a page behind the end of
 * the file would end the process.
 */
#pragma once

#include <lmdb.h>

#include "protocol/status.h"
#include "registry/registry.h"

/* Opens the directory, making it when allowed. SYSTEM with the reason. */
enum status store_file_open_directory(const struct registry_options *options, int *out_fd,
                                      struct fault *fault);

/* Is the directory opened still the one that `path` names? */
bool store_file_is_at(int directory_fd, const char *path);

/* Takes the writer's lock and leaves our pid in it. LOCKED names the other's. */
enum status store_file_lock(const char *path, int directory_fd, int *out_fd, struct fault *fault);

/* Makes the names of the store's files, and of its directory, survive a power failure. */
enum status store_file_settle(int directory_fd);

/* A descriptor of its own on the data file: the kernel tells each descriptor once when pages that
 * were written could not be kept. -1 with errno. */
int store_file_watch(int directory_fd);

/* After a commit failed for want of room: could pages have been lost, so that what comes next might
 * be built on them? False only when no page was dropped and the file system really has less than
 * `reserve_bytes` left, that is, when a plain write found no room. */
bool store_file_tells_loss(int sync_fd, uint64_t reserve_bytes);

/* Did whoever began to make this store never finish? True only for a file that holds no more than
 * LMDB's two first pages, neither of which ever named a commit: nothing was stored in it. */
bool store_file_is_unmade(int directory_fd);

/* Under the writer's lock: empties such a file, so that the store is made anew. */
enum status store_file_discard_unmade(int directory_fd);

/* Bytes of the data file, 0 when there is none. */
uint64_t store_file_bytes(int directory_fd);

/* Is every page up to the last one inside the file? LMDB does not write pages that a transaction
 * took and gave back, so a sound file may end early: `may_write` extends it over such free pages,
 * a reader waits up to 200 ms for the writer beside it to do so. CORRUPT when a page in use is
 * missing. */
enum status store_file_check(MDB_env *env, bool may_write, struct fault *fault);

/* After a commit: extends the file over free pages at its end that LMDB left unwritten. */
void store_file_cover(MDB_env *env);
