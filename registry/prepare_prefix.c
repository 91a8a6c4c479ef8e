/* SPDX-License-Identifier: Apache-2.0
 *
 * Preparing a prefix, and the enterprise that our first prefix brings with it (prepare_item.h).
 */
#include "registry/prefix_row.h"
#include "registry/prepare_item.h"

static const char own_enterprise[] = "self";

/* The first prefix of our own enterprise brings the enterprise with it: items[0]. */
static enum status imply_enterprise(struct preparation *p, struct change_item *item)
{
    struct bytes id = item->asked_prefix->enterprise;
    struct bytes row;
    enum status status = store_get(p->txn, STORE_ENTERPRISE, id, &row);
    if (status != STATUS_NOT_FOUND) {
        return status;
    }
    if (!bytes_equal(id, bytes_of_text(own_enterprise))) {
        return prepare_item_fail(item, STATUS_NOT_FOUND, "no such enterprise");
    }
    struct change_item *implied = &p->set->items[0];
    if (implied->prepared_status == STATUS_OK) {
        return STATUS_OK;
    }
    implied->canonical = bytes_of_text(own_enterprise);
    implied->key = implied->canonical;
    implied->version = 1;
    implied->class = JOURNAL_RESTRICTED;
    const struct enterprise_row fresh = {.state = ENTERPRISE_ACTIVE};
    uint8_t content[ENTERPRISE_CONTENT_LEN];
    struct wire_writer w = wire_write(content, sizeof(content));
    enterprise_row_content(&w, &fresh);
    const struct record_digest_of of = {implied->canonical, implied->version, wire_wrote(&w)};
    status = record_digest_plain(p->set->hasher, &of, implied->digest);
    if (status == STATUS_OK) {
        status = prepare_item_hash(p, implied);
    }
    if (status == STATUS_OK) {
        implied->prepared_status = STATUS_OK;
    }
    return status;
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
        status = item->mode == CHANGE_MODIFY ? STATUS_HANDLE_NOT_FOUND : imply_enterprise(p, item);
    }
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
