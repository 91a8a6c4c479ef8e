/* SPDX-License-Identifier: Apache-2.0
 *
 * guantong journal tail|verify.
 */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "admin/command.h"
#include "admin/command_reach.h"
#include "admin/say.h"
#include "protocol/text.h"
#include "registry/journal.h"

#define TAIL_DEFAULT 10
#define TAIL_MAX 1000000
#define FOLLOW_MS 250

static const char *operation_word(const struct journal_item *item)
{
    return item->operation == JOURNAL_DELETE ? "delete" : "put";
}

static const char *class_word(enum journal_class class)
{
    switch (class) {
    case JOURNAL_PUBLIC:
        return "public";
    case JOURNAL_RESTRICTED:
        return "restricted";
    case JOURNAL_INTERNAL:
        return "internal";
    }
    return "?";
}

static json_t *item_json(struct arena *arena, const struct journal_item *item)
{
    return json_pack("{s:s, s:s, s:s, s:s*, s:I, s:s*}", "operation", operation_word(item), "table",
                     change_table_name(item->table), "class", class_word(item->class), "key",
                     say_printable(arena, item->key), "version", (json_int_t)item->version,
                     "digest", text_hex(arena, bytes_of(item->digest, sizeof(item->digest))));
}

static void print_json(struct command_call *call, struct arena *arena,
                       const struct journal_set *set)
{
    char time[TEXT_TIME_LEN];
    text_time_ms(set->time_ms, time);
    json_t *items = json_array();
    struct wire_reader r = wire_read(set->items);
    struct journal_item item;
    while (journal_next_item(&r, &item)) {
        (void)json_array_append_new(items, item_json(arena, &item));
    }
    say_json_line(call, json_pack("{s:I, s:I, s:s, s:s*, s:s*, s:s*, s:o}", "position",
                                  (json_int_t)set->position, "count", (json_int_t)set->count,
                                  "time", time, "actor", say_printable(arena, set->actor), "origin",
                                  say_printable(arena, set->origin), "chain",
                                  text_hex(arena, bytes_of(set->chain, sizeof(set->chain))),
                                  "items", items));
}

static void print_audit(struct command_call *call, struct arena *arena, struct snapshot *snapshot,
                        uint64_t position)
{
    struct bytes row = BYTES_NONE;
    if (journal_get_audit(snapshot, position, &row) == STATUS_OK) {
        (void)fprintf(call->out, "  %s", say_printable(arena, row));
    }
}

static void print_text(struct command_call *call, struct arena *arena, struct snapshot *snapshot,
                       const struct journal_set *set)
{
    char time[TEXT_TIME_LEN];
    text_time_ms(set->time_ms, time);
    struct wire_reader r = wire_read(set->items);
    struct journal_item item;
    for (uint64_t position = set->position; journal_next_item(&r, &item); position++) {
        (void)fprintf(call->out, "%" PRIu64 "  %s  %s  %s  %s %s %s v%" PRIu64, position, time,
                      say_printable(arena, set->actor), say_printable(arena, set->origin),
                      operation_word(&item), change_table_name(item.table),
                      say_printable(arena, item.key), item.version);
        if (item.table == CHANGE_AUDIT) {
            print_audit(call, arena, snapshot, position);
        }
        (void)fputc('\n', call->out);
    }
    if (!wire_ok(&r)) {
        (void)fprintf(call->out, "%" PRIu64 "  %s\n", set->position,
                      say_text(call, "damaged from here on", "此后已损坏"));
    }
}

/* The position of the set `count` sets before the end; 1 when there are fewer. */
static enum status find_start(struct snapshot *snapshot, uint64_t count, uint64_t *out_position)
{
    struct journal_set set;
    enum status status = journal_head(snapshot, &set);
    *out_position = 1;
    if (status == STATUS_OK && count == 0) {
        *out_position = set.position + set.count;
        return STATUS_OK;
    }
    for (; status == STATUS_OK && count > 1 && set.position > 1; count--) {
        status = journal_get(snapshot, set.position - 1, &set);
    }
    if (status == STATUS_OK) {
        *out_position = set.position;
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* Prints every set from `*position` on, which then is the next one to come. */
static enum status print_from(struct command_call *call, struct arena *arena,
                              struct snapshot *snapshot, uint64_t *position)
{
    struct journal_set set;
    enum status status = journal_get(snapshot, *position, &set);
    while (status == STATUS_OK) {
        if (call->is_json) {
            print_json(call, arena, &set);
        } else {
            print_text(call, arena, snapshot, &set);
        }
        arena_reset(arena);
        *position = set.position + set.count;
        status = snapshot_refresh(snapshot);
        status = status == STATUS_OK ? journal_get(snapshot, *position, &set) : status;
    }
    (void)fflush(call->out);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static enum status tail(struct command_call *call, struct snapshot *snapshot, uint64_t count)
{
    struct arena *arena = arena_new(64u << 10, 64u << 20);
    if (arena == NULL) {
        return STATUS_NO_MEMORY;
    }
    uint64_t position = 1;
    enum status status = find_start(snapshot, count, &position);
    if (status == STATUS_OK) {
        status = print_from(call, arena, snapshot, &position);
    }
    while (status == STATUS_OK && command_has(call, "--follow") && ferror(call->out) == 0) {
        const struct timespec pause = {.tv_nsec = FOLLOW_MS * 1000000L};
        snapshot_rest(snapshot);
        (void)nanosleep(&pause, NULL);
        status = snapshot_refresh(snapshot);
        if (status == STATUS_OK) {
            status = print_from(call, arena, snapshot, &position);
        }
    }
    arena_free(arena);
    return status;
}

int command_journal_tail(struct command_call *call)
{
    const char *wanted = command_option(call, "-n");
    uint64_t count = TAIL_DEFAULT;
    if (wanted != NULL && !command_number(wanted, TAIL_MAX, &count)) {
        return say_problem(call, PROBLEM_BAD_ARGUMENT, wanted);
    }
    struct registry *registry = NULL;
    struct snapshot *snapshot = NULL;
    int exit = command_open_store(call, &registry, &snapshot);
    if (exit != EXIT_OK) {
        return exit;
    }
    enum status status = tail(call, snapshot, count);
    if (status != STATUS_OK) {
        exit = say_status(call, status, call->directory, NULL);
    }
    command_close_store(registry, snapshot);
    return exit;
}

/* --- verify ----------------------------------------------------------------------------------- */

static bool journal_on_progress(void *context, uint64_t position, uint64_t head)
{
    struct command_call *call = context;
    if (call->err_is_terminal && !call->is_json) {
        (void)fprintf(call->err, "\r%" PRIu64 " / %" PRIu64, position, head);
    }
    return true;
}

static int tell_report(struct command_call *call, const struct journal_report *report)
{
    bool holds = report->first_bad_position == 0 && report->reason[0] == '\0';
    if (call->is_json) {
        (void)say_json(call,
                       json_pack("{s:b, s:I, s:I, s:I, s:I, s:s}", "holds", holds, "sets",
                                 (json_int_t)report->sets, "items", (json_int_t)report->items,
                                 "bodies", (json_int_t)report->bodies, "first_bad_position",
                                 (json_int_t)report->first_bad_position, "reason", report->reason));
        return holds ? EXIT_OK : EXIT_NEGATIVE;
    }
    if (holds) {
        (void)fprintf(call->out, "%s: %" PRIu64 " %s, %" PRIu64 " %s, %" PRIu64 " %s\n",
                      say_text(call, "the journal holds", "日志校验通过"), report->sets,
                      say_text(call, "sets", "个变更集"), report->items,
                      say_text(call, "items", "项"), report->bodies,
                      say_text(call, "bodies compared", "份内容已比对"));
        return EXIT_OK;
    }
    char where[32];
    (void)snprintf(where, sizeof(where), "%s %" PRIu64, say_text(call, "position", "位置"),
                   report->first_bad_position);
    return say_problem_because(call, PROBLEM_NOT_VERIFIED, where, report->reason);
}

int command_journal_verify(struct command_call *call)
{
    struct registry *registry = NULL;
    struct snapshot *snapshot = NULL;
    int exit = command_open_store(call, &registry, &snapshot);
    if (exit != EXIT_OK) {
        return exit;
    }
    snapshot_rest(snapshot);
    struct journal_report report = {.sets = 0};
    enum status status = journal_verify(registry, journal_on_progress, call, &report);
    if (call->err_is_terminal && !call->is_json) {
        (void)fputs("\r\033[K", call->err);
    }
    exit = status == STATUS_OK || report.reason[0] != '\0'
               ? tell_report(call, &report)
               : say_status(call, status, call->directory, NULL);
    command_close_store(registry, snapshot);
    return exit;
}
