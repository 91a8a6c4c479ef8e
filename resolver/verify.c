/* SPDX-License-Identifier: Apache-2.0
 *
 * One block for everything a verification needs, cleansed when it goes (verify.h).
 */
#include "resolver/verify.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "protocol/pubkey.h"
#include "protocol/secret_answer.h"
#include "protocol/signature.h"
#include "resolver/exchange_progress.h"
#include "resolver/sources.h"

struct verification {
    struct wait wait;
    struct crypto_job job;
    struct verify_case asked;
    uint32_t index;
    size_t size; /* of the whole block */
    uint8_t store[];
};

/* --- in the pool -------------------------------------------------------------------------------
 */

static enum status check_secret(const struct verify_case *asked, struct bytes secret)
{
    const struct secret_challenge challenge = {.nonce = asked->nonce, .digest = asked->digest};
    return secret_answer_check(secret, &challenge, asked->signed_response);
}

static enum status check_key(const struct verify_case *asked, EVP_PKEY *key)
{
    struct signature_challenge challenge = {
        .user_handle = asked->handle,
        .nonce = asked->nonce,
        .digest = asked->digest,
    };
    enum status status = signature_answer_check(key, &challenge, asked->signed_response);
    if (status == STATUS_AUTHENTICATION_FAILED && asked->stored.len > 0 &&
        EVP_PKEY_is_a(key, "SM2") && !bytes_equal(asked->stored, asked->handle)) {
        challenge.user_handle = asked->stored;
        status = signature_answer_check(key, &challenge, asked->signed_response);
    }
    return status;
}

static enum status check_public(const struct verify_case *asked, struct bytes record)
{
    struct pubkey pubkey;
    EVP_PKEY *key = NULL;
    enum status status = pubkey_decode(record, &pubkey);
    if (status == STATUS_OK) {
        status = pubkey_to_evp(&pubkey, &key);
    }
    if (status != STATUS_OK) { /* §14 row 51 */
        return STATUS_AUTHENTICATION_FAILED;
    }
    status = check_key(asked, key);
    EVP_PKEY_free(key);
    return status;
}

static void work(struct crypto_job *job)
{
    struct verification *verification =
        (struct verification *)((char *)job - offsetof(struct verification, job));
    const struct verify_case *asked = &verification->asked;
    enum status status = STATUS_AUTHENTICATION_FAILED;
    for (size_t i = 0; i < asked->key_count && status != STATUS_OK; i++) {
        status = asked->is_secret ? check_secret(asked, asked->keys[i].data)
                                  : check_public(asked, asked->keys[i].data);
        verification->index = asked->keys[i].index;
    }
    verification->wait.status = status;
}

/* --- around it ---------------------------------------------------------------------------------
 */

static void verification_free(struct wait *wait)
{
    struct verification *verification = (struct verification *)wait;
    OPENSSL_cleanse(verification->store, verification->size);
    free(verification);
}

static void own(struct wire_writer *w, struct bytes *borrowed)
{
    struct bytes from = *borrowed;
    borrowed->data = w->at;
    wire_put_raw(w, from);
}

static size_t bytes_needed(const struct verify_case *asked)
{
    size_t size = asked->nonce.len + asked->digest.len + asked->signed_response.len +
                  asked->handle.len + asked->stored.len;
    for (size_t i = 0; i < asked->key_count; i++) {
        size += asked->keys[i].data.len;
    }
    return size;
}

static struct verification *verification_new(const struct verify_case *asked)
{
    size_t size = bytes_needed(asked);
    struct verification *verification = calloc(1, sizeof(*verification) + size);
    if (verification == NULL) {
        return NULL;
    }
    verification->size = size;
    verification->asked = *asked;
    struct verify_case *owned = &verification->asked;
    struct wire_writer w = wire_write(verification->store, size);
    own(&w, &owned->nonce);
    own(&w, &owned->digest);
    own(&w, &owned->signed_response);
    own(&w, &owned->handle);
    own(&w, &owned->stored);
    for (size_t i = 0; i < owned->key_count; i++) {
        own(&w, &owned->keys[i].data);
    }
    return verification;
}

/* Forms that need no secret to be refused, and more work than one key may cost: an identity without
 * index has it done for each. */
static bool is_refused(const struct exchange *x, const struct verify_case *asked)
{
    struct body_mac mac;
    uint32_t keys = asked->key_count > 0 ? (uint32_t)asked->key_count : 1;
    if (!asked->is_secret) {
        return false;
    }
    if (body_mac_decode(asked->signed_response, &mac) != STATUS_OK) {
        return true;
    }
    bool is_md5 = mac.form == SECRET_MD5_BARE || mac.form == SECRET_MD5;
    if (mac.form == SECRET_PBKDF2 && mac.iterations > SECRET_ANSWER_ITERATIONS_MAX / keys) {
        return true;
    }
    return is_md5 && !x->scope->generation->settings->auth_md5_answers;
}

static enum status submit(struct exchange *x, struct verification *verification)
{
    const struct exchange_services *services = x->scope->services;
    uint8_t source[SOURCE_LEN];
    verification->job = (struct crypto_job){
        .mail = &verification->wait.mail,
        .home = services->mailbox,
        .work = work,
    };
    enum status status = wait_begin(x, &verification->wait, WAIT_VERIFY, verification_free);
    if (status != STATUS_OK) {
        return status;
    }
    sources_key(&x->peer, source);
    status = crypto_pool_submit(services->pool, &verification->job, sources_hash(source, 0));
    if (status != STATUS_OK) {
        wait_cancel(x, &verification->wait);
        return status;
    }
    return STATUS_PENDING;
}

enum status verify_start(struct exchange *x, const struct verify_case *asked)
{
    if (is_refused(x, asked)) {
        return STATUS_AUTHENTICATION_FAILED;
    }
    if (x->scope->services == NULL) {
        return STATUS_SERVER_BUSY;
    }
    struct verification *verification = verification_new(asked);
    if (verification == NULL) {
        return STATUS_SERVER_BUSY;
    }
    enum status status = submit(x, verification);
    if (status != STATUS_PENDING) {
        verification_free(&verification->wait);
    }
    return status;
}

enum status verify_outcome(const struct wait *wait, uint32_t *out_index)
{
    *out_index = ((const struct verification *)wait)->index;
    return wait->status;
}

void verify_collect(struct verify_case *out_case, const struct value *values, size_t count,
                    uint32_t index)
{
    struct bytes type =
        out_case->is_secret ? BYTES_LITERAL("HS_SECKEY") : BYTES_LITERAL("HS_PUBKEY");
    for (size_t i = 0; i < count && out_case->key_count < VERIFY_KEYS_MAX; i++) {
        if ((index == 0 || values[i].index == index) && value_type_is(values[i].type, type)) {
            out_case->keys[out_case->key_count++] = (struct verify_key){
                .index = values[i].index,
                .data = values[i].data,
            };
        }
    }
}
