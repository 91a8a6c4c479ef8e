/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading the upstream section (upward.h). Each server of upstream.servers becomes a site of its
 * own: any of them will do. A host name without a port may have SRV records: its site says so in an
 * attribute "srv".
 */
#include "resolver/upward.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocol/handle.h"
#include "protocol/record_json.h"
#include "resolver/sources.h"

#define ARENA_MAX (4u << 20)
#define FILE_MAX (1u << 20)
#define PORT_DEFAULT 2641
#define HOST_ROOM 256

/* --- servers ---------------------------------------------------------------------------------- */

struct place {
    char host[HOST_ROOM];
    uint16_t port;
    bool has_port; /* it was told */
};

/* "wuhan.example:2641", "192.0.2.7", "[2001:db8::1]:2641", "2001:db8::1". */
static bool split(const char *text, struct place *out_place)
{
    const char *port = NULL;
    const char *colon = strchr(text, ':');
    size_t len = strlen(text);
    if (text[0] == '[') {
        const char *end = strchr(text, ']');
        if (end == NULL || (end[1] != '\0' && end[1] != ':')) {
            return false;
        }
        port = end[1] == ':' ? end + 2 : NULL;
        len = (size_t)(end - ++text);
    } else if (colon != NULL && strchr(colon + 1, ':') == NULL) {
        port = colon + 1;
        len = (size_t)(colon - text);
    }
    char *end = NULL;
    unsigned long number = port == NULL ? PORT_DEFAULT : strtoul(port, &end, 10);
    if (len == 0 || len >= HOST_ROOM || number == 0 || number > UINT16_MAX ||
        (port != NULL && (*port == '\0' || *end != '\0'))) {
        return false;
    }
    memcpy(out_place->host, text, len);
    out_place->host[len] = '\0';
    out_place->port = (uint16_t)number;
    out_place->has_port = port != NULL;
    return true;
}

static enum status add_server(struct upward *upward, const struct place *place)
{
    struct arena *arena = upward->arena;
    struct site_server *server = arena_calloc(arena, 1, sizeof(*server));
    struct site_interface *interfaces = arena_calloc(arena, 2, sizeof(*interfaces));
    struct site_attribute *attributes = arena_calloc(arena, 2, sizeof(*attributes));
    struct bytes name = arena_copy(arena, bytes_of_text(place->host));
    if (server == NULL || interfaces == NULL || attributes == NULL || name.data == NULL) {
        return STATUS_NO_MEMORY;
    }
    interfaces[0] = (struct site_interface){SITE_BOTH, SITE_UDP, place->port};
    interfaces[1] = (struct site_interface){SITE_BOTH, SITE_TCP, place->port};
    attributes[0] = (struct site_attribute){BYTES_LITERAL("domain"), name};
    attributes[1] = (struct site_attribute){BYTES_LITERAL("srv"), BYTES_LITERAL("yes")};
    *server = (struct site_server){.id = 1, .interfaces = interfaces, .interface_count = 2};
    bool is_address = site_address_parse(place->host, server->address);
    size_t named = place->has_port ? 1 : 2;
    upward->service.sites[upward->service.count++] = (struct site){
        .format = 1,
        .protocol_major = MESSAGE_VERSION_MAJOR,
        .protocol_minor = MESSAGE_VERSION_MINOR,
        .serial = MESSAGE_SERIAL_UNKNOWN,
        .primary_mask = SITE_PRIMARY,
        .attributes = attributes,
        .attribute_count = is_address ? 0 : named,
        .servers = server,
        .server_count = 1,
    };
    return STATUS_OK;
}

static enum status read_servers(struct upward *upward, const struct settings_list *list,
                                struct fault *fault)
{
    for (size_t i = 0; i < list->count; i++) {
        struct place place;
        if (!split(list->items[i], &place)) {
            return fault_set(fault, STATUS_BAD_SETTING, "upstream.servers: \"%s\" is not host:port",
                             list->items[i]);
        }
        if (upward->service.count == SERVICE_SITES_MAX) {
            return fault_set(fault, STATUS_BAD_SETTING, "upstream.servers: more than %d",
                             SERVICE_SITES_MAX);
        }
        if (add_server(upward, &place) != STATUS_OK) {
            return fault_set(fault, STATUS_NO_MEMORY, "out of memory");
        }
    }
    return STATUS_OK;
}

/* --- the site file ---------------------------------------------------------------------------- */

static enum status read_file(const char *path, struct arena *arena, struct bytes *out_text,
                             struct fault *fault)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return fault_set(fault, STATUS_BAD_SETTING, "upstream.site_file: %s: %s", path,
                         strerror(errno));
    }
    uint8_t *room = arena_alloc(arena, FILE_MAX);
    size_t len = room == NULL ? 0 : fread(room, 1, FILE_MAX, file);
    bool is_whole = feof(file) != 0;
    (void)fclose(file);
    if (len == 0 || !is_whole) {
        return fault_set(fault, STATUS_BAD_SETTING, "upstream.site_file: %s: not a site record",
                         path);
    }
    *out_text = bytes_of(room, len);
    return STATUS_OK;
}

static enum status add_site(struct upward *upward, struct bytes record, struct fault *fault)
{
    const struct value value = {.type = BYTES_LITERAL("HS_SITE"), .data = record};
    struct service one;
    enum status status = service_read(&value, 1, SERVICE_OF_NAMES, upward->arena, &one);
    if (status == STATUS_OK && (one.count == 0 || upward->service.count == SERVICE_SITES_MAX)) {
        status = STATUS_BAD_SETTING;
    }
    if (status != STATUS_OK) {
        return fault_set(fault, status, "upstream.site_file: a site record that cannot be used");
    }
    upward->service.sites[upward->service.count++] = one.sites[0];
    return STATUS_OK;
}

static enum status add_json(struct upward *upward, const json_t *object, struct fault *fault)
{
    struct bytes record = BYTES_NONE;
    enum status status = site_json_decode(object, upward->arena, &record, fault);
    return status == STATUS_OK ? add_site(upward, record, fault) : STATUS_BAD_SETTING;
}

/* One site record as its bytes; or JSON: one site, or a list of them. */
static enum status read_site_file(struct upward *upward, const char *path, struct fault *fault)
{
    struct bytes text = BYTES_NONE;
    enum status status = read_file(path, upward->arena, &text, fault);
    if (status != STATUS_OK) {
        return status;
    }
    bool is_json = text.len > 0 && (text.data[0] == '{' || text.data[0] == '[');
    if (!is_json) {
        return add_site(upward, text, fault);
    }
    json_t *json = json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
    if (json == NULL) {
        return fault_set(fault, STATUS_BAD_SETTING, "upstream.site_file: %s: not JSON", path);
    }
    if (json_is_array(json)) {
        for (size_t i = 0; status == STATUS_OK && i < json_array_size(json); i++) {
            status = add_json(upward, json_array_get(json, i), fault);
        }
    } else {
        status = add_json(upward, json, fault);
    }
    json_decref(json);
    return status;
}

/* --- for whom --------------------------------------------------------------------------------- */

static enum status add_networks(const struct settings_list *list, const char *key,
                                struct settings_network *networks, size_t *count,
                                struct fault *fault)
{
    for (size_t i = 0; i < list->count; i++) {
        if (settings_parse_network(list->items[i], &networks[*count]) != STATUS_OK) {
            return fault_set(fault, STATUS_BAD_SETTING, "%s: \"%s\" is not a network", key,
                             list->items[i]);
        }
        (*count)++;
    }
    return STATUS_OK;
}

static enum status read_networks(struct upward *upward, const struct settings *settings,
                                 struct fault *fault)
{
    const struct settings_list *allowed = &settings->upstream_allowed_networks;
    const struct settings_list *trusted = &settings->limits_trusted_networks;
    const struct settings_list *private = &settings->upstream_private_services;
    upward->networks =
        arena_calloc(upward->arena, allowed->count + trusted->count + 1, sizeof(*upward->networks));
    upward->private_networks =
        arena_calloc(upward->arena, private->count + 1, sizeof(*upward->private_networks));
    if (upward->networks == NULL || upward->private_networks == NULL) {
        return fault_set(fault, STATUS_NO_MEMORY, "out of memory");
    }
    enum status status = add_networks(allowed, "upstream.allowed_networks", upward->networks,
                                      &upward->network_count, fault);
    if (status == STATUS_OK) {
        status = add_networks(trusted, "limits.trusted_networks", upward->networks,
                              &upward->network_count, fault);
    }
    return status == STATUS_OK
               ? add_networks(private, "upstream.private_services", upward->private_networks,
                              &upward->private_count, fault)
               : status;
}

bool upward_may_ask(const struct upward *upward, const struct net_address *address,
                    bool is_told_here)
{
    return is_told_here || net_address_is_public(address) ||
           (upward != NULL &&
            sources_trust(address, upward->private_networks, upward->private_count));
}

bool upward_refuses(const struct upward *upward, struct bytes handle)
{
    struct bytes prefix = handle_governing_prefix(handle);
    for (size_t i = 0; i < upward->refused->count; i++) {
        if (handle_is_under(prefix, bytes_of_text(upward->refused->items[i]))) {
            return true;
        }
    }
    return false;
}

enum status upward_new(const struct settings *settings, const char *site_path,
                       struct upward **out_upward, struct fault *fault)
{
    struct upward *upward = calloc(1, sizeof(*upward));
    if (upward == NULL) {
        return fault_set(fault, STATUS_NO_MEMORY, "out of memory");
    }
    upward->refused = &settings->upstream_refused;
    upward->own_prefix = bytes_of_text(settings->node_prefix);
    upward->arena = arena_new(4096, ARENA_MAX);
    enum status status = upward->arena == NULL ? fault_set(fault, STATUS_NO_MEMORY, "out of memory")
                                               : read_networks(upward, settings, fault);
    if (status == STATUS_OK) {
        status = read_servers(upward, &settings->upstream_servers, fault);
    }
    if (status == STATUS_OK && site_path != NULL) {
        status = read_site_file(upward, site_path, fault);
    }
    if (status != STATUS_OK) {
        upward_free(upward);
        return status;
    }
    *out_upward = upward;
    return STATUS_OK;
}

void upward_free(struct upward *upward)
{
    if (upward != NULL) {
        arena_free(upward->arena);
        free(upward);
    }
}
