/* SPDX-License-Identifier: Apache-2.0
 *
 * The ways to a prefix's service, read from its record 0.NA/<prefix>: every server of every site,
 * every protocol that can be checked. And whether two records tell the same service.
 *
 * Pure; what is handed out lies in the arena and borrows from the values.
 */
#pragma once

#include "protocol/value.h"
#include "resolver/service.h"

#define PROBE_TARGETS_MAX 16

struct probe_route {
    struct service_target targets[PROBE_TARGETS_MAX];
    size_t count;
    size_t left_out;    /* beyond that many */
    size_t unsupported; /* interfaces of protocols nobody knows */
    size_t sites;
    struct bytes alias; /* HS_SERV: the sites stand there instead; empty where there are sites */
};

/* NO_MEMORY. A record that tells nothing leaves all of it empty. */
enum status probe_route_read(const struct value *values, size_t count, struct arena *arena,
                             struct probe_route *out_route);

/* The same of what a referral tells: the service of names, else that of derived prefixes. */
enum status probe_route_referred(const struct value *values, size_t count, struct arena *arena,
                                 struct probe_route *out_route);

/* The same of a service already read. */
void probe_route_of(const struct service *service, struct probe_route *out_route);

/* Does `told` name a server of `route`, by address or host and port? */
bool probe_route_meets(const struct probe_route *route, const struct probe_route *told);
