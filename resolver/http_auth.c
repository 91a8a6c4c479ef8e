/* SPDX-License-Identifier: Apache-2.0
 *
 * Basic authentication (http_auth.h): the password is a secret key of a handle. It is verified as
 * an answer to a challenge of our own (operation 201), so that keys are looked for, compared and
 * limited in one place.
 */
#include "resolver/http_auth.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#include "protocol/body.h"
#include "protocol/handle.h"
#include "protocol/opcode.h"
#include "protocol/secret_answer.h"
#include "protocol/text.h"

#define NONCE_LEN 16
#define PACKET_ROOM (256 + HANDLE_MAX + SECRET_ANSWER_MAX)

/* The call's state while its credentials are judged. */
struct judging {
    http_handler *go_on;
    uint32_t index;
    size_t handle_len;
    uint8_t handle[];
};

void http_auth_challenge(struct http_call *call)
{
    http_reply_field(call, "WWW-Authenticate", BYTES_LITERAL("Basic realm=\"handle\""));
}

static enum status refuse(struct http_call *call)
{
    http_reply_begin(call, 401);
    http_auth_challenge(call);
    http_reply_end(call);
    return STATUS_OK;
}

/* --- what was sent -----------------------------------------------------------------------------
 */

/* "Basic" and its credentials, decoded: user ":" password. */
static bool read_basic(struct http_call *call, struct bytes field, struct reference *out_user,
                       struct bytes *out_password)
{
    struct arena *arena = call->scope->arena;
    struct bytes scheme = bytes_of(field.data, field.len < 6 ? field.len : 6);
    struct bytes both;
    struct bytes user;
    if (!bytes_equal_nocase(scheme, BYTES_LITERAL("Basic ")) ||
        text_base64_parse(bytes_from(field, scheme.len), arena, &both) != STATUS_OK) {
        return false;
    }
    const uint8_t *colon = both.len == 0 ? NULL : memchr(both.data, ':', both.len);
    if (colon == NULL) {
        return false;
    }
    size_t len = (size_t)(colon - both.data);
    *out_password = bytes_from(both, len + 1);
    return http_decode(arena, bytes_of(both.data, len), false, &user) == STATUS_OK &&
           handle_parse_reference(user, &out_user->index, &out_user->handle) == STATUS_OK &&
           out_user->index != 0 && out_password->len > 0;
}

/* --- its verification --------------------------------------------------------------------------
 */

static enum status go_on(struct http_call *call)
{
    struct judging *judging = call->state;
    http_handler *next = judging->go_on;
    const struct reference who = {bytes_of(judging->handle, judging->handle_len), judging->index};
    enum status status = http_call_is_from(call, who);
    call->state = NULL;
    call->state_free = NULL;
    free(judging);
    return status == STATUS_OK ? next(call) : status;
}

static enum status on_judged(struct http_call *call, const struct http_answer *answer)
{
    struct message message;
    struct bytes body;
    struct digest digest;
    bool has_digest;
    bool is_valid = false;
    if (answer->status != STATUS_OK || message_decode(answer->packet, &message) != STATUS_OK ||
        message.header.response_code == status_wire_code(STATUS_SERVER_BUSY)) {
        http_reply_begin(call, 503);
        http_reply_end(call);
        return STATUS_OK;
    }
    if (message.header.response_code != status_wire_code(STATUS_OK) ||
        body_take_digest(&message, &body, &digest, &has_digest) != STATUS_OK ||
        body_verified_decode(body, &is_valid) != STATUS_OK) {
        is_valid = false;
    }
    return is_valid ? go_on(call) : refuse(call);
}

static void put_question(struct http_call *call, struct wire_writer *w,
                         const struct body_verify *body)
{
    const struct envelope envelope = {
        .version = {MESSAGE_VERSION_MAJOR, MESSAGE_VERSION_MINOR},
        .suggested = {MESSAGE_VERSION_MAJOR, MESSAGE_VERSION_MINOR},
    };
    const struct header header = {
        .opcode = OPCODE_VERIFY_RESPONSE,
        .site_serial = MESSAGE_SERIAL_UNKNOWN,
        .expiration = (uint32_t)(call->scope->now_ms / 1000 + MESSAGE_EXPIRY_S),
    };
    struct message_marks marks = message_open(w, &envelope, &header);
    body_verify_encode(w, body);
    message_close(w, marks, NULL);
}

/* The answer that whoever knows this password would give to a challenge. */
static enum status ask(struct http_call *call, const struct reference *user, struct bytes password)
{
    uint8_t nonces[2][NONCE_LEN];
    uint8_t room[SECRET_ANSWER_MAX];
    uint8_t packet_room[PACKET_ROOM];
    struct wire_writer answer = wire_write(room, sizeof(room));
    struct wire_writer packet = wire_write(packet_room, sizeof(packet_room));
    call->scope->random(nonces, sizeof(nonces));
    const struct secret_challenge challenge = {bytes_of(nonces[0], NONCE_LEN),
                                               bytes_of(nonces[1], NONCE_LEN)};
    enum status status =
        secret_answer_make(SECRET_HMAC_SHA256, password, &challenge, nonces[0], &answer);
    /* The arena would keep it until something longer comes. */
    OPENSSL_cleanse((void *)(uintptr_t)password.data, password.len);
    if (status != STATUS_OK) {
        return refuse(call);
    }
    put_question(call, &packet,
                 &(struct body_verify){.identity = *user,
                                       .nonce = challenge.nonce,
                                       .digest = challenge.digest,
                                       .signed_response = wire_wrote(&answer)});
    if (packet.failed) {
        return refuse(call);
    }
    return http_ask(call,
                    &(struct http_question){.packet = wire_wrote(&packet), .answered = on_judged});
}

static enum status judge(struct http_call *call, const struct reference *user,
                         struct bytes password, http_handler *next)
{
    struct judging *judging = malloc(sizeof(*judging) + user->handle.len);
    if (judging == NULL) {
        return STATUS_NO_MEMORY;
    }
    judging->go_on = next;
    judging->index = user->index;
    judging->handle_len = user->handle.len;
    memcpy(judging->handle, user->handle.data, user->handle.len);
    call->state = judging;
    call->state_free = free;
    return ask(call, user, password);
}

enum status http_auth_begin(struct http_call *call, http_handler *next)
{
    size_t count = http_request_field_count(&call->request, "Authorization");
    if (count == 0 || !call->request.is_tls) {
        return next(call);
    }
    struct bytes field = http_request_field(&call->request, "Authorization");
    struct reference user;
    struct bytes password = BYTES_NONE;
    bool is_read = count == 1 && read_basic(call, field, &user, &password);
    return is_read ? judge(call, &user, password, next) : refuse(call);
}
