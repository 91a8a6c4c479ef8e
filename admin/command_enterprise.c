/* SPDX-License-Identifier: Apache-2.0
 *
 * guantong enterprise apply|update|list|show: dossiers.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "admin/command_reach.h"
#include "admin/enterprise_desk.h"
#include "admin/say.h"
#include "protocol/text.h"

#define ID_LEN 8 /* E0000001 */

/* --- reading ---------------------------------------------------------------------------------- */

static int read_dossier(struct desk *desk, const char *path, json_t **out_dossier)
{
    struct command_call *call = desk->call;
    json_error_t error;
    bool is_input = strcmp(path, "-") == 0;
    FILE *file = is_input ? stdin : fopen(path, "rbe");
    if (file == NULL) {
        return say_problem_because(call, PROBLEM_FILE, path, strerror(errno));
    }
    json_t *dossier = json_loadf(file, JSON_REJECT_DUPLICATES, &error);
    if (!is_input) {
        (void)fclose(file);
    }
    if (!json_is_object(dossier)) {
        json_decref(dossier);
        return say_problem_because(call, PROBLEM_FILE, path,
                                   say_text(call, "not a JSON object", "不是 JSON 对象"));
    }
    if (desk_text(desk, dossier).len > ENTERPRISE_DOSSIER_MAX) {
        json_decref(dossier);
        return say_problem_because(
            call, PROBLEM_FILE, path,
            say_text(call, "a dossier has at most 64 KiB", "资料超过 64 KiB"));
    }
    *out_dossier = dossier;
    return EXIT_OK;
}

/* --- apply ------------------------------------------------------------------------------------ */

/* The one behind the last that was given. */
static enum status next_id(struct desk *desk, struct bytes *out_id)
{
    struct enterprise_row row;
    uint64_t last = 0;
    enum status status = snapshot_refresh(desk->snapshot);
    status = status == STATUS_OK ? enterprise_next(desk->snapshot, BYTES_NONE, &row) : status;
    while (status == STATUS_OK) {
        const char *text = arena_text(desk->call->arena, row.id);
        uint64_t number = 0;
        if (text != NULL && row.id.len == ID_LEN && text[0] == 'E' &&
            command_number(text + 1, 9999999, &number) && number > last) {
            last = number;
        }
        status = enterprise_next(desk->snapshot, row.id, &row);
    }
    snapshot_rest(desk->snapshot);
    char id[ID_LEN + 16];
    (void)snprintf(id, sizeof(id), "E%07" PRIu64, last + 1);
    *out_id = arena_copy(desk->call->arena, bytes_of_text(id));
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static int apply(struct desk *desk, const json_t *dossier)
{
    struct command_call *call = desk->call;
    bool is_draft = command_has(call, "--draft");
    struct enterprise_row row = {
        .state = is_draft ? ENTERPRISE_DRAFTED : ENTERPRISE_SUBMITTED,
        .dossier = desk_text(desk, dossier),
    };
    const struct desk_act act = {.action = "enterprise apply", .after = &row};
    int exit = desk_check_unique(desk, dossier, BYTES_NONE);
    if (exit != EXIT_OK) {
        return exit;
    }
    enum status status = next_id(desk, &row.id);
    if (status != STATUS_OK) {
        return say_status(call, status, call->directory, NULL);
    }
    exit = desk_write(desk, &act);
    return exit == EXIT_OK ? desk_say_done(desk, &row) : exit;
}

int command_enterprise_apply(struct command_call *call)
{
    struct desk desk;
    json_t *dossier = NULL;
    int exit = desk_open(call, &desk);
    exit = exit == EXIT_OK ? read_dossier(&desk, call->arguments[0], &dossier) : exit;
    exit = exit == EXIT_OK ? desk_check(&desk, dossier) : exit;
    exit = exit == EXIT_OK ? apply(&desk, dossier) : exit;
    json_decref(dossier);
    desk_close(&desk);
    return exit;
}

/* --- update ----------------------------------------------------------------------------------- */

/* Before it was admitted the dossier itself is corrected; afterwards a full change is reviewed. */
static bool is_open(const struct enterprise_row *row)
{
    return row->state == ENTERPRISE_DRAFTED || row->state == ENTERPRISE_SUBMITTED ||
           row->state == ENTERPRISE_REJECTED;
}

static bool is_admitted(const struct enterprise_row *row)
{
    return row->state == ENTERPRISE_APPROVED || row->state == ENTERPRISE_ENABLED ||
           row->state == ENTERPRISE_SUSPENDED;
}

static bool has_other_prefix(const json_t *from, const json_t *to)
{
    return json_equal(json_object_get(from, "ent_prefix"), json_object_get(to, "ent_prefix")) == 0;
}

/* Puts the new dossier where it belongs. */
static int place(struct desk *desk, const json_t *from, const json_t *to,
                 struct enterprise_row *row)
{
    struct command_call *call = desk->call;
    enum dossier_change change = dossier_compare(from, to);
    bool is_under_review =
        row->review == ENTERPRISE_VERIFIED || row->review == ENTERPRISE_IN_REVIEW;
    if (!is_open(row) && (!is_admitted(row) || is_under_review)) {
        return desk_say_state(desk, row, ENTERPRISE_SUBMIT);
    }
    if (!is_open(row) && has_other_prefix(from, to)) {
        return say_problem_because(
            call, PROBLEM_REFUSED, "ent_prefix",
            say_text(call, "the prefix stays; guantong prefix confirm --enterprise adds another",
                     "前缀不可更改；可用 guantong prefix confirm --enterprise 增加"));
    }
    if (change == DOSSIER_FULL && !is_open(row)) {
        row->pending = desk_text(desk, to);
        row->review = ENTERPRISE_SUBMITTED;
    } else {
        row->dossier = desk_text(desk, to);
    }
    return EXIT_OK;
}

static int update(struct desk *desk, const struct enterprise_row *before, const json_t *dossier)
{
    struct enterprise_row row = *before;
    json_t *from = desk_json(before->dossier);
    const struct desk_act act = {.action = "enterprise update", .before = before, .after = &row};
    bool is_same = dossier_compare(from, dossier) == DOSSIER_SAME;
    int exit = is_same ? EXIT_OK : place(desk, from, dossier, &row);
    json_decref(from);
    if (exit == EXIT_OK && !is_same) {
        exit = desk_check_unique(desk, dossier, before->id);
        exit = exit == EXIT_OK ? desk_write(desk, &act) : exit;
    }
    return exit == EXIT_OK ? desk_say_done(desk, &row) : exit;
}

int command_enterprise_update(struct command_call *call)
{
    struct desk desk;
    struct enterprise_row row;
    json_t *dossier = NULL;
    int exit = desk_open(call, &desk);
    exit = exit == EXIT_OK ? desk_find(&desk, call->arguments[0], &row) : exit;
    if (exit == EXIT_OK && row.dossier.len == 0) {
        exit = say_problem(call, PROBLEM_ENTERPRISE_UNKNOWN, call->arguments[0]);
    }
    exit = exit == EXIT_OK ? read_dossier(&desk, call->arguments[1], &dossier) : exit;
    exit = exit == EXIT_OK ? desk_check(&desk, dossier) : exit;
    exit = exit == EXIT_OK ? update(&desk, &row, dossier) : exit;
    json_decref(dossier);
    desk_close(&desk);
    return exit;
}

/* --- show ------------------------------------------------------------------------------------- */

static enum status audit_reveal(struct desk *desk, const struct enterprise_row *row,
                                struct fault *fault)
{
    struct change_set *set =
        change_set_new(CHANGE_ALL_OR_NOTHING, writer_actor(desk->writer), BYTES_LITERAL("cli"));
    enum status status =
        set == NULL ? STATUS_NO_MEMORY
                    : change_set_audit(set, "enterprise show --reveal", row->id, BYTES_NONE);
    if (status != STATUS_OK) {
        change_set_free(set);
        return status;
    }
    return writer_write(desk->writer, set, fault);
}

static json_t *shown(struct bytes text, bool is_revealed)
{
    if (text.len == 0) {
        return json_null();
    }
    json_t *dossier = desk_json(text);
    json_t *masked = is_revealed ? json_incref(dossier) : dossier_masked(dossier);
    json_decref(dossier);
    return masked;
}

/* Acts with those who do them. */
static json_t *next_acts(struct command_call *call, const struct enterprise_row *row)
{
    json_t *acts = json_array();
    for (int i = 0; i < ENTERPRISE_ACTS && row->dossier.len > 0; i++) {
        enum enterprise_act act = (enum enterprise_act)i;
        enum enterprise_state to;
        const struct enterprise_act_row *facts = enterprise_act_row(act);
        if (enterprise_state_step(row->state, act, &to) ||
            (row->review != ENTERPRISE_NONE && enterprise_state_step(row->review, act, &to))) {
            (void)json_array_append_new(acts, json_pack("{s:s, s:s}", "act", facts->word, "who",
                                                        say_text(call, facts->who, facts->who_zh)));
        }
    }
    return acts;
}

static json_t *row_json(struct command_call *call, const struct enterprise_row *row,
                        bool is_revealed)
{
    char created[TEXT_TIME_LEN];
    char changed[TEXT_TIME_LEN];
    text_time_ms(row->created_ms, created);
    text_time_ms(row->changed_ms, changed);
    return json_pack(
        "{s:s%, s:s, s:i, s:s, s:s, s:I, s:s, s:s, s:s%, s:s%, s:o, s:o, s:o, s:o}", "id",
        (const char *)row->id.data, row->id.len, "state", enterprise_state_word(row->state),
        "national_status", enterprise_state_national(row->state), "review",
        row->review == ENTERPRISE_NONE ? "" : enterprise_state_word(row->review), "policy",
        enterprise_policy_word(row->policy), "version", (json_int_t)row->version, "created",
        created, "changed", changed, "reference",
        row->reference.len == 0 ? "" : (const char *)row->reference.data, row->reference.len,
        "confirmed_on", row->confirmed_on.len == 0 ? "" : (const char *)row->confirmed_on.data,
        row->confirmed_on.len, "dossier", shown(row->dossier, is_revealed), "pending",
        shown(row->pending, is_revealed), "notes",
        row->notes.len == 0 ? json_array() : desk_json(row->notes), "next", next_acts(call, row));
}

static const char *cell_text(struct command_call *call, const json_t *value)
{
    if (json_is_string(value)) {
        return say_printable(call->arena,
                             bytes_of(json_string_value(value), json_string_length(value)));
    }
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    const char *kept = text == NULL ? "?" : say_printable(call->arena, bytes_of_text(text));
    free(text);
    return kept;
}

static void print_dossier(struct command_call *call, const json_t *dossier)
{
    const char *headings[] = {say_text(call, "ITEM", "数据项"), say_text(call, "VALUE", "值"),
                              say_text(call, "MEANING", "含义")};
    struct say_table *table = say_table_new(headings, 3);
    size_t count = 0;
    const struct dossier_item *items = dossier_items(&count);
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_object_get(dossier, items[i].name);
        if (dossier_list_of(items[i].group) == NULL && value != NULL) {
            const char *cells[] = {items[i].name, cell_text(call, value),
                                   say_text(call, items[i].text, items[i].text_zh)};
            say_table_row(table, cells);
        }
    }
    static const char *const others[] = {"systems", "industries", "licences", "overrides"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        const json_t *value = json_object_get(dossier, others[i]);
        if (value != NULL) {
            const char *cells[] = {others[i], cell_text(call, value), ""};
            say_table_row(table, cells);
        }
    }
    say_table_print(table, call->out);
}

static void print_list(struct command_call *call, const char *heading, const json_t *list)
{
    size_t at = 0;
    json_t *entry = NULL;
    json_array_foreach(list, at, entry)
    {
        (void)fprintf(call->out, "%s %s\n", heading, cell_text(call, entry));
    }
}

static void print_row(struct command_call *call, const struct enterprise_row *row,
                      const json_t *document)
{
    (void)fprintf(
        call->out, "%s  %s", say_printable(call->arena, row->id),
        say_text(call, enterprise_state_word(row->state), enterprise_state_text_zh(row->state)));
    if (row->policy != ENTERPRISE_POLICY_NONE) {
        (void)fprintf(call->out, " (%s)", enterprise_policy_word(row->policy));
    }
    if (row->reference.len > 0) {
        (void)fprintf(call->out, "  %s %s, %s", say_text(call, "top node:", "国家顶级节点："),
                      say_printable(call->arena, row->reference),
                      say_printable(call->arena, row->confirmed_on));
    }
    (void)fputc('\n', call->out);
    print_dossier(call, json_object_get(document, "dossier"));
    if (row->review != ENTERPRISE_NONE) {
        (void)fprintf(call->out, "%s %s\n", say_text(call, "change under review:", "变更申请："),
                      say_text(call, enterprise_state_word(row->review),
                               enterprise_state_text_zh(row->review)));
        print_dossier(call, json_object_get(document, "pending"));
    }
    print_list(call, say_text(call, "note", "记录"), json_object_get(document, "notes"));
    print_list(call, say_text(call, "can be done:", "可执行："), json_object_get(document, "next"));
}

int command_enterprise_show(struct command_call *call)
{
    struct desk desk;
    struct enterprise_row row;
    struct fault fault = {.status = STATUS_OK};
    bool is_revealed = command_has(call, "--reveal");
    int exit = desk_open(call, &desk);
    exit = exit == EXIT_OK ? desk_find(&desk, call->arguments[0], &row) : exit;
    enum status status =
        exit == EXIT_OK && is_revealed ? audit_reveal(&desk, &row, &fault) : STATUS_OK;
    if (status != STATUS_OK) {
        exit = say_status(call, status, call->arguments[0], &fault);
    }
    if (exit == EXIT_OK) {
        json_t *document = row_json(call, &row, is_revealed);
        if (call->is_json) {
            exit = say_json(call, json_incref(document));
        } else {
            print_row(call, &row, document);
        }
        json_decref(document);
    }
    desk_close(&desk);
    return exit;
}

/* --- list ------------------------------------------------------------------------------------- */

struct enterprise_list {
    struct command_call *call;
    json_t *items;
    struct say_table *table;
};

static bool is_wanted(struct command_call *call, const struct enterprise_row *row)
{
    const char *state = command_option(call, "--state");
    bool has_state = state == NULL || strcmp(state, enterprise_state_word(row->state)) == 0;
    return has_state && (!command_has(call, "--changes") || row->review != ENTERPRISE_NONE);
}

static void list_one(struct enterprise_list *list, const struct enterprise_row *row)
{
    struct command_call *call = list->call;
    char changed[TEXT_TIME_LEN];
    text_time_ms(row->changed_ms, changed);
    json_t *dossier = row->dossier.len == 0 ? json_object() : desk_json(row->dossier);
    const json_t *name = json_object_get(dossier, "org_name");
    const json_t *prefix = json_object_get(dossier, "ent_prefix");
    const char *review = row->review == ENTERPRISE_NONE ? "" : enterprise_state_word(row->review);
    if (call->is_json) {
        (void)json_array_append_new(list->items,
                                    json_pack("{s:s%, s:s, s:s, s:s, s:O?, s:O?, s:s, s:I}", "id",
                                              (const char *)row->id.data, row->id.len, "state",
                                              enterprise_state_word(row->state), "review", review,
                                              "policy", enterprise_policy_word(row->policy),
                                              "org_name", name, "ent_prefix", prefix, "changed",
                                              changed, "version", (json_int_t)row->version));
    } else {
        const char *cells[] = {
            say_printable(call->arena, row->id),
            say_text(call, enterprise_state_word(row->state), enterprise_state_text_zh(row->state)),
            review[0] == '\0' ? "-" : review,
            name == NULL ? "-" : cell_text(call, name),
            prefix == NULL ? "-" : cell_text(call, prefix),
            changed};
        say_table_row(list->table, cells);
    }
    json_decref(dossier);
}

int command_enterprise_list(struct command_call *call)
{
    struct registry *registry = NULL;
    struct snapshot *snapshot = NULL;
    int exit = command_open_store(call, &registry, &snapshot);
    if (exit != EXIT_OK) {
        return exit;
    }
    const char *headings[] = {
        say_text(call, "ID", "编号"),     say_text(call, "STATE", "状态"),
        say_text(call, "CHANGE", "变更"), say_text(call, "NAME", "名称"),
        say_text(call, "PREFIX", "前缀"), say_text(call, "CHANGED", "修改于")};
    struct enterprise_list list = {call, json_array(), say_table_new(headings, 6)};
    struct enterprise_row row;
    enum status status = enterprise_next(snapshot, BYTES_NONE, &row);
    while (status == STATUS_OK) {
        if (is_wanted(call, &row)) {
            list_one(&list, &row);
        }
        status = enterprise_next(snapshot, row.id, &row);
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
    return exit;
}
