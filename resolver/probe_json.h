/* SPDX-License-Identifier: Apache-2.0
 *
 * Tracks as JSON: as commands show them and as they outlast a restart. What is read back is judged
 * like anything from outside.
 */
#pragma once

#include <jansson.h>

#include "resolver/probe_state.h"

/* {"state":"up","since":time,"checked":time,"rtt_us":n,"finding":"OK","where":"","text":...} and
 * with the history {"history":[{"state","finding","where","text","first","last","rounds",
 * "rtt_min_us","rtt_max_us"}...]}, the newest last. Times are null while there are none. NULL: no
 * memory. */
json_t *probe_track_json(const struct probe_track *track, bool has_history);

/* Into an empty track; what cannot be understood is left out. */
void probe_track_from_json(const json_t *object, size_t history, struct probe_track *track);
