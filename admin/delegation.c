/* SPDX-License-Identifier: Apache-2.0
 *
 * Services of prefixes written into their records (delegation.h).
 */
#include "admin/delegation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/server_name.h"
#include "protocol/message.h"
#include "protocol/site.h"

static bool is_service(const struct value *value)
{
    return bytes_equal_nocase(value->type, BYTES_LITERAL("HS_SITE")) ||
           bytes_equal_nocase(value->type, BYTES_LITERAL("HS_SITE.6")) ||
           bytes_equal_nocase(value->type, BYTES_LITERAL("HS_SERV"));
}

/* Twelve zeros in front are an IPv4 address, or none at all. */
static bool is_ipv6(const struct site_server *server)
{
    static const uint8_t zeros[12];
    return memcmp(server->address, zeros, sizeof(zeros)) != 0;
}

enum status delegation_of_site(struct arena *arena, struct bytes site,
                               struct delegation *out_delegation)
{
    struct site decoded;
    enum status status = site_decode(site, arena, &decoded);
    if (status != STATUS_OK) {
        return status;
    }
    bool is_six = decoded.server_count > 0;
    for (size_t i = 0; i < decoded.server_count; i++) {
        is_six = is_six && is_ipv6(&decoded.servers[i]);
    }
    *out_delegation =
        (struct delegation){is_six ? BYTES_LITERAL("HS_SITE.6") : BYTES_LITERAL("HS_SITE"), site};
    return STATUS_OK;
}

static struct bytes encode(struct arena *arena, const struct site *site, size_t size)
{
    uint8_t *room = arena_alloc(arena, size);
    if (room == NULL) {
        return BYTES_NONE;
    }
    struct wire_writer w = wire_write(room, size);
    site_encode(&w, site);
    return wire_wrote(&w);
}

enum status delegation_at(struct arena *arena, const char *where, struct bytes key,
                          struct delegation *out_delegation)
{
    char text[300];
    struct server_name name;
    int len = snprintf(text, sizeof(text), "@%s", where);
    if (len < 0 || (size_t)len >= sizeof(text) || !server_name_parse(arena, text, &name)) {
        return STATUS_BAD_SYNTAX;
    }
    uint32_t port = (uint32_t)strtoul(name.port, NULL, 10);
    struct site_interface interfaces[] = {
        {SITE_BOTH, SITE_TCP, port},
        {SITE_QUERY, SITE_UDP, port},
    };
    struct site_server server = {
        .id = 1, .public_key = key, .interfaces = interfaces, .interface_count = 2};
    struct site_attribute domain = {BYTES_LITERAL("domain"), bytes_of_text(name.host)};
    const struct site site = {
        .format = 1,
        .protocol_major = MESSAGE_VERSION_MAJOR,
        .protocol_minor = MESSAGE_VERSION_MINOR,
        .serial = 1,
        .primary_mask = SITE_PRIMARY,
        .hash_option = HASH_BY_ALL,
        .attributes = &domain,
        .attribute_count = site_address_parse(name.host, server.address) ? 0 : 1,
        .servers = &server,
        .server_count = 1,
    };
    struct bytes data = encode(arena, &site, 256 + domain.value.len + key.len);
    return data.len == 0 ? STATUS_NO_MEMORY : delegation_of_site(arena, data, out_delegation);
}

/* Values are sorted by index. */
static uint32_t free_index(const struct value *values, size_t count)
{
    uint32_t index = 1;
    for (size_t i = 0; i < count && values[i].index == index; i++) {
        index++;
    }
    return index;
}

/* The values of the record without its services, and room for one more. */
static enum status keep_others(struct arena *arena, struct record *record)
{
    struct value *kept = arena_calloc(arena, record->count + 1, sizeof(*kept));
    size_t count = 0;
    if (kept == NULL) {
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < record->count; i++) {
        if (!is_service(&record->values[i])) {
            kept[count++] = record->values[i];
        }
    }
    record->values = kept;
    record->count = count;
    return STATUS_OK;
}

static enum status read_record(struct snapshot *snapshot, struct arena *arena,
                               struct record *record, uint64_t *out_version)
{
    struct record_row row;
    enum status status = registry_get_record(snapshot, record->handle, CASE_INSENSITIVE, &row);
    if (status == STATUS_HANDLE_NOT_FOUND) {
        *out_version = 0;
        return STATUS_OK;
    }
    if (status != STATUS_OK) {
        return status;
    }
    struct bytes values = arena_copy(arena, row.values);
    struct wire_reader r = wire_read(values);
    *out_version = row.version;
    record->handle = arena_copy(arena, row.handle);
    return values.len == 0 || record->handle.len == 0
               ? STATUS_NO_MEMORY
               : value_list_decode(&r, arena, &record->values, &record->count);
}

enum status delegation_put(struct change_set *set, struct snapshot *snapshot, struct arena *arena,
                           const struct own_records_facts *facts,
                           const struct delegation *delegation, struct fault *fault)
{
    struct record record;
    uint64_t version = 0;
    enum status status = own_records_build(arena, facts, &record);
    if (status == STATUS_OK) {
        status = read_record(snapshot, arena, &record, &version);
    }
    if (status == STATUS_OK) {
        status = keep_others(arena, &record);
    }
    if (status != STATUS_OK) {
        return status;
    }
    record.values[record.count] = (struct value){
        .index = free_index(record.values, record.count),
        .timestamp = facts->now_s,
        .ttl = VALUE_TTL_DEFAULT,
        .permissions = VALUE_PERMISSIONS_DEFAULT,
        .type = delegation->type,
        .data = delegation->data,
    };
    record.count++;
    status = change_set_put_record(set, &record, CHANGE_REPLACE, fault);
    return status == STATUS_OK ? change_set_depends(set, CHANGE_RECORD, record.handle, version)
                               : status;
}
