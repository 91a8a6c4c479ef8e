/* SPDX-License-Identifier: Apache-2.0
 *
 * net.h on libevent as reactor: plain events around plain system calls (net_socket.c). No
 * bufferevents (they cost 1.2 x on TCP), no locks: a base belongs to one thread, and the one thing
 * other threads may do, `net_wake_signal`, writes to an eventfd.
 *
 * Events are embedded in their objects; freeing an object inside its own callback is safe because
 * nothing touches it after the callback and `event_del` takes back what is still to be called.
 */
#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "resolver/net.h"
#include "resolver/net_socket.h"

#define ACCEPT_BATCH 64
#define ACCEPT_FLUSH 4096   /* more than a queue holds, yet a flood must not hold an end up */
#define ACCEPT_PAUSE_MS 100 /* when the process is out of descriptors */

struct net {
    struct event_base *base;
    int given; /* for the next socket opened; -1: bind one */
};

/* An event and whom to call: what every object below is made of. */
struct hook {
    struct event event;
    void (*called)(void *context);
    void *context;
};

struct net_timer {
    struct hook hook;
};

struct net_wake {
    struct hook hook;
    int fd;
    net_wake_called *called;
    void *context;
};

struct net_udp {
    struct hook hook;
    int fd;
    struct net_address local;
};

struct net_stream {
    struct hook reading;
    struct hook writing;
    int fd;
    bool is_connecting;
    bool wants_read;
    bool wants_write;
    struct net_address peer;
    struct net_stream_events events;
    void *context;
};

struct net_listener {
    struct hook hook;
    struct hook pause;
    struct net *net;
    int fd;
    bool is_given; /* somebody else holds it, too */
    bool is_accepting;
    bool is_closed; /* while accepting: freed afterwards */
    net_accepted *accepted;
    void *context;
};

struct net_signal {
    struct hook hook;
};

static void hook_on_event(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct hook *hook = context;
    hook->called(hook->context);
}

/* `fd` may be -1 (timers) or a signal's number. */
static void hook_init(struct hook *hook, struct net *net, int fd, short what,
                      void (*called)(void *context), void *context)
{
    hook->called = called;
    hook->context = context;
    (void)event_assign(&hook->event, net->base, fd, what, hook_on_event, hook);
}

static void hook_want(struct hook *hook, bool wanted)
{
    if (wanted) {
        (void)event_add(&hook->event, NULL);
    } else {
        (void)event_del(&hook->event);
    }
}

static void hook_start(struct hook *hook, int64_t after_ms)
{
    int64_t ms = after_ms < 0 ? 0 : after_ms;
    struct timeval after = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    (void)event_add(&hook->event, &after);
}

/* --- loop and clock -------------------------------------------------------------------------- */

enum status net_new(struct net **out_net)
{
    struct net *net = calloc(1, sizeof(*net));
    struct event_config *config = net == NULL ? NULL : event_config_new();
    if (config == NULL) {
        free(net);
        return STATUS_NO_MEMORY;
    }
    (void)event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_PRECISE_TIMER);
    net->base = event_base_new_with_config(config);
    event_config_free(config);
    if (net->base == NULL) {
        free(net);
        return STATUS_SYSTEM;
    }
    net->given = -1;
    *out_net = net;
    return STATUS_OK;
}

void net_free(struct net *net)
{
    if (net != NULL) {
        (void)close(net->given); /* most often there is none */
        event_base_free(net->base);
        free(net);
    }
}

enum status net_give(struct net *net, int fd)
{
    assert(net->given < 0);
    return net_socket_adopt(fd, &net->given);
}

static int take_given(struct net *net)
{
    int fd = net->given;
    net->given = -1;
    return fd;
}

void net_run(struct net *net)
{
    (void)event_base_loop(net->base, EVLOOP_NO_EXIT_ON_EMPTY);
}

void net_stop(struct net *net)
{
    (void)event_base_loopbreak(net->base);
}

static int64_t clock_us(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t net_now_us(struct net *net)
{
    (void)net;
    return clock_us(CLOCK_MONOTONIC);
}

int64_t net_now_ms(struct net *net)
{
    return net_now_us(net) / 1000;
}

int64_t net_wall_ms(struct net *net)
{
    (void)net;
    return clock_us(CLOCK_REALTIME) / 1000;
}

/* --- timers ---------------------------------------------------------------------------------- */

enum status net_timer_new(struct net *net, net_timer_fired *fired, void *context,
                          struct net_timer **out_timer)
{
    struct net_timer *timer = calloc(1, sizeof(*timer));
    if (timer == NULL) {
        return STATUS_NO_MEMORY;
    }
    hook_init(&timer->hook, net, -1, 0, fired, context);
    *out_timer = timer;
    return STATUS_OK;
}

void net_timer_start(struct net_timer *timer, int64_t after_ms)
{
    hook_start(&timer->hook, after_ms);
}

void net_timer_stop(struct net_timer *timer)
{
    hook_want(&timer->hook, false);
}

void net_timer_free(struct net_timer *timer)
{
    if (timer != NULL) {
        hook_want(&timer->hook, false);
        free(timer);
    }
}

/* --- waking ---------------------------------------------------------------------------------- */

static void wake_on_readable(void *context)
{
    struct net_wake *wake = context;
    uint64_t signals = 0;
    if (read(wake->fd, &signals, sizeof(signals)) == (ssize_t)sizeof(signals)) {
        wake->called(wake->context);
    }
}

enum status net_wake_new(struct net *net, net_wake_called *called, void *context,
                         struct net_wake **out_wake)
{
    struct net_wake *wake = calloc(1, sizeof(*wake));
    if (wake == NULL) {
        return STATUS_NO_MEMORY;
    }
    wake->called = called;
    wake->context = context;
    wake->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (wake->fd < 0) {
        free(wake);
        return STATUS_SYSTEM;
    }
    hook_init(&wake->hook, net, wake->fd, EV_READ | EV_PERSIST, wake_on_readable, wake);
    hook_want(&wake->hook, true);
    *out_wake = wake;
    return STATUS_OK;
}

void net_wake_signal(struct net_wake *wake)
{
    uint64_t one = 1;
    ssize_t written = write(wake->fd, &one, sizeof(one));
    (void)written; /* EAGAIN: the counter is full, so the loop will wake anyway */
}

void net_wake_free(struct net_wake *wake)
{
    if (wake != NULL) {
        hook_want(&wake->hook, false);
        (void)close(wake->fd);
        free(wake);
    }
}

/* --- UDP ------------------------------------------------------------------------------------- */

enum status net_udp_open(struct net *net, const struct net_address *address,
                         net_udp_readable *readable, void *context, struct net_udp **out_udp,
                         struct fault *fault)
{
    struct net_udp *udp = calloc(1, sizeof(*udp));
    if (udp == NULL) {
        return fault_set(fault, STATUS_NO_MEMORY, "out of memory");
    }
    udp->fd = take_given(net);
    enum status status = udp->fd < 0 ? net_socket_udp(address, &udp->fd, fault) : STATUS_OK;
    if (status != STATUS_OK) {
        free(udp);
        return status;
    }
    udp->local = net_socket_local(udp->fd);
    hook_init(&udp->hook, net, udp->fd, EV_READ | EV_PERSIST, readable, context);
    hook_want(&udp->hook, true);
    *out_udp = udp;
    return STATUS_OK;
}

void net_udp_close(struct net_udp *udp)
{
    if (udp != NULL) {
        hook_want(&udp->hook, false);
        (void)close(udp->fd);
        free(udp);
    }
}

struct net_address net_udp_local(const struct net_udp *udp)
{
    return udp->local;
}

size_t net_udp_receive(struct net_udp *udp, struct net_datagram *datagrams, size_t count)
{
    return net_socket_receive(udp->fd, &udp->local, datagrams, count);
}

size_t net_udp_send(struct net_udp *udp, const struct net_datagram *datagrams, size_t count)
{
    return net_socket_send(udp->fd, &udp->local, datagrams, count);
}

/* --- streams --------------------------------------------------------------------------------- */

static void stream_on_readable(void *context)
{
    struct net_stream *stream = context;
    stream->events.readable(stream->context);
}

static void stream_on_connected(struct net_stream *stream)
{
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0) {
        hook_want(&stream->writing, false);
        stream->events.failed(stream->context, STATUS_UNREACHABLE);
        return;
    }
    stream->is_connecting = false;
    hook_want(&stream->reading, stream->wants_read);
    hook_want(&stream->writing, stream->wants_write);
    stream->events.writable(stream->context);
}

static void stream_on_writable(void *context)
{
    struct net_stream *stream = context;
    if (stream->is_connecting) {
        stream_on_connected(stream);
    } else {
        stream->events.writable(stream->context);
    }
}

/* Takes `fd` over, on failure too. */
static enum status stream_new(struct net *net, int fd, struct net_stream **out_stream)
{
    struct net_stream *stream = calloc(1, sizeof(*stream));
    if (stream == NULL) {
        (void)close(fd);
        return STATUS_NO_MEMORY;
    }
    stream->fd = fd;
    hook_init(&stream->reading, net, fd, EV_READ | EV_PERSIST, stream_on_readable, stream);
    hook_init(&stream->writing, net, fd, EV_WRITE | EV_PERSIST, stream_on_writable, stream);
    *out_stream = stream;
    return STATUS_OK;
}

static enum status stream_connecting(struct net *net, int fd,
                                     const struct net_stream_events *events, void *context,
                                     struct net_stream **out_stream)
{
    enum status status = stream_new(net, fd, out_stream);
    if (status == STATUS_OK) {
        (*out_stream)->is_connecting = true;
        net_stream_set_events(*out_stream, events, context);
        hook_want(&(*out_stream)->writing, true);
    }
    return status;
}

enum status net_connect(struct net *net, const struct net_address *address,
                        const struct net_stream_events *events, void *context,
                        struct net_stream **out_stream)
{
    int fd = -1;
    enum status status = net_socket_connect(address, &fd);
    if (status == STATUS_OK) {
        status = stream_connecting(net, fd, events, context, out_stream);
    }
    if (status == STATUS_OK) {
        (*out_stream)->peer = *address;
    }
    return status;
}

enum status net_connect_unix(struct net *net, const char *path,
                             const struct net_stream_events *events, void *context,
                             struct net_stream **out_stream)
{
    int fd = -1;
    enum status status = net_socket_connect_unix(path, &fd);
    return status == STATUS_OK ? stream_connecting(net, fd, events, context, out_stream) : status;
}

void net_stream_close(struct net_stream *stream)
{
    if (stream != NULL) {
        hook_want(&stream->reading, false);
        hook_want(&stream->writing, false);
        (void)close(stream->fd);
        free(stream);
    }
}

void net_stream_set_events(struct net_stream *stream, const struct net_stream_events *events,
                           void *context)
{
    stream->events = *events;
    stream->context = context;
}

void net_stream_want(struct net_stream *stream, bool readable, bool writable)
{
    bool is_changed_read = stream->wants_read != readable;
    bool is_changed_write = stream->wants_write != writable;
    stream->wants_read = readable;
    stream->wants_write = writable;
    if (stream->is_connecting) {
        return;
    }
    if (is_changed_read) {
        hook_want(&stream->reading, readable);
    }
    if (is_changed_write) {
        hook_want(&stream->writing, writable);
    }
}

enum status net_stream_read(struct net_stream *stream, uint8_t *buffer, size_t size,
                            size_t *out_len)
{
    return net_socket_read(stream->fd, buffer, size, out_len);
}

enum status net_stream_write(struct net_stream *stream, struct bytes data, size_t *out_len)
{
    return net_socket_write(stream->fd, data, out_len);
}

struct net_address net_stream_peer(const struct net_stream *stream)
{
    return stream->peer;
}

enum status net_stream_credentials(const struct net_stream *stream, struct net_credentials *out)
{
    return net_socket_credentials(stream->fd, out);
}

/* --- listeners ------------------------------------------------------------------------------- */

static void listener_on_pause_over(void *context)
{
    struct net_listener *listener = context;
    hook_want(&listener->hook, true);
}

/* One connection; false when none waits. */
static bool listener_accept(struct net_listener *listener)
{
    struct sockaddr_storage peer = {0};
    socklen_t len = sizeof(peer);
    int fd = accept4(listener->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            /* The loop would spin on a readable listener. */
            hook_want(&listener->hook, false);
            hook_start(&listener->pause, ACCEPT_PAUSE_MS);
        }
        return errno == EINTR || errno == ECONNABORTED;
    }
    struct net_stream *stream = NULL;
    if (stream_new(listener->net, fd, &stream) == STATUS_OK) {
        net_socket_read_address(&peer, &stream->peer);
        listener->accepted(listener->context, stream);
    }
    return true;
}

static void listener_accept_some(struct net_listener *listener, int most)
{
    listener->is_accepting = true;
    for (int i = 0; i < most && !listener->is_closed && listener_accept(listener); i++) {
    }
    listener->is_accepting = false;
    if (listener->is_closed) {
        free(listener);
    }
}

static void listener_on_readable(void *context)
{
    listener_accept_some(context, ACCEPT_BATCH);
}

/* Takes `fd` over. */
static enum status listener_new(struct net *net, int fd, net_accepted *accepted, void *context,
                                struct net_listener **out_listener, struct fault *fault)
{
    struct net_listener *listener = calloc(1, sizeof(*listener));
    if (listener == NULL) {
        (void)close(fd);
        return fault_set(fault, STATUS_NO_MEMORY, "out of memory");
    }
    listener->net = net;
    listener->fd = fd;
    listener->accepted = accepted;
    listener->context = context;
    hook_init(&listener->hook, net, fd, EV_READ | EV_PERSIST, listener_on_readable, listener);
    hook_init(&listener->pause, net, -1, 0, listener_on_pause_over, listener);
    hook_want(&listener->hook, true);
    *out_listener = listener;
    return STATUS_OK;
}

enum status net_listen(struct net *net, const struct net_address *address, net_accepted *accepted,
                       void *context, struct net_listener **out_listener, struct fault *fault)
{
    int fd = take_given(net);
    bool is_given = fd >= 0;
    enum status status = is_given ? STATUS_OK : net_socket_listen(address, &fd, fault);
    if (status == STATUS_OK) {
        status = listener_new(net, fd, accepted, context, out_listener, fault);
    }
    if (status == STATUS_OK) {
        (*out_listener)->is_given = is_given;
    }
    return status;
}

enum status net_listen_unix(struct net *net, const char *path, net_accepted *accepted,
                            void *context, struct net_listener **out_listener, struct fault *fault)
{
    int fd = -1;
    enum status status = net_socket_listen_unix(path, &fd, fault);
    return status == STATUS_OK ? listener_new(net, fd, accepted, context, out_listener, fault)
                               : status;
}

struct net_address net_listener_local(const struct net_listener *listener)
{
    return net_socket_local(listener->fd);
}

void net_listener_flush(struct net_listener *listener)
{
    if (!listener->is_given) { /* else nothing is reset: the queue outlives us */
        listener_accept_some(listener, ACCEPT_FLUSH);
    }
}

void net_listener_close(struct net_listener *listener)
{
    if (listener == NULL) {
        return;
    }
    hook_want(&listener->hook, false);
    hook_want(&listener->pause, false);
    (void)close(listener->fd);
    listener->is_closed = true;
    if (!listener->is_accepting) {
        free(listener);
    }
}

/* --- signals --------------------------------------------------------------------------------- */

enum status net_signal_new(struct net *net, int number, net_signalled *signalled, void *context,
                           struct net_signal **out_signal)
{
    struct net_signal *signal = calloc(1, sizeof(*signal));
    if (signal == NULL) {
        return STATUS_NO_MEMORY;
    }
    hook_init(&signal->hook, net, number, EV_SIGNAL | EV_PERSIST, signalled, context);
    if (event_add(&signal->hook.event, NULL) != 0) {
        free(signal);
        return STATUS_SYSTEM;
    }
    *out_signal = signal;
    return STATUS_OK;
}

void net_signal_free(struct net_signal *signal)
{
    if (signal != NULL) {
        hook_want(&signal->hook, false);
        free(signal);
    }
}
