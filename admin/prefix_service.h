/* SPDX-License-Identifier: Apache-2.0
 *
 * What `prefix delegate` and `prefix confirm` are told of an enterprise's own node: --site, --serv,
 * or --address with --key.
 */
#pragma once

#include "admin/command.h"
#include "admin/delegation.h"

/* Is one of the options given? */
bool prefix_service_is_given(const struct command_call *call);

/* Exactly one way must be given; reports, returns the exit code. In the call's arena. */
int prefix_service_read(struct command_call *call, struct delegation *out_service);
