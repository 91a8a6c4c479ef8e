/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys, rows and times of the cache (cache_row.h).
 */
#include "resolver/cache_row.h"

#include "protocol/digest.h"
#include "registry/crc32c.h"

#define FORMAT 1
#define CHECKSUM_AT 4
#define SEQUENCE_AT 12
#define HEAD_LEN 48
#define NAME_PLAIN_MAX 440
#define NAME_CUT 408
#define QUESTION_LEN 16
#define MS 1000

/* --- keys ------------------------------------------------------------------------------------- */

enum status cache_key_name(struct bytes handle, enum case_rule rule, struct cache_key *out_key)
{
    uint8_t hash[32];
    if (handle.len == 0 || handle.len > HANDLE_MAX) {
        return STATUS_INVALID_HANDLE;
    }
    out_key->name = handle_fold(handle, rule, out_key->folded);
    struct wire_writer w = wire_write(out_key->data, sizeof(out_key->data));
    if (handle.len <= NAME_PLAIN_MAX) {
        wire_put_raw(&w, out_key->name);
    } else {
        enum status status = digest_sha256(&out_key->name, 1, hash);
        if (status != STATUS_OK) {
            return status;
        }
        wire_put_raw(&w, bytes_of(out_key->name.data, NAME_CUT));
        wire_put_raw(&w, bytes_of(hash, sizeof(hash)));
    }
    wire_put_u8(&w, 0);
    out_key->name_part_len = wire_wrote(&w).len;
    out_key->len = out_key->name_part_len;
    return STATUS_OK;
}

enum status cache_key_shape(struct cache_key *key, enum cache_shape shape,
                            const struct body_resolution *asked)
{
    uint8_t *at = key->data + key->name_part_len;
    key->shape = shape;
    key->len = key->name_part_len + 1;
    *at = (uint8_t)shape;
    if (shape != CACHE_SHAPE_PART) {
        return STATUS_OK;
    }
    uint8_t count[4];
    uint8_t hash[32];
    wire_store_u32(count, asked->index_count);
    const struct bytes runs[] = {bytes_of(count, sizeof(count)), asked->indexes, asked->types};
    enum status status = digest_sha256(runs, 3, hash);
    if (status == STATUS_OK) {
        memcpy(at + 1, hash, QUESTION_LEN);
        key->len += QUESTION_LEN;
    }
    return status;
}

enum cache_shape cache_shape_of(const struct cache_question *question)
{
    if (question->kind == CACHE_SITES) {
        return CACHE_SHAPE_SITES;
    }
    bool is_filtered = question->asked->index_count > 0 || question->asked->type_count > 0;
    return is_filtered ? CACHE_SHAPE_PART : CACHE_SHAPE_WHOLE;
}

/* --- ranges ------------------------------------------------------------------------------------
 */

static enum status range_of_name(struct bytes handle, enum case_rule rule,
                                 struct cache_range *range)
{
    struct cache_key key;
    enum status status = cache_key_name(handle, rule, &key);
    if (status == STATUS_OK) {
        range->start_len = key.name_part_len;
        memcpy(range->start, key.data, key.name_part_len);
        range->name_len = key.name.len;
        memcpy(range->name, key.name.data, key.name.len);
    }
    return status;
}

static enum status ranges_of_name(struct bytes name, struct cache_range ranges[CACHE_RANGES_MAX],
                                  size_t *out_count)
{
    uint8_t expanded[HANDLE_EXPANDED_MAX];
    struct bytes handle;
    enum status status = handle_expand(name, expanded, &handle);
    if (status == STATUS_OK) {
        status = range_of_name(handle, CASE_SENSITIVE, &ranges[0]);
    }
    if (status == STATUS_OK) {
        status = range_of_name(handle, CASE_INSENSITIVE, &ranges[1]);
    }
    if (status == STATUS_OK) {
        bool is_same = bytes_equal(bytes_of(ranges[0].name, ranges[0].name_len),
                                   bytes_of(ranges[1].name, ranges[1].name_len));
        *out_count = is_same ? 1 : 2;
    }
    return status;
}

/* What stands under it, and its own record. */
static enum status ranges_of_prefix(struct bytes prefix,
                                    struct cache_range ranges[CACHE_RANGES_MAX], size_t *out_count)
{
    uint8_t record[HANDLE_PREFIX_MAX + 5];
    if (prefix.len == 0 || prefix.len > HANDLE_PREFIX_MAX ||
        memchr(prefix.data, '/', prefix.len) != NULL) {
        return STATUS_INVALID_HANDLE;
    }
    struct wire_writer w = wire_write(record, sizeof(record));
    wire_put_raw(&w, BYTES_LITERAL("0.NA/"));
    wire_put_raw(&w, prefix);
    enum status status = range_of_name(wire_wrote(&w), CASE_INSENSITIVE, &ranges[1]);
    if (status != STATUS_OK) {
        return status;
    }
    for (size_t i = 0; i < prefix.len; i++) {
        ranges[0].start[i] = bytes_ascii_upper(prefix.data[i]);
    }
    ranges[0].start[prefix.len] = '/';
    ranges[0].start_len = prefix.len + 1;
    ranges[0].name_len = 0;
    *out_count = 2;
    return STATUS_OK;
}

enum status cache_ranges(enum cache_scope scope, struct bytes name,
                         struct cache_range out_ranges[CACHE_RANGES_MAX], size_t *out_count)
{
    switch (scope) {
    case CACHE_NAME:
        return ranges_of_name(name, out_ranges, out_count);
    case CACHE_PREFIX:
        return ranges_of_prefix(name, out_ranges, out_count);
    case CACHE_ALL:
    default:
        out_ranges[0].start_len = 0;
        out_ranges[0].name_len = 0;
        *out_count = 1;
        return STATUS_OK;
    }
}

void cache_order_key(int64_t kept_until_ms, uint64_t sequence, uint8_t out[CACHE_ORDER_LEN])
{
    struct wire_writer w = wire_write(out, CACHE_ORDER_LEN);
    wire_put_u64(&w, (uint64_t)kept_until_ms);
    wire_put_u64(&w, sequence);
}

/* --- rows ------------------------------------------------------------------------------------- */

size_t cache_row_len(const struct cache_stored *stored)
{
    return HEAD_LEN + stored->name.len + stored->handle.len + stored->values.len;
}

void cache_row_encode(const struct cache_stored *stored, uint8_t *row)
{
    struct wire_writer w = wire_write(row, cache_row_len(stored));
    wire_put_u8(&w, FORMAT);
    wire_put_u8(&w, (uint8_t)stored->shape);
    wire_put_u16(&w, (uint16_t)stored->code);
    wire_put_u32(&w, 0);
    wire_put_u32(&w, stored->flags);
    wire_put_u64(&w, stored->sequence);
    wire_put_u64(&w, (uint64_t)stored->fetched_ms);
    wire_put_u64(&w, (uint64_t)stored->expires_ms);
    wire_put_u64(&w, (uint64_t)stored->kept_until_ms);
    wire_put_u16(&w, (uint16_t)stored->name.len);
    wire_put_u16(&w, (uint16_t)stored->handle.len);
    wire_put_raw(&w, stored->name);
    wire_put_raw(&w, stored->handle);
    wire_put_raw(&w, stored->values);
}

void cache_row_seal(struct bytes key, uint8_t *row, size_t len, uint64_t sequence)
{
    wire_store_u32(row + SEQUENCE_AT, (uint32_t)(sequence >> 32));
    wire_store_u32(row + SEQUENCE_AT + 4, (uint32_t)sequence);
    wire_store_u32(row + CHECKSUM_AT, crc32c_row(key, bytes_of(row, len), CHECKSUM_AT));
}

enum status cache_row_decode(struct bytes key, struct bytes row, struct cache_stored *out_stored)
{
    struct wire_reader r = wire_read(row);
    struct cache_stored stored;
    unsigned format = wire_u8(&r);
    stored.shape = (enum cache_shape)wire_u8(&r);
    stored.code = wire_u16(&r);
    uint32_t checksum = wire_u32(&r);
    stored.flags = wire_u32(&r);
    stored.sequence = wire_u64(&r);
    stored.fetched_ms = (int64_t)wire_u64(&r);
    stored.expires_ms = (int64_t)wire_u64(&r);
    stored.kept_until_ms = (int64_t)wire_u64(&r);
    size_t name_len = wire_u16(&r);
    size_t handle_len = wire_u16(&r);
    stored.name = wire_take(&r, name_len);
    stored.handle = wire_take(&r, handle_len);
    stored.values = wire_take(&r, wire_left(&r));
    bool is_shape = stored.shape >= CACHE_SHAPE_WHOLE && stored.shape <= CACHE_SHAPE_SITES;
    if (!wire_ok(&r) || format != FORMAT || !is_shape || name_len == 0 || name_len > HANDLE_MAX ||
        checksum != crc32c_row(key, row, CHECKSUM_AT)) {
        return STATUS_CORRUPT;
    }
    *out_stored = stored;
    return STATUS_OK;
}

/* --- times ------------------------------------------------------------------------------------ */

static int64_t value_expiry(const struct value *value, int64_t fetched_ms)
{
    if (value->ttl_type == VALUE_TTL_ABSOLUTE) {
        return (int64_t)value->ttl * MS;
    }
    /* What Java peers read as negative, and kinds nobody defined, count as over. */
    bool has_time = value->ttl_type == VALUE_TTL_RELATIVE && value->ttl <= INT32_MAX;
    return has_time ? fetched_ms + (int64_t)value->ttl * MS : fetched_ms;
}

enum status cache_values_expiry(struct bytes values, int64_t fetched_ms, int64_t ttl_ms,
                                int64_t *out_expires_ms)
{
    int64_t expires_ms = fetched_ms + ttl_ms;
    struct wire_reader r = wire_read(values);
    uint32_t count = wire_count(&r, VALUE_SMALLEST);
    for (uint32_t i = 0; i < count; i++) {
        struct value value;
        if (value_decode(&r, &value) != STATUS_OK) {
            return STATUS_PROTOCOL_ERROR;
        }
        if (!value_is_public(&value)) {
            return STATUS_ACCESS_DENIED;
        }
        int64_t own_ms = value_expiry(&value, fetched_ms);
        expires_ms = own_ms < expires_ms ? own_ms : expires_ms;
    }
    if (!wire_done(&r)) {
        return STATUS_PROTOCOL_ERROR;
    }
    *out_expires_ms = expires_ms;
    return STATUS_OK;
}

uint32_t cache_ttl(const struct cache_entry *entry, const struct value *value, int64_t now_ms)
{
    if (value->ttl_type != VALUE_TTL_RELATIVE) {
        return value->ttl;
    }
    if (now_ms >= entry->expires_ms) {
        return value->ttl < CACHE_STALE_TTL ? value->ttl : CACHE_STALE_TTL;
    }
    int64_t age_s = now_ms > entry->fetched_ms ? (now_ms - entry->fetched_ms) / MS : 0;
    return value->ttl > age_s ? value->ttl - (uint32_t)age_s : 0;
}

#define TTL_AT 9 /* index, timestamp, kind of the TTL before it */

void cache_age_values(uint8_t *values, size_t len, int64_t from_s, int64_t to_s)
{
    struct wire_reader r = wire_read(bytes_of(values, len));
    uint32_t count = wire_count(&r, VALUE_SMALLEST);
    for (uint32_t i = 0; i < count; i++) {
        size_t at = (size_t)(r.at - values);
        struct value value;
        if (value_decode(&r, &value) != STATUS_OK) {
            return;
        }
        if (value.ttl_type == VALUE_TTL_RELATIVE) {
            wire_store_u32(values + at + TTL_AT, (uint32_t)(value.ttl + from_s - to_s));
        }
    }
}

void cache_write_values(struct wire_writer *w, const struct cache_entry *entry, int64_t now_ms)
{
    struct wire_reader r = wire_read(entry->values);
    uint32_t count = wire_count(&r, VALUE_SMALLEST);
    wire_put_u32(w, count);
    for (uint32_t i = 0; i < count; i++) {
        struct value value;
        if (value_decode(&r, &value) != STATUS_OK) {
            w->failed = true;
            return;
        }
        value.ttl = cache_ttl(entry, &value, now_ms);
        value_encode(w, &value);
    }
}
