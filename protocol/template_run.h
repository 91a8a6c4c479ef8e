/* SPDX-License-Identifier: Apache-2.0
 *
 * One <template> element carried out (protocol.md §8.7): if, else, foreach, def, value, notfound.
 * Inside of protocol/template*.c. What it makes gathers in a `struct template_run` over all the
 * templates of an answer.
 */
#pragma once

#include "protocol/template_parts.h"

#define TEMPLATE_DEPTH_MAX 32 /* elements inside of elements */

struct template_run {
    struct template_work *work;
    const struct template_variable *names; /* handle, base, extension */
    const struct value *bases;             /* what foreach goes through */
    size_t base_count;
    uint32_t timestamp;   /* of values that come from none of the base's */
    struct value *values; /* by index, no index twice */
    size_t count;
    size_t room;
};

/* Adds what the template gives. HANDLE_NOT_FOUND: it says there is no such handle; INVALID_VALUE,
 * NO_MEMORY. */
enum status template_run_element(struct template_run *run, const xmlNode *element);

/* Is there something inside that would not run? INVALID_VALUE with the reason. */
enum status template_run_check(struct template_work *work, const xmlNode *element);
