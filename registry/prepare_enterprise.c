/* SPDX-License-Identifier: Apache-2.0
 *
 * Preparing an enterprise's row (prepare_item.h): the step from what is stored, what no two
 * enterprises may share, the row.
 */
#include "registry/enterprise_index.h"
#include "registry/prefix_row.h"
#include "registry/prepare_item.h"

/* What is stored of it; `out_stored` has version 0 when there is none. */
static enum status meet(struct preparation *p, struct change_item *item,
                        struct enterprise_row *out_stored)
{
    struct bytes row;
    *out_stored = (struct enterprise_row){.state = ENTERPRISE_NONE};
    enum status status = store_get(p->txn, STORE_ENTERPRISE, item->key, &row);
    if (status == STATUS_NOT_FOUND) {
        return item->mode == CHANGE_MODIFY ? STATUS_HANDLE_NOT_FOUND : STATUS_OK;
    }
    if (status == STATUS_OK) {
        status = enterprise_row_decode(item->key, row, out_stored);
    }
    if (status != STATUS_OK) {
        return status;
    }
    item->expected_version = out_stored->version;
    item->created_ms = out_stored->created_ms;
    if (bytes_equal(out_stored->content, item->values)) {
        return STATUS_UNCHANGED;
    }
    return item->mode == CHANGE_CREATE ? STATUS_HANDLE_EXISTS : STATUS_OK;
}

static enum status judge_step(struct change_item *item, const struct enterprise_row *stored,
                              const struct enterprise_row *asked)
{
    if (!enterprise_state_may_become(stored->state, asked->state)) {
        return prepare_item_fail(item, STATUS_ACCESS_DENIED,
                                 "no act leads from its state to that one");
    }
    if (!enterprise_state_review_may_become(stored->review, asked->review)) {
        return prepare_item_fail(item, STATUS_ACCESS_DENIED,
                                 "no act leads from the state of its change to that one");
    }
    return STATUS_OK;
}

/* Does another item of the set, prepared before, have the key? */
static bool is_taken_in_set(const struct preparation *p, const struct change_item *item,
                            const struct store_key *key)
{
    for (const struct change_item *other = &p->set->items[1]; other < item; other++) {
        const struct change_uniques *uniques = other->uniques;
        for (size_t i = 0; uniques != NULL && i < uniques->after.count; i++) {
            if (bytes_equal(keys_bytes(&uniques->after.keys[i]), keys_bytes(key))) {
                return true;
            }
        }
    }
    return false;
}

/* A prefix that somebody else was given already, the node itself among them. */
static enum status judge_prefix(struct preparation *p, struct change_item *item,
                                struct bytes prefix)
{
    struct prefix_row row;
    const struct home_view plain = {.txn = p->txn};
    enum status status = home_get_prefix(&plain, prefix, &row);
    if (status == STATUS_OK && !bytes_equal(row.enterprise, item->key)) {
        return prepare_item_fail(item, STATUS_HANDLE_EXISTS,
                                 "the prefix belongs to another enterprise");
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static enum status judge_uniques(struct preparation *p, struct change_item *item)
{
    const struct enterprise_uniques *after = &item->uniques->after;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < after->count && status == STATUS_OK; i++) {
        struct bytes key = keys_bytes(&after->keys[i]);
        bool is_prefix = key.data[0] == ENTERPRISE_BY_PREFIX;
        status = enterprise_index_check(p->txn, key, item->key);
        if (status == STATUS_OK && is_taken_in_set(p, item, &after->keys[i])) {
            status = STATUS_CONFLICT;
        }
        if (status == STATUS_CONFLICT) {
            return prepare_item_fail(item, STATUS_HANDLE_EXISTS,
                                     is_prefix ? "another enterprise applied for the prefix"
                                               : "another enterprise has this credential");
        }
        if (status == STATUS_OK && is_prefix) {
            status = judge_prefix(p, item, bytes_from(key, 1));
        }
    }
    return status;
}

static enum status make_row(struct preparation *p, struct change_item *item)
{
    item->row_len = enterprise_row_len(item->values);
    item->row = arena_alloc(p->set->prepared, item->row_len);
    if (item->row == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct wire_writer w = wire_write(item->row, item->row_len);
    enterprise_row_begin(&w, item->values);
    assert(!w.failed);
    const struct record_digest_of of = {item->canonical, item->version, item->values};
    enum status status = record_digest_plain(p->set->hasher, &of, item->digest);
    return status == STATUS_OK ? prepare_item_hash(p, item) : status;
}

enum status prepare_enterprise(struct preparation *p, struct change_item *item)
{
    struct enterprise_row asked;
    struct enterprise_row stored;
    item->canonical = item->handle;
    item->key = item->handle;
    item->class = JOURNAL_RESTRICTED;
    if (p->set->enterprise.len == 0) {
        p->set->enterprise = item->key;
    }
    item->uniques = arena_calloc(p->set->prepared, 1, sizeof(*item->uniques));
    if (item->uniques == NULL) {
        return STATUS_NO_MEMORY;
    }
    enum status status = enterprise_row_read_content(item->values, &asked, NULL);
    item->state = asked.state;
    status = status == STATUS_OK ? meet(p, item, &stored) : status;
    status = status == STATUS_OK ? judge_step(item, &stored, &asked) : status;
    if (status == STATUS_OK) {
        status = enterprise_uniques_of(&stored, &item->uniques->before);
    }
    if (status == STATUS_OK) {
        status = enterprise_uniques_of(&asked, &item->uniques->after);
    }
    status = status == STATUS_OK ? judge_uniques(p, item) : status;
    if (status != STATUS_OK) {
        return status;
    }
    item->version = item->expected_version + 1;
    return make_row(p, item);
}
