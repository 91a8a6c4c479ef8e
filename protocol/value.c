/* SPDX-License-Identifier: Apache-2.0
 *
 * Handle values: between bytes and structs, fit to be stored or not, matching a request
 * (protocol.md §5.2, §6.1-§6.3, §14 rows 32, 36, 38-44).
 *
 * Decoding borrows; only lists take memory, from the caller's arena. No state.
 */
#include "protocol/value.h"

#include <assert.h>

#include "protocol/handle.h"
#include "protocol/message.h"
#include "protocol/value_types.h"

#define PERMISSIONS_KNOWN 0x0f

/* What a resolution answer needs beside handle and values: header, request digest with its
 * algorithm byte, the handle's length, and a credential: its length, and room for the largest
 * signature we expect, 4096 bits of RSA, with everything around it. */
#define ANSWER_OVERHEAD (MESSAGE_HEADER_LEN + 1 + 32 + 4 + 4 + 1024)

enum status value_decode(struct wire_reader *r, struct value *out_value)
{
    struct value value;
    value.index = wire_u32(r);
    value.timestamp = wire_u32(r);
    value.ttl_type = wire_u8(r);
    value.ttl = wire_u32(r);
    value.permissions = wire_u8(r);
    value.type = wire_bytes(r);
    value.data = wire_bytes(r);
    value.reference_count = wire_count(r, VALUE_REFERENCE_SMALLEST);
    const uint8_t *start = r->at;
    for (uint32_t i = 0; i < value.reference_count && wire_ok(r); i++) {
        (void)wire_bytes(r);
        (void)wire_u32(r);
    }
    if (!wire_ok(r)) {
        return STATUS_PROTOCOL_ERROR;
    }
    value.references = bytes_of(start, (size_t)(r->at - start));
    *out_value = value;
    return STATUS_OK;
}

void value_encode(struct wire_writer *w, const struct value *value)
{
    wire_put_u32(w, value->index);
    wire_put_u32(w, value->timestamp);
    wire_put_u8(w, value->ttl_type);
    wire_put_u32(w, value->ttl);
    wire_put_u8(w, value->permissions);
    wire_put_bytes(w, value->type);
    wire_put_bytes(w, value->data);
    wire_put_list(w, value->reference_count, value->references);
}

size_t value_encoded_len(const struct value *value)
{
    return VALUE_SMALLEST + value->type.len + value->data.len + value->references.len;
}

enum status value_list_decode(struct wire_reader *r, struct arena *arena, struct value **out_values,
                              size_t *out_count)
{
    uint32_t count = wire_count(r, VALUE_SMALLEST);
    if (!wire_ok(r)) {
        return STATUS_PROTOCOL_ERROR;
    }
    if (count == 0) {
        *out_values = NULL;
        *out_count = 0;
        return STATUS_OK;
    }
    struct value *values = arena_calloc(arena, count, sizeof(*values));
    if (values == NULL) {
        return STATUS_NO_MEMORY;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (value_decode(r, &values[i]) != STATUS_OK) {
            return STATUS_PROTOCOL_ERROR;
        }
    }
    *out_values = values;
    *out_count = count;
    return STATUS_OK;
}

void value_list_encode(struct wire_writer *w, const struct value *values, size_t count)
{
    assert(count <= INT32_MAX);
    wire_put_u32(w, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        value_encode(w, &values[i]);
    }
}

size_t value_list_encoded_len(const struct value *values, size_t count)
{
    size_t len = 4;
    for (size_t i = 0; i < count; i++) {
        len += value_encoded_len(&values[i]);
    }
    return len;
}

/* Where a value of this index goes behind its equals among the sorted first `count`. */
static size_t place_of(const struct value *values, size_t count, uint32_t index)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (values[middle].index <= index) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Records come sorted, or nearly so: insertion then moves nothing. */
void value_list_sort(struct value *values, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        if (values[i - 1].index <= values[i].index) {
            continue;
        }
        struct value moved = values[i];
        size_t place = place_of(values, i, moved.index);
        memmove(&values[place + 1], &values[place], (i - place) * sizeof(*values));
        values[place] = moved;
    }
}

bool value_next_reference(struct wire_reader *r, struct reference *out_reference)
{
    struct reference reference;
    if (wire_left(r) == 0) {
        return false;
    }
    reference.handle = wire_bytes(r);
    reference.index = wire_u32(r);
    if (!wire_ok(r)) {
        return false;
    }
    *out_reference = reference;
    return true;
}

static enum status check_references(const struct value *value, struct fault *fault)
{
    struct wire_reader r = wire_read(value->references);
    struct reference reference;
    uint32_t count = 0;
    while (value_next_reference(&r, &reference)) {
        if (reference.handle.len > HANDLE_MAX || !handle_is_utf8(reference.handle)) {
            return fault_set(
                fault, STATUS_INVALID_VALUE,
                "reference %u of value %u is not a handle in UTF-8 of at most %d bytes", count + 1,
                value->index, HANDLE_MAX);
        }
        count++;
    }
    if (!wire_done(&r) || count != value->reference_count) {
        return fault_set(fault, STATUS_INVALID_VALUE, "the references of value %u are malformed",
                         value->index);
    }
    return STATUS_OK;
}

enum status value_check(const struct value *value, struct fault *fault)
{
    if (value->index == 0 || value->index > INT32_MAX) {
        return fault_set(fault, STATUS_INVALID_VALUE, "value index %u is not in 1..2147483647",
                         value->index);
    }
    if (value->type.len == 0 || value->type.len > VALUE_TYPE_MAX || !handle_is_utf8(value->type)) {
        return fault_set(fault, STATUS_INVALID_VALUE,
                         "the type of value %u is not 1 to %d bytes of UTF-8", value->index,
                         VALUE_TYPE_MAX);
    }
    if (value->ttl_type != VALUE_TTL_RELATIVE && value->ttl_type != VALUE_TTL_ABSOLUTE) {
        return fault_set(fault, STATUS_INVALID_VALUE, "value %u has an unknown TTL type %u",
                         value->index, value->ttl_type);
    }
    if ((value->permissions & ~PERMISSIONS_KNOWN) != 0) {
        return fault_set(fault, STATUS_INVALID_VALUE, "value %u has unknown permission bits %02x",
                         value->index, value->permissions);
    }
    if (value->data.len > MESSAGE_MAX) {
        return fault_set(fault, STATUS_INVALID_VALUE,
                         "the data of value %u has %zu bytes, too many", value->index,
                         value->data.len);
    }
    enum status status = check_references(value, fault);
    return status == STATUS_OK ? value_types_check(value->type, value->data, fault) : status;
}

/* `count` is at most VALUE_COUNT_MAX. Lists are short, or sorted: the pairs are few. */
static enum status check_indexes_differ(const struct value *values, size_t count,
                                        struct fault *fault)
{
    uint32_t seen[VALUE_COUNT_MAX];
    uint32_t highest = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t index = values[i].index;
        bool is_twice = false;
        for (size_t j = 0; index <= highest && j < i; j++) {
            is_twice |= seen[j] == index;
        }
        if (is_twice) {
            return fault_set(fault, STATUS_VALUE_EXISTS, "index %u occurs twice", index);
        }
        seen[i] = index;
        highest = index > highest ? index : highest;
    }
    return STATUS_OK;
}

enum status value_list_check(struct bytes handle, const struct value *values, size_t count,
                             struct fault *fault)
{
    if (count > VALUE_COUNT_MAX) {
        return fault_set(fault, STATUS_INVALID_VALUE, "%zu values, at most %d are allowed", count,
                         VALUE_COUNT_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        enum status status = value_check(&values[i], fault);
        if (status != STATUS_OK) {
            return status;
        }
    }
    size_t answer_len = ANSWER_OVERHEAD + handle.len + value_list_encoded_len(values, count);
    if (answer_len > MESSAGE_MAX) {
        return fault_set(fault, STATUS_INVALID_VALUE,
                         "an answer with these values would have %zu bytes, at most %d are allowed",
                         answer_len, MESSAGE_MAX);
    }
    return check_indexes_differ(values, count, fault);
}

static bool starts_nocase(struct bytes all, struct bytes start)
{
    return all.len >= start.len && bytes_equal_nocase(bytes_of(all.data, start.len), start);
}

bool value_type_matches(struct bytes type, struct bytes requested)
{
    if (requested.len > 0 && requested.data[requested.len - 1] == '.') {
        return value_type_is(type, bytes_of(requested.data, requested.len - 1));
    }
    return bytes_equal_nocase(type, requested);
}

bool value_type_is(struct bytes type, struct bytes base)
{
    return starts_nocase(type, base) && (type.len == base.len || type.data[base.len] == '.');
}

bool value_is_same(const struct value *a, const struct value *b)
{
    return a->index == b->index && a->ttl_type == b->ttl_type && a->ttl == b->ttl &&
           a->permissions == b->permissions && bytes_equal(a->type, b->type) &&
           bytes_equal(a->data, b->data) && a->reference_count == b->reference_count &&
           bytes_equal(a->references, b->references);
}

bool value_is_secret(const struct value *value)
{
    return value_type_is(value->type, BYTES_LITERAL("HS_SECKEY"));
}

bool value_is_public(const struct value *value)
{
    return (value->permissions & VALUE_PUBLIC_READ) != 0 && !value_is_secret(value);
}

enum status value_permissions_parse(struct bytes text, uint8_t *out_permissions)
{
    unsigned permissions = 0;
    if (bytes_equal(text, BYTES_LITERAL("*"))) {
        *out_permissions = PERMISSIONS_KNOWN;
        return STATUS_OK;
    }
    if (text.len != 4) {
        return STATUS_BAD_SYNTAX;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] != '0' && text.data[i] != '1') {
            return STATUS_BAD_SYNTAX;
        }
        permissions = permissions << 1 | (unsigned)(text.data[i] - '0');
    }
    *out_permissions = (uint8_t)permissions;
    return STATUS_OK;
}

void value_permissions_text(uint8_t permissions, char *out)
{
    for (unsigned i = 0; i < 4; i++) {
        out[i] = (permissions >> (3 - i) & 1) != 0 ? '1' : '0';
    }
    out[4] = '\0';
}
