/* SPDX-License-Identifier: Apache-2.0
 *
 * A chunked body, joined as it arrives (RFC 9112 §7.1). Neither extensions nor trailers, no zeros
 * before a size: nobody who means well sends them, and servers read them differently.
 */
#pragma once

#include "protocol/status.h"
#include "resolver/buffer.h"

enum http_chunks_state {
    HTTP_CHUNKS_SIZE, /* all zero: nothing has come */
    HTTP_CHUNKS_SIZE_END,
    HTTP_CHUNKS_DATA,
    HTTP_CHUNKS_DATA_END,
    HTTP_CHUNKS_DATA_FEED,
    HTTP_CHUNKS_LAST,
    HTTP_CHUNKS_LAST_FEED,
    HTTP_CHUNKS_DONE,
};

struct http_chunks {
    enum http_chunks_state state;
    unsigned digits;
    uint64_t left; /* of the chunk */
};

/* Takes what is there of `*data`, which shrinks. OK: the body is whole; PENDING: more is to come;
 * PROTOCOL_ERROR: broken; NO_ROOM: longer than `max`; NO_MEMORY. */
enum status http_chunks_take(struct http_chunks *chunks, struct bytes *data, size_t max,
                             struct buffer *body);
