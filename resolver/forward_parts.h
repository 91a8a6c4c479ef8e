/* SPDX-License-Identifier: Apache-2.0
 *
 * What the desk (forward.c) and the walk (forward_walk.c) share. Private to them.
 */
#pragma once

#include "resolver/dns.h"
#include "resolver/forward.h"
#include "resolver/hot_set.h"
#include "resolver/upstream.h"

#define FORWARD_BUCKETS 1024

enum forward_want {
    WANT_SERVICE, /* of names under a prefix, from its record or where that points to */
    WANT_PARENT,  /* of a derived prefix, from the record of the one above it */
};

/* One question on its way to other services. */
struct forward_job {
    struct forward *forward;
    struct forward_job *next; /* of its bucket */
    uint64_t hash;
    uint8_t *name;
    size_t name_len;
    uint8_t recursion_count; /* as the question asked for; part of what it is known by */
    bool is_authoritative;
    int64_t deadline_ms;
    struct forward_question *waiting;
    /* Answered: it stays for a moment, as what the cache was given is not seen at once. */
    struct forward_job *later; /* in the order they are let go */
    int64_t kept_until_ms;
    enum status outcome;
    struct bytes answer;
    bool is_kept;
    bool is_stale;     /* the answer is one of before */
    bool is_over;      /* answered, and no longer in the table */
    bool is_ours;      /* it stands in our own store */
    bool is_old;       /* the cache has had the answer for a while */
    bool is_certified; /* the answer's signature was right */

    /* the walk */
    struct arena *arena;
    struct service service;
    bool is_upward;      /* the service is the top-level one */
    bool is_told_here;   /* the service is told by our own records, or the settings */
    bool was_renewed;    /* the service was asked for once more, of primaries */
    bool may_have_moved; /* the service is told by a record that the cache has had for a while */
    bool has_descended;
    bool was_referred;
    uint8_t hops; /* what was added to the count by referrals and service handles */
    struct service_target targets[SERVICE_TARGETS_MAX];
    size_t target_count;
    struct upstream_call *call; /* NULL: none is under way */
    struct dns_waiter dns;
    enum forward_want want;
    struct forward_question nested;
    struct mail nested_mail;
    bool is_nested_out;
};

struct forward {
    struct worker *worker;
    struct upstream *upstream;
    struct dns *dns;
    size_t job_count; /* those over, but not freed, too */
    bool is_closed;
    struct net_timer *timer; /* lets go of those kept */
    struct forward_job *first_kept;
    struct forward_job **last_kept;
    size_t kept_count;
    struct forward_job *buckets[FORWARD_BUCKETS];
};

/* Takes the job from where it is to its end, which is forward_finish. */
void forward_walk(struct forward_job *job);
/* Nothing of it is under way any more but a nested question. */
void forward_walk_stop(struct forward_job *job);

/* Tells all who wait. `values` (count ‖ values) are copied. The job is gone, or will be. */
void forward_finish(struct forward_job *job, enum status status, struct bytes values);
/* The nested question of a job that is over has come home. */
void forward_job_free(struct forward_job *job);

struct bytes forward_job_name(const struct forward_job *job);

/* --- forward_hosts.c: addresses in place of host names ------------------------------------------
 */

/* Makes the job's targets of these. OK: there are some; PENDING: none is known yet; UNREACHABLE:
 * none can be had. */
enum status forward_place(struct forward_job *job, const struct service_target *targets,
                          size_t count);

/* --- forward_memory.c: what the cache remembers of whole public records -------------------------
 */

/* A fresh answer: OK with values that have the time they have left, in the arena; HANDLE_NOT_FOUND,
 * VALUES_NOT_FOUND. NOT_FOUND: none. Old is what has been here for over a minute. */
enum status forward_recall(struct worker *worker, struct bytes handle, struct arena *arena,
                           struct bytes *out_values, bool *out_is_old);

/* The same for who keeps a copy of it. */
enum status forward_recall_lent(struct worker *worker, struct bytes handle, struct arena *arena,
                                struct bytes *out_values, struct hot_lease *out_lease);

/* The same for one that is over its time, now that nobody answers. */
enum status forward_recall_stale(struct worker *worker, struct bytes handle, struct arena *arena,
                                 struct bytes *out_values);

/* Keeps what was answered; other outcomes are not kept. */
void forward_remember(struct worker *worker, struct bytes handle, enum status status,
                      struct bytes values, bool is_certified);
