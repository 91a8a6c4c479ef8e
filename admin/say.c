/* SPDX-License-Identifier: Apache-2.0
 *
 * Problems, JSON documents and tables of the command line (say.h).
 */
#include "admin/say.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#define TEXT_MAX 2048 /* of a reason or remedy with the thing's name in it */

struct problem_row {
    const char *code;
    enum command_exit exit;
    const char *reason, *remedy;
    const char *reason_zh, *remedy_zh;
};

static const struct problem_row problems[PROBLEM_COUNT] = {
#define PROBLEM(name, code, exit, reason, remedy, reason_zh, remedy_zh)                            \
    [PROBLEM_##name] = {code, exit, reason, remedy, reason_zh, remedy_zh},
#include "admin/problems.def"
#undef PROBLEM
};

const char *say_text(const struct command_call *call, const char *english, const char *chinese)
{
    return call->is_chinese ? chinese : english;
}

/* --- problems --------------------------------------------------------------------------------- */

static void append(char *out, const char *text, size_t len)
{
    size_t used = strlen(out);
    size_t room = TEXT_MAX - 1 - used;
    size_t taken = len < room ? len : room;
    while (taken < len && taken > 0 && ((unsigned char)text[taken] & 0xc0) == 0x80) {
        taken--; /* half a character would spoil the JSON */
    }
    memcpy(out + used, text, taken);
    out[used + taken] = '\0';
}

/* `format` with every %s replaced. */
static void fill_in(char *out, const char *format, const char *detail)
{
    out[0] = '\0';
    for (const char *at = format; *at != '\0';) {
        const char *mark = strstr(at, "%s");
        append(out, at, mark == NULL ? strlen(at) : (size_t)(mark - at));
        if (mark == NULL) {
            return;
        }
        append(out, detail, strlen(detail));
        at = mark + 2;
    }
}

/* Names come from users and files: no byte of them may steer the terminal or break the JSON. */
static const char *printable_text(struct command_call *call, const char *text)
{
    const char *safe = say_printable(call->arena, bytes_of_text(text));
    return safe == NULL ? "?" : safe;
}

static void print_problem(struct command_call *call, const struct problem_row *row,
                          const char *reason, const char *remedy)
{
    if (call->is_json) {
        json_t *error =
            json_pack("{s:s, s:s, s:s}", "code", row->code, "reason", reason, "remedy", remedy);
        say_json(call, json_pack("{s:o}", "error", error));
        return;
    }
    (void)fflush(call->out);
    (void)fprintf(call->err, "guantong: %s %s\n", row->code, reason);
    if (remedy[0] != '\0') {
        (void)fprintf(call->err, "%s: %s\n", say_text(call, "remedy", "处理办法"), remedy);
    }
}

int say_problem_because(struct command_call *call, enum problem problem, const char *detail,
                        const char *because)
{
    const struct problem_row *row = &problems[problem];
    const char *thing = printable_text(call, detail == NULL ? "" : detail);
    char reason[TEXT_MAX];
    char remedy[TEXT_MAX];
    fill_in(reason, say_text(call, row->reason, row->reason_zh), thing);
    fill_in(remedy, say_text(call, row->remedy, row->remedy_zh), thing);
    if (because != NULL && because[0] != '\0') {
        const char *joint = say_text(call, ": ", "：");
        const char *why = printable_text(call, because);
        append(reason, joint, strlen(joint));
        append(reason, why, strlen(why));
    }
    print_problem(call, row, reason, remedy);
    return (int)row->exit;
}

int say_problem(struct command_call *call, enum problem problem, const char *detail)
{
    return say_problem_because(call, problem, detail, NULL);
}

static enum problem problem_of_status(enum status status)
{
    static const struct {
        enum status status;
        enum problem problem;
    } pairs[] = {
        {STATUS_HANDLE_NOT_FOUND, PROBLEM_HANDLE_NOT_FOUND},
        {STATUS_HANDLE_EXISTS, PROBLEM_HANDLE_EXISTS},
        {STATUS_INVALID_HANDLE, PROBLEM_INVALID_HANDLE},
        {STATUS_VALUES_NOT_FOUND, PROBLEM_VALUES_NOT_FOUND},
        {STATUS_VALUE_EXISTS, PROBLEM_INVALID_VALUE},
        {STATUS_INVALID_VALUE, PROBLEM_INVALID_VALUE},
        {STATUS_NOT_RESPONSIBLE, PROBLEM_NOT_HOMED},
        {STATUS_ACCESS_DENIED, PROBLEM_ACCESS_DENIED},
        {STATUS_INVALID_ADMIN, PROBLEM_ACCESS_DENIED},
        {STATUS_SERVER_BUSY, PROBLEM_BUSY},
        {STATUS_CONFLICT, PROBLEM_BUSY},
        {STATUS_SERVER_BACKUP, PROBLEM_READ_ONLY},
        {STATUS_READ_ONLY, PROBLEM_READ_ONLY},
        {STATUS_PROTOCOL_ERROR, PROBLEM_MALFORMED_ANSWER},
        {STATUS_NOT_SUPPORTED, PROBLEM_NOT_SUPPORTED},
        {STATUS_QUOTA_EXCEEDED, PROBLEM_QUOTA},
        {STATUS_PREFIX_LIMIT, PROBLEM_QUOTA},
        {STATUS_DAILY_LIMIT, PROBLEM_QUOTA},
        {STATUS_NO_MEMORY, PROBLEM_NO_MEMORY},
        {STATUS_NOT_FOUND, PROBLEM_NOT_FOUND},
        {STATUS_CORRUPT, PROBLEM_CORRUPT},
        {STATUS_STORAGE_FULL, PROBLEM_STORAGE_FULL},
        {STATUS_STORAGE_FAILED, PROBLEM_STORAGE_FAILED},
        {STATUS_LOCKED, PROBLEM_LOCKED},
        {STATUS_BAD_SYNTAX, PROBLEM_BAD_ARGUMENT},
        {STATUS_BAD_SETTING, PROBLEM_BAD_SETTING},
        {STATUS_TIMED_OUT, PROBLEM_TIMED_OUT},
        {STATUS_CHANNEL_TIMEOUT, PROBLEM_TIMED_OUT},
        {STATUS_UNREACHABLE, PROBLEM_UNREACHABLE},
        {STATUS_CHANNEL_ERROR, PROBLEM_UNREACHABLE},
        {STATUS_CLOSED, PROBLEM_CLOSED},
        {STATUS_SYSTEM, PROBLEM_SYSTEM},
        {STATUS_NO_ROOM, PROBLEM_BUG},
        {STATUS_ERROR, PROBLEM_BUG},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        if (pairs[i].status == status) {
            return pairs[i].problem;
        }
    }
    return PROBLEM_REFUSED;
}

int say_exit(enum status status)
{
    return status == STATUS_OK ? EXIT_OK : (int)problems[problem_of_status(status)].exit;
}

int say_status(struct command_call *call, enum status status, const char *what,
               const struct fault *fault)
{
    enum problem problem = problem_of_status(status);
    const char *because = fault != NULL ? fault->text : NULL;
    if ((because == NULL || because[0] == '\0') &&
        (problem == PROBLEM_REFUSED || problem == PROBLEM_BUG)) {
        because = say_text(call, status_english(status), status_chinese(status));
    }
    return say_problem_because(call, problem, what, because);
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void dump(struct command_call *call, json_t *document, size_t flags)
{
    if (document != NULL) {
        (void)json_dumpf(document, call->out, flags);
        (void)fputc('\n', call->out);
        json_decref(document);
    }
}

int say_json(struct command_call *call, json_t *document)
{
    if (document == NULL) {
        /* Text that is no UTF-8, or no memory: never half a document. */
        (void)fprintf(call->err, "guantong: %s\n", status_english(STATUS_NO_MEMORY));
        return EXIT_BUG;
    }
    dump(call, document, call->out_is_terminal ? JSON_INDENT(2) : JSON_COMPACT);
    return EXIT_OK;
}

void say_json_line(struct command_call *call, json_t *document)
{
    dump(call, document, JSON_COMPACT);
}

/* --- tables ----------------------------------------------------------------------------------- */

struct say_table {
    size_t columns;
    size_t count; /* of cells, headings included */
    size_t room;
    char **cells;
    bool failed;
};

static bool add_cell(struct say_table *table, const char *text)
{
    if (table->count == table->room) {
        size_t room = table->room == 0 ? 64 : table->room * 2;
        char **grown = realloc(table->cells, room * sizeof(*grown));
        if (grown == NULL) {
            return false;
        }
        table->cells = grown;
        table->room = room;
    }
    char *copy = strdup(text == NULL ? "" : text);
    if (copy == NULL) {
        return false;
    }
    table->cells[table->count++] = copy;
    return true;
}

void say_table_row(struct say_table *table, const char *const *cells)
{
    for (size_t i = 0; table != NULL && i < table->columns && !table->failed; i++) {
        table->failed = !add_cell(table, cells[i]);
    }
}

struct say_table *say_table_new(const char *const *headings, size_t columns)
{
    struct say_table *table = calloc(1, sizeof(*table));
    if (table != NULL) {
        table->columns = columns;
        say_table_row(table, headings);
    }
    return table;
}

size_t say_width(const char *text)
{
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text;
    utf8proc_ssize_t left = (utf8proc_ssize_t)strlen(text);
    size_t width = 0;
    while (left > 0) {
        utf8proc_int32_t point = 0;
        utf8proc_ssize_t step = utf8proc_iterate(at, left, &point);
        if (step <= 0) {
            step = 1;
            point = ' ';
        }
        int wide = utf8proc_charwidth(point);
        width += wide > 0 ? (size_t)wide : 0;
        at += step;
        left -= step;
    }
    return width;
}

static size_t column_width(const struct say_table *table, size_t column)
{
    size_t width = 0;
    for (size_t i = column; i < table->count; i += table->columns) {
        size_t cell = say_width(table->cells[i]);
        width = cell > width ? cell : width;
    }
    return width;
}

static void print_cells(const struct say_table *table, FILE *out)
{
    size_t widths[SAY_COLUMNS_MAX];
    for (size_t column = 0; column < table->columns; column++) {
        widths[column] = column_width(table, column);
    }
    for (size_t i = 0; i + table->columns <= table->count; i += table->columns) {
        size_t last = table->columns;
        while (last > 1 && table->cells[i + last - 1][0] == '\0') {
            last--;
        }
        for (size_t column = 0; column < last; column++) {
            const char *cell = table->cells[i + column];
            size_t pad = column + 1 == last ? 0 : widths[column] + 2 - say_width(cell);
            (void)fprintf(out, "%s%*s", cell, (int)pad, "");
        }
        (void)fputc('\n', out);
    }
}

void say_table_free(struct say_table *table)
{
    if (table == NULL) {
        return;
    }
    for (size_t i = 0; i < table->count; i++) {
        free(table->cells[i]);
    }
    free(table->cells);
    free(table);
}

void say_table_print(struct say_table *table, FILE *out)
{
    if (table != NULL && table->columns <= SAY_COLUMNS_MAX) {
        print_cells(table, out);
    }
    say_table_free(table);
}

void say_without_input(char *reason)
{
    char *piece = strstr(reason, " near '");
    if (piece != NULL) {
        *piece = '\0';
    }
}

/* --- foreign text ----------------------------------------------------------------------------- */

/* Controls, and the marks that turn the writing direction: what a name could hide behind. */
static bool is_harmful(utf8proc_int32_t point)
{
    return point < 0x20 || (point >= 0x7f && point < 0xa0) ||
           (point >= 0x200e && point <= 0x200f) || (point >= 0x2028 && point <= 0x202e) ||
           (point >= 0x2066 && point <= 0x2069) || point == 0xfeff;
}

const char *say_printable(struct arena *arena, struct bytes text)
{
    static const char hex[] = "0123456789abcdef";
    char *out = text.len > SIZE_MAX / 4 - 1 ? NULL : arena_alloc(arena, text.len * 4 + 1);
    if (out == NULL) {
        return NULL;
    }
    char *put = out;
    for (size_t at = 0; at < text.len;) {
        utf8proc_int32_t point = -1;
        utf8proc_ssize_t step =
            utf8proc_iterate(text.data + at, (utf8proc_ssize_t)(text.len - at), &point);
        if (step > 0 && !is_harmful(point)) {
            memcpy(put, text.data + at, (size_t)step);
            put += step;
            at += (size_t)step;
            continue;
        }
        size_t bad = step > 0 ? (size_t)step : 1;
        for (size_t i = 0; i < bad; i++, at++) {
            *put++ = '\\';
            *put++ = 'x';
            *put++ = hex[text.data[at] >> 4];
            *put++ = hex[text.data[at] & 15];
        }
    }
    *put = '\0';
    return out;
}
