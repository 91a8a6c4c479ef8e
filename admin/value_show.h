/* SPDX-License-Identifier: Apache-2.0
 *
 * Values and header words as people read them on a line: the predefined types taken apart, text as
 * it is, binary as hexadecimal. Everything lands in the arena and is safe for a terminal; NULL only
 * when the arena is full.
 */
#pragma once

#include "protocol/arena.h"
#include "protocol/message.h"
#include "protocol/value.h"

/* "300:0.NA/88.1000 011111110011", "RSA 2048 bits", "serial 1: 192.0.2.1 TCP 2641 query admin". */
const char *value_show_data(struct arena *arena, const struct value *value);

/* "86400", or the date of an absolute one. */
const char *value_show_ttl(struct arena *arena, const struct value *value);

/* "AT REC PO"; unknown bits as a number. */
const char *value_show_flags(struct arena *arena, uint32_t flags);

/* "300:88.1000/u". */
const char *value_show_reference(struct arena *arena, const struct reference *reference);

/* "2.11"; "-" when not given. */
const char *value_show_version(struct arena *arena, struct message_version version);

/* "1 success", "100 handle not found", also in Chinese. */
const char *value_show_code(struct arena *arena, uint32_t code, bool is_chinese);

/* printf into the arena. */
const char *value_show_format(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
