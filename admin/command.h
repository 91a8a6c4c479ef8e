/* SPDX-License-Identifier: Apache-2.0
 *
 * `guantong NOUN VERB [DIR] ARGS`: the commands as one table (commands.def), and what a handler
 * is given.
 *
 * Parsing, --help, unknown-word suggestions, completion and the reference page follow from the
 * rows. A handler writes results to `out`, problems through `say_*` (say.h), and returns the exit
 * code. One command per process; handlers may block.
 */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "conf/settings.h"
#include "protocol/arena.h"
#include "protocol/status.h"
#include "registry/registry.h"
#include "resolver/node.h"

enum command_exit {
    EXIT_OK = 0,
    EXIT_NEGATIVE = 1, /* a negative answer: not found, not verified */
    EXIT_USAGE = 2,
    EXIT_CONFIGURATION = 3,
    EXIT_REFUSED = 4,
    EXIT_UNREACHABLE = 5, /* or timed out */
    EXIT_PARTLY = 6,      /* rows left out stand in the reject file */
    EXIT_QUOTA = 7,
    EXIT_BUG = 70,
};

enum command_effect { COMMAND_READ, COMMAND_WRITE };
enum command_needs {
    COMMAND_NO_DIRECTORY,
    COMMAND_ANY_DIRECTORY,   /* named or not; the handler judges it */
    COMMAND_DIRECTORY,       /* must hold a guantong.yaml */
    COMMAND_MAKES_DIRECTORY, /* the first argument, whatever it is */
};

struct command_call;
typedef int command_handler(struct command_call *call);

struct command_row {
    const char *noun; /* or a top-level verb */
    const char *verb; /* "" for a top-level verb */
    command_handler *handler;
    enum command_needs needs;
    enum command_effect effect;
    const char *arguments; /* "HANDLE [VALUE...]", as usage shows it */
    const char *options;   /* "--types=LIST --tcp": what may be given beside the common ones */
    const char *help;      /* first sentence: the summary */
    const char *help_zh;
    const char *example; /* shown by --help */
};

struct command_noun_row {
    const char *noun;
    const char *help;
    const char *help_zh;
};

struct command_option_row {
    const char *words;  /* "prefix home": that command's; "": of every command */
    const char *option; /* with its dashes */
    const char *help;
    const char *help_zh;
};

struct command_call {
    const struct command_row *row;
    size_t argument_count;
    const char *const *arguments; /* DIR, options and words taken out */
    size_t option_count;
    const char *const (*options)[2]; /* name with dashes, value or "" */
    const char *directory;           /* absolute; NULL when the row needs none */
    struct registry *registry; /* borrowed, when run inside the daemon for somebody; else NULL */
    struct node *node;         /* likewise */
    struct arena *arena;       /* of the command */
    FILE *out;
    FILE *err;
    bool is_json;
    bool is_chinese; /* LC_ALL, LC_MESSAGES, LANG */
    bool is_dry_run;
    bool is_confirmed; /* --yes */
    bool out_is_terminal;
    bool err_is_terminal;
};

/* The option's value ("" for a switch), or NULL when it was not given. */
const char *command_option(const struct command_call *call, const char *name);
bool command_has(const struct command_call *call, const char *name);

/* The whole program: parses, finds the row, runs it. `guantong.c` only calls this. */
int command_main(int argc, char **argv, FILE *out, FILE *err);

/* Before a destructive act: asks on a terminal, refuses off one, unless --yes was given. EXIT_OK:
 * go on. */
int command_confirm(struct command_call *call, const char *act);

/* --- the table, for help, completion and tests ------------------------------------------------ */

size_t command_row_count(void);
const struct command_row *command_row(size_t index);
size_t command_noun_count(void);
const struct command_noun_row *command_noun(size_t index);

/* NULL: there is none. `verb` NULL or "" finds a top-level verb. */
const struct command_row *command_find(const char *noun, const char *verb);

/* One option of a row at a time ("--many=VALUE..." gives all three parts); false at the end.
 * `*at` starts as row->options. */
struct command_option_spec {
    char name[32];
    char value[48]; /* "" for a switch */
    bool may_repeat;
};
bool command_next_option(const char **at, struct command_option_spec *out_spec);

/* The options every command takes that this row takes, too: --dir, --json, --dry-run, ... */
const char *command_common_options(const struct command_row *row);

/* May the row be given this many arguments? */
bool command_takes(const struct command_row *row, size_t argument_count);

/* The most specific help of an option; NULL: none. */
const struct command_option_row *command_option_help(const struct command_row *row,
                                                     const char *option);

/* The word of `words` nearest to `word`, or NULL when none is near. */
const char *command_nearest(const char *word, const char *const *words, size_t count);

/* --- help (command_help.c) -------------------------------------------------------------------- */

void command_help_all(FILE *out, bool is_chinese);
void command_help_noun(FILE *out, const char *noun, bool is_chinese);
void command_help_row(FILE *out, const struct command_row *row, bool is_chinese);
void command_help_reference(FILE *out, bool is_chinese);
void command_help_man(FILE *out);

/* Every handler, command_<handler>. */
#define COMMAND(noun, verb, handler, needs, effect, arguments, options, help, help_zh, example)    \
    command_handler command_##handler;
#include "admin/commands.def"
