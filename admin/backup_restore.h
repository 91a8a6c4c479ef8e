/* SPDX-License-Identifier: Apache-2.0
 *
 * A node's directory out of a verified backup.
 *
 * What is copied is held against the manifest once more; guantong.yaml gets its name last, so that
 * a directory that holds one is whole. Whatever was made is removed when a later step fails. As
 * root everything is given to the owner of the directory.
 */
#pragma once

#include "admin/backup_verify.h"

struct backup_restore_options {
    const char *path;                   /* of the backup */
    const char *target;                 /* absent, or an empty directory */
    const struct backup_opener *opener; /* NULL: keys stay out */
    const struct backup_manifest *manifest;
    struct backup_watch watch;
};

/* LOCKED: the target exists and is not empty. */
enum status backup_restore_check(const char *target, struct fault *fault);

enum status backup_restore(const struct backup_restore_options *options, struct arena *arena,
                           struct fault *fault);
