/* SPDX-License-Identifier: Apache-2.0
 *
 * Common steps of administrative operations (administer.h).
 */
#include "resolver/administer.h"

#include <inttypes.h>
#include <stdio.h>

#include "resolver/refer.h"

#define QUOTA_TEXT_MAX 200

/* --- before ------------------------------------------------------------------------------------
 */

enum status administer_find(struct exchange *x, struct bytes name, struct lookup *out_found)
{
    enum status status = lookup_record(x->scope->snapshot, name, out_found);
    if (status == STATUS_HANDLE_NOT_FOUND) {
        struct bytes keepers;
        out_found->record = (struct record_row){0};
        status = refer_prefix(x, out_found->handle, &keepers);
        status = status == STATUS_PREFIX_REFERRAL ? status : STATUS_OK;
    }
    if (status == STATUS_OK && out_found->home.hosting != PREFIX_HOSTED &&
        !handle_is_prefix_record(out_found->handle)) {
        return STATUS_NOT_RESPONSIBLE;
    }
    if (status == STATUS_CORRUPT) {
        metrics_add(x->scope->metrics, METRIC_stored_damage, 0, 1);
        return STATUS_CORRUPT;
    }
    const struct exchange_terms *terms = &x->route.terms;
    bool is_stranger = exchange_identity(x) == NULL; /* versions tell of what they may not see */
    if (status == STATUS_OK && terms->has_version && !is_stranger &&
        out_found->record.version != terms->version) {
        return STATUS_CONFLICT;
    }
    return status;
}

static const char *words_of(enum status status)
{
    switch (status) {
    case STATUS_NOT_RESPONSIBLE:
        return "That prefix doesn't live here";
    case STATUS_CORRUPT:
        return "the stored record is damaged";
    case STATUS_CONFLICT:
        return EXCHANGE_TERMS_BROKEN;
    case STATUS_SERVER_BUSY:
    case STATUS_NO_MEMORY:
    case STATUS_STORAGE_FULL:
    case STATUS_STORAGE_FAILED:
    case STATUS_SERVER_BACKUP:
    case STATUS_READ_ONLY:
    case STATUS_NOT_SUPPORTED:
        return status_english(status);
    default:
        return "";
    }
}

/* To whom keeps the prefix record the request is about; that begins every body. */
static enum status refer_on(struct exchange *x)
{
    uint8_t room[HANDLE_EXPANDED_MAX];
    struct bytes handle;
    struct bytes keepers = BYTES_NONE;
    struct wire_reader r = wire_read(x->message.body);
    struct bytes name = wire_bytes(&r);
    if (!wire_ok(&r) || handle_expand(name, room, &handle) != STATUS_OK ||
        refer_prefix(x, handle, &keepers) != STATUS_PREFIX_REFERRAL) {
        return exchange_refuse(x, STATUS_NOT_RESPONSIBLE, words_of(STATUS_NOT_RESPONSIBLE));
    }
    struct message_marks marks = exchange_open(x, STATUS_PREFIX_REFERRAL);
    wire_put_bytes(&x->reply, BYTES_NONE);
    wire_put_raw(&x->reply, keepers);
    return exchange_close(x, marks);
}

enum status administer_refuse(struct exchange *x, enum status status)
{
    if (status == STATUS_PREFIX_REFERRAL) {
        return refer_on(x);
    }
    return exchange_refuse(x, status, words_of(status));
}

enum status administer_refuse_malformed(struct exchange *x)
{
    return exchange_refuse(x, STATUS_PROTOCOL_ERROR, "malformed body");
}

enum status administer_check_values(struct body_values *body, struct fault *fault)
{
    for (size_t i = 0; i < body->count; i++) {
        body->values[i].timestamp = 0;
    }
    return value_list_check(body->handle, body->values, body->count, fault);
}

enum status administer_values(struct exchange *x, const struct lookup *found,
                              struct body_values *out_values)
{
    struct wire_reader r = wire_read(found->record.values);
    out_values->handle = found->handle;
    enum status status =
        value_list_decode(&r, x->scope->arena, &out_values->values, &out_values->count);
    return status == STATUS_OK || status == STATUS_NO_MEMORY ? status : STATUS_CORRUPT;
}

/* --- who ---------------------------------------------------------------------------------------
 */

/* Known here to have the right: then prove it. Not known here, and other nodes might know: prove it
 * first, then they are asked. */
bool administer_admit(struct exchange *x, struct auth *auth, administer_judge *judge,
                      const void *subject, enum status *out_status)
{
    const struct identity *who = exchange_identity(x);
    if (who == NULL) {
        *out_status = exchange_demand_identity(x);
        return false;
    }
    uint32_t claimed = who->index;
    auth_begin(auth, x, who);
    enum status status = judge(auth, subject);
    bool is_open =
        auth->misses && (status == STATUS_INVALID_ADMIN || status == STATUS_ACCESS_DENIED);
    if (status == STATUS_OK || is_open) {
        status = exchange_authenticate(x);
    }
    if (status == STATUS_OK && (is_open || claimed == 0 || who->index != claimed)) {
        auth_begin_asking(auth, x, who);
        status = judge(auth, subject);
    }
    if (status != STATUS_OK) {
        *out_status = status == STATUS_PENDING ? status : administer_refuse(x, status);
    }
    return status == STATUS_OK;
}

/* --- writing -----------------------------------------------------------------------------------
 */

enum status administer_fill(struct change_set *set, const struct auth *auth,
                            const struct administer_change *change, struct fault *fault)
{
    enum status status = auth != NULL ? auth_depend(auth, set) : STATUS_OK;
    if (status != STATUS_OK) {
        return status;
    }
    if (change->values == NULL) {
        return change_set_delete_record(set, change->handle);
    }
    const struct record record = {change->handle, change->values->values, change->values->count};
    return change_set_put_record(set, &record, change->mode, fault);
}

/* As its terms say; of a minted name, which it was. */
static enum status remember(const struct exchange *x, struct change_set *set, struct bytes handle)
{
    const struct exchange_terms *terms = &x->route.terms;
    struct change_repeat repeat;
    if (!terms->has_repeat) {
        return STATUS_OK;
    }
    bool mints = (x->message.header.flags & (uint32_t)MESSAGE_MINT) != 0;
    memcpy(repeat.key, terms->repeat_key, sizeof(repeat.key));
    memcpy(repeat.digest, terms->repeat_digest, sizeof(repeat.digest));
    repeat.note = mints ? handle : BYTES_NONE;
    return change_set_remember(set, &repeat);
}

enum status administer_commit(struct exchange *x, const struct auth *auth,
                              const struct administer_change *change)
{
    struct fault fault = {.status = STATUS_OK};
    /* Its one item tells why it failed: the set itself is sound. */
    struct change_set *set = exchange_new_set(x, CHANGE_PER_ITEM);
    if (set == NULL) {
        return administer_refuse(x, STATUS_NO_MEMORY);
    }
    enum status status = administer_fill(set, auth, change, &fault);
    if (status == STATUS_OK) {
        status = remember(x, set, change->handle);
    }
    if (status != STATUS_OK) {
        change_set_free(set);
        return fault.status != STATUS_OK ? exchange_refuse(x, status, fault.text)
                                         : administer_refuse(x, status);
    }
    status = exchange_commit(x, set);
    return status == STATUS_PENDING ? status : administer_refuse(x, status);
}

/* --- after -------------------------------------------------------------------------------------
 */

static void put_left(char *text, size_t size, const char *what, uint64_t limit, uint64_t used)
{
    size_t len = strlen(text);
    if (limit != 0) {
        (void)snprintf(text + len, size - len, "%s %" PRIu64 " of %" PRIu64 " %s left",
                       len == 0 ? "quota of the prefix:" : ",", used < limit ? limit - used : 0,
                       limit, what);
    }
}

/* Which limits the prefix has and how much of each is left. */
static enum status refuse_quota(struct exchange *x, struct bytes handle)
{
    char text[QUOTA_TEXT_MAX] = "";
    struct lookup found;
    struct snapshot *snapshot = x->scope->snapshot;
    if (lookup_home(snapshot, handle, &found) == STATUS_OK) {
        const struct prefix_row *home = &found.home;
        put_left(text, sizeof(text), "identifiers", home->max_identifiers,
                 registry_counter(snapshot, home->prefix, COUNTER_IDENTIFIERS));
        put_left(text, sizeof(text), "bytes", home->max_bytes,
                 registry_counter(snapshot, home->prefix, COUNTER_BYTES));
    }
    return exchange_refuse(x, STATUS_QUOTA_EXCEEDED, text);
}

bool administer_is_done(struct exchange *x, const struct change_set *done, enum status *out_status)
{
    enum status status = change_set_status(done);
    const char *reason = "";
    if (status == STATUS_OK && change_set_count(done) > 0) {
        status = change_set_item_status(done, 0);
        reason = change_set_item_reason(done, 0);
    }
    if (status == STATUS_OK || status == STATUS_UNCHANGED) {
        return true;
    }
    if (status == STATUS_QUOTA_EXCEEDED) {
        *out_status = refuse_quota(x, change_set_item_handle(done, 0));
    } else {
        *out_status = exchange_refuse(x, status, reason[0] != '\0' ? reason : words_of(status));
    }
    return false;
}

enum status administer_confirm(struct exchange *x)
{
    return exchange_close(x, exchange_open(x, STATUS_OK));
}
