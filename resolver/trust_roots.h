/* SPDX-License-Identifier: Apache-2.0
 *
 * The keys that signatures of records must lead to (settings: trust.roots), read from files.
 *
 * A file is a record as JSON (its HS_PUBKEY and HS_CERT values become roots of that handle), or one
 * public key as JWK, PEM or HS_PUBKEY record, which is then a root for whatever it signed.
 * Immutable and counted: walks that began under an older settings generation keep theirs.
 */
#pragma once

#include "protocol/chain.h"

#define TRUST_ROOTS_MAX 16
#define TRUST_ROOT_FILE_MAX 262144 /* bytes */

struct trust_roots;

/* `directory` stands in front of paths that do not begin with '/'; NULL: nothing does. SYSTEM: a
 * file cannot be read; BAD_SETTING: it holds no root, or all hold too many; NO_MEMORY. */
enum status trust_roots_read(const char *directory, const char *const *paths, size_t count,
                             struct trust_roots **out_roots, struct fault *fault);

const struct chain_roots *trust_roots_list(const struct trust_roots *roots);

/* One more owner; any thread. */
struct trust_roots *trust_roots_share(struct trust_roots *roots);

/* One owner less; NULL is allowed. */
void trust_roots_free(struct trust_roots *roots);
