/* SPDX-License-Identifier: Apache-2.0
 *
 * Names that are not ours: for whom they are resolved, and how one question goes out for all who
 * ask (design §5; protocol.md §8.1, §8.6).
 *
 * Every worker has a desk. Who needs a name writes a question and sends it to the desk that its
 * hash chooses; that desk asks other services once, however many wait, and posts the answer home,
 * each in bytes of its own. The walk to the responsible service stands in forward_walk.c: what it
 * needs to know on its way are questions like any other, so they are shared, too.
 */
#pragma once

#include "protocol/body.h"
#include "resolver/exchange.h"
#include "resolver/mailbox.h"

#define FORWARD_COUNT_MAX 10 /* recursion count of what we send, §8.6 */

struct forward;
struct worker;

/* --- questions ----------------------------------------------------------------------------------
 */

/* Owned by whoever asks; alive and unchanged until `answered` was opened at home. */
struct forward_question {
    struct bytes handle;     /* with its slash; borrowed from the owner */
    uint8_t recursion_count; /* of what is sent: the asker's, and one more */
    bool is_authoritative;   /* primaries are asked, nothing kept is taken */
    int64_t deadline_ms;     /* net_now_ms */
    struct mail *answered;   /* what is posted home */
    struct mailbox *home;

    /* The answer. OK: `values` holds the public values as they are stored, count ‖ values, and is
     * the owner's to free. HANDLE_NOT_FOUND, VALUES_NOT_FOUND; what another service refuses with;
     * TIMED_OUT, UNREACHABLE, CLOSED; RECURSION_TOO_HIGH; NOT_RESPONSIBLE: nobody can be asked. */
    enum status status;
    bool is_stale; /* over their time, but nobody answers */
    bool is_ours;  /* they stand in our own store */
    bool is_old;   /* the cache has had them for a while, though not over their time */
    uint8_t *values;
    size_t values_len;

    /* the desk's */
    struct mail trip;
    struct forward_question *next;
};

/* The worker's own thread. The question comes home by mail, always. */
void forward_send(struct worker *worker, struct forward_question *question);

/* --- for handlers -------------------------------------------------------------------------------
 */

/* A name that has no home here, asked for by this exchange. PENDING. OK: `out_values` are its
 * public values in stored form, valid until the exchange ends. SERVICE_REFERRAL: `out_values` says
 * where it is to be had, for an answer 302; none: in the record of its prefix. NOT_RESPONSIBLE: not
 * for this caller, or nobody is asked about it; anything else is what to refuse with. */
enum status forward_find(struct exchange *x, struct bytes name, struct bytes *out_values);

/* Is whoever asks from there, with these flags of a resolution, told what the cache holds of names
 * that have no home here? Of those who are not some still are, by the full way. */
bool forward_tells_kept(const struct generation *generation, const struct net_address *peer,
                        uint32_t flags);

/* Is anybody asked about that name, whoever it is who needs it? `handle` has its slash. */
bool forward_may_ask(struct exchange *x, struct bytes handle);

/* --- the node's and the worker's ----------------------------------------------------------------
 */

struct forward_hub;

/* `key` makes the choice of desks unpredictable. NULL: no memory. */
struct forward_hub *forward_hub_new(size_t workers, const uint64_t key[2]);
void forward_hub_free(struct forward_hub *hub);

/* Before any worker runs: the desk of this worker is number `index`. */
void forward_hub_join(struct forward_hub *hub, size_t index, struct worker *worker);

enum status forward_new(struct worker *worker, struct forward **out_forward);
/* Answers everything with CLOSED, from now on at once. NULL is allowed. */
void forward_close(struct forward *forward);
/* Closed, and everything it sent has come home. NULL is allowed. */
void forward_free(struct forward *forward);
bool forward_is_idle(const struct forward *forward);
