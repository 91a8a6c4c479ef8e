/* SPDX-License-Identifier: Apache-2.0
 *
 * Where things lie in a node's directory (directory.h).
 */
#include "admin/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "resolver/memory.h"

const char *directory_path(struct arena *arena, const char *directory, const char *name)
{
    size_t size = strlen(directory) + strlen(name) + 2;
    char *path = arena_alloc(arena, size);
    if (path != NULL) {
        (void)snprintf(path, size, "%s/%s", directory, name);
    }
    return path;
}

bool directory_is_node(const char *path)
{
    int directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) {
        return false;
    }
    bool is_node = faccessat(directory, "guantong.yaml", F_OK, 0) == 0;
    int error = errno;
    (void)close(directory);
    errno = error;
    return is_node;
}

enum status directory_settings(struct arena *arena, const char *directory,
                               struct settings **out_settings, struct fault *fault)
{
    const char *path = directory_path(arena, directory, "guantong.yaml");
    if (path == NULL) {
        return fault_set(fault, STATUS_NO_MEMORY, "%s", "");
    }
    return settings_load(path, out_settings, fault);
}

/* A secret file must be a plain file nobody else can read. */
static enum status check_secret(int file, const char *path, struct fault *fault)
{
    struct stat facts;
    if (fstat(file, &facts) != 0) {
        return fault_set(fault, STATUS_SYSTEM, "%s: %s", path, strerror(errno));
    }
    if (!S_ISREG(facts.st_mode)) {
        return fault_set(fault, STATUS_ACCESS_DENIED, "%s is not a plain file", path);
    }
    if ((facts.st_mode & 077) != 0) {
        return fault_set(fault, STATUS_ACCESS_DENIED,
                         "%s is readable by others (mode %04o); chmod 600 it", path,
                         (unsigned)(facts.st_mode & 07777));
    }
    return STATUS_OK;
}

enum status directory_commitment_key(struct arena *arena, const char *directory,
                                     uint8_t out_key[REGISTRY_COMMITMENT_KEY_LEN],
                                     struct fault *fault)
{
    const char *path = directory_path(arena, directory, "keys/commit.key");
    if (path == NULL) {
        return fault_set(fault, STATUS_NO_MEMORY, "%s", "");
    }
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (file < 0) {
        return fault_set(fault, errno == EACCES ? STATUS_ACCESS_DENIED : STATUS_SYSTEM, "%s: %s",
                         path, strerror(errno));
    }
    uint8_t key[REGISTRY_COMMITMENT_KEY_LEN + 1];
    enum status status = check_secret(file, path, fault);
    if (status == STATUS_OK) {
        ssize_t len = read(file, key, sizeof(key));
        if (len == REGISTRY_COMMITMENT_KEY_LEN) {
            memcpy(out_key, key, REGISTRY_COMMITMENT_KEY_LEN);
        } else {
            status = fault_set(fault, STATUS_CORRUPT, "%s does not hold exactly %d bytes", path,
                               REGISTRY_COMMITMENT_KEY_LEN);
        }
    }
    OPENSSL_cleanse(key, sizeof(key));
    (void)close(file);
    return status;
}

/* Then rows are asked for here and there, and what lies around them is not (who only looks reads
 * from one end to the other). */
static bool is_larger_than_memory(struct arena *arena, const char *directory)
{
    struct stat file;
    const char *path = directory_path(arena, directory, "store/data.mdb");
    return path != NULL && stat(path, &file) == 0 &&
           (uint64_t)file.st_size > memory_for_files(memory_available(""));
}

enum status directory_open_registry(struct arena *arena, const char *directory, bool is_read_only,
                                    struct registry **out_registry, struct fault *fault)
{
    struct settings *settings = NULL;
    enum status status = directory_settings(arena, directory, &settings, fault);
    if (status != STATUS_OK || settings == NULL) {
        return status;
    }
    uint8_t key[REGISTRY_COMMITMENT_KEY_LEN];
    struct registry_options options = {
        .path = directory_path(arena, directory, "store"),
        .map_bytes = (uint64_t)settings->store_map_size,
        .map_bytes_max = (uint64_t)settings->store_map_max,
        .reserve_bytes = (uint64_t)settings->store_reserve,
        .is_read_only = is_read_only,
        .is_larger_than_memory = !is_read_only && is_larger_than_memory(arena, directory),
        .serves_damaged = true,
        .forbids_reuse = strcmp(settings->prefix_reuse, "never") == 0,
    };
    settings_free(settings);
    if (options.path == NULL) {
        return fault_set(fault, STATUS_NO_MEMORY, "%s", "");
    }
    if (access(options.path, X_OK) != 0 && errno == EACCES) {
        return fault_set(fault, STATUS_ACCESS_DENIED, "%s", "store");
    }
    status = directory_commitment_key(arena, directory, key, is_read_only ? NULL : fault);
    if (status == STATUS_OK) {
        options.commitment_key = bytes_of(key, sizeof(key));
    }
    /* A reader that only shows records needs no key. */
    if (status == STATUS_OK || is_read_only) {
        status = registry_open(&options, out_registry, fault);
    }
    OPENSSL_cleanse(key, sizeof(key));
    return status;
}
