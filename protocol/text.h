/* SPDX-License-Identifier: Apache-2.0
 *
 * Binary as text and times as text: hex, base64, base64url, RFC 3339.
 */
#pragma once

#include "protocol/arena.h"
#include "protocol/status.h"

#define TEXT_TIME_LEN 25 /* "2026-11-21T09:20:54.123Z" and the NUL */

/* NUL-terminated results in the arena, NULL when it is full. */
char *text_hex(struct arena *arena, struct bytes data);
char *text_base64(struct arena *arena, struct bytes data);
char *text_base64url(struct arena *arena, struct bytes data);

/* BAD_SYNTAX; white space is skipped in hex, not in base64. */
enum status text_hex_parse(struct bytes text, struct arena *arena, struct bytes *out_data);
enum status text_base64_parse(struct bytes text, struct arena *arena, struct bytes *out_data);
enum status text_base64url_parse(struct bytes text, struct arena *arena, struct bytes *out_data);

/* Seconds since 1970 as "2026-11-21T09:20:54Z"; milliseconds with three decimals. UTC. */
void text_time_s(int64_t seconds, char out[TEXT_TIME_LEN]);
void text_time_ms(int64_t milliseconds, char out[TEXT_TIME_LEN]);

/* RFC 3339 with Z or an offset, with or without a fraction (cut off). BAD_SYNTAX. */
enum status text_time_parse(struct bytes text, int64_t *out_seconds);
