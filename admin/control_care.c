/* SPDX-License-Identifier: Apache-2.0
 *
 * What somebody should look at although nobody asked: told once, and once when it is over
 * (control_parts.h).
 */
#include "admin/control_parts.h"
#include "admin/figures.h"

#define READER_OLD_S 60
#define CALM_TICKS 5

static void watch_clock(struct control *control, const struct registry_figures *figures)
{
    uint64_t behind_ms = figures_clock_behind_ms(figures, net_wall_ms(control->net));
    struct log *log = control->options.log;
    if (behind_ms > FIGURES_CLOCK_ALARM_MS && !control->clock_is_behind) {
        control->clock_is_behind = true;
        log_write(log, LOG_LEVEL_WARNING, "clock",
                  "set back: %llu ms behind the newest change (changes carry its time until the "
                  "clock has caught up; check the time service)",
                  (unsigned long long)behind_ms);
    } else if (behind_ms == 0 && control->clock_is_behind) {
        control->clock_is_behind = false;
        log_write(log, LOG_LEVEL_NOTICE, "clock", "has caught up with the newest change");
    }
}

static void watch_readers(struct control *control, const struct registry_figures *figures)
{
    uint64_t age_s = figures_age_s(figures, net_wall_ms(control->net));
    struct log *log = control->options.log;
    if (age_s >= READER_OLD_S && !control->reader_is_old) {
        control->reader_is_old = true;
        log_write(log, LOG_LEVEL_WARNING, "store",
                  "process %lld has been reading one transaction for %llu s (the store grows by "
                  "what is written meanwhile)",
                  (long long)figures->oldest_reader_pid, (unsigned long long)age_s);
    } else if (age_s < READER_OLD_S && control->reader_is_old) {
        control->reader_is_old = false;
        log_write(log, LOG_LEVEL_NOTICE, "store", "the old reader is gone");
    }
}

static void tell_refusal(struct log *log, const struct registry_figures *figures)
{
    if (figures->refuses_writes) {
        log_write(log, LOG_LEVEL_ERROR, "store",
                  "writing failed, every write is refused until restart, resolution goes on (look "
                  "at the disk and the kernel's log, then run guantong record verify)");
    } else {
        log_write(log, LOG_LEVEL_ERROR, "store",
                  "full, records are refused, resolution goes on (free disk space, or raise "
                  "store.map_max and reload; %llu of %llu bytes are in use)",
                  (unsigned long long)figures->used_bytes, (unsigned long long)figures->map_bytes);
    }
}

/* Some may be refused while smaller ones are taken: it is over when none was for a while. */
static void watch_refusals(struct control *control, const struct registry_figures *figures)
{
    if (figures->refusals != control->refusals) {
        control->refusals = figures->refusals;
        control->refusal_calm = 0;
        if (!control->refusal_is_told) {
            control->refusal_is_told = true;
            tell_refusal(control->options.log, figures);
        }
    } else if (control->refusal_is_told && figures->refusal == STATUS_OK &&
               ++control->refusal_calm >= CALM_TICKS) {
        control->refusal_is_told = false;
        log_write(control->options.log, LOG_LEVEL_NOTICE, "store", "takes records again");
    }
}

/* Whoever asked was told 2, internal error; which record it is tells a look at all of them. */
void control_care_reads(struct control *control)
{
    int64_t met = metrics_sum(node_metrics(control->options.node), METRIC_stored_damage, 0);
    if (met != control->damage_met) {
        log_write(control->options.log, LOG_LEVEL_ERROR, "store",
                  "%lld reads met a damaged row (guantong record verify names all that are)",
                  (long long)(met - control->damage_met));
        control->damage_met = met;
    }
}

void control_care_tick(struct control *control)
{
    struct registry_figures figures;
    if (registry_figures(control->options.registry, &figures) == STATUS_OK) {
        watch_clock(control, &figures);
        watch_readers(control, &figures);
        watch_refusals(control, &figures);
    }
}
