/* SPDX-License-Identifier: Apache-2.0
 *
 * The program: look at the CPU the packet is handled on, answer with the place of its socket
 * (net_steer.h). What arrives on a CPU without a worker is spread over all of them.
 */
#include "resolver/net_steer.h"

#include <linux/filter.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define STEPS_AROUND 3 /* the load, the remainder, its return */

static void add(struct sock_fprog *program, uint16_t code, uint8_t unequal, uint32_t k)
{
    program->filter[program->len++] = (struct sock_filter){.code = code, .jf = unequal, .k = k};
}

static bool is_identity(const int *cpus, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (cpus[i] != (int)i) {
            return false;
        }
    }
    return true;
}

static void write_program(struct sock_fprog *program, const int *cpus, size_t count)
{
    add(program, BPF_LD | BPF_W | BPF_ABS, 0, (uint32_t)(SKF_AD_OFF + SKF_AD_CPU));
    for (size_t i = 0; i < count && !is_identity(cpus, count); i++) {
        add(program, BPF_JMP | BPF_JEQ | BPF_K, 1, (uint32_t)cpus[i]);
        add(program, BPF_RET | BPF_K, 0, (uint32_t)i);
    }
    add(program, BPF_ALU | BPF_MOD | BPF_K, 0, (uint32_t)count);
    add(program, BPF_RET | BPF_A, 0, 0);
}

enum status net_steer_socket(int fd, const int *cpus, size_t count)
{
    if (count == 0 || count > NET_STEER_MAX) {
        return STATUS_NOT_SUPPORTED;
    }
    struct sock_fprog program = {
        .filter = calloc(2 * count + STEPS_AROUND, sizeof(*program.filter)),
    };
    if (program.filter == NULL) {
        return STATUS_NO_MEMORY;
    }
    write_program(&program, cpus, count);
    int failed = setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program));
    free(program.filter);
    return failed == 0 ? STATUS_OK : STATUS_NOT_SUPPORTED;
}

enum status net_steer_try(const int *cpus, size_t count)
{
    int on = 1;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    enum status status = STATUS_NOT_SUPPORTED;
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0) {
        status = net_steer_socket(fd, cpus, count);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return status;
}
