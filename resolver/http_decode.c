/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading what a request says: fields, escapes, parameters (http.h).
 */
#include "resolver/http.h"

#include "resolver/http_parse.h"

struct bytes http_request_field(const struct http_request *request, const char *name)
{
    return http_field_find(request->fields, request->field_count, name);
}

size_t http_request_field_count(const struct http_request *request, const char *name)
{
    return http_field_count(request->fields, request->field_count, name);
}

static int hex_of(uint8_t c)
{
    uint8_t upper = bytes_ascii_upper(c);
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return upper >= 'A' && upper <= 'F' ? upper - 'A' + 10 : -1;
}

/* The byte an escape stands for; -1: it is none, or NUL. */
static int escaped(struct bytes text)
{
    int high = text.len < 3 ? -1 : hex_of(text.data[1]);
    int low = text.len < 3 ? -1 : hex_of(text.data[2]);
    return high < 0 || low < 0 || high + low == 0 ? -1 : high * 16 + low;
}

enum status http_decode(struct arena *arena, struct bytes text, bool plus_is_blank,
                        struct bytes *out)
{
    uint8_t *decoded = arena_alloc(arena, text.len + 1);
    size_t len = 0;
    if (decoded == NULL) {
        return STATUS_NO_MEMORY;
    }
    while (text.len > 0) {
        int c = text.data[0];
        size_t taken = 1;
        if (c == '%') {
            c = escaped(text);
            taken = 3;
        } else if (c == '+' && plus_is_blank) {
            c = ' ';
        }
        if (c < 0) {
            return STATUS_BAD_SYNTAX;
        }
        decoded[len++] = (uint8_t)c;
        text = bytes_from(text, taken);
    }
    *out = bytes_of(decoded, len);
    return STATUS_OK;
}

/* Up to the first `mark`; without one, all. */
static struct bytes until(struct bytes text, uint8_t mark)
{
    const uint8_t *at = text.len == 0 ? NULL : memchr(text.data, mark, text.len);
    return at == NULL ? text : bytes_of(text.data, (size_t)(at - text.data));
}

bool http_parameter_next(struct arena *arena, struct bytes *rest, struct http_parameter *out,
                         enum status *out_status)
{
    struct bytes pair = BYTES_NONE;
    while (rest->len > 0 && pair.len == 0) {
        pair = until(*rest, '&');
        *rest = bytes_from(*rest, pair.len + 1);
    }
    *out_status = STATUS_OK;
    if (pair.len == 0) {
        return false;
    }
    struct bytes name = until(pair, '=');
    *out = (struct http_parameter){.has_value = name.len < pair.len};
    *out_status = http_decode(arena, name, true, &out->name);
    if (*out_status == STATUS_OK) {
        *out_status = http_decode(arena, bytes_from(pair, name.len + 1), true, &out->value);
    }
    return true;
}
