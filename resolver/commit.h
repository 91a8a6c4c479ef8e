/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of writing (identity.h) that exchange.c calls: taking in what the committer sent back.
 */
#pragma once

#include "resolver/identity.h"

/* Before the operation is run again. */
void commit_take_home(struct exchange *x);
