/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the keys of an identity come from: the records of this node, else their own (key_remote.h).
 */
#pragma once

#include "resolver/verify.h"

/* Fills in the keys of asked->handle with that index (0: all), borrowed until the handler returns.
 * What this node holds is remembered for the commit. PENDING: they are being asked for.
 * NOT_RESPONSIBLE: a secret key of another node, which has to judge itself (key_remote_verify).
 * UNABLE_TO_AUTHENTICATE: there are none, or they cannot be had. */
enum status key_source_find(struct exchange *x, uint32_t index, struct verify_case *asked);
