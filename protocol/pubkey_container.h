/* SPDX-License-Identifier: Apache-2.0
 *
 * Private key files of the reference tools (protocol.md §6.7): the container word, its encryption
 * by a pass phrase, and the key record inside.
 *
 * Plain key bytes stand only in room the caller gave and cleanses.
 */
#pragma once

#include "protocol/pubkey.h"

#define PUBKEY_CONTAINER_SALT_LEN 16
#define PUBKEY_CONTAINER_IV_LEN 16
#define PUBKEY_CONTAINER_ITERATIONS 10000
#define PUBKEY_CONTAINER_ITERATIONS_MAX 10000000
#define PUBKEY_CONTAINER_MAX 65536 /* bytes of a file that is looked at */

/* The file is a container (whatever its encryption) or a bare private key record. */
bool pubkey_container_is(struct bytes file);

/* Does reading it take a pass phrase? */
bool pubkey_container_is_sealed(struct bytes file);

/* Appends the key record inside. AUTHENTICATION_FAILED: the pass phrase is wrong, or the file
 * damaged, which cannot be told apart; INVALID_VALUE: no container; NOT_SUPPORTED: an encryption
 * nobody wrote. */
enum status pubkey_container_open(struct bytes file, struct bytes pass_phrase,
                                  struct wire_writer *w);

/* The record of a private key: RSA_PRIVCRT_KEY or DSA_PRIV_KEY. NOT_SUPPORTED: the reference tools
 * have no form for it. */
enum status pubkey_private_from_evp(const EVP_PKEY *key, struct wire_writer *w);

/* Appends the container of a record: without pass phrase (none: length 0) as it is, else by PBKDF2
 * and AES-128-CBC. `salt` and `iv` are random. */
enum status pubkey_container_seal(struct bytes record, struct bytes pass_phrase,
                                  const uint8_t salt[PUBKEY_CONTAINER_SALT_LEN],
                                  const uint8_t iv[PUBKEY_CONTAINER_IV_LEN], struct wire_writer *w);
