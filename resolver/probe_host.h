/* SPDX-License-Identifier: Apache-2.0
 *
 * Top-level servers told by a name alone: the SRV records of that name say where they are, as they
 * do for forwarding (forward_hosts.c).
 */
#pragma once

#include "resolver/dns.h"
#include "resolver/service.h"

/* OK: `out` and their number, 1 at least, those asked first at the front. NOT_FOUND: the name
 * itself is the host; UNREACHABLE: nobody offers the service there; PENDING, SERVER_BUSY as
 * dns_find_services. */
enum status probe_host_services(struct dns *dns, const struct service_target *target,
                                struct dns_service out[DNS_SERVICES_MAX], size_t *out_count);
