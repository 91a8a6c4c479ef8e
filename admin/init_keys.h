/* SPDX-License-Identifier: Apache-2.0
 *
 * The key files of a new node (decisions.md "Directory"), each made once, mode 0600.
 */
#pragma once

#include "protocol/arena.h"
#include "protocol/bytes.h"
#include "protocol/status.h"

#define INIT_SECRET_LEN 32

struct init_keys {
    struct bytes site_public;            /* HS_PUBKEY record of keys/site.pem, in the arena */
    uint8_t commitment[INIT_SECRET_LEN]; /* keys/commit.key; the caller cleanses it */
};

/* Writes site.pem (RSA-2048), head.pem (P-256, or SM2), data.key and commit.key below
 * `directory`/keys, which exists. */
enum status init_keys_make(struct arena *arena, const char *directory, bool is_sm,
                           struct init_keys *out_keys, struct fault *fault);
