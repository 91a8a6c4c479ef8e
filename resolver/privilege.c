/* SPDX-License-Identifier: Apache-2.0
 *
 * Dropping root and setting limits (privilege.h), before any thread starts.
 */
#include "resolver/privilege.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

bool privilege_is_root(void)
{
    return geteuid() == 0;
}

enum status privilege_drop(const char *directory, struct fault *fault)
{
    if (!privilege_is_root()) {
        return STATUS_OK;
    }
    struct stat there;
    char reason[96];
    if (stat(directory, &there) != 0) {
        return fault_set(fault, STATUS_SYSTEM, "%s: %s", directory,
                         strerror_r(errno, reason, sizeof(reason)));
    }
    if (there.st_uid == 0) {
        return STATUS_OK;
    }
    if (setgroups(1, &there.st_gid) != 0 || setgid(there.st_gid) != 0 ||
        setuid(there.st_uid) != 0) {
        return fault_set(fault, STATUS_SYSTEM, "cannot become the owner of %s: %s", directory,
                         strerror_r(errno, reason, sizeof(reason)));
    }
    if (setuid(0) == 0) {
        return fault_set(fault, STATUS_SYSTEM, "could become root again after leaving it");
    }
    return STATUS_OK;
}

/* The leak checker attaches to its own process. */
#if defined(__SANITIZE_ADDRESS__)
#define IS_CHECKED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_CHECKED 1
#endif
#endif
#ifndef IS_CHECKED
#define IS_CHECKED 0
#endif

void privilege_hide_memory(void)
{
    if (!IS_CHECKED) {
        (void)prctl(PR_SET_DUMPABLE, 0);
    }
}

void privilege_raise_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}
