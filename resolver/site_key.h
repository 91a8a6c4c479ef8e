/* SPDX-License-Identifier: Apache-2.0
 *
 * The key a node signs its answers with: keys/site.pem.
 */
#pragma once

#include <openssl/types.h>

#include "protocol/status.h"

/* A private key in PEM; the file must be its owner's alone (mode 0600 or less). The caller frees it
 * with EVP_PKEY_free. NOT_FOUND: there is none; SYSTEM: it cannot be read; ACCESS_DENIED: others
 * can read it; CORRUPT: it holds no key. */
enum status site_key_load(const char *path, EVP_PKEY **out_key, struct fault *fault);

/* Another server's public key in PEM; anybody may read the file. */
enum status site_key_load_public(const char *path, EVP_PKEY **out_key, struct fault *fault);
