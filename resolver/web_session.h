/* SPDX-License-Identifier: Apache-2.0
 *
 * Sessions of clients over HTTP (protocol.md §9.6, §9.7): a nonce to be answered, and whose answer
 * was right. One table for all workers, since the next request may come on any connection.
 *
 * Whoever knows an id speaks for its session: 128 random bits, told over TLS only. Sessions that
 * nobody has proved anything in live on shelves of their own, so that strangers who only knock
 * displace each other and never somebody who is in. Sharded by source, mutexes held for a copy;
 * bounded in all and per source, the oldest goes first.
 */
#pragma once

#include "protocol/handle.h"
#include "resolver/session.h"

#define WEB_SESSION_ID_LEN 20 /* where it lies, then 128 bits of chance */
#define WEB_SESSION_ID_TEXT (2 * WEB_SESSION_ID_LEN + 1)
#define WEB_SESSION_FRESH_MS (5 * 60 * 1000)
#define WEB_SESSION_IDLE_MS (30 * 60 * 1000)

struct web_sessions;

/* A copy. */
struct web_session {
    char id[WEB_SESSION_ID_TEXT];
    uint8_t nonce[SESSION_NONCE_LEN];
    bool is_authenticated;
    uint32_t index;
    uint64_t key_version; /* of the record that holds the key it was proved by; 0: not ours */
    size_t handle_len;
    uint8_t handle[HANDLE_MAX];
};

struct web_sessions *web_sessions_new(uint64_t seed, void (*random)(void *out, size_t len));
void web_sessions_free(struct web_sessions *web);

/* Gives up what is over its time in one shard, another each turn; now and then. */
void web_sessions_sweep(struct web_sessions *web, unsigned turn, int64_t now_ms);

/* A new one, of nobody yet. Of `limits` those of challenges bound the fresh ones. NO_MEMORY. */
enum status web_sessions_open(struct web_sessions *web, const struct sessions_limits *limits,
                              int64_t now_ms, const struct net_address *peer,
                              struct web_session *out_session);

/* SESSION_TIMEOUT: unknown or over its time. Counts as use. */
enum status web_sessions_get(struct web_sessions *web, int64_t now_ms, struct bytes id,
                             struct web_session *out_session);

/* From now on it is that of handle and index of `proved`, whoever's it was. SESSION_TIMEOUT. */
enum status web_sessions_authenticate(struct web_sessions *web,
                                      const struct sessions_limits *limits, int64_t now_ms,
                                      struct bytes id, const struct web_session *proved);

/* SESSION_TIMEOUT: there was none. */
enum status web_sessions_close(struct web_sessions *web, struct bytes id);

size_t web_sessions_count(struct web_sessions *web);
