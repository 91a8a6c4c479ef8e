/* SPDX-License-Identifier: Apache-2.0
 *
 * Steering on real sockets: what is local is handled on the sender's CPU, so that it is the sender
 * who chooses the socket here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <sys/socket.h>
#include <unistd.h>

#include "resolver/cores.h"
#include "resolver/net_socket.h"
#include "resolver/net_steer.h"

#define SOCKETS 3
#define SENT 64

/* `SOCKETS` sockets of one address. */
static void open_group(int type, int fds[SOCKETS])
{
    struct net_address address;
    assert_int_equal(net_address_parse("127.0.0.1", 0, &address), STATUS_OK);
    for (size_t i = 0; i < SOCKETS; i++) {
        enum status status = type == SOCK_DGRAM ? net_socket_udp(&address, &fds[i], NULL)
                                                : net_socket_listen(&address, &fds[i], NULL);
        assert_int_equal(status, STATUS_OK);
        address = net_socket_local(fds[i]);
    }
}

static void close_group(const int fds[SOCKETS])
{
    for (size_t i = 0; i < SOCKETS; i++) {
        (void)close(fds[i]);
    }
}

/* From as many ports as datagrams: a hash would spread them. */
static void send_from_many_ports(const struct net_address *to)
{
    struct sockaddr_storage storage;
    socklen_t len = net_socket_address(to, &storage);
    for (int i = 0; i < SENT; i++) {
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        assert_int_equal(sendto(fd, "x", 1, 0, (struct sockaddr *)&storage, len), 1);
        (void)close(fd);
    }
}

static int count_waiting(int fd)
{
    char got[4];
    int count = 0;
    while (recv(fd, got, sizeof(got), MSG_DONTWAIT) == 1) {
        count++;
    }
    return count;
}

/* All of it at the socket whose CPU is `here`, the `mine`th. */
static void expect_all_at(size_t mine, int here)
{
    int fds[SOCKETS];
    int cpus[SOCKETS];
    open_group(SOCK_DGRAM, fds);
    for (size_t i = 0; i < SOCKETS; i++) {
        cpus[i] = i == mine ? here : 700 + (int)i;
    }
    assert_int_equal(net_steer_socket(fds[0], cpus, SOCKETS), STATUS_OK);
    struct net_address to = net_socket_local(fds[0]);
    send_from_many_ports(&to);
    for (size_t i = 0; i < SOCKETS; i++) {
        assert_int_equal(count_waiting(fds[i]), i == mine ? SENT : 0);
    }
    close_group(fds);
}

static void datagrams_go_to_the_socket_of_the_cpu_they_are_handled_on(void **state)
{
    (void)state;
    static int cpus[CORES_MAX];
    (void)cores_allowed(cpus);
    assert_true(cores_pin(cpus[0]));
    for (size_t mine = 0; mine < SOCKETS; mine++) {
        expect_all_at(mine, cpus[0]);
    }
}

static void connections_are_steered_as_datagrams_are(void **state)
{
    (void)state;
    static int allowed[CORES_MAX];
    int fds[SOCKETS];
    (void)cores_allowed(allowed);
    assert_true(cores_pin(allowed[0]));
    int cpus[SOCKETS] = {700, allowed[0], 701};
    open_group(SOCK_STREAM, fds);
    assert_int_equal(net_steer_socket(fds[2], cpus, SOCKETS), STATUS_OK);
    struct net_address to = net_socket_local(fds[0]);
    struct sockaddr_storage storage;
    socklen_t len = net_socket_address(&to, &storage);
    for (int i = 0; i < 8; i++) {
        int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(client, (struct sockaddr *)&storage, len), 0);
        int server = accept(fds[1], NULL, NULL);
        assert_true(server >= 0);
        (void)close(server);
        (void)close(client);
    }
    close_group(fds);
}

static void what_arrives_on_another_cpu_is_taken_all_the_same(void **state)
{
    (void)state;
    int fds[SOCKETS];
    int cpus[SOCKETS] = {700, 701, 702};
    open_group(SOCK_DGRAM, fds);
    assert_int_equal(net_steer_socket(fds[0], cpus, SOCKETS), STATUS_OK);
    struct net_address to = net_socket_local(fds[0]);
    send_from_many_ports(&to);
    assert_int_equal(count_waiting(fds[0]) + count_waiting(fds[1]) + count_waiting(fds[2]), SENT);
    close_group(fds);
}

static void kernel_is_asked_beforehand_and_nonsense_refused(void **state)
{
    (void)state;
    int cpus[2] = {0, 1};
    assert_int_equal(net_steer_try(cpus, 2), STATUS_OK);
    assert_int_equal(net_steer_try(cpus, 0), STATUS_NOT_SUPPORTED);
    assert_int_equal(net_steer_socket(-1, cpus, 2), STATUS_NOT_SUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(datagrams_go_to_the_socket_of_the_cpu_they_are_handled_on),
        cmocka_unit_test(connections_are_steered_as_datagrams_are),
        cmocka_unit_test(what_arrives_on_another_cpu_is_taken_all_the_same),
        cmocka_unit_test(kernel_is_asked_beforehand_and_nonsense_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
