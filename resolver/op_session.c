/* SPDX-License-Identifier: Apache-2.0
 *
 * Sessions begin and end (op_session.h). The arithmetic of a set-up is done in the crypto pool.
 */
#include "resolver/op_session.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "protocol/pubkey.h"
#include "protocol/session_key.h"
#include "resolver/caller.h"
#include "resolver/exchange_progress.h"
#include "resolver/lookup.h"
#include "resolver/sources.h"
#include "resolver/verify.h"

#define SETUP_DATA_MAX 4096                            /* a DH record of 4 096 bits, with room */
#define SETUP_VERSION ((struct message_version){2, 7}) /* MACs below are weak or defective */
#define SESSION_MS_MIN 60000                           /* §14 row 64 */
#define ANONYMOUS_INDEX UINT32_MAX
#define TRAILING_ZEROS 2 /* every client of version 2 has them (§5.11) */

struct setup {
    struct wait wait;
    struct crypto_job job;
    uint16_t mode;
    enum session_algorithm algorithm;
    struct session_key key;
    size_t data_len; /* of the answer */
    uint8_t data[SETUP_DATA_MAX];
    size_t record_len; /* the client's key */
    uint8_t record[];
};

static enum status refuse(struct exchange *x, enum status status)
{
    return exchange_refuse(x, status, "");
}

static enum status refuse_malformed(struct exchange *x)
{
    return exchange_refuse(x, STATUS_PROTOCOL_ERROR, "malformed body");
}

/* --- in the pool -------------------------------------------------------------------------------
 */

static enum status agree(struct setup *setup, const struct pubkey *peer, struct wire_writer *w)
{
    EVP_PKEY *pair = NULL;
    if (peer->kind != PUBKEY_DH || peer->field_count != 3) {
        return STATUS_INVALID_SESSION_SETUP;
    }
    enum status status = session_key_pair_new(peer->fields[1], peer->fields[2], &pair);
    if (status == STATUS_OK) {
        status = session_key_agree(pair, peer, setup->algorithm, &setup->key);
    }
    if (status == STATUS_OK) {
        status = session_key_dh_encode(setup->algorithm, pair, w);
    }
    EVP_PKEY_free(pair);
    return status;
}

static enum status seal(struct setup *setup, const struct pubkey *peer, struct wire_writer *w)
{
    EVP_PKEY *key = NULL;
    if (pubkey_to_evp(peer, &key) != STATUS_OK) {
        return STATUS_NEED_RSA_KEY;
    }
    enum status status = session_key_random(setup->algorithm, &setup->key);
    if (status == STATUS_OK) {
        status = session_key_seal(key, &setup->key, w);
    }
    EVP_PKEY_free(key);
    return status;
}

static void work(struct crypto_job *job)
{
    struct setup *setup = (struct setup *)((char *)job - offsetof(struct setup, job));
    struct wire_writer w = wire_write(setup->data, sizeof(setup->data));
    struct pubkey peer;
    enum status status = pubkey_decode(bytes_of(setup->record, setup->record_len), &peer);
    if (status != STATUS_OK) {
        status = STATUS_INVALID_SESSION_SETUP;
    } else if (setup->mode == SESSION_DIFFIE_HELLMAN) {
        status = agree(setup, &peer, &w);
    } else {
        status = seal(setup, &peer, &w);
    }
    setup->data_len = wire_wrote(&w).len;
    setup->wait.status = status == STATUS_OK && w.failed ? STATUS_INVALID_SESSION_SETUP : status;
}

static void setup_free(struct wait *wait)
{
    struct setup *setup = (struct setup *)wait;
    session_key_cleanse(&setup->key);
    free(setup);
}

/* --- 400 ---------------------------------------------------------------------------------------
 */

/* The key record the session's key is agreed on with. */
static enum status find_record(struct exchange *x, const struct body_session_setup *body,
                               struct lookup *found, struct bytes *out_record)
{
    *out_record = body->public_key;
    if (body->mode != SESSION_HANDLE_KEY) {
        return STATUS_OK;
    }
    struct value *values = NULL;
    size_t count = 0;
    if (lookup_record(x->scope->snapshot, body->exchange_key.handle, found) != STATUS_OK) {
        return STATUS_NEED_RSA_KEY;
    }
    struct wire_reader r = wire_read(found->record.values);
    if (value_list_decode(&r, x->scope->arena, &values, &count) != STATUS_OK) {
        return STATUS_NEED_RSA_KEY;
    }
    struct verify_case keys = {.is_secret = false};
    verify_collect(&keys, values, count, body->exchange_key.index);
    if (keys.key_count == 0) {
        return STATUS_NEED_RSA_KEY;
    }
    *out_record = keys.keys[0].data;
    return STATUS_OK;
}

static enum session_algorithm algorithm_for(const struct exchange *x, uint16_t mode)
{
    bool is_national =
        x->message.envelope.suggested.major == 2 && x->message.envelope.suggested.minor == 10;
    return mode == SESSION_HANDLE_KEY && is_national &&
                   x->scope->generation->settings->auth_session_sm4
               ? SESSION_SM4
               : SESSION_AES;
}

static struct setup *setup_new(const struct exchange *x, uint16_t mode, struct bytes record)
{
    struct setup *setup = calloc(1, sizeof(*setup) + record.len);
    if (setup != NULL) {
        setup->mode = mode;
        setup->algorithm = algorithm_for(x, mode);
        setup->job = (struct crypto_job){
            .mail = &setup->wait.mail,
            .home = x->scope->services->mailbox,
            .work = work,
        };
        setup->record_len = record.len;
        if (record.len > 0) {
            memcpy(setup->record, record.data, record.len);
        }
    }
    return setup;
}

static enum status submit(struct exchange *x, struct setup *setup)
{
    uint8_t source[SOURCE_LEN];
    enum status status = wait_begin(x, &setup->wait, WAIT_SETUP, setup_free);
    if (status != STATUS_OK) {
        return status;
    }
    sources_key(&x->peer, source);
    status = crypto_pool_submit(x->scope->services->pool, &setup->job, sources_hash(source, 0));
    if (status != STATUS_OK) {
        wait_cancel(x, &setup->wait);
        return status;
    }
    return STATUS_PENDING;
}

static enum status begin(struct exchange *x, const struct body_session_setup *body)
{
    struct lookup found;
    struct bytes record;
    if (body->mode == SESSION_SERVER_KEY ||
        message_version_compare(x->answer_envelope.version, SETUP_VERSION) < 0) {
        return refuse(x, STATUS_INVALID_SESSION_SETUP);
    }
    enum status status = find_record(x, body, &found, &record);
    if (status != STATUS_OK) {
        return refuse(x, status);
    }
    struct setup *setup = setup_new(x, body->mode, record);
    if (setup == NULL) {
        return refuse(x, STATUS_SERVER_BUSY);
    }
    status = submit(x, setup);
    if (status != STATUS_PENDING) {
        setup_free(&setup->wait);
        return refuse(x, STATUS_SERVER_BUSY);
    }
    return STATUS_PENDING;
}

/* Seconds that were asked for, within what the node allows. */
static int64_t timeout_of(const struct exchange *x, uint32_t timeout_s)
{
    int64_t longest_ms = x->scope->generation->settings->auth_session_time;
    bool is_given = timeout_s > 0 && timeout_s <= INT32_MAX;
    int64_t wanted_ms = is_given ? (int64_t)timeout_s * 1000 : longest_ms;
    wanted_ms = wanted_ms > SESSION_MS_MIN ? wanted_ms : SESSION_MS_MIN;
    return wanted_ms < longest_ms ? wanted_ms : longest_ms;
}

static enum status finish(struct exchange *x, const struct body_session_setup *body,
                          const struct setup *setup)
{
    if (setup->wait.status != STATUS_OK) {
        return refuse(x, setup->wait.status);
    }
    const struct session_ask ask = {
        .key = &setup->key,
        .version = x->answer_envelope.version,
        .is_anonymous = body->identity.index == ANONYMOUS_INDEX || body->identity.handle.len == 0,
        .identity = body->identity,
        .timeout_ms = timeout_of(x, body->timeout_s),
        .peer = x->peer,
    };
    struct sessions_limits limits = caller_limits(x);
    uint32_t id = 0;
    enum status status =
        sessions_open(x->scope->services->sessions, &limits, x->scope->now_ms, &ask, &id);
    if (status != STATUS_OK) {
        return refuse(x, STATUS_SERVER_BUSY);
    }
    metrics_add(x->scope->metrics, METRIC_sessions_opened, 0, 1);
    caller_tell_displaced(x);
    x->answer_envelope.session_id = id;
    const struct body_session_answer answer = {
        .mode = body->mode,
        .data = bytes_of(setup->data, setup->data_len),
        .trailing_zeros = TRAILING_ZEROS,
    };
    struct message_marks marks = exchange_open(x, STATUS_OK);
    body_session_answer_encode(&x->reply, &answer);
    return exchange_close(x, marks);
}

enum status op_session_setup(struct exchange *x)
{
    struct body_session_setup body;
    enum status status = body_session_setup_decode(x->message.body, &body);
    if (status == STATUS_INVALID_SESSION_SETUP) {
        return refuse(x, status);
    }
    if (status != STATUS_OK || body.identity.handle.len > HANDLE_MAX) {
        return refuse_malformed(x);
    }
    if (x->scope->services == NULL) {
        return exchange_refuse(x, STATUS_NOT_SUPPORTED, "this operation is not supported here");
    }
    const struct setup *setup = (const struct setup *)wait_result(x, WAIT_SETUP);
    return setup == NULL ? begin(x, &body) : finish(x, &body, setup);
}

/* --- 401, 402 ----------------------------------------------------------------------------------
 */

/* OK: the message belongs to a session, and its MAC says so. */
static enum status judge_session(const struct exchange *x)
{
    const struct progress *progress = x->progress;
    if (progress == NULL || progress->session == NULL) {
        return STATUS_SESSION_TIMEOUT;
    }
    return progress->has_mac ? STATUS_OK : STATUS_INVALID_SESSION_KEY;
}

enum status op_session_terminate(struct exchange *x)
{
    struct bytes ignored;
    if (body_handle_decode(x->message.body, true, &ignored) != STATUS_OK) {
        return refuse_malformed(x);
    }
    enum status status = judge_session(x);
    if (status != STATUS_OK) {
        return refuse(x, status);
    }
    if (!x->progress->has_ended) {
        x->progress->has_ended = true; /* its answer is plain, and signed when certified */
        status = sessions_close(x->scope->services->sessions, x->progress->session->id);
    }
    if (status != STATUS_OK) {
        return refuse(x, status);
    }
    return exchange_close(x, exchange_open(x, STATUS_OK));
}

enum status op_session_exchange(struct exchange *x)
{
    struct bytes encrypted_key;
    if (body_exchange_key_decode(x->message.body, &encrypted_key) != STATUS_OK) {
        return refuse_malformed(x);
    }
    /* No session waits for a key: the mode in which a client sends one is refused. */
    enum status status = judge_session(x);
    return refuse(x, status == STATUS_OK ? STATUS_INVALID_SESSION_SETUP : status);
}
