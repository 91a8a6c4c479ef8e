/* SPDX-License-Identifier: Apache-2.0
 *
 * Is every stored row readable, and the whole what its journal says? Beside a writer.
 *
 * Passes over the tables, each renewing its read transaction every 1 000 rows or 2 MiB: checksum
 * and decoder of every row. A row is judged inside one transaction and a key is met once, so writes
 * meanwhile make no false finding. Then the journal as of the moment its pass begins (rows it names
 * stay for ever, as current or in history) and the recount, which is exact at one instant
 * (journal_recount.h). Unlike journal_verify it goes on behind damage and names all of it.
 */
#pragma once

#include "registry/journal.h"

enum record_flaw {
    RECORD_ROW_DAMAGED,     /* the current row of a record, prefix, enterprise */
    RECORD_HISTORY_DAMAGED, /* a superseded version */
    RECORD_HISTORY_LOST,    /* damaged once, given up by the version that replaced it */
    RECORD_MARK_DAMAGED,    /* the mark of a deletion */
    RECORD_VERSION_MISSING, /* the journal knows it; it is neither current nor in history */
    RECORD_VERSION_DIFFERS, /* readable, but not what the journal digested */
    RECORD_INDEX_WRONG,     /* the index of enterprises is not what their rows say */
};

struct record_finding {
    enum record_flaw flaw;
    enum change_table table;
    struct bytes key; /* as stored: folded, perhaps shortened (keys.h); borrowed */
    uint64_t version; /* 0: unknown */
};

enum record_verify_phase {
    RECORD_VERIFY_RECORDS,
    RECORD_VERIFY_HISTORY,
    RECORD_VERIFY_MARKS,
    RECORD_VERIFY_PREFIXES,
    RECORD_VERIFY_ENTERPRISES,
    RECORD_VERIFY_INDEX,
    RECORD_VERIFY_APIKEYS,
    RECORD_VERIFY_JOURNAL,
};

struct record_verify_watch {
    void (*found)(void *context, const struct record_finding *finding);
    /* False stops; rows, or positions of the journal. */
    bool (*progress)(void *context, enum record_verify_phase phase, uint64_t done, uint64_t total);
    void *context;
};

struct record_verify_report {
    uint64_t records, history_rows, marks, prefixes, enterprises, apikeys; /* read */
    uint64_t damaged;       /* findings but the lost ones */
    uint64_t lost;          /* superseded versions given up earlier */
    bool counters_compared; /* not when a record is damaged: it cannot be counted */
    bool counters_hold;
    struct journal_report journal; /* of chain, digests and counters */
};

/* OK: everything holds; CORRUPT: the report and what `found` was told say what does not; PENDING:
 * stopped. */
enum status record_verify(struct registry *registry, const struct record_verify_watch *watch,
                          struct record_verify_report *out_report);
