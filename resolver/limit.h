/* SPDX-License-Identifier: Apache-2.0
 *
 * Telling that a limit was reached: a metric each time, a line in the log at most once a second for
 * each limit, so that a flood fills no disk.
 */
#pragma once

#include "resolver/net.h"

enum limit {
    LIMIT_UDP_PER_SOURCE,
    LIMIT_UDP_PER_NETWORK,
    LIMIT_UDP_LARGE,
    LIMIT_REASSEMBLY,
    LIMIT_REASSEMBLY_BYTES,
    LIMIT_CONNECTIONS,
    LIMIT_CONNECTIONS_PER_SOURCE,
    LIMIT_PIPELINED,
    LIMIT_OUTPUT,
    LIMIT_FIRST_REQUEST,
    LIMIT_HANDSHAKE,
    LIMIT_HANDSHAKES,
    LIMIT_MESSAGE,
    LIMIT_PARKED,
    LIMIT_CERTIFIED,
    LIMIT_TRUST,
    LIMIT_VERIFY,
    LIMIT_CHALLENGES,
    LIMIT_SESSIONS,
    LIMIT_DUPLICATES,
    LIMIT_CROWDED,
    LIMIT_ELSEWHERE,
    LIMIT_WRONG_ANSWERS,
    LIMIT_DESCRIPTORS,
    LIMIT_COUNT
};

struct worker;

/* `peer` is whom it hit, or who made it hit others; it is named in the line. NULL: nobody in
 * particular. */
void limit_hit(const struct worker *worker, enum limit limit, const struct net_address *peer);
/* The same, `count` times at once; 0: not at all. */
void limit_hits(const struct worker *worker, enum limit limit, const struct net_address *peer,
                size_t count);
