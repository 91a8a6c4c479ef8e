/* SPDX-License-Identifier: Apache-2.0
 *
 * The site record of a new node: read from a file, or built from where it listens.
 */
#pragma once

#include "protocol/arena.h"
#include "protocol/status.h"
#include "resolver/net.h"

struct init_site_facts {
    struct net_address address; /* that others reach the node at; its port, too */
    const char *description;    /* may be empty */
    struct bytes public_key;    /* HS_PUBKEY record */
    uint16_t http_port;         /* 0: not served; likewise the other */
    uint16_t https_port;
};

/* HS_SITE bytes: one server; TCP for query and administration, then UDP for query, then HTTP and
 * HTTPS as TCP; version 2.11, primary, hash by the whole handle. In the arena. */
enum status init_site_build(struct arena *arena, const struct init_site_facts *facts,
                            struct bytes *out_site);

/* A binary HS_SITE record, or JSON: the site object, alone or as member "site" or "value". */
enum status init_site_read(struct arena *arena, const char *path, struct bytes *out_site,
                           struct fault *fault);

/* An address of this machine's interfaces: global before private before loopback, IPv4 before
 * IPv6. */
struct net_address init_site_own_address(void);
