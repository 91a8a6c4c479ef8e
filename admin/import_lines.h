/* SPDX-License-Identifier: Apache-2.0
 *
 * A file to import as a run of lines: bounded, counted, converted to UTF-8 when asked.
 *
 * Lines are handed out with their end ("\n", "\r\n"; the last may have none) and are valid until
 * the next call. A byte order mark at the very start is taken off. Waiting for a pipe ends when
 * `interrupt_fd` becomes readable. Owned by one thread.
 */
#pragma once

#include "protocol/arena.h"
#include "protocol/status.h"

/* A record of the largest size a message carries (262 144 bytes) as hexadecimal JSON, with room. */
#define IMPORT_LINE_MAX (1u << 20)

struct import_lines;

struct import_lines_options {
    const char *path;     /* "-": standard input */
    const char *encoding; /* NULL: UTF-8 */
    int interrupt_fd;     /* -1: none */
};

/* SYSTEM (file cannot be read), NOT_SUPPORTED (encoding unknown), NO_MEMORY. */
enum status import_lines_open(const struct import_lines_options *options,
                              struct import_lines **out_lines, struct fault *fault);

/* The same over bytes in memory, which must outlive it. */
enum status import_lines_of(struct bytes text, const char *encoding,
                            struct import_lines **out_lines, struct fault *fault);
void import_lines_close(struct import_lines *lines);

struct import_line {
    struct bytes text; /* with its end */
    uint64_t number;   /* from 1 */
};

/* NOT_FOUND at the end; CLOSED: interrupted; NO_ROOM: the line exceeds IMPORT_LINE_MAX (its start
 * is in `out_line`, the rest was skipped); BAD_SYNTAX: the line cannot be converted (`out_line` has
 * the raw bytes); SYSTEM: reading failed. */
enum status import_lines_next(struct import_lines *lines, struct import_line *out_line,
                              struct fault *fault);

/* The first bytes, still to be handed out: for telling the format. */
enum status import_lines_peek(struct import_lines *lines, struct bytes *out_start,
                              struct fault *fault);

uint64_t import_lines_done_bytes(const struct import_lines *lines);
uint64_t import_lines_total_bytes(const struct import_lines *lines); /* 0: unknown */

/* Is this text not UTF-8, yet sound GB18030? Then people forgot --encoding. */
bool import_lines_looks_gb18030(struct bytes text);

/* Without "\n" or "\r\n". */
struct bytes import_lines_trim(struct bytes line);
