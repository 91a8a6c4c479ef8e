/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel's limit over UDP: a bare loop of recvmmsg and sendmmsg, 32 at a time, that answers
 * every resolution with a well-formed answer of a fixed size from memory. No reactor, no decoding,
 * no look-up: only the request id and the handle are copied. Frozen: it uses no header of ours.
 *
 *   baseline_echo PORT ANSWER_BYTES     answers above 512 bytes leave as pieces of 512
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BATCH 32
#define REQUEST_MAX 512
#define ENVELOPE 20
#define PAYLOAD 492
#define HANDLE_AT 48 /* envelope, header, length of the handle */
#define PIECES_MAX 8
#define ANSWER_MAX ((size_t)(ENVELOPE + PIECES_MAX * PAYLOAD))
#define BUFFER_BYTES (4 << 20)

static uint8_t in[BATCH][REQUEST_MAX];
static uint8_t out[BATCH][PIECES_MAX][ENVELOPE + PAYLOAD];
static struct sockaddr_in peers[BATCH];
static size_t answer_len;

static void put32(uint8_t *at, size_t v)
{
    at[0] = (uint8_t)(v >> 24);
    at[1] = (uint8_t)(v >> 16);
    at[2] = (uint8_t)(v >> 8);
    at[3] = (uint8_t)v;
}

static size_t get32(const uint8_t *at)
{
    return (size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3];
}

/* Everything of an answer but the request id; `whole` holds answer_len bytes. */
static void make_template(uint8_t *whole, size_t handle_len)
{
    static const uint8_t envelope[4] = {2, 11, 2, 11};
    size_t value_at = HANDLE_AT + handle_len + 4;
    memset(whole, 'x', answer_len);
    memset(whole, 0, ENVELOPE + 24);
    memcpy(whole, envelope, sizeof(envelope));
    put32(whole + 16, answer_len - ENVELOPE);
    put32(whole + 20, 1); /* resolution, success */
    put32(whole + 24, 1);
    put32(whole + 40, answer_len - ENVELOPE - 24 - 4);
    put32(whole + 44, handle_len);
    put32(whole + value_at - 4, 1);
    memset(whole + value_at, 0, 18); /* index, time, TTL, permissions, type of 0 bytes */
    put32(whole + value_at + 18, answer_len - value_at - 30);
    memset(whole + answer_len - 8, 0, 8); /* no references, no credential */
}

/* The answer stands cut in `pieces`; how many. Its first piece holds the handle. */
static unsigned make_answer(uint8_t pieces[PIECES_MAX][ENVELOPE + PAYLOAD], const uint8_t *request)
{
    static uint8_t whole[ANSWER_MAX];
    static size_t made_for;
    size_t handle_len = get32(request + 44);
    if (made_for != handle_len) {
        made_for = handle_len;
        make_template(whole, handle_len);
    }
    memcpy(whole + 8, request + 8, 4);
    memcpy(whole + HANDLE_AT, request + HANDLE_AT, handle_len);
    if (answer_len <= ENVELOPE + PAYLOAD) {
        memcpy(pieces[0], whole, answer_len);
        return 1;
    }
    unsigned count = 0;
    for (size_t at = ENVELOPE; at < answer_len; at += PAYLOAD) {
        size_t rest = answer_len - at;
        memcpy(pieces[count], whole, ENVELOPE);
        pieces[count][2] |= 0x20;
        put32(pieces[count] + 12, count);
        memcpy(pieces[count] + ENVELOPE, whole + at, rest < PAYLOAD ? rest : PAYLOAD);
        count++;
    }
    return count;
}

static void serve(int fd)
{
    static struct mmsghdr got[BATCH];
    static struct mmsghdr go[BATCH * PIECES_MAX];
    static struct iovec room[BATCH];
    static struct iovec parts[BATCH * PIECES_MAX];
    for (int i = 0; i < BATCH; i++) {
        room[i] = (struct iovec){in[i], REQUEST_MAX};
        got[i].msg_hdr = (struct msghdr){.msg_name = &peers[i], .msg_iov = &room[i]};
        got[i].msg_hdr.msg_namelen = sizeof(peers[i]);
        got[i].msg_hdr.msg_iovlen = 1;
    }
    int count = recvmmsg(fd, got, BATCH, MSG_WAITFORONE, NULL);
    unsigned total = 0;
    for (int i = 0; i < count; i++) {
        size_t len = got[i].msg_len;
        if (len < HANDLE_AT || get32(in[i] + 44) > len - HANDLE_AT) {
            continue;
        }
        unsigned pieces = make_answer(out[i], in[i]);
        for (unsigned p = 0; p < pieces; p++, total++) {
            size_t rest = answer_len - p * PAYLOAD;
            parts[total] =
                (struct iovec){out[i][p], rest < ENVELOPE + PAYLOAD ? rest : ENVELOPE + PAYLOAD};
            go[total].msg_hdr = (struct msghdr){.msg_name = &peers[i], .msg_iov = &parts[total]};
            go[total].msg_hdr.msg_namelen = sizeof(peers[i]);
            go[total].msg_hdr.msg_iovlen = 1;
        }
    }
    for (unsigned sent = 0; sent < total;) {
        int took = sendmmsg(fd, go + sent, total - sent, 0);
        sent += took > 0 ? (unsigned)took : 1;
    }
}

int main(int count, char **text)
{
    answer_len = count == 3 ? (size_t)atoi(text[2]) : 0;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    int size = BUFFER_BYTES;
    struct sockaddr_in local = {.sin_family = AF_INET};
    local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    local.sin_port = htons(count == 3 ? (uint16_t)atoi(text[1]) : 0);
    if (answer_len < 128 || answer_len > ANSWER_MAX || fd < 0 ||
        bind(fd, (struct sockaddr *)&local, sizeof(local)) != 0) {
        (void)fprintf(stderr, "baseline_echo PORT ANSWER_BYTES\n");
        return 2;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    for (;;) {
        serve(fd);
    }
}
