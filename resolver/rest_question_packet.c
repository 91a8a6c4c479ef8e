/* SPDX-License-Identifier: Apache-2.0
 *
 * What REST asks as packets of a client (rest_question.h).
 */
#include "protocol/opcode.h"
#include "resolver/rest_question.h"

#define HEADS (MESSAGE_ENVELOPE_LEN + MESSAGE_HEADER_LEN + 8)

struct packet {
    struct wire_writer w;
    struct message_marks marks;
};

static uint32_t flags_of(const struct rest_asked *asked)
{
    return (asked->is_authoritative ? (uint32_t)MESSAGE_AUTHORITATIVE : 0) |
           (asked->is_certified ? (uint32_t)MESSAGE_CERTIFIED : 0) |
           (asked->does_not_refer ? (uint32_t)MESSAGE_DO_NOT_REFER : 0);
}

static bool open_packet(struct packet *packet, struct arena *arena, size_t body_len,
                        const struct header *header)
{
    const struct envelope envelope = {
        .version = {MESSAGE_VERSION_MAJOR, MESSAGE_VERSION_MINOR},
        .suggested = {MESSAGE_VERSION_MAJOR, MESSAGE_VERSION_MINOR},
    };
    uint8_t *room = body_len > MESSAGE_MAX ? NULL : arena_alloc(arena, HEADS + body_len);
    if (room == NULL) {
        return false;
    }
    packet->w = wire_write(room, HEADS + body_len);
    packet->marks = message_open(&packet->w, &envelope, header);
    return true;
}

static struct header header_of(uint32_t opcode, uint32_t flags, int64_t now_ms)
{
    return (struct header){
        .opcode = opcode,
        .flags = flags,
        .site_serial = MESSAGE_SERIAL_UNKNOWN,
        .expiration = (uint32_t)(now_ms / 1000 + MESSAGE_EXPIRY_S),
    };
}

static struct bytes close_packet(struct packet *packet)
{
    message_close(&packet->w, packet->marks, NULL);
    return wire_wrote(&packet->w);
}

struct bytes rest_question_resolve(struct arena *arena, const struct rest_asked *asked,
                                   bool is_public_only, int64_t now_ms)
{
    struct packet packet;
    uint32_t flags = flags_of(asked) | MESSAGE_RECURSIVE;
    flags |= is_public_only ? (uint32_t)MESSAGE_PUBLIC_ONLY : 0;
    const struct header header = header_of(OPCODE_RESOLUTION, flags, now_ms);
    const struct body_resolution body = {
        .handle = asked->handle,
        .index_count = asked->index_count,
        .indexes = asked->indexes,
        .type_count = asked->type_count,
        .types = asked->types,
    };
    size_t len = 12 + asked->handle.len + asked->indexes.len + asked->types.len;
    if (!open_packet(&packet, arena, len, &header)) {
        return BYTES_NONE;
    }
    body_resolution_encode(&packet.w, &body);
    return close_packet(&packet);
}

struct bytes rest_question_put(struct arena *arena, const struct rest_asked *asked,
                               const struct body_values *values, int64_t now_ms)
{
    struct packet packet;
    bool is_of_values = asked->takes_various || asked->index_count > 0;
    uint32_t flags = flags_of(asked) | (asked->is_create_only ? 0 : (uint32_t)MESSAGE_OVERWRITE) |
                     (asked->mints && !is_of_values ? (uint32_t)MESSAGE_MINT : 0);
    const struct header header =
        header_of(is_of_values ? OPCODE_ADD_VALUE : OPCODE_CREATE_HANDLE, flags, now_ms);
    size_t len = 4 + values->handle.len + value_list_encoded_len(values->values, values->count);
    if (!open_packet(&packet, arena, len, &header)) {
        return BYTES_NONE;
    }
    body_values_encode(&packet.w, values);
    return close_packet(&packet);
}

struct bytes rest_question_delete(struct arena *arena, const struct rest_asked *asked,
                                  int64_t now_ms)
{
    struct packet packet;
    if (asked->index_count == 0) {
        return rest_question_name(arena, OPCODE_DELETE_HANDLE, asked->handle, now_ms);
    }
    const struct header header = header_of(OPCODE_REMOVE_VALUE, flags_of(asked), now_ms);
    const struct body_remove body = {asked->handle, asked->index_count, asked->indexes};
    if (!open_packet(&packet, arena, 8 + asked->handle.len + asked->indexes.len, &header)) {
        return BYTES_NONE;
    }
    body_remove_encode(&packet.w, &body);
    return close_packet(&packet);
}

struct bytes rest_question_name(struct arena *arena, uint32_t opcode, struct bytes name,
                                int64_t now_ms)
{
    struct packet packet;
    const struct header header = header_of(opcode, 0, now_ms);
    if (!open_packet(&packet, arena, 4 + name.len, &header)) {
        return BYTES_NONE;
    }
    body_handle_encode(&packet.w, name);
    return close_packet(&packet);
}
