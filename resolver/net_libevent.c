/* SPDX-License-Identifier: Apache-2.0
 *
 * net.h on libevent as reactor: plain events around plain system calls (net_socket.c). No
 * bufferevents (they cost 1.2 x on TCP), no locks: a base belongs to one thread, and the one thing
 * other threads may do, `net_wake_signal`, writes to an eventfd.
 *
 * Datagrams, timers, wake-ups and signals stand here, connections in net_libevent_stream.c.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "resolver/net_libevent.h"
#include "resolver/net_send.h"
#include "resolver/net_socket.h"
#include "resolver/net_steer.h"

struct net_timer {
    struct hook hook;
    const struct net *net;
};

/* Of calls that may fail in passing and whose failure nobody else would make up for. */
#define TRIES 3

struct net_wake {
    struct hook hook;
    int fd;
    net_wake_called *called;
    void *context;
};

struct net_watch {
    struct hook reading;
    struct hook writing;
    int fd;
    net_watch_ready *ready;
    void *context;
};

struct net_udp {
    struct hook hook;
    struct hook writing;
    int fd;
    struct net_address local;
    struct net_sender sender;
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

void net_libevent_init(struct hook *hook, struct net *net, int fd, short what,
                       void (*called)(void *context), void *context)
{
    hook->called = called;
    hook->context = context;
    (void)event_assign(&hook->event, net->base, fd, what, hook_on_event, hook);
}

void net_libevent_want(struct hook *hook, bool wanted)
{
    if (wanted) {
        /* Without room in the kernel nobody would ever hear of it again: insist a little. */
        for (int i = 0; i < TRIES && event_add(&hook->event, NULL) != 0; i++) {
        }
    } else {
        (void)event_del(&hook->event);
    }
}

void net_libevent_start(struct hook *hook, const struct net *net, int64_t after_ms)
{
    int64_t us = after_ms <= 0 ? 0 : after_ms * 1000 + net->tick_us;
    struct timeval after = {.tv_sec = us / 1000000, .tv_usec = us % 1000000};
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
    /* No precise timers: they cost a timerfd_settime each turn, and nothing here needs them. */
    (void)event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    net->base = event_base_new_with_config(config);
    event_config_free(config);
    if (net->base == NULL) {
        free(net);
        return STATUS_SYSTEM;
    }
    struct timespec tick = {0};
    (void)clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
    net->tick_us = (int64_t)tick.tv_sec * 1000000 + tick.tv_nsec / 1000;
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

int net_libevent_take_given(struct net *net)
{
    int fd = net->given;
    net->given = -1;
    return fd;
}

enum status net_steer(struct net *net, const int *cpus, size_t count)
{
    enum status status = net_steer_try(cpus, count);
    if (status == STATUS_OK) {
        net->cpus = cpus;
        net->cpu_count = count;
    }
    return status;
}

void net_libevent_steer(const struct net *net, int fd)
{
    if (net->cpus != NULL) {
        (void)net_steer_socket(fd, net->cpus, net->cpu_count); /* tried before: it goes */
    }
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
    timer->net = net;
    net_libevent_init(&timer->hook, net, -1, 0, fired, context);
    *out_timer = timer;
    return STATUS_OK;
}

void net_timer_start(struct net_timer *timer, int64_t after_ms)
{
    net_libevent_start(&timer->hook, timer->net, after_ms);
}

void net_timer_stop(struct net_timer *timer)
{
    net_libevent_want(&timer->hook, false);
}

void net_timer_free(struct net_timer *timer)
{
    if (timer != NULL) {
        net_libevent_want(&timer->hook, false);
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
    net_libevent_init(&wake->hook, net, wake->fd, EV_READ | EV_PERSIST, wake_on_readable, wake);
    net_libevent_want(&wake->hook, true);
    *out_wake = wake;
    return STATUS_OK;
}

void net_wake_signal(struct net_wake *wake)
{
    uint64_t one = 1;
    for (int i = 0; i < TRIES && write(wake->fd, &one, sizeof(one)) < 0; i++) {
        if (errno == EAGAIN) {
            return; /* the counter is full, so the loop will wake anyway */
        }
    }
}

void net_wake_free(struct net_wake *wake)
{
    if (wake != NULL) {
        net_libevent_want(&wake->hook, false);
        (void)close(wake->fd);
        free(wake);
    }
}

/* --- descriptors of somebody else ------------------------------------------------------------ */

static void watch_on_readable(void *context)
{
    const struct net_watch *watch = context;
    watch->ready(watch->context, watch->fd, true, false);
}

static void watch_on_writable(void *context)
{
    const struct net_watch *watch = context;
    watch->ready(watch->context, watch->fd, false, true);
}

enum status net_watch_new(struct net *net, int fd, net_watch_ready *ready, void *context,
                          struct net_watch **out_watch)
{
    struct net_watch *watch = calloc(1, sizeof(*watch));
    if (watch == NULL) {
        return STATUS_NO_MEMORY;
    }
    watch->fd = fd;
    watch->ready = ready;
    watch->context = context;
    net_libevent_init(&watch->reading, net, fd, EV_READ | EV_PERSIST, watch_on_readable, watch);
    net_libevent_init(&watch->writing, net, fd, EV_WRITE | EV_PERSIST, watch_on_writable, watch);
    *out_watch = watch;
    return STATUS_OK;
}

void net_watch_want(struct net_watch *watch, bool readable, bool writable)
{
    net_libevent_want(&watch->reading, readable);
    net_libevent_want(&watch->writing, writable);
}

void net_watch_free(struct net_watch *watch)
{
    if (watch != NULL) {
        net_watch_want(watch, false, false);
        free(watch);
    }
}

/* --- UDP ------------------------------------------------------------------------------------- */

static void udp_begin(struct net_udp *udp, struct net *net, net_udp_readable *readable,
                      void *context)
{
    udp->local = net_socket_local(udp->fd);
    net_send_init(&udp->sender, udp->fd);
    net_libevent_init(&udp->hook, net, udp->fd, EV_READ | EV_PERSIST, readable, context);
    net_libevent_init(&udp->writing, net, udp->fd, EV_WRITE | EV_PERSIST, NULL, context);
    net_libevent_want(&udp->hook, true);
}

enum status net_udp_open(struct net *net, const struct net_address *address,
                         net_udp_readable *readable, void *context, struct net_udp **out_udp,
                         struct fault *fault)
{
    struct net_udp *udp = calloc(1, sizeof(*udp));
    if (udp == NULL) {
        return fault_set(fault, STATUS_NO_MEMORY, "out of memory");
    }
    udp->fd = net_libevent_take_given(net);
    if (udp->fd < 0) {
        enum status status = net_socket_udp(address, &udp->fd, fault);
        if (status != STATUS_OK) {
            free(udp);
            return status;
        }
        net_libevent_steer(net, udp->fd);
    }
    udp_begin(udp, net, readable, context);
    *out_udp = udp;
    return STATUS_OK;
}

enum status net_udp_connect(struct net *net, const struct net_address *peer,
                            net_udp_readable *readable, void *context, struct net_udp **out_udp)
{
    struct net_udp *udp = calloc(1, sizeof(*udp));
    if (udp == NULL) {
        return STATUS_NO_MEMORY;
    }
    enum status status = net_socket_udp_to(peer, &udp->fd);
    if (status != STATUS_OK) {
        free(udp);
        return status;
    }
    udp_begin(udp, net, readable, context);
    *out_udp = udp;
    return STATUS_OK;
}

void net_udp_close(struct net_udp *udp)
{
    if (udp != NULL) {
        net_libevent_want(&udp->hook, false);
        net_libevent_want(&udp->writing, false);
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

struct net_pushed net_udp_push(struct net_udp *udp, const struct net_datagram *datagrams,
                               size_t count)
{
    return net_send_batch(&udp->sender, datagrams, count);
}

void net_udp_want_writable(struct net_udp *udp, net_udp_writable *writable)
{
    udp->writing.called = writable;
    net_libevent_want(&udp->writing, writable != NULL);
}

/* --- signals --------------------------------------------------------------------------------- */

enum status net_signal_new(struct net *net, int number, net_signalled *signalled, void *context,
                           struct net_signal **out_signal)
{
    struct net_signal *signal = calloc(1, sizeof(*signal));
    if (signal == NULL) {
        return STATUS_NO_MEMORY;
    }
    net_libevent_init(&signal->hook, net, number, EV_SIGNAL | EV_PERSIST, signalled, context);
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
        net_libevent_want(&signal->hook, false);
        free(signal);
    }
}
