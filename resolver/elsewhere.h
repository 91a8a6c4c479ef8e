/* SPDX-License-Identifier: Apache-2.0
 *
 * Records of other nodes that a decision about a request rests on: keys that vouch for somebody,
 * groups that name him (protocol.md §7.4).
 *
 * They are questions like any name's (forward.h), put to primaries and never answered by what is
 * over its time: who lost a right is not to have it for as long as his node is unreachable. What
 * was learnt stays with the exchange over its waits, and for others in the key cache. Bounded: so
 * many of one exchange, all within auth.key_time; so many a minute of one address. Worker's thread.
 */
#pragma once

#include "resolver/exchange.h"

/* May that record be asked for at all: is it of another node, and do the settings let us ask? */
bool elsewhere_is_open(struct exchange *x, struct bytes name);

/* The public values of that record in stored form, count ‖ values, valid until the handler returns.
 * PENDING: it is being asked for, and others may be asked for meanwhile; the handler is run again
 * with each that comes home. SERVER_BUSY: not now, not for this caller. Anything else: it cannot be
 * had. */
enum status elsewhere_find(struct exchange *x, struct bytes name, struct bytes *out_values);
