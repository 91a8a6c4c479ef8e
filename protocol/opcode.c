/* SPDX-License-Identifier: Apache-2.0
 *
 * The table behind opcode.h, sorted by number as opcode.def is.
 */
#include "protocol/opcode.h"

#include <stddef.h>

static const struct opcode_row rows[] = {
#define OPCODE(name, number, effect, transports, handler)                                          \
    {number, OPCODE_##effect, OPCODE_##transports, #name},
#include "protocol/opcode.def"
#undef OPCODE
};

const struct opcode_row *opcode_find(uint32_t number)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].number == number) {
            return &rows[i];
        }
    }
    return NULL;
}

const char *opcode_name(uint32_t number)
{
    const struct opcode_row *row = opcode_find(number);
    return row == NULL ? "UNKNOWN" : row->name;
}
