/* SPDX-License-Identifier: Apache-2.0
 *
 * Workers on threads, and what they share (node.h).
 *
 * Everything is made by the starting thread and handed to the workers by starting their threads;
 * afterwards they are spoken to by mail alone. The lock below guards nothing but the count of
 * acknowledgements a reload waits for.
 */
#include "resolver/node.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "resolver/cache.h"
#include "resolver/forward.h"
#include "resolver/generation.h"
#include "resolver/http_route.h"
#include "resolver/key_cache.h"
#include "resolver/node_parts.h"
#include "resolver/probe_thread.h"

#define CACHE_PATH_ROOM 4096

static void node_random(void *out, size_t len)
{
    uint8_t *at = out;
    while (len > 0) {
        ssize_t got = getrandom(at, len, 0);
        if (got > 0) {
            at += got;
            len -= (size_t)got;
        }
    }
}

static int64_t node_wall_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static size_t usable_cores(void)
{
    int cpus[CORES_MAX];
    return cores_allowed(cpus);
}

/* --- making ---------------------------------------------------------------------------------- */

static void node_on_scrape(void *context, FILE *out)
{
    struct node *node = context;
    if (node->options.write_metrics != NULL) {
        node->options.write_metrics(node, out);
    }
}

/* Workers begin before the committer does, and end before it. */
static enum status node_submit(void *context, struct change_set *set, committer_done *done,
                               void *done_context)
{
    const struct node *node = context;
    return committer_submit(node->committer, set, done, done_context);
}

static enum status make_seat(struct node *node, size_t index)
{
    struct seat *seat = &node->seats[index];
    seat->node = node;
    enum status status = net_new(&seat->net);
    if (status != STATUS_OK) {
        return status;
    }
    struct worker_options options = {
        .net = seat->net,
        .registry = node->options.registry,
        .reassembly = node->reassembly,
        .sources = node->sources,
        .budget = node->budget,
        .sessions = node->sessions,
        .duplicates = node->duplicates,
        .tries = node->tries,
        .hub = node->hub,
        .cache = node->cache,
        .routes = node->options.routes != NULL ? node->options.routes : &http_routes_own,
        .keys = node->keys,
        .pool = node->pool,
        .submit = node_submit,
        .submit_context = node,
        .write_metrics = node_on_scrape,
        .metrics_context = node,
        .log = node->options.log,
        .worker_count = node->seat_count,
        .metrics = metrics_slot(node->metrics, index),
        .generation = node->generation,
        .random = node_random,
        .is_sweeper = index == 0,
    };
    status = worker_init(&seat->worker, &options);
    seat->is_ready = status == STATUS_OK;
    forward_hub_join(node->hub, index, &seat->worker);
    return status;
}

static enum status start_pool(struct node *node, struct fault *fault)
{
    const struct settings *settings = node->options.settings;
    struct crypto_pool_options options = {
        .threads = settings->crypto_threads > 0 ? (size_t)settings->crypto_threads : usable_cores(),
        .queue = (size_t)settings->crypto_queue,
    };
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    enum status status = crypto_pool_start(&options, &node->pool);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status == STATUS_OK ? STATUS_OK
                               : fault_set(fault, status, "cannot start the crypto pool: %s",
                                           status_english(status));
}

static bool make_tables(struct node *node)
{
    uint64_t seeds[8];
    node_random(seeds, sizeof(seeds));
    node->reassembly = reassembly_new(seeds[0]);
    node->sources = sources_new(seeds[1]);
    node->budget = budget_new(seeds[2]);
    node->sessions = sessions_new(seeds[3], node_random);
    node->tries = tries_new(seeds[4]);
    node->keys = key_cache_new(seeds[5]);
    node->hub = forward_hub_new(node->seat_count, &seeds[6]);
    node->duplicates = duplicates_new((size_t)node->options.settings->limits_repeated_bytes);
    node->seats = calloc(node->seat_count, sizeof(*node->seats));
    return node->reassembly != NULL && node->sources != NULL && node->budget != NULL &&
           node->sessions != NULL && node->tries != NULL && node->keys != NULL &&
           node->hub != NULL && node->duplicates != NULL && node->seats != NULL &&
           metrics_new(node->seat_count + 2, &node->metrics) == STATUS_OK;
}

static struct cache_limits cache_limits_of(const struct settings *settings)
{
    return (struct cache_limits){
        .ttl_ms = settings->cache_ttl,
        .negative_ms = settings->cache_negative,
        .stale_ms = settings->cache_stale,
    };
}

/* Without it every name of another node is asked for: slower, and nothing else. */
static void open_cache(struct node *node)
{
    const struct settings *settings = node->options.settings;
    struct fault fault = {0};
    char path[CACHE_PATH_ROOM];
    if (node->options.directory == NULL) {
        return;
    }
    int len = snprintf(path, sizeof(path), "%s/cache", node->options.directory);
    const struct cache_options options = {
        .path = path,
        .max_bytes = (uint64_t)settings->cache_size,
        .limits = cache_limits_of(settings),
        .now_ms = node_wall_ms(),
        .slot = metrics_slot(node->metrics, node->seat_count),
        .log = node->options.log,
    };
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    enum status status = len > 0 && (size_t)len < sizeof(path)
                             ? cache_open(&options, &node->cache, &fault)
                             : STATUS_NO_ROOM;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (status != STATUS_OK) {
        log_write(node->options.log, LOG_LEVEL_WARNING, "cache",
                  "nothing other nodes answer is kept (%s)",
                  fault.text[0] != '\0' ? fault.text : status_english(status));
    }
}

static bool wants_tls(const struct node_options *options)
{
    const struct settings *settings = options->settings;
    bool is_given = false;
    for (size_t i = 0; options->given_as != NULL && i < options->given_count; i++) {
        is_given |= options->given_as[i] == EXCHANGE_TLS || options->given_as[i] == EXCHANGE_HTTPS;
    }
    return is_given || (options->given_count == 0 &&
                        (settings->listen_tls_port != 0 || settings->listen_https_port != 0));
}

static enum status make_shared(struct node *node, struct fault *fault)
{
    if (!make_tables(node)) {
        return fault_set(fault, STATUS_NO_MEMORY, "out of memory");
    }
    enum status status = start_pool(node, fault);
    if (status == STATUS_OK) {
        node->serves_tls = wants_tls(&node->options);
        status = node_generation_new(node, node->options.settings, 1, &node->generation, fault);
    }
    if (status == STATUS_OK && node->serves_tls && node->generation->tls == NULL) {
        node->serves_tls = false;
        log_write(node->options.log, LOG_LEVEL_WARNING, "node", "TLS is not served (%s)",
                  "neither tls.certificate nor keys/site.pem is there");
    }
    return status;
}

static bool wants_steering(const struct node *node, size_t cpu_count)
{
    const char *choice = node->options.settings->workers_steer;
    if (node->options.given_count > 0 || node->seat_count < 2 || strcmp(choice, "never") == 0) {
        return false;
    }
    if (strcmp(choice, "always") == 0) {
        return node->seat_count <= cpu_count;
    }
    return node->seat_count == cpu_count && cores_receive_spread(CORES_INTERFACES, cpu_count);
}

/* Worker i stays on the i-th CPU and takes what the kernel handles there: its caches stay warm. */
static void steer(struct node *node)
{
    if (!wants_steering(node, cores_allowed(node->cpus))) {
        return;
    }
    for (size_t i = 0; i < node->seat_count; i++) {
        if (net_steer(node->seats[i].net, node->cpus, node->seat_count) != STATUS_OK) {
            log_write(node->options.log, LOG_LEVEL_INFO, "node",
                      "what arrives is not steered to the CPU's worker (the kernel refuses)");
            return;
        }
    }
    node->is_steered = true;
    log_write(node->options.log, LOG_LEVEL_INFO, "node",
              "what arrives is steered to the CPU's worker");
}

static enum status make_parts(struct node *node, struct fault *fault)
{
    enum status status = make_shared(node, fault);
    if (status == STATUS_OK) {
        open_cache(node);
    }
    for (size_t i = 0; status == STATUS_OK && i < node->seat_count; i++) {
        status = make_seat(node, i);
        if (status != STATUS_OK) {
            return fault_set(fault, status, "cannot make worker %zu: %s", i,
                             status_english(status));
        }
    }
    if (status != STATUS_OK) {
        return status;
    }
    steer(node);
    return node_listen(node, fault);
}

static void *seat_run(void *context)
{
    struct seat *seat = context;
    const struct node *node = seat->node;
    if (node->is_steered) {
        (void)cores_pin(node->cpus[seat - node->seats]); /* taken from us meanwhile: serves on */
    }
    net_run(seat->net);
    return NULL;
}

static enum status start_threads(struct node *node, struct fault *fault)
{
    const struct settings *settings = node->options.settings;
    struct committer_options committer = {
        .queue_sets = (size_t)settings->store_queue_sets,
        .queue_bytes = (size_t)settings->store_queue_bytes,
    };
    enum status status = committer_start(node->options.registry, &committer, &node->committer);
    if (status != STATUS_OK) {
        return fault_set(fault, status, "cannot start the committer: %s", status_english(status));
    }
    for (size_t i = 0; i < node->seat_count; i++) {
        struct seat *seat = &node->seats[i];
        if (pthread_create(&seat->thread, NULL, seat_run, seat) != 0) {
            return fault_set(fault, STATUS_SYSTEM, "cannot start worker %zu", i);
        }
        seat->is_running = true;
    }
    return STATUS_OK;
}

/* Signals are main's: threads inherit a mask that blocks them all. */
static enum status start_quietly(struct node *node, struct fault *fault)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    enum status status = start_threads(node, fault);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status;
}

/* Without it the node serves all the same. */
static void start_probes(struct node *node)
{
    struct fault fault = {0};
    struct probe_plan *plan = NULL;
    const struct probe_thread_options options = {
        .registry = node->options.registry,
        .metrics = metrics_slot(node->metrics, node->seat_count + 1),
        .log = node->options.log,
        .directory = node->options.directory,
        .name_servers = &node->options.settings->upstream_name_servers,
        .random = node_random,
    };
    enum status status = node_probe_plan(node, node->options.settings, &plan, &fault);
    if (status == STATUS_OK) {
        status = probe_thread_start(&options, plan, &node->probes);
    }
    if (status != STATUS_OK) {
        log_write(node->options.log, LOG_LEVEL_WARNING, "probe", "nothing is probed (%s)",
                  fault.text[0] != '\0' ? fault.text : status_english(status));
    }
}

enum status node_start(const struct node_options *options, struct node **out_node,
                       struct fault *fault)
{
    struct node *node = calloc(1, sizeof(*node));
    if (node == NULL) {
        return fault_set(fault, STATUS_NO_MEMORY, "out of memory");
    }
    int64_t workers = options->settings->workers_count;
    node->options = *options;
    node->seat_count = workers > 0 ? (size_t)workers : usable_cores();
    (void)pthread_mutex_init(&node->lock, NULL);
    (void)pthread_cond_init(&node->adopted, NULL);
    enum status status = make_parts(node, fault);
    if (status == STATUS_OK) {
        node->started_ms = net_wall_ms(node->seats[0].net);
        atomic_store(&node->generation_number, 1);
        status = start_quietly(node, fault);
    }
    if (status != STATUS_OK) {
        node_free(node);
        return status;
    }
    start_probes(node);
    if (node->generation->site.len == 0) {
        log_write(node->options.log, LOG_LEVEL_WARNING, "node",
                  "the store holds no site record; site information cannot be given");
    }
    if (node->generation->site_key == NULL) {
        log_write(node->options.log, LOG_LEVEL_WARNING, "node",
                  "there is no key for answers; nothing is signed");
    }
    *out_node = node;
    return STATUS_OK;
}

/* --- reload ---------------------------------------------------------------------------------- */

static void seat_on_adopt(struct mail *mail, void *owner)
{
    struct seat *seat = (struct seat *)((char *)mail - offsetof(struct seat, adopt));
    struct node *node = seat->node;
    worker_adopt(owner, node->adopting);
    (void)pthread_mutex_lock(&node->lock);
    node->adoptions_missing--;
    (void)pthread_cond_signal(&node->adopted);
    (void)pthread_mutex_unlock(&node->lock);
}

static void adopt_probes(struct node *node, const struct settings *settings)
{
    struct fault fault = {0};
    struct probe_plan *plan = NULL;
    if (node->probes != NULL && node_probe_plan(node, settings, &plan, &fault) == STATUS_OK) {
        probe_thread_adopt(node->probes, plan);
    }
}

enum status node_reload(struct node *node, const struct settings *settings, struct fault *fault)
{
    struct generation *fresh = NULL;
    uint64_t number = node_generation(node) + 1;
    enum status status = node_generation_new(node, settings, number, &fresh, fault);
    if (status != STATUS_OK) {
        return status;
    }
    node->adopting = fresh;
    node->adoptions_missing = node->seat_count;
    for (size_t i = 0; i < node->seat_count; i++) {
        node->seats[i].adopt.opened = seat_on_adopt;
        worker_post(&node->seats[i].worker, &node->seats[i].adopt);
    }
    (void)pthread_mutex_lock(&node->lock);
    while (node->adoptions_missing > 0) {
        (void)pthread_cond_wait(&node->adopted, &node->lock);
    }
    (void)pthread_mutex_unlock(&node->lock);
    const struct cache_limits limits = cache_limits_of(settings);
    cache_limit(node->cache, &limits);
    registry_limit_map(node->options.registry, (uint64_t)settings->store_map_max);
    adopt_probes(node, settings);
    generation_free(node->generation);
    node->generation = fresh;
    node->options.settings = settings;
    atomic_store(&node->generation_number, number);
    return STATUS_OK;
}

/* --- the end --------------------------------------------------------------------------------- */

static void seat_on_drain(struct mail *mail, void *owner)
{
    struct seat *seat = (struct seat *)((char *)mail - offsetof(struct seat, drain));
    worker_drain(owner, seat->node->drain_timeout_ms);
}

void node_drain(struct node *node, int64_t timeout_ms)
{
    node->drain_timeout_ms = timeout_ms;
    probe_thread_stop(node->probes);
    node->probes = NULL;
    for (size_t i = 0; i < node->seat_count; i++) {
        if (node->seats[i].is_running) {
            node->seats[i].drain.opened = seat_on_drain;
            worker_post(&node->seats[i].worker, &node->seats[i].drain);
        }
    }
    for (size_t i = 0; i < node->seat_count; i++) {
        if (node->seats[i].is_running) {
            (void)pthread_join(node->seats[i].thread, NULL);
            node->seats[i].is_running = false;
        }
    }
    committer_stop(node->committer);
    node->committer = NULL;
    crypto_pool_stop(node->pool);
    node->pool = NULL;
}

void node_free(struct node *node)
{
    if (node == NULL) {
        return;
    }
    if (node->seats != NULL) {
        node_drain(node, 0);
        for (size_t i = 0; i < 2 * node->seat_count; i++) {
            if (node->seats[i % node->seat_count].is_ready) {
                worker_quit(&node->seats[i % node->seat_count].worker);
            }
        }
        for (size_t i = 0; i < node->seat_count; i++) {
            if (node->seats[i].is_ready) {
                worker_done(&node->seats[i].worker);
            }
            net_free(node->seats[i].net);
        }
    }
    free(node->seats);
    generation_free(node->generation);
    metrics_free(node->metrics);
    reassembly_free(node->reassembly);
    sources_free(node->sources);
    budget_free(node->budget);
    sessions_free(node->sessions);
    duplicates_free(node->duplicates);
    tries_free(node->tries);
    forward_hub_free(node->hub);
    cache_close(node->cache);
    key_cache_free(node->keys);
    crypto_pool_stop(node->pool);
    (void)pthread_cond_destroy(&node->adopted);
    (void)pthread_mutex_destroy(&node->lock);
    free(node);
}

/* --- figures --------------------------------------------------------------------------------- */

uint16_t node_port(const struct node *node)
{
    return node->port;
}

uint16_t node_tls_port(const struct node *node)
{
    return node->tls_port;
}

uint16_t node_http_port(const struct node *node)
{
    return node->http_port;
}

uint16_t node_https_port(const struct node *node)
{
    return node->https_port;
}

size_t node_worker_count(const struct node *node)
{
    return node->seat_count;
}

struct committer *node_committer(struct node *node)
{
    return node->committer;
}

struct registry *node_registry(struct node *node)
{
    return node->options.registry;
}

struct cache *node_cache(struct node *node)
{
    return node->cache;
}

struct metrics *node_metrics(struct node *node)
{
    return node->metrics;
}

json_t *node_probes(struct node *node, const char *prefix)
{
    return node->probes == NULL ? json_pack("{s:{}, s:{}}", "prefixes", "canary")
                                : probe_thread_states(node->probes, prefix);
}

uint64_t node_generation(const struct node *node)
{
    return atomic_load(&node->generation_number);
}

int64_t node_started_ms(const struct node *node)
{
    return node->started_ms;
}
