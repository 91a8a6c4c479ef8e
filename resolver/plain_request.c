/* SPDX-License-Identifier: Apache-2.0
 *
 * One pass over fixed offsets and exact lengths (plain_request.h).
 */
#include "resolver/plain_request.h"

#include "protocol/handle.h"
#include "protocol/opcode.h"

#define HEAD_LEN (MESSAGE_ENVELOPE_LEN + MESSAGE_HEADER_LEN)
#define TAIL_LEN 12 /* no indexes, no types, no credential: four zero bytes each */

/* Compressed, encrypted, or a piece. */
#define NOT_PLAIN 0xe0

static const uint32_t special_flags = (uint32_t)MESSAGE_CERTIFIED | (uint32_t)MESSAGE_ENCRYPT |
                                      (uint32_t)MESSAGE_REQUEST_DIGEST |
                                      (uint32_t)MESSAGE_TRUSTED_QUERY;

static bool is_zero(struct bytes tail)
{
    static const uint8_t zeros[TAIL_LEN];
    return memcmp(tail.data, zeros, sizeof(zeros)) == 0;
}

/* The envelope of a whole message; its length is compared by the caller. */
static bool read_envelope(struct wire_reader *r, struct envelope *out)
{
    *out = (struct envelope){.version = {.major = wire_u8(r)}};
    out->version.minor = wire_u8(r);
    uint8_t flags = wire_u8(r);
    out->suggested.major = flags;
    out->suggested.minor = wire_u8(r);
    out->session_id = wire_u32(r);
    out->request_id = wire_u32(r);
    out->sequence = wire_u32(r);
    out->message_len = wire_u32(r);
    return (flags & NOT_PLAIN) == 0 && out->session_id == 0 &&
           message_version_is_known(out->version);
}

/* The header of a resolution; `out_body_len` is what it announces. */
static bool read_header(struct wire_reader *r, struct header *out, uint32_t *out_body_len)
{
    out->opcode = wire_u32(r);
    out->response_code = wire_u32(r);
    out->flags = wire_u32(r);
    out->site_serial = wire_u16(r);
    out->recursion_count = wire_u8(r);
    (void)wire_u8(r);
    out->expiration = wire_u32(r);
    *out_body_len = wire_u32(r);
    return out->opcode == OPCODE_RESOLUTION && out->response_code == 0 &&
           (out->flags & special_flags) == 0;
}

bool plain_request_read(struct bytes packet, struct plain_request *out_request)
{
    struct wire_reader r = wire_read(packet);
    struct bytes head = wire_take(&r, HEAD_LEN);
    if (!wire_ok(&r)) {
        return false;
    }
    struct wire_reader fixed = wire_read(bytes_of(head.data, HEAD_LEN));
    uint32_t body_len = 0;
    if (!read_envelope(&fixed, &out_request->envelope) ||
        !read_header(&fixed, &out_request->header, &body_len)) {
        return false;
    }
    out_request->name = wire_bytes(&r);
    struct bytes tail = wire_take(&r, TAIL_LEN);
    if (!wire_done(&r)) {
        return false;
    }
    out_request->key = bytes_of(head.data + HEAD_LEN, 4 + out_request->name.len);
    return out_request->envelope.message_len == packet.len - MESSAGE_ENVELOPE_LEN &&
           body_len == packet.len - HEAD_LEN - 4 && is_zero(tail) && out_request->name.len > 0 &&
           out_request->name.len <= HANDLE_MAX;
}
