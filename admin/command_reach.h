/* SPDX-License-Identifier: Apache-2.0
 *
 * What most commands begin with: the store opened for reading, a running node asked, the settings
 * loaded. Functions returning int report their failure and return the exit code.
 */
#pragma once

#include <signal.h>

#include "admin/command.h"
#include "registry/registry.h"

/* Is the call's directory a node's? */
int command_check_node(struct command_call *call);

/* Read-only beside a daemon; `*out_registry` is NULL when the call brings one. Close with
 * command_close_store. */
int command_open_store(struct command_call *call, struct registry **out_registry,
                       struct snapshot **out_snapshot);
void command_close_store(struct registry *registry, struct snapshot *snapshot);

/* Freed by the caller with settings_free. */
int command_load_settings(struct command_call *call, struct settings **out_settings);

/* One call over the control socket. `arguments` is borrowed; UNREACHABLE: no node runs. */
enum status command_call_node(struct command_call *call, const char *command, json_t *arguments,
                              json_t **out_result, struct fault *fault);

/* The same, failures reported; takes the reference of `arguments`. */
int command_ask_node(struct command_call *call, const char *command, json_t *arguments,
                     json_t **out_result);

/* The rule of the prefix that governs `handle`, homed or given up. */
enum case_rule command_case_rule(struct snapshot *snapshot, struct bytes handle);

/* The handle a name on the command line stands for, in the call's arena. */
enum status command_handle(struct command_call *call, const char *name, struct bytes *out_handle);

/* What asks a command to stop (SIGINT, SIGTERM, SIGHUP) waits, so that nothing half-made is left;
 * released, it ends the program as ever. */
struct command_signals {
    sigset_t former;
};
void command_hold_signals(struct command_signals *out_held);
bool command_signal_waits(void);
void command_release_signals(const struct command_signals *held);

/* Decimal digits up to `max`. */
bool command_number(const char *text, uint64_t max, uint64_t *out_number);
