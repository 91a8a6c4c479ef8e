/* SPDX-License-Identifier: Apache-2.0
 *
 * Rights over records (auth.h). A search goes breadth first: references that do not name the caller
 * queue up as groups, each looked at once, so that a cycle ends and a large group costs no more
 * than its cap.
 */
#include "resolver/auth.h"

#include "protocol/value_types.h"
#include "resolver/elsewhere.h"

#define GROUPS_MAX 50 /* look-ups for one decision, protocol.md §7.4 */
#define LEVELS_MAX 10
#define NO_GROUP SIZE_MAX
#define PREFIX_RECORD "0.NA/"

/* --- what is needed ----------------------------------------------------------------------------
 */

bool auth_is_admin(const struct value *value)
{
    return value_type_is(value->type, BYTES_LITERAL("HS_ADMIN"));
}

static bool is_locked(const struct value *value)
{
    return (value->permissions & VALUE_ADMIN_WRITE) == 0;
}

/* A value by which somebody proves to be someone. */
static bool vouches(const struct value *value)
{
    return value_is_secret(value) || value_type_is(value->type, BYTES_LITERAL("HS_PUBKEY")) ||
           value_type_is(value->type, BYTES_LITERAL("HS_VLIST"));
}

static void demand(struct auth_need *need, uint32_t bits)
{
    need->bits |= bits;
    need->is_open = false;
}

void auth_need_add(struct auth_need *need, const struct value *added)
{
    demand(need, auth_is_admin(added) ? AUTH_ADD_ADMIN : AUTH_ADD_VALUE);
}

void auth_need_remove(struct auth_need *need, const struct value *removed)
{
    demand(need, auth_is_admin(removed) ? AUTH_REMOVE_ADMIN : AUTH_REMOVE_VALUE);
    need->is_locked |= is_locked(removed);
}

void auth_need_modify(struct auth_need *need, const struct value *from, const struct value *to)
{
    bool was_admin = auth_is_admin(from);
    bool is_admin = auth_is_admin(to);
    need->is_locked |= is_locked(from);
    if (was_admin) {
        demand(need, is_admin ? AUTH_MODIFY_ADMIN : AUTH_REMOVE_ADMIN | AUTH_MODIFY_VALUE);
    } else if (is_admin) {
        demand(need, AUTH_MODIFY_VALUE | AUTH_ADD_ADMIN);
    } else if ((from->permissions & VALUE_PUBLIC_WRITE) == 0 || vouches(to)) {
        demand(need, AUTH_MODIFY_VALUE);
    }
}

/* Behind every index when there is none. */
static uint64_t index_at(const struct body_values *values, size_t at)
{
    return at < values->count ? values->values[at].index : UINT64_MAX;
}

void auth_need_replace(struct auth_need *need, const struct body_values *from,
                       const struct body_values *to)
{
    size_t old_at = 0;
    size_t new_at = 0;
    while (old_at < from->count || new_at < to->count) {
        uint64_t before = index_at(from, old_at);
        uint64_t after = index_at(to, new_at);
        if (before < after) {
            auth_need_remove(need, &from->values[old_at++]);
        } else if (after < before) {
            auth_need_add(need, &to->values[new_at++]);
        } else {
            if (!value_is_same(&from->values[old_at], &to->values[new_at])) {
                auth_need_modify(need, &from->values[old_at], &to->values[new_at]);
            }
            old_at++;
            new_at++;
        }
    }
}

/* --- the claim ---------------------------------------------------------------------------------
 */

void auth_begin(struct auth *auth, struct exchange *x, const struct identity *who)
{
    struct lookup found;
    *auth = (struct auth){.x = x, .who = who, .rule = CASE_SENSITIVE};
    enum status status = lookup_home(x->scope->snapshot, who->handle, &found);
    if (status == STATUS_OK) {
        auth->rule = found.home.case_rule;
    }
    /* Whether another node folds its suffixes nobody tells: equal is equal. */
    if (status == STATUS_OK || status == STATUS_NOT_RESPONSIBLE) {
        auth->name = handle_fold(found.handle, auth->rule, auth->folded);
    }
}

void auth_begin_asking(struct auth *auth, struct exchange *x, const struct identity *who)
{
    auth_begin(auth, x, who);
    auth->asks = who->is_verified;
}

static bool is_named(const struct auth *auth, struct bytes name)
{
    uint8_t expanded[HANDLE_EXPANDED_MAX];
    uint8_t folded[HANDLE_EXPANDED_MAX];
    struct bytes handle;
    if (name.len != auth->name.len && name.len + sizeof(PREFIX_RECORD) - 1 != auth->name.len) {
        return false; /* most members of a group */
    }
    return auth->name.len > 0 && handle_expand(name, expanded, &handle) == STATUS_OK &&
           handle.len == auth->name.len &&
           bytes_equal(handle_fold(handle, auth->rule, folded), auth->name);
}

/* An index of 0 in a claim is any key, until one has proved right. */
static bool is_who(const struct auth *auth, const struct reference *reference)
{
    const struct identity *who = auth->who;
    bool fits = reference->index == 0 || reference->index == who->index ||
                (who->index == 0 && !who->is_verified);
    return fits && is_named(auth, reference->handle);
}

/* --- the search --------------------------------------------------------------------------------
 */

struct group {
    struct reference at;
    size_t parent; /* the group that names it, NO_GROUP: an administrator value */
    unsigned level;
    struct auth_read read; /* no handle: nothing that the committer could check again */
};

struct search {
    struct auth *auth;
    struct group groups[GROUPS_MAX];
    size_t count;
    bool is_found;
    size_t found_in;
    bool waits;   /* for a group of another node */
    bool is_busy; /* one could not be asked for now */
};

static bool is_queued(const struct search *search, const struct reference *reference)
{
    for (size_t i = 0; i < search->count; i++) {
        const struct reference *at = &search->groups[i].at;
        if (at->index == reference->index && bytes_equal(at->handle, reference->handle)) {
            return true;
        }
    }
    return false;
}

static void consider(struct search *search, const struct reference *reference, size_t parent)
{
    if (search->is_found) {
        return;
    }
    if (is_who(search->auth, reference)) {
        search->is_found = true;
        search->found_in = parent;
        return;
    }
    unsigned level = parent == NO_GROUP ? 1 : search->groups[parent].level + 1;
    if (reference->index != 0 && level <= LEVELS_MAX && search->count < GROUPS_MAX &&
        !is_queued(search, reference)) {
        search->groups[search->count++] =
            (struct group){.at = *reference, .parent = parent, .level = level};
    }
}

static void consider_members(struct search *search, const struct value *value, size_t group)
{
    struct vlist list;
    if (!value_type_is(value->type, BYTES_LITERAL("HS_VLIST")) ||
        vlist_decode(value->data, &list) != STATUS_OK) {
        return;
    }
    struct wire_reader r = wire_read(list.references);
    struct reference member;
    while (!search->is_found && value_next_reference(&r, &member)) {
        consider(search, &member, group);
    }
}

static void open_values(struct search *search, size_t at, struct bytes stored)
{
    struct wire_reader r = wire_read(stored);
    struct value value;
    for (uint32_t left = wire_count(&r, VALUE_SMALLEST); left > 0 && wire_ok(&r); left--) {
        if (value_decode(&r, &value) == STATUS_OK && value.index == search->groups[at].at.index) {
            consider_members(search, &value, at);
            return;
        }
    }
}

/* The values of a record that another node holds. One that cannot be had gives no right. */
static enum status find_elsewhere(struct auth *auth, struct bytes name, struct bytes *out_values)
{
    if (auth->asks) {
        return elsewhere_find(auth->x, name, out_values);
    }
    auth->misses |= elsewhere_is_open(auth->x, name);
    return STATUS_NOT_RESPONSIBLE;
}

static void open_elsewhere(struct search *search, size_t at)
{
    struct bytes values;
    switch (find_elsewhere(search->auth, search->groups[at].at.handle, &values)) {
    case STATUS_OK:
        open_values(search, at, values);
        break;
    case STATUS_PENDING:
        search->waits = true;
        break;
    case STATUS_SERVER_BUSY:
        search->is_busy = true;
        break;
    default:
        break;
    }
}

static enum status open_group(struct search *search, size_t at)
{
    struct group *group = &search->groups[at];
    const struct exchange_scope *scope = search->auth->x->scope;
    struct lookup found;
    enum status status = lookup_record(scope->snapshot, group->at.handle, &found);
    if (status != STATUS_OK) {
        if (status == STATUS_NOT_RESPONSIBLE || status == STATUS_HANDLE_NOT_FOUND) {
            open_elsewhere(search, at);
        }
        return STATUS_OK;
    }
    group->read.version = found.record.version;
    group->read.handle = arena_copy(scope->arena, found.handle);
    if (group->read.handle.data == NULL) {
        return STATUS_SERVER_BUSY;
    }
    open_values(search, at, found.record.values);
    return STATUS_OK;
}

static enum status note(struct auth *auth, struct auth_read read)
{
    if (read.handle.len == 0) {
        return STATUS_OK;
    }
    for (size_t i = 0; i < auth->read_count; i++) {
        if (bytes_equal(auth->reads[i].handle, read.handle)) {
            return STATUS_OK;
        }
    }
    if (auth->read_count == AUTH_READS_MAX) {
        return STATUS_SERVER_BUSY;
    }
    auth->reads[auth->read_count++] = read;
    return STATUS_OK;
}

/* Goes through the groups; the chain that led to the caller is what the right rests on. */
static enum status finish(struct search *search)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && !search->is_found && i < search->count; i++) {
        status = open_group(search, i);
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (!search->is_found) {
        return search->waits     ? STATUS_PENDING
               : search->is_busy ? STATUS_SERVER_BUSY
                                 : STATUS_INVALID_ADMIN;
    }
    for (size_t at = search->found_in; status == STATUS_OK && at != NO_GROUP;
         at = search->groups[at].parent) {
        status = note(search->auth, search->groups[at].read);
    }
    return status;
}

/* --- records -----------------------------------------------------------------------------------
 */

/* `status` of the record, or what the settings give whatever records say. */
static enum status or_full_access(struct auth *auth, enum status status)
{
    return status == STATUS_INVALID_ADMIN && auth->x->scope->generation->settings->admin_full_access
               ? auth_listed(auth, AUTH_SERVER)
               : status;
}

static enum status judge_values(struct auth *auth, struct bytes stored, uint32_t bits)
{
    struct search search = {.auth = auth};
    struct wire_reader r = wire_read(stored);
    struct value value;
    struct admin admin;
    for (uint32_t left = wire_count(&r, VALUE_SMALLEST); left > 0 && wire_ok(&r); left--) {
        if (value_decode(&r, &value) == STATUS_OK && auth_is_admin(&value) &&
            admin_decode(value.data, &admin) == STATUS_OK && (admin.permissions & bits) == bits) {
            consider(&search, &admin.identity, NO_GROUP);
        }
    }
    return finish(&search);
}

enum status auth_record(struct auth *auth, const struct lookup *record, uint32_t bits)
{
    return or_full_access(auth, judge_values(auth, record->record.values, bits));
}

enum status auth_named(struct auth *auth, struct bytes name, uint32_t bits)
{
    struct lookup found;
    struct bytes values;
    enum status status = lookup_record(auth->x->scope->snapshot, name, &found);
    if (status == STATUS_NOT_RESPONSIBLE || status == STATUS_HANDLE_NOT_FOUND) {
        status = find_elsewhere(auth, name, &values);
        if (status == STATUS_OK) {
            return or_full_access(auth, judge_values(auth, values, bits));
        }
    }
    if (status != STATUS_OK) {
        return status == STATUS_PENDING || status == STATUS_SERVER_BUSY
                   ? status
                   : or_full_access(auth, STATUS_INVALID_ADMIN);
    }
    status = auth_record(auth, &found, bits);
    if (status != STATUS_OK) {
        return status;
    }
    struct bytes handle = arena_copy(auth->x->scope->arena, found.handle);
    return handle.data == NULL ? STATUS_SERVER_BUSY
                               : note(auth, (struct auth_read){handle, found.record.version});
}

enum status auth_create(struct auth *auth, struct bytes handle)
{
    uint8_t room[sizeof(PREFIX_RECORD) + HANDLE_MAX];
    struct wire_writer w = wire_write(room, sizeof(room));
    bool is_prefix = handle_is_prefix_record(handle);
    struct bytes above =
        is_prefix ? handle_parent_prefix(handle_governing_prefix(handle)) : handle_prefix(handle);
    wire_put_raw(&w, BYTES_LITERAL(PREFIX_RECORD));
    wire_put_raw(&w, above.len > 0 ? above : BYTES_LITERAL("0.NA"));
    bool is_derived = is_prefix && above.len > 0;
    return auth_named(auth, wire_wrote(&w), is_derived ? AUTH_ADD_PREFIX : AUTH_ADD_HANDLE);
}

enum status auth_overwrite(struct auth *auth, const struct lookup *from,
                           const struct auth_need *need)
{
    enum status status = STATUS_INVALID_ADMIN;
    if (!need->is_locked) {
        status = auth_record(auth, from, need->bits);
        if (status == STATUS_INVALID_ADMIN) {
            status = auth_record(auth, from, AUTH_ADD_ADMIN);
        }
    }
    if (status == STATUS_INVALID_ADMIN) {
        status = auth_record(auth, from, AUTH_DELETE_HANDLE);
        status = status == STATUS_OK ? auth_create(auth, from->handle) : status;
    }
    return status == STATUS_INVALID_ADMIN && need->is_locked ? STATUS_ACCESS_DENIED : status;
}

/* --- lists of the settings ---------------------------------------------------------------------
 */

static void consider_list(struct search *search, const struct settings_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        struct reference reference;
        if (handle_parse_reference(bytes_of_text(list->items[i]), &reference.index,
                                   &reference.handle) == STATUS_OK) {
            consider(search, &reference, NO_GROUP);
        }
    }
}

enum status auth_listed(struct auth *auth, enum auth_list list)
{
    const struct settings *settings = auth->x->scope->generation->settings;
    struct search search = {.auth = auth};
    consider_list(&search, &settings->admin_server_admins);
    if (list == AUTH_HOMING) {
        consider_list(&search, &settings->admin_home_only_admins);
    } else if (list == AUTH_STATUS) {
        consider_list(&search, &settings->admin_status_admins);
    }
    return finish(&search);
}

enum status auth_depend(const struct auth *auth, struct change_set *set)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < auth->read_count; i++) {
        status = change_set_depends_once(set, CHANGE_RECORD, auth->reads[i].handle,
                                         auth->reads[i].version);
    }
    return status == STATUS_NO_ROOM ? STATUS_SERVER_BUSY : status;
}
