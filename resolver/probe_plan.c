/* SPDX-License-Identifier: Apache-2.0
 *
 * What the settings say about probes, as a plan of its own (probe.h).
 */
#include <stdio.h>
#include <stdlib.h>

#include "resolver/ask.h"
#include "resolver/probe.h"
#include "resolver/upward.h"

bool probe_own_address(const struct settings *settings, uint16_t port,
                       struct net_address *out_address)
{
    struct net_address address;
    const struct settings_list *list = &settings->listen_addresses;
    if (list->count == 0 || net_address_parse(list->items[0], port, &address) != STATUS_OK) {
        return false;
    }
    if (net_address_is_wildcard(&address)) {
        bool is_ipv4 = strchr(list->items[0], ':') == NULL;
        (void)net_address_parse(is_ipv4 ? "127.0.0.1" : "::1", port, &address);
    }
    *out_address = address;
    return port != 0;
}

static char *canary_of(const struct settings *settings)
{
    char *canary = NULL;
    if (settings->probe_canary[0] != '\0') {
        return strdup(settings->probe_canary);
    }
    return asprintf(&canary, "0.NA/%s", settings->node_prefix) < 0 ? NULL : canary;
}

enum status probe_plan_new(const struct settings *settings, uint16_t port, const char *site_path,
                           struct probe_plan **out_plan, struct fault *fault)
{
    struct probe_plan *plan = calloc(1, sizeof(*plan));
    if (plan == NULL) {
        return STATUS_NO_MEMORY;
    }
    plan->interval_ms = settings->probe_interval;
    plan->timeout_ms = settings->probe_timeout;
    plan->rules = (struct probe_rules){.failures = (unsigned)settings->probe_failures,
                                       .history = (size_t)settings->probe_history};
    plan->parallel = (size_t)settings->probe_parallel;
    plan->canary = canary_of(settings);
    plan->own_prefix = strdup(settings->node_prefix);
    bool has_own = probe_own_address(settings, port, &plan->own[ASK_UDP]);
    plan->own[ASK_TCP] = plan->own[ASK_UDP];
    plan->has_own[ASK_UDP] = has_own && settings->listen_udp;
    plan->has_own[ASK_TCP] = has_own && settings->listen_tcp;
    enum status status = plan->canary == NULL || plan->own_prefix == NULL
                             ? STATUS_NO_MEMORY
                             : upward_new(settings, site_path, &plan->upward, fault);
    if (status != STATUS_OK) {
        probe_plan_free(plan);
        return status;
    }
    *out_plan = plan;
    return STATUS_OK;
}

void probe_plan_free(struct probe_plan *plan)
{
    if (plan != NULL) {
        upward_free(plan->upward);
        free(plan->canary);
        free(plan->own_prefix);
        free(plan);
    }
}
