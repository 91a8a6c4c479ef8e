/* SPDX-License-Identifier: Apache-2.0
 *
 * Resolution: which values were asked for, which of them may be seen.
 *
 * Stored form is wire form (design: "straight copy"), so selected values are copied as runs of
 * bytes in either path; a test holds both answers equal.
 */
#include "resolver/op_resolve.h"

#include <inttypes.h>
#include <stdio.h>

#include "protocol/selection.h"
#include "resolver/administer.h"
#include "resolver/forward.h"
#include "resolver/hot_path.h"
#include "resolver/lookup.h"
#include "resolver/refer.h"
#include "resolver/templated.h"
#include "resolver/trust.h"

/* No record has more values, so longer lists can only be meant to burn time. */
#define FILTER_MAX VALUE_COUNT_MAX

#define STATUS_TEXT_MAX 80

enum standing { NOT_ASKED, ASKED, ASKED_AND_PUBLIC };

/* What a walk over the asked-for values found. */
struct visibility {
    uint32_t selected;
    uint32_t visible;    /* publicly readable among them */
    bool has_unreadable; /* one nobody may read, administrators included */
    enum standing least; /* from which on a value leaves */
    uint8_t standing[VALUE_COUNT_MAX];
};

/* The next stored value and its own bytes; false at the end or when they lie. */
static bool next_value(struct wire_reader *r, struct value *out_value, struct bytes *out_raw)
{
    const uint8_t *start = r->at;
    if (wire_left(r) == 0 || value_decode(r, out_value) != STATUS_OK) {
        return false;
    }
    *out_raw = bytes_of(start, (size_t)(r->at - start));
    return true;
}

static void see(struct visibility *seen, uint32_t at, const struct value *value)
{
    seen->selected++;
    seen->standing[at] = ASKED;
    if (value_is_public(value)) {
        seen->standing[at] = ASKED_AND_PUBLIC;
        seen->visible++;
    } else if ((value->permissions & VALUE_ADMIN_READ) == 0) {
        seen->has_unreadable = true;
    }
}

static enum status measure(struct bytes stored, const struct selection *selection,
                           struct visibility *seen)
{
    struct wire_reader r = wire_read(stored);
    uint32_t count = wire_count(&r, VALUE_SMALLEST);
    if (count > VALUE_COUNT_MAX) {
        return STATUS_CORRUPT;
    }
    struct value value;
    struct bytes raw;
    for (uint32_t i = 0; i < count && next_value(&r, &value, &raw); i++) {
        if (selection_has(selection, &value)) {
            see(seen, i, &value);
        }
    }
    return wire_done(&r) ? STATUS_OK : STATUS_CORRUPT;
}

static enum status answer_straight(struct exchange *x, struct bytes name, struct bytes stored)
{
    metrics_add(x->scope->metrics, METRIC_straight_answers, 0, 1);
    hot_keep(x->scope, name, stored);
    struct message_marks marks = exchange_open(x, STATUS_OK);
    wire_put_bytes(&x->reply, name);
    wire_put_raw(&x->reply, stored);
    return exchange_close(x, marks);
}

/* The values that leave, as runs of the stored bytes. */
static enum status answer_visible(struct exchange *x, struct bytes name, struct bytes stored,
                                  const struct visibility *seen)
{
    struct message_marks marks = exchange_open(x, STATUS_OK);
    wire_put_bytes(&x->reply, name);
    wire_put_u32(&x->reply, seen->visible);
    struct wire_reader r = wire_read(stored);
    uint32_t count = wire_u32(&r);
    struct value value;
    struct bytes raw;
    for (uint32_t i = 0; i < count && next_value(&r, &value, &raw); i++) {
        if (seen->standing[i] >= seen->least) {
            wire_put_raw(&x->reply, raw);
        }
    }
    return exchange_close(x, marks);
}

/* The national SDK never sets PO, and cannot answer a challenge to a resolution. */
static bool wants_public_only(const struct exchange *x)
{
    return (x->message.header.flags & MESSAGE_PUBLIC_ONLY) != 0 ||
           (exchange_is_national(x) && exchange_identity(x) == NULL);
}

static enum status refuse_damaged(struct exchange *x)
{
    metrics_add(x->scope->metrics, METRIC_stored_damage, 0, 1);
    return exchange_refuse(x, STATUS_ERROR, "the stored record is damaged");
}

static enum status judge_reader(struct auth *auth, const void *subject)
{
    return auth_record(auth, subject, AUTH_READ_VALUE);
}

/* One who logged in, and whose client knows no PO, asks for what is open to all: INVALID_ADMIN.
 * PENDING: whether he may read the rest is being asked for. OK: anything else. */
static enum status judge_stranger(struct exchange *x, const struct lookup *found)
{
    struct auth auth;
    const struct identity *who = exchange_identity(x);
    if (who == NULL || who->source != IDENTITY_LOGIN || !exchange_is_national(x)) {
        return STATUS_OK;
    }
    auth_begin_asking(&auth, x, who);
    enum status status = judge_reader(&auth, found);
    return status == STATUS_INVALID_ADMIN || status == STATUS_PENDING ? status : STATUS_OK;
}

/* Everything that was asked for, for those who may read it. */
static enum status answer_entitled(struct exchange *x, const struct selection *selection,
                                   const struct lookup *found, struct visibility *seen)
{
    struct auth auth;
    enum status status;
    if (seen->has_unreadable) {
        return exchange_refuse(x, STATUS_ACCESS_DENIED, "");
    }
    if (!administer_admit(x, &auth, judge_reader, found, &status)) {
        return status;
    }
    exchange_exposes(x);
    seen->visible = seen->selected;
    seen->least = ASKED;
    return answer_visible(x, selection->asked->handle, found->record.values, seen);
}

/* protocol.md §7.3, over every selected value. */
static enum status answer_selected(struct exchange *x, const struct selection *selection,
                                   const struct lookup *found)
{
    struct visibility seen = {.least = ASKED_AND_PUBLIC};
    if (measure(found->record.values, selection, &seen) != STATUS_OK) {
        return refuse_damaged(x);
    }
    bool may_all_leave = seen.visible == seen.selected;
    if (!may_all_leave && !wants_public_only(x)) {
        enum status status = judge_stranger(x, found);
        if (status != STATUS_INVALID_ADMIN) {
            return status == STATUS_PENDING ? status : answer_entitled(x, selection, found, &seen);
        }
    }
    if (seen.visible == 0) {
        return exchange_refuse(x, STATUS_VALUES_NOT_FOUND, "");
    }
    enum status trust =
        trust_mark(x, found->handle, found->record.values, seen.standing, (uint8_t)seen.least);
    return trust == STATUS_OK
               ? answer_visible(x, selection->asked->handle, found->record.values, &seen)
               : trust;
}

/* The name every reference server answers about itself (§5.14); it holds nothing public. */
static bool is_server_status(struct bytes name)
{
    return bytes_equal_nocase(name, BYTES_LITERAL("0.SITE/status"));
}

/* National clients ask for it on idle connections and wait for 100 (§12.5). */
static bool is_heart_beat(struct bytes name)
{
    return bytes_equal(name, BYTES_LITERAL("0"));
}

static enum status judge_watcher(struct auth *auth, const void *subject)
{
    (void)subject;
    return auth_listed(auth, AUTH_STATUS);
}

/* Figures in numbers stand on the metrics port; here, which state of the node answers. */
static enum status answer_status(struct exchange *x)
{
    struct auth auth;
    enum status status;
    if (wants_public_only(x)) {
        return exchange_refuse(x, STATUS_VALUES_NOT_FOUND, "");
    }
    if (!administer_admit(x, &auth, judge_watcher, NULL, &status)) {
        return status;
    }
    exchange_exposes(x);
    char text[STATUS_TEXT_MAX];
    int len = snprintf(text, sizeof(text), "generation=%" PRIu64 ";transaction=%" PRIu64,
                       x->scope->generation->number, snapshot_txn(x->scope->snapshot));
    const struct value value = {
        .index = 1,
        .timestamp = (uint32_t)(x->scope->now_ms / 1000),
        .ttl = 0,
        .permissions = VALUE_ADMIN_READ,
        .type = BYTES_LITERAL("CNRI.SERVER_STATUS"),
        .data = bytes_of(text, (size_t)len),
    };
    struct message_marks marks = exchange_open(x, STATUS_OK);
    wire_put_bytes(&x->reply, BYTES_LITERAL("0.SITE/status"));
    value_list_encode(&x->reply, &value, 1);
    return exchange_close(x, marks);
}

static enum status refuse_lookup(struct exchange *x, enum status status)
{
    switch (status) {
    case STATUS_NOT_RESPONSIBLE:
        return exchange_refuse(x, status, "That prefix doesn't live here");
    case STATUS_CORRUPT:
        return refuse_damaged(x);
    default:
        return exchange_refuse(x, status, "");
    }
}

static enum status select_values(struct exchange *x, const struct body_resolution *asked,
                                 struct selection *out_selection)
{
    uint64_t key = 0;
    if (asked->type_count >= SELECTION_HASHED) {
        x->scope->random(&key, sizeof(key));
    }
    return selection_init(out_selection, asked, x->scope->arena, key);
}

/* 302 or 303 with the values that tell the service, or the handle that has them (§5.6). */
static enum status answer_referral(struct exchange *x, enum status referral, struct bytes handle,
                                   struct bytes values)
{
    struct message_marks marks = exchange_open(x, referral);
    wire_put_bytes(&x->reply, values.len == 0 ? handle : BYTES_NONE);
    wire_put_raw(&x->reply, values);
    return exchange_close(x, marks);
}

/* To the record of the name's prefix, which is not here. */
static enum status answer_referral_to_prefix(struct exchange *x, struct bytes name)
{
    uint8_t room[HANDLE_EXPANDED_MAX];
    struct bytes handle = BYTES_NONE;
    enum status status = handle_expand(handle_prefix(name), room, &handle);
    return status == STATUS_OK ? answer_referral(x, STATUS_SERVICE_REFERRAL, handle, BYTES_NONE)
                               : exchange_refuse(x, status, "");
}

/* A name that has no home here, for those it is resolved for. What is answered is another node's:
 * without its authority. */
static enum status resolve_elsewhere(struct exchange *x, const struct body_resolution *asked)
{
    struct bytes values = BYTES_NONE;
    struct selection selection;
    struct visibility seen = {.least = ASKED_AND_PUBLIC};
    enum status status = forward_find(x, asked->handle, &values);
    if (status == STATUS_PENDING) {
        return status;
    }
    if (status == STATUS_SERVICE_REFERRAL) {
        return values.len == 0 ? answer_referral_to_prefix(x, asked->handle)
                               : answer_referral(x, status, BYTES_NONE, values);
    }
    if (status == STATUS_OK) {
        status = select_values(x, asked, &selection);
    }
    if (status == STATUS_OK) {
        status = measure(values, &selection, &seen);
    }
    if (status != STATUS_NOT_RESPONSIBLE) {
        x->answer_header.flags &= ~(uint32_t)MESSAGE_AUTHORITATIVE;
    }
    if (status != STATUS_OK) {
        return refuse_lookup(x, status);
    }
    if (seen.visible == 0) {
        return exchange_refuse(x, STATUS_VALUES_NOT_FOUND, "");
    }
    status = trust_mark(x, asked->handle, values, seen.standing, (uint8_t)seen.least);
    return status == STATUS_OK ? answer_visible(x, asked->handle, values, &seen) : status;
}

/* A derived prefix may be kept by whom the one above it names. */
static enum status refuse_absent(struct exchange *x, const struct body_resolution *asked,
                                 struct bytes handle)
{
    struct bytes values = BYTES_NONE;
    enum status status = refer_prefix(x, handle, &values);
    switch (status) {
    case STATUS_PREFIX_REFERRAL:
        return answer_referral(x, status, BYTES_NONE, values);
    case STATUS_NOT_RESPONSIBLE:
        return resolve_elsewhere(x, asked);
    default:
        return refuse_lookup(x, status);
    }
}

/* Without a record there may be a template, otherwise another node. */
static enum status answer_absent(struct exchange *x, const struct body_resolution *asked,
                                 struct lookup *found)
{
    struct fault fault = {STATUS_OK, ""};
    struct selection selection;
    enum status status = templated_find(x, found, &fault);
    if (status == STATUS_HANDLE_NOT_FOUND) {
        return refuse_absent(x, asked, found->handle);
    }
    if (status == STATUS_OK) {
        status = select_values(x, asked, &selection);
    }
    if (status == STATUS_CORRUPT) {
        return refuse_damaged(x);
    }
    return status == STATUS_OK ? answer_selected(x, &selection, found)
                               : exchange_refuse(x, status, fault.text);
}

enum status op_resolve(struct exchange *x)
{
    struct body_resolution asked;
    if (body_resolution_decode(x->message.body, &asked) != STATUS_OK) {
        return exchange_refuse(x, STATUS_PROTOCOL_ERROR, "malformed body");
    }
    if (asked.index_count > FILTER_MAX || asked.type_count > FILTER_MAX) {
        return exchange_refuse(x, STATUS_PROTOCOL_ERROR, "more filters than a record has values");
    }
    if (is_server_status(asked.handle)) {
        return answer_status(x);
    }
    struct lookup found;
    enum status status = lookup_record(x->scope->snapshot, asked.handle, &found);
    if (status == STATUS_NOT_RESPONSIBLE) {
        return is_heart_beat(asked.handle) ? exchange_refuse(x, STATUS_HANDLE_NOT_FOUND, "")
                                           : resolve_elsewhere(x, &asked);
    }
    if (status == STATUS_HANDLE_NOT_FOUND) {
        return answer_absent(x, &asked, &found);
    }
    if (status != STATUS_OK) {
        return refuse_lookup(x, status);
    }
    struct selection selection;
    if (select_values(x, &asked, &selection) != STATUS_OK) {
        return exchange_refuse(x, STATUS_NO_MEMORY, "");
    }
    bool is_certified = (x->message.header.flags & MESSAGE_CERTIFIED) != 0;
    bool is_plain = selection_is_everything(&selection) && !is_certified && !trust_is_asked(x);
    if (is_plain && (found.record.flags & RECORD_ALL_PUBLIC) != 0) {
        return answer_straight(x, asked.handle, found.record.values);
    }
    return answer_selected(x, &selection, &found);
}
