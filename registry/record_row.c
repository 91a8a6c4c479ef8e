/* SPDX-License-Identifier: Apache-2.0
 *
 * Codec of record rows (record_row.h).
 */
#include "registry/record_row.h"

#include "registry/crc32c.h"

#define FORMAT 1
#define FLAGS_KNOWN RECORD_ALL_PUBLIC
#define CHECKSUM_AT 4
#define POSITION_AT 16

enum status record_row_decode(struct bytes key, struct bytes row, struct record_row *out_row)
{
    if (row.len > RECORD_ROW_MAX) {
        /* A page whose lengths are damaged: the checksum would read behind the file's end. */
        return STATUS_CORRUPT;
    }
    struct wire_reader r = wire_read(row);
    uint8_t format = wire_u8(&r);
    uint8_t flags = wire_u8(&r);
    uint16_t spelling_len = wire_u16(&r);
    uint32_t checksum = wire_u32(&r);
    struct record_row decoded = {.flags = flags};
    decoded.version = wire_u64(&r);
    decoded.position = wire_u64(&r);
    decoded.created_ms = (int64_t)wire_u64(&r);
    decoded.changed_ms = (int64_t)wire_u64(&r);
    decoded.handle = wire_take(&r, spelling_len);
    decoded.values = wire_take(&r, wire_left(&r));
    if (!wire_ok(&r) || format != FORMAT || (flags & ~FLAGS_KNOWN) != 0 ||
        checksum != crc32c_row(key, row, CHECKSUM_AT)) {
        return STATUS_CORRUPT;
    }
    if (spelling_len == 0) {
        if (keys_is_shortened(key)) {
            return STATUS_CORRUPT;
        }
        decoded.handle = key;
    }
    *out_row = decoded;
    return STATUS_OK;
}

size_t record_row_damaged_len(struct bytes canonical, struct bytes row)
{
    struct wire_reader r = wire_read(row);
    (void)wire_u16(&r);
    uint16_t spelling_len = wire_u16(&r);
    (void)wire_take(&r, RECORD_ROW_FIXED - 4);
    size_t len = wire_left(&r);
    struct bytes start = wire_take(&r, canonical.len);
    if (!wire_ok(&r)) {
        return len;
    }
    /* A spelling is as long as its canonical form; another length but none is itself damaged. */
    bool is_spelled = keys_is_shortened(canonical) || spelling_len == canonical.len ||
                      (spelling_len != 0 && bytes_equal_nocase(start, canonical));
    return is_spelled ? len - canonical.len : len;
}

bool record_row_needs_spelling(const struct record_key *key, struct bytes handle)
{
    return keys_is_shortened(key->key) || !bytes_equal(key->canonical, handle);
}

size_t record_row_encoded_len(const struct record_key *key, const struct record_row *row)
{
    size_t spelling = record_row_needs_spelling(key, row->handle) ? row->handle.len : 0;
    return RECORD_ROW_FIXED + spelling + row->values.len;
}

void record_row_encode(struct wire_writer *w, const struct record_key *key,
                       const struct record_row *row)
{
    struct bytes spelling = record_row_needs_spelling(key, row->handle) ? row->handle : BYTES_NONE;
    wire_put_u8(w, FORMAT);
    wire_put_u8(w, (uint8_t)row->flags);
    wire_put_u16(w, (uint16_t)spelling.len);
    wire_put_u32(w, 0);
    wire_put_u64(w, row->version);
    wire_put_u64(w, row->position);
    wire_put_u64(w, (uint64_t)row->created_ms);
    wire_put_u64(w, (uint64_t)row->changed_ms);
    wire_put_raw(w, spelling);
    wire_put_raw(w, row->values);
}

void record_row_seal(struct bytes key, uint8_t *row, size_t len, const struct record_row *facts)
{
    assert(len >= RECORD_ROW_FIXED);
    struct wire_writer w = wire_write(row + POSITION_AT, RECORD_ROW_FIXED - POSITION_AT);
    wire_put_u64(&w, facts->position);
    wire_put_u64(&w, (uint64_t)facts->created_ms);
    wire_put_u64(&w, (uint64_t)facts->changed_ms);
    wire_store_u32(row + CHECKSUM_AT, crc32c_row(key, bytes_of(row, len), CHECKSUM_AT));
}

bool record_row_is_of(const struct record_row *row, const struct record_key *key,
                      enum case_rule rule)
{
    if (!keys_is_shortened(key->key)) {
        return true;
    }
    uint8_t folded[HANDLE_MAX];
    return row->handle.len <= sizeof(folded) &&
           bytes_equal(handle_fold(row->handle, rule, folded), key->canonical);
}
