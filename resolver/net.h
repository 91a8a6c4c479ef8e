/* SPDX-License-Identifier: Apache-2.0
 *
 * The outside world of a thread: loop, clock, timers, sockets. The scenario-test seam.
 *
 * net_libevent.c implements it with libevent as reactor and plain system calls; scenario tests link
 * a fake network and clock instead (tests/scenario/fake_net.c). A `struct net` and everything made
 * from it belong to one thread, except `net_wake_signal`. Callbacks run on that thread from
 * `net_run`; closing the object a callback belongs to from inside it is allowed.
 */
#pragma once

#include <sys/types.h>

#include "protocol/bytes.h"
#include "protocol/status.h"

struct net;

/* IPv4 is kept as ::ffff:a.b.c.d, so that one form compares, hashes and prints. */
struct net_address {
    uint8_t ip[16];
    uint16_t port;
    uint32_t scope; /* link-local IPv6 only */
};

#define NET_ADDRESS_TEXT 64 /* "[2001:db8::1%2]:2641" and the NUL */

bool net_address_is_ipv4(const struct net_address *address);
bool net_address_is_loopback(const struct net_address *address);
bool net_address_is_wildcard(const struct net_address *address); /* 0.0.0.0 or :: */
/* One host on the open Internet: not loopback, link-local, of a private or shared network (RFC
 * 1918, 4193, 6598), multicast or reserved. */
bool net_address_is_public(const struct net_address *address);
bool net_address_equal(const struct net_address *a, const struct net_address *b);
/* Numeric only: "127.0.0.1", "::1", "fe80::1%lo". BAD_SYNTAX. */
enum status net_address_parse(const char *ip, uint16_t port, struct net_address *out_address);
/* "127.0.0.1:2641", "[::1]:2641"; port 0: the bare address. */
void net_address_text(const struct net_address *address, char out[NET_ADDRESS_TEXT]);

enum status net_new(struct net **out_net);
void net_free(struct net *net);

/* Runs callbacks until `net_stop`. */
void net_run(struct net *net);
void net_stop(struct net *net);

/* A UDP or listening TCP socket somebody else bound: the next net_udp_open or net_listen of this
 * net serves it, whatever address they are told. `fd` stays the caller's, and several nets may
 * serve one socket: each takes a descriptor of its own. SYSTEM: out of descriptors. */
enum status net_give(struct net *net, int fd);

/* Of sockets that several nets bind to one address, the i-th takes what the kernel handles on
 * `cpus[i]`: for those this net binds from now on; `cpus` is borrowed as long as it lives. Without
 * it the kernel chooses by a hash. NOT_SUPPORTED: it will not do otherwise. */
enum status net_steer(struct net *net, const int *cpus, size_t count);

int64_t net_now_ms(struct net *net);  /* monotonic */
int64_t net_now_us(struct net *net);  /* the same clock, for what is told to people */
int64_t net_wall_ms(struct net *net); /* since 1970; for records, answers and logs */

/* --- timers ---------------------------------------------------------------------------------- */
struct net_timer;
typedef void net_timer_fired(void *context);
enum status net_timer_new(struct net *net, net_timer_fired *fired, void *context,
                          struct net_timer **out_timer);
void net_timer_start(struct net_timer *timer, int64_t after_ms); /* once; restarts a running one */
void net_timer_stop(struct net_timer *timer);
void net_timer_free(struct net_timer *timer);

/* --- waking another thread's loop (mailboxes) ---------------------------------------------------
 */
struct net_wake;
typedef void net_wake_called(void *context);
enum status net_wake_new(struct net *net, net_wake_called *called, void *context,
                         struct net_wake **out_wake);
void net_wake_signal(struct net_wake *wake); /* any thread; several signals may become one call */
void net_wake_free(struct net_wake *wake);

/* --- descriptors of somebody else (a library's sockets) ------------------------------------------
 */
struct net_watch;
typedef void net_watch_ready(void *context, int fd, bool is_readable, bool is_writable);
/* `fd` stays the caller's and outlives the watch. */
enum status net_watch_new(struct net *net, int fd, net_watch_ready *ready, void *context,
                          struct net_watch **out_watch);
void net_watch_want(struct net_watch *watch, bool readable, bool writable);
void net_watch_free(struct net_watch *watch);

/* --- UDP
 * ------------------------------------------------------------------------------------------- */
struct net_udp;
struct net_datagram {
    uint8_t *data;
    size_t len;  /* received or to send */
    size_t size; /* room at `data` when receiving */
    size_t
        piece; /* sending: leaves as datagrams of so many bytes, the last one shorter; 0: as one */
    struct net_address peer;
    struct net_address local; /* the address it came to; answers leave from it (wildcard sockets) */
};
typedef void net_udp_readable(void *context);
typedef void net_udp_writable(void *context);
/* SO_REUSEPORT, so that every worker has a socket of its own on the same port. */
enum status net_udp_open(struct net *net, const struct net_address *address,
                         net_udp_readable *readable, void *context, struct net_udp **out_udp,
                         struct fault *fault);
/* For asking one peer: from a port of the kernel's choice that is nobody else's, and what others
 * send does not arrive. UNREACHABLE, SYSTEM, NO_MEMORY. */
enum status net_udp_connect(struct net *net, const struct net_address *peer,
                            net_udp_readable *readable, void *context, struct net_udp **out_udp);
void net_udp_close(struct net_udp *udp);
struct net_address net_udp_local(const struct net_udp *udp);
/* One recvmmsg: how many arrived, 0 when none waits. */
size_t net_udp_receive(struct net_udp *udp, struct net_datagram *datagrams, size_t count);

/* What became of a batch. Each entry goes whole or not at all as far as the kernel lets it: one
 * whose first piece is refused sends none, and where the socket's buffer filled in its midst the
 * caller can send what is left. */
struct net_pushed {
    size_t datagrams; /* that left, pieces counted each */
    size_t refused;   /* that the kernel would not have: lost */
    size_t cut;       /* entries of which some pieces left and the others were refused */
    size_t done;      /* entries dealt with; fewer than asked: the socket's buffer is full */
    size_t partial;   /* bytes of the entry behind those which left; a multiple of its pieces */
};
/* sendmmsg until all are with the kernel or its buffer is full. Pieces are cut by the kernel where
 * it can (UDP_SEGMENT). */
struct net_pushed net_udp_push(struct net_udp *udp, const struct net_datagram *datagrams,
                               size_t count);
/* The same for who does not care: how many datagrams left. */
static inline size_t net_udp_send(struct net_udp *udp, const struct net_datagram *datagrams,
                                  size_t count)
{
    return net_udp_push(udp, datagrams, count).datagrams;
}
/* Calls `writable` with the socket's context while its buffer has room; NULL: no more. */
void net_udp_want_writable(struct net_udp *udp, net_udp_writable *writable);

/* --- streams (TCP, Unix)
 * ----------------------------------------------------------------------------- */
struct net_stream;
struct net_stream_events {
    void (*readable)(void *context);
    void (*writable)(void *context);                   /* also: the connection asked for is made */
    void (*failed)(void *context, enum status status); /* UNREACHABLE, CLOSED, SYSTEM */
};
enum status net_connect(struct net *net, const struct net_address *address,
                        const struct net_stream_events *events, void *context,
                        struct net_stream **out_stream);
enum status net_connect_unix(struct net *net, const char *path,
                             const struct net_stream_events *events, void *context,
                             struct net_stream **out_stream);
void net_stream_close(struct net_stream *stream);
void net_stream_set_events(struct net_stream *stream, const struct net_stream_events *events,
                           void *context);
/* Which callbacks are wanted; an accepted stream starts with none. */
void net_stream_want(struct net_stream *stream, bool readable, bool writable);
/* OK with `*out_len` > 0; PENDING: nothing now; CLOSED: end of file or reset. */
enum status net_stream_read(struct net_stream *stream, uint8_t *buffer, size_t size,
                            size_t *out_len);
/* OK with what the kernel took (possibly less); PENDING: nothing now; CLOSED. */
enum status net_stream_write(struct net_stream *stream, struct bytes data, size_t *out_len);
/* Nothing more is written: the peer reads the end behind what was. */
void net_stream_finish(struct net_stream *stream);
struct net_address net_stream_peer(const struct net_stream *stream);
/* Unix streams: who is at the other end. */
struct net_credentials {
    uid_t uid;
    gid_t gid;
    pid_t pid;
};
enum status net_stream_credentials(const struct net_stream *stream, struct net_credentials *out);

struct net_listener;
typedef void net_accepted(void *context,
                          struct net_stream *stream); /* the stream is the callee's; NULL: one
                                                       * waits that there is no descriptor or
                                                       * memory for, it is tried again */
/* TCP: SO_REUSEPORT, TCP_NODELAY. */
enum status net_listen(struct net *net, const struct net_address *address, net_accepted *accepted,
                       void *context, struct net_listener **out_listener, struct fault *fault);
/* Replaces a socket file nobody listens on; mode 0660. */
enum status net_listen_unix(struct net *net, const char *path, net_accepted *accepted,
                            void *context, struct net_listener **out_listener, struct fault *fault);
struct net_address net_listener_local(const struct net_listener *listener);
/* Accepts what waits now: closing resets connections that were made but not yet accepted. */
void net_listener_flush(struct net_listener *listener);
void net_listener_close(struct net_listener *listener);

/* --- signals: the main thread's net only
 * ---------------------------------------------------------------- */
struct net_signal;
typedef void net_signalled(void *context);
enum status net_signal_new(struct net *net, int number, net_signalled *signalled, void *context,
                           struct net_signal **out_signal);
void net_signal_free(struct net_signal *signal);
