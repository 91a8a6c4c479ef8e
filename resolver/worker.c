/* SPDX-License-Identifier: Apache-2.0
 *
 * A worker's life: making, opening, serving turns, adopting settings, draining (worker.h).
 */
#include "resolver/worker.h"

#include <stdlib.h>

#include "resolver/cache.h"
#include "resolver/forward.h"
#include "resolver/handshakes.h"
#include "resolver/hot_path.h"
#include "resolver/http_stream.h"
#include "resolver/key_remote.h"
#include "resolver/stream.h"
#include "resolver/trust.h"
#include "resolver/udp.h"

#define ARENA_FIRST (64u << 10)
/* A message of 262 144 bytes decodes into about a megabyte of values; handlers may need several. */
#define ARENA_MAX (8u << 20)
#define SWEEP_MS 250
#define LAST_CALL_MS 1000 /* a round trip around the world, and patience */

static void drain_on_timer(struct worker *worker)
{
    if (worker->is_last_call_over) {
        net_stop(worker->options.net);
        return;
    }
    worker->is_last_call_over = true;
    net_timer_start(worker->timer, worker->drain_left_ms);
    stream_drain_all(worker);
}

static void worker_on_timer(void *context)
{
    struct worker *worker = context;
    if (worker->is_draining) {
        drain_on_timer(worker);
        return;
    }
    size_t expired = reassembly_sweep(worker->options.reassembly, net_now_ms(worker->options.net));
    metrics_add(worker->options.metrics, METRIC_reassembly_expired, 0, (int64_t)expired);
    if (worker->options.sessions != NULL) {
        sessions_sweep(worker->options.sessions, net_wall_ms(worker->options.net));
    }
    cache_tick(worker->options.cache, net_wall_ms(worker->options.net));
    net_timer_start(worker->timer, SWEEP_MS);
}

/* Answers are kept for one generation of settings. */
static void renew_hot_path(struct worker *worker)
{
    const struct worker_options *options = &worker->options;
    uint64_t bytes = (uint64_t)worker->generation->settings->workers_hot_set;
    hot_path_free(worker->hot);
    if (hot_path_new(bytes, options->registry, options->metrics, &worker->hot) != STATUS_OK &&
        options->log != NULL) {
        log_write(options->log, LOG_LEVEL_WARNING, "worker",
                  "no memory for workers.hot_set; every answer is read from the store");
    }
}

static enum status make_parts(struct worker *worker)
{
    const struct worker_options *options = &worker->options;
    worker->arena = arena_new(ARENA_FIRST, ARENA_MAX);
    renew_hot_path(worker);
    worker->reply = malloc(WORKER_REPLY_SIZE);
    worker->scratch = malloc(WORKER_SCRATCH_SIZE);
    if (worker->arena == NULL || worker->reply == NULL || worker->scratch == NULL) {
        return STATUS_NO_MEMORY;
    }
    enum status status = snapshot_new(options->registry, &worker->snapshot);
    if (status == STATUS_OK) {
        status = mailbox_new(options->net, worker, &worker->mailbox);
    }
    if (status == STATUS_OK) {
        status = net_timer_new(options->net, worker_on_timer, worker, &worker->timer);
    }
    if (status == STATUS_OK) {
        status = parked_table_new(worker, &worker->parked);
    }
    if (status == STATUS_OK) {
        status = handshakes_new(worker, &worker->handshakes);
    }
    if (status == STATUS_OK) {
        status = cache_reader_new(options->cache, options->metrics, &worker->cache);
    }
    if (status == STATUS_OK && options->hub != NULL) {
        status = forward_new(worker, &worker->forward);
    }
    worker->services = (struct exchange_services){
        .sessions = options->sessions,
        .duplicates = options->duplicates,
        .tries = options->tries,
        .keys = options->keys,
        .pool = options->pool,
        .parked = worker->parked,
        .mailbox = worker->mailbox,
        .submit = options->submit,
        .submit_context = options->submit_context,
        .worker = worker,
    };
    return status;
}

enum status worker_init(struct worker *worker, const struct worker_options *options)
{
    *worker = (struct worker){
        .options = *options,
        .generation = options->generation,
        .outboxes.metrics = options->metrics,
        .certified.filled_ms = net_now_ms(options->net) - 1000, /* full */
    };
    enum status status = make_parts(worker);
    if (status != STATUS_OK) {
        worker_done(worker);
        return status;
    }
    snapshot_rest(worker->snapshot);
    if (options->is_sweeper) {
        net_timer_start(worker->timer, SWEEP_MS);
    }
    return STATUS_OK;
}

static void close_listeners(struct worker *worker)
{
    for (size_t i = 0; i < worker->udp_count; i++) {
        udp_close(worker->udps[i]);
    }
    for (size_t i = 0; i < worker->listener_count; i++) {
        stream_listener_close(worker->listeners[i]);
    }
    worker->udp_count = 0;
    worker->listener_count = 0;
}

void worker_quit(struct worker *worker)
{
    if (worker->parked != NULL) {
        parked_table_close(worker->parked);
        key_remote_cancel_all(worker);
        forward_close(worker->forward);
        mailbox_open_all(worker->mailbox);
    }
}

void worker_done(struct worker *worker)
{
    close_listeners(worker);
    stream_close_all(worker);
    worker_quit(worker);
    worker_quit(worker);
    parked_table_free(worker->parked);
    forward_free(worker->forward);
    trust_free(worker->trust);
    cache_reader_free(worker->cache);
    handshakes_free(worker->handshakes);
    http_worker_free(worker->http);
    net_timer_free(worker->timer);
    mailbox_free(worker->mailbox);
    snapshot_free(worker->snapshot);
    hot_path_free(worker->hot);
    arena_free(worker->arena);
    free(worker->reply);
    free(worker->scratch);
    *worker = (struct worker){0};
}

enum status worker_open_udp(struct worker *worker, const struct net_address *address,
                            struct net_address *out_local, struct fault *fault)
{
    if (worker->udp_count == WORKER_LISTENS_MAX) {
        return fault_set(fault, STATUS_NO_ROOM, "more than %d addresses", WORKER_LISTENS_MAX);
    }
    struct udp *udp = NULL;
    enum status status = udp_open(worker, address, &udp, fault);
    if (status == STATUS_OK) {
        worker->udps[worker->udp_count++] = udp;
        *out_local = udp_local(udp);
    }
    return status;
}

static enum status open_stream(struct worker *worker, const struct net_address *address,
                               enum exchange_transport transport, struct net_address *out_local,
                               struct fault *fault)
{
    if (worker->listener_count == WORKER_LISTENS_MAX) {
        return fault_set(fault, STATUS_NO_ROOM, "more than %d addresses", WORKER_LISTENS_MAX);
    }
    struct stream_listener *listener = NULL;
    enum status status = stream_listen(worker, address, transport, &listener, fault);
    if (status == STATUS_OK) {
        worker->listeners[worker->listener_count++] = listener;
        *out_local = stream_listener_local(listener);
    }
    return status;
}

enum status worker_open_tcp(struct worker *worker, const struct net_address *address,
                            struct net_address *out_local, struct fault *fault)
{
    return open_stream(worker, address, EXCHANGE_TCP, out_local, fault);
}

enum status worker_open_tls(struct worker *worker, const struct net_address *address,
                            struct net_address *out_local, struct fault *fault)
{
    return open_stream(worker, address, EXCHANGE_TLS, out_local, fault);
}

enum status worker_open_http(struct worker *worker, const struct net_address *address, bool is_tls,
                             struct net_address *out_local, struct fault *fault)
{
    if (worker->http == NULL) {
        worker->http = http_worker_new();
    }
    if (worker->http == NULL) {
        return fault_set(fault, STATUS_NO_MEMORY, "out of memory");
    }
    return open_stream(worker, address, is_tls ? EXCHANGE_HTTPS : EXCHANGE_HTTP, out_local, fault);
}

void worker_post(struct worker *worker, struct mail *mail)
{
    mailbox_post(worker->mailbox, mail);
}

void worker_adopt(struct worker *worker, const struct generation *generation)
{
    worker->generation = generation;
    renew_hot_path(worker);
    metrics_add(worker->options.metrics, METRIC_reloads, 0, 1);
}

void worker_drain(struct worker *worker, int64_t timeout_ms)
{
    int64_t last_call_ms = timeout_ms < LAST_CALL_MS ? timeout_ms : LAST_CALL_MS;
    worker->is_draining = true;
    worker->drain_left_ms = timeout_ms - last_call_ms;
    net_timer_start(worker->timer, last_call_ms);
    for (size_t i = 0; i < worker->udp_count; i++) {
        udp_flush(worker->udps[i]);
    }
    for (size_t i = 0; i < worker->listener_count; i++) {
        stream_listener_flush(worker->listeners[i]);
    }
    close_listeners(worker);
    stream_drain_all(worker);
    worker_stream_ended(worker);
}

bool worker_drops(const struct worker *worker, bool has_asked)
{
    return worker->is_draining && (has_asked || worker->is_last_call_over);
}

void worker_stream_ended(struct worker *worker)
{
    bool is_idle = worker->streams == NULL &&
                   (worker->parked == NULL || parked_count(worker->parked) == 0) &&
                   forward_is_idle(worker->forward);
    if (worker->is_draining && is_idle) {
        net_stop(worker->options.net);
    }
}

bool worker_begin(struct worker *worker, struct exchange_scope *out_scope)
{
    if (snapshot_refresh(worker->snapshot) != STATUS_OK) {
        metrics_add(worker->options.metrics, METRIC_snapshot_failures, 0, 1);
        return false;
    }
    *out_scope = (struct exchange_scope){
        .generation = worker->generation,
        .snapshot = worker->snapshot,
        .metrics = worker->options.metrics,
        .arena = worker->arena,
        .random = worker->options.random,
        .now_ms = net_wall_ms(worker->options.net),
        .hot = worker->hot,
        .services = worker->options.sessions == NULL ? NULL : &worker->services,
    };
    return true;
}

enum status worker_answer(const struct exchange_scope *scope, const struct worker_asked *asked,
                          uint8_t *room, size_t *out_len)
{
    struct stream *stream = asked->route.stream;
    struct exchange exchange = {
        .scope = scope,
        .transport = asked->transport,
        .peer = asked->peer,
        .request = asked->request,
        .reply = wire_write(room, MESSAGE_PACKET_MAX),
        .route = asked->route,
        .login = stream == NULL ? NULL : stream_login(stream),
    };
    arena_reset(scope->arena);
    enum status status = exchange_run(&exchange);
    if (status == STATUS_OK || status == STATUS_MORE) {
        *out_len = wire_wrote(&exchange.reply).len;
    }
    return status;
}

void worker_rest(struct worker *worker)
{
    snapshot_rest(worker->snapshot);
    cache_rest(worker->cache);
}
