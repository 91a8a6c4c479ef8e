/* SPDX-License-Identifier: Apache-2.0
 *
 * Digests of requests and their place in bodies (protocol.md §5.1), by OpenSSL.
 *
 * Thread-safe: no state. Nothing here is secret.
 */
#pragma once

#include "protocol/message.h"

#define DIGEST_MAX 32

/* Codes on the wire; MD5_OLD is the form without an algorithm byte of versions below 2.1. */
enum digest_algorithm {
    DIGEST_MD5_OLD = 0,
    DIGEST_MD5 = 1,
    DIGEST_SHA1 = 2,
    DIGEST_SHA256 = 3,
};

struct digest {
    enum digest_algorithm algorithm;
    uint8_t data[DIGEST_MAX];
    size_t len;
};

/* What a peer of this version expects: SHA-256 from 2.7, SHA-1 from 2.1, MD5 below. */
enum digest_algorithm digest_algorithm_for(struct message_version version);

/* ERROR when the library refuses the algorithm (MD5 under FIPS). */
enum status digest_compute(enum digest_algorithm algorithm, struct bytes data,
                           struct digest *out_digest);

/* The prefix of a body: algorithm byte ‖ digest; MD5_OLD: int4 16 ‖ digest. */
void digest_encode(struct wire_writer *w, const struct digest *digest);
enum status digest_decode(struct wire_reader *r, struct digest *out_digest);

/* SHA-256 of the concatenation of `count` runs. */
enum status digest_sha256(const struct bytes *runs, size_t count, uint8_t out[32]);

/* HMAC-SHA256 of the concatenation. */
enum status digest_hmac_sha256(struct bytes key, const struct bytes *runs, size_t count,
                               uint8_t out[32]);
