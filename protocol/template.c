/* SPDX-License-Identifier: Apache-2.0
 *
 * From a name space to values (template.h): which template applies, what handle, base and extension
 * are, references to templates elsewhere.
 *
 * Bounds of one answer: XML_LIMITS for each document, template_budget (template_parts.h) over all,
 * TEMPLATE_DEPTH_MAX, what template_match.c says of expressions, VALUE_COUNT_MAX values that fit a
 * message.
 */
#include "protocol/template_run.h"

#define DOCUMENTS_MAX                                                                              \
    (TEMPLATE_FETCHES_MAX + 2) /* the base's and the prefix's name spaces, too                     \
                                */

static const struct xml_limits xml_limits = {
    .bytes = 16384, .elements = 2048, .depth = TEMPLATE_DEPTH_MAX, .attributes = 64};

#define PARSE_COST 25 /* of each byte */

struct builder {
    const struct template_question *question;
    struct template_work work;
    struct template_run run;
    struct bytes base;
    struct bytes extension;
    bool has_template;
    xmlDoc *documents[DOCUMENTS_MAX];
    size_t document_count;
    const xmlNode *left[DOCUMENTS_MAX]; /* templates to carry out next, innermost last */
    size_t left_count;
};

/* --- finding -----------------------------------------------------------------------------------
 */

/* The next <template> from `node` on. */
static const xmlNode *next_template(const xmlNode *node)
{
    while (node != NULL && !xml_is(node, "template")) {
        node = node->next;
    }
    return node;
}

/* A document is one template, or has some. */
static const xmlNode *first_template(const xmlNode *root)
{
    return xml_is(root, "template") ? root : next_template(root->children);
}

static bool is_name_space(const struct value *value)
{
    return bytes_equal_nocase(value->type, BYTES_LITERAL("HS_NAMESPACE")) && value_is_public(value);
}

/* The public name space of lowest index; `out_value` borrows from the values. */
static bool find_name_space(struct bytes values, struct value *out_value)
{
    struct value value;
    bool is_found = false;
    struct wire_reader r = wire_read(values);
    for (uint32_t left = wire_count(&r, VALUE_SMALLEST); left > 0; left--) {
        if (value_decode(&r, &value) != STATUS_OK) {
            break;
        }
        if (is_name_space(&value) && (!is_found || value.index < out_value->index)) {
            *out_value = value;
            is_found = true;
        }
    }
    return is_found;
}

/* Parsed; it stays until the answer is made. */
static enum status open_document(struct builder *builder, struct bytes text,
                                 const xmlNode **out_root)
{
    xmlDoc *document = NULL;
    struct fault *fault = builder->work.fault;
    bool is_paid = template_pay(&builder->work, text.len * PARSE_COST);
    if (!is_paid || builder->document_count == DOCUMENTS_MAX) {
        (void)fault_set(fault, STATUS_INVALID_VALUE, "is too much to read");
        return STATUS_INVALID_VALUE;
    }
    enum status status = xml_parse(text, &xml_limits, &document, fault);
    if (status == STATUS_OK) {
        builder->documents[builder->document_count++] = document;
        *out_root = xmlDocGetRootElement(document);
    }
    return status;
}

/* --- the handle's parts ------------------------------------------------------------------------
 */

static struct bytes trim(struct bytes text)
{
    while (text.len > 0 && text.data[0] <= ' ') {
        text = bytes_from(text, 1);
    }
    while (text.len > 0 && text.data[text.len - 1] <= ' ') {
        text.len--;
    }
    return text;
}

static struct bytes child_text(struct builder *builder, const xmlNode *root, const char *name)
{
    bool is_markup = false;
    for (const xmlNode *at = root->children; at != NULL; at = at->next) {
        if (xml_is(at, name)) {
            return trim(xml_content(at, builder->work.arena, &is_markup));
        }
    }
    return BYTES_NONE;
}

static enum status check_status(struct builder *builder, const xmlNode *root)
{
    if (!bytes_equal(child_text(builder, root, "status"), BYTES_LITERAL("inactive"))) {
        return STATUS_OK;
    }
    struct bytes said = child_text(builder, root, "statusmsg");
    return fault_set(builder->work.fault, STATUS_ERROR, "%.*s", (int)said.len,
                     said.len == 0 ? "" : (const char *)said.data);
}

/* At the first delimiter behind the prefix; without one the base is the whole. */
static void split(struct builder *builder, struct bytes delimiter)
{
    struct bytes handle = builder->question->handle;
    struct bytes rest = bytes_from(handle, handle_prefix(handle).len);
    const uint8_t *at = delimiter.len == 0 || rest.data == NULL
                            ? NULL
                            : memmem(rest.data, rest.len, delimiter.data, delimiter.len);
    builder->base = handle;
    builder->extension = BYTES_LITERAL("");
    if (at != NULL) {
        size_t len = (size_t)(at - handle.data);
        builder->base = bytes_of(handle.data, len);
        builder->extension = bytes_of(at + delimiter.len, handle.len - len - delimiter.len);
    }
}

static enum status bind_parts(struct builder *builder)
{
    const struct template_variable all[] = {
        {.name = BYTES_LITERAL("handle"), .text = builder->question->handle},
        {.name = BYTES_LITERAL("base"), .text = builder->base},
        {.name = BYTES_LITERAL("extension"), .text = builder->extension},
    };
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < sizeof(all) / sizeof(all[0]); i++) {
        status = template_text_bind(&builder->work, &builder->run.names, &all[i]);
    }
    return status;
}

/* The base's values; none when there is no such handle. */
static enum status read_base(struct builder *builder, struct value *out_name_space,
                             bool *out_has_name_space)
{
    struct bytes encoded = BYTES_NONE;
    struct value *values = NULL;
    bool may_be = builder->base.len < builder->question->handle.len &&
                  memchr(builder->base.data, '/', builder->base.len) != NULL;
    *out_has_name_space = false;
    if (!may_be) {
        return STATUS_OK;
    }
    enum status status =
        builder->question->record(builder->question->context, builder->base, &encoded);
    if (status != STATUS_OK) {
        return status == STATUS_HANDLE_NOT_FOUND ? STATUS_OK : status;
    }
    struct wire_reader r = wire_read(encoded);
    status = value_list_decode(&r, builder->work.arena, &values, &builder->run.base_count);
    builder->run.bases = values;
    *out_has_name_space = status == STATUS_OK && find_name_space(encoded, out_name_space);
    return status == STATUS_PROTOCOL_ERROR ? STATUS_CORRUPT : status;
}

/* --- carrying out ------------------------------------------------------------------------------
 */

/* The template in value `index` of a record that may be read by all. */
static enum status fetch(struct builder *builder, uint32_t index, struct bytes handle,
                         struct bytes *out_text)
{
    struct bytes values = BYTES_NONE;
    struct value value;
    enum status status = builder->question->record(builder->question->context, handle, &values);
    struct wire_reader r = wire_read(values);
    for (uint32_t left = wire_count(&r, VALUE_SMALLEST); left > 0; left--) {
        if (value_decode(&r, &value) != STATUS_OK) {
            return STATUS_CORRUPT;
        }
        if (value.index == index && value_is_public(&value)) {
            *out_text = value.data;
            return STATUS_OK;
        }
    }
    return status == STATUS_OK ? STATUS_HANDLE_NOT_FOUND : status;
}

/* The templates of another value are next. */
static enum status follow(struct builder *builder, struct bytes reference)
{
    uint32_t index = 0;
    struct bytes handle = BYTES_NONE;
    struct bytes text = BYTES_NONE;
    const xmlNode *root = NULL;
    if (handle_parse_reference(reference, &index, &handle) != STATUS_OK || index == 0) {
        return fault_set(
            builder->work.fault, STATUS_INVALID_VALUE, "ref \"%.*s\" is not index:handle",
            (int)(reference.len < 80 ? reference.len : 80), (const char *)reference.data);
    }
    if (builder->work.left.fetches == 0) {
        return fault_set(builder->work.fault, STATUS_INVALID_VALUE, "refers more than %d times",
                         TEMPLATE_FETCHES_MAX);
    }
    builder->work.left.fetches--;
    enum status status = fetch(builder, index, handle, &text);
    if (status == STATUS_OK) {
        status = open_document(builder, text, &root);
    }
    if (status == STATUS_OK) {
        builder->left[builder->left_count++] = first_template(root);
    }
    return status;
}

static enum status carry_out(struct builder *builder, const xmlNode *template)
{
    struct bytes reference = xml_attribute(template, "ref", builder->work.arena);
    if (reference.data != NULL) {
        return follow(builder, reference);
    }
    builder->has_template = true;
    return template_run_element(&builder->run, template);
}

/* All templates of a document, and of those they refer to. */
static enum status run_document(struct builder *builder, const xmlNode *root)
{
    enum status status = STATUS_OK;
    builder->left[builder->left_count++] = first_template(root);
    while (status == STATUS_OK && builder->left_count > 0) {
        const xmlNode *template = builder->left[builder->left_count - 1];
        if (template == NULL) {
            builder->left_count--;
            continue;
        }
        builder->left[builder->left_count - 1] = next_template(template->next);
        status = carry_out(builder, template);
    }
    return status;
}

/* The base's own name space goes first; without a template in it, the prefix's. */
static enum status run_all(struct builder *builder, const xmlNode *prefix_root)
{
    struct value own;
    bool has_own = false;
    const xmlNode *root = NULL;
    enum status status = read_base(builder, &own, &has_own);
    if (status == STATUS_OK && has_own) {
        status = open_document(builder, own.data, &root);
    }
    if (status == STATUS_OK && root != NULL) {
        status = run_document(builder, root);
    }
    if (status == STATUS_OK && !builder->has_template) {
        status = run_document(builder, prefix_root);
    }
    return status;
}

static enum status build(struct builder *builder)
{
    struct value name_space;
    const xmlNode *root = NULL;
    if (!find_name_space(builder->question->name_space, &name_space)) {
        return STATUS_HANDLE_NOT_FOUND;
    }
    builder->run.timestamp = name_space.timestamp;
    enum status status = open_document(builder, name_space.data, &root);
    if (status == STATUS_OK) {
        status = check_status(builder, root);
    }
    if (status != STATUS_OK) {
        return status;
    }
    const xmlNode *first = first_template(root);
    if (first == NULL) {
        return STATUS_HANDLE_NOT_FOUND;
    }
    split(builder, xml_attribute(first, "delimiter", builder->work.arena));
    status = bind_parts(builder);
    return status == STATUS_OK ? run_all(builder, root) : status;
}

static void finish(struct builder *builder)
{
    template_match_done(&builder->work.expressions);
    while (builder->document_count > 0) {
        xmlFreeDoc(builder->documents[--builder->document_count]);
    }
}

enum status template_answer(const struct template_question *question, struct arena *arena,
                            struct value **out_values, size_t *out_count, struct fault *fault)
{
    struct builder builder = {
        .question = question,
        .work = {.arena = arena, .left = template_budget, .fault = fault},
    };
    builder.run.work = &builder.work;
    if (question->effort != NULL) {
        builder.work.left.effort = *question->effort;
    }
    builder.work.expressions.ignores_case = question->case_rule == CASE_INSENSITIVE;
    if (!handle_is_utf8(question->handle) || handle_is_prefix_record(question->handle)) {
        return STATUS_HANDLE_NOT_FOUND;
    }
    enum status status = build(&builder);
    finish(&builder);
    if (question->effort != NULL) {
        *question->effort = builder.work.left.effort;
    }
    if (status == STATUS_OK && builder.run.count == 0) {
        status = STATUS_HANDLE_NOT_FOUND;
    }
    if (status == STATUS_OK) {
        status = value_list_check(question->handle, builder.run.values, builder.run.count, fault);
    }
    if (status == STATUS_OK) {
        *out_values = builder.run.values;
        *out_count = builder.run.count;
    }
    return status;
}

enum status template_check(struct bytes name_space, struct arena *arena, struct fault *fault)
{
    xmlDoc *document = NULL;
    struct template_work work = {.arena = arena, .left = template_budget, .fault = fault};
    enum status status = xml_parse(name_space, &xml_limits, &document, fault);
    if (status != STATUS_OK) {
        return status;
    }
    const xmlNode *at = first_template(xmlDocGetRootElement(document));
    while (status == STATUS_OK && at != NULL) {
        status = template_run_check(&work, at);
        at = next_template(at->next);
    }
    template_match_done(&work.expressions);
    xmlFreeDoc(document);
    return status;
}
