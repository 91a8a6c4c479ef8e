/* SPDX-License-Identifier: Apache-2.0
 *
 * What an answer gets before it leaves (protocol.md §4.6, §7.9): a MAC or a signature when the
 * client asked for certification, encryption in a session. Inside of exchange.c; worker's thread.
 */
#pragma once

#include "resolver/exchange.h"

/* The packet from `start` to x->reply.at is complete, with a credential of no length. `status` (OK
 * or MORE) is given back once it may leave; PENDING: it is being signed. */
enum status seal_answer(struct exchange *x, uint8_t *start, enum status status);

/* The signed answer has come: it stands in x->reply, and `out_status` is what seal_answer was
 * called with. */
bool seal_take_signed(struct exchange *x, enum status *out_status);

/* One signature's worth of what this worker may sign a second; see limits.certified. */
struct seal_budget {
    int64_t left_millis; /* thousandths of signatures */
    int64_t filled_ms;
};

/* Takes one; false: there is none left, which is told. */
bool seal_take_budget(const struct exchange *x);
