/* SPDX-License-Identifier: Apache-2.0
 *
 * Which of the sockets that share an address takes what arrives: a small program for the kernel
 * (classic BPF), behind net_steer. Without one the kernel chooses by a hash of both addresses.
 */
#pragma once

#include "resolver/net.h"

#define NET_STEER_MAX 1024

/* Attaches it to the group of `fd`, which has SO_REUSEPORT. NOT_SUPPORTED: the kernel will not. */
enum status net_steer_socket(int fd, const int *cpus, size_t count);

/* NOT_SUPPORTED as above, tried on a socket of its own. */
enum status net_steer_try(const int *cpus, size_t count);
