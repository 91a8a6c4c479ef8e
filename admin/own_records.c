/* SPDX-License-Identifier: Apache-2.0
 *
 * What a node stores for itself (own_records.h).
 */
#include "admin/own_records.h"

#include "protocol/value_types.h"

#define INDEX_SITE 1
#define INDEX_ADMIN 100
#define INDEX_KEY 300
#define ADMIN_FULL 0x0fff /* every permission a prefix record's administrator has */

struct prefix_row own_records_prefix(struct bytes prefix, const struct settings *settings)
{
    return (struct prefix_row){
        .prefix = prefix,
        .enterprise = BYTES_LITERAL("self"),
        .state = PREFIX_ACTIVE,
        .hosting = PREFIX_HOSTED,
        .case_rule = settings->prefix_case_sensitive ? CASE_SENSITIVE : CASE_INSENSITIVE,
        .max_identifiers = (uint64_t)settings->prefix_max_identifiers,
        .max_bytes = (uint64_t)settings->prefix_max_bytes,
    };
}

static struct bytes prefix_record_name(struct arena *arena, struct bytes prefix)
{
    size_t size = prefix.len + 5;
    uint8_t *room = arena_alloc(arena, size);
    if (room == NULL) {
        return BYTES_NONE;
    }
    struct wire_writer w = wire_write(room, size);
    wire_put_raw(&w, BYTES_LITERAL("0.NA/"));
    wire_put_raw(&w, prefix);
    return wire_wrote(&w);
}

static struct bytes admin_data(struct arena *arena, struct bytes administrator)
{
    const struct admin admin = {
        .permissions = ADMIN_FULL,
        .identity = {.handle = prefix_record_name(arena, administrator), .index = INDEX_KEY},
    };
    size_t size = admin.identity.handle.len + 16;
    uint8_t *room = arena_alloc(arena, size);
    if (room == NULL || admin.identity.handle.len == 0) {
        return BYTES_NONE;
    }
    struct wire_writer w = wire_write(room, size);
    admin_encode(&w, &admin);
    return wire_wrote(&w);
}

enum status own_records_build(struct arena *arena, const struct own_records_facts *facts,
                              struct record *out_record)
{
    const struct value plain = {
        .timestamp = facts->now_s,
        .ttl_type = VALUE_TTL_RELATIVE,
        .ttl = VALUE_TTL_DEFAULT,
        .permissions = VALUE_PERMISSIONS_DEFAULT,
    };
    struct value *values = arena_calloc(arena, 3, sizeof(*values));
    struct bytes handle = prefix_record_name(arena, facts->prefix);
    struct bytes admin = admin_data(arena, facts->administrator);
    if (values == NULL || handle.len == 0 || admin.len == 0) {
        return STATUS_NO_MEMORY;
    }
    values[0] = values[1] = values[2] = plain;
    values[0].index = INDEX_SITE;
    values[0].type = BYTES_LITERAL("HS_SITE");
    values[0].data = facts->site;
    values[1].index = INDEX_ADMIN;
    values[1].type = BYTES_LITERAL("HS_ADMIN");
    values[1].data = admin;
    values[2].index = INDEX_KEY;
    values[2].type = BYTES_LITERAL("HS_PUBKEY");
    values[2].data = facts->public_key;
    *out_record = (struct record){
        .handle = handle, .values = values, .count = facts->public_key.len > 0 ? 3 : 2};
    return STATUS_OK;
}
