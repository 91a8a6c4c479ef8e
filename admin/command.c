/* SPDX-License-Identifier: Apache-2.0
 *
 * From argv to a handler: words, options, the node's directory, language (command.h).
 */
#include "admin/command.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/command_forward.h"
#include "admin/command_reach.h"
#include "admin/directory.h"
#include "admin/say.h"

#define DIRECTORY_FALLBACK "/var/lib/guantong"
#define ARENA_FIRST (64u << 10)
#define ARENA_MAX (512u << 20) /* one command's texts and records; whole stores are walked */

/* argv on its way to a call. */
struct parse {
    struct command_call *call;
    int count;
    char **words;
    int at;
    const char **arguments;
    const char *(*options)[2];
    const char *directory; /* --dir */
    bool wants_help;
};

const char *command_option(const struct command_call *call, const char *name)
{
    for (size_t i = 0; i < call->option_count; i++) {
        if (strcmp(call->options[i][0], name) == 0) {
            return call->options[i][1];
        }
    }
    return NULL;
}

bool command_has(const struct command_call *call, const char *name)
{
    return command_option(call, name) != NULL;
}

int command_confirm(struct command_call *call, const char *act)
{
    if (call->is_confirmed || call->is_dry_run) {
        return EXIT_OK;
    }
    if (!call->out_is_terminal || !call->err_is_terminal || isatty(STDIN_FILENO) != 1) {
        return say_problem(call, PROBLEM_NEEDS_YES, act);
    }
    (void)fprintf(call->err, "%s: %s [y/N] ", act, say_text(call, "are you sure?", "确定吗？"));
    char answer[16];
    if (fgets(answer, sizeof(answer), stdin) != NULL && (answer[0] == 'y' || answer[0] == 'Y')) {
        return EXIT_OK;
    }
    return say_problem(call, PROBLEM_NEEDS_YES, act);
}

/* --- the words of the command ----------------------------------------------------------------- */

/* `given` in quotes, and what was probably meant. */
static const char *did_you_mean(struct command_call *call, const char *given, const char *nearest)
{
    const char *format = say_text(call, "(did you mean ", "（是否指 ");
    const char *close = nearest == NULL ? "" : say_text(call, "?)", "？）");
    size_t size = strlen(given) + (nearest == NULL ? 0 : strlen(nearest)) + 64;
    char *text = arena_alloc(call->arena, size);
    if (text == NULL) {
        return "?";
    }
    (void)snprintf(text, size, "\"%s\"%s%s%s%s", given, nearest == NULL ? "" : " ",
                   nearest == NULL ? "" : format, nearest == NULL ? "" : nearest, close);
    return text;
}

static int unknown_word(struct command_call *call, const char *noun, const char *word)
{
    const char *known[128];
    size_t count = 0;
    for (size_t i = 0; i < command_row_count() && count < 128; i++) {
        const struct command_row *row = command_row(i);
        if (noun == NULL && row->verb[0] == '\0') {
            known[count++] = row->noun;
        } else if (noun != NULL && strcmp(noun, row->noun) == 0) {
            known[count++] = row->verb;
        }
    }
    for (size_t i = 0; noun == NULL && i < command_noun_count() && count < 128; i++) {
        known[count++] = command_noun(i)->noun;
    }
    const char *nearest = command_nearest(word, known, count);
    return say_problem(call, PROBLEM_UNKNOWN_COMMAND, did_you_mean(call, word, nearest));
}

static bool noun_exists(const char *word)
{
    for (size_t i = 0; i < command_noun_count(); i++) {
        if (strcmp(command_noun(i)->noun, word) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* Options before the first word; sets `*out_exit` and returns true when they were everything. */
static bool run_leading(struct parse *p, int *out_exit)
{
    struct command_call *call = p->call;
    *out_exit = EXIT_OK;
    for (; p->at < p->count && p->words[p->at][0] == '-'; p->at++) {
        const char *word = p->words[p->at];
        if (is_help(word)) {
            command_help_all(call->out, call->is_chinese);
            return true;
        }
        if (strcmp(word, "--version") == 0) {
            (void)fprintf(call->out, "guantong %s\n", GUANTONG_VERSION);
            return true;
        }
        if (strcmp(word, "--json") != 0) {
            *out_exit = say_problem(call, PROBLEM_UNKNOWN_OPTION, did_you_mean(call, word, NULL));
            return true;
        }
    }
    if (p->at == p->count) {
        command_help_all(call->err, call->is_chinese);
        *out_exit = EXIT_USAGE;
        return true;
    }
    return false;
}

/* The row the words name; NULL: `*out_exit` tells (help was given, or the word is unknown). */
static const struct command_row *find_row(struct parse *p, int *out_exit)
{
    struct command_call *call = p->call;
    const char *noun = p->words[p->at++];
    const struct command_row *row = command_find(noun, NULL);
    if (row != NULL) {
        return row;
    }
    if (!noun_exists(noun)) {
        *out_exit = unknown_word(call, NULL, noun);
        return NULL;
    }
    if (p->at == p->count || is_help(p->words[p->at])) {
        bool asked = p->at < p->count;
        command_help_noun(asked ? call->out : call->err, noun, call->is_chinese);
        *out_exit = asked ? EXIT_OK : EXIT_USAGE;
        return NULL;
    }
    const char *verb = p->words[p->at++];
    row = command_find(noun, verb);
    if (row == NULL) {
        *out_exit = unknown_word(call, noun, verb);
    }
    return row;
}

/* --- options and arguments -------------------------------------------------------------------- */

static bool find_spec(const char *options, const char *name, size_t len,
                      struct command_option_spec *out_spec)
{
    while (command_next_option(&options, out_spec)) {
        if (strlen(out_spec->name) == len && memcmp(out_spec->name, name, len) == 0) {
            return true;
        }
    }
    return false;
}

static int unknown_option(struct command_call *call, const char *word)
{
    static const size_t max = 48;
    struct command_option_spec specs[48];
    const char *known[48];
    size_t count = 0;
    const char *at = call->row->options;
    while (count < max && command_next_option(&at, &specs[count])) {
        known[count] = specs[count].name;
        count++;
    }
    at = command_common_options(call->row);
    while (count < max && command_next_option(&at, &specs[count])) {
        known[count] = specs[count].name;
        count++;
    }
    const char *nearest = command_nearest(word, known, count);
    return say_problem(call, PROBLEM_UNKNOWN_OPTION, did_you_mean(call, word, nearest));
}

static const char *joined(struct arena *arena, const char *name, const char *what)
{
    size_t size = strlen(name) + strlen(what) + 2;
    char *text = arena_alloc(arena, size);
    if (text == NULL) {
        return name;
    }
    (void)snprintf(text, size, "%s %s", name, what);
    return text;
}

/* The common options live in the call, not in its list. */
static bool take_common(struct parse *p, const char *name, const char *value)
{
    struct command_call *call = p->call;
    if (strcmp(name, "--dir") == 0) {
        p->directory = value;
    } else if (strcmp(name, "--json") == 0) {
        call->is_json = true;
    } else if (strcmp(name, "--dry-run") == 0) {
        call->is_dry_run = true;
    } else if (strcmp(name, "--yes") == 0) {
        call->is_confirmed = true;
    } else if (strcmp(name, "--help") == 0) {
        p->wants_help = true;
    } else {
        return false;
    }
    return true;
}

static int take_option(struct parse *p)
{
    struct command_call *call = p->call;
    const char *word = p->words[p->at++];
    size_t len = strcspn(word, "=");
    struct command_option_spec spec;
    if (is_help(word)) {
        p->wants_help = true;
        return EXIT_OK;
    }
    if (!find_spec(call->row->options, word, len, &spec) &&
        !find_spec(command_common_options(call->row), word, len, &spec)) {
        char *name = arena_text(call->arena, bytes_of(word, len));
        return unknown_option(call, name == NULL ? "?" : name);
    }
    const char *name = arena_text(call->arena, bytes_of_text(spec.name));
    const char *value = word[len] == '=' ? word + len + 1 : NULL;
    if (name == NULL) {
        return say_problem(call, PROBLEM_NO_MEMORY, "");
    }
    if (spec.value[0] == '\0' && value != NULL) {
        return say_problem(
            call, PROBLEM_BAD_OPTION,
            joined(call->arena, name, say_text(call, "takes no value", "不接受参数值")));
    }
    if (spec.value[0] != '\0' && value == NULL) {
        if (p->at == p->count) {
            return say_problem(
                call, PROBLEM_BAD_OPTION,
                joined(call->arena, name, say_text(call, "needs a value", "缺少参数值")));
        }
        value = p->words[p->at++];
    }
    if (take_common(p, name, value)) {
        return EXIT_OK;
    }
    if (!spec.may_repeat && command_has(call, name)) {
        return say_problem(
            call, PROBLEM_BAD_OPTION,
            joined(call->arena, name, say_text(call, "was given twice", "重复给出")));
    }
    p->options[call->option_count][0] = name;
    p->options[call->option_count][1] = value == NULL ? "" : value;
    call->option_count++;
    return EXIT_OK;
}

static int take_rest(struct parse *p)
{
    struct command_call *call = p->call;
    size_t room = (size_t)p->count + 1;
    p->arguments = arena_calloc(call->arena, room, sizeof(*p->arguments));
    p->options = arena_calloc(call->arena, room, sizeof(*p->options));
    if (p->arguments == NULL || p->options == NULL) {
        return say_problem(call, PROBLEM_NO_MEMORY, call->row->noun);
    }
    call->arguments = p->arguments;
    call->options = (const char *const(*)[2])p->options;
    bool options_end = false;
    while (p->at < p->count) {
        const char *word = p->words[p->at];
        if (!options_end && strcmp(word, "--") == 0) {
            options_end = true;
            p->at++;
        } else if (!options_end && word[0] == '-' && word[1] != '\0') {
            int exit = take_option(p);
            if (exit != EXIT_OK) {
                return exit;
            }
        } else {
            p->arguments[call->argument_count++] = word;
            p->at++;
        }
    }
    return EXIT_OK;
}

/* How many arguments "HANDLE [VALUE...]" asks for; `*out_missing` names the first one not there. */
static void count_arguments(const char *arguments, size_t given, size_t *out_max,
                            struct bytes *out_missing)
{
    size_t required = 0;
    *out_max = 0;
    *out_missing = BYTES_NONE;
    while (*arguments != '\0') {
        size_t len = strcspn(arguments, " ");
        bool is_optional = arguments[0] == '[';
        bool is_many = len > 3 && memmem(arguments, len, "...", 3) != NULL;
        required += is_optional ? 0 : 1;
        *out_max = is_many ? SIZE_MAX : *out_max + (*out_max == SIZE_MAX ? 0 : 1);
        if (!is_optional && required > given && out_missing->len == 0) {
            *out_missing = bytes_of(arguments, len);
        }
        arguments += len;
        arguments += strspn(arguments, " ");
    }
}

bool command_takes(const struct command_row *row, size_t argument_count)
{
    size_t max = 0;
    struct bytes missing = BYTES_NONE;
    count_arguments(row->arguments, argument_count, &max, &missing);
    return missing.len == 0 && argument_count <= max;
}

static int check_arguments(struct command_call *call)
{
    size_t max = 0;
    struct bytes missing = BYTES_NONE;
    count_arguments(call->row->arguments, call->argument_count, &max, &missing);
    if (missing.len > 0) {
        return say_problem(call, PROBLEM_MISSING_ARGUMENT, arena_text(call->arena, missing));
    }
    if (call->argument_count > max) {
        return say_problem(call, PROBLEM_TOO_MANY_ARGUMENTS, call->arguments[max]);
    }
    return EXIT_OK;
}

/* --- the directory ---------------------------------------------------------------------------- */

static const char *absolute(struct arena *arena, const char *path)
{
    char resolved[PATH_MAX];
    if (realpath(path, resolved) != NULL) {
        return arena_text(arena, bytes_of_text(resolved));
    }
    char here[PATH_MAX];
    if (path[0] == '/' || getcwd(here, sizeof(here)) == NULL) {
        return arena_text(arena, bytes_of_text(path));
    }
    return directory_path(arena, here, path);
}

static bool is_directory(const char *word)
{
    struct stat facts;
    return stat(word, &facts) == 0 && S_ISDIR(facts.st_mode);
}

/* Written like a path and a directory: meant as DIR, whatever it holds. */
static bool looks_like_directory(const char *word)
{
    return (word[0] == '/' || word[0] == '.') && is_directory(word);
}

static int choose_directory(struct parse *p)
{
    struct command_call *call = p->call;
    enum command_needs needs = call->row->needs;
    if (needs == COMMAND_NO_DIRECTORY) {
        return EXIT_OK;
    }
    const char *chosen = p->directory;
    const char *first = call->argument_count > 0 ? call->arguments[0] : NULL;
    if (chosen == NULL && first != NULL &&
        (needs == COMMAND_MAKES_DIRECTORY || directory_is_node(first) ||
         looks_like_directory(first))) {
        chosen = first;
        call->arguments++;
        call->argument_count--;
    }
    if (chosen == NULL) {
        chosen = getenv("GUANTONG_DIR");
    }
    if (chosen == NULL || chosen[0] == '\0') {
        /* Without a node to fall back on, what is a directory was meant as DIR. */
        chosen = first != NULL && is_directory(first) && !directory_is_node(DIRECTORY_FALLBACK)
                     ? first
                     : DIRECTORY_FALLBACK;
    }
    call->directory = absolute(call->arena, chosen);
    if (call->directory == NULL) {
        return say_problem(call, PROBLEM_NO_MEMORY, chosen);
    }
    return needs == COMMAND_DIRECTORY ? command_check_node(call) : EXIT_OK;
}

/* --- the whole -------------------------------------------------------------------------------- */

static bool locale_is_chinese(void)
{
    static const char *const names[] = {"LC_ALL", "LC_MESSAGES", "LANG"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *value = getenv(names[i]);
        if (value != NULL && value[0] != '\0') {
            return strncmp(value, "zh", 2) == 0;
        }
    }
    return false;
}

/* Known before the words are understood, so that their problems are JSON, too. */
static bool json_is_asked(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            return true;
        }
    }
    return false;
}

static int run(struct parse *p)
{
    struct command_call *call = p->call;
    int exit = EXIT_OK;
    if (run_leading(p, &exit)) {
        return exit;
    }
    call->row = find_row(p, &exit);
    if (call->row == NULL) {
        return exit;
    }
    exit = take_rest(p);
    if (exit == EXIT_OK && p->wants_help) {
        command_help_row(call->out, call->row, call->is_chinese);
        return EXIT_OK;
    }
    if (exit == EXIT_OK) {
        exit = choose_directory(p);
    }
    if (exit == EXIT_OK) {
        exit = check_arguments(call);
    }
    if (exit != EXIT_OK || command_forward(call, &exit)) {
        return exit;
    }
    return call->row->handler(call);
}

int command_main(int argc, char **argv, FILE *out, FILE *err)
{
    struct command_call call = {
        .out = out,
        .err = err,
        .arena = arena_new(ARENA_FIRST, ARENA_MAX),
        .is_json = json_is_asked(argc, argv),
        .is_chinese = locale_is_chinese(),
        .out_is_terminal = isatty(fileno(out)) == 1,
        .err_is_terminal = isatty(fileno(err)) == 1,
    };
    if (call.arena == NULL) {
        (void)fprintf(err, "guantong: %s\n", status_english(STATUS_NO_MEMORY));
        return EXIT_BUG;
    }
    struct parse p = {.call = &call, .count = argc, .words = argv, .at = argc > 0 ? 1 : 0};
    int exit = run(&p);
    if ((fflush(out) != 0 || ferror(out) != 0) && exit == EXIT_OK) {
        (void)fprintf(err, "guantong: %s\n",
                      say_text(&call, "cannot write the output", "无法写出结果"));
        exit = EXIT_REFUSED;
    }
    arena_free(call.arena);
    return exit;
}
