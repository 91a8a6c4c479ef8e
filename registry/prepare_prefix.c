/* SPDX-License-Identifier: Apache-2.0
 *
 * Preparing a prefix, and the enterprise that our first prefix brings with it (prepare_item.h).
 */
#include "registry/enterprise_index.h"
#include "registry/prefix_row.h"
#include "registry/prepare_item.h"

static const char own_enterprise[] = "self";

/* The row is made here as everybody else's is, but has nothing to say beside its state. */
static enum status make_own(struct preparation *p, struct change_item *implied)
{
    static const uint8_t enabled[1] = {ENTERPRISE_ENABLED};
    implied->canonical = bytes_of_text(own_enterprise);
    implied->key = implied->canonical;
    implied->values = bytes_of(enabled, sizeof(enabled));
    implied->version = 1;
    implied->class = JOURNAL_RESTRICTED;
    implied->row_len = enterprise_row_len(implied->values);
    implied->row = arena_alloc(p->set->prepared, implied->row_len);
    if (implied->row == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct wire_writer w = wire_write(implied->row, implied->row_len);
    enterprise_row_begin(&w, implied->values);
    assert(!w.failed);
    const struct record_digest_of of = {implied->canonical, implied->version, implied->values};
    enum status status = record_digest_plain(p->set->hasher, &of, implied->digest);
    if (status == STATUS_OK) {
        status = prepare_item_hash(p, implied);
    }
    if (status == STATUS_OK) {
        implied->prepared_status = STATUS_OK;
    }
    return status;
}

/* The first prefix of our own enterprise brings the enterprise with it: items[0]. */
static enum status imply_enterprise(struct preparation *p)
{
    struct bytes row;
    enum status status = store_get(p->txn, STORE_ENTERPRISE, bytes_of_text(own_enterprise), &row);
    if (status != STATUS_NOT_FOUND) {
        return status;
    }
    struct change_item *implied = &p->set->items[0];
    return implied->prepared_status == STATUS_OK ? STATUS_OK : make_own(p, implied);
}

/* The state the owner will have once the set is applied. */
static enum status find_owner(struct preparation *p, struct change_item *item,
                              enum enterprise_state *out_state)
{
    struct bytes id = item->asked_prefix->enterprise;
    const struct change_set *set = p->set;
    for (size_t i = 1, found = 0; i <= set->count && found < set->enterprise_count; i++) {
        const struct change_item *other = &set->items[i];
        found += other->table == CHANGE_ENTERPRISE;
        if (other->table == CHANGE_ENTERPRISE && bytes_equal(other->key, id)) {
            *out_state = other->state;
            return STATUS_OK;
        }
    }
    struct bytes row;
    struct enterprise_row owner;
    enum status status = store_get(p->txn, STORE_ENTERPRISE, id, &row);
    if (status == STATUS_OK) {
        status = enterprise_row_decode(id, row, &owner);
    }
    if (status == STATUS_NOT_FOUND) {
        return prepare_item_fail(item, status, "no such enterprise");
    }
    *out_state = status == STATUS_OK ? owner.state : ENTERPRISE_NONE;
    return status;
}

/* A prefix answers for an enterprise that the top node has confirmed, and for no other. */
static enum status judge_owner(struct preparation *p, struct change_item *item)
{
    const struct prefix_row *wanted = item->asked_prefix;
    enum enterprise_state state = ENTERPRISE_NONE;
    if (bytes_equal(wanted->enterprise, bytes_of_text(own_enterprise))) {
        return imply_enterprise(p);
    }
    enum status status = find_owner(p, item, &state);
    bool may_read = state == ENTERPRISE_ENABLED || state == ENTERPRISE_SUSPENDED;
    if (status == STATUS_OK && ((wanted->state == PREFIX_ACTIVE && state != ENTERPRISE_ENABLED) ||
                                (wanted->state == PREFIX_READ_ONLY && !may_read))) {
        return prepare_item_fail(item, STATUS_ACCESS_DENIED, "its enterprise is not enabled");
    }
    return status;
}

/* A prefix that is new here, and that an enterprise applied for, is for nobody else. */
static enum status judge_applicant(struct preparation *p, struct change_item *item)
{
    struct store_key key;
    enum status status = enterprise_prefix_key(item->key, &key);
    if (status == STATUS_OK) {
        status = enterprise_index_check(p->txn, keys_bytes(&key), item->asked_prefix->enterprise);
    }
    return status == STATUS_CONFLICT ? prepare_item_fail(item, STATUS_HANDLE_EXISTS,
                                                         "an enterprise applied for the prefix")
                                     : status;
}

static struct bytes content_of(const struct prefix_row *row, uint8_t *room, size_t size)
{
    struct wire_writer w = wire_write(room, size);
    prefix_row_content(&w, row);
    assert(!w.failed);
    return wire_wrote(&w);
}

static enum status judge_prefix(struct change_item *item, const struct prefix_row *stored,
                                const struct prefix_row *wanted)
{
    if (!bytes_equal(stored->enterprise, wanted->enterprise)) {
        return prepare_item_fail(item, STATUS_HANDLE_EXISTS,
                                 "the prefix belongs to another enterprise");
    }
    uint8_t before[PREFIX_CONTENT_MAX];
    uint8_t after[PREFIX_CONTENT_MAX];
    if (bytes_equal(content_of(stored, before, sizeof(before)),
                    content_of(wanted, after, sizeof(after)))) {
        return STATUS_UNCHANGED;
    }
    if (item->mode == CHANGE_CREATE && stored->state != PREFIX_UNHOMED) {
        return STATUS_HANDLE_EXISTS;
    }
    return STATUS_OK;
}

enum status prepare_prefix(struct preparation *p, struct change_item *item)
{
    item->canonical = item->handle;
    item->key = item->handle;
    item->class = JOURNAL_RESTRICTED;
    struct prefix_row *wanted = arena_alloc(p->set->prepared, sizeof(*wanted));
    if (wanted == NULL) {
        return STATUS_NO_MEMORY;
    }
    *wanted = *item->asked_prefix;
    wanted->slot = 0;
    if (p->set->enterprise.len == 0) {
        p->set->enterprise = wanted->enterprise;
    }
    struct prefix_row stored;
    const struct home_view plain = {.txn = p->txn};
    enum status status = home_get_prefix(&plain, item->key, &stored);
    if (status == STATUS_OK) {
        item->expected_version = stored.version;
        wanted->case_rule = stored.case_rule;
        wanted->slot = stored.slot;
        item->created_ms = stored.created_ms;
        status = judge_prefix(item, &stored, wanted);
    } else if (status == STATUS_NOT_FOUND) {
        status = item->mode == CHANGE_MODIFY ? STATUS_HANDLE_NOT_FOUND : judge_applicant(p, item);
    }
    status = status == STATUS_OK ? judge_owner(p, item) : status;
    if (status != STATUS_OK) {
        return status;
    }
    item->version = item->expected_version + 1;
    wanted->version = item->version;
    item->prefix = wanted;
    uint8_t content[PREFIX_CONTENT_MAX];
    const struct record_digest_of of = {item->canonical, item->version,
                                        content_of(wanted, content, sizeof(content))};
    status = record_digest_plain(p->set->hasher, &of, item->digest);
    return status == STATUS_OK ? prepare_item_hash(p, item) : status;
}
