/* SPDX-License-Identifier: Apache-2.0
 *
 * OpenMetrics over HTTP for a monitoring system: GET /metrics on its own address, and nothing else.
 *
 * Runs on a loop that serves no resolver's clients. It has no authentication, so it belongs on
 * loopback. Whatever is sent costs at most METRICS_PORT_CONNECTIONS_MAX connections of one small
 * request each for METRICS_PORT_MS.
 */
#pragma once

#include <stdio.h>

#include "resolver/net.h"

#define METRICS_PORT_CONNECTIONS_MAX 16
#define METRICS_PORT_REQUEST_MAX 4096
#define METRICS_PORT_MS 5000 /* for the request, and again for reading the answer */

struct metrics_port;

struct metrics_port_options {
    struct net *net; /* borrowed, as everything here, until metrics_port_close */
    struct net_address address;
    /* Writes every family, without the closing "# EOF"; on the net's thread. */
    void (*write)(void *context, FILE *out);
    void *context;
};

/* LOCKED: somebody else has the address. SYSTEM, NO_MEMORY. */
enum status metrics_port_open(const struct metrics_port_options *options,
                              struct metrics_port **out_port, struct fault *fault);
void metrics_port_close(struct metrics_port *port);
struct net_address metrics_port_local(const struct metrics_port *port);
