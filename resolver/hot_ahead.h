/* SPDX-License-Identifier: Apache-2.0
 *
 * The complete requests at the start of a stream's bytes, looked at some at a time before the first
 * of them is answered, so that one wait for memory serves them all (hot_path.h). Worker's thread.
 */
#pragma once

#include "resolver/hot_path.h"

struct hot_ahead {
    struct hot_turn hot;
    size_t count;
    size_t next;
    struct hot_request asked[HOT_BATCH];
};

/* Around what one read brought. */
void hot_ahead_begin(struct hot_ahead *ahead, const struct exchange_scope *scope,
                     enum exchange_transport transport);
void hot_ahead_end(struct hot_ahead *ahead);

/* The request `data` begins with; NULL: it is not complete, or its length is impossible. Between
 * two calls `data` loses that request and nothing else. */
const struct hot_request *hot_ahead_next(struct hot_ahead *ahead, struct bytes data);
