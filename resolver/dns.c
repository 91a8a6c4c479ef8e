/* SPDX-License-Identifier: Apache-2.0
 *
 * c-ares on the worker's loop (dns.h): its sockets are watched, its timeouts are a timer. Whoever
 * waits is told from the loop, never from inside a call.
 */
#include "resolver/dns.h"

#include <ares.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include "resolver/net_socket.h"

#define NAMES_MAX 512
#define SOCKETS_MAX 64
#define SERVERS_ROOM 2048
#define CLASS_INTERNET 1
#define TYPE_SRV 33
#define TIMEOUT_MS 700 /* of one query; c-ares doubles it */
#define TRIES 3
#define TTL_MIN_MS 5000
#define TTL_MAX_MS (3600 * 1000)
#define RETRY_MS 5000               /* after a look-up that failed */
#define NONE_MS 60000               /* after one that found no service */
#define STALE_MS (24 * 3600 * 1000) /* old addresses serve that long while none can be had */

struct name {
    char host[DNS_HOST_ROOM];
    struct dns *dns;
    struct net_address addresses[DNS_ADDRESSES_MAX];
    size_t count;                 /* of addresses or services */
    struct dns_service *services; /* NULL: of addresses */
    bool is_told;                 /* there are services, or it was said that nobody offers any */
    bool is_known;                /* a look-up has ended */
    int64_t fetched_ms;
    int64_t expires_ms; /* then it is looked up again; before, once most of its time is over */
    int64_t used_ms;
    bool is_pending;
};

struct dns_socket {
    int fd;
    struct net_watch *watch; /* NULL: free */
};

struct dns {
    struct net *net;
    ares_channel channel;
    bool has_library;
    bool has_channel;
    bool is_closing;
    struct net_timer *timeout;
    struct net_timer *tell;
    int64_t tell_ms; /* when it fires; 0: it does not */
    struct dns_waiter *waiters;
    struct dns_waiter *told; /* those being told now */
    struct dns_socket sockets[SOCKETS_MAX];
    struct name *names[NAMES_MAX];
    size_t name_count;
};

/* --- c-ares and the loop ---------------------------------------------------------------------- */

static void set_timeout(struct dns *dns)
{
    struct timeval room;
    const struct timeval *next = ares_timeout(dns->channel, NULL, &room);
    if (next == NULL) {
        net_timer_stop(dns->timeout);
    } else {
        net_timer_start(dns->timeout, (int64_t)next->tv_sec * 1000 + next->tv_usec / 1000 + 1);
    }
}

static void dns_on_timeout(void *context)
{
    struct dns *dns = context;
    ares_process_fd(dns->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    set_timeout(dns);
}

static void dns_on_ready(void *context, int fd, bool is_readable, bool is_writable)
{
    struct dns *dns = context;
    ares_process_fd(dns->channel, is_readable ? fd : ARES_SOCKET_BAD,
                    is_writable ? fd : ARES_SOCKET_BAD);
    set_timeout(dns);
}

static void dns_on_socket(void *context, ares_socket_t fd, int is_readable, int is_writable)
{
    struct dns *dns = context;
    struct dns_socket *found = NULL;
    for (size_t i = 0; i < SOCKETS_MAX && (found == NULL || found->watch == NULL); i++) {
        struct dns_socket *at = &dns->sockets[i];
        if (at->watch != NULL ? at->fd == fd : found == NULL) {
            found = at;
        }
    }
    if (found == NULL) {
        return; /* its queries time out */
    }
    if (is_readable == 0 && is_writable == 0) {
        net_watch_free(found->watch);
        found->watch = NULL;
        return;
    }
    if (found->watch == NULL &&
        net_watch_new(dns->net, fd, dns_on_ready, dns, &found->watch) != STATUS_OK) {
        return;
    }
    found->fd = fd;
    net_watch_want(found->watch, is_readable != 0, is_writable != 0);
}

/* --- waiters ---------------------------------------------------------------------------------- */

static void tell_at(struct dns *dns, int64_t at_ms)
{
    int64_t now_ms = net_now_ms(dns->net);
    at_ms = at_ms < now_ms ? now_ms : at_ms;
    if (dns->tell_ms == 0 || at_ms < dns->tell_ms) {
        dns->tell_ms = at_ms;
        net_timer_start(dns->tell, at_ms - now_ms);
    }
}

static void dns_on_tell(void *context)
{
    struct dns *dns = context;
    dns->tell_ms = 0;
    dns->told = dns->waiters;
    dns->waiters = NULL;
    while (dns->told != NULL) {
        struct dns_waiter *waiter = dns->told;
        dns->told = waiter->next;
        waiter->is_waiting = false;
        waiter->called(waiter->context);
    }
}

void dns_wait(struct dns *dns, struct dns_waiter *waiter)
{
    waiter->next = dns->waiters;
    waiter->is_waiting = true;
    dns->waiters = waiter;
    if (waiter->until_ms != 0) {
        tell_at(dns, waiter->until_ms);
    }
}

static void leave(struct dns_waiter **list, struct dns_waiter *waiter)
{
    while (*list != NULL && *list != waiter) {
        list = &(*list)->next;
    }
    if (*list != NULL) {
        *list = waiter->next;
    }
}

void dns_forget(struct dns *dns, struct dns_waiter *waiter)
{
    if (waiter->is_waiting) {
        leave(&dns->waiters, waiter);
        leave(&dns->told, waiter);
        waiter->is_waiting = false;
    }
}

/* --- names ------------------------------------------------------------------------------------ */

static void add_address(struct name *name, const struct ares_addrinfo_node *node, int64_t *ttl_ms)
{
    struct sockaddr_storage address = {0};
    if (name->count == DNS_ADDRESSES_MAX || node->ai_addrlen > sizeof(address)) {
        return;
    }
    memcpy(&address, node->ai_addr, node->ai_addrlen);
    struct net_address *to = &name->addresses[name->count++];
    net_socket_read_address(&address, to);
    to->port = 0;
    int64_t own_ms = (int64_t)node->ai_ttl * 1000;
    *ttl_ms = own_ms < *ttl_ms ? own_ms : *ttl_ms;
}

static void set_life(struct name *name, int64_t ttl_ms)
{
    ttl_ms = ttl_ms < TTL_MIN_MS ? TTL_MIN_MS : ttl_ms;
    name->fetched_ms = net_now_ms(name->dns->net);
    name->expires_ms = name->fetched_ms + (ttl_ms > TTL_MAX_MS ? TTL_MAX_MS : ttl_ms);
}

static void take_addresses(struct name *name, const struct ares_addrinfo *found)
{
    int64_t ttl_ms = TTL_MAX_MS;
    const int families[] = {AF_INET6, AF_INET};
    name->count = 0;
    for (size_t i = 0; i < 2; i++) {
        for (const struct ares_addrinfo_node *node = found->nodes; node != NULL;
             node = node->ai_next) {
            if (node->ai_family == families[i]) {
                add_address(name, node, &ttl_ms);
            }
        }
    }
    set_life(name, ttl_ms);
}

/* Nothing new is known; what is old serves on. */
static void keep_old(struct name *name, bool is_gone)
{
    int64_t now_ms = net_now_ms(name->dns->net);
    if (is_gone || now_ms - name->fetched_ms > STALE_MS) {
        name->count = 0;
        name->is_told = false;
    }
    name->expires_ms = now_ms + (is_gone && name->services != NULL ? NONE_MS : RETRY_MS);
}

static void name_on_found(void *context, int outcome, int timeouts, struct ares_addrinfo *found)
{
    struct name *name = context;
    struct dns *dns = name->dns;
    (void)timeouts;
    name->is_pending = false;
    name->is_known = true;
    if (dns->is_closing) {
        ares_freeaddrinfo(found);
        return;
    }
    if (outcome == ARES_SUCCESS && found != NULL) {
        take_addresses(name, found);
    } else {
        keep_old(name, outcome == ARES_ENOTFOUND || outcome == ARES_ENODATA);
    }
    ares_freeaddrinfo(found);
    tell_at(dns, net_now_ms(dns->net));
}

static void name_on_services(void *context, int outcome, int timeouts, unsigned char *answer,
                             int len)
{
    struct name *name = context;
    struct dns *dns = name->dns;
    uint32_t ttl_s = 0;
    (void)timeouts;
    name->is_pending = false;
    name->is_known = true;
    if (dns->is_closing) {
        return;
    }
    enum status status = STATUS_UNREACHABLE;
    if (outcome == ARES_SUCCESS && len > 0) {
        status = dns_srv_read(bytes_of(answer, (size_t)len), name->services, &name->count, &ttl_s);
    } else if (outcome == ARES_ENOTFOUND || outcome == ARES_ENODATA) {
        status = STATUS_NOT_FOUND;
    }
    if (status == STATUS_OK) {
        name->is_told = true;
        set_life(name, (int64_t)ttl_s * 1000);
    } else {
        keep_old(name, status == STATUS_NOT_FOUND);
    }
    tell_at(dns, net_now_ms(dns->net));
}

static void look_up(struct name *name)
{
    const struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM};
    name->is_pending = true;
    if (name->services != NULL) {
        ares_query(name->dns->channel, name->host, CLASS_INTERNET, TYPE_SRV, name_on_services,
                   name);
    } else {
        ares_getaddrinfo(name->dns->channel, name->host, NULL, &hints, name_on_found, name);
    }
    set_timeout(name->dns);
}

static struct name *find_name(const struct dns *dns, struct bytes host, bool has_services)
{
    for (size_t i = 0; i < dns->name_count; i++) {
        bool is_same_kind = (dns->names[i]->services != NULL) == has_services;
        if (is_same_kind && bytes_equal_nocase(bytes_of_text(dns->names[i]->host), host)) {
            return dns->names[i];
        }
    }
    return NULL;
}

static void name_free(struct name *name)
{
    free(name->services);
    free(name);
}

/* A new one, in place of the one unused for the longest time when there are too many. */
static struct name *add_name(struct dns *dns, struct bytes host, bool has_services)
{
    struct name **place = &dns->names[dns->name_count];
    if (dns->name_count == NAMES_MAX) {
        place = NULL;
        for (size_t i = 0; i < NAMES_MAX; i++) {
            bool is_older = place == NULL || dns->names[i]->used_ms < (*place)->used_ms;
            if (!dns->names[i]->is_pending && is_older) {
                place = &dns->names[i];
            }
        }
    }
    struct name *name = place == NULL ? NULL : calloc(1, sizeof(*name));
    if (name == NULL) {
        return NULL;
    }
    if (has_services) {
        name->services = calloc(DNS_SERVICES_MAX, sizeof(*name->services));
        if (name->services == NULL) {
            free(name);
            return NULL;
        }
    }
    if (dns->name_count == NAMES_MAX) {
        name_free(*place);
    } else {
        dns->name_count++;
    }
    *place = name;
    name->dns = dns;
    memcpy(name->host, host.data, host.len);
    return name;
}

/* Most of its time is over: whoever asks next shall not have to wait. */
static bool is_due(const struct name *name, int64_t now_ms)
{
    int64_t life_ms = name->expires_ms - name->fetched_ms;
    bool serves = name->count > 0 || name->is_told;
    return serves ? now_ms >= name->expires_ms - life_ms / 10 : now_ms >= name->expires_ms;
}

/* The entry of a name, which is looked up when it has to be. NOT_FOUND: it can be none;
 * SERVER_BUSY. */
static enum status find_entry(struct dns *dns, struct bytes host, bool has_services,
                              struct name **out_name)
{
    int64_t now_ms = net_now_ms(dns->net);
    if (host.len == 0 || host.len >= DNS_HOST_ROOM) {
        return STATUS_NOT_FOUND;
    }
    struct name *name = find_name(dns, host, has_services);
    bool is_new = name == NULL;
    if (is_new) {
        name = add_name(dns, host, has_services);
    }
    if (name == NULL) {
        return STATUS_SERVER_BUSY;
    }
    name->used_ms = now_ms;
    if (!name->is_pending && (is_new || is_due(name, now_ms))) {
        look_up(name);
    }
    *out_name = name;
    return STATUS_OK;
}

enum status dns_find(struct dns *dns, struct bytes host, struct net_address out[DNS_ADDRESSES_MAX],
                     size_t *out_count)
{
    struct name *name = NULL;
    enum status status = find_entry(dns, host, false, &name);
    if (status != STATUS_OK) {
        return status;
    }
    if (name->count > 0) {
        memcpy(out, name->addresses, name->count * sizeof(*out));
        *out_count = name->count;
        return STATUS_OK;
    }
    return name->is_pending ? STATUS_PENDING : STATUS_NOT_FOUND;
}

/* Most domains have none: nobody waits for hearing that again. */
enum status dns_find_services(struct dns *dns, struct bytes name,
                              struct dns_service out[DNS_SERVICES_MAX], size_t *out_count)
{
    struct name *entry = NULL;
    enum status status = find_entry(dns, name, true, &entry);
    if (status != STATUS_OK) {
        return status;
    }
    if (entry->is_told) {
        memcpy(out, entry->services, entry->count * sizeof(*out));
        *out_count = entry->count;
        return STATUS_OK;
    }
    return entry->is_known ? STATUS_NOT_FOUND : STATUS_PENDING;
}

/* --- making ----------------------------------------------------------------------------------- */

static bool set_servers(const struct dns *dns, const struct settings_list *servers)
{
    char text[SERVERS_ROOM] = "";
    size_t used = 0;
    for (size_t i = 0; i < servers->count; i++) {
        int len = snprintf(text + used, sizeof(text) - used, "%s%s", i == 0 ? "" : ",",
                           servers->items[i]);
        if (len < 0 || (size_t)len >= sizeof(text) - used) {
            return false;
        }
        used += (size_t)len;
    }
    return servers->count == 0 || ares_set_servers_ports_csv(dns->channel, text) == ARES_SUCCESS;
}

static enum status open_channel(struct dns *dns, const struct settings_list *servers)
{
    struct ares_options options = {
        .timeout = TIMEOUT_MS,
        .tries = TRIES,
        .sock_state_cb = dns_on_socket,
        .sock_state_cb_data = dns,
    };
    const int given = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
    dns->has_library = ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS;
    dns->has_channel =
        dns->has_library && ares_init_options(&dns->channel, &options, given) == ARES_SUCCESS;
    if (!dns->has_channel) {
        return STATUS_SYSTEM;
    }
    return set_servers(dns, servers) ? STATUS_OK : STATUS_BAD_SETTING;
}

enum status dns_new(struct net *net, const struct settings_list *servers, struct dns **out_dns)
{
    struct dns *dns = calloc(1, sizeof(*dns));
    if (dns == NULL) {
        return STATUS_NO_MEMORY;
    }
    dns->net = net;
    enum status status = net_timer_new(net, dns_on_timeout, dns, &dns->timeout);
    if (status == STATUS_OK) {
        status = net_timer_new(net, dns_on_tell, dns, &dns->tell);
    }
    if (status == STATUS_OK) {
        status = open_channel(dns, servers);
    }
    if (status != STATUS_OK) {
        dns_free(dns);
        return status;
    }
    *out_dns = dns;
    return STATUS_OK;
}

void dns_free(struct dns *dns)
{
    if (dns == NULL) {
        return;
    }
    dns->is_closing = true;
    if (dns->has_channel) {
        ares_destroy(dns->channel);
    }
    if (dns->has_library) {
        ares_library_cleanup();
    }
    for (size_t i = 0; i < SOCKETS_MAX; i++) {
        net_watch_free(dns->sockets[i].watch);
    }
    for (size_t i = 0; i < dns->name_count; i++) {
        name_free(dns->names[i]);
    }
    net_timer_free(dns->timeout);
    net_timer_free(dns->tell);
    free(dns);
}
