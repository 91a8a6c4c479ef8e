/* SPDX-License-Identifier: Apache-2.0
 *
 * The first answer to what must not be done twice, for whoever sends it again (protocol.md §13 row
 * 48): requests known by address, request id and digest, for ten seconds.
 *
 * One table for all workers, sharded by key, each shard under a mutex held for a copy; bounded in
 * bytes, the oldest answer goes first; what is under way stays, and nothing new is begun instead.
 */
#pragma once

#include "protocol/value.h"
#include "resolver/net.h"

#define DUPLICATES_MS 10000
#define DUPLICATE_KEY_LEN 32

struct duplicates;

struct duplicate_key {
    uint8_t data[DUPLICATE_KEY_LEN];
};

/* `bytes`: memory of all answers kept. NULL: no memory. */
struct duplicates *duplicates_new(size_t bytes);
void duplicates_free(struct duplicates *duplicates);

/* SHA-256 of address, who the connection is known as (no handle: nobody), and packet; the port
 * counts for UDP only, where it is what an answer goes to. */
enum status duplicate_key_of(const struct net_address *peer, bool with_port, struct reference known,
                             struct bytes packet, struct duplicate_key *out_key);

enum duplicate_verdict {
    DUPLICATE_FIRST,    /* nobody else is at it: the caller ends with _keep or _release */
    DUPLICATE_RUNNING,  /* the first one is not done yet */
    DUPLICATE_ANSWERED, /* its answer was copied to `room` */
    DUPLICATE_CROWDED,  /* it cannot be noted: whoever sends it again would have it done again */
};

/* `room` holds MESSAGE_PACKET_MAX bytes. */
enum duplicate_verdict duplicates_enter(struct duplicates *duplicates, int64_t now_ms,
                                        const struct duplicate_key *key, uint8_t *room,
                                        size_t *out_len);
void duplicates_keep(struct duplicates *duplicates, int64_t now_ms, const struct duplicate_key *key,
                     struct bytes answer);
void duplicates_release(struct duplicates *duplicates, const struct duplicate_key *key);

/* How many had to go before their time since somebody asked; each is told once. Any thread. */
size_t duplicates_take_displaced(struct duplicates *duplicates);
