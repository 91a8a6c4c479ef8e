/* SPDX-License-Identifier: Apache-2.0
 *
 * Exchanging key files by link and rename (rotation_keys.h).
 */
#include "admin/rotation_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/directory.h"
#include "admin/key_file.h"
#include "resolver/site_key.h"

#define NOW "keys/site.pem"
#define PREVIOUS "keys/site.previous.pem"
#define NEXT "keys/site.next.pem"
#define RSA_BITS_MIN 2048

static enum status load(struct arena *arena, const char *directory, const char *name,
                        EVP_PKEY **out_key, struct fault *fault)
{
    const char *path = directory_path(arena, directory, name);
    return path == NULL ? STATUS_NO_MEMORY : site_key_load(path, out_key, fault);
}

enum status rotation_keys_load(struct arena *arena, const char *directory,
                               struct rotation_keys *out_keys, struct fault *fault)
{
    *out_keys = (struct rotation_keys){0};
    enum status status = load(arena, directory, NOW, &out_keys->now, fault);
    if (status == STATUS_OK) {
        status = load(arena, directory, PREVIOUS, &out_keys->previous, fault);
        status = status == STATUS_NOT_FOUND ? STATUS_OK : status;
    }
    if (status == STATUS_OK) {
        status = load(arena, directory, NEXT, &out_keys->next, fault);
        status = status == STATUS_NOT_FOUND ? STATUS_OK : status;
    }
    return status;
}

void rotation_keys_done(struct rotation_keys *keys)
{
    EVP_PKEY_free(keys->now);
    EVP_PKEY_free(keys->previous);
    EVP_PKEY_free(keys->next);
    *keys = (struct rotation_keys){0};
}

static EVP_PKEY *generate(EVP_PKEY *like)
{
    if (EVP_PKEY_is_a(like, "RSA")) {
        int bits = EVP_PKEY_get_bits(like);
        return EVP_RSA_gen((unsigned)(bits > RSA_BITS_MIN ? bits : RSA_BITS_MIN));
    }
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, like, NULL);
    if (context != NULL && EVP_PKEY_keygen_init(context) == 1) {
        (void)EVP_PKEY_generate(context, &key);
    }
    EVP_PKEY_CTX_free(context);
    return key;
}

/* The daemon's user reads it, whoever makes it. */
static enum status give_to_owner(const char *now, const char *path, struct fault *fault)
{
    struct stat facts;
    if (stat(now, &facts) == 0 &&
        (facts.st_uid == geteuid() || chown(path, facts.st_uid, facts.st_gid) == 0)) {
        return STATUS_OK;
    }
    return fault_set(fault, STATUS_SYSTEM, "%s: %s", NEXT, strerror(errno));
}

enum status rotation_keys_make(struct arena *arena, const char *directory,
                               struct rotation_keys *keys, struct fault *fault)
{
    const char *now = directory_path(arena, directory, NOW);
    const char *next = directory_path(arena, directory, NEXT);
    if (now == NULL || next == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct key_file file = {.key = generate(keys->now), .is_private = true};
    struct bytes pem = BYTES_NONE;
    enum status status = file.key != NULL
                             ? STATUS_OK
                             : fault_set(fault, STATUS_SYSTEM, "%s", "OpenSSL cannot make a key");
    if (status == STATUS_OK) {
        status = key_file_encode(arena, &file, KEY_PEM, NULL, NULL, &pem, fault);
    }
    if (status == STATUS_OK) {
        status = key_file_write(next, pem, true, fault);
    }
    if (status == STATUS_OK) {
        status = give_to_owner(now, next, fault);
    }
    if (status == STATUS_OK) {
        keys->next = file.key;
    } else {
        EVP_PKEY_free(file.key);
    }
    return status;
}

/* What was renamed stays so after a power cut. */
static bool sync_keys(struct arena *arena, const char *directory)
{
    const char *path = directory_path(arena, directory, "keys");
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_synced = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0) {
        (void)close(fd);
    }
    return is_synced;
}

enum status rotation_keys_exchange(struct arena *arena, const char *directory,
                                   struct rotation_keys *keys, struct fault *fault)
{
    const char *now = directory_path(arena, directory, NOW);
    const char *previous = directory_path(arena, directory, PREVIOUS);
    const char *next = directory_path(arena, directory, NEXT);
    if (now == NULL || previous == NULL || next == NULL) {
        return STATUS_NO_MEMORY;
    }
    bool is_kept = link(now, previous) == 0 || errno == EEXIST;
    if (!is_kept || !sync_keys(arena, directory) || rename(next, now) != 0 ||
        !sync_keys(arena, directory)) {
        return fault_set(fault, STATUS_SYSTEM, "%s: %s", NOW, strerror(errno));
    }
    EVP_PKEY_free(keys->previous);
    keys->previous = keys->now;
    keys->now = keys->next;
    keys->next = NULL;
    return STATUS_OK;
}

enum status rotation_keys_retire(struct arena *arena, const char *directory, struct fault *fault)
{
    const char *previous = directory_path(arena, directory, PREVIOUS);
    if (previous == NULL) {
        return STATUS_NO_MEMORY;
    }
    if (unlink(previous) != 0) {
        return errno == ENOENT
                   ? STATUS_NOT_FOUND
                   : fault_set(fault, STATUS_SYSTEM, "%s: %s", PREVIOUS, strerror(errno));
    }
    return sync_keys(arena, directory)
               ? STATUS_OK
               : fault_set(fault, STATUS_SYSTEM, "%s: %s", PREVIOUS, strerror(errno));
}
