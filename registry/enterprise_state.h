/* SPDX-License-Identifier: Apache-2.0
 *
 * Where an enterprise stands between application and tombstone, and which act leads on from there.
 *
 * One table says it all: who may do what in which state, and what comes of it. A full change of an
 * enterprise that was admitted (a new name, credential, legal person) walks the same way from
 * SUBMITTED on, beside the state of the enterprise itself. Nothing is enabled but by CONFIRM: the
 * top node's answer, recorded. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The numbers stand in stored rows. */
enum enterprise_state {
    ENTERPRISE_NONE = 0,    /* of a change under review: there is none */
    ENTERPRISE_ENABLED = 1, /* also the node's own enterprise */
    ENTERPRISE_DRAFTED = 2,
    ENTERPRISE_SUBMITTED = 3,
    ENTERPRISE_VERIFIED = 4,
    ENTERPRISE_IN_REVIEW = 5,
    ENTERPRISE_REJECTED = 6,
    ENTERPRISE_APPROVED = 7, /* here; the top node has not answered yet */
    ENTERPRISE_SUSPENDED = 8,
    ENTERPRISE_TO_DELETE = 9,
    ENTERPRISE_CANCELLED = 10, /* for good; its prefixes are never given to anybody else */
};

enum enterprise_act {
    ENTERPRISE_SUBMIT,
    ENTERPRISE_VERIFY,
    ENTERPRISE_REVIEW,
    ENTERPRISE_APPROVE,
    ENTERPRISE_REJECT,
    ENTERPRISE_CONFIRM, /* the top node said yes */
    ENTERPRISE_REFUSE,  /* the top node said no */
    ENTERPRISE_SUSPEND,
    ENTERPRISE_RESUME,
    ENTERPRISE_CANCEL,
    ENTERPRISE_REMOVE, /* the top node has deleted it, or never knew it */
    ENTERPRISE_ACTS,
};

/* How its names answer while it is suspended. */
enum enterprise_policy {
    ENTERPRISE_POLICY_NONE = 0,
    ENTERPRISE_KEEP_READING = 1, /* they resolve; nothing is written */
    ENTERPRISE_HOLD = 2,         /* they do not resolve either */
};

struct enterprise_act_row {
    const char *word;
    const char *who; /* "applicant", "reviewer", "operator" */
    const char *who_zh;
    const char *text_zh;
};

const struct enterprise_act_row *enterprise_act_row(enum enterprise_act act);

/* "in-review"; "?" for what is none. */
const char *enterprise_state_word(enum enterprise_state state);
const char *enterprise_state_text_zh(enum enterprise_state state);

bool enterprise_state_is_known(enum enterprise_state state);

/* The number the national interfaces have for it: 0 stopped, 1 enabled, 2 to be deleted, 3
 * rejected, 4 waiting, 5 in review. */
int enterprise_state_national(enum enterprise_state state);

/* May the act be done in this state, and what comes of it? */
bool enterprise_state_step(enum enterprise_state from, enum enterprise_act act,
                           enum enterprise_state *out_to);

/* Does one act lead from one to the other, or is it the same? NONE as `from`: a new enterprise. */
bool enterprise_state_may_become(enum enterprise_state from, enum enterprise_state to);

/* A full change under review: NONE as `to` ends it, as approved (from IN_REVIEW or VERIFIED) or
 * taken back. */
bool enterprise_state_review_may_become(enum enterprise_state from, enum enterprise_state to);

/* "keep-reading", "hold"; "" for none. */
const char *enterprise_policy_word(enum enterprise_policy policy);
