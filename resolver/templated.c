/* SPDX-License-Identifier: Apache-2.0
 *
 * Templates with records from this worker's snapshot (templated.h).
 */
#include "resolver/templated.h"

#include <assert.h>

#include "protocol/template.h"
#include "resolver/limit.h"
#include "resolver/services.h"
#include "resolver/worker.h"

#define GATE (LOG_GATES - 1)
#define SHOWN_MAX 160

#define USUAL_EFFORT 250000 /* a quarter of a millisecond, for whoever asks */
#define PURSE_MAX 20000000  /* ten of the dearest answers at once */
#define PURSE_PER_MS 100000 /* a tenth of the time */

static_assert((int)LIMIT_COUNT < LOG_GATES, "the last gate is nobody else's");

static enum status find_values(struct exchange *x, struct bytes handle, struct bytes *out_values)
{
    struct lookup found;
    enum status status = lookup_record(x->scope->snapshot, handle, &found);
    if (status == STATUS_OK) {
        *out_values = found.record.values;
    }
    return status;
}

/* What is kept by other nodes is not there for a template. */
static enum status templated_on_record(void *context, struct bytes handle, struct bytes *out_values)
{
    enum status status = find_values(context, handle, out_values);
    return status == STATUS_CORRUPT || status == STATUS_OK ? status : STATUS_HANDLE_NOT_FOUND;
}

static void tell(const struct exchange *x, struct bytes handle, const struct fault *fault)
{
    metrics_add(x->scope->metrics, METRIC_template_failures, 0, 1);
    if (x->scope->services == NULL) {
        return;
    }
    const struct worker_options *options = &x->scope->services->worker->options;
    if (options->log == NULL || !log_wants(options->log, LOG_LEVEL_WARNING) ||
        !log_gate(options->log, GATE, net_now_ms(options->net))) {
        return;
    }
    char shown[SHOWN_MAX];
    log_write(options->log, LOG_LEVEL_WARNING, "template",
              "no answer for \"%s\" (HS_NAMESPACE: %s)", log_quote(handle, shown, sizeof(shown)),
              fault->text);
}

static enum status encode(struct exchange *x, const struct value *values, size_t count,
                          struct lookup *found)
{
    size_t size = value_list_encoded_len(values, count);
    uint8_t *room = arena_alloc(x->scope->arena, size);
    if (room == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct wire_writer w = wire_write(room, size);
    value_list_encode(&w, values, count);
    found->record = (struct record_row){.handle = found->handle, .values = wire_wrote(&w)};
    metrics_add(x->scope->metrics, METRIC_template_answers, 0, 1);
    return STATUS_OK;
}

/* NULL: none, where no worker is. */
static struct templated_purse *purse_of(const struct exchange *x)
{
    if (x->scope->services == NULL) {
        return NULL;
    }
    struct worker *worker = x->scope->services->worker;
    struct templated_purse *purse = &worker->templated;
    int64_t now_ms = net_now_ms(worker->options.net);
    uint64_t passed_ms = (uint64_t)(now_ms - purse->at_ms);
    uint64_t most = (PURSE_MAX - purse->units) / PURSE_PER_MS;
    purse->units = passed_ms > most ? PURSE_MAX : purse->units + passed_ms * PURSE_PER_MS;
    purse->at_ms = now_ms;
    return purse;
}

/* The answer, paid for by the purse where it costs more than usual. */
static enum status compute(struct exchange *x, struct template_question *question,
                           struct value **out_values, size_t *out_count, struct fault *fault)
{
    struct templated_purse *purse = purse_of(x);
    uint64_t room = purse == NULL ? TEMPLATE_EFFORT_MAX : USUAL_EFFORT + purse->units;
    const uint64_t given = room < TEMPLATE_EFFORT_MAX ? room : TEMPLATE_EFFORT_MAX;
    uint64_t left = given;
    question->effort = &left;
    enum status status = template_answer(question, x->scope->arena, out_values, out_count, fault);
    if (purse != NULL && given - left > USUAL_EFFORT) {
        uint64_t beyond = given - left - USUAL_EFFORT;
        purse->units -= beyond < purse->units ? beyond : purse->units;
    }
    bool is_cut = given < TEMPLATE_EFFORT_MAX && left == 0;
    return status == STATUS_INVALID_VALUE && is_cut ? STATUS_SERVER_BUSY : status;
}

enum status templated_find(struct exchange *x, struct lookup *found, struct fault *fault)
{
    struct value *values = NULL;
    size_t count = 0;
    struct template_question question = {
        .handle = found->handle,
        .case_rule = found->home.case_rule,
        .record = templated_on_record,
        .context = x,
    };
    if (handle_is_prefix_record(found->handle)) {
        return STATUS_HANDLE_NOT_FOUND;
    }
    enum status status = templated_on_record(x, found->home.prefix, &question.name_space);
    if (status == STATUS_OK) {
        status = compute(x, &question, &values, &count, fault);
    }
    if (status == STATUS_INVALID_VALUE) {
        tell(x, found->handle, fault);
        return fault_set(fault, STATUS_ERROR, "the prefix's template gives no answer");
    }
    return status == STATUS_OK ? encode(x, values, count, found) : status;
}
