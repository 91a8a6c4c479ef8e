/* SPDX-License-Identifier: Apache-2.0
 *
 * guantong record verify: every row of the store, beside the running node.
 */
#include <inttypes.h>
#include <time.h>

#include "admin/command.h"
#include "admin/command_reach.h"
#include "admin/progress.h"
#include "admin/say.h"
#include "registry/keys.h"
#include "registry/record_verify.h"

#define SHOW_EVERY_MS 200
#define ITEMS_MAX 10000 /* findings listed one by one */
#define WHAT_MAX 96

struct findings {
    struct command_call *call;
    struct arena *arena; /* of one finding */
    json_t *items;       /* with --json */
    uint64_t count;
    int64_t next_ms;
    bool is_shown;
};

static void clear_line(struct findings *f)
{
    if (f->is_shown) {
        (void)fputs("\r\033[K", f->call->err);
        (void)fflush(f->call->err);
        f->is_shown = false;
    }
}

static const char *flaw_word(enum record_flaw flaw)
{
    static const char *const words[] = {
        [RECORD_ROW_DAMAGED] = "damaged",     [RECORD_HISTORY_DAMAGED] = "damaged_in_history",
        [RECORD_HISTORY_LOST] = "lost",       [RECORD_MARK_DAMAGED] = "deletion_mark_damaged",
        [RECORD_VERSION_MISSING] = "missing", [RECORD_VERSION_DIFFERS] = "not_as_digested",
        [RECORD_INDEX_WRONG] = "index_wrong",
    };
    return words[flaw];
}

static const char *flaw_text(struct command_call *call, enum record_flaw flaw)
{
    switch (flaw) {
    case RECORD_ROW_DAMAGED:
        return say_text(call, "damaged", "已损坏");
    case RECORD_HISTORY_DAMAGED:
        return say_text(call, "damaged in history", "历史版本已损坏");
    case RECORD_HISTORY_LOST:
        return say_text(call, "lost to earlier damage, replaced since", "早前损坏丢失，已被替换");
    case RECORD_MARK_DAMAGED:
        return say_text(call, "its deletion mark is damaged", "删除标记已损坏");
    case RECORD_VERSION_MISSING:
        return say_text(call, "in the journal, but nowhere stored", "日志中有，但未存储");
    case RECORD_INDEX_WRONG:
        return say_text(call, "not as the index of enterprises says", "与企业索引不一致");
    case RECORD_VERSION_DIFFERS:
        break;
    }
    return say_text(call, "not what the journal digested", "与日志摘要不一致");
}

/* The key as people know it; a shortened one is cut before its hash. */
static const char *key_text(struct arena *arena, struct bytes key)
{
    bool is_cut = keys_is_shortened(key);
    const char *text = say_printable(arena, is_cut ? bytes_of(key.data, KEYS_PLAIN_MAX) : key);
    size_t size = strlen(text) + 4;
    char *whole = is_cut ? arena_alloc(arena, size) : NULL;
    if (whole == NULL) {
        return text;
    }
    (void)snprintf(whole, size, "%s...", text);
    return whole;
}

static void verify_on_found(void *context, const struct record_finding *finding)
{
    struct findings *f = context;
    struct command_call *call = f->call;
    if (f->count++ >= ITEMS_MAX) {
        return;
    }
    const char *key = key_text(f->arena, finding->key);
    if (f->items != NULL) {
        json_t *version =
            finding->version == 0 ? json_null() : json_integer((json_int_t)finding->version);
        (void)json_array_append_new(
            f->items, json_pack("{s:s, s:s, s:o, s:s}", "table", change_table_name(finding->table),
                                "key", key, "version", version, "flaw", flaw_word(finding->flaw)));
    } else {
        char version[40] = "";
        if (finding->version != 0) {
            (void)snprintf(version, sizeof(version), "  v%" PRIu64, finding->version);
        }
        clear_line(f);
        (void)fprintf(call->out, "%s %s%s  %s\n", change_table_name(finding->table), key, version,
                      flaw_text(call, finding->flaw));
    }
    arena_reset(f->arena);
}

/* --- progress --------------------------------------------------------------------------------- */

static const char *phase_text(struct command_call *call, enum record_verify_phase phase)
{
    switch (phase) {
    case RECORD_VERIFY_RECORDS:
        return say_text(call, "records", "记录");
    case RECORD_VERIFY_HISTORY:
        return say_text(call, "history", "历史");
    case RECORD_VERIFY_MARKS:
        return say_text(call, "deletions", "删除标记");
    case RECORD_VERIFY_APIKEYS:
        return say_text(call, "API keys", "API 密钥");
    case RECORD_VERIFY_PREFIXES:
    case RECORD_VERIFY_ENTERPRISES:
    case RECORD_VERIFY_INDEX:
        return say_text(call, "prefixes", "前缀");
    case RECORD_VERIFY_JOURNAL:
        break;
    }
    return say_text(call, "journal", "日志");
}

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool verify_on_progress(void *context, enum record_verify_phase phase, uint64_t done,
                               uint64_t total)
{
    struct findings *f = context;
    struct command_call *call = f->call;
    if (call->err_is_terminal && !call->is_json && now_ms() >= f->next_ms) {
        char counted[32];
        char all[32];
        progress_count(done, counted);
        progress_count(total, all);
        (void)fprintf(call->err, "\r%s: %s / %s\033[K", phase_text(call, phase), counted, all);
        (void)fflush(call->err);
        f->next_ms = now_ms() + SHOW_EVERY_MS;
        f->is_shown = true;
    }
    return true;
}

/* --- the report ------------------------------------------------------------------------------- */

static int tell_json(struct findings *f, const struct record_verify_report *report, bool holds)
{
    json_t *counters =
        report->counters_compared ? json_boolean(report->counters_hold) : json_null();
    json_t *items = f->items;
    f->items = NULL;
    int exit = say_json(
        f->call,
        json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:I, s:s, s:o}", "holds", holds,
                  "records", (json_int_t)report->records, "history_rows",
                  (json_int_t)report->history_rows, "deletions", (json_int_t)report->marks,
                  "prefixes", (json_int_t)report->prefixes, "journal_items",
                  (json_int_t)report->journal.items, "damaged", (json_int_t)report->damaged, "lost",
                  (json_int_t)report->lost, "counters_hold", counters, "first_bad_position",
                  (json_int_t)report->journal.first_bad_position, "reason", report->journal.reason,
                  "items", items));
    return exit == EXIT_OK && !holds ? EXIT_NEGATIVE : exit;
}

static int tell_damage(struct findings *f, const struct record_verify_report *report)
{
    char what[WHAT_MAX];
    (void)snprintf(what, sizeof(what), "%" PRIu64 " %s", report->damaged,
                   say_text(f->call, "rows damaged, missing or changed", "行损坏、缺失或被改动"));
    if (f->count > ITEMS_MAX) {
        (void)fprintf(f->call->out, "... (%" PRIu64 ")\n", f->count);
    }
    return say_problem_because(f->call, PROBLEM_ROWS_DAMAGED, what, report->journal.reason);
}

static int tell_report(struct findings *f, const struct record_verify_report *report, bool holds)
{
    struct command_call *call = f->call;
    if (call->is_json) {
        return tell_json(f, report, holds);
    }
    if (!holds) {
        return tell_damage(f, report);
    }
    char records[32];
    char versions[32];
    char items[32];
    progress_count(report->records, records);
    progress_count(report->history_rows, versions);
    progress_count(report->journal.items, items);
    (void)fprintf(call->out,
                  call->is_chinese
                      ? "每一行均完好：%s 条记录，%s 个历史版本，日志 %s 项，计数与重新清点一致\n"
                      : "every row holds: %s records, %s superseded versions, %s journal items, "
                        "counters equal a recount\n",
                  records, versions, items);
    if (report->lost > 0) {
        (void)fprintf(call->out,
                      call->is_chinese ? "早前损坏丢失的历史版本：%" PRIu64 "\n"
                                       : "superseded versions lost to earlier damage: %" PRIu64
                                         "\n",
                      report->lost);
    }
    return EXIT_OK;
}

static int verify(struct command_call *call, struct registry *registry)
{
    struct findings f = {.call = call,
                         .arena = arena_new(16u << 10, 1u << 20),
                         .items = call->is_json ? json_array() : NULL};
    struct record_verify_report report;
    const struct record_verify_watch watch = {verify_on_found, verify_on_progress, &f};
    enum status status =
        f.arena == NULL ? STATUS_NO_MEMORY : record_verify(registry, &watch, &report);
    clear_line(&f);
    int exit = status == STATUS_OK || status == STATUS_CORRUPT
                   ? tell_report(&f, &report, status == STATUS_OK)
                   : say_status(call, status, call->directory, NULL);
    json_decref(f.items);
    arena_free(f.arena);
    return exit;
}

int command_record_verify(struct command_call *call)
{
    struct registry *registry = NULL;
    struct snapshot *snapshot = NULL;
    int exit = command_open_store(call, &registry, &snapshot);
    if (exit != EXIT_OK) {
        return exit;
    }
    snapshot_rest(snapshot);
    exit = verify(call, registry);
    command_close_store(registry, snapshot);
    return exit;
}
