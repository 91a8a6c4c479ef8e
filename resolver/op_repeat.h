/* SPDX-License-Identifier: Apache-2.0
 *
 * A change that was done before under the same key (exchange_terms.has_repeat, registry/repeats.h)
 * is answered as it was then, whatever has become of the record since.
 */
#pragma once

#include "resolver/exchange.h"

/* true: it was, and `out_status` is the exchange's. Only for those who proved who they are. */
bool op_repeat_answers(struct exchange *x, enum status *out_status);
