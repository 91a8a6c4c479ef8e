/* SPDX-License-Identifier: Apache-2.0
 *
 * HS_SITE records between bytes and structs. Lists go to the arena after their counts were checked
 * against what is left; texts and keys are borrowed from the record.
 */
#include "protocol/site.h"

#include <arpa/inet.h>

#include "protocol/handle.h"

#define ATTRIBUTE_SMALLEST 8
#define SERVER_SMALLEST 28
#define INTERFACE_LEN 6
#define IPV4_OFFSET 12

static const uint8_t mapped_prefix[IPV4_OFFSET] = {[10] = 0xff, [11] = 0xff};
static const uint8_t zero_prefix[IPV4_OFFSET];

static bool decode_attributes(struct wire_reader *r, struct arena *arena, struct site *site)
{
    site->attribute_count = wire_count(r, ATTRIBUTE_SMALLEST);
    site->attributes = arena_calloc(arena, site->attribute_count, sizeof(*site->attributes));
    for (size_t i = 0; site->attributes != NULL && i < site->attribute_count; i++) {
        site->attributes[i].name = wire_bytes(r);
        site->attributes[i].value = wire_bytes(r);
    }
    return site->attributes != NULL;
}

static bool decode_interfaces(struct wire_reader *r, struct arena *arena,
                              struct site_server *server)
{
    server->interface_count = wire_count(r, INTERFACE_LEN);
    server->interfaces = arena_calloc(arena, server->interface_count, sizeof(*server->interfaces));
    for (size_t i = 0; server->interfaces != NULL && i < server->interface_count; i++) {
        server->interfaces[i].use = wire_u8(r);
        server->interfaces[i].protocol = wire_u8(r);
        server->interfaces[i].port = wire_u32(r);
    }
    return server->interfaces != NULL;
}

static bool decode_server(struct wire_reader *r, struct arena *arena, struct site_server *server)
{
    server->id = wire_u32(r);
    struct bytes address = wire_take(r, sizeof(server->address));
    if (wire_ok(r)) {
        memcpy(server->address, address.data, sizeof(server->address));
    }
    server->public_key = wire_bytes(r);
    return decode_interfaces(r, arena, server);
}

enum status site_decode(struct bytes data, struct arena *arena, struct site *out_site)
{
    struct wire_reader r = wire_read(data);
    struct site site = {0};
    site.format = wire_u16(&r);
    site.protocol_major = wire_u8(&r);
    site.protocol_minor = wire_u8(&r);
    site.serial = wire_u16(&r);
    site.primary_mask = wire_u8(&r);
    site.hash_option = wire_u8(&r);
    site.hash_filter = wire_bytes(&r);
    if (!decode_attributes(&r, arena, &site)) {
        return STATUS_NO_MEMORY;
    }
    site.server_count = wire_count(&r, SERVER_SMALLEST);
    site.servers = arena_calloc(arena, site.server_count, sizeof(*site.servers));
    for (size_t i = 0; site.servers != NULL && wire_ok(&r) && i < site.server_count; i++) {
        if (!decode_server(&r, arena, &site.servers[i])) {
            return STATUS_NO_MEMORY;
        }
    }
    if (site.servers == NULL) {
        return STATUS_NO_MEMORY;
    }
    if (!wire_done(&r)) {
        return STATUS_INVALID_VALUE;
    }
    *out_site = site;
    return STATUS_OK;
}

static void encode_server(struct wire_writer *w, const struct site_server *server)
{
    wire_put_u32(w, server->id);
    wire_put_raw(w, bytes_of(server->address, sizeof(server->address)));
    wire_put_bytes(w, server->public_key);
    wire_put_u32(w, (uint32_t)server->interface_count);
    for (size_t i = 0; i < server->interface_count; i++) {
        wire_put_u8(w, server->interfaces[i].use);
        wire_put_u8(w, server->interfaces[i].protocol);
        wire_put_u32(w, server->interfaces[i].port);
    }
}

void site_encode(struct wire_writer *w, const struct site *site)
{
    wire_put_u16(w, site->format);
    wire_put_u8(w, site->protocol_major);
    wire_put_u8(w, site->protocol_minor);
    wire_put_u16(w, site->serial);
    wire_put_u8(w, site->primary_mask);
    wire_put_u8(w, site->hash_option);
    wire_put_bytes(w, site->hash_filter);
    wire_put_u32(w, (uint32_t)site->attribute_count);
    for (size_t i = 0; i < site->attribute_count; i++) {
        wire_put_bytes(w, site->attributes[i].name);
        wire_put_bytes(w, site->attributes[i].value);
    }
    wire_put_u32(w, (uint32_t)site->server_count);
    for (size_t i = 0; i < site->server_count; i++) {
        encode_server(w, &site->servers[i]);
    }
}

static enum status check_server(const struct site_server *server, struct fault *fault)
{
    for (size_t i = 0; i < server->interface_count; i++) {
        const struct site_interface *interface = &server->interfaces[i];
        if (interface->port == 0 || interface->port > UINT16_MAX) {
            return fault_set(fault, STATUS_INVALID_VALUE, "port %u of server %u is not 1..65535",
                             (unsigned)interface->port, (unsigned)server->id);
        }
        if (interface->use > SITE_BOTH || interface->protocol > SITE_HTTPS) {
            return fault_set(fault, STATUS_INVALID_VALUE,
                             "server %u has an interface of unknown use or protocol",
                             (unsigned)server->id);
        }
    }
    return STATUS_OK;
}

enum status site_check(const struct site *site, struct fault *fault)
{
    if (site->format > 1) {
        return fault_set(fault, STATUS_INVALID_VALUE, "site format %u is not known",
                         (unsigned)site->format);
    }
    if (site->hash_option > HASH_BY_ALL) {
        return fault_set(fault, STATUS_INVALID_VALUE, "hash option %u is not 0, 1 or 2",
                         (unsigned)site->hash_option);
    }
    if (site->server_count == 0) {
        return fault_set(fault, STATUS_INVALID_VALUE, "a site needs at least one server");
    }
    for (size_t i = 0; i < site->server_count; i++) {
        enum status status = check_server(&site->servers[i], fault);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

bool site_address_parse(const char *text, uint8_t out_address[16])
{
    uint8_t address[16] = {0};
    if (inet_pton(AF_INET, text, address + IPV4_OFFSET) == 1) {
        memcpy(out_address, address, sizeof(address));
        return true;
    }
    if (inet_pton(AF_INET6, text, address) != 1) {
        return false;
    }
    if (memcmp(address, mapped_prefix, IPV4_OFFSET) == 0) {
        memset(address, 0, IPV4_OFFSET);
    }
    memcpy(out_address, address, sizeof(address));
    return true;
}

void site_address_text(const uint8_t address[16], char *out)
{
    bool is_mapped = memcmp(address, mapped_prefix, IPV4_OFFSET) == 0;
    bool is_zeroed = memcmp(address, zero_prefix, IPV4_OFFSET) == 0;
    /* ::1 starts with the same twelve zeros as an IPv4 address; all zeros is "any" of both. */
    static const uint8_t loopback[4] = {[3] = 1};
    bool is_ipv4 = is_mapped || (is_zeroed && memcmp(address + IPV4_OFFSET, loopback, 4) != 0);
    const char *text = is_ipv4 ? inet_ntop(AF_INET, address + IPV4_OFFSET, out, INET6_ADDRSTRLEN)
                               : inet_ntop(AF_INET6, address, out, INET6_ADDRSTRLEN);
    assert(text != NULL);
    (void)text;
}
