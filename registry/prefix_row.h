/* SPDX-License-Identifier: Apache-2.0
 *
 * The rows of prefixes (layout in keys.h); those of their owners are enterprise_row.h's.
 *
 * Decoding trusts nothing; what it hands out is borrowed from the row. Pure.
 */
#pragma once

#include "registry/keys.h"

#define PREFIX_ROW_MAX (57 + KEYS_ENTERPRISE_MAX + HANDLE_PREFIX_MAX)
#define PREFIX_CONTENT_MAX (3 + 16 + KEYS_ENTERPRISE_MAX)

/* CORRUPT. `out_position` may be NULL. */
enum status prefix_row_decode(struct bytes key, struct bytes row, struct prefix_row *out_row,
                              uint64_t *out_position);

/* With its checksum; `w` has PREFIX_ROW_MAX bytes. */
void prefix_row_encode(struct wire_writer *w, const struct prefix_row *row, uint64_t position);

/* What the row says beside when and where it was written: the part that is digested and compared.
 * A mirror that gives its own slots holds the same content. */
void prefix_row_content(struct wire_writer *w, const struct prefix_row *row);
