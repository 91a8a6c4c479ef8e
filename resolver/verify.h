/* SPDX-License-Identifier: Apache-2.0
 *
 * Judging the answer to a challenge against keys, in the crypto pool (protocol.md §7.5, §7.6).
 *
 * Inside of identity.c and op_verify; worker's thread, but for the work itself.
 */
#pragma once

#include "resolver/exchange.h"
#include "resolver/parked.h"

#define VERIFY_KEYS_MAX 16 /* tried for an identity without index */

struct verify_key {
    uint32_t index;
    struct bytes data;
};

/* What is judged; everything borrowed, copied when it is sent to the pool. */
struct verify_case {
    bool is_secret; /* HS_SECKEY, else HS_PUBKEY */
    struct bytes nonce;
    struct bytes digest;
    struct bytes signed_response;
    struct bytes handle; /* as spelled by the one who answers */
    struct bytes stored; /* as its record spells it; may be empty */
    struct verify_key keys[VERIFY_KEYS_MAX];
    size_t key_count;
};

/* Sends it to the pool as WAIT_VERIFY: PENDING. AUTHENTICATION_FAILED: it cannot be right, or is of
 * a kind the settings refuse; SERVER_BUSY. */
enum status verify_start(struct exchange *x, const struct verify_case *asked);

/* OK, AUTHENTICATION_FAILED or ERROR; `out_index` is the key's that fitted. */
enum status verify_outcome(const struct wait *wait, uint32_t *out_index);

/* The keys of an identity in a list of values: type HS_PUBKEY or HS_SECKEY, that index or any. */
void verify_collect(struct verify_case *out_case, const struct value *values, size_t count,
                    uint32_t index);
