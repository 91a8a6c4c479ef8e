/* SPDX-License-Identifier: Apache-2.0
 *
 * Who asks, whether that is true, and what is written in their name: what handlers of requests that
 * need an identity call (protocol.md §7.1). Worker's thread.
 *
 * Such a handler is run again from its start after everything it waited for, with the request's
 * bytes unchanged and a fresh snapshot. Each step below is a question that knows whether its result
 * is there already, so a handler is written straight down:
 *
 *     decode
 *     const struct change_set *done = exchange_committed(x);
 *     if (done != NULL) return <answer from done>;
 *     cheap checks of existence and syntax                       101, 100, 102, 201, 202
 *     who = exchange_identity(x);
 *     if (who == NULL) return exchange_demand_identity(x);       402, 408
 *     authorisation by `who`                                     400
 *     status = exchange_authenticate(x);
 *     if (status == STATUS_PENDING) return status;
 *     if (status != STATUS_OK) return exchange_refuse(x, status, "");
 *     if the index was 0 it is known now: authorisation again
 *     set = exchange_new_set(x, policy); fill it; rows read by the decision: change_set_depends
 *     status = exchange_commit(x, set);
 *     return status == STATUS_PENDING ? status : exchange_refuse(x, status, "");
 *
 * Nothing borrowed from snapshot, arena or request survives a PENDING.
 */
#pragma once

#include "registry/change_set.h"
#include "resolver/exchange.h"

enum identity_source {
    IDENTITY_ANSWER,      /* the answer to a challenge (200), not judged before authenticating */
    IDENTITY_SESSION,     /* proved before, in this session; the message's MAC vouches for it */
    IDENTITY_LOGIN,       /* proved before, on this connection (2001) */
    IDENTITY_CERTIFICATE, /* the connection's TLS client certificate */
};

struct identity {
    struct bytes handle; /* as the caller spelled it; valid until the handler returns */
    uint32_t index;      /* 0: any key of that handle; the one that verified once is_verified */
    enum identity_source source;
    bool is_verified;
};

/* Who the caller claims to be; NULL: nobody. */
const struct identity *exchange_identity(const struct exchange *x);

/* Answers 402 with a challenge that is kept; 408 or 407 to the national SDK, which answers a
 * challenge to nothing but its login. SERVER_BUSY (3) is answered when it cannot be kept. */
enum status exchange_demand_identity(struct exchange *x);

/* Is the claim true? OK; PENDING: return it, the handler is run again; else what to refuse with:
 * AUTHENTICATION_FAILED (wrong), UNABLE_TO_AUTHENTICATE (no key to be had), INVALID_CREDENTIAL (a
 * message of a session without MAC), SERVER_BUSY. The claim's key record, if it is local, becomes a
 * dependency of what is committed. */
enum status exchange_authenticate(struct exchange *x);

/* A set in the caller's name, "300:88.608.8889/User_li" at "192.0.2.7"; of "anybody" when
 * nobody is claimed. NULL: no memory. */
struct change_set *exchange_new_set(struct exchange *x, enum change_policy policy);

/* Takes the set whatever happens. PENDING: return it; the handler is run again, and finds the set
 * with exchange_committed unless something it was decided on has changed: then the decision is made
 * anew, twenty times at most. SERVER_BUSY: the queue is full, or as many conflicts. NULL:
 * NO_MEMORY. A set that fails while it is prepared gives its own status, unless items judge for
 * themselves. */
enum status exchange_commit(struct exchange *x, struct change_set *set);

/* Long work in pieces: the handler is run again from the loop. PENDING; SERVER_BUSY. */
enum status exchange_go_on(struct exchange *x);
/* The same because something it was decided on has changed: counts as a conflict. */
enum status exchange_decide_again(struct exchange *x);

/* The set as the committer left it: change_set_status, change_set_item_status. NULL: none yet. */
const struct change_set *exchange_committed(const struct exchange *x);

/* --- answers in several messages (lists) --------------------------------------------------------
 *
 * A handler that has more to say sets MESSAGE_CONTINUED in x->answer_header.flags before
 * exchange_open, closes the message and returns exchange_more with the last key it told. It is run
 * again when the peer has taken enough, in the snapshot of then; exchange_last gives the key back
 * (none on the first run). The last message returns like any other answer. */
enum status exchange_more(struct exchange *x, struct bytes last_key);
struct bytes exchange_last(const struct exchange *x);

/* This answer tells values that are not public: inside a session it is encrypted, asked or not
 * (§7.9). */
void exchange_exposes(struct exchange *x);
