/* SPDX-License-Identifier: Apache-2.0
 *
 * What a service manager hands over is taken as it says, or refused with the reason.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "resolver/activation.h"

#define FIRST 100 /* far from what the test itself has open */

static void place(int fd, int at)
{
    assert_true(fd >= 0);
    assert_int_equal(dup2(fd, at), at);
    assert_int_equal(close(fd), 0);
}

static int bound(int type)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, type, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static int listening(void)
{
    int fd = bound(SOCK_STREAM);
    assert_int_equal(listen(fd, 8), 0);
    return fd;
}

static int open_two(void **state)
{
    (void)state;
    place(bound(SOCK_DGRAM), FIRST);
    place(listening(), FIRST + 1);
    return 0;
}

static int close_two(void **state)
{
    (void)state;
    (void)close(FIRST);
    (void)close(FIRST + 1);
    return 0;
}

static enum status read_words(const char *count, const char *names, struct activation *out,
                              struct fault *fault)
{
    char pid[16];
    (void)snprintf(pid, sizeof(pid), "%ld", (long)getpid());
    const struct activation_words words = {pid, count, names};
    return activation_read(&words, getpid(), FIRST, out, fault);
}

static void sockets_when_meant_for_us_are_taken_and_kept_from_children(void **state)
{
    (void)state;
    struct activation given;
    assert_int_equal(read_words("2", "handle:handle", &given, NULL), STATUS_OK);
    assert_int_equal(given.count, 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(given.fds[i], FIRST + i);
        assert_true((fcntl(given.fds[i], F_GETFD) & FD_CLOEXEC) != 0);
        assert_true((fcntl(given.fds[i], F_GETFL) & O_NONBLOCK) != 0);
    }
    activation_close(&given);
    assert_int_equal(given.count, 0);
    assert_int_equal(fcntl(FIRST, F_GETFD), -1);
    assert_int_equal(fcntl(FIRST + 1, F_GETFD), -1);
}

static void sockets_when_unnamed_are_taken(void **state)
{
    (void)state;
    static const char *const names[] = {NULL, "", "unknown:unknown", "guantongd.socket", ":handle"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct activation given;
        assert_int_equal(read_words("2", names[i], &given, NULL), STATUS_OK);
        assert_int_equal(given.count, 2);
    }
}

static void sockets_when_named_tls_are_marked(void **state)
{
    (void)state;
    struct activation given;
    struct fault fault = {0};
    assert_int_equal(read_words("2", "handle:tls", &given, NULL), STATUS_OK);
    assert_int_equal(given.as[0], EXCHANGE_TCP);
    assert_int_equal(given.as[1], EXCHANGE_TLS);
    assert_int_equal(read_words("2", "tls:handle", &given, &fault), STATUS_BAD_SETTING);
    assert_non_null(strstr(fault.text, "descriptor 100")); /* a UDP socket */
}

static void sockets_when_for_another_process_are_left_alone(void **state)
{
    (void)state;
    char other[16];
    (void)snprintf(other, sizeof(other), "%ld", (long)getppid());
    static const char *const nobody[] = {NULL, "", "x", "1x", "-1", "99999999999999999999"};
    for (size_t i = 0; i <= sizeof(nobody) / sizeof(nobody[0]); i++) {
        const char *pid = i == 0 ? other : nobody[i - 1];
        const struct activation_words words = {pid, "2", NULL};
        struct activation given = {.count = 7};
        assert_int_equal(activation_read(&words, getpid(), FIRST, &given, NULL), STATUS_OK);
        assert_int_equal(given.count, 0);
    }
    struct activation given = {.count = 7};
    assert_int_equal(read_words(NULL, NULL, &given, NULL), STATUS_OK);
    assert_int_equal(given.count, 0);
    assert_int_equal(fcntl(FIRST, F_GETFD) & FD_CLOEXEC, 0);
}

static void count_when_no_number_in_range_is_refused(void **state)
{
    (void)state;
    static const char *const counts[] = {"", "two", "2 ", "-1", "65", "99999999999999999999"};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        struct activation given = {.count = 7};
        struct fault fault = {0};
        assert_int_equal(read_words(counts[i], NULL, &given, &fault), STATUS_BAD_SETTING);
        assert_non_null(strstr(fault.text, "LISTEN_FDS"));
        assert_int_equal(given.count, 7);
    }
}

static void name_when_of_another_service_is_refused_with_it(void **state)
{
    (void)state;
    struct activation given;
    struct fault fault = {0};
    assert_int_equal(read_words("2", "handle:gopher", &given, &fault), STATUS_BAD_SETTING);
    assert_non_null(strstr(fault.text, "descriptor 101"));
    assert_non_null(strstr(fault.text, "\"gopher\""));
}

static void refuse_descriptor(int fd)
{
    struct activation given;
    struct fault fault = {0};
    if (fd < 0) {
        assert_int_equal(close(FIRST + 1), 0);
    } else {
        place(fd, FIRST + 1);
    }
    assert_int_equal(read_words("2", NULL, &given, &fault), STATUS_BAD_SETTING);
    assert_non_null(strstr(fault.text, "descriptor 101"));
}

static void descriptor_when_no_socket_of_ours_is_refused(void **state)
{
    (void)state;
    refuse_descriptor(open("/dev/null", O_RDONLY));
    refuse_descriptor(socket(AF_UNIX, SOCK_DGRAM, 0));
    refuse_descriptor(bound(SOCK_STREAM)); /* does not listen */
    refuse_descriptor(-1);
}

/* In a child: the protocol's first descriptor is in use here. */
static void environment_when_taken_is_cleared(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char pid[16];
        struct activation given;
        (void)snprintf(pid, sizeof(pid), "%ld", (long)getpid());
        bool is_right = dup2(FIRST + 1, 3) == 3 && setenv("LISTEN_PID", pid, 1) == 0 &&
                        setenv("LISTEN_FDS", "1", 1) == 0 &&
                        setenv("LISTEN_FDNAMES", "handle", 1) == 0 &&
                        activation_take(&given, NULL) == STATUS_OK && given.count == 1 &&
                        given.fds[0] == 3 && getenv("LISTEN_PID") == NULL &&
                        getenv("LISTEN_FDS") == NULL && getenv("LISTEN_FDNAMES") == NULL;
        _exit(is_right ? 0 : 1);
    }
    int how = 0;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFEXITED(how));
    assert_int_equal(WEXITSTATUS(how), 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, open_two, close_two)
    const struct CMUnitTest tests[] = {
        CASE(sockets_when_meant_for_us_are_taken_and_kept_from_children),
        CASE(sockets_when_unnamed_are_taken),
        CASE(sockets_when_named_tls_are_marked),
        CASE(sockets_when_for_another_process_are_left_alone),
        CASE(count_when_no_number_in_range_is_refused),
        CASE(name_when_of_another_service_is_refused_with_it),
        CASE(descriptor_when_no_socket_of_ours_is_refused),
        CASE(environment_when_taken_is_cleared),
    };
#undef CASE
    return cmocka_run_group_tests(tests, NULL, NULL);
}
