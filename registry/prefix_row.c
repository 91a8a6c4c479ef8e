/* SPDX-License-Identifier: Apache-2.0
 *
 * Codec of prefix rows (prefix_row.h).
 */
#include "registry/prefix_row.h"

#include "registry/crc32c.h"

#define FORMAT 1
#define CHECKSUM_AT 4

static bool is_known(const struct prefix_row *row)
{
    bool has_state = row->state >= PREFIX_ACTIVE && row->state <= PREFIX_READ_ONLY;
    bool has_hosting = row->hosting == PREFIX_HOSTED || row->hosting == PREFIX_DELEGATED;
    bool has_rule = row->case_rule == CASE_INSENSITIVE || row->case_rule == CASE_SENSITIVE;
    return has_state && has_hosting && has_rule;
}

enum status prefix_row_decode(struct bytes key, struct bytes row, struct prefix_row *out_row,
                              uint64_t *out_position)
{
    struct wire_reader r = wire_read(row);
    uint8_t format = wire_u8(&r);
    struct prefix_row decoded = {0};
    decoded.state = wire_u8(&r);
    decoded.hosting = wire_u8(&r);
    decoded.case_rule = wire_u8(&r);
    uint32_t checksum = wire_u32(&r);
    decoded.version = wire_u64(&r);
    uint64_t position = wire_u64(&r);
    decoded.created_ms = (int64_t)wire_u64(&r);
    decoded.max_identifiers = wire_u64(&r);
    decoded.max_bytes = wire_u64(&r);
    decoded.slot = wire_u32(&r);
    decoded.enterprise = wire_take(&r, wire_u8(&r));
    decoded.prefix = wire_take(&r, wire_left(&r));
    if (!wire_ok(&r) || format != FORMAT || !is_known(&decoded) ||
        !bytes_equal(decoded.prefix, key) || checksum != crc32c_row(key, row, CHECKSUM_AT)) {
        return STATUS_CORRUPT;
    }
    *out_row = decoded;
    if (out_position != NULL) {
        *out_position = position;
    }
    return STATUS_OK;
}

/* Stores the checksum of the row that `w` has just received from `start` on. */
static void seal(const struct wire_writer *w, uint8_t *start, struct bytes key)
{
    if (!w->failed) {
        struct bytes row = bytes_of(start, (size_t)(w->at - start));
        wire_store_u32(start + CHECKSUM_AT, crc32c_row(key, row, CHECKSUM_AT));
    }
}

void prefix_row_encode(struct wire_writer *w, const struct prefix_row *row, uint64_t position)
{
    uint8_t *start = w->at;
    wire_put_u8(w, FORMAT);
    wire_put_u8(w, (uint8_t)row->state);
    wire_put_u8(w, (uint8_t)row->hosting);
    wire_put_u8(w, (uint8_t)row->case_rule);
    wire_put_u32(w, 0);
    wire_put_u64(w, row->version);
    wire_put_u64(w, position);
    wire_put_u64(w, (uint64_t)row->created_ms);
    wire_put_u64(w, row->max_identifiers);
    wire_put_u64(w, row->max_bytes);
    wire_put_u32(w, row->slot);
    wire_put_u8(w, (uint8_t)row->enterprise.len);
    wire_put_raw(w, row->enterprise);
    wire_put_raw(w, row->prefix);
    seal(w, start, row->prefix);
}

void prefix_row_content(struct wire_writer *w, const struct prefix_row *row)
{
    wire_put_u8(w, (uint8_t)row->state);
    wire_put_u8(w, (uint8_t)row->hosting);
    wire_put_u8(w, (uint8_t)row->case_rule);
    wire_put_u64(w, row->max_identifiers);
    wire_put_u64(w, row->max_bytes);
    wire_put_raw(w, row->enterprise);
}
