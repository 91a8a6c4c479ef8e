/* SPDX-License-Identifier: Apache-2.0
 *
 * The row of a record: between struct record_row and bytes (layout in keys.h).
 *
 * Decoding trusts nothing: every length is checked, then the checksum over key and row. What it
 * hands out is borrowed from key and row. Pure; nothing allocates.
 */
#pragma once

#include "protocol/message.h"
#include "registry/keys.h"

#define RECORD_ROW_FIXED 40 /* bytes before spelling and values */
#define RECORD_ROW_MAX (RECORD_ROW_FIXED + HANDLE_MAX + MESSAGE_MAX)

/* Layout of `row` under the record key `key`: CORRUPT. Of a shortened key, the caller compares the
 * handle. */
enum status record_row_decode(struct bytes key, struct bytes row, struct record_row *out_row);

/* How long the value list of a damaged row was, told by the row's length and, as far as it can be
 * believed, its header: what the counters were charged. */
size_t record_row_damaged_len(struct bytes canonical, struct bytes row);

/* True when the handle must be stored beside the key. */
bool record_row_needs_spelling(const struct record_key *key, struct bytes handle);
size_t record_row_encoded_len(const struct record_key *key, const struct record_row *row);

/* Position, created, changed and checksum may be filled later by record_row_seal. */
void record_row_encode(struct wire_writer *w, const struct record_key *key,
                       const struct record_row *row);

/* Fills in what only the commit knows and the checksum, in place. */
void record_row_seal(struct bytes key, uint8_t *row, size_t len, const struct record_row *facts);

/* Does the row belong to this handle? Always, unless the key was shortened. */
bool record_row_is_of(const struct record_row *row, const struct record_key *key,
                      enum case_rule rule);
