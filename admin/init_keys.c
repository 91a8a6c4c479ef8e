/* SPDX-License-Identifier: Apache-2.0
 *
 * Key files of a new node, by OpenSSL (init_keys.h).
 */
#include "admin/init_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "admin/directory.h"
#include "protocol/pubkey.h"

#define SITE_KEY_BITS 2048u /* what every reference client verifies */
#define PUBLIC_MAX 2048

/* A new file nobody else can read, ever; never an existing one. */
static FILE *create_secret(struct arena *arena, const char *directory, const char *name,
                           struct fault *fault)
{
    const char *path = directory_path(arena, directory, name);
    int file = path == NULL ? -1 : open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    FILE *out = file < 0 ? NULL : fdopen(file, "wb");
    if (out == NULL) {
        (void)fault_set(fault, STATUS_SYSTEM, "%s: %s", name, strerror(errno));
        if (file >= 0) {
            (void)close(file);
        }
    }
    return out;
}

static enum status close_secret(FILE *out, bool is_written, const char *name, struct fault *fault)
{
    bool is_safe = is_written && fflush(out) == 0 && fsync(fileno(out)) == 0;
    bool is_closed = fclose(out) == 0;
    return is_safe && is_closed
               ? STATUS_OK
               : fault_set(fault, STATUS_SYSTEM, "%s cannot be written: %s", name, strerror(errno));
}

static enum status write_key(struct arena *arena, const char *directory, const char *name,
                             EVP_PKEY *key, struct fault *fault)
{
    if (key == NULL) {
        return fault_set(fault, STATUS_SYSTEM, "OpenSSL cannot make the key %s", name);
    }
    FILE *out = create_secret(arena, directory, name, fault);
    if (out == NULL) {
        return STATUS_SYSTEM;
    }
    bool is_written = PEM_write_PKCS8PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) == 1;
    return close_secret(out, is_written, name, fault);
}

static enum status write_random(struct arena *arena, const char *directory, const char *name,
                                uint8_t out_secret[INIT_SECRET_LEN], struct fault *fault)
{
    if (RAND_priv_bytes(out_secret, INIT_SECRET_LEN) != 1) {
        return fault_set(fault, STATUS_SYSTEM, "%s", "OpenSSL has no randomness");
    }
    FILE *out = create_secret(arena, directory, name, fault);
    if (out == NULL) {
        return STATUS_SYSTEM;
    }
    bool is_written = fwrite(out_secret, INIT_SECRET_LEN, 1, out) == 1;
    return close_secret(out, is_written, name, fault);
}

static enum status make_site_key(struct arena *arena, const char *directory,
                                 struct init_keys *out_keys, struct fault *fault)
{
    EVP_PKEY *key = EVP_RSA_gen(SITE_KEY_BITS);
    enum status status = write_key(arena, directory, "keys/site.pem", key, fault);
    uint8_t room[PUBLIC_MAX];
    struct wire_writer w = wire_write(room, sizeof(room));
    if (status == STATUS_OK) {
        status = pubkey_from_evp(key, &w);
    }
    EVP_PKEY_free(key);
    if (status != STATUS_OK) {
        return status;
    }
    out_keys->site_public = arena_copy(arena, wire_wrote(&w));
    return out_keys->site_public.len > 0 && out_keys->site_public.data != NULL ? STATUS_OK
                                                                               : STATUS_NO_MEMORY;
}

enum status init_keys_make(struct arena *arena, const char *directory, bool is_sm,
                           struct init_keys *out_keys, struct fault *fault)
{
    enum status status = make_site_key(arena, directory, out_keys, fault);
    if (status == STATUS_OK) {
        EVP_PKEY *head = is_sm ? EVP_PKEY_Q_keygen(NULL, NULL, "SM2") : EVP_EC_gen("P-256");
        status = write_key(arena, directory, "keys/head.pem", head, fault);
        EVP_PKEY_free(head);
    }
    uint8_t data_key[INIT_SECRET_LEN];
    if (status == STATUS_OK) {
        status = write_random(arena, directory, "keys/data.key", data_key, fault);
        OPENSSL_cleanse(data_key, sizeof(data_key));
    }
    if (status == STATUS_OK) {
        status = write_random(arena, directory, "keys/commit.key", out_keys->commitment, fault);
    }
    return status;
}
