/* SPDX-License-Identifier: Apache-2.0
 *
 * Splitting plain rows (import_split.h).
 */
#include "admin/import_split.h"

#include <stdlib.h>

#define STRIDE sizeof(uint64_t)

struct splitter {
    struct bytes rest;
    uint8_t *to;
};

/* Does one of eight bytes equal the quote? */
static bool has_quote(uint64_t eight)
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t other = eight ^ (ones * '"');
    return ((other - ones) & ~other & (ones << 7)) != 0;
}

/* Room for the line with what eight bytes at a time may write beyond it. */
static bool make_room(struct import_text *text, size_t len)
{
    text->len = 0;
    if (text->size >= len + STRIDE) {
        return true;
    }
    size_t size = (len + STRIDE) * 2;
    uint8_t *larger = realloc(text->data, size);
    if (larger == NULL) {
        return false;
    }
    text->data = larger;
    text->size = size;
    return true;
}

/* The field behind its opening quote, the closing one taken, too. False: it does not end here. */
static bool take_quoted(struct splitter *s)
{
    if (s->rest.len == 0) {
        return false;
    }
    const uint8_t *at = s->rest.data;
    const uint8_t *end = at + s->rest.len;
    for (;;) {
        uint64_t eight = 0;
        while ((size_t)(end - at) >= STRIDE) {
            memcpy(&eight, at, STRIDE);
            if (has_quote(eight)) {
                break;
            }
            memcpy(s->to, at, STRIDE);
            s->to += STRIDE;
            at += STRIDE;
        }
        while (at < end && *at != '"') {
            *s->to++ = *at++;
        }
        if (at == end) {
            return false;
        }
        at++;
        if (at == end || *at != '"') {
            s->rest = bytes_of(at, (size_t)(end - at));
            return true;
        }
        *s->to++ = *at++;
    }
}

/* Up to the next comma. False when there is a quote in it. */
static bool take_bare(struct splitter *s)
{
    const uint8_t *comma = s->rest.len == 0 ? NULL : memchr(s->rest.data, ',', s->rest.len);
    size_t len = comma == NULL ? s->rest.len : (size_t)(comma - s->rest.data);
    if (len == 0) {
        return true;
    }
    memcpy(s->to, s->rest.data, len);
    s->to += len;
    bool is_bare = memchr(s->rest.data, '"', len) == NULL;
    s->rest = bytes_from(s->rest, len);
    return is_bare;
}

/* The line without its end; none when it has no plain end, or another line end inside. */
static struct bytes body_of(struct bytes line)
{
    if (line.len < 2 || line.data[line.len - 1] != '\n') {
        return BYTES_NONE;
    }
    struct bytes body = import_lines_trim(line);
    return body.len == 0 || memchr(body.data, '\r', body.len) != NULL ? BYTES_NONE : body;
}

static bool split(struct splitter *s, struct import_text *text, size_t *starts, size_t max,
                  size_t *out_count)
{
    size_t count = 0;
    for (;;) {
        bool is_quoted = s->rest.len > 0 && s->rest.data[0] == '"';
        if (is_quoted) {
            s->rest = bytes_from(s->rest, 1);
        }
        if (is_quoted ? !take_quoted(s) : !take_bare(s)) {
            return false;
        }
        count++;
        if (count <= max) {
            text->len = (size_t)(s->to - text->data);
            starts[count] = text->len;
        }
        if (s->rest.len == 0) {
            *out_count = count;
            return true;
        }
        if (s->rest.data[0] != ',') {
            return false;
        }
        s->rest.data++; /* a last comma leaves an empty field */
        s->rest.len--;
    }
}

bool import_split_row(struct bytes line, struct import_text *text, size_t *starts, size_t max,
                      size_t *out_count)
{
    struct bytes body = body_of(line);
    if (body.len == 0 || !make_room(text, body.len)) {
        return false;
    }
    struct splitter s = {body, text->data};
    starts[0] = 0;
    if (!split(&s, text, starts, max, out_count)) {
        text->len = 0;
        return false;
    }
    return true;
}
