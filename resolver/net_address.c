/* SPDX-License-Identifier: Apache-2.0
 *
 * Addresses as 16 bytes and a port: parsing, comparing, printing. Pure, except that a zone name
 * ("%lo") is looked up among this machine's interfaces.
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>

#include "resolver/net.h"

static const uint8_t ipv4_start[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool net_address_is_ipv4(const struct net_address *address)
{
    return memcmp(address->ip, ipv4_start, sizeof(ipv4_start)) == 0;
}

bool net_address_is_loopback(const struct net_address *address)
{
    if (net_address_is_ipv4(address)) {
        return address->ip[12] == 127;
    }
    return memcmp(address->ip, &in6addr_loopback, sizeof(address->ip)) == 0;
}

bool net_address_is_wildcard(const struct net_address *address)
{
    static const uint8_t nothing[16];
    size_t skip = net_address_is_ipv4(address) ? 12 : 0;
    return memcmp(address->ip + skip, nothing, 16 - skip) == 0;
}

struct block {
    uint8_t start[2];
    uint8_t bits; /* up to 16 */
};

static bool is_in(const uint8_t *ip, const struct block *blocks, size_t count)
{
    unsigned word = (unsigned)ip[0] << 8 | ip[1];
    for (size_t i = 0; i < count; i++) {
        unsigned start = (unsigned)blocks[i].start[0] << 8 | blocks[i].start[1];
        if ((word ^ start) >> (16 - blocks[i].bits) == 0) {
            return true;
        }
    }
    return false;
}

bool net_address_is_public(const struct net_address *address)
{
    static const struct block four[] = {
        {{0, 0}, 8},      {{10, 0}, 8},    {{100, 64}, 10},  {{127, 0}, 8},
        {{169, 254}, 16}, {{172, 16}, 12}, {{192, 168}, 16}, {{224, 0}, 3},
    };
    /* Everything outside 2000::/3, of which 2002::/16 carries IPv4 addresses of any kind. */
    static const struct block six = {{0x20, 0x00}, 3};
    static const struct block carrier = {{0x20, 0x02}, 16};
    return net_address_is_ipv4(address)
               ? !is_in(address->ip + 12, four, sizeof(four) / sizeof(four[0]))
               : is_in(address->ip, &six, 1) && !is_in(address->ip, &carrier, 1);
}

bool net_address_equal(const struct net_address *a, const struct net_address *b)
{
    return a->port == b->port && a->scope == b->scope && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

static enum status parse_scope(const char *text, uint32_t *out_scope)
{
    char *end = NULL;
    unsigned long number = strtoul(text, &end, 10);
    if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && number > 0 && number <= UINT32_MAX) {
        *out_scope = (uint32_t)number;
        return STATUS_OK;
    }
    *out_scope = if_nametoindex(text);
    return *out_scope == 0 ? STATUS_BAD_SYNTAX : STATUS_OK;
}

enum status net_address_parse(const char *ip, uint16_t port, struct net_address *out_address)
{
    struct net_address address = {.port = port};
    char text[NET_ADDRESS_TEXT];
    size_t len = strlen(ip);
    if (len >= sizeof(text)) {
        return STATUS_BAD_SYNTAX;
    }
    memcpy(text, ip, len + 1);
    memcpy(address.ip, ipv4_start, sizeof(ipv4_start));
    if (inet_pton(AF_INET, text, address.ip + 12) == 1) {
        *out_address = address;
        return STATUS_OK;
    }
    char *percent = strchr(text, '%');
    if (percent != NULL) {
        *percent = '\0';
        enum status status = parse_scope(percent + 1, &address.scope);
        if (status != STATUS_OK) {
            return status;
        }
    }
    if (inet_pton(AF_INET6, text, address.ip) != 1) {
        return STATUS_BAD_SYNTAX;
    }
    *out_address = address;
    return STATUS_OK;
}

void net_address_text(const struct net_address *address, char out[NET_ADDRESS_TEXT])
{
    char ip[INET6_ADDRSTRLEN];
    bool is_ipv4 = net_address_is_ipv4(address);
    if (inet_ntop(is_ipv4 ? AF_INET : AF_INET6, address->ip + (is_ipv4 ? 12 : 0), ip, sizeof(ip)) ==
        NULL) {
        ip[0] = '\0';
    }
    char scope[16] = "";
    if (address->scope != 0) {
        (void)snprintf(scope, sizeof(scope), "%%%u", address->scope);
    }
    if (address->port == 0) {
        (void)snprintf(out, NET_ADDRESS_TEXT, "%s%s", ip, scope);
    } else if (is_ipv4) {
        (void)snprintf(out, NET_ADDRESS_TEXT, "%s:%u", ip, address->port);
    } else {
        (void)snprintf(out, NET_ADDRESS_TEXT, "[%.39s%s]:%u", ip, scope, address->port);
    }
}
