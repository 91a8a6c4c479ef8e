/* SPDX-License-Identifier: Apache-2.0
 *
 * guantong prefix home|delegate|unhome|list.
 */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "admin/command.h"
#include "admin/command_reach.h"
#include "admin/delegation.h"
#include "admin/own_records.h"
#include "admin/prefix_service.h"
#include "admin/route_states.h"
#include "admin/say.h"
#include "admin/writer.h"

struct home {
    struct command_call *call;
    struct writer *writer;
    struct settings *settings;
    struct snapshot *snapshot; /* NULL: this user may not read the store */
    uint64_t max_identifiers;
    uint64_t max_bytes;
    json_t *items;
};

/* One row and, where its service changes, its record in the same set. */
struct home_change {
    const struct prefix_row *row;
    const struct delegation *service; /* NULL: the record stays as it is */
    const char *action;
    bool exists;
};

/* "10G", "512M", "1000": bytes. */
static bool parse_size(const char *text, uint64_t *out_bytes)
{
    static const char units[] = "KMGT";
    char digits[24];
    size_t len = strlen(text);
    const char *unit = len > 1 ? strchr(units, text[len - 1]) : NULL;
    size_t digit_count = unit != NULL && *unit != '\0' ? len - 1 : len;
    if (len == 0 || digit_count >= sizeof(digits)) {
        return false;
    }
    memcpy(digits, text, digit_count);
    digits[digit_count] = '\0';
    unsigned shift = digit_count == len ? 0 : 10 * (unsigned)(unit - units + 1);
    uint64_t number = 0;
    if (!command_number(digits, (uint64_t)INT64_MAX >> shift, &number)) {
        return false;
    }
    *out_bytes = number << shift;
    return true;
}

static int read_limits(struct home *home)
{
    struct command_call *call = home->call;
    const char *identifiers = command_option(call, "--max-identifiers");
    const char *bytes = command_option(call, "--max-bytes");
    if (identifiers != NULL && !command_number(identifiers, INT64_MAX, &home->max_identifiers)) {
        return say_problem(call, PROBLEM_BAD_ARGUMENT, identifiers);
    }
    if (bytes != NULL && !parse_size(bytes, &home->max_bytes)) {
        return say_problem(call, PROBLEM_BAD_ARGUMENT, bytes);
    }
    return EXIT_OK;
}

/* The row as it will be: a prefix homed before keeps its owner and case rule. */
static enum status choose_row(struct home *home, struct bytes prefix, struct prefix_row *out_row,
                              bool *out_exists)
{
    struct command_call *call = home->call;
    *out_exists =
        home->snapshot != NULL && registry_get_prefix(home->snapshot, prefix, out_row) == STATUS_OK;
    if (!*out_exists) {
        *out_row = own_records_prefix(prefix, home->settings);
        if (command_has(call, "--case-sensitive")) {
            out_row->case_rule = CASE_SENSITIVE;
        }
    } else if (command_has(call, "--case-sensitive") && out_row->case_rule != CASE_SENSITIVE) {
        return STATUS_NOT_SUPPORTED;
    }
    out_row->state = PREFIX_ACTIVE;
    out_row->hosting = PREFIX_HOSTED;
    if (command_has(call, "--max-identifiers")) {
        out_row->max_identifiers = home->max_identifiers;
    }
    if (command_has(call, "--max-bytes")) {
        out_row->max_bytes = home->max_bytes;
    }
    return STATUS_OK;
}

/* Where the record 0.NA/<prefix> is to send those who ask. */
static enum status put_service(struct home *home, struct change_set *set, struct bytes prefix,
                               const struct delegation *service, struct fault *fault)
{
    const struct own_records_facts facts = {
        .prefix = prefix,
        .administrator = bytes_of_text(home->settings->node_prefix),
        .now_s = (uint32_t)time(NULL),
    };
    return delegation_put(set, home->snapshot, home->call->arena, &facts, service, fault);
}

static enum status put_prefix(struct home *home, const struct home_change *change,
                              struct fault *fault)
{
    const struct prefix_row *row = change->row;
    struct change_set *set =
        change_set_new(CHANGE_ALL_OR_NOTHING, writer_actor(home->writer), BYTES_LITERAL("cli"));
    if (set == NULL) {
        return STATUS_NO_MEMORY;
    }
    enum status status =
        change_set_put_prefix(set, row, change->exists ? CHANGE_MODIFY : CHANGE_CREATE, fault);
    if (status == STATUS_OK && change->exists) {
        status = change_set_depends(set, CHANGE_PREFIX, row->prefix, row->version);
    }
    if (status == STATUS_OK && change->service != NULL) {
        status = put_service(home, set, row->prefix, change->service, fault);
    }
    if (status == STATUS_OK) {
        status = change_set_audit(set, change->action, row->prefix, BYTES_NONE);
    }
    if (status != STATUS_OK) {
        change_set_free(set);
        return status;
    }
    return writer_write(home->writer, set, fault);
}

/* 0.NA/<prefix>, unless there is one. */
static enum status put_record(struct home *home, struct bytes prefix, struct fault *fault)
{
    struct bytes site = BYTES_NONE;
    enum status status = registry_get_meta(home->snapshot, "site", &site);
    if (status != STATUS_OK) {
        return fault_set(fault, status, "%s", "the node's site record");
    }
    struct own_records_facts facts = {
        .prefix = prefix,
        .administrator = bytes_of_text(home->settings->node_prefix),
        .site = site,
        .now_s = (uint32_t)time(NULL),
    };
    struct record record;
    status = own_records_build(home->call->arena, &facts, &record);
    struct change_set *set =
        status == STATUS_OK
            ? change_set_new(CHANGE_PER_ITEM, writer_actor(home->writer), BYTES_LITERAL("cli"))
            : NULL;
    if (set == NULL) {
        return status == STATUS_OK ? STATUS_NO_MEMORY : status;
    }
    status = change_set_put_record(set, &record, CHANGE_CREATE, fault);
    if (status != STATUS_OK) {
        change_set_free(set);
        return status;
    }
    status = writer_write(home->writer, set, fault);
    return status == STATUS_HANDLE_EXISTS ? STATUS_OK : status;
}

static bool is_delegated(struct home *home, struct bytes prefix)
{
    struct prefix_row row;
    return registry_get_prefix(home->snapshot, prefix, &row) == STATUS_OK &&
           row.hosting == PREFIX_DELEGATED;
}

static enum status home_one(struct home *home, const char *name, struct fault *fault)
{
    struct command_call *call = home->call;
    struct bytes prefix = bytes_of_text(name);
    struct prefix_row row;
    struct delegation site = {BYTES_LITERAL("HS_SITE"), BYTES_NONE};
    struct home_change change = {.row = &row, .action = "prefix home"};
    bool wants_record = !command_has(call, "--no-record");
    if (wants_record && home->snapshot == NULL) {
        return fault_set(fault, STATUS_ACCESS_DENIED, "%s",
                         "the node's site record cannot be read; use --no-record");
    }
    enum status status = handle_check_prefix(prefix, fault);
    if (status == STATUS_OK && home->snapshot != NULL) {
        status = snapshot_refresh(home->snapshot);
    }
    if (status == STATUS_OK) {
        status = choose_row(home, prefix, &row, &change.exists);
    }
    if (status == STATUS_OK && wants_record && is_delegated(home, prefix)) {
        change.service = &site;
        status = registry_get_meta(home->snapshot, "site", &site.data);
    }
    if (status == STATUS_NOT_SUPPORTED) {
        return fault_set(fault, status, "%s", "the case rule is fixed once a prefix was homed");
    }
    if (status == STATUS_OK) {
        status = put_prefix(home, &change, fault);
    }
    /* Under --dry-run the prefix is not there for its record to be judged by. */
    if (status == STATUS_OK && wants_record && !call->is_dry_run) {
        status = snapshot_refresh(home->snapshot);
        status = status == STATUS_OK ? put_record(home, prefix, fault) : status;
    }
    if (home->snapshot != NULL) {
        snapshot_rest(home->snapshot);
    }
    return status;
}

static int open_home(struct home *home)
{
    struct command_call *call = home->call;
    int exit = read_limits(home);
    if (exit == EXIT_OK) {
        exit = command_load_settings(call, &home->settings);
    }
    if (exit != EXIT_OK) {
        return exit;
    }
    struct fault fault = {.status = STATUS_OK};
    enum status status = writer_open(call, NULL, NULL, &home->writer, &fault);
    if (status != STATUS_OK) {
        return say_status(call, status, call->directory, &fault);
    }
    struct registry *registry = writer_registry(home->writer);
    if (registry != NULL && snapshot_new(registry, &home->snapshot) == STATUS_OK) {
        snapshot_rest(home->snapshot);
    }
    home->items = json_array();
    return EXIT_OK;
}

static void close_home(struct home *home)
{
    snapshot_free(home->snapshot);
    writer_close(home->writer);
    settings_free(home->settings);
    json_decref(home->items);
}

static void tell(struct home *home, const char *prefix, const char *state, const char *line)
{
    struct command_call *call = home->call;
    if (call->is_json) {
        (void)json_array_append_new(home->items,
                                    json_pack("{s:s, s:s, s:b}", "prefix", prefix, "state", state,
                                              "dry_run", call->is_dry_run));
        return;
    }
    (void)fprintf(call->out, "%s: %s%s\n", prefix, line,
                  call->is_dry_run ? say_text(call, " (dry run)", "（试运行）") : "");
}

static int report(struct home *home, enum status status, const char *prefix,
                  const struct fault *fault)
{
    enum problem problem = PROBLEM_INVALID_PREFIX;
    return status == STATUS_INVALID_HANDLE
               ? say_problem_because(home->call, problem, prefix, fault->text)
               : say_status(home->call, status, prefix, fault);
}

int command_prefix_home(struct command_call *call)
{
    struct home home = {.call = call};
    int exit = open_home(&home);
    for (size_t i = 0; exit == EXIT_OK && i < call->argument_count; i++) {
        struct fault fault = {.status = STATUS_OK};
        enum status status = home_one(&home, call->arguments[i], &fault);
        if (status != STATUS_OK) {
            exit = report(&home, status, call->arguments[i], &fault);
            break;
        }
        tell(&home, call->arguments[i], "active", say_text(call, "homed here", "已由本节点承载"));
    }
    if (exit == EXIT_OK && call->is_json) {
        exit = say_json(call, json_pack("{s:O, s:n}", "items", home.items, "next"));
    }
    close_home(&home);
    return exit;
}

static enum status unhome_one(struct home *home, const char *name, struct fault *fault)
{
    if (home->snapshot == NULL) {
        return fault_set(fault, STATUS_ACCESS_DENIED, "%s", "the store cannot be read");
    }
    struct prefix_row row;
    enum status status = snapshot_refresh(home->snapshot);
    if (status == STATUS_OK) {
        status = registry_get_prefix(home->snapshot, bytes_of_text(name), &row);
    }
    if (status == STATUS_OK && row.state != PREFIX_UNHOMED) {
        const struct home_change change = {.row = &row, .action = "prefix unhome", .exists = true};
        row.state = PREFIX_UNHOMED;
        status = put_prefix(home, &change, fault);
    }
    snapshot_rest(home->snapshot);
    return status;
}

int command_prefix_unhome(struct command_call *call)
{
    int exit = command_confirm(call, "prefix unhome");
    if (exit != EXIT_OK) {
        return exit;
    }
    struct home home = {.call = call};
    exit = open_home(&home);
    for (size_t i = 0; exit == EXIT_OK && i < call->argument_count; i++) {
        struct fault fault = {.status = STATUS_OK};
        enum status status = unhome_one(&home, call->arguments[i], &fault);
        if (status != STATUS_OK) {
            exit = report(&home, status, call->arguments[i], &fault);
            break;
        }
        tell(&home, call->arguments[i], "unhomed",
             say_text(call, "given up; its records stay stored", "已不再承载，记录仍保留"));
    }
    if (exit == EXIT_OK && call->is_json) {
        exit = say_json(call, json_pack("{s:O, s:n}", "items", home.items, "next"));
    }
    close_home(&home);
    return exit;
}

/* --- delegate ----------------------------------------------------------------------------------
 */

static enum status delegate(struct home *home, struct bytes prefix,
                            const struct delegation *service, struct fault *fault)
{
    struct prefix_row row;
    struct home_change change = {.row = &row, .service = service, .action = "prefix delegate"};
    if (home->snapshot == NULL) {
        return fault_set(fault, STATUS_ACCESS_DENIED, "%s", "the store cannot be read");
    }
    enum status status = handle_check_prefix(prefix, fault);
    if (status == STATUS_OK &&
        bytes_equal_nocase(prefix, bytes_of_text(home->settings->node_prefix))) {
        return fault_set(fault, STATUS_INVALID_HANDLE, "%s", "it is the node's own");
    }
    if (status == STATUS_OK) {
        status = snapshot_refresh(home->snapshot);
    }
    if (status == STATUS_OK) {
        status = choose_row(home, prefix, &row, &change.exists);
    }
    if (status == STATUS_OK) {
        row.hosting = PREFIX_DELEGATED;
        status = put_prefix(home, &change, fault);
    }
    snapshot_rest(home->snapshot);
    return status;
}

int command_prefix_delegate(struct command_call *call)
{
    struct home home = {.call = call};
    struct delegation service;
    struct fault fault = {.status = STATUS_OK};
    const char *prefix = call->arguments[0];
    int exit = prefix_service_read(call, &service);
    if (exit != EXIT_OK) {
        return exit;
    }
    exit = open_home(&home);
    if (exit == EXIT_OK) {
        enum status status = delegate(&home, bytes_of_text(prefix), &service, &fault);
        exit = status == STATUS_OK ? EXIT_OK : report(&home, status, prefix, &fault);
    }
    if (exit == EXIT_OK) {
        tell(&home, prefix, "delegated",
             say_text(call, "delegated to another node", "已委派给其他节点"));
    }
    if (exit == EXIT_OK && call->is_json) {
        exit = say_json(call, json_pack("{s:O, s:n}", "items", home.items, "next"));
    }
    close_home(&home);
    return exit;
}

/* --- list ------------------------------------------------------------------------------------- */

static const char *state_word(const struct prefix_row *row)
{
    switch (row->state) {
    case PREFIX_ACTIVE:
        return row->hosting == PREFIX_DELEGATED ? "delegated" : "active";
    case PREFIX_STOPPED:
        return "stopped";
    case PREFIX_UNHOMED:
        return "unhomed";
    case PREFIX_READ_ONLY:
        return "read-only";
    }
    return "?";
}

static const char *limit_text(uint64_t limit, char out[24])
{
    if (limit == 0) {
        return "-";
    }
    (void)snprintf(out, 24, "%" PRIu64, limit);
    return out;
}

static json_t *prefix_json(const struct prefix_row *row, uint64_t identifiers, uint64_t bytes)
{
    return json_pack("{s:s%, s:s, s:s%, s:I, s:I, s:I, s:I, s:b, s:I}", "prefix",
                     (const char *)row->prefix.data, row->prefix.len, "state", state_word(row),
                     "enterprise", (const char *)row->enterprise.data, row->enterprise.len,
                     "identifiers", (json_int_t)identifiers, "bytes", (json_int_t)bytes,
                     "max_identifiers", (json_int_t)row->max_identifiers, "max_bytes",
                     (json_int_t)row->max_bytes, "case_sensitive", row->case_rule == CASE_SENSITIVE,
                     "version", (json_int_t)row->version);
}

struct list {
    struct command_call *call;
    struct snapshot *snapshot;
    json_t *states; /* of the nodes of delegated prefixes */
    json_t *items;
    struct say_table *table;
};

static void list_one(struct list *list, const struct prefix_row *row)
{
    struct command_call *call = list->call;
    struct snapshot *snapshot = list->snapshot;
    json_t *route =
        row->hosting == PREFIX_DELEGATED ? route_states_of(list->states, row->prefix) : NULL;
    const char *route_state = json_string_value(json_object_get(route, "state"));
    uint64_t identifiers = registry_counter(snapshot, row->prefix, COUNTER_IDENTIFIERS);
    uint64_t bytes = registry_counter(snapshot, row->prefix, COUNTER_BYTES);
    if (call->is_json) {
        json_t *item = prefix_json(row, identifiers, bytes);
        (void)json_object_set(item, "route", route == NULL ? json_null() : route);
        (void)json_array_append_new(list->items, item);
        return;
    }
    char numbers[4][24];
    (void)snprintf(numbers[0], sizeof(numbers[0]), "%" PRIu64, identifiers);
    (void)snprintf(numbers[1], sizeof(numbers[1]), "%" PRIu64, bytes);
    const char *cells[] = {say_printable(call->arena, row->prefix),
                           state_word(row),
                           route == NULL ? "-" : route_states_word(call, route_state),
                           say_printable(call->arena, row->enterprise),
                           numbers[0],
                           limit_text(row->max_identifiers, numbers[2]),
                           numbers[1],
                           limit_text(row->max_bytes, numbers[3]),
                           row->case_rule == CASE_SENSITIVE ? say_text(call, "yes", "是")
                                                            : say_text(call, "no", "否")};
    say_table_row(list->table, cells);
}

int command_prefix_list(struct command_call *call)
{
    struct registry *registry = NULL;
    struct snapshot *snapshot = NULL;
    int exit = command_open_store(call, &registry, &snapshot);
    if (exit != EXIT_OK) {
        return exit;
    }
    const char *headings[] = {
        say_text(call, "PREFIX", "前缀"),        say_text(call, "STATE", "状态"),
        say_text(call, "ROUTE", "路由"),         say_text(call, "ENTERPRISE", "企业"),
        say_text(call, "IDENTIFIERS", "标识数"), say_text(call, "OF AT MOST", "上限"),
        say_text(call, "BYTES", "字节"),         say_text(call, "OF AT MOST", "上限"),
        say_text(call, "CASE", "区分大小写")};
    bool is_live = false;
    struct list list = {.call = call,
                        .snapshot = snapshot,
                        .states = route_states(call, NULL, &is_live),
                        .items = json_array(),
                        .table = say_table_new(headings, 9)};
    struct prefix_row row;
    enum status status = registry_next_prefix(snapshot, BYTES_NONE, &row);
    while (status == STATUS_OK) {
        list_one(&list, &row);
        status = registry_next_prefix(snapshot, row.prefix, &row);
    }
    command_close_store(registry, snapshot);
    if (status != STATUS_NOT_FOUND) {
        exit = say_status(call, status, call->directory, NULL);
    } else if (call->is_json) {
        exit = say_json(call, json_pack("{s:O, s:n}", "items", list.items, "next"));
    } else {
        say_table_print(list.table, call->out);
        list.table = NULL;
    }
    say_table_free(list.table);
    json_decref(list.items);
    json_decref(list.states);
    return exit;
}
