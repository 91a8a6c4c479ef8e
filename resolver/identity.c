/* SPDX-License-Identifier: Apache-2.0
 *
 * Claims and their verification (identity.h; protocol.md §7.1 steps 3 to 5, §7.4).
 */
#include "resolver/identity.h"

#include <stdlib.h>

#include "resolver/attempts.h"
#include "resolver/certificate.h"
#include "resolver/exchange_progress.h"
#include "resolver/key_remote.h"
#include "resolver/key_source.h"
#include "resolver/login.h"

const struct identity *exchange_identity(const struct exchange *x)
{
    const struct progress *progress = x->progress;
    return progress != NULL && progress->has_identity ? &progress->identity : NULL;
}

enum status exchange_demand_identity(struct exchange *x)
{
    bool is_in_session = x->progress != NULL && x->progress->session != NULL;
    if (!exchange_is_national(x) || is_in_session) {
        return exchange_challenge(x);
    }
    /* The words national nodes use; people see them in the SDK's exception. */
    return x->login != NULL && x->login->was_in
               ? exchange_refuse(x, STATUS_RELOGIN, "please login again")
               : exchange_refuse(x, STATUS_LOGIN_FIRST, "please login first");
}

/* --- the answer to a challenge -----------------------------------------------------------------
 */

/* The session is this identity's from now on: its MAC alone will do. */
static void authenticate_session(struct exchange *x)
{
    const struct session *session = x->progress->session;
    if (session != NULL && !session->is_anonymous) {
        sessions_authenticate(x->scope->services->sessions, session->id,
                              x->progress->identity.index);
    }
}

static enum status believe(struct exchange *x, uint32_t index)
{
    x->progress->identity.index = index;
    x->progress->identity.is_verified = true;
    authenticate_session(x);
    return STATUS_OK;
}

static enum status start(struct exchange *x)
{
    const struct progress *progress = x->progress;
    const struct challenge *challenge = progress->challenge;
    struct verify_case asked = {
        .is_secret = value_type_is(progress->answer.type, BYTES_LITERAL("HS_SECKEY")),
        .nonce = bytes_of(challenge->nonce, SESSION_NONCE_LEN),
        .digest = bytes_of(challenge->digest.data, challenge->digest.len),
        .signed_response = progress->answer.signed_response,
        .handle = progress->answer.identity.handle,
    };
    if (!asked.is_secret && !value_type_is(progress->answer.type, BYTES_LITERAL("HS_PUBKEY"))) {
        return STATUS_AUTHENTICATION_FAILED;
    }
    if (!attempts_are_left(x, ATTEMPT_WRONG_ANSWER)) {
        return STATUS_SERVER_BUSY;
    }
    enum status status = key_source_find(x, progress->answer.identity.index, &asked);
    if (status == STATUS_NOT_RESPONSIBLE) {
        status = key_remote_verify(x, progress->answer.identity.index, &asked);
        return status == STATUS_OK ? believe(x, progress->answer.identity.index) : status;
    }
    return status == STATUS_OK ? verify_start(x, &asked) : status;
}

static enum status take_verdict(struct exchange *x, const struct wait *wait)
{
    uint32_t index = 0;
    enum status status = verify_outcome(wait, &index);
    if (status == STATUS_OK) {
        status = believe(x, index);
    } else if (status != STATUS_AUTHENTICATION_FAILED) {
        status = STATUS_UNABLE_TO_AUTHENTICATE;
    }
    wait_forget(x, WAIT_VERIFY);
    return status;
}

static enum status judge_answer(struct exchange *x)
{
    struct progress *progress = x->progress;
    if (progress->has_verdict) {
        return progress->verdict;
    }
    if (wait_is_out(x, WAIT_VERIFY)) {
        return STATUS_PENDING;
    }
    const struct wait *wait = wait_result(x, WAIT_VERIFY);
    enum status status = wait != NULL ? take_verdict(x, wait) : start(x);
    if (status == STATUS_PENDING) {
        return status;
    }
    progress->has_verdict = true;
    progress->verdict = status;
    if (status == STATUS_AUTHENTICATION_FAILED) {
        (void)attempts_take(x, ATTEMPT_WRONG_ANSWER);
    }
    metrics_add(x->scope->metrics,
                status == STATUS_OK ? METRIC_authenticated : METRIC_authentication_failed, 0, 1);
    return status;
}

enum status exchange_authenticate(struct exchange *x)
{
    struct progress *progress = x->progress;
    if (progress == NULL || !progress->has_identity) {
        return STATUS_AUTHENTICATION_NEEDED;
    }
    switch (progress->identity.source) {
    case IDENTITY_ANSWER:
        return judge_answer(x);
    case IDENTITY_SESSION:
        progress->identity.is_verified = progress->has_mac;
        return progress->has_mac ? STATUS_OK : STATUS_INVALID_CREDENTIAL;
    case IDENTITY_LOGIN:
        return STATUS_OK;
    case IDENTITY_CERTIFICATE:
        return certificate_authenticate(x);
    }
    return STATUS_AUTHENTICATION_FAILED;
}

/* --- answers in several messages ---------------------------------------------------------------
 */

enum status exchange_more(struct exchange *x, struct bytes last_key)
{
    struct progress *progress = progress_of(x);
    uint8_t *copy = malloc(last_key.len + 1);
    if (progress == NULL || copy == NULL || x->reply.failed || wait_stay(x) != STATUS_OK) {
        free(copy);
        return STATUS_DROP;
    }
    if (last_key.len > 0) {
        memcpy(copy, last_key.data, last_key.len);
    }
    free(progress->last_key);
    progress->last_key = copy;
    progress->last_key_len = last_key.len;
    return STATUS_MORE;
}

struct bytes exchange_last(const struct exchange *x)
{
    const struct progress *progress = x->progress;
    return progress == NULL ? BYTES_NONE : bytes_of(progress->last_key, progress->last_key_len);
}

void exchange_exposes(struct exchange *x)
{
    if (x->progress != NULL) { /* nobody without one is in a session */
        x->progress->exposes = true;
    }
}
