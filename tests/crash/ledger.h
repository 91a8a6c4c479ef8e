/* SPDX-License-Identifier: Apache-2.0
 *
 * The writer's word: marks of fixed size, each one write(2) into an append-only file.
 *
 * A set is marked as submitted before it is handed over and as acknowledged or refused once its
 * outcome is final. The file survives the writer's death; under the recorder the same writes enter
 * the recording in their place among the store's writes.
 */
#pragma once

#include "tests/crash/workload.h"

#define LEDGER_MAGIC 0x4c444752u

enum mark_kind {
    MARK_OPENED = 1,    /* a session began; `position` is the journal's head it found */
    MARK_SUBMITTED = 2, /* `number` and `seed` give the set */
    MARK_ACKNOWLEDGED = 3,
    MARK_REFUSED = 4, /* `status` says why */
};

struct mark {
    uint32_t magic;
    uint32_t kind; /* enum mark_kind */
    uint64_t seed;
    uint64_t number;
    uint64_t position;
    uint32_t status;   /* enum status of the set */
    uint16_t applied;  /* bit i: item i was written */
    uint16_t hindered; /* bit i: item i failed for no fault of its own */
    uint64_t versions[WORKLOAD_ITEMS_MAX];
};

/* Opens for going on, made when there is none; -1. A mark that a kill tore where a page ends is cut
 * off: the ones behind it would not be found. */
int ledger_open(const char *path);

/* False when it could not be written whole. */
bool ledger_write(int fd, const struct mark *mark);

/* All marks of a file, to be freed by the caller; a torn last one is left out. NULL with count 0:
 * there are none; false: cannot be read. */
bool ledger_read(const char *path, struct mark **out_marks, size_t *out_count);
