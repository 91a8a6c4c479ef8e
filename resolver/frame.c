/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads an envelope, nothing more (frame.h).
 */
#include "resolver/frame.h"

enum frame frame_next(struct bytes data, size_t *out_len)
{
    struct envelope envelope;
    *out_len = MESSAGE_ENVELOPE_LEN;
    if (envelope_decode(data, &envelope) != STATUS_OK) {
        return FRAME_INCOMPLETE;
    }
    if (envelope.message_len > MESSAGE_MAX) {
        return FRAME_LOST;
    }
    *out_len += envelope.message_len;
    return data.len >= *out_len ? FRAME_COMPLETE : FRAME_INCOMPLETE;
}
