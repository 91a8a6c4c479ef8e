/* SPDX-License-Identifier: Apache-2.0
 *
 * Files of a backup (backup_file.h).
 */
#include "admin/backup_file.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define PIECE_BYTES (1u << 20)

bool backup_watch_tell(const struct backup_watch *watch, enum backup_phase phase, uint64_t done,
                       uint64_t total)
{
    return watch->progress == NULL || watch->progress(watch->context, phase, done, total);
}

enum status backup_interrupted(struct fault *fault)
{
    return fault_set(fault, STATUS_SYSTEM, "interrupted");
}

enum status backup_file_error(const char *name, struct fault *fault)
{
    int error = errno;
    enum status status = STATUS_SYSTEM;
    if (error == ENOSPC || error == EDQUOT || error == EFBIG) {
        status = STATUS_STORAGE_FULL;
    } else if (error == EACCES || error == EPERM) {
        status = STATUS_ACCESS_DENIED;
    } else if (error == EIO) {
        status = STATUS_STORAGE_FAILED;
    }
    return fault_set(fault, status, "%s: %s", name, strerror(error));
}

/* --- writing ---------------------------------------------------------------------------------- */

enum status backup_writer_open(struct backup_writer *writer, int directory_fd, const char *name,
                               struct fault *fault)
{
    *writer = (struct backup_writer){.fd = -1, .name = name, .hasher = hasher_new()};
    if (writer->hasher == NULL) {
        return STATUS_NO_MEMORY;
    }
    hasher_begin(writer->hasher);
    writer->fd = openat(directory_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return writer->fd < 0 ? backup_file_error(name, fault) : STATUS_OK;
}

enum status backup_writer_add(struct backup_writer *writer, struct bytes piece, struct fault *fault)
{
    hasher_add(writer->hasher, piece);
    writer->bytes += piece.len;
    while (piece.len > 0) {
        ssize_t put = write(writer->fd, piece.data, piece.len);
        if (put < 0 && errno != EINTR) {
            return backup_file_error(writer->name, fault);
        }
        piece = bytes_from(piece, put < 0 ? 0 : (size_t)put);
    }
    return STATUS_OK;
}

enum status backup_writer_close(struct backup_writer *writer, enum status status,
                                struct backup_member *out_member, struct fault *fault)
{
    struct backup_member member = {.bytes = writer->bytes};
    if (status == STATUS_OK && fsync(writer->fd) != 0) {
        status = backup_file_error(writer->name, fault);
    }
    if (writer->fd >= 0 && close(writer->fd) != 0 && status == STATUS_OK) {
        status = backup_file_error(writer->name, fault);
    }
    if (status == STATUS_OK) {
        status = hasher_end(writer->hasher, member.digest);
    }
    hasher_free(writer->hasher);
    if (status == STATUS_OK && out_member != NULL) {
        (void)snprintf(member.name, sizeof(member.name), "%s", writer->name);
        *out_member = member;
    }
    return status;
}

enum status backup_file_write(int directory_fd, const char *name, struct bytes content,
                              struct backup_member *out_member, struct fault *fault)
{
    struct backup_writer writer;
    enum status status = backup_writer_open(&writer, directory_fd, name, fault);
    if (status == STATUS_OK) {
        status = backup_writer_add(&writer, content, fault);
    }
    return backup_writer_close(&writer, status, out_member, fault);
}

/* --- reading ---------------------------------------------------------------------------------- */

/* A plain file, and its length. */
static enum status open_plain(int directory_fd, const char *name, int *out_fd, uint64_t *out_bytes,
                              struct fault *fault)
{
    int fd = openat(directory_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat facts;
    if (fd < 0) {
        bool is_gone = errno == ENOENT;
        enum status status = backup_file_error(name, fault);
        return is_gone ? STATUS_CORRUPT : status;
    }
    if (fstat(fd, &facts) != 0 || !S_ISREG(facts.st_mode)) {
        (void)close(fd);
        return fault_set(fault, STATUS_CORRUPT, "%s is not a plain file", name);
    }
    *out_fd = fd;
    *out_bytes = (uint64_t)facts.st_size;
    return STATUS_OK;
}

static enum status read_whole(int fd, const char *name, struct arena *arena, size_t len,
                              struct bytes *out_content, struct fault *fault)
{
    uint8_t *room = arena_alloc(arena, len + 1);
    size_t used = 0;
    if (room == NULL) {
        return STATUS_NO_MEMORY;
    }
    while (used < len) {
        ssize_t got = read(fd, room + used, len - used);
        if (got == 0 || (got < 0 && errno != EINTR)) {
            return got == 0 ? fault_set(fault, STATUS_CORRUPT, "%s became shorter", name)
                            : backup_file_error(name, fault);
        }
        used += got < 0 ? 0 : (size_t)got;
    }
    *out_content = bytes_of(room, len);
    return STATUS_OK;
}

enum status backup_file_read(int directory_fd, const char *name, size_t max, struct arena *arena,
                             struct bytes *out_content, struct fault *fault)
{
    int fd = -1;
    uint64_t bytes = 0;
    enum status status = open_plain(directory_fd, name, &fd, &bytes, fault);
    if (status != STATUS_OK) {
        return status;
    }
    status = bytes > max ? fault_set(fault, STATUS_CORRUPT, "%s has more than %zu bytes", name, max)
                         : read_whole(fd, name, arena, (size_t)bytes, out_content, fault);
    (void)close(fd);
    return status;
}

struct check {
    int fd;
    const struct backup_member *member;
    struct backup_writer *writer;
    enum backup_phase phase;
    const struct backup_watch *watch;
    struct hasher *hasher;
    uint8_t *piece;
};

static enum status check_pieces(struct check *check, struct fault *fault)
{
    uint64_t done = 0;
    ssize_t got = 0;
    hasher_begin(check->hasher);
    while ((got = read(check->fd, check->piece, PIECE_BYTES)) != 0) {
        if (got < 0 && errno != EINTR) {
            return backup_file_error(check->member->name, fault);
        }
        struct bytes piece = bytes_of(check->piece, got < 0 ? 0 : (size_t)got);
        hasher_add(check->hasher, piece);
        done += piece.len;
        enum status status =
            check->writer == NULL ? STATUS_OK : backup_writer_add(check->writer, piece, fault);
        if (status != STATUS_OK) {
            return status;
        }
        if (!backup_watch_tell(check->watch, check->phase, done, check->member->bytes)) {
            return backup_interrupted(fault);
        }
    }
    uint8_t digest[BACKUP_DIGEST_LEN];
    enum status status = hasher_end(check->hasher, digest);
    if (status == STATUS_OK && memcmp(digest, check->member->digest, sizeof(digest)) != 0) {
        status = fault_set(fault, STATUS_CORRUPT, "%s does not have the digest the manifest tells",
                           check->member->name);
    }
    return status;
}

enum status backup_file_check(int directory_fd, const struct backup_member *member,
                              struct backup_writer *writer, enum backup_phase phase,
                              const struct backup_watch *watch, struct fault *fault)
{
    struct check check = {.fd = -1,
                          .member = member,
                          .writer = writer,
                          .phase = phase,
                          .watch = watch,
                          .hasher = hasher_new(),
                          .piece = malloc(PIECE_BYTES)};
    uint64_t bytes = 0;
    enum status status = check.hasher == NULL || check.piece == NULL
                             ? STATUS_NO_MEMORY
                             : open_plain(directory_fd, member->name, &check.fd, &bytes, fault);
    if (status == STATUS_OK && bytes != member->bytes) {
        status = fault_set(fault, STATUS_CORRUPT,
                           "%s has %" PRIu64 " bytes, the manifest tells %" PRIu64, member->name,
                           bytes, member->bytes);
    }
    if (status == STATUS_OK) {
        status = check_pieces(&check, fault);
    }
    if (check.fd >= 0) {
        (void)close(check.fd);
    }
    free(check.piece);
    hasher_free(check.hasher);
    return status;
}

/* --- directories ------------------------------------------------------------------------------ */

enum status backup_file_check_room(int directory_fd, const char *path, uint64_t bytes,
                                   struct fault *fault)
{
    struct statvfs disk;
    if (fstatvfs(directory_fd, &disk) != 0) {
        return backup_file_error(path, fault);
    }
    uint64_t room = (uint64_t)disk.f_bavail * disk.f_frsize;
    uint64_t wanted = bytes + bytes / 5;
    if (room >= wanted) {
        return STATUS_OK;
    }
    return fault_set(fault, STATUS_STORAGE_FULL,
                     "%s has %" PRIu64 " bytes free; a copy of %" PRIu64 " bytes wants %" PRIu64
                     " (1.2 times)",
                     path, room, bytes, wanted);
}

enum status backup_file_settle(int directory_fd, const char *name, struct fault *fault)
{
    int fd = openat(directory_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_settled = fd >= 0 && fsync(fd) == 0;
    enum status status = is_settled ? STATUS_OK : backup_file_error(name, fault);
    if (fd >= 0) {
        (void)close(fd);
    }
    return status;
}

static int remove_entry(const char *path, const struct stat *facts, int kind, struct FTW *where)
{
    (void)facts;
    (void)kind;
    (void)where;
    return remove(path);
}

void backup_file_remove_tree(const char *path)
{
    (void)nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}
