/* SPDX-License-Identifier: Apache-2.0
 *
 * What is wrong with a dossier, said to people: item, rule, remedy, in English and Chinese.
 */
#pragma once

#include "admin/command.h"
#include "registry/dossier.h"

/* Reports what stands open, returns the exit code. */
int dossier_findings_say(struct command_call *call, const struct dossier_findings *findings);
