/* SPDX-License-Identifier: Apache-2.0
 *
 * UDP: connected sockets, batches by sendmmsg and recvmmsg. Each batch leaves through the next
 * socket, so that the server's sockets, which the kernel chooses by address and port, all get some.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "tests/bench/load.h"

#define BATCH 32
#define DATAGRAM_MAX 65536
#define BUFFER_BYTES (8 << 20)

struct udp_run {
    struct load *load;
    int sockets[LOAD_SOCKETS_MAX];
    uint32_t next; /* the socket of the next batch */
    int epoll;
    uint8_t out[BATCH][LOAD_REQUEST_MAX];
    uint8_t *in; /* BATCH x DATAGRAM_MAX */
};

static bool open_socket(struct udp_run *run, uint32_t number)
{
    const struct load_options *options = &run->load->options;
    int size = BUFFER_BYTES;
    int fd = socket(options->server.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    run->sockets[number] = fd;
    if (fd < 0 ||
        connect(fd, (const struct sockaddr *)&options->server, options->server_len) != 0) {
        return false;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    }
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = number};
    return epoll_ctl(run->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

/* What a full socket did not take leaves a little later: it counts as lost only when no answer
 * comes, and a closed loop waits for the socket anyway. */
static void send_batch(int fd, struct mmsghdr *messages, uint32_t count)
{
    for (uint32_t sent = 0; sent < count;) {
        int took = sendmmsg(fd, messages + sent, count - sent, 0);
        if (took > 0) {
            sent += (uint32_t)took;
        } else if (errno != EAGAIN && errno != EINTR && errno != ECONNREFUSED && errno != ENOBUFS) {
            return;
        }
    }
}

static void ask(struct udp_run *run, int64_t now_ns)
{
    struct load *load = run->load;
    struct mmsghdr messages[BATCH] = {0};
    struct iovec parts[BATCH];
    uint32_t due = load_due(load, now_ns);
    uint32_t count = due < BATCH ? due : BATCH;
    uint32_t owner = run->next;
    for (uint32_t i = 0; i < count; i++) {
        size_t len = 0;
        (void)load_next(load, owner, now_ns, run->out[i], &len);
        parts[i] = (struct iovec){run->out[i], len};
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    if (count > 0) {
        run->next = (owner + 1) % load->options.sockets;
        send_batch(run->sockets[owner], messages, count);
    }
}

/* True when more may wait in this socket. */
static bool hear(struct udp_run *run, uint32_t owner)
{
    struct mmsghdr messages[BATCH] = {0};
    struct iovec parts[BATCH];
    for (uint32_t i = 0; i < BATCH; i++) {
        parts[i] = (struct iovec){run->in + (size_t)i * DATAGRAM_MAX, DATAGRAM_MAX};
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    int got = recvmmsg(run->sockets[owner], messages, BATCH, MSG_DONTWAIT, NULL);
    int64_t now_ns = load_now_ns();
    for (int i = 0; i < got; i++) {
        (void)load_settle(run->load, owner, bytes_of(parts[i].iov_base, messages[i].msg_len),
                          now_ns);
    }
    return got == BATCH;
}

static void hear_all(struct udp_run *run, int64_t patience_ns)
{
    struct epoll_event events[BATCH];
    struct timespec patience = {.tv_nsec = patience_ns};
    if (run->load->options.sockets == 1 && patience_ns == 0) {
        (void)hear(run, 0);
        return;
    }
    int ready = epoll_pwait2(run->epoll, events, BATCH, &patience, NULL);
    for (int i = 0; i < ready; i++) {
        while (hear(run, events[i].data.u32)) {
        }
    }
}

static bool open_all(struct udp_run *run)
{
    run->in = malloc((size_t)BATCH * DATAGRAM_MAX);
    run->epoll = epoll_create1(EPOLL_CLOEXEC);
    bool is_open = run->in != NULL && run->epoll >= 0;
    for (uint32_t i = 0; i < run->load->options.sockets; i++) {
        is_open = is_open && open_socket(run, i);
    }
    return is_open;
}

bool load_udp_run(struct load *load)
{
    struct udp_run *run = calloc(1, sizeof(*run));
    if (run == NULL) {
        load->fault = "out of memory";
        return false;
    }
    run->load = load;
    for (uint32_t i = 0; i < load->options.sockets; i++) {
        run->sockets[i] = -1;
    }
    if (!open_all(run)) {
        load->fault = "sockets cannot be opened";
    }
    load_begin(load);
    for (int64_t now_ns = load->begin_ns; load_goes_on(load, now_ns); now_ns = load_now_ns()) {
        ask(run, now_ns);
        bool is_more_due = load_due(load, now_ns) > 0;
        hear_all(run, is_more_due ? 0 : load_patience_ns(load, now_ns));
    }
    for (uint32_t i = 0; i < load->options.sockets; i++) {
        if (run->sockets[i] >= 0) {
            (void)close(run->sockets[i]);
        }
    }
    (void)close(run->epoll);
    free(run->in);
    free(run);
    return load->fault == NULL;
}
