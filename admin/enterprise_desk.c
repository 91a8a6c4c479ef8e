/* SPDX-License-Identifier: Apache-2.0
 *
 * Acts on enterprises, from look-up to write (enterprise_desk.h).
 */
#include "admin/enterprise_desk.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "admin/command_reach.h"
#include "admin/dossier_findings.h"
#include "admin/say.h"
#include "protocol/text.h"

/* Of a set's dependencies the others are for what else it reads. */
#define PREFIX_DEPENDENCIES_MAX 48

/* --- opening ---------------------------------------------------------------------------------- */

static enum status open_store(struct desk *desk, struct fault *fault)
{
    enum status status = writer_open(desk->call, NULL, NULL, &desk->writer, fault);
    struct registry *registry = status == STATUS_OK ? writer_registry(desk->writer) : NULL;
    if (status == STATUS_OK && registry == NULL) {
        return fault_set(fault, STATUS_ACCESS_DENIED, "%s", "the store cannot be read");
    }
    status = status == STATUS_OK ? snapshot_new(registry, &desk->snapshot) : status;
    if (status == STATUS_OK) {
        snapshot_rest(desk->snapshot);
    }
    return status;
}

int desk_open(struct command_call *call, struct desk *out_desk)
{
    struct fault fault = {.status = STATUS_OK};
    *out_desk = (struct desk){.call = call};
    int exit = command_load_settings(call, &out_desk->settings);
    if (exit != EXIT_OK) {
        return exit;
    }
    enum status status = code_tables_load(call->arena, call->directory, &out_desk->tables, &fault);
    status = status == STATUS_OK ? open_store(out_desk, &fault) : status;
    return status == STATUS_OK ? EXIT_OK : say_status(call, status, call->directory, &fault);
}

void desk_close(struct desk *desk)
{
    snapshot_free(desk->snapshot);
    writer_close(desk->writer);
    code_tables_done(&desk->tables);
    settings_free(desk->settings);
}

/* --- looking up ------------------------------------------------------------------------------- */

static enum status find_id(struct desk *desk, struct bytes name, struct bytes *out_id)
{
    struct store_key key;
    struct enterprise_row row;
    enum status status = enterprise_get(desk->snapshot, name, &row);
    *out_id = name;
    if (status != STATUS_NOT_FOUND) {
        return status;
    }
    if (enterprise_prefix_key(name, &key) == STATUS_OK) {
        status = enterprise_find(desk->snapshot, &key, out_id);
    }
    for (int type = 1; type <= 2 && status == STATUS_NOT_FOUND; type++) {
        if (enterprise_credential_key(type, name, &key) == STATUS_OK) {
            status = enterprise_find(desk->snapshot, &key, out_id);
        }
    }
    return status;
}

/* Out of the snapshot's pages. */
static enum status keep_row(struct arena *arena, const struct enterprise_row *row,
                            struct enterprise_row *out_row)
{
    struct bytes id = arena_copy(arena, row->id);
    if (row->dossier.len == 0) {
        *out_row = *row;
        out_row->id = id;
        out_row->content = BYTES_NONE;
        return STATUS_OK;
    }
    enum status status =
        enterprise_row_read_content(arena_copy(arena, row->content), out_row, NULL);
    out_row->id = id;
    out_row->version = row->version;
    out_row->position = row->position;
    out_row->created_ms = row->created_ms;
    out_row->changed_ms = row->changed_ms;
    return status;
}

int desk_find(struct desk *desk, const char *name, struct enterprise_row *out_row)
{
    struct bytes id = BYTES_NONE;
    struct enterprise_row row;
    enum status status = snapshot_refresh(desk->snapshot);
    status = status == STATUS_OK ? find_id(desk, bytes_of_text(name), &id) : status;
    status = status == STATUS_OK ? enterprise_get(desk->snapshot, id, &row) : status;
    status = status == STATUS_OK ? keep_row(desk->call->arena, &row, out_row) : status;
    snapshot_rest(desk->snapshot);
    if (status == STATUS_NOT_FOUND) {
        return say_problem(desk->call, PROBLEM_ENTERPRISE_UNKNOWN, name);
    }
    return status == STATUS_OK ? EXIT_OK : say_status(desk->call, status, name, NULL);
}

json_t *desk_json(struct bytes text)
{
    return json_loadb((const char *)text.data, text.len, 0, NULL);
}

struct bytes desk_text(struct desk *desk, const json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT);
    struct bytes kept =
        text == NULL ? BYTES_NONE : arena_copy(desk->call->arena, bytes_of_text(text));
    free(text);
    return kept;
}

/* --- rules ------------------------------------------------------------------------------------ */

int desk_check(struct desk *desk, const json_t *dossier)
{
    const struct dossier_rules rules = {
        .regions = desk->tables.regions,
        .industries = desk->tables.industries,
        .areas = desk->settings->report_areas.items,
        .area_count = desk->settings->report_areas.count,
        .node_prefix = bytes_of_text(desk->settings->node_prefix),
    };
    struct dossier_findings findings;
    return dossier_check(dossier, &rules, &findings) ? EXIT_OK
                                                     : dossier_findings_say(desk->call, &findings);
}

static enum status find_taken(struct desk *desk, const json_t *dossier, struct bytes id,
                              struct bytes *out_other, const char **out_item)
{
    const struct enterprise_row row = {.state = ENTERPRISE_SUBMITTED,
                                       .dossier = desk_text(desk, dossier)};
    struct enterprise_uniques uniques;
    enum status status = enterprise_uniques_of(&row, &uniques);
    for (size_t i = 0; status == STATUS_OK && i < uniques.count; i++) {
        struct bytes other;
        enum status found = enterprise_find(desk->snapshot, &uniques.keys[i], &other);
        if (found == STATUS_OK && !bytes_equal(other, id)) {
            *out_other = arena_copy(desk->call->arena, other);
            *out_item =
                uniques.keys[i].data[0] == ENTERPRISE_BY_PREFIX ? "ent_prefix" : "org_crt_code";
            return STATUS_HANDLE_EXISTS;
        }
    }
    return status;
}

int desk_check_unique(struct desk *desk, const json_t *dossier, struct bytes id)
{
    struct command_call *call = desk->call;
    struct bytes other = BYTES_NONE;
    const char *item = "";
    const char *prefix = json_string_value(json_object_get(dossier, "ent_prefix"));
    struct prefix_row home;
    enum status status = snapshot_refresh(desk->snapshot);
    status = status == STATUS_OK ? find_taken(desk, dossier, id, &other, &item) : status;
    if (status == STATUS_OK && prefix != NULL &&
        registry_get_prefix(desk->snapshot, bytes_of_text(prefix), &home) == STATUS_OK &&
        !bytes_equal(home.enterprise, id)) {
        other = arena_copy(call->arena, home.enterprise);
        item = "ent_prefix";
        status = STATUS_HANDLE_EXISTS;
    }
    snapshot_rest(desk->snapshot);
    if (status == STATUS_HANDLE_EXISTS) {
        return say_problem_because(call, PROBLEM_ENTERPRISE_TAKEN, item,
                                   say_printable(call->arena, other));
    }
    return status == STATUS_OK ? EXIT_OK : say_status(call, status, "ent_prefix", NULL);
}

/* --- writing ---------------------------------------------------------------------------------- */

static json_t *note_json(struct desk *desk, const struct desk_act *act)
{
    char now[TEXT_TIME_LEN];
    struct bytes actor = writer_actor(desk->writer);
    text_time_s((int64_t)time(NULL), now);
    return json_pack("{s:s, s:s%, s:s, s:s}", "time", now, "who", (const char *)actor.data,
                     actor.len, "act", act->action, "text", act->reason == NULL ? "" : act->reason);
}

/* The oldest notes make room; history and audit keep them. */
static struct bytes add_note(struct desk *desk, const struct desk_act *act)
{
    json_t *notes = act->before == NULL || act->before->notes.len == 0
                        ? json_array()
                        : desk_json(act->before->notes);
    (void)json_array_append_new(notes, note_json(desk, act));
    struct bytes text = desk_text(desk, notes);
    while (text.len > ENTERPRISE_NOTES_MAX && json_array_size(notes) > 1) {
        (void)json_array_remove(notes, 0);
        text = desk_text(desk, notes);
    }
    json_decref(notes);
    return text;
}

static json_t *side_json(const struct enterprise_row *row)
{
    if (row == NULL) {
        return json_null();
    }
    return json_pack("{s:s, s:s, s:s, s:I}", "state", enterprise_state_word(row->state), "review",
                     row->review == ENTERPRISE_NONE ? "" : enterprise_state_word(row->review),
                     "policy", enterprise_policy_word(row->policy), "version",
                     (json_int_t)row->version);
}

/* Items that differ, as strangers may see them: [before, after]. */
static json_t *changed_items(const json_t *before, const json_t *after)
{
    json_t *changes = json_object();
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)after, name, value)
    {
        json_t *old = json_object_get(before, name);
        if (old == NULL || json_equal(old, value) == 0) {
            (void)json_object_set_new(changes, name, json_pack("[O?, O]", old, value));
        }
    }
    json_object_foreach((json_t *)before, name, value)
    {
        if (json_object_get(after, name) == NULL) {
            (void)json_object_set_new(changes, name, json_pack("[O, n]", value));
        }
    }
    return changes;
}

static json_t *dossier_changes(const struct enterprise_row *before,
                               const struct enterprise_row *after)
{
    bool is_pending = after->pending.len > 0 && !bytes_equal(after->pending, before->pending);
    json_t *old = desk_json(before->dossier);
    json_t *new = desk_json(is_pending ? after->pending : after->dossier);
    json_t *masked_old = dossier_masked(old);
    json_t *masked_new = dossier_masked(new);
    json_t *changes = changed_items(masked_old, masked_new);
    json_decref(old);
    json_decref(new);
    json_decref(masked_old);
    json_decref(masked_new);
    return changes;
}

/* What the audit row tells beside who, when and from where. */
static struct bytes detail_of(struct desk *desk, const struct desk_act *act)
{
    json_t *detail =
        json_pack("{s:o, s:o, s:s}", "before", side_json(act->before), "after",
                  side_json(act->after), "reason", act->reason == NULL ? "" : act->reason);
    if (act->before != NULL && !bytes_equal(act->before->dossier, act->after->dossier)) {
        (void)json_object_set_new(detail, "changed", dossier_changes(act->before, act->after));
    } else if (act->before != NULL && !bytes_equal(act->before->pending, act->after->pending) &&
               act->after->pending.len > 0) {
        (void)json_object_set_new(detail, "asked", dossier_changes(act->before, act->after));
    }
    if (act->after->reference.len > 0) {
        (void)json_object_set_new(
            detail, "reference",
            json_stringn((const char *)act->after->reference.data, act->after->reference.len));
    }
    json_t *dossier = desk_json(act->after->dossier);
    json_t *overrides = json_object_get(dossier, "overrides");
    if (json_object_size(overrides) > 0) {
        (void)json_object_set(detail, "overrides", overrides);
    }
    json_decref(dossier);
    struct bytes text = desk_text(desk, detail);
    json_decref(detail);
    return text;
}

static enum status fill(struct desk *desk, const struct desk_act *act, struct change_set *set,
                        struct fault *fault)
{
    enum status status = change_set_put_enterprise(
        set, act->after, act->before == NULL ? CHANGE_CREATE : CHANGE_MODIFY, fault);
    if (status == STATUS_OK && act->before != NULL) {
        status = change_set_depends(set, CHANGE_ENTERPRISE, act->before->id, act->before->version);
    }
    if (status == STATUS_OK && act->more != NULL) {
        status = snapshot_refresh(desk->snapshot);
        status = status == STATUS_OK ? act->more(act->context, set, fault) : status;
        snapshot_rest(desk->snapshot);
    }
    return status == STATUS_OK
               ? change_set_audit(set, act->action, act->after->id, detail_of(desk, act))
               : status;
}

int desk_write(struct desk *desk, const struct desk_act *act)
{
    struct command_call *call = desk->call;
    struct fault fault = {.status = STATUS_OK};
    struct change_set *set =
        change_set_new(CHANGE_ALL_OR_NOTHING, writer_actor(desk->writer), BYTES_LITERAL("cli"));
    act->after->notes = add_note(desk, act);
    enum status status = set == NULL ? STATUS_NO_MEMORY : fill(desk, act, set, &fault);
    if (status != STATUS_OK) {
        change_set_free(set);
    } else {
        status = writer_write(desk->writer, set, &fault);
    }
    return status == STATUS_OK
               ? EXIT_OK
               : say_status(call, status, say_printable(call->arena, act->after->id), &fault);
}

static enum status put_prefix(const struct desk_prefixes *prefixes, struct change_set *set,
                              const struct prefix_row *stored, struct fault *fault)
{
    struct prefix_row row = *stored;
    row.state = prefixes->state;
    enum status status = change_set_put_prefix(set, &row, CHANGE_MODIFY, fault);
    return status == STATUS_OK && change_set_count(set) <= PREFIX_DEPENDENCIES_MAX
               ? change_set_depends(set, CHANGE_PREFIX, row.prefix, row.version)
               : status;
}

enum status desk_put_prefixes(void *context, struct change_set *set, struct fault *fault)
{
    const struct desk_prefixes *prefixes = context;
    struct prefix_row row;
    enum status status = registry_next_prefix(prefixes->desk->snapshot, BYTES_NONE, &row);
    while (status == STATUS_OK) {
        if (bytes_equal(row.enterprise, prefixes->enterprise) && row.state != PREFIX_UNHOMED &&
            row.state != prefixes->state) {
            status = put_prefix(prefixes, set, &row, fault);
        }
        if (status == STATUS_OK) {
            status = registry_next_prefix(prefixes->desk->snapshot, row.prefix, &row);
        }
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* --- telling ---------------------------------------------------------------------------------- */

static bool may_do(const struct enterprise_row *row, enum enterprise_act act)
{
    enum enterprise_state to;
    return enterprise_state_step(row->state, act, &to) ||
           (row->review != ENTERPRISE_NONE && enterprise_state_step(row->review, act, &to));
}

int desk_say_state(struct desk *desk, const struct enterprise_row *row, enum enterprise_act act)
{
    struct command_call *call = desk->call;
    char can[200] = "";
    for (int other = 0; other < ENTERPRISE_ACTS; other++) {
        if (may_do(row, (enum enterprise_act)other)) {
            size_t len = strlen(can);
            (void)snprintf(can + len, sizeof(can) - len, "%s%s", len == 0 ? "" : ", ",
                           enterprise_act_row((enum enterprise_act)other)->word);
        }
    }
    char text[400];
    char what[KEYS_ENTERPRISE_MAX + 40];
    (void)snprintf(
        text, sizeof(text), "%s%s%s%s", say_text(call, "it is ", "当前状态："),
        say_text(call, enterprise_state_word(row->state), enterprise_state_text_zh(row->state)),
        say_text(call, "; what can be done: ", "；可执行："),
        can[0] == '\0' ? say_text(call, "nothing", "无") : can);
    (void)snprintf(what, sizeof(what), "%s %.*s", enterprise_act_row(act)->word, (int)row->id.len,
                   (const char *)row->id.data);
    return say_problem_because(call, PROBLEM_ENTERPRISE_STATE, what, text);
}

int desk_say_done(struct desk *desk, const struct enterprise_row *row)
{
    struct command_call *call = desk->call;
    const char *id = say_printable(call->arena, row->id);
    if (call->is_json) {
        json_t *side = side_json(row);
        (void)json_object_del(side, "version");
        (void)json_object_set_new(side, "id", json_string(id));
        (void)json_object_set_new(side, "dry_run", json_boolean(call->is_dry_run));
        return say_json(call, side);
    }
    (void)fprintf(
        call->out, "%s: %s", id,
        say_text(call, enterprise_state_word(row->state), enterprise_state_text_zh(row->state)));
    if (row->review != ENTERPRISE_NONE) {
        (void)fprintf(call->out, "%s%s", say_text(call, "; its change is ", "；变更申请："),
                      say_text(call, enterprise_state_word(row->review),
                               enterprise_state_text_zh(row->review)));
    }
    (void)fprintf(call->out, "%s\n",
                  call->is_dry_run ? say_text(call, " (dry run)", "（试运行）") : "");
    return EXIT_OK;
}
