/* SPDX-License-Identifier: Apache-2.0
 *
 * The site record of a new node (init_site.h).
 */
#include "admin/init_site.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/handle.h"
#include "protocol/message.h"
#include "protocol/record_json.h"
#include "protocol/site.h"

#define SITE_FILE_MAX (64u << 10)

enum status init_site_build(struct arena *arena, const struct init_site_facts *facts,
                            struct bytes *out_site)
{
    struct site_interface interfaces[4] = {
        {SITE_BOTH, SITE_TCP, facts->address.port},
        {SITE_QUERY, SITE_UDP, facts->address.port},
    };
    size_t interface_count = 2;
    if (facts->http_port != 0) {
        interfaces[interface_count++] =
            (struct site_interface){SITE_BOTH, SITE_HTTP, facts->http_port};
    }
    if (facts->https_port != 0) {
        interfaces[interface_count++] =
            (struct site_interface){SITE_BOTH, SITE_HTTPS, facts->https_port};
    }
    struct site_attribute description = {BYTES_LITERAL("desc"), bytes_of_text(facts->description)};
    struct site_server server = {
        .id = 1,
        .public_key = facts->public_key,
        .interfaces = interfaces,
        .interface_count = interface_count,
    };
    if (net_address_is_ipv4(&facts->address)) {
        memcpy(server.address + 12, facts->address.ip + 12, 4);
    } else {
        memcpy(server.address, facts->address.ip, sizeof(server.address));
    }
    const struct site site = {
        .format = 1,
        .protocol_major = MESSAGE_VERSION_MAJOR,
        .protocol_minor = MESSAGE_VERSION_MINOR,
        .serial = 1,
        .primary_mask = SITE_PRIMARY,
        .hash_option = HASH_BY_ALL,
        .attributes = &description,
        .attribute_count = description.value.len > 0 ? 1 : 0,
        .servers = &server,
        .server_count = 1,
    };
    size_t size = 256 + description.value.len + facts->public_key.len;
    uint8_t *room = arena_alloc(arena, size);
    if (room == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct wire_writer w = wire_write(room, size);
    site_encode(&w, &site);
    *out_site = wire_wrote(&w);
    return out_site->len > 0 ? STATUS_OK : STATUS_NO_ROOM;
}

/* --- from a file ------------------------------------------------------------------------------ */

static enum status read_file(struct arena *arena, const char *path, struct bytes *out_text,
                             struct fault *fault)
{
    FILE *in = fopen(path, "rb");
    uint8_t *room = arena_alloc(arena, SITE_FILE_MAX);
    if (in == NULL || room == NULL) {
        if (in != NULL) {
            (void)fclose(in);
        }
        return fault_set(fault, in == NULL ? STATUS_SYSTEM : STATUS_NO_MEMORY, "%s",
                         "it cannot be read");
    }
    *out_text = bytes_of(room, fread(room, 1, SITE_FILE_MAX, in));
    bool is_whole = feof(in) != 0 && ferror(in) == 0;
    (void)fclose(in);
    return is_whole ? STATUS_OK
                    : fault_set(fault, STATUS_INVALID_VALUE, "%s",
                                "it cannot be read, or is longer than a site record can be");
}

static enum status read_json(struct arena *arena, struct bytes text, struct bytes *out_site,
                             struct fault *fault)
{
    json_error_t error;
    json_t *document =
        json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, &error);
    if (document == NULL) {
        return fault_set(fault, STATUS_BAD_SYNTAX, "line %d: %s", error.line, error.text);
    }
    json_t *site = json_object_get(document, "site");
    site = site == NULL ? json_object_get(document, "value") : site;
    enum status status = site_json_decode(site == NULL ? document : site, arena, out_site, fault);
    json_decref(document);
    return status;
}

enum status init_site_read(struct arena *arena, const char *path, struct bytes *out_site,
                           struct fault *fault)
{
    struct bytes text = BYTES_NONE;
    enum status status = read_file(arena, path, &text, fault);
    if (status != STATUS_OK) {
        return status;
    }
    size_t start = 0;
    while (start < text.len && strchr(" \t\r\n", text.data[start]) != NULL &&
           text.data[start] != 0) {
        start++;
    }
    struct bytes data = text;
    if (start < text.len && text.data[start] == '{') {
        status = read_json(arena, text, &data, fault);
    }
    struct site site;
    if (status == STATUS_OK) {
        status = site_decode(data, arena, &site);
        status = status == STATUS_OK
                     ? site_check(&site, fault)
                     : fault_set(fault, status, "%s", "it is neither HS_SITE bytes nor JSON");
    }
    if (status == STATUS_OK) {
        *out_site = data;
    }
    return status;
}

/* --- an own address --------------------------------------------------------------------------- */

/* How good an address is for being reached from elsewhere; 0: not at all. */
static int rank_ipv4(const uint8_t ip[4])
{
    bool is_private = ip[0] == 10 || (ip[0] == 172 && (ip[1] & 0xf0) == 16) ||
                      (ip[0] == 192 && ip[1] == 168) || (ip[0] == 100 && (ip[1] & 0xc0) == 64);
    if (ip[0] == 127) {
        return 2;
    }
    if (ip[0] == 169 && ip[1] == 254) {
        return 0;
    }
    return is_private ? 4 : 6;
}

static int rank_ipv6(const struct in6_addr *ip)
{
    if (IN6_IS_ADDR_LOOPBACK(ip)) {
        return 1;
    }
    if (IN6_IS_ADDR_LINKLOCAL(ip) || IN6_IS_ADDR_MULTICAST(ip) || IN6_IS_ADDR_UNSPECIFIED(ip)) {
        return 0;
    }
    return (ip->s6_addr[0] & 0xfe) == 0xfc ? 3 : 5;
}

static int rank(const struct sockaddr *from, struct net_address *out_address)
{
    if (from->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, from, sizeof(in));
        memset(out_address->ip, 0, 10);
        out_address->ip[10] = out_address->ip[11] = 0xff;
        memcpy(out_address->ip + 12, &in.sin_addr, 4);
        return rank_ipv4(out_address->ip + 12);
    }
    if (from->sa_family == AF_INET6) {
        struct sockaddr_in6 in;
        memcpy(&in, from, sizeof(in));
        memcpy(out_address->ip, &in.sin6_addr, 16);
        return rank_ipv6(&in.sin6_addr);
    }
    return 0;
}

struct net_address init_site_own_address(void)
{
    struct net_address best = {.ip = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}};
    int best_rank = 0;
    struct ifaddrs *all = NULL;
    if (getifaddrs(&all) != 0) {
        return best;
    }
    for (const struct ifaddrs *at = all; at != NULL; at = at->ifa_next) {
        struct net_address candidate = {.port = 0};
        if (at->ifa_addr == NULL || (at->ifa_flags & IFF_UP) == 0) {
            continue;
        }
        int candidate_rank = rank(at->ifa_addr, &candidate);
        if (candidate_rank > best_rank) {
            best = candidate;
            best_rank = candidate_rank;
        }
    }
    freeifaddrs(all);
    return best;
}
