/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a message ends in a stream of bytes (protocol.md §3.4).
 */
#pragma once

#include "protocol/message.h"

enum frame {
    FRAME_COMPLETE,
    FRAME_INCOMPLETE,
    FRAME_LOST, /* an impossible length: where the next message begins is unknown */
};

/* `out_len`: bytes of the whole packet as far as known. */
enum frame frame_next(struct bytes data, size_t *out_len);
