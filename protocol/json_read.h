/* SPDX-License-Identifier: Apache-2.0
 *
 * Taking members out of JSON objects with a fault that names the member's path.
 *
 * Shared by record_json.c, site_json.c and key_json.c. A path is a chain on the stack.
 */
#pragma once

#include <jansson.h>

#include "protocol/arena.h"
#include "protocol/status.h"

/* "values[2].data" is {parent of values[2], "data"}; an array element has `name` NULL. */
struct json_path {
    const struct json_path *parent;
    const char *name;
    size_t index;
};

/* `fault` becomes "values[2].data: <what>". */
enum status json_read_fail(struct fault *fault, enum status status, const struct json_path *path,
                           const char *what);

/* The outcome of a decoder that names its own members in `inner`: "values[2].data.value: n:
 * <what>". NOT_SUPPORTED becomes INVALID_VALUE: here it is one value among others that is refused.
 */
enum status json_read_nested(struct fault *fault, enum status status, const struct json_path *path,
                             const struct fault *inner);

/* A text member that must be there; borrowed from the JSON. */
enum status json_read_text(const json_t *object, const char *name, const struct json_path *parent,
                           struct bytes *out_text, struct fault *fault);

/* A whole number within [min, max]; absent: `*out_number` is left as it is. */
enum status json_read_number(const json_t *object, const char *name, const struct json_path *parent,
                             const int64_t bounds[2], int64_t *out_number, struct fault *fault);

/* Absent: left as it is. */
enum status json_read_bool(const json_t *object, const char *name, const struct json_path *parent,
                           bool *out_flag, struct fault *fault);

/* The bytes of a JSON text. */
struct bytes json_read_bytes(const json_t *text);
