/* SPDX-License-Identifier: Apache-2.0
 *
 * The journal played over the ledger: what a store must hold, from its own order of sets.
 *
 * Knows nothing of tables; store_check.c compares. One thread; model_done gives everything back.
 */
#pragma once

#include "registry/journal.h"
#include "tests/crash/store_check.h"

struct submission {
    bool is_submitted;
    bool is_refused; /* for a reason of its own: it must not be there */
    bool is_stored;
    uint64_t above;                  /* its positions lie above this */
    uint64_t through;                /* and not above this: the head the next session found */
    const struct mark *acknowledged; /* NULL: unknown to the writer */
};

/* One record item of the journal. */
struct event {
    uint64_t set;
    size_t item; /* of the set as it was submitted */
    uint64_t version;
    uint64_t position;
    bool is_put;
    const struct event *previous; /* of the same handle */
};

struct store_model {
    uint64_t seed;
    struct submission *submissions;
    size_t submission_count;
    struct event **events; /* all, for freeing */
    size_t event_count;
    size_t event_capacity;
    const struct event *latest[WORKLOAD_HANDLES];
    uint64_t head; /* last position played */
    uint64_t sets;
    uint64_t audits;
    uint8_t chain[JOURNAL_HASH_LEN];
    struct store_report *report;
};

/* False with the reason in the report; model_done in either case. */
bool model_init(struct store_model *model, const struct store_check *check,
                struct store_report *report);
void model_done(struct store_model *model);

/* The whole journal, then whether every acknowledged set was met. */
bool model_play(struct store_model *model, struct snapshot *snapshot);

/* Notes the first reason and returns false. */
bool model_blame(struct store_model *model, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
