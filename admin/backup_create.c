/* SPDX-License-Identifier: Apache-2.0
 *
 * Making a backup (backup_create.h).
 */
#include "admin/backup_create.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "admin/directory.h"
#include "registry/journal.h"
#include "registry/store_copy.h"

#define LOCK_NAME ".lock"
#define PARTIAL_END ".partial"
#define SETTINGS_MAX (1u << 20)
#define NAME_TRIES 100

struct create {
    const struct backup_create_options *options;
    struct arena *arena;
    struct registry *registry;
    const char *parent;
    const char *name;    /* in the end */
    const char *partial; /* whole path until then */
    int lock_fd;
    int parent_fd;
    int partial_fd;
    uint64_t expected_bytes;
    struct backup_writer writer; /* of the store */
    struct backup_made *made;
    struct fault *fault;
};

static enum status add_member(struct create *c, const struct backup_member *member)
{
    struct backup_manifest *manifest = &c->made->manifest;
    if (manifest->member_count == BACKUP_MEMBERS_MAX) {
        return fault_set(c->fault, STATUS_NOT_SUPPORTED, "more than %d files", BACKUP_MEMBERS_MAX);
    }
    manifest->members[manifest->member_count++] = *member;
    c->made->bytes += member->bytes;
    return STATUS_OK;
}

/* --- where it goes ---------------------------------------------------------------------------- */

static bool is_network_magic(long type)
{
    static const long magics[] = {NFS_SUPER_MAGIC,  SMB_SUPER_MAGIC,  CIFS_SUPER_MAGIC,
                                  SMB2_SUPER_MAGIC, CEPH_SUPER_MAGIC, V9FS_MAGIC,
                                  AFS_FS_MAGIC};
    for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++) {
        if (type == magics[i]) {
            return true;
        }
    }
    return false;
}

/* The store's pages are held until the copy is done, so it must not wait for a network. */
static enum status open_parent(struct create *c)
{
    struct statfs facts;
    c->parent_fd = open(c->parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (c->parent_fd < 0 || fstatfs(c->parent_fd, &facts) != 0) {
        return backup_file_error(c->parent, c->fault);
    }
    return is_network_magic((long)facts.f_type)
               ? fault_set(c->fault, STATUS_NOT_SUPPORTED,
                           "%s is on a network; make the backup on a local disk and copy it there",
                           c->parent)
               : STATUS_OK;
}

/* As root: to whoever owns the directory it lies in. */
static void give(const struct create *c, int directory_fd, const char *name)
{
    struct stat facts;
    if (geteuid() == 0 && fstat(c->parent_fd, &facts) == 0) {
        (void)!fchownat(directory_fd, name, facts.st_uid, facts.st_gid, AT_SYMLINK_NOFOLLOW);
    }
}

static bool is_leftover(const char *name)
{
    size_t len = strlen(name);
    size_t end = sizeof(PARTIAL_END) - 1;
    return name[0] == '.' && len > end && strcmp(name + len - end, PARTIAL_END) == 0;
}

/* What killed backups of this node have left in its backup/; the lock is ours. */
static void remove_leftovers(struct create *c, const char *path)
{
    DIR *entries = opendir(path);
    const struct dirent *entry = NULL;
    while (entries != NULL && (entry = readdir(entries)) != NULL) {
        const char *whole =
            is_leftover(entry->d_name) ? directory_path(c->arena, path, entry->d_name) : NULL;
        if (whole != NULL) {
            backup_file_remove_tree(whole);
        }
    }
    if (entries != NULL) {
        (void)closedir(entries);
    }
}

static enum status lock(struct create *c)
{
    const char *path = directory_path(c->arena, c->options->directory, "backup");
    if (path == NULL) {
        return STATUS_NO_MEMORY;
    }
    if (mkdir(path, 0750) != 0 && errno != EEXIST) {
        return backup_file_error(path, c->fault);
    }
    if (c->parent == NULL) {
        c->parent = path;
    }
    enum status status = open_parent(c);
    if (status != STATUS_OK) {
        return status;
    }
    const char *name = directory_path(c->arena, path, LOCK_NAME);
    c->lock_fd = name == NULL ? -1 : open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (c->lock_fd < 0) {
        return backup_file_error(path, c->fault);
    }
    if (c->parent == path) {
        give(c, AT_FDCWD, name);
    }
    if (flock(c->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        return fault_set(c->fault, STATUS_LOCKED, "another backup of this node is being made");
    }
    remove_leftovers(c, path);
    return STATUS_OK;
}

/* "88.608-20261121T092054Z", with a number behind it when that exists. */
static enum status choose_name(struct create *c)
{
    char stamp[24];
    struct tm parts;
    time_t seconds = (time_t)(c->options->now_ms / 1000);
    size_t size = strlen(c->made->manifest.prefix) + sizeof(stamp) + 8;
    char *name = arena_alloc(c->arena, size);
    char *partial = arena_alloc(c->arena, size + sizeof("." PARTIAL_END));
    if (name == NULL || partial == NULL || gmtime_r(&seconds, &parts) == NULL) {
        return STATUS_NO_MEMORY;
    }
    (void)strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &parts);
    for (int i = 1; i <= NAME_TRIES; i++) {
        char number[8] = "";
        if (i > 1) {
            (void)snprintf(number, sizeof(number), "-%d", i);
        }
        (void)snprintf(name, size, "%s-%s%s", c->made->manifest.prefix, stamp, number);
        if (faccessat(c->parent_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0) {
            break;
        }
    }
    (void)snprintf(partial, size + sizeof("." PARTIAL_END), ".%s" PARTIAL_END, name);
    c->name = name;
    const char *path = directory_path(c->arena, c->parent, partial);
    if (path == NULL || mkdir(path, 0700) != 0) {
        return path == NULL ? STATUS_NO_MEMORY : backup_file_error(c->parent, c->fault);
    }
    c->partial = path;
    c->partial_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return c->partial_fd < 0 || mkdirat(c->partial_fd, "store", 0700) != 0 ||
                   mkdirat(c->partial_fd, "keys", 0700) != 0
               ? backup_file_error(path, c->fault)
               : STATUS_OK;
}

/* --- the store -------------------------------------------------------------------------------- */

static enum status create_on_piece(void *context, struct bytes piece)
{
    struct create *c = context;
    enum status status = backup_writer_add(&c->writer, piece, c->fault);
    if (status == STATUS_OK &&
        !backup_watch_tell(&c->options->watch, BACKUP_COPIES, c->writer.bytes, c->expected_bytes)) {
        status = backup_interrupted(c->fault);
    }
    return status;
}

static enum status pad_store(struct create *c)
{
    static const uint8_t zeros[4096];
    uint64_t length = 0;
    const char *path = directory_path(c->arena, c->partial, "store");
    enum status status =
        path == NULL ? STATUS_NO_MEMORY : store_copy_length(path, &length, c->fault);
    while (status == STATUS_OK && c->writer.bytes < length) {
        uint64_t left = length - c->writer.bytes;
        size_t run = left < sizeof(zeros) ? (size_t)left : sizeof(zeros);
        status = backup_writer_add(&c->writer, bytes_of(zeros, run), c->fault);
    }
    return status;
}

static uint64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static enum status copy_store(struct create *c)
{
    uint64_t started_ms = now_ms();
    enum status status = backup_writer_open(&c->writer, c->partial_fd, BACKUP_STORE, c->fault);
    if (status == STATUS_OK) {
        status = store_copy(c->registry, create_on_piece, c);
        c->made->store_ms = now_ms() - started_ms;
    }
    if (status == STATUS_OK) {
        status = pad_store(c);
    }
    struct backup_member member;
    status = backup_writer_close(&c->writer, status, &member, c->fault);
    return status == STATUS_OK ? add_member(c, &member) : status;
}

/* What the copy shows is what the manifest tells. */
static enum status tell_store(struct create *c)
{
    struct backup_manifest *manifest = &c->made->manifest;
    const struct registry_options options = {.path = directory_path(c->arena, c->partial, "store"),
                                             .is_read_only = true,
                                             .is_copy = true};
    struct registry *copy = NULL;
    struct snapshot *snapshot = NULL;
    struct registry_figures figures;
    enum status status =
        options.path == NULL ? STATUS_NO_MEMORY : registry_open(&options, &copy, c->fault);
    if (status == STATUS_OK) {
        status = registry_figures(copy, &figures);
    }
    if (status == STATUS_OK) {
        status = snapshot_new(copy, &snapshot);
    }
    if (status == STATUS_OK) {
        manifest->records = figures.records;
        manifest->position = figures.journal_head;
        manifest->txn = figures.last_txn;
        struct journal_set last;
        if (journal_head(snapshot, &last) == STATUS_OK) {
            memcpy(manifest->chain, last.chain, sizeof(manifest->chain));
        }
        struct bytes id = BYTES_NONE;
        (void)registry_get_meta(snapshot, "node_id", &id);
        (void)snprintf(manifest->node_id, sizeof(manifest->node_id), "%.*s", (int)id.len,
                       id.len == 0 ? "" : (const char *)id.data);
    }
    snapshot_free(snapshot);
    registry_close(copy);
    return status;
}

/* --- settings and keys ------------------------------------------------------------------------ */

static enum status copy_settings(struct create *c)
{
    struct bytes text;
    struct backup_member member;
    const char *path = directory_path(c->arena, c->options->directory, "guantong.yaml");
    enum status status =
        path == NULL ? STATUS_NO_MEMORY
                     : backup_file_read(AT_FDCWD, path, SETTINGS_MAX, c->arena, &text, c->fault);
    if (status == STATUS_OK) {
        status = backup_file_write(c->partial_fd, BACKUP_SETTINGS, text, &member, c->fault);
    }
    return status == STATUS_OK ? add_member(c, &member) : status;
}

static enum status seal_key(struct create *c, int keys_fd, const char *name)
{
    struct bytes secret = BYTES_NONE;
    struct bytes sealed = BYTES_NONE;
    struct backup_member member;
    char member_name[BACKUP_NAME_MAX];
    char checked[BACKUP_NAME_MAX];
    if ((size_t)snprintf(member_name, sizeof(member_name), "keys/%s.cms", name) >=
            sizeof(member_name) ||
        !backup_manifest_key_name(member_name, checked)) {
        return fault_set(c->fault, STATUS_NOT_SUPPORTED, "key file %s: an unusable name", name);
    }
    enum status status =
        backup_file_read(keys_fd, name, BACKUP_KEY_FILE_MAX, c->arena, &secret, c->fault);
    if (status == STATUS_OK) {
        status = backup_recipient_seal(c->options->recipient, c->arena, secret, &sealed, c->fault);
        OPENSSL_cleanse((void *)(uintptr_t)secret.data, secret.len);
    }
    if (status == STATUS_OK) {
        status = backup_file_write(c->partial_fd, member_name, sealed, &member, c->fault);
    }
    return status == STATUS_OK ? add_member(c, &member) : status;
}

static enum status seal_keys(struct create *c)
{
    if (c->options->recipient == NULL) {
        return STATUS_OK;
    }
    const char *path = directory_path(c->arena, c->options->directory, "keys");
    DIR *entries = path == NULL ? NULL : opendir(path);
    if (entries == NULL) {
        return backup_file_error("keys", c->fault);
    }
    enum status status = backup_recipient_tell(c->options->recipient, &c->made->manifest);
    const struct dirent *entry = NULL;
    while (status == STATUS_OK && (entry = readdir(entries)) != NULL) {
        if (entry->d_name[0] != '.') {
            status = seal_key(c, dirfd(entries), entry->d_name);
        }
    }
    (void)closedir(entries);
    return status;
}

/* --- the end ---------------------------------------------------------------------------------- */

static enum status write_manifest(struct create *c)
{
    json_t *document = backup_manifest_encode(&c->made->manifest);
    char *text = document == NULL ? NULL : json_dumps(document, JSON_INDENT(2));
    enum status status = text == NULL ? STATUS_NO_MEMORY
                                      : backup_file_write(c->partial_fd, BACKUP_MANIFEST,
                                                          bytes_of_text(text), NULL, c->fault);
    free(text);
    json_decref(document);
    return status;
}

static void give_all(const struct create *c)
{
    const struct backup_manifest *manifest = &c->made->manifest;
    static const char *const others[] = {"store", "keys", BACKUP_MANIFEST, "."};
    for (size_t i = 0; i < manifest->member_count; i++) {
        give(c, c->partial_fd, manifest->members[i].name);
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        give(c, c->partial_fd, others[i]);
    }
}

static enum status publish(struct create *c)
{
    static const char *const directories[] = {"store", "keys", "."};
    give_all(c);
    for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
        enum status status = backup_file_settle(c->partial_fd, directories[i], c->fault);
        if (status != STATUS_OK) {
            return status;
        }
    }
    const char *whole = directory_path(c->arena, c->parent, c->name);
    if (whole == NULL || renameat(AT_FDCWD, c->partial, c->parent_fd, c->name) != 0) {
        return whole == NULL ? STATUS_NO_MEMORY : backup_file_error(c->name, c->fault);
    }
    (void)snprintf(c->made->path, sizeof(c->made->path), "%s", whole);
    return backup_file_settle(c->parent_fd, ".", c->fault);
}

static enum status prepare(struct create *c)
{
    struct backup_manifest *manifest = &c->made->manifest;
    struct settings *settings = NULL;
    enum status status = directory_settings(c->arena, c->options->directory, &settings, c->fault);
    if (status != STATUS_OK || settings == NULL) {
        return status;
    }
    (void)snprintf(manifest->program, sizeof(manifest->program), "guantong %s", GUANTONG_VERSION);
    (void)snprintf(manifest->prefix, sizeof(manifest->prefix), "%s", settings->node_prefix);
    manifest->created_ms = c->options->now_ms;
    settings_free(settings);
    status = directory_open_registry(c->arena, c->options->directory, true, &c->registry, c->fault);
    if (status == STATUS_OK) {
        status = lock(c);
    }
    if (status == STATUS_OK) {
        status = store_copy_expect(c->registry, &c->expected_bytes);
    }
    if (status == STATUS_OK) {
        status = backup_file_check_room(c->parent_fd, c->parent, c->expected_bytes, c->fault);
    }
    return status == STATUS_OK ? choose_name(c) : status;
}

static enum status make(struct create *c)
{
    static enum status (*const steps[])(struct create *) = {
        prepare, copy_store, tell_store, copy_settings, seal_keys, write_manifest, publish};
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < sizeof(steps) / sizeof(steps[0]); i++) {
        status = steps[i](c);
    }
    return status;
}

static void close_fd(int fd)
{
    if (fd >= 0) {
        (void)close(fd);
    }
}

enum status backup_create(const struct backup_create_options *options, struct arena *arena,
                          struct backup_made *out_made, struct fault *fault)
{
    *out_made = (struct backup_made){.bytes = 0};
    struct create c = {.options = options,
                       .arena = arena,
                       .parent = options->parent,
                       .lock_fd = -1,
                       .parent_fd = -1,
                       .partial_fd = -1,
                       .made = out_made,
                       .fault = fault};
    enum status status = make(&c);
    if (status != STATUS_OK && c.partial != NULL) {
        backup_file_remove_tree(c.partial);
    }
    close_fd(c.partial_fd);
    close_fd(c.parent_fd);
    registry_close(c.registry);
    close_fd(c.lock_fd);
    return status;
}
