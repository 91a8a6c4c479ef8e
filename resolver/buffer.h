/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes a connection keeps between two turns. Empty is all zero and owns nothing; one owner.
 */
#pragma once

#include "protocol/bytes.h"

struct buffer {
    uint8_t *data;
    size_t len;
    size_t size;
};

void buffer_clear(struct buffer *buffer);

/* false: no memory, nothing changed. */
bool buffer_reserve(struct buffer *buffer, size_t size);
bool buffer_append(struct buffer *buffer, struct bytes bytes);

/* The first `len` bytes are done with; an empty buffer gives its memory back. */
void buffer_drop_start(struct buffer *buffer, size_t len);
