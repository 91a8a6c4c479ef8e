/* SPDX-License-Identifier: Apache-2.0
 *
 * Challenges given out and sessions agreed on (protocol.md §7.9, §7.10): one table for all workers
 * of a node, since the next message may come on any connection and to any worker.
 *
 * Sharded by the source that asked, which the low bits of an id tell, each shard under a mutex that
 * is held for a copy. Bounded in entries and bytes, in all and per source; the oldest goes first.
 * Keys are cleansed when they leave. Ids are random, 31 bits, never 0, unique over both.
 */
#pragma once

#include "protocol/digest.h"
#include "protocol/session_key.h"
#include "protocol/value.h"
#include "resolver/net.h"

#define SESSION_NONCE_LEN 16
#define SESSION_COUNTERS 200 /* replay window, messages */

struct sessions;
struct web_sessions;

struct sessions_limits {
    size_t challenges;            /* kept in all */
    size_t challenge_bytes;       /* of their requests */
    size_t challenges_per_source; /* SIZE_MAX: trusted */
    int64_t challenge_ms;
    size_t sessions;
    size_t sessions_per_source;
};

/* `random` gives ids. NULL: no memory. */
struct sessions *sessions_new(uint64_t seed, void (*random)(void *out, size_t len));
void sessions_free(struct sessions *sessions);

/* The sessions of clients over HTTP (web_session.h): swept and freed with these. */
struct web_sessions *sessions_web(struct sessions *sessions);

/* Gives up what is over its time; now and then. */
void sessions_sweep(struct sessions *sessions, int64_t now_ms);

/* --- challenges --------------------------------------------------------------------------------
 */

struct challenge {
    uint32_t id; /* what names it on the wire: its own, or its session's */
    bool is_in_session;
    uint32_t request_id;
    bool is_bound; /* only `peer` may answer: over UDP */
    struct net_address peer;
    struct message_version version; /* it was made in */
    struct digest digest;           /* of the request */
    uint8_t nonce[SESSION_NONCE_LEN];
    int64_t expires_ms;
    size_t packet_len; /* the request, exactly: envelope ‖ header ‖ body ‖ credential */
    uint8_t packet[];
};

/* What is to be kept; `session_id` 0: outside sessions, an id is chosen. */
struct challenge_ask {
    uint32_t session_id;
    uint32_t request_id;
    bool is_bound;
    struct net_address peer;
    struct message_version version;
    const struct digest *digest;
    struct bytes packet;
    const uint8_t *nonce; /* SESSION_NONCE_LEN fresh random bytes */
};

/* Keeps a challenge; `out_id` and `out_nonce` are what to tell the client. In a session there is
 * one at a time, and asking the same again under the same request id gets the same nonce. NO_ROOM:
 * the request is longer than may be kept; NO_MEMORY. */
enum status sessions_keep_challenge(struct sessions *sessions, const struct sessions_limits *limits,
                                    int64_t now_ms, const struct challenge_ask *ask,
                                    uint32_t *out_id, uint8_t out_nonce[SESSION_NONCE_LEN]);

/* Takes it out, so that nobody answers twice; the caller frees it. AUTHENTICATION_TIMEOUT: there is
 * none, it is over its time, or `peer` is not the one it was given to. */
enum status sessions_take_challenge(struct sessions *sessions, int64_t now_ms, uint32_t id,
                                    const struct net_address *peer,
                                    struct challenge **out_challenge);
void challenge_free(struct challenge *challenge);

/* --- sessions ----------------------------------------------------------------------------------
 */

/* A copy; its key is cleansed by session_free. */
struct session {
    uint32_t id;
    struct session_key key;
    struct message_version version; /* of the set-up's answer */
    bool is_anonymous;
    bool is_authenticated;     /* the identity was proved inside the session */
    struct reference identity; /* as the set-up named it; bytes stand behind the struct */
    uint32_t proved_index;     /* of the key, once authenticated; `identity` may say any */
    int64_t timeout_ms;
    uint8_t handle[]; /* identity.handle */
};

struct session_ask {
    const struct session_key *key;
    struct message_version version;
    bool is_anonymous;
    struct reference identity;
    int64_t timeout_ms;
    struct net_address peer;
};

enum status sessions_open(struct sessions *sessions, const struct sessions_limits *limits,
                          int64_t now_ms, const struct session_ask *ask, uint32_t *out_id);

/* A copy of the session, to be freed. SESSION_TIMEOUT: unknown or over its time. Counts as use. */
enum status sessions_get(struct sessions *sessions, int64_t now_ms, uint32_t id,
                         struct session **out_session);
void session_free(struct session *session);

/* Takes a counter the peer used; SESSION_REJECTED: it was used, or lies before the window (0 is a
 * number like others); SESSION_TIMEOUT. After its MAC proved right. */
enum status sessions_take_counter(struct sessions *sessions, uint32_t id, uint32_t counter);

/* Our next counter in that session, from 1; SESSION_TIMEOUT. */
enum status sessions_next_counter(struct sessions *sessions, uint32_t id, uint32_t *out_counter);

/* The session's identity has been proved, by its key `index`. */
void sessions_authenticate(struct sessions *sessions, uint32_t id, uint32_t index);

/* SESSION_TIMEOUT: there was none. */
enum status sessions_close(struct sessions *sessions, uint32_t id);

/* How many had to go before their time since somebody asked; each is told once. */
void sessions_take_displaced(struct sessions *sessions, size_t *out_challenges,
                             size_t *out_sessions);

struct sessions_figures {
    uint64_t challenges, challenge_bytes, sessions;
};
void sessions_figures(struct sessions *sessions, struct sessions_figures *out_figures);
