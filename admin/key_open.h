/* SPDX-License-Identifier: Apache-2.0
 *
 * A key file named on the command line: with the pass phrase of --pass-phrase-file, or one that is
 * asked for where somebody sits at a terminal.
 */
#pragma once

#include "admin/command.h"
#include "admin/key_file.h"

/* EXIT_OK, or the exit code of a problem that was said. */
int key_open(struct command_call *call, const char *path, struct key_file *out_file);

/* Says why a key or secret file could not be read. */
int key_say_unread(struct command_call *call, enum status status, const struct fault *fault);
