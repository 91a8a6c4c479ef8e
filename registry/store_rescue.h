/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading on after a failed commit.
 *
 * When LMDB cannot write its root it refuses readers, too, until the process ends. The file still
 * shows the last commit and nobody writes to it any more (we hold the writer's lock and refuse), so
 * a second environment without LMDB's lock table may read it. It is opened once, by the first
 * reader that needs it.
 */
#pragma once

#include "registry/store.h"

/* A read transaction in it; 0 or LMDB's error. Any thread. */
int store_rescue_begin(struct registry *registry, MDB_txn **out_txn);
