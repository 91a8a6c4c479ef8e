/* SPDX-License-Identifier: Apache-2.0
 *
 * Members of a backup as files: written with their digest and synced, read against it.
 *
 * Names are relative to a directory descriptor. Long work tells its watch and stops when that says
 * so. One thread each.
 */
#pragma once

#include "admin/backup_manifest.h"
#include "protocol/arena.h"
#include "registry/record_digest.h"

enum backup_phase {
    BACKUP_COPIES,
    BACKUP_DIGESTS,
    BACKUP_READS,    /* rows */
    BACKUP_VERIFIES, /* positions of the journal */
    BACKUP_RESTORES,
};

/* False stops. `done` and `total` are bytes where nothing else is said. */
typedef bool backup_progress(void *context, enum backup_phase phase, uint64_t done, uint64_t total);

struct backup_watch {
    backup_progress *progress; /* may be NULL */
    void *context;
};

bool backup_watch_tell(const struct backup_watch *watch, enum backup_phase phase, uint64_t done,
                       uint64_t total);

/* SYSTEM, with the text "interrupted". */
enum status backup_interrupted(struct fault *fault);

/* The outcome of a failed system call about `name`: STORAGE_FULL, ACCESS_DENIED, SYSTEM. */
enum status backup_file_error(const char *name, struct fault *fault);

struct backup_writer {
    int fd;
    const char *name;
    struct hasher *hasher;
    uint64_t bytes;
};

/* A new file, mode 0600. Close it whatever comes. */
enum status backup_writer_open(struct backup_writer *writer, int directory_fd, const char *name,
                               struct fault *fault);
enum status backup_writer_add(struct backup_writer *writer, struct bytes piece,
                              struct fault *fault);

/* With `status` OK: synced, and `out_member` filled. Returns the first failure. */
enum status backup_writer_close(struct backup_writer *writer, enum status status,
                                struct backup_member *out_member, struct fault *fault);

/* The three above for what is in memory. */
enum status backup_file_write(int directory_fd, const char *name, struct bytes content,
                              struct backup_member *out_member, struct fault *fault);

/* Small files whole. CORRUPT: longer than `max` or not a plain file. */
enum status backup_file_read(int directory_fd, const char *name, size_t max, struct arena *arena,
                             struct bytes *out_content, struct fault *fault);

/* Reads a member to its end, copying it through `writer` (may be NULL). CORRUPT: its length or
 * digest is another, or it is gone. */
enum status backup_file_check(int directory_fd, const struct backup_member *member,
                              struct backup_writer *writer, enum backup_phase phase,
                              const struct backup_watch *watch, struct fault *fault);

/* STORAGE_FULL with the figures when less than 1.2 x `bytes` are free. */
enum status backup_file_check_room(int directory_fd, const char *path, uint64_t bytes,
                                   struct fault *fault);

/* Makes names in the directory survive a power failure. */
enum status backup_file_settle(int directory_fd, const char *name, struct fault *fault);

/* Everything below `path`, and itself. */
void backup_file_remove_tree(const char *path);
