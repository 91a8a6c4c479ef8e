/* SPDX-License-Identifier: Apache-2.0
 *
 * A whole node with several workers on real sockets and threads: what is acknowledged is seen by
 * every worker at once, reloads disturb nobody, draining ends everything (design: "no stale read
 * after an acknowledgement").
 */
#include <stddef.h>

#include "tests/unit/resolver/exchange_fixture.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "resolver/node.h"

#define WORKERS 4
#define WRITES 2000
#define SOCKETS 16
#define ASKERS 3

static const char *const loopback[] = {"127.0.0.1"};
static const char *const trusted[] = {"127.0.0.0/8"}; /* askers are more than strangers may be */

struct scene {
    struct fixture store;
    struct settings *settings;
    struct log *log;
    struct node *node;
    uint8_t request[256];
    size_t request_len;
};

static struct settings *test_settings(void)
{
    struct settings *settings = settings_defaults();
    assert_non_null(settings);
    settings->listen_addresses = (struct settings_list){1, loopback};
    settings->listen_handle_port = 0;
    settings->limits_trusted_networks = (struct settings_list){1, trusted};
    settings->workers_count = WORKERS;
    return settings;
}

static struct change_set *write_of(int number)
{
    char text[16];
    (void)snprintf(text, sizeof(text), "n=%08d", number);
    struct value value = fixture_value(1, "DESC", text, 0x0e);
    struct record record = {BYTES_LITERAL("88.1000/a"), &value, 1};
    struct change_set *set = fixture_set();
    assert_int_equal(change_set_put_record(set, &record, CHANGE_REPLACE, NULL), STATUS_OK);
    return set;
}

static int open_scene(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    assert_non_null(scene);
    fixture_open(&scene->store);
    fixture_home(&scene->store, "88.1000", PREFIX_ACTIVE, CASE_INSENSITIVE);
    fixture_commit(&scene->store, write_of(0));
    uint8_t body[64];
    struct fixture_ask ask = fixture_ask(OPCODE_RESOLUTION);
    struct bytes packet = fixture_packet(
        &scene->store, &ask,
        fixture_resolution(body, sizeof(body), BYTES_LITERAL("88.1000/a"), NULL, 0, NULL));
    struct wire_writer w = wire_write(scene->request, sizeof(scene->request));
    wire_put_raw(&w, packet);
    assert_false(w.failed);
    scene->request_len = packet.len;
    scene->settings = test_settings();
    struct log_options quiet = {.level = LOG_LEVEL_ERROR, .to_stderr = true};
    assert_int_equal(log_open(&quiet, &scene->log, NULL), STATUS_OK);
    struct node_options options = {
        .settings = scene->settings,
        .registry = scene->store.registry,
        .log = scene->log,
    };
    struct fault fault = {0};
    if (node_start(&options, &scene->node, &fault) != STATUS_OK) {
        fail_msg("%s", fault.text);
    }
    *state = scene;
    return 0;
}

static int close_scene(void **state)
{
    struct scene *scene = *state;
    node_free(scene->node);
    log_close(scene->log);
    settings_free(scene->settings);
    fixture_close(&scene->store);
    free(scene);
    return 0;
}

static int connected(const struct scene *scene, int type)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(node_port(scene->node)),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct timeval limit = {.tv_sec = 20};
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        abort();
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    return fd;
}

static bool ask(const struct scene *scene, int fd)
{
    return send(fd, scene->request, scene->request_len, MSG_NOSIGNAL) ==
           (ssize_t)scene->request_len;
}

/* The number in the next answer; -1: none came, or something else. */
static int answered(int fd)
{
    uint8_t answer[512];
    ssize_t len = recv(fd, answer, sizeof(answer), 0);
    const char *at = len <= 0 ? NULL : memmem(answer, (size_t)len, "n=", 2);
    return at == NULL ? -1 : (int)strtol(at + 2, NULL, 10);
}

struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t done;
    bool is_done;
};

static void committed(struct change_set *set, void *context)
{
    struct waiter *waiter = context;
    if (change_set_status(set) != STATUS_OK) {
        abort();
    }
    (void)pthread_mutex_lock(&waiter->lock);
    waiter->is_done = true;
    (void)pthread_cond_signal(&waiter->done);
    (void)pthread_mutex_unlock(&waiter->lock);
}

/* Returns once the write was acknowledged. */
static void write_number(struct scene *scene, struct waiter *waiter, int number)
{
    struct change_set *set = write_of(number);
    assert_int_equal(snapshot_refresh(scene->store.snapshot), STATUS_OK);
    assert_int_equal(change_set_prepare(set, scene->store.snapshot, FIXTURE_NOW_MS), STATUS_OK);
    snapshot_rest(scene->store.snapshot);
    waiter->is_done = false;
    assert_int_equal(committer_submit(node_committer(scene->node), set, committed, waiter),
                     STATUS_OK);
    (void)pthread_mutex_lock(&waiter->lock);
    while (!waiter->is_done) {
        (void)pthread_cond_wait(&waiter->done, &waiter->lock);
    }
    (void)pthread_mutex_unlock(&waiter->lock);
    change_set_free(set);
}

struct asker {
    pthread_t thread;
    const struct scene *scene;
    atomic_bool stops;
    int type;
    int asked;
    bool has_failed;
};

/* Asks without pause; what it sees may never go back, whichever worker answers. */
static void *keep_asking(void *context)
{
    struct asker *asker = context;
    int last = 0;
    while (!atomic_load(&asker->stops)) {
        int fd = connected(asker->scene, asker->type);
        for (int i = 0; i < 20 && !asker->has_failed; i++) {
            int number = ask(asker->scene, fd) ? answered(fd) : -1;
            asker->has_failed = number < last;
            last = number;
            asker->asked++;
        }
        (void)close(fd);
    }
    return NULL;
}

static void reload(struct scene *scene)
{
    struct settings *fresh = test_settings();
    struct fault fault = {0};
    uint64_t before = node_generation(scene->node);
    assert_int_equal(node_reload(scene->node, fresh, &fault), STATUS_OK);
    settings_free(scene->settings);
    scene->settings = fresh;
    assert_int_equal(node_generation(scene->node), before + 1);
}

static void acknowledged_write_is_seen_by_every_worker_at_once(void **state)
{
    struct scene *scene = *state;
    struct waiter waiter = {.lock = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};
    struct asker askers[ASKERS] = {0};
    int sockets[SOCKETS];
    for (int i = 0; i < ASKERS; i++) {
        askers[i].scene = scene;
        askers[i].type = i % 2 == 0 ? SOCK_DGRAM : SOCK_STREAM;
        assert_int_equal(pthread_create(&askers[i].thread, NULL, keep_asking, &askers[i]), 0);
    }
    for (int i = 0; i < SOCKETS; i++) {
        sockets[i] = connected(scene, i % 2 == 0 ? SOCK_DGRAM : SOCK_STREAM);
    }
    for (int number = 1; number <= WRITES; number++) {
        write_number(scene, &waiter, number);
        for (int i = 0; i < SOCKETS; i++) {
            assert_true(ask(scene, sockets[i]));
        }
        for (int i = 0; i < SOCKETS; i++) {
            assert_int_equal(answered(sockets[i]), number);
        }
        if (number % 200 == 0) {
            reload(scene);
        }
    }
    for (int i = 0; i < ASKERS; i++) {
        atomic_store(&askers[i].stops, true);
        (void)pthread_join(askers[i].thread, NULL);
        assert_false(askers[i].has_failed);
        assert_true(askers[i].asked > 0);
    }
    for (int i = 0; i < SOCKETS; i++) {
        (void)close(sockets[i]);
    }
    assert_int_equal(metrics_sum(node_metrics(scene->node), METRIC_reloads, 0),
                     WORKERS * WRITES / 200);
}

static void node_on_a_port_in_use_is_refused_with_the_port_named(void **state)
{
    struct scene *scene = *state;
    struct settings *settings = test_settings();
    settings->listen_handle_port = node_port(scene->node);
    struct node_options options = {
        .settings = settings,
        .registry = scene->store.registry,
        .log = scene->log,
    };
    struct node *second = NULL;
    struct fault fault = {0};
    char port[8];
    (void)snprintf(port, sizeof(port), "%u", (unsigned)node_port(scene->node));
    assert_int_equal(node_start(&options, &second, &fault), STATUS_LOCKED);
    assert_null(second);
    assert_non_null(strstr(fault.text, port));
    settings_free(settings);
}

static void bad_network_leaves_the_old_generation_serving(void **state)
{
    static const char *const networks[] = {"10.0.0.0/8", "10.0.0.0/99"};
    struct scene *scene = *state;
    struct settings *settings = test_settings();
    struct fault fault = {0};
    settings->limits_trusted_networks = (struct settings_list){2, networks};
    assert_int_equal(node_reload(scene->node, settings, &fault), STATUS_BAD_SETTING);
    assert_non_null(strstr(fault.text, "10.0.0.0/99"));
    assert_int_equal(node_generation(scene->node), 1);
    settings_free(settings);
    int fd = connected(scene, SOCK_STREAM);
    assert_true(ask(scene, fd));
    assert_int_equal(answered(fd), 0);
    (void)close(fd);
}

static void drain_answers_what_was_asked_and_closes_idle_connections(void **state)
{
    struct scene *scene = *state;
    int fds[SOCKETS];
    for (int i = 0; i < SOCKETS; i++) {
        fds[i] = connected(scene, SOCK_STREAM);
        assert_true(ask(scene, fds[i]));
        assert_int_equal(answered(fds[i]), 0);
    }
    for (int i = 0; i < SOCKETS; i += 2) {
        assert_true(ask(scene, fds[i]));
    }
    node_drain(scene->node, 5000);
    assert_null(node_committer(scene->node));
    for (int i = 0; i < SOCKETS; i++) {
        uint8_t byte;
        if (i % 2 == 0) {
            assert_int_equal(answered(fds[i]), 0);
        }
        assert_int_equal(recv(fds[i], &byte, 1, 0), 0);
        (void)close(fds[i]);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_scene, close_scene)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(acknowledged_write_is_seen_by_every_worker_at_once),
        CASE(node_on_a_port_in_use_is_refused_with_the_port_named),
        CASE(bad_network_leaves_the_old_generation_serving),
        CASE(drain_answers_what_was_asked_and_closes_idle_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
