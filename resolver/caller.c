/* SPDX-License-Identifier: Apache-2.0
 *
 * Sessions, logins and repetitions (caller.h).
 *
 * Every MAC that is there is judged before the operation is looked at (protocol.md §7.1, step 5);
 * that one is missing matters only to operations that need an identity. A client may number its
 * messages as it likes (§12.5): only a MAC, encryption or an answer claims a session.
 */
#include "resolver/caller.h"

#include <stdlib.h>

#include "protocol/opcode.h"
#include "protocol/session_cipher.h"
#include "protocol/session_mac.h"
#include "resolver/certificate.h"
#include "resolver/exchange_progress.h"
#include "resolver/limit.h"
#include "resolver/login.h"
#include "resolver/sources.h"
#include "resolver/stream.h"

#define ENCRYPTED_AT 2 /* the envelope's flag byte */
#define ENCRYPTED_BIT 0x40
#define LENGTH_AT 16

static const struct exchange_services *services_of(const struct exchange *x)
{
    return x->scope->services;
}

struct sessions_limits caller_limits(const struct exchange *x)
{
    const struct generation *generation = x->scope->generation;
    const struct settings *settings = generation->settings;
    bool is_trusted = sources_trust(&x->peer, generation->trusted, generation->trusted_count);
    return (struct sessions_limits){
        .challenges = (size_t)settings->limits_challenges,
        .challenge_bytes = (size_t)settings->limits_challenge_bytes,
        .challenges_per_source =
            is_trusted ? SIZE_MAX : (size_t)settings->limits_challenges_per_source,
        .challenge_ms = settings->auth_challenge_time,
        .sessions = (size_t)settings->limits_sessions,
        .sessions_per_source = is_trusted ? SIZE_MAX : (size_t)settings->limits_sessions_per_source,
    };
}

/* --- the session -------------------------------------------------------------------------------
 */

/* Finds the session the envelope names, once. */
static enum status find_session(struct exchange *x, uint32_t id)
{
    struct progress *progress = progress_of(x);
    if (progress == NULL) {
        return STATUS_NO_MEMORY;
    }
    return progress->session != NULL
               ? STATUS_OK
               : sessions_get(services_of(x)->sessions, x->scope->now_ms, id, &progress->session);
}

static enum status decrypt(struct progress *progress, struct bytes request,
                           struct bytes *out_packet)
{
    const struct session *session = progress->session;
    uint8_t *room = malloc(request.len);
    if (room == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct wire_writer w = wire_write(room, request.len);
    wire_put_raw(&w, bytes_of(request.data, MESSAGE_ENVELOPE_LEN));
    enum status status = session_cipher_decrypt(&session->key, session->version,
                                                bytes_from(request, MESSAGE_ENVELOPE_LEN), &w);
    if (status != STATUS_OK) {
        free(room);
        return STATUS_SESSION_FAILED;
    }
    progress->opened = room;
    progress->opened_len = request.len;
    *out_packet = wire_wrote(&w);
    room[ENCRYPTED_AT] &= (uint8_t)~ENCRYPTED_BIT;
    wire_store_u32(room + LENGTH_AT, (uint32_t)(out_packet->len - MESSAGE_ENVELOPE_LEN));
    progress->was_encrypted = true;
    return STATUS_OK;
}

/* As the envelope of what was opened says. */
static struct bytes opened_packet(const struct progress *progress)
{
    struct envelope envelope;
    struct bytes all = bytes_of(progress->opened, progress->opened_len);
    bool is_whole = envelope_decode(all, &envelope) == STATUS_OK;
    return is_whole ? bytes_of(all.data, MESSAGE_ENVELOPE_LEN + (size_t)envelope.message_len)
                    : BYTES_NONE;
}

enum status caller_decrypt(struct exchange *x, const struct envelope *asked,
                           struct bytes *out_packet)
{
    bool names_session = asked->session_id > 0 && asked->session_id <= INT32_MAX;
    if (!names_session) { /* §14 rows 7, 8: ids are signed words to clients */
        return STATUS_SESSION_FAILED;
    }
    if (services_of(x) == NULL) {
        return STATUS_SESSION_TIMEOUT;
    }
    if (x->progress != NULL && x->progress->opened != NULL) {
        *out_packet = opened_packet(x->progress);
        return STATUS_OK;
    }
    enum status status = find_session(x, asked->session_id);
    return status == STATUS_OK ? decrypt(x->progress, x->request, out_packet) : status;
}

static bool has_mac(const struct exchange *x)
{
    const struct credential *credential = &x->message.credential;
    return credential->is_present &&
           bytes_equal(credential->type, BYTES_LITERAL(SESSION_MAC_NAME_HS_MAC));
}

static enum status judge_mac(struct exchange *x)
{
    struct progress *progress = x->progress;
    const struct session *session = progress->session;
    uint32_t counter = x->message.credential.counter;
    enum status status = session_mac_check(bytes_of(session->key.data, session->key.len),
                                           session->version, &x->message);
    if (status == STATUS_NOT_SUPPORTED) {
        status = STATUS_INVALID_CREDENTIAL;
    }
    if (status != STATUS_OK) {
        return progress->was_encrypted ? STATUS_SESSION_FAILED : status;
    }
    if (counter == 0) { /* §14 row 61 */
        return STATUS_SESSION_REJECTED;
    }
    status = sessions_take_counter(services_of(x)->sessions, session->id, counter);
    if (status == STATUS_OK) {
        progress->has_mac = true;
        progress->is_memorable = true;
    }
    return status;
}

static enum status name_session(struct exchange *x)
{
    uint32_t id = x->message.envelope.session_id;
    if (id == 0) {
        return has_mac(x) ? STATUS_SESSION_TIMEOUT : STATUS_OK;
    }
    enum status status = find_session(x, id);
    if (status == STATUS_SESSION_TIMEOUT && !has_mac(x)) {
        return STATUS_OK;
    }
    if (status != STATUS_OK || !x->message.credential.is_present) {
        return status;
    }
    return judge_mac(x);
}

/* --- who is claimed without an answer ----------------------------------------------------------
 */

static enum status claim(struct exchange *x)
{
    struct progress *progress = x->progress;
    const struct session *session = progress->session;
    struct reference identity;
    if (session != NULL && session->is_authenticated) {
        identity =
            (struct reference){.handle = session->identity.handle, .index = session->proved_index};
        return progress_claim(progress, identity, IDENTITY_SESSION, false);
    }
    if (session == NULL && x->login != NULL && login_get(x->login, x->scope->now_ms, &identity)) {
        return progress_claim(progress, identity, IDENTITY_LOGIN, true);
    }
    const struct certificate *shown = stream_certificate(x->route.stream);
    if (session == NULL && shown != NULL) {
        return progress_claim(progress, shown->name, IDENTITY_CERTIFICATE, false);
    }
    return STATUS_OK;
}

/* --- repetitions -------------------------------------------------------------------------------
 */

/* Its connection says who asks. */
static bool is_known(const struct exchange *x)
{
    return (x->login != NULL && login_is_in(x->login)) ||
           stream_certificate(x->route.stream) != NULL;
}

/* What must not be done twice: an answer uses up its challenge, a MAC its counter; and writes of a
 * connection that is known. */
static bool is_unrepeatable(const struct exchange *x)
{
    uint32_t opcode = x->message.header.opcode;
    const struct opcode_row *row = opcode_find(opcode);
    bool writes = row != NULL && row->effect == OPCODE_WRITE;
    return opcode == OPCODE_CHALLENGE_RESPONSE || has_mac(x) || x->progress->was_encrypted ||
           (writes && is_known(x));
}

/* Two behind one address may send the same bytes; the answer is for the one of them who asked. */
static struct reference known_as(const struct exchange *x)
{
    struct reference known = {0};
    const struct certificate *shown = stream_certificate(x->route.stream);
    if (x->login == NULL || !login_get(x->login, x->scope->now_ms, &known)) {
        known = shown != NULL ? shown->name : (struct reference){0};
    }
    return known;
}

static void free_wait(struct wait *wait)
{
    free(wait);
}

static enum status wait_for_first(struct exchange *x)
{
    struct wait *wait = calloc(1, sizeof(*wait));
    enum status status =
        wait == NULL ? STATUS_NO_MEMORY : wait_begin(x, wait, WAIT_FIRST, free_wait);
    if (status != STATUS_OK) {
        free(wait);
        return STATUS_DROP;
    }
    wait_a_moment(x, wait);
    return STATUS_PENDING;
}

/* false: it is a repetition, and `out_status` says what becomes of it. */
static bool is_first(struct exchange *x, enum status *out_status)
{
    struct progress *progress = x->progress;
    size_t len = 0;
    bool is_udp = x->transport == EXCHANGE_UDP;
    if (progress->is_first || !is_unrepeatable(x) ||
        duplicate_key_of(&x->peer, is_udp, known_as(x), x->request, &progress->duplicate) !=
            STATUS_OK ||
        (size_t)(x->reply.end - x->reply.at) < MESSAGE_PACKET_MAX) {
        return true;
    }
    struct duplicates *duplicates = services_of(x)->duplicates;
    enum duplicate_verdict verdict =
        duplicates_enter(duplicates, x->scope->now_ms, &progress->duplicate, x->reply.at, &len);
    limit_hits(services_of(x)->worker, LIMIT_DUPLICATES, &x->peer,
               duplicates_take_displaced(duplicates));
    switch (verdict) {
    case DUPLICATE_FIRST:
        progress->is_first = true;
        return true;
    case DUPLICATE_ANSWERED:
        (void)wire_room(&x->reply, len);
        x->outcome = STATUS_OK;
        *out_status = STATUS_OK;
        break;
    case DUPLICATE_RUNNING: /* over UDP the first's answer goes where this one's would */
        wait_forget(x, WAIT_FIRST);
        *out_status = is_udp ? STATUS_DROP : wait_for_first(x);
        break;
    case DUPLICATE_CROWDED:
        limit_hit(services_of(x)->worker, LIMIT_CROWDED, &x->peer);
        *out_status = exchange_refuse(x, STATUS_SERVER_BUSY, "");
        return false;
    }
    metrics_add(x->scope->metrics, METRIC_repeated, 0, 1);
    progress->is_repetition = true;
    return false;
}

/* Nothing to be known about the one who asks. */
static bool is_anonymous(const struct exchange *x)
{
    return x->message.envelope.session_id == 0 && !x->message.credential.is_present &&
           x->progress == NULL && !is_known(x) &&
           x->message.header.opcode != OPCODE_CHALLENGE_RESPONSE;
}

static enum status know(struct exchange *x)
{
    enum status status = name_session(x);
    if (status == STATUS_OK) {
        status = claim(x);
    }
    x->progress->is_admitted = status == STATUS_OK;
    return status;
}

bool caller_admit(struct exchange *x, enum status *out_status)
{
    if (is_anonymous(x)) {
        return true;
    }
    if (services_of(x) == NULL) { /* nothing is kept: nobody has a session */
        bool is_claimed = has_mac(x);
        if (is_claimed) {
            *out_status = exchange_refuse(x, STATUS_SESSION_TIMEOUT, "");
        }
        return !is_claimed;
    }
    if (progress_of(x) == NULL) {
        *out_status = exchange_refuse(x, STATUS_NO_MEMORY, "");
        return false;
    }
    x->progress->is_repetition = false;
    if (x->progress->is_admitted) {
        return true;
    }
    if (!is_first(x, out_status)) {
        return false;
    }
    enum status status = know(x);
    if (status != STATUS_OK) {
        *out_status = exchange_refuse(x, status, "");
    }
    return status == STATUS_OK;
}

/* --- keeping -----------------------------------------------------------------------------------
 */

void caller_tell_displaced(const struct exchange *x)
{
    const struct exchange_services *services = services_of(x);
    size_t challenges = 0;
    size_t sessions = 0;
    sessions_take_displaced(services->sessions, &challenges, &sessions);
    limit_hits(services->worker, LIMIT_CHALLENGES, &x->peer, challenges);
    limit_hits(services->worker, LIMIT_SESSIONS, &x->peer, sessions);
}

/* Never 0 (no session), never negative: clients keep it in a signed word. */
static uint32_t unkept_id(const struct exchange *x)
{
    uint32_t id = 0;
    while (id == 0) {
        x->scope->random(&id, sizeof(id));
        id &= INT32_MAX;
    }
    return id;
}

enum status caller_keep_challenge(struct exchange *x, const struct digest *digest, uint8_t *nonce,
                                  uint32_t *out_session_id)
{
    const struct progress *progress = x->progress;
    if (services_of(x) == NULL) {
        *out_session_id = unkept_id(x);
        return STATUS_OK;
    }
    bool is_opened = progress != NULL && progress->opened != NULL;
    bool is_in_session = progress != NULL && progress->session != NULL;
    struct sessions_limits limits = caller_limits(x);
    struct challenge_ask ask = {
        .session_id = is_in_session ? progress->session->id : 0,
        .request_id = x->message.envelope.request_id,
        .is_bound = x->transport == EXCHANGE_UDP,
        .peer = x->peer,
        .version = x->answer_envelope.version,
        .digest = digest,
        .packet = is_opened ? opened_packet(progress) : x->request,
        .nonce = nonce,
    };
    enum status status = sessions_keep_challenge(services_of(x)->sessions, &limits,
                                                 x->scope->now_ms, &ask, out_session_id, nonce);
    if (status == STATUS_OK) {
        metrics_add(x->scope->metrics, METRIC_challenges, 0, 1);
        caller_tell_displaced(x);
    }
    return status == STATUS_OK ? STATUS_OK : STATUS_SERVER_BUSY;
}

void caller_leave(struct exchange *x, struct bytes answer)
{
    const struct progress *progress = x->progress;
    if (!progress->is_first) {
        return;
    }
    struct duplicates *duplicates = services_of(x)->duplicates;
    /* The end of a list is not its answer. */
    if (progress->is_memorable && answer.len > 0 && progress->last_key == NULL) {
        duplicates_keep(duplicates, x->scope->now_ms, &progress->duplicate, answer);
    } else {
        duplicates_release(duplicates, &progress->duplicate);
    }
}
