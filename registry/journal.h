/* SPDX-License-Identifier: Apache-2.0
 *
 * The journal: every durable change of every replicated table, in order, chained by hashes.
 *
 * Positions count items from 1 and are dense; one row per change set. Item hash = H(operation ‖
 * table ‖ key ‖ version ‖ class ‖ digest); chain = H(previous ‖ position ‖ count ‖ time ‖ actor ‖
 * origin ‖ item hashes). Bodies are not in it: the current one is in its table, superseded ones in
 * history.
 */
#pragma once

#include "registry/change_set.h"

#define JOURNAL_HASH_LEN 32

enum journal_operation { JOURNAL_PUT = 1, JOURNAL_DELETE = 2 };
enum journal_class { JOURNAL_PUBLIC = 1, JOURNAL_RESTRICTED = 2, JOURNAL_INTERNAL = 3 };

struct journal_item {
    enum journal_operation operation;
    enum change_table table;
    enum journal_class class;
    struct bytes key; /* folded handle, prefix, ...; empty for audit rows */
    uint64_t version;
    uint8_t digest[JOURNAL_HASH_LEN];
};

struct journal_set {
    uint64_t position; /* of its first item */
    uint32_t count;
    int64_t time_ms;
    struct bytes actor;
    struct bytes origin;
    uint8_t chain[JOURNAL_HASH_LEN];
    struct bytes items; /* encoded; walk with journal_next_item */
};

/* The set that holds the first position >= `position`. NOT_FOUND past the head. */
enum status journal_get(struct snapshot *snapshot, uint64_t position, struct journal_set *out_set);

/* Steps through `wire_read(set->items)`; false at the end or when damaged (reader failed). */
bool journal_next_item(struct wire_reader *r, struct journal_item *out_item);

/* The set holding the newest item; NOT_FOUND when empty. */
enum status journal_head(struct snapshot *snapshot, struct journal_set *out_set);

/* An audit row by its journal position: JSON text. NOT_FOUND. */
enum status journal_get_audit(struct snapshot *snapshot, uint64_t position, struct bytes *out_row);

struct journal_report {
    uint64_t sets, items, bodies; /* what was verified */
    uint64_t lost;                /* bodies once damaged and given up by a repair */
    uint64_t bad;                 /* bodies told to a watch that do not hold */
    uint64_t first_bad_position;  /* 0: none */
    char reason[160];             /* empty when everything holds */
};

/* Walks the whole journal: no gap, chain right, every item's digest equal to that of the body found
 * in its table or history (where kept). Then recounts records against counters. Renews its snapshot
 * as it goes, so it runs beside a writer. `progress` may be NULL; false from it stops (PENDING).
 * OK: everything holds; CORRUPT: the report tells the first thing that does not (position 0: not in
 * the journal but in records or counters). Without the commitment key restricted bodies are not
 * compared. */
typedef bool journal_progress(void *context, uint64_t position, uint64_t head);
enum status journal_verify(struct registry *registry, journal_progress *progress, void *context,
                           struct journal_report *out_report);

enum journal_flaw {
    JOURNAL_BODY_DAMAGED, /* its bytes cannot be read */
    JOURNAL_BODY_MISSING, /* neither current nor in history */
    JOURNAL_BODY_DIFFERS, /* readable, but not what was digested */
};

/* A body that does not hold: the item's position and what it is of. */
struct journal_finding {
    enum journal_flaw flaw;
    uint64_t position;
    enum change_table table;
    struct bytes key;
    uint64_t version;
};
typedef void journal_found(void *context, const struct journal_finding *finding);

struct journal_watch {
    journal_progress *progress; /* may be NULL */
    journal_found *found;       /* not NULL: bodies that do not hold are told, and it goes on */
    void *context;
    bool leaves_counters; /* records are not recounted */
};

/* journal_verify as the watch has it. */
enum status journal_verify_watched(struct registry *registry, const struct journal_watch *watch,
                                   struct journal_report *out_report);
