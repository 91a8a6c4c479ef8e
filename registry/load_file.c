/* SPDX-License-Identifier: Apache-2.0
 *
 * Loading beside the store and exchanging the two directories (load_file.h).
 */
#include "registry/load_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "registry/store.h"
#include "registry/store_copy.h"
#include "registry/store_file.h"

#define SUFFIX ".loading"

struct load_file {
    char *store_path; /* absolute, no link */
    char *path;       /* beside it; the old store after the exchange */
    struct registry *registry;
    bool is_finished;
};

static const char *const file_names[] = {"data.mdb", "lock.mdb", "writer.lock"};

static enum status file_fault(const char *path, struct fault *fault)
{
    return fault_set(fault,
                     errno == ENOSPC || errno == EDQUOT ? STATUS_STORAGE_FULL : STATUS_SYSTEM,
                     "%s: %s", path, strerror(errno));
}

/* Files of ours alone; a directory that holds anything else stays. */
static bool remove_store(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return errno == ENOENT;
    }
    for (size_t i = 0; i < sizeof(file_names) / sizeof(file_names[0]); i++) {
        (void)unlinkat(fd, file_names[i], 0);
    }
    (void)unlinkat(fd, "a", AT_REMOVEDIR);
    (void)unlinkat(fd, "b", AT_REMOVEDIR);
    (void)close(fd);
    return rmdir(path) == 0;
}

/* Can this file system exchange two directories, and is the store's none that something is mounted
 * on? Better known before the load than after it. */
static bool can_exchange(const struct registry *store, const char *path)
{
    struct stat beside;
    struct stat stored;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_able = fd >= 0 && fstat(fd, &beside) == 0 && fstat(store->directory_fd, &stored) == 0 &&
                   beside.st_dev == stored.st_dev && mkdirat(fd, "a", 0700) == 0 &&
                   mkdirat(fd, "b", 0700) == 0 && renameat2(fd, "a", fd, "b", RENAME_EXCHANGE) == 0;
    if (fd >= 0) {
        (void)unlinkat(fd, "a", AT_REMOVEDIR);
        (void)unlinkat(fd, "b", AT_REMOVEDIR);
        (void)close(fd);
    }
    return is_able;
}

/* The store's mode; as root also its owner, which the daemon runs as. */
static enum status give(const struct registry *store, const struct load_file *load,
                        struct fault *fault)
{
    struct stat old;
    int fd = load->registry->directory_fd;
    bool is_given = fstat(store->directory_fd, &old) == 0 && fchmod(fd, old.st_mode & 0777) == 0;
    if (geteuid() != 0) {
        return is_given ? STATUS_OK : file_fault(load->path, fault);
    }
    is_given = is_given && fchown(fd, old.st_uid, old.st_gid) == 0;
    for (size_t i = 0; is_given && i < sizeof(file_names) / sizeof(file_names[0]); i++) {
        is_given = fchownat(fd, file_names[i], old.st_uid, old.st_gid, 0) == 0;
    }
    return is_given ? STATUS_OK : file_fault(load->path, fault);
}

/* LMDB leaves a copy readable by all that the umask allows; the directory was not. */
static bool make_private(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_done = fd >= 0 && fchmodat(fd, file_names[0], 0600, 0) == 0;
    if (fd >= 0) {
        (void)close(fd);
    }
    return is_done;
}

static enum status copy_store(struct registry *store, const struct load_file *load,
                              struct fault *fault)
{
    if (!remove_store(load->path) || mkdir(load->path, 0700) != 0) {
        return file_fault(load->path, fault);
    }
    if (!can_exchange(store, load->path)) {
        return fault_set(fault, STATUS_NOT_SUPPORTED, "%s cannot be exchanged", load->store_path);
    }
    int error = mdb_env_copy2(store->env, load->path, 0);
    if (error == 0 && !make_private(load->path)) {
        error = errno;
    }
    return error == 0
               ? STATUS_OK
               : fault_set(fault, store_status(error), "%s: %s", load->path, mdb_strerror(error));
}

static enum status name_paths(const struct registry *store, struct load_file *load)
{
    size_t size = strlen(store->path) + sizeof(SUFFIX);
    load->store_path = strdup(store->path);
    load->path = malloc(size);
    if (load->store_path == NULL || load->path == NULL) {
        return STATUS_NO_MEMORY;
    }
    (void)snprintf(load->path, size, "%s%s", store->path, SUFFIX);
    return STATUS_OK;
}

/* As the store itself was opened. */
static enum status open_beside(struct registry *store, struct load_file *load, struct fault *fault)
{
    MDB_envinfo info;
    if (mdb_env_info(store->env, &info) != 0) {
        return fault_set(fault, STATUS_SYSTEM, "cannot read the state of the store");
    }
    const struct registry_options options = {
        .path = load->path,
        .map_bytes = info.me_mapsize,
        .map_bytes_max = atomic_load_explicit(&store->map_bytes_max, memory_order_relaxed),
        .reserve_bytes = store->reserve_bytes,
        .is_load = true,
        .forbids_reuse = store->forbids_reuse,
        .commitment_key = bytes_of(store->commitment_key, REGISTRY_COMMITMENT_KEY_LEN),
    };
    enum status status = registry_open(&options, &load->registry, fault);
    if (status == STATUS_OK) {
        status = give(store, load, fault);
        if (status != STATUS_OK) {
            registry_close(load->registry);
        }
    }
    return status;
}

enum status load_file_begin(struct registry *store, uint64_t max_bytes, struct load_file **out_load,
                            struct fault *fault)
{
    uint64_t bytes = 0;
    enum status status = store_copy_expect(store, &bytes);
    if (status == STATUS_OK && bytes > max_bytes) {
        status = fault_set(fault, STATUS_NOT_SUPPORTED, "the store is too large to be copied");
    }
    if (status != STATUS_OK) {
        return status;
    }
    struct load_file *load = calloc(1, sizeof(*load));
    if (load == NULL) {
        return STATUS_NO_MEMORY;
    }
    status = name_paths(store, load);
    if (status == STATUS_OK) {
        status = copy_store(store, load, fault);
    }
    if (status == STATUS_OK) {
        status = open_beside(store, load, fault);
    }
    if (status != STATUS_OK) {
        load_file_close(load);
        return status;
    }
    *out_load = load;
    return STATUS_OK;
}

struct registry *load_file_registry(struct load_file *load)
{
    return load->registry;
}

enum status load_file_finish(struct load_file *load, struct fault *fault)
{
    struct registry *registry = load->registry;
    char *path = strdup(load->store_path);
    int error = path == NULL ? ENOMEM : mdb_env_sync(registry->env, 1);
    if (error == 0) {
        error = mdb_env_set_flags(registry->env, MDB_NOSYNC, 0);
    }
    if (error != 0) {
        free(path);
        return fault_set(fault, store_status(error), "%s: %s", load->path, mdb_strerror(error));
    }
    if (store_file_settle(registry->directory_fd) != STATUS_OK ||
        renameat2(AT_FDCWD, load->path, AT_FDCWD, load->store_path, RENAME_EXCHANGE) != 0) {
        free(path);
        return file_fault(load->path, fault);
    }
    load->is_finished = true;
    free(registry->path);
    registry->path = path;
    if (store_file_settle(registry->directory_fd) != STATUS_OK) {
        return fault_set(fault, STATUS_STORAGE_FAILED, "%s: %s", load->store_path, strerror(errno));
    }
    (void)remove_store(load->path);
    return STATUS_OK;
}

void load_file_close(struct load_file *load)
{
    if (load == NULL) {
        return;
    }
    if (!load->is_finished && load->path != NULL) {
        (void)remove_store(load->path);
    }
    free(load->path);
    free(load->store_path);
    free(load);
}
