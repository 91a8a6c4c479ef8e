/* SPDX-License-Identifier: Apache-2.0
 *
 * net.h on real sockets: the promises the fake network takes for granted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "resolver/net.h"
#include "resolver/net_socket.h"
#include "resolver/notify.h"

#define PATIENCE_MS 20000

/* What the callbacks of a case saw. */
struct seen {
    struct net *net;
    struct net_timer *patience;
    struct net_udp *udp;
    struct net_stream *client;
    struct net_stream *server;
    struct net_listener *listener;
    struct net_datagram datagram;
    uint8_t room[2048];
    size_t room_len;
    int events;
    enum status status;
    bool ran_out;
};

static void on_patience(void *context)
{
    struct seen *seen = context;
    seen->ran_out = true;
    net_stop(seen->net);
}

static void begin(struct seen *seen)
{
    *seen = (struct seen){0};
    assert_int_equal(net_new(&seen->net), STATUS_OK);
    assert_int_equal(net_timer_new(seen->net, on_patience, seen, &seen->patience), STATUS_OK);
    net_timer_start(seen->patience, PATIENCE_MS);
}

static void end(struct seen *seen)
{
    net_udp_close(seen->udp);
    net_stream_close(seen->client);
    net_stream_close(seen->server);
    net_listener_close(seen->listener);
    net_timer_free(seen->patience);
    net_free(seen->net);
}

static void run(struct seen *seen)
{
    net_run(seen->net);
    assert_false(seen->ran_out);
}

static struct net_address parsed(const char *ip, uint16_t port)
{
    struct net_address address;
    assert_int_equal(net_address_parse(ip, port, &address), STATUS_OK);
    return address;
}

/* --- timers and signals ---------------------------------------------------------------------- */

static void on_count(void *context)
{
    struct seen *seen = context;
    seen->events++;
}

static void on_stop(void *context)
{
    struct seen *seen = context;
    net_stop(seen->net);
}

static void stopped_timer_does_not_fire_and_a_restarted_one_fires_once(void **state)
{
    (void)state;
    struct seen seen;
    struct net_timer *counted;
    struct net_timer *stopped;
    struct net_timer *last;
    begin(&seen);
    assert_int_equal(net_timer_new(seen.net, on_count, &seen, &counted), STATUS_OK);
    assert_int_equal(net_timer_new(seen.net, on_count, &seen, &stopped), STATUS_OK);
    assert_int_equal(net_timer_new(seen.net, on_stop, &seen, &last), STATUS_OK);
    int64_t before = net_now_ms(seen.net);
    net_timer_start(counted, 1);
    net_timer_start(counted, 20);
    net_timer_start(stopped, 5);
    net_timer_stop(stopped);
    net_timer_start(last, 60);
    run(&seen);
    assert_int_equal(seen.events, 1);
    assert_true(net_now_ms(seen.net) - before >= 60);
    net_timer_free(counted);
    net_timer_free(stopped);
    net_timer_free(last);
    end(&seen);
}

static void signal_reaches_the_loop_and_is_ours_no_more_after_free(void **state)
{
    (void)state;
    struct seen seen;
    struct net_signal *number;
    begin(&seen);
    assert_int_equal(net_signal_new(seen.net, SIGUSR1, on_stop, &seen, &number), STATUS_OK);
    assert_int_equal(raise(SIGUSR1), 0);
    run(&seen);
    net_signal_free(number);
    struct sigaction now;
    assert_int_equal(sigaction(SIGUSR1, NULL, &now), 0);
    assert_true(now.sa_handler == SIG_DFL);
    end(&seen);
}

/* --- UDP ------------------------------------------------------------------------------------- */

static void on_datagram(void *context)
{
    struct seen *seen = context;
    seen->datagram.data = seen->room;
    seen->datagram.size = sizeof(seen->room);
    if (net_udp_receive(seen->udp, &seen->datagram, 1) == 1) {
        net_stop(seen->net);
    }
}

/* A wildcard socket is asked at `ip`; its answer must leave from there. */
static void answer_from_wildcard(const char *any, const char *ip)
{
    struct seen server;
    struct seen client;
    begin(&server);
    begin(&client);
    struct net_address bound = parsed(any, 0);
    if (net_udp_open(server.net, &bound, on_datagram, &server, &server.udp, NULL) != STATUS_OK) {
        end(&server);
        end(&client);
        return; /* this machine has no IPv6 */
    }
    struct net_address at = parsed(ip, net_udp_local(server.udp).port);
    struct net_address anywhere = parsed(any, 0);
    assert_int_equal(net_udp_open(client.net, &anywhere, on_datagram, &client, &client.udp, NULL),
                     STATUS_OK);
    struct net_datagram question = {.data = (uint8_t[]){1, 2, 3}, .len = 3, .peer = at};
    assert_int_equal(net_udp_send(client.udp, &question, 1), 1);
    run(&server);
    assert_int_equal(server.datagram.len, 3);
    assert_memory_equal(server.datagram.local.ip, at.ip, 16);
    assert_int_equal(net_udp_send(server.udp, &server.datagram, 1), 1);
    run(&client);
    assert_true(net_address_equal(&client.datagram.peer, &at));
    end(&server);
    end(&client);
}

static void answer_of_a_wildcard_socket_leaves_from_the_address_asked(void **state)
{
    (void)state;
    answer_from_wildcard("0.0.0.0", "127.0.0.9");
    answer_from_wildcard("::", "::1");
}

static void batch_of_hundreds_arrives_and_bad_addresses_are_skipped(void **state)
{
    (void)state;
    struct seen seen;
    struct net_datagram out[300];
    begin(&seen);
    struct net_address bound = parsed("127.0.0.1", 0);
    assert_int_equal(net_udp_open(seen.net, &bound, on_count, &seen, &seen.udp, NULL), STATUS_OK);
    struct net_address here = net_udp_local(seen.udp);
    struct net_address nowhere = parsed("127.0.0.1", 0);
    for (size_t i = 0; i < 300; i++) {
        out[i] = (struct net_datagram){
            .data = seen.room, .len = 10 + i, .peer = i % 100 == 7 ? nowhere : here};
    }
    assert_int_equal(net_udp_send(seen.udp, out, 300), 297);
    struct net_datagram in[NET_SOCKET_BATCH];
    static uint8_t rooms[NET_SOCKET_BATCH][512];
    size_t got = 0;
    for (size_t i = 0; i < NET_SOCKET_BATCH; i++) {
        in[i] = (struct net_datagram){.data = rooms[i], .size = sizeof(rooms[i])};
    }
    size_t count;
    while ((count = net_udp_receive(seen.udp, in, NET_SOCKET_BATCH)) > 0) {
        assert_true(net_address_equal(&in[0].peer, &here));
        got += count;
    }
    assert_int_equal(got, 297);
    end(&seen);
}

static void address_in_use_by_another_is_told_and_shared_with_our_own(void **state)
{
    (void)state;
    struct seen seen;
    struct fault fault = {0};
    begin(&seen);
    struct net_address bound = parsed("127.0.0.1", 0);
    assert_int_equal(net_udp_open(seen.net, &bound, on_count, &seen, &seen.udp, NULL), STATUS_OK);
    bound = net_udp_local(seen.udp);
    assert_int_equal(net_socket_probe(&bound, &fault), STATUS_LOCKED);
    assert_non_null(strstr(fault.text, "127.0.0.1:"));
    struct net_udp *second;
    assert_int_equal(net_udp_open(seen.net, &bound, on_count, &seen, &second, NULL), STATUS_OK);
    net_udp_close(second);
    struct net_address foreign = parsed("192.0.2.77", 0);
    assert_int_equal(net_udp_open(seen.net, &foreign, on_count, &seen, &second, &fault),
                     STATUS_SYSTEM);
    assert_non_null(strstr(fault.text, "192.0.2.77"));
    end(&seen);
}

/* --- streams --------------------------------------------------------------------------------- */

static void asking_socket_hears_its_peer_alone(void **state)
{
    struct seen server, asker;
    struct net_address bound = parsed("127.0.0.1", 0);
    struct net_address other = parsed("127.0.0.2", 0);
    struct net_udp *stranger = NULL;
    (void)state;
    begin(&server);
    begin(&asker);
    assert_int_equal(net_udp_open(server.net, &bound, on_datagram, &server, &server.udp, NULL),
                     STATUS_OK);
    assert_int_equal(net_udp_open(server.net, &other, on_count, &server, &stranger, NULL),
                     STATUS_OK);
    struct net_address at = net_udp_local(server.udp);
    assert_int_equal(net_udp_connect(asker.net, &at, on_datagram, &asker, &asker.udp), STATUS_OK);
    uint8_t word[] = "question";
    struct net_datagram out = {.data = word, .len = sizeof(word), .peer = at};
    assert_int_equal(net_udp_send(asker.udp, &out, 1), 1);
    run(&server);
    struct net_address from = server.datagram.peer;
    assert_int_equal(from.port, net_udp_local(asker.udp).port);
    struct net_datagram lie = {.data = (uint8_t *)"lie", .len = 4, .peer = from};
    struct net_datagram truth = {.data = (uint8_t *)"truth", .len = 6, .peer = from};
    assert_int_equal(net_udp_send(stranger, &lie, 1), 1);
    assert_int_equal(net_udp_send(server.udp, &truth, 1), 1);
    run(&asker);
    assert_int_equal(asker.datagram.len, 6);
    struct net_udp *second = NULL;
    struct net_address own = net_udp_local(asker.udp);
    struct fault fault = {0};
    assert_int_equal(net_udp_open(server.net, &own, on_count, &server, &second, &fault),
                     STATUS_SYSTEM); /* its port is nobody else's */
    net_udp_close(stranger);
    end(&server);
    end(&asker);
}

static void on_pipe(void *context, int fd, bool is_readable, bool is_writable)
{
    struct seen *seen = context;
    char byte = 0;
    seen->events += is_writable ? 100 : 1;
    if (is_readable) {
        assert_int_equal(read(fd, &byte, 1), 1);
    }
    net_stop(seen->net);
}

static void watched_descriptor_tells_what_was_wanted(void **state)
{
    struct seen seen;
    struct net_watch *in = NULL;
    struct net_watch *out = NULL;
    int ends[2];
    (void)state;
    begin(&seen);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(net_watch_new(seen.net, ends[0], on_pipe, &seen, &in), STATUS_OK);
    assert_int_equal(net_watch_new(seen.net, ends[1], on_pipe, &seen, &out), STATUS_OK);
    net_watch_want(in, true, false);
    assert_int_equal(write(ends[1], "x", 1), 1);
    run(&seen);
    assert_int_equal(seen.events, 1);
    net_watch_want(in, false, false);
    net_watch_want(out, false, true);
    run(&seen);
    assert_int_equal(seen.events, 101);
    net_watch_free(in);
    net_watch_free(out);
    (void)close(ends[0]);
    (void)close(ends[1]);
    end(&seen);
}

static void on_echo_readable(void *context)
{
    struct seen *seen = context;
    size_t len = 0;
    enum status status = net_stream_read(seen->server, seen->room, sizeof(seen->room), &len);
    if (status == STATUS_OK) {
        assert_int_equal(net_stream_write(seen->server, bytes_of(seen->room, len), &len),
                         STATUS_OK);
    } else if (status == STATUS_CLOSED) { /* the object the callback belongs to */
        net_stream_close(seen->server);
        seen->server = NULL;
        net_stop(seen->net);
    }
}

static void on_accepted(void *context, struct net_stream *stream)
{
    static const struct net_stream_events events = {.readable = on_echo_readable};
    struct seen *seen = context;
    seen->server = stream;
    net_stream_set_events(stream, &events, seen);
    net_stream_want(stream, true, false);
    net_listener_close(seen->listener);
    seen->listener = NULL;
}

static void on_client_writable(void *context)
{
    struct seen *seen = context;
    size_t len = 0;
    assert_int_equal(net_stream_write(seen->client, BYTES_LITERAL("hello"), &len), STATUS_OK);
    net_stream_want(seen->client, true, false);
}

static void on_client_readable(void *context)
{
    struct seen *seen = context;
    size_t len = 0;
    if (net_stream_read(seen->client, seen->room + 100, 100, &len) == STATUS_OK) {
        seen->room_len += len;
        net_stream_close(seen->client);
        seen->client = NULL;
    }
}

static void on_client_failed(void *context, enum status status)
{
    struct seen *seen = context;
    seen->status = status;
    net_stream_close(seen->client);
    seen->client = NULL;
    net_stop(seen->net);
}

static const struct net_stream_events client_events = {
    .readable = on_client_readable,
    .writable = on_client_writable,
    .failed = on_client_failed,
};

static void connection_carries_bytes_both_ways_and_may_be_closed_in_callbacks(void **state)
{
    (void)state;
    struct seen seen;
    begin(&seen);
    struct net_address bound = parsed("127.0.0.1", 0);
    assert_int_equal(net_listen(seen.net, &bound, on_accepted, &seen, &seen.listener, NULL),
                     STATUS_OK);
    struct net_address at = net_listener_local(seen.listener);
    assert_int_equal(net_connect(seen.net, &at, &client_events, &seen, &seen.client), STATUS_OK);
    run(&seen);
    assert_int_equal(seen.room_len, 5);
    assert_memory_equal(seen.room + 100, "hello", 5);
    assert_null(seen.server);
    end(&seen);
}

static void connection_to_nobody_is_unreachable(void **state)
{
    (void)state;
    struct seen seen;
    begin(&seen);
    struct net_address bound = parsed("127.0.0.1", 0);
    assert_int_equal(net_listen(seen.net, &bound, on_accepted, &seen, &seen.listener, NULL),
                     STATUS_OK);
    struct net_address at = net_listener_local(seen.listener);
    net_listener_close(seen.listener);
    seen.listener = NULL;
    enum status status = net_connect(seen.net, &at, &client_events, &seen, &seen.client);
    if (status == STATUS_OK) {
        run(&seen);
        status = seen.status;
    }
    assert_int_equal(status, STATUS_UNREACHABLE);
    end(&seen);
}

static void unix_listener_replaces_a_socket_nobody_listens_on(void **state)
{
    (void)state;
    char directory[] = "/tmp/guantong-test-XXXXXX";
    char path[64];
    struct seen seen;
    assert_non_null(mkdtemp(directory));
    (void)snprintf(path, sizeof(path), "%s/s", directory);
    for (int round = 0; round < 2; round++) { /* the first leaves its file behind */
        begin(&seen);
        assert_int_equal(net_listen_unix(seen.net, path, on_accepted, &seen, &seen.listener, NULL),
                         STATUS_OK);
        struct stat facts;
        assert_int_equal(stat(path, &facts), 0);
        assert_int_equal(facts.st_mode & 0777, 0660);
        assert_int_equal(net_connect_unix(seen.net, path, &client_events, &seen, &seen.client),
                         STATUS_OK);
        run(&seen);
        assert_int_equal(seen.room_len, 5);
        end(&seen);
    }
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(directory), 0);
}

static void on_credentials(void *context, struct net_stream *stream)
{
    struct seen *seen = context;
    struct net_credentials peer;
    assert_int_equal(net_stream_credentials(stream, &peer), STATUS_OK);
    assert_int_equal(peer.uid, getuid());
    assert_int_equal(peer.pid, getpid());
    net_stream_close(stream);
    if (++seen->events == 3) { /* two clients, and who wanted to listen, too */
        net_stop(seen->net);
    }
}

static void unix_listener_is_alone_and_knows_its_peers_by_credentials(void **state)
{
    (void)state;
    char directory[] = "/tmp/guantong-test-XXXXXX";
    char path[64];
    struct seen seen;
    struct net_stream *clients[2];
    assert_non_null(mkdtemp(directory));
    (void)snprintf(path, sizeof(path), "%s/s", directory);
    begin(&seen);
    assert_int_equal(net_listen_unix(seen.net, path, on_credentials, &seen, &seen.listener, NULL),
                     STATUS_OK);
    struct net_listener *second;
    struct fault fault = {0};
    assert_int_equal(net_listen_unix(seen.net, path, on_credentials, &seen, &second, &fault),
                     STATUS_LOCKED);
    assert_non_null(strstr(fault.text, path));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(net_connect_unix(seen.net, path, &client_events, &seen, &clients[i]),
                         STATUS_OK);
        net_stream_want(clients[i], false, false);
    }
    seen.client = clients[0];
    run(&seen);
    net_stream_close(clients[1]);
    end(&seen);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(directory), 0);
}

/* --- the service manager --------------------------------------------------------------------- */

static void state_is_told_to_the_socket_named_and_to_nobody_else(void **state)
{
    (void)state;
    struct sockaddr_storage manager = {.ss_family = AF_UNIX};
    char text[64] = "";
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&manager, sizeof(sa_family_t)), 0); /* abstract */
    socklen_t len = sizeof(manager);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&manager, &len), 0);
    char name[64] = "@";
    const char *bound = (const char *)&manager + sizeof(sa_family_t) + 1;
    size_t name_len = len - sizeof(sa_family_t) - 1;
    memcpy(name + 1, bound, name_len);
    notify_send(NULL, "READY=1");
    notify_send("relative", "READY=1");
    notify_send(name, "READY=1");
    assert_int_equal(recv(fd, text, sizeof(text) - 1, 0), 7);
    assert_string_equal(text, "READY=1");
    notify_reloading(name);
    assert_true(recv(fd, text, sizeof(text) - 1, 0) > 27);
    assert_memory_equal(text, "RELOADING=1\nMONOTONIC_USEC=", 27);
    assert_int_equal(recv(fd, text, sizeof(text), 0), -1);
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stopped_timer_does_not_fire_and_a_restarted_one_fires_once),
        cmocka_unit_test(signal_reaches_the_loop_and_is_ours_no_more_after_free),
        cmocka_unit_test(answer_of_a_wildcard_socket_leaves_from_the_address_asked),
        cmocka_unit_test(batch_of_hundreds_arrives_and_bad_addresses_are_skipped),
        cmocka_unit_test(address_in_use_by_another_is_told_and_shared_with_our_own),
        cmocka_unit_test(asking_socket_hears_its_peer_alone),
        cmocka_unit_test(watched_descriptor_tells_what_was_wanted),
        cmocka_unit_test(connection_carries_bytes_both_ways_and_may_be_closed_in_callbacks),
        cmocka_unit_test(connection_to_nobody_is_unreachable),
        cmocka_unit_test(unix_listener_replaces_a_socket_nobody_listens_on),
        cmocka_unit_test(unix_listener_is_alone_and_knows_its_peers_by_credentials),
        cmocka_unit_test(state_is_told_to_the_socket_named_and_to_nobody_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
