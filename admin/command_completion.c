/* SPDX-License-Identifier: Apache-2.0
 *
 * guantong completion bash|zsh: scripts made from commands.def.
 */
#include <string.h>

#include "admin/command.h"
#include "admin/say.h"

static void print_first_words(FILE *out)
{
    for (size_t i = 0; i < command_row_count(); i++) {
        if (command_row(i)->verb[0] == '\0') {
            (void)fprintf(out, "%s ", command_row(i)->noun);
        }
    }
    for (size_t i = 0; i < command_noun_count(); i++) {
        (void)fprintf(out, "%s%s", command_noun(i)->noun, i + 1 < command_noun_count() ? " " : "");
    }
}

static void print_verbs(FILE *out, const char *noun)
{
    bool is_first = true;
    for (size_t i = 0; i < command_row_count(); i++) {
        if (strcmp(command_row(i)->noun, noun) == 0) {
            (void)fprintf(out, "%s%s", is_first ? "" : " ", command_row(i)->verb);
            is_first = false;
        }
    }
}

static void print_options(FILE *out, const struct command_row *row)
{
    const char *lists[] = {row->options, command_common_options(row)};
    struct command_option_spec spec;
    bool is_first = true;
    for (size_t i = 0; i < 2; i++) {
        for (const char *at = lists[i]; command_next_option(&at, &spec);) {
            (void)fprintf(out, "%s%s", is_first ? "" : " ", spec.name);
            is_first = false;
        }
    }
}

/* A case branch per command that sets `options`, shared by both shells. */
static void print_cases(FILE *out)
{
    for (size_t i = 0; i < command_row_count(); i++) {
        const struct command_row *row = command_row(i);
        if (row->verb[0] == '\0') {
            (void)fprintf(out, "        '%s '*) options='", row->noun);
        } else {
            (void)fprintf(out, "        '%s %s') options='", row->noun, row->verb);
        }
        print_options(out, row);
        (void)fputs("' ;;\n", out);
    }
}

static void print_bash(FILE *out)
{
    (void)fputs("# bash completion of guantong\n_guantong() {\n"
                "    local word=${COMP_WORDS[COMP_CWORD]} options=''\n"
                "    if (( COMP_CWORD == 1 )); then\n"
                "        COMPREPLY=($(compgen -W '",
                out);
    print_first_words(out);
    (void)fputs(" --help --version' -- \"$word\"))\n        return\n    fi\n"
                "    if (( COMP_CWORD == 2 )) && [[ $word != -* ]]; then\n"
                "        case ${COMP_WORDS[1]} in\n",
                out);
    for (size_t i = 0; i < command_noun_count(); i++) {
        const char *noun = command_noun(i)->noun;
        (void)fprintf(out, "        %s) COMPREPLY=($(compgen -W '", noun);
        print_verbs(out, noun);
        (void)fputs("' -- \"$word\")); return ;;\n", out);
    }
    (void)fputs("        esac\n    fi\n"
                "    case \"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" in\n",
                out);
    print_cases(out);
    (void)fputs("    esac\n"
                "    if [[ $word == -* ]]; then\n"
                "        COMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n"
                "    else\n"
                "        COMPREPLY=($(compgen -f -- \"$word\"))\n"
                "    fi\n}\ncomplete -o filenames -F _guantong guantong\n",
                out);
}

static void print_zsh(FILE *out)
{
    (void)fputs("#compdef guantong\n_guantong() {\n"
                "    local options=''\n"
                "    if (( CURRENT == 2 )); then\n        compadd -- ",
                out);
    print_first_words(out);
    (void)fputs(" --help --version\n        return\n    fi\n"
                "    if (( CURRENT == 3 )) && [[ $words[3] != -* ]]; then\n"
                "        case $words[2] in\n",
                out);
    for (size_t i = 0; i < command_noun_count(); i++) {
        const char *noun = command_noun(i)->noun;
        (void)fprintf(out, "        %s) compadd -- ", noun);
        print_verbs(out, noun);
        (void)fputs("; return ;;\n", out);
    }
    (void)fputs("        esac\n    fi\n    case \"$words[2] $words[3]\" in\n", out);
    print_cases(out);
    (void)fputs("    esac\n"
                "    if [[ $words[CURRENT] == -* ]]; then\n"
                "        compadd -- ${=options}\n    else\n        _files\n    fi\n}\n"
                "_guantong \"$@\"\n",
                out);
}

int command_completion(struct command_call *call)
{
    const char *shell = call->arguments[0];
    if (strcmp(shell, "bash") == 0) {
        print_bash(call->out);
        return EXIT_OK;
    }
    if (strcmp(shell, "zsh") == 0) {
        print_zsh(call->out);
        return EXIT_OK;
    }
    return say_problem(call, PROBLEM_BAD_ARGUMENT, shell);
}
