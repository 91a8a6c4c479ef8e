/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys of a backup: each key file sealed for a recipient, openable by its private key alone.
 *
 * CMS EnvelopedData (RFC 5652), AES-256-CBC, DER. Without this program:
 *   openssl cms -decrypt -inform DER -in keys/site.pem.cms -inkey PRIVATE.pem -out site.pem
 * The recipient is an X.509 certificate or a bare public key (RSA, or EC on a NIST curve).
 */
#pragma once

#include "admin/backup_manifest.h"
#include "protocol/arena.h"

#define BACKUP_KEY_FILE_MAX (64u << 10)

struct backup_recipient;

/* PEM, a certificate or PUBLIC KEY. SYSTEM: cannot be read; BAD_SYNTAX: not one of these. */
enum status backup_recipient_load(const char *path, struct backup_recipient **out_recipient,
                                  struct fault *fault);
void backup_recipient_free(struct backup_recipient *recipient);

/* Subject and public key go into the manifest. */
enum status backup_recipient_tell(const struct backup_recipient *recipient,
                                  struct backup_manifest *manifest);

/* The sealed form in the arena. */
enum status backup_recipient_seal(const struct backup_recipient *recipient, struct arena *arena,
                                  struct bytes secret, struct bytes *out_sealed,
                                  struct fault *fault);

/* A new key pair (RSA-3072): the private key in `key_path` (0600, must not exist), a certificate
 * made out to `name` in `certificate_path`. Nothing is left when it fails. */
enum status backup_recipient_make(const char *key_path, const char *certificate_path,
                                  const char *name, struct fault *fault);

struct backup_opener;

/* PEM private key; an encrypted one asks for its passphrase on the terminal. */
enum status backup_opener_load(const char *path, struct backup_opener **out_opener,
                               struct fault *fault);
void backup_opener_free(struct backup_opener *opener);

/* Is it the key this backup was sealed for? ACCESS_DENIED: no. */
enum status backup_opener_check(const struct backup_opener *opener,
                                const struct backup_manifest *manifest, struct fault *fault);

/* What was sealed, in the arena; the caller cleanses it. CORRUPT. */
enum status backup_opener_open(const struct backup_opener *opener, struct arena *arena,
                               struct bytes sealed, struct bytes *out_secret, struct fault *fault);
