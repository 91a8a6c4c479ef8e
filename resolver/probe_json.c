/* SPDX-License-Identifier: Apache-2.0
 *
 * Tracks to JSON and back (probe_json.h).
 */
#include "resolver/probe_json.h"

#include <stdio.h>
#include <stdlib.h>

#include "protocol/text.h"

static json_t *time_json(int64_t at_ms)
{
    char text[TEXT_TIME_LEN];
    if (at_ms <= 0) {
        return json_null();
    }
    text_time_ms(at_ms, text);
    return json_string(text);
}

/* 0 for what is no time. */
static int64_t time_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    const char *point = text == NULL ? NULL : strchr(text, '.');
    int64_t seconds = 0;
    if (text == NULL || text_time_parse(bytes_of_text(text), &seconds) != STATUS_OK ||
        seconds < 0) {
        return 0;
    }
    long thousandths = point == NULL ? 0 : strtol(point + 1, NULL, 10);
    return seconds * 1000 + (thousandths >= 0 && thousandths < 1000 ? thousandths : 0);
}

static json_t *stretch_json(const struct probe_stretch *stretch)
{
    const struct finding_row *row = finding_row(stretch->finding);
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:I, s:I, s:I}", "state",
                     probe_state_name(stretch->state), "finding", row->name, "where",
                     stretch->where, "text", row->english, "first", time_json(stretch->first_ms),
                     "last", time_json(stretch->last_ms), "rounds", (json_int_t)stretch->rounds,
                     "rtt_min_us", (json_int_t)stretch->rtt_min_us, "rtt_max_us",
                     (json_int_t)stretch->rtt_max_us);
}

json_t *probe_track_json(const struct probe_track *track, bool has_history)
{
    const struct finding_row *row = finding_row(track->last.finding);
    bool is_checked = track->last.at_ms > 0;
    json_t *object =
        json_pack("{s:s, s:o, s:o, s:I, s:s, s:s, s:s}", "state", probe_state_name(track->state),
                  "since", time_json(track->since_ms), "checked", time_json(track->last.at_ms),
                  "rtt_us", (json_int_t)track->last.rtt_us, "finding", is_checked ? row->name : "",
                  "where", track->last.where, "text", is_checked ? row->english : "");
    if (object == NULL || !has_history) {
        return object;
    }
    json_t *history = json_array();
    for (size_t i = 0; i < track->history_count; i++) {
        (void)json_array_append_new(history, stretch_json(&track->history[i]));
    }
    (void)json_object_set_new(object, "history", history);
    return object;
}

/* --- back ------------------------------------------------------------------------------------- */

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text == NULL ? "" : text;
}

static int64_t number_of(const json_t *object, const char *name)
{
    json_int_t number = json_integer_value(json_object_get(object, name));
    return number > 0 ? (int64_t)number : 0;
}

static void stretch_from_json(const json_t *object, struct probe_stretch *out)
{
    int64_t rounds = number_of(object, "rounds");
    *out = (struct probe_stretch){
        .state = probe_state_of_name(text_of(object, "state")),
        .finding = finding_of_name(text_of(object, "finding")),
        .first_ms = time_of(object, "first"),
        .last_ms = time_of(object, "last"),
        .rounds = rounds < UINT32_MAX ? (uint32_t)rounds : UINT32_MAX,
        .rtt_min_us = number_of(object, "rtt_min_us"),
        .rtt_max_us = number_of(object, "rtt_max_us"),
    };
    out->outcome = finding_row(out->finding)->outcome;
    (void)snprintf(out->where, sizeof(out->where), "%s", text_of(object, "where"));
}

void probe_track_from_json(const json_t *object, size_t history, struct probe_track *track)
{
    const json_t *list = json_object_get(object, "history");
    size_t index = 0;
    const json_t *entry = NULL;
    track->state = probe_state_of_name(text_of(object, "state"));
    track->since_ms = time_of(object, "since");
    track->last = (struct probe_round){
        .at_ms = time_of(object, "checked"),
        .finding = finding_of_name(text_of(object, "finding")),
        .rtt_us = number_of(object, "rtt_us"),
    };
    track->last.outcome = finding_row(track->last.finding)->outcome;
    (void)snprintf(track->last.where, sizeof(track->last.where), "%s", text_of(object, "where"));
    json_array_foreach(list, index, entry)
    {
        struct probe_stretch stretch;
        stretch_from_json(entry, &stretch);
        if (!probe_track_append(track, &stretch, history)) {
            return;
        }
    }
}
