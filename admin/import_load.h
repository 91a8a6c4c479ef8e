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
#include "registry/journal.h"

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

/* What a run came to, for another one to go on from. */
struct import_state {
    struct import_figures figures;
    uint64_t note_counts[IMPORT_NOTE_COUNT];
    char note_examples[IMPORT_NOTE_COUNT][IMPORT_NOTE_EXAMPLE_MAX];
    uint64_t first_position; /* the journal's last when the first run began */
    uint64_t position;       /* its last now, and its chain: they tell the store */
    uint8_t chain[JOURNAL_HASH_LEN];
};

struct import_load;

/* LOCKED, NO_MEMORY, and what opening the store says. With --dry-run nothing is written. About
 * `bytes` are to be read, 0: unknown. */
enum status import_load_open(struct command_call *call, bool creates_only, uint64_t bytes,
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

/* Flushes, then tells the state; what is put later stands behind `position` in the journal. */
enum status import_load_state(struct import_load *load, struct import_state *out_state,
                              struct fault *fault);

/* Goes on from `state`: rows of the current file up to `line` are only remembered as met. What is
 * found in the store behind the state's positions counts as stored by this import. NOT_SUPPORTED
 * when the store is another one, or an older state of it. */
enum status import_load_go_on(struct import_load *load, const struct import_state *state,
                              uint64_t line, struct fault *fault);

/* The line of the last row taken. */
uint64_t import_load_last_line(const struct import_load *load);

/* Are all outcomes told so far worth nothing before import_load_finish? */
bool import_load_is_beside(const struct import_load *load);

/* After flushing, once, also when the run stopped early: puts a store loaded beside the old one in
 * its place. Not OK: nothing of the run is stored. */
enum status import_load_finish(struct import_load *load, struct fault *fault);

/* The first line of the current file whose outcome is not known; 0: all are. */
uint64_t import_load_open_line(const struct import_load *load);

const struct import_figures *import_load_figures(const struct import_load *load);
const struct import_notes *import_load_notes(const struct import_load *load);
