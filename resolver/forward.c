/* SPDX-License-Identifier: Apache-2.0
 *
 * Desks, the questions that wait at them, and exchanges that wait for questions (forward.h).
 *
 * Two questions are the same when name, count and authority are: names byte by byte, as what folds
 * under another prefix is not known; and those of different counts stay apart, so that a circle of
 * nodes never waits for itself.
 */
#include "resolver/forward.h"

#include <stdlib.h>

#include "resolver/forward_parts.h"
#include "resolver/hot_path.h"
#include "resolver/identity.h"
#include "resolver/lookup.h"
#include "resolver/refer.h"
#include "resolver/sources.h"
#include "resolver/upward.h"
#include "resolver/worker.h"

#define JOB_ARENA_FIRST 4096
#define JOB_ARENA_MAX (8u << 20)
#define KEPT_MS 250
#define KEPT_MAX 1024
#define KEPT_BYTES_MAX (64u << 10) /* of each */

struct forward_hub {
    uint64_t key[2];
    size_t count;
    struct {
        struct worker *worker;
    } desks[];
};

/* --- the hub ---------------------------------------------------------------------------------- */

struct forward_hub *forward_hub_new(size_t workers, const uint64_t key[2])
{
    struct forward_hub *hub = calloc(1, sizeof(*hub) + workers * sizeof(hub->desks[0]));
    if (hub != NULL) {
        hub->key[0] = key[0];
        hub->key[1] = key[1];
        hub->count = workers;
    }
    return hub;
}

void forward_hub_free(struct forward_hub *hub)
{
    free(hub);
}

void forward_hub_join(struct forward_hub *hub, size_t index, struct worker *worker)
{
    hub->desks[index].worker = worker;
}

/* --- jobs ------------------------------------------------------------------------------------- */

struct bytes forward_job_name(const struct forward_job *job)
{
    return bytes_of(job->name, job->name_len);
}

void forward_job_free(struct forward_job *job)
{
    job->forward->job_count--;
    worker_stream_ended(job->forward->worker);
    arena_free(job->arena);
    free(job->name);
    free(job);
}

static void tell(struct forward_question *question, enum status status, struct bytes values)
{
    question->status = status;
    question->values = NULL;
    question->values_len = 0;
    if (status == STATUS_OK) {
        question->values = malloc(values.len);
        question->status = question->values == NULL ? STATUS_NO_MEMORY : STATUS_OK;
    }
    if (question->values != NULL) {
        memcpy(question->values, values.data, values.len);
        question->values_len = values.len;
    }
    mailbox_post(question->home, question->answered);
}

static void leave_table(struct forward_job *job)
{
    struct forward_job **at = &job->forward->buckets[job->hash % FORWARD_BUCKETS];
    while (*at != NULL && *at != job) {
        at = &(*at)->next;
    }
    if (*at != NULL) {
        *at = job->next;
    }
}

/* --- answers that are kept for a moment --------------------------------------------------------
 */

static bool is_worth_keeping(const struct forward_job *job, enum status status)
{
    bool is_answer = status == STATUS_OK || status == STATUS_HANDLE_NOT_FOUND ||
                     status == STATUS_VALUES_NOT_FOUND;
    return is_answer && !job->is_ours && !job->is_authoritative && !job->is_nested_out &&
           !job->forward->is_closed && job->forward->kept_count < KEPT_MAX &&
           arena_used(job->arena) <= KEPT_BYTES_MAX;
}

static void keep(struct forward_job *job, enum status status, struct bytes values)
{
    struct forward *forward = job->forward;
    job->is_kept = true;
    job->outcome = status;
    job->answer = values;
    job->kept_until_ms = net_now_ms(forward->worker->options.net) + KEPT_MS;
    if (forward->first_kept == NULL) {
        net_timer_start(forward->timer, KEPT_MS);
    }
    *forward->last_kept = job;
    forward->last_kept = &job->later;
    forward->kept_count++;
    worker_stream_ended(forward->worker);
}

static void let_go(struct forward *forward)
{
    struct forward_job *job = forward->first_kept;
    forward->first_kept = job->later;
    if (forward->first_kept == NULL) {
        forward->last_kept = &forward->first_kept;
    }
    forward->kept_count--;
    leave_table(job);
    forward_job_free(job);
}

static void forward_on_timer(void *context)
{
    struct forward *forward = context;
    int64_t now_ms = net_now_ms(forward->worker->options.net);
    while (forward->first_kept != NULL && forward->first_kept->kept_until_ms <= now_ms) {
        let_go(forward);
    }
    if (forward->first_kept != NULL) {
        net_timer_start(forward->timer, forward->first_kept->kept_until_ms - now_ms);
    }
}

void forward_finish(struct forward_job *job, enum status status, struct bytes values)
{
    struct forward_question *next = NULL;
    for (struct forward_question *at = job->waiting; at != NULL; at = next) {
        next = at->next;
        at->is_stale = job->is_stale;
        at->is_ours = job->is_ours;
        at->is_old = job->is_old;
        tell(at, status, values);
    }
    job->waiting = NULL;
    forward_walk_stop(job);
    if (is_worth_keeping(job, status)) {
        keep(job, status, values);
        return;
    }
    leave_table(job);
    job->is_over = true;
    if (!job->is_nested_out) {
        forward_job_free(job);
    }
}

static struct forward_job *find_job(const struct forward *forward, uint64_t hash,
                                    const struct forward_question *question)
{
    struct forward_job *job = forward->buckets[hash % FORWARD_BUCKETS];
    while (job != NULL &&
           !(job->hash == hash && job->recursion_count == question->recursion_count &&
             job->is_authoritative == question->is_authoritative &&
             bytes_equal(forward_job_name(job), question->handle))) {
        job = job->next;
    }
    return job;
}

static struct forward_job *job_new(struct forward *forward, uint64_t hash,
                                   const struct forward_question *question)
{
    struct forward_job *job = calloc(1, sizeof(*job));
    uint8_t *name = malloc(question->handle.len + 1);
    struct arena *arena = arena_new(JOB_ARENA_FIRST, JOB_ARENA_MAX);
    if (job == NULL || name == NULL || arena == NULL) {
        free(job);
        free(name);
        arena_free(arena);
        return NULL;
    }
    memcpy(name, question->handle.data, question->handle.len);
    *job = (struct forward_job){
        .forward = forward,
        .next = forward->buckets[hash % FORWARD_BUCKETS],
        .hash = hash,
        .name = name,
        .name_len = question->handle.len,
        .recursion_count = question->recursion_count,
        .is_authoritative = question->is_authoritative,
        .deadline_ms = question->deadline_ms,
        .arena = arena,
    };
    forward->buckets[hash % FORWARD_BUCKETS] = job;
    forward->job_count++;
    return job;
}

static void forward_on_question(struct mail *mail, void *owner)
{
    struct forward_question *question =
        (struct forward_question *)((char *)mail - offsetof(struct forward_question, trip));
    struct worker *worker = owner;
    struct forward *forward = worker->forward;
    if (forward->is_closed) {
        tell(question, STATUS_CLOSED, BYTES_NONE);
        return;
    }
    uint64_t hash = handle_keyed_hash(question->handle, worker->options.hub->key);
    struct forward_job *job = find_job(forward, hash, question);
    if (job != NULL) {
        metrics_add(worker->options.metrics, METRIC_upstream_coalesced, 0, 1);
        if (job->is_kept) {
            question->is_stale = job->is_stale;
            question->is_ours = job->is_ours;
            question->is_old = job->is_old;
            tell(question, job->outcome, job->answer);
            return;
        }
        question->next = job->waiting;
        job->waiting = question;
        return;
    }
    job = job_new(forward, hash, question);
    if (job == NULL) {
        tell(question, STATUS_NO_MEMORY, BYTES_NONE);
        return;
    }
    question->next = NULL;
    job->waiting = question;
    forward_walk(job);
}

void forward_send(struct worker *worker, struct forward_question *question)
{
    const struct forward_hub *hub = worker->options.hub;
    uint64_t hash = handle_keyed_hash(question->handle, hub->key);
    /* A worker that stops may be the last one: it asks for itself. */
    struct worker *desk =
        worker->is_draining ? worker : hub->desks[(hash >> 32) % hub->count].worker;
    question->trip.opened = forward_on_question;
    worker_post(desk, &question->trip);
}

/* --- exchanges -------------------------------------------------------------------------------- */

struct forward_wait {
    struct wait wait;
    struct forward_question question;
    uint8_t handle[HANDLE_EXPANDED_MAX];
};

static void wait_free(struct wait *wait)
{
    struct forward_wait *waiting = (struct forward_wait *)wait;
    free(waiting->question.values);
    free(waiting);
}

/* Where a name that is not here stands. */
enum place {
    PLACE_OUTSIDE,
    PLACE_DELEGATED, /* its prefix record, which is ours, tells another service */
    PLACE_DERIVED,   /* its prefix record is kept by whom one of ours above it names */
    PLACE_NOWHERE
};

/* The prefix is ours and was stopped: nobody else answers for it. */
static bool is_silenced(const struct exchange *x, struct bytes handle)
{
    struct prefix_row row;
    struct bytes prefix = handle_governing_prefix(handle);
    return registry_get_prefix(x->scope->snapshot, prefix, &row) == STATUS_OK &&
           row.hosting != PREFIX_DELEGATED && row.state != PREFIX_UNHOMED;
}

/* `out_found` is the prefix record where the place is DELEGATED; borrowed from the snapshot. */
static enum place find_place(struct exchange *x, struct bytes handle, struct lookup *out_found)
{
    const struct upward *upward = x->scope->generation->upward;
    struct snapshot *snapshot = x->scope->snapshot;
    struct bytes prefix = handle_governing_prefix(handle);
    struct bytes keepers;
    switch (lookup_record(snapshot, prefix, out_found)) {
    case STATUS_OK:
        return refer_tells_other(x, out_found->record.values) ? PLACE_DELEGATED : PLACE_NOWHERE;
    case STATUS_HANDLE_NOT_FOUND:
        return refer_keeper(snapshot, x->scope->arena, out_found->handle, &keepers) == STATUS_OK
                   ? PLACE_DERIVED
                   : PLACE_NOWHERE;
    case STATUS_NOT_RESPONSIBLE:
        return handle_is_under(prefix, upward->own_prefix) || upward->service.count == 0
                   ? PLACE_NOWHERE
                   : PLACE_OUTSIDE;
    default:
        return PLACE_NOWHERE;
    }
}

/* Who does not know prefix referrals need not ask for having resolved what others keep (§5.6). */
static bool wants_recursion(const struct exchange *x, struct bytes handle)
{
    struct bytes keepers;
    return (x->message.header.flags & MESSAGE_RECURSIVE) != 0 ||
           refer_prefix(x, handle, &keepers) == STATUS_NOT_RESPONSIBLE;
}

#define STRANGER_SECONDS 5 /* what they may ask in so many seconds they may ask at once */

/* People who scan a code have no other node to ask: over HTTP strangers have some names resolved.
 */
static bool has_budget(const struct exchange *x)
{
    int64_t rate = x->scope->generation->settings->upstream_http_strangers;
    struct tries *tries = x->scope->services->tries;
    bool is_http = x->transport == EXCHANGE_HTTP || x->transport == EXCHANGE_HTTPS;
    uint8_t source[SOURCE_LEN];
    if (!is_http || tries == NULL) {
        return false;
    }
    sources_key(&x->peer, source);
    /* A minute of the table's is so many seconds of ours. */
    return tries_take(tries, TRIES_HTTP_FORWARD, bytes_of(source, sizeof(source)),
                      rate * STRANGER_SECONDS, x->scope->now_ms * (60 / STRANGER_SECONDS));
}

/* What judge_caller says without looking at more than this, and find_anew at flags. */
bool forward_tells_kept(const struct generation *generation, const struct net_address *peer,
                        uint32_t flags)
{
    const struct upward *upward = generation->upward;
    const uint32_t looked_at = (uint32_t)MESSAGE_RECURSIVE | (uint32_t)MESSAGE_AUTHORITATIVE;
    return upward != NULL && (flags & looked_at) == (uint32_t)MESSAGE_RECURSIVE &&
           sources_trust(peer, upward->networks, upward->network_count);
}

/* Is it resolved for this caller? OK, NOT_RESPONSIBLE, PENDING. */
static enum status judge_caller(struct exchange *x, struct bytes handle)
{
    const struct generation *generation = x->scope->generation;
    const struct upward *upward = generation->upward;
    if (!wants_recursion(x, handle)) {
        return STATUS_NOT_RESPONSIBLE;
    }
    if (sources_trust(&x->peer, upward->networks, upward->network_count)) {
        return STATUS_OK;
    }
    if (x->transport == EXCHANGE_UDP || !generation->settings->upstream_allow_authenticated ||
        exchange_identity(x) == NULL) {
        return has_budget(x) ? STATUS_OK : STATUS_NOT_RESPONSIBLE;
    }
    enum status status = exchange_authenticate(x);
    return status == STATUS_OK || status == STATUS_PENDING ? status : STATUS_NOT_RESPONSIBLE;
}

static enum status ask(struct exchange *x, struct bytes handle)
{
    struct worker *worker = x->scope->services->worker;
    struct forward_wait *waiting = calloc(1, sizeof(*waiting));
    if (waiting == NULL) {
        return STATUS_SERVER_BUSY;
    }
    if (wait_begin(x, &waiting->wait, WAIT_FORWARD, wait_free) != STATUS_OK) {
        free(waiting);
        return STATUS_SERVER_BUSY;
    }
    memcpy(waiting->handle, handle.data, handle.len);
    waiting->question = (struct forward_question){
        .handle = bytes_of(waiting->handle, handle.len),
        .recursion_count = (uint8_t)(x->message.header.recursion_count + 1),
        .is_authoritative = (x->message.header.flags & (uint32_t)MESSAGE_AUTHORITATIVE) != 0,
        .deadline_ms =
            net_now_ms(worker->options.net) + x->scope->generation->settings->upstream_time,
        .answered = &waiting->wait.mail,
        .home = worker->mailbox,
    };
    forward_send(worker, &waiting->question);
    return STATUS_PENDING;
}

static enum status take(struct exchange *x, const struct forward_wait *waiting,
                        struct bytes *out_values)
{
    const struct forward_question *question = &waiting->question;
    x->answer_header.flags |= question->is_stale ? (uint32_t)MESSAGE_STALE : 0;
    switch (question->status) {
    case STATUS_OK:
        *out_values = bytes_of(question->values, question->values_len);
        return STATUS_OK;
    case STATUS_TIMED_OUT:
    case STATUS_UNREACHABLE:
    case STATUS_CLOSED:
        return STATUS_SERVER_BUSY; /* later it may be known: who asks may try again */
    default:
        return question->status;
    }
}

/* Of a derived prefix, whose service is not known here, its record is what is to be resolved. */
static enum status refuse_or_refer(struct exchange *x, enum place place, const struct lookup *found,
                                   struct bytes handle, struct bytes *out_values)
{
    if (place == PLACE_DELEGATED) {
        return refer_service(x, found->record.values, out_values);
    }
    if (place != PLACE_DERIVED || refer_is_unwanted(x) || handle_is_prefix_record(handle)) {
        return STATUS_NOT_RESPONSIBLE;
    }
    *out_values = BYTES_NONE;
    return STATUS_SERVICE_REFERRAL;
}

/* Who may not have it resolved may be told where it is to be had. */
static enum status ask_or_refer(struct exchange *x, struct bytes handle, bool is_allowed,
                                struct bytes *out_values)
{
    struct lookup found;
    enum place place = find_place(x, handle, &found);
    if (place == PLACE_NOWHERE) {
        return STATUS_NOT_RESPONSIBLE;
    }
    if (!is_allowed) {
        metrics_add(x->scope->metrics, METRIC_upstream_refused, 0, 1);
        return refuse_or_refer(x, place, &found, handle, out_values);
    }
    return x->message.header.recursion_count >= FORWARD_COUNT_MAX ? STATUS_RECURSION_TOO_HIGH
                                                                  : ask(x, handle);
}

/* Of a name that is asked for the first time in this exchange. */
static enum status find_anew(struct exchange *x, struct bytes handle, struct bytes *out_values)
{
    struct worker *worker = x->scope->services->worker;
    if (upward_refuses(x->scope->generation->upward, handle) || is_silenced(x, handle)) {
        return STATUS_NOT_RESPONSIBLE;
    }
    enum status status = judge_caller(x, handle);
    if (status == STATUS_PENDING) {
        return status;
    }
    bool is_allowed = status == STATUS_OK;
    if (is_allowed && (x->message.header.flags & (uint32_t)MESSAGE_AUTHORITATIVE) == 0) {
        struct hot_lease lease;
        status = forward_recall_lent(worker, handle, x->scope->arena, out_values, &lease);
        if (status == STATUS_OK) {
            hot_keep_lent(x->scope, handle, *out_values, &lease);
        }
        if (status != STATUS_NOT_FOUND) {
            return status;
        }
    }
    return ask_or_refer(x, handle, is_allowed, out_values);
}

enum status forward_find(struct exchange *x, struct bytes name, struct bytes *out_values)
{
    uint8_t room[HANDLE_EXPANDED_MAX];
    struct bytes handle;
    const struct wait *home = wait_result(x, WAIT_FORWARD);
    if (home != NULL) {
        return take(x, (const struct forward_wait *)home, out_values);
    }
    if (wait_is_out(x, WAIT_FORWARD)) {
        return STATUS_PENDING;
    }
    if (x->scope->services == NULL || x->scope->services->worker->forward == NULL ||
        x->scope->generation->upward == NULL || handle_expand(name, room, &handle) != STATUS_OK) {
        return STATUS_NOT_RESPONSIBLE;
    }
    return find_anew(x, handle, out_values);
}

bool forward_may_ask(struct exchange *x, struct bytes handle)
{
    const struct exchange_services *services = x->scope->services;
    const struct upward *upward = x->scope->generation->upward;
    struct lookup found;
    return services != NULL && services->worker->forward != NULL && upward != NULL &&
           !upward_refuses(upward, handle) && !is_silenced(x, handle) &&
           find_place(x, handle, &found) != PLACE_NOWHERE;
}

/* --- the desk's life -------------------------------------------------------------------------- */

enum status forward_new(struct worker *worker, struct forward **out_forward)
{
    struct forward *forward = calloc(1, sizeof(*forward));
    if (forward == NULL) {
        return STATUS_NO_MEMORY;
    }
    const struct upstream_options options = {
        .net = worker->options.net,
        .metrics = worker->options.metrics,
        .pool = worker->options.pool,
        .mailbox = worker->mailbox,
        .random = worker->options.random,
    };
    forward->worker = worker;
    forward->last_kept = &forward->first_kept;
    enum status status = upstream_new(&options, &forward->upstream);
    if (status == STATUS_OK) {
        status = net_timer_new(worker->options.net, forward_on_timer, forward, &forward->timer);
    }
    if (status == STATUS_OK) {
        status = dns_new(worker->options.net, &worker->generation->settings->upstream_name_servers,
                         &forward->dns);
    }
    if (status != STATUS_OK) {
        forward_free(forward);
        return status;
    }
    *out_forward = forward;
    return STATUS_OK;
}

void forward_close(struct forward *forward)
{
    if (forward == NULL) {
        return;
    }
    forward->is_closed = true;
    while (forward->first_kept != NULL) {
        let_go(forward);
    }
    for (size_t i = 0; i < FORWARD_BUCKETS; i++) {
        struct forward_job *next = forward->buckets[i];
        forward->buckets[i] = NULL;
        while (next != NULL) {
            struct forward_job *job = next;
            next = job->next;
            forward_finish(job, STATUS_CLOSED, BYTES_NONE);
        }
    }
}

void forward_free(struct forward *forward)
{
    if (forward != NULL) {
        upstream_free(forward->upstream);
        dns_free(forward->dns);
        net_timer_free(forward->timer);
        free(forward);
    }
}

bool forward_is_idle(const struct forward *forward)
{
    return forward == NULL || forward->job_count == forward->kept_count;
}
