/* SPDX-License-Identifier: Apache-2.0
 *
 * The CPUs this process may use, and whether what arrives from the network reaches all of them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define CORES_MAX 1024 /* what sched_getaffinity tells about */
#define CORES_INTERFACES "/sys/class/net"

/* In ascending order, as the cpuset of the process says; at least one. */
size_t cores_allowed(int out_cpus[CORES_MAX]);

/* Has every interface of `directory` (CORES_INTERFACES) a receive queue for each of `count` CPUs,
 * or spreads in software (RPS)? A machine with one queue handles everything on one CPU. */
bool cores_receive_spread(const char *directory, size_t count);

/* The calling thread runs on `cpu` alone; false: it may not, and runs on as before. */
bool cores_pin(int cpu);
