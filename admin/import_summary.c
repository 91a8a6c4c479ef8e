/* SPDX-License-Identifier: Apache-2.0
 *
 * The end of an import, told to people and to programs (import_summary.h).
 */
#include "admin/import_summary.h"

#include <inttypes.h>

#include "admin/progress.h"
#include "admin/say.h"

static void say_notes(const struct import_summary *summary)
{
    struct command_call *call = summary->call;
    const struct import_notes *notes = summary->notes;
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

static void say_rejected(const struct import_summary *summary, const struct import_figures *figures)
{
    struct command_call *call = summary->call;
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
    json_array_foreach(summary->reject_files, at, path)
    {
        (void)fprintf(call->err, "%s %s\n", say_text(call, "rejected rows:", "被拒绝的行："),
                      json_string_value(path));
    }
}

static void say_interrupted(const struct import_summary *summary)
{
    struct command_call *call = summary->call;
    (void)fprintf(call->err,
                  call->is_chinese ? "已中断于第 %" PRIu64 " 行（%s），此前各行均已处理\n%s\n"
                                   : "interrupted at line %" PRIu64
                                     " of %s: everything before it is done\n%s\n",
                  summary->stopped_line, summary->stopped_file,
                  summary->is_resumable
                      ? say_text(call, "to go on, run the same command with --resume",
                                 "继续导入请在同一命令后加 --resume")
                      : say_text(call,
                                 "to go on, run the same command again: rows already stored are "
                                 "left alone",
                                 "继续导入请重新执行同一命令：已存储的行不会重复写入"));
}

void import_summary_say(const struct import_summary *summary)
{
    struct command_call *call = summary->call;
    const struct import_figures *figures = summary->figures;
    char counts[6][32];
    uint64_t elapsed = summary->elapsed_ms > 0 ? (uint64_t)summary->elapsed_ms : 1;
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
                  counts[0], (double)summary->elapsed_ms / 1000.0, counts[1], counts[2], counts[3],
                  counts[4], counts[5]);
    (void)fflush(call->out);
    say_rejected(summary, figures);
    say_notes(summary);
    if (summary->is_interrupted) {
        say_interrupted(summary);
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

void import_summary_json(const struct import_summary *summary)
{
    const struct import_figures *figures = summary->figures;
    uint64_t elapsed = summary->elapsed_ms > 0 ? (uint64_t)summary->elapsed_ms : 1;
    json_t *document =
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:b, s:o, s:O}", "records",
                  (json_int_t)figures->read, "created", (json_int_t)figures->created, "replaced",
                  (json_int_t)figures->replaced, "unchanged", (json_int_t)figures->unchanged,
                  "rejected", (json_int_t)figures->rejected, "over_quota",
                  (json_int_t)figures->over_quota, "elapsed_ms", (json_int_t)summary->elapsed_ms,
                  "records_per_second", (json_int_t)(figures->read * 1000 / elapsed), "dry_run",
                  (int)summary->call->is_dry_run, "interrupted", (int)summary->is_interrupted,
                  "warnings", notes_json(summary->notes), "reject_files", summary->reject_files);
    json_t *first = json_array();
    for (size_t i = 0; i < figures->example_count; i++) {
        json_array_append_new(first, json_string(figures->examples[i]));
    }
    json_object_set_new(document, "first_rejected", first);
    if (summary->resumed_line > 0) {
        json_object_set_new(document, "resumed_behind_line",
                            json_integer((json_int_t)summary->resumed_line));
    }
    if (summary->is_interrupted) {
        json_object_set_new(document, "resume",
                            json_pack("{s:s, s:I}", "file", summary->stopped_file, "line",
                                      (json_int_t)summary->stopped_line));
    }
    (void)say_json(summary->call, document);
}
