/* SPDX-License-Identifier: Apache-2.0
 *
 * HS_SITE records as the `site` object (protocol.md §9.4).
 */
#include <arpa/inet.h>
#include <stdio.h>

#include "protocol/handle.h"
#include "protocol/json_read.h"
#include "protocol/record_json.h"
#include "protocol/site.h"
#include "protocol/text.h"

#define SITE_MEMORY 16384
#define SITE_MEMORY_MAX (8u << 20)

static const char *const protocol_names[] = {"UDP", "TCP", "HTTP", "HTTPS"};

/* --- struct to JSON; every helper gives NULL when a part has no JSON form ----------------------
 */

static json_t *text_json(struct bytes text)
{
    if (text.len == 0) {
        return json_string("");
    }
    return handle_is_utf8(text) ? json_stringn((const char *)text.data, text.len) : NULL;
}

static json_t *interface_json(const struct site_interface *interface)
{
    if (interface->protocol > SITE_HTTPS || interface->use > SITE_BOTH) {
        return NULL;
    }
    return json_pack("{s:b, s:b, s:s, s:I}", "query", (interface->use & SITE_QUERY) != 0, "admin",
                     (interface->use & SITE_ADMIN) != 0, "protocol",
                     protocol_names[interface->protocol], "port", (json_int_t)interface->port);
}

static json_t *key_object(struct bytes key)
{
    json_t *jwk = key_json_encode(key);
    return jwk == NULL ? NULL : json_pack("{s:s, s:o}", "format", "key", "value", jwk);
}

static json_t *base64_object(struct bytes data)
{
    struct arena *arena = arena_new(SITE_MEMORY, SITE_MEMORY + 2 * data.len);
    char *text = arena == NULL ? NULL : text_base64(arena, data);
    json_t *object =
        text == NULL ? NULL : json_pack("{s:s, s:s}", "format", "base64", "value", text);
    arena_free(arena);
    return object;
}

static json_t *server_json(const struct site_server *server)
{
    char address[INET6_ADDRSTRLEN];
    site_address_text(server->address, address);
    json_t *object =
        json_pack("{s:I, s:s}", "serverId", (json_int_t)server->id, "address", address);
    json_t *interfaces = json_array();
    bool is_whole = true;
    if (server->public_key.len > 0) {
        json_t *key = key_object(server->public_key);
        key = key == NULL ? base64_object(server->public_key) : key;
        is_whole = json_object_set_new(object, "publicKey", key) == 0;
    }
    for (size_t i = 0; is_whole && i < server->interface_count; i++) {
        json_t *interface = interface_json(&server->interfaces[i]);
        is_whole = interface != NULL && json_array_append_new(interfaces, interface) == 0;
    }
    if (json_object_set_new(object, "interfaces", interfaces) != 0 || !is_whole) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static json_t *attributes_json(const struct site *site)
{
    json_t *list = json_array();
    for (size_t i = 0; i < site->attribute_count; i++) {
        json_t *entry = json_pack("{s:o, s:o}", "name", text_json(site->attributes[i].name),
                                  "value", text_json(site->attributes[i].value));
        if (entry == NULL || json_array_append_new(list, entry) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *servers_json(const struct site *site)
{
    json_t *list = json_array();
    for (size_t i = 0; i < site->server_count; i++) {
        json_t *entry = server_json(&site->servers[i]);
        if (entry == NULL || json_array_append_new(list, entry) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *site_object(const struct site *site)
{
    char version[16];
    (void)snprintf(version, sizeof(version), "%u.%u", (unsigned)site->protocol_major,
                   (unsigned)site->protocol_minor);
    json_t *object = json_pack("{s:I, s:s, s:I, s:b, s:b}", "version", (json_int_t)site->format,
                               "protocolVersion", version, "serialNumber", (json_int_t)site->serial,
                               "primarySite", (site->primary_mask & SITE_PRIMARY) != 0,
                               "multiPrimary", (site->primary_mask & SITE_MULTI_PRIMARY) != 0);
    if (site->hash_option != HASH_BY_ALL) {
        (void)json_object_set_new(object, "hashOption", json_integer(site->hash_option));
    }
    bool is_whole = true;
    if (site->hash_filter.len > 0) {
        is_whole = json_object_set_new(object, "hashFilter", text_json(site->hash_filter)) == 0;
    }
    is_whole = json_object_set_new(object, "attributes", attributes_json(site)) == 0 && is_whole;
    is_whole = json_object_set_new(object, "servers", servers_json(site)) == 0 && is_whole;
    if (!is_whole) {
        json_decref(object);
        return NULL;
    }
    return object;
}

json_t *site_json_encode(struct bytes site_data)
{
    struct arena *arena = arena_new(SITE_MEMORY, SITE_MEMORY_MAX);
    struct site site;
    json_t *object = NULL;
    if (arena != NULL && site_decode(site_data, arena, &site) == STATUS_OK) {
        object = site_object(&site);
    }
    /* Bits and spellings JSON cannot carry must not get lost: such a record is shown as bytes. */
    struct bytes again = BYTES_NONE;
    if (object != NULL && (site_json_decode(object, arena, &again, NULL) != STATUS_OK ||
                           !bytes_equal(again, site_data))) {
        json_decref(object);
        object = NULL;
    }
    arena_free(arena);
    return object;
}

/* --- JSON to struct ------------------------------------------------------------------------------
 */

static const int64_t bounds_u16[2] = {0, UINT16_MAX};
static const int64_t bounds_u32[2] = {0, UINT32_MAX};

static enum status read_attributes(const json_t *object, struct arena *arena, struct site *site,
                                   struct fault *fault)
{
    const json_t *list = json_object_get(object, "attributes");
    const struct json_path list_path = {NULL, "attributes", 0};
    if (list != NULL && !json_is_array(list)) {
        return json_read_fail(fault, STATUS_BAD_SYNTAX, &list_path, "not a list");
    }
    site->attribute_count = json_array_size(list);
    site->attributes = arena_calloc(arena, site->attribute_count, sizeof(*site->attributes));
    if (site->attributes == NULL) {
        return STATUS_NO_MEMORY;
    }
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < site->attribute_count; i++) {
        const struct json_path path = {&list_path, NULL, i};
        const json_t *entry = json_array_get(list, i);
        status = json_read_text(entry, "name", &path, &site->attributes[i].name, fault);
        if (status == STATUS_OK) {
            status = json_read_text(entry, "value", &path, &site->attributes[i].value, fault);
        }
    }
    return status;
}

static enum status read_interface(const json_t *entry, const struct json_path *path,
                                  struct site_interface *out, struct fault *fault)
{
    bool is_query = false;
    bool is_admin = false;
    int64_t port = 0;
    struct bytes protocol;
    enum status status = json_read_text(entry, "protocol", path, &protocol, fault);
    status = status == STATUS_OK ? json_read_bool(entry, "query", path, &is_query, fault) : status;
    status = status == STATUS_OK ? json_read_bool(entry, "admin", path, &is_admin, fault) : status;
    if (status == STATUS_OK) {
        status = json_read_number(entry, "port", path, bounds_u32, &port, fault);
    }
    if (status != STATUS_OK) {
        return status;
    }
    out->use = (uint8_t)((is_query ? SITE_QUERY : 0) | (is_admin ? SITE_ADMIN : 0));
    out->port = (uint32_t)port;
    for (int i = SITE_UDP; i <= SITE_HTTPS; i++) {
        if (bytes_equal_nocase(protocol, bytes_of_text(protocol_names[i]))) {
            out->protocol = (uint8_t)i;
            return STATUS_OK;
        }
    }
    return json_read_fail(fault, STATUS_INVALID_VALUE, path,
                          "protocol is not UDP, TCP, HTTP, HTTPS");
}

static enum status read_interfaces(const json_t *entry, const struct json_path *server,
                                   struct arena *arena, struct site_server *out,
                                   struct fault *fault)
{
    const json_t *list = json_object_get(entry, "interfaces");
    const struct json_path list_path = {server, "interfaces", 0};
    if (!json_is_array(list)) {
        return json_read_fail(fault, STATUS_BAD_SYNTAX, &list_path, "not a list");
    }
    out->interface_count = json_array_size(list);
    out->interfaces = arena_calloc(arena, out->interface_count, sizeof(*out->interfaces));
    enum status status = out->interfaces == NULL ? STATUS_NO_MEMORY : STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < out->interface_count; i++) {
        const struct json_path path = {&list_path, NULL, i};
        status = read_interface(json_array_get(list, i), &path, &out->interfaces[i], fault);
    }
    return status;
}

/* {"format":"key","value":{JWK}} or {"format":"base64","value":"..."}. */
static enum status read_server_key(const json_t *entry, const struct json_path *server,
                                   struct arena *arena, struct bytes *out_key, struct fault *fault)
{
    const json_t *object = json_object_get(entry, "publicKey");
    const struct json_path path = {server, "publicKey", 0};
    *out_key = BYTES_NONE;
    if (object == NULL) {
        return STATUS_OK;
    }
    struct bytes format;
    enum status status = json_read_text(object, "format", &path, &format, fault);
    if (status != STATUS_OK) {
        return status;
    }
    const json_t *value = json_object_get(object, "value");
    if (bytes_equal(format, BYTES_LITERAL("key"))) {
        const struct json_path value_path = {&path, "value", 0};
        struct fault inner = {STATUS_OK, ""};
        status = key_json_decode(value, arena, out_key, &inner);
        return json_read_nested(fault, status, &value_path, &inner);
    }
    if (!bytes_equal(format, BYTES_LITERAL("base64")) || !json_is_string(value) ||
        text_base64_parse(json_read_bytes(value), arena, out_key) != STATUS_OK) {
        return json_read_fail(fault, STATUS_INVALID_VALUE, &path, "neither a key nor base64");
    }
    return STATUS_OK;
}

static enum status read_server(const json_t *entry, const struct json_path *path,
                               struct arena *arena, struct site_server *out, struct fault *fault)
{
    struct bytes address;
    int64_t id = 0;
    enum status status = json_read_text(entry, "address", path, &address, fault);
    if (status == STATUS_OK) {
        status = json_read_number(entry, "serverId", path, bounds_u32, &id, fault);
    }
    if (status != STATUS_OK) {
        return status;
    }
    out->id = (uint32_t)id;
    const struct json_path address_path = {path, "address", 0};
    const char *text = arena_text(arena, address);
    if (text == NULL) {
        return STATUS_NO_MEMORY;
    }
    if (strlen(text) != address.len || !site_address_parse(text, out->address)) {
        return json_read_fail(fault, STATUS_INVALID_VALUE, &address_path, "not an IP address");
    }
    status = read_server_key(entry, path, arena, &out->public_key, fault);
    return status == STATUS_OK ? read_interfaces(entry, path, arena, out, fault) : status;
}

static enum status read_servers(const json_t *object, struct arena *arena, struct site *site,
                                struct fault *fault)
{
    const json_t *list = json_object_get(object, "servers");
    const struct json_path list_path = {NULL, "servers", 0};
    if (!json_is_array(list)) {
        return json_read_fail(fault, STATUS_BAD_SYNTAX, &list_path, "not a list");
    }
    site->server_count = json_array_size(list);
    site->servers = arena_calloc(arena, site->server_count, sizeof(*site->servers));
    enum status status = site->servers == NULL ? STATUS_NO_MEMORY : STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < site->server_count; i++) {
        const struct json_path path = {&list_path, NULL, i};
        status = read_server(json_array_get(list, i), &path, arena, &site->servers[i], fault);
    }
    return status;
}

static enum status read_version(const json_t *object, struct site *site, struct fault *fault)
{
    const struct json_path path = {NULL, "protocolVersion", 0};
    struct bytes text;
    enum status status = json_read_text(object, "protocolVersion", NULL, &text, fault);
    if (status != STATUS_OK) {
        return status;
    }
    unsigned major = 0;
    unsigned minor = 0;
    char rest = 0;
    char copy[16] = "";
    if (text.len < sizeof(copy)) {
        memcpy(copy, text.data, text.len);
    }
    if (sscanf(copy, "%3u.%3u%c", &major, &minor, &rest) != 2 || major > UINT8_MAX ||
        minor > UINT8_MAX) {
        return json_read_fail(fault, STATUS_INVALID_VALUE, &path, "not like 2.11");
    }
    site->protocol_major = (uint8_t)major;
    site->protocol_minor = (uint8_t)minor;
    return STATUS_OK;
}

static enum status read_head(const json_t *object, struct site *site, struct fault *fault)
{
    static const int64_t bounds_hash[2] = {HASH_BY_PREFIX, HASH_BY_ALL};
    int64_t format = 1;
    int64_t serial = 1;
    int64_t hash = HASH_BY_ALL;
    bool is_primary = false;
    bool is_multi = false;
    enum status status = read_version(object, site, fault);
    if (status == STATUS_OK) {
        status = json_read_number(object, "version", NULL, bounds_u16, &format, fault);
    }
    if (status == STATUS_OK) {
        status = json_read_number(object, "serialNumber", NULL, bounds_u16, &serial, fault);
    }
    if (status == STATUS_OK) {
        status = json_read_number(object, "hashOption", NULL, bounds_hash, &hash, fault);
    }
    if (status == STATUS_OK) {
        status = json_read_bool(object, "primarySite", NULL, &is_primary, fault);
    }
    if (status == STATUS_OK) {
        status = json_read_bool(object, "multiPrimary", NULL, &is_multi, fault);
    }
    if (status == STATUS_OK && json_object_get(object, "hashFilter") != NULL) {
        status = json_read_text(object, "hashFilter", NULL, &site->hash_filter, fault);
    }
    site->format = (uint16_t)format;
    site->serial = (uint16_t)serial;
    site->hash_option = (uint8_t)hash;
    site->primary_mask =
        (uint8_t)((is_primary ? SITE_PRIMARY : 0) | (is_multi ? SITE_MULTI_PRIMARY : 0));
    return status;
}

static size_t encoded_len(const struct site *site)
{
    size_t len = 24 + site->hash_filter.len;
    for (size_t i = 0; i < site->attribute_count; i++) {
        len += 8 + site->attributes[i].name.len + site->attributes[i].value.len;
    }
    for (size_t i = 0; i < site->server_count; i++) {
        len += 28 + site->servers[i].public_key.len + 6 * site->servers[i].interface_count;
    }
    return len;
}

enum status site_json_decode(const json_t *object, struct arena *arena, struct bytes *out_site_data,
                             struct fault *fault)
{
    struct site site = {0};
    if (!json_is_object(object)) {
        return fault_set(fault, STATUS_BAD_SYNTAX, "a site is a JSON object");
    }
    enum status status = read_head(object, &site, fault);
    status = status == STATUS_OK ? read_attributes(object, arena, &site, fault) : status;
    status = status == STATUS_OK ? read_servers(object, arena, &site, fault) : status;
    if (status != STATUS_OK) {
        return status;
    }
    size_t size = encoded_len(&site);
    uint8_t *room = arena_alloc(arena, size);
    if (room == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct wire_writer w = wire_write(room, size);
    site_encode(&w, &site);
    *out_site_data = wire_wrote(&w);
    return w.failed ? STATUS_NO_ROOM : STATUS_OK;
}
