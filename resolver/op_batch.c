/* SPDX-License-Identifier: Apache-2.0
 *
 * Batches (op_batch.h). Pieces are judged in snapshots of their own; what each rested on is checked
 * together when the set is prepared, and the whole is decided anew when something has changed.
 */
#include "resolver/op_batch.h"

#include <stdio.h>

#include "resolver/bulk_batch.h"
#include "resolver/exchange_progress.h"
#include "resolver/op_create.h"
#include "resolver/op_delete.h"

#define PIECE 32 /* items judged in one turn */
#define TEXT_MAX 280

/* --- one item ----------------------------------------------------------------------------------
 */

static struct bytes bytes_of_item(const struct batch *batch, const struct batch_item *item)
{
    return bytes_of(batch->bytes.data + item->at, item->len);
}

/* Into the set, resting on what was read. */
static enum status add(struct exchange *x, struct batch_item *item, const struct auth *auth,
                       const struct administer_change *change)
{
    struct batch *batch = x->progress->batch;
    struct fault fault = {.status = STATUS_OK};
    enum status status = administer_fill(batch->set, auth, change, &fault);
    if (status == STATUS_OK) {
        item->is_in_set = true;
    } else if (status != STATUS_CONFLICT && status != STATUS_NO_MEMORY) {
        const char *text = status == STATUS_NO_ROOM ? "the batch is over 16 MiB"
                           : status == STATUS_SERVER_BUSY
                               ? "the batch rests on too many other records: divide it"
                               : fault.text;
        batch_refuse(item, status, text);
        status = STATUS_OK;
    }
    return status;
}

/* Has the caller, who proved who he is, the right? */
static enum status permit(struct exchange *x, struct auth *auth, administer_judge *judge,
                          const void *subject)
{
    auth_begin_asking(auth, x, exchange_identity(x));
    return judge(auth, subject);
}

/* What is no refusal but a reason to come again. */
static bool is_passing(enum status status)
{
    return status == STATUS_PENDING || status == STATUS_NO_MEMORY;
}

static enum status judge_put(struct exchange *x, struct batch_item *item)
{
    struct batch *batch = x->progress->batch;
    struct op_creation creation = {.overwrites = item->operation == BATCH_PUT};
    struct fault fault = {.status = STATUS_OK};
    struct auth auth;
    enum status status =
        body_values_decode(bytes_of_item(batch, item), x->scope->arena, &creation.body);
    if (status == STATUS_OK) {
        status = op_create_examine(x, &creation, &fault);
    }
    uint64_t version = creation.found.record.version;
    const char *forbids = version == 0 ? item->forbids_creating : item->forbids_changing;
    if (status == STATUS_OK && forbids != NULL) {
        batch_refuse(item, STATUS_ACCESS_DENIED, forbids);
        return STATUS_OK;
    }
    if (status == STATUS_OK && item->has_version && version != item->if_version) {
        batch_refuse(item, STATUS_CONFLICT, EXCHANGE_TERMS_BROKEN);
        return STATUS_OK;
    }
    if (status == STATUS_OK) {
        status = permit(x, &auth, op_create_judge, &creation);
    }
    if (status != STATUS_OK) {
        if (!is_passing(status)) {
            batch_refuse(item, status, fault.text);
        }
        return is_passing(status) ? status : STATUS_OK;
    }
    const struct administer_change change = {
        .handle = creation.found.handle,
        .values = &creation.body,
        .mode = version != 0 ? CHANGE_MODIFY : CHANGE_CREATE,
    };
    status = add(x, item, &auth, &change);
    if (status == STATUS_OK && item->is_in_set) {
        change_set_expect(batch->set, version);
    }
    return status;
}

static enum status judge_delete(struct exchange *x, struct batch_item *item)
{
    struct batch *batch = x->progress->batch;
    struct lookup found;
    struct auth auth;
    if (item->forbids_changing != NULL) {
        batch_refuse(item, STATUS_ACCESS_DENIED, item->forbids_changing);
        return STATUS_OK;
    }
    enum status status = administer_find(x, batch_handle(batch, item), &found);
    if (status == STATUS_OK && found.record.version == 0) {
        status = STATUS_HANDLE_NOT_FOUND;
    }
    if (status == STATUS_OK && item->has_version && found.record.version != item->if_version) {
        batch_refuse(item, STATUS_CONFLICT, EXCHANGE_TERMS_BROKEN);
        return STATUS_OK;
    }
    if (status == STATUS_OK) {
        status = permit(x, &auth, op_delete_judge, &found);
    }
    if (status != STATUS_OK) {
        if (!is_passing(status)) {
            batch_refuse(item, status, "");
        }
        return is_passing(status) ? status : STATUS_OK;
    }
    status = add(x, item, &auth, &(struct administer_change){.handle = found.handle});
    if (status == STATUS_OK && item->is_in_set) {
        change_set_expect(batch->set, found.record.version);
    }
    return status;
}

/* One item per handle: a set is one moment, and has no order. true: it was refused. */
static bool is_second(struct exchange *x, size_t at, enum status *out_status)
{
    struct batch *batch = x->progress->batch;
    struct batch_item *item = &batch->items[at];
    struct lookup home;
    char text[TEXT_MAX];
    enum case_rule rule = CASE_INSENSITIVE;
    if (lookup_home(x->scope->snapshot, batch_handle(batch, item), &home) == STATUS_OK) {
        rule = home.home.case_rule;
    }
    const struct batch_item *first = batch_meets(batch, at, rule, out_status);
    if (first != NULL) {
        (void)snprintf(text, sizeof(text), "line %zu is about the same handle", first->line);
        batch_refuse(item, STATUS_HANDLE_EXISTS, text);
    }
    return first != NULL;
}

/* OK: it is in the set, or refused. Else what the whole comes to. */
static enum status judge_item(struct exchange *x, size_t at)
{
    struct batch_item *item = &x->progress->batch->items[at];
    enum status status = STATUS_OK;
    if (item->is_malformed || is_second(x, at, &status) || status != STATUS_OK) {
        return status;
    }
    return item->operation == BATCH_DELETE ? judge_delete(x, item) : judge_put(x, item);
}

/* --- the whole ---------------------------------------------------------------------------------
 */

static enum status refuse(struct exchange *x, enum status status)
{
    return status == STATUS_PENDING ? status : exchange_refuse(x, status, "");
}

/* true: it was done before, or its key belongs to something else. */
static bool was_done(struct exchange *x, struct batch *batch)
{
    struct repeat_row row;
    struct bytes key = bytes_of(batch->repeat_key, CHANGE_REPEAT_LEN);
    if (!batch->has_repeat ||
        repeats_get(x->scope->snapshot, key, x->scope->now_ms, &row) != STATUS_OK) {
        return false;
    }
    batch->clashes = !bytes_equal(row.digest, bytes_of(batch->repeat_digest, CHANGE_REPEAT_LEN)) ||
                     batch_recall(batch, &row) != STATUS_OK;
    return true;
}

static enum status remember(struct batch *batch)
{
    struct http_body note = {0};
    struct change_repeat repeat;
    enum status status = batch_note(batch, &note);
    if (status == STATUS_OK) {
        memcpy(repeat.key, batch->repeat_key, sizeof(repeat.key));
        memcpy(repeat.digest, batch->repeat_digest, sizeof(repeat.digest));
        repeat.note = bytes_of(note.data, note.len);
        status = change_set_remember(batch->set, &repeat);
    }
    http_body_free(&note);
    return status;
}

static enum status commit(struct exchange *x, struct batch *batch)
{
    enum status status = STATUS_OK;
    if (change_set_count(batch->set) == 0 || (batch->is_all && batch_refused(batch) > 0)) {
        return administer_confirm(x);
    }
    if (batch->has_repeat) {
        status = remember(batch);
    }
    if (status == STATUS_OK) {
        struct change_set *set = batch->set;
        batch->set = NULL;
        status = exchange_commit(x, set);
    }
    return refuse(x, status);
}

static enum status begin(struct exchange *x, struct batch *batch)
{
    batch_begin_again(batch);
    x->scope->random(batch->hash_key, sizeof(batch->hash_key));
    batch->set = exchange_new_set(x, batch->is_all ? CHANGE_ALL_OR_NOTHING : CHANGE_PER_ITEM);
    return batch->set == NULL ? STATUS_NO_MEMORY : STATUS_OK;
}

/* A piece more of it, or the end. */
static enum status go_on(struct exchange *x, struct batch *batch)
{
    enum status status = batch->set == NULL ? begin(x, batch) : STATUS_OK;
    for (size_t i = 0; i < PIECE && batch->next < batch->count && status == STATUS_OK; i++) {
        status = judge_item(x, batch->next);
        batch->next += status == STATUS_OK;
    }
    if (status == STATUS_CONFLICT) {
        change_set_free(batch->set);
        batch->set = NULL;
        status = exchange_decide_again(x);
    } else if (status == STATUS_OK && batch->next < batch->count) {
        status = exchange_go_on(x);
    } else if (status == STATUS_OK) {
        return commit(x, batch);
    }
    return refuse(x, status);
}

/* Unless it failed for what its items are, it failed for all of them. */
static enum status take(struct exchange *x, struct batch *batch, const struct change_set *done)
{
    batch_take(batch, done);
    bool is_told = batch->is_committed || (batch->is_all && batch_refused(batch) > 0);
    return is_told ? administer_confirm(x) : administer_refuse(x, change_set_status(done));
}

enum status op_batch(struct exchange *x)
{
    if (progress_of(x) == NULL) {
        return exchange_refuse(x, STATUS_NO_MEMORY, "");
    }
    if (x->progress->batch == NULL) {
        x->progress->batch = batch_hold(x->route.terms.batch);
    }
    struct batch *batch = x->progress->batch;
    const struct change_set *done = exchange_committed(x);
    if (done != NULL) {
        return take(x, batch, done);
    }
    if (exchange_identity(x) == NULL) {
        return exchange_demand_identity(x);
    }
    enum status status = exchange_authenticate(x);
    if (status != STATUS_OK) {
        return refuse(x, status);
    }
    return was_done(x, batch) ? administer_confirm(x) : go_on(x, batch);
}
