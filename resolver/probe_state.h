/* SPDX-License-Identifier: Apache-2.0
 *
 * What rounds of probes say about a node in the long run: its state, which moves slowly, and its
 * history, which is bounded.
 *
 * Pure: time comes with each round, nothing is logged. A track belongs to whoever holds it.
 *
 * A state grows worse after so many rounds in a row that were worse than it, to the best of these;
 * and better after two that were better, to the worse of these. The first good round makes an
 * unknown one good.
 */
#pragma once

#include "protocol/bytes.h"
#include "protocol/status.h"

enum probe_state { PROBE_UNKNOWN, PROBE_UP, PROBE_DEGRADED, PROBE_DOWN, PROBE_STATES };

enum probe_outcome { PROBE_GOOD, PROBE_PARTLY, PROBE_FAILED, PROBE_NONE };

enum finding {
#define FINDING(name, outcome, english, chinese, remedy, remedy_zh) FINDING_##name,
#include "resolver/findings.def"
#undef FINDING
    FINDING_COUNT
};

struct finding_row {
    const char *name;
    enum probe_outcome outcome;
    const char *english, *chinese, *remedy, *remedy_zh;
};
const struct finding_row *finding_row(enum finding finding);
/* OK when there is no such name. */
enum finding finding_of_name(const char *name);

#define PROBE_WHERE_MAX 80 /* "udp [2001:db8::1]:2641" and the NUL; host names are cut */

struct probe_round {
    int64_t at_ms;        /* wall clock */
    enum finding finding; /* the worst that was met */
    enum probe_outcome outcome;
    int64_t rtt_us;              /* of the quickest answer; 0: there was none */
    char where[PROBE_WHERE_MAX]; /* what the finding is about; "" */
};

/* Rounds in a row that went alike. */
struct probe_stretch {
    enum probe_state state; /* after the last one */
    enum finding finding;
    enum probe_outcome outcome;
    int64_t first_ms, last_ms;
    uint32_t rounds;
    int64_t rtt_min_us, rtt_max_us;
    char where[PROBE_WHERE_MAX];
};

struct probe_track {
    enum probe_state state;
    int64_t since_ms; /* 0: never checked */
    struct probe_round last;
    unsigned streak; /* rounds in a row that speak for another state, on one side */
    bool streak_is_worse;
    enum probe_state streak_state;
    struct probe_stretch *history; /* oldest first */
    size_t history_count;
};

struct probe_rules {
    unsigned failures; /* rounds until a state grows worse */
    size_t history;    /* stretches kept */
};

void probe_track_done(struct probe_track *track);

/* Takes in a round; did the state change? A round that learnt nothing (NONE) changes nothing. */
bool probe_track_note(struct probe_track *track, const struct probe_round *round,
                      const struct probe_rules *rules);

/* Does the last round speak for another state? Then it is worth asking sooner. */
static inline bool probe_track_wavers(const struct probe_track *track)
{
    return track->streak > 0;
}

/* Puts a stretch behind the newest; the oldest make room. false: no memory. */
bool probe_track_append(struct probe_track *track, const struct probe_stretch *stretch,
                        size_t history);

/* "unknown", "up", "degraded", "down". */
const char *probe_state_name(enum probe_state state);
/* UNKNOWN for anything else. */
enum probe_state probe_state_of_name(const char *name);
