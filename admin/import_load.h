/* SPDX-License-Identifier: Apache-2.0
 *
 * Records on their way into the store: change sets of up to 1 000, several outstanding, outcomes
 * counted, rows that were not taken written to the reject file.
 *
 * A dry run prepares every set against the store and writes nothing. Memory is bounded: at most ten
 * sets with their rows are held. Owned by one thread.
 */
#pragma once

#include "admin/command.h"
#include "admin/import_notes.h"
#include "admin/import_rows.h"
#include "admin/reject.h"

#define IMPORT_EXAMPLES_MAX 5

struct import_figures {
    uint64_t read; /* records and bad rows met */
    uint64_t created;
    uint64_t replaced;
    uint64_t unchanged;
    uint64_t rejected;
    uint64_t over_quota;  /* of the rejected */
    size_t example_count; /* the first rejected rows, for the screen */
    char examples[IMPORT_EXAMPLES_MAX][256];
};

struct import_load;

/* LOCKED, NO_MEMORY, and what opening the store says. With --dry-run nothing is written. */
enum status import_load_open(struct command_call *call, bool creates_only,
                             struct import_load **out_load, struct fault *fault);
void import_load_close(struct import_load *load);

/* Rows that follow belong to this file; `reject` and `name` are borrowed until the next one.
 * `is_adjacent`: a handle met again in this file is refused (CSV), else the last row stands. Call
 * with nothing outstanding. */
void import_load_file(struct import_load *load, const char *name, struct reject *reject,
                      bool is_adjacent);

/* Takes a record; what is wrong with it is counted, not returned. A status means: stop. */
enum status import_load_put(struct import_load *load, const struct import_row *row,
                            struct fault *fault);

/* A row the reader could not make a record of. */
enum status import_load_refuse(struct import_load *load, const struct import_row *row,
                               enum status code, const char *reason, struct fault *fault);

/* Sends what is held and waits for everything outstanding. */
enum status import_load_flush(struct import_load *load, struct fault *fault);

/* The first line of the current file whose outcome is not known; 0: all are. */
uint64_t import_load_open_line(const struct import_load *load);

const struct import_figures *import_load_figures(const struct import_load *load);
const struct import_notes *import_load_notes(const struct import_load *load);
