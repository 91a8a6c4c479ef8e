/* SPDX-License-Identifier: Apache-2.0
 *
 * Is a backup whole, and is its store what its journal says?
 *
 * Every member against the manifest first; only then is the copied store opened, read-only and
 * without leaving anything beside it: checksums, chain, digests, counters, and that its head is the
 * one the manifest tells.
 */
#pragma once

#include "admin/backup_file.h"
#include "admin/backup_keys.h"
#include "registry/record_verify.h"

struct backup_verify_options {
    const char *path;                   /* of the backup */
    const struct backup_opener *opener; /* NULL: sealed keys are not opened */
    struct backup_watch watch;
};

struct backup_verified {
    struct backup_manifest manifest;
    struct record_verify_report rows;
    size_t opened_keys;
};

/* Manifest alone. */
enum status backup_verify_manifest(const char *path, struct arena *arena,
                                   struct backup_manifest *out_manifest, struct fault *fault);

/* CORRUPT: the fault says what does not hold; ACCESS_DENIED: another private key; NOT_SUPPORTED: of
 * a later format. */
enum status backup_verify(const struct backup_verify_options *options, struct arena *arena,
                          struct backup_verified *out_verified, struct fault *fault);
