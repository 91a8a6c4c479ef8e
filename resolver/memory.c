/* SPDX-License-Identifier: Apache-2.0
 *
 * /proc/meminfo and the control groups above this process, version 2 (memory.h).
 */
#include "resolver/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_ROOM 1024
#define TEXT_ROOM 8192 /* meminfo and memory.stat have a few dozen lines */

static bool read_text(const char *path, char out[TEXT_ROOM])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, out, TEXT_ROOM - 1);
    if (fd >= 0) {
        (void)close(fd);
    }
    out[len < 0 ? 0 : len] = '\0';
    return len > 0;
}

/* The number behind `name` at the start of a line; UINT64_MAX: none. */
static uint64_t number_of(const char *text, const char *name)
{
    size_t len = strlen(name);
    for (const char *line = text; line != NULL && *line != '\0';) {
        if (strncmp(line, name, len) == 0) {
            char *end;
            uint64_t number = strtoull(line + len, &end, 10);
            return end == line + len ? UINT64_MAX : number;
        }
        line = strchr(line, '\n');
        line = line == NULL ? NULL : line + 1;
    }
    return UINT64_MAX;
}

static uint64_t system_available(const char *root)
{
    char path[PATH_ROOM];
    char text[TEXT_ROOM];
    (void)snprintf(path, sizeof(path), "%s/proc/meminfo", root);
    uint64_t kib = read_text(path, text) ? number_of(text, "MemAvailable:") : UINT64_MAX;
    return kib > UINT64_MAX / 1024 ? UINT64_MAX : kib * 1024;
}

/* UINT64_MAX: this group sets no limit. */
static uint64_t group_available(const char *folder)
{
    char path[2 * PATH_ROOM];
    char text[TEXT_ROOM];
    (void)snprintf(path, sizeof(path), "%s/memory.max", folder);
    uint64_t most = read_text(path, text) ? number_of(text, "") : UINT64_MAX; /* "max": none */
    (void)snprintf(path, sizeof(path), "%s/memory.current", folder);
    uint64_t used = read_text(path, text) ? number_of(text, "") : UINT64_MAX;
    (void)snprintf(path, sizeof(path), "%s/memory.stat", folder);
    uint64_t files = read_text(path, text) ? number_of(text, "file ") : UINT64_MAX;
    if (most == UINT64_MAX || used == UINT64_MAX) {
        return most;
    }
    uint64_t kept = files == UINT64_MAX || files > used ? used : used - files;
    return most > kept ? most - kept : 0;
}

/* The group of the process and all above it. */
static uint64_t groups_available(const char *root)
{
    char path[PATH_ROOM];
    char text[TEXT_ROOM];
    uint64_t least = UINT64_MAX;
    (void)snprintf(path, sizeof(path), "%s/proc/self/cgroup", root);
    const char *own = read_text(path, text) ? strstr(text, "0::/") : NULL;
    if (own == NULL) {
        return UINT64_MAX;
    }
    int len = snprintf(path, sizeof(path), "%s/sys/fs/cgroup%.*s", root,
                       (int)strcspn(own + 3, "\n"), own + 3);
    size_t shortest = strlen(root) + strlen("/sys/fs/cgroup");
    if (len < 0 || (size_t)len >= sizeof(path)) {
        return UINT64_MAX;
    }
    for (char *end = path + len; end != NULL && (size_t)(end - path) >= shortest;
         end = strrchr(path, '/')) {
        *end = '\0';
        uint64_t here = group_available(path);
        least = here < least ? here : least;
    }
    return least;
}

uint64_t memory_available(const char *root)
{
    uint64_t system = system_available(root);
    uint64_t groups = groups_available(root);
    return system < groups ? system : groups;
}
