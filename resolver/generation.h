/* SPDX-License-Identifier: Apache-2.0
 *
 * A settings generation (struct generation of exchange.h) made from settings and store.
 */
#pragma once

#include "resolver/exchange.h"

/* Reads the site record from the store's meta "site"; without one `site` is empty and the serial
 * unknown. `settings` is borrowed. BAD_SETTING: a trusted network; INVALID_VALUE: the site record;
 * NO_MEMORY and what the store says. */
enum status generation_new(const struct settings *settings, struct registry *registry,
                           uint64_t number, struct generation **out_generation,
                           struct fault *fault);

/* NULL is allowed. The settings are not freed. */
void generation_free(struct generation *generation);
