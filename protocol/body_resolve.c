/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies of resolution and what every answer may be: digest, values, error, referral
 * (protocol.md §5.1-§5.3, §5.6).
 *
 * `body_resolution_decode` runs for each request; it copies and allocates nothing.
 */
#include "protocol/body.h"

static enum status outcome(const struct wire_reader *r)
{
    return wire_done(r) ? STATUS_OK : STATUS_PROTOCOL_ERROR;
}

enum status body_take_digest(const struct message *answer, struct bytes *out_body,
                             struct digest *out_digest, bool *out_has_digest)
{
    if ((answer->header.flags & MESSAGE_REQUEST_DIGEST) == 0) {
        *out_has_digest = false;
        *out_body = answer->body;
        return STATUS_OK;
    }
    struct wire_reader r = wire_read(answer->body);
    enum status status = digest_decode(&r, out_digest);
    if (status != STATUS_OK) {
        return status;
    }
    *out_has_digest = true;
    *out_body = wire_take(&r, wire_left(&r));
    return STATUS_OK;
}

enum status body_resolution_decode(struct bytes body, struct body_resolution *out)
{
    struct wire_reader r = wire_read(body);
    struct body_resolution decoded;
    decoded.handle = wire_bytes(&r);
    decoded.indexes = wire_int_list(&r, &decoded.index_count);
    decoded.types = wire_text_list(&r, &decoded.type_count);
    if (!wire_done(&r)) {
        return STATUS_PROTOCOL_ERROR;
    }
    *out = decoded;
    return STATUS_OK;
}

void body_resolution_encode(struct wire_writer *w, const struct body_resolution *body)
{
    wire_put_bytes(w, body->handle);
    wire_put_list(w, body->index_count, body->indexes);
    wire_put_list(w, body->type_count, body->types);
}

bool body_next_text(struct wire_reader *r, struct bytes *out_text)
{
    if (wire_left(r) == 0) {
        return false;
    }
    struct bytes text = wire_bytes(r);
    if (!wire_ok(r)) {
        return false;
    }
    *out_text = text;
    return true;
}

enum status body_values_decode(struct bytes body, struct arena *arena, struct body_values *out)
{
    struct wire_reader r = wire_read(body);
    struct body_values decoded;
    decoded.handle = wire_bytes(&r);
    enum status status = value_list_decode(&r, arena, &decoded.values, &decoded.count);
    if (status == STATUS_OK) {
        status = outcome(&r);
    }
    if (status == STATUS_OK) {
        *out = decoded;
    }
    return status;
}

void body_values_encode(struct wire_writer *w, const struct body_values *body)
{
    wire_put_bytes(w, body->handle);
    value_list_encode(w, body->values, body->count);
}

enum status body_site_decode(struct bytes body, struct bytes *out_site)
{
    struct wire_reader r = wire_read(body);
    bool is_prefixed = wire_u32(&r) == wire_left(&r) && wire_left(&r) > 0;
    if (!wire_ok(&r)) {
        return STATUS_PROTOCOL_ERROR;
    }
    *out_site = is_prefixed ? wire_take(&r, wire_left(&r)) : body;
    return STATUS_OK;
}

enum status body_handle_decode(struct bytes body, bool may_be_empty, struct bytes *out_handle)
{
    struct wire_reader r = wire_read(body);
    struct bytes handle = BYTES_NONE;
    if (body.len > 0 || !may_be_empty) {
        handle = wire_bytes(&r);
    }
    if (!wire_done(&r)) {
        return STATUS_PROTOCOL_ERROR;
    }
    *out_handle = handle;
    return STATUS_OK;
}

void body_handle_encode(struct wire_writer *w, struct bytes handle)
{
    wire_put_bytes(w, handle);
}

enum status body_error_decode(struct bytes body, struct body_error *out)
{
    struct wire_reader r = wire_read(body);
    struct body_error decoded = {.index_count = 0};
    if (wire_left(&r) > 0) {
        decoded.text = wire_bytes(&r);
    }
    if (wire_left(&r) > 0) {
        decoded.indexes = wire_int_list(&r, &decoded.index_count);
    }
    if (!wire_done(&r)) {
        return STATUS_PROTOCOL_ERROR;
    }
    *out = decoded;
    return STATUS_OK;
}

void body_error_encode(struct wire_writer *w, const struct body_error *body)
{
    wire_put_bytes(w, body->text);
    if (body->index_count > 0) {
        wire_put_list(w, body->index_count, body->indexes);
    }
}

enum status body_referral_decode(struct bytes body, struct arena *arena, struct body_referral *out)
{
    struct wire_reader r = wire_read(body);
    struct body_referral decoded = {.values = NULL};
    enum status status = STATUS_OK;
    decoded.handle = wire_bytes(&r);
    if (wire_left(&r) > 0) {
        status = value_list_decode(&r, arena, &decoded.values, &decoded.count);
    }
    if (status == STATUS_OK) {
        status = outcome(&r);
    }
    if (status == STATUS_OK) {
        *out = decoded;
    }
    return status;
}

void body_referral_encode(struct wire_writer *w, const struct body_referral *body)
{
    wire_put_bytes(w, body->handle);
    if (body->count > 0) {
        value_list_encode(w, body->values, body->count);
    }
}
