/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations that are decoded and refused; see op_refusals.h.
 */
#include "resolver/op_refusals.h"

#include "protocol/body.h"
#include "resolver/identity.h"
#include "resolver/lookup.h"

static enum status refuse_malformed(struct exchange *x)
{
    return exchange_refuse(x, STATUS_PROTOCOL_ERROR, "malformed body");
}

static enum status refuse_unserved(struct exchange *x)
{
    return exchange_refuse(x, STATUS_NOT_SUPPORTED, "this operation is not supported here");
}

static enum status refuse_unidentified(struct exchange *x)
{
    return exchange_identity(x) == NULL ? exchange_demand_identity(x) : refuse_unserved(x);
}

static enum status refuse_administration(struct exchange *x, enum status home)
{
    switch (home) {
    case STATUS_OK:
        return refuse_unidentified(x);
    case STATUS_NOT_RESPONSIBLE:
        return exchange_refuse(x, home, "That prefix doesn't live here");
    default:
        return exchange_refuse(x, home, "");
    }
}

static enum status refuse_change_of(struct exchange *x, struct bytes name)
{
    struct lookup found;
    return refuse_administration(x, lookup_home(x->scope->snapshot, name, &found));
}

static enum status refuse_values_change(struct exchange *x)
{
    struct body_values body;
    enum status status = body_values_decode(x->message.body, x->scope->arena, &body);
    if (status == STATUS_NO_MEMORY) {
        return exchange_refuse(x, status, "");
    }
    return status == STATUS_OK ? refuse_change_of(x, body.handle) : refuse_malformed(x);
}

enum status op_create(struct exchange *x)
{
    return refuse_values_change(x);
}

enum status op_add_value(struct exchange *x)
{
    return refuse_values_change(x);
}

enum status op_modify_value(struct exchange *x)
{
    return refuse_values_change(x);
}

enum status op_delete(struct exchange *x)
{
    struct bytes handle;
    if (body_handle_decode(x->message.body, false, &handle) != STATUS_OK) {
        return refuse_malformed(x);
    }
    return refuse_change_of(x, handle);
}

enum status op_remove_value(struct exchange *x)
{
    struct body_remove body;
    if (body_remove_decode(x->message.body, &body) != STATUS_OK) {
        return refuse_malformed(x);
    }
    return refuse_change_of(x, body.handle);
}

static enum status refuse_list_under(struct exchange *x)
{
    struct bytes prefix;
    if (body_handle_decode(x->message.body, false, &prefix) != STATUS_OK) {
        return refuse_malformed(x);
    }
    struct lookup found;
    return refuse_administration(x, lookup_prefix(x->scope->snapshot, prefix, &found));
}

enum status op_list_handles(struct exchange *x)
{
    return refuse_list_under(x);
}

enum status op_list_derived(struct exchange *x)
{
    return refuse_list_under(x);
}

/* A bare prefix (national SDK) or 0.NA/<prefix> (protocol.md §5.7). */
static bool names_prefix(struct bytes name)
{
    bool has_slash = name.len > 0 && memchr(name.data, '/', name.len) != NULL;
    return name.len > 0 && name.len <= HANDLE_MAX && (!has_slash || handle_is_prefix_record(name));
}

static enum status refuse_homing(struct exchange *x)
{
    struct bytes name;
    if (body_handle_decode(x->message.body, false, &name) != STATUS_OK) {
        return refuse_malformed(x);
    }
    if (!names_prefix(name)) {
        return exchange_refuse(x, STATUS_INVALID_HANDLE, "not a prefix");
    }
    return refuse_unidentified(x);
}

enum status op_home(struct exchange *x)
{
    return refuse_homing(x);
}

enum status op_unhome(struct exchange *x)
{
    return refuse_homing(x);
}

/* The name is ignored: clients send "/" (protocol.md §5.5). */
enum status op_list_homed(struct exchange *x)
{
    struct bytes ignored;
    if (body_handle_decode(x->message.body, true, &ignored) != STATUS_OK) {
        return refuse_malformed(x);
    }
    return refuse_unidentified(x);
}

static enum status refuse_named(struct exchange *x)
{
    struct bytes ignored;
    if (body_handle_decode(x->message.body, true, &ignored) != STATUS_OK) {
        return refuse_malformed(x);
    }
    return refuse_unserved(x);
}

enum status op_next_txn_id(struct exchange *x)
{
    return refuse_named(x);
}

enum status op_backup(struct exchange *x)
{
    return refuse_named(x);
}

enum status op_retrieve_log(struct exchange *x)
{
    struct body_retrieve_log body;
    struct message_version version = x->message.envelope.version;
    if (body_retrieve_log_decode(x->message.body, version, &body) != STATUS_OK) {
        return refuse_malformed(x);
    }
    return refuse_unserved(x);
}

enum status op_dump_handles(struct exchange *x)
{
    struct body_dump body;
    if (body_dump_decode(x->message.body, &body) != STATUS_OK) {
        return refuse_malformed(x);
    }
    return refuse_unserved(x);
}
