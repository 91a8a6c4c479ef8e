/* SPDX-License-Identifier: Apache-2.0
 *
 * `guantong import [DIR] FILE...`: records from JSON Lines, CSV or the reference server's
 * batch text, streaming, in bounded memory.
 *
 * Rows that cannot be taken go to FILE.rejected with line, column and reason (exit 6, or 7 when the
 * quota alone refused them). Ctrl-C stops after what is acknowledged; the same command with
 * --resume goes on from the note left beside the file. Running it without is right, too: rows equal
 * to the stored ones write nothing.
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
#include "admin/import_resume.h"
#include "admin/import_summary.h"
#include "admin/progress.h"
#include "admin/say.h"

#define LOOK_EVERY 256 /* rows between looks at the clock and for signals */
/* A note waits for what is under way: each after a tenth more of the time that passed. */
#define NOTE_SHARE 10
#define NOTE_LEAST_MS 20
#define NOTE_MOST_MS 2000

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
    const char *note_path; /* NULL: no notes are made */
    struct import_resume_note note;
    int64_t opened_ms; /* this run; `began_ms` counts an earlier one's time, too */
    int64_t next_note_ms;
    bool is_resumed;
    uint64_t resumed_line; /* of the note it goes on from */
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

/* --- notes of progress ------------------------------------------------------------------------ */

/* With the reject file settled. A note that cannot be written is no reason to stop. */
static enum status write_note(struct import *import, struct fault *fault)
{
    struct import_resume_note *note = &import->note;
    note->is_pending = import_load_is_beside(import->load);
    enum status status = import_load_state(import->load, &note->state, fault);
    note->line = import_load_last_line(import->load);
    note->elapsed_ms = clock_ms() - import->began_ms;
    if (status != STATUS_OK || note->line < import->resumed_line) {
        return status; /* or not yet past what the first run did */
    }
    struct fault reason = {STATUS_OK, ""};
    if (import_resume_write(import->note_path, note, &reason) != STATUS_OK) {
        progress_clear(&import->progress);
        (void)fprintf(import->call->err, "%s: %s\n",
                      say_text(import->call, "warning: this import cannot be resumed",
                               "注意：本次导入中断后无法续传"),
                      reason.text);
        import->note_path = NULL;
    }
    return STATUS_OK;
}

/* What is loaded beside the store is worth nothing until it is in its place. */
static enum status care_for_note(struct import *import, struct reject *reject, struct fault *fault)
{
    if (import->note_path == NULL || clock_ms() < import->next_note_ms ||
        import_load_is_beside(import->load)) {
        return STATUS_OK;
    }
    enum status status = import_load_flush(import->load, fault);
    if (status == STATUS_OK) {
        status = reject_settle(reject, &import->note.reject_bytes, fault);
    }
    if (status == STATUS_OK) {
        status = write_note(import, fault);
    }
    int64_t now_ms = clock_ms();
    int64_t pause_ms = (now_ms - import->opened_ms) / NOTE_SHARE;
    pause_ms = pause_ms < NOTE_LEAST_MS ? NOTE_LEAST_MS : pause_ms;
    import->next_note_ms = now_ms + (pause_ms > NOTE_MOST_MS ? NOTE_MOST_MS : pause_ms);
    return status;
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

struct source {
    const char *name;
    struct import_lines *lines;
    struct reject *reject;
};

static enum status load_rows(struct import *import, const struct source *source,
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
            show_progress(import, source->name, source->lines);
            take_interruption(import);
            status = status == STATUS_OK ? care_for_note(import, source->reject, fault) : status;
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

/* Goes on from the note when that is asked for, else makes the first one. */
static enum status resume(struct import *import, struct reject *reject, struct fault *fault)
{
    if (!import->is_resumed) {
        /* The first note tells where the journal stood. */
        bool has_note = import->note_path != NULL && !import_load_is_beside(import->load);
        return has_note ? write_note(import, fault) : STATUS_OK;
    }
    const struct import_resume_note *note = &import->note;
    enum status status = import_load_go_on(import->load, &note->state, note->line, fault);
    if (status == STATUS_NOT_SUPPORTED && note->is_pending) {
        /* The store noted never came into its place. */
        import->is_resumed = false;
        import->resumed_line = 0;
        return STATUS_OK;
    }
    if (status == STATUS_OK) {
        status = reject_resume(reject, note->reject_bytes, note->state.figures.rejected, fault);
        import->began_ms -= note->elapsed_ms;
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
        const struct source source = {name, lines, reject};
        status = resume(import, reject, fault);
        status = status == STATUS_OK ? load_rows(import, &source, rows, fault) : status;
    }
    take_interruption(import);
    struct fault unsent = {STATUS_OK, ""};
    enum status flushed = import_load_flush(import->load, &unsent);
    if (flushed != STATUS_OK && (status == STATUS_OK || import->is_interrupted)) {
        status = fault_set(fault, flushed, "%s", unsent.text);
    }
    if (import->note_path != NULL && flushed == STATUS_OK) {
        (void)reject_settle(reject, &import->note.reject_bytes, &unsent);
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

/* --- the end ---------------------------------------------------------------------------------- */

static struct import_summary summary_of(const struct import *import)
{
    return (struct import_summary){
        .call = import->call,
        .figures = import_load_figures(import->load),
        .notes = import_load_notes(import->load),
        .reject_files = import->reject_files,
        .elapsed_ms = clock_ms() - import->began_ms,
        .resumed_line = import->resumed_line,
        .is_interrupted = import->is_interrupted,
        .is_resumable = import->note_path != NULL,
        .stopped_file = import->stopped_file,
        .stopped_line = import->stopped_line,
    };
}

static int finish(const struct import *import)
{
    const struct import_figures *figures = import_load_figures(import->load);
    const struct import_summary summary = summary_of(import);
    if (import->call->is_json) {
        import_summary_json(&summary);
    } else {
        import_summary_say(&summary);
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
        const struct import_summary summary = summary_of(import);
        import_summary_say(&summary);
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

/* 0: unknown, as of a pipe. */
static uint64_t input_bytes(const struct command_call *call)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < call->argument_count; i++) {
        struct stat about;
        if (stat(call->arguments[i], &about) != 0 || !S_ISREG(about.st_mode)) {
            return 0;
        }
        bytes += (uint64_t)about.st_size;
    }
    return bytes > 0 ? bytes : 1;
}

/* Options that change which records a file gives, and what becomes of them. */
static void describe_options(const struct command_call *call, char *out, size_t size)
{
    const char *format = command_option(call, "--format");
    const char *encoding = command_option(call, "--encoding");
    (void)snprintf(out, size, "%.20s %.30s %s", format == NULL ? "" : format,
                   encoding == NULL ? "" : encoding,
                   command_has(call, "--create-only") ? "create-only" : "");
}

/* What the first run noted must be about this file, read in this way. */
static int take_note(struct import *import, const char *path)
{
    struct command_call *call = import->call;
    struct fault fault = {STATUS_OK, ""};
    struct import_resume_note noted;
    enum status status = import_resume_read(import->note_path, &noted, &fault);
    if (status == STATUS_NOT_FOUND) {
        return EXIT_OK;
    }
    if (status != STATUS_OK) {
        return say_problem(call, PROBLEM_FILE, fault.text);
    }
    if (noted.size != import->note.size || noted.mtime_ns != import->note.mtime_ns) {
        return say_problem_because(
            call, PROBLEM_FILE, path,
            say_text(call,
                     "it was changed since the import that was cut off; import it without --resume",
                     "该文件在导入中断之后已被修改，请不带 --resume 重新导入"));
    }
    if (strcmp(noted.options, import->note.options) != 0) {
        return say_problem_because(
            call, PROBLEM_BAD_OPTION, "--resume",
            say_text(call,
                     "--format, --encoding and --create-only must be as in the import that was cut "
                     "off",
                     "--format、--encoding 和 --create-only 须与被中断的导入相同"));
    }
    import->note = noted;
    import->is_resumed = true;
    import->resumed_line = noted.line;
    return EXIT_OK;
}

/* Notes are made about one plain file; a new import of it begins without an old one. */
static int prepare_notes(struct import *import)
{
    struct command_call *call = import->call;
    bool is_resuming = command_has(call, "--resume");
    const char *path = call->arguments[0];
    if (call->argument_count != 1 || call->is_dry_run ||
        import_resume_about(path, &import->note) != STATUS_OK) {
        return is_resuming ? say_problem(call, PROBLEM_BAD_OPTION,
                                         "--resume: one FILE that is no pipe, without --dry-run")
                           : EXIT_OK;
    }
    size_t size = strlen(path) + sizeof ".resume";
    char *note_path = arena_alloc(call->arena, size);
    if (note_path == NULL) {
        return say_status(call, STATUS_NO_MEMORY, path, NULL);
    }
    (void)snprintf(note_path, size, "%s.resume", path);
    import->note_path = note_path;
    describe_options(call, import->note.options, sizeof import->note.options);
    if (is_resuming) {
        return take_note(import, path);
    }
    struct import_resume_note old;
    struct fault fault;
    if (import_resume_read(note_path, &old, &fault) == STATUS_OK) {
        (void)unlink(note_path);
    }
    return EXIT_OK;
}

/* Without it nothing counts that was done. */
static int say_unfinished(struct import *import, enum status status, const struct fault *fault)
{
    struct command_call *call = import->call;
    if (!call->is_json) {
        (void)fprintf(call->err, "%s\n",
                      say_text(call, "nothing was stored: the store is as it was before",
                               "未存储任何内容：数据库保持导入前的状态"));
    }
    return say_status(call, status, call->directory, fault);
}

static int run(struct import *import)
{
    struct command_call *call = import->call;
    struct fault fault = {STATUS_OK, ""};
    enum status status = import_load_open(call, command_has(call, "--create-only"),
                                          input_bytes(call), &import->load, &fault);
    if (status != STATUS_OK) {
        return say_status(call, status, call->directory, &fault);
    }
    bool is_silent = call->is_json || !call->err_is_terminal || command_has(call, "--no-progress");
    progress_init(&import->progress, is_silent ? NULL : call->err, call->is_chinese);
    import->opened_ms = clock_ms();
    import->began_ms = import->opened_ms;
    import->reject_files = json_array();
    const char *path = "";
    status = load_files(import, &path, &fault);
    struct fault unfinished = {STATUS_OK, ""};
    if (status == STATUS_OK && import->note_path != NULL && import_load_is_beside(import->load)) {
        (void)write_note(import, &unfinished); /* for who is cut off between the exchange and us */
    }
    enum status finished = import_load_finish(import->load, &unfinished);
    progress_clear(&import->progress);
    int exit_code = EXIT_OK;
    if (finished == STATUS_OK && import->is_interrupted && import->note_path != NULL) {
        (void)write_note(import, &unfinished);
    }
    if (finished != STATUS_OK) {
        exit_code = say_unfinished(import, finished, &unfinished);
    } else {
        exit_code = status == STATUS_OK ? finish(import) : stopped(import, status, path, &fault);
    }
    if (finished == STATUS_OK && status == STATUS_OK && !import->is_interrupted &&
        import->note_path != NULL && fflush(call->out) == 0) {
        (void)unlink(import->note_path); /* after the counts were told: they are lost with it */
    }
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
    exit_code = prepare_notes(&import);
    if (exit_code != EXIT_OK) {
        return exit_code;
    }
    watch_signals(&import);
    exit_code = run(&import);
    unwatch_signals(&import);
    return exit_code;
}
