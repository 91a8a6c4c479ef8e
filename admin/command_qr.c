/* SPDX-License-Identifier: Apache-2.0
 *
 * `guantong qr HANDLE` and `guantong qr --sheet FILE`: QR symbols of names, one as text, SVG or
 * PNG, or many as labels on A4 sheets to print.
 *
 * A symbol holds the address of the node's page of the name when one is known (--url, else
 * page.public_url), else the name itself. Whether the name exists is nobody's question here: labels
 * are printed before what they are for is registered.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "admin/directory.h"
#include "admin/label_rows.h"
#include "admin/label_sheet.h"
#include "admin/progress.h"
#include "admin/say.h"
#include "protocol/handle.h"
#include "resolver/page_asked.h"
#include "resolver/page_out.h"

#define LABEL_DEFAULT "45x55"
#define LABEL_MEMORY_MAX (8u << 20)
#define REFUSALS_SHOWN 10
#define PNG_SCALE 8

/* The address of names, as far as the user or the node says. */
static int find_base(struct command_call *call, struct bytes *out_base)
{
    struct settings *settings = NULL;
    struct fault fault;
    const char *url = command_option(call, "--url");
    *out_base = BYTES_NONE;
    if (url == NULL && !command_has(call, "--bare") && call->directory != NULL &&
        directory_is_node(call->directory)) {
        enum status status = directory_settings(call->arena, call->directory, &settings, &fault);
        if (status != STATUS_OK) {
            return say_status(call, status, call->directory, &fault);
        }
        url = arena_text(call->arena, bytes_of_text(settings->page_public_url));
        settings_free(settings);
        url = url != NULL && url[0] == '\0' ? NULL : url;
    }
    if (url == NULL) {
        return EXIT_OK;
    }
    struct bytes base = bytes_of_text(url);
    while (base.len > 0 && base.data[base.len - 1] == '/') {
        base.len--;
    }
    if (!page_is_link(base)) {
        return say_problem(call, PROBLEM_BAD_OPTION,
                           "--url: give an http or https address, such as https://id.example.cn");
    }
    *out_base = base;
    return EXIT_OK;
}

/* What a symbol of this name holds. */
static struct bytes content_of(struct arena *arena, struct bytes base, struct bytes handle)
{
    return base.len == 0 ? handle : page_asked_address(arena, base, handle);
}

static size_t size_of(const struct command_call *call)
{
    const char *text = command_option(call, "--size");
    char *end = NULL;
    unsigned long size = text == NULL ? 0 : strtoul(text, &end, 10);
    return text == NULL || *end != '\0' || size > 10000 ? 0 : (size_t)size;
}

/* --- files --------------------------------------------------------------------------------------
 */

static int write_all(struct command_call *call, FILE *file, const char *path,
                     const struct http_body *body)
{
    bool is_written = !body->failed && fwrite(body->data, 1, body->len, file) == body->len;
    if (path != NULL && fclose(file) != 0) {
        is_written = false;
    }
    if (is_written) {
        return EXIT_OK;
    }
    return path == NULL ? say_problem(call, PROBLEM_SYSTEM, "standard output")
                        : say_problem_because(call, PROBLEM_FILE, path, strerror(errno));
}

/* To `path`, or where results go when it is NULL. */
static int write_to(struct command_call *call, const char *path, const struct http_body *body)
{
    FILE *file = path == NULL ? call->out : fopen(path, "wbe");
    if (file == NULL) {
        return say_problem_because(call, PROBLEM_FILE, path, strerror(errno));
    }
    return write_all(call, file, path, body);
}

/* --- one symbol ---------------------------------------------------------------------------------
 */

static int say_drawn(struct command_call *call, struct bytes handle, struct bytes content,
                     const struct qr *qr)
{
    struct http_body svg = {.data = NULL};
    qr_svg(qr, size_of(call), &svg);
    json_t *document = json_pack("{s:s%, s:s%, s:I, s:s%}", "handle", (const char *)handle.data,
                                 handle.len, "content", (const char *)content.data, content.len,
                                 "modules", (json_int_t)qr->side, "svg",
                                 svg.data == NULL ? "" : (const char *)svg.data, svg.len);
    http_body_free(&svg);
    return say_json(call, document);
}

static enum status draw(const struct command_call *call, const struct qr *qr,
                        struct http_body *body)
{
    size_t size = size_of(call);
    if (command_has(call, "--svg")) {
        qr_svg(qr, size, body);
    } else if (command_has(call, "--png")) {
        size_t scale = size == 0 ? PNG_SCALE : size / qr_side_whole(qr);
        scale = scale == 0 ? 1 : scale;
        return qr_png(qr, scale > QR_PNG_SCALE_MAX ? QR_PNG_SCALE_MAX : scale, call->arena, body);
    } else {
        qr_text(qr, command_has(call, "--light"), body);
    }
    return body->failed ? STATUS_NO_MEMORY : STATUS_OK;
}

static int show_one(struct command_call *call, struct bytes base)
{
    const char *name = call->arguments[0];
    struct bytes handle = bytes_of_text(name);
    struct fault fault = {.status = STATUS_OK};
    struct http_body body = {.data = NULL};
    struct qr qr;
    if (handle_check(handle, &fault) != STATUS_OK) {
        return say_status(call, STATUS_INVALID_HANDLE, name, &fault);
    }
    if (command_has(call, "--png") && command_option(call, "--output") == NULL &&
        call->out_is_terminal) {
        return say_problem(call, PROBLEM_BAD_OPTION,
                           "--png: a terminal shows no picture; give --output FILE");
    }
    struct bytes content = content_of(call->arena, base, handle);
    enum status status = qr_make(call->arena, content, &qr);
    if (status == STATUS_NO_ROOM) {
        return say_problem(call, PROBLEM_BAD_ARGUMENT, "no symbol holds a name this long");
    }
    if (status == STATUS_OK && call->is_json) {
        return say_drawn(call, handle, content, &qr);
    }
    status = status == STATUS_OK ? draw(call, &qr, &body) : status;
    int exit = status == STATUS_OK ? write_to(call, command_option(call, "--output"), &body)
                                   : say_status(call, status, name, NULL);
    http_body_free(&body);
    return exit;
}

/* --- sheets -------------------------------------------------------------------------------------
 */

struct sheets {
    struct command_call *call;
    struct label_sheet sheet;
    struct bytes base;
    struct arena *arena; /* of one label */
    struct http_body page;
    const char *output; /* NULL: standard output */
    FILE *file;         /* HTML; NULL: not opened yet */
    bool is_svg;
    size_t position; /* on this page */
    uint64_t labels, pages, refused;
    struct progress progress;
    const char *name;
    int exit; /* once something cannot be written */
};

static const char html_head[] =
    "<!doctype html>\n<meta charset=utf-8><title>guantong</title><style>@page{size:A4;margin:0}"
    "body{margin:0}svg{break-inside:avoid}body>svg{display:block;break-after:page}"
    "@media screen{body{background:#ddd}body>svg{background:#fff;margin:5mm auto}}</style>\n";

/* labels.svg, labels-2.svg, ... */
static const char *page_path_of(struct sheets *sheets)
{
    const char *dot = strrchr(sheets->output, '.');
    const char *slash = strrchr(sheets->output, '/');
    size_t stem = dot == NULL || (slash != NULL && dot < slash) ? strlen(sheets->output)
                                                                : (size_t)(dot - sheets->output);
    size_t size = strlen(sheets->output) + 32;
    char *path = arena_alloc(sheets->arena, size);
    if (path == NULL || sheets->pages == 0) {
        return path == NULL ? NULL : sheets->output;
    }
    (void)snprintf(path, size, "%.*s-%" PRIu64 "%s", (int)stem, sheets->output, (sheets->pages + 1),
                   sheets->output + stem);
    return path;
}

static int open_html(struct sheets *sheets)
{
    sheets->file = sheets->output == NULL ? sheets->call->out : fopen(sheets->output, "wbe");
    if (sheets->file == NULL) {
        return say_problem_because(sheets->call, PROBLEM_FILE, sheets->output, strerror(errno));
    }
    (void)fputs(html_head, sheets->file);
    return EXIT_OK;
}

static int write_html_page(struct sheets *sheets)
{
    int exit = sheets->file == NULL ? open_html(sheets) : EXIT_OK;
    return exit == EXIT_OK ? write_all(sheets->call, sheets->file, NULL, &sheets->page) : exit;
}

static enum status end_page(struct sheets *sheets)
{
    label_sheet_close(&sheets->page);
    const char *path = sheets->is_svg ? page_path_of(sheets) : NULL;
    sheets->exit =
        sheets->is_svg ? write_to(sheets->call, path, &sheets->page) : write_html_page(sheets);
    http_body_free(&sheets->page);
    sheets->position = 0;
    sheets->pages++;
    return sheets->exit == EXIT_OK ? STATUS_OK : STATUS_SYSTEM;
}

static void refuse_row(struct sheets *sheets, const struct label_row *row, const char *reason)
{
    struct command_call *call = sheets->call;
    if (sheets->refused++ < REFUSALS_SHOWN) {
        progress_clear(&sheets->progress);
        (void)fprintf(call->err, "%s %" PRIu64 ": %s: %s\n", say_text(call, "row", "行"),
                      row->number, say_printable(call->arena, row->handle), reason);
    }
}

static void tell_progress(struct sheets *sheets)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    const struct progress_figures figures = {.name = sheets->name, .records = sheets->labels};
    progress_show(&sheets->progress, &figures, now_ms);
}

static enum status sheets_on_row(void *context, const struct label_row *row)
{
    struct sheets *sheets = context;
    struct fault fault = {.status = STATUS_OK};
    arena_reset(sheets->arena);
    if (handle_check(row->handle, &fault) != STATUS_OK || !handle_is_utf8(row->title)) {
        refuse_row(sheets, row, fault.text[0] == '\0' ? "no UTF-8" : fault.text);
        return STATUS_OK;
    }
    if (sheets->position == 0) {
        http_body_free(&sheets->page);
        label_sheet_open(&sheets->page);
    }
    const struct label label = {.code = content_of(sheets->arena, sheets->base, row->handle),
                                .name = row->handle,
                                .title = row->title};
    enum status status =
        label_sheet_put(&sheets->sheet, sheets->position, &label, sheets->arena, &sheets->page);
    if (status == STATUS_NO_ROOM) {
        refuse_row(sheets, row, status_english(STATUS_INVALID_HANDLE));
        return STATUS_OK;
    }
    sheets->position++;
    sheets->labels++;
    tell_progress(sheets);
    return status == STATUS_OK && sheets->position == label_sheet_capacity(&sheets->sheet)
               ? end_page(sheets)
               : status;
}

static int say_made(struct sheets *sheets)
{
    struct command_call *call = sheets->call;
    char detail[64];
    if (sheets->refused > 0) {
        (void)snprintf(detail, sizeof(detail), "%" PRIu64 " of %" PRIu64 " rows", sheets->refused,
                       (sheets->refused + sheets->labels));
        return say_problem(call, PROBLEM_PARTLY, detail);
    }
    if (call->is_json) {
        return say_json(call, json_pack("{s:I, s:I}", "labels", (json_int_t)sheets->labels, "pages",
                                        (json_int_t)sheets->pages));
    }
    if (sheets->output != NULL) {
        (void)fprintf(call->out, "%s: %" PRIu64 ", %s: %" PRIu64 "\n",
                      say_text(call, "labels", "标签"), sheets->labels,
                      say_text(call, "pages", "页数"), sheets->pages);
    }
    return EXIT_OK;
}

static int make_sheets(struct sheets *sheets, FILE *rows)
{
    struct command_call *call = sheets->call;
    enum status status = label_rows_read(rows, sheets_on_row, sheets);
    if (status == STATUS_OK && sheets->position > 0) {
        arena_reset(sheets->arena);
        status = end_page(sheets);
    }
    progress_clear(&sheets->progress);
    if (sheets->file != NULL && sheets->output != NULL && fclose(sheets->file) != 0 &&
        sheets->exit == EXIT_OK) {
        return say_problem_because(call, PROBLEM_FILE, sheets->output, strerror(errno));
    }
    if (sheets->exit != EXIT_OK) {
        return sheets->exit;
    }
    if (status == STATUS_INVALID_VALUE) {
        return say_problem_because(call, PROBLEM_BAD_ARGUMENT, sheets->name,
                                   "give CSV with a handle in its first column");
    }
    return status == STATUS_OK ? say_made(sheets) : say_status(call, status, sheets->name, NULL);
}

/* Options that do not go together, and the shape of labels. */
static int judge_sheets(struct sheets *sheets)
{
    struct command_call *call = sheets->call;
    const char *shape = command_option(call, "--label");
    if (label_sheet_parse(shape == NULL ? LABEL_DEFAULT : shape, &sheets->sheet) != STATUS_OK) {
        return say_problem(call, PROBLEM_BAD_OPTION,
                           "--label: width and height in mm that fit A4, such as 45x55");
    }
    if (command_has(call, "--png") || command_has(call, "--text")) {
        return say_problem(call, PROBLEM_BAD_OPTION, "--sheet goes with --html or --svg");
    }
    if ((sheets->is_svg || call->is_json) && sheets->output == NULL) {
        return say_problem(call, PROBLEM_MISSING_ARGUMENT, "--output FILE");
    }
    return EXIT_OK;
}

static int show_sheets(struct command_call *call, const char *path, struct bytes base)
{
    struct sheets sheets = {
        .call = call,
        .base = base,
        .output = command_option(call, "--output"),
        .is_svg = command_has(call, "--svg"),
        .name = path,
        .exit = EXIT_OK,
    };
    int exit = judge_sheets(&sheets);
    if (exit != EXIT_OK) {
        return exit;
    }
    FILE *rows = strcmp(path, "-") == 0 ? stdin : fopen(path, "rbe");
    if (rows == NULL) {
        return say_problem_because(call, PROBLEM_FILE, path, strerror(errno));
    }
    bool shows = call->err_is_terminal && !command_has(call, "--no-progress");
    progress_init(&sheets.progress, shows ? call->err : NULL, call->is_chinese);
    sheets.arena = arena_new(1u << 16, LABEL_MEMORY_MAX);
    exit = sheets.arena == NULL ? say_status(call, STATUS_NO_MEMORY, path, NULL)
                                : make_sheets(&sheets, rows);
    arena_free(sheets.arena);
    http_body_free(&sheets.page);
    if (rows != stdin) {
        (void)fclose(rows);
    }
    return exit;
}

int command_qr(struct command_call *call)
{
    struct bytes base = BYTES_NONE;
    const char *sheet = command_option(call, "--sheet");
    if (sheet == NULL && call->argument_count == 0) {
        return say_problem(call, PROBLEM_MISSING_ARGUMENT, "HANDLE");
    }
    if (sheet != NULL && call->argument_count > 0) {
        return say_problem(call, PROBLEM_TOO_MANY_ARGUMENTS, call->arguments[0]);
    }
    int exit = find_base(call, &base);
    if (exit != EXIT_OK) {
        return exit;
    }
    return sheet == NULL ? show_one(call, base) : show_sheets(call, sheet, base);
}
