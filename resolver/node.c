/* SPDX-License-Identifier: Apache-2.0
 *
 * Workers on threads, and what they share (node.h).
 *
 * Everything is made by the starting thread and handed to the workers by starting their threads;
 * afterwards they are spoken to by mail alone. The lock below guards nothing but the count of
 * acknowledgements a reload waits for.
 */
#include "resolver/node.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "resolver/cores.h"
#include "resolver/generation.h"
#include "resolver/net_socket.h"
#include "resolver/site_key.h"
#include "resolver/worker.h"

#define PORT_TRIES 32

/* A worker, its loop and its thread. */
struct seat {
    struct node *node;
    struct net *net;
    struct worker worker;
    pthread_t thread;
    bool is_ready; /* worker_init was done */
    bool is_running;
    struct mail adopt;
    struct mail drain;
};

struct node {
    struct node_options options;
    struct generation *generation;
    atomic_uint_fast64_t generation_number;
    struct metrics *metrics;
    struct reassembly *reassembly;
    struct sources *sources;
    struct budget *budget;
    struct sessions *sessions;
    struct duplicates *duplicates;
    struct tries *tries;
    struct crypto_pool *pool;
    struct committer *committer;
    struct seat *seats;
    size_t seat_count;
    int cpus[CORES_MAX]; /* the i-th worker's, when they are steered */
    bool is_steered;
    uint16_t port;
    int64_t started_ms;
    pthread_mutex_t lock;
    pthread_cond_t adopted;
    size_t adoptions_missing;
    const struct generation *adopting;
    int64_t drain_timeout_ms;
};

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

static size_t usable_cores(void)
{
    int cpus[CORES_MAX];
    return cores_allowed(cpus);
}

/* --- sockets --------------------------------------------------------------------------------- */

static enum status open_for(struct seat *seat, const struct net_address *address,
                            struct fault *fault)
{
    const struct settings *settings = seat->node->options.settings;
    struct net_address local;
    enum status status = STATUS_OK;
    if (settings->listen_udp) {
        status = worker_open_udp(&seat->worker, address, &local, fault);
    }
    if (status == STATUS_OK && settings->listen_tcp) {
        status = worker_open_tcp(&seat->worker, address, &local, fault);
    }
    return status;
}

static enum status open_address(struct node *node, const struct net_address *address,
                                struct fault *fault)
{
    enum status status = net_socket_probe(address, fault);
    for (size_t i = 0; status == STATUS_OK && i < node->seat_count; i++) {
        status = open_for(&node->seats[i], address, fault);
    }
    return status;
}

/* A port that is free for UDP and TCP on the first address. */
static enum status pick_port(struct net_address *address, struct fault *fault)
{
    enum status status = STATUS_OK;
    for (int i = 0; i < PORT_TRIES; i++) {
        int fd = -1;
        address->port = 0;
        status = net_socket_udp(address, &fd, fault);
        if (status != STATUS_OK) {
            return status;
        }
        address->port = net_socket_local(fd).port;
        (void)close(fd);
        status = net_socket_probe(address, fault);
        if (status == STATUS_OK) {
            return STATUS_OK;
        }
    }
    return status;
}

static int type_of(int fd)
{
    int type = 0;
    socklen_t len = sizeof(type);
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 ? type : 0;
}

static enum status serve_given(struct seat *seat, int fd, struct fault *fault)
{
    struct net_address address = net_socket_local(fd);
    struct net_address local;
    if (net_give(seat->net, fd) != STATUS_OK) {
        return fault_set(fault, STATUS_SYSTEM, "out of descriptors");
    }
    return type_of(fd) == SOCK_DGRAM ? worker_open_udp(&seat->worker, &address, &local, fault)
                                     : worker_open_tcp(&seat->worker, &address, &local, fault);
}

/* Which of the given sockets of its type and address this one is, and of how many. */
static size_t rank_of(const struct node *node, size_t index, size_t *out_peers)
{
    const int *given = node->options.given;
    struct net_address address = net_socket_local(given[index]);
    size_t rank = 0;
    size_t peers = 1;
    for (size_t i = 0; i < node->options.given_count; i++) {
        struct net_address other = net_socket_local(given[i]);
        if (i != index && type_of(given[i]) == type_of(given[index]) &&
            net_address_equal(&other, &address)) {
            rank += i < index;
            peers++;
        }
    }
    *out_peers = peers;
    return rank;
}

/* All sockets are served, whatever the numbers: one is shared by every worker; of several on one
 * address, among which the kernel chooses, each worker has its own. */
static enum status open_given(struct node *node, struct fault *fault)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < node->options.given_count; i++) {
        size_t peers = 0;
        size_t rank = rank_of(node, i, &peers);
        for (size_t s = 0; status == STATUS_OK && s < node->seat_count; s++) {
            if (s % peers == rank % node->seat_count) {
                status = serve_given(&node->seats[s], node->options.given[i], fault);
            }
        }
    }
    node->port = net_socket_local(node->options.given[0]).port;
    return status;
}

static bool is_any_ipv6(const char *text)
{
    return strcmp(text, "::") == 0;
}

static enum status open_all(struct node *node, struct fault *fault)
{
    const struct settings *settings = node->options.settings;
    const struct settings_list *list = &settings->listen_addresses;
    size_t opened = 0;
    node->port = (uint16_t)settings->listen_handle_port;
    for (size_t i = 0; i < list->count; i++) {
        struct net_address address;
        if (net_address_parse(list->items[i], node->port, &address) != STATUS_OK) {
            return fault_set(fault, STATUS_BAD_SETTING,
                             "listen.addresses: \"%s\" is not an address", list->items[i]);
        }
        enum status status = node->port == 0 ? pick_port(&address, fault) : STATUS_OK;
        if (status == STATUS_OK) {
            status = open_address(node, &address, fault);
        }
        if (status == STATUS_NOT_SUPPORTED && is_any_ipv6(list->items[i])) {
            log_write(node->options.log, LOG_LEVEL_WARNING, "node",
                      "not listening on :: (this machine has no IPv6)");
            continue;
        }
        if (status != STATUS_OK) {
            return status;
        }
        node->port = address.port;
        opened++;
    }
    return opened > 0
               ? STATUS_OK
               : fault_set(fault, STATUS_BAD_SETTING, "listen.addresses: none can be served");
}

/* --- making ---------------------------------------------------------------------------------- */

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
        .pool = node->pool,
        .submit = node_submit,
        .submit_context = node,
        .log = node->options.log,
        .worker_count = node->seat_count,
        .metrics = metrics_slot(node->metrics, index),
        .generation = node->generation,
        .random = node_random,
        .is_sweeper = index == 0,
    };
    status = worker_init(&seat->worker, &options);
    seat->is_ready = status == STATUS_OK;
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
    uint64_t seeds[5];
    node_random(seeds, sizeof(seeds));
    node->reassembly = reassembly_new(seeds[0]);
    node->sources = sources_new(seeds[1]);
    node->budget = budget_new(seeds[2]);
    node->sessions = sessions_new(seeds[3], node_random);
    node->tries = tries_new(seeds[4]);
    node->duplicates = duplicates_new((size_t)node->options.settings->limits_repeated_bytes);
    node->seats = calloc(node->seat_count, sizeof(*node->seats));
    return node->reassembly != NULL && node->sources != NULL && node->budget != NULL &&
           node->sessions != NULL && node->tries != NULL && node->duplicates != NULL &&
           node->seats != NULL && metrics_new(node->seat_count, &node->metrics) == STATUS_OK;
}

/* A generation and the key it signs with. */
static enum status make_generation(const struct node *node, const struct settings *settings,
                                   uint64_t number, struct generation **out_generation,
                                   struct fault *fault)
{
    struct generation *generation = NULL;
    enum status status =
        generation_new(settings, node->options.registry, number, &generation, fault);
    if (status == STATUS_OK && node->options.site_key_path != NULL) {
        status = site_key_load(node->options.site_key_path, &generation->site_key, fault);
        status = status == STATUS_NOT_FOUND ? STATUS_OK : status;
    }
    if (status != STATUS_OK) {
        generation_free(generation);
        return status;
    }
    *out_generation = generation;
    return STATUS_OK;
}

static enum status make_shared(struct node *node, struct fault *fault)
{
    if (!make_tables(node)) {
        return fault_set(fault, STATUS_NO_MEMORY, "out of memory");
    }
    enum status status = start_pool(node, fault);
    return status == STATUS_OK
               ? make_generation(node, node->options.settings, 1, &node->generation, fault)
               : status;
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
    return node->options.given_count > 0 ? open_given(node, fault) : open_all(node, fault);
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

enum status node_reload(struct node *node, const struct settings *settings, struct fault *fault)
{
    struct generation *fresh = NULL;
    uint64_t number = node_generation(node) + 1;
    enum status status = make_generation(node, settings, number, &fresh, fault);
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
    registry_limit_map(node->options.registry, (uint64_t)settings->store_map_max);
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

size_t node_worker_count(const struct node *node)
{
    return node->seat_count;
}

struct committer *node_committer(struct node *node)
{
    return node->committer;
}

struct metrics *node_metrics(struct node *node)
{
    return node->metrics;
}

uint64_t node_generation(const struct node *node)
{
    return atomic_load(&node->generation_number);
}

int64_t node_started_ms(const struct node *node)
{
    return node->started_ms;
}
