/* SPDX-License-Identifier: Apache-2.0
 *
 * Playing a journal over a ledger (store_model.h).
 */
#include "tests/crash/store_model.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define JOURNAL_ITEMS_MAX (WORKLOAD_ITEMS_MAX + 4)

bool model_blame(struct store_model *model, const char *format, ...)
{
    struct store_report *report = model->report;
    if (report->reason[0] == '\0') {
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(report->reason, sizeof(report->reason), format, arguments);
        va_end(arguments);
    }
    return false;
}

/* --- the ledger --------------------------------------------------------------------------------
 */

/* Refused by its content, not by the machine's trouble: it surely was not written. */
static bool is_own_fault(enum status status)
{
    return status == STATUS_HANDLE_NOT_FOUND || status == STATUS_HANDLE_EXISTS;
}

static bool take_mark(struct store_model *model, const struct mark *mark, uint64_t head)
{
    struct submission *submission = &model->submissions[mark->number];
    switch ((enum mark_kind)mark->kind) {
    case MARK_OPENED:
        return true;
    case MARK_SUBMITTED:
        if (submission->is_submitted && mark->number != 0) {
            return model_blame(model, "ledger: set %" PRIu64 " submitted twice", mark->number);
        }
        submission->is_submitted = true;
        submission->above = head;
        submission->through = UINT64_MAX;
        return true;
    case MARK_ACKNOWLEDGED:
        submission->acknowledged = mark;
        return true;
    case MARK_REFUSED:
        submission->is_refused = is_own_fault(mark->status);
        return true;
    }
    return model_blame(model, "ledger: unknown mark");
}

/* What the next session did not find may not turn up later. */
static void close_session(struct store_model *model, uint64_t head)
{
    for (size_t i = 0; i < model->submission_count; i++) {
        if (model->submissions[i].through > head) {
            model->submissions[i].through = head;
        }
    }
}

bool model_init(struct store_model *model, const struct store_check *check,
                struct store_report *report)
{
    *model = (struct store_model){.report = report};
    uint64_t last = 0;
    for (size_t i = 0; i < check->mark_count; i++) {
        last = check->marks[i].number > last ? check->marks[i].number : last;
        model->seed = check->marks[i].seed;
    }
    model->submission_count = last + 1;
    model->submissions = calloc(model->submission_count, sizeof(*model->submissions));
    if (model->submissions == NULL) {
        return model_blame(model, "checker: no memory");
    }
    uint64_t head = 0;
    for (size_t i = 0; i < check->mark_count; i++) {
        if (check->marks[i].kind == MARK_OPENED) {
            head = check->marks[i].position;
            close_session(model, head);
        }
        if (!take_mark(model, &check->marks[i], head)) {
            return false;
        }
    }
    return true;
}

void model_done(struct store_model *model)
{
    for (size_t i = 0; i < model->event_count; i++) {
        free(model->events[i]);
    }
    free(model->events);
    free(model->submissions);
}

/* --- hashes, anew ------------------------------------------------------------------------------
 */

static void put_sized(struct wire_writer *w, struct bytes run)
{
    wire_put_u32(w, (uint32_t)run.len);
    wire_put_raw(w, run);
}

static bool hash(const struct wire_writer *w, uint8_t out[JOURNAL_HASH_LEN])
{
    struct bytes input = wire_wrote(w);
    return !w->failed && EVP_Digest(input.data, input.len, out, NULL, EVP_sha256(), NULL) == 1;
}

/* H(operation ‖ table ‖ key ‖ version ‖ class ‖ digest) */
static bool hash_item(const struct journal_item *item, uint8_t out[JOURNAL_HASH_LEN])
{
    uint8_t input[HANDLE_MAX + 128];
    struct wire_writer w = wire_write(input, sizeof(input));
    wire_put_u8(&w, (uint8_t)item->operation);
    wire_put_u8(&w, (uint8_t)item->table);
    put_sized(&w, item->key);
    wire_put_u64(&w, item->version);
    wire_put_u8(&w, (uint8_t)item->class);
    wire_put_raw(&w, bytes_of(item->digest, sizeof(item->digest)));
    return hash(&w, out);
}

/* H(previous ‖ position ‖ count ‖ time ‖ actor ‖ origin ‖ item hashes) */
static bool extend_chain(struct store_model *model, const struct journal_set *set)
{
    uint8_t input[1024 + JOURNAL_ITEMS_MAX * JOURNAL_HASH_LEN];
    struct wire_writer w = wire_write(input, sizeof(input));
    wire_put_raw(&w, bytes_of(model->chain, sizeof(model->chain)));
    wire_put_u64(&w, set->position);
    wire_put_u32(&w, set->count);
    wire_put_u64(&w, (uint64_t)set->time_ms);
    put_sized(&w, set->actor);
    put_sized(&w, set->origin);
    struct wire_reader r = wire_read(set->items);
    struct journal_item item;
    uint32_t count = 0;
    while (journal_next_item(&r, &item)) {
        uint8_t one[JOURNAL_HASH_LEN];
        if (!hash_item(&item, one)) {
            return false;
        }
        wire_put_raw(&w, bytes_of(one, sizeof(one)));
        count++;
    }
    return !r.failed && count == set->count && hash(&w, model->chain) &&
           memcmp(model->chain, set->chain, sizeof(model->chain)) == 0;
}

/* --- items -------------------------------------------------------------------------------------
 */

static bool is_live(const struct event *event)
{
    return event != NULL && event->is_put;
}

/* Could this item be applied to what the model holds? */
static bool may_apply(const struct store_model *model, const struct workload_item *item)
{
    bool was_live = is_live(model->latest[item->handle]);
    if (!item->is_put) {
        return was_live;
    }
    return item->mode == CHANGE_REPLACE || (item->mode == CHANGE_MODIFY) == was_live;
}

static bool push_event(struct store_model *model, const struct event *event, uint32_t handle)
{
    if (model->event_count == model->event_capacity) {
        size_t capacity = model->event_capacity * 2 + 256;
        struct event **events = realloc(
            model->events, capacity * sizeof(*events)); // NOLINT(bugprone-sizeof-expression)
        if (events == NULL) {
            return model_blame(model, "checker: no memory");
        }
        model->events = events;
        model->event_capacity = capacity;
    }
    struct event *kept = malloc(sizeof(*kept));
    if (kept == NULL) {
        return model_blame(model, "checker: no memory");
    }
    *kept = *event;
    model->events[model->event_count++] = kept;
    model->latest[handle] = kept;
    return true;
}

static bool play_record(struct store_model *model, const struct workload_set *work, size_t item,
                        const struct event *found)
{
    const struct workload_item *asked = &work->items[item];
    const struct event *previous = model->latest[asked->handle];
    uint64_t expected = previous == NULL ? 1 : previous->version + 1;
    const struct mark *told = model->submissions[work->number].acknowledged;
    if (found->is_put != asked->is_put || !may_apply(model, asked)) {
        return model_blame(model, "position %" PRIu64 ": not what set %" PRIu64 " may have done",
                           found->position, work->number);
    }
    if (found->version != expected) {
        return model_blame(model, "position %" PRIu64 ": version %" PRIu64 " after %" PRIu64,
                           found->position, found->version, expected - 1);
    }
    if (told != NULL &&
        ((told->applied & (1u << item)) == 0 || told->versions[item] != found->version)) {
        return model_blame(model, "position %" PRIu64 ": set %" PRIu64 " was told otherwise",
                           found->position, work->number);
    }
    struct event event = *found;
    event.set = work->number;
    event.item = item;
    event.previous = previous;
    return push_event(model, &event, asked->handle);
}

/* An item that is not in the journal: was it promised, or could it not fail? */
static bool skip_record(struct store_model *model, const struct workload_set *work, size_t item)
{
    const struct mark *told = model->submissions[work->number].acknowledged;
    bool was_hindered = told != NULL && (told->hindered & (1u << item)) != 0;
    bool cannot_fail =
        work->items[item].is_put && work->items[item].mode == CHANGE_REPLACE && !was_hindered;
    bool was_promised = told != NULL && (told->applied & (1u << item)) != 0;
    if (cannot_fail || was_promised || work->policy == CHANGE_ALL_OR_NOTHING) {
        return model_blame(model, "set %" PRIu64 ": item %zu is missing", work->number, item);
    }
    return true;
}

/* --- sets --------------------------------------------------------------------------------------
 */

static bool play_first(struct store_model *model, const struct journal_set *set)
{
    struct wire_reader r = wire_read(set->items);
    struct journal_item item;
    uint32_t others = 0;
    while (journal_next_item(&r, &item)) {
        others += item.table != CHANGE_PREFIX && item.table != CHANGE_ENTERPRISE;
    }
    return others == 0 && set->count == WORKLOAD_PREFIXES + 1
               ? true
               : model_blame(model, "set 0 holds what it should not");
}

/* Matches the journal's items with those of the submitted set, in order. */
static bool play_items(struct store_model *model, const struct journal_set *set,
                       const struct workload_set *work)
{
    struct wire_reader r = wire_read(set->items);
    struct journal_item item;
    uint64_t position = set->position;
    size_t next = 0;
    bool has_audit = false;
    for (; journal_next_item(&r, &item); position++) {
        if (item.table == CHANGE_AUDIT && !has_audit) {
            has_audit = true;
            continue;
        }
        uint32_t handle = item.table == CHANGE_RECORD ? workload_find(item.key) : WORKLOAD_HANDLES;
        while (next < work->count && work->items[next].handle != handle) {
            if (!skip_record(model, work, next++)) {
                return false;
            }
        }
        if (next == work->count) {
            return model_blame(model, "position %" PRIu64 ": nobody asked for this", position);
        }
        const struct event found = {
            .version = item.version, .position = position, .is_put = item.operation == JOURNAL_PUT};
        if (!play_record(model, work, next++, &found)) {
            return false;
        }
    }
    for (; next < work->count; next++) {
        if (!skip_record(model, work, next)) {
            return false;
        }
    }
    model->audits += has_audit;
    return has_audit == work->has_audit
               ? true
               : model_blame(model, "set %" PRIu64 ": audit row missing or invented", work->number);
}

static bool check_submission(struct store_model *model, const struct journal_set *set,
                             uint64_t number)
{
    if (number >= model->submission_count || !model->submissions[number].is_submitted) {
        return model_blame(model, "position %" PRIu64 ": a set that nobody submitted",
                           set->position);
    }
    const struct submission *submission = &model->submissions[number];
    if (submission->is_stored) {
        return model_blame(model, "set %" PRIu64 " is stored twice", number);
    }
    if (submission->is_refused) {
        return model_blame(model, "set %" PRIu64 " was refused and is stored", number);
    }
    uint64_t last = set->position + set->count - 1;
    if (number != 0 && (set->position <= submission->above || last > submission->through)) {
        return model_blame(model, "set %" PRIu64 " is at %" PRIu64 ", outside its session", number,
                           set->position);
    }
    return true;
}

static bool play_set(struct store_model *model, const struct journal_set *set)
{
    if (set->position != model->head + 1) {
        return model_blame(model, "journal: %" PRIu64 " follows %" PRIu64, set->position,
                           model->head);
    }
    uint64_t number = workload_number(set->actor);
    if (!check_submission(model, set, number)) {
        return false;
    }
    if (!extend_chain(model, set)) {
        return model_blame(model, "position %" PRIu64 ": the chain does not hold", set->position);
    }
    struct workload_set work;
    workload_make(model->seed, number, &work);
    bool is_right = number == 0 ? play_first(model, set) : play_items(model, set, &work);
    model->submissions[number].is_stored = true;
    model->head += set->count;
    model->sets++;
    return is_right;
}

static bool check_acknowledged(struct store_model *model)
{
    for (size_t i = 0; i < model->submission_count; i++) {
        const struct submission *submission = &model->submissions[i];
        if (submission->acknowledged == NULL) {
            continue;
        }
        struct workload_set work;
        workload_make(model->seed, i, &work);
        bool wrote = i == 0 || work.has_audit || submission->acknowledged->applied != 0;
        if (wrote && !submission->is_stored) {
            return model_blame(model, "set %zu was acknowledged and is lost", i);
        }
        model->report->acknowledged++;
    }
    return true;
}

bool model_play(struct store_model *model, struct snapshot *snapshot)
{
    struct journal_set set;
    enum status status;
    while ((status = journal_get(snapshot, model->head + 1, &set)) == STATUS_OK) {
        if (!play_set(model, &set)) {
            return false;
        }
    }
    if (status != STATUS_NOT_FOUND) {
        return model_blame(model, "journal: %s behind %" PRIu64, status_name(status), model->head);
    }
    model->report->stored = model->sets;
    return check_acknowledged(model);
}
