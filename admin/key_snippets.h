/* SPDX-License-Identifier: Apache-2.0
 *
 * What people paste into other clients so that they use a key: `guantong key show FILE --for WHAT`.
 *
 * Whatever file and handle are called, they end no text and begin no command.
 */
#pragma once

#include "admin/command.h"
#include "admin/key_file.h"

struct key_snippet {
    const char *name;
    const char *help;
    const char *help_zh;
    const char *text; /* %s the file for a shell, %j inside quotes; %r index:handle for a shell;
                       * %i the index; %h the handle, %q inside quotes, %e for URLs; %% */
};

/* NULL: there is none of this name. */
const struct key_snippet *key_snippet_find(const char *name);
const struct key_snippet *key_snippet_at(size_t index); /* NULL behind the last */

/* The snippet filled in, in the arena; NULL: memory is out, or a name has characters that no line
 * holds. */
char *key_snippet_fill(struct arena *arena, const struct key_snippet *snippet, const char *file,
                       uint32_t index, struct bytes handle);
