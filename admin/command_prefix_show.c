/* SPDX-License-Identifier: Apache-2.0
 *
 * guantong prefix show: all this node knows about one prefix: its row, what it holds and may hold,
 * the service its record tells, and what probes say about the way there.
 */
#include <inttypes.h>

#include "admin/command_reach.h"
#include "admin/route_states.h"
#include "admin/say.h"
#include "protocol/record_json.h"
#include "protocol/text.h"
#include "resolver/probe_check.h"
#include "resolver/probe_route.h"

#define LINE_MAX_LEN 64

struct shown {
    struct command_call *call;
    struct prefix_row row;
    uint64_t identifiers;
    uint64_t bytes;
    bool has_record; /* 0.NA/<prefix> */
    struct value *values;
    size_t value_count;
    struct probe_route route;
    json_t *states;      /* NULL: it is not probed */
    const json_t *track; /* within the states; NULL: nothing is known */
    bool is_live;
};

/* --- reading ---------------------------------------------------------------------------------- */

static bool tells_site(const struct value *value)
{
    return bytes_equal_nocase(value->type, BYTES_LITERAL("HS_SITE")) ||
           bytes_equal_nocase(value->type, BYTES_LITERAL("HS_SITE.6"));
}

/* The record of the prefix, copied. OK: also when there is none. */
static enum status read_record(struct shown *shown, struct snapshot *snapshot)
{
    struct arena *arena = shown->call->arena;
    uint8_t name[HANDLE_EXPANDED_MAX];
    struct bytes handle;
    struct record_row row;
    enum status status = handle_expand(shown->row.prefix, name, &handle);
    if (status == STATUS_OK) {
        status = registry_get_record(snapshot, handle, CASE_INSENSITIVE, &row);
    }
    if (status != STATUS_OK) {
        return status == STATUS_HANDLE_NOT_FOUND ? STATUS_OK : status;
    }
    struct bytes stored = arena_copy(arena, row.values);
    if (stored.data == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct wire_reader r = wire_read(stored);
    shown->has_record = true;
    status = value_list_decode(&r, arena, &shown->values, &shown->value_count);
    return status == STATUS_OK
               ? probe_route_read(shown->values, shown->value_count, arena, &shown->route)
               : status;
}

static enum status read_all(struct shown *shown, struct snapshot *snapshot)
{
    struct command_call *call = shown->call;
    struct bytes prefix = bytes_of_text(call->arguments[0]);
    enum status status = registry_get_prefix(snapshot, prefix, &shown->row);
    if (status != STATUS_OK) {
        return status;
    }
    shown->identifiers = registry_counter(snapshot, shown->row.prefix, COUNTER_IDENTIFIERS);
    shown->bytes = registry_counter(snapshot, shown->row.prefix, COUNTER_BYTES);
    shown->row.prefix = arena_copy(call->arena, shown->row.prefix);
    shown->row.enterprise = arena_copy(call->arena, shown->row.enterprise);
    return shown->row.prefix.data == NULL || shown->row.enterprise.data == NULL
               ? STATUS_NO_MEMORY
               : read_record(shown, snapshot);
}

static const char *state_of(const struct prefix_row *row)
{
    switch (row->state) {
    case PREFIX_ACTIVE:
        return "active";
    case PREFIX_STOPPED:
        return "stopped";
    case PREFIX_UNHOMED:
        return "unhomed";
    case PREFIX_READ_ONLY:
        return "read-only";
    }
    return "?";
}

static const char *hosting_of(const struct prefix_row *row)
{
    return row->hosting == PREFIX_DELEGATED ? "delegated" : "hosted";
}

/* --- as JSON ---------------------------------------------------------------------------------- */

static json_t *text_json(struct bytes text)
{
    return text.len == 0 ? json_null() : json_stringn((const char *)text.data, text.len);
}

static json_t *service_json(const struct shown *shown)
{
    json_t *sites = json_array();
    json_t *ways = json_array();
    for (size_t i = 0; i < shown->value_count; i++) {
        json_t *site =
            tells_site(&shown->values[i]) ? site_json_encode(shown->values[i].data) : NULL;
        if (site != NULL) {
            (void)json_array_append_new(sites, site);
        }
    }
    for (size_t i = 0; i < shown->route.count; i++) {
        char where[PROBE_WHERE_MAX];
        probe_where(&shown->route.targets[i], where);
        (void)json_array_append_new(ways, json_string(where));
    }
    return json_pack("{s:o, s:o, s:o}", "handle", text_json(shown->route.alias), "ways", ways,
                     "sites", sites);
}

static int show_json(const struct shown *shown)
{
    const struct prefix_row *row = &shown->row;
    char created[TEXT_TIME_LEN];
    text_time_ms(row->created_ms, created);
    json_t *document = json_pack(
        "{s:o, s:s, s:s, s:o, s:b, s:s, s:I, s:I, s:I, s:I, s:I}", "prefix", text_json(row->prefix),
        "state", state_of(row), "hosting", hosting_of(row), "enterprise",
        text_json(row->enterprise), "case_sensitive", row->case_rule == CASE_SENSITIVE, "created",
        created, "version", (json_int_t)row->version, "identifiers", (json_int_t)shown->identifiers,
        "max_identifiers", (json_int_t)row->max_identifiers, "bytes", (json_int_t)shown->bytes,
        "max_bytes", (json_int_t)row->max_bytes);
    (void)json_object_set_new(document, "has_record", json_boolean(shown->has_record));
    (void)json_object_set_new(document, "service", service_json(shown));
    json_t *route = shown->track == NULL ? json_null() : json_deep_copy(shown->track);
    if (shown->track != NULL) {
        (void)json_object_set_new(route, "is_live", json_boolean(shown->is_live));
    }
    (void)json_object_set_new(document, "route", route);
    return say_json(shown->call, document);
}

/* --- for people ------------------------------------------------------------------------------- */

static void line(const struct shown *shown, struct say_table *table, const char *english,
                 const char *chinese, const char *text)
{
    const char *cells[] = {say_text(shown->call, english, chinese), text};
    say_table_row(table, cells);
}

static void limit_line(const struct shown *shown, struct say_table *table,
                       const char *const words[2], uint64_t used, uint64_t limit)
{
    char text[LINE_MAX_LEN];
    if (limit == 0) {
        (void)snprintf(text, sizeof(text), "%" PRIu64, used);
    } else {
        (void)snprintf(text, sizeof(text), "%" PRIu64 "%s%" PRIu64, used,
                       say_text(shown->call, " of at most ", "，上限 "), limit);
    }
    line(shown, table, words[0], words[1], text);
}

static void service_lines(const struct shown *shown, struct say_table *table)
{
    struct command_call *call = shown->call;
    if (!shown->has_record) {
        line(shown, table, "service", "服务", say_text(call, "no prefix record", "没有前缀记录"));
    } else if (shown->route.alias.len > 0) {
        line(shown, table, "service", "服务", say_printable(call->arena, shown->route.alias));
    } else if (shown->route.count == 0) {
        line(shown, table, "service", "服务",
             say_text(call, "none told in its record", "前缀记录中未登记"));
    }
    for (size_t i = 0; i < shown->route.count; i++) {
        char where[PROBE_WHERE_MAX];
        probe_where(&shown->route.targets[i], where);
        line(shown, table, i == 0 ? "service" : "", i == 0 ? "服务" : "",
             say_printable(call->arena, bytes_of_text(where)));
    }
}

static void row_lines(const struct shown *shown, struct say_table *table)
{
    static const char *const identifiers[] = {"identifiers", "标识数"};
    static const char *const bytes[] = {"bytes", "字节"};
    struct command_call *call = shown->call;
    const struct prefix_row *row = &shown->row;
    char created[TEXT_TIME_LEN];
    text_time_ms(row->created_ms, created);
    line(shown, table, "state", "状态", state_of(row));
    line(shown, table, "hosting", "承载方式",
         row->hosting == PREFIX_DELEGATED
             ? say_text(call, "delegated to a node of its own", "委派给其自有节点")
             : say_text(call, "hosted here", "由本节点承载"));
    line(shown, table, "enterprise", "企业", say_printable(call->arena, row->enterprise));
    limit_line(shown, table, identifiers, shown->identifiers, row->max_identifiers);
    limit_line(shown, table, bytes, shown->bytes, row->max_bytes);
    line(shown, table, "case", "大小写",
         row->case_rule == CASE_SENSITIVE ? say_text(call, "suffixes differ by case", "后缀区分")
                                          : say_text(call, "does not matter", "不区分"));
    line(shown, table, "since", "创建时间", created);
}

static int show_text(const struct shown *shown)
{
    struct command_call *call = shown->call;
    const char *headings[] = {say_text(call, "PREFIX", "前缀"),
                              say_printable(call->arena, shown->row.prefix)};
    struct say_table *table = say_table_new(headings, 2);
    row_lines(shown, table);
    service_lines(shown, table);
    if (shown->row.hosting == PREFIX_DELEGATED) {
        line(shown, table, "route", "路由",
             shown->track == NULL ? say_text(call, "not probed yet", "尚未探测")
                                  : route_states_line(call, shown->track));
    }
    say_table_print(table, call->out);
    return EXIT_OK;
}

/* --- the command ------------------------------------------------------------------------------ */

static int say_failure(const struct shown *shown, enum status status)
{
    struct command_call *call = shown->call;
    return status == STATUS_NOT_FOUND ? say_problem(call, PROBLEM_NOT_HOMED, call->arguments[0])
                                      : say_status(call, status, call->arguments[0], NULL);
}

int command_prefix_show(struct command_call *call)
{
    struct registry *registry = NULL;
    struct snapshot *snapshot = NULL;
    struct shown shown = {.call = call};
    struct fault fault = {.status = STATUS_OK};
    if (handle_check_prefix(bytes_of_text(call->arguments[0]), &fault) != STATUS_OK) {
        return say_problem_because(call, PROBLEM_INVALID_PREFIX, call->arguments[0], fault.text);
    }
    int exit = command_open_store(call, &registry, &snapshot);
    if (exit != EXIT_OK) {
        return exit;
    }
    enum status status = read_all(&shown, snapshot);
    command_close_store(registry, snapshot);
    if (status != STATUS_OK) {
        return say_failure(&shown, status);
    }
    if (shown.row.hosting == PREFIX_DELEGATED) {
        shown.states = route_states(call, call->arguments[0], &shown.is_live);
        shown.track = route_states_of(shown.states, shown.row.prefix);
    }
    exit = call->is_json ? show_json(&shown) : show_text(&shown);
    json_decref(shown.states);
    return exit;
}
