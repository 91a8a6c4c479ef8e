/* SPDX-License-Identifier: Apache-2.0
 *
 * MD5 of our own, for choosing a server inside a site (protocol.md §8.2) and nothing else.
 *
 * That choice must come out the same everywhere, also where the crypto library is in FIPS mode and
 * knows no MD5. Digests of requests go through digest.h. No state beyond the struct.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define MD5_LEN 16

struct md5 {
    uint32_t state[4];
    uint64_t len; /* bytes added */
    uint8_t block[64];
};

void md5_init(struct md5 *md5);
void md5_add(struct md5 *md5, uint8_t byte);
void md5_end(struct md5 *md5, uint8_t out[MD5_LEN]);
