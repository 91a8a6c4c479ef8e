/* SPDX-License-Identifier: Apache-2.0
 *
 * `guantong import [DIR] FILE...`: records from JSON Lines, CSV or the reference server's
 * batch text, streaming, in bounded memory.
 *
 * Rows that cannot be taken go to FILE.rejected with line, column and reason (exit 6, or 7 when the
 * quota alone refused them). Ctrl-C stops after what is acknowledged and says where to go on;
 * running the same command again is right, too: rows equal to the stored ones write nothing.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "admin/import_load.h"
#include "admin/progress.h"
#include "admin/say.h"

#define LOOK_EVERY 256 /* rows between looks at the clock and for signals */

struct import {
    struct command_call *call;
    struct import_load *load;
    struct progress progress;
    int64_t began_ms;
    int interrupt_fd;
    sigset_t former_mask;
    bool is_interrupted;
    const char *stopped_file;
    uint64_t stopped_line;
    json_t *reject_files;
};

static int64_t clock_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- interruption: SIGINT and SIGTERM as a descriptor, blocked before any thread starts ------- */

static void watch_signals(struct import *import)
{
    sigset_t watched;
    (void)sigemptyset(&watched);
    (void)sigaddset(&watched, SIGINT);
    (void)sigaddset(&watched, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &watched, &import->former_mask);
    import->interrupt_fd = signalfd(-1, &watched, SFD_NONBLOCK | SFD_CLOEXEC);
}

/* A second Ctrl-C while the rest is waited for ends the program at once. */
static void take_interruption(struct import *import)
{
    struct signalfd_siginfo signal;
    if (import->is_interrupted || import->interrupt_fd < 0 ||
        read(import->interrupt_fd, &signal, sizeof signal) != (ssize_t)sizeof signal) {
        return;
    }
    import->is_interrupted = true;
    (void)pthread_sigmask(SIG_SETMASK, &import->former_mask, NULL);
}

static void unwatch_signals(struct import *import)
{
    take_interruption(import);
    if (import->interrupt_fd >= 0) {
        (void)close(import->interrupt_fd);
    }
    (void)pthread_sigmask(SIG_SETMASK, &import->former_mask, NULL);
}

/* --- one file --------------------------------------------------------------------------------- */

static void show_progress(struct import *import, const char *name, const struct import_lines *lines)
{
    int64_t now_ms = clock_ms();
    struct progress_figures figures = {name, import_load_figures(import->load)->read,
                                       import_lines_done_bytes(lines),
                                       import_lines_total_bytes(lines), now_ms - import->began_ms};
    progress_show(&import->progress, &figures, now_ms);
}

static enum status load_rows(struct import *import, const char *name, struct import_lines *lines,
                             struct import_rows *rows, struct fault *fault)
{
    for (uint64_t row_number = 1;; row_number++) {
        struct import_row row = {0};
        struct fault reason = {STATUS_OK, ""};
        enum status status = import_rows_next(rows, &row, &reason);
        if (status == STATUS_NOT_FOUND) {
            return STATUS_OK;
        }
        import->stopped_line = row.line > 0 ? row.line : import->stopped_line;
        if (status == STATUS_OK) {
            status = import_load_put(import->load, &row, fault);
        } else if (import_rows_is_refusal(status)) {
            status = import_load_refuse(import->load, &row, status, reason.text, fault);
        } else {
            (void)fault_set(fault, status, "%s", reason.text);
        }
        if (row_number % LOOK_EVERY == 0) {
            show_progress(import, name, lines);
            take_interruption(import);
        }
        if (status != STATUS_OK || import->is_interrupted) {
            return status == STATUS_OK ? STATUS_CLOSED : status;
        }
    }
}

static enum status choose_form(const struct import *import, const char *path,
                               struct import_lines *lines, enum import_form *out_form,
                               struct fault *fault)
{
    const char *word = command_option(import->call, "--format");
    if (word != NULL) {
        *out_form = import_rows_form(word);
        return STATUS_OK;
    }
    struct bytes start;
    enum status status = import_lines_peek(lines, &start, fault);
    if (status == STATUS_OK) {
        *out_form = import_rows_guess(path, start);
    }
    return status;
}

static enum status load_lines(struct import *import, const char *path, const char *name,
                              struct import_lines *lines, struct reject *reject,
                              struct fault *fault)
{
    enum import_form form = IMPORT_UNKNOWN;
    struct import_rows *rows = NULL;
    enum status status = choose_form(import, path, lines, &form, fault);
    if (status == STATUS_OK) {
        status = import_rows_open(form, lines, &rows, fault);
    }
    if (status == STATUS_OK) {
        import_load_file(import->load, name, reject, form == IMPORT_CSV);
        status = load_rows(import, name, lines, rows, fault);
    }
    take_interruption(import);
    struct fault unsent = {STATUS_OK, ""};
    enum status flushed = import_load_flush(import->load, &unsent);
    if (flushed != STATUS_OK && (status == STATUS_OK || import->is_interrupted)) {
        status = fault_set(fault, flushed, "%s", unsent.text);
    }
    uint64_t open_line = import_load_open_line(import->load);
    import->stopped_line = open_line != 0 ? open_line : import->stopped_line + 1;
    import_rows_close(rows);
    return import->is_interrupted && status == STATUS_CLOSED ? STATUS_OK : status;
}

/* FILE.rejected beside the file, or what --reject names; none in a dry run that names none. */
static const char *reject_path(struct command_call *call, const char *path)
{
    const char *given = command_option(call, "--reject");
    if (given != NULL || call->is_dry_run) {
        return given;
    }
    const char *stem = strcmp(path, "-") == 0 ? "stdin" : path;
    size_t size = strlen(stem) + sizeof ".rejected";
    char *made = arena_alloc(call->arena, size);
    if (made != NULL) {
        (void)snprintf(made, size, "%s.rejected", stem);
    }
    return made;
}

static bool is_same_file(const char *a, const char *b)
{
    struct stat one;
    struct stat other;
    return stat(a, &one) == 0 && stat(b, &other) == 0 && S_ISREG(one.st_mode) &&
           one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

/* A reject file is overwritten, or removed when nothing was rejected: it must be no input. */
static int check_reject_paths(struct command_call *call)
{
    for (size_t i = 0; i < call->argument_count; i++) {
        const char *path = reject_path(call, call->arguments[i]);
        for (size_t j = 0; path != NULL && j < call->argument_count; j++) {
            if (is_same_file(path, call->arguments[j])) {
                return say_problem_because(
                    call, PROBLEM_FILE, path,
                    say_text(call,
                             "rejected rows would go there, but it is to be imported; name another "
                             "one with --reject",
                             "该文件既要导入又用于存放被拒绝的行，请用 --reject 另行指定"));
            }
        }
    }
    return EXIT_OK;
}

static enum status load_file(struct import *import, const char *path, struct reject *reject,
                             struct fault *fault)
{
    const char *name = strcmp(path, "-") == 0 ? "stdin" : path;
    struct import_lines_options options = {path, command_option(import->call, "--encoding"),
                                           import->interrupt_fd};
    struct import_lines *lines = NULL;
    import->stopped_file = name;
    import->stopped_line = 0;
    enum status status = import_lines_open(&options, &lines, fault);
    if (status == STATUS_OK) {
        status = load_lines(import, path, name, lines, reject, fault);
    }
    import_lines_close(lines);
    return status;
}

/* One reject file for all when --reject names it, else one for each. */
static enum status load_files(struct import *import, const char **out_path, struct fault *fault)
{
    struct command_call *call = import->call;
    bool is_shared = command_has(call, "--reject");
    struct reject reject = {0};
    enum status status = STATUS_OK;
    for (size_t i = 0; i < call->argument_count && status == STATUS_OK; i++) {
        *out_path = call->arguments[i];
        if (i == 0 || !is_shared) {
            status = reject_init(&reject, reject_path(call, *out_path));
        }
        if (status == STATUS_OK) {
            status = load_file(import, *out_path, &reject, fault);
        }
        bool is_last = i + 1 == call->argument_count || import->is_interrupted;
        if (is_shared && !is_last && status == STATUS_OK) {
            continue;
        }
        if (reject.count > 0 && reject.path != NULL) {
            json_array_append_new(import->reject_files, json_string(reject.path));
        } else if (!is_shared && reject.path != NULL && status == STATUS_OK) {
            (void)unlink(reject.path); /* of an earlier run: its rows are good now */
        }
        enum status closed = reject_done(&reject, status == STATUS_OK ? fault : NULL);
        status = status == STATUS_OK ? closed : status;
        if (is_last) {
            break;
        }
    }
    return status;
}

/* --- what is said at the end ------------------------------------------------------------------ */

static void say_notes(struct import *import)
{
    struct command_call *call = import->call;
    const struct import_notes *notes = import_load_notes(import->load);
    for (size_t i = 0; i < IMPORT_NOTE_COUNT; i++) {
        if (notes->counts[i] > 0) {
            const char *example = say_printable(call->arena, bytes_of_text(notes->examples[i]));
            (void)fprintf(call->err, "%s: %" PRIu64 " %s (%s %s)\n",
                          say_text(call, "warning", "注意"), notes->counts[i],
                          import_notes_text((enum import_note)i, call->is_chinese),
                          say_text(call, "first:", "首例："), example == NULL ? "" : example);
        }
    }
}

static void say_rejected(struct import *import, const struct import_figures *figures)
{
    struct command_call *call = import->call;
    for (size_t i = 0; i < figures->example_count; i++) {
        const char *example = say_printable(call->arena, bytes_of_text(figures->examples[i]));
        (void)fprintf(call->err, "%s: %s\n", say_text(call, "rejected", "拒绝"),
                      example == NULL ? "" : example);
    }
    if (figures->rejected > figures->example_count) {
        (void)fprintf(call->err,
                      call->is_chinese ? "……另有 %" PRIu64 " 行\n" : "... and %" PRIu64 " more\n",
                      figures->rejected - figures->example_count);
    }
    size_t at;
    json_t *path;
    json_array_foreach(import->reject_files, at, path)
    {
        (void)fprintf(call->err, "%s %s\n", say_text(call, "rejected rows:", "被拒绝的行："),
                      json_string_value(path));
    }
}

static void say_interrupted(struct import *import)
{
    struct command_call *call = import->call;
    (void)fprintf(call->err,
                  call->is_chinese ? "已中断于第 %" PRIu64 " 行（%s），此前各行均已处理\n%s\n"
                                   : "interrupted at line %" PRIu64
                                     " of %s: everything before it is done\n%s\n",
                  import->stopped_line, import->stopped_file,
                  say_text(call,
                           "to go on, run the same command again: rows already stored are left "
                           "alone",
                           "继续导入请重新执行同一命令：已存储的行不会重复写入"));
}

static void say_summary(struct import *import, int64_t elapsed_ms)
{
    struct command_call *call = import->call;
    const struct import_figures *figures = import_load_figures(import->load);
    char counts[6][32];
    uint64_t elapsed = elapsed_ms > 0 ? (uint64_t)elapsed_ms : 1;
    progress_count(figures->read, counts[0]);
    progress_count(figures->read * 1000 / elapsed, counts[1]);
    progress_count(figures->created, counts[2]);
    progress_count(figures->replaced, counts[3]);
    progress_count(figures->unchanged, counts[4]);
    progress_count(figures->rejected, counts[5]);
    (void)fprintf(call->out, "%s",
                  call->is_dry_run
                      ? say_text(call, "dry run, nothing was written\n", "试运行，未写入任何内容\n")
                      : "");
    (void)fprintf(call->out,
                  call->is_chinese
                      ? "%s 条记录，用时 %.1f 秒（%s 条/秒）：新建 %s，替换 %s，未变 %s，拒绝 %s\n"
                      : "%s records in %.1f s (%s/s): %s created, %s replaced, %s unchanged, "
                        "%s rejected\n",
                  counts[0], (double)elapsed_ms / 1000.0, counts[1], counts[2], counts[3],
                  counts[4], counts[5]);
    (void)fflush(call->out);
    say_rejected(import, figures);
    say_notes(import);
    if (import->is_interrupted) {
        say_interrupted(import);
    }
}

static json_t *notes_json(const struct import_notes *notes)
{
    json_t *list = json_array();
    for (size_t i = 0; i < IMPORT_NOTE_COUNT; i++) {
        if (notes->counts[i] > 0) {
            json_array_append_new(list, json_pack("{s:s, s:I, s:s*}", "kind",
                                                  import_notes_name((enum import_note)i), "count",
                                                  (json_int_t)notes->counts[i], "first",
                                                  notes->examples[i]));
        }
    }
    return list;
}

static void say_summary_json(struct import *import, int64_t elapsed_ms)
{
    const struct import_figures *figures = import_load_figures(import->load);
    uint64_t elapsed = elapsed_ms > 0 ? (uint64_t)elapsed_ms : 1;
    json_t *document = json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:b, s:o, s:O}", "records",
        (json_int_t)figures->read, "created", (json_int_t)figures->created, "replaced",
        (json_int_t)figures->replaced, "unchanged", (json_int_t)figures->unchanged, "rejected",
        (json_int_t)figures->rejected, "over_quota", (json_int_t)figures->over_quota, "elapsed_ms",
        (json_int_t)elapsed_ms, "records_per_second", (json_int_t)(figures->read * 1000 / elapsed),
        "dry_run", (int)import->call->is_dry_run, "interrupted", (int)import->is_interrupted,
        "warnings", notes_json(import_load_notes(import->load)), "reject_files",
        import->reject_files);
    json_t *first = json_array();
    for (size_t i = 0; i < figures->example_count; i++) {
        json_array_append_new(first, json_string(figures->examples[i]));
    }
    json_object_set_new(document, "first_rejected", first);
    if (import->is_interrupted) {
        json_object_set_new(document, "resume",
                            json_pack("{s:s, s:I}", "file", import->stopped_file, "line",
                                      (json_int_t)import->stopped_line));
    }
    (void)say_json(import->call, document);
}

static int finish(struct import *import)
{
    const struct import_figures *figures = import_load_figures(import->load);
    int64_t elapsed_ms = clock_ms() - import->began_ms;
    if (import->call->is_json) {
        say_summary_json(import, elapsed_ms);
    } else {
        say_summary(import, elapsed_ms);
    }
    if (figures->rejected > 0 && figures->rejected == figures->over_quota &&
        !import->is_interrupted) {
        return EXIT_QUOTA;
    }
    return figures->rejected > 0 || import->is_interrupted ? EXIT_PARTLY : EXIT_OK;
}

/* --- the command ------------------------------------------------------------------------------ */

/* What was done so far is told before the reason why it ended there. */
static int stopped(struct import *import, enum status status, const char *path,
                   const struct fault *fault)
{
    struct command_call *call = import->call;
    if (!call->is_json && import_load_figures(import->load)->read > 0) {
        say_summary(import, clock_ms() - import->began_ms);
        (void)fprintf(call->err,
                      call->is_chinese ? "已停止于第 %" PRIu64 " 行（%s），此前各行均已处理\n"
                                       : "stopped at line %" PRIu64
                                         " of %s: everything before it is done\n",
                      import->stopped_line, import->stopped_file);
    }
    if (status == STATUS_NOT_SUPPORTED || status == STATUS_SYSTEM) {
        struct fault detail;
        (void)fault_set(&detail, status, "%s: %s", path, fault->text);
        return say_problem(call, status == STATUS_SYSTEM ? PROBLEM_FILE : PROBLEM_FILE_FORM,
                           detail.text);
    }
    return say_status(call, status, call->directory, fault); /* the store or its daemon */
}

static int run(struct import *import)
{
    struct command_call *call = import->call;
    struct fault fault = {STATUS_OK, ""};
    enum status status =
        import_load_open(call, command_has(call, "--create-only"), &import->load, &fault);
    if (status != STATUS_OK) {
        return say_status(call, status, call->directory, &fault);
    }
    bool is_silent = call->is_json || !call->err_is_terminal || command_has(call, "--no-progress");
    progress_init(&import->progress, is_silent ? NULL : call->err, call->is_chinese);
    import->began_ms = clock_ms();
    import->reject_files = json_array();
    const char *path = "";
    status = load_files(import, &path, &fault);
    progress_clear(&import->progress);
    int exit_code = status == STATUS_OK ? finish(import) : stopped(import, status, path, &fault);
    json_decref(import->reject_files);
    import_load_close(import->load);
    return exit_code;
}

int command_import(struct command_call *call)
{
    const char *format = command_option(call, "--format");
    if (call->argument_count == 0) {
        return say_problem(call, PROBLEM_MISSING_ARGUMENT, "FILE");
    }
    if (format != NULL && import_rows_form(format) == IMPORT_UNKNOWN) {
        return say_problem(call, PROBLEM_BAD_OPTION, "--format: jsonl|csv|batch");
    }
    int exit_code = check_reject_paths(call);
    if (exit_code != EXIT_OK) {
        return exit_code;
    }
    struct import import = {.call = call, .interrupt_fd = -1};
    watch_signals(&import);
    exit_code = run(&import);
    unwatch_signals(&import);
    return exit_code;
}
