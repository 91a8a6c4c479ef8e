/* SPDX-License-Identifier: Apache-2.0
 *
 * YAML text -> fields of struct settings, with the line and column of whatever is wrong.
 *
 * Accepted is one document: sections, in them keys, a value each (a text or, for a LIST, a sequence
 * of texts). Anchors, aliases and tags are refused: a settings file says each thing once, plainly.
 */
#pragma once

#include "conf/settings.h"

/* Overwrites what the file sets in `settings`, which holds defaults; on failure it is left half
 * filled and must be freed. BAD_SETTING with "name:line:column: reason", NO_MEMORY. */
enum status settings_yaml_read(struct bytes text, const char *name, struct settings *settings,
                               struct fault *fault);

/* Insertions, deletions and replacements that make one name of the other. */
size_t settings_distance(const char *a, const char *b);
