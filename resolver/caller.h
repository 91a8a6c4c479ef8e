/* SPDX-License-Identifier: Apache-2.0
 *
 * Whom a message comes from, before its operation is looked at: the session it names, encryption,
 * MAC and counter, the login of its connection, and whether it was answered before. Inside of
 * exchange.c; worker's thread.
 */
#pragma once

#include "resolver/exchange.h"
#include "resolver/session.h"

/* Decrypts a message of a session; `out_packet` is borrowed from x->progress and says in its
 * envelope that it is plain. SESSION_TIMEOUT: no such session; SESSION_FAILED: anything else, after
 * the same work. */
enum status caller_decrypt(struct exchange *x, const struct envelope *asked,
                           struct bytes *out_packet);

/* true: the operation may be looked at. false: `out_status` is the exchange's, which was answered,
 * or waits, or gets no answer. */
bool caller_admit(struct exchange *x, enum status *out_status);

/* Keeps the request for the answer to this challenge. `nonce` (SESSION_NONCE_LEN) may be replaced
 * by that of an earlier one. SERVER_BUSY: it cannot be kept. */
enum status caller_keep_challenge(struct exchange *x, const struct digest *digest, uint8_t *nonce,
                                  uint32_t *out_session_id);

/* At the end: `answer` is kept for those who send the same again; none: there is nothing to keep.
 */
void caller_leave(struct exchange *x, struct bytes answer);

/* Tells of challenges and sessions that had to go for what this exchange has just kept. */
void caller_tell_displaced(const struct exchange *x);

/* The node's limits of challenges and sessions, for this peer. */
struct sessions_limits caller_limits(const struct exchange *x);
