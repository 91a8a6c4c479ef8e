/* SPDX-License-Identifier: Apache-2.0
 *
 * What people paste into other clients so that they use a key: `guantong key show FILE --for WHAT`.
 */
#pragma once

#include "admin/command.h"
#include "admin/key_file.h"

struct key_snippet {
    const char *name;
    const char *help;
    const char *help_zh;
    const char *text; /* %f the file, %i the index, %h the handle, %e the handle for URLs, %% */
};

/* NULL: there is none of this name. */
const struct key_snippet *key_snippet_find(const char *name);
const struct key_snippet *key_snippet_at(size_t index); /* NULL behind the last */

/* The snippet filled in, in the arena; NULL when memory is out. */
char *key_snippet_fill(struct arena *arena, const struct key_snippet *snippet, const char *file,
                       uint32_t index, struct bytes handle);
