/* SPDX-License-Identifier: Apache-2.0
 *
 * The key files of a rotation: keys/site.pem, the one to come (site.next.pem, for a moment) and the
 * one before (site.previous.pem, until it is retired).
 *
 * At any moment site.pem is a whole key, and no key a client may still verify with is lost.
 */
#pragma once

#include <openssl/types.h>

#include "protocol/arena.h"
#include "protocol/status.h"

struct rotation_keys {
    EVP_PKEY *now;
    EVP_PKEY *previous; /* NULL: there is none, likewise the next one */
    EVP_PKEY *next;
};

/* NOT_FOUND: there is no keys/site.pem; else what site_key_load says. rotation_keys_done in every
 * case. */
enum status rotation_keys_load(struct arena *arena, const char *directory,
                               struct rotation_keys *out_keys, struct fault *fault);
void rotation_keys_done(struct rotation_keys *keys);

/* Makes keys/site.next.pem, of the kind the key of now is. */
enum status rotation_keys_make(struct arena *arena, const char *directory,
                               struct rotation_keys *keys, struct fault *fault);

/* The key of now becomes the previous, the next one that of now. */
enum status rotation_keys_exchange(struct arena *arena, const char *directory,
                                   struct rotation_keys *keys, struct fault *fault);

/* NOT_FOUND: there is no previous key. */
enum status rotation_keys_retire(struct arena *arena, const char *directory, struct fault *fault);
