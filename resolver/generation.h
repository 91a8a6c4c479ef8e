/* SPDX-License-Identifier: Apache-2.0
 *
 * A settings generation (struct generation of exchange.h) made from settings and store.
 */
#pragma once

#include "resolver/exchange.h"

/* Reads the site record from the store's meta "site"; without one `site` is empty and the serial
 * unknown; and from "site_key_since" the serial with which the site's key became known. `settings`
 * is borrowed. BAD_SETTING: a trusted network; INVALID_VALUE: the site record; NO_MEMORY and what
 * the store says. */
enum status generation_new(const struct settings *settings, struct registry *registry,
                           uint64_t number, struct generation **out_generation,
                           struct fault *fault);

/* Which key signs an answer to a client whose requests name site record `serial`. After a rotation
 * clients that know an older record verify with the key it tells, until that one is retired; those
 * that know none yet ask for the record of now. */
EVP_PKEY *generation_signing_key(const struct generation *generation, uint16_t serial);

/* NULL is allowed. The settings are not freed. */
void generation_free(struct generation *generation);
