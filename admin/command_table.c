/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables behind commands.def and how they are asked: rows, nouns, options, nearest words.
 */
#include "admin/command.h"

#include <string.h>

#define WORD_MAX 40 /* longer words are near to nothing */

static const struct command_noun_row nouns[] = {
#define NOUN(noun, help, help_zh) {noun, help, help_zh},
#include "admin/commands.def"
};

static const struct command_row rows[] = {
#define COMMAND(noun, verb, handler, needs, effect, arguments, options, help, help_zh, example)    \
    {noun, verb, command_##handler, needs, effect, arguments, options, help, help_zh, example},
#include "admin/commands.def"
};

static const struct command_option_row option_rows[] = {
#define OPTION(words, option, help, help_zh) {words, option, help, help_zh},
#include "admin/commands.def"
};

size_t command_row_count(void)
{
    return sizeof(rows) / sizeof(rows[0]);
}

const struct command_row *command_row(size_t index)
{
    return &rows[index];
}

size_t command_noun_count(void)
{
    return sizeof(nouns) / sizeof(nouns[0]);
}

const struct command_noun_row *command_noun(size_t index)
{
    return &nouns[index];
}

const struct command_row *command_find(const char *noun, const char *verb)
{
    for (size_t i = 0; i < command_row_count(); i++) {
        if (strcmp(rows[i].noun, noun) == 0 &&
            strcmp(rows[i].verb, verb == NULL ? "" : verb) == 0) {
            return &rows[i];
        }
    }
    return NULL;
}

static void copy_part(char *out, size_t size, const char *from, size_t len)
{
    size_t taken = len < size ? len : size - 1;
    memcpy(out, from, taken);
    out[taken] = '\0';
}

bool command_next_option(const char **at, struct command_option_spec *out_spec)
{
    const char *start = *at + strspn(*at, " ");
    size_t len = strcspn(start, " ");
    if (len == 0) {
        return false;
    }
    *at = start + len;
    out_spec->may_repeat = len > 3 && memcmp(start + len - 3, "...", 3) == 0;
    len -= out_spec->may_repeat ? 3 : 0;
    const char *equals = memchr(start, '=', len);
    size_t name_len = equals == NULL ? len : (size_t)(equals - start);
    copy_part(out_spec->name, sizeof(out_spec->name), start, name_len);
    copy_part(out_spec->value, sizeof(out_spec->value), equals == NULL ? "" : equals + 1,
              equals == NULL ? 0 : len - name_len - 1);
    return true;
}

const char *command_common_options(const struct command_row *row)
{
    bool has_directory = row->needs != COMMAND_NO_DIRECTORY;
    if (row->effect == COMMAND_WRITE) {
        return has_directory ? "--dir=DIR --dry-run --yes --json --help"
                             : "--dry-run --yes --json --help";
    }
    return has_directory ? "--dir=DIR --json --help" : "--json --help";
}

static bool words_name(const char *words, const struct command_row *row)
{
    size_t noun_len = strlen(row->noun);
    if (strncmp(words, row->noun, noun_len) != 0) {
        return false;
    }
    if (row->verb[0] == '\0') {
        return words[noun_len] == '\0';
    }
    return words[noun_len] == ' ' && strcmp(words + noun_len + 1, row->verb) == 0;
}

const struct command_option_row *command_option_help(const struct command_row *row,
                                                     const char *option)
{
    const struct command_option_row *common = NULL;
    for (size_t i = 0; i < sizeof(option_rows) / sizeof(option_rows[0]); i++) {
        const struct command_option_row *candidate = &option_rows[i];
        if (strcmp(candidate->option, option) != 0) {
            continue;
        }
        if (words_name(candidate->words, row)) {
            return candidate;
        }
        if (candidate->words[0] == '\0') {
            common = candidate;
        }
    }
    return common;
}

/* --- nearest words ---------------------------------------------------------------------------- */

static size_t smallest(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* How many letters must be added, dropped or changed to make `a` into `b`. */
static size_t distance(const char *a, const char *b)
{
    size_t costs[WORD_MAX + 1];
    size_t b_len = strlen(b);
    if (strlen(a) > WORD_MAX || b_len > WORD_MAX) {
        return WORD_MAX;
    }
    for (size_t j = 0; j <= b_len; j++) {
        costs[j] = j;
    }
    for (size_t i = 0; a[i] != '\0'; i++) {
        size_t diagonal = costs[0];
        costs[0] = i + 1;
        for (size_t j = 1; j <= b_len; j++) {
            size_t change = diagonal + (a[i] == b[j - 1] ? 0 : 1);
            diagonal = costs[j];
            costs[j] = smallest(change, costs[j] + 1, costs[j - 1] + 1);
        }
    }
    return costs[b_len];
}

const char *command_nearest(const char *word, const char *const *words, size_t count)
{
    const char *best = NULL;
    size_t best_distance = strlen(word) / 2 + 1; /* over half wrong is no typing mistake */
    for (size_t i = 0; i < count; i++) {
        size_t d = distance(word, words[i]);
        if (d < best_distance) {
            best_distance = d;
            best = words[i];
        }
    }
    return best;
}
