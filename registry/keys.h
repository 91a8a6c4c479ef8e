/* SPDX-License-Identifier: Apache-2.0
 *
 * The whole layout of the store on one page: databases, keys, rows.
 *
 * Numbers are big-endian, so that LMDB's bytewise order is numeric order. "K" is a record key:
 * the folded handle when it has at most 470 bytes, else its first 470 bytes ‖ SHA-256 of the whole
 * folded handle (502), so that table ‖ K ‖ version fits LMDB's 511. Rows begin with a format byte;
 * a new layout takes a new number and the old one stays readable. crc32c covers key and row, the
 * checksum's own four bytes left out.
 *
 *   database    key                      row
 *   record      K                        format 1 ‖ flags 1 ‖ spelling length 2 ‖ crc32c 4 ‖
 *                                        version 8 ‖ position 8 ‖ created_ms 8 ‖ changed_ms 8 ‖
 *                                        spelling (present when it differs from the key, always
 *                                        for a shortened K) ‖ value list as it travels
 *   history     table 1 ‖ K ‖ version 8  format 1 ‖ kind 1 (enum history_kind) ‖ crc32c 4 ‖
 *                                        replaced position 8 ‖ replaced_ms 8 ‖ the row as it was
 *   tombstone   table 1 ‖ K              format 1 ‖ owner length 1 ‖ crc32c 4 ‖ version 8 ‖
 *                                        position 8 ‖ deleted_ms 8 ‖ owner (enterprise id)
 *   prefix      prefix, upper case       format 1 ‖ state 1 ‖ hosting 1 ‖ case rule 1 ‖ crc32c 4 ‖
 *                                        version 8 ‖ position 8 ‖ created_ms 8 ‖ max identifiers 8
 *                                        ‖ max bytes 8 ‖ slot 4 ‖ enterprise length 1 ‖
 *                                        enterprise id ‖ prefix (the key again: a row is read
 *                                        without a cursor and hands out its prefix)
 *   counter     prefix ‖ 0 ‖ counter 1   value 8; derived, neither journalled nor versioned
 *   enterprise  id                       the node's own: format 1 ‖ state 1 ‖ reserved 2 ‖ crc32c 4
 *                                        ‖ version 8 ‖ position 8 ‖ created_ms 8; others: format 2
 *                                        ‖ reserved 3 ‖ crc32c 4 ‖ version 8 ‖ position 8 ‖
 *                                        created_ms 8 ‖ changed_ms 8 ‖ content: state 1 ‖ state of
 *                                        the change under review 1 ‖ answer policy 1 ‖ reserved 1
 *                                        ‖ dossier ‖ change under review ‖ notes (JSON each) ‖
 *                                        reference ‖ date of the top node's answer, each behind
 *                                        its int4 length
 *   enterprise_ 1 ‖ type 1 ‖ credential  enterprise id; derived, neither journalled nor versioned:
 *   index       2 ‖ prefix applied for   what no two enterprises share, in upper case
 *   apikey      id                       format 1 ‖ reserved 3 ‖ crc32c 4 ‖ version 8 ‖
 *                                        position 8 ‖ created_ms 8 ‖ state 1 ‖ verbs 4 ‖
 *                                        expires_ms 8 ‖ mac 32 ‖ identity (index 4, handle) ‖
 *                                        enterprise ‖ note ‖ prefixes ‖ networks (lists: count 4,
 *                                        texts; texts: length 4, text)
 *   journal     shard 2 ‖ position 8     format 1 ‖ count 4 ‖ time_ms 8 ‖ chain 32 ‖ actor length
 *                                        1 ‖ actor ‖ origin length 1 ‖ origin ‖ items; an item is
 *                                        operation 1 ‖ table 1 ‖ class 1 ‖ key length 2 ‖ key
 *                                        (the whole folded handle) ‖ version 8 ‖ digest 32
 *   audit       position 8               JSON text
 *   idempotency 1 ‖ request 32           format 1 ‖ reserved 3 ‖ crc32c 4 ‖ time_ms 8 ‖ digest 32 ‖
 *                                        note ‖ count 4 ‖ items: response code 2 ‖ flags 1 ‖
 *                                        version 8 (repeats.h; neither journalled nor versioned)
 *               2 ‖ time_ms 8 ‖ request  enterprise id
 *               3 ‖ enterprise ‖ time_ms 8 ‖ request   nothing; enterprise behind its length 1
 *               4 ‖ enterprise           how many it has 8
 *   meta        name                     bytes; "schema" is the version of this page
 *
 * The key functions are pure; what they return points into the struct they filled, which must
 * therefore not be copied.
 */
#pragma once

#include "registry/change_set.h"

#define KEYS_SCHEMA 2 /* 1 had no apikey, no enterprise_index; a writer makes 2 of it */
#define KEYS_SCHEMA_OLDEST 1
#define KEYS_PLAIN_MAX 470
#define KEYS_RECORD_MAX (KEYS_PLAIN_MAX + 32)
#define KEYS_MAX 511           /* LMDB's own limit as Debian builds it */
#define KEYS_ENTERPRISE_MAX 64 /* bytes of an enterprise id */

enum store_database {
    STORE_RECORD,
    STORE_HISTORY,
    STORE_TOMBSTONE,
    STORE_PREFIX,
    STORE_COUNTER,
    STORE_ENTERPRISE,
    STORE_JOURNAL,
    STORE_AUDIT,
    STORE_META,
    STORE_APIKEY,
    STORE_ENTERPRISE_INDEX,
    STORE_IDEMPOTENCY,
    STORE_DATABASES,
};

/* The database's name in the environment. */
const char *keys_database_name(enum store_database database);

/* The database that holds the current rows of a journalled table. */
enum store_database keys_database_of(enum change_table table);

struct record_key {
    struct bytes canonical; /* the folded handle */
    struct bytes key;       /* K */
    uint8_t folded[HANDLE_MAX];
    uint8_t shortened[KEYS_RECORD_MAX];
};

/* INVALID_HANDLE: empty or over HANDLE_MAX. */
enum status keys_record(struct bytes handle, enum case_rule rule, struct record_key *out_key);

/* Was this K shortened, so that the row's spelling must be compared? */
static inline bool keys_is_shortened(struct bytes key)
{
    return key.len > KEYS_PLAIN_MAX;
}

struct store_key {
    uint8_t data[KEYS_MAX];
    size_t len;
};

static inline struct bytes keys_bytes(const struct store_key *key)
{
    return bytes_of(key->data, key->len);
}

/* INVALID_HANDLE when the prefix is empty or too long. */
enum status keys_prefix(struct bytes prefix, struct store_key *out_key);

/* `prefix` as stored (upper case). */
void keys_counter(struct bytes prefix, enum counter counter, struct store_key *out_key);
void keys_history(enum change_table table, struct bytes key, uint64_t version,
                  struct store_key *out_key);
void keys_tombstone(enum change_table table, struct bytes key, struct store_key *out_key);
void keys_journal(uint64_t position, struct store_key *out_key);
void keys_audit(uint64_t position, struct store_key *out_key);

/* The prefix under which a record is counted: 0.NA for prefix records, else its own, of the
 * canonical handle. */
struct bytes keys_counted_prefix(struct bytes canonical);
