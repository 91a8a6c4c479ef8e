/* SPDX-License-Identifier: Apache-2.0
 *
 * A store against the model of its journal (store_check.h).
 */
#include "tests/crash/store_check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "registry/committer.h"
#include "tests/crash/store_model.h"

#define MAP_BYTES (1ull << 30)
#define NOW_MS 1700000100000

struct checking {
    const struct store_check *check;
    struct registry *registry;
    struct snapshot *snapshot;
    struct store_model model;
    struct workload_values values; /* room for one record */
    uint8_t encoded[WORKLOAD_VALUES_MAX * (WORKLOAD_DATA_MAX + 64) + 4];
    uint64_t live;
    uint64_t deleted;
    uint64_t history;
    uint64_t prefix_live[WORKLOAD_PREFIXES];
    uint64_t prefix_bytes[WORKLOAD_PREFIXES];
};

/* The value list that an event stored, encoded. */
static struct bytes expected_values(struct checking *c, const struct event *event)
{
    struct workload_set work;
    workload_make(c->model.seed, event->set, &work);
    workload_values(&work, event->item, &c->values);
    struct wire_writer w = wire_write(c->encoded, sizeof(c->encoded));
    value_list_encode(&w, c->values.values, c->values.count);
    return wire_wrote(&w);
}

static bool is_row_of(struct checking *c, const struct event *event, const struct record_row *row)
{
    return row->version == event->version && row->position == event->position &&
           bytes_equal(row->values, expected_values(c, event));
}

static bool check_history(struct checking *c, uint32_t handle, struct bytes name)
{
    const struct event *event = c->model.latest[handle];
    uint64_t before = UINT64_MAX;
    struct history_row row = {0};
    for (event = event == NULL ? NULL : event->previous; event != NULL; event = event->previous) {
        enum status status =
            registry_get_history(c->snapshot, name, CASE_INSENSITIVE, before, &row);
        bool is_right = status == STATUS_OK && row.is_deletion == !event->is_put &&
                        row.row.version == event->version && row.row.version < before &&
                        (row.is_deletion || is_row_of(c, event, &row.row));
        if (!is_right) {
            return model_blame(&c->model, "handle %u: history of version %" PRIu64 " is wrong (%s)",
                               handle, event->version, status_name(status));
        }
        before = event->version;
        c->history++;
    }
    enum status status = registry_get_history(c->snapshot, name, CASE_INSENSITIVE, before, &row);
    return status == STATUS_NOT_FOUND
               ? true
               : model_blame(&c->model, "handle %u: history of a version that never was", handle);
}

static bool check_mark(struct checking *c, uint32_t handle, struct bytes name)
{
    const struct event *event = c->model.latest[handle];
    struct tombstone_row mark = {0};
    enum status status = registry_get_tombstone(c->snapshot, name, CASE_INSENSITIVE, &mark);
    bool is_deleted = event != NULL && !event->is_put;
    c->deleted += is_deleted;
    if (is_deleted ? status == STATUS_OK && mark.version == event->version
                   : status == STATUS_NOT_FOUND) {
        return true;
    }
    return model_blame(&c->model, "handle %u: deletion mark is wrong (%s)", handle,
                       status_name(status));
}

static bool check_handle(struct checking *c, uint32_t handle)
{
    char text[WORKLOAD_HANDLE_BYTES];
    struct bytes name = workload_handle(handle, text);
    const struct event *event = c->model.latest[handle];
    struct record_row row = {0};
    enum status status = registry_get_record(c->snapshot, name, CASE_INSENSITIVE, &row);
    bool is_right;
    if (event != NULL && event->is_put) {
        is_right =
            status == STATUS_OK && is_row_of(c, event, &row) && bytes_equal(row.handle, name);
        c->live++;
        c->prefix_live[handle % WORKLOAD_PREFIXES]++;
        c->prefix_bytes[handle % WORKLOAD_PREFIXES] += expected_values(c, event).len;
    } else {
        is_right = status == STATUS_HANDLE_NOT_FOUND;
    }
    if (!is_right) {
        return model_blame(&c->model, "handle %u: record is wrong (%s)", handle,
                           status_name(status));
    }
    return check_mark(c, handle, name) && check_history(c, handle, name);
}

/* Every record there is, whoever wrote it. */
static bool check_walk(struct checking *c)
{
    struct record_walk *walk = NULL;
    struct record_row row;
    uint64_t found = 0;
    enum status status = record_walk_open(c->registry, BYTES_NONE, &walk);
    while (status == STATUS_OK && (status = record_walk_next(walk, &row)) == STATUS_OK) {
        found++;
    }
    record_walk_close(walk);
    return status == STATUS_NOT_FOUND && found == c->live
               ? true
               : model_blame(&c->model, "walk: %s, %" PRIu64 " records for %" PRIu64,
                             status_name(status), found, c->live);
}

static bool check_counters(struct checking *c)
{
    for (uint32_t i = 0; i < WORKLOAD_PREFIXES; i++) {
        struct bytes prefix = workload_prefix(i);
        uint64_t identifiers = registry_counter(c->snapshot, prefix, COUNTER_IDENTIFIERS);
        uint64_t bytes = registry_counter(c->snapshot, prefix, COUNTER_BYTES);
        if (identifiers != c->prefix_live[i] || bytes != c->prefix_bytes[i]) {
            return model_blame(&c->model,
                               "counters of prefix %u: %" PRIu64 "/%" PRIu64 " for %" PRIu64
                               "/%" PRIu64,
                               i, identifiers, bytes, c->prefix_live[i], c->prefix_bytes[i]);
        }
    }
    struct registry_figures figures = {0};
    enum status status = registry_figures(c->registry, &figures);
    bool is_right = status == STATUS_OK && figures.records == c->live &&
                    figures.tombstones == c->deleted && figures.history_rows == c->history &&
                    figures.journal_sets == c->model.sets && figures.journal_head == c->model.head;
    return is_right ? true : model_blame(&c->model, "the store's own figures are wrong");
}

static bool check_journal(struct checking *c)
{
    struct journal_report report = {0};
    enum status status = journal_verify(c->registry, NULL, NULL, &report);
    return status == STATUS_OK
               ? true
               : model_blame(&c->model, "journal verify: %s at %" PRIu64 ": %s",
                             status_name(status), report.first_bad_position, report.reason);
}

static bool check_tables(struct checking *c)
{
    for (uint32_t i = 0; i < WORKLOAD_HANDLES; i++) {
        if (!check_handle(c, i)) {
            return false;
        }
    }
    return check_walk(c) && check_counters(c) && check_journal(c);
}

/* A recovered store takes writes and stays sound. */
static bool check_writing(struct checking *c)
{
    struct workload_set work;
    uint64_t number = c->model.submission_count;
    do {
        workload_make(c->model.seed, number++, &work);
    } while (work.policy != CHANGE_PER_ITEM);
    if (!c->model.submissions[0].is_stored) {
        workload_make(c->model.seed, 0, &work);
    }
    struct change_set *set = workload_build(&work);
    enum status status = set == NULL ? STATUS_NO_MEMORY
                                     : committer_commit_now(c->registry, c->snapshot, set, NOW_MS);
    change_set_free(set);
    return status == STATUS_OK
               ? check_journal(c)
               : model_blame(&c->model, "a new set cannot be written: %s", status_name(status));
}

static bool check_open_store(struct checking *c)
{
    enum status status = snapshot_new(c->registry, &c->snapshot);
    if (status != STATUS_OK) {
        return model_blame(&c->model, "no snapshot: %s", status_name(status));
    }
    bool is_right = model_play(&c->model, c->snapshot) && check_tables(c) &&
                    (!c->check->writes_after || check_writing(c));
    snapshot_free(c->snapshot);
    return is_right;
}

static bool run(struct checking *c, struct store_report *report)
{
    const struct registry_options options = {
        .path = c->check->store,
        .map_bytes = MAP_BYTES,
        .may_create = c->check->may_be_unmade,
        .commitment_key = workload_commitment_key(),
    };
    struct fault fault = {0};
    if (!model_init(&c->model, c->check, report)) {
        return false;
    }
    enum status status = registry_open(&options, &c->registry, &fault);
    if (status != STATUS_OK && c->check->may_be_unmade) {
        report->was_unmade = true;
        return true;
    }
    if (status != STATUS_OK) {
        return model_blame(&c->model, "cannot be opened: %s: %s", status_name(status), fault.text);
    }
    return check_open_store(c);
}

bool store_check_run(const struct store_check *check, struct store_report *out_report)
{
    *out_report = (struct store_report){0};
    struct checking *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        (void)snprintf(out_report->reason, sizeof(out_report->reason), "checker: no memory");
        return false;
    }
    c->check = check;
    bool is_right = run(c, out_report);
    registry_close(c->registry);
    model_done(&c->model);
    free(c);
    return is_right;
}
