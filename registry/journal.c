/* SPDX-License-Identifier: Apache-2.0
 *
 * Journal rows: their codec and reading them (journal.h, layout in keys.h).
 */
#include "registry/journal.h"

#include "registry/journal_row.h"
#include "registry/store.h"

#define FORMAT 1
#define ROW_FIXED 47  /* format, count, time, chain, two lengths */
#define ITEM_FIXED 45 /* operation, table, class, key length, version, digest */

size_t journal_row_item_len(const struct journal_item *item)
{
    return ITEM_FIXED + item->key.len;
}

size_t journal_row_len(const struct journal_set *set, size_t items_len)
{
    return ROW_FIXED + set->actor.len + set->origin.len + items_len;
}

void journal_row_begin(struct wire_writer *w, const struct journal_set *set)
{
    wire_put_u8(w, FORMAT);
    wire_put_u32(w, set->count);
    wire_put_u64(w, (uint64_t)set->time_ms);
    wire_put_raw(w, bytes_of(set->chain, sizeof(set->chain)));
    wire_put_u8(w, (uint8_t)set->actor.len);
    wire_put_raw(w, set->actor);
    wire_put_u8(w, (uint8_t)set->origin.len);
    wire_put_raw(w, set->origin);
}

void journal_row_item(struct wire_writer *w, const struct journal_item *item)
{
    wire_put_u8(w, (uint8_t)item->operation);
    wire_put_u8(w, (uint8_t)item->table);
    wire_put_u8(w, (uint8_t)item->class);
    wire_put_u16(w, (uint16_t)item->key.len);
    wire_put_raw(w, item->key);
    wire_put_u64(w, item->version);
    wire_put_raw(w, bytes_of(item->digest, sizeof(item->digest)));
}

static void take_hash(struct wire_reader *r, uint8_t out[JOURNAL_HASH_LEN])
{
    struct bytes hash = wire_take(r, JOURNAL_HASH_LEN);
    if (hash.len == JOURNAL_HASH_LEN) {
        memcpy(out, hash.data, JOURNAL_HASH_LEN);
    }
}

enum status journal_row_decode(struct bytes key, struct bytes row, struct journal_set *out_set)
{
    struct wire_reader k = wire_read(key);
    struct wire_reader r = wire_read(row);
    struct journal_set set = {0};
    (void)wire_u16(&k);
    set.position = wire_u64(&k);
    uint8_t format = wire_u8(&r);
    set.count = wire_u32(&r);
    set.time_ms = (int64_t)wire_u64(&r);
    take_hash(&r, set.chain);
    set.actor = wire_take(&r, wire_u8(&r));
    set.origin = wire_take(&r, wire_u8(&r));
    set.items = wire_take(&r, wire_left(&r));
    if (!wire_done(&k) || !wire_ok(&r) || format != FORMAT || set.count == 0 ||
        set.count > set.items.len / ITEM_FIXED || set.position == 0) {
        return STATUS_CORRUPT;
    }
    *out_set = set;
    return STATUS_OK;
}

bool journal_next_item(struct wire_reader *r, struct journal_item *out_item)
{
    if (wire_left(r) == 0) {
        return false;
    }
    struct journal_item item = {0};
    uint8_t operation = wire_u8(r);
    uint8_t table = wire_u8(r);
    uint8_t class = wire_u8(r);
    item.key = wire_take(r, wire_u16(r));
    item.version = wire_u64(r);
    take_hash(r, item.digest);
    bool is_known = (operation == JOURNAL_PUT || operation == JOURNAL_DELETE) &&
                    table >= CHANGE_RECORD && table <= CHANGE_APIKEY && class >= JOURNAL_PUBLIC &&
                    class <= JOURNAL_INTERNAL;
    if (!wire_ok(r) || !is_known) {
        r->failed = true;
        return false;
    }
    item.operation = operation;
    item.table = table;
    item.class = class;
    *out_item = item;
    return true;
}

/* The row at or behind `position`; with `op` MDB_LAST the newest. */
static int seek(MDB_cursor *cursor, uint64_t position, MDB_val *out_key, MDB_val *out_row)
{
    struct store_key wanted;
    keys_journal(position, &wanted);
    *out_key = store_val(keys_bytes(&wanted));
    int error = mdb_cursor_get(cursor, out_key, out_row, MDB_SET_RANGE);
    if (error == 0 && bytes_equal(store_bytes(out_key), keys_bytes(&wanted))) {
        return 0;
    }
    /* The set that began before may reach up to the position. */
    return mdb_cursor_get(cursor, out_key, out_row, error == 0 ? MDB_PREV : MDB_LAST);
}

static int read_set(MDB_cursor *cursor, uint64_t position, MDB_val *out_key, MDB_val *out_row)
{
    struct journal_set set = {0};
    int error = seek(cursor, position, out_key, out_row);
    if (error != 0 ||
        journal_row_decode(store_bytes(out_key), store_bytes(out_row), &set) != STATUS_OK) {
        return error;
    }
    bool is_behind = position > set.position && position - set.position >= set.count;
    /* A gap, or past the head: whatever comes next holds the first position behind. */
    return is_behind ? mdb_cursor_get(cursor, out_key, out_row, MDB_NEXT) : 0;
}

enum status journal_get(struct snapshot *snapshot, uint64_t position, struct journal_set *out_set)
{
    struct store_txn *txn = snapshot_store(snapshot);
    MDB_cursor *cursor = NULL;
    int error = mdb_cursor_open(txn->mdb, txn->registry->databases[STORE_JOURNAL], &cursor);
    if (error != 0) {
        return store_status(error);
    }
    MDB_val key = {0, NULL};
    MDB_val row = {0, NULL};
    error = read_set(cursor, position == 0 ? 1 : position, &key, &row);
    mdb_cursor_close(cursor);
    return error != 0 ? store_status(error)
                      : journal_row_decode(store_bytes(&key), store_bytes(&row), out_set);
}

enum status journal_head(struct snapshot *snapshot, struct journal_set *out_set)
{
    struct store_txn *txn = snapshot_store(snapshot);
    MDB_cursor *cursor = NULL;
    int error = mdb_cursor_open(txn->mdb, txn->registry->databases[STORE_JOURNAL], &cursor);
    if (error != 0) {
        return store_status(error);
    }
    MDB_val key;
    MDB_val row;
    error = mdb_cursor_get(cursor, &key, &row, MDB_LAST);
    mdb_cursor_close(cursor);
    return error != 0 ? store_status(error)
                      : journal_row_decode(store_bytes(&key), store_bytes(&row), out_set);
}

enum status journal_get_audit(struct snapshot *snapshot, uint64_t position, struct bytes *out_row)
{
    struct store_key key;
    keys_audit(position, &key);
    return store_get(snapshot_store(snapshot), STORE_AUDIT, keys_bytes(&key), out_row);
}
