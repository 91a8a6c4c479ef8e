/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of CSV that need no parser: whole in one line, quotes where RFC 4180 has them.
 *
 * Nearly all rows of a large file are so, and finding commas costs a fifth of parsing. Whatever is
 * not so plain is left to libcsv, so that there is one judge of what is right. Pure.
 */
#pragma once

#include "admin/import_rows.h"

/* Splits `line` (with its end) into at most `max` fields, back to back in `text` (emptied first),
 * field i from starts[i] to starts[i + 1]; `out_count` counts those past `max`, too. False: leave
 * it to the parser, `text` is empty then. */
bool import_split_row(struct bytes line, struct import_text *text, size_t *starts, size_t max,
                      size_t *out_count);
