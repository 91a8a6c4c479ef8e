/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading commands of a user who may ask the daemon but not read its store (a member of group
 * guantong): sent over the control socket, run there, printed here.
 */
#pragma once

#include "admin/command.h"

/* May this call run in the daemon? Bounded reading commands only; never what shows secrets. */
bool command_forward_allows(const struct command_call *call);

/* True: the call was answered by the daemon (or its refusal reported), `*out_exit` tells. False:
 * this user reads the store, or no daemon runs: run it here. */
bool command_forward(struct command_call *call, int *out_exit);

/* In the daemon: runs what `arguments` says against what is borrowed. NOT_SUPPORTED: not allowed.
 */
struct command_forward_daemon {
    struct registry *registry;
    struct node *node;
};
enum status command_forward_run(json_t *arguments, const struct command_forward_daemon *daemon,
                                json_t **out_result, struct fault *fault);
