/* SPDX-License-Identifier: Apache-2.0
 *
 * Any body read by the decoder its message calls for and written again: what vectors and the
 * message fuzzer compare with the bytes they began with.
 */
#pragma once

#include "protocol/body.h"
#include "protocol/opcode.h"

static inline enum status recode_resolution(struct bytes body, struct wire_writer *w)
{
    struct body_resolution decoded;
    enum status status = body_resolution_decode(body, &decoded);
    if (status == STATUS_OK) {
        body_resolution_encode(w, &decoded);
    }
    return status;
}

static inline enum status recode_values(struct bytes body, struct arena *arena,
                                        struct wire_writer *w)
{
    struct body_values decoded;
    enum status status = body_values_decode(body, arena, &decoded);
    if (status == STATUS_OK) {
        body_values_encode(w, &decoded);
    }
    return status;
}

static inline enum status recode_handle(struct bytes body, bool may_be_empty, struct wire_writer *w)
{
    struct bytes handle;
    enum status status = body_handle_decode(body, may_be_empty, &handle);
    if (status == STATUS_OK && body.len > 0) {
        body_handle_encode(w, handle);
    }
    return status;
}

static inline enum status recode_remove(struct bytes body, struct wire_writer *w)
{
    struct body_remove decoded;
    enum status status = body_remove_decode(body, &decoded);
    if (status == STATUS_OK) {
        body_remove_encode(w, &decoded);
    }
    return status;
}

static inline enum status recode_names(struct bytes body, struct wire_writer *w)
{
    struct body_names decoded;
    enum status status = body_names_decode(body, &decoded);
    if (status == STATUS_OK) {
        body_names_encode(w, &decoded);
    }
    return status;
}

static inline enum status recode_error(struct bytes body, struct wire_writer *w)
{
    struct body_error decoded;
    enum status status = body_error_decode(body, &decoded);
    if (status == STATUS_OK && body.len > 0) {
        body_error_encode(w, &decoded);
    }
    return status;
}

static inline enum status recode_referral(struct bytes body, struct arena *arena,
                                          struct wire_writer *w)
{
    struct body_referral decoded;
    enum status status = body_referral_decode(body, arena, &decoded);
    if (status == STATUS_OK) {
        body_referral_encode(w, &decoded);
    }
    return status;
}

static inline enum status recode_challenge(struct bytes body, struct message_version version,
                                           struct wire_writer *w)
{
    struct body_challenge decoded;
    enum status status = body_challenge_decode(body, version, &decoded);
    if (status == STATUS_OK) {
        body_challenge_encode(w, version, &decoded);
    }
    return status;
}

/* The answer's own bytes, too: a MAC or a signature. */
static inline enum status recode_signed_response(const struct body_answer *answer,
                                                 struct arena *arena, struct bytes *out_again)
{
    struct body_mac mac;
    struct body_signature signature;
    uint8_t *room = arena_alloc(arena, answer->signed_response.len);
    enum status status = STATUS_NO_MEMORY;
    struct wire_writer w = wire_write(room, room == NULL ? 0 : answer->signed_response.len);
    if (room != NULL && bytes_equal(answer->type, BYTES_LITERAL("HS_SECKEY"))) {
        status = body_mac_decode(answer->signed_response, &mac);
        if (status == STATUS_OK) {
            body_mac_encode(&w, &mac);
        }
    } else if (room != NULL) {
        status = body_signature_decode(answer->signed_response, &signature);
        if (status == STATUS_OK) {
            body_signature_encode(&w, &signature);
        }
    }
    *out_again = wire_wrote(&w);
    return status;
}

static inline enum status recode_answer(struct bytes body, struct arena *arena,
                                        struct wire_writer *w)
{
    struct body_answer decoded;
    enum status status = body_answer_decode(body, &decoded);
    if (status == STATUS_OK) {
        status = recode_signed_response(&decoded, arena, &decoded.signed_response);
    }
    if (status == STATUS_OK) {
        body_answer_encode(w, &decoded);
    }
    return status;
}

static inline enum status recode_verify(struct bytes body, struct wire_writer *w)
{
    struct body_verify decoded;
    enum status status = body_verify_decode(body, &decoded);
    if (status == STATUS_OK) {
        body_verify_encode(w, &decoded);
    }
    return status;
}

static inline enum status recode_session_setup(struct bytes body, struct wire_writer *w)
{
    struct body_session_setup decoded;
    enum status status = body_session_setup_decode(body, &decoded);
    if (status == STATUS_OK) {
        body_session_setup_encode(w, &decoded);
    }
    return status;
}

static inline enum status recode_session_answer(struct bytes body, struct wire_writer *w)
{
    struct body_session_answer decoded;
    enum status status = body_session_answer_decode(body, &decoded);
    if (status == STATUS_OK) {
        body_session_answer_encode(w, &decoded);
    }
    return status;
}

static inline enum status recode_exchange_key(struct bytes body, struct wire_writer *w)
{
    struct bytes key;
    enum status status = body_exchange_key_decode(body, &key);
    if (status == STATUS_OK) {
        body_exchange_key_encode(w, key);
    }
    return status;
}

static inline enum status recode_retrieve_log(struct bytes body, struct message_version version,
                                              struct wire_writer *w)
{
    struct body_retrieve_log decoded;
    enum status status = body_retrieve_log_decode(body, version, &decoded);
    if (status == STATUS_OK) {
        body_retrieve_log_encode(w, &decoded);
    }
    return status;
}

static inline enum status recode_dump(struct bytes body, struct wire_writer *w)
{
    struct body_dump decoded;
    enum status status = body_dump_decode(body, &decoded);
    if (status == STATUS_OK) {
        body_dump_encode(w, &decoded);
    }
    return status;
}

static inline enum status recode_login(struct bytes body, struct wire_writer *w)
{
    struct reference identity;
    enum status status = body_login_decode(body, &identity);
    if (status == STATUS_OK) {
        body_login_encode(w, &identity);
    }
    return status;
}

static inline enum status recode_txn_id(struct bytes body, struct wire_writer *w)
{
    uint64_t id = 0;
    enum status status = body_txn_id_decode(body, &id);
    if (status == STATUS_OK) {
        body_txn_id_encode(w, id);
    }
    return status;
}

static inline enum status recode_verified(struct bytes body, struct wire_writer *w)
{
    bool is_valid = false;
    enum status status = body_verified_decode(body, &is_valid);
    if (status == STATUS_OK) {
        body_verified_encode(w, is_valid);
    }
    return status;
}

static inline enum status recode_stream(struct bytes body, struct wire_writer *w)
{
    bool keep_alive = false;
    enum status status = body_stream_decode(body, &keep_alive);
    if (status == STATUS_OK) {
        body_stream_encode(w, keep_alive);
    }
    return status;
}

static inline enum status recode_site(struct bytes body, struct wire_writer *w)
{
    struct bytes site;
    enum status status = body_site_decode(body, &site);
    if (status == STATUS_OK) {
        wire_put_raw(w, site);
    }
    return status;
}

/* NOT_SUPPORTED when the operation is unknown. */
static inline enum status recode_request(const struct message *message, struct arena *arena,
                                         struct wire_writer *w)
{
    switch (message->header.opcode) {
    case OPCODE_RESOLUTION:
    case OPCODE_LOGIN_PASSWORD:
        return recode_resolution(message->body, w);
    case OPCODE_CREATE_HANDLE:
    case OPCODE_ADD_VALUE:
    case OPCODE_MODIFY_VALUE:
        return recode_values(message->body, arena, w);
    case OPCODE_REMOVE_VALUE:
        return recode_remove(message->body, w);
    case OPCODE_CHALLENGE_RESPONSE:
        return recode_answer(message->body, arena, w);
    case OPCODE_VERIFY_RESPONSE:
        return recode_verify(message->body, w);
    case OPCODE_SESSION_SETUP:
        return recode_session_setup(message->body, w);
    case OPCODE_SESSION_EXCHANGE_KEY:
        return recode_exchange_key(message->body, w);
    case OPCODE_RETRIEVE_TXN_LOG:
        return recode_retrieve_log(message->body, message->envelope.version, w);
    case OPCODE_DUMP_HANDLES:
        return recode_dump(message->body, w);
    case OPCODE_LOGIN:
        return recode_login(message->body, w);
    default:
        break;
    }
    if (opcode_find(message->header.opcode) == NULL) {
        return STATUS_NOT_SUPPORTED;
    }
    return recode_handle(message->body, message->header.opcode == OPCODE_SESSION_TERMINATE, w);
}

/* `body` without the digest. */
static inline enum status recode_success(const struct message *message, struct bytes body,
                                         struct arena *arena, struct wire_writer *w)
{
    switch (message->header.opcode) {
    case OPCODE_RESOLUTION:
    case OPCODE_LOGIN_PASSWORD:
        return recode_values(body, arena, w);
    case OPCODE_GET_SITE_INFO:
        return recode_site(body, w);
    case OPCODE_LIST_HANDLES:
    case OPCODE_LIST_DERIVED_PREFIXES:
    case OPCODE_LIST_HOMED_PREFIXES:
        return recode_names(body, w);
    case OPCODE_VERIFY_RESPONSE:
        return recode_verified(body, w);
    case OPCODE_SESSION_SETUP:
        return recode_session_answer(body, w);
    case OPCODE_GET_NEXT_TXN_ID:
        return recode_txn_id(body, w);
    case OPCODE_RETRIEVE_TXN_LOG:
    case OPCODE_DUMP_HANDLES:
        return recode_stream(body, w);
    case OPCODE_CREATE_HANDLE:
        return recode_handle(body, true, w);
    default:
        return body.len == 0 ? STATUS_OK : STATUS_PROTOCOL_ERROR;
    }
}

static inline enum status recode_response(const struct message *message, struct arena *arena,
                                          struct wire_writer *w)
{
    struct bytes body = BYTES_NONE;
    struct digest digest;
    bool has_digest = false;
    uint32_t code = message->header.response_code;
    if (code == status_wire_code(STATUS_AUTHENTICATION_NEEDED)) {
        return recode_challenge(message->body, message->envelope.version, w);
    }
    enum status status = body_take_digest(message, &body, &digest, &has_digest);
    if (status != STATUS_OK) {
        return status;
    }
    if (has_digest) {
        digest_encode(w, &digest);
    }
    if (code == status_wire_code(STATUS_OK)) {
        return recode_success(message, body, arena, w);
    }
    if (code == status_wire_code(STATUS_SERVICE_REFERRAL) ||
        code == status_wire_code(STATUS_PREFIX_REFERRAL)) {
        return recode_referral(body, arena, w);
    }
    return recode_error(body, w);
}

static inline enum status recode_body(const struct message *message, struct arena *arena,
                                      struct wire_writer *w)
{
    return message->header.response_code == 0 ? recode_request(message, arena, w)
                                              : recode_response(message, arena, w);
}
