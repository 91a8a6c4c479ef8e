/* SPDX-License-Identifier: Apache-2.0
 *
 * Proofs over HTTP (http_auth.h): passwords, answers to the nonce of a session, certificates. All
 * of them are verified by questions to the node (inside_verify.h), so that keys are looked for,
 * compared and limited in one place.
 */
#include "resolver/http_auth.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#include "protocol/body.h"
#include "protocol/opcode.h"
#include "protocol/secret_answer.h"
#include "protocol/signature.h"
#include "protocol/text.h"
#include "resolver/certificate.h"
#include "resolver/http_key.h"
#include "resolver/inside_verify.h"
#include "resolver/lookup.h"
#include "resolver/worker.h"

#define ANSWER_ROOM (SIGNATURE_MAX + 128)
#define PACKET_ROOM (256 + HANDLE_MAX + ANSWER_ROOM)
#define NOT_VERIFIED "Identity not verified"

/* The call's state while its credentials are judged. */
struct judging {
    http_handler *go_on;
    bool is_kept;
    size_t handle_len;
    uint8_t handle[];
};

struct http_auth *http_auth_of(struct http_call *call)
{
    if (call->auth == NULL) {
        call->auth = calloc(1, sizeof(*call->auth));
    }
    return call->auth;
}

void http_auth_free(struct http_auth *auth)
{
    if (auth != NULL) {
        http_grant_free(auth->grant);
        free(auth->proof);
        free(auth);
    }
}

bool http_auth_is_limited(const struct http_call *call)
{
    return call->auth != NULL && call->auth->grant != NULL;
}

/* --- sessions ----------------------------------------------------------------------------------
 */

static struct web_sessions *sessions_of(const struct http_call *call)
{
    const struct exchange_services *services = call->scope->services;
    return services == NULL ? NULL : sessions_web(services->sessions);
}

static struct sessions_limits limits_of(const struct http_call *call)
{
    const struct generation *generation = call->scope->generation;
    const struct settings *settings = generation->settings;
    bool is_trusted =
        sources_trust(&call->request.client, generation->trusted, generation->trusted_count);
    return (struct sessions_limits){
        .challenges = (size_t)settings->limits_challenges,
        .challenges_per_source =
            is_trusted ? SIZE_MAX : (size_t)settings->limits_challenges_per_source,
        .sessions = (size_t)settings->limits_sessions,
        .sessions_per_source = is_trusted ? SIZE_MAX : (size_t)settings->limits_sessions_per_source,
    };
}

enum status http_auth_name(struct http_call *call, struct bytes session_id)
{
    struct web_sessions *web = sessions_of(call);
    struct http_auth *auth = http_auth_of(call);
    if (web == NULL || auth == NULL) {
        return STATUS_NO_MEMORY;
    }
    enum status status = web_sessions_get(web, call->scope->now_ms, session_id, &auth->session);
    auth->has_session = status == STATUS_OK;
    return status;
}

enum status http_auth_open(struct http_call *call)
{
    struct web_sessions *web = sessions_of(call);
    struct http_auth *auth = http_auth_of(call);
    if (web == NULL || auth == NULL) {
        return STATUS_NO_MEMORY;
    }
    if (auth->has_session) {
        return STATUS_OK;
    }
    const struct sessions_limits limits = limits_of(call);
    enum status status =
        web_sessions_open(web, &limits, call->scope->now_ms, &call->request.client, &auth->session);
    auth->has_session = status == STATUS_OK;
    return status;
}

bool http_auth_is_in(const struct http_call *call)
{
    const struct http_auth *auth = call->auth;
    struct lookup found;
    if (auth == NULL || !auth->has_session || !auth->session.is_authenticated) {
        return false;
    }
    struct bytes handle = bytes_of(auth->session.handle, auth->session.handle_len);
    return auth->session.key_version == 0 ||
           (lookup_record(call->scope->snapshot, handle, &found) == STATUS_OK &&
            found.record.version == auth->session.key_version);
}

void http_auth_leave(struct http_call *call)
{
    if (call->auth != NULL && call->auth->has_session) {
        (void)web_sessions_close(sessions_of(call), bytes_of_text(call->auth->session.id));
        call->auth->has_session = false;
    }
}

static enum status keep(struct http_call *call, const struct judging *judging,
                        const struct inside_verdict *verdict)
{
    struct web_session *session = &call->auth->session;
    const struct sessions_limits limits = limits_of(call);
    session->is_authenticated = true;
    session->index = verdict->index;
    session->key_version = verdict->version;
    session->handle_len = judging->handle_len;
    memcpy(session->handle, judging->handle, judging->handle_len);
    return web_sessions_authenticate(sessions_of(call), &limits, call->scope->now_ms,
                                     bytes_of_text(session->id), session);
}

/* --- 401 ---------------------------------------------------------------------------------------
 */

static bool tells_basic(const struct http_call *call)
{
    struct bytes field = http_request_field(&call->request, "Authorization");
    struct bytes by = http_request_field(&call->request, "X-Requested-With");
    return field.data != NULL ? http_credentials_scheme(field) == HTTP_SCHEME_BASIC
                              : !bytes_equal_nocase(by, BYTES_LITERAL("XMLHttpRequest"));
}

static void put(struct wire_writer *w, const char *name, struct bytes value)
{
    wire_put_raw(w, bytes_of_text(name));
    wire_put_raw(w, BYTES_LITERAL("=\""));
    wire_put_raw(w, value);
    wire_put_u8(w, '"');
}

static struct bytes write_challenge(const struct http_call *call, struct bytes room)
{
    const struct http_auth *auth = call->auth;
    struct wire_writer w = wire_write((uint8_t *)(uintptr_t)room.data, room.len);
    char *nonce = text_base64(call->scope->arena, bytes_of(auth->session.nonce, SESSION_NONCE_LEN));
    wire_put_raw(&w, BYTES_LITERAL("Handle "));
    put(&w, "sessionId", bytes_of_text(auth->session.id));
    put(&w, ", nonce", bytes_of_text(nonce));
    if (auth->proof != NULL) {
        put(&w, ", serverAlg", auth->proof_algorithm);
        put(&w, ", serverSignature", auth->proof_signature);
    }
    if (auth->is_wrong) {
        put(&w, ", error", BYTES_LITERAL(NOT_VERIFIED));
    }
    return w.failed || nonce == NULL ? BYTES_NONE : wire_wrote(&w);
}

void http_auth_challenge(struct http_call *call)
{
    uint8_t room[2 * SIGNATURE_MAX];
    if (http_auth_is_limited(call)) {
        http_reply_field(call, "WWW-Authenticate", BYTES_LITERAL("Bearer realm=\"handle\""));
        return;
    }
    if (tells_basic(call)) {
        http_reply_field(call, "WWW-Authenticate", BYTES_LITERAL("Basic realm=\"handle\""));
    }
    if (http_auth_open(call) == STATUS_OK) {
        struct bytes line = write_challenge(call, bytes_of(room, sizeof(room)));
        http_reply_field(call, "WWW-Authenticate", line);
    }
}

enum status http_auth_refuse(struct http_call *call)
{
    struct http_auth *auth = http_auth_of(call);
    if (auth == NULL) {
        return STATUS_NO_MEMORY;
    }
    auth->is_wrong = true;
    http_reply_begin(call, 401);
    http_auth_challenge(call);
    http_reply_end(call);
    return STATUS_OK;
}

/* --- questions ---------------------------------------------------------------------------------
 */

static struct judging *judging_begin(struct http_call *call, const struct reference *who,
                                     http_handler *go_on)
{
    struct judging *judging = calloc(1, sizeof(*judging) + who->handle.len);
    if (judging != NULL) {
        judging->go_on = go_on;
        judging->handle_len = who->handle.len;
        if (who->handle.len > 0) {
            memcpy(judging->handle, who->handle.data, who->handle.len);
        }
        call->state = judging;
        call->state_free = free;
    }
    return judging;
}

/* What was put down for the wait; the caller frees it. */
static struct judging *judging_end(struct http_call *call)
{
    struct judging *judging = call->state;
    call->state = NULL;
    call->state_free = NULL;
    return judging;
}

void http_auth_write(const struct http_call *call, struct wire_writer *w,
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

static enum status ask(struct http_call *call, enum exchange_verify verify,
                       const struct body_verify *body, http_answered *answered)
{
    uint8_t room[PACKET_ROOM];
    struct wire_writer w = wire_write(room, sizeof(room));
    http_auth_write(call, &w, body);
    if (w.failed) {
        return STATUS_NO_ROOM;
    }
    return http_ask(call, &(struct http_question){.packet = wire_wrote(&w),
                                                  .answered = answered,
                                                  .terms = {.verify = verify}});
}

/* The answer's body; false: the node could not tell. */
static bool open_answer(const struct http_answer *answer, struct bytes *out_body)
{
    struct message message;
    struct digest digest;
    bool has_digest;
    return answer->status == STATUS_OK && message_decode(answer->packet, &message) == STATUS_OK &&
           message.header.response_code == status_wire_code(STATUS_OK) &&
           body_take_digest(&message, out_body, &digest, &has_digest) == STATUS_OK;
}

/* --- the node's proof --------------------------------------------------------------------------
 */

static void take_proof(struct http_call *call, struct bytes body)
{
    struct http_auth *auth = call->auth;
    struct wire_reader r = wire_read(body);
    struct bytes algorithm = wire_bytes(&r);
    char *signature = text_base64(call->scope->arena, wire_bytes(&r));
    if (!wire_ok(&r) || signature == NULL) {
        return;
    }
    struct bytes text = bytes_of_text(signature);
    char *copy = malloc(algorithm.len + text.len);
    if (copy == NULL) {
        return;
    }
    size_t len = 0;
    for (size_t i = 0; i < algorithm.len; i++) { /* "SHA256": as the reference server names it */
        if (algorithm.data[i] != '-') {
            copy[len++] = (char)algorithm.data[i];
        }
    }
    memcpy(copy + len, text.data, text.len);
    free(auth->proof);
    auth->proof = copy;
    auth->proof_algorithm = bytes_of(copy, len);
    auth->proof_signature = bytes_of(copy + len, text.len);
}

/* Without one, too: the client judges. */
static enum status on_proved(struct http_call *call, const struct http_answer *answer)
{
    struct bytes body;
    struct judging *judging = judging_end(call);
    http_handler *go_on = judging->go_on;
    free(judging);
    if (open_answer(answer, &body)) {
        take_proof(call, body);
    }
    return go_on(call);
}

enum status http_auth_prove(struct http_call *call, struct bytes cnonce, http_handler *go_on)
{
    const struct reference nobody = {BYTES_NONE, 0};
    if (cnonce.len != SESSION_NONCE_LEN || http_auth_open(call) != STATUS_OK) {
        return go_on(call);
    }
    if (judging_begin(call, &nobody, go_on) == NULL) {
        return STATUS_NO_MEMORY;
    }
    return ask(
        call, EXCHANGE_PROVE,
        &(struct body_verify){.nonce = bytes_of(call->auth->session.nonce, SESSION_NONCE_LEN),
                              .digest = cnonce},
        on_proved);
}

/* --- the client's ------------------------------------------------------------------------------
 */

static enum status believe(struct http_call *call, const struct judging *judging,
                           const struct inside_verdict *verdict)
{
    const struct reference who = {bytes_of(judging->handle, judging->handle_len), verdict->index};
    enum status status = judging->is_kept ? keep(call, judging, verdict) : STATUS_OK;
    if (status == STATUS_SESSION_TIMEOUT) { /* it went while this was judged */
        call->auth->has_session = false;
        call->auth->is_wrong = true;
        return STATUS_OK;
    }
    return status == STATUS_OK ? http_call_is_from(call, who) : status;
}

static enum status on_judged(struct http_call *call, const struct http_answer *answer)
{
    struct bytes body;
    struct inside_verdict verdict;
    struct judging *judging = judging_end(call);
    http_handler *go_on = judging->go_on;
    enum status status = STATUS_OK;
    if (!open_answer(answer, &body) || inside_verdict_decode(body, &verdict) != STATUS_OK) {
        free(judging);
        return STATUS_SERVER_BUSY;
    }
    call->auth->is_wrong = !verdict.is_right;
    if (verdict.is_right) {
        status = believe(call, judging, &verdict);
    }
    free(judging);
    return status == STATUS_OK ? go_on(call) : status;
}

/* What is asked of the node about credentials. */
struct prepared {
    enum exchange_verify verify;
    struct body_verify body;
    uint8_t nonces[2][SESSION_NONCE_LEN];
    uint8_t answer[ANSWER_ROOM];
};

/* The answer that whoever knows this password would give to a challenge of our own. */
static bool prepare_password(const struct http_call *call, const struct http_credentials *said,
                             struct prepared *out)
{
    struct wire_writer w = wire_write(out->answer, sizeof(out->answer));
    call->scope->random(out->nonces, sizeof(out->nonces));
    const struct secret_challenge challenge = {bytes_of(out->nonces[0], SESSION_NONCE_LEN),
                                               bytes_of(out->nonces[1], SESSION_NONCE_LEN)};
    enum status status =
        secret_answer_make(SECRET_HMAC_SHA256, said->password, &challenge, out->nonces[0], &w);
    /* The arena would keep it until something longer comes. */
    OPENSSL_cleanse((void *)(uintptr_t)said->password.data, said->password.len);
    out->verify = EXCHANGE_VERIFY_SECRET;
    out->body = (struct body_verify){.identity = said->user,
                                     .nonce = challenge.nonce,
                                     .digest = challenge.digest,
                                     .signed_response = wire_wrote(&w)};
    return status == STATUS_OK;
}

static bool prepare_answer(const struct http_call *call, const struct http_credentials *said,
                           struct prepared *out)
{
    struct wire_writer w = wire_write(out->answer, sizeof(out->answer));
    bool is_secret = false;
    if (said->cnonce.len != SESSION_NONCE_LEN || !call->auth->has_session ||
        http_credentials_answer(said, &is_secret, &w) != STATUS_OK) {
        return false;
    }
    out->verify = is_secret ? EXCHANGE_VERIFY_SECRET : EXCHANGE_VERIFY_KEY;
    out->body = (struct body_verify){
        .identity = said->user,
        .nonce = bytes_of(call->auth->session.nonce, SESSION_NONCE_LEN),
        .digest = said->cnonce,
        .signed_response = wire_wrote(&w),
    };
    return true;
}

/* false: it cannot be right, whoever looks at it. */
static bool prepare(const struct http_call *call, const struct http_credentials *said,
                    struct prepared *out)
{
    const struct certificate *shown = call->request.certificate;
    if (said->has_certificate && said->signature.len == 0) {
        out->verify = EXCHANGE_VERIFY_CERTIFICATE;
        out->body = (struct body_verify){0};
        if (shown != NULL) {
            out->body.identity = shown->name;
        }
        return shown != NULL;
    }
    bool is_fit = said->user.handle.len > 0 && said->user.handle.len <= HANDLE_MAX;
    return is_fit && (said->scheme == HTTP_SCHEME_BASIC ? prepare_password(call, said, out)
                                                        : prepare_answer(call, said, out));
}

enum status http_auth_judge(struct http_call *call, const struct http_auth_question *question)
{
    struct prepared prepared;
    struct http_auth *auth = http_auth_of(call);
    if (auth == NULL) {
        return STATUS_NO_MEMORY;
    }
    if (!prepare(call, question->credentials, &prepared)) {
        auth->is_wrong = true;
        return question->go_on(call);
    }
    struct judging *judging = judging_begin(call, &prepared.body.identity, question->go_on);
    if (judging == NULL) {
        return STATUS_NO_MEMORY;
    }
    judging->is_kept = question->is_kept;
    return ask(call, prepared.verify, &prepared.body, on_judged);
}

/* --- the Authorization field -------------------------------------------------------------------
 */

/* The handler of a call that is judged first; it is put down behind the judgement's own state. */
static enum status go_on_or_refuse(struct http_call *call)
{
    return call->auth->is_wrong ? http_auth_refuse(call) : call->auth_go_on(call);
}

/* A session named and nothing else: it is in already, or its client wants to know our nonce. */
static enum status resume(struct http_call *call, const struct http_credentials *said)
{
    const struct web_session *session = &call->auth->session;
    if (!http_auth_is_in(call)) {
        return http_auth_prove(call, said->cnonce, call->auth_go_on);
    }
    const struct reference who = {bytes_of(session->handle, session->handle_len), session->index};
    enum status status = http_call_is_from(call, who);
    return status == STATUS_OK ? call->auth_go_on(call) : status;
}

static enum status begin_handle(struct http_call *call, const struct http_credentials *said)
{
    enum status status = http_auth_of(call) == NULL ? STATUS_NO_MEMORY : STATUS_OK;
    if (status == STATUS_OK && said->session.len > 0) {
        status = http_auth_name(call, said->session);
    }
    if (status != STATUS_OK) {
        return status == STATUS_SESSION_TIMEOUT ? http_auth_refuse(call) : status;
    }
    bool says_who = said->user.index != 0 || said->signature.len > 0;
    if (says_who || said->has_certificate) {
        return http_auth_judge(call,
                               &(struct http_auth_question){.credentials = said,
                                                            .is_kept = call->auth->has_session,
                                                            .go_on = go_on_or_refuse});
    }
    return resume(call, said);
}

enum status http_auth_begin(struct http_call *call, http_handler *next)
{
    struct http_credentials said;
    size_t count = http_request_field_count(&call->request, "Authorization");
    struct bytes field = http_request_field(&call->request, "Authorization");
    enum status status = STATUS_OK;
    if (http_key_is_shown(&call->request)) {
        return http_key_begin(call, next);
    }
    if (count == 0 || !call->request.is_tls) {
        return next(call);
    }
    call->auth_go_on = next;
    status =
        count == 1 ? http_credentials_read(call->scope->arena, field, &said) : STATUS_BAD_SYNTAX;
    if (status != STATUS_OK) {
        return status == STATUS_BAD_SYNTAX ? http_auth_refuse(call) : status;
    }
    if (said.scheme == HTTP_SCHEME_HANDLE) {
        return begin_handle(call, &said);
    }
    return http_auth_judge(
        call, &(struct http_auth_question){.credentials = &said, .go_on = go_on_or_refuse});
}
