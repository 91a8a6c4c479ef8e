/* SPDX-License-Identifier: Apache-2.0
 *
 * TCP: connections with so many requests outstanding on each, or one request to a connection.
 *
 * A connection is refilled when answers came; all its requests of a turn leave in one write. Over
 * loopback one-request connections come from many source addresses, else the ports, of which each
 * stays occupied for a minute, run out within seconds.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "tests/bench/load.h"

#define EVENTS 64
#define IN_SIZE (MESSAGE_PACKET_MAX + 65536)
#define SOURCES 200 /* 127.77.0.1 and on: 28 000 ports each */
#define FAILURES_MAX 1000

struct connection {
    int fd;
    uint32_t waiting;
    uint32_t asked;
    uint8_t *in;
    size_t in_len;
    uint8_t *out;
    size_t out_len;
    size_t out_at;
};

struct tcp_run {
    struct load *load;
    struct connection *connections;
    uint32_t count;
    uint32_t next; /* open loop: whose turn it is */
    uint32_t source;
    uint32_t failures; /* one after the other */
    int epoll;
    size_t out_size;
};

static bool is_one_shot(const struct tcp_run *run)
{
    return run->load->options.mode == LOAD_TCP_ONE_SHOT;
}

static void choose_source(struct tcp_run *run, int fd)
{
    const struct sockaddr_in *server = (const struct sockaddr_in *)&run->load->options.server;
    if (server->sin_family != AF_INET || (ntohl(server->sin_addr.s_addr) >> 24) != 127) {
        return;
    }
    int yes = 1;
    struct sockaddr_in source = {.sin_family = AF_INET};
    source.sin_addr.s_addr = htonl(0x7f4d0001u + run->source);
    run->source = (run->source + 1) % SOURCES;
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof(yes));
    (void)bind(fd, (const struct sockaddr *)&source, sizeof(source));
}

static bool dial(struct tcp_run *run, uint32_t number)
{
    const struct load_options *options = &run->load->options;
    struct connection *connection = &run->connections[number];
    int yes = 1;
    int fd = socket(options->server.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    connection->fd = fd;
    connection->waiting = 0;
    connection->asked = 0;
    connection->in_len = 0;
    connection->out_len = 0;
    connection->out_at = 0;
    if (fd < 0) {
        return false;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    if (is_one_shot(run)) {
        choose_source(run, fd);
    }
    if (connect(fd, (const struct sockaddr *)&options->server, options->server_len) != 0 &&
        errno != EINPROGRESS) {
        return false;
    }
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.u32 = number};
    return epoll_ctl(run->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

static void hang_up(struct connection *connection)
{
    if (connection->fd >= 0) {
        (void)close(connection->fd);
        connection->fd = -1;
    }
}

static void redial(struct tcp_run *run, uint32_t number)
{
    hang_up(&run->connections[number]);
    bool is_needed = !run->load->is_over || load_due(run->load, load_now_ns()) > 0;
    if (is_needed && !dial(run, number)) {
        run->load->fault = "cannot connect";
    }
}

/* The connection ended under its requests: they will not be answered. */
static void broke(struct tcp_run *run, uint32_t number)
{
    struct load *load = run->load;
    for (uint32_t i = 0; i < load->flight.size; i++) {
        struct flight_request *request = &load->flight.requests[i];
        if (request->state == FLIGHT_WAITING && request->owner == number) {
            load->counts.lost++;
            flight_release(&load->flight, request, FLIGHT_LOST);
        }
    }
    load->counts.broken++;
    if (++run->failures > FAILURES_MAX) {
        load->fault = "the server ends every connection";
        return;
    }
    redial(run, number);
}

/* Given up by the clock. The answer may still come and is then counted as late. */
static void on_lost(struct load *load, const struct flight_request *request)
{
    struct tcp_run *run = load->context;
    run->connections[request->owner].waiting--;
    if (is_one_shot(run)) {
        redial(run, request->owner);
    }
}

static bool may_ask(const struct tcp_run *run, const struct connection *connection)
{
    uint32_t most = is_one_shot(run) ? 1 : run->load->options.outstanding;
    return connection->fd >= 0 && connection->waiting < most &&
           (!is_one_shot(run) || connection->asked == 0) &&
           run->out_size - connection->out_len >= LOAD_REQUEST_MAX;
}

static void push(struct tcp_run *run, uint32_t number)
{
    struct connection *connection = &run->connections[number];
    while (connection->out_at < connection->out_len) {
        ssize_t took = send(connection->fd, connection->out + connection->out_at,
                            connection->out_len - connection->out_at, MSG_NOSIGNAL);
        if (took < 0) {
            if (errno != EAGAIN && errno != EINTR && errno != ENOTCONN) {
                broke(run, number);
            }
            return;
        }
        connection->out_at += (size_t)took;
    }
    connection->out_at = 0;
    connection->out_len = 0;
}

/* Up to `most` further requests on this connection, in one write. */
static uint32_t ask(struct tcp_run *run, uint32_t number, uint32_t most, int64_t now_ns)
{
    struct connection *connection = &run->connections[number];
    uint32_t asked = 0;
    while (asked < most && may_ask(run, connection)) {
        size_t len = 0;
        if (load_next(run->load, number, now_ns, connection->out + connection->out_len, &len) ==
            NULL) {
            break;
        }
        connection->out_len += len;
        connection->waiting++;
        connection->asked++;
        asked++;
    }
    push(run, number);
    return asked;
}

/* Closed loop: whoever has room asks. Open loop: what is due, one connection after the other. */
static void ask_all(struct tcp_run *run, int64_t now_ns)
{
    uint32_t due = load_due(run->load, now_ns);
    bool is_open_loop = run->load->options.rate > 0;
    for (uint32_t tried = 0; due > 0 && tried < run->count; tried++) {
        uint32_t share = is_open_loop ? 1 + (due - 1) / run->count : due;
        due -= ask(run, run->next, share, now_ns);
        run->next = (run->next + 1) % run->count;
    }
}

/* Takes the complete answers; what is left is the beginning of one. */
static void take_answers(struct tcp_run *run, uint32_t number, int64_t now_ns)
{
    struct connection *connection = &run->connections[number];
    struct bytes rest = bytes_of(connection->in, connection->in_len);
    struct envelope envelope;
    while (envelope_decode(rest, &envelope) == STATUS_OK) {
        size_t len = MESSAGE_ENVELOPE_LEN + (size_t)envelope.message_len;
        if (envelope.message_len > MESSAGE_MAX) {
            run->load->counts.wrong++;
            broke(run, number);
            return;
        }
        if (rest.len < len) {
            break;
        }
        if (load_settle(run->load, number, bytes_of(rest.data, len), now_ns) != NULL) {
            connection->waiting--;
            run->failures = 0;
        }
        rest = bytes_from(rest, len);
    }
    if (rest.len > 0) {
        memmove(connection->in, rest.data, rest.len);
    }
    connection->in_len = rest.len;
}

static void hear(struct tcp_run *run, uint32_t number)
{
    struct connection *connection = &run->connections[number];
    bool is_drained = false;
    while (!is_drained && connection->fd >= 0) {
        size_t room = IN_SIZE - connection->in_len;
        ssize_t got = recv(connection->fd, connection->in + connection->in_len, room, 0);
        if (got < 0) {
            if (errno != EAGAIN && errno != EINTR && errno != ENOTCONN) {
                broke(run, number);
            }
            return;
        }
        if (got == 0) {
            broke(run, number);
            return;
        }
        connection->in_len += (size_t)got;
        is_drained = (size_t)got < room;
        take_answers(run, number, load_now_ns());
    }
    if (is_one_shot(run) && connection->asked == 1 && connection->waiting == 0) {
        redial(run, number);
    }
}

static void serve_events(struct tcp_run *run, int64_t patience_ns)
{
    struct epoll_event events[EVENTS];
    struct timespec patience = {.tv_nsec = patience_ns};
    int ready = epoll_pwait2(run->epoll, events, EVENTS, &patience, NULL);
    for (int i = 0; i < ready; i++) {
        uint32_t number = events[i].data.u32;
        if (run->connections[number].out_at < run->connections[number].out_len) {
            push(run, number);
        }
        if ((events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
            hear(run, number);
        }
    }
}

static bool open_all(struct tcp_run *run)
{
    run->connections = calloc(run->count, sizeof(*run->connections));
    run->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (run->connections == NULL || run->epoll < 0) {
        return false;
    }
    for (uint32_t i = 0; i < run->count; i++) {
        struct connection *connection = &run->connections[i];
        connection->in = malloc(IN_SIZE);
        connection->out = malloc(run->out_size);
        if (connection->in == NULL || connection->out == NULL || !dial(run, i)) {
            return false;
        }
    }
    return true;
}

static void close_all(struct tcp_run *run)
{
    for (uint32_t i = 0; run->connections != NULL && i < run->count; i++) {
        hang_up(&run->connections[i]);
        free(run->connections[i].in);
        free(run->connections[i].out);
    }
    free(run->connections);
    (void)close(run->epoll);
}

bool load_tcp_run(struct load *load)
{
    struct tcp_run run = {
        .load = load,
        .count = load->options.sockets,
        .out_size = ((size_t)load->options.outstanding + 1) * LOAD_REQUEST_MAX,
    };
    load->on_lost = on_lost;
    load->context = &run;
    if (!open_all(&run)) {
        load->fault = "connections cannot be opened";
    }
    load_begin(load);
    for (int64_t now_ns = load->begin_ns; load_goes_on(load, now_ns); now_ns = load_now_ns()) {
        ask_all(&run, now_ns);
        serve_events(&run, load_patience_ns(load, now_ns));
    }
    close_all(&run);
    return load->fault == NULL;
}
