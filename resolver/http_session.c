/* SPDX-License-Identifier: Apache-2.0
 *
 * /api/sessions and /api/verifications (protocol.md §9.7, §9.8). What a request carries is
 * verified, whatever it carried before: the reference server goes by the Authorization field alone.
 */
#include <stdlib.h>

#include "protocol/body.h"
#include "protocol/handle.h"
#include "protocol/opcode.h"
#include "protocol/secret_answer.h"
#include "protocol/text.h"
#include "resolver/http_auth.h"
#include "resolver/http_rest.h"
#include "resolver/http_route.h"

#define SESSIONS "/api/sessions"
#define VERIFICATIONS "/api/verifications/"
#define JSON_TYPE "application/json;charset=utf-8"
#define JSON_ROOM 4096

/* --- answers -----------------------------------------------------------------------------------
 */

static void put_text(struct rest_json *json, const char *name, struct bytes text)
{
    if (json->len > 1) {
        REST_JSON_RAW(json, ",");
    }
    rest_json_text(json, bytes_of_text(name));
    REST_JSON_RAW(json, ":");
    rest_json_text(json, text);
}

static void put_identity(struct rest_json *json, const struct web_session *session)
{
    char index[16];
    int len = snprintf(index, sizeof(index), "%u:", (unsigned)session->index);
    uint8_t room[sizeof(index) + HANDLE_MAX];
    struct wire_writer w = wire_write(room, sizeof(room));
    wire_put_raw(&w, bytes_of(index, (size_t)len));
    wire_put_raw(&w, bytes_of(session->handle, session->handle_len));
    REST_JSON_RAW(json, ",\"authenticated\":true");
    put_text(json, "id", wire_wrote(&w));
}

static struct bytes write_state(struct http_call *call, const char *error)
{
    struct arena *arena = call->scope->arena;
    struct rest_json json = rest_json_new(arena, JSON_ROOM);
    const struct http_auth *auth = call->auth;
    bool has_session = auth != NULL && auth->has_session;
    REST_JSON_RAW(&json, "{");
    if (has_session) {
        char *nonce = text_base64(arena, bytes_of(auth->session.nonce, SESSION_NONCE_LEN));
        put_text(&json, "sessionId", bytes_of_text(auth->session.id));
        put_text(&json, "nonce", bytes_of_text(nonce));
        if (auth->proof != NULL) {
            put_text(&json, "serverAlg", auth->proof_algorithm);
            put_text(&json, "serverSignature", auth->proof_signature);
        }
        if (http_auth_is_in(call)) {
            put_identity(&json, &auth->session);
        }
    } else {
        REST_JSON_RAW(&json, "\"authenticated\":false");
    }
    if (error != NULL) {
        put_text(&json, "error", bytes_of_text(error));
    }
    REST_JSON_RAW(&json, "}");
    return rest_json_wrote(&json);
}

static enum status send_state(struct http_call *call, unsigned status, const char *error)
{
    struct bytes body = write_state(call, error);
    if (body.len == 0) {
        return STATUS_NO_MEMORY;
    }
    http_reply_begin(call, status);
    if (status == 201) {
        http_reply_field(call, "Location", BYTES_LITERAL(SESSIONS "/this"));
    }
    if (status == 401) {
        http_auth_challenge(call);
    }
    http_reply_body(call, JSON_TYPE, body);
    return STATUS_OK;
}

/* --- what was sent -----------------------------------------------------------------------------
 */

/* The members of the body stand over those of the field, but for the session: both must agree. */
static enum status read_said(struct http_call *call, struct http_credentials *out)
{
    struct arena *arena = call->scope->arena;
    const struct http_request *request = &call->request;
    size_t count = http_request_field_count(request, "Authorization");
    struct bytes field = http_request_field(request, "Authorization");
    struct http_credentials body;
    *out = (struct http_credentials){.scheme = HTTP_SCHEME_NONE};
    enum status status = count == 0   ? STATUS_OK
                         : count == 1 ? http_credentials_read(arena, field, out)
                                      : STATUS_BAD_SYNTAX;
    if (status != STATUS_OK || request->body.len == 0) {
        return status;
    }
    status = http_credentials_read_json(arena, request->body, &body);
    if (status != STATUS_OK) {
        return status;
    }
    if (out->scheme == HTTP_SCHEME_HANDLE && out->session.len > 0 && body.session.len > 0 &&
        !bytes_equal(out->session, body.session)) {
        return STATUS_BAD_SYNTAX;
    }
    bool is_proof = body.user.index != 0 || body.signature.len > 0 || body.has_certificate;
    body.session = body.session.len > 0 ? body.session : out->session;
    if (is_proof || body.cnonce.len > 0 || out->scheme == HTTP_SCHEME_NONE) {
        *out = body;
    }
    return STATUS_OK;
}

/* The session of the path; "this": the one that is said. */
static struct bytes named(const struct http_call *call, const struct http_credentials *said)
{
    struct bytes path = bytes_from(call->request.path, strlen(SESSIONS "/"));
    return bytes_equal(path, BYTES_LITERAL("this")) ? said->session : path;
}

static bool proves(const struct http_credentials *said)
{
    return said->scheme == HTTP_SCHEME_BASIC || said->user.index != 0 || said->signature.len > 0 ||
           said->has_certificate;
}

/* --- POST --------------------------------------------------------------------------------------
 */

static enum status send_new(struct http_call *call)
{
    return call->auth->is_wrong ? http_auth_refuse(call) : send_state(call, 201, NULL);
}

static enum status open_session(struct http_call *call)
{
    struct http_credentials said;
    enum status status = read_said(call, &said);
    if (status == STATUS_BAD_SYNTAX) {
        return send_state(call, 400, "not understood");
    }
    status = status == STATUS_OK ? http_auth_open(call) : status;
    if (status != STATUS_OK) {
        return status;
    }
    bool is_now = said.scheme == HTTP_SCHEME_BASIC || said.has_certificate;
    if (is_now) {
        const struct http_auth_question question = {&said, true, send_new};
        return http_auth_judge(call, &question);
    }
    return http_auth_prove(call, said.cnonce, send_new);
}

/* --- GET, PUT, DELETE --------------------------------------------------------------------------
 */

static enum status send_judged(struct http_call *call)
{
    return call->auth->is_wrong ? send_state(call, 401, "Identity not verified")
                                : send_state(call, 200, NULL);
}

static enum status close_session(struct http_call *call)
{
    http_auth_leave(call);
    http_reply_begin(call, 204);
    http_reply_end(call);
    return STATUS_OK;
}

static enum status use_session(struct http_call *call, const struct http_credentials *said)
{
    if (call->request.verb == HTTP_VERB_DELETE) {
        return close_session(call);
    }
    if (call->request.verb == HTTP_VERB_PUT && proves(said)) {
        const struct http_auth_question question = {said, true, send_judged};
        return http_auth_judge(call, &question);
    }
    return http_auth_prove(call, said->cnonce, send_judged);
}

static enum status find_session(struct http_call *call)
{
    struct http_credentials said;
    enum status status = read_said(call, &said);
    if (status == STATUS_BAD_SYNTAX) {
        return send_state(call, 400, "not understood");
    }
    struct bytes id = status == STATUS_OK ? named(call, &said) : BYTES_NONE;
    if (status == STATUS_OK && id.len == 0) {
        return call->request.verb == HTTP_VERB_GET
                   ? send_state(call, 200, NULL)
                   : send_state(call, 403,
                                "which session? Authorization: Handle sessionId=\"...\"");
    }
    status = status == STATUS_OK ? http_auth_name(call, id) : status;
    if (status == STATUS_SESSION_TIMEOUT) {
        return send_state(call, 403, "no such session");
    }
    return status == STATUS_OK ? use_session(call, &said) : status;
}

enum status http_session_run(struct http_call *call)
{
    struct bytes rest = bytes_from(call->request.path, strlen(SESSIONS));
    if (!call->request.is_tls) {
        return send_state(call, 403, "sessions are for HTTPS only");
    }
    bool is_all = rest.len == 0 || bytes_equal(rest, BYTES_LITERAL("/"));
    if (is_all && call->request.verb == HTTP_VERB_POST) {
        return open_session(call);
    }
    if (is_all || call->request.verb == HTTP_VERB_POST) {
        http_reply_problem(call, 405, STATUS_NOT_SUPPORTED, NULL);
        return STATUS_OK;
    }
    return find_session(call);
}

/* --- verifications -----------------------------------------------------------------------------
 */

static enum status read_parameters(struct http_call *call, struct bytes text,
                                   struct http_credentials *out, struct bytes *out_nonce)
{
    struct arena *arena = call->scope->arena;
    struct http_parameter parameter;
    enum status status = STATUS_OK;
    while (status == STATUS_OK && http_parameter_next(arena, &text, &parameter, &status)) {
        if (bytes_equal(parameter.name, BYTES_LITERAL("nonce"))) {
            *out_nonce = parameter.value;
        } else if (status == STATUS_OK) {
            status = http_credentials_set(arena, parameter.name, parameter.value, out);
        }
    }
    return status;
}

/* What is to be verified: in the query, or as a form in the body. */
static enum status read_verification(struct http_call *call, struct body_verify *out,
                                     struct wire_writer *answer)
{
    struct arena *arena = call->scope->arena;
    const struct http_request *request = &call->request;
    struct http_credentials said = {.type = BYTES_LITERAL("HS_SECKEY")};
    struct bytes nonce = BYTES_NONE;
    struct bytes name;
    bool is_secret = false;
    enum status status =
        http_decode(arena, bytes_from(request->path, strlen(VERIFICATIONS)), false, &name);
    if (status == STATUS_OK) {
        status = handle_parse_reference(name, &said.user.index, &said.user.handle);
    }
    if (status == STATUS_OK) {
        status = read_parameters(call, request->query, &said, &nonce);
    }
    if (status == STATUS_OK && request->body.len > 0) {
        status = read_parameters(call, request->body, &said, &nonce);
    }
    if (status == STATUS_OK) {
        status = text_base64_parse(nonce, arena, &out->nonce);
    }
    if (status == STATUS_OK) {
        status = http_credentials_answer(&said, &is_secret, answer);
    }
    out->identity = said.user;
    out->digest = said.cnonce;
    out->signed_response = wire_wrote(answer);
    bool is_whole = out->nonce.len > 0 && said.cnonce.len > 0 && is_secret &&
                    said.user.handle.len <= HANDLE_MAX;
    return status == STATUS_OK && !is_whole ? STATUS_BAD_SYNTAX : status;
}

static enum status send_verdict(struct http_call *call, struct bytes handle, bool is_valid)
{
    struct rest_json json = rest_json_new(call->scope->arena, handle.len + 64);
    REST_JSON_RAW(&json, "{\"responseCode\":1,\"handle\":");
    rest_json_text(&json, handle);
    REST_JSON_RAW(&json, ",\"isValid\":");
    rest_json_raw(&json, is_valid ? BYTES_LITERAL("true") : BYTES_LITERAL("false"));
    REST_JSON_RAW(&json, "}");
    return http_rest_send(call, NULL,
                          &(struct http_rest_reply){.status = 200, .body = rest_json_wrote(&json)});
}

static enum status on_verified(struct http_call *call, const struct http_answer *answer)
{
    struct message message;
    struct bytes body;
    struct digest digest;
    bool has_digest;
    bool is_valid = false;
    struct body_verify asked;
    uint8_t room[SECRET_ANSWER_MAX];
    struct wire_writer w = wire_write(room, sizeof(room));
    if (read_verification(call, &asked, &w) != STATUS_OK || answer->status != STATUS_OK ||
        message_decode(answer->packet, &message) != STATUS_OK) {
        return http_rest_refuse(call, 503, STATUS_SERVER_BUSY, BYTES_NONE, BYTES_NONE);
    }
    if (message.header.response_code == status_wire_code(STATUS_OK) &&
        body_take_digest(&message, &body, &digest, &has_digest) == STATUS_OK &&
        body_verified_decode(body, &is_valid) == STATUS_OK) {
        return send_verdict(call, asked.identity.handle, is_valid);
    }
    const struct rest_asked about = {.handle = asked.identity.handle};
    return http_rest_answer(call, REST_CHANGE, &about, answer->packet);
}

enum status http_session_verify(struct http_call *call)
{
    struct body_verify asked;
    uint8_t room[SECRET_ANSWER_MAX];
    uint8_t packet[HANDLE_MAX + 512];
    struct wire_writer answer = wire_write(room, sizeof(room));
    struct wire_writer w = wire_write(packet, sizeof(packet));
    enum status status = read_verification(call, &asked, &answer);
    if (status != STATUS_OK) {
        return http_rest_refuse(call, 400, STATUS_PROTOCOL_ERROR,
                                BYTES_LITERAL("nonce, cnonce, alg and signature are needed"),
                                BYTES_NONE);
    }
    http_auth_write(call, &w, &asked);
    return w.failed ? http_rest_refuse(call, 400, STATUS_PROTOCOL_ERROR, BYTES_LITERAL("too long"),
                                       BYTES_NONE)
                    : http_ask(call, &(struct http_question){.packet = wire_wrote(&w),
                                                             .answered = on_verified});
}
