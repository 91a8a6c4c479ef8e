/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys in records (rotation_site.h).
 */
#include "admin/rotation_site.h"

#include <openssl/evp.h>

#include "protocol/pubkey.h"
#include "protocol/value_types.h"

#define PUBKEY_ROOM 4096

bool rotation_is_key(struct bytes record, EVP_PKEY *key)
{
    struct pubkey pubkey;
    EVP_PKEY *told = NULL;
    if (pubkey_decode(record, &pubkey) != STATUS_OK || pubkey_to_evp(&pubkey, &told) != STATUS_OK) {
        return false;
    }
    bool is_same = EVP_PKEY_eq(told, key) == 1;
    EVP_PKEY_free(told);
    return is_same;
}

bool rotation_site_tells(const struct site *site, EVP_PKEY *key)
{
    for (size_t i = 0; i < site->server_count; i++) {
        if (rotation_is_key(site->servers[i].public_key, key)) {
            return true;
        }
    }
    return false;
}

static enum status record_of(struct arena *arena, EVP_PKEY *key, struct bytes *out_record)
{
    uint8_t *room = arena_alloc(arena, PUBKEY_ROOM);
    if (room == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct wire_writer w = wire_write(room, PUBKEY_ROOM);
    enum status status = pubkey_from_evp(key, &w);
    *out_record = wire_wrote(&w);
    return status;
}

enum status rotation_site(struct arena *arena, const struct rotation_change *change,
                          struct bytes data, struct bytes *out_data)
{
    struct site site;
    struct bytes record = BYTES_NONE;
    enum status status = site_decode(data, arena, &site);
    if (status == STATUS_OK && !rotation_site_tells(&site, change->from)) {
        status = STATUS_NOT_FOUND;
    }
    if (status == STATUS_OK) {
        status = record_of(arena, change->to, &record);
    }
    if (status != STATUS_OK) {
        return status;
    }
    for (size_t i = 0; i < site.server_count; i++) {
        if (rotation_is_key(site.servers[i].public_key, change->from)) {
            site.servers[i].public_key = record;
        }
    }
    site.serial = change->serial;
    size_t size = data.len + site.server_count * PUBKEY_ROOM;
    uint8_t *room = arena_alloc(arena, size);
    if (room == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct wire_writer w = wire_write(room, size);
    site_encode(&w, &site);
    *out_data = wire_wrote(&w);
    return w.failed ? STATUS_NO_ROOM : STATUS_OK;
}

static enum status change_value(struct arena *arena, const struct rotation_change *change,
                                struct value *value)
{
    enum status status = STATUS_NOT_FOUND;
    if (value_type_is(value->type, BYTES_LITERAL("HS_SITE"))) {
        status = rotation_site(arena, change, value->data, &value->data);
        status = status == STATUS_INVALID_VALUE ? STATUS_NOT_FOUND : status;
    } else if (value_type_is(value->type, BYTES_LITERAL("HS_PUBKEY")) &&
               rotation_is_key(value->data, change->from)) {
        status = record_of(arena, change->to, &value->data);
    }
    if (status == STATUS_OK) {
        value->timestamp = 0;
    }
    return status;
}

enum status rotation_record(struct arena *arena, const struct rotation_change *change,
                            struct value *values, size_t count)
{
    bool is_changed = false;
    for (size_t i = 0; i < count; i++) {
        enum status status = change_value(arena, change, &values[i]);
        if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
            return status;
        }
        is_changed |= status == STATUS_OK;
    }
    return is_changed ? STATUS_OK : STATUS_NOT_FOUND;
}
