/* SPDX-License-Identifier: Apache-2.0
 *
 * The elements of a template, one step at a time (template_run.h).
 *
 * Elements stand inside of elements; the frames of those that are open are an array of ours, so
 * that no template can use up the stack.
 */
#include "protocol/template_run.h"

#include <stdio.h>

#define INDEX_DIGITS 10
#define STEP_COST 64
#define SORT_COST 4 /* of each value that is passed or moved to put one in its place */

enum test { TEST_NEVER, TEST_ALWAYS, TEST_EQUALS, TEST_MATCHES };

/* Of the last <if>, for the <else> that may follow. */
struct condition {
    const xmlNode *element;
    enum test test;
    bool is_negated;
    struct bytes value;     /* which variable */
    struct bytes parameter; /* what it is called inside */
    struct bytes expression;
};

/* Where the values inside of a <def> go: the first one's data is the variable. */
struct capture {
    bool is_taken;
    struct bytes data;
};

enum frame_kind { FRAME_BLOCK, FRAME_LOOP, FRAME_DEFINITION };

struct frame {
    enum frame_kind kind;
    const xmlNode *element;
    const xmlNode *next; /* of its children */
    const struct template_variable *names;
    const struct value *origin; /* the base's value a foreach is at; NULL: in none */
    struct capture *capture;    /* NULL: values are the answer's */
    struct condition condition;
    size_t turn; /* of a loop: the next of the base's values */
};

struct stack {
    struct template_run *run;
    struct template_work *work;
    size_t depth;
    struct frame frames[TEMPLATE_DEPTH_MAX];
};

static struct bytes attribute(const struct template_work *work, const xmlNode *element,
                              const char *name)
{
    return xml_attribute(element, name, work->arena);
}

/* An open element is copied from the one around it, but for what is its own. */
static enum status push(struct stack *stack, enum frame_kind kind, const xmlNode *element,
                        const struct template_variable *names)
{
    if (stack->depth == TEMPLATE_DEPTH_MAX) {
        return fault_set(stack->work->fault, STATUS_INVALID_VALUE, "is deeper than %d elements",
                         TEMPLATE_DEPTH_MAX);
    }
    struct frame *frame = &stack->frames[stack->depth];
    const struct frame *outer = stack->depth == 0 ? NULL : frame - 1;
    *frame = (struct frame){
        .kind = kind,
        .element = element,
        .next = xml_element(element->children),
        .names = names,
        .origin = outer == NULL ? NULL : outer->origin,
        .capture = outer == NULL ? NULL : outer->capture,
    };
    stack->depth++;
    return STATUS_OK;
}

/* --- values ------------------------------------------------------------------------------------
 */

static bool make_room(struct template_run *run)
{
    if (run->count < run->room) {
        return true;
    }
    size_t room = run->room == 0 ? 16 : 2 * run->room;
    struct value *values = arena_calloc(run->work->arena, room, sizeof(*values));
    if (values == NULL) {
        return false;
    }
    if (run->count > 0) {
        memcpy(values, run->values, run->count * sizeof(*values));
    }
    run->values = values;
    run->room = room;
    return true;
}

/* With its index, or the next one that is free. */
static enum status add(struct template_run *run, struct value value)
{
    struct template_work *work = run->work;
    if (run->count == VALUE_COUNT_MAX) {
        return fault_set(work->fault, STATUS_INVALID_VALUE, "gives more than %d values",
                         VALUE_COUNT_MAX);
    }
    if (!make_room(run)) {
        return STATUS_NO_MEMORY;
    }
    size_t at = run->count;
    while (at > 0 && run->values[at - 1].index >= value.index) {
        at--;
    }
    size_t looked = run->count - at;
    for (; at < run->count && run->values[at].index == value.index; at++) {
        if (value.index == UINT32_MAX) {
            return fault_set(work->fault, STATUS_INVALID_VALUE, "runs out of indexes");
        }
        value.index++;
    }
    memmove(run->values + at + 1, run->values + at, (run->count - at) * sizeof(value));
    run->values[at] = value;
    run->count++;
    (void)template_pay(work, looked * SORT_COST);
    return STATUS_OK;
}

/* 0: none given, or nothing that is an index. */
static uint32_t read_index(struct bytes text)
{
    uint64_t index = 0;
    if (text.len > INDEX_DIGITS) {
        return 0;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return 0;
        }
        index = index * 10 + (uint64_t)(text.data[i] - '0');
    }
    return index > UINT32_MAX ? 0 : (uint32_t)index;
}

static enum status capture(struct capture *to, struct bytes data)
{
    if (!to->is_taken) {
        to->is_taken = true;
        to->data = data;
    }
    return STATUS_OK;
}

/* <value>: inside of a foreach, the base's value with what is said to differ. */
static enum status run_value(struct stack *stack, const struct frame *frame, const xmlNode *element)
{
    struct template_work *work = stack->work;
    bool is_markup = false;
    struct bytes type = attribute(work, element, "type");
    struct bytes data = attribute(work, element, "data");
    uint32_t index = read_index(attribute(work, element, "index"));
    if (data.data == NULL) {
        data = xml_content(element, work->arena, &is_markup);
    }
    if (frame->origin == NULL && (type.data == NULL || data.data == NULL)) {
        return STATUS_OK;
    }
    struct value value = {
        .index = 1,
        .timestamp = stack->run->timestamp,
        .ttl = VALUE_TTL_DEFAULT,
        .permissions = VALUE_PERMISSIONS_DEFAULT,
    };
    value = frame->origin == NULL ? value : *frame->origin;
    value.index = index == 0 ? value.index : index;
    enum status status = STATUS_OK;
    if (type.data != NULL) {
        status = template_text_fill(work, frame->names, type, false, &value.type);
    }
    if (status == STATUS_OK && data.data != NULL) {
        status = template_text_fill(work, frame->names, data, is_markup, &value.data);
    }
    if (status != STATUS_OK) {
        return status;
    }
    return frame->capture != NULL ? capture(frame->capture, value.data) : add(stack->run, value);
}

/* --- conditions --------------------------------------------------------------------------------
 */

static enum test test_of(struct bytes name, bool has_expression)
{
    if (name.data == NULL) {
        return has_expression ? TEST_EQUALS : TEST_ALWAYS;
    }
    if (has_expression && bytes_equal(name, BYTES_LITERAL("equals"))) {
        return TEST_EQUALS;
    }
    bool matches = has_expression && bytes_equal(name, BYTES_LITERAL("matches"));
    return matches ? TEST_MATCHES : TEST_NEVER;
}

static struct condition read_condition(const struct template_work *work, const xmlNode *element)
{
    struct condition condition = {
        .element = element,
        .value = attribute(work, element, "value"),
        .parameter = attribute(work, element, "parameter"),
        .expression = attribute(work, element, "expression"),
        .is_negated = bytes_equal(attribute(work, element, "negate"), BYTES_LITERAL("true")),
    };
    condition.test = test_of(attribute(work, element, "test"), condition.expression.data != NULL);
    if (condition.value.data == NULL) {
        condition.value = BYTES_LITERAL("extension");
    }
    if (condition.parameter.data == NULL) {
        condition.parameter = condition.value;
    }
    return condition;
}

/* `out_match` is the variable as it is called inside. */
static enum status meets(struct template_work *work, const struct frame *frame,
                         const struct condition *condition, bool *out_meets,
                         struct template_variable *out_match)
{
    struct bytes text = template_text_find(work, frame->names, condition->value);
    bool holds = false;
    *out_match = (struct template_variable){.name = condition->parameter, .text = text};
    if (condition->test == TEST_MATCHES) {
        enum status status = template_match(work, condition->element, condition->expression, text,
                                            &holds, out_match);
        *out_meets = holds != condition->is_negated;
        return status;
    }
    (void)template_pay(work, condition->expression.len / 8);
    holds = bytes_equal(text, condition->expression);
    *out_meets = holds != condition->is_negated;
    return STATUS_OK;
}

static enum status run_condition(struct stack *stack, struct frame *frame, const xmlNode *element)
{
    const struct condition *condition = &frame->condition;
    const struct template_variable *names = frame->names;
    struct template_variable match = {.name = BYTES_NONE};
    bool is_met = false;
    if (condition->test == TEST_NEVER) {
        return STATUS_OK;
    }
    if (condition->test == TEST_ALWAYS) {
        return condition->is_negated ? STATUS_OK : push(stack, FRAME_BLOCK, element, names);
    }
    enum status status = meets(stack->work, frame, condition, &is_met, &match);
    if (status != STATUS_OK || !is_met) {
        return status;
    }
    status = template_text_bind(stack->work, &names, &match);
    return status != STATUS_OK ? status : push(stack, FRAME_BLOCK, element, names);
}

/* --- loops and definitions ---------------------------------------------------------------------
 */

static enum status bind_value(struct template_work *work, const struct value *value,
                              const struct template_variable **names)
{
    char *index = arena_alloc(work->arena, INDEX_DIGITS + 1);
    if (index == NULL) {
        return STATUS_NO_MEMORY;
    }
    (void)snprintf(index, INDEX_DIGITS + 1, "%u", value->index);
    const struct template_variable all[] = {
        {.name = BYTES_LITERAL("type"), .text = value->type},
        {.name = BYTES_LITERAL("data"), .text = value->data},
        {.name = BYTES_LITERAL("index"), .text = bytes_of_text(index)},
    };
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < sizeof(all) / sizeof(all[0]); i++) {
        status = template_text_bind(work, names, &all[i]);
    }
    return status;
}

/* The next of the base's values, or the loop's end. Secret keys are none: renamed, they would be
 * told. */
static enum status turn(struct stack *stack, struct frame *loop)
{
    const struct template_run *run = stack->run;
    while (loop->turn < run->base_count && value_is_secret(&run->bases[loop->turn])) {
        loop->turn++;
    }
    if (loop->turn == run->base_count) {
        stack->depth--;
        return STATUS_OK;
    }
    const struct frame *outer = loop - 1;
    loop->origin = &run->bases[loop->turn++];
    loop->names = outer->names;
    loop->condition = (struct condition){.test = TEST_NEVER};
    loop->next = xml_element(loop->element->children);
    return bind_value(stack->work, loop->origin, &loop->names);
}

static enum status open_loop(struct stack *stack, const struct frame *frame, const xmlNode *element)
{
    if (frame->origin != NULL) {
        return STATUS_OK;
    }
    enum status status = push(stack, FRAME_LOOP, element, frame->names);
    return status != STATUS_OK ? status : turn(stack, &stack->frames[stack->depth - 1]);
}

static enum status open_definition(struct stack *stack, const struct frame *frame,
                                   const xmlNode *element)
{
    if (attribute(stack->work, element, "parameter").data == NULL) {
        return STATUS_OK;
    }
    struct capture *made = arena_calloc(stack->work->arena, 1, sizeof(*made));
    if (made == NULL) {
        return STATUS_NO_MEMORY;
    }
    enum status status = push(stack, FRAME_DEFINITION, element, frame->names);
    if (status == STATUS_OK) {
        stack->frames[stack->depth - 1].capture = made;
    }
    return status;
}

/* What comes after it sees the variable. */
static enum status close_definition(struct stack *stack, const struct frame *frame)
{
    struct frame *outer = &stack->frames[stack->depth - 2];
    stack->depth--;
    if (!frame->capture->is_taken) {
        return STATUS_OK;
    }
    const struct template_variable made = {
        .name = attribute(stack->work, frame->element, "parameter"),
        .text = frame->capture->data,
    };
    return template_text_bind(stack->work, &outer->names, &made);
}

/* --- steps -------------------------------------------------------------------------------------
 */

static enum status close_frame(struct stack *stack, struct frame *frame)
{
    switch (frame->kind) {
    case FRAME_LOOP:
        return turn(stack, frame);
    case FRAME_DEFINITION:
        return close_definition(stack, frame);
    default:
        stack->depth--;
        return STATUS_OK;
    }
}

static enum status run_element(struct stack *stack, struct frame *frame, const xmlNode *element)
{
    if (xml_is(element, "value")) {
        return run_value(stack, frame, element);
    }
    if (xml_is(element, "if")) {
        frame->condition = read_condition(stack->work, element);
        return run_condition(stack, frame, element);
    }
    if (xml_is(element, "else")) {
        frame->condition.is_negated = !frame->condition.is_negated;
        return run_condition(stack, frame, element);
    }
    if (xml_is(element, "foreach")) {
        return open_loop(stack, frame, element);
    }
    if (xml_is(element, "def")) {
        return open_definition(stack, frame, element);
    }
    return xml_is(element, "notfound") ? STATUS_HANDLE_NOT_FOUND : STATUS_OK;
}

static enum status step(struct stack *stack)
{
    struct template_work *work = stack->work;
    if (work->left.steps == 0 || !template_pay(work, STEP_COST)) {
        return fault_set(work->fault, STATUS_INVALID_VALUE, "takes too long");
    }
    work->left.steps--;
    struct frame *frame = &stack->frames[stack->depth - 1];
    const xmlNode *element = frame->next;
    if (element == NULL) {
        return close_frame(stack, frame);
    }
    frame->next = xml_element(element->next);
    return run_element(stack, frame, element);
}

enum status template_run_element(struct template_run *run, const xmlNode *element)
{
    struct stack stack = {.run = run, .work = run->work, .depth = 0};
    enum status status = push(&stack, FRAME_BLOCK, element, run->names);
    while (status == STATUS_OK && stack.depth > 0) {
        status = step(&stack);
    }
    return status;
}

/* --- checking ----------------------------------------------------------------------------------
 */

static bool is_known(const xmlNode *element)
{
    static const char *const names[] = {"value", "if", "else", "foreach", "def", "notfound"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (xml_is(element, names[i])) {
            return true;
        }
    }
    return false;
}

static enum status check_element(struct template_work *work, const xmlNode *element)
{
    if (!is_known(element)) {
        return fault_set(work->fault, STATUS_INVALID_VALUE, "line %ld: <%.40s> is not known here",
                         xmlGetLineNo(element), (const char *)element->name);
    }
    if (!xml_is(element, "if")) {
        return STATUS_OK;
    }
    struct bytes test = attribute(work, element, "test");
    struct bytes expression = attribute(work, element, "expression");
    if (test.data != NULL && test_of(test, true) == TEST_NEVER) {
        return fault_set(work->fault, STATUS_INVALID_VALUE,
                         "line %ld: test \"%.*s\" is neither equals nor matches",
                         xmlGetLineNo(element), (int)(test.len < 40 ? test.len : 40),
                         (const char *)test.data);
    }
    return test_of(test, expression.data != NULL) == TEST_MATCHES
               ? template_match_check(work, element, expression)
               : STATUS_OK;
}

/* What a value holds is its own. */
enum status template_run_check(struct template_work *work, const xmlNode *element)
{
    enum status status = STATUS_OK;
    const xmlNode *at = xml_element(element->children);
    while (status == STATUS_OK && at != NULL) {
        status = check_element(work, at);
        const xmlNode *inner = xml_is(at, "value") ? NULL : xml_element(at->children);
        if (inner != NULL) {
            at = inner;
            continue;
        }
        while (at != element && xml_element(at->next) == NULL) {
            at = at->parent;
        }
        at = at == element ? NULL : xml_element(at->next);
    }
    return status;
}
