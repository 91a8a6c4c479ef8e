/* SPDX-License-Identifier: Apache-2.0
 *
 * Growing and shrinking (buffer.h).
 */
#include "resolver/buffer.h"

#include <stdlib.h>
#include <string.h>

void buffer_clear(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){0};
}

bool buffer_reserve(struct buffer *buffer, size_t size)
{
    if (size <= buffer->size) {
        return true;
    }
    uint8_t *data = realloc(buffer->data, size);
    if (data == NULL) {
        return false;
    }
    buffer->data = data;
    buffer->size = size;
    return true;
}

bool buffer_append(struct buffer *buffer, struct bytes bytes)
{
    if (bytes.len == 0) {
        return true;
    }
    if (!buffer_reserve(buffer, buffer->len + bytes.len)) {
        return false;
    }
    memcpy(buffer->data + buffer->len, bytes.data, bytes.len);
    buffer->len += bytes.len;
    return true;
}

void buffer_drop_start(struct buffer *buffer, size_t len)
{
    if (len == buffer->len) {
        buffer_clear(buffer);
    } else if (len > 0) {
        memmove(buffer->data, buffer->data + len, buffer->len - len);
        buffer->len -= len;
    }
}
