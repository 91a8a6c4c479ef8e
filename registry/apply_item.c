/* SPDX-License-Identifier: Apache-2.0
 *
 * Checking and applying one item (apply_item.h).
 */
#include "registry/apply_item.h"

#include "protocol/text.h"
#include "registry/apikey_row.h"
#include "registry/enterprise_index.h"
#include "registry/prefix_row.h"
#include "registry/record_row.h"

static enum status version_of(enum change_table table, struct bytes key, struct bytes row,
                              uint64_t *out_version)
{
    struct record_row record;
    struct prefix_row prefix;
    struct enterprise_row enterprise;
    struct apikey_row apikey;
    enum status status = STATUS_CORRUPT;
    switch (table) {
    case CHANGE_RECORD:
        status = record_row_decode(key, row, &record);
        *out_version = status == STATUS_OK ? record.version : 0;
        break;
    case CHANGE_PREFIX:
        status = prefix_row_decode(key, row, &prefix, NULL);
        *out_version = status == STATUS_OK ? prefix.version : 0;
        break;
    case CHANGE_ENTERPRISE:
        status = enterprise_row_decode(key, row, &enterprise);
        *out_version = status == STATUS_OK ? enterprise.version : 0;
        break;
    case CHANGE_APIKEY:
        status = apikey_row_decode(key, row, &apikey);
        *out_version = status == STATUS_OK ? apikey.version : 0;
        break;
    case CHANGE_AUDIT:
        break;
    }
    return status;
}

enum status apply_item_check(struct store_txn *txn, enum change_table table, struct bytes key,
                             uint64_t version)
{
    struct bytes row;
    uint64_t stored = 0;
    enum status status = store_get(txn, keys_database_of(table), key, &row);
    if (status == STATUS_OK) {
        status = version_of(table, key, row, &stored);
    } else if (status == STATUS_NOT_FOUND) {
        status = STATUS_OK;
    }
    if (status != STATUS_OK) {
        return status;
    }
    return stored == version ? STATUS_OK : STATUS_CONFLICT;
}

/* Still there and still damaged? What somebody wrote since is sound, and must be met anew. */
static enum status expects_damage(struct store_txn *txn, const struct change_item *item)
{
    struct bytes row;
    struct record_row record;
    struct tombstone mark;
    enum status status = STATUS_OK;
    if (item->expected_version == 0) {
        status = tombstone_get(txn, CHANGE_RECORD, item->key, &mark);
    } else {
        status = store_get(txn, STORE_RECORD, item->key, &row);
        status = status == STATUS_OK ? record_row_decode(item->key, row, &record) : status;
    }
    switch (status) {
    case STATUS_CORRUPT:
        return STATUS_OK;
    case STATUS_OK:
    case STATUS_NOT_FOUND:
        return STATUS_CONFLICT;
    default:
        return status;
    }
}

enum status apply_item_expects(struct store_txn *txn, const struct change_item *item)
{
    if (item->table == CHANGE_AUDIT) {
        return STATUS_OK;
    }
    if (item->meets_damage) {
        return expects_damage(txn, item);
    }
    enum status status = apply_item_check(txn, item->table, item->key, item->expected_version);
    if (status == STATUS_OK && item->table == CHANGE_ENTERPRISE) {
        return enterprise_index_expects(txn, item);
    }
    if (status != STATUS_OK || item->table != CHANGE_RECORD || item->expected_version != 0) {
        return status;
    }
    struct tombstone mark = {0};
    status = tombstone_get(txn, CHANGE_RECORD, item->key, &mark);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        return status;
    }
    return mark.version == item->expected_tombstone ? STATUS_OK : STATUS_CONFLICT;
}

/* Copies a row out of the page, as the next step may move the page. */
static struct bytes take_row(struct store_txn *txn, enum store_database database, struct bytes key)
{
    struct bytes row;
    enum status status = store_get(txn, database, key, &row);
    if (status != STATUS_OK || row.len > STORE_ROW_MAX) {
        txn->error = txn->error != 0 ? txn->error : MDB_CORRUPTED;
        return BYTES_NONE;
    }
    memcpy(txn->registry->scratch, row.data, row.len);
    return bytes_of(txn->registry->scratch, row.len);
}

static void supersede_row(struct store_txn *txn, const struct change_item *item,
                          const struct history_moment *now)
{
    const struct history_body body = {
        .kind = item->meets_damage ? HISTORY_DAMAGED : HISTORY_ROW,
        .replaced = *now,
        .row = take_row(txn, keys_database_of(item->table), item->key),
    };
    if (txn->error == 0) {
        history_keep(txn, item->table, item->key, item->expected_version, &body);
    }
}

static void supersede_tombstone(struct store_txn *txn, const struct change_item *item,
                                const struct history_moment *now)
{
    struct store_key at;
    keys_tombstone(item->table, item->key, &at);
    const struct history_body body = {
        .kind = item->meets_damage ? HISTORY_DAMAGED : HISTORY_DELETION,
        .replaced = *now,
        .row = take_row(txn, STORE_TOMBSTONE, keys_bytes(&at)),
    };
    if (txn->error == 0) {
        history_keep(txn, item->table, item->key, item->expected_tombstone, &body);
        store_delete(txn, STORE_TOMBSTONE, keys_bytes(&at));
    }
}

static void delete_record(struct store_txn *txn, const struct change_item *item,
                          const struct history_moment *now)
{
    const struct tombstone mark = {
        .version = item->version,
        .position = now->position,
        .deleted_ms = now->time_ms,
        .enterprise = item->owner,
    };
    struct store_key at;
    keys_tombstone(item->table, item->key, &at);
    uint8_t row[TOMBSTONE_ROW_MAX];
    struct wire_writer w = wire_write(row, sizeof(row));
    tombstone_encode(&w, keys_bytes(&at), &mark);
    assert(!w.failed);
    store_delete(txn, STORE_RECORD, item->key);
    store_put(txn, STORE_TOMBSTONE, keys_bytes(&at), wire_wrote(&w));
}

static void put_record(struct store_txn *txn, const struct change_item *item,
                       const struct history_moment *now)
{
    const struct record_row facts = {
        .position = now->position,
        .created_ms = item->created_ms == 0 ? now->time_ms : item->created_ms,
        .changed_ms = now->time_ms,
    };
    record_row_seal(item->key, item->row, item->row_len, &facts);
    store_put(txn, STORE_RECORD, item->key, bytes_of(item->row, item->row_len));
}

/* Prefix rows are never removed, so their number gives the next slot. */
static void put_prefix(struct store_txn *txn, const struct change_item *item,
                       const struct history_moment *now)
{
    struct prefix_row row = *item->prefix;
    row.created_ms = item->expected_version == 0 ? now->time_ms : item->created_ms;
    if (item->expected_version == 0) {
        row.slot = (uint32_t)store_entries(txn, STORE_PREFIX) + 1;
    }
    uint8_t encoded[PREFIX_ROW_MAX];
    struct wire_writer w = wire_write(encoded, sizeof(encoded));
    prefix_row_encode(&w, &row, now->position);
    assert(!w.failed);
    store_put(txn, STORE_PREFIX, item->key, wire_wrote(&w));
}

static void put_enterprise(struct store_txn *txn, const struct change_item *item,
                           const struct history_moment *now)
{
    const struct enterprise_row head = {
        .id = item->key,
        .version = item->version,
        .position = now->position,
        .created_ms = item->expected_version == 0 ? now->time_ms : item->created_ms,
        .changed_ms = now->time_ms,
    };
    enterprise_row_seal(&head, item->row, item->row_len);
    store_put(txn, STORE_ENTERPRISE, item->key, bytes_of(item->row, item->row_len));
    enterprise_index_apply(txn, item);
}

static void put_apikey(struct store_txn *txn, const struct change_item *item,
                       const struct history_moment *now)
{
    const struct apikey_row facts = {
        .version = item->version,
        .position = now->position,
        .created_ms = item->expected_version == 0 ? now->time_ms : item->created_ms,
    };
    apikey_row_seal(item->key, item->row, item->row_len, &facts);
    store_put(txn, STORE_APIKEY, item->key, bytes_of(item->row, item->row_len));
}

static void put_audit(struct store_txn *txn, struct hasher *hasher, struct change_item *item,
                      const struct history_moment *now)
{
    char time[TEXT_TIME_LEN];
    text_time_ms(now->time_ms, time);
    assert(strlen(time) == CHANGE_AUDIT_TIME_LEN);
    memcpy(item->row + CHANGE_AUDIT_TIME_AT, time, CHANGE_AUDIT_TIME_LEN);
    struct bytes row = bytes_of(item->row, item->row_len);
    const struct record_digest_of of = {BYTES_NONE, item->version, row};
    enum status status = record_digest_plain(hasher, &of, item->digest);
    if (status == STATUS_OK) {
        struct journal_item entry = change_item_journal(item);
        status = record_digest_item(hasher, &entry, item->hash);
    }
    struct store_key at;
    keys_audit(now->position, &at);
    if (status != STATUS_OK) {
        txn->error = txn->error != 0 ? txn->error : MDB_BAD_TXN;
        return;
    }
    store_put(txn, STORE_AUDIT, keys_bytes(&at), row);
}

void apply_item(struct store_txn *txn, struct hasher *hasher, struct change_item *item,
                const struct history_moment *now)
{
    if (item->expected_version != 0) {
        supersede_row(txn, item, now);
    } else if (item->expected_tombstone != 0) {
        supersede_tombstone(txn, item, now);
    }
    switch (item->table) {
    case CHANGE_RECORD:
        if (item->operation == JOURNAL_DELETE) {
            delete_record(txn, item, now);
        } else {
            put_record(txn, item, now);
        }
        break;
    case CHANGE_PREFIX:
        put_prefix(txn, item, now);
        break;
    case CHANGE_ENTERPRISE:
        put_enterprise(txn, item, now);
        break;
    case CHANGE_APIKEY:
        put_apikey(txn, item, now);
        break;
    case CHANGE_AUDIT:
        put_audit(txn, hasher, item, now);
        break;
    }
}
