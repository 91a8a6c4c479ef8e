/* SPDX-License-Identifier: Apache-2.0
 *
 * Logins that a connection keeps (op_login.h).
 */
#include "resolver/op_login.h"

#include <openssl/crypto.h>

#include "protocol/body.h"
#include "resolver/exchange_progress.h"
#include "resolver/key_source.h"
#include "resolver/limit.h"
#include "resolver/login.h"
#include "resolver/worker.h"

static enum status refuse_malformed(struct exchange *x)
{
    return exchange_refuse(x, STATUS_PROTOCOL_ERROR, "malformed body");
}

static bool enter(struct exchange *x, struct reference identity)
{
    if (x->login != NULL && login_enter(x->login, identity, x->scope->now_ms) != STATUS_OK) {
        return false;
    }
    metrics_add(x->scope->metrics, METRIC_logins, 0, 1);
    return true;
}

/* --- 2001 --------------------------------------------------------------------------------------
 */

static bool is_same(struct bytes handle, uint32_t index, const struct reference *other)
{
    return index == other->index && bytes_equal(handle, other->handle);
}

/* Whoever asks to log in as somebody else is nobody until that is proved. */
static enum status challenge(struct exchange *x, const struct reference *wanted)
{
    struct reference now;
    if (x->login != NULL && login_get(x->login, x->scope->now_ms, &now) &&
        !is_same(now.handle, now.index, wanted)) {
        login_leave(x->login);
    }
    return exchange_challenge(x);
}

enum status op_login(struct exchange *x)
{
    struct reference wanted;
    if (body_login_decode(x->message.body, &wanted) != STATUS_OK) {
        return refuse_malformed(x);
    }
    const struct identity *claimed = exchange_identity(x);
    if (claimed == NULL || claimed->source != IDENTITY_ANSWER) {
        return challenge(x, &wanted);
    }
    if (!is_same(x->progress->answer.identity.handle, x->progress->answer.identity.index,
                 &wanted)) {
        return exchange_refuse(x, STATUS_AUTHENTICATION_FAILED, "");
    }
    enum status status = exchange_authenticate(x);
    if (status == STATUS_PENDING) {
        return status;
    }
    if (status == STATUS_OK &&
        !enter(x, (struct reference){.handle = claimed->handle, .index = claimed->index})) {
        status = STATUS_SERVER_BUSY;
    }
    if (status != STATUS_OK) {
        return exchange_refuse(x, status, "");
    }
    return exchange_close(x, exchange_open(x, STATUS_OK));
}

/* --- 2000 --------------------------------------------------------------------------------------
 */

static bool may_try(struct exchange *x, struct bytes handle)
{
    struct tries *tries = x->scope->services->tries;
    int64_t limit = x->scope->generation->settings->limits_verify;
    uint8_t source[SOURCE_LEN];
    sources_key(&x->peer, source);
    return tries_take(tries, TRIES_PASSWORD_ADDRESS, bytes_of(source, sizeof(source)), limit,
                      x->scope->now_ms) &&
           tries_take(tries, TRIES_PASSWORD_HANDLE, handle, limit, x->scope->now_ms);
}

/* The secret key of the handle that equals the password; 0: none. */
static uint32_t index_of_password(struct exchange *x, struct bytes handle, struct bytes password)
{
    struct verify_case keys = {.is_secret = true, .handle = handle};
    uint32_t index = 0;
    if (progress_of(x) == NULL || key_source_find(x, 0, &keys) != STATUS_OK) {
        return 0;
    }
    for (size_t i = 0; i < keys.key_count; i++) {
        struct bytes secret = keys.keys[i].data;
        if (secret.len > 0 && secret.len == password.len &&
            CRYPTO_memcmp(secret.data, password.data, secret.len) == 0) {
            index = keys.keys[i].index;
        }
    }
    return index;
}

static enum status log_in(struct exchange *x, struct bytes handle, struct bytes password)
{
    if (!may_try(x, handle)) {
        limit_hit(x->scope->services->worker, LIMIT_VERIFY, &x->peer);
        return exchange_refuse(x, STATUS_SERVER_BUSY, "");
    }
    uint32_t index = index_of_password(x, handle, password);
    if (index == 0) {
        return exchange_refuse(x, STATUS_AUTHENTICATION_FAILED, "");
    }
    if (!enter(x, (struct reference){.handle = handle, .index = index})) {
        return exchange_refuse(x, STATUS_SERVER_BUSY, "");
    }
    struct message_marks marks = exchange_open(x, STATUS_OK);
    const struct body_values nothing = {.handle = handle};
    body_values_encode(&x->reply, &nothing);
    return exchange_close(x, marks);
}

enum status op_login_password(struct exchange *x)
{
    struct body_resolution body; /* user name and, as its only type, the password */
    if (body_resolution_decode(x->message.body, &body) != STATUS_OK) {
        return refuse_malformed(x);
    }
    if (x->scope->services == NULL || !x->scope->generation->settings->auth_password_login) {
        return exchange_refuse(x, STATUS_NOT_SUPPORTED, "this operation is not supported here");
    }
    struct wire_reader r = wire_read(body.types);
    struct bytes password;
    if (body.type_count != 1 || !body_next_text(&r, &password)) {
        return refuse_malformed(x);
    }
    enum status status = log_in(x, body.handle, password);
    /* The transport's buffer would keep it until something longer comes. */
    OPENSSL_cleanse((void *)(uintptr_t)password.data, password.len);
    return status;
}
