/* SPDX-License-Identifier: Apache-2.0
 *
 * Saying who else answers: 302 for names of a prefix that is served elsewhere, 303 for prefixes
 * whose records are kept elsewhere (protocol.md §5.6).
 *
 * What our own records tell is what is told; in the exchange's arena. Worker's thread.
 */
#pragma once

#include "resolver/exchange.h"

/* Does a public value tell a service that is not this node? `stored` is count ‖ values. */
bool refer_tells_other(const struct exchange *x, struct bytes stored);

/* The sites and service handles among the values of a prefix record, for an answer 302.
 * SERVICE_REFERRAL; NOT_RESPONSIBLE: there are none, or the caller wants no referral. */
enum status refer_service(const struct exchange *x, struct bytes stored, struct bytes *out_values);

/* `handle` is a record 0.NA/... that is not here. PREFIX_REFERRAL: `out_values` are those of the
 * nearest prefix above it that has some. HANDLE_NOT_FOUND: none has, or the caller does not know or
 * want such referrals. */
enum status refer_prefix(const struct exchange *x, struct bytes handle, struct bytes *out_values);
