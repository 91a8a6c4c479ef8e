/* SPDX-License-Identifier: Apache-2.0
 *
 * Records against counters, beside a writer; part of journal_verify.
 */
#pragma once

#include "registry/store.h"

struct recount_result {
    uint64_t records; /* that existed at the instant compared */
    char reason[160]; /* what does not hold; empty when everything does */
};

/* OK when every counter equals the records, else CORRUPT with the reason; or a failure to read. */
enum status journal_recount(struct registry *registry, struct recount_result *out_result);
