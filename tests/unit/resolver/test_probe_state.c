/* SPDX-License-Identifier: Apache-2.0
 *
 * States that do not flap, histories that stay small, and both through JSON and back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "resolver/probe_json.h"

#define MINUTE 60000
#define START 1795276800123 /* a day in 2026 */

static const struct probe_rules rules = {.failures = 3, .history = 4};

struct history {
    struct probe_track track;
    int64_t now_ms;
};

static bool note(struct history *h, enum finding finding, int64_t rtt_us)
{
    h->now_ms += MINUTE;
    const struct probe_round round = {
        .at_ms = START + h->now_ms,
        .finding = finding,
        .outcome = finding_row(finding)->outcome,
        .rtt_us = rtt_us,
        .where = "udp 192.0.2.7:2641",
    };
    return probe_track_note(&h->track, &round, &rules);
}

static bool note_all(struct history *h, const enum finding *findings, size_t count)
{
    bool has_changed = false;
    for (size_t i = 0; i < count; i++) {
        has_changed |= note(h, findings[i], 1000);
    }
    return has_changed;
}

static void first_good_round_when_nothing_is_known_makes_it_up(void **state)
{
    struct history h = {.now_ms = 0};
    (void)state;
    assert_int_equal(h.track.state, PROBE_UNKNOWN);
    assert_true(note(&h, FINDING_OK, 500));
    assert_int_equal(h.track.state, PROBE_UP);
    assert_int_equal(h.track.since_ms, START + MINUTE);
    assert_false(note(&h, FINDING_OK, 500));
    assert_int_equal(h.track.since_ms, START + MINUTE);
    probe_track_done(&h.track);
}

static void failures_when_fewer_than_the_rule_change_nothing(void **state)
{
    static const enum finding findings[] = {FINDING_NO_ANSWER, FINDING_NO_ANSWER, FINDING_OK,
                                            FINDING_NO_ANSWER, FINDING_CLOSED,    FINDING_OK};
    struct history h = {.now_ms = 0};
    (void)state;
    (void)note(&h, FINDING_OK, 500);
    assert_false(note_all(&h, findings, sizeof(findings) / sizeof(findings[0])));
    assert_int_equal(h.track.state, PROBE_UP);
    assert_false(probe_track_wavers(&h.track));
    (void)note(&h, FINDING_NO_ANSWER, 0);
    assert_true(probe_track_wavers(&h.track));
    probe_track_done(&h.track);
}

static void failures_when_as_many_as_the_rule_make_it_down(void **state)
{
    struct history h = {.now_ms = 0};
    (void)state;
    (void)note(&h, FINDING_OK, 500);
    assert_false(note(&h, FINDING_NO_ANSWER, 0));
    assert_false(note(&h, FINDING_UNREACHABLE, 0));
    assert_true(note(&h, FINDING_NO_ANSWER, 0));
    assert_int_equal(h.track.state, PROBE_DOWN);
    assert_int_equal(h.track.since_ms, START + 4 * MINUTE);
    assert_int_equal(h.track.last.finding, FINDING_NO_ANSWER);
    probe_track_done(&h.track);
}

static void streak_when_it_was_not_all_failure_makes_it_degraded(void **state)
{
    struct history h = {.now_ms = 0};
    (void)state;
    (void)note(&h, FINDING_OK, 500);
    (void)note(&h, FINDING_NO_ANSWER, 0);
    (void)note(&h, FINDING_BUSY, 700);
    assert_true(note(&h, FINDING_NO_ANSWER, 0));
    assert_int_equal(h.track.state, PROBE_DEGRADED);
    probe_track_done(&h.track);
}

static void one_good_round_when_down_does_not_bring_it_up_and_two_do(void **state)
{
    struct history h = {.now_ms = 0};
    (void)state;
    for (int i = 0; i < 3; i++) {
        (void)note(&h, FINDING_NO_ANSWER, 0);
    }
    assert_int_equal(h.track.state, PROBE_DOWN);
    assert_false(note(&h, FINDING_OK, 500));
    assert_false(note(&h, FINDING_NO_ANSWER, 0));
    assert_false(note(&h, FINDING_OK, 500));
    assert_true(note(&h, FINDING_OK, 500));
    assert_int_equal(h.track.state, PROBE_UP);
    probe_track_done(&h.track);
}

static void recovery_when_mixed_reaches_only_the_worse(void **state)
{
    struct history h = {.now_ms = 0};
    (void)state;
    for (int i = 0; i < 3; i++) {
        (void)note(&h, FINDING_NO_ANSWER, 0);
    }
    (void)note(&h, FINDING_OK, 500);
    assert_true(note(&h, FINDING_BUSY, 500));
    assert_int_equal(h.track.state, PROBE_DEGRADED);
    probe_track_done(&h.track);
}

static void round_that_learnt_nothing_changes_nothing(void **state)
{
    struct history h = {.now_ms = 0};
    (void)state;
    (void)note(&h, FINDING_OK, 500);
    for (int i = 0; i < 5; i++) {
        assert_false(note(&h, FINDING_NOT_CHECKED, 0));
    }
    assert_int_equal(h.track.state, PROBE_UP);
    assert_int_equal(h.track.last.finding, FINDING_OK);
    assert_int_equal(h.track.history_count, 1);
    probe_track_done(&h.track);
}

static void history_when_rounds_go_alike_is_one_stretch(void **state)
{
    struct history h = {.now_ms = 0};
    (void)state;
    for (int64_t i = 1; i <= 100; i++) {
        (void)note(&h, FINDING_OK, i);
    }
    assert_int_equal(h.track.history_count, 1);
    const struct probe_stretch *only = h.track.history;
    assert_int_equal(only->rounds, 100);
    assert_int_equal(only->rtt_min_us, 1);
    assert_int_equal(only->rtt_max_us, 100);
    assert_int_equal(only->last_ms - only->first_ms, 99 * MINUTE);
    probe_track_done(&h.track);
}

static void history_when_full_loses_the_oldest(void **state)
{
    struct history h = {.now_ms = 0};
    (void)state;
    for (int i = 0; i < 50; i++) {
        (void)note(&h, i % 2 == 0 ? FINDING_OK : FINDING_BUSY, 10);
        assert_true(h.track.history_count <= rules.history);
    }
    assert_int_equal(h.track.history_count, 4);
    assert_int_equal(h.track.history[3].last_ms, START + h.now_ms);
    assert_int_equal(h.track.history[0].first_ms, START + h.now_ms - 3 * MINUTE);
    probe_track_done(&h.track);
}

static void track_when_written_and_read_is_the_same(void **state)
{
    struct history h = {.now_ms = 0};
    struct probe_track back = {.state = PROBE_UNKNOWN};
    (void)state;
    (void)note(&h, FINDING_OK, 1234);
    for (int i = 0; i < 3; i++) {
        (void)note(&h, FINDING_WRONG_KEY, 0);
    }
    json_t *json = probe_track_json(&h.track, true);
    assert_non_null(json);
    probe_track_from_json(json, 10, &back);
    assert_int_equal(back.state, PROBE_DOWN);
    assert_int_equal(back.since_ms, h.track.since_ms);
    assert_int_equal(back.last.finding, FINDING_WRONG_KEY);
    assert_int_equal(back.history_count, h.track.history_count);
    for (size_t i = 0; i < back.history_count; i++) {
        assert_int_equal(back.history[i].state, h.track.history[i].state);
        assert_int_equal(back.history[i].finding, h.track.history[i].finding);
        assert_int_equal(back.history[i].rounds, h.track.history[i].rounds);
        assert_int_equal(back.history[i].first_ms, h.track.history[i].first_ms);
        assert_int_equal(back.history[i].rtt_max_us, h.track.history[i].rtt_max_us);
        assert_string_equal(back.history[i].where, h.track.history[i].where);
    }
    json_decref(json);
    probe_track_done(&back);
    probe_track_done(&h.track);
}

static void track_when_what_is_read_makes_no_sense_is_harmless(void **state)
{
    static const char *const texts[] = {
        "{}", "[]", "{\"state\":7,\"history\":{}}", "{\"history\":[1,null,{\"rounds\":-5}]}",
        "{\"state\":\"sideways\",\"since\":\"yesterday\",\"rtt_us\":-1,\"history\":[{}]}"};
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct probe_track back = {.state = PROBE_UNKNOWN};
        json_t *json = json_loads(texts[i], 0, NULL);
        assert_non_null(json);
        probe_track_from_json(json, 2, &back);
        assert_int_equal(back.state, PROBE_UNKNOWN);
        assert_int_equal(back.since_ms, 0);
        assert_true(back.history_count <= 2);
        json_decref(json);
        probe_track_done(&back);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_good_round_when_nothing_is_known_makes_it_up),
        cmocka_unit_test(failures_when_fewer_than_the_rule_change_nothing),
        cmocka_unit_test(failures_when_as_many_as_the_rule_make_it_down),
        cmocka_unit_test(streak_when_it_was_not_all_failure_makes_it_degraded),
        cmocka_unit_test(one_good_round_when_down_does_not_bring_it_up_and_two_do),
        cmocka_unit_test(recovery_when_mixed_reaches_only_the_worse),
        cmocka_unit_test(round_that_learnt_nothing_changes_nothing),
        cmocka_unit_test(history_when_rounds_go_alike_is_one_stretch),
        cmocka_unit_test(history_when_full_loses_the_oldest),
        cmocka_unit_test(track_when_written_and_read_is_the_same),
        cmocka_unit_test(track_when_what_is_read_makes_no_sense_is_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
