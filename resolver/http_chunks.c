/* SPDX-License-Identifier: Apache-2.0
 *
 * Sizes byte by byte, data in runs (http_chunks.h).
 */
#include "resolver/http_chunks.h"

#include "protocol/wire.h"

#define DIGITS_MAX 12u

static int digit_of(uint8_t c)
{
    uint8_t upper = bytes_ascii_upper(c);
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return upper >= 'A' && upper <= 'F' ? upper - 'A' + 10 : -1;
}

static enum status take_size(struct http_chunks *chunks, uint8_t c)
{
    int digit = digit_of(c);
    if (c == '\r' && chunks->digits > 0) {
        chunks->state = HTTP_CHUNKS_SIZE_END;
        return STATUS_OK;
    }
    bool has_zero_before = chunks->digits > 0 && chunks->left == 0;
    if (digit < 0 || has_zero_before || chunks->digits == DIGITS_MAX) {
        return STATUS_PROTOCOL_ERROR;
    }
    chunks->left = chunks->left << 4 | (uint64_t)digit;
    chunks->digits++;
    return STATUS_OK;
}

static enum status take_byte(struct http_chunks *chunks, uint8_t c)
{
    static const struct {
        uint8_t wanted;
        enum http_chunks_state next;
    } rows[] = {
        [HTTP_CHUNKS_SIZE_END] = {'\n', HTTP_CHUNKS_DATA},
        [HTTP_CHUNKS_DATA_END] = {'\r', HTTP_CHUNKS_DATA_FEED},
        [HTTP_CHUNKS_DATA_FEED] = {'\n', HTTP_CHUNKS_SIZE},
        [HTTP_CHUNKS_LAST] = {'\r', HTTP_CHUNKS_LAST_FEED},
        [HTTP_CHUNKS_LAST_FEED] = {'\n', HTTP_CHUNKS_DONE},
    };
    if (chunks->state == HTTP_CHUNKS_SIZE) {
        return take_size(chunks, c);
    }
    if (c != rows[chunks->state].wanted) {
        return STATUS_PROTOCOL_ERROR;
    }
    bool is_last = chunks->state == HTTP_CHUNKS_SIZE_END && chunks->left == 0;
    chunks->state = is_last ? HTTP_CHUNKS_LAST : rows[chunks->state].next;
    chunks->digits = 0;
    return STATUS_OK;
}

/* At least doubled, so that many small pieces cost no more than a few large ones. */
static bool make_room(struct buffer *body, size_t len)
{
    size_t needed = body->len + len;
    size_t grown = needed < 2 * body->size ? 2 * body->size : needed;
    return needed <= body->size || buffer_reserve(body, grown);
}

static enum status take_data(struct http_chunks *chunks, struct wire_reader *r, struct buffer *body)
{
    size_t left = wire_left(r);
    size_t len = chunks->left < left ? (size_t)chunks->left : left;
    if (!make_room(body, len) || !buffer_append(body, wire_take(r, len))) {
        return STATUS_NO_MEMORY;
    }
    chunks->left -= len;
    if (chunks->left == 0) {
        chunks->state = HTTP_CHUNKS_DATA_END;
    }
    return STATUS_OK;
}

enum status http_chunks_take(struct http_chunks *chunks, struct bytes *data, size_t max,
                             struct buffer *body)
{
    struct wire_reader r = wire_read(*data);
    enum status status = STATUS_OK;
    while (status == STATUS_OK && wire_left(&r) > 0 && chunks->state != HTTP_CHUNKS_DONE) {
        status = chunks->state == HTTP_CHUNKS_DATA ? take_data(chunks, &r, body)
                                                   : take_byte(chunks, wire_u8(&r));
        if (status == STATUS_OK && (chunks->left > max || body->len > max - chunks->left)) {
            status = STATUS_NO_ROOM; /* said before it is sent */
        }
    }
    *data = bytes_from(*data, data->len - wire_left(&r));
    if (status != STATUS_OK) {
        return status;
    }
    return chunks->state == HTTP_CHUNKS_DONE ? STATUS_OK : STATUS_PENDING;
}
