/* SPDX-License-Identifier: Apache-2.0
 *
 * Members of JSON objects with their path in the fault; see json_read.h.
 */
#include "protocol/json_read.h"

#include <stdio.h>

#define PATH_TEXT 160
#define PATH_DEPTH 16

static void path_text(const struct json_path *path, char out[PATH_TEXT])
{
    const struct json_path *steps[PATH_DEPTH];
    size_t count = 0;
    for (const struct json_path *at = path; at != NULL && count < PATH_DEPTH; at = at->parent) {
        steps[count++] = at;
    }
    size_t used = 0;
    out[0] = '\0';
    while (count > 0 && used < PATH_TEXT) {
        const struct json_path *step = steps[--count];
        int wrote =
            step->name == NULL
                ? snprintf(out + used, PATH_TEXT - used, "[%zu]", step->index)
                : snprintf(out + used, PATH_TEXT - used, "%s%s", used == 0 ? "" : ".", step->name);
        used += wrote < 0 ? 0 : (size_t)wrote;
    }
}

enum status json_read_fail(struct fault *fault, enum status status, const struct json_path *path,
                           const char *what)
{
    char text[PATH_TEXT];
    path_text(path, text);
    return fault_set(fault, status, "%s%s%s", text, text[0] == '\0' ? "" : ": ", what);
}

enum status json_read_nested(struct fault *fault, enum status status, const struct json_path *path,
                             const struct fault *inner)
{
    if (status == STATUS_OK || status == STATUS_NO_MEMORY) {
        return status;
    }
    return json_read_fail(fault, status == STATUS_NOT_SUPPORTED ? STATUS_INVALID_VALUE : status,
                          path, inner->text);
}

struct bytes json_read_bytes(const json_t *text)
{
    return bytes_of(json_string_value(text), json_string_length(text));
}

enum status json_read_text(const json_t *object, const char *name, const struct json_path *parent,
                           struct bytes *out_text, struct fault *fault)
{
    const struct json_path path = {parent, name, 0};
    const json_t *member = json_object_get(object, name);
    if (member == NULL) {
        return json_read_fail(fault, STATUS_BAD_SYNTAX, &path, "missing");
    }
    if (!json_is_string(member)) {
        return json_read_fail(fault, STATUS_BAD_SYNTAX, &path, "not a text");
    }
    *out_text = json_read_bytes(member);
    return STATUS_OK;
}

enum status json_read_number(const json_t *object, const char *name, const struct json_path *parent,
                             const int64_t bounds[2], int64_t *out_number, struct fault *fault)
{
    const struct json_path path = {parent, name, 0};
    const json_t *member = json_object_get(object, name);
    if (member == NULL) {
        return STATUS_OK;
    }
    if (!json_is_integer(member)) {
        return json_read_fail(fault, STATUS_BAD_SYNTAX, &path, "not a whole number");
    }
    if (json_integer_value(member) < bounds[0] || json_integer_value(member) > bounds[1]) {
        char what[80];
        (void)snprintf(what, sizeof(what), "not between %lld and %lld", (long long)bounds[0],
                       (long long)bounds[1]);
        return json_read_fail(fault, STATUS_INVALID_VALUE, &path, what);
    }
    *out_number = json_integer_value(member);
    return STATUS_OK;
}

enum status json_read_bool(const json_t *object, const char *name, const struct json_path *parent,
                           bool *out_flag, struct fault *fault)
{
    const struct json_path path = {parent, name, 0};
    const json_t *member = json_object_get(object, name);
    if (member == NULL) {
        return STATUS_OK;
    }
    if (!json_is_boolean(member)) {
        return json_read_fail(fault, STATUS_BAD_SYNTAX, &path, "neither true nor false");
    }
    *out_flag = json_is_true(member);
    return STATUS_OK;
}
