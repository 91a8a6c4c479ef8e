/* SPDX-License-Identifier: Apache-2.0
 *
 * The hashes of the journal: of values, rows, items and the chain. SHA-256 throughout.
 *
 * A record's digest is over one commitment per value: SHA-256(value) for public ones, else
 * SHA-256(salt ‖ value), so that whoever may not see a value still verifies the record and cannot
 * guess it. Runs of variable length are preceded by their length (int4), so that no two inputs read
 * the same. A hasher belongs to one thread; it remembers its first failure, which the end tells.
 */
#pragma once

#include "registry/journal.h"

struct hasher;

/* NULL when memory is out. */
struct hasher *hasher_new(void);
void hasher_free(struct hasher *hasher);

void hasher_begin(struct hasher *hasher);
void hasher_add(struct hasher *hasher, struct bytes run);
void hasher_add_u64(struct hasher *hasher, uint64_t number);

/* int4 length ‖ run. */
void hasher_add_sized(struct hasher *hasher, struct bytes run);
enum status hasher_end(struct hasher *hasher, uint8_t out[JOURNAL_HASH_LEN]);

/* What is digested: (key, version) of a row and what it says. */
struct record_digest_of {
    struct bytes key; /* the canonical handle, prefix, enterprise id */
    uint64_t version;
    struct bytes content; /* of a record: the encoded value list; none: deleted */
};

/* H(key ‖ version ‖ n ‖ commitments). `commitment_key` has 32 bytes; it may be absent (len 0) when
 * every value is public: BAD_SETTING otherwise. CORRUPT when the list lies. */
enum status record_digest(struct hasher *hasher, struct bytes commitment_key,
                          const struct record_digest_of *of, uint8_t out[JOURNAL_HASH_LEN]);

/* H(key ‖ version ‖ content): rows of every other table. */
enum status record_digest_plain(struct hasher *hasher, const struct record_digest_of *of,
                                uint8_t out[JOURNAL_HASH_LEN]);

/* The commitment of one value as encoded. */
enum status record_digest_commit(struct hasher *hasher, struct bytes commitment_key,
                                 const struct record_digest_of *of, const struct value *value,
                                 struct bytes encoded, uint8_t out[JOURNAL_HASH_LEN]);

/* H(operation ‖ table ‖ key ‖ version ‖ class ‖ digest). */
enum status record_digest_item(struct hasher *hasher, const struct journal_item *item,
                               uint8_t out[JOURNAL_HASH_LEN]);

/* H(previous ‖ position ‖ count ‖ time ‖ actor ‖ origin ‖ item hashes): everything before the item
 * hashes, which the caller adds; then hasher_end. */
void record_digest_chain_begin(struct hasher *hasher, const uint8_t previous[JOURNAL_HASH_LEN],
                               const struct journal_set *set);
