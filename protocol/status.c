/* SPDX-License-Identifier: Apache-2.0
 *
 * The table behind status.h.
 */
#include "protocol/status.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

struct row {
    uint16_t wire;
    uint16_t http;
    const char *name;
    const char *english;
    const char *chinese;
};

static const struct row rows[STATUS_COUNT] = {
#define STATUS(name, wire, http, english, chinese)                                                 \
    [STATUS_##name] = {wire, http, #name, english, chinese},
#include "protocol/status.def"
#undef STATUS
};

uint16_t status_wire_code(enum status status)
{
    if (rows[status].wire != 0) {
        return rows[status].wire;
    }
    switch ((int)status) {
    case STATUS_NO_MEMORY:
    case STATUS_STORAGE_FULL:
    case STATUS_STORAGE_FAILED:
    case STATUS_CONFLICT:
        return rows[STATUS_SERVER_BUSY].wire;
    case STATUS_READ_ONLY:
        return rows[STATUS_SERVER_BACKUP].wire;
    default:
        return rows[STATUS_ERROR].wire;
    }
}

enum status status_of_wire_code(uint32_t code)
{
    for (size_t i = 0; code != 0 && i < STATUS_COUNT; i++) {
        if (rows[i].wire == code) {
            return (enum status)i;
        }
    }
    return STATUS_ERROR;
}

int status_http(enum status status)
{
    return rows[status].http;
}

const char *status_name(enum status status)
{
    return rows[status].name;
}

const char *status_english(enum status status)
{
    return rows[status].english;
}

const char *status_chinese(enum status status)
{
    return rows[status].chinese;
}

enum status fault_set(struct fault *fault, enum status status, const char *format, ...)
{
    if (fault != NULL) {
        va_list arguments;
        va_start(arguments, format);
        fault->status = status;
        (void)vsnprintf(fault->text, sizeof(fault->text), format, arguments);
        va_end(arguments);
    }
    return status;
}
