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

/* Says the caller that he follows none? */
bool refer_is_unwanted(const struct exchange *x);

/* Who keeps the record `handle`, 0.NA/..., which is not here: the nearest prefix record above it
 * that is here decides. OK: `out_values` are those that tell who, in the arena; HANDLE_NOT_FOUND:
 * it would be kept here, too; CORRUPT. */
enum status refer_keeper(struct snapshot *snapshot, struct arena *arena, struct bytes handle,
                         struct bytes *out_values);

/* The same for an answer 303. PREFIX_REFERRAL; HANDLE_NOT_FOUND, also when the caller wants no
 * referral; NOT_RESPONSIBLE: somebody keeps it, but the caller does not know such referrals. */
enum status refer_prefix(const struct exchange *x, struct bytes handle, struct bytes *out_values);
