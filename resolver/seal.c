/* SPDX-License-Identifier: Apache-2.0
 *
 * MACs and encryption here, signatures in the crypto pool (seal.h).
 *
 * The answer stands in the transport's buffer; its credential of no length is taken off and written
 * anew. What was done must be told even when nothing can be signed now: then the answer leaves
 * without a signature, and the client judges.
 */
#include "resolver/seal.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "protocol/opcode.h"
#include "protocol/session_cipher.h"
#include "protocol/session_mac.h"
#include "protocol/signature.h"
#include "resolver/exchange_progress.h"
#include "resolver/generation.h"
#include "resolver/limit.h"
#include "resolver/worker.h"

#define EMPTY_CREDENTIAL_LEN 4
#define ENVELOPE_FLAGS_AT 2
#define ENVELOPE_LENGTH_AT 16
#define BODY_LENGTH_AT (MESSAGE_ENVELOPE_LEN + MESSAGE_HEADER_LEN - 4)
#define ENCRYPTED_BIT 0x40
#define SIGNED_ROOM (SIGNATURE_MAX + 64) /* names, counters and lengths beside the signature */
#define BUDGET_SECOND 1000

struct signing {
    struct wait wait;
    struct crypto_job job;
    EVP_PKEY *key;
    struct envelope envelope;
    enum status outcome; /* what the answer says */
    enum status then;    /* OK or MORE */
    bool is_written;     /* the packet carries its signature */
    size_t len;
    size_t size;
    uint8_t packet[];
};

static struct message_marks marks_of(uint8_t *packet)
{
    return (struct message_marks){
        .message_len = packet + ENVELOPE_LENGTH_AT,
        .body_len = packet + BODY_LENGTH_AT,
    };
}

static bool is_certified(const struct exchange *x)
{
    return (x->answer_header.flags & (uint32_t)MESSAGE_CERTIFIED) != 0;
}

/* --- signatures --------------------------------------------------------------------------------
 */

static void sign(struct crypto_job *job)
{
    struct signing *signing = (struct signing *)((char *)job - offsetof(struct signing, job));
    uint8_t room[SIGNATURE_MAX];
    struct wire_writer signature = wire_write(room, sizeof(room));
    struct credential credential;
    struct bytes digested = bytes_of(signing->packet + MESSAGE_ENVELOPE_LEN,
                                     signing->len - MESSAGE_ENVELOPE_LEN - EMPTY_CREDENTIAL_LEN);
    enum status status = signature_message_make(signing->key, &signing->envelope, 0, digested,
                                                &signature, &credential);
    if (status == STATUS_OK) {
        struct wire_writer w = wire_write(signing->packet, signing->size);
        w.at += signing->len - EMPTY_CREDENTIAL_LEN;
        message_close(&w, marks_of(signing->packet), &credential);
        signing->is_written = !w.failed;
        signing->len = (size_t)(w.at - w.start);
    }
    signing->wait.status = status;
}

static void signing_free(struct wait *wait)
{
    struct signing *signing = (struct signing *)wait;
    EVP_PKEY_free(signing->key);
    free(signing);
}

static struct signing *signing_new(const struct exchange *x, struct bytes packet, enum status then)
{
    size_t size = packet.len + SIGNED_ROOM;
    struct signing *signing = calloc(1, sizeof(*signing) + size);
    if (signing == NULL) {
        return NULL;
    }
    EVP_PKEY *key = generation_signing_key(x->scope->generation, x->message.header.site_serial);
    if (EVP_PKEY_up_ref(key) == 1) {
        signing->key = key;
    }
    signing->job = (struct crypto_job){
        .mail = &signing->wait.mail,
        .home = x->scope->services->mailbox,
        .work = sign,
    };
    signing->envelope = x->answer_envelope;
    signing->outcome = x->outcome;
    signing->then = then;
    signing->size = size < MESSAGE_PACKET_MAX ? size : MESSAGE_PACKET_MAX;
    signing->len = packet.len;
    memcpy(signing->packet, packet.data, packet.len);
    return signing;
}

/* Within this worker's part of what may be signed a second. */
bool seal_take_budget(const struct exchange *x)
{
    struct worker *worker = x->scope->services->worker;
    struct seal_budget *budget = &worker->certified;
    int64_t workers = worker->options.worker_count > 0 ? (int64_t)worker->options.worker_count : 1;
    int64_t rate = x->scope->generation->settings->limits_certified / workers;
    rate = rate > 0 ? rate : 1;
    int64_t now_ms = net_now_ms(worker->options.net);
    int64_t passed_ms = now_ms - budget->filled_ms;
    passed_ms = passed_ms < BUDGET_SECOND ? passed_ms : BUDGET_SECOND;
    budget->filled_ms = now_ms;
    budget->left_millis += passed_ms * rate;
    if (budget->left_millis > rate * BUDGET_SECOND) {
        budget->left_millis = rate * BUDGET_SECOND;
    }
    if (budget->left_millis < BUDGET_SECOND) {
        limit_hit(worker, LIMIT_CERTIFIED, &x->peer);
        return false;
    }
    budget->left_millis -= BUDGET_SECOND;
    return true;
}

static enum status send_to_sign(struct exchange *x, struct bytes packet, enum status then)
{
    struct signing *signing = signing_new(x, packet, then);
    if (signing == NULL || signing->key == NULL) {
        free(signing);
        return STATUS_SERVER_BUSY;
    }
    enum status status = wait_begin(x, &signing->wait, WAIT_SIGN, signing_free);
    if (status == STATUS_OK) {
        uint8_t source[SOURCE_LEN];
        sources_key(&x->peer, source);
        status =
            crypto_pool_submit(x->scope->services->pool, &signing->job, sources_hash(source, 0));
        if (status != STATUS_OK) {
            wait_cancel(x, &signing->wait);
        }
    }
    if (status != STATUS_OK) {
        signing_free(&signing->wait);
        return status;
    }
    return STATUS_PENDING;
}

static enum status sign_answer(struct exchange *x, uint8_t *start, enum status then)
{
    bool was_done = x->progress != NULL && x->progress->is_memorable;
    bool is_late =
        x->progress != NULL && x->progress->parked != NULL && parked_is_late(x->progress->parked);
    if (x->scope->services == NULL || x->scope->generation->site_key == NULL || is_late) {
        return then;
    }
    enum status status = STATUS_SERVER_BUSY;
    if (was_done || seal_take_budget(x)) {
        status = send_to_sign(x, bytes_of(start, (size_t)(x->reply.at - start)), then);
    }
    if (status == STATUS_PENDING || was_done) {
        return status == STATUS_PENDING ? status : then;
    }
    x->reply.at = start;
    return exchange_refuse(x, STATUS_SERVER_BUSY, "");
}

bool seal_take_signed(struct exchange *x, enum status *out_status)
{
    struct signing *signing = (struct signing *)wait_result(x, WAIT_SIGN);
    if (signing == NULL) {
        return false;
    }
    if (!signing->is_written) {
        metrics_add(x->scope->metrics, METRIC_unsigned, 0, 1);
    }
    wire_put_raw(&x->reply, bytes_of(signing->packet, signing->len));
    x->outcome = signing->outcome;
    *out_status = x->reply.failed ? STATUS_DROP : signing->then;
    wait_forget(x, WAIT_SIGN);
    return true;
}

/* --- sessions ----------------------------------------------------------------------------------
 */

/* The answer to setting up or keying a session is signed instead, and one that ended has no key. */
static bool speaks_in_session(const struct exchange *x)
{
    uint32_t opcode = x->answer_header.opcode;
    return x->progress != NULL && x->progress->session != NULL && !x->progress->has_ended &&
           opcode != OPCODE_SESSION_SETUP && opcode != OPCODE_SESSION_EXCHANGE_KEY;
}

static enum status mac_answer(struct exchange *x, uint8_t *start)
{
    const struct session *session = x->progress->session;
    uint32_t counter = 0;
    if (sessions_next_counter(x->scope->services->sessions, session->id, &counter) != STATUS_OK) {
        return STATUS_NOT_FOUND;
    }
    uint8_t room[SESSION_MAC_MAX];
    struct credential credential;
    x->reply.at -= EMPTY_CREDENTIAL_LEN;
    struct bytes digested = bytes_of(start + MESSAGE_ENVELOPE_LEN,
                                     (size_t)(x->reply.at - start) - MESSAGE_ENVELOPE_LEN);
    enum status status =
        session_mac_make(bytes_of(session->key.data, session->key.len), &x->answer_envelope,
                         counter, digested, room, &credential);
    message_close(&x->reply, marks_of(start), status == STATUS_OK ? &credential : NULL);
    return x->reply.failed ? STATUS_NO_ROOM : STATUS_OK;
}

static bool is_to_be_encrypted(const struct exchange *x)
{
    const struct session *session = x->progress->session;
    bool may_unasked =
        message_version_compare(session->version, (struct message_version){2, 8}) >= 0;
    return (x->answer_header.flags & (uint32_t)MESSAGE_ENCRYPT) != 0 ||
           (x->progress->exposes && may_unasked);
}

static enum status encrypt_answer(struct exchange *x, uint8_t *start)
{
    const struct session *session = x->progress->session;
    struct bytes plain = bytes_of(start + MESSAGE_ENVELOPE_LEN,
                                  (size_t)(x->reply.at - start) - MESSAGE_ENVELOPE_LEN);
    uint8_t iv[SESSION_CIPHER_IV_MAX];
    size_t iv_len = session_cipher_iv_len(session->key.algorithm);
    size_t size = plain.len + SESSION_CIPHER_OVERHEAD_MAX;
    uint8_t *room = malloc(size);
    if (room == NULL) {
        return STATUS_NO_ROOM;
    }
    x->scope->random(iv, iv_len);
    struct wire_writer w = wire_write(room, size);
    enum status status =
        session_cipher_encrypt(&session->key, session->version, bytes_of(iv, iv_len), plain, &w);
    struct bytes sealed = wire_wrote(&w);
    if (status == STATUS_OK && sealed.len <= MESSAGE_MAX) {
        x->reply.at = start + MESSAGE_ENVELOPE_LEN;
        wire_put_raw(&x->reply, sealed);
        start[ENVELOPE_FLAGS_AT] |= ENCRYPTED_BIT;
        wire_store_u32(start + ENVELOPE_LENGTH_AT, (uint32_t)sealed.len);
    } else if (status == STATUS_OK) {
        status = STATUS_NO_ROOM;
    }
    free(room);
    return x->reply.failed ? STATUS_NO_ROOM : status;
}

static enum status seal_in_session(struct exchange *x, uint8_t *start)
{
    enum status status = is_certified(x) ? mac_answer(x, start) : STATUS_OK;
    if (status == STATUS_OK && is_to_be_encrypted(x)) {
        status = encrypt_answer(x, start);
        /* What may not be read by others does not leave in clear. */
        return status == STATUS_OK ? STATUS_OK : STATUS_DROP;
    }
    return status;
}

enum status seal_answer(struct exchange *x, uint8_t *start, enum status status)
{
    if (x->progress != NULL && x->progress->is_repetition) {
        return status;
    }
    if (speaks_in_session(x)) {
        enum status sealed = seal_in_session(x, start);
        if (sealed != STATUS_NOT_FOUND) {
            return sealed == STATUS_OK ? status : STATUS_DROP;
        }
    }
    return is_certified(x) ? sign_answer(x, start, status) : status;
}
