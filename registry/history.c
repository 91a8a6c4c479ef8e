/* SPDX-License-Identifier: Apache-2.0
 *
 * Superseded rows and tombstones (history.h).
 */
#include "registry/history.h"

#include "registry/crc32c.h"

#define FORMAT 1
#define HISTORY_FIXED 22
#define CHECKSUM_AT 2

void history_keep(struct store_txn *txn, enum change_table table, struct bytes key,
                  uint64_t version, const struct history_body *body)
{
    struct store_key at;
    keys_history(table, key, version, &at);
    size_t len = HISTORY_FIXED + body->row.len;
    uint8_t *room = store_reserve(txn, STORE_HISTORY, keys_bytes(&at), len);
    if (room == NULL) {
        return;
    }
    struct wire_writer w = wire_write(room, len);
    wire_put_u8(&w, FORMAT);
    wire_put_u8(&w, (uint8_t)body->kind);
    wire_put_u32(&w, 0);
    wire_put_u64(&w, body->replaced.position);
    wire_put_u64(&w, (uint64_t)body->replaced.time_ms);
    wire_put_raw(&w, body->row);
    assert(!w.failed);
    wire_store_u32(room + CHECKSUM_AT,
                   crc32c_row(keys_bytes(&at), bytes_of(room, len), CHECKSUM_AT));
}

enum status history_decode(struct bytes key, struct bytes row, struct history_body *out_body)
{
    struct wire_reader r = wire_read(row);
    uint8_t format = wire_u8(&r);
    struct history_body body = {.kind = wire_u8(&r)};
    uint32_t checksum = wire_u32(&r);
    body.replaced.position = wire_u64(&r);
    body.replaced.time_ms = (int64_t)wire_u64(&r);
    body.row = wire_take(&r, wire_left(&r));
    if (!wire_ok(&r) || format != FORMAT || body.kind < HISTORY_ROW ||
        body.kind > HISTORY_DAMAGED || checksum != crc32c_row(key, row, CHECKSUM_AT)) {
        return STATUS_CORRUPT;
    }
    *out_body = body;
    return STATUS_OK;
}

enum status history_get(struct store_txn *txn, enum change_table table, struct bytes key,
                        uint64_t version, struct history_body *out_body)
{
    struct store_key at;
    keys_history(table, key, version, &at);
    struct bytes row;
    enum status status = store_get(txn, STORE_HISTORY, keys_bytes(&at), &row);
    return status == STATUS_OK ? history_decode(keys_bytes(&at), row, out_body) : status;
}

/* From the last entry below `high` backwards to the first that is a version of `owner` (table ‖
 * key). Keys of other handles may lie between, as a handle may contain NUL bytes. */
static int seek_version(MDB_cursor *cursor, struct bytes owner, struct bytes high, MDB_val *out_key,
                        MDB_val *out_row)
{
    *out_key = store_val(high);
    int error = mdb_cursor_get(cursor, out_key, out_row, MDB_SET_RANGE);
    error = mdb_cursor_get(cursor, out_key, out_row, error == MDB_NOTFOUND ? MDB_LAST : MDB_PREV);
    while (error == 0 && bytes_compare(store_bytes(out_key), owner) > 0) {
        if (out_key->mv_size == high.len && bytes_start_with(store_bytes(out_key), owner)) {
            return 0;
        }
        error = mdb_cursor_get(cursor, out_key, out_row, MDB_PREV);
    }
    return error == 0 ? MDB_NOTFOUND : error;
}

/* The entry of the newest version below `before_version`, not decoded. */
static int find_before(struct store_txn *txn, struct bytes key, uint64_t before_version,
                       MDB_val *out_key, MDB_val *out_row)
{
    struct store_key high;
    keys_history(CHANGE_RECORD, key, before_version, &high);
    struct bytes owner = bytes_of(high.data, high.len - sizeof(uint64_t));
    MDB_cursor *cursor = NULL;
    int error = mdb_cursor_open(txn->mdb, txn->registry->databases[STORE_HISTORY], &cursor);
    if (error != 0) {
        return error;
    }
    error = seek_version(cursor, owner, keys_bytes(&high), out_key, out_row);
    mdb_cursor_close(cursor);
    return error;
}

static uint64_t version_in(struct bytes history_key)
{
    struct wire_reader r = wire_read(bytes_from(history_key, history_key.len - sizeof(uint64_t)));
    return wire_u64(&r);
}

enum status history_find_before(struct store_txn *txn, struct bytes key, uint64_t before_version,
                                struct history_at *out_at)
{
    MDB_val at;
    MDB_val row;
    int error = find_before(txn, key, before_version, &at, &row);
    if (error != 0) {
        return store_status(error);
    }
    struct history_at found = {
        .key = bytes_of((const uint8_t *)at.mv_data + 1, key.len),
        .version = version_in(store_bytes(&at)),
    };
    enum status status = history_decode(store_bytes(&at), store_bytes(&row), &found.body);
    if (status == STATUS_OK) {
        *out_at = found;
    }
    return status;
}

enum status history_last_version(struct store_txn *txn, struct bytes key, uint64_t *out_version)
{
    MDB_val at;
    MDB_val row;
    int error = find_before(txn, key, UINT64_MAX, &at, &row);
    if (error != 0 && error != MDB_NOTFOUND) {
        return store_status(error);
    }
    *out_version = error == 0 ? version_in(store_bytes(&at)) : 0;
    return STATUS_OK;
}

void tombstone_encode(struct wire_writer *w, struct bytes key, const struct tombstone *tombstone)
{
    uint8_t *start = w->at;
    wire_put_u8(w, FORMAT);
    wire_put_u8(w, (uint8_t)tombstone->enterprise.len);
    wire_put_u32(w, 0);
    wire_put_u64(w, tombstone->version);
    wire_put_u64(w, tombstone->position);
    wire_put_u64(w, (uint64_t)tombstone->deleted_ms);
    wire_put_raw(w, tombstone->enterprise);
    if (!w->failed) {
        struct bytes row = bytes_of(start, (size_t)(w->at - start));
        wire_store_u32(start + CHECKSUM_AT, crc32c_row(key, row, CHECKSUM_AT));
    }
}

enum status tombstone_decode(struct bytes key, struct bytes row, struct tombstone *out_tombstone)
{
    struct wire_reader r = wire_read(row);
    uint8_t format = wire_u8(&r);
    uint8_t enterprise_len = wire_u8(&r);
    uint32_t checksum = wire_u32(&r);
    struct tombstone decoded;
    decoded.version = wire_u64(&r);
    decoded.position = wire_u64(&r);
    decoded.deleted_ms = (int64_t)wire_u64(&r);
    decoded.enterprise = wire_take(&r, enterprise_len);
    if (!wire_done(&r) || format != FORMAT || checksum != crc32c_row(key, row, CHECKSUM_AT)) {
        return STATUS_CORRUPT;
    }
    *out_tombstone = decoded;
    return STATUS_OK;
}

enum status tombstone_get(struct store_txn *txn, enum change_table table, struct bytes key,
                          struct tombstone *out_tombstone)
{
    struct store_key at;
    keys_tombstone(table, key, &at);
    struct bytes row;
    enum status status = store_get(txn, STORE_TOMBSTONE, keys_bytes(&at), &row);
    return status == STATUS_OK ? tombstone_decode(keys_bytes(&at), row, out_tombstone) : status;
}
