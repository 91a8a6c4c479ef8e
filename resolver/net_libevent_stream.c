/* SPDX-License-Identifier: Apache-2.0
 *
 * Streams and listeners of net.h on libevent (net_libevent.h).
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "resolver/net_libevent.h"
#include "resolver/net_socket.h"

#define ACCEPT_BATCH 64
#define ACCEPT_FLUSH 4096   /* more than a queue holds, yet a flood must not hold an end up */
#define ACCEPT_PAUSE_MS 100 /* when the process is out of descriptors */

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
        net_libevent_want(&stream->writing, false);
        stream->events.failed(stream->context, STATUS_UNREACHABLE);
        return;
    }
    stream->is_connecting = false;
    net_libevent_want(&stream->reading, stream->wants_read);
    net_libevent_want(&stream->writing, stream->wants_write);
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
    net_libevent_init(&stream->reading, net, fd, EV_READ | EV_PERSIST, stream_on_readable, stream);
    net_libevent_init(&stream->writing, net, fd, EV_WRITE | EV_PERSIST, stream_on_writable, stream);
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
        net_libevent_want(&(*out_stream)->writing, true);
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
        net_libevent_want(&stream->reading, false);
        net_libevent_want(&stream->writing, false);
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
        net_libevent_want(&stream->reading, readable);
    }
    if (is_changed_write) {
        net_libevent_want(&stream->writing, writable);
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

void net_stream_finish(struct net_stream *stream)
{
    (void)shutdown(stream->fd, SHUT_WR);
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
    net_libevent_want(&listener->hook, true);
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
            net_libevent_want(&listener->hook, false);
            net_libevent_start(&listener->pause, listener->net, ACCEPT_PAUSE_MS);
            listener->accepted(listener->context, NULL);
            return false;
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
    net_libevent_init(&listener->hook, net, fd, EV_READ | EV_PERSIST, listener_on_readable,
                      listener);
    net_libevent_init(&listener->pause, net, -1, 0, listener_on_pause_over, listener);
    net_libevent_want(&listener->hook, true);
    *out_listener = listener;
    return STATUS_OK;
}

enum status net_listen(struct net *net, const struct net_address *address, net_accepted *accepted,
                       void *context, struct net_listener **out_listener, struct fault *fault)
{
    int fd = net_libevent_take_given(net);
    bool is_given = fd >= 0;
    enum status status = is_given ? STATUS_OK : net_socket_listen(address, &fd, fault);
    if (status == STATUS_OK) {
        status = listener_new(net, fd, accepted, context, out_listener, fault);
    }
    if (status == STATUS_OK) {
        (*out_listener)->is_given = is_given;
        if (!is_given) {
            net_libevent_steer(net, fd);
        }
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
    net_libevent_want(&listener->hook, false);
    net_libevent_want(&listener->pause, false);
    (void)close(listener->fd);
    listener->is_closed = true;
    if (!listener->is_accepting) {
        free(listener);
    }
}
