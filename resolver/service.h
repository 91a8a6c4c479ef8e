/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a service runs: from the values of a prefix record to the servers to be asked, in order
 * (protocol.md §8.2, §8.3).
 *
 * Pure: no network, no clock, no state; what is measured about servers comes in as a cost. What is
 * handed out lies in the arena and borrows from the values.
 */
#pragma once

#include "protocol/site.h"
#include "protocol/value.h"
#include "resolver/ask.h"

#define SERVICE_SITES_MAX 32
#define SERVICE_TARGETS_MAX 32

struct service {
    struct site sites[SERVICE_SITES_MAX];
    size_t count;
};

/* Which values of a record or referral name the service. */
enum service_source {
    SERVICE_OF_NAMES,    /* HS_SITE.6, HS_SITE: of what stands under a prefix */
    SERVICE_OF_PREFIXES, /* HS_SITE.PREFIX, HS_NA_DELEGATE: of prefixes derived from it */
};

/* Sites that cannot be read or used are passed over; `out_service` may be left without any.
 * NO_MEMORY. */
enum status service_read(const struct value *values, size_t count, enum service_source source,
                         struct arena *arena, struct service *out_service);

/* The handle that holds the sites instead: HS_SERV or HS_SERV.PREFIX; none when there is none. */
struct bytes service_alias(const struct value *values, size_t count, enum service_source source);

/* One server to ask, one way to reach it. */
struct service_target {
    struct net_address address; /* with the port; of no meaning while `host` is not empty */
    struct bytes host;          /* its name, to be looked up */
    bool has_records;           /* SRV records of that name may tell where it is */
    enum ask_transport transport;
    struct bytes path;              /* HTTP: what stands before every path; may be empty */
    struct message_version version; /* to speak to it */
    uint16_t serial;                /* of its site */
    struct bytes public_key;        /* HS_PUBKEY record; may be empty */
};

struct service_need {
    struct bytes handle;
    bool is_primary_only; /* AT and administration */
    bool is_large;        /* more than a datagram: TCP first */
};

/* Lower is better. */
typedef int64_t service_cost(void *context, const struct service_target *target);

/* What the second transport costs more, TCP where UDP will do: a round trip to begin with. */
#define SERVICE_LATE_COST 50
#define SERVICE_HTTP_COST 200 /* HTTP; HTTPS twice that */

/* Of each site the server the handle's hash names; sites that speak our protocol first, then by
 * cost, then as they stand; UDP of all before TCP of all where they cost the same, HTTP and HTTPS
 * last. `cost` may be NULL. Their number. */
size_t service_targets(const struct service *service, const struct service_need *need,
                       service_cost *cost, void *context,
                       struct service_target out[SERVICE_TARGETS_MAX]);
