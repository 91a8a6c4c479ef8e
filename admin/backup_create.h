/* SPDX-License-Identifier: Apache-2.0
 *
 * Making a backup of a node beside its daemon: one instant of the store, settings, sealed keys.
 *
 * Everything is written below a hidden name in the directory it is for, synced, and given its name
 * last: what bears the name is whole. One backup of a node at a time. Its owner is whoever owns the
 * directory it lies in, also when root makes it.
 */
#pragma once

#include "admin/backup_file.h"
#include "admin/backup_keys.h"

#define BACKUP_PATH_MAX 4096

struct backup_create_options {
    const char *directory;                    /* the node's */
    const char *parent;                       /* NULL: backup/ of the node */
    const struct backup_recipient *recipient; /* NULL: keys are left out */
    int64_t now_ms;
    struct backup_watch watch;
};

struct backup_made {
    char path[BACKUP_PATH_MAX];
    struct backup_manifest manifest;
    uint64_t bytes;    /* of all members */
    uint64_t store_ms; /* how long the instant was held */
};

/* LOCKED: another backup of this node is being made; STORAGE_FULL: with figures; ACCESS_DENIED: not
 * the node's own user or root; NOT_SUPPORTED: a network file system. */
enum status backup_create(const struct backup_create_options *options, struct arena *arena,
                          struct backup_made *out_made, struct fault *fault);
