/* SPDX-License-Identifier: Apache-2.0
 *
 * A whole node on real sockets and threads: many connections log in and write at once; answers
 * come from the crypto pool and the committer, draining waits for them.
 */
#include "tests/scenario/scene_auth.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "resolver/node.h"

#define WORKERS 4
#define CONNECTIONS 16
#define WRITES 25
#define CURRENT ((struct message_version){0})

static const char *const loopback[] = {"127.0.0.1"};
static const char *const trusted[] = {"127.0.0.0/8"};

struct place {
    struct scene scene; /* its store alone */
    struct settings *settings;
    struct log *log;
    struct node *node;
    int fds[CONNECTIONS];
    uint8_t room[SCENE_PACKET];
};

static int open_place(void **state)
{
    struct place *place = calloc(1, sizeof(*place));
    assert_non_null(place);
    fixture_open(&place->scene.store);
    fixture_home(&place->scene.store, "88.1000", PREFIX_ACTIVE, CASE_INSENSITIVE);
    scene_put_admin(&place->scene);
    place->settings = settings_defaults();
    assert_non_null(place->settings);
    place->settings->listen_addresses = (struct settings_list){1, loopback};
    place->settings->listen_handle_port = 0;
    place->settings->limits_trusted_networks = (struct settings_list){1, trusted};
    place->settings->workers_count = WORKERS;
    place->settings->crypto_threads = 3;
    struct log_options quiet = {.level = LOG_LEVEL_ERROR, .to_stderr = true};
    assert_int_equal(log_open(&quiet, &place->log, NULL), STATUS_OK);
    struct node_options options = {
        .settings = place->settings,
        .registry = place->scene.store.registry,
        .log = place->log,
    };
    struct fault fault = {0};
    if (node_start(&options, &place->node, &fault) != STATUS_OK) {
        fail_msg("%s", fault.text);
    }
    *state = place;
    return 0;
}

static int close_place(void **state)
{
    struct place *place = *state;
    node_free(place->node);
    log_close(place->log);
    settings_free(place->settings);
    fixture_close(&place->scene.store);
    free(place);
    return 0;
}

static int connected(const struct place *place)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(node_port(place->node)),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct timeval limit = {.tv_sec = 60};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    return fd;
}

static void put(int fd, struct bytes packet)
{
    assert_int_equal(send(fd, packet.data, packet.len, MSG_NOSIGNAL), packet.len);
}

static void take(int fd, uint8_t *room, size_t len)
{
    assert_int_equal(recv(fd, room, len, MSG_WAITALL), len);
}

/* The next answer; lives until the next call. */
static struct message get(struct place *place, int fd)
{
    struct envelope envelope;
    struct message message;
    take(fd, place->room, MESSAGE_ENVELOPE_LEN);
    assert_int_equal(envelope_decode(bytes_of(place->room, MESSAGE_ENVELOPE_LEN), &envelope),
                     STATUS_OK);
    assert_true(envelope.message_len < SCENE_PACKET - MESSAGE_ENVELOPE_LEN);
    take(fd, place->room + MESSAGE_ENVELOPE_LEN, envelope.message_len);
    struct bytes packet = bytes_of(place->room, MESSAGE_ENVELOPE_LEN + envelope.message_len);
    assert_int_equal(message_decode(packet, &message), STATUS_OK);
    return message;
}

static void log_in_all(struct place *place)
{
    for (size_t i = 0; i < CONNECTIONS; i++) {
        place->fds[i] = connected(place);
        put(place->fds[i], scene_login((uint32_t)(1 + i), CURRENT));
    }
    for (size_t i = 0; i < CONNECTIONS; i++) {
        struct message challenged = get(place, place->fds[i]);
        struct scene_answer with = scene_as_admin((uint32_t)(100 + i));
        put(place->fds[i], scene_answer(&challenged, &with));
    }
    for (size_t i = 0; i < CONNECTIONS; i++) {
        assert_int_equal(get(place, place->fds[i]).header.response_code, 1);
    }
}

static struct bytes create_request(size_t connection, size_t number)
{
    uint8_t room[512];
    char handle[64];
    struct value value = fixture_value(1, "URL", "http://a.example/", 0x0e);
    (void)snprintf(handle, sizeof(handle), "88.1000/c%zu-%zu", connection, number);
    struct body_values body = {.handle = bytes_of_text(handle), .values = &value, .count = 1};
    struct wire_writer w = wire_write(room, sizeof(room));
    body_values_encode(&w, &body);
    return scene_packet(&(struct scene_ask){.opcode = OPCODE_CREATE_HANDLE,
                                            .request_id = (uint32_t)(1000 + number),
                                            .body = wire_wrote(&w)});
}

static void create_everywhere(struct place *place)
{
    for (size_t number = 0; number < WRITES; number++) {
        for (size_t i = 0; i < CONNECTIONS; i++) {
            put(place->fds[i], create_request(i, number));
        }
    }
}

static size_t created(struct place *place)
{
    size_t count = 0;
    struct snapshot *snapshot = place->scene.store.snapshot;
    assert_int_equal(snapshot_refresh(snapshot), STATUS_OK);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        for (size_t number = 0; number < WRITES; number++) {
            char handle[64];
            struct record_row row;
            (void)snprintf(handle, sizeof(handle), "88.1000/c%zu-%zu", i, number);
            count += registry_get_record(snapshot, bytes_of_text(handle), CASE_INSENSITIVE, &row) ==
                     STATUS_OK;
        }
    }
    snapshot_rest(snapshot);
    return count;
}

static void all_who_logged_in_write_at_once(void **state)
{
    struct place *place = *state;
    log_in_all(place);
    create_everywhere(place);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        for (size_t number = 0; number < WRITES; number++) {
            assert_int_equal(get(place, place->fds[i]).header.response_code, 1);
        }
        (void)close(place->fds[i]);
    }
    assert_int_equal(created(place), CONNECTIONS * WRITES);
    assert_int_equal(metrics_sum(node_metrics(place->node), METRIC_parked, 0), 0);
    assert_int_equal(metrics_sum(node_metrics(place->node), METRIC_logins, 0), CONNECTIONS);
}

static void drain_in_the_middle_loses_no_acknowledged_write(void **state)
{
    struct place *place = *state;
    size_t acknowledged = 0;
    log_in_all(place);
    create_everywhere(place);
    node_drain(place->node, 30000);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        uint8_t head[MESSAGE_ENVELOPE_LEN + MESSAGE_HEADER_LEN];
        while (recv(place->fds[i], head, sizeof(head), MSG_WAITALL) == (ssize_t)sizeof(head)) {
            struct envelope envelope;
            assert_int_equal(envelope_decode(bytes_of(head, sizeof(head)), &envelope), STATUS_OK);
            take(place->fds[i], place->room, envelope.message_len - MESSAGE_HEADER_LEN);
            acknowledged += head[MESSAGE_ENVELOPE_LEN + 7] == 1;
        }
        (void)close(place->fds[i]);
    }
    assert_true(acknowledged > 0);
    assert_true(created(place) >= acknowledged);
    assert_int_equal(metrics_sum(node_metrics(place->node), METRIC_parked, 0), 0);
}

static void stop_at_once_leaves_nothing_behind(void **state)
{
    struct place *place = *state;
    log_in_all(place);
    create_everywhere(place);
    node_drain(place->node, 0);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        (void)close(place->fds[i]);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_place, close_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(all_who_logged_in_write_at_once),
        CASE(drain_in_the_middle_loses_no_acknowledged_write),
        CASE(stop_at_once_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
