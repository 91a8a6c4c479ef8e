/* SPDX-License-Identifier: Apache-2.0
 *
 * The fake network's datagrams and streams (fake_net.h): addresses, fates, windows, resets.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/scenario/fake_parts.h"

/* --- addresses ------------------------------------------------------------------------------- */

struct net_address fake_bind(struct fake_world *world, const struct net_address *address)
{
    struct net_address local = *address;
    if (local.port == 0) {
        local.port = world->next_port++;
    }
    return local;
}

bool fake_takes(const struct net_address *local, const struct net_address *to)
{
    return local->port == to->port && net_address_is_ipv4(local) == net_address_is_ipv4(to) &&
           (net_address_is_wildcard(local) || memcmp(local->ip, to->ip, sizeof(to->ip)) == 0);
}

void fake_set_loopback(struct net_address *address, const struct net_address *to)
{
    (void)net_address_parse(net_address_is_ipv4(to) ? "127.0.0.1" : "::1", address->port, address);
}

/* --- UDP ------------------------------------------------------------------------------------- */

enum status net_udp_open(struct net *net, const struct net_address *address,
                         net_udp_readable *readable, void *context, struct net_udp **out_udp,
                         struct fault *fault)
{
    (void)fault;
    struct net_udp *udp = fake_allocate(sizeof(*udp));
    udp->world = net->world;
    udp->local = fake_bind(net->world, address);
    udp->readable = readable;
    udp->context = context;
    fake_link_add(&net->world->udps, &udp->link);
    *out_udp = udp;
    return STATUS_OK;
}

/* Everybody may send to it: what strangers send is the asker's to see through. */
enum status net_udp_connect(struct net *net, const struct net_address *peer,
                            net_udp_readable *readable, void *context, struct net_udp **out_udp)
{
    struct net_address any;
    bool is_ipv4 = net_address_is_ipv4(peer);
    enum status status = net_address_parse(is_ipv4 ? "0.0.0.0" : "::", 0, &any);
    return status != STATUS_OK ? status : net_udp_open(net, &any, readable, context, out_udp, NULL);
}

void net_udp_close(struct net_udp *udp)
{
    if (udp == NULL) {
        return;
    }
    struct link *datagram;
    while ((datagram = fake_link_take_first(&udp->inbox)) != NULL) {
        free(datagram);
    }
    fake_link_remove(&udp->world->udps, &udp->link);
    free(udp);
}

struct net_address net_udp_local(const struct net_udp *udp)
{
    return udp->local;
}

size_t net_udp_receive(struct net_udp *udp, struct net_datagram *datagrams, size_t count)
{
    size_t got = 0;
    while (got < count && udp->inbox != NULL) {
        struct datagram *from = (struct datagram *)fake_link_take_first(&udp->inbox);
        struct net_datagram *to = &datagrams[got++];
        to->len = from->len < to->size ? from->len : to->size;
        memcpy(to->data, from->data, to->len);
        to->peer = from->from;
        to->local = from->to;
        free(from);
    }
    return got;
}

/* Several sockets of one port: the sender's port chooses, as the kernel's hash would. */
static struct net_udp *find_udp(const struct fake_world *world, const struct net_address *from,
                                const struct net_address *to)
{
    size_t count = 0;
    for (const struct link *at = world->udps; at != NULL; at = at->next) {
        count += fake_takes(&((const struct net_udp *)at)->local, to);
    }
    size_t chosen = count == 0 ? 0 : from->port % count;
    for (struct link *at = world->udps; at != NULL; at = at->next) {
        if (fake_takes(&((struct net_udp *)at)->local, to) && chosen-- == 0) {
            return (struct net_udp *)at;
        }
    }
    return NULL;
}

static void deliver(struct fake_world *world, struct datagram *datagram)
{
    struct net_udp *udp = find_udp(world, &datagram->from, &datagram->to);
    if (udp != NULL) {
        fake_link_add(&udp->inbox, &datagram->link);
    } else {
        free(datagram);
    }
}

static struct datagram *copy_datagram(const struct net_udp *udp, const struct net_datagram *from)
{
    struct datagram *copy = fake_allocate(sizeof(*copy) + from->len);
    copy->to = from->peer;
    copy->from = udp->local;
    if (net_address_is_wildcard(&copy->from)) {
        bool is_named = !net_address_is_wildcard(&from->local) && from->local.port != 0;
        if (is_named) {
            memcpy(copy->from.ip, from->local.ip, sizeof(copy->from.ip));
        } else {
            fake_set_loopback(&copy->from, &copy->to);
        }
    }
    copy->len = from->len;
    if (from->len > 0) {
        memcpy(copy->data, from->data, from->len);
    }
    return copy;
}

static enum fake_fate next_fate(struct fake_world *world)
{
    return world->fate_at < world->fate_count ? world->fates[world->fate_at++] : FAKE_DELIVER;
}

/* false: refused. */
static bool send_one(struct net_udp *udp, const struct net_datagram *datagram)
{
    struct fake_world *world = udp->world;
    enum fake_fate fate = next_fate(world);
    if (fate == FAKE_REFUSE) {
        return false;
    }
    if (fate == FAKE_LOSE) {
        return true;
    }
    if (fate == FAKE_HOLD) {
        assert(world->held == NULL);
        world->held = copy_datagram(udp, datagram);
        return true;
    }
    deliver(world, copy_datagram(udp, datagram));
    if (fate == FAKE_TWICE) {
        deliver(world, copy_datagram(udp, datagram));
    }
    if (world->held != NULL) {
        deliver(world, world->held);
        world->held = NULL;
    }
    return true;
}

bool fake_udp_has_room(const struct fake_world *world)
{
    return !world->is_udp_limited || world->udp_room > 0;
}

/* Piece by piece; false: no room for the next one. */
static bool push_entry(struct net_udp *udp, const struct net_datagram *entry,
                       struct net_pushed *pushed)
{
    struct fake_world *world = udp->world;
    size_t piece = entry->piece == 0 ? entry->len : entry->piece;
    for (size_t at = 0; at == 0 || at < entry->len; at += piece) {
        struct net_datagram out = *entry;
        out.data = entry->data + at;
        out.len = entry->len - at < piece ? entry->len - at : piece;
        pushed->partial = at;
        if (!fake_udp_has_room(world)) {
            return false;
        }
        if (!send_one(udp, &out)) {
            pushed->refused += (entry->len - at + piece - 1) / (piece == 0 ? 1 : piece);
            pushed->cut += at > 0;
            break;
        }
        world->udp_room -= world->is_udp_limited ? 1 : 0;
        pushed->datagrams++;
        if (piece == 0) {
            break;
        }
    }
    pushed->partial = 0;
    return true;
}

struct net_pushed net_udp_push(struct net_udp *udp, const struct net_datagram *datagrams,
                               size_t count)
{
    struct net_pushed pushed = {0};
    while (pushed.done < count && push_entry(udp, &datagrams[pushed.done], &pushed)) {
        pushed.done++;
    }
    return pushed;
}

void net_udp_want_writable(struct net_udp *udp, net_udp_writable *writable)
{
    udp->writable = writable;
}

size_t fake_room_at(const struct net_stream *peer, size_t len)
{
    const struct fake_world *world = peer->world;
    size_t most = world->write_max == 0 || len < world->write_max ? len : world->write_max;
    if (world->window == 0) {
        return most;
    }
    size_t room = peer->inbox_len < world->window ? world->window - peer->inbox_len : 0;
    return most < room ? most : room;
}

/* --- streams --------------------------------------------------------------------------------- */

static struct net_stream *stream_new(struct fake_world *world)
{
    struct net_stream *stream = fake_allocate(sizeof(*stream));
    stream->world = world;
    return stream;
}

static void pair(struct net_listener *listener, struct net_stream *client)
{
    struct net_stream *server = stream_new(listener->world);
    server->peer = client;
    client->peer = server;
    server->peer_address.port = listener->world->next_port++;
    fake_set_loopback(&server->peer_address, &listener->local);
    fake_link_add(&listener->backlog, &server->link);
}

static enum status connect_to(struct net *net, struct net_listener *listener,
                              const struct net_stream_events *events, void *context,
                              struct net_stream **out_stream)
{
    struct net_stream *stream = stream_new(net->world);
    stream->is_connecting = true;
    stream->events = *events;
    stream->context = context;
    fake_link_add(&net->world->streams, &stream->link);
    if (listener != NULL) {
        pair(listener, stream);
        stream->peer_address = listener->local;
    }
    *out_stream = stream;
    return STATUS_OK;
}

enum status net_connect(struct net *net, const struct net_address *address,
                        const struct net_stream_events *events, void *context,
                        struct net_stream **out_stream)
{
    struct fake_world *world = net->world;
    size_t count = 0;
    for (struct link *at = world->listeners; at != NULL; at = at->next) {
        count += fake_takes(&((struct net_listener *)at)->local, address);
    }
    size_t chosen = count == 0 ? 0 : world->next_port % count;
    for (struct link *at = world->listeners; at != NULL; at = at->next) {
        if (fake_takes(&((struct net_listener *)at)->local, address) && chosen-- == 0) {
            return connect_to(net, (struct net_listener *)at, events, context, out_stream);
        }
    }
    return connect_to(net, NULL, events, context, out_stream);
}

enum status net_connect_unix(struct net *net, const char *path,
                             const struct net_stream_events *events, void *context,
                             struct net_stream **out_stream)
{
    for (struct link *at = net->world->listeners; at != NULL; at = at->next) {
        struct net_listener *listener = (struct net_listener *)at;
        if (strcmp(listener->path, path) == 0) {
            return connect_to(net, listener, events, context, out_stream);
        }
    }
    return STATUS_UNREACHABLE;
}

/* Closing with unread bytes resets the connection, as the kernel does: what is on its way to the
 * other end is lost. */
static void stream_free(struct net_stream *stream)
{
    struct net_stream *peer = stream->peer;
    if (peer != NULL) {
        peer->peer = NULL;
        peer->is_finished = true;
        if (stream->inbox_len > 0) {
            peer->is_reset = true;
            peer->inbox_len = 0;
        }
    }
    free(stream->inbox);
    free(stream);
}

void net_stream_close(struct net_stream *stream)
{
    if (stream != NULL) {
        fake_link_remove(&stream->world->streams, &stream->link);
        stream_free(stream);
    }
}

void net_stream_finish(struct net_stream *stream)
{
    if (stream->peer != NULL) {
        stream->peer->is_finished = true;
    }
}

void fake_stream_finish(struct net_stream *stream)
{
    net_stream_finish(stream);
}

void net_stream_set_events(struct net_stream *stream, const struct net_stream_events *events,
                           void *context)
{
    stream->events = *events;
    stream->context = context;
}

void net_stream_want(struct net_stream *stream, bool readable, bool writable)
{
    stream->wants_read = readable;
    stream->wants_write = writable;
}

enum status net_stream_read(struct net_stream *stream, uint8_t *buffer, size_t size,
                            size_t *out_len)
{
    if (stream->is_reset || (stream->inbox_len == 0 && stream->is_finished)) {
        return STATUS_CLOSED;
    }
    if (stream->inbox_len == 0) {
        return STATUS_PENDING;
    }
    size_t len = size < stream->inbox_len ? size : stream->inbox_len;
    memcpy(buffer, stream->inbox, len);
    memmove(stream->inbox, stream->inbox + len, stream->inbox_len - len);
    stream->inbox_len -= len;
    *out_len = len;
    return STATUS_OK;
}

enum status net_stream_write(struct net_stream *stream, struct bytes data, size_t *out_len)
{
    struct net_stream *peer = stream->peer;
    if (peer == NULL || stream->is_reset) {
        return STATUS_CLOSED;
    }
    size_t len = fake_room_at(peer, data.len);
    if (len == 0) {
        return STATUS_PENDING;
    }
    uint8_t *inbox = realloc(peer->inbox, peer->inbox_len + len);
    assert(inbox != NULL);
    memcpy(inbox + peer->inbox_len, data.data, len);
    peer->inbox = inbox;
    peer->inbox_len += len;
    *out_len = len;
    return STATUS_OK;
}

struct net_address net_stream_peer(const struct net_stream *stream)
{
    return stream->peer_address;
}

enum status net_stream_credentials(const struct net_stream *stream, struct net_credentials *out)
{
    (void)stream;
    *out = (struct net_credentials){.pid = 1};
    return STATUS_OK;
}

/* --- listeners ------------------------------------------------------------------------------- */

static struct net_listener *listener_new(struct net *net, net_accepted *accepted, void *context)
{
    struct net_listener *listener = fake_allocate(sizeof(*listener));
    listener->world = net->world;
    listener->accepted = accepted;
    listener->context = context;
    fake_link_add(&net->world->listeners, &listener->link);
    return listener;
}

enum status net_listen(struct net *net, const struct net_address *address, net_accepted *accepted,
                       void *context, struct net_listener **out_listener, struct fault *fault)
{
    (void)fault;
    *out_listener = listener_new(net, accepted, context);
    (*out_listener)->local = fake_bind(net->world, address);
    return STATUS_OK;
}

enum status net_listen_unix(struct net *net, const char *path, net_accepted *accepted,
                            void *context, struct net_listener **out_listener, struct fault *fault)
{
    (void)fault;
    *out_listener = listener_new(net, accepted, context);
    (void)snprintf((*out_listener)->path, FAKE_PATH_ROOM, "%s", path);
    return STATUS_OK;
}

struct net_address net_listener_local(const struct net_listener *listener)
{
    return listener->local;
}

void net_listener_flush(struct net_listener *listener)
{
    struct link *waiting;
    while ((waiting = fake_link_take_first(&listener->backlog)) != NULL) {
        fake_link_add(&listener->world->streams, waiting);
        listener->accepted(listener->context, (struct net_stream *)waiting);
    }
}

void net_listener_close(struct net_listener *listener)
{
    if (listener == NULL) {
        return;
    }
    struct link *waiting;
    while ((waiting = fake_link_take_first(&listener->backlog)) != NULL) {
        stream_free((struct net_stream *)waiting);
    }
    fake_link_remove(&listener->world->listeners, &listener->link);
    free(listener);
}
