/* SPDX-License-Identifier: Apache-2.0
 *
 * A write: one transaction or nothing, with everything it was decided on.
 *
 * Built by one thread, prepared against a snapshot of that thread (which fills in expected
 * versions, rows, commitments and digests), handed to the committer, which checks the expectations
 * again inside the write transaction and applies. Everything put in is copied; the set owns its
 * memory.
 *
 * Limits: 2 000 items, 16 MiB, one item per key, 64 dependencies (design §4).
 */
#pragma once

#include "registry/registry.h"

#define CHANGE_SET_ITEMS_MAX 2000
#define CHANGE_SET_BYTES_MAX (16u << 20)
#define CHANGE_SET_DEPENDENCIES_MAX 64

struct change_set;

enum change_policy {
    CHANGE_ALL_OR_NOTHING, /* the first item that fails fails the set */
    CHANGE_PER_ITEM,       /* failing items are left out; quota fills in order */
};

enum change_mode {
    CHANGE_CREATE,  /* HANDLE_EXISTS when there is one */
    CHANGE_REPLACE, /* create or replace */
    CHANGE_MODIFY,  /* HANDLE_NOT_FOUND when there is none */
};

/* Tables that are journalled; the number is part of stored keys and hashes. */
enum change_table {
    CHANGE_RECORD = 1,
    CHANGE_PREFIX = 2,
    CHANGE_ENTERPRISE = 3,
    CHANGE_AUDIT = 4,
    CHANGE_APIKEY = 5,
};

/* "record", "prefix", ...; "?" for what is none. */
const char *change_table_name(enum change_table table);

/* `actor` is who ("uid:0(root)", "300:88.608.8889/User_li"), `origin` from where ("cli", "control",
 * "192.0.2.7"); both UTF-8 up to 255 bytes, kept in the journal. NULL when memory is out. */
struct change_set *change_set_new(enum change_policy policy, struct bytes actor,
                                  struct bytes origin);
void change_set_free(struct change_set *set);

/* Adds a record with exactly these values (any order). Judges handle and values: INVALID_HANDLE,
 * INVALID_VALUE, VALUE_EXISTS; NO_ROOM when a limit of the set is reached (send what it holds and
 * start another); HANDLE_EXISTS when the set already has the handle (two that only fold together
 * under the prefix's case rule are found when preparing). On failure the set is unchanged.
 *
 * A value with timestamp 0 was given none: preparing keeps the timestamp of the stored value of
 * that index when it is otherwise equal, else sets now. A record whose values then equal the stored
 * ones byte for byte is UNCHANGED, however its handle is spelled. */
enum status change_set_put_record(struct change_set *set, const struct record *record,
                                  enum change_mode mode, struct fault *fault);
enum status change_set_delete_record(struct change_set *set, struct bytes handle);

/* Homes or changes a prefix: `row->version`, `created_ms` and `slot` are filled by the registry.
 * The first prefix of the enterprise "self" creates that enterprise, too. A prefix homed with equal
 * content is UNCHANGED in every mode; the case rule of one that has a row stays as it is; CREATE
 * takes a new or an UNHOMED one; another enterprise's is HANDLE_EXISTS. */
enum status change_set_put_prefix(struct change_set *set, const struct prefix_row *row,
                                  enum change_mode mode, struct fault *fault);

/* Adds an enterprise's row (enterprise_row.h): state, dossier and what belongs to them; the rest is
 * filled by the registry. INVALID_VALUE when it is none, or the node's own enterprise. Preparing
 * fails it with HANDLE_EXISTS when another enterprise has its credential or prefix, with
 * ACCESS_DENIED when no act leads from the stored state to this one. */
struct enterprise_row;
enum status change_set_put_enterprise(struct change_set *set, const struct enterprise_row *row,
                                      enum change_mode mode, struct fault *fault);

/* Adds an API key with exactly this content (apikey_row.h): INVALID_VALUE. */
struct apikey_row;
enum status change_set_put_apikey(struct change_set *set, const struct apikey_row *row,
                                  enum change_mode mode, struct fault *fault);

/* An audit row in the act's own set: who and from where are the set's. */
enum status change_set_audit(struct change_set *set, const char *action, struct bytes object,
                             struct bytes detail);

/* The decision read this row at this version (0: it was absent). */
enum status change_set_depends(struct change_set *set, enum change_table table, struct bytes key,
                               uint64_t version);

/* The same once for each row, however often it is said; CONFLICT: it was read at another version.
 */
enum status change_set_depends_once(struct change_set *set, enum change_table table,
                                    struct bytes key, uint64_t version);

/* The item added last was decided on this version of its row (0: there was none): preparing ends
 * with CONFLICT when there is another. Not part of what travels. */
void change_set_expect(struct change_set *set, uint64_t version);

/* The set does what a request asks that may come again (repeats.h): `key` says whose request of
 * which name, `digest` what it is, `note` (up to 1 MiB) what its author wants to find again. Done
 * already: the set ends with CONFLICT. Not part of what travels. NO_ROOM, NO_MEMORY. */
#define CHANGE_REPEAT_LEN 32
#define CHANGE_REPEAT_NOTE_MAX (1u << 20)
struct change_repeat {
    uint8_t key[CHANGE_REPEAT_LEN];
    uint8_t digest[CHANGE_REPEAT_LEN];
    struct bytes note;
};
enum status change_set_remember(struct change_set *set, const struct change_repeat *repeat);

/* Refresh the snapshot first: what it shows is what the set is decided on. CONFLICT when a
 * dependency no longer holds: decide anew.
 *
 * Reads the current versions, leaves out what equals the store (item status UNCHANGED), computes
 * rows, commitments and digests. PER_ITEM: statuses of failing items are set and OK is returned as
 * long as the set itself is sound. ALL_OR_NOTHING: the first failing item's status. May be called
 * again after CONFLICT. `now_ms`: wall clock, milliseconds since 1970. */
enum status change_set_prepare(struct change_set *set, struct snapshot *snapshot, int64_t now_ms);

size_t change_set_count(const struct change_set *set);
size_t change_set_bytes(const struct change_set *set);

/* After the commit: the set's own outcome, its items' outcomes (OK, UNCHANGED, HANDLE_EXISTS,
 * NOT_RESPONSIBLE, QUOTA_EXCEEDED, ...) and the version each wrote. */
enum status change_set_status(const struct change_set *set);
enum status change_set_item_status(const struct change_set *set, size_t item);

/* Why an item failed, when its status alone does not tell; else "". Never freed. */
const char *change_set_item_reason(const struct change_set *set, size_t item);
uint64_t change_set_item_version(const struct change_set *set, size_t item);

/* The handle as it was put in; was a row of it there when the set was prepared? */
struct bytes change_set_item_handle(const struct change_set *set, size_t item);
bool change_set_item_replaces(const struct change_set *set, size_t item);

/* As it travels over the control socket: what was asked, not what was prepared. The decoder reads
 * it like network bytes: PROTOCOL_ERROR. `actor` and `origin` are the receiver's to say. */
enum status change_set_encode(const struct change_set *set, struct wire_writer *w);
size_t change_set_encoded_len(const struct change_set *set);
enum status change_set_decode(struct bytes encoded, struct bytes actor, struct bytes origin,
                              struct change_set **out_set);
