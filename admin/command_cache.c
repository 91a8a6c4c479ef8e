/* SPDX-License-Identifier: Apache-2.0
 *
 * guantong cache show|flush|stats: what the node keeps of other nodes' answers.
 *
 * Looking opens the cache read-only beside the daemon; flushing is the daemon's, as one thread
 * alone writes there.
 */
#include <stdlib.h>
#include <time.h>

#include "admin/command.h"
#include "admin/command_reach.h"
#include "admin/directory.h"
#include "admin/say.h"
#include "admin/value_show.h"
#include "protocol/record_json.h"
#include "protocol/text.h"
#include "resolver/cache.h"

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int open_view(struct command_call *call, struct cache **out_cache)
{
    struct fault fault = {.status = STATUS_OK};
    const char *path = directory_path(call->arena, call->directory, "cache");
    enum status status = path == NULL ? STATUS_NO_MEMORY : cache_open_view(path, out_cache, &fault);
    return status == STATUS_OK ? EXIT_OK : say_status(call, status, path, &fault);
}

static const char *state_name(const struct cache_entry *entry, int64_t at_ms)
{
    if (entry->fetched_ms > at_ms || entry->kept_until_ms <= at_ms) {
        return "over";
    }
    return at_ms < entry->expires_ms ? "fresh" : "stale";
}

static const char *kind_name(const struct cache_row *row)
{
    if (row->kind == CACHE_SITES) {
        return "sites";
    }
    if (row->entry.code != 1) {
        return "negative";
    }
    return row->is_filtered ? "part" : "record";
}

/* --- show ------------------------------------------------------------------------------------- */

static enum status read_record(struct command_call *call, const struct cache_row *row,
                               struct record *out_record)
{
    *out_record = (struct record){.handle = row->entry.handle};
    if (row->entry.values.len == 0) {
        return STATUS_OK;
    }
    struct wire_reader r = wire_read(row->entry.values);
    return value_list_decode(&r, call->arena, &out_record->values, &out_record->count);
}

static json_t *row_json(const struct cache_row *row, const struct record *record, int64_t at_ms)
{
    char fetched[TEXT_TIME_LEN];
    char expires[TEXT_TIME_LEN];
    text_time_ms(row->entry.fetched_ms, fetched);
    text_time_ms(row->entry.expires_ms, expires);
    json_t *document = record_json_encode(record, RECORD_JSON_PERMISSIONS);
    json_t *facts =
        json_pack("{s:s, s:s, s:I, s:b, s:s, s:s}", "kind", kind_name(row), "state",
                  state_name(&row->entry, at_ms), "code", (json_int_t)row->entry.code, "verified",
                  (row->entry.flags & CACHE_VERIFIED) != 0, "fetched", fetched, "expires", expires);
    (void)json_object_update(document, facts);
    json_decref(facts);
    return document;
}

static void print_values(struct command_call *call, const struct cache_row *row,
                         const struct record *record, int64_t at_ms)
{
    const char *headings[] = {say_text(call, "INDEX", "索引"), say_text(call, "TYPE", "类型"),
                              say_text(call, "TTL LEFT", "剩余 TTL"),
                              say_text(call, "DATA", "数据")};
    struct say_table *table = say_table_new(headings, 4);
    for (size_t i = 0; i < record->count; i++) {
        struct value value = record->values[i];
        value.ttl = cache_ttl(&row->entry, &value, at_ms);
        const char *cells[] = {
            value_show_format(call->arena, "%lu", (unsigned long)value.index),
            say_printable(call->arena, value.type),
            value_show_ttl(call->arena, &value),
            value_show_data(call->arena, &value),
        };
        for (size_t j = 0; j < 4; j++) {
            cells[j] = cells[j] == NULL ? "?" : cells[j];
        }
        say_table_row(table, cells);
    }
    say_table_print(table, call->out);
}

static void print_row(struct command_call *call, const struct cache_row *row,
                      const struct record *record, int64_t at_ms)
{
    char fetched[TEXT_TIME_LEN];
    char expires[TEXT_TIME_LEN];
    text_time_ms(row->entry.fetched_ms, fetched);
    text_time_ms(row->entry.expires_ms, expires);
    (void)fprintf(call->out, "%s  %s, %s, %s%s\n", say_printable(call->arena, row->entry.handle),
                  kind_name(row), state_name(&row->entry, at_ms),
                  value_show_code(call->arena, row->entry.code, call->is_chinese),
                  (row->entry.flags & CACHE_VERIFIED) == 0
                      ? ""
                      : say_text(call, ", signature verified", "，签名已验证"));
    (void)fprintf(call->out, "%s %s, %s %s\n", say_text(call, "fetched", "获取于"), fetched,
                  say_text(call, "fresh until", "有效至"), expires);
    if (record->count > 0) {
        print_values(call, row, record, at_ms);
    }
}

/* How many were shown. */
static size_t show_rows(struct command_call *call, struct cache_walk *walk, json_t *list)
{
    struct cache_row row;
    struct record record;
    int64_t at_ms = now_ms();
    size_t shown = 0;
    while (cache_walk_next(walk, &row) == STATUS_OK) {
        if (read_record(call, &row, &record) != STATUS_OK) {
            continue;
        }
        if (list != NULL) {
            (void)json_array_append_new(list, row_json(&row, &record, at_ms));
        } else {
            print_row(call, &row, &record, at_ms);
        }
        shown++;
    }
    return shown;
}

int command_cache_show(struct command_call *call)
{
    struct cache *cache = NULL;
    struct cache_walk *walk = NULL;
    struct bytes handle;
    const char *name = call->arguments[0];
    enum status status = command_handle(call, name, &handle);
    if (status != STATUS_OK) {
        return say_status(call, status, name, NULL);
    }
    int exit = open_view(call, &cache);
    if (exit != EXIT_OK) {
        return exit;
    }
    status = cache_walk_open(cache, CACHE_NAME, handle, &walk);
    json_t *list = call->is_json ? json_array() : NULL;
    size_t shown = status == STATUS_OK ? show_rows(call, walk, list) : 0;
    cache_walk_close(walk);
    cache_close(cache);
    if (status != STATUS_OK || shown == 0) {
        json_decref(list);
        return status != STATUS_OK ? say_status(call, status, name, NULL)
                                   : say_problem(call, PROBLEM_NOT_CACHED, name);
    }
    return list == NULL ? EXIT_OK : say_json(call, list);
}

/* --- flush ------------------------------------------------------------------------------------ */

int command_cache_flush(struct command_call *call)
{
    const char *prefix = command_option(call, "--prefix");
    bool is_all = command_has(call, "--all");
    const char *name = call->argument_count > 0 ? call->arguments[0] : NULL;
    if ((prefix != NULL) + is_all + (name != NULL) != 1) {
        return say_problem(call, PROBLEM_BAD_ARGUMENT,
                           say_text(call, "one of NAME, --prefix, --all is needed",
                                    "请给出 标识、--prefix、--all 之一"));
    }
    const char *scope = is_all ? "all" : prefix != NULL ? "prefix" : "name";
    const char *what = prefix != NULL ? prefix : name != NULL ? name : "";
    json_t *result = NULL;
    int exit = command_ask_node(call, "cache flush",
                                json_pack("{s:s, s:s}", "scope", scope, "name", what), &result);
    if (exit != EXIT_OK) {
        return exit;
    }
    if (call->is_json) {
        return say_json(call, result);
    }
    (void)fprintf(call->out, "%" JSON_INTEGER_FORMAT " %s\n",
                  json_integer_value(json_object_get(result, "removed")),
                  say_text(call, "answers removed", "条应答已删除"));
    json_decref(result);
    return EXIT_OK;
}

/* --- stats ------------------------------------------------------------------------------------ */

enum { STAT_FRESH, STAT_STALE, STAT_OVER, STAT_STATES };

static const char *const stat_kinds[] = {"record", "part", "negative", "sites"};
#define STAT_KINDS (sizeof(stat_kinds) / sizeof(stat_kinds[0]))

struct counted {
    json_int_t entries[STAT_KINDS][STAT_STATES];
};

static void count_row(struct counted *counted, const struct cache_row *row, int64_t at_ms)
{
    const char *state = state_name(&row->entry, at_ms);
    size_t column = state[0] == 'f' ? STAT_FRESH : state[0] == 's' ? STAT_STALE : STAT_OVER;
    for (size_t i = 0; i < STAT_KINDS; i++) {
        if (strcmp(stat_kinds[i], kind_name(row)) == 0) {
            counted->entries[i][column]++;
        }
    }
}

static enum status count_all(struct cache *cache, struct counted *counted,
                             struct cache_figures *figures)
{
    struct cache_walk *walk = NULL;
    struct cache_row row;
    int64_t at_ms = now_ms();
    enum status status = cache_figures(cache, figures);
    if (status == STATUS_OK) {
        status = cache_walk_open(cache, CACHE_ALL, BYTES_NONE, &walk);
    }
    if (status != STATUS_OK) {
        return status;
    }
    while ((status = cache_walk_next(walk, &row)) == STATUS_OK) {
        count_row(counted, &row, at_ms);
    }
    cache_walk_close(walk);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static json_t *stats_json(const struct counted *counted, const struct cache_figures *figures)
{
    json_t *kinds = json_object();
    for (size_t i = 0; i < STAT_KINDS; i++) {
        const json_int_t *entries = counted->entries[i];
        (void)json_object_set_new(kinds, stat_kinds[i],
                                  json_pack("{s:I, s:I, s:I}", "fresh", entries[STAT_FRESH],
                                            "stale", entries[STAT_STALE], "over",
                                            entries[STAT_OVER]));
    }
    return json_pack("{s:I, s:I, s:I, s:o}", "entries", (json_int_t)figures->entries, "used_bytes",
                     (json_int_t)figures->used_bytes, "max_bytes", (json_int_t)figures->max_bytes,
                     "kinds", kinds);
}

static void print_stats(struct command_call *call, const struct counted *counted,
                        const struct cache_figures *figures)
{
    const char *headings[] = {say_text(call, "KIND", "种类"), say_text(call, "FRESH", "有效"),
                              say_text(call, "STALE", "过期可用"), say_text(call, "OVER", "失效")};
    struct say_table *table = say_table_new(headings, 4);
    for (size_t i = 0; i < STAT_KINDS; i++) {
        const char *cells[4] = {stat_kinds[i]};
        for (size_t j = 0; j < STAT_STATES; j++) {
            cells[j + 1] =
                value_show_format(call->arena, "%" JSON_INTEGER_FORMAT, counted->entries[i][j]);
        }
        say_table_row(table, cells);
    }
    say_table_print(table, call->out);
    (void)fprintf(call->out,
                  call->is_chinese
                      ? "已用 %llu 字节，上限 %llu 字节；命中情况见 guantong stats\n"
                      : "%llu bytes used of %llu; guantong stats tells hits and misses\n",
                  (unsigned long long)figures->used_bytes, (unsigned long long)figures->max_bytes);
}

int command_cache_stats(struct command_call *call)
{
    struct cache *cache = NULL;
    struct counted counted = {.entries = {{0}}};
    struct cache_figures figures;
    int exit = open_view(call, &cache);
    if (exit != EXIT_OK) {
        return exit;
    }
    enum status status = count_all(cache, &counted, &figures);
    cache_close(cache);
    if (status != STATUS_OK) {
        return say_status(call, status, call->directory, NULL);
    }
    if (call->is_json) {
        return say_json(call, stats_json(&counted, &figures));
    }
    print_stats(call, &counted, &figures);
    return EXIT_OK;
}
