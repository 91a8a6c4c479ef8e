/* SPDX-License-Identifier: Apache-2.0
 *
 * A list of names for labels: CSV, one name a row in its first column, words to be printed below it
 * in its second; a header naming them (handle, title) may lead and may change their order.
 */
#pragma once

#include <stdio.h>

#include "protocol/bytes.h"
#include "protocol/status.h"

struct label_row {
    uint64_t number; /* from 1, the header too */
    struct bytes handle;
    struct bytes title;
};

/* Borrowed during the call; anything but OK ends the reading. */
typedef enum status label_row_taken(void *context, const struct label_row *row);

/* INVALID_VALUE: no CSV, or longer fields than any name; what `taken` returned; SYSTEM. */
enum status label_rows_read(FILE *file, label_row_taken *taken, void *context);
