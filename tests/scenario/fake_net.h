/* SPDX-License-Identifier: Apache-2.0
 *
 * A network and a clock in memory, behind resolver/net.h: what scenario tests link instead of
 * libevent and the kernel.
 *
 * A world holds a clock, a network and any number of `struct net`s (one for each worker or client).
 * Nothing happens by itself and nothing waits: `fake_world_run` lets everything happen that can
 * happen now, `fake_world_advance` moves the clock from timer to timer. The same calls give the
 * same run, always. One thread.
 */
#pragma once

#include "resolver/net.h"

struct fake_world;

struct fake_world *fake_world_new(void);
/* After everything made in it was closed and its nets freed. */
void fake_world_free(struct fake_world *world);

/* A net of this world; `net_free` frees it. `net_new` makes one in a world of its own. */
struct net *fake_world_net(struct fake_world *world);

/* Everything that can happen without time passing. Gives up after a million callbacks. */
void fake_world_run(struct fake_world *world);
/* Fires the timers of the next `ms` in their order, running everything in between. */
void fake_world_advance(struct fake_world *world, int64_t ms);
/* `net_stop` was called. */
bool fake_net_is_stopped(const struct net *net);

/* What becomes of the next datagrams sent, in order; later ones are delivered. */
enum fake_fate {
    FAKE_DELIVER,
    FAKE_LOSE,
    FAKE_TWICE,
    FAKE_HOLD,   /* delivered behind the next one that is delivered */
    FAKE_REFUSE, /* the kernel will not have it, as where there is no route */
};
void fake_world_fates(struct fake_world *world, const enum fake_fate *fates, size_t count);

/* The sockets' buffers take `room` more datagrams and are full then, all together. */
void fake_world_udp_room(struct fake_world *world, size_t room);
/* From now on they take everything again. */
void fake_world_udp_free(struct fake_world *world);

/* A write takes at most `write_max` bytes, and only while fewer than `window` wait unread at the
 * other end. From now on, for all streams; 0: no limit. */
void fake_world_streams(struct fake_world *world, size_t write_max, size_t window);

/* No more bytes will come from this end (shutdown for writing). */
void fake_stream_finish(struct net_stream *stream);
