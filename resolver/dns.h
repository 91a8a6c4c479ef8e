/* SPDX-License-Identifier: Apache-2.0
 *
 * Addresses of host names and who offers a service, kept as long as their TTL says and looked up
 * anew before they are missed.
 *
 * One per worker, its thread. IPv6 and IPv4 of a name are looked up together. While a name is being
 * looked up again the old addresses serve; when that fails they do so for a while longer. Scenario
 * tests bring their own.
 */
#pragma once

#include "conf/settings.h"
#include "resolver/dns_srv.h"
#include "resolver/net.h"

#define DNS_ADDRESSES_MAX 8

struct dns;

/* `servers`: "192.0.2.53", "192.0.2.53:5353"; none: those of the machine. BAD_SETTING; SYSTEM. */
enum status dns_new(struct net *net, const struct settings_list *servers, struct dns **out_dns);
/* NULL is allowed. Nobody is told any more. */
void dns_free(struct dns *dns);

/* OK: `out`, IPv6 first, port 0, and their number. PENDING: it is being looked up. NOT_FOUND: there
 * is no such name or it has no address, as far as was heard lately. SERVER_BUSY: too many names. */
enum status dns_find(struct dns *dns, struct bytes host, struct net_address out[DNS_ADDRESSES_MAX],
                     size_t *out_count);

/* Who offers a service: the SRV records of a name as "_hdl-srv._tcp.wuhan.example", sorted by their
 * priority. OK and none: the domain says that nobody does. NOT_FOUND: there are no such records, as
 * far as was heard lately. PENDING, SERVER_BUSY as above. */
enum status dns_find_services(struct dns *dns, struct bytes name,
                              struct dns_service out[DNS_SERVICES_MAX], size_t *out_count);

/* Told once, when any look-up has ended. Embedded; taken back by dns_forget. */
struct dns_waiter {
    struct dns_waiter *next;
    void (*called)(void *context);
    void *context;
    int64_t until_ms; /* net_now_ms: told then at the latest; 0: no such time */
    bool is_waiting;
};
void dns_wait(struct dns *dns, struct dns_waiter *waiter);
void dns_forget(struct dns *dns, struct dns_waiter *waiter);
