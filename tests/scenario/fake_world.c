/* SPDX-License-Identifier: Apache-2.0
 *
 * The fake world: clock, timers, wake-ups and the run (fake_net.h). Objects hang in lists; a run
 * looks for the first one that has something to tell, tells it, and looks again, so that callbacks
 * may close whatever they like.
 */
#include <assert.h>
#include <stdlib.h>

#include "tests/scenario/fake_parts.h"

#define WALL_START_MS 1700000000000 /* net_wall_ms when the clock stands at 0 */
#define CALLBACKS_MAX 1000000
#define EPHEMERAL_FIRST 40000

void fake_link_add(struct link **list, struct link *item)
{
    while (*list != NULL) {
        list = &(*list)->next;
    }
    item->next = NULL;
    *list = item;
}

void fake_link_remove(struct link **list, const struct link *item)
{
    while (*list != NULL && *list != item) {
        list = &(*list)->next;
    }
    if (*list != NULL) {
        *list = item->next;
    }
}

struct link *fake_link_take_first(struct link **list)
{
    struct link *first = *list;
    if (first != NULL) {
        *list = first->next;
        first->next = NULL;
    }
    return first;
}

void *fake_allocate(size_t size)
{
    void *memory = calloc(1, size);
    assert(memory != NULL);
    return memory;
}

/* --- the world ------------------------------------------------------------------------------- */

struct fake_world *fake_world_new(void)
{
    struct fake_world *world = fake_allocate(sizeof(*world));
    world->next_port = EPHEMERAL_FIRST;
    return world;
}

void fake_world_free(struct fake_world *world)
{
    if (world != NULL) {
        free(world->held);
        free(world);
    }
}

struct net *fake_world_net(struct fake_world *world)
{
    struct net *net = fake_allocate(sizeof(*net));
    net->world = world;
    return net;
}

bool fake_net_is_stopped(const struct net *net)
{
    return net->is_stopped;
}

void fake_world_fates(struct fake_world *world, const enum fake_fate *fates, size_t count)
{
    assert(count <= FAKE_FATES_MAX);
    memcpy(world->fates, fates, count * sizeof(*fates));
    world->fate_count = count;
    world->fate_at = 0;
}

void fake_world_udp_room(struct fake_world *world, size_t room)
{
    world->is_udp_limited = true;
    world->udp_room = room;
}

void fake_world_udp_free(struct fake_world *world)
{
    world->is_udp_limited = false;
}

void fake_world_streams(struct fake_world *world, size_t write_max, size_t window)
{
    world->write_max = write_max;
    world->window = window;
}

enum status net_new(struct net **out_net)
{
    *out_net = fake_world_net(fake_world_new());
    (*out_net)->owns_world = true;
    return STATUS_OK;
}

void net_free(struct net *net)
{
    if (net != NULL) {
        if (net->owns_world) {
            fake_world_free(net->world);
        }
        free(net);
    }
}

/* There are no CPUs here: the sender's port chooses. */
enum status net_steer(struct net *net, const int *cpus, size_t count)
{
    (void)net;
    (void)cpus;
    (void)count;
    return STATUS_NOT_SUPPORTED;
}

void net_stop(struct net *net)
{
    net->is_stopped = true;
}

int64_t net_now_ms(struct net *net)
{
    return net->world->now_ms;
}

int64_t net_now_us(struct net *net)
{
    return net->world->now_ms * 1000;
}

int64_t net_wall_ms(struct net *net)
{
    return WALL_START_MS + net->world->now_ms;
}

/* --- what can happen ------------------------------------------------------------------------- */

static bool run_wakes(struct fake_world *world)
{
    for (struct link *at = world->wakes; at != NULL; at = at->next) {
        struct net_wake *wake = (struct net_wake *)at;
        if (wake->is_signalled) {
            wake->is_signalled = false;
            wake->called(wake->context);
            return true;
        }
    }
    return false;
}

static bool run_udps(struct fake_world *world)
{
    for (struct link *at = world->udps; at != NULL; at = at->next) {
        struct net_udp *udp = (struct net_udp *)at;
        if (udp->inbox != NULL) {
            udp->readable(udp->context);
            return true;
        }
        if (udp->writable != NULL && fake_udp_has_room(world)) {
            udp->writable(udp->context);
            return true;
        }
    }
    return false;
}

static bool run_listeners(struct fake_world *world)
{
    for (struct link *at = world->listeners; at != NULL; at = at->next) {
        struct net_listener *listener = (struct net_listener *)at;
        if (listener->backlog != NULL) {
            struct link *stream = fake_link_take_first(&listener->backlog);
            fake_link_add(&world->streams, stream);
            listener->accepted(listener->context, (struct net_stream *)stream);
            return true;
        }
    }
    return false;
}

static bool run_stream(struct net_stream *stream)
{
    if (stream->is_connecting) {
        stream->is_connecting = false;
        if (stream->peer == NULL && !stream->is_finished) {
            stream->events.failed(stream->context, STATUS_UNREACHABLE);
        } else {
            stream->events.writable(stream->context);
        }
        return true;
    }
    bool has_news = stream->inbox_len > 0 || stream->is_finished || stream->is_reset;
    if (stream->wants_read && has_news) {
        stream->events.readable(stream->context);
        return true;
    }
    if (stream->wants_write && (stream->peer == NULL || fake_room_at(stream->peer, 1) > 0)) {
        stream->events.writable(stream->context);
        return true;
    }
    return false;
}

static bool run_streams(struct fake_world *world)
{
    for (struct link *at = world->streams; at != NULL; at = at->next) {
        if (run_stream((struct net_stream *)at)) {
            return true;
        }
    }
    return false;
}

static bool run_one(struct fake_world *world)
{
    return run_wakes(world) || run_udps(world) || run_listeners(world) || run_streams(world);
}

void fake_world_run(struct fake_world *world)
{
    for (int i = 0; run_one(world); i++) {
        assert(i < CALLBACKS_MAX);
    }
}

static struct net_timer *next_timer(const struct fake_world *world)
{
    struct net_timer *next = NULL;
    for (struct link *at = world->timers; at != NULL; at = at->next) {
        struct net_timer *timer = (struct net_timer *)at;
        if (timer->is_running && (next == NULL || timer->at_ms < next->at_ms ||
                                  (timer->at_ms == next->at_ms && timer->order < next->order))) {
            next = timer;
        }
    }
    return next;
}

/* false: no timer is due until `end_ms`. */
static bool fire_next(struct fake_world *world, int64_t end_ms)
{
    struct net_timer *timer = next_timer(world);
    if (timer == NULL || timer->at_ms > end_ms) {
        return false;
    }
    world->now_ms = timer->at_ms > world->now_ms ? timer->at_ms : world->now_ms;
    timer->is_running = false;
    timer->fired(timer->context);
    fake_world_run(world);
    return true;
}

void fake_world_advance(struct fake_world *world, int64_t ms)
{
    int64_t end_ms = world->now_ms + ms;
    fake_world_run(world);
    while (fire_next(world, end_ms)) {
    }
    world->now_ms = end_ms;
}

/* For code that brings its own loop: time passes as fast as it can. */
void net_run(struct net *net)
{
    net->is_stopped = false;
    while (!net->is_stopped && (run_one(net->world) || fire_next(net->world, INT64_MAX))) {
    }
}

/* --- timers and waking ----------------------------------------------------------------------- */

enum status net_timer_new(struct net *net, net_timer_fired *fired, void *context,
                          struct net_timer **out_timer)
{
    struct net_timer *timer = fake_allocate(sizeof(*timer));
    timer->net = net;
    timer->fired = fired;
    timer->context = context;
    fake_link_add(&net->world->timers, &timer->link);
    *out_timer = timer;
    return STATUS_OK;
}

void net_timer_start(struct net_timer *timer, int64_t after_ms)
{
    struct fake_world *world = timer->net->world;
    timer->is_running = true;
    timer->at_ms = world->now_ms + (after_ms < 0 ? 0 : after_ms);
    timer->order = world->order++;
}

void net_timer_stop(struct net_timer *timer)
{
    timer->is_running = false;
}

void net_timer_free(struct net_timer *timer)
{
    if (timer != NULL) {
        fake_link_remove(&timer->net->world->timers, &timer->link);
        free(timer);
    }
}

enum status net_wake_new(struct net *net, net_wake_called *called, void *context,
                         struct net_wake **out_wake)
{
    struct net_wake *wake = fake_allocate(sizeof(*wake));
    wake->world = net->world;
    wake->called = called;
    wake->context = context;
    fake_link_add(&net->world->wakes, &wake->link);
    *out_wake = wake;
    return STATUS_OK;
}

void net_wake_signal(struct net_wake *wake)
{
    wake->is_signalled = true;
}

void net_wake_free(struct net_wake *wake)
{
    if (wake != NULL) {
        fake_link_remove(&wake->world->wakes, &wake->link);
        free(wake);
    }
}

/* --- signals: none come ---------------------------------------------------------------------- */

enum status net_signal_new(struct net *net, int number, net_signalled *signalled, void *context,
                           struct net_signal **out_signal)
{
    (void)net;
    (void)number;
    struct net_signal *signal = fake_allocate(sizeof(*signal));
    *signal = (struct net_signal){.signalled = signalled, .context = context};
    *out_signal = signal;
    return STATUS_OK;
}

void net_signal_free(struct net_signal *signal)
{
    free(signal);
}
