/* SPDX-License-Identifier: Apache-2.0
 *
 * Handle servers as people name them: "@HOST", "@HOST:PORT", "@[V6]:PORT", "@V6"; and how long to
 * wait for one.
 */
#pragma once

#include "protocol/arena.h"
#include "protocol/status.h"
#include "resolver/net.h"

#define SERVER_NAME_PORT "2641"
#define SERVER_NAME_TLS_PORT "2643"
#define SERVER_NAME_ADDRESSES_MAX 16

struct server_name {
    const char *host;
    const char *port;
    bool has_port; /* it was said */
};

/* `text` begins with its '@'. Strings live in the arena. */
bool server_name_parse(struct arena *arena, const char *text, struct server_name *out_name);

/* Every address of the host, in the order they are to be tried; `out` has room for
 * SERVER_NAME_ADDRESSES_MAX. UNREACHABLE: the host is not known. */
enum status server_name_find(const struct server_name *name, struct net_address *out,
                             size_t *out_count, struct fault *fault);

/* "500ms", "5s", "5", "1m"; up to an hour. */
bool server_name_parse_timeout(const char *text, int64_t *out_ms);
