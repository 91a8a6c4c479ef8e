/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of servers and their addresses (server_name.h).
 */
#include "admin/server_name.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MAX_MS 3600000

static bool is_port(const char *text)
{
    char *end = NULL;
    unsigned long port = strtoul(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && port >= 1 && port <= 65535;
}

bool server_name_parse(struct arena *arena, const char *text, struct server_name *out_name)
{
    char *host = arena_text(arena, bytes_of_text(text + 1));
    if (host == NULL) {
        return false;
    }
    char *port = NULL;
    if (host[0] == '[') {
        char *end = strchr(host, ']');
        if (end == NULL || (end[1] != '\0' && end[1] != ':')) {
            return false;
        }
        port = end[1] == ':' ? end + 2 : NULL;
        *end = '\0';
        host++;
    } else {
        char *colon = strchr(host, ':');
        if (colon != NULL && strchr(colon + 1, ':') == NULL) {
            *colon = '\0';
            port = colon + 1;
        }
    }
    *out_name = (struct server_name){host, port == NULL ? SERVER_NAME_PORT : port, port != NULL};
    return host[0] != '\0' && is_port(out_name->port);
}

static bool net_address_of(const struct addrinfo *info, struct net_address *out_address)
{
    *out_address = (struct net_address){0};
    if (info->ai_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)(const void *)info->ai_addr;
        memcpy(out_address->ip, &six->sin6_addr, 16);
        out_address->port = ntohs(six->sin6_port);
        out_address->scope = six->sin6_scope_id;
        return true;
    }
    if (info->ai_family == AF_INET) {
        const struct sockaddr_in *four = (const struct sockaddr_in *)(const void *)info->ai_addr;
        out_address->ip[10] = 0xff;
        out_address->ip[11] = 0xff;
        memcpy(out_address->ip + 12, &four->sin_addr, 4);
        out_address->port = ntohs(four->sin_port);
        return true;
    }
    return false;
}

enum status server_name_find(const struct server_name *name, struct net_address *out,
                             size_t *out_count, struct fault *fault)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *addresses = NULL;
    int failed = getaddrinfo(name->host, name->port, &hints, &addresses);
    if (failed != 0) {
        return fault_set(fault, STATUS_UNREACHABLE, "%s (%s)", name->host, gai_strerror(failed));
    }
    size_t count = 0;
    for (const struct addrinfo *at = addresses; at != NULL && count < SERVER_NAME_ADDRESSES_MAX;
         at = at->ai_next) {
        count += net_address_of(at, &out[count]) ? 1 : 0;
    }
    freeaddrinfo(addresses);
    *out_count = count;
    return count > 0 ? STATUS_OK
                     : fault_set(fault, STATUS_UNREACHABLE, "%s has no address", name->host);
}

bool server_name_parse_timeout(const char *text, int64_t *out_ms)
{
    char *end = NULL;
    unsigned long long number = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || number > TIMEOUT_MAX_MS) {
        return false;
    }
    int64_t unit = strcmp(end, "ms") == 0                          ? 1
                   : strcmp(end, "s") == 0 || strcmp(end, "") == 0 ? 1000
                   : strcmp(end, "m") == 0                         ? 60000
                                                                   : 0;
    *out_ms = (int64_t)number * unit;
    return *out_ms > 0 && *out_ms <= TIMEOUT_MAX_MS;
}
