/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies of administration that are not values or a bare handle: removal, lists of names
 * (protocol.md §5.4, §5.5).
 */
#include "protocol/body.h"

enum status body_remove_decode(struct bytes body, struct body_remove *out)
{
    struct wire_reader r = wire_read(body);
    struct body_remove decoded;
    decoded.handle = wire_bytes(&r);
    decoded.indexes = wire_int_list(&r, &decoded.index_count);
    if (!wire_done(&r)) {
        return STATUS_PROTOCOL_ERROR;
    }
    *out = decoded;
    return STATUS_OK;
}

void body_remove_encode(struct wire_writer *w, const struct body_remove *body)
{
    wire_put_bytes(w, body->handle);
    wire_put_list(w, body->index_count, body->indexes);
}

enum status body_names_decode(struct bytes body, struct body_names *out)
{
    struct wire_reader r = wire_read(body);
    struct body_names decoded;
    decoded.names = wire_text_list(&r, &decoded.count);
    if (!wire_done(&r)) {
        return STATUS_PROTOCOL_ERROR;
    }
    *out = decoded;
    return STATUS_OK;
}

void body_names_encode(struct wire_writer *w, const struct body_names *body)
{
    wire_put_list(w, body->count, body->names);
}
