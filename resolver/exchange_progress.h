/* SPDX-License-Identifier: Apache-2.0
 *
 * What an exchange remembers over its waits. Inside of resolver/: handlers see exchange.h,
 * identity.h and parked.h.
 *
 * Most exchanges have none. Belongs to its exchange, so to one worker; everything in it is owned,
 * secrets are cleansed when it goes.
 */
#pragma once

#include "protocol/body.h"
#include "resolver/identity.h"
#include "resolver/parked.h"
#include "resolver/services.h"

struct progress {
    /* whom the message comes from */
    struct session *session; /* the session it names; NULL: none */
    bool is_admitted;        /* all of this was looked at */
    bool is_repetition;      /* answered from what was kept: leaves as it is */
    bool has_ended;          /* it was terminated by this message */
    bool has_mac;            /* its MAC and counter proved right */
    bool was_encrypted;
    uint8_t *opened; /* the packet, decrypted */
    size_t opened_len;
    struct challenge *challenge; /* the one it answers: the original request */
    struct body_answer answer;   /* borrowed from this run's bytes */
    uint8_t *identity_handle;    /* what `identity` borrows */
    struct identity identity;
    bool has_identity;
    bool has_verdict;
    enum status verdict;     /* of authenticating */
    struct bytes key_handle; /* record that vouches, when it is ours; owned */
    uint64_t key_version;
    struct elsewhere *elsewhere; /* what was asked of other nodes; owned as waits */
    int64_t elsewhere_until_ms;  /* when that must have come, net_now_ms; 0: nothing was asked */

    /* waiting */
    struct parked *parked;
    struct wait *results;
    unsigned out[WAIT_KINDS]; /* how many have gone out, by kind */
    uint8_t *last_key;        /* of a list that goes on */
    size_t last_key_len;

    /* writing */
    struct change_set *committed;
    unsigned conflicts;
    struct batch *batch; /* held; NULL: none */

    /* answering */
    struct duplicate_key duplicate;
    bool is_first;     /* of its duplicates: entered, to be kept or released */
    bool is_memorable; /* something was done that must not be done again */
    bool exposes;      /* the answer tells values that are not public */
};

/* The exchange's, made when there is none; NULL: no memory. */
struct progress *progress_of(struct exchange *x);

/* Ends it; NULL is allowed. */
void progress_free(struct progress *progress);

/* Sets who is claimed; the handle is copied. NO_MEMORY. */
enum status progress_claim(struct progress *progress, struct reference identity,
                           enum identity_source source, bool is_verified);
