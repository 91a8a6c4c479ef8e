/* SPDX-License-Identifier: Apache-2.0
 *
 * Who is asking: trusted networks, and how many connections each address holds over all workers.
 *
 * A source is an IPv4 address or an IPv6 /64 (one customer gets at least that much). The count is
 * touched when a connection begins and ends, never by a request.
 */
#pragma once

#include "conf/settings.h"
#include "resolver/net.h"

#define SOURCE_LEN 16

/* The bytes that stand for the source of `address`. */
void sources_key(const struct net_address *address, uint8_t out_source[SOURCE_LEN]);
uint64_t sources_hash(const uint8_t source[SOURCE_LEN], uint64_t seed);

/* In one of the networks that are exempt from the limits for strangers. */
bool sources_trust(const struct net_address *address, const struct settings_network *networks,
                   size_t count);

struct sources;

/* `seed` makes the table's order unpredictable. NULL: no memory. */
struct sources *sources_new(uint64_t seed);
void sources_free(struct sources *sources);

struct sources_limits {
    size_t connections; /* in all */
    size_t connections_per_source;
};

enum sources_outcome { SOURCES_ENTERED, SOURCES_FULL, SOURCES_SOURCE_FULL };

/* Counts a connection in; unless ENTERED nothing was counted. SOURCE_FULL also: no memory. Any
 * thread. */
enum sources_outcome sources_enter(struct sources *sources, const struct net_address *peer,
                                   const struct sources_limits *limits);
void sources_leave(struct sources *sources, const struct net_address *peer);
size_t sources_connections(struct sources *sources);
