/* SPDX-License-Identifier: Apache-2.0
 *
 * What UDP may send to whom (goals: floods and amplification; protocol.md §14 rows 17, 78).
 *
 * A source address may be forged, so answers are counted against the address (IPv6: its /64) and
 * against its network (/24, /56), and answers of more than one datagram against a budget of bytes
 * of the network, unless the source has proved that it is where it says by an exchange over TCP.
 *
 * One table for all workers, of fixed size whoever asks: an array of atomic token buckets, found by
 * a hash with a secret key. Sources that share a bucket share its budget; each has two buckets and
 * passes while either has room. Any thread; time is passed in and comes from one clock.
 */
#pragma once

#include "resolver/net.h"

#define BUDGET_PROOF_MS (10 * 60 * 1000)
#define BUDGET_LARGE_BURST 262144 /* the largest message */

struct budget;

struct budget_limits {
    int64_t per_source;  /* answers a second */
    int64_t per_network; /* answers a second */
    int64_t large_bytes; /* bytes a second */
};

enum budget_verdict { BUDGET_PASSES, BUDGET_OVER_SOURCE, BUDGET_OVER_NETWORK };

/* `seed` is the secret key. NULL: no memory. */
struct budget *budget_new(uint64_t seed);
void budget_free(struct budget *budget);

/* Takes one answer out of both budgets; a budget holds one second's worth. */
enum budget_verdict budget_take(struct budget *budget, const struct net_address *peer,
                                const struct budget_limits *limits, int64_t now_ms);

/* May an answer of `bytes`, more than one datagram, leave as a whole? Takes it out of the network's
 * budget unless the source has proved itself. */
bool budget_take_large(struct budget *budget, const struct net_address *peer, size_t bytes,
                       const struct budget_limits *limits, int64_t now_ms);

/* `peer` completed an exchange that needs its true address. */
void budget_prove(struct budget *budget, const struct net_address *peer, int64_t now_ms);
bool budget_is_proved(const struct budget *budget, const struct net_address *peer, int64_t now_ms);
