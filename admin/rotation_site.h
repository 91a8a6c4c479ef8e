/* SPDX-License-Identifier: Apache-2.0
 *
 * The other half of a rotation: one key put in another's place in the site record and in the
 * prefix's own record. Pure.
 */
#pragma once

#include <openssl/types.h>

#include "protocol/site.h"
#include "protocol/value.h"

struct rotation_change {
    EVP_PKEY *from;
    EVP_PKEY *to;
    uint16_t serial; /* of the site record that tells `to` */
};

/* Is this HS_PUBKEY record of the key? */
bool rotation_is_key(struct bytes record, EVP_PKEY *key);

/* One of the servers has it. */
bool rotation_site_tells(const struct site *site, EVP_PKEY *key);

/* `data` is an HS_SITE record; the changed one stands in the arena. NOT_FOUND: no server has the
 * key. */
enum status rotation_site(struct arena *arena, const struct rotation_change *change,
                          struct bytes data, struct bytes *out_data);

/* The same for every HS_SITE and HS_PUBKEY value of a record, in place; changed values have no
 * timestamp. NOT_FOUND: none has the key. */
enum status rotation_record(struct arena *arena, const struct rotation_change *change,
                            struct value *values, size_t count);
