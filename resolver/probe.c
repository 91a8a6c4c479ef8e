/* SPDX-License-Identifier: Apache-2.0
 *
 * When what is probed: the walk over the store, the turns, the file (probe.h).
 */
#include "resolver/probe.h"

#include <stdlib.h>

#include "resolver/probe_parts.h"
#include "resolver/upward.h"

#define TICK_MAX_MS 1000
#define TICK_MIN_MS 20
#define WALK_ROWS 500         /* of one turn, a millisecond or so */
#define WALK_MAX_MS 60000     /* a new delegation is met after so long at most */
#define FIRST_CANARY_MS 60000 /* after a start, others need the node more */
#define SAVE_MS 60000         /* what is lost by a crash, but for changes of state */
#define HISTORY_MAX 1000      /* what the settings allow */
#define HASTE 5               /* visits of one that wavers, per interval */

static int64_t now_of(const struct prober *prober)
{
    return net_now_ms(prober->options.net);
}

static uint64_t chance(const struct prober *prober, uint64_t below)
{
    uint64_t bits = 0;
    prober->options.random(&bits, sizeof(bits));
    return below == 0 ? 0 : bits % below;
}

/* --- turns ------------------------------------------------------------------------------------ */

static void tell_change(const struct prober *prober, const struct probe_entry *entry,
                        enum probe_state before)
{
    const struct probe_track *track = &entry->track;
    enum log_level level = track->state > PROBE_UP ? LOG_LEVEL_WARNING : LOG_LEVEL_NOTICE;
    char name[128];
    if (prober->options.log == NULL) {
        return;
    }
    log_write(prober->options.log, level, "probe", "%s%s is %s, was %s (%s%s%s)",
              entry->is_canary ? "our own canary by " : "the node of ",
              log_quote(bytes_of(entry->name, entry->name_len), name, sizeof(name)),
              probe_state_name(track->state), probe_state_name(before), track->last.where,
              track->last.where[0] == '\0' ? "" : ": ", finding_row(track->last.finding)->english);
}

void prober_on_round(struct prober *prober, struct probe_entry *entry,
                     const struct probe_round *round)
{
    const struct probe_plan *plan = prober->plan;
    enum probe_state before = entry->track.state;
    bool has_changed = probe_table_note(prober->options.table, entry, round, &plan->rules);
    int64_t wait_ms =
        probe_track_wavers(&entry->track) ? plan->interval_ms / HASTE : plan->interval_ms;
    wait_ms = wait_ms * 9 / 10 + (int64_t)chance(prober, (uint64_t)wait_ms / 5 + 1);
    entry->due_ms = now_of(prober) + wait_ms;
    prober->is_changed = true;
    metrics_add(prober->options.metrics, METRIC_probe_rounds, 0, 1);
    if (has_changed) {
        prober->is_urgent = true;
        metrics_add(prober->options.metrics, METRIC_probe_changes, 0, 1);
        tell_change(prober, entry, before);
    }
}

static bool is_wanted(const struct prober *prober, const struct probe_entry *entry)
{
    return !entry->is_canary ||
           (entry->way == CANARY_ABOVE ? prober->plan->upward->service.count > 0
                                       : prober->plan->has_own[entry->way]);
}

static struct probe_entry *entry_at(const struct prober *prober, size_t index)
{
    return index < CANARY_WAYS ? probe_table_canary(prober->options.table, (enum canary_way)index)
                               : probe_table_at(prober->options.table, index - CANARY_WAYS);
}

static void start_due(struct prober *prober)
{
    size_t count = probe_table_count(prober->options.table) + CANARY_WAYS;
    int64_t now_ms = now_of(prober);
    for (size_t i = 0; i < count && prober->visit_count < prober->plan->parallel; i++) {
        prober->next = prober->next + 1 < count ? prober->next + 1 : 0;
        struct probe_entry *entry = entry_at(prober, prober->next);
        bool is_met = entry->is_canary || entry->seen != 0;
        if (!is_met || entry->visit != NULL || entry->due_ms > now_ms ||
            !is_wanted(prober, entry)) {
            continue;
        }
        if (probe_visit_start(prober, entry) != STATUS_OK) {
            entry->due_ms = now_ms + prober->plan->interval_ms / HASTE;
        }
    }
}

/* --- the walk over the store ------------------------------------------------------------------ */

static void meet(struct prober *prober, struct bytes prefix)
{
    bool is_new = false;
    struct probe_entry *entry = probe_table_prefix(prober->options.table, prefix, &is_new);
    if (entry == NULL) {
        return;
    }
    if (entry->seen == 0) { /* of this run: a first visit at any time of the interval */
        entry->due_ms =
            now_of(prober) + (int64_t)chance(prober, (uint64_t)prober->plan->interval_ms);
    }
    prober->is_changed |= is_new;
    entry->seen = prober->walk;
}

static void end_walk(struct prober *prober)
{
    struct probe_table *table = prober->options.table;
    int64_t interval_ms = prober->plan->interval_ms;
    for (size_t i = probe_table_count(table); i-- > 0;) {
        struct probe_entry *entry = probe_table_at(table, i);
        if (entry->seen == prober->walk) {
            continue;
        }
        if (entry->visit != NULL) {
            probe_visit_cancel(entry->visit);
        }
        probe_table_remove(table, i);
        prober->is_changed = true;
    }
    prober->is_walking = false;
    prober->walk_due_ms = now_of(prober) + (interval_ms < WALK_MAX_MS ? interval_ms : WALK_MAX_MS);
}

static void walk(struct prober *prober)
{
    struct prefix_row row;
    if (!prober->is_walking) {
        prober->is_walking = true;
        prober->walk++;
        prober->walked_len = 0;
    }
    enum status status = snapshot_refresh(prober->snapshot);
    for (size_t i = 0; status == STATUS_OK && i < WALK_ROWS; i++) {
        status = registry_next_prefix(prober->snapshot,
                                      bytes_of(prober->walked, prober->walked_len), &row);
        if (status != STATUS_OK || row.prefix.len > sizeof(prober->walked)) {
            break;
        }
        memcpy(prober->walked, row.prefix.data, row.prefix.len);
        prober->walked_len = row.prefix.len;
        if (prefix_answers(&row) && row.hosting == PREFIX_DELEGATED) {
            meet(prober, row.prefix);
        }
    }
    snapshot_rest(prober->snapshot);
    if (status == STATUS_NOT_FOUND) {
        end_walk(prober);
    } else if (status != STATUS_OK) { /* from the beginning, and nothing is taken away */
        prober->is_walking = false;
        prober->walk_due_ms = now_of(prober) + WALK_MAX_MS;
    }
}

/* --- the file --------------------------------------------------------------------------------- */

static void save(struct prober *prober)
{
    if (prober->options.path == NULL || !prober->is_changed) {
        return;
    }
    enum status status = probe_table_save(prober->options.table, prober->options.path);
    prober->is_changed = false;
    prober->is_urgent = false;
    prober->saved_ms = now_of(prober);
    if (status != STATUS_OK && !prober->save_failed && prober->options.log != NULL) {
        log_write(prober->options.log, LOG_LEVEL_WARNING, "probe",
                  "histories will not outlast a restart: %s cannot be written (%s)",
                  prober->options.path, status_english(status));
    }
    prober->save_failed = status != STATUS_OK;
}

/* --- the clock -------------------------------------------------------------------------------- */

static void prober_on_timer(void *context)
{
    struct prober *prober = context;
    int64_t interval_ms = prober->plan->interval_ms;
    int64_t tick_ms = interval_ms / 20;
    int64_t now_ms = now_of(prober);
    if (prober->is_walking || now_ms >= prober->walk_due_ms) {
        walk(prober);
    }
    start_due(prober);
    if (prober->is_urgent || now_ms - prober->saved_ms >= SAVE_MS) {
        save(prober);
    }
    tick_ms = tick_ms > TICK_MAX_MS ? TICK_MAX_MS : tick_ms;
    net_timer_start(prober->timer, tick_ms < TICK_MIN_MS ? TICK_MIN_MS : tick_ms);
}

static void cancel_all(struct prober *prober)
{
    while (prober->visits != NULL) {
        probe_visit_cancel(prober->visits);
    }
}

static void begin_canaries(struct prober *prober)
{
    int64_t interval_ms = prober->plan->interval_ms;
    int64_t first_ms = interval_ms < FIRST_CANARY_MS ? interval_ms : FIRST_CANARY_MS;
    for (size_t i = 0; i < CANARY_WAYS; i++) {
        struct probe_entry *entry = entry_at(prober, i);
        entry->due_ms =
            now_of(prober) + first_ms / 2 + (int64_t)chance(prober, (uint64_t)first_ms / 2 + 1);
        if (!is_wanted(prober, entry)) {
            probe_table_forget(prober->options.table, entry);
        }
    }
}

void prober_adopt(struct prober *prober, struct probe_plan *plan)
{
    cancel_all(prober);
    probe_plan_free(prober->plan);
    prober->plan = plan;
    prober->is_walking = false;
    prober->walk_due_ms = 0;
    size_t count = probe_table_count(prober->options.table) + CANARY_WAYS;
    for (size_t i = 0; i < count; i++) {
        entry_at(prober, i)->seen = 0; /* spread anew: the interval may be another one */
        if (plan->interval_ms == 0) {
            probe_table_forget(prober->options.table, entry_at(prober, i));
        }
    }
    if (plan->interval_ms == 0) {
        net_timer_stop(prober->timer);
        save(prober);
        return;
    }
    begin_canaries(prober);
    net_timer_start(prober->timer, 0);
}

size_t prober_under_way(const struct prober *prober)
{
    return prober->visit_count;
}

enum status prober_new(const struct probe_options *options, struct prober **out_prober)
{
    struct prober *prober = calloc(1, sizeof(*prober));
    if (prober == NULL) {
        return STATUS_NO_MEMORY;
    }
    prober->options = *options;
    prober->saved_ms = net_now_ms(options->net);
    enum status status = snapshot_new(options->registry, &prober->snapshot);
    if (status == STATUS_OK) {
        snapshot_rest(prober->snapshot);
        status = net_timer_new(options->net, prober_on_timer, prober, &prober->timer);
    }
    if (status != STATUS_OK) {
        prober_free(prober);
        return status;
    }
    if (options->path != NULL &&
        probe_table_load(options->table, options->path, HISTORY_MAX) == STATUS_CORRUPT &&
        options->log != NULL) {
        log_write(options->log, LOG_LEVEL_WARNING, "probe",
                  "%s cannot be read; histories begin anew", options->path);
    }
    *out_prober = prober;
    return STATUS_OK;
}

void prober_free(struct prober *prober)
{
    if (prober == NULL) {
        return;
    }
    cancel_all(prober);
    save(prober);
    probe_plan_free(prober->plan);
    net_timer_free(prober->timer);
    snapshot_free(prober->snapshot);
    free(prober);
}
