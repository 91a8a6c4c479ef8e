/* SPDX-License-Identifier: Apache-2.0
 *
 * Identifiers: syntax, case rule, the names derived from a name (protocol.md §1, RFC 3651 §2).
 *
 * Pure functions over borrowed bytes. "Name" is what a request carries, "handle" the same with a
 * slash: a name without one is the prefix record 0.NA/<name>.
 */
#pragma once

#include "protocol/bytes.h"
#include "protocol/status.h"

#define HANDLE_MAX 2048       /* bytes of a whole handle, protocol.md §1.1 */
#define HANDLE_PREFIX_MAX 255 /* bytes of a prefix, design §4 rule 4 */
#define HANDLE_EXPANDED_MAX (HANDLE_MAX + 5)

/* How the suffix is compared; prefixes and names starting "0." always fold (ASCII only). */
enum case_rule { CASE_INSENSITIVE = 0, CASE_SENSITIVE = 1 };

/* Which part of a name chooses the server inside a site (protocol.md §6.4, §8.2). */
enum hash_option { HASH_BY_PREFIX = 0, HASH_BY_SUFFIX = 1, HASH_BY_ALL = 2 };

/* The part before / after the first slash; without a slash: nothing / the whole name. */
struct bytes handle_prefix(struct bytes handle);
struct bytes handle_suffix(struct bytes handle);

/* True for 0.NA/<prefix> (ASCII case folded). */
bool handle_is_prefix_record(struct bytes handle);

/* Writes the handle a name stands for: the name itself, or 0.NA/<name> when it has no slash.
 * `out` holds HANDLE_EXPANDED_MAX bytes. STATUS_INVALID_HANDLE: empty or over HANDLE_MAX. */
enum status handle_expand(struct bytes name, uint8_t *out, struct bytes *out_handle);

/* The comparison form: prefix (and a whole name starting "0.") to ASCII upper case, the suffix too
 * unless CASE_SENSITIVE. `out` holds handle.len bytes. */
struct bytes handle_fold(struct bytes handle, enum case_rule rule, uint8_t *out);

/* SipHash-1-3 of the handle with all its ASCII letters in upper case, under a secret key: for
 * tables that strangers fill with names of their choice. Equal for all spellings of a handle,
 * whatever the case rule. */
uint64_t handle_keyed_hash(struct bytes handle, const uint64_t key[2]);

/* a.b.c -> a.b; nothing when the prefix has one segment. */
struct bytes handle_parent_prefix(struct bytes prefix);

/* The prefix whose home decides who answers for `handle`: x for 0.NA/x, else the prefix part. */
struct bytes handle_governing_prefix(struct bytes handle);

/* True when `prefix` equals `ancestor` or is derived from it (a.b.c from a.b; ASCII case folded).
 */
bool handle_is_under(struct bytes prefix, struct bytes ancestor);

/* May this handle be created? Strict UTF-8, length, non-empty prefix of segments without '/',
 * non-empty suffix: STATUS_INVALID_HANDLE with the reason in `fault` (may be NULL). */
enum status handle_check(struct bytes handle, struct fault *fault);

/* May this prefix be homed? Segments of [0-9A-Za-z]+ joined by '.', at most HANDLE_PREFIX_MAX. */
enum status handle_check_prefix(struct bytes prefix, struct fault *fault);

/* RFC 3629: no surrogates, no overlong forms, up to U+10FFFF. */
bool handle_is_utf8(struct bytes text);

/* abs(last four MD5 bytes of the upper-cased part) as protocol.md §8.2; 2^31 for the one value
 * that has no absolute value. */
uint32_t handle_hash(struct bytes name, enum hash_option option);

/* "300:20.1000/u1" -> index 300, handle; without an index 0. STATUS_BAD_SYNTAX. */
enum status handle_parse_reference(struct bytes text, uint32_t *out_index,
                                   struct bytes *out_handle);
