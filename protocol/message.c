/* SPDX-License-Identifier: Apache-2.0
 *
 * Envelope, header and credential between bytes and structs (protocol.md §3.1, §3.2, §4).
 *
 * On the path of every request: one pass, nothing copied, nothing allocated. The two fixed parts
 * are taken whole, so that the reads inside them need no length checks of their own.
 */
#include "protocol/message.h"

#define FLAG_COMPRESSED 0x80
#define FLAG_ENCRYPTED 0x40
#define FLAG_TRUNCATED 0x20
#define SUGGESTED_MAJOR 0x1f /* five bits as DO-IRP has it; CNRI's two agree for 0..3 */

#define CREDENTIAL_VERSION 0

static uint32_t version_rank(struct message_version version)
{
    /* 5.x is the numbering before 2.0. */
    return version.major == 5 ? 2u << 8 : (uint32_t)version.major << 8 | version.minor;
}

int message_version_compare(struct message_version a, struct message_version b)
{
    uint32_t rank_a = version_rank(a);
    uint32_t rank_b = version_rank(b);
    return rank_a < rank_b ? -1 : rank_a > rank_b;
}

bool message_version_is_known(struct message_version version)
{
    return version.major == 2 || version.major == 3 || version.major == 5;
}

struct message_version message_answer_version(const struct envelope *request)
{
    static const struct message_version ours = {MESSAGE_VERSION_MAJOR, MESSAGE_VERSION_MINOR};
    static const struct message_version floor_of_clients = {2, 3};
    static const struct message_version oldest = {2, 0};
    struct message_version wanted =
        request->suggested.major == 0 ? request->version : request->suggested;

    if (!message_version_is_known(request->version)) {
        return floor_of_clients;
    }
    if (message_version_compare(wanted, ours) > 0) {
        return ours;
    }
    return message_version_compare(wanted, oldest) <= 0 ? oldest : wanted;
}

enum status envelope_decode(struct bytes packet, struct envelope *out_envelope)
{
    struct wire_reader whole = wire_read(packet);
    struct bytes taken = wire_take(&whole, MESSAGE_ENVELOPE_LEN);
    if (!wire_ok(&whole)) {
        return STATUS_PROTOCOL_ERROR;
    }
    struct wire_reader r = wire_read(bytes_of(taken.data, MESSAGE_ENVELOPE_LEN));
    out_envelope->version.major = wire_u8(&r);
    out_envelope->version.minor = wire_u8(&r);
    uint8_t flags = wire_u8(&r);
    out_envelope->suggested.major = flags & SUGGESTED_MAJOR;
    out_envelope->suggested.minor = wire_u8(&r);
    out_envelope->is_compressed = (flags & FLAG_COMPRESSED) != 0;
    out_envelope->is_encrypted = (flags & FLAG_ENCRYPTED) != 0;
    out_envelope->is_truncated = (flags & FLAG_TRUNCATED) != 0;
    out_envelope->session_id = wire_u32(&r);
    out_envelope->request_id = wire_u32(&r);
    out_envelope->sequence = wire_u32(&r);
    out_envelope->message_len = wire_u32(&r);
    return STATUS_OK;
}

/* Everything of the envelope but the message length. */
static void put_envelope_start(struct wire_writer *w, const struct envelope *envelope)
{
    unsigned flags = envelope->suggested.major & SUGGESTED_MAJOR;
    flags |= envelope->is_compressed ? FLAG_COMPRESSED : 0;
    flags |= envelope->is_encrypted ? FLAG_ENCRYPTED : 0;
    flags |= envelope->is_truncated ? FLAG_TRUNCATED : 0;
    wire_put_u8(w, envelope->version.major);
    wire_put_u8(w, envelope->version.minor);
    wire_put_u8(w, (uint8_t)flags);
    wire_put_u8(w, envelope->suggested.minor);
    wire_put_u32(w, envelope->session_id);
    wire_put_u32(w, envelope->request_id);
    wire_put_u32(w, envelope->sequence);
}

void envelope_encode(struct wire_writer *w, const struct envelope *envelope)
{
    put_envelope_start(w, envelope);
    wire_put_u32(w, envelope->message_len);
}

/* Fills the header, gives the body length it announces. */
static uint32_t header_decode(struct bytes taken, struct header *out_header)
{
    struct wire_reader r = wire_read(bytes_of(taken.data, MESSAGE_HEADER_LEN));
    out_header->opcode = wire_u32(&r);
    out_header->response_code = wire_u32(&r);
    out_header->flags = wire_u32(&r);
    out_header->site_serial = wire_u16(&r);
    out_header->recursion_count = wire_u8(&r);
    (void)wire_u8(&r);
    out_header->expiration = wire_u32(&r);
    return wire_u32(&r);
}

/* The bytes behind the credential's length. */
static enum status credential_decode(struct bytes encoded, struct credential *out_credential)
{
    struct wire_reader r = wire_read(encoded);
    struct credential credential = {.is_present = true};
    credential.version = wire_u8(&r);
    (void)wire_u8(&r);
    credential.options = wire_u16(&r);
    if (wire_ok(&r) && credential.version != CREDENTIAL_VERSION) {
        return STATUS_INVALID_CREDENTIAL;
    }
    credential.signer = wire_bytes(&r);
    credential.counter = wire_u32(&r);
    credential.type = wire_bytes(&r);
    if (wire_ok(&r) && !bytes_equal(credential.type, BYTES_LITERAL("HS_SIGNED")) &&
        !bytes_equal(credential.type, BYTES_LITERAL("HS_MAC"))) {
        return STATUS_INVALID_CREDENTIAL;
    }
    uint32_t section_len = wire_u32(&r);
    if (section_len != wire_left(&r)) {
        return STATUS_PROTOCOL_ERROR;
    }
    credential.algorithm = wire_bytes(&r);
    credential.signature = wire_bytes(&r);
    if (!wire_done(&r)) {
        return STATUS_PROTOCOL_ERROR;
    }
    *out_credential = credential;
    return STATUS_OK;
}

/* What follows the body: nothing, or a length and exactly that many bytes. */
static enum status credential_section_decode(struct wire_reader *r, const struct envelope *envelope,
                                             struct credential *out_credential)
{
    if (wire_done(r)) {
        return STATUS_OK;
    }
    struct bytes encoded = wire_bytes(r);
    if (!wire_done(r)) {
        return STATUS_PROTOCOL_ERROR;
    }
    if (encoded.len == 0) {
        return STATUS_OK;
    }
    enum status status = credential_decode(encoded, out_credential);
    if (status == STATUS_PROTOCOL_ERROR && envelope->session_id != 0) {
        return STATUS_INVALID_CREDENTIAL;
    }
    return status;
}

enum status message_decode(struct bytes packet, struct message *out_message)
{
    struct message message = {.credential.is_present = false};
    enum status status = envelope_decode(packet, &message.envelope);
    if (status != STATUS_OK) {
        return status;
    }
    uint32_t message_len = message.envelope.message_len;
    if (message_len > MESSAGE_MAX || message_len != packet.len - MESSAGE_ENVELOPE_LEN ||
        message.envelope.is_compressed || message.envelope.is_encrypted) {
        return STATUS_PROTOCOL_ERROR;
    }
    struct wire_reader r = wire_read(bytes_from(packet, MESSAGE_ENVELOPE_LEN));
    struct bytes header = wire_take(&r, MESSAGE_HEADER_LEN);
    if (!wire_ok(&r)) {
        return STATUS_PROTOCOL_ERROR;
    }
    message.body = wire_take(&r, header_decode(header, &message.header));
    if (!wire_ok(&r)) {
        return STATUS_PROTOCOL_ERROR;
    }
    message.digested = bytes_of(header.data, header.len + message.body.len);
    status = credential_section_decode(&r, &message.envelope, &message.credential);
    if (status == STATUS_OK) {
        *out_message = message;
    }
    return status;
}

struct message_marks message_open(struct wire_writer *w, const struct envelope *envelope,
                                  const struct header *header)
{
    struct message_marks marks;
    put_envelope_start(w, envelope);
    marks.message_len = wire_open_length(w);
    wire_put_u32(w, header->opcode);
    wire_put_u32(w, header->response_code);
    wire_put_u32(w, header->flags);
    wire_put_u16(w, header->site_serial);
    wire_put_u8(w, header->recursion_count);
    wire_put_u8(w, 0);
    wire_put_u32(w, header->expiration);
    marks.body_len = wire_open_length(w);
    return marks;
}

static void credential_encode(struct wire_writer *w, const struct credential *credential)
{
    wire_put_u8(w, credential->version);
    wire_put_u8(w, 0);
    wire_put_u16(w, credential->options);
    wire_put_bytes(w, credential->signer);
    wire_put_u32(w, credential->counter);
    wire_put_bytes(w, credential->type);
    uint8_t *section = wire_open_length(w);
    wire_put_bytes(w, credential->algorithm);
    wire_put_bytes(w, credential->signature);
    wire_fill_length(w, section);
}

void message_close(struct wire_writer *w, struct message_marks marks,
                   const struct credential *credential)
{
    wire_fill_length(w, marks.body_len);
    uint8_t *credential_len = wire_open_length(w);
    if (credential != NULL) {
        credential_encode(w, credential);
    }
    wire_fill_length(w, credential_len);
    wire_fill_length(w, marks.message_len);
    if (!w->failed && w->at - marks.message_len - 4 > MESSAGE_MAX) {
        w->failed = true;
    }
}

void message_encode(struct wire_writer *w, const struct message *message)
{
    struct message_marks marks = message_open(w, &message->envelope, &message->header);
    wire_put_raw(w, message->body);
    message_close(w, marks, message->credential.is_present ? &message->credential : NULL);
}

uint32_t message_code_for(uint32_t response_code, struct message_version version)
{
    static const struct message_version renumbered = {2, 5};
    if (message_version_compare(version, renumbered) >= 0) {
        return response_code;
    }
    switch (response_code) {
    case 7:
        return 303;
    case 202:
        return 201;
    default:
        return response_code;
    }
}
