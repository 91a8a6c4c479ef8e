/* SPDX-License-Identifier: Apache-2.0
 *
 * Verifications and proofs for clients over HTTP (inside_verify.h).
 */
#include "resolver/inside_verify.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "protocol/body.h"
#include "protocol/signature.h"
#include "resolver/attempts.h"
#include "resolver/certificate.h"
#include "resolver/exchange_progress.h"
#include "resolver/generation.h"
#include "resolver/key_remote.h"
#include "resolver/key_source.h"
#include "resolver/seal.h"
#include "resolver/sources.h"
#include "resolver/stream.h"

#define PROOF_ROOM (SIGNATURE_MAX + 64) /* a name and two lengths beside it */

enum status inside_verdict_decode(struct bytes body, struct inside_verdict *out)
{
    struct wire_reader r = wire_read(body);
    out->is_right = wire_u8(&r) == 1;
    out->index = wire_u32(&r);
    out->version = wire_u64(&r);
    return wire_ok(&r) ? STATUS_OK : STATUS_PROTOCOL_ERROR;
}

static enum status tell(struct exchange *x, bool is_right, uint32_t index)
{
    struct message_marks marks = exchange_open(x, STATUS_OK);
    wire_put_u8(&x->reply, is_right ? 1 : 0);
    wire_put_u32(&x->reply, index);
    wire_put_u64(&x->reply, x->progress->key_version);
    return exchange_close(x, marks);
}

static enum status give(struct exchange *x, enum status status, uint32_t index)
{
    bool is_judged = status == STATUS_OK || status == STATUS_AUTHENTICATION_FAILED ||
                     status == STATUS_UNABLE_TO_AUTHENTICATE;
    if (status == STATUS_PENDING || !is_judged) {
        return status == STATUS_PENDING ? status : exchange_refuse(x, status, "");
    }
    if (status == STATUS_AUTHENTICATION_FAILED) {
        (void)attempts_take(x, ATTEMPT_WRONG_ANSWER);
    }
    metrics_add(x->scope->metrics,
                status == STATUS_OK ? METRIC_authenticated : METRIC_authentication_failed, 0, 1);
    return tell(x, status == STATUS_OK, index);
}

/* --- keys --------------------------------------------------------------------------------------
 */

static enum status verify_answer(struct exchange *x, const struct body_verify *body)
{
    uint32_t index = body->identity.index;
    struct verify_case asked = {
        .is_secret = x->route.terms.verify == EXCHANGE_VERIFY_SECRET,
        .nonce = body->nonce,
        .digest = body->digest,
        .signed_response = body->signed_response,
        .handle = body->identity.handle,
    };
    const struct wait *wait = wait_result(x, WAIT_VERIFY);
    if (wait_is_out(x, WAIT_VERIFY)) {
        return STATUS_PENDING;
    }
    if (wait != NULL) {
        enum status status = verify_outcome(wait, &index);
        return give(x, status, index);
    }
    if (!attempts_are_left(x, ATTEMPT_WRONG_ANSWER)) {
        return exchange_refuse(x, STATUS_SERVER_BUSY, "");
    }
    enum status status = key_source_find(x, index, &asked);
    if (status == STATUS_NOT_RESPONSIBLE) {
        return give(x, key_remote_verify(x, index, &asked), index);
    }
    return give(x, status == STATUS_OK ? verify_start(x, &asked) : status, index);
}

/* --- certificates ------------------------------------------------------------------------------
 */

static enum status verify_certificate(struct exchange *x)
{
    const struct certificate *shown = stream_certificate(x->route.stream);
    if (shown == NULL) {
        return give(x, STATUS_UNABLE_TO_AUTHENTICATE, 0);
    }
    enum status status = progress_claim(x->progress, shown->name, IDENTITY_CERTIFICATE, false);
    if (status != STATUS_OK) {
        return exchange_refuse(x, STATUS_SERVER_BUSY, "");
    }
    return give(x, certificate_authenticate(x), x->progress->identity.index);
}

/* --- proofs ------------------------------------------------------------------------------------
 */

struct proving {
    struct wait wait;
    struct crypto_job job;
    EVP_PKEY *key;
    size_t signed_len;
    uint8_t nonce[SESSION_NONCE_LEN];
    uint8_t digest[SESSION_NONCE_LEN];
    uint8_t proof[PROOF_ROOM];
};

static void prove(struct crypto_job *job)
{
    struct proving *proving = (struct proving *)((char *)job - offsetof(struct proving, job));
    const struct message_version newest = {MESSAGE_VERSION_MAJOR, MESSAGE_VERSION_MINOR};
    const struct signature_scheme scheme = {
        .key = proving->key,
        .hash = signature_hash_for(proving->key, newest),
        .sm2_id = BYTES_LITERAL(SIGNATURE_SM2_ID),
    };
    uint8_t room[SIGNATURE_MAX];
    struct wire_writer signature = wire_write(room, sizeof(room));
    struct wire_writer w = wire_write(proving->proof, sizeof(proving->proof));
    proving->wait.status = signature_make(&scheme, bytes_of(proving->nonce, SESSION_NONCE_LEN),
                                          bytes_of(proving->digest, SESSION_NONCE_LEN), &signature);
    wire_put_bytes(&w, signature_hash_name(scheme.hash));
    wire_put_bytes(&w, wire_wrote(&signature));
    proving->signed_len = w.failed ? 0 : wire_wrote(&w).len;
}

static void proving_free(struct wait *wait)
{
    struct proving *proving = (struct proving *)wait;
    EVP_PKEY_free(proving->key);
    free(proving);
}

static enum status submit(struct exchange *x, struct proving *proving)
{
    uint8_t source[SOURCE_LEN];
    const struct exchange_services *services = x->scope->services;
    proving->job = (struct crypto_job){
        .mail = &proving->wait.mail,
        .home = services->mailbox,
        .work = prove,
    };
    enum status status = wait_begin(x, &proving->wait, WAIT_VERIFY, proving_free);
    if (status != STATUS_OK) {
        return status;
    }
    sources_key(&x->peer, source);
    status = crypto_pool_submit(services->pool, &proving->job, sources_hash(source, 0));
    if (status != STATUS_OK) {
        wait_cancel(x, &proving->wait);
    }
    return status == STATUS_OK ? STATUS_PENDING : status;
}

static enum status start_proof(struct exchange *x, const struct body_verify *body)
{
    EVP_PKEY *key = x->scope->generation->site_key;
    bool is_fit = body->nonce.len == SESSION_NONCE_LEN && body->digest.len == SESSION_NONCE_LEN &&
                  key != NULL;
    struct proving *proving = is_fit && seal_take_budget(x) ? calloc(1, sizeof(*proving)) : NULL;
    if (proving == NULL || EVP_PKEY_up_ref(key) != 1) {
        free(proving);
        return exchange_refuse(x, STATUS_SERVER_BUSY, "");
    }
    proving->key = key;
    memcpy(proving->nonce, body->nonce.data, SESSION_NONCE_LEN);
    memcpy(proving->digest, body->digest.data, SESSION_NONCE_LEN);
    enum status status = submit(x, proving);
    if (status != STATUS_PENDING) {
        proving_free(&proving->wait);
        return exchange_refuse(x, STATUS_SERVER_BUSY, "");
    }
    return status;
}

static enum status give_proof(struct exchange *x, const struct body_verify *body)
{
    if (wait_is_out(x, WAIT_VERIFY)) {
        return STATUS_PENDING;
    }
    const struct wait *wait = wait_result(x, WAIT_VERIFY);
    if (wait == NULL) {
        return start_proof(x, body);
    }
    const struct proving *proving = (const struct proving *)wait;
    if (wait->status != STATUS_OK || proving->signed_len == 0) {
        return exchange_refuse(x, STATUS_ERROR, "");
    }
    struct message_marks marks = exchange_open(x, STATUS_OK);
    wire_put_raw(&x->reply, bytes_of(proving->proof, proving->signed_len));
    return exchange_close(x, marks);
}

enum status inside_verify(struct exchange *x)
{
    struct body_verify body;
    if (body_verify_decode(x->message.body, &body) != STATUS_OK) {
        return exchange_refuse(x, STATUS_PROTOCOL_ERROR, "malformed body");
    }
    if (x->scope->services == NULL || progress_of(x) == NULL) {
        return exchange_refuse(x, STATUS_SERVER_BUSY, "");
    }
    switch (x->route.terms.verify) {
    case EXCHANGE_VERIFY_SECRET:
    case EXCHANGE_VERIFY_KEY:
        return verify_answer(x, &body);
    case EXCHANGE_VERIFY_CERTIFICATE:
        return verify_certificate(x);
    case EXCHANGE_PROVE:
        return give_proof(x, &body);
    case EXCHANGE_VERIFY_FOR_OTHERS:
        break;
    }
    return exchange_refuse(x, STATUS_NOT_SUPPORTED, "");
}
