/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a record leads a browser: its 10320/loc, else its first URL (protocol.md §9.9). Pure.
 */
#pragma once

#include "protocol/locations.h"
#include "protocol/value.h"

struct page_target {
    struct bytes address; /* http or https, free of what could end a header field; ASCII */
    unsigned http_status; /* 302 unless a location says another */
    uint32_t ttl_s;       /* of the value it stands in */
};

/* `append` is put behind the address. NOT_FOUND: it leads nowhere a browser may be sent to;
 * NO_MEMORY. */
enum status page_target_find(const struct value *values, size_t count,
                             const struct location_choice *choice, struct bytes append,
                             struct arena *arena, struct page_target *out_target);
