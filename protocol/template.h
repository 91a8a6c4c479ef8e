/* SPDX-License-Identifier: Apache-2.0
 *
 * Values of handles that have no record: computed by the template in the HS_NAMESPACE value of
 * their prefix (protocol.md §8.7).
 *
 * Pure: records are asked for through a callback, nothing is kept from one answer to the next. The
 * holder of a prefix writes the template and strangers choose the handles, so time, memory and
 * what comes out are bounded (template.c names the bounds); over a bound there is no answer.
 * Results live in the arena, or are borrowed from what the callback gave. Any thread.
 */
#pragma once

#include "protocol/handle.h"
#include "protocol/value.h"

/* The record of `handle`, encoded (`count ‖ values`), valid until the answer is used up.
 * HANDLE_NOT_FOUND: there is none here; anything else ends the whole with that status. */
typedef enum status template_record(void *context, struct bytes handle, struct bytes *out_values);

/* What an answer may cost, in units of about a nanosecond. */
#define TEMPLATE_EFFORT_MAX 2000000

struct template_question {
    struct bytes handle;      /* as it was asked for, with a slash */
    struct bytes name_space;  /* values of the prefix record, encoded */
    enum case_rule case_rule; /* of the prefix: whether expressions tell case apart */
    template_record *record;
    void *context;
    uint64_t *effort; /* at most that much; then what is left of it. NULL: TEMPLATE_EFFORT_MAX */
};

/* OK: `out_values`, sorted by index, fit to be stored, at least one. HANDLE_NOT_FOUND: the prefix
 * has no template, or none that gives this handle values. ERROR: its name space is not active;
 * `fault` has what its holder says about that, maybe nothing. INVALID_VALUE: the template is no
 * good, or asks for more than it may; why is in `fault`. NO_MEMORY; and what `record` said. */
enum status template_answer(const struct template_question *question, struct arena *arena,
                            struct value **out_values, size_t *out_count, struct fault *fault);

/* Can this HS_NAMESPACE be read, and every template in it, expressions included? INVALID_VALUE with
 * the reason. Whether it may be stored at all is for value_check to say. */
enum status template_check(struct bytes name_space, struct arena *arena, struct fault *fault);
