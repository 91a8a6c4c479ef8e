/* SPDX-License-Identifier: Apache-2.0
 *
 * What an import asks the store about: case rules, what stands under a handle, how far the journal
 * is. Each question is answered by what is committed then. Owned by one thread.
 */
#pragma once

#include "registry/journal.h"

struct import_stored;

/* Borrows the registry. */
enum status import_stored_new(struct registry *registry, struct import_stored **out_stored);
void import_stored_free(struct import_stored *stored);

/* The case rule of the prefix that governs `handle`; folding for one that is not homed here. */
enum case_rule import_stored_rule(struct import_stored *stored, struct bytes handle);

/* Is this version of the handle a new record? The first is; a later one when a deletion came before
 * it. */
bool import_stored_is_created(struct import_stored *stored, struct bytes handle, uint64_t version);

struct import_stored_row {
    uint64_t version;
    uint64_t position; /* in the journal */
};

/* False: there is no record, or it cannot be read. */
bool import_stored_find(struct import_stored *stored, struct bytes handle,
                        struct import_stored_row *out_row);

/* The journal's last position, 0 when it is empty, and its chain there. */
enum status import_stored_head(struct import_stored *stored, uint64_t *out_position,
                               uint8_t out_chain[JOURNAL_HASH_LEN]);

/* Did a set of this store's journal end at `position` with this chain? */
bool import_stored_has(struct import_stored *stored, uint64_t position,
                       const uint8_t chain[JOURNAL_HASH_LEN]);
