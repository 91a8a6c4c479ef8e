/* SPDX-License-Identifier: Apache-2.0
 *
 * Identifiers: where they split, how they compare, what may be created (protocol.md §1, §8.2).
 *
 * Everything here works on borrowed bytes and keeps nothing. `handle_fold` runs for each request.
 */
#include "protocol/handle.h"

#include "protocol/md5.h"
#include "protocol/wire.h"

#define PREFIX_RECORD BYTES_LITERAL("0.NA/")

/* The offset of the first slash, or the length when there is none. */
static size_t slash_at(struct bytes handle)
{
    const uint8_t *slash = handle.len == 0 ? NULL : memchr(handle.data, '/', handle.len);
    return slash == NULL ? handle.len : (size_t)(slash - handle.data);
}

static bool starts_nocase(struct bytes all, struct bytes start)
{
    return all.len >= start.len && bytes_equal_nocase(bytes_of(all.data, start.len), start);
}

struct bytes handle_prefix(struct bytes handle)
{
    size_t at = slash_at(handle);
    return at == handle.len ? BYTES_NONE : bytes_of(handle.data, at);
}

struct bytes handle_suffix(struct bytes handle)
{
    size_t at = slash_at(handle);
    return at == handle.len ? handle : bytes_from(handle, at + 1);
}

bool handle_is_prefix_record(struct bytes handle)
{
    return handle.len > PREFIX_RECORD.len && starts_nocase(handle, PREFIX_RECORD);
}

enum status handle_expand(struct bytes name, uint8_t *out, struct bytes *out_handle)
{
    if (name.len == 0 || name.len > HANDLE_MAX) {
        return STATUS_INVALID_HANDLE;
    }
    struct wire_writer w = wire_write(out, HANDLE_EXPANDED_MAX);
    if (slash_at(name) == name.len) {
        wire_put_raw(&w, PREFIX_RECORD);
    }
    wire_put_raw(&w, name);
    *out_handle = wire_wrote(&w);
    return STATUS_OK;
}

/* ASCII letters of eight bytes at once. A byte's top bit is set in `low` when the byte is 'a' or
 * above, in `high` when it is above 'z', looking at seven bits; bytes above 7f never count. */
static uint64_t upper_of_eight(uint64_t eight)
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t seven_bits = eight & 0x7f * ones;
    uint64_t low = seven_bits + (0x80 - 'a') * ones;
    uint64_t high = seven_bits + (0x7f - 'z') * ones;
    uint64_t letters = (low ^ high) & ~eight & 0x80 * ones;
    return eight ^ letters >> 2;
}

static void fold(const uint8_t *from, size_t len, uint8_t *out)
{
    size_t i = 0;
    for (; len - i >= 8; i += 8) {
        uint64_t eight;
        memcpy(&eight, from + i, 8);
        eight = upper_of_eight(eight);
        memcpy(out + i, &eight, 8);
    }
    for (; i < len; i++) {
        out[i] = bytes_ascii_upper(from[i]);
    }
}

struct bytes handle_fold(struct bytes handle, enum case_rule rule, uint8_t *out)
{
    size_t folded = handle.len;
    if (rule == CASE_SENSITIVE && !bytes_start_with(handle, BYTES_LITERAL("0."))) {
        folded = slash_at(handle);
    }
    fold(handle.data, folded, out);
    if (folded < handle.len) {
        memcpy(out + folded, handle.data + folded, handle.len - folded);
    }
    return bytes_of(out, handle.len);
}

/* --- keyed hash ------------------------------------------------------------------------------ */

struct sip {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotated(uint64_t word, unsigned bits)
{
    return word << bits | word >> (64 - bits);
}

static void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v1 = rotated(s->v1, 13) ^ s->v0;
    s->v0 = rotated(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotated(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotated(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotated(s->v1, 17) ^ s->v2;
    s->v2 = rotated(s->v2, 32);
}

static void sip_add(struct sip *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    s->v0 ^= word;
}

uint64_t handle_keyed_hash(struct bytes handle, const uint64_t key[2])
{
    struct sip s = {
        .v0 = key[0] ^ 0x736f6d6570736575u,
        .v1 = key[1] ^ 0x646f72616e646f6du,
        .v2 = key[0] ^ 0x6c7967656e657261u,
        .v3 = key[1] ^ 0x7465646279746573u,
    };
    size_t i = 0;
    uint64_t word;
    for (; handle.len - i >= sizeof(word); i += sizeof(word)) {
        memcpy(&word, handle.data + i, sizeof(word));
        sip_add(&s, upper_of_eight(word));
    }
    word = 0;
    for (size_t j = i; j < handle.len; j++) {
        word |= (uint64_t)handle.data[j] << 8 * (j - i);
    }
    sip_add(&s, upper_of_eight(word) | (uint64_t)handle.len << 56);
    s.v2 ^= 0xff;
    sip_round(&s);
    sip_round(&s);
    sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

/* --- parts ----------------------------------------------------------------------------------- */

struct bytes handle_parent_prefix(struct bytes prefix)
{
    const uint8_t *dot = prefix.len == 0 ? NULL : memrchr(prefix.data, '.', prefix.len);
    return dot == NULL ? BYTES_NONE : bytes_of(prefix.data, (size_t)(dot - prefix.data));
}

struct bytes handle_governing_prefix(struct bytes handle)
{
    if (handle_is_prefix_record(handle)) {
        return bytes_from(handle, PREFIX_RECORD.len);
    }
    return bytes_of(handle.data, slash_at(handle));
}

bool handle_is_under(struct bytes prefix, struct bytes ancestor)
{
    if (ancestor.len == 0 || !starts_nocase(prefix, ancestor)) {
        return false;
    }
    return prefix.len == ancestor.len || prefix.data[ancestor.len] == '.';
}

/* Is there no empty segment? */
static bool has_segments(struct bytes prefix)
{
    bool is_empty = true;
    for (size_t i = 0; i < prefix.len; i++) {
        if (prefix.data[i] != '.') {
            is_empty = false;
        } else if (is_empty) {
            return false;
        } else {
            is_empty = true;
        }
    }
    return !is_empty;
}

enum status handle_check(struct bytes handle, struct fault *fault)
{
    struct bytes prefix = handle_prefix(handle);
    if (handle.len > HANDLE_MAX) {
        return fault_set(fault, STATUS_INVALID_HANDLE,
                         "the handle has %zu bytes, at most %d are allowed", handle.len,
                         HANDLE_MAX);
    }
    if (prefix.len == 0) {
        return fault_set(fault, STATUS_INVALID_HANDLE, "the handle has no prefix before a slash");
    }
    if (prefix.len > HANDLE_PREFIX_MAX) {
        return fault_set(fault, STATUS_INVALID_HANDLE,
                         "the handle's prefix has %zu bytes, at most %d are allowed", prefix.len,
                         HANDLE_PREFIX_MAX);
    }
    if (!has_segments(prefix)) {
        return fault_set(fault, STATUS_INVALID_HANDLE, "the handle's prefix has an empty segment");
    }
    if (handle_suffix(handle).len == 0) {
        return fault_set(fault, STATUS_INVALID_HANDLE, "the handle has nothing behind the slash");
    }
    if (!handle_is_utf8(handle)) {
        return fault_set(fault, STATUS_INVALID_HANDLE, "the handle is not UTF-8");
    }
    return STATUS_OK;
}

enum status handle_check_prefix(struct bytes prefix, struct fault *fault)
{
    if (prefix.len > HANDLE_PREFIX_MAX) {
        return fault_set(fault, STATUS_INVALID_HANDLE,
                         "the prefix has %zu bytes, at most %d are allowed", prefix.len,
                         HANDLE_PREFIX_MAX);
    }
    if (!has_segments(prefix)) {
        return fault_set(fault, STATUS_INVALID_HANDLE, "the prefix has an empty segment");
    }
    for (size_t i = 0; i < prefix.len; i++) {
        uint8_t c = bytes_ascii_upper(prefix.data[i]);
        bool is_letter = c >= 'A' && c <= 'Z';
        bool is_digit = c >= '0' && c <= '9';
        if (!is_letter && !is_digit && c != '.') {
            return fault_set(
                fault, STATUS_INVALID_HANDLE,
                "the prefix has a byte %02x at %zu, only letters, digits and dots are allowed",
                prefix.data[i], i);
        }
    }
    return STATUS_OK;
}

/* Bytes of the character a first byte announces, with the bounds of the second byte that exclude
 * overlong forms, surrogates and what lies above U+10FFFF; 0 for a byte that begins nothing. */
static size_t utf8_announced(uint8_t first, uint8_t *out_low, uint8_t *out_high)
{
    *out_low = 0x80;
    *out_high = 0xbf;
    if (first < 0x80) {
        return 1;
    }
    if (first >= 0xc2 && first <= 0xdf) {
        return 2;
    }
    if (first >= 0xe0 && first <= 0xef) {
        *out_low = first == 0xe0 ? 0xa0 : 0x80;
        *out_high = first == 0xed ? 0x9f : 0xbf;
        return 3;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        *out_low = first == 0xf0 ? 0x90 : 0x80;
        *out_high = first == 0xf4 ? 0x8f : 0xbf;
        return 4;
    }
    return 0;
}

/* Takes one character; false when the bytes are none. */
static bool utf8_take(struct wire_reader *r)
{
    uint8_t low = 0;
    uint8_t high = 0;
    size_t len = utf8_announced(wire_u8(r), &low, &high);
    for (size_t i = 1; i < len; i++) {
        uint8_t next = wire_u8(r);
        if (next < low || next > high) {
            return false;
        }
        low = 0x80;
        high = 0xbf;
    }
    return len > 0 && wire_ok(r);
}

bool handle_is_utf8(struct bytes text)
{
    if (bytes_is_ascii(text)) {
        return true;
    }
    struct wire_reader r = wire_read(text);
    while (wire_left(&r) > 0) {
        if (!utf8_take(&r)) {
            return false;
        }
    }
    return true;
}

uint32_t handle_hash(struct bytes name, enum hash_option option)
{
    bool has_slash = slash_at(name) < name.len;
    struct bytes part = name;
    struct md5 md5;
    uint8_t digest[MD5_LEN];

    if (option == HASH_BY_PREFIX) {
        part = has_slash ? handle_prefix(name) : BYTES_LITERAL("0.NA");
    } else if (option == HASH_BY_SUFFIX) {
        part = handle_suffix(name);
    }
    md5_init(&md5);
    for (size_t i = 0; i < part.len; i++) {
        md5_add(&md5, bytes_ascii_upper(part.data[i]));
    }
    md5_end(&md5, digest);
    struct wire_reader r = wire_read(bytes_of(digest, MD5_LEN));
    (void)wire_take(&r, MD5_LEN - 4);
    uint32_t hash = wire_u32(&r);
    return hash > INT32_MAX ? 0 - hash : hash;
}

enum status handle_parse_reference(struct bytes text, uint32_t *out_index, struct bytes *out_handle)
{
    uint64_t index = 0;
    size_t digits = 0;
    for (; digits < text.len && text.data[digits] >= '0' && text.data[digits] <= '9'; digits++) {
        if (index <= INT32_MAX) {
            index = index * 10 + (uint64_t)(text.data[digits] - '0');
        }
    }
    bool has_index = digits < text.len && text.data[digits] == ':';
    struct bytes handle = has_index ? bytes_from(text, digits + 1) : text;
    if (has_index && (digits == 0 || index > INT32_MAX)) {
        return STATUS_BAD_SYNTAX;
    }
    if (handle.len == 0 || handle.len > HANDLE_MAX) {
        return STATUS_BAD_SYNTAX;
    }
    *out_index = has_index ? (uint32_t)index : 0;
    *out_handle = handle;
    return STATUS_OK;
}
