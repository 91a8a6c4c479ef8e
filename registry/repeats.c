/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of requests that may come again (repeats.h): the outcome, an entry by time for all, one by
 * time for each enterprise, and how many each has.
 */
#include "registry/repeats.h"

#include <stdlib.h>

#include "protocol/wire.h"
#include "registry/change_item.h"
#include "registry/crc32c.h"

#define FORMAT 1
#define CHECKSUM_AT 4
#define ITEM_LEN 11
#define UNCHANGED 1
#define REPLACES 2
#define EXPIRED_AT_ONCE 8 /* of those over their day, with each that comes */

enum kind { OUTCOME = 1, BY_TIME = 2, BY_ENTERPRISE = 3, COUNT = 4 };

/* --- keys --------------------------------------------------------------------------------------
 */

struct entry {
    struct bytes key; /* of the request */
    struct bytes enterprise;
    int64_t time_ms;
};

static struct store_key key_of(enum kind kind, const struct entry *entry)
{
    struct store_key key;
    struct wire_writer w = wire_write(key.data, sizeof(key.data));
    wire_put_u8(&w, (uint8_t)kind);
    if (kind == BY_ENTERPRISE || kind == COUNT) {
        wire_put_u8(&w, (uint8_t)entry->enterprise.len);
        wire_put_raw(&w, entry->enterprise);
    }
    if (kind == BY_TIME || kind == BY_ENTERPRISE) {
        wire_put_u64(&w, (uint64_t)entry->time_ms);
    }
    if (kind != COUNT) {
        wire_put_raw(&w, entry->key);
    }
    assert(!w.failed);
    key.len = wire_wrote(&w).len;
    return key;
}

/* --- outcomes ----------------------------------------------------------------------------------
 */

static enum status decode(struct bytes key, struct bytes row, struct repeat_row *out_row)
{
    struct wire_reader r = wire_read(row);
    struct repeat_row read = {0};
    uint32_t format = wire_u32(&r);
    uint32_t checksum = wire_u32(&r);
    read.time_ms = (int64_t)wire_u64(&r);
    read.digest = wire_take(&r, CHANGE_REPEAT_LEN);
    read.note = wire_bytes(&r);
    read.count = wire_count(&r, ITEM_LEN);
    read.items = wire_take(&r, (size_t)read.count * ITEM_LEN);
    if (!wire_done(&r) || format != (uint32_t)FORMAT << 24 ||
        checksum != crc32c_row(key, row, CHECKSUM_AT)) {
        return STATUS_CORRUPT;
    }
    *out_row = read;
    return STATUS_OK;
}

bool repeats_next_item(struct wire_reader *r, struct repeat_item *out_item)
{
    uint16_t code = wire_u16(r);
    uint8_t flags = wire_u8(r);
    uint64_t version = wire_u64(r);
    if (!wire_ok(r)) {
        return false;
    }
    *out_item =
        (struct repeat_item){code, (flags & UNCHANGED) != 0, (flags & REPLACES) != 0, version};
    return true;
}

static enum status get(struct store_txn *txn, struct bytes key, struct repeat_row *out_row)
{
    struct store_key at = key_of(OUTCOME, &(struct entry){.key = key});
    struct bytes row;
    enum status status = store_get(txn, STORE_IDEMPOTENCY, keys_bytes(&at), &row);
    return status == STATUS_OK ? decode(keys_bytes(&at), row, out_row) : status;
}

enum status repeats_get(struct snapshot *snapshot, struct bytes key, int64_t now_ms,
                        struct repeat_row *out_row)
{
    struct repeat_row row;
    enum status status = get(snapshot_store(snapshot), key, &row);
    if (status == STATUS_OK && row.time_ms + REPEATS_MS <= now_ms) {
        status = STATUS_NOT_FOUND;
    }
    if (status == STATUS_OK) {
        *out_row = row;
    }
    return status;
}

/* --- writing -----------------------------------------------------------------------------------
 */

static uint64_t count_of(struct store_txn *txn, const struct entry *entry)
{
    struct store_key at = key_of(COUNT, entry);
    struct bytes row;
    if (store_get(txn, STORE_IDEMPOTENCY, keys_bytes(&at), &row) != STATUS_OK) {
        return 0;
    }
    struct wire_reader r = wire_read(row);
    return wire_u64(&r);
}

static void put_count(struct store_txn *txn, const struct entry *entry, uint64_t count)
{
    uint8_t room[8];
    struct wire_writer w = wire_write(room, sizeof(room));
    struct store_key at = key_of(COUNT, entry);
    wire_put_u64(&w, count);
    store_put(txn, STORE_IDEMPOTENCY, keys_bytes(&at), wire_wrote(&w));
}

/* The outcome of a request that was sent again after its day is not this entry's. */
static void let_go(struct store_txn *txn, const struct entry *entry)
{
    static const enum kind kinds[] = {OUTCOME, BY_TIME, BY_ENTERPRISE};
    struct repeat_row outcome;
    struct bytes row;
    bool is_newer =
        get(txn, entry->key, &outcome) == STATUS_OK && outcome.time_ms != entry->time_ms;
    for (size_t i = is_newer ? 1 : 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct store_key at = key_of(kinds[i], entry);
        if (store_get(txn, STORE_IDEMPOTENCY, keys_bytes(&at), &row) == STATUS_OK) {
            store_delete(txn, STORE_IDEMPOTENCY, keys_bytes(&at));
        }
    }
    uint64_t count = count_of(txn, entry);
    put_count(txn, entry, count > 0 ? count - 1 : 0);
}

/* The first entry whose key begins so; its bytes are copied to `room`. */
static bool first_entry(struct store_txn *txn, struct bytes beginning, struct store_key *room,
                        struct bytes *out_row)
{
    MDB_cursor *cursor = NULL;
    MDB_val key = store_val(beginning);
    MDB_val row;
    if (txn->error == 0) {
        txn->error =
            mdb_cursor_open(txn->mdb, txn->registry->databases[STORE_IDEMPOTENCY], &cursor);
    }
    if (txn->error != 0) {
        return false;
    }
    int error = mdb_cursor_get(cursor, &key, &row, MDB_SET_RANGE);
    mdb_cursor_close(cursor);
    if (error != 0 && error != MDB_NOTFOUND) {
        txn->error = error;
    }
    if (error != 0 || key.mv_size > sizeof(room->data) ||
        !bytes_start_with(store_bytes(&key), beginning)) {
        return false;
    }
    memcpy(room->data, key.mv_data, key.mv_size);
    room->len = key.mv_size;
    *out_row = store_bytes(&row);
    return true;
}

/* The oldest of all, if it is over its day. */
static bool let_go_of_expired(struct store_txn *txn, int64_t now_ms)
{
    static const uint8_t kind = BY_TIME;
    struct store_key at;
    struct bytes row;
    uint8_t enterprise[UINT8_MAX];
    if (!first_entry(txn, bytes_of(&kind, 1), &at, &row)) {
        return false;
    }
    struct wire_reader r = wire_read(bytes_from(keys_bytes(&at), 1));
    struct entry entry = {.time_ms = (int64_t)wire_u64(&r)};
    entry.key = wire_take(&r, CHANGE_REPEAT_LEN);
    if (!wire_done(&r) || row.len > sizeof(enterprise)) {
        store_delete(txn, STORE_IDEMPOTENCY, keys_bytes(&at)); /* none of ours */
        return true;
    }
    if (entry.time_ms + REPEATS_MS > now_ms) {
        return false;
    }
    memcpy(enterprise, row.data, row.len); /* the page may move */
    entry.enterprise = bytes_of(enterprise, row.len);
    let_go(txn, &entry);
    return true;
}

/* The oldest of one enterprise. */
static void let_go_of_oldest(struct store_txn *txn, struct bytes enterprise)
{
    const struct entry whose = {.enterprise = enterprise};
    struct store_key beginning = key_of(COUNT, &whose);
    struct store_key at;
    struct bytes row;
    beginning.data[0] = BY_ENTERPRISE;
    if (!first_entry(txn, keys_bytes(&beginning), &at, &row)) {
        put_count(txn, &whose, 0);
        return;
    }
    struct wire_reader r = wire_read(bytes_from(keys_bytes(&at), beginning.len));
    struct entry entry = {.enterprise = enterprise, .time_ms = (int64_t)wire_u64(&r)};
    entry.key = wire_take(&r, CHANGE_REPEAT_LEN);
    if (wire_done(&r)) {
        let_go(txn, &entry);
    } else {
        store_delete(txn, STORE_IDEMPOTENCY, keys_bytes(&at));
    }
}

bool repeats_has(struct store_txn *txn, const struct change_set *set)
{
    struct repeat_row row;
    return get(txn, bytes_of(set->repeat->key, CHANGE_REPEAT_LEN), &row) == STATUS_OK &&
           row.time_ms + REPEATS_MS > set->now_ms;
}

static void put_item(struct wire_writer *w, const struct change_item *item)
{
    bool is_unchanged = item->status == STATUS_UNCHANGED;
    unsigned flags = is_unchanged ? UNCHANGED : 0;
    flags |= item->expected_version != 0 ? REPLACES : 0;
    wire_put_u16(w, status_wire_code(is_unchanged ? STATUS_OK : item->status));
    wire_put_u8(w, (uint8_t)flags);
    wire_put_u64(w, item->status == STATUS_OK ? item->version
                    : is_unchanged            ? item->expected_version
                                              : 0);
}

static void put_outcome(struct store_txn *txn, const struct change_set *set,
                        const struct entry *entry)
{
    const struct change_repeat *repeat = set->repeat;
    struct store_key at = key_of(OUTCOME, entry);
    size_t len = 16 + CHANGE_REPEAT_LEN + 4 + repeat->note.len + 4 + set->count * ITEM_LEN;
    uint8_t *room = store_reserve(txn, STORE_IDEMPOTENCY, keys_bytes(&at), len);
    if (room == NULL) {
        return;
    }
    struct wire_writer w = wire_write(room, len);
    wire_put_u32(&w, (uint32_t)FORMAT << 24);
    wire_put_u32(&w, 0);
    wire_put_u64(&w, (uint64_t)entry->time_ms);
    wire_put_raw(&w, bytes_of(repeat->digest, CHANGE_REPEAT_LEN));
    wire_put_bytes(&w, repeat->note);
    wire_put_u32(&w, (uint32_t)set->count);
    for (size_t i = 1; i <= set->count; i++) {
        put_item(&w, &set->items[i]);
    }
    assert(!w.failed && w.at == w.end);
    wire_store_u32(room + CHECKSUM_AT,
                   crc32c_row(keys_bytes(&at), bytes_of(room, len), CHECKSUM_AT));
}

void repeats_keep(struct store_txn *txn, const struct change_set *set, int64_t time_ms)
{
    const struct entry entry = {
        .key = bytes_of(set->repeat->key, CHANGE_REPEAT_LEN),
        .enterprise = set->enterprise,
        .time_ms = time_ms,
    };
    for (int i = 0; i < EXPIRED_AT_ONCE && let_go_of_expired(txn, time_ms); i++) {
    }
    uint64_t count = count_of(txn, &entry);
    if (count >= REPEATS_PER_ENTERPRISE) {
        let_go_of_oldest(txn, entry.enterprise);
        count = count_of(txn, &entry);
    }
    struct store_key by_time = key_of(BY_TIME, &entry);
    struct store_key by_enterprise = key_of(BY_ENTERPRISE, &entry);
    store_put(txn, STORE_IDEMPOTENCY, keys_bytes(&by_time), entry.enterprise);
    store_put(txn, STORE_IDEMPOTENCY, keys_bytes(&by_enterprise), BYTES_NONE);
    put_count(txn, &entry, count + 1);
    put_outcome(txn, set, &entry);
}
