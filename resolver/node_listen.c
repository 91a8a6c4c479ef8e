/* SPDX-License-Identifier: Apache-2.0
 *
 * The sockets of a node: bound here, or given by a service manager (node_parts.h).
 *
 * Called once, by the starting thread, before the workers' threads run.
 */
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "resolver/net_socket.h"
#include "resolver/node_parts.h"

#define PORT_TRIES 32

static enum status open_handle(struct seat *seat, const struct net_address *address,
                               struct fault *fault)
{
    const struct settings *settings = seat->node->options.settings;
    struct net_address local;
    enum status status = STATUS_OK;
    if (settings->listen_udp) {
        status = worker_open_udp(&seat->worker, address, &local, fault);
    }
    if (status == STATUS_OK && settings->listen_tcp) {
        status = worker_open_tcp(&seat->worker, address, &local, fault);
    }
    return status;
}

static enum status open_other(struct seat *seat, const struct net_address *address,
                              enum exchange_transport transport, struct fault *fault)
{
    struct net_address local;
    return transport == EXCHANGE_TLS ? worker_open_tls(&seat->worker, address, &local, fault)
                                     : worker_open_http(&seat->worker, address,
                                                        transport == EXCHANGE_HTTPS, &local, fault);
}

static enum status open_address(struct node *node, const struct net_address *address,
                                enum exchange_transport transport, struct fault *fault)
{
    enum status status = net_socket_probe(address, fault);
    for (size_t i = 0; status == STATUS_OK && i < node->seat_count; i++) {
        status = transport == EXCHANGE_TCP ? open_handle(&node->seats[i], address, fault)
                                           : open_other(&node->seats[i], address, transport, fault);
    }
    return status;
}

static uint16_t *port_of(struct node *node, enum exchange_transport transport)
{
    switch (transport) {
    case EXCHANGE_TLS:
        return &node->tls_port;
    case EXCHANGE_HTTP:
        return &node->http_port;
    case EXCHANGE_HTTPS:
        return &node->https_port;
    default:
        return &node->port;
    }
}

static bool needs_tls(enum exchange_transport transport)
{
    return transport == EXCHANGE_TLS || transport == EXCHANGE_HTTPS;
}

/* A port that is free for UDP and TCP on the first address. */
static enum status pick_port(struct net_address *address, struct fault *fault)
{
    enum status status = STATUS_OK;
    for (int i = 0; i < PORT_TRIES; i++) {
        int fd = -1;
        address->port = 0;
        status = net_socket_udp(address, &fd, fault);
        if (status != STATUS_OK) {
            return status;
        }
        address->port = net_socket_local(fd).port;
        (void)close(fd);
        status = net_socket_probe(address, fault);
        if (status == STATUS_OK) {
            return STATUS_OK;
        }
    }
    return status;
}

static int type_of(int fd)
{
    int type = 0;
    socklen_t len = sizeof(type);
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 ? type : 0;
}

static enum status serve_given(struct seat *seat, int fd, enum exchange_transport transport,
                               struct fault *fault)
{
    struct net_address address = net_socket_local(fd);
    struct net_address local;
    if (net_give(seat->net, fd) != STATUS_OK) {
        return fault_set(fault, STATUS_SYSTEM, "out of descriptors");
    }
    if (type_of(fd) == SOCK_DGRAM) {
        return worker_open_udp(&seat->worker, &address, &local, fault);
    }
    return transport == EXCHANGE_TCP ? worker_open_tcp(&seat->worker, &address, &local, fault)
                                     : open_other(seat, &address, transport, fault);
}

/* Which of the given sockets of its type and address this one is, and of how many. */
static size_t rank_of(const struct node *node, size_t index, size_t *out_peers)
{
    const int *given = node->options.given;
    struct net_address address = net_socket_local(given[index]);
    size_t rank = 0;
    size_t peers = 1;
    for (size_t i = 0; i < node->options.given_count; i++) {
        struct net_address other = net_socket_local(given[i]);
        if (i != index && type_of(given[i]) == type_of(given[index]) &&
            net_address_equal(&other, &address)) {
            rank += i < index;
            peers++;
        }
    }
    *out_peers = peers;
    return rank;
}

/* All sockets are served, whatever the numbers: one is shared by every worker; of several on one
 * address, among which the kernel chooses, each worker has its own. */
static enum status open_given(struct node *node, struct fault *fault)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < node->options.given_count; i++) {
        enum exchange_transport transport =
            node->options.given_as != NULL ? node->options.given_as[i] : EXCHANGE_TCP;
        uint16_t *port = port_of(node, transport);
        if (needs_tls(transport) && !node->serves_tls) {
            continue;
        }
        *port = *port == 0 ? net_socket_local(node->options.given[i]).port : *port;
        size_t peers = 0;
        size_t rank = rank_of(node, i, &peers);
        for (size_t s = 0; status == STATUS_OK && s < node->seat_count; s++) {
            if (s % peers == rank % node->seat_count) {
                status = serve_given(&node->seats[s], node->options.given[i], transport, fault);
            }
        }
    }
    return status;
}

static bool is_any_ipv6(const char *text)
{
    return strcmp(text, "::") == 0;
}

/* The first address chooses the ports that are not said. */
static enum status open_port(struct node *node, struct net_address *address,
                             enum exchange_transport transport, struct fault *fault)
{
    uint16_t *port = port_of(node, transport);
    enum status status = STATUS_OK;
    address->port = *port;
    if (*port == 0) {
        status = pick_port(address, fault);
    }
    if (status == STATUS_OK) {
        status = open_address(node, address, transport, fault);
    }
    if (status == STATUS_OK) {
        *port = address->port;
    }
    return status;
}

#define OTHERS 3
static const enum exchange_transport others[OTHERS] = {EXCHANGE_TLS, EXCHANGE_HTTP, EXCHANGE_HTTPS};

static int64_t wanted_port(const struct node *node, enum exchange_transport transport)
{
    const struct settings *settings = node->options.settings;
    switch (transport) {
    case EXCHANGE_TLS:
        return settings->listen_tls_port;
    case EXCHANGE_HTTP:
        return settings->listen_http_port;
    case EXCHANGE_HTTPS:
        return settings->listen_https_port;
    default:
        return settings->listen_handle_port;
    }
}

static bool is_wanted(const struct node *node, enum exchange_transport transport)
{
    return wanted_port(node, transport) != 0 && (!needs_tls(transport) || node->serves_tls);
}

/* `out_is_open` stays false for an address that this machine does not have at all. */
static enum status open_listed(struct node *node, const char *text, bool *out_is_open,
                               struct fault *fault)
{
    struct net_address address;
    if (net_address_parse(text, 0, &address) != STATUS_OK) {
        return fault_set(fault, STATUS_BAD_SETTING, "listen.addresses: \"%s\" is not an address",
                         text);
    }
    enum status status = open_port(node, &address, EXCHANGE_TCP, fault);
    for (size_t i = 0; status == STATUS_OK && i < OTHERS; i++) {
        if (is_wanted(node, others[i])) {
            status = open_port(node, &address, others[i], fault);
        }
    }
    if (status == STATUS_NOT_SUPPORTED && is_any_ipv6(text)) {
        log_write(node->options.log, LOG_LEVEL_WARNING, "node",
                  "not listening on :: (this machine has no IPv6)");
        return STATUS_OK;
    }
    *out_is_open = status == STATUS_OK;
    return status;
}

static enum status open_all(struct node *node, struct fault *fault)
{
    const struct settings *settings = node->options.settings;
    const struct settings_list *list = &settings->listen_addresses;
    bool is_any_open = false;
    node->port = (uint16_t)settings->listen_handle_port;
    for (size_t i = 0; node->port != 0 && i < OTHERS; i++) { /* else all are picked */
        if (is_wanted(node, others[i])) {
            *port_of(node, others[i]) = (uint16_t)wanted_port(node, others[i]);
        }
    }
    for (size_t i = 0; i < list->count; i++) {
        bool is_open = false;
        enum status status = open_listed(node, list->items[i], &is_open, fault);
        if (status != STATUS_OK) {
            return status;
        }
        is_any_open |= is_open;
    }
    return is_any_open
               ? STATUS_OK
               : fault_set(fault, STATUS_BAD_SETTING, "listen.addresses: none can be served");
}

enum status node_listen(struct node *node, struct fault *fault)
{
    return node->options.given_count > 0 ? open_given(node, fault) : open_all(node, fault);
}

/* --- telling ---------------------------------------------------------------------------------- */

static void add_text(char *text, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Behind what stands in `text`, as far as there is room. */
static void add_text(char *text, size_t size, const char *format, ...)
{
    size_t len = strlen(text);
    va_list words;
    va_start(words, format);
    (void)vsnprintf(text + len, size - len, format, words);
    va_end(words);
}

void node_tell_ports(const struct node *node)
{
    const struct settings *settings = node->options.settings;
    const uint16_t ports[OTHERS] = {node->tls_port, node->http_port, node->https_port};
    static const char *const names[OTHERS] = {"TLS", "HTTP", "HTTPS"};
    char addresses[256] = "";
    char more[96] = "";
    for (size_t i = 0; i < settings->listen_addresses.count; i++) {
        add_text(addresses, sizeof(addresses), "%s%s", i == 0 ? "" : ", ",
                 settings->listen_addresses.items[i]);
    }
    for (size_t i = 0; i < OTHERS; i++) {
        if (ports[i] != 0) {
            add_text(more, sizeof(more), " %s port %u,", names[i], (unsigned)ports[i]);
        }
    }
    log_write(node->options.log, LOG_LEVEL_NOTICE, "node",
              "ready: %s port %u,%s%s%s %zu workers (guantongd %s)", addresses,
              (unsigned)node->port, settings->listen_udp ? " UDP" : "",
              settings->listen_tcp ? " TCP," : ",", more, node->seat_count, GUANTONG_VERSION);
}
