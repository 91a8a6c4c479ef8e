/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies between servers: replication and maintenance (protocol.md §5.13, §11.3, §14 row 67).
 *
 * What follows an answer to 1001 or 1002 is a stream and no message; it is not read here.
 */
#include "protocol/body.h"

#include "protocol/handle.h"

#define KIND_ID_AND_DATE 0
#define KIND_STATE 1
#define KIND_SINCE ((struct message_version){2, 9})

/* Which part of all names the asking server keeps. */
struct share {
    uint8_t hash_option;
    uint32_t server_count;
    uint32_t server_number;
};

static struct share take_share(struct wire_reader *r)
{
    struct share share;
    share.hash_option = wire_u8(r);
    share.server_count = wire_u32(r);
    share.server_number = wire_u32(r);
    r->failed |= share.hash_option > HASH_BY_ALL || share.server_count > INT32_MAX ||
                 share.server_number >= share.server_count;
    return share;
}

static void put_share(struct wire_writer *w, struct share share)
{
    wire_put_u8(w, share.hash_option);
    wire_put_u32(w, share.server_count);
    wire_put_u32(w, share.server_number);
}

enum status body_txn_id_decode(struct bytes body, uint64_t *out_id)
{
    struct wire_reader r = wire_read(body);
    uint64_t id = wire_u64(&r);
    if (!wire_done(&r)) {
        return STATUS_PROTOCOL_ERROR;
    }
    *out_id = id;
    return STATUS_OK;
}

void body_txn_id_encode(struct wire_writer *w, uint64_t id)
{
    wire_put_u64(w, id);
}

enum status body_retrieve_log_decode(struct bytes body, struct message_version version,
                                     struct body_retrieve_log *out)
{
    struct wire_reader r = wire_read(body);
    struct body_retrieve_log decoded = {.kind = KIND_ID_AND_DATE};
    if (message_version_compare(version, KIND_SINCE) >= 0) {
        decoded.has_kind = true;
        decoded.kind = wire_u8(&r);
    }
    if (decoded.kind == KIND_STATE) {
        decoded.state = wire_bytes(&r);
    } else if (decoded.kind == KIND_ID_AND_DATE) {
        decoded.last_id = wire_u64(&r);
        decoded.last_date_ms = wire_u64(&r);
    } else {
        return STATUS_PROTOCOL_ERROR;
    }
    struct share share = take_share(&r);
    if (!wire_done(&r)) {
        return STATUS_PROTOCOL_ERROR;
    }
    decoded.hash_option = share.hash_option;
    decoded.server_count = share.server_count;
    decoded.server_number = share.server_number;
    *out = decoded;
    return STATUS_OK;
}

void body_retrieve_log_encode(struct wire_writer *w, const struct body_retrieve_log *body)
{
    if (body->has_kind) {
        wire_put_u8(w, body->kind);
    }
    if (body->has_kind && body->kind == KIND_STATE) {
        wire_put_bytes(w, body->state);
    } else {
        wire_put_u64(w, body->last_id);
        wire_put_u64(w, body->last_date_ms);
    }
    put_share(w, (struct share){body->hash_option, body->server_count, body->server_number});
}

enum status body_dump_decode(struct bytes body, struct body_dump *out)
{
    struct wire_reader r = wire_read(body);
    struct body_dump decoded = {.has_start = false};
    struct share share = take_share(&r);
    if (wire_left(&r) > 0) {
        decoded.has_start = true;
        decoded.start_point = wire_bytes(&r);
        decoded.start_type = wire_u32(&r);
    }
    if (!wire_done(&r)) {
        return STATUS_PROTOCOL_ERROR;
    }
    decoded.hash_option = share.hash_option;
    decoded.server_count = share.server_count;
    decoded.server_number = share.server_number;
    *out = decoded;
    return STATUS_OK;
}

void body_dump_encode(struct wire_writer *w, const struct body_dump *body)
{
    put_share(w, (struct share){body->hash_option, body->server_count, body->server_number});
    if (body->has_start) {
        wire_put_bytes(w, body->start_point);
        wire_put_u32(w, body->start_type);
    }
}

enum status body_stream_decode(struct bytes body, bool *out_keep_alive)
{
    return body_verified_decode(body, out_keep_alive);
}

void body_stream_encode(struct wire_writer *w, bool keep_alive)
{
    body_verified_encode(w, keep_alive);
}
