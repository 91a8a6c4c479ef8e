/* SPDX-License-Identifier: Apache-2.0
 *
 * Operation 201 as the node asks it of itself, for clients over HTTP: who proves what by nonce and
 * digest (enum exchange_verify). Keys are found, compared and limited as those of any challenge are
 * (identity.h): also public ones, also those of other nodes; wrong answers count against the
 * address, right ones do not.
 */
#pragma once

#include "resolver/exchange.h"

/* The answer to what is verified: 1 if it is right ‖ index 4 of the key ‖ version 8 of the record
 * that holds it, 0: not ours. To EXCHANGE_PROVE: algorithm and signature, as bytes each. */
struct inside_verdict {
    bool is_right;
    uint32_t index;
    uint64_t version;
};
enum status inside_verdict_decode(struct bytes body, struct inside_verdict *out);

/* A handler, run again after each wait. */
enum status inside_verify(struct exchange *x);
