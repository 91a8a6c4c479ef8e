/* SPDX-License-Identifier: Apache-2.0
 *
 * The names a run asks for: a pattern whose run of '#' becomes a number, or the lines of a file;
 * drawn uniformly or by Zipf's law with exponent 0.99. One thread; the same seed draws the same.
 */
#pragma once

#include <stdbool.h>

#include "protocol/bytes.h"

#define NAMES_TEXT_MAX 400 /* with its header a name must stand in the first piece of an answer */

struct names_options {
    const char *pattern; /* "88.608.8889/P-########", or NULL */
    const char *list;    /* a file, one name a line, or NULL */
    uint64_t count;      /* numbers 0 .. count - 1; of a list: as many as it has */
    bool is_zipf;
    uint64_t seed;
};

struct names {
    struct names_options options;
    uint64_t count;
    uint64_t random;
    size_t digits_at;
    size_t digits;
    size_t pattern_len;
    char *text; /* a list's file and its lines */
    struct bytes *lines;
    double zipf_first;
    double zipf_last;
    double zipf_accept;
    uint64_t stride; /* spreads ranks over the names: the hot ones are no neighbours */
};

/* NULL, or what is wrong. */
const char *names_init(struct names *names, const struct names_options *options);
void names_done(struct names *names);

/* The number of the next name to ask for. */
uint64_t names_draw(struct names *names);

/* Writes name `number` and gives its length. */
size_t names_text(const struct names *names, uint64_t number, uint8_t out_text[NAMES_TEXT_MAX]);
