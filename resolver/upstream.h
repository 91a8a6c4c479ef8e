/* SPDX-License-Identifier: Apache-2.0
 *
 * Asking one service a question: which of its servers when, how long to wait, what to believe
 * (protocol.md §8.3, §8.4, §14 row 80).
 *
 * One table per worker, its thread only. It remembers how servers answered: the quick ones are
 * asked first, and one that does not answer is left alone for a while that grows with each failure,
 * but for one question when that while is over. A question goes to the next server when the one
 * before takes long, without giving the earlier up: the first answer that is believed wins.
 *
 * Believed is what comes from where it was asked, with the id, operation and digest of the very
 * request; where the site gives a key and that is asked for, with a right signature. Everything
 * else is passed over, and waiting goes on.
 */
#pragma once

#include "resolver/crypto_pool.h"
#include "resolver/metrics.h"
#include "resolver/service.h"

struct upstream;

struct upstream_options {
    struct net *net;
    struct metrics_slot *metrics;
    struct crypto_pool *pool; /* judges signatures; NULL: they are not asked for */
    struct mailbox *mailbox;  /* where the pool's answers come home */
    void (*random)(void *out, size_t len);
};

enum status upstream_new(const struct upstream_options *options, struct upstream **out_upstream);
/* Every question must have been cancelled, and what the pool had be home. NULL is allowed. */
void upstream_free(struct upstream *upstream);

struct upstream_limits {
    size_t questions;    /* under way in all; over it SERVER_BUSY */
    size_t per_server;   /* to one server */
    int64_t hold_max_ms; /* a server that does not answer is left alone for so long at most */
    bool verifies;       /* answers are signed where the site gives a key, and that is checked */
};

struct upstream_question {
    uint32_t opcode;
    uint32_t flags; /* enum message_flag; RD is added */
    uint8_t recursion_count;
    struct bytes body;                    /* copied */
    const struct service_target *targets; /* in order, without host names; copied,
                                           * but for their keys and paths */
    size_t target_count;
    int64_t time_ms; /* for everything */
    struct upstream_limits limits;
};

struct upstream_answer {
    const struct message *message;
    struct bytes body; /* without the digest */
    bool is_certified; /* signed by the key of its site */
};

/* OK: an answer came, whatever its code, valid during the call; TIMED_OUT, UNREACHABLE (nobody can
 * be asked now), AUTHENTICATION_FAILED (wrong signatures alone). Called once unless cancelled. */
typedef void upstream_done(void *context, enum status status, const struct upstream_answer *answer);

struct upstream_call;

/* SERVER_BUSY; UNREACHABLE: every server is being left alone; NO_MEMORY. Then `done` is not
 * called. */
enum status upstream_ask(struct upstream *upstream, const struct upstream_question *question,
                         upstream_done *done, void *context, struct upstream_call **out_call);
void upstream_cancel(struct upstream_call *call);

/* service_cost: milliseconds an answer is expected to take; servers left alone come last. */
int64_t upstream_cost(void *upstream, const struct service_target *target);

size_t upstream_questions(const struct upstream *upstream);
