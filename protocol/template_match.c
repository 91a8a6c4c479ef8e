/* SPDX-License-Identifier: Apache-2.0
 *
 * Expressions of templates, by PCRE2 (template_parts.h). They are written for Java's; the dialects
 * agree on what people write.
 *
 * An expression can take longer than the sun shines. PCRE2 stops at a number of steps, but does not
 * say how many it took, and a step may look at the whole subject: so a match is tried with few
 * steps first and with more when they did not do, and each try costs its steps times the subject's
 * length from a budget that the whole answer shares.
 */
#include "protocol/template_parts.h"

#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define EXPRESSION_MAX 1024 /* bytes */
#define EXPRESSIONS_MAX 64  /* compiled for one answer */
#define SUBJECT_MAX 4096    /* bytes; handles have 2048 */
#define GROUPS_MAX 64
#define NESTING_MAX 32
#define HEAP_MAX_KIB 1024
#define FIRST_STEPS 16
#define MORE_STEPS 4   /* times as many at the next try */
#define STEP_BYTES 16  /* what a step costs beside the subject's bytes */
#define COMPILE_COST 8 /* of each compiled byte */

struct template_expression {
    struct template_expression *next;
    const xmlNode *of;
    pcre2_code *code;
    pcre2_match_data *data;
};

void template_match_done(struct template_expressions *expressions)
{
    while (expressions->first != NULL) {
        struct template_expression *done = expressions->first;
        expressions->first = done->next;
        pcre2_match_data_free(done->data);
        pcre2_code_free(done->code);
        free(done);
    }
}

static enum status refuse_slow(struct template_work *work)
{
    return fault_set(work->fault, STATUS_INVALID_VALUE, "its expressions take too long");
}

static enum status refuse_expression(struct template_work *work, int error, size_t at)
{
    PCRE2_UCHAR text[128] = "";
    if (error == PCRE2_ERROR_HEAP_FAILED || error == PCRE2_ERROR_NOMEMORY) {
        return STATUS_NO_MEMORY;
    }
    (void)pcre2_get_error_message(error, text, sizeof(text));
    return fault_set(work->fault, STATUS_INVALID_VALUE, "bad expression: %s at byte %zu",
                     (const char *)text, at);
}

static pcre2_code *compile_bounded(struct bytes text, bool ignores_case, int *out_error,
                                   size_t *out_at)
{
    uint32_t options = PCRE2_UTF | PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_ALT_BSUX |
                       PCRE2_NEVER_BACKSLASH_C | (ignores_case ? PCRE2_CASELESS : 0);
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    pcre2_code *code = NULL;
    *out_error = PCRE2_ERROR_NOMEMORY;
    *out_at = 0;
    if (context != NULL) {
        (void)pcre2_set_parens_nest_limit(context, NESTING_MAX);
        (void)pcre2_set_newline(context, PCRE2_NEWLINE_ANY);
        code = pcre2_compile(text.data, text.len, options, out_error, out_at, context);
        pcre2_compile_context_free(context);
    }
    return code;
}

/* Its size and its groups, known once it is compiled. */
static enum status judge(struct template_work *work, const pcre2_code *code)
{
    size_t size = 0;
    uint32_t groups = 0;
    (void)pcre2_pattern_info(code, PCRE2_INFO_SIZE, &size);
    (void)pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &groups);
    if (groups >= GROUPS_MAX) {
        return fault_set(work->fault, STATUS_INVALID_VALUE,
                         "an expression has %u groups, at most %d", groups, GROUPS_MAX - 1);
    }
    return template_pay(work, size * COMPILE_COST) ? STATUS_OK : refuse_slow(work);
}

static enum status compile(struct template_work *work, const xmlNode *element, struct bytes text,
                           struct template_expression **out_made)
{
    struct template_expressions *all = &work->expressions;
    if (text.len > EXPRESSION_MAX || all->count == EXPRESSIONS_MAX) {
        return fault_set(work->fault, STATUS_INVALID_VALUE,
                         "more than %d expressions, or one with more than %d bytes",
                         EXPRESSIONS_MAX, EXPRESSION_MAX);
    }
    struct template_expression *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return STATUS_NO_MEMORY;
    }
    made->next = all->first;
    made->of = element;
    all->first = made;
    all->count++;
    int error = 0;
    size_t at = 0;
    made->code = compile_bounded(text, all->ignores_case, &error, &at);
    if (made->code == NULL) {
        return refuse_expression(work, error, at);
    }
    made->data = pcre2_match_data_create_from_pattern(made->code, NULL);
    *out_made = made;
    return made->data == NULL ? STATUS_NO_MEMORY : judge(work, made->code);
}

static struct template_expression *find(const struct template_work *work, const xmlNode *element)
{
    struct template_expression *at = work->expressions.first;
    while (at != NULL && at->of != element) {
        at = at->next;
    }
    return at;
}

enum status template_match_check(struct template_work *work, const xmlNode *element,
                                 struct bytes expression)
{
    struct template_expression *made = NULL;
    return compile(work, element, expression, &made);
}

/* PCRE2's answer within the budget; PCRE2_ERROR_MATCHLIMIT: beyond it. */
static int match_bounded(struct template_work *work, const struct template_expression *with,
                         struct bytes subject, pcre2_match_context *context)
{
    int result = PCRE2_ERROR_MATCHLIMIT;
    const uint64_t step = subject.len + STEP_BYTES;
    for (uint32_t steps = FIRST_STEPS; result == PCRE2_ERROR_MATCHLIMIT; steps *= MORE_STEPS) {
        if (!template_pay(work, steps * step)) {
            return result;
        }
        (void)pcre2_set_match_limit(context, steps);
        result = pcre2_match(with->code, subject.data, subject.len, 0, 0, with->data, context);
    }
    return result;
}

static enum status keep_groups(struct template_work *work, const struct template_expression *with,
                               struct bytes subject, struct template_variable *out_match)
{
    size_t count = pcre2_get_ovector_count(with->data);
    const size_t *ends = pcre2_get_ovector_pointer(with->data);
    struct bytes *groups = arena_calloc(work->arena, count, sizeof(*groups));
    if (groups == NULL) {
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        if (ends[2 * i] != PCRE2_UNSET && ends[2 * i + 1] >= ends[2 * i]) {
            groups[i] = bytes_of(subject.data + ends[2 * i], ends[2 * i + 1] - ends[2 * i]);
        }
    }
    out_match->text = subject;
    out_match->groups = groups;
    out_match->group_count = count;
    return STATUS_OK;
}

enum status template_match(struct template_work *work, const xmlNode *element,
                           struct bytes expression, struct bytes subject, bool *out_is_match,
                           struct template_variable *out_match)
{
    struct template_expression *with = find(work, element);
    enum status status = with != NULL ? STATUS_OK : compile(work, element, expression, &with);
    if (status != STATUS_OK) {
        return status;
    }
    if (subject.len > SUBJECT_MAX) {
        return fault_set(work->fault, STATUS_INVALID_VALUE,
                         "an expression is to match more than %d bytes", SUBJECT_MAX);
    }
    pcre2_match_context *context = pcre2_match_context_create(NULL);
    if (context == NULL) {
        return STATUS_NO_MEMORY;
    }
    (void)pcre2_set_heap_limit(context, HEAP_MAX_KIB);
    struct bytes exact = subject.len == 0 ? BYTES_LITERAL("") : subject;
    int result = match_bounded(work, with, exact, context);
    pcre2_match_context_free(context);
    *out_is_match = result > 0;
    switch (result) {
    case PCRE2_ERROR_NOMEMORY:
        return STATUS_NO_MEMORY;
    case PCRE2_ERROR_MATCHLIMIT:
    case PCRE2_ERROR_DEPTHLIMIT:
    case PCRE2_ERROR_HEAPLIMIT:
        return refuse_slow(work);
    default:
        /* Otherwise no match: data that is not UTF-8 matches nothing. */
        return result > 0 ? keep_groups(work, with, exact, out_match) : STATUS_OK;
    }
}
