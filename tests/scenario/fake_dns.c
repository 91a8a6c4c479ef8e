/* SPDX-License-Identifier: Apache-2.0
 *
 * Host names of scenario tests, in place of resolver/dns.c: "<address>.test" has that address once
 * it was looked up, which takes 20 ms; everything else does not exist.
 */
#include "resolver/dns.h"

#include <assert.h>
#include <stdlib.h>

#include "tests/scenario/fake_parts.h"

#define LOOK_UP_MS 20

struct dns {
    struct net_timer *timer;
    struct dns_waiter *waiters;
    bool is_known; /* names were waited for once */
    bool is_started;
};

static void dns_on_timer(void *context)
{
    struct dns *dns = context;
    dns->is_known = true;
    while (dns->waiters != NULL) {
        struct dns_waiter *waiter = dns->waiters;
        dns->waiters = waiter->next;
        waiter->is_waiting = false;
        waiter->called(waiter->context);
    }
}

enum status dns_new(struct net *net, const struct settings_list *servers, struct dns **out_dns)
{
    (void)servers;
    struct dns *dns = fake_allocate(sizeof(*dns));
    *out_dns = dns;
    return net_timer_new(net, dns_on_timer, dns, &dns->timer);
}

void dns_free(struct dns *dns)
{
    if (dns != NULL) {
        net_timer_free(dns->timer);
        free(dns);
    }
}

static void start(struct dns *dns)
{
    if (!dns->is_started) {
        net_timer_start(dns->timer, LOOK_UP_MS);
        dns->is_started = true;
    }
}

enum status dns_find(struct dns *dns, struct bytes host, struct net_address out[DNS_ADDRESSES_MAX],
                     size_t *out_count)
{
    char text[NET_ADDRESS_TEXT] = "";
    struct bytes end = BYTES_LITERAL(".test");
    if (host.len <= end.len || host.len - end.len >= sizeof(text) ||
        !bytes_equal(bytes_from(host, host.len - end.len), end)) {
        return STATUS_NOT_FOUND;
    }
    if (!dns->is_known) {
        start(dns);
        return STATUS_PENDING;
    }
    memcpy(text, host.data, host.len - end.len);
    assert(net_address_parse(text, 0, &out[0]) == STATUS_OK);
    *out_count = 1;
    return STATUS_OK;
}

/* Of "peers.test" alone: the second peer, then the top-level one; of "none.test" it is said that
 * nobody offers any. */
enum status dns_find_services(struct dns *dns, struct bytes name,
                              struct dns_service out[DNS_SERVICES_MAX], size_t *out_count)
{
    static const struct dns_service peers[] = {{"127.0.0.8.test", 2650, 1, 0},
                                               {"127.0.0.7.test", 2650, 2, 0}};
    struct bytes end = bytes_from(name, sizeof("_hdl-srv._tcp.") - 1);
    bool has_peers = bytes_equal(end, BYTES_LITERAL("peers.test"));
    if (!has_peers && !bytes_equal(end, BYTES_LITERAL("none.test"))) {
        return STATUS_NOT_FOUND;
    }
    if (!dns->is_known) {
        start(dns);
        return STATUS_PENDING;
    }
    *out_count = has_peers ? 2 : 0;
    memcpy(out, peers, *out_count * sizeof(peers[0]));
    return STATUS_OK;
}

void dns_wait(struct dns *dns, struct dns_waiter *waiter)
{
    waiter->next = dns->waiters;
    waiter->is_waiting = true;
    dns->waiters = waiter;
}

void dns_forget(struct dns *dns, struct dns_waiter *waiter)
{
    struct dns_waiter **at = &dns->waiters;
    while (*at != NULL && *at != waiter) {
        at = &(*at)->next;
    }
    if (*at != NULL) {
        *at = waiter->next;
    }
    waiter->is_waiting = false;
}
