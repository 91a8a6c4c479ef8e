/* SPDX-License-Identifier: Apache-2.0
 *
 * What the process may do: not be root, not leave keys in core dumps, open enough files.
 */
#pragma once

#include <stdbool.h>

#include "protocol/status.h"

/* Started as root: becomes owner and group of `directory`, for good. Nothing happens to another
 * user, and to root when the directory is root's (then `privilege_is_root`). SYSTEM. */
enum status privilege_drop(const char *directory, struct fault *fault);
bool privilege_is_root(void);

/* No core dumps, no debugger of the same user: keys are in memory. */
void privilege_hide_memory(void);

/* As many descriptors as the hard limit allows. */
void privilege_raise_files(void);
