/* SPDX-License-Identifier: Apache-2.0
 *
 * Sockets a service manager opened for us (sd_listen_fds(3)'s protocol), without its library.
 *
 * They stay open in the manager while no daemon runs: what arrives meanwhile waits in them and is
 * answered by the next one.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "protocol/status.h"
#include "resolver/exchange.h"

#define ACTIVATION_MAX 64 /* what one worker can listen on (worker.h) */

struct activation {
    size_t count;
    int fds[ACTIVATION_MAX];
    enum exchange_transport as[ACTIVATION_MAX]; /* by its name: "tls", "http", "https"; else TCP */
};

/* What LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES say; NULL for those not set. */
struct activation_words {
    const char *pid;
    const char *count;
    const char *names; /* one for each descriptor, ':' between them */
};

/* The descriptors from `first` on that are meant for process `self`; none when there are no words
 * or they are for somebody else. Each is made close-on-exec and non-blocking. BAD_SETTING: the
 * words make no sense, or a descriptor is no UDP or listening TCP socket, or it is named for a
 * service we do not have. On failure all descriptors stay open. */
enum status activation_read(const struct activation_words *words, pid_t self, int first,
                            struct activation *out_activation, struct fault *fault);

/* The same from this process's environment, whose words are removed: they are not for children.
 * Before other threads start. */
enum status activation_take(struct activation *out_activation, struct fault *fault);

/* Whoever serves a socket by then holds a descriptor of its own. */
void activation_close(struct activation *activation);
