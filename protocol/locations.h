/* SPDX-License-Identifier: Apache-2.0
 *
 * Values of type 10320/loc: several places for one name, and which of them is chosen
 * (protocol.md §9.10).
 *
 * The XML is a stranger's and read with xml.h's limits. Pure: chance is passed in.
 */
#pragma once

#include "protocol/arena.h"
#include "protocol/status.h"

#define LOCATIONS_MAX 100 /* of one value */
#define LOCATIONS_ATTRIBUTES_MAX 16

struct location_attribute {
    struct bytes name;
    struct bytes value;
};

struct location {
    struct bytes href; /* empty: see `href_template` */
    struct bytes href_template;
    double weight;        /* 1 when not given; 0: only when selected explicitly */
    unsigned http_status; /* 301, 302, 303, 307, 308; 0: not given */
    const struct location_attribute *attributes; /* all, these included */
    size_t attribute_count;
};

struct locations {
    struct bytes choose_by; /* "locatt,country,weighted"; empty: not given */
    struct location *items;
    size_t count;
};

/* INVALID_VALUE with the reason: no such XML; NO_MEMORY. Locations without a place and further ones
 * are left out. */
enum status locations_parse(struct bytes xml, struct arena *arena, struct locations *out_locations,
                            struct fault *fault);

/* What is known about who asks. */
struct location_choice {
    struct bytes handle; /* for templates */
    struct bytes name;   /* locatt=name:value of the query; empty: none */
    struct bytes value;
    struct bytes country;  /* empty: not known */
    struct bytes language; /* Accept-Language's first; empty: none */
    uint32_t chance;       /* of all 32-bit numbers, any alike */
};

/* The chosen one, and where it leads, its template filled in. NOT_FOUND: none may be chosen;
 * NO_MEMORY. */
enum status locations_choose(const struct locations *locations,
                             const struct location_choice *choice, struct arena *arena,
                             const struct location **out_location, struct bytes *out_href);
