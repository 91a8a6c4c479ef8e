/* SPDX-License-Identifier: Apache-2.0
 *
 * Sites, servers, interfaces (service.h). What a record says is a stranger's: everything is bounded
 * and whatever makes no sense is passed over (protocol.md §14 row 47).
 */
#include "resolver/service.h"

#include <stdio.h>

#include "protocol/handle.h"

#define OWN_VERSION ((struct message_version){MESSAGE_VERSION_MAJOR, MESSAGE_VERSION_MINOR})
#define FLOOR_VERSION ((struct message_version){2, 3}) /* of servers that say nothing, §3.2 */
#define HOST_MAX 253

/* --- values ----------------------------------------------------------------------------------- */

static bool type_is(const struct value *value, struct bytes name)
{
    return bytes_equal_nocase(value->type, name);
}

static bool names_site(const struct value *value, enum service_source source)
{
    return source == SERVICE_OF_NAMES ? type_is(value, BYTES_LITERAL("HS_SITE")) ||
                                            type_is(value, BYTES_LITERAL("HS_SITE.6"))
                                      : type_is(value, BYTES_LITERAL("HS_SITE.PREFIX")) ||
                                            type_is(value, BYTES_LITERAL("HS_NA_DELEGATE"));
}

static enum status read_sites(const struct value *value, struct arena *arena,
                              struct service *service)
{
    struct site site;
    if (service->count == SERVICE_SITES_MAX) {
        return STATUS_OK;
    }
    enum status status = site_decode(value->data, arena, &site);
    if (status == STATUS_NO_MEMORY) {
        return status;
    }
    if (status == STATUS_OK && site.server_count > 0 && site.hash_option <= HASH_BY_ALL) {
        service->sites[service->count++] = site;
    }
    return STATUS_OK;
}

enum status service_read(const struct value *values, size_t count, enum service_source source,
                         struct arena *arena, struct service *out_service)
{
    out_service->count = 0;
    for (int round = 0; round < 2; round++) { /* IPv6 stands first */
        for (size_t i = 0; i < count; i++) {
            bool is_six = type_is(&values[i], BYTES_LITERAL("HS_SITE.6"));
            if (!names_site(&values[i], source) || is_six != (round == 0)) {
                continue;
            }
            if (read_sites(&values[i], arena, out_service) != STATUS_OK) {
                return STATUS_NO_MEMORY;
            }
        }
    }
    return STATUS_OK;
}

struct bytes service_alias(const struct value *values, size_t count, enum service_source source)
{
    struct bytes type =
        source == SERVICE_OF_NAMES ? BYTES_LITERAL("HS_SERV") : BYTES_LITERAL("HS_SERV.PREFIX");
    for (size_t i = 0; i < count; i++) {
        if (type_is(&values[i], type) && values[i].data.len > 0) {
            return values[i].data;
        }
    }
    return BYTES_NONE;
}

/* --- servers ---------------------------------------------------------------------------------- */

/* "domain.7", else "domain" (protocol.md §6.4). */
static struct bytes attribute_of(const struct site *site, const char *name, uint32_t server_id)
{
    char own[48];
    struct bytes found = BYTES_NONE;
    int len = snprintf(own, sizeof(own), "%s.%lu", name, (unsigned long)server_id);
    for (size_t i = 0; i < site->attribute_count; i++) {
        const struct site_attribute *attribute = &site->attributes[i];
        if (bytes_equal_nocase(attribute->name, bytes_of(own, (size_t)len))) {
            return attribute->value;
        }
        if (found.len == 0 && bytes_equal_nocase(attribute->name, bytes_of_text(name))) {
            found = attribute->value;
        }
    }
    return found;
}

static struct net_address address_of(const uint8_t from[16])
{
    static const uint8_t no_prefix[12];
    struct net_address address = {.port = 0};
    memcpy(address.ip, from, sizeof(address.ip));
    /* ::1 and :: look like IPv4 of a network that no host has. */
    if (memcmp(from, no_prefix, sizeof(no_prefix)) == 0 && memcmp(from + 12, no_prefix, 3) != 0) {
        address.ip[10] = 0xff;
        address.ip[11] = 0xff;
    }
    return address;
}

static bool address_from_text(struct bytes text, struct net_address *out_address)
{
    char copy[NET_ADDRESS_TEXT];
    if (text.len == 0 || text.len >= sizeof(copy) || memchr(text.data, '\0', text.len) != NULL) {
        return false;
    }
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    return net_address_parse(copy, 0, out_address) == STATUS_OK;
}

/* Letters, digits, dots and dashes: what may be looked up. */
static bool is_host(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = bytes_ascii_upper(text.data[i]);
        if (!((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
              c == '_')) {
            return false;
        }
    }
    return text.len > 0 && text.len <= HOST_MAX;
}

static struct message_version version_of(const struct site *site)
{
    struct message_version told = {site->protocol_major, site->protocol_minor};
    if (told.major == 0 || !message_version_is_known(told)) {
        return FLOOR_VERSION;
    }
    return message_version_compare(told, OWN_VERSION) < 0 ? told : OWN_VERSION;
}

static bool answers_queries(const struct site_interface *interface)
{
    return (interface->use == SITE_QUERY || interface->use == SITE_BOTH) && interface->port > 0 &&
           interface->port <= UINT16_MAX;
}

/* --- order ------------------------------------------------------------------------------------ */

struct ranked {
    struct service_target target;
    bool is_foreign; /* another protocol major */
    int64_t cost;
};

struct plan {
    const struct service_need *need;
    service_cost *cost;
    void *context;
    struct ranked ranked[SERVICE_TARGETS_MAX];
    size_t count;
};

static bool is_before(const struct ranked *a, const struct ranked *b)
{
    return a->is_foreign != b->is_foreign ? b->is_foreign : a->cost < b->cost;
}

static int64_t cost_of(enum ask_transport transport, bool is_large)
{
    switch (transport) {
    case ASK_UDP:
        return is_large ? SERVICE_LATE_COST : 0;
    case ASK_TCP:
        return is_large ? 0 : SERVICE_LATE_COST;
    case ASK_HTTP:
        return SERVICE_HTTP_COST;
    case ASK_TLS:
    case ASK_HTTPS:
        break;
    }
    return 2 * SERVICE_HTTP_COST;
}

static void plan_add(struct plan *plan, struct ranked ranked)
{
    if (plan->count == SERVICE_TARGETS_MAX) {
        return;
    }
    ranked.cost = plan->cost == NULL ? 0 : plan->cost(plan->context, &ranked.target);
    ranked.cost += cost_of(ranked.target.transport, plan->need->is_large);
    size_t at = plan->count++;
    while (at > 0 && is_before(&ranked, &plan->ranked[at - 1])) {
        plan->ranked[at] = plan->ranked[at - 1];
        at--;
    }
    plan->ranked[at] = ranked;
}

/* All ways to one server: its address, the other one it names, its host name. */
static void plan_server(struct plan *plan, const struct site *site,
                        const struct site_server *server)
{
    static const enum ask_transport transports[] = {[SITE_UDP] = ASK_UDP,
                                                    [SITE_TCP] = ASK_TCP,
                                                    [SITE_HTTP] = ASK_HTTP,
                                                    [SITE_HTTPS] = ASK_HTTPS};
    struct net_address own = address_of(server->address);
    struct net_address other;
    struct bytes host = attribute_of(site, "domain", server->id);
    bool has_other = address_from_text(attribute_of(site, "alt_addr", server->id), &other);
    for (size_t i = 0; i < server->interface_count; i++) {
        const struct site_interface *interface = &server->interfaces[i];
        if (!answers_queries(interface) || interface->protocol > SITE_HTTPS) {
            continue;
        }
        struct ranked ranked = {
            .target = {.address = own,
                       .transport = transports[interface->protocol],
                       .path = attribute_of(site, "path", server->id),
                       .version = version_of(site),
                       .serial = site->serial,
                       .public_key = server->public_key},
            .is_foreign = site->protocol_major != MESSAGE_VERSION_MAJOR,
        };
        ranked.target.address.port = (uint16_t)interface->port;
        bool has_own = !net_address_is_wildcard(&own);
        if (has_own) {
            plan_add(plan, ranked);
        }
        if (has_other) {
            memcpy(ranked.target.address.ip, other.ip, sizeof(other.ip));
            plan_add(plan, ranked);
        }
        if (!has_own && is_host(host)) {
            ranked.target.host = host;
            ranked.target.has_records = attribute_of(site, "srv", server->id).len > 0;
            plan_add(plan, ranked);
        }
    }
}

size_t service_targets(const struct service *service, const struct service_need *need,
                       service_cost *cost, void *context,
                       struct service_target out[SERVICE_TARGETS_MAX])
{
    struct plan plan = {.need = need, .cost = cost, .context = context};
    for (size_t i = 0; i < service->count; i++) {
        const struct site *site = &service->sites[i];
        bool is_primary = (site->primary_mask & (SITE_PRIMARY | SITE_MULTI_PRIMARY)) != 0;
        if (need->is_primary_only && !is_primary) {
            continue;
        }
        uint32_t hash = handle_hash(need->handle, (enum hash_option)site->hash_option);
        plan_server(&plan, site, &site->servers[hash % site->server_count]);
    }
    for (size_t i = 0; i < plan.count; i++) {
        out[i] = plan.ranked[i].target;
    }
    return plan.count;
}
