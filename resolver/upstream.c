/* SPDX-License-Identifier: Apache-2.0
 *
 * Questions, tries, answers (upstream.h). A call owns everything of one question: its body, its
 * servers, one try for each that was asked. Tries live until the call ends; what the crypto pool
 * has of one is a block of its own that outlives both.
 */
#include "resolver/upstream.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "protocol/body.h"
#include "protocol/pubkey.h"
#include "protocol/signature.h"
#include "resolver/server_health.h"
#include "resolver/server_trust.h"

#define PATIENCE_MIN_MS 100
#define PATIENCE_MAX_MS 500
#define PROBE_MS 3000 /* what a server that failed before has to answer one question */
#define PACKET_HEAD (MESSAGE_ENVELOPE_LEN + MESSAGE_HEADER_LEN + 4)

struct check;

struct
try {
    struct upstream_call *call;
    struct service_target target;
    struct ask *ask;     /* NULL: not asked, or over */
    struct check *check; /* its answer's signature is looked at */
    /* Of a server that was asked; NULL: so many are being asked that nobody remembers this one. */
    struct server_health *health;
    int64_t started_ms;
    struct tls_context *tls; /* HTTPS: that trusts the key its site tells, if it tells one */
    uint8_t *packet;         /* the request */
    size_t packet_len;
    bool wants_signature;
};

struct upstream_call {
    struct upstream *upstream;
    struct upstream_call *next;
    struct upstream_call *previous;
    struct upstream_question question;
    upstream_done *done;
    void *context;
    struct net_timer *deadline;
    struct net_timer *patience;
    int64_t started_ms;
    size_t next_target;
    size_t under_way;
    enum status failure; /* the last one */
    uint8_t *refusal;    /* the last answer that says "not me": given when nothing better comes */
    size_t refusal_len;
    uint8_t *body;
    struct try tries[SERVICE_TARGETS_MAX];
};

struct upstream {
    struct upstream_options options;
    struct server_health_table *servers;
    struct upstream_call *calls;
    size_t count;
};

/* A signature in the pool. */
struct check {
    struct crypto_job job;
    struct mail mail;
    struct try *try; /* NULL: nobody waits for it any more */
    enum status status;
    size_t key_len;
    size_t packet_len;
    uint8_t bytes[]; /* key ‖ packet */
};

static int64_t now_of(const struct upstream *upstream)
{
    return net_now_ms(upstream->options.net);
}

static void count(const struct upstream_call *call, enum metric metric, int64_t delta)
{
    metrics_add(call->upstream->options.metrics, metric, 0, delta);
}

static uint16_t chance(const struct upstream *upstream)
{
    uint16_t bits = 0;
    upstream->options.random(&bits, sizeof(bits));
    return bits;
}

/* --- ends ------------------------------------------------------------------------------------- */

/* Tries that are not needed any more; `has_failed`: their time was up. */
static void drop_tries(struct upstream_call *call, bool has_failed)
{
    int64_t now_ms = now_of(call->upstream);
    for (size_t i = 0; i < call->next_target; i++) {
        struct try *try = &call->tries[i];
        if (try->check != NULL) {
            try->check->try = NULL;
            try->check = NULL;
        }
        if (try->ask == NULL) {
            continue;
        }
        int64_t waited_ms = now_ms - try->started_ms;
        struct server_health *health = try->health;
        count(call, METRIC_upstream_discarded, ask_figures_of(try->ask)->discarded);
        ask_cancel(try->ask);
        try->ask = NULL;
        if (health != NULL && has_failed && waited_ms >= PATIENCE_MAX_MS) {
            server_health_failed(health, try->started_ms, now_ms, call->question.limits.hold_max_ms,
                                 chance(call->upstream));
        } else if (health != NULL) {
            server_health_passed(health, waited_ms);
        }
    }
}

static void call_free(struct upstream_call *call)
{
    struct upstream *upstream = call->upstream;
    net_timer_free(call->deadline);
    net_timer_free(call->patience);
    *(call->previous != NULL ? &call->previous->next : &upstream->calls) = call->next;
    if (call->next != NULL) {
        call->next->previous = call->previous;
    }
    upstream->count--;
    count(call, METRIC_upstream_under_way, -1);
    for (size_t i = 0; i < call->question.target_count; i++) {
        free(call->tries[i].packet);
        tls_context_free(call->tries[i].tls);
    }
    free(call->refusal);
    free(call->body);
    free(call);
}

void upstream_cancel(struct upstream_call *call)
{
    drop_tries(call, false);
    call_free(call);
}

static void tell(struct upstream_call *call, struct bytes packet, bool is_certified)
{
    struct message message;
    struct digest digest;
    bool has_digest = false;
    struct upstream_answer answer = {.message = &message, .is_certified = is_certified};
    enum status status = message_decode(packet, &message);
    if (status == STATUS_OK) {
        status = body_take_digest(&message, &answer.body, &digest, &has_digest);
    }
    call->done(call->context, status, status == STATUS_OK ? &answer : NULL);
}

static void finish(struct upstream_call *call, bool is_late)
{
    drop_tries(call, is_late);
    if (call->refusal != NULL) {
        tell(call, bytes_of(call->refusal, call->refusal_len), false);
    } else {
        call->done(call->context, is_late ? STATUS_TIMED_OUT : call->failure, NULL);
    }
    call_free(call);
}

static void call_on_deadline(void *context)
{
    struct upstream_call *call = context;
    count(call, METRIC_upstream_timeouts, 1);
    finish(call, true);
}

/* --- judging ---------------------------------------------------------------------------------- */

/* Of an answer without digest: its version knows none, or it came over a connection, where nobody
 * else can answer. */
static bool may_lack_digest(const struct try *try, const struct message *answer)
{
    const struct message_version first = {2, 1};
    return try->target.transport != ASK_UDP ||
           message_version_compare(answer->envelope.version, first) < 0;
}

/* Of this very request? Servers choose the algorithm by version, so any is taken (§5.1). */
static bool is_of_request(const struct try *try, const struct digest *told)
{
    struct message asked;
    struct digest own;
    return message_decode(bytes_of(try->packet, try->packet_len), &asked) == STATUS_OK &&
           digest_compute(told->algorithm, asked.digested, &own) == STATUS_OK &&
           own.len == told->len && memcmp(own.data, told->data, own.len) == 0;
}

static bool try_on_judge(void *context, struct bytes packet)
{
    const struct try *try = context;
    const struct upstream_call *call = try->call;
    struct message message;
    struct bytes body;
    struct digest digest;
    bool has_digest = false;
    if (message_decode(packet, &message) != STATUS_OK ||
        body_take_digest(&message, &body, &digest, &has_digest) != STATUS_OK ||
        message.header.opcode != call->question.opcode ||
        (message.envelope.session_id != 0 &&
         message.header.response_code != status_wire_code(STATUS_AUTHENTICATION_NEEDED))) {
        return false;
    }
    int64_t now_s = net_wall_ms(call->upstream->options.net) / 1000;
    if (message.header.expiration != 0 && message.header.expiration < now_s) {
        return false;
    }
    return has_digest ? is_of_request(try, &digest) : may_lack_digest(try, &message);
}

/* Codes after which another server may know better (§8.4). */
static bool is_refusal(uint32_t code)
{
    switch (status_of_wire_code(code)) {
    case STATUS_ERROR:
    case STATUS_SERVER_BUSY:
    case STATUS_PROTOCOL_ERROR:
    case STATUS_NOT_SUPPORTED:
    case STATUS_SERVER_BACKUP:
        return true;
    default:
        return false;
    }
}

static void go_on(struct upstream_call *call);

static void keep_refusal(struct upstream_call *call, struct bytes packet)
{
    uint8_t *copy = malloc(packet.len);
    if (copy != NULL) {
        memcpy(copy, packet.data, packet.len);
        free(call->refusal);
        call->refusal = copy;
        call->refusal_len = packet.len;
    }
}

/* An answer that is believed. */
static void take(struct upstream_call *call, struct bytes packet, bool is_certified)
{
    struct message message;
    if (message_decode(packet, &message) == STATUS_OK) {
        uint32_t code = message.header.response_code;
        metrics_add(call->upstream->options.metrics, METRIC_upstream_answers,
                    metrics_code_label(code), 1);
        if (is_refusal(code)) {
            keep_refusal(call, packet);
            go_on(call);
            return;
        }
    }
    drop_tries(call, false);
    tell(call, packet, is_certified);
    call_free(call);
}

/* --- signatures ------------------------------------------------------------------------------- */

static void check_on_work(struct crypto_job *job)
{
    struct check *check = (struct check *)job;
    struct pubkey record;
    struct message message;
    EVP_PKEY *key = NULL;
    enum status status = pubkey_decode(bytes_of(check->bytes, check->key_len), &record);
    if (status == STATUS_OK) {
        status = pubkey_to_evp(&record, &key);
    }
    if (status == STATUS_OK) {
        status =
            message_decode(bytes_of(check->bytes + check->key_len, check->packet_len), &message);
    }
    if (status == STATUS_OK) {
        status = signature_message_check(key, &message);
    }
    EVP_PKEY_free(key);
    check->status = status;
}

static void check_on_home(struct mail *mail, void *owner)
{
    struct check *check = (struct check *)((char *)mail - offsetof(struct check, mail));
    struct try *try = check->try;
    (void)owner;
    if (try != NULL) {
        struct upstream_call *call = try->call;
        try->check = NULL;
        call->under_way--;
        if (check->status == STATUS_OK) {
            take(call, bytes_of(check->bytes + check->key_len, check->packet_len), true);
        } else {
            count(call, METRIC_upstream_discarded, 1);
            call->failure = STATUS_AUTHENTICATION_FAILED;
            go_on(call);
        }
    }
    free(check);
}

/* false: it cannot be looked at, so it is not believed. */
static bool check_signature(struct try *try, struct bytes packet)
{
    const struct upstream *upstream = try->call->upstream;
    struct bytes key = try->target.public_key;
    struct check *check = calloc(1, sizeof(*check) + key.len + packet.len);
    if (check == NULL) {
        return false;
    }
    check->key_len = key.len;
    check->packet_len = packet.len;
    memcpy(check->bytes, key.data, key.len);
    memcpy(check->bytes + key.len, packet.data, packet.len);
    check->mail.opened = check_on_home;
    check->try = try;
    check->job = (struct crypto_job){
        .mail = &check->mail, .home = upstream->options.mailbox, .work = check_on_work};
    try->check = check;
    try->call->under_way++;
    if (crypto_pool_submit(upstream->options.pool, &check->job, 0) != STATUS_OK) {
        try->check = NULL;
        try->call->under_way--;
        free(check);
        return false;
    }
    return true;
}

/* --- tries ------------------------------------------------------------------------------------ */

static void try_on_answer(void *context, enum status status, struct bytes answer,
                          const struct ask_figures *figures)
{
    struct try *try = context;
    struct upstream_call *call = try->call;
    struct server_health *health = try->health;
    int64_t now_ms = now_of(call->upstream);
    try->ask = NULL;
    call->under_way--;
    count(call, METRIC_upstream_discarded, figures->discarded);
    if (health != NULL && status == STATUS_OK) {
        server_health_answered(health, now_ms, now_ms - try->started_ms);
    } else if (health != NULL) {
        server_health_failed(health, try->started_ms, now_ms, call->question.limits.hold_max_ms,
                             chance(call->upstream));
    }
    if (status != STATUS_OK) {
        call->failure = status;
        count(call, METRIC_upstream_failures, 1);
        go_on(call);
    } else if (!try->wants_signature) {
        take(call, answer, false);
    } else if (!check_signature(try, answer)) {
        call->failure = STATUS_SERVER_BUSY;
        go_on(call);
    }
}

static enum status write_request(struct try *try)
{
    const struct upstream_call *call = try->call;
    const struct upstream_question *question = &call->question;
    size_t size = PACKET_HEAD + question->body.len;
    uint32_t request_id = 0;
    call->upstream->options.random(&request_id, sizeof(request_id));
    uint32_t flags = question->flags | MESSAGE_REQUEST_DIGEST;
    const struct message message = {
        .envelope = {.version = try->target.version,
                     .suggested = {MESSAGE_VERSION_MAJOR, MESSAGE_VERSION_MINOR},
                     .request_id = (request_id & INT32_MAX) | 1},
        .header = {.opcode = question->opcode,
                   .flags = try->wants_signature ? flags | MESSAGE_CERTIFIED : flags,
                   .site_serial = try->target.serial,
                   .recursion_count = question->recursion_count,
                   .expiration = (uint32_t)(net_wall_ms(call->upstream->options.net) / 1000 +
                                            MESSAGE_EXPIRY_S)},
        .body = question->body,
    };
    try->packet = malloc(size);
    if (try->packet == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct wire_writer w = wire_write(try->packet, size);
    message_encode(&w, &message);
    try->packet_len = wire_wrote(&w).len;
    return try->packet_len > 0 ? STATUS_OK : STATUS_NO_ROOM;
}

static enum status try_start(struct try *try)
{
    struct upstream_call *call = try->call;
    struct upstream *upstream = call->upstream;
    const struct upstream_limits *limits = &call->question.limits;
    int64_t now_ms = now_of(upstream);
    struct server_health *health = server_health_of(upstream->servers, &try->target, now_ms);
    if (!server_health_admits(health, limits->per_server, now_ms)) {
        count(call, METRIC_upstream_held_back, 1);
        return STATUS_UNREACHABLE;
    }
    try->started_ms = now_ms;
    try->wants_signature =
        limits->verifies && upstream->options.pool != NULL && try->target.public_key.len > 0;
    enum status status = server_trust_new(&try->target, &try->tls);
    if (status != STATUS_OK) {
        return status;
    }
    const struct ask_options options = {
        .server = try->target.address,
        .transport = try->target.transport,
        .timeout_ms = call->question.time_ms,
        .judge = try_on_judge,
        .tls = try->tls,
        .path = try->target.path,
    };
    status = write_request(try);
    if (status != STATUS_OK) {
        return status;
    }
    if (health != NULL) {
        server_health_asked(health, now_ms, PROBE_MS);
    }
    try->health = health;
    status = ask_start(upstream->options.net, &options, bytes_of(try->packet, try->packet_len),
                       try_on_answer, try, &try->ask);
    if (status != STATUS_OK && health != NULL) {
        server_health_failed(health, now_ms, now_ms, limits->hold_max_ms, chance(upstream));
    }
    if (status != STATUS_OK) {
        return status;
    }
    call->under_way++;
    count(call, METRIC_upstream_questions, 1);
    return STATUS_OK;
}

/* How long the server just asked is waited for before the next one is asked, too. */
static int64_t patience_of(const struct try *try)
{
    const struct upstream *upstream = try->call->upstream;
    int64_t ms = 3 * server_health_rtt(server_health_find(upstream->servers, &try->target));
    ms = ms < PATIENCE_MIN_MS ? PATIENCE_MIN_MS : ms;
    ms = ms > PATIENCE_MAX_MS ? PATIENCE_MAX_MS : ms;
    return ms + ms * (chance(upstream) & 0xff) / 1024;
}

/* Asks the next server that may be asked. false: none is left. */
static bool start_next(struct upstream_call *call)
{
    while (call->next_target < call->question.target_count) {
        struct try *try = &call->tries[call->next_target++];
        enum status status = try_start(try);
        if (status == STATUS_OK) {
            net_timer_start(call->patience, patience_of(try));
            return true;
        }
        call->failure = status;
    }
    net_timer_stop(call->patience);
    return false;
}

static void go_on(struct upstream_call *call)
{
    if (!start_next(call) && call->under_way == 0) {
        finish(call, false);
    }
}

static void call_on_patience(void *context)
{
    (void)start_next(context);
}

/* --- calls ------------------------------------------------------------------------------------ */

static enum status call_new(struct upstream *upstream, const struct upstream_question *question,
                            struct upstream_call **out_call)
{
    struct upstream_call *call = calloc(1, sizeof(*call));
    if (call == NULL) {
        return STATUS_NO_MEMORY;
    }
    call->upstream = upstream;
    call->question = *question;
    call->failure = STATUS_UNREACHABLE;
    call->next = upstream->calls;
    if (call->next != NULL) {
        call->next->previous = call;
    }
    upstream->calls = call;
    upstream->count++;
    count(call, METRIC_upstream_under_way, 1);
    call->body = malloc(question->body.len + 1);
    enum status status = call->body == NULL ? STATUS_NO_MEMORY : STATUS_OK;
    if (status == STATUS_OK) {
        status = net_timer_new(upstream->options.net, call_on_deadline, call, &call->deadline);
    }
    if (status == STATUS_OK) {
        status = net_timer_new(upstream->options.net, call_on_patience, call, &call->patience);
    }
    if (status != STATUS_OK) {
        call_free(call);
        return status;
    }
    memcpy(call->body, question->body.data, question->body.len);
    call->question.body = bytes_of(call->body, question->body.len);
    for (size_t i = 0; i < question->target_count; i++) {
        call->tries[i] = (struct try){.call = call, .target = question->targets[i]};
    }
    *out_call = call;
    return STATUS_OK;
}

enum status upstream_ask(struct upstream *upstream, const struct upstream_question *question,
                         upstream_done *done, void *context, struct upstream_call **out_call)
{
    struct upstream_call *call = NULL;
    if (upstream->count >= question->limits.questions) {
        return STATUS_SERVER_BUSY;
    }
    enum status status = call_new(upstream, question, &call);
    if (status != STATUS_OK) {
        return status;
    }
    call->done = done;
    call->context = context;
    call->started_ms = now_of(upstream);
    net_timer_start(call->deadline, question->time_ms);
    if (!start_next(call)) {
        status = call->failure;
        call_free(call);
        return status;
    }
    *out_call = call;
    return STATUS_OK;
}

int64_t upstream_cost(void *context, const struct service_target *target)
{
    struct upstream *upstream = context;
    const struct server_health *health = server_health_find(upstream->servers, target);
    int64_t ms = server_health_rtt(health);
    return server_health_admits(health, SIZE_MAX, now_of(upstream)) ? ms : ms + INT32_MAX;
}

size_t upstream_questions(const struct upstream *upstream)
{
    return upstream->count;
}

enum status upstream_new(const struct upstream_options *options, struct upstream **out_upstream)
{
    struct upstream *upstream = calloc(1, sizeof(*upstream));
    if (upstream == NULL) {
        return STATUS_NO_MEMORY;
    }
    upstream->options = *options;
    upstream->servers = server_health_new();
    if (upstream->servers == NULL) {
        free(upstream);
        return STATUS_NO_MEMORY;
    }
    *out_upstream = upstream;
    return STATUS_OK;
}

void upstream_free(struct upstream *upstream)
{
    if (upstream != NULL) {
        server_health_free(upstream->servers);
        free(upstream);
    }
}
