/* SPDX-License-Identifier: Apache-2.0
 *
 * Homing and unhoming prefixes, as `guantong prefix home` does: under the node's own enterprise,
 * with the limits the settings give new prefixes, and with an audit row. What the node's own people
 * decided otherwise, they alone take back: a prefix that was stopped, or given a node of its own.
 */
#include "resolver/op_home.h"

#include "resolver/administer.h"

/* A bare prefix (national SDK) or 0.NA/<prefix>. INVALID_HANDLE. */
static enum status prefix_of(struct bytes name, struct bytes *out_prefix, struct fault *fault)
{
    bool has_slash = name.len > 0 && memchr(name.data, '/', name.len) != NULL;
    if (name.len == 0 || (has_slash && !handle_is_prefix_record(name))) {
        return fault_set(fault, STATUS_INVALID_HANDLE, "not a prefix");
    }
    *out_prefix = has_slash ? handle_suffix(name) : name;
    return handle_check_prefix(*out_prefix, fault);
}

static enum status judge(struct auth *auth, const void *subject)
{
    (void)subject;
    return auth_listed(auth, AUTH_HOMING);
}

static struct prefix_row new_row(const struct settings *settings, struct bytes prefix)
{
    return (struct prefix_row){
        .prefix = prefix,
        .enterprise = BYTES_LITERAL("self"),
        .hosting = PREFIX_HOSTED,
        .case_rule = settings->prefix_case_sensitive ? CASE_SENSITIVE : CASE_INSENSITIVE,
        .max_identifiers = (uint64_t)settings->prefix_max_identifiers,
        .max_bytes = (uint64_t)settings->prefix_max_bytes,
    };
}

static enum status fill(struct change_set *set, const struct auth *auth,
                        const struct prefix_row *row, struct fault *fault)
{
    bool is_homed = row->state == PREFIX_ACTIVE;
    enum status status =
        change_set_put_prefix(set, row, row->version == 0 ? CHANGE_CREATE : CHANGE_MODIFY, fault);
    if (status == STATUS_OK) {
        status = change_set_depends(set, CHANGE_PREFIX, row->prefix, row->version);
    }
    if (status == STATUS_OK) {
        status = change_set_audit(set, is_homed ? "prefix home" : "prefix unhome", row->prefix,
                                  BYTES_NONE);
    }
    return status == STATUS_OK ? auth_depend(auth, set) : status;
}

static enum status commit(struct exchange *x, const struct auth *auth, const struct prefix_row *row)
{
    struct fault fault = {.status = STATUS_OK};
    struct change_set *set = exchange_new_set(x, CHANGE_ALL_OR_NOTHING);
    if (set == NULL) {
        return administer_refuse(x, STATUS_NO_MEMORY);
    }
    enum status status = fill(set, auth, row, &fault);
    if (status != STATUS_OK) {
        change_set_free(set);
        return exchange_refuse(x, status, fault.text);
    }
    status = exchange_commit(x, set);
    return status == STATUS_PENDING ? status : administer_refuse(x, status);
}

/* Brings the prefix into that state; what is so already needs no write (§5.7). */
static enum status bring(struct exchange *x, const struct auth *auth, struct bytes prefix,
                         enum prefix_state state)
{
    struct prefix_row row;
    enum status status = registry_get_prefix(x->scope->snapshot, prefix, &row);
    if (status == STATUS_NOT_FOUND && state == PREFIX_ACTIVE) {
        row = new_row(x->scope->generation->settings, prefix);
        status = STATUS_OK;
    }
    if (status != STATUS_OK) {
        return administer_refuse(x, status == STATUS_NOT_FOUND ? STATUS_NOT_RESPONSIBLE : status);
    }
    if (row.state == PREFIX_STOPPED || row.state == PREFIX_READ_ONLY) {
        return exchange_refuse(x, STATUS_ACCESS_DENIED, "the prefix was stopped by its node");
    }
    /* Nothing below it is served here, and a confirmation would say that it is. */
    if (row.hosting != PREFIX_HOSTED) {
        return exchange_refuse(x, STATUS_ACCESS_DENIED, "the prefix has a node of its own");
    }
    if (row.version != 0 && row.state == state) {
        return administer_confirm(x);
    }
    row.state = state;
    return commit(x, auth, &row);
}

static enum status home(struct exchange *x, enum prefix_state state)
{
    struct bytes name;
    struct bytes prefix = BYTES_NONE;
    struct auth auth;
    struct fault fault = {.status = STATUS_OK};
    enum status status;
    if (body_handle_decode(x->message.body, false, &name) != STATUS_OK) {
        return administer_refuse_malformed(x);
    }
    const struct change_set *done = exchange_committed(x);
    if (done != NULL) {
        return administer_is_done(x, done, &status) ? administer_confirm(x) : status;
    }
    status = prefix_of(name, &prefix, &fault);
    if (status != STATUS_OK) {
        return exchange_refuse(x, status, fault.text);
    }
    if (!administer_admit(x, &auth, judge, NULL, &status)) {
        return status;
    }
    return bring(x, &auth, prefix, state);
}

enum status op_home(struct exchange *x)
{
    return home(x, PREFIX_ACTIVE);
}

enum status op_unhome(struct exchange *x)
{
    return home(x, PREFIX_UNHOMED);
}
