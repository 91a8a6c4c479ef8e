/* SPDX-License-Identifier: Apache-2.0
 *
 * The control socket: calls, change sets, and peers that mean no good.
 */
#include "tests/unit/admin/run_node.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

static int serve(void **state)
{
    struct home *home = home_make();
    home_serve(home, 4096);
    *state = home;
    return 0;
}

static int serve_narrow(void **state)
{
    struct home *home = home_make();
    home_serve(home, 1);
    *state = home;
    return 0;
}

static int stop(void **state)
{
    home_free(*state);
    return 0;
}

static struct control_client *connect_to(struct home *home)
{
    struct control_client *client = NULL;
    assert_int_equal(control_connect(home->socket, &client), STATUS_OK);
    return client;
}

static void send_set(struct control_client *client, uint64_t tag, struct change_set *set)
{
    size_t size = change_set_encoded_len(set) + 8;
    uint8_t *frame = malloc(size);
    assert_non_null(frame);
    struct wire_writer w = wire_write(frame, size);
    wire_put_u64(&w, tag);
    assert_int_equal(change_set_encode(set, &w), STATUS_OK);
    assert_int_equal(control_send(client, CONTROL_CHANGE_SET, wire_wrote(&w)), STATUS_OK);
    free(frame);
    change_set_free(set);
}

/* The next OUTCOME's tag; the set and its items must have this status. */
static uint64_t take_outcome(struct control_client *client, enum status expected, size_t count)
{
    enum control_kind kind = CONTROL_PROBLEM;
    struct bytes payload;
    assert_int_equal(control_receive(client, 20000, &kind, &payload), STATUS_OK);
    assert_int_equal(kind, CONTROL_OUTCOME);
    struct wire_reader r = wire_read(payload);
    uint64_t tag = wire_u64(&r);
    assert_int_equal(control_status_of_name(wire_bytes(&r)), expected);
    assert_int_equal(wire_u32(&r), count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(control_status_of_name(wire_bytes(&r)), expected);
        assert_true(wire_u64(&r) > 0);
    }
    assert_true(wire_done(&r));
    return tag;
}

static void assert_alive(struct home *home)
{
    struct control_client *client = connect_to(home);
    json_t *result = NULL;
    struct fault fault = {.status = STATUS_OK};
    assert_int_equal(control_call(client, "node status", NULL, &result, &fault), STATUS_OK);
    assert_string_equal(json_text(result, "state"), "running");
    json_decref(result);
    control_disconnect(client);
}

/* --- calls ------------------------------------------------------------------------------------ */

static void call_for_status_tells_facts(void **state)
{
    struct home *home = *state;
    struct control_client *client = connect_to(home);
    json_t *result = NULL;
    struct fault fault = {.status = STATUS_OK};
    assert_int_equal(control_call(client, "node status", NULL, &result, &fault), STATUS_OK);
    assert_int_equal(json_number(result, "port"), node_port(home->node));
    assert_int_equal(json_number(result, "workers"), 1);
    assert_int_equal(json_number(result, "prefixes"), 1);
    json_decref(result);
    control_disconnect(client);
}

static void call_that_is_unknown_is_refused(void **state)
{
    struct home *home = *state;
    struct control_client *client = connect_to(home);
    json_t *result = NULL;
    struct fault fault = {.status = STATUS_OK};
    assert_int_equal(control_call(client, "node explode", NULL, &result, &fault),
                     STATUS_NOT_SUPPORTED);
    assert_null(result);
    assert_int_equal(control_call(client, "node status", NULL, &result, &fault), STATUS_OK);
    json_decref(result);
    control_disconnect(client);
}

static void call_that_is_no_json_is_a_protocol_error(void **state)
{
    struct home *home = *state;
    struct control_client *client = connect_to(home);
    enum control_kind kind = CONTROL_RESULT;
    struct bytes payload;
    assert_int_equal(control_send(client, CONTROL_CALL, BYTES_LITERAL("[1,")), STATUS_OK);
    assert_int_equal(control_receive(client, 5000, &kind, &payload), STATUS_OK);
    assert_int_equal(kind, CONTROL_PROBLEM);
    assert_non_null(memmem(payload.data, payload.len, "PROTOCOL_ERROR", 14));
    control_disconnect(client);
}

static void call_to_reload_brings_mains_answer(void **state)
{
    struct home *home = *state;
    struct control_client *client = connect_to(home);
    json_t *result = NULL;
    struct fault fault = {.status = STATUS_OK};
    assert_int_equal(control_call(client, "node reload", NULL, &result, &fault), STATUS_OK);
    json_decref(result);
    home->reload_fails = true;
    assert_int_equal(control_call(client, "node reload", NULL, &result, &fault),
                     STATUS_BAD_SETTING);
    assert_string_equal(fault.text, "line 3 is wrong");
    assert_int_equal(home->reloads, 2);
    control_disconnect(client);
}

static void call_to_drain_only_starts_it(void **state)
{
    struct home *home = *state;
    struct control_client *client = connect_to(home);
    json_t *result = NULL;
    struct fault fault = {.status = STATUS_OK};
    assert_int_equal(control_call(client, "node drain", NULL, &result, &fault), STATUS_OK);
    json_decref(result);
    assert_int_equal(home->drains, 1);
    assert_int_equal(control_call(client, "node status", NULL, &result, &fault), STATUS_OK);
    assert_string_equal(json_text(result, "state"), "draining");
    json_decref(result);
    control_disconnect(client);
}

static void call_for_stats_counts_and_ends_with_eof(void **state)
{
    struct home *home = *state;
    struct control_client *client = connect_to(home);
    json_t *result = NULL;
    struct fault fault = {.status = STATUS_OK};
    assert_int_equal(control_call(client, "stats", NULL, &result, &fault), STATUS_OK);
    assert_int_equal(json_number(json_object_get(result, "store"), "records"), 1);
    json_decref(result);
    json_t *arguments = json_pack("{s:b}", "openmetrics", 1);
    assert_int_equal(control_call(client, "stats", arguments, &result, &fault), STATUS_OK);
    const char *text = json_text(result, "openmetrics");
    assert_non_null(strstr(text, "\nguantong_records 1\n"));
    assert_non_null(strstr(text, "guantong_commit_sets_total "));
    assert_string_equal(text + strlen(text) - 6, "# EOF\n");
    json_decref(arguments);
    json_decref(result);
    control_disconnect(client);
}

static json_t *forwarded(const char *noun, const char *verb, const char *argument)
{
    json_t *options = json_pack("[[s, s]]", argument[0] == '-' ? argument : "--hex", "");
    json_t *arguments =
        argument[0] == '-' ? json_pack("[s]", "0.NA/88.1000") : json_pack("[s]", argument);
    return json_pack("{s:s, s:s, s:o, s:o, s:b}", "noun", noun, "verb", verb, "arguments",
                     arguments, "options", options, "json", 1);
}

static void command_run_for_others_reads_the_store(void **state)
{
    struct home *home = *state;
    struct control_client *client = connect_to(home);
    json_t *result = NULL;
    struct fault fault = {.status = STATUS_OK};
    json_t *call = forwarded("record", "show", "0.NA/88.1000");
    assert_int_equal(control_call(client, "run", call, &result, &fault), STATUS_OK);
    assert_int_equal(json_number(result, "exit"), EXIT_OK);
    assert_string_equal(json_text(result, "err"), "");
    json_t *record = json_loads(json_text(result, "out"), 0, NULL);
    assert_string_equal(json_text(record, "handle"), "0.NA/88.1000");
    json_decref(record);
    json_decref(result);
    json_decref(call);
    call = forwarded("record", "show", "88.1000/none");
    assert_int_equal(control_call(client, "run", call, &result, &fault), STATUS_OK);
    assert_int_equal(json_number(result, "exit"), EXIT_NEGATIVE);
    json_decref(result);
    json_decref(call);
    control_disconnect(client);
}

static void command_run_for_others_never_shows_secrets_nor_writes(void **state)
{
    struct home *home = *state;
    struct control_client *client = connect_to(home);
    static const char *const rows[][3] = {{"record", "show", "--secrets"},
                                          {"record", "rm", "0.NA/88.1000"},
                                          {"journal", "tail", "--follow"},
                                          {"node", "drain", "x"},
                                          {"nothing", "at-all", "x"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        json_t *result = NULL;
        struct fault fault = {.status = STATUS_OK};
        json_t *call = forwarded(rows[i][0], rows[i][1], rows[i][2]);
        enum status status = control_call(client, "run", call, &result, &fault);
        assert_true(status == STATUS_NOT_SUPPORTED || status == STATUS_PROTOCOL_ERROR);
        json_decref(call);
    }
    control_disconnect(client);
    assert_true(home_has(home, "0.NA/88.1000"));
}

static void settings_published_are_told(void **state)
{
    struct home *home = *state;
    struct control_client *client = connect_to(home);
    json_t *result = NULL;
    struct fault fault = {.status = STATUS_OK};
    assert_int_equal(control_call(client, "conf running", NULL, &result, &fault), STATUS_NOT_FOUND);
    control_publish_settings(home->control, home->settings);
    assert_int_equal(control_call(client, "conf running", NULL, &result, &fault), STATUS_OK);
    assert_string_equal(json_text(result, "log.level"), "info");
    json_decref(result);
    control_disconnect(client);
}

/* --- change sets ------------------------------------------------------------------------------ */

static void set_that_was_acknowledged_is_there(void **state)
{
    struct home *home = *state;
    struct control_client *client = connect_to(home);
    send_set(client, 7, home_set("88.1000/a", 3, "x"));
    assert_int_equal(take_outcome(client, STATUS_OK, 3), 7);
    assert_true(home_has(home, "88.1000/a-2"));
    send_set(client, 8, home_set("88.1000/a", 3, "x"));
    enum control_kind kind = CONTROL_PROBLEM;
    struct bytes payload;
    assert_int_equal(control_receive(client, 5000, &kind, &payload), STATUS_OK);
    assert_non_null(memmem(payload.data, payload.len, "UNCHANGED", 9));
    control_disconnect(client);
}

static void set_for_a_prefix_not_homed_is_refused(void **state)
{
    struct home *home = *state;
    struct control_client *client = connect_to(home);
    enum control_kind kind = CONTROL_PROBLEM;
    struct bytes payload;
    send_set(client, 1, home_set("99.1/a", 1, "x"));
    assert_int_equal(control_receive(client, 5000, &kind, &payload), STATUS_OK);
    assert_int_equal(kind, CONTROL_OUTCOME);
    assert_non_null(memmem(payload.data, payload.len, "NOT_RESPONSIBLE", 15));
    assert_false(home_has(home, "99.1/a-0"));
    control_disconnect(client);
}

static void set_of_garbage_is_answered_and_the_connection_lives(void **state)
{
    struct home *home = *state;
    struct control_client *client = connect_to(home);
    static const uint8_t garbage[] = {0, 0, 0, 0, 0, 0, 0, 9, 0xff, 0xff, 0xff, 0xff, 1, 2, 3};
    assert_int_equal(control_send(client, CONTROL_CHANGE_SET, bytes_of(garbage, sizeof(garbage))),
                     STATUS_OK);
    assert_int_equal(take_outcome(client, STATUS_PROTOCOL_ERROR, 0), 9);
    send_set(client, 10, home_set("88.1000/b", 1, "x"));
    assert_int_equal(take_outcome(client, STATUS_OK, 1), 10);
    control_disconnect(client);
}

static void actor_in_the_journal_is_the_peer_whatever_the_set_says(void **state)
{
    struct home *home = *state;
    struct control_client *client = connect_to(home);
    send_set(client, 1, home_set("88.1000/c", 1, "x"));
    (void)take_outcome(client, STATUS_OK, 1);
    control_disconnect(client);
    home_stop(home);
    char actor[80];
    control_actor(geteuid(), actor, sizeof(actor));
    struct run run = EXPECT(EXIT_OK, "journal", "tail", home->path, "-n", "1", "--json");
    json_t *set = run_json(&run);
    assert_string_equal(json_text(set, "actor"), actor);
    assert_string_equal(json_text(set, "origin"), "control");
    json_decref(set);
    run_done(&run);
}

/* Sends `count` sets with at most `window` unanswered; each must be answered once. */
static void pump(struct control_client *client, const char *name, size_t count, size_t window)
{
    bool *answered = calloc(count, sizeof(*answered));
    assert_non_null(answered);
    size_t sent = 0;
    for (size_t done = 0; done < count;) {
        if (sent < count && sent - done < window) {
            char handle[64];
            (void)snprintf(handle, sizeof(handle), "88.1000/%s%zu", name, sent);
            send_set(client, sent++, home_set(handle, 20, "x"));
            continue;
        }
        uint64_t tag = take_outcome(client, STATUS_OK, 20);
        assert_true(tag < count && !answered[tag]);
        answered[tag] = true;
        done++;
    }
    free(answered);
}

static void sets_outstanding_are_each_answered_once(void **state)
{
    struct home *home = *state;
    struct control_client *client = connect_to(home);
    pump(client, "w", 100, 8);
    assert_true(home_has(home, "88.1000/w99-19"));
    control_disconnect(client);
}

static void queue_that_is_full_holds_sets_back_and_loses_none(void **state)
{
    struct home *home = *state;
    struct control_client *clients[2] = {connect_to(home), connect_to(home)};
    for (size_t i = 0; i < 12; i++) {
        char handle[64];
        (void)snprintf(handle, sizeof(handle), "88.1000/q%zu", i);
        send_set(clients[i % 2], i, home_set(handle, 50, "x"));
    }
    for (size_t i = 0; i < 12; i++) {
        (void)take_outcome(clients[i % 2], STATUS_OK, 50);
    }
    for (size_t i = 0; i < 12; i++) {
        char handle[64];
        (void)snprintf(handle, sizeof(handle), "88.1000/q%zu-49", i);
        assert_true(home_has(home, handle));
    }
    pump(clients[0], "p", 60, 8);
    control_disconnect(clients[0]);
    control_disconnect(clients[1]);
}

static void set_whose_sender_left_is_committed_all_the_same(void **state)
{
    struct home *home = *state;
    struct control_client *client = connect_to(home);
    send_set(client, 1, home_set("88.1000/left", 100, "x"));
    control_disconnect(client);
    assert_alive(home);
    home_stop(home);
    MUST(EXIT_OK, "journal", "verify", home->path);
}

/* --- peers that mean no good ------------------------------------------------------------------ */

static int raw_connect(struct home *home)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", home->socket);
    int peer = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_true(peer >= 0);
    assert_int_equal(connect(peer, (const struct sockaddr *)&address, sizeof(address)), 0);
    return peer;
}

/* The server must close within five seconds. */
static void assert_closed(int peer)
{
    uint8_t byte;
    struct pollfd poller = {.fd = peer, .events = POLLIN};
    assert_int_equal(poll(&poller, 1, 5000), 1);
    assert_true(recv(peer, &byte, 1, 0) <= 0);
    (void)close(peer);
}

static void frame_with_a_lying_length_closes_only_its_connection(void **state)
{
    struct home *home = *state;
    static const uint8_t frames[][5] = {
        {0xff, 0xff, 0xff, 0xff, 1}, {0, 0, 0, 0, 1}, {0x01, 0x40, 0x00, 0x01, 2}};
    for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        int peer = raw_connect(home);
        assert_int_equal(send(peer, frames[i], 5, MSG_NOSIGNAL), 5);
        assert_closed(peer);
        assert_alive(home);
    }
}

static void frame_of_unknown_kind_closes_only_its_connection(void **state)
{
    struct home *home = *state;
    int peer = raw_connect(home);
    assert_int_equal(send(peer, "\0\0\0\2\x63x", 6, MSG_NOSIGNAL), 6);
    assert_closed(peer);
    assert_alive(home);
}

static void peer_that_stalls_in_a_frame_delays_nobody(void **state)
{
    struct home *home = *state;
    int peers[8];
    for (size_t i = 0; i < 8; i++) {
        peers[i] = raw_connect(home);
        assert_int_equal(send(peers[i], "\x01\x00\x00\x00\x02partial", i + 1, MSG_NOSIGNAL),
                         (ssize_t)i + 1);
    }
    assert_alive(home);
    struct control_client *client = connect_to(home);
    pump(client, "s", 20, 8);
    control_disconnect(client);
    for (size_t i = 0; i < 8; i++) {
        (void)close(peers[i]);
    }
    assert_alive(home);
}

/* Calls without end whose answers are never read: the server stops reading, not growing. */
static void peer_that_never_reads_is_no_longer_read(void **state)
{
    struct home *home = *state;
    static const char call[] = "\0\0\0\x23\1{\"command\":\"stats\",\"arguments\":{}}";
    int peer = raw_connect(home);
    (void)fcntl(peer, F_SETFL, O_NONBLOCK);
    size_t sent = 0;
    int quiet = 0;
    while (quiet < 20 && sent < ((size_t)64 << 20)) {
        ssize_t len = send(peer, call, sizeof(call) - 1, MSG_NOSIGNAL);
        sent += len > 0 ? (size_t)len : 0;
        quiet = len > 0 ? 0 : quiet + 1;
        if (len <= 0) {
            const struct timespec pause = {.tv_nsec = 20000000};
            (void)nanosleep(&pause, NULL);
        }
    }
    assert_int_equal(quiet, 20);
    assert_true(sent > 100 * sizeof(call));
    struct pollfd poller = {.fd = peer, .events = POLLIN};
    assert_int_equal(poll(&poller, 1, 0), 1);
    assert_true((poller.revents & POLLHUP) == 0);
    assert_alive(home);
    (void)close(peer);
    assert_alive(home);
}

static void connections_beyond_the_limit_are_refused_until_one_ends(void **state)
{
    struct home *home = *state;
    struct control_client *clients[64];
    struct fault fault = {.status = STATUS_OK};
    json_t *result = NULL;
    for (size_t i = 0; i < 64; i++) {
        clients[i] = connect_to(home);
    }
    assert_int_equal(control_call(clients[63], "node status", NULL, &result, &fault), STATUS_OK);
    json_decref(result);
    struct control_client *extra = connect_to(home);
    assert_int_equal(control_call(extra, "node status", NULL, &result, &fault), STATUS_SERVER_BUSY);
    control_disconnect(extra);
    for (size_t i = 0; i < 64; i++) {
        control_disconnect(clients[i]);
    }
    const struct timespec pause = {.tv_nsec = 200000000};
    (void)nanosleep(&pause, NULL);
    assert_alive(home);
}

/* Exit code of a child of another user that asks for the status. */
static int ask_as_stranger(struct home *home)
{
    pid_t child = fork();
    if (child == 0) {
        struct control_client *client = NULL;
        struct fault fault = {.status = STATUS_OK};
        json_t *result = NULL;
        if (setgid(65534) != 0 || setuid(65534) != 0 ||
            control_connect(home->socket, &client) != STATUS_OK) {
            _exit(100);
        }
        enum status status = control_call(client, "node status", NULL, &result, &fault);
        _exit(status == STATUS_ACCESS_DENIED ? 0 : 1);
    }
    int outcome = 0;
    assert_int_equal(waitpid(child, &outcome, 0), child);
    return WIFEXITED(outcome) ? WEXITSTATUS(outcome) : 101;
}

static void peer_of_another_user_is_refused(void **state)
{
    struct home *home = *state;
    if (geteuid() != 0) {
        skip();
    }
    char run[96];
    (void)snprintf(run, sizeof(run), "%s/run", home->path);
    assert_int_equal(chmod(home->path, 0755), 0);
    assert_int_equal(chmod(run, 0755), 0);
    assert_int_equal(ask_as_stranger(home), 100);
    assert_int_equal(chmod(home->socket, 0666), 0);
    assert_int_equal(ask_as_stranger(home), 0);
    assert_alive(home);
}

static void second_server_on_the_same_path_is_locked_out(void **state)
{
    struct home *home = *state;
    const struct control_options options = {
        .socket_path = home->socket,
        .node = home->node,
        .registry = home->registry,
        .log = home->log,
    };
    struct control *second = NULL;
    struct fault fault = {.status = STATUS_OK};
    assert_int_equal(control_start(&options, &second, &fault), STATUS_LOCKED);
    assert_null(second);
    assert_alive(home);
}

static void client_without_server_is_told_unreachable(void **state)
{
    struct home *home = *state;
    struct control_client *client = NULL;
    home_stop(home);
    assert_int_equal(control_connect(home->socket, &client), STATUS_UNREACHABLE);
    assert_null(client);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, serve, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(call_for_status_tells_facts),
        CASE(call_that_is_unknown_is_refused),
        CASE(call_that_is_no_json_is_a_protocol_error),
        CASE(call_to_reload_brings_mains_answer),
        CASE(call_to_drain_only_starts_it),
        CASE(call_for_stats_counts_and_ends_with_eof),
        CASE(command_run_for_others_reads_the_store),
        CASE(command_run_for_others_never_shows_secrets_nor_writes),
        CASE(settings_published_are_told),
        CASE(set_that_was_acknowledged_is_there),
        CASE(set_for_a_prefix_not_homed_is_refused),
        CASE(set_of_garbage_is_answered_and_the_connection_lives),
        CASE(actor_in_the_journal_is_the_peer_whatever_the_set_says),
        CASE(sets_outstanding_are_each_answered_once),
        cmocka_unit_test_setup_teardown(queue_that_is_full_holds_sets_back_and_loses_none,
                                        serve_narrow, stop),
        CASE(set_whose_sender_left_is_committed_all_the_same),
        CASE(frame_with_a_lying_length_closes_only_its_connection),
        CASE(frame_of_unknown_kind_closes_only_its_connection),
        CASE(peer_that_stalls_in_a_frame_delays_nobody),
        CASE(peer_that_never_reads_is_no_longer_read),
        CASE(connections_beyond_the_limit_are_refused_until_one_ends),
        CASE(peer_of_another_user_is_refused),
        CASE(second_server_on_the_same_path_is_locked_out),
        CASE(client_without_server_is_told_unreachable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
