/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of net_libevent share: the loop, and an event with whom to call.
 *
 * Events are embedded in their objects; freeing an object inside its own callback is safe because
 * nothing touches it after the callback and `event_del` takes back what is still to be called.
 */
#pragma once

#include <event2/event.h>
#include <event2/event_struct.h>

#include "resolver/net.h"

struct net {
    struct event_base *base;
    int64_t tick_us; /* step of the loop's clock: so much too early a timer could fire */
    const int *cpus; /* of the workers, borrowed; NULL: sockets are not steered */
    size_t cpu_count;
    int given; /* for the next socket opened; -1: bind one */
};

/* An event and whom to call: what every object is made of. */
struct hook {
    struct event event;
    void (*called)(void *context);
    void *context;
};

/* `fd` may be -1 (timers) or a signal's number. */
void net_libevent_init(struct hook *hook, struct net *net, int fd, short what,
                       void (*called)(void *context), void *context);
void net_libevent_want(struct hook *hook, bool wanted);
/* Once, not before `after_ms` have passed. */
void net_libevent_start(struct hook *hook, const struct net *net, int64_t after_ms);

/* As net_steer asked for; for a socket just bound. */
void net_libevent_steer(const struct net *net, int fd);

/* What net_give left; -1: nothing. */
int net_libevent_take_given(struct net *net);
