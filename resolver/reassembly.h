/* SPDX-License-Identifier: Apache-2.0
 *
 * UDP messages that arrive in several datagrams (protocol.md §3.3, §14 rows 12-17).
 *
 * One table for all workers of a node: the kernel spreads datagrams by address and port, but a
 * reload may move them. Sharded by source, each shard under a mutex, held for one copy of at most
 * 492 bytes. A set is known by source address, port and request id; it is given up after
 * REASSEMBLY_TIMEOUT_MS, or sooner when a younger one needs its bytes. Memory of all sets and sets
 * per source are bounded.
 */
#pragma once

#include "protocol/fragment.h"
#include "resolver/net.h"

#define REASSEMBLY_TIMEOUT_MS 5000

struct reassembly;

struct reassembly_limits {
    size_t bytes; /* of all unfinished sets */
    size_t sets_per_source;
};

enum reassembly_outcome {
    REASSEMBLY_WAITING,  /* kept (or a duplicate of what is kept) */
    REASSEMBLY_CROWDED,  /* the same, at the cost of older unfinished messages */
    REASSEMBLY_COMPLETE, /* the message is handed out */
    REASSEMBLY_MISMATCH, /* pieces disagree: the set was dropped */
    REASSEMBLY_REFUSED,  /* a limit is reached, or no memory */
};

struct reassembly *reassembly_new(uint64_t seed);
void reassembly_free(struct reassembly *reassembly);

/* Takes a datagram that `fragment_classify` called a piece. COMPLETE: `out_packet` holds the whole
 * packet; the caller gives it back with `reassembly_release`. Any thread. */
enum reassembly_outcome reassembly_add(struct reassembly *reassembly,
                                       const struct reassembly_limits *limits, int64_t now_ms,
                                       const struct net_address *peer, struct bytes datagram,
                                       struct bytes *out_packet);
void reassembly_release(struct bytes packet);

/* Gives up what is older than the time-out; how many sets were given up since the last sweep, for
 * whatever reason. Any thread. */
size_t reassembly_sweep(struct reassembly *reassembly, int64_t now_ms);

size_t reassembly_bytes(const struct reassembly *reassembly);
