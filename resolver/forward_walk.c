/* SPDX-License-Identifier: Apache-2.0
 *
 * From a name to the service that answers for it, and its answer (protocol.md §8.1, §8.4).
 *
 * Names of prefixes are asked at the top-level service, all others at the service their prefix
 * record tells: HS_SITE, HS_SITE.6, or the handle in HS_SERV. Referrals are followed. Whatever has
 * to be known on the way is a question of its own with a count that is one higher, so that any
 * circle ends when the count does, however many nodes it leads through.
 */
#include <stdlib.h>

#include "protocol/opcode.h"
#include "resolver/cache.h"
#include "resolver/forward_parts.h"
#include "resolver/lookup.h"
#include "resolver/refer.h"
#include "resolver/upward.h"
#include "resolver/worker.h"

#define LARGE_NAME 400 /* a request that is more than a datagram */
#define SITE_ROOM (MESSAGE_MAX / 4)
#define BODY_ROOM (HANDLE_EXPANDED_MAX + 12)
#define REFERRAL_CODES_SINCE ((struct message_version){2, 5}) /* before, 303 meant 7: §3.2 */

static const struct upward *upward_of(const struct forward_job *job)
{
    return job->forward->worker->generation->upward;
}

/* Nobody answers, or nobody who makes sense: what was known before may do. */
static bool may_be_stale(enum status status)
{
    switch (status) {
    case STATUS_TIMED_OUT:
    case STATUS_UNREACHABLE:
    case STATUS_SERVER_BUSY:
    case STATUS_SERVER_BACKUP:
    case STATUS_ERROR:
    case STATUS_AUTHENTICATION_FAILED:
        return true;
    default:
        return false;
    }
}

/* The end without values. What other services said is kept, and so is that they said no. */
static void fail(struct forward_job *job, enum status status)
{
    struct worker *worker = job->forward->worker;
    struct bytes values = BYTES_NONE;
    if (!job->is_authoritative && !job->is_ours) {
        forward_remember(worker, forward_job_name(job), status, BYTES_NONE, job->is_certified);
        if (may_be_stale(status)) {
            enum status kept =
                forward_recall_stale(worker, forward_job_name(job), job->arena, &values);
            cache_rest(worker->cache);
            job->is_stale = kept != STATUS_NOT_FOUND && kept != STATUS_NO_MEMORY;
            status = job->is_stale ? kept : status;
        }
    }
    forward_finish(job, status, values);
}

static void ask_service(struct forward_job *job);
static void ask_upward(struct forward_job *job);

/* --- nested questions ------------------------------------------------------------------------- */

/* Asks for the record that tells a service; `handle` is copied. */
static void want(struct forward_job *job, enum forward_want what, struct bytes handle,
                 bool is_authoritative)
{
    struct worker *worker = job->forward->worker;
    uint8_t *room = arena_alloc(job->arena, HANDLE_EXPANDED_MAX);
    struct bytes expanded = BYTES_NONE;
    if (room == NULL || handle_expand(handle, room, &expanded) != STATUS_OK) {
        fail(job, room == NULL ? STATUS_NO_MEMORY : STATUS_ERROR);
        return;
    }
    if (job->recursion_count + job->hops >= FORWARD_COUNT_MAX) {
        fail(job, STATUS_RECURSION_TOO_HIGH);
        return;
    }
    job->want = what;
    job->is_nested_out = true;
    job->nested = (struct forward_question){
        .handle = expanded,
        .recursion_count = (uint8_t)(job->recursion_count + job->hops + 1),
        .is_authoritative = is_authoritative,
        .deadline_ms = job->deadline_ms,
        .answered = &job->nested_mail,
        .home = worker->mailbox,
    };
    forward_send(worker, &job->nested);
}

static void want_prefix(struct forward_job *job, bool is_authoritative)
{
    uint8_t room[HANDLE_EXPANDED_MAX];
    struct wire_writer w = wire_write(room, sizeof(room));
    wire_put_raw(&w, BYTES_LITERAL("0.NA/"));
    wire_put_raw(&w, handle_prefix(forward_job_name(job)));
    want(job, WANT_SERVICE, wire_wrote(&w), is_authoritative);
}

/* Whoever should answer does not, or says he should not: the service may be told anew. Once, and of
 * names alone: a prefix is its keeper's, whom nobody above knows better. */
static bool may_renew(const struct forward_job *job)
{
    return !job->is_upward && !job->was_renewed && !job->was_referred &&
           !handle_is_prefix_record(forward_job_name(job));
}

static bool renew(struct forward_job *job)
{
    if (!may_renew(job)) {
        return false;
    }
    job->was_renewed = true;
    want_prefix(job, true);
    return true;
}

/* Nobody answered. What was told of the service long ago may have changed; what was told a moment
 * ago has not, and nobody above is troubled with it. */
static void give_up(struct forward_job *job, enum status status)
{
    bool is_silent = status == STATUS_UNREACHABLE || status == STATUS_TIMED_OUT;
    bool has_time = job->deadline_ms > net_now_ms(job->forward->worker->options.net);
    if (!is_silent || !has_time || !job->may_have_moved || !renew(job)) {
        fail(job, status);
    }
}

/* The service in a record or a referral; asks it, or for the record that tells it. false: it tells
 * none. */
static bool use_values(struct forward_job *job, const struct value *values, size_t count,
                       enum service_source source)
{
    struct service *service = &job->service;
    if (service_read(values, count, source, job->arena, service) != STATUS_OK) {
        fail(job, STATUS_NO_MEMORY);
        return true;
    }
    if (service->count > 0) {
        job->is_upward = false;
        ask_service(job);
        return true;
    }
    struct bytes alias = service_alias(values, count, source);
    if (bytes_equal_nocase(alias, BYTES_LITERAL("0.NA/0.NA"))) {
        ask_upward(job);
    } else if (alias.len > 0) {
        job->hops++; /* it may lead back to where it stands */
        want(job, WANT_SERVICE, alias, false);
    }
    return alias.len > 0;
}

static void take_nested_values(struct forward_job *job)
{
    job->is_told_here = job->nested.is_ours;
    job->may_have_moved = job->nested.is_old;
    struct value *values = NULL;
    size_t count = 0;
    struct bytes kept =
        arena_copy(job->arena, bytes_of(job->nested.values, job->nested.values_len));
    struct wire_reader r = wire_read(kept);
    if (value_list_decode(&r, job->arena, &values, &count) != STATUS_OK) {
        fail(job, STATUS_ERROR);
        return;
    }
    bool is_parent = job->want == WANT_PARENT;
    if (is_parent && use_values(job, values, count, SERVICE_OF_PREFIXES)) {
        return;
    }
    if (!use_values(job, values, count, SERVICE_OF_NAMES)) {
        fail(job, is_parent ? STATUS_HANDLE_NOT_FOUND : STATUS_ERROR);
    }
}

static void walk_on_nested(struct mail *mail, void *owner)
{
    struct forward_job *job =
        (struct forward_job *)((char *)mail - offsetof(struct forward_job, nested_mail));
    enum status status = job->nested.status;
    (void)owner;
    job->is_nested_out = false;
    if (job->is_over) {
        free(job->nested.values);
        forward_job_free(job);
        return;
    }
    if (status == STATUS_OK) {
        uint8_t *values = job->nested.values;
        take_nested_values(job);
        free(values);
        return;
    }
    bool is_absent = status == STATUS_VALUES_NOT_FOUND || job->want == WANT_PARENT;
    fail(job, is_absent ? STATUS_HANDLE_NOT_FOUND : status);
}

/* --- answers ---------------------------------------------------------------------------------- */

/* The public ones among them are the answer. */
static void finish_with(struct forward_job *job, struct value *values, size_t count)
{
    size_t open = 0;
    for (size_t i = 0; i < count; i++) {
        if (value_is_public(&values[i])) {
            values[open++] = values[i];
        }
    }
    size_t size = value_list_encoded_len(values, open);
    uint8_t *room = arena_alloc(job->arena, size);
    if (open == 0 || room == NULL) {
        fail(job, open == 0 ? STATUS_VALUES_NOT_FOUND : STATUS_NO_MEMORY);
        return;
    }
    struct wire_writer w = wire_write(room, size);
    value_list_encode(&w, values, open);
    bool is_prefix = handle_is_prefix_record(forward_job_name(job));
    if ((!job->is_authoritative || is_prefix) && !job->is_ours) {
        forward_remember(job->forward->worker, forward_job_name(job), STATUS_OK, wire_wrote(&w),
                         job->is_certified);
    }
    forward_finish(job, STATUS_OK, wire_wrote(&w));
}

static void take_values(struct forward_job *job, struct bytes body)
{
    struct body_values decoded;
    if (body_values_decode(body, job->arena, &decoded) != STATUS_OK ||
        !bytes_equal_nocase(decoded.handle, forward_job_name(job))) {
        fail(job, STATUS_ERROR);
        return;
    }
    finish_with(job, decoded.values, decoded.count);
}

/* 302, and 303 for names of prefixes alone (§5.6). */
static void follow(struct forward_job *job, struct bytes body, enum status code)
{
    struct body_referral referral;
    struct bytes kept = arena_copy(job->arena, body);
    bool is_prefix = handle_is_prefix_record(forward_job_name(job));
    if (body_referral_decode(kept, job->arena, &referral) != STATUS_OK ||
        (code == STATUS_PREFIX_REFERRAL && !is_prefix)) {
        fail(job, STATUS_ERROR);
        return;
    }
    metrics_add(job->forward->worker->options.metrics, METRIC_upstream_referrals, 0, 1);
    job->is_told_here = false;
    job->was_referred = true;
    job->hops++;
    if (job->recursion_count + job->hops > FORWARD_COUNT_MAX) {
        fail(job, STATUS_RECURSION_TOO_HIGH);
        return;
    }
    if (referral.count == 0 && referral.handle.len > 0) {
        want(job, code == STATUS_PREFIX_REFERRAL ? WANT_PARENT : WANT_SERVICE, referral.handle,
             false);
        return;
    }
    bool is_followed = code == STATUS_PREFIX_REFERRAL &&
                       use_values(job, referral.values, referral.count, SERVICE_OF_PREFIXES);
    if (!is_followed && !use_values(job, referral.values, referral.count, SERVICE_OF_NAMES)) {
        fail(job, STATUS_ERROR);
    }
}

/* The top-level service does not know a derived prefix: who holds the one above it may. */
static bool descend(struct forward_job *job)
{
    struct bytes name = forward_job_name(job);
    struct bytes parent = handle_is_prefix_record(name)
                              ? handle_parent_prefix(handle_governing_prefix(name))
                              : BYTES_NONE;
    if (!job->is_upward || job->has_descended || handle_parent_prefix(parent).len == 0) {
        return false;
    }
    uint8_t room[HANDLE_EXPANDED_MAX];
    struct wire_writer w = wire_write(room, sizeof(room));
    wire_put_raw(&w, BYTES_LITERAL("0.NA/"));
    wire_put_raw(&w, parent);
    job->has_descended = true;
    want(job, WANT_PARENT, wire_wrote(&w), false);
    return true;
}

static enum status code_of(const struct message *answer)
{
    enum status code = status_of_wire_code(answer->header.response_code);
    bool is_old = message_version_compare(answer->envelope.version, REFERRAL_CODES_SINCE) < 0;
    return is_old && code == STATUS_PREFIX_REFERRAL ? STATUS_SERVER_BACKUP : code;
}

/* What it means that no answer came: nothing that the one who asked did wrong. */
static enum status failure_of(enum status status)
{
    switch (status) {
    case STATUS_PROTOCOL_ERROR:
    case STATUS_INVALID_CREDENTIAL:
    case STATUS_INVALID_VALUE:
    case STATUS_AUTHENTICATION_FAILED:
        return STATUS_ERROR;
    case STATUS_CLOSED:
        return STATUS_UNREACHABLE;
    default:
        return status;
    }
}

/* Who asked is us: what a service wants of us is nothing that the client could give. */
static bool is_about_asker(enum status code)
{
    return code == STATUS_AUTHENTICATION_NEEDED ||
           (code >= STATUS_SESSION_TIMEOUT && code <= STATUS_SESSION_REJECTED);
}

static void walk_on_answer(void *context, enum status status, const struct upstream_answer *answer)
{
    struct forward_job *job = context;
    job->call = NULL;
    if (status != STATUS_OK) {
        give_up(job, failure_of(status));
        return;
    }
    enum status code = code_of(answer->message);
    job->is_certified = answer->is_certified;
    switch (code) {
    case STATUS_OK:
        take_values(job, answer->body);
        break;
    case STATUS_SERVICE_REFERRAL:
    case STATUS_PREFIX_REFERRAL:
        follow(job, answer->body, code);
        break;
    case STATUS_HANDLE_NOT_FOUND:
        if (!descend(job)) {
            fail(job, code);
        }
        break;
    case STATUS_NOT_RESPONSIBLE:
    case STATUS_SITE_INFO_OUT_OF_DATE:
        if (!renew(job)) {
            fail(job, STATUS_ERROR);
        }
        break;
    default:
        fail(job, is_about_asker(code) ? STATUS_ERROR : code);
        break;
    }
}

/* --- asking ----------------------------------------------------------------------------------- */

static struct upstream_limits limits_of(const struct worker *worker)
{
    const struct settings *settings = worker->generation->settings;
    size_t workers = worker->options.worker_count > 0 ? worker->options.worker_count : 1;
    size_t questions = (size_t)settings->upstream_questions / workers;
    size_t per_server = (size_t)settings->upstream_per_server / workers;
    return (struct upstream_limits){
        .questions = questions > 0 ? questions : 1,
        .per_server = per_server > 0 ? per_server : 1,
        .hold_max_ms = settings->upstream_hold_max,
        .verifies = settings->upstream_verify,
    };
}

/* Who may have moved leaves some of it for asking where to. */
static int64_t time_of(const struct forward_job *job)
{
    int64_t ms = job->deadline_ms - net_now_ms(job->forward->worker->options.net);
    return job->may_have_moved && may_renew(job) ? ms - ms / 4 : ms;
}

static void send(struct forward_job *job)
{
    struct worker *worker = job->forward->worker;
    uint8_t room[BODY_ROOM];
    struct wire_writer w = wire_write(room, sizeof(room));
    const struct body_resolution body = {.handle = forward_job_name(job)};
    body_resolution_encode(&w, &body);
    /* The top-level service may ask others for us; who is responsible has nobody to ask. */
    uint32_t flags = MESSAGE_PUBLIC_ONLY | (job->is_upward ? (uint32_t)MESSAGE_RECURSIVE : 0);
    const struct upstream_question question = {
        .opcode = OPCODE_RESOLUTION,
        .flags = job->is_authoritative ? flags | (uint32_t)MESSAGE_AUTHORITATIVE : flags,
        .recursion_count = (uint8_t)(job->recursion_count + job->hops),
        .body = wire_wrote(&w),
        .targets = job->targets,
        .target_count = job->target_count,
        .time_ms = time_of(job),
        .limits = limits_of(worker),
    };
    enum status status = question.time_ms <= 0 ? STATUS_TIMED_OUT
                                               : upstream_ask(job->forward->upstream, &question,
                                                              walk_on_answer, job, &job->call);
    if (status != STATUS_OK) {
        give_up(job, failure_of(status));
    }
}

static void walk_on_dns(void *context)
{
    ask_service(context);
}

static void ask_service(struct forward_job *job)
{
    struct service_target targets[SERVICE_TARGETS_MAX];
    const struct service_need need = {
        .handle = forward_job_name(job),
        .is_primary_only = job->is_authoritative,
        .is_large = job->name_len > LARGE_NAME,
    };
    struct forward *forward = job->forward;
    size_t count = service_targets(&job->service, &need, upstream_cost, forward->upstream, targets);
    enum status status = forward_place(job, targets, count);
    if (status == STATUS_OK) {
        send(job);
    } else if (status == STATUS_PENDING &&
               job->deadline_ms > net_now_ms(forward->worker->options.net)) {
        job->dns.called = walk_on_dns;
        job->dns.context = job;
        job->dns.until_ms = job->deadline_ms;
        dns_wait(forward->dns, &job->dns);
    } else {
        fail(job, status == STATUS_PENDING ? STATUS_TIMED_OUT : status);
    }
}

/* The sites, keys and names of a generation may go while the job lives. */
static bool copy_service(struct forward_job *job, const struct service *from)
{
    uint8_t *room = malloc(SITE_ROOM);
    job->service.count = 0;
    for (size_t i = 0; room != NULL && i < from->count; i++) {
        const struct site *site = &from->sites[i];
        struct wire_writer w = wire_write(room, SITE_ROOM);
        site_encode(&w, site);
        struct bytes record = arena_copy(job->arena, wire_wrote(&w));
        struct site *to = &job->service.sites[job->service.count];
        if (record.data != NULL && site_decode(record, job->arena, to) == STATUS_OK) {
            job->service.count++;
        }
    }
    free(room);
    return job->service.count > 0;
}

static void ask_upward(struct forward_job *job)
{
    const struct upward *upward = upward_of(job);
    struct bytes prefix = handle_governing_prefix(forward_job_name(job));
    if (upward == NULL || upward->service.count == 0 ||
        handle_is_under(prefix, upward->own_prefix)) {
        fail(job, STATUS_NOT_RESPONSIBLE);
        return;
    }
    if (!copy_service(job, &upward->service)) {
        fail(job, STATUS_NO_MEMORY);
        return;
    }
    job->is_upward = true;
    job->is_told_here = true;
    ask_service(job);
}

/* true: that was the end. */
static bool answer_from_memory(struct forward_job *job)
{
    struct worker *worker = job->forward->worker;
    struct bytes values = BYTES_NONE;
    if (job->is_authoritative) {
        return false;
    }
    enum status status =
        forward_recall(worker, forward_job_name(job), job->arena, &values, &job->is_old);
    cache_rest(worker->cache);
    if (status == STATUS_NOT_FOUND || status == STATUS_NO_MEMORY) {
        return false;
    }
    forward_finish(job, status, values);
    return true;
}

/* What the store says about the job's name, in the job's arena; `out_keepers` where the record of
 * a prefix is not here, but one of ours says who keeps it. NOT_RESPONSIBLE: nothing. */
static enum status read_here(struct forward_job *job, struct bytes *out_values,
                             struct bytes *out_keepers)
{
    struct exchange_scope scope;
    struct lookup found;
    struct worker *worker = job->forward->worker;
    struct bytes name = forward_job_name(job);
    if (!worker_begin(worker, &scope)) {
        return STATUS_SERVER_BUSY;
    }
    enum status status = lookup_record(scope.snapshot, name, &found);
    if (status == STATUS_OK) {
        *out_values = arena_copy(job->arena, found.record.values);
    } else if (status == STATUS_HANDLE_NOT_FOUND && handle_is_prefix_record(name)) {
        enum status kept = refer_keeper(scope.snapshot, job->arena, name, out_keepers);
        status = kept == STATUS_OK ? status : kept;
    }
    worker_rest(worker);
    return status;
}

/* What is homed here is not asked for anywhere, but for prefixes that ours say others keep. true:
 * the job goes on, or has ended. */
static bool answer_here(struct forward_job *job)
{
    struct bytes kept = BYTES_NONE;
    struct bytes keepers = BYTES_NONE;
    enum status status = read_here(job, &kept, &keepers);
    if (status == STATUS_NOT_RESPONSIBLE) {
        return false;
    }
    struct value *values = NULL;
    size_t count = 0;
    struct wire_reader r = wire_read(keepers.len > 0 ? keepers : kept);
    if (status == STATUS_OK || keepers.len > 0) {
        status = value_list_decode(&r, job->arena, &values, &count);
    }
    job->is_ours = keepers.len == 0;
    job->is_told_here = true;
    if (status != STATUS_OK) {
        fail(job, status);
    } else if (job->is_ours) {
        finish_with(job, values, count);
    } else if (!answer_from_memory(job) && !use_values(job, values, count, SERVICE_OF_PREFIXES)) {
        fail(job, STATUS_ERROR);
    }
    return true;
}

static bool starts_at_root(struct bytes name)
{
    return bytes_start_with(name, BYTES_LITERAL("0.")) ||
           bytes_start_with(name, BYTES_LITERAL("0/"));
}

void forward_walk(struct forward_job *job)
{
    job->nested_mail.opened = walk_on_nested;
    if (job->recursion_count > FORWARD_COUNT_MAX) {
        fail(job, STATUS_RECURSION_TOO_HIGH);
    } else if (answer_here(job) || answer_from_memory(job)) {
        return;
    } else if (starts_at_root(forward_job_name(job))) {
        ask_upward(job);
    } else {
        want_prefix(job, false);
    }
}

void forward_walk_stop(struct forward_job *job)
{
    if (job->call != NULL) {
        upstream_cancel(job->call);
        job->call = NULL;
    }
    dns_forget(job->forward->dns, &job->dns);
}
