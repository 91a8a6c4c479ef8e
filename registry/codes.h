/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables of nested codes: administrative regions (GB/T 2260: province, city, county) and industries
 * (GB/T 4754: section, division, group, class).
 *
 * A table is filled row by row, closed, and immutable from then on: any thread may look things up.
 */
#pragma once

#include "protocol/bytes.h"
#include "protocol/status.h"

#define CODES_ROWS_MAX 100000
#define CODES_CODE_MAX 16
#define CODES_NAME_MAX 255 /* bytes */

enum codes_kind { CODES_REGION, CODES_INDUSTRY };

struct code_row {
    struct bytes code;
    struct bytes parent; /* empty: it has none */
    unsigned level;      /* 1: provinces, sections; growing inwards */
    struct bytes name;   /* UTF-8 */
};

struct codes;

/* NO_MEMORY. */
enum status codes_new(enum codes_kind kind, struct codes **out_codes);
void codes_free(struct codes *codes); /* NULL is allowed */

/* Copies the row. BAD_SYNTAX: an empty or overlong code or name, a level the kind does not have, no
 * UTF-8, or over CODES_ROWS_MAX. NO_MEMORY. */
enum status codes_add(struct codes *codes, const struct code_row *row);

/* After the last row. BAD_SYNTAX: `out_row` (borrowed) stands there twice, or its parent is missing
 * or not of the level just above; a region may leave levels out, and one whose parent is missing
 * lies in its province. */
enum status codes_close(struct codes *codes, const struct code_row **out_row);

size_t codes_count(const struct codes *codes);

/* The level that files call by this word, "county"; 0: the kind has none. */
unsigned codes_level(enum codes_kind kind, struct bytes word);

/* Of a closed table. NULL: there is no such code. */
const struct code_row *codes_find(const struct codes *codes, struct bytes code);

/* Does `inner` lie within `outer`, however deep? false also when one is unknown. */
bool codes_nests(const struct codes *codes, struct bytes inner, struct bytes outer);
