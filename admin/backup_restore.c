/* SPDX-License-Identifier: Apache-2.0
 *
 * Restoring (backup_restore.h).
 */
#include "admin/backup_restore.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/directory.h"

#define STORE_NAME "store/data.mdb"
#define SETTINGS_NAME "guantong.yaml"
#define SETTINGS_PARTIAL ".guantong.yaml.partial"

struct restore {
    const struct backup_restore_options *options;
    struct arena *arena;
    bool existed; /* the target's directory did */
    bool is_begun;
    int from_fd;
    int to_fd;
    struct fault *fault;
};

static bool is_empty(const char *path)
{
    DIR *entries = opendir(path);
    int count = 0;
    while (entries != NULL && count <= 2 && readdir(entries) != NULL) {
        count++;
    }
    if (entries != NULL) {
        (void)closedir(entries);
    }
    return entries != NULL && count <= 2;
}

enum status backup_restore_check(const char *target, struct fault *fault)
{
    struct stat facts;
    if (lstat(target, &facts) != 0) {
        return errno == ENOENT ? STATUS_OK : backup_file_error(target, fault);
    }
    return is_empty(target) ? STATUS_OK : STATUS_LOCKED;
}

static enum status make_tree(struct restore *r)
{
    static const struct {
        const char *name;
        mode_t mode;
    } rows[] = {{"keys", 0700}, {"store", 0750}, {"cache", 0750}, {"files", 0750},
                {"log", 0750},  {"run", 0750},   {"backup", 0750}};
    const char *target = r->options->target;
    r->existed = mkdir(target, 0750) != 0;
    if (r->existed && errno != EEXIST) {
        return backup_file_error(target, r->fault);
    }
    if (r->existed && !is_empty(target)) {
        return STATUS_LOCKED;
    }
    r->is_begun = true;
    r->to_fd = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r->to_fd < 0) {
        return backup_file_error(target, r->fault);
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (mkdirat(r->to_fd, rows[i].name, rows[i].mode) != 0) {
            return backup_file_error(rows[i].name, r->fault);
        }
    }
    return STATUS_OK;
}

static enum status copy_member(struct restore *r, const char *member, const char *name)
{
    const struct backup_member *from = backup_manifest_find(r->options->manifest, member);
    struct backup_writer writer;
    enum status status = backup_writer_open(&writer, r->to_fd, name, r->fault);
    if (status == STATUS_OK && from == NULL) {
        status = STATUS_CORRUPT;
    }
    if (status == STATUS_OK) {
        status = backup_file_check(r->from_fd, from, &writer, BACKUP_RESTORES, &r->options->watch,
                                   r->fault);
    }
    return backup_writer_close(&writer, status, NULL, r->fault);
}

static enum status restore_key(struct restore *r, const struct backup_member *member,
                               const char *name)
{
    struct bytes sealed = BYTES_NONE;
    struct bytes secret = BYTES_NONE;
    char path[BACKUP_NAME_MAX + 8];
    (void)snprintf(path, sizeof(path), "keys/%s", name);
    enum status status = backup_file_read(r->from_fd, member->name, 2 * BACKUP_KEY_FILE_MAX,
                                          r->arena, &sealed, r->fault);
    if (status == STATUS_OK) {
        status = backup_opener_open(r->options->opener, r->arena, sealed, &secret, r->fault);
    }
    if (status == STATUS_OK) {
        status = backup_file_write(r->to_fd, path, secret, NULL, r->fault);
        OPENSSL_cleanse((void *)(uintptr_t)secret.data, secret.len);
    }
    return status;
}

static enum status restore_keys(struct restore *r)
{
    const struct backup_manifest *manifest = r->options->manifest;
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < manifest->member_count; i++) {
        char name[BACKUP_NAME_MAX];
        if (r->options->opener != NULL &&
            backup_manifest_key_name(manifest->members[i].name, name)) {
            status = restore_key(r, &manifest->members[i], name);
        }
    }
    return status;
}

static enum status publish(struct restore *r)
{
    static const char *const names[] = {"keys", "store"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        enum status status = backup_file_settle(r->to_fd, names[i], r->fault);
        if (status != STATUS_OK) {
            return status;
        }
    }
    struct stat owner;
    if (fchmodat(r->to_fd, SETTINGS_PARTIAL, 0640, 0) != 0 || fstat(r->to_fd, &owner) != 0 ||
        (geteuid() == 0 && fchownat(r->to_fd, SETTINGS_PARTIAL, owner.st_uid, owner.st_gid,
                                    AT_SYMLINK_NOFOLLOW) != 0) ||
        renameat(r->to_fd, SETTINGS_PARTIAL, r->to_fd, SETTINGS_NAME) != 0) {
        return backup_file_error(SETTINGS_NAME, r->fault);
    }
    return backup_file_settle(r->to_fd, ".", r->fault);
}

/* As root: everything to the owner of the directory, which the daemon becomes. */
static enum status give_all(struct restore *r)
{
    static const char *const names[] = {"keys", "store", "cache",  "files",
                                        "log",  "run",   "backup", STORE_NAME};
    const struct backup_manifest *manifest = r->options->manifest;
    struct stat owner;
    if (geteuid() != 0) {
        return STATUS_OK;
    }
    bool is_given = fstat(r->to_fd, &owner) == 0;
    for (size_t i = 0; is_given && i < sizeof(names) / sizeof(names[0]); i++) {
        is_given = fchownat(r->to_fd, names[i], owner.st_uid, owner.st_gid, 0) == 0;
    }
    for (size_t i = 0; is_given && r->options->opener != NULL && i < manifest->member_count; i++) {
        char name[BACKUP_NAME_MAX];
        char path[BACKUP_NAME_MAX + 8];
        if (backup_manifest_key_name(manifest->members[i].name, name)) {
            (void)snprintf(path, sizeof(path), "keys/%s", name);
            is_given = fchownat(r->to_fd, path, owner.st_uid, owner.st_gid, 0) == 0;
        }
    }
    return is_given ? STATUS_OK : backup_file_error(r->options->target, r->fault);
}

static enum status restore(struct restore *r)
{
    const struct backup_member *store = backup_manifest_find(r->options->manifest, BACKUP_STORE);
    r->from_fd = open(r->options->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r->from_fd < 0 || store == NULL) {
        return backup_file_error(r->options->path, r->fault);
    }
    enum status status = make_tree(r);
    if (status == STATUS_OK) {
        status = backup_file_check_room(r->to_fd, r->options->target, store->bytes, r->fault);
    }
    if (status == STATUS_OK) {
        status = copy_member(r, BACKUP_STORE, STORE_NAME);
    }
    if (status == STATUS_OK) {
        status = restore_keys(r);
    }
    if (status == STATUS_OK) {
        status = copy_member(r, BACKUP_SETTINGS, SETTINGS_PARTIAL);
    }
    if (status == STATUS_OK) {
        status = give_all(r);
    }
    return status == STATUS_OK ? publish(r) : status;
}

static int remove_entry(const char *path, const struct stat *facts, int kind, struct FTW *where)
{
    (void)facts;
    (void)kind;
    return where->level == 0 ? 0 : remove(path);
}

static void undo(const struct restore *r)
{
    (void)nftw(r->options->target, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    if (!r->existed) {
        (void)rmdir(r->options->target);
    }
}

enum status backup_restore(const struct backup_restore_options *options, struct arena *arena,
                           struct fault *fault)
{
    struct restore r = {
        .options = options, .arena = arena, .from_fd = -1, .to_fd = -1, .fault = fault};
    enum status status = restore(&r);
    if (status != STATUS_OK && r.is_begun) {
        undo(&r);
    }
    if (r.from_fd >= 0) {
        (void)close(r.from_fd);
    }
    if (r.to_fd >= 0) {
        (void)close(r.to_fd);
    }
    return status;
}
