/* SPDX-License-Identifier: Apache-2.0
 *
 * What a person scanned or typed, and the handles it may stand for.
 *
 * A name is taken exactly as it is whenever it can be one. What a carrier puts around a name (hdl:,
 * the address of a proxy, blanks) may be taken off without asking; everything else (full-width or
 * look-alike characters, an ending) is a guess: another name, which is offered and never taken
 * silently. Pure; results are in the arena or borrowed from the text.
 */
#pragma once

#include "protocol/arena.h"
#include "protocol/handle.h"

/* What a reading left out or changed. */
enum scanned_change {
    SCANNED_SCHEME = 1,      /* hdl:, doi:, info:hdl/, urn:...: (protocol.md §9.9) */
    SCANNED_ADDRESS = 2,     /* of a proxy, its query and its escapes (§1.5) */
    SCANNED_BLANKS = 4,      /* around it */
    SCANNED_INVISIBLE = 8,   /* zero-width and control characters, blanks inside */
    SCANNED_WIDTH = 16,      /* full-width and other compatibility forms */
    SCANNED_LOOK_ALIKE = 32, /* letters of other alphabets, O for 0, other dashes and slashes */
    SCANNED_ENDING = 64,     /* slash, full stop, bracket, quotation mark at an end */
    SCANNED_AROUND = 128,    /* words before it */
    SCANNED_ESCAPES = 256,   /* percent escapes of a bare name */
};

/* What may be taken off without asking. */
#define SCANNED_CARRIER (SCANNED_SCHEME | SCANNED_ADDRESS | SCANNED_BLANKS)

struct scanned_reading {
    struct bytes name;
    unsigned changes; /* enum scanned_change */
};

#define SCANNED_TEXT_MAX (3 * HANDLE_MAX + 1024) /* escaped, in an address */
#define SCANNED_READINGS_MAX 4

/* No two readings are equal; those nearest to the text come first, and guesses after all others. */
struct scanned {
    struct scanned_reading readings[SCANNED_READINGS_MAX];
    size_t count;
};

/* INVALID_HANDLE: nothing in it can be a name; NO_MEMORY. */
enum status scanned_read(struct arena *arena, struct bytes text, struct scanned *out_scanned);

/* Is this reading another name than was given? */
bool scanned_is_guess(const struct scanned_reading *reading);
