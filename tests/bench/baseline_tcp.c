/* SPDX-License-Identifier: Apache-2.0
 *
 * A template over TCP: every resolution gets a well-formed answer of a fixed size from memory, with
 * its request id and handle copied in. Everything readable is parsed before one write. No reactor
 * but epoll, no decoding, no look-up. Frozen: it uses no header of ours.
 *
 *   baseline_tcp PORT ANSWER_BYTES
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 64
#define FDS_MAX 4096
#define IN_SIZE 65536
#define OUT_SIZE (1u << 20)
#define ANSWER_MAX 1024
#define ENVELOPE 20
#define HANDLE_AT 48 /* envelope, header, length of the handle */

struct connection {
    size_t in_len;
    uint8_t in[IN_SIZE];
};

static struct connection connections[FDS_MAX]; /* by descriptor; pages appear as they are used */
static uint8_t out[OUT_SIZE];
static size_t out_len;
static size_t answer_len;

static size_t get32(const uint8_t *at)
{
    return (size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3];
}

static const uint8_t *template_for(size_t handle_len)
{
    static uint8_t whole[ANSWER_MAX];
    static size_t made_for;
    uint32_t len = (uint32_t)answer_len - ENVELOPE;
    size_t value_at = HANDLE_AT + handle_len + 4;
    size_t data_len = answer_len - value_at - 30;
    if (made_for != handle_len) { /* 2.11, resolution, success, one value */
        uint32_t head[12] = {
            htonl(0x020b020b), [4] = htonl(len),       htonl(1),
            htonl(1),          [10] = htonl(len - 28), htonl((uint32_t)handle_len)};
        made_for = handle_len;
        memset(whole, 'x', sizeof(whole));
        memcpy(whole, head, sizeof(head));
        memset(whole + value_at - 4, 0, 26); /* count, index to type, length of the data */
        whole[value_at - 1] = 1;
        whole[value_at + 20] = (uint8_t)(data_len >> 8);
        whole[value_at + 21] = (uint8_t)data_len;
        memset(whole + answer_len - 8, 0, 8); /* no references, no credential */
    }
    return whole;
}

/* Answers every complete request; how many bytes are done with. */
static size_t answer(struct connection *c)
{
    size_t at = 0;
    while (c->in_len - at >= HANDLE_AT && OUT_SIZE - out_len >= answer_len) {
        const uint8_t *request = c->in + at;
        size_t len = ENVELOPE + get32(request + 16);
        size_t handle_len = get32(request + 44);
        if (len > IN_SIZE || len < HANDLE_AT + handle_len || handle_len > ANSWER_MAX / 2) {
            return SIZE_MAX;
        }
        if (c->in_len - at < len) {
            break;
        }
        uint8_t *reply = out + out_len;
        memcpy(reply, template_for(handle_len), answer_len);
        memcpy(reply + 8, request + 8, 4);
        memcpy(reply + HANDLE_AT, request + HANDLE_AT, handle_len);
        out_len += answer_len;
        at += len;
    }
    return at;
}

/* 0 when the connection is over. Sending blocks while the peer does not read. */
static int serve(int fd)
{
    struct connection *c = &connections[fd];
    ssize_t got = recv(fd, c->in + c->in_len, IN_SIZE - c->in_len, MSG_DONTWAIT);
    if (got == 0) {
        return 0;
    }
    c->in_len += got > 0 ? (size_t)got : 0;
    out_len = 0;
    size_t done = answer(c);
    if (done == SIZE_MAX) {
        return 0;
    }
    memmove(c->in, c->in + done, c->in_len - done);
    c->in_len -= done;
    return out_len == 0 || send(fd, out, out_len, MSG_NOSIGNAL) == (ssize_t)out_len;
}

static void welcome(int epoll, int listener)
{
    int fd = accept(listener, NULL, NULL);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (fd >= FDS_MAX || (fd >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)) {
        (void)close(fd);
    } else if (fd >= 0) {
        connections[fd].in_len = 0;
    }
}

int main(int count, char **text)
{
    int yes = 1;
    int epoll = epoll_create1(0);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in local = {.sin_family = AF_INET};
    local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    local.sin_port = htons(count == 3 ? (uint16_t)atoi(text[1]) : 0);
    answer_len = count == 3 ? (size_t)atoi(text[2]) : 0;
    (void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    (void)setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    struct epoll_event own = {.events = EPOLLIN, .data.fd = listener};
    if (answer_len < 128 || answer_len > ANSWER_MAX ||
        bind(listener, (struct sockaddr *)&local, sizeof(local)) != 0 ||
        listen(listener, 1024) != 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &own) != 0) {
        (void)fprintf(stderr, "baseline_tcp PORT ANSWER_BYTES\n");
        return 2;
    }
    for (;;) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                welcome(epoll, listener);
            } else if (!serve(fd)) {
                (void)close(fd);
            }
        }
    }
}
