/* SPDX-License-Identifier: Apache-2.0
 *
 * The predefined data types as one table: what their data looks like, how it is judged before it
 * is stored, how people see it (protocol.md §6.4-§6.8, §8.7).
 *
 * HS_SITE is in site.h, keys in pubkey.h, signatures in jws.h; adding a type is a row in
 * value_types.c, a vector and a fuzz seed.
 */
#pragma once

#include "protocol/arena.h"
#include "protocol/status.h"
#include "protocol/value.h"
#include "protocol/wire.h"

/* How a type's data is shown and read in JSON (protocol.md §9.4). */
enum value_format {
    VALUE_FORMAT_TEXT, /* string when printable, else base64 */
    VALUE_FORMAT_ADMIN,
    VALUE_FORMAT_VLIST,
    VALUE_FORMAT_SITE,
    VALUE_FORMAT_KEY,
};

/* The format of a type's data; VALUE_FORMAT_TEXT for types without a row. */
enum value_format value_types_format(struct bytes type);

/* Is the data well formed for its type? INVALID_VALUE with the reason; types without a row and
 * types without a rule are always fine. */
enum status value_types_check(struct bytes type, struct bytes data, struct fault *fault);

/* --- HS_ADMIN, §6.5 --- */
struct admin {
    uint16_t permissions; /* all 16 bits kept */
    struct reference identity;
    bool is_legacy; /* two extra zero bytes at the end, kept when re-encoded */
};
enum status admin_decode(struct bytes data, struct admin *out_admin);
void admin_encode(struct wire_writer *w, const struct admin *admin);

/* --- HS_VLIST, §6.6: counted references, nothing behind them --- */
struct vlist {
    uint32_t count;
    struct bytes references; /* walk with value_next_reference */
};
enum status vlist_decode(struct bytes data, struct vlist *out_list);
void vlist_encode(struct wire_writer *w, const struct vlist *list);

/* --- HS_SERV, HS_SERV.PREFIX, HS_ALIAS: the data is a handle's text --- */
enum status value_types_target(struct bytes data, struct bytes *out_handle);
