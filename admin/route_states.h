/* SPDX-License-Identifier: Apache-2.0
 *
 * What probes found about other nodes, for commands: asked of the running node, or read from what
 * the last one left behind.
 */
#pragma once

#include "admin/command.h"

/* {"prefixes":{...},"canary":{...}} as probe_table_json gives it; with `prefix` that one alone and
 * its history. Never NULL but for want of memory; empty when nothing is known. A new reference.
 * `out_is_live`: a running node said it. */
json_t *route_states(struct command_call *call, const char *prefix, bool *out_is_live);

/* That of one prefix, borrowed; NULL: it is not probed. */
json_t *route_states_of(const json_t *states, struct bytes prefix);

/* "up", "down", ... in the user's language. */
const char *route_states_word(const struct command_call *call, const char *state);

/* "down since 2026-11-21T08:00:00Z (tcp 192.0.2.7:2641 cannot be reached)"; in the arena. */
const char *route_states_line(struct command_call *call, const json_t *track);

/* "1.24 ms", "-" for none; `out` has 32 bytes. */
const char *route_states_rtt(json_int_t rtt_us, char out[32]);
