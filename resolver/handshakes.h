/* SPDX-License-Identifier: Apache-2.0
 *
 * How many steps of TLS handshakes a worker makes before it looks at everything else again: each
 * may cost a signature, a millisecond in which nobody is answered. The others wait for their turn
 * in the order they came. Worker's thread.
 */
#pragma once

#include <stdbool.h>

#include "protocol/status.h"

#define HANDSHAKES_PER_TURN 2

struct handshakes;
struct stream;
struct worker;

enum status handshakes_new(struct worker *worker, struct handshakes **out_handshakes);
/* NULL is allowed; nobody waits any more. */
void handshakes_free(struct handshakes *handshakes);

/* true: a step may be made now. false: stream_on_readable is called when it may. */
bool handshakes_take(struct handshakes *handshakes, struct stream *stream);

/* The stream ends. */
void handshakes_leave(struct handshakes *handshakes, struct stream *stream);
