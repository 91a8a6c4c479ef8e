/* SPDX-License-Identifier: Apache-2.0
 *
 * Sending datagrams in batches from one UDP socket; behind net_udp_push. Large ones are handed over
 * as a whole and cut by the kernel (UDP_SEGMENT): one walk through its send path instead of one for
 * each piece. Belongs to the socket's thread.
 */
#pragma once

#include "resolver/net.h"

struct net_sender {
    int fd;                   /* borrowed */
    struct net_address bound; /* the socket's own address */
    bool segments;            /* until the kernel once refuses to cut what it takes in pieces */
};

void net_send_init(struct net_sender *sender, int fd);

/* As net_udp_push. */
struct net_pushed net_send_batch(struct net_sender *sender, const struct net_datagram *datagrams,
                                 size_t count);
