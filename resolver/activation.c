/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading the words of a service manager and judging its sockets (activation.h).
 */
#include "resolver/activation.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocol/bytes.h"

#define FIRST_DESCRIPTOR 3 /* the protocol's */

/* The decimal number `text` is; -1 for anything else. */
static long number_of(const char *text)
{
    char *end = NULL;
    errno = 0;
    long number = strtol(text, &end, 10);
    return end == text || *end != '\0' || errno != 0 || number < 0 ? -1 : number;
}

/* "handle", "tls", "http" and "https" is what our units call them; the others are given when nobody
 * named them. */
static bool find_name(struct bytes name, enum exchange_transport *out_transport)
{
    static const struct {
        const char *name;
        enum exchange_transport transport;
    } rows[] = {
        {"", EXCHANGE_TCP},
        {"handle", EXCHANGE_TCP},
        {"unknown", EXCHANGE_TCP},
        {"tls", EXCHANGE_TLS},
        {"http", EXCHANGE_HTTP},
        {"https", EXCHANGE_HTTPS},
        {"guantongd.socket", EXCHANGE_TCP},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (bytes_equal(name, bytes_of_text(rows[i].name))) {
            *out_transport = rows[i].transport;
            return true;
        }
    }
    return false;
}

/* Takes the first of the names still in `*names`. */
static struct bytes next_name(const char **names)
{
    const char *start = *names;
    if (start == NULL) {
        return BYTES_NONE;
    }
    size_t len = strcspn(start, ":");
    *names = start[len] == ':' ? start + len + 1 : NULL;
    return bytes_of(start, len);
}

static int option_of(int fd, int name)
{
    int value = -1;
    socklen_t len = sizeof(value);
    return getsockopt(fd, SOL_SOCKET, name, &value, &len) == 0 ? value : -1;
}

static bool can_serve(int fd)
{
    int domain = option_of(fd, SO_DOMAIN);
    if (domain != AF_INET && domain != AF_INET6) {
        return false;
    }
    int type = option_of(fd, SO_TYPE);
    return type == SOCK_DGRAM || (type == SOCK_STREAM && option_of(fd, SO_ACCEPTCONN) == 1);
}

static enum status judge(int fd, struct bytes name, enum exchange_transport *out_transport,
                         struct fault *fault)
{
    if (!find_name(name, out_transport)) {
        return fault_set(fault, STATUS_BAD_SETTING,
                         "LISTEN_FDS: descriptor %d is named \"%.*s\"; only \"handle\", "
                         "\"tls\", \"http\" and \"https\" are served",
                         fd, (int)(name.len < 64 ? name.len : 64), (const char *)name.data);
    }
    if (!can_serve(fd) ||
        (*out_transport != EXCHANGE_TCP && option_of(fd, SO_TYPE) != SOCK_STREAM)) {
        return fault_set(fault, STATUS_BAD_SETTING,
                         "LISTEN_FDS: descriptor %d is no UDP socket and no listening TCP socket",
                         fd);
    }
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
        return fault_set(fault, STATUS_SYSTEM, "LISTEN_FDS: descriptor %d cannot be used", fd);
    }
    return STATUS_OK;
}

enum status activation_read(const struct activation_words *words, pid_t self, int first,
                            struct activation *out_activation, struct fault *fault)
{
    struct activation given = {0};
    if (words->pid == NULL || words->count == NULL || number_of(words->pid) != (long)self) {
        *out_activation = given;
        return STATUS_OK;
    }
    long count = number_of(words->count);
    if (count < 0 || count > ACTIVATION_MAX) {
        return fault_set(fault, STATUS_BAD_SETTING, "LISTEN_FDS is not a number up to %d",
                         ACTIVATION_MAX);
    }
    const char *names = words->names;
    while (given.count < (size_t)count) {
        int fd = first + (int)given.count;
        struct bytes name = next_name(&names);
        enum status status = judge(fd, name, &given.as[given.count], fault);
        if (status != STATUS_OK) {
            return status;
        }
        given.fds[given.count++] = fd;
    }
    *out_activation = given;
    return STATUS_OK;
}

enum status activation_take(struct activation *out_activation, struct fault *fault)
{
    const struct activation_words words = {
        .pid = getenv("LISTEN_PID"),
        .count = getenv("LISTEN_FDS"),
        .names = getenv("LISTEN_FDNAMES"),
    };
    enum status status = activation_read(&words, getpid(), FIRST_DESCRIPTOR, out_activation, fault);
    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_FDNAMES");
    return status;
}

void activation_close(struct activation *activation)
{
    for (size_t i = 0; i < activation->count; i++) {
        (void)close(activation->fds[i]);
    }
    activation->count = 0;
}
