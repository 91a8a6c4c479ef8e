/* SPDX-License-Identifier: Apache-2.0
 *
 * Key files of people, programs and other nodes, whatever wrote them: PEM and DER (private, public,
 * certificate), the reference tools' private containers and public records, HS_SECKEY secrets.
 *
 * Pass phrases and private bytes are cleansed as soon as the key is made.
 */
#pragma once

#include <openssl/types.h>

#include "protocol/arena.h"
#include "protocol/status.h"

#define KEY_FILE_MAX 65536 /* bytes that are read */
#define KEY_PASS_PHRASE_MAX 1024

struct key_pass_phrase {
    char text[KEY_PASS_PHRASE_MAX];
    size_t len; /* 0: none */
};

struct key_file {
    EVP_PKEY *key; /* owned: key_file_done */
    bool is_private;
    const char *form; /* "PEM", "DER", "reference container", "reference record", "certificate" */
    struct bytes record; /* the HS_PUBKEY record, in the arena; the file's own when it held one */
};

/* AUTHENTICATION_NEEDED: the file is sealed and no pass phrase was given; AUTHENTICATION_FAILED: a
 * wrong one; INVALID_VALUE: not a key; NOT_SUPPORTED: a key nobody here can use; SYSTEM. */
enum status key_file_read(struct arena *arena, const char *path,
                          const struct key_pass_phrase *pass_phrase, struct key_file *out_file,
                          struct fault *fault);
void key_file_done(struct key_file *file);

/* A secret as it is kept in a file: its bytes without the line's end. */
enum status key_file_read_secret(struct arena *arena, const char *path, struct bytes *out_secret,
                                 struct fault *fault);

enum key_form {
    KEY_PEM,              /* PKCS #8 */
    KEY_DER,              /* PKCS #8 */
    KEY_PUBLIC_PEM,       /* SubjectPublicKeyInfo */
    KEY_PUBLIC_DER,       /* SubjectPublicKeyInfo */
    KEY_REFERENCE,        /* private container (privkey.bin) */
    KEY_REFERENCE_PUBLIC, /* HS_PUBKEY record (pubkey.bin) */
    KEY_CERTIFICATE,      /* self-signed, PEM; its subject's UID is the identity */
};

bool key_form_is_private(enum key_form form);

/* The key in this form, in the arena. `pass_phrase` seals private forms (length 0: not). `identity`
 * is "INDEX:HANDLE", for certificates. NOT_SUPPORTED: there is no such form of this key. */
enum status key_file_encode(struct arena *arena, const struct key_file *file, enum key_form form,
                            const struct key_pass_phrase *pass_phrase, const char *identity,
                            struct bytes *out_data, struct fault *fault);

/* A new file, never an existing one: 0600 when it holds something secret, synced. */
enum status key_file_write(const char *path, struct bytes data, bool is_secret,
                           struct fault *fault);

/* From a file ("-": the terminal, unseen). `asks_twice` for a new one. */
enum status key_pass_phrase_read(const char *path, bool asks_twice,
                                 struct key_pass_phrase *out_pass_phrase, struct fault *fault);
void key_pass_phrase_cleanse(struct key_pass_phrase *pass_phrase);
