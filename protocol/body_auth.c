/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies of authentication and sessions (protocol.md §5.8-§5.12, §7.5, §7.6, §12.3).
 *
 * Forms only: nothing here computes or compares a secret.
 */
#include "protocol/body.h"

#define NONCE_FIRST_UNTIL ((struct message_version){2, 1})

enum mac_form {
    MAC_MD5_BARE = 0x00,
    MAC_MD5 = 0x01,
    MAC_SHA1 = 0x02,
    MAC_SHA256 = 0x03,
    MAC_HMAC_SHA1 = 0x12,
    MAC_HMAC_SHA256 = 0x13,
    MAC_PBKDF2 = 0x22,
};

#define MAC_MD5_LEN 16

static struct reference take_reference(struct wire_reader *r)
{
    struct reference reference;
    reference.handle = wire_bytes(r);
    reference.index = wire_u32(r);
    return reference;
}

static void put_reference(struct wire_writer *w, const struct reference *reference)
{
    wire_put_bytes(w, reference->handle);
    wire_put_u32(w, reference->index);
}

/* The rest, which must be zeros: how many. */
static uint32_t take_zeros(struct wire_reader *r)
{
    uint32_t count = 0;
    while (wire_left(r) > 0) {
        r->failed |= wire_u8(r) != 0;
        count++;
    }
    return count;
}

static void put_zeros(struct wire_writer *w, uint32_t count)
{
    uint8_t *room = wire_room(w, count);
    if (room != NULL) {
        memset(room, 0, count);
    }
}

enum status body_challenge_decode(struct bytes body, struct message_version version,
                                  struct body_challenge *out)
{
    struct wire_reader r = wire_read(body);
    struct body_challenge decoded;
    enum status status = STATUS_OK;
    if (message_version_compare(version, NONCE_FIRST_UNTIL) < 0) {
        decoded.nonce = wire_bytes(&r);
        status = digest_decode(&r, &decoded.digest);
    } else {
        status = digest_decode(&r, &decoded.digest);
        decoded.nonce = wire_bytes(&r);
    }
    if (status != STATUS_OK || !wire_done(&r)) {
        return STATUS_PROTOCOL_ERROR;
    }
    *out = decoded;
    return STATUS_OK;
}

void body_challenge_encode(struct wire_writer *w, struct message_version version,
                           const struct body_challenge *body)
{
    if (message_version_compare(version, NONCE_FIRST_UNTIL) < 0) {
        wire_put_bytes(w, body->nonce);
        digest_encode(w, &body->digest);
    } else {
        digest_encode(w, &body->digest);
        wire_put_bytes(w, body->nonce);
    }
}

enum status body_answer_decode(struct bytes body, struct body_answer *out)
{
    struct wire_reader r = wire_read(body);
    struct body_answer decoded;
    decoded.type = wire_bytes(&r);
    decoded.identity = take_reference(&r);
    decoded.signed_response = wire_bytes(&r);
    if (!wire_done(&r)) {
        return STATUS_PROTOCOL_ERROR;
    }
    *out = decoded;
    return STATUS_OK;
}

void body_answer_encode(struct wire_writer *w, const struct body_answer *body)
{
    wire_put_bytes(w, body->type);
    put_reference(w, &body->identity);
    wire_put_bytes(w, body->signed_response);
}

enum status body_signature_decode(struct bytes signed_response, struct body_signature *out)
{
    struct wire_reader r = wire_read(signed_response);
    struct body_signature decoded;
    decoded.algorithm = wire_bytes(&r);
    decoded.signature = wire_bytes(&r);
    if (!wire_done(&r)) {
        return STATUS_PROTOCOL_ERROR;
    }
    *out = decoded;
    return STATUS_OK;
}

void body_signature_encode(struct wire_writer *w, const struct body_signature *body)
{
    wire_put_bytes(w, body->algorithm);
    wire_put_bytes(w, body->signature);
}

/* Bytes of the MAC behind a form's byte; 0 for PBKDF2, whose MAC has a length, and unknown forms.
 */
static size_t mac_len(uint8_t form)
{
    switch (form) {
    case MAC_MD5:
        return MAC_MD5_LEN;
    case MAC_SHA1:
    case MAC_HMAC_SHA1:
        return 20;
    case MAC_SHA256:
    case MAC_HMAC_SHA256:
        return 32;
    default:
        return 0;
    }
}

enum status body_mac_decode(struct bytes signed_response, struct body_mac *out)
{
    struct wire_reader r = wire_read(signed_response);
    struct body_mac decoded = {.form = MAC_MD5_BARE};
    if (signed_response.len == MAC_MD5_LEN) {
        /* The one form without a code; no other has this length. */
        decoded.mac = wire_take(&r, MAC_MD5_LEN);
        *out = decoded;
        return STATUS_OK;
    }
    decoded.form = wire_u8(&r);
    if (decoded.form == MAC_PBKDF2) {
        decoded.salt = wire_bytes(&r);
        decoded.iterations = wire_u32(&r);
        decoded.key_bits = wire_u32(&r);
        decoded.mac = wire_bytes(&r);
    } else {
        decoded.mac = wire_take(&r, mac_len(decoded.form));
        r.failed |= decoded.mac.len == 0;
    }
    if (!wire_done(&r)) {
        return STATUS_PROTOCOL_ERROR;
    }
    *out = decoded;
    return STATUS_OK;
}

void body_mac_encode(struct wire_writer *w, const struct body_mac *body)
{
    if (body->form == MAC_PBKDF2) {
        wire_put_u8(w, body->form);
        wire_put_bytes(w, body->salt);
        wire_put_u32(w, body->iterations);
        wire_put_u32(w, body->key_bits);
        wire_put_bytes(w, body->mac);
        return;
    }
    if (body->form != MAC_MD5_BARE) {
        wire_put_u8(w, body->form);
    }
    wire_put_raw(w, body->mac);
}

enum status body_verify_decode(struct bytes body, struct body_verify *out)
{
    struct wire_reader r = wire_read(body);
    struct body_verify decoded;
    decoded.identity = take_reference(&r);
    decoded.nonce = wire_bytes(&r);
    /* A length begins with 00, a digest's own code is never 00. */
    struct wire_reader ahead = r;
    uint8_t code = wire_u8(&ahead);
    if (code == 0) {
        decoded.digest = wire_bytes(&r);
    } else {
        (void)wire_u8(&r);
        decoded.digest = wire_take(&r, code > DIGEST_SHA256 ? SIZE_MAX : mac_len(code));
    }
    decoded.signed_response = wire_bytes(&r);
    if (!wire_done(&r)) {
        return STATUS_PROTOCOL_ERROR;
    }
    *out = decoded;
    return STATUS_OK;
}

void body_verify_encode(struct wire_writer *w, const struct body_verify *body)
{
    put_reference(w, &body->identity);
    wire_put_bytes(w, body->nonce);
    wire_put_bytes(w, body->digest);
    wire_put_bytes(w, body->signed_response);
}

enum status body_verified_decode(struct bytes body, bool *out_is_valid)
{
    struct wire_reader r = wire_read(body);
    bool is_valid = (wire_u8(&r) & 1) != 0;
    if (!wire_done(&r)) {
        return STATUS_PROTOCOL_ERROR;
    }
    *out_is_valid = is_valid;
    return STATUS_OK;
}

void body_verified_encode(struct wire_writer *w, bool is_valid)
{
    wire_put_u8(w, is_valid ? 1 : 0);
}

enum status body_session_setup_decode(struct bytes body, struct body_session_setup *out)
{
    struct wire_reader r = wire_read(body);
    struct body_session_setup decoded = {.mode = wire_u16(&r)};
    decoded.timeout_s = wire_u32(&r);
    decoded.identity = take_reference(&r);
    if (!wire_ok(&r)) {
        return STATUS_PROTOCOL_ERROR;
    }
    switch (decoded.mode) {
    case SESSION_CLIENT_KEY:
    case SESSION_DIFFIE_HELLMAN:
        decoded.public_key = wire_bytes(&r);
        break;
    case SESSION_HANDLE_KEY:
        decoded.exchange_key = take_reference(&r);
        break;
    case SESSION_SERVER_KEY:
        break;
    default:
        return STATUS_INVALID_SESSION_SETUP;
    }
    decoded.trailing_zeros = take_zeros(&r);
    if (!wire_done(&r)) {
        return STATUS_PROTOCOL_ERROR;
    }
    *out = decoded;
    return STATUS_OK;
}

void body_session_setup_encode(struct wire_writer *w, const struct body_session_setup *body)
{
    wire_put_u16(w, body->mode);
    wire_put_u32(w, body->timeout_s);
    put_reference(w, &body->identity);
    if (body->mode == SESSION_CLIENT_KEY || body->mode == SESSION_DIFFIE_HELLMAN) {
        wire_put_bytes(w, body->public_key);
    } else if (body->mode == SESSION_HANDLE_KEY) {
        put_reference(w, &body->exchange_key);
    }
    put_zeros(w, body->trailing_zeros);
}

enum status body_session_answer_decode(struct bytes body, struct body_session_answer *out)
{
    struct wire_reader r = wire_read(body);
    struct body_session_answer decoded = {.mode = wire_u16(&r)};
    decoded.data = wire_bytes(&r);
    decoded.trailing_zeros = take_zeros(&r);
    if (!wire_done(&r)) {
        return STATUS_PROTOCOL_ERROR;
    }
    *out = decoded;
    return STATUS_OK;
}

void body_session_answer_encode(struct wire_writer *w, const struct body_session_answer *body)
{
    wire_put_u16(w, body->mode);
    wire_put_bytes(w, body->data);
    put_zeros(w, body->trailing_zeros);
}

enum status body_exchange_key_decode(struct bytes body, struct bytes *out_encrypted_key)
{
    return body_handle_decode(body, false, out_encrypted_key);
}

void body_exchange_key_encode(struct wire_writer *w, struct bytes encrypted_key)
{
    wire_put_bytes(w, encrypted_key);
}

enum status body_login_decode(struct bytes body, struct reference *out_identity)
{
    struct wire_reader r = wire_read(body);
    struct reference identity = take_reference(&r);
    if (!wire_done(&r)) {
        return STATUS_PROTOCOL_ERROR;
    }
    *out_identity = identity;
    return STATUS_OK;
}

void body_login_encode(struct wire_writer *w, const struct reference *identity)
{
    put_reference(w, identity);
}
