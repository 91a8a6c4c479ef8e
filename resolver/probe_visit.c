/* SPDX-License-Identifier: Apache-2.0
 *
 * One round: every way to a service in turn, one question at a time, and what all of it says
 * (probe_parts.h). A visit borrows from the plan, which outlives
 * it, and copies what the store says.
 */
#include <stdio.h>
#include <stdlib.h>

#include "protocol/handle.h"
#include "resolver/probe_host.h"
#include "resolver/probe_parts.h"
#include "resolver/upward.h"

#define ARENA_FIRST 4096
#define ARENA_MAX (8u << 20)
#define CANARY_SUFFIX "/canary" /* of a prefix that is not ours: it need not exist */

struct probe_visit {
    struct prober *prober;
    struct probe_entry *entry;
    struct probe_visit *next;
    struct probe_visit *previous;
    struct arena *arena;
    struct probe_route route;
    struct probe_route own; /* CANARY_ABOVE: our service; an alias: what it tells */
    struct bytes name;
    bool wants_alias; /* our own node is asked where the servers stand, before all else */
    size_t at;        /* the target that is checked */
    struct probe_check *check;
    struct dns_waiter dns;
    struct net_timer *later;
    unsigned good, partly, failed;
    struct probe_round round;
};

/* --- the end ---------------------------------------------------------------------------------- */

void probe_visit_cancel(struct probe_visit *visit)
{
    struct prober *prober = visit->prober;
    *(visit->previous != NULL ? &visit->previous->next : &prober->visits) = visit->next;
    if (visit->next != NULL) {
        visit->next->previous = visit->previous;
    }
    prober->visit_count--;
    visit->entry->visit = NULL;
    if (prober->options.dns != NULL) {
        dns_forget(prober->options.dns, &visit->dns);
    }
    probe_check_cancel(visit->check);
    net_timer_free(visit->later);
    arena_free(visit->arena);
    free(visit);
}

static void finish(struct probe_visit *visit)
{
    struct prober *prober = visit->prober;
    struct probe_entry *entry = visit->entry;
    struct probe_round round = visit->round;
    unsigned counted = visit->good + visit->partly + visit->failed;
    round.at_ms = net_wall_ms(prober->options.net);
    round.outcome = counted == 0               ? PROBE_NONE
                    : visit->failed == counted ? PROBE_FAILED
                    : visit->good == counted   ? PROBE_GOOD
                                               : PROBE_PARTLY;
    probe_visit_cancel(visit);
    prober_on_round(prober, entry, &round);
}

/* What was found on the way that is the visit's turn; NULL: of the whole. */
static void found(struct probe_visit *visit, enum finding finding,
                  const struct service_target *target)
{
    enum probe_outcome outcome = finding_row(finding)->outcome;
    bool is_first = visit->good + visit->partly + visit->failed == 0;
    visit->good += outcome == PROBE_GOOD ? 1 : 0;
    visit->partly += outcome == PROBE_PARTLY ? 1 : 0;
    visit->failed += outcome == PROBE_FAILED ? 1 : 0;
    if (outcome == PROBE_FAILED) {
        metrics_add(visit->prober->options.metrics, METRIC_probe_failures, 0, 1);
    }
    bool is_told = outcome == PROBE_NONE
                       ? is_first
                       : is_first || outcome > finding_row(visit->round.finding)->outcome;
    if (is_told) {
        visit->round.finding = finding;
        visit->round.where[0] = '\0';
    }
    if (is_told && outcome != PROBE_GOOD && target != NULL) {
        probe_where(target, visit->round.where);
    }
}

/* --- judging ---------------------------------------------------------------------------------- */

/* A referral: does it lead to us? */
static enum finding judge_referral(struct probe_visit *visit, const struct client_answer *answer)
{
    struct body_referral referral;
    struct probe_route told;
    if (body_referral_decode(answer->body, visit->arena, &referral) != STATUS_OK) {
        return FINDING_NOT_HANDLE;
    }
    if (referral.handle.len > 0 && referral.count == 0) {
        return FINDING_OK; /* where our service is said to stand is asked there */
    }
    return probe_route_referred(referral.values, referral.count, visit->arena, &told) ==
                       STATUS_OK &&
                   probe_route_meets(&visit->own, &told)
               ? FINDING_OK
               : FINDING_OTHER_SERVICE;
}

static enum finding visit_on_canary(void *context, const struct client_answer *answer)
{
    struct probe_visit *visit = context;
    switch (status_of_wire_code(answer->message->header.response_code)) {
    case STATUS_OK:
        return FINDING_OK;
    case STATUS_HANDLE_NOT_FOUND:
    case STATUS_VALUES_NOT_FOUND:
        return FINDING_NOT_FOUND;
    case STATUS_SERVICE_REFERRAL:
    case STATUS_PREFIX_REFERRAL:
        return visit->entry->way == CANARY_ABOVE ? judge_referral(visit, answer)
                                                 : FINDING_NOT_RESPONSIBLE;
    case STATUS_NOT_RESPONSIBLE:
        return FINDING_NOT_RESPONSIBLE;
    case STATUS_SERVER_BUSY:
        return FINDING_BUSY;
    default:
        return FINDING_REFUSED;
    }
}

/* What the record tells that holds the sites instead. */
static enum finding visit_on_alias(void *context, const struct client_answer *answer)
{
    struct probe_visit *visit = context;
    struct body_values values;
    struct bytes body = arena_copy(visit->arena, answer->body);
    enum status status = status_of_wire_code(answer->message->header.response_code);
    if (status == STATUS_HANDLE_NOT_FOUND || status == STATUS_VALUES_NOT_FOUND) {
        return FINDING_NOT_FOUND;
    }
    if (status != STATUS_OK || body.data == NULL ||
        body_values_decode(body, visit->arena, &values) != STATUS_OK ||
        probe_route_read(values.values, values.count, visit->arena, &visit->own) != STATUS_OK) {
        return FINDING_ELSEWHERE;
    }
    return visit->own.count > 0 ? FINDING_OK : FINDING_NOT_FOUND;
}

/* --- the way ---------------------------------------------------------------------------------- */

static void go_on(struct probe_visit *visit);

static struct bytes name_below(struct probe_visit *visit);

/* Our node told the servers, or could not. */
static void take_alias(struct probe_visit *visit, enum finding finding)
{
    visit->wants_alias = false;
    visit->at = 0;
    visit->name = name_below(visit);
    visit->route = visit->own;
    if (finding != FINDING_OK) {
        visit->route.count = 0;
        found(visit, finding == FINDING_NOT_FOUND ? FINDING_NO_SERVER : FINDING_ELSEWHERE, NULL);
    }
    go_on(visit);
}

static void visit_on_checked(void *context, const struct probe_result *result)
{
    struct probe_visit *visit = context;
    visit->check = NULL;
    if (visit->wants_alias) {
        take_alias(visit, result->finding);
        return;
    }
    if (result->rtt_us > 0 && (visit->round.rtt_us == 0 || result->rtt_us < visit->round.rtt_us)) {
        visit->round.rtt_us = result->rtt_us;
    }
    found(visit, result->finding, &visit->route.targets[visit->at]);
    visit->at++;
    go_on(visit);
}

static void visit_on_names(void *context)
{
    go_on(context);
}

static void visit_on_later(void *context)
{
    go_on(context);
}

/* Host and port as the name's records tell them, if it has any: those of the service above. */
static enum status find_service(struct probe_visit *visit, struct service_target *target)
{
    struct dns_service services[DNS_SERVICES_MAX];
    size_t count = 0;
    if (!visit->entry->is_canary) {
        return STATUS_OK;
    }
    enum status status = probe_host_services(visit->prober->options.dns, target, services, &count);
    if (status == STATUS_OK) {
        target->host = arena_copy(visit->arena, bytes_of_text(services[0].host));
        target->address.port = services[0].port;
        return target->host.data == NULL ? STATUS_NO_MEMORY : STATUS_OK;
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* The address of the target's host. PENDING: go_on is called again. */
static enum status look_up(struct probe_visit *visit, struct service_target *target)
{
    struct net_address found_at[DNS_ADDRESSES_MAX];
    size_t count = 0;
    struct dns *dns = visit->prober->options.dns;
    if (target->host.len == 0) {
        return STATUS_OK;
    }
    enum status status = dns == NULL ? STATUS_NOT_SUPPORTED : find_service(visit, target);
    if (status == STATUS_OK) {
        status = dns_find(dns, target->host, found_at, &count);
    }
    if (status == STATUS_PENDING) {
        visit->dns.called = visit_on_names;
        visit->dns.context = visit;
        dns_wait(dns, &visit->dns);
    } else if (status == STATUS_OK && count > 0) {
        memcpy(target->address.ip, found_at[0].ip, sizeof(target->address.ip));
    }
    return status;
}

static enum status check(struct probe_visit *visit, const struct service_target *target)
{
    const struct prober *prober = visit->prober;
    bool is_canary = visit->entry->is_canary;
    bool is_above = is_canary && visit->entry->way == CANARY_ABOVE;
    const struct probe_question question = {
        .target = *target,
        .name = visit->name,
        .flags = MESSAGE_PUBLIC_ONLY | (visit->wants_alias ? MESSAGE_RECURSIVE : 0) |
                 (is_above ? MESSAGE_RECURSIVE | (uint32_t)MESSAGE_AUTHORITATIVE : 0),
        .skips_site = is_canary || visit->wants_alias,
        .timeout_ms = prober->plan->timeout_ms,
        .judge = visit->wants_alias ? visit_on_alias
                 : is_canary        ? visit_on_canary
                                    : NULL,
        .judge_context = visit,
        .random = prober->options.random,
    };
    return probe_check_start(prober->options.net, &question, visit_on_checked, visit,
                             &visit->check);
}

static void go_on(struct probe_visit *visit)
{
    for (; visit->at < visit->route.count; visit->at++) {
        struct service_target target = visit->route.targets[visit->at];
        enum status status = look_up(visit, &target);
        if (status == STATUS_PENDING) {
            return;
        }
        if (status != STATUS_OK) {
            found(visit,
                  status == STATUS_NOT_FOUND || status == STATUS_UNREACHABLE ? FINDING_NO_HOST
                                                                             : FINDING_NOT_CHECKED,
                  &target);
            continue;
        }
        if (check(visit, &target) == STATUS_OK) {
            return;
        }
        found(visit, FINDING_NOT_CHECKED, &target);
    }
    finish(visit);
}

/* --- where to --------------------------------------------------------------------------------- */

/* The ways told in a record of ours. NOT_FOUND: there is no such record. */
static enum status read_route(struct probe_visit *visit, struct bytes handle,
                              struct probe_route *out_route)
{
    struct snapshot *snapshot = visit->prober->snapshot;
    struct record_row row;
    struct value *values = NULL;
    size_t count = 0;
    enum status status = snapshot_refresh(snapshot);
    if (status == STATUS_OK) {
        status = registry_get_record(snapshot, handle, CASE_INSENSITIVE, &row);
    }
    struct bytes stored = status == STATUS_OK ? arena_copy(visit->arena, row.values) : BYTES_NONE;
    snapshot_rest(snapshot);
    if (status != STATUS_OK || stored.data == NULL) {
        return status == STATUS_HANDLE_NOT_FOUND ? STATUS_NOT_FOUND : STATUS_NO_MEMORY;
    }
    struct wire_reader r = wire_read(stored);
    status = value_list_decode(&r, visit->arena, &values, &count);
    return status == STATUS_OK ? probe_route_read(values, count, visit->arena, out_route) : status;
}

static struct bytes join(struct probe_visit *visit, const char *first, const char *second)
{
    size_t size = strlen(first) + strlen(second) + 1;
    char *room = arena_alloc(visit->arena, size);
    if (room == NULL) {
        return BYTES_NONE;
    }
    return bytes_of(room, (size_t)snprintf(room, size, "%s%s", first, second));
}

static struct bytes name_below(struct probe_visit *visit)
{
    return join(visit, visit->entry->name, CANARY_SUFFIX);
}

/* false: we have no socket over this transport. */
static bool aim_at_own(struct probe_visit *visit, enum ask_transport transport)
{
    const struct probe_plan *plan = visit->prober->plan;
    if (!plan->has_own[transport]) {
        return false;
    }
    visit->route.count = 1;
    visit->route.targets[0] = (struct service_target){
        .address = plan->own[transport],
        .transport = transport,
        .version = {MESSAGE_VERSION_MAJOR, MESSAGE_VERSION_MINOR},
        .serial = MESSAGE_SERIAL_UNKNOWN,
    };
    return true;
}

/* The sites stand in a record of another node: ours resolves it, as for any client here. */
static void plan_alias(struct probe_visit *visit, struct bytes alias)
{
    visit->wants_alias = aim_at_own(visit, ASK_TCP) || aim_at_own(visit, ASK_UDP);
    visit->name = alias;
    if (!visit->wants_alias) {
        found(visit, FINDING_ELSEWHERE, NULL);
    }
}

static void plan_prefix(struct probe_visit *visit)
{
    visit->name = name_below(visit);
    struct bytes record = join(visit, "0.NA/", visit->entry->name);
    enum status status = read_route(visit, record, &visit->route);
    struct bytes alias = visit->route.alias;
    if (status == STATUS_OK && alias.len > 0) {
        status = read_route(visit, alias, &visit->route);
        if (status == STATUS_NOT_FOUND) {
            plan_alias(visit, alias);
            return;
        }
    }
    if (visit->route.count == 0) {
        found(visit,
              status == STATUS_OK || status == STATUS_NOT_FOUND ? FINDING_NO_SERVER
                                                                : FINDING_NOT_CHECKED,
              NULL);
    }
}

static void plan_canary(struct probe_visit *visit)
{
    const struct probe_plan *plan = visit->prober->plan;
    visit->name = bytes_of_text(plan->canary);
    if (visit->entry->way == CANARY_ABOVE) {
        probe_route_of(&plan->upward->service, &visit->route);
        struct bytes record = join(visit, "0.NA/", plan->own_prefix);
        (void)read_route(visit, record, &visit->own); /* without it no referral leads to us */
        return;
    }
    (void)aim_at_own(visit, visit->entry->way == CANARY_UDP ? ASK_UDP : ASK_TCP);
}

enum status probe_visit_start(struct prober *prober, struct probe_entry *entry)
{
    struct probe_visit *visit = calloc(1, sizeof(*visit));
    if (visit == NULL) {
        return STATUS_NO_MEMORY;
    }
    visit->prober = prober;
    visit->entry = entry;
    visit->arena = arena_new(ARENA_FIRST, ARENA_MAX);
    if (visit->arena == NULL ||
        net_timer_new(prober->options.net, visit_on_later, visit, &visit->later) != STATUS_OK) {
        arena_free(visit->arena);
        free(visit);
        return STATUS_NO_MEMORY;
    }
    visit->next = prober->visits;
    if (visit->next != NULL) {
        visit->next->previous = visit;
    }
    prober->visits = visit;
    prober->visit_count++;
    entry->visit = visit;
    if (entry->is_canary) {
        plan_canary(visit);
    } else {
        plan_prefix(visit);
    }
    net_timer_start(visit->later, 0);
    return STATUS_OK;
}
