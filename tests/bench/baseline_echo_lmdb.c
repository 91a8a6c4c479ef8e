/* SPDX-License-Identifier: Apache-2.0
 *
 * The echo of baseline_echo.c with one LMDB get by name per answer, out of an environment that
 * baseline_fill_lmdb made: the row's bytes from ROW_SKIP on are the answer's values. One read
 * transaction, renewed for each batch. Frozen: it uses no header of ours.
 *
 *   baseline_echo_lmdb PORT DIR ROW_SKIP [hashed]
 */
#include <arpa/inet.h>
#include <lmdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BATCH 32
#define REQUEST_MAX 512
#define ANSWER_MAX 512
#define HANDLE_AT 48 /* envelope, header, length of the handle */
#define MAP_BYTES (64ull << 30)
#define BUFFER_BYTES (4 << 20)

static uint8_t in[BATCH][REQUEST_MAX];
static uint8_t out[BATCH][ANSWER_MAX];
static struct sockaddr_in peers[BATCH];
static MDB_txn *txn;
static MDB_dbi rows;

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

static int find(const uint8_t *name, size_t len, int is_hashed, MDB_val *row)
{
    uint8_t folded[REQUEST_MAX];
    uint64_t hash = 0xcbf29ce484222325u;
    MDB_val key = {len, folded};
    for (size_t i = 0; i < len; i++) {
        folded[i] = name[i] >= 'a' && name[i] <= 'z' ? (uint8_t)(name[i] - 32) : name[i];
    }
    if (is_hashed) {
        for (size_t i = 0; i < len; i++) {
            hash = (hash ^ folded[i]) * 0x100000001b3u;
        }
        hash = (hash ^ hash >> 29) * 0xbf58476d1ce4e5b9u;
        key = (MDB_val){sizeof(hash), &hash};
    }
    return mdb_get(txn, rows, &key, row);
}

/* Envelope and header, the handle as asked, the row's values, no credential. */
static size_t answer(uint8_t *reply, const uint8_t *request, MDB_val row, size_t skip)
{
    static const uint8_t envelope[4] = {2, 11, 2, 11};
    size_t handle_len = get32(request + 44);
    size_t values = row.mv_size - skip;
    size_t len = HANDLE_AT + handle_len + values + 4;
    if (len > ANSWER_MAX) {
        return 0;
    }
    memset(reply, 0, HANDLE_AT);
    memcpy(reply, envelope, sizeof(envelope));
    memcpy(reply + 8, request + 8, 4);
    put32(reply + 16, len - 20);
    put32(reply + 20, 1); /* resolution, success */
    put32(reply + 24, 1);
    put32(reply + 40, len - 20 - 24 - 4);
    memcpy(reply + 44, request + 44, 4 + handle_len);
    memcpy(reply + HANDLE_AT + handle_len, (uint8_t *)row.mv_data + skip, values);
    memset(reply + len - 4, 0, 4);
    return len;
}

static void serve(int fd, size_t skip, int is_hashed)
{
    static struct mmsghdr got[BATCH];
    static struct mmsghdr go[BATCH];
    static struct iovec room[BATCH];
    static struct iovec parts[BATCH];
    for (int i = 0; i < BATCH; i++) {
        room[i] = (struct iovec){in[i], REQUEST_MAX};
        got[i].msg_hdr = (struct msghdr){.msg_name = &peers[i], .msg_iov = &room[i]};
        got[i].msg_hdr.msg_namelen = sizeof(peers[i]);
        got[i].msg_hdr.msg_iovlen = 1;
    }
    int count = recvmmsg(fd, got, BATCH, MSG_WAITFORONE, NULL);
    unsigned total = 0;
    if (mdb_txn_renew(txn) != 0) {
        exit(1);
    }
    for (int i = 0; i < count; i++) {
        size_t len = got[i].msg_len;
        MDB_val row;
        if (len < HANDLE_AT || get32(in[i] + 44) > len - HANDLE_AT ||
            find(in[i] + HANDLE_AT, get32(in[i] + 44), is_hashed, &row) != 0) {
            continue;
        }
        parts[total] = (struct iovec){out[total], answer(out[total], in[i], row, skip)};
        go[total].msg_hdr = (struct msghdr){.msg_name = &peers[i], .msg_iov = &parts[total]};
        go[total].msg_hdr.msg_namelen = sizeof(peers[i]);
        go[total].msg_hdr.msg_iovlen = 1;
        total++;
    }
    mdb_txn_reset(txn);
    for (unsigned sent = 0; sent < total;) {
        int took = sendmmsg(fd, go + sent, total - sent, 0);
        sent += took > 0 ? (unsigned)took : 1;
    }
}

int main(int count, char **text)
{
    MDB_env *env;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    int size = BUFFER_BYTES;
    struct sockaddr_in local = {.sin_family = AF_INET};
    local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    local.sin_port = htons(count > 3 ? (uint16_t)atoi(text[1]) : 0);
    if (count < 4 || bind(fd, (struct sockaddr *)&local, sizeof(local)) != 0 ||
        mdb_env_create(&env) != 0 || mdb_env_set_mapsize(env, MAP_BYTES) != 0 ||
        mdb_env_open(env, text[2], MDB_RDONLY | MDB_NOTLS, 0) != 0 ||
        mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) != 0 || mdb_dbi_open(txn, NULL, 0, &rows) != 0) {
        (void)fprintf(stderr, "baseline_echo_lmdb PORT DIR ROW_SKIP [hashed]\n");
        return 2;
    }
    mdb_txn_reset(txn);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    for (;;) {
        serve(fd, strtoul(text[3], NULL, 10), count > 4);
    }
}
