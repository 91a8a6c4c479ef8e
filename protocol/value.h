/* SPDX-License-Identifier: Apache-2.0
 *
 * Handle values and lists of them (protocol.md §6.1-§6.3, RFC 3651 §3).
 *
 * A decoded value borrows type, data and references from the bytes it was read from. Stored form
 * is wire form: `count ‖ values sorted by index`.
 */
#pragma once

#include "protocol/arena.h"
#include "protocol/status.h"
#include "protocol/wire.h"

#define VALUE_SMALLEST 26 /* bytes of a value with empty type, data and references */
#define VALUE_REFERENCE_SMALLEST 8
#define VALUE_COUNT_MAX 2048    /* values of one handle, protocol.md §14 row 40 */
#define VALUE_TYPE_MAX 255      /* bytes, §14 row 41 */
#define VALUE_TTL_DEFAULT 86400 /* seconds, relative */

enum value_ttl_type { VALUE_TTL_RELATIVE = 0, VALUE_TTL_ABSOLUTE = 1 };

/* Permission bits; text form "1110" = admin read, admin write, public read, no public write. */
enum value_permission {
    VALUE_ADMIN_READ = 0x08,
    VALUE_ADMIN_WRITE = 0x04,
    VALUE_PUBLIC_READ = 0x02,
    VALUE_PUBLIC_WRITE = 0x01,
    VALUE_PERMISSIONS_DEFAULT = 0x0e,
};

struct reference {
    struct bytes handle;
    uint32_t index; /* 0: any value of that handle */
};

struct value {
    uint32_t index;     /* > 0 when stored */
    uint32_t timestamp; /* seconds since 1970, last change */
    uint8_t ttl_type;   /* enum value_ttl_type; others tolerated on read */
    uint32_t ttl;       /* seconds, or seconds since 1970 when absolute */
    uint8_t permissions;
    struct bytes type;
    struct bytes data;
    uint32_t reference_count;
    struct bytes references; /* encoded, `reference_count` of them, well formed */
};

/* A handle with its values, as files and JSON carry it. */
struct record {
    struct bytes handle;
    struct value *values;
    size_t count;
};

/* Reads one value; on failure the reader has failed. Lengths and counts are checked, meaning is
 * not. */
enum status value_decode(struct wire_reader *r, struct value *out_value);
void value_encode(struct wire_writer *w, const struct value *value);
size_t value_encoded_len(const struct value *value);

/* `count ‖ values` into arena memory; bytes behind the last value are left in the reader.
 * PROTOCOL_ERROR when the bytes lie, NO_MEMORY. */
enum status value_list_decode(struct wire_reader *r, struct arena *arena, struct value **out_values,
                              size_t *out_count);
void value_list_encode(struct wire_writer *w, const struct value *values, size_t count);
size_t value_list_encoded_len(const struct value *values, size_t count);

/* In place, by index; stable. */
void value_list_sort(struct value *values, size_t count);

/* Steps through the encoded references; false at the end. Start with `wire_read(v->references)`. */
bool value_next_reference(struct wire_reader *r, struct reference *out_reference);

/* Is this value fit to be stored? Index > 0, type 1..255 bytes of UTF-8, known ttl type, permission
 * bits 0-3 only, predefined types well formed (value_types.h): INVALID_VALUE with the reason. */
enum status value_check(const struct value *value, struct fault *fault);

/* The whole list: every value, no index twice, at most VALUE_COUNT_MAX, and a resolution answer
 * carrying it under `handle` fits a message. INVALID_VALUE, VALUE_EXISTS (index twice). */
enum status value_list_check(struct bytes handle, const struct value *values, size_t count,
                             struct fault *fault);

/* Does a value's type match a requested one (protocol.md §5.2)? "URL." matches URL and URL.*. */
bool value_type_matches(struct bytes type, struct bytes requested);

/* Equal but for when they were written. */
bool value_is_same(const struct value *a, const struct value *b);

/* Equal to `base` or below it ("HS_ADMIN.x" is an HS_ADMIN; protocol.md §6.2). */
bool value_type_is(struct bytes type, struct bytes base);

/* HS_SECKEY and its subtypes: never publicly readable, whatever the permissions say. */
bool value_is_secret(const struct value *value);
bool value_is_public(const struct value *value);

/* "1110" <-> 0x0e; "*" reads as 0x0f, anything else but four of [01] is BAD_SYNTAX. `out` holds 5.
 */
enum status value_permissions_parse(struct bytes text, uint8_t *out_permissions);
void value_permissions_text(uint8_t permissions, char *out);
