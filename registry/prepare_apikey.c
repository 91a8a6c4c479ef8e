/* SPDX-License-Identifier: Apache-2.0
 *
 * Preparing an API key (prepare_item.h).
 */
#include "registry/apikey_row.h"
#include "registry/prepare_item.h"

/* The content of a stored row. */
static enum status content_of(struct preparation *p, const struct apikey_row *row,
                              struct bytes *out_content)
{
    uint8_t *room = arena_alloc(p->set->prepared, APIKEY_CONTENT_MAX);
    if (room == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct wire_writer w = wire_write(room, APIKEY_CONTENT_MAX);
    apikey_row_content(&w, row);
    assert(!w.failed);
    *out_content = wire_wrote(&w);
    return STATUS_OK;
}

static enum status meet(struct preparation *p, struct change_item *item)
{
    struct bytes row;
    struct apikey_row stored;
    struct bytes content;
    enum status status = store_get(p->txn, STORE_APIKEY, item->key, &row);
    if (status == STATUS_NOT_FOUND) {
        return item->mode == CHANGE_MODIFY ? STATUS_HANDLE_NOT_FOUND : STATUS_OK;
    }
    status = status == STATUS_OK ? apikey_row_decode(item->key, row, &stored) : status;
    status = status == STATUS_OK ? content_of(p, &stored, &content) : status;
    if (status != STATUS_OK) {
        return status;
    }
    item->expected_version = stored.version;
    item->created_ms = stored.created_ms;
    if (bytes_equal(content, item->values)) {
        return STATUS_UNCHANGED;
    }
    return item->mode == CHANGE_CREATE ? STATUS_HANDLE_EXISTS : STATUS_OK;
}

enum status prepare_apikey(struct preparation *p, struct change_item *item)
{
    struct apikey_row asked;
    item->canonical = item->handle;
    item->key = item->handle;
    item->class = JOURNAL_INTERNAL;
    enum status status = apikey_row_read_content(item->values, &asked, NULL);
    status = status == STATUS_OK ? meet(p, item) : status;
    if (status != STATUS_OK) {
        return status;
    }
    uint8_t *room = arena_alloc(p->set->prepared, APIKEY_ROW_MAX);
    if (room == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct wire_writer w = wire_write(room, APIKEY_ROW_MAX);
    apikey_row_encode(&w, item->values);
    assert(!w.failed);
    item->row = room;
    item->row_len = wire_wrote(&w).len;
    item->version = item->expected_version + 1;
    const struct record_digest_of of = {item->canonical, item->version, item->values};
    status = record_digest_plain(p->set->hasher, &of, item->digest);
    return status == STATUS_OK ? prepare_item_hash(p, item) : status;
}
