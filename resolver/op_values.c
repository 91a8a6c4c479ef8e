/* SPDX-License-Identifier: Apache-2.0
 *
 * Changing values (op_values.h). Which checks come before a challenge and which only after it is
 * that of the reference server, operation by operation (§5.4); clients rely on it.
 */
#include "resolver/op_values.h"

#include <stdio.h>

#include "resolver/administer.h"

struct edit {
    struct lookup found;
    struct body_values stored;
    struct body_values result;
    struct auth_need need;
};

static enum status judge(struct auth *auth, const void *subject)
{
    const struct edit *edit = subject;
    return auth_record(auth, &edit->found, edit->need.bits);
}

/* The values that are there, and room for more. */
static enum status open_edit(struct exchange *x, struct edit *edit, size_t more)
{
    enum status status = administer_values(x, &edit->found, &edit->stored);
    if (status != STATUS_OK) {
        return status;
    }
    size_t count = edit->stored.count;
    struct value *values = arena_calloc(x->scope->arena, count + more + 1, sizeof(*values));
    if (values == NULL) {
        return STATUS_NO_MEMORY;
    }
    if (count > 0) {
        memcpy(values, edit->stored.values, count * sizeof(*values));
    }
    edit->result = (struct body_values){edit->found.handle, values, count};
    edit->need = AUTH_NOTHING;
    return STATUS_OK;
}

/* The stored value of that index, where the result has it, too; NULL. Values stand sorted. */
static const struct value *find_value(const struct edit *edit, uint32_t index, size_t *out_at)
{
    size_t low = 0;
    size_t high = edit->stored.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (edit->stored.values[middle].index < index) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *out_at = low;
    bool is_there = low < edit->stored.count && edit->stored.values[low].index == index;
    return is_there ? &edit->stored.values[low] : NULL;
}

/* Asks, judges and writes; `edit` says what. */
static enum status carry_out(struct exchange *x, struct edit *edit)
{
    struct auth auth;
    enum status status;
    if (edit->need.is_locked) {
        return exchange_refuse(x, STATUS_ACCESS_DENIED, "");
    }
    if (!administer_admit(x, &auth, judge, edit, &status)) {
        return status;
    }
    const struct administer_change change = {edit->found.handle, &edit->result, CHANGE_MODIFY};
    return administer_commit(x, &auth, &change);
}

/* true: it was written or refused for good; `out_status` is the answer's. */
static bool is_over(struct exchange *x, enum status *out_status)
{
    const struct change_set *done = exchange_committed(x);
    if (done != NULL && administer_is_done(x, done, out_status)) {
        *out_status = administer_confirm(x);
    }
    return done != NULL;
}

static enum status refuse_body(struct exchange *x, enum status status)
{
    return status == STATUS_NO_MEMORY ? administer_refuse(x, status)
                                      : administer_refuse_malformed(x);
}

static enum status refuse_fault(struct exchange *x, enum status status, const struct fault *fault)
{
    return fault->status != STATUS_OK ? exchange_refuse(x, status, fault->text)
                                      : administer_refuse(x, status);
}

/* --- 102 ---------------------------------------------------------------------------------------
 */

static enum status check_given(struct body_values *body, struct fault *fault)
{
    return body->count == 0 ? fault_set(fault, STATUS_INVALID_VALUE, "no value is given")
                            : administer_check_values(body, fault);
}

static enum status add_values(struct edit *edit, const struct body_values *body, bool overwrites,
                              struct fault *fault)
{
    for (size_t i = 0; i < body->count; i++) {
        const struct value *value = &body->values[i];
        size_t at;
        const struct value *before = find_value(edit, value->index, &at);
        if (before != NULL && !overwrites) {
            return fault_set(fault, STATUS_VALUE_EXISTS, "Index conflict for %u", value->index);
        }
        if (before != NULL) {
            auth_need_modify(&edit->need, before, value);
            edit->result.values[at] = *value;
        } else {
            auth_need_add(&edit->need, value);
            edit->result.values[edit->result.count++] = *value;
        }
    }
    return STATUS_OK;
}

/* Told only to those who answered a challenge: 100, 201. */
static enum status add(struct exchange *x, struct edit *edit, const struct body_values *body)
{
    struct fault fault = {.status = STATUS_OK};
    bool overwrites = (x->message.header.flags & MESSAGE_OVERWRITE) != 0;
    if (exchange_identity(x) == NULL) {
        return exchange_demand_identity(x);
    }
    if (edit->found.record.version == 0) {
        return exchange_refuse(x, STATUS_HANDLE_NOT_FOUND, "");
    }
    enum status status = open_edit(x, edit, body->count);
    if (status == STATUS_OK) {
        status = add_values(edit, body, overwrites, &fault);
    }
    return status == STATUS_OK ? carry_out(x, edit) : refuse_fault(x, status, &fault);
}

/* Had the record, before the set was written, a value of one of these indexes? */
static bool has_overwritten(struct exchange *x, const struct body_values *body,
                            const struct change_set *done)
{
    struct edit before;
    struct history_row last;
    struct snapshot *snapshot = x->scope->snapshot;
    if (change_set_item_status(done, 0) == STATUS_UNCHANGED) {
        return true;
    }
    if (lookup_home(snapshot, body->handle, &before.found) != STATUS_OK ||
        registry_get_history(snapshot, before.found.handle, before.found.home.case_rule,
                             change_set_item_version(done, 0), &last) != STATUS_OK) {
        return false;
    }
    before.found.record = last.row;
    if (administer_values(x, &before.found, &before.stored) != STATUS_OK) {
        return false;
    }
    for (size_t i = 0; i < body->count; i++) {
        size_t at;
        if (find_value(&before, body->values[i].index, &at) != NULL) {
            return true;
        }
    }
    return false;
}

static enum status tell_added(struct exchange *x, const struct body_values *body,
                              const struct change_set *done)
{
    enum status refused;
    if (!administer_is_done(x, done, &refused)) {
        return refused;
    }
    if ((x->message.header.flags & MESSAGE_OVERWRITE) != 0 && has_overwritten(x, body, done)) {
        x->answer_header.flags |= (uint32_t)MESSAGE_OVERWRITE;
    }
    return administer_confirm(x);
}

enum status op_add_value(struct exchange *x)
{
    struct body_values body;
    struct edit edit;
    struct fault fault = {.status = STATUS_OK};
    enum status status = body_values_decode(x->message.body, x->scope->arena, &body);
    if (status != STATUS_OK) {
        return refuse_body(x, status);
    }
    const struct change_set *done = exchange_committed(x);
    if (done != NULL) {
        return tell_added(x, &body, done);
    }
    status = administer_find(x, body.handle, &edit.found);
    if (status == STATUS_OK) {
        status = check_given(&body, &fault);
    }
    return status == STATUS_OK ? add(x, &edit, &body) : refuse_fault(x, status, &fault);
}

/* --- 103 ---------------------------------------------------------------------------------------
 */

static enum status remove_values(struct edit *edit, const struct body_remove *body)
{
    struct wire_reader r = wire_read(body->indexes);
    struct value *values = edit->result.values;
    for (uint32_t i = 0; i < body->index_count; i++) {
        size_t at;
        if (find_value(edit, wire_u32(&r), &at) == NULL) {
            return STATUS_VALUES_NOT_FOUND;
        }
        values[at].index = 0; /* never stored: marks what goes */
    }
    edit->result.count = 0;
    for (size_t i = 0; i < edit->stored.count; i++) {
        if (values[i].index == 0) {
            auth_need_remove(&edit->need, &edit->stored.values[i]);
        } else {
            values[edit->result.count++] = values[i];
        }
    }
    return STATUS_OK;
}

enum status op_remove_value(struct exchange *x)
{
    struct body_remove body;
    struct edit edit;
    enum status status;
    if (body_remove_decode(x->message.body, &body) != STATUS_OK) {
        return administer_refuse_malformed(x);
    }
    if (is_over(x, &status)) {
        return status;
    }
    status = administer_find(x, body.handle, &edit.found);
    if (status != STATUS_OK) {
        return administer_refuse(x, status);
    }
    if (exchange_identity(x) == NULL) {
        return exchange_demand_identity(x);
    }
    if (edit.found.record.version == 0) {
        return exchange_refuse(x, STATUS_HANDLE_NOT_FOUND, "");
    }
    status = open_edit(x, &edit, 0);
    if (status == STATUS_OK) {
        status = remove_values(&edit, &body);
    }
    return status == STATUS_OK ? carry_out(x, &edit) : administer_refuse(x, status);
}

/* --- 104 ---------------------------------------------------------------------------------------
 */

static enum status modify_values(struct edit *edit, const struct body_values *body)
{
    for (size_t i = 0; i < body->count; i++) {
        size_t at;
        const struct value *before = find_value(edit, body->values[i].index, &at);
        if (before == NULL) {
            return STATUS_VALUES_NOT_FOUND;
        }
        auth_need_modify(&edit->need, before, &body->values[i]);
        edit->result.values[at] = body->values[i];
    }
    return STATUS_OK;
}

/* Values that anybody may write are written for whoever asks. One who claims to be somebody is
 * still held to it: the journal will name them. */
static enum status modify(struct exchange *x, struct edit *edit)
{
    bool is_anonymous = exchange_identity(x) == NULL;
    if (!edit->need.is_open || edit->need.is_locked) {
        return carry_out(x, edit);
    }
    if (!is_anonymous) {
        enum status status = exchange_authenticate(x);
        if (status != STATUS_OK) {
            return status == STATUS_PENDING ? status : administer_refuse(x, status);
        }
    }
    const struct administer_change change = {edit->found.handle, &edit->result, CHANGE_MODIFY};
    return administer_commit(x, NULL, &change);
}

enum status op_modify_value(struct exchange *x)
{
    struct body_values body;
    struct edit edit;
    struct fault fault = {.status = STATUS_OK};
    enum status status = body_values_decode(x->message.body, x->scope->arena, &body);
    if (status != STATUS_OK) {
        return refuse_body(x, status);
    }
    if (is_over(x, &status)) {
        return status;
    }
    status = administer_find(x, body.handle, &edit.found);
    if (status == STATUS_OK) {
        status = check_given(&body, &fault);
        status = status == STATUS_VALUE_EXISTS ? STATUS_INVALID_VALUE : status;
    }
    if (status == STATUS_OK && edit.found.record.version == 0) {
        status = STATUS_HANDLE_NOT_FOUND;
    }
    if (status == STATUS_OK) {
        status = open_edit(x, &edit, 0);
    }
    if (status == STATUS_OK) {
        status = modify_values(&edit, &body);
    }
    return status == STATUS_OK ? modify(x, &edit) : refuse_fault(x, status, &fault);
}
