/* SPDX-License-Identifier: Apache-2.0
 *
 * Whom the client of a TLS connection says it is by its certificate, and whether that is so
 * (protocol.md §7.4, §14 row 77).
 *
 * The handshake proved that the client has the certificate's private key; whose key that is stands
 * in the record of the handle it names, nowhere else. So neither issuer nor dates of the
 * certificate count: anybody can sign one, and a key is valid as long as its record holds it.
 * Whoever takes the key out of the record ends all that may be done with it at once, also on
 * connections that are open. Worker's thread.
 */
#pragma once

#include <openssl/types.h>

#include "protocol/value.h"

struct exchange;
struct tls;

struct certificate {
    struct reference name; /* index 0: any key of that handle */
    EVP_PKEY *key;
    uint8_t handle[]; /* what `name` borrows */
};

/* After the handshake. NULL: it showed none, or one that names no "INDEX:HANDLE". */
struct certificate *certificate_of(const struct tls *tls);
void certificate_free(struct certificate *certificate);

/* Is the key shown on x's connection one of those in the record of the identity claimed by it? OK;
 * PENDING; AUTHENTICATION_FAILED: it is another; else what key_source_find says. */
enum status certificate_authenticate(struct exchange *x);
