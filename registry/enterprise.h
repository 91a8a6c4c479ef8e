/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading enterprises through a snapshot. What is handed out is borrowed from its pages.
 */
#pragma once

#include "registry/enterprise_row.h"

/* NOT_FOUND, CORRUPT. */
enum status enterprise_get(struct snapshot *snapshot, struct bytes id,
                           struct enterprise_row *out_row);

/* The row behind `after` (empty: the first) in order of ids; NOT_FOUND at the end. */
enum status enterprise_next(struct snapshot *snapshot, struct bytes after,
                            struct enterprise_row *out_row);

/* The enterprise that has the key, as enterprise_credential_key and enterprise_prefix_key make it.
 * NOT_FOUND. */
enum status enterprise_find(struct snapshot *snapshot, const struct store_key *key,
                            struct bytes *out_id);
