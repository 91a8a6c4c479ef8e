/* SPDX-License-Identifier: Apache-2.0
 *
 * Is a file what LMDB 0.9 writes? Looked at page by page before LMDB maps it, as LMDB itself
 * believes what it finds there.
 */
#pragma once

#include "protocol/status.h"

/* The newest commit of the file: every page it reaches is inside the file, of the kind expected,
 * reached once and not free; every node lies inside its page; the figures of each tree are right.
 * OK; CORRUPT; NO_MEMORY; STORAGE_FAILED: cannot be read. */
enum status cache_check(int fd, uint64_t max_bytes);
