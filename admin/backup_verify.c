/* SPDX-License-Identifier: Apache-2.0
 *
 * Verifying a backup where it lies (backup_verify.h).
 */
#include "admin/backup_verify.h"

#include <fcntl.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <unistd.h>

#include "admin/directory.h"
#include "admin/say.h"

struct verify {
    const struct backup_verify_options *options;
    struct arena *arena;
    int fd;
    struct bytes commitment_key; /* out of the sealed keys; cleansed in the end */
    struct backup_verified *verified;
    struct fault *fault;
};

enum status backup_verify_manifest(const char *path, struct arena *arena,
                                   struct backup_manifest *out_manifest, struct fault *fault)
{
    struct bytes text = BYTES_NONE;
    const char *whole = directory_path(arena, path, BACKUP_MANIFEST);
    enum status status =
        whole == NULL ? STATUS_NO_MEMORY
                      : backup_file_read(AT_FDCWD, whole, BACKUP_MANIFEST_MAX, arena, &text, fault);
    return status == STATUS_OK ? backup_manifest_decode(text, out_manifest, fault) : status;
}

/* --- members ---------------------------------------------------------------------------------- */

static enum status check_members(struct verify *v)
{
    const struct backup_manifest *manifest = &v->verified->manifest;
    for (size_t i = 0; i < manifest->member_count; i++) {
        enum status status = backup_file_check(v->fd, &manifest->members[i], NULL, BACKUP_DIGESTS,
                                               &v->options->watch, v->fault);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

static enum status check_settings(struct verify *v)
{
    struct settings *settings = NULL;
    const char *path = directory_path(v->arena, v->options->path, BACKUP_SETTINGS);
    enum status status = path == NULL ? STATUS_NO_MEMORY : settings_load(path, &settings, v->fault);
    if (status != STATUS_OK) {
        return status;
    }
    if (strcmp(settings->node_prefix, v->verified->manifest.prefix) != 0) {
        status =
            fault_set(v->fault, STATUS_CORRUPT, "the settings are those of prefix %.80s, not %.80s",
                      settings->node_prefix, v->verified->manifest.prefix);
    }
    settings_free(settings);
    return status;
}

static enum status open_key(struct verify *v, const struct backup_member *member, const char *name)
{
    struct bytes sealed = BYTES_NONE;
    struct bytes secret = BYTES_NONE;
    enum status status =
        backup_file_read(v->fd, member->name, 2 * BACKUP_KEY_FILE_MAX, v->arena, &sealed, v->fault);
    if (status == STATUS_OK) {
        status = backup_opener_open(v->options->opener, v->arena, sealed, &secret, v->fault);
    }
    if (status != STATUS_OK) {
        return status;
    }
    v->verified->opened_keys++;
    if (strcmp(name, "commit.key") == 0 && secret.len == REGISTRY_COMMITMENT_KEY_LEN) {
        v->commitment_key = secret;
    } else {
        OPENSSL_cleanse((void *)(uintptr_t)secret.data, secret.len);
    }
    return STATUS_OK;
}

static enum status open_keys(struct verify *v)
{
    const struct backup_manifest *manifest = &v->verified->manifest;
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < manifest->member_count; i++) {
        char name[BACKUP_NAME_MAX];
        if (backup_manifest_key_name(manifest->members[i].name, name)) {
            status = open_key(v, &manifest->members[i], name);
        }
    }
    return status;
}

/* --- the store -------------------------------------------------------------------------------- */

static enum status check_head(struct verify *v, struct registry *registry)
{
    const struct backup_manifest *manifest = &v->verified->manifest;
    struct snapshot *snapshot = NULL;
    struct journal_set last = {.count = 0};
    struct bytes id = BYTES_NONE;
    enum status status = snapshot_new(registry, &snapshot);
    if (status != STATUS_OK) {
        return status;
    }
    status = journal_head(snapshot, &last);
    uint64_t position = status == STATUS_OK ? last.position + last.count - 1 : 0;
    (void)registry_get_meta(snapshot, "node_id", &id);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        status = fault_set(v->fault, status, "the head of the journal cannot be read");
    } else if (position != manifest->position ||
               memcmp(last.chain, manifest->chain, sizeof(last.chain)) != 0 ||
               snapshot_txn(snapshot) != manifest->txn) {
        status = fault_set(v->fault, STATUS_CORRUPT,
                           "the store stands at position %" PRIu64 ", the manifest tells %" PRIu64
                           " or another chain",
                           position, manifest->position);
    } else if (!bytes_equal(id, bytes_of_text(manifest->node_id))) {
        status = fault_set(v->fault, STATUS_CORRUPT, "the store is that of another node");
    } else {
        status = STATUS_OK;
    }
    snapshot_free(snapshot);
    return status;
}

static void verify_on_found(void *context, const struct record_finding *finding)
{
    struct verify *v = context;
    if (finding->flaw != RECORD_HISTORY_LOST && v->fault->text[0] == '\0') {
        (void)fault_set(v->fault, STATUS_CORRUPT, "%s: a row does not hold",
                        say_printable(v->arena, finding->key));
    }
}

static bool verify_on_progress(void *context, enum record_verify_phase phase, uint64_t done,
                               uint64_t total)
{
    struct verify *v = context;
    return backup_watch_tell(&v->options->watch,
                             phase == RECORD_VERIFY_JOURNAL ? BACKUP_VERIFIES : BACKUP_READS, done,
                             total);
}

static enum status check_rows(struct verify *v, struct registry *registry)
{
    const struct record_verify_watch watch = {verify_on_found, verify_on_progress, v};
    struct record_verify_report *report = &v->verified->rows;
    enum status status = record_verify(registry, &watch, report);
    if (status == STATUS_PENDING) {
        return backup_interrupted(v->fault);
    }
    if (status == STATUS_CORRUPT && v->fault->text[0] == '\0') {
        return fault_set(v->fault, status, "position %" PRIu64 ": %s",
                         report->journal.first_bad_position, report->journal.reason);
    }
    return status;
}

static enum status check_store(struct verify *v)
{
    const struct registry_options options = {
        .path = directory_path(v->arena, v->options->path, "store"),
        .is_read_only = true,
        .is_copy = true,
        .commitment_key = v->commitment_key,
    };
    struct registry *registry = NULL;
    enum status status =
        options.path == NULL ? STATUS_NO_MEMORY : registry_open(&options, &registry, v->fault);
    if (status == STATUS_OK) {
        status = check_head(v, registry);
    }
    if (status == STATUS_OK) {
        status = check_rows(v, registry);
    }
    registry_close(registry);
    return status;
}

static enum status verify(struct verify *v)
{
    const struct backup_verify_options *options = v->options;
    struct backup_manifest *manifest = &v->verified->manifest;
    enum status status = backup_verify_manifest(options->path, v->arena, manifest, v->fault);
    if (status == STATUS_OK && options->opener != NULL) {
        status = backup_opener_check(options->opener, manifest, v->fault);
    }
    if (status == STATUS_OK) {
        v->fd = open(options->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        status = v->fd < 0 ? backup_file_error(options->path, v->fault) : check_members(v);
    }
    if (status == STATUS_OK) {
        status = check_settings(v);
    }
    if (status == STATUS_OK && options->opener != NULL) {
        status = open_keys(v);
    }
    return status == STATUS_OK ? check_store(v) : status;
}

enum status backup_verify(const struct backup_verify_options *options, struct arena *arena,
                          struct backup_verified *out_verified, struct fault *fault)
{
    *out_verified = (struct backup_verified){.opened_keys = 0};
    struct verify v = {
        .options = options, .arena = arena, .fd = -1, .verified = out_verified, .fault = fault};
    enum status status = verify(&v);
    if (v.commitment_key.len > 0) {
        OPENSSL_cleanse((void *)(uintptr_t)v.commitment_key.data, v.commitment_key.len);
    }
    if (v.fd >= 0) {
        (void)close(v.fd);
    }
    return status;
}
