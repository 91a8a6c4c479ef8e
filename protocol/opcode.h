/* SPDX-License-Identifier: Apache-2.0
 *
 * Operation codes as a table (opcode.def).
 */
#pragma once

#include <stdint.h>

enum opcode {
#define OPCODE(name, number, effect, transports, handler) OPCODE_##name = (number),
#include "protocol/opcode.def"
#undef OPCODE
};

enum opcode_effect { OPCODE_READ, OPCODE_WRITE, OPCODE_AUTH, OPCODE_NODE };
enum opcode_transports { OPCODE_ANY, OPCODE_STREAM };

struct opcode_row {
    uint32_t number;
    enum opcode_effect effect;
    enum opcode_transports transports;
    const char *name; /* "RESOLUTION" */
};

/* NULL when no row has this number. */
const struct opcode_row *opcode_find(uint32_t number);

/* The name of the row, or "UNKNOWN". */
const char *opcode_name(uint32_t number);
