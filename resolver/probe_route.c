/* SPDX-License-Identifier: Apache-2.0
 *
 * Every server, every way (probe_route.h). service.c judges each server alone, so that what is
 * probed is what forwarding would use.
 */
#include "resolver/probe_route.h"

static bool is_same(const struct service_target *a, const struct service_target *b)
{
    return a->transport == b->transport && a->address.port == b->address.port &&
           bytes_equal_nocase(a->host, b->host) &&
           (a->host.len > 0 || net_address_equal(&a->address, &b->address));
}

static void add(struct probe_route *route, const struct service_target *target)
{
    for (size_t i = 0; i < route->count; i++) {
        if (is_same(&route->targets[i], target)) {
            return;
        }
    }
    if (route->count == PROBE_TARGETS_MAX) {
        route->left_out++;
        return;
    }
    route->targets[route->count++] = *target;
}

static void add_server(struct probe_route *route, const struct site *site,
                       struct site_server *server)
{
    const struct service_need need = {.handle = BYTES_LITERAL("0.NA/0")};
    struct service_target targets[SERVICE_TARGETS_MAX];
    struct service alone = {.count = 1};
    alone.sites[0] = *site;
    alone.sites[0].servers = server;
    alone.sites[0].server_count = 1;
    size_t count = service_targets(&alone, &need, NULL, NULL, targets);
    for (size_t i = 0; i < count; i++) {
        add(route, &targets[i]);
    }
    for (size_t i = 0; i < server->interface_count; i++) {
        route->unsupported += server->interfaces[i].protocol > SITE_HTTPS ? 1 : 0;
    }
}

void probe_route_of(const struct service *service, struct probe_route *out_route)
{
    *out_route = (struct probe_route){.sites = service->count};
    for (size_t i = 0; i < service->count; i++) {
        for (size_t j = 0; j < service->sites[i].server_count; j++) {
            add_server(out_route, &service->sites[i], &service->sites[i].servers[j]);
        }
    }
}

enum status probe_route_read(const struct value *values, size_t count, struct arena *arena,
                             struct probe_route *out_route)
{
    struct service service;
    enum status status = service_read(values, count, SERVICE_OF_NAMES, arena, &service);
    if (status != STATUS_OK) {
        return status;
    }
    probe_route_of(&service, out_route);
    if (service.count == 0) {
        out_route->alias = service_alias(values, count, SERVICE_OF_NAMES);
    }
    return STATUS_OK;
}

enum status probe_route_referred(const struct value *values, size_t count, struct arena *arena,
                                 struct probe_route *out_route)
{
    struct service service;
    enum status status = probe_route_read(values, count, arena, out_route);
    if (status != STATUS_OK || out_route->sites > 0) {
        return status;
    }
    status = service_read(values, count, SERVICE_OF_PREFIXES, arena, &service);
    if (status == STATUS_OK) {
        probe_route_of(&service, out_route);
    }
    return status;
}

bool probe_route_meets(const struct probe_route *route, const struct probe_route *told)
{
    for (size_t i = 0; i < route->count; i++) {
        for (size_t j = 0; j < told->count; j++) {
            if (is_same(&route->targets[i], &told->targets[j])) {
                return true;
            }
        }
    }
    return false;
}
