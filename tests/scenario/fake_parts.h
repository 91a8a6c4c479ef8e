/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the fake network share: its objects and lists. Private to fake_*.c.
 */
#pragma once

#include "tests/scenario/fake_net.h"

#define FAKE_FATES_MAX 64
#define FAKE_PATH_ROOM 108

/* First member of everything that hangs in a list. */
struct link {
    struct link *next;
};

struct net {
    struct fake_world *world;
    bool owns_world;
    bool is_stopped;
};

struct net_timer {
    struct link link;
    struct net *net;
    bool is_running;
    int64_t at_ms;
    uint64_t order; /* timers of one instant fire as they were started */
    net_timer_fired *fired;
    void *context;
};

struct net_wake {
    struct link link;
    bool is_signalled;
    struct fake_world *world;
    net_wake_called *called;
    void *context;
};

struct datagram {
    struct link link;
    struct net_address from;
    struct net_address to;
    size_t len;
    uint8_t data[];
};

struct net_udp {
    struct link link;
    struct fake_world *world;
    struct net_address local;
    struct link *inbox;
    net_udp_readable *readable;
    net_udp_writable *writable; /* NULL: not asked for */
    void *context;
};

struct net_stream {
    struct link link;
    struct fake_world *world;
    struct net_stream *peer; /* NULL: gone */
    struct net_address peer_address;
    bool is_connecting;
    bool is_finished; /* no more bytes come from the other end */
    bool is_reset;
    bool wants_read;
    bool wants_write;
    uint8_t *inbox;
    size_t inbox_len;
    struct net_stream_events events;
    void *context;
};

struct net_listener {
    struct link link;
    struct fake_world *world;
    struct net_address local;
    char path[FAKE_PATH_ROOM]; /* Unix: not empty */
    struct link *backlog;      /* streams to be accepted */
    net_accepted *accepted;
    void *context;
};

struct net_signal {
    net_signalled *signalled;
    void *context;
};

struct fake_world {
    int64_t now_ms;
    uint64_t order;
    uint16_t next_port;
    struct link *timers;
    struct link *wakes;
    struct link *udps;
    struct link *listeners;
    struct link *streams;
    enum fake_fate fates[FAKE_FATES_MAX];
    size_t fate_count;
    size_t fate_at;
    struct datagram *held;
    bool is_udp_limited;
    size_t udp_room;
    size_t write_max;
    size_t window;
};

void fake_link_add(struct link **list, struct link *item);
void fake_link_remove(struct link **list, const struct link *item);
struct link *fake_link_take_first(struct link **list);

/* Cleared; tests have memory. */
void *fake_allocate(size_t size);

/* Port 0 becomes a free one. */
struct net_address fake_bind(struct fake_world *world, const struct net_address *address);
/* Does a socket bound to `local` take what is sent to `to`? */
bool fake_takes(const struct net_address *local, const struct net_address *to);
/* Where somebody bound to a wildcard speaks from. */
void fake_set_loopback(struct net_address *address, const struct net_address *to);

/* Do the sockets take another datagram? */
bool fake_udp_has_room(const struct fake_world *world);
/* How many of `len` bytes may be put into the inbox of `peer` now. */
size_t fake_room_at(const struct net_stream *peer, size_t len);
