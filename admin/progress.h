/* SPDX-License-Identifier: Apache-2.0
 *
 * The line a long command keeps rewriting on a terminal: records, rate, per cent, time left.
 *
 *   parts.jsonl: 412 000 records  51 200/s  38 %  13 s left
 *
 * Nothing is written when it was begun with no stream. Owned by one thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define PROGRESS_TEXT_MAX 160

struct progress_figures {
    const char *name; /* what is worked on */
    uint64_t records;
    uint64_t done_bytes;
    uint64_t total_bytes; /* 0: unknown (a pipe) */
    int64_t elapsed_ms;
};

/* The line without its end; `out` holds PROGRESS_TEXT_MAX. */
void progress_text(const struct progress_figures *figures, bool is_chinese, char *out);

struct progress {
    FILE *stream; /* NULL: silent */
    bool is_chinese;
    int64_t next_ms; /* not before this time */
    bool is_shown;
};

void progress_init(struct progress *progress, FILE *stream, bool is_chinese);

/* Rewrites the line when it is due (five times a second). */
void progress_show(struct progress *progress, const struct progress_figures *figures,
                   int64_t now_ms);

/* Takes the line off the screen before something else is said. */
void progress_clear(struct progress *progress);

/* "412 000": groups of three apart, as people read large counts; `out` holds 32. */
void progress_count(uint64_t count, char *out);
