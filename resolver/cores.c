/* SPDX-License-Identifier: Apache-2.0
 *
 * sched_getaffinity, and what the kernel shows about interfaces (cores.h).
 */
#include "resolver/cores.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT_ROOM 512

size_t cores_allowed(int out_cpus[CORES_MAX])
{
    cpu_set_t allowed;
    size_t count = 0;
    if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0) {
        for (int cpu = 0; cpu < CPU_SETSIZE && count < CORES_MAX; cpu++) {
            if (CPU_ISSET((size_t)cpu, &allowed)) {
                out_cpus[count++] = cpu;
            }
        }
    }
    if (count == 0) {
        out_cpus[count++] = 0;
    }
    return count;
}

bool cores_pin(int cpu)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((size_t)cpu, &one);
    return sched_setaffinity(0, sizeof(one), &one) == 0;
}

static DIR *open_folder(int at, const char *name)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (folder == NULL && fd >= 0) {
        (void)close(fd);
    }
    return folder;
}

/* Empty when it cannot be read. */
static void read_text(int at, const char *name, char out[TEXT_ROOM])
{
    int fd = openat(at, name, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? 0 : read(fd, out, TEXT_ROOM - 1);
    out[len < 0 ? 0 : len] = '\0';
    if (fd >= 0) {
        (void)close(fd);
    }
}

/* "00000000,0000000f": the CPUs one queue's packets are passed on to. */
static size_t cpus_of_mask(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text++) {
        char digit[2] = {*text, '\0'};
        if (isxdigit((unsigned char)*text)) {
            count += (size_t)__builtin_popcountl(strtoul(digit, NULL, 16));
        }
    }
    return count;
}

static bool interface_spreads(int interface, size_t count)
{
    char mask[TEXT_ROOM];
    size_t queues = 0;
    DIR *folder = open_folder(interface, "queues");
    if (folder == NULL) {
        return false;
    }
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        queues += strncmp(entry->d_name, "rx-", 3) == 0;
    }
    (void)closedir(folder);
    read_text(interface, "queues/rx-0/rps_cpus", mask);
    return queues >= count || cpus_of_mask(mask) >= count;
}

/* What is local is handled on the CPU of whoever sends it. */
static bool matters(int interface, const char *name)
{
    char state[TEXT_ROOM];
    read_text(interface, "operstate", state);
    return strcmp(name, "lo") != 0 && strncmp(state, "down", 4) != 0;
}

bool cores_receive_spread(const char *directory, size_t count)
{
    DIR *folder = open_folder(AT_FDCWD, directory);
    bool spreads = folder != NULL;
    for (const struct dirent *entry; spreads && (entry = readdir(folder)) != NULL;) {
        int interface = entry->d_name[0] == '.' ? -1
                                                : openat(dirfd(folder), entry->d_name,
                                                         O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (interface >= 0) {
            spreads = !matters(interface, entry->d_name) || interface_spreads(interface, count);
            (void)close(interface);
        }
    }
    if (folder != NULL) {
        (void)closedir(folder);
    }
    return spreads;
}
