/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of templates share: variables, texts with variables, expressions and the budget of
 * one answer. Nothing outside of protocol/template*.c includes it.
 *
 * A template is written by whoever holds a prefix and runs for whoever asks: so everything it can
 * make us do is paid from one `struct template_budget`, and what is too dear fails.
 */
#pragma once

#include "protocol/message.h"
#include "protocol/template.h"
#include "protocol/xml.h"

/* --- variables ---------------------------------------------------------------------------------
 */

/* A variable; those that were there before it hang on. Never changed once made: what an element
 * sees is one pointer. */
struct template_variable {
    const struct template_variable *older;
    struct bytes name;
    struct bytes text;
    const struct bytes *groups; /* of the expression it matched, the whole first; NULL: none */
    size_t group_count;
};

struct template_budget {
    size_t steps;    /* elements looked at */
    size_t text;     /* bytes of texts put together */
    uint64_t effort; /* what grows with what is looked at; a unit is about a nanosecond */
    size_t fetches;  /* references followed */
};

struct template_expression; /* compiled, by the element that has it */

struct template_expressions {
    struct template_expression *first;
    size_t count;
    bool ignores_case;
};

/* Over all of one answer; references followed: protocol.md §15. */
#define TEMPLATE_FETCHES_MAX 10
static const struct template_budget template_budget = {
    .steps = 16384,
    .text = MESSAGE_MAX,
    .effort = TEMPLATE_EFFORT_MAX,
    .fetches = TEMPLATE_FETCHES_MAX,
};

struct template_work {
    struct arena *arena;
    struct template_budget left;
    struct template_expressions expressions;
    struct fault *fault; /* may be NULL */
};

/* false, and nothing is left, when there is not as much. */
static inline bool template_pay(struct template_work *work, uint64_t cost)
{
    bool is_paid = cost <= work->left.effort;
    work->left.effort = is_paid ? work->left.effort - cost : 0;
    return is_paid;
}

/* NO_MEMORY. `value` gives name and text; groups, too, when there are some. */
enum status template_text_bind(struct template_work *work, const struct template_variable **names,
                               const struct template_variable *value);

/* What ${key} stands for: a variable, name[k] a group, a number a group of the extension; nothing
 * when there is no such thing, or looking for it is over the budget. */
struct bytes template_text_find(struct template_work *work, const struct template_variable *names,
                                struct bytes key);

/* `pattern` with its variables replaced; in markup what they hold cannot become markup. NO_MEMORY,
 * INVALID_VALUE over the budget. */
enum status template_text_fill(struct template_work *work, const struct template_variable *names,
                               struct bytes pattern, bool is_markup, struct bytes *out_text);

/* --- expressions -------------------------------------------------------------------------------
 */

/* Does the whole subject match the expression of `element`? `out_match` has the groups then.
 * NO_MEMORY, INVALID_VALUE: not an expression, or over the budget. */
enum status template_match(struct template_work *work, const xmlNode *element,
                           struct bytes expression, struct bytes subject, bool *out_is_match,
                           struct template_variable *out_match);

/* Could it be used? */
enum status template_match_check(struct template_work *work, const xmlNode *element,
                                 struct bytes expression);

/* Frees what was compiled. */
void template_match_done(struct template_expressions *expressions);
