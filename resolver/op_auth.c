/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers and questions about answers (op_auth.h).
 */
#include "resolver/op_auth.h"

#include "protocol/body.h"
#include "resolver/dispatch.h"
#include "resolver/exchange_progress.h"
#include "resolver/inside_verify.h"
#include "resolver/limit.h"
#include "resolver/lookup.h"
#include "resolver/verify.h"
#include "resolver/worker.h"

/* --- 200 ---------------------------------------------------------------------------------------
 */

/* In a session only its own identity may answer (§14 row 55). */
static bool is_of_session(const struct progress *progress)
{
    const struct session *session = progress->session;
    const struct reference *claimed = &progress->answer.identity;
    return session == NULL || session->is_anonymous ||
           (claimed->index == session->identity.index &&
            bytes_equal(claimed->handle, session->identity.handle));
}

/* Once: afterwards nobody can answer this challenge any more, right or wrong. */
static enum status take(struct exchange *x)
{
    struct progress *progress = x->progress;
    uint32_t id = x->message.envelope.session_id;
    enum status status = sessions_take_challenge(x->scope->services->sessions, x->scope->now_ms, id,
                                                 &x->peer, &progress->challenge);
    if (status == STATUS_OK) {
        progress->is_memorable = true;
        status = progress_claim(progress, progress->answer.identity, IDENTITY_ANSWER, false);
    }
    if (status == STATUS_OK && !is_of_session(progress)) {
        status = STATUS_AUTHENTICATION_FAILED;
    }
    return status;
}

/* From here on the exchange is about the original request; ids and version are the answer's. */
static enum status turn_back(struct exchange *x)
{
    const struct progress *progress = x->progress;
    const struct challenge *challenge = progress->challenge;
    const struct envelope asked = x->message.envelope;
    enum status status =
        message_decode(bytes_of(challenge->packet, challenge->packet_len), &x->message);
    if (status != STATUS_OK) {
        return exchange_refuse(x, STATUS_ERROR, "");
    }
    exchange_answer_head(x->scope, &asked, &x->message.header, &x->answer_envelope,
                         &x->answer_header);
    x->answer_envelope.session_id = progress->session == NULL ? 0 : progress->session->id;
    return dispatch_run(x);
}

enum status op_answer(struct exchange *x)
{
    struct body_answer body;
    if (body_answer_decode(x->message.body, &body) != STATUS_OK) {
        return exchange_refuse(x, STATUS_PROTOCOL_ERROR, "malformed body");
    }
    if (x->scope->services == NULL) { /* nothing is kept: every answer comes too late */
        return exchange_refuse(x, STATUS_AUTHENTICATION_TIMEOUT, "");
    }
    x->progress->answer = body;
    if (x->progress->challenge == NULL) {
        enum status status = take(x);
        if (status != STATUS_OK) {
            return exchange_refuse(x, status, "");
        }
    }
    return turn_back(x);
}

/* --- 201 ---------------------------------------------------------------------------------------
 */

static bool may_ask(struct exchange *x, struct bytes handle)
{
    const struct exchange_services *services = x->scope->services;
    int64_t limit = x->scope->generation->settings->limits_verify;
    uint8_t source[SOURCE_LEN];
    sources_key(&x->peer, source);
    int64_t now_ms = x->scope->now_ms;
    return tries_take(services->tries, TRIES_VERIFY_ADDRESS, bytes_of(source, sizeof(source)),
                      limit, now_ms) &&
           tries_take(services->tries, TRIES_VERIFY_HANDLE, handle, limit, now_ms);
}

static enum status tell(struct exchange *x, bool is_valid)
{
    struct message_marks marks = exchange_open(x, STATUS_OK);
    body_verified_encode(&x->reply, is_valid);
    return exchange_close(x, marks);
}

/* What the verifier needs, or what there is to refuse with. */
static enum status find(struct exchange *x, const struct body_verify *body, struct lookup *found,
                        struct verify_case *asked)
{
    struct value *values = NULL;
    size_t count = 0;
    enum status status = lookup_record(x->scope->snapshot, body->identity.handle, found);
    if (status != STATUS_OK) {
        return status;
    }
    struct wire_reader r = wire_read(found->record.values);
    if (value_list_decode(&r, x->scope->arena, &values, &count) != STATUS_OK) {
        return STATUS_ERROR;
    }
    verify_collect(asked, values, count, body->identity.index);
    return asked->key_count > 0 ? STATUS_OK : STATUS_VALUES_NOT_FOUND;
}

static enum status begin(struct exchange *x, const struct body_verify *body)
{
    struct lookup found;
    struct verify_case asked = {
        .is_secret = true,
        .nonce = body->nonce,
        .digest = body->digest,
        .signed_response = body->signed_response,
        .handle = body->identity.handle,
    };
    if (!may_ask(x, body->identity.handle)) {
        limit_hit(x->scope->services->worker, LIMIT_VERIFY, &x->peer);
        return exchange_refuse(x, STATUS_SERVER_BUSY, "");
    }
    enum status status = find(x, body, &found, &asked);
    if (status == STATUS_OK) {
        status = verify_start(x, &asked);
    }
    if (status == STATUS_AUTHENTICATION_FAILED) {
        return tell(x, false);
    }
    return status == STATUS_PENDING ? status : exchange_refuse(x, status, "");
}

enum status op_verify(struct exchange *x)
{
    struct body_verify body;
    if (x->route.terms.verify != EXCHANGE_VERIFY_FOR_OTHERS) {
        return inside_verify(x);
    }
    if (body_verify_decode(x->message.body, &body) != STATUS_OK) {
        return exchange_refuse(x, STATUS_PROTOCOL_ERROR, "malformed body");
    }
    if (x->scope->services == NULL) {
        return exchange_refuse(x, STATUS_NOT_SUPPORTED, "this operation is not supported here");
    }
    const struct wait *wait = wait_result(x, WAIT_VERIFY);
    if (wait == NULL) {
        return begin(x, &body);
    }
    uint32_t index = 0;
    enum status status = verify_outcome(wait, &index);
    bool is_judged = status == STATUS_OK || status == STATUS_AUTHENTICATION_FAILED;
    return is_judged ? tell(x, status == STATUS_OK) : exchange_refuse(x, STATUS_ERROR, "");
}
