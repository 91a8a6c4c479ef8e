/* SPDX-License-Identifier: Apache-2.0
 *
 * The outcome of everything: one enum for wire response codes and internal outcomes (status.def).
 */
#pragma once

#include <stdint.h>

enum status {
#define STATUS(name, wire, http, english, chinese) STATUS_##name,
#include "protocol/status.def"
#undef STATUS
    STATUS_COUNT
};

/* What a person needs to hear about a failure: `text` says what was wrong with which thing, in
 * English, without secrets; empty when the status alone tells. Filled only on failure. */
struct fault {
    enum status status;
    char text[248];
};

/* The response code that travels. Internal outcomes: NO_MEMORY, STORAGE_* and CONFLICT become 3
 * (busy), READ_ONLY 7, everything else 2. */
uint16_t status_wire_code(enum status status);

/* The row with this response code; STATUS_ERROR when the code is unknown or 0. */
enum status status_of_wire_code(uint32_t code);

int status_http(enum status status);
const char *status_name(enum status status); /* "HANDLE_NOT_FOUND" */
const char *status_english(enum status status);
const char *status_chinese(enum status status);

/* Fills `fault` (which may be NULL) and returns `status`, so that a check reads as one line. */
enum status fault_set(struct fault *fault, enum status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
