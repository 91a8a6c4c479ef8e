/* SPDX-License-Identifier: Apache-2.0
 *
 * How commands speak: problems with code, reason and remedy (problems.def), tables, JSON documents;
 * Chinese under a Chinese locale.
 *
 *   guantong: GT1203 prefix 88.1000 is not homed here
 *   remedy: home it first: guantong prefix home DIR 88.1000
 *
 * With --json the problem is {"error":{"code":…,"reason":…,"remedy":…}} on stdout.
 */
#pragma once

#include "admin/command.h"

enum problem {
#define PROBLEM(name, code, exit, reason, remedy, reason_zh, remedy_zh) PROBLEM_##name,
#include "admin/problems.def"
#undef PROBLEM
    PROBLEM_COUNT
};

/* Reports and returns the row's exit code. `detail` (may be NULL or empty) says which thing: it
 * replaces %s in reason and remedy. */
int say_problem(struct command_call *call, enum problem problem, const char *detail);

/* With the reason found elsewhere behind it. */
int say_problem_because(struct command_call *call, enum problem problem, const char *detail,
                        const char *because);

/* The same for an outcome of the lower rooms: picks the problem that fits the status; `what` names
 * the thing ("88.1000/x", a file), `fault` (may be NULL) brings the reason. */
int say_status(struct command_call *call, enum status status, const char *what,
               const struct fault *fault);

/* The exit code of the problem that fits, unsaid. */
int say_exit(enum status status);

/* One JSON document on stdout with a newline; takes the reference. Returns EXIT_OK. */
int say_json(struct command_call *call, json_t *document);

/* One JSON line (JSON Lines output); takes the reference. */
void say_json_line(struct command_call *call, json_t *document);

/* The message in the user's language, for lines that are not problems. */
const char *say_text(const struct command_call *call, const char *english, const char *chinese);

/* Columns a text takes on a terminal. */
size_t say_width(const char *text);

#define SAY_COLUMNS_MAX 16

/* A table aligned by display width (wide Chinese characters count two). Cells are copied; they must
 * be safe to print (`say_printable`). */
struct say_table;
struct say_table *say_table_new(const char *const *headings, size_t columns);
void say_table_row(struct say_table *table, const char *const *cells);
void say_table_print(struct say_table *table, FILE *out); /* and frees it */
void say_table_free(struct say_table *table);             /* unprinted; NULL is allowed */

/* Cuts the piece of input that a JSON parser's reason ends with: it may be of a secret key. */
void say_without_input(char *reason);

/* A text safe for a terminal: control characters and invalid UTF-8 as \xNN; in the arena. */
const char *say_printable(struct arena *arena, struct bytes text);
