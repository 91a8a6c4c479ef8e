/* SPDX-License-Identifier: Apache-2.0
 *
 * Is a store what its ledger allows? The independent checker of the crash tests.
 *
 * Reads the journal from position 1 and plays it in a model of its own: every set was submitted,
 * none twice, in the session that submitted it; every acknowledged one is there with its versions;
 * the chain holds when computed anew; then the model against records, deletion marks, history and
 * counters; then journal_verify. Pure beside the store; one thread.
 */
#pragma once

#include "tests/crash/ledger.h"

struct store_check {
    const struct mark *marks; /* what was written down by the moment of the crash */
    size_t mark_count;
    const char *store;
    bool may_be_unmade; /* creation may not have finished: failing to open cleanly is right */
    bool writes_after;  /* commit a set of its own at the end and look again */
};

struct store_report {
    uint64_t acknowledged; /* sets that had to be there */
    uint64_t stored;       /* sets that are there */
    bool was_unmade;
    char reason[256]; /* empty when everything holds */
};

/* False with the reason when anything does not hold. */
bool store_check_run(const struct store_check *check, struct store_report *out_report);
