/* SPDX-License-Identifier: Apache-2.0
 *
 * The file of rows an import could not take: JSON Lines, one per row, made with the first one.
 *
 *   {"file":"parts.csv","line":17,"column":2,"handle":"88.1000/P-1","code":"INVALID_VALUE",
 *    "reason":"index: a number from 1 on is expected","row":"88.1000/P-1,x,URL,https://…"}
 *
 * A row that is not UTF-8 stands as "row_base64". Owned by one thread.
 */
#pragma once

#include <stdio.h>

#include "protocol/arena.h"
#include "protocol/status.h"

struct reject {
    const char *path; /* borrowed; NULL: rows are only counted */
    FILE *stream;
    uint64_t count;
    struct arena *arena; /* of one row */
};

struct reject_row {
    const char *file;
    uint64_t line;
    uint64_t column;     /* 0: not known, left out */
    struct bytes handle; /* may be empty, left out */
    enum status code;
    const char *reason;
    struct bytes original;
};

enum status reject_init(struct reject *reject, const char *path);

/* Goes on behind the first `bytes` of what an earlier run wrote, `count` rows. SYSTEM when they are
 * not there any more. */
enum status reject_resume(struct reject *reject, uint64_t bytes, uint64_t count,
                          struct fault *fault);

/* What was written so far is durable, and how much it is. */
enum status reject_settle(struct reject *reject, uint64_t *out_bytes, struct fault *fault);

/* SYSTEM when the file cannot be written. */
enum status reject_add(struct reject *reject, const struct reject_row *row, struct fault *fault);

/* Closes the file: SYSTEM when its last bytes did not reach it. May be called twice. */
enum status reject_done(struct reject *reject, struct fault *fault);
