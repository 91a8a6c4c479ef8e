/* SPDX-License-Identifier: Apache-2.0
 *
 * SRV records (RFC 2782): who offers a service of a domain, and in which order they are asked.
 *
 * Pure: from the bytes of a DNS answer to a short list; chance is passed in.
 */
#pragma once

#include "protocol/status.h"
#include "protocol/wire.h"

#define DNS_HOST_ROOM 256
#define DNS_SERVICES_MAX 8

struct dns_service {
    char host[DNS_HOST_ROOM]; /* without the dot at its end */
    uint16_t port;
    uint16_t priority;
    uint16_t weight;
};

/* The records of a whole DNS answer, the first of those with the lowest priorities, sorted by it;
 * `out_ttl_s` is the shortest of their times. A domain that says it offers no such service ("."):
 * OK and none. NOT_FOUND: there are no such records; PROTOCOL_ERROR: the answer makes no sense. */
enum status dns_srv_read(struct bytes answer, struct dns_service out[DNS_SERVICES_MAX],
                         size_t *out_count, uint32_t *out_ttl_s);

/* Among those of one priority, the heavier come first more often. */
void dns_srv_shuffle(struct dns_service *services, size_t count,
                     void (*random)(void *out, size_t len));
