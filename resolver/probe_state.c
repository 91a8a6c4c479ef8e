/* SPDX-License-Identifier: Apache-2.0
 *
 * States that move slowly, histories that stay small (probe_state.h).
 */
#include "resolver/probe_state.h"

#include <stdlib.h>

#define RECOVERIES 2

static const struct finding_row findings[FINDING_COUNT] = {
#define FINDING(name, outcome, english, chinese, remedy, remedy_zh)                                \
    [FINDING_##name] = {#name, PROBE_##outcome, english, chinese, remedy, remedy_zh},
#include "resolver/findings.def"
#undef FINDING
};

static const char *const state_names[PROBE_STATES] = {"unknown", "up", "degraded", "down"};

const struct finding_row *finding_row(enum finding finding)
{
    return &findings[finding < FINDING_COUNT ? finding : FINDING_NOT_CHECKED];
}

enum finding finding_of_name(const char *name)
{
    for (size_t i = 0; name != NULL && i < FINDING_COUNT; i++) {
        if (strcmp(findings[i].name, name) == 0) {
            return (enum finding)i;
        }
    }
    return FINDING_OK;
}

const char *probe_state_name(enum probe_state state)
{
    return state_names[state < PROBE_STATES ? state : PROBE_UNKNOWN];
}

enum probe_state probe_state_of_name(const char *name)
{
    for (size_t i = 0; name != NULL && i < PROBE_STATES; i++) {
        if (strcmp(state_names[i], name) == 0) {
            return (enum probe_state)i;
        }
    }
    return PROBE_UNKNOWN;
}

void probe_track_done(struct probe_track *track)
{
    free(track->history);
    *track = (struct probe_track){0};
}

/* --- the state -------------------------------------------------------------------------------- */

static enum probe_state state_of(enum probe_outcome outcome)
{
    switch (outcome) {
    case PROBE_GOOD:
        return PROBE_UP;
    case PROBE_PARTLY:
        return PROBE_DEGRADED;
    default:
        return PROBE_DOWN;
    }
}

/* The state the streak has earned; the one it is in when it has not. */
static enum probe_state judge(struct probe_track *track, enum probe_state now, unsigned failures)
{
    bool is_worse = now > track->state;
    if (now == track->state) {
        track->streak = 0;
        return track->state;
    }
    if (track->state == PROBE_UNKNOWN && now == PROBE_UP) {
        return now;
    }
    if (track->streak == 0 || track->streak_is_worse != is_worse) {
        track->streak = 0;
        track->streak_is_worse = is_worse;
        track->streak_state = now;
    }
    bool is_milder = is_worse ? now < track->streak_state : now > track->streak_state;
    track->streak_state = is_milder ? now : track->streak_state;
    track->streak++;
    return track->streak >= (is_worse ? failures : RECOVERIES) ? track->streak_state : track->state;
}

/* --- the history ------------------------------------------------------------------------------ */

bool probe_track_append(struct probe_track *track, const struct probe_stretch *stretch,
                        size_t history)
{
    size_t drop = track->history_count >= history ? track->history_count + 1 - history : 0;
    if (history == 0) {
        return true;
    }
    if (drop > 0 && track->history != NULL) {
        memmove(track->history, track->history + drop,
                (track->history_count - drop) * sizeof(*track->history));
        track->history_count -= drop;
    }
    struct probe_stretch *grown =
        realloc(track->history, (track->history_count + 1) * sizeof(*grown));
    if (grown == NULL) {
        return false;
    }
    track->history = grown;
    grown[track->history_count++] = *stretch;
    return true;
}

static void measure(struct probe_stretch *stretch, int64_t rtt_us)
{
    if (rtt_us > 0 && (stretch->rtt_min_us == 0 || rtt_us < stretch->rtt_min_us)) {
        stretch->rtt_min_us = rtt_us;
    }
    if (rtt_us > stretch->rtt_max_us) {
        stretch->rtt_max_us = rtt_us;
    }
}

static void remember(struct probe_track *track, const struct probe_round *round, size_t history)
{
    struct probe_stretch *newest =
        track->history_count == 0 ? NULL : &track->history[track->history_count - 1];
    bool is_alike = newest != NULL && newest->state == track->state &&
                    newest->finding == round->finding && newest->outcome == round->outcome &&
                    strcmp(newest->where, round->where) == 0;
    if (is_alike) {
        newest->last_ms = round->at_ms;
        newest->rounds += newest->rounds < UINT32_MAX ? 1 : 0;
        measure(newest, round->rtt_us);
        return;
    }
    struct probe_stretch stretch = {
        .state = track->state,
        .finding = round->finding,
        .outcome = round->outcome,
        .first_ms = round->at_ms,
        .last_ms = round->at_ms,
        .rounds = 1,
    };
    memcpy(stretch.where, round->where, sizeof(stretch.where));
    measure(&stretch, round->rtt_us);
    (void)probe_track_append(track, &stretch, history); /* without memory it is a hole in it */
}

bool probe_track_note(struct probe_track *track, const struct probe_round *round,
                      const struct probe_rules *rules)
{
    enum probe_state before = track->state;
    if (round->outcome == PROBE_NONE) {
        track->last = track->state == PROBE_UNKNOWN ? *round : track->last;
        return false;
    }
    track->last = *round;
    track->state = judge(track, state_of(round->outcome), rules->failures);
    if (track->state != before) {
        track->streak = 0;
        track->since_ms = round->at_ms;
    } else if (track->since_ms == 0) {
        track->since_ms = round->at_ms;
    }
    remember(track, round, rules->history);
    return track->state != before;
}
