/* SPDX-License-Identifier: Apache-2.0
 *
 * Trusted resolution: are the values of a record covered by signatures that lead to a root of ours
 * (settings: trust.roots; protocol.md §4.2 flags 2 and 1, §6.8)?
 *
 * Chains are followed for those who ask for it only, within limits.trust; digests and signatures
 * are computed in the crypto pool, certificates of other nodes come as elsewhere.h brings them, and
 * what was found is kept for a while. Whatever goes wrong, the answer is only not called trusted.
 * Worker's thread; one table per worker.
 */
#pragma once

#include "resolver/exchange.h"

struct trust;

/* Does this exchange ask for it, and are there roots? */
bool trust_is_asked(const struct exchange *x);

/* Before an answer with the values of `name`, stored so, is opened: sets its flag (1) when every
 * value that leaves is covered, but for the signatures. They leave where `standing` is `least` at
 * the least. OK, also when it was not asked for; PENDING: the handler is run again. */
enum status trust_mark(struct exchange *x, struct bytes name, struct bytes stored,
                       const uint8_t *standing, uint8_t least);

/* The worker's, made by its first question; NULL is allowed. */
void trust_free(struct trust *trust);
