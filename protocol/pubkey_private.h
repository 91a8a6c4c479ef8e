/* SPDX-License-Identifier: Apache-2.0
 *
 * Building OpenSSL keys from named numbers, shared by public and private key records.
 */
#pragma once

#include "protocol/pubkey.h"

#define PUBKEY_NUMBERS_MAX 8

struct pubkey_number {
    const char *name;   /* OSSL_PKEY_PARAM_... */
    struct bytes value; /* big-endian, unsigned */
};

/* `selection`: EVP_PKEY_PUBLIC_KEY or EVP_PKEY_KEYPAIR. INVALID_VALUE when OpenSSL refuses. */
enum status pubkey_from_numbers(const char *algorithm, const struct pubkey_number *numbers,
                                size_t count, int selection, EVP_PKEY **out_key);
