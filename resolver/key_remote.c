/* SPDX-License-Identifier: Apache-2.0
 *
 * One question over TCP, its answer brought home as WAIT_KEY (key_remote.h). Nothing of an answer
 * is believed before its digest is that of the very question, and its signature right where the
 * server's key is known.
 */
#include "resolver/key_remote.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "protocol/handle.h"
#include "protocol/opcode.h"
#include "protocol/pubkey.h"
#include "protocol/signature.h"
#include "resolver/ask.h"
#include "resolver/attempts.h"
#include "resolver/elsewhere.h"
#include "resolver/exchange_progress.h"
#include "resolver/key_cache.h"
#include "resolver/lookup.h"
#include "resolver/service.h"
#include "resolver/upward.h"
#include "resolver/worker.h"

#define QUESTION_MAX 8192 /* two handles and a signed response at the most */
#define OWN_VERSION ((struct message_version){MESSAGE_VERSION_MAJOR, MESSAGE_VERSION_MINOR})

/* Who is asked. */
struct judge {
    struct net_address server;
    EVP_PKEY *key; /* its signature is asked for; NULL: it is not known. Owned. */
};

struct key_remote {
    struct wait wait;
    struct judge judge;
    struct ask *ask; /* NULL: over */
    struct worker *worker;
    struct key_remote *next; /* of the worker's that are under way */
    struct key_remote *previous;
    struct digest digest; /* of the question */
    uint32_t opcode;
    uint8_t *answer;
    size_t answer_len;
};

static void remote_free(struct wait *wait)
{
    struct key_remote *remote = (struct key_remote *)wait;
    EVP_PKEY_free(remote->judge.key);
    free(remote->answer);
    free(remote);
}

static void leave(struct key_remote *remote)
{
    *(remote->previous != NULL ? &remote->previous->next : &remote->worker->key_remotes) =
        remote->next;
    if (remote->next != NULL) {
        remote->next->previous = remote->previous;
    }
}

static void go_home(struct key_remote *remote, enum status status)
{
    leave(remote);
    remote->ask = NULL;
    remote->wait.status = status;
    mailbox_post(remote->worker->mailbox, &remote->wait.mail);
}

static void remote_on_answer(void *context, enum status status, struct bytes answer,
                             const struct ask_figures *figures)
{
    struct key_remote *remote = context;
    (void)figures;
    if (status == STATUS_OK) {
        remote->answer = malloc(answer.len);
        if (remote->answer == NULL) {
            status = STATUS_NO_MEMORY;
        } else {
            memcpy(remote->answer, answer.data, answer.len);
            remote->answer_len = answer.len;
        }
    }
    go_home(remote, status);
}

void key_remote_cancel_all(struct worker *worker)
{
    while (worker->key_remotes != NULL) {
        struct key_remote *remote = worker->key_remotes;
        ask_cancel(remote->ask);
        go_home(remote, STATUS_CLOSED);
    }
}

/* --- asking ------------------------------------------------------------------------------------
 */

static struct bytes write_question(const struct exchange *x, struct key_remote *remote,
                                   struct bytes body, uint8_t room[QUESTION_MAX])
{
    uint32_t request_id = 0;
    x->scope->random(&request_id, sizeof(request_id));
    uint32_t flags = MESSAGE_RECURSIVE | MESSAGE_PUBLIC_ONLY | MESSAGE_REQUEST_DIGEST;
    if (remote->judge.key != NULL) {
        flags |= MESSAGE_CERTIFIED;
    }
    struct message message = {
        .envelope = {.version = OWN_VERSION,
                     .suggested = OWN_VERSION,
                     .request_id = (request_id & INT32_MAX) | 1},
        .header = {.opcode = remote->opcode,
                   .flags = flags,
                   .site_serial = MESSAGE_SERIAL_UNKNOWN,
                   .expiration = (uint32_t)(x->scope->now_ms / 1000 + MESSAGE_EXPIRY_S)},
        .body = body,
    };
    struct wire_writer w = wire_write(room, QUESTION_MAX);
    message_encode(&w, &message);
    struct bytes packet = wire_wrote(&w);
    struct message written;
    bool is_sound = message_decode(packet, &written) == STATUS_OK &&
                    digest_compute(DIGEST_SHA256, written.digested, &remote->digest) == STATUS_OK;
    return is_sound ? packet : BYTES_NONE;
}

/* What is left of what everything that is asked elsewhere may take. */
static int64_t time_left(const struct exchange *x, const struct worker *worker)
{
    int64_t until_ms = x->progress->elsewhere_until_ms;
    int64_t left_ms = until_ms - net_now_ms(worker->options.net);
    return until_ms == 0 ? x->scope->generation->settings->auth_key_time : left_ms;
}

static enum status send(struct exchange *x, struct key_remote *remote, struct bytes body)
{
    uint8_t room[QUESTION_MAX];
    struct worker *worker = remote->worker;
    struct bytes packet = write_question(x, remote, body, room);
    if (packet.len == 0 || wait_begin(x, &remote->wait, WAIT_KEY, remote_free) != STATUS_OK) {
        return STATUS_SERVER_BUSY;
    }
    const struct ask_options options = {
        .server = remote->judge.server,
        .transport = ASK_TCP,
        .timeout_ms = time_left(x, worker),
    };
    if (options.timeout_ms <= 0 || ask_start(worker->options.net, &options, packet,
                                             remote_on_answer, remote, &remote->ask) != STATUS_OK) {
        wait_cancel(x, &remote->wait);
        return STATUS_UNABLE_TO_AUTHENTICATE;
    }
    remote->next = worker->key_remotes;
    if (remote->next != NULL) {
        remote->next->previous = remote;
    }
    worker->key_remotes = remote;
    return STATUS_PENDING;
}

/* Takes the judge whatever happens. */
static enum status put_to(struct exchange *x, struct judge judge, uint32_t opcode,
                          struct bytes body)
{
    enum status status = STATUS_SERVER_BUSY;
    struct key_remote *remote = NULL;
    if (attempts_take(x, ATTEMPT_ELSEWHERE)) {
        remote = calloc(1, sizeof(*remote));
    }
    if (remote != NULL) {
        remote->judge = judge;
        remote->opcode = opcode;
        remote->worker = x->scope->services->worker;
        status = send(x, remote, body);
    }
    if (status != STATUS_PENDING) {
        EVP_PKEY_free(judge.key);
        free(remote);
    }
    return status;
}

static enum status find_key_server(const struct exchange *x, struct judge *out_judge)
{
    const struct generation *generation = x->scope->generation;
    EVP_PKEY *key = generation->key_server_key;
    if (key != NULL && EVP_PKEY_up_ref(key) != 1) {
        return STATUS_UNABLE_TO_AUTHENTICATE;
    }
    *out_judge = (struct judge){.server = generation->key_server, .key = key};
    return STATUS_OK;
}

/* --- believing ---------------------------------------------------------------------------------
 */

/* The answer's body without its digest. */
static enum status open_answer(const struct key_remote *remote, struct bytes *out_body)
{
    struct message message;
    struct digest digest;
    bool has_digest = false;
    EVP_PKEY *key = remote->judge.key;
    if (remote->wait.status != STATUS_OK ||
        message_decode(bytes_of(remote->answer, remote->answer_len), &message) != STATUS_OK ||
        message.header.opcode != remote->opcode || message.header.response_code != 1) {
        return STATUS_UNABLE_TO_AUTHENTICATE;
    }
    if (key != NULL && signature_message_check(key, &message) != STATUS_OK) {
        return STATUS_UNABLE_TO_AUTHENTICATE;
    }
    if (body_take_digest(&message, out_body, &digest, &has_digest) != STATUS_OK || !has_digest ||
        !bytes_equal(bytes_of(digest.data, digest.len),
                     bytes_of(remote->digest.data, remote->digest.len))) {
        return STATUS_UNABLE_TO_AUTHENTICATE;
    }
    return STATUS_OK;
}

static enum status take_values(struct exchange *x, const struct key_remote *remote, uint32_t index,
                               struct verify_case *asked)
{
    struct bytes bare;
    struct body_values body;
    enum status status = open_answer(remote, &bare);
    if (status != STATUS_OK) {
        return status;
    }
    if (body_values_decode(bare, x->scope->arena, &body) != STATUS_OK ||
        !bytes_equal_nocase(body.handle, asked->handle)) {
        return STATUS_UNABLE_TO_AUTHENTICATE;
    }
    struct bytes values = bytes_from(bare, 4 + body.handle.len);
    int64_t life_ms =
        key_cache_life(body.values, body.count, x->scope->generation->settings, x->scope->now_ms);
    key_cache_put(x->scope->services->keys, asked->handle, index, values,
                  x->scope->now_ms + life_ms);
    verify_collect(asked, body.values, body.count, index);
    return asked->key_count > 0 ? STATUS_OK : STATUS_UNABLE_TO_AUTHENTICATE;
}

/* --- public keys -------------------------------------------------------------------------------
 */

static bool find_kept(struct exchange *x, uint32_t index, struct verify_case *asked)
{
    struct value *values = NULL;
    size_t count = 0;
    struct bytes kept = key_cache_get(x->scope->services->keys, asked->handle, index,
                                      x->scope->now_ms, x->scope->arena);
    struct wire_reader r = wire_read(kept);
    if (kept.len == 0 || value_list_decode(&r, x->scope->arena, &values, &count) != STATUS_OK) {
        return false;
    }
    verify_collect(asked, values, count, index);
    return asked->key_count > 0;
}

static enum status resolve(struct exchange *x, uint32_t index, struct bytes handle)
{
    uint8_t room[QUESTION_MAX / 2];
    uint8_t number[4];
    uint8_t type[16];
    wire_store_u32(number, index);
    struct wire_writer t = wire_write(type, sizeof(type));
    wire_put_bytes(&t, BYTES_LITERAL("HS_PUBKEY"));
    const struct body_resolution body = {
        .handle = handle,
        .index_count = index != 0,
        .indexes = bytes_of(number, index != 0 ? sizeof(number) : 0),
        .type_count = index == 0,
        .types = index == 0 ? wire_wrote(&t) : BYTES_NONE,
    };
    struct wire_writer w = wire_write(room, sizeof(room));
    body_resolution_encode(&w, &body);
    struct judge judge = {.key = NULL};
    if (w.failed || find_key_server(x, &judge) != STATUS_OK) {
        return STATUS_UNABLE_TO_AUTHENTICATE;
    }
    return put_to(x, judge, OPCODE_RESOLUTION, wire_wrote(&w));
}

/* As other names are found, from the record as it is told to everybody. */
static enum status find_forwarded(struct exchange *x, uint32_t index, struct verify_case *asked)
{
    struct value *values = NULL;
    size_t count = 0;
    struct bytes stored;
    enum status status = elsewhere_find(x, asked->handle, &stored);
    if (status != STATUS_OK) {
        return status == STATUS_PENDING || status == STATUS_SERVER_BUSY
                   ? status
                   : STATUS_UNABLE_TO_AUTHENTICATE;
    }
    struct wire_reader r = wire_read(stored);
    if (value_list_decode(&r, x->scope->arena, &values, &count) == STATUS_OK) {
        verify_collect(asked, values, count, index);
    }
    return asked->key_count > 0 ? STATUS_OK : STATUS_UNABLE_TO_AUTHENTICATE;
}

enum status key_remote_find(struct exchange *x, uint32_t index, struct verify_case *asked)
{
    if (!x->scope->generation->has_key_server) {
        return find_forwarded(x, index, asked);
    }
    const struct wait *wait = wait_result(x, WAIT_KEY);
    if (wait != NULL) {
        return take_values(x, (const struct key_remote *)wait, index, asked);
    }
    if (wait_is_out(x, WAIT_KEY)) {
        return STATUS_PENDING;
    }
    if (x->scope->services == NULL) {
        return STATUS_UNABLE_TO_AUTHENTICATE;
    }
    if (find_kept(x, index, asked)) {
        return STATUS_OK;
    }
    return resolve(x, index, asked->handle);
}

/* --- secret keys -------------------------------------------------------------------------------
 */

static enum status take_judgement(const struct key_remote *remote)
{
    struct bytes body;
    bool is_valid = false;
    enum status status = open_answer(remote, &body);
    if (status != STATUS_OK || body_verified_decode(body, &is_valid) != STATUS_OK) {
        return STATUS_UNABLE_TO_AUTHENTICATE;
    }
    return is_valid ? STATUS_OK : STATUS_AUTHENTICATION_FAILED;
}

/* A server of these that can be asked over TCP and believed by its key. */
static bool pick_judge(const struct exchange *x, bool is_told_here,
                       const struct service_target *targets, size_t count, struct judge *out_judge)
{
    const struct upward *upward = x->scope->generation->upward;
    for (size_t i = 0; i < count; i++) {
        struct pubkey record;
        EVP_PKEY *key = NULL;
        if (targets[i].transport == ASK_TCP && targets[i].host.len == 0 &&
            upward_may_ask(upward, &targets[i].address, is_told_here) &&
            pubkey_decode(targets[i].public_key, &record) == STATUS_OK &&
            pubkey_to_evp(&record, &key) == STATUS_OK) {
            *out_judge = (struct judge){.server = targets[i].address, .key = key};
            return true;
        }
    }
    return false;
}

static bool is_told_here(const struct exchange *x, struct bytes prefix)
{
    uint8_t room[HANDLE_EXPANDED_MAX];
    struct bytes record;
    struct lookup found;
    return handle_expand(prefix, room, &record) == STATUS_OK &&
           lookup_record(x->scope->snapshot, record, &found) == STATUS_OK;
}

/* The server that answers for the handle, by its prefix record. */
static enum status find_responsible(struct exchange *x, struct bytes handle,
                                    struct judge *out_judge)
{
    struct value *values = NULL;
    size_t count = 0;
    struct bytes stored;
    struct service_target targets[SERVICE_TARGETS_MAX];
    const struct service_need need = {.handle = handle, .is_primary_only = true};
    if (handle_is_prefix_record(handle)) { /* whoever keeps it need not be its prefix's service */
        return STATUS_UNABLE_TO_AUTHENTICATE;
    }
    enum status status = elsewhere_find(x, handle_prefix(handle), &stored);
    if (status != STATUS_OK) {
        return status == STATUS_NOT_RESPONSIBLE ? STATUS_UNABLE_TO_AUTHENTICATE : status;
    }
    struct service *service = arena_calloc(x->scope->arena, 1, sizeof(*service));
    struct wire_reader r = wire_read(stored);
    if (service == NULL || value_list_decode(&r, x->scope->arena, &values, &count) != STATUS_OK ||
        service_read(values, count, SERVICE_OF_NAMES, x->scope->arena, service) != STATUS_OK) {
        return STATUS_UNABLE_TO_AUTHENTICATE;
    }
    count = service_targets(service, &need, NULL, NULL, targets);
    return pick_judge(x, is_told_here(x, handle_prefix(handle)), targets, count, out_judge)
               ? STATUS_OK
               : STATUS_UNABLE_TO_AUTHENTICATE;
}

/* Nobody but a signature tells that "valid" is that server's word. Said without an index, it is
 * about some key of the handle: the claim keeps its 0, and has what any key of it has. */
static enum status find_judge(struct exchange *x, struct bytes handle, struct judge *out_judge)
{
    uint8_t room[HANDLE_EXPANDED_MAX];
    struct bytes expanded;
    if (x->scope->services == NULL || handle_expand(handle, room, &expanded) != STATUS_OK) {
        return STATUS_UNABLE_TO_AUTHENTICATE;
    }
    if (!x->scope->generation->has_key_server) {
        return find_responsible(x, expanded, out_judge);
    }
    return x->scope->generation->key_server_key != NULL ? find_key_server(x, out_judge)
                                                        : STATUS_UNABLE_TO_AUTHENTICATE;
}

enum status key_remote_verify(struct exchange *x, uint32_t index, const struct verify_case *asked)
{
    const struct wait *wait = wait_result(x, WAIT_KEY);
    if (wait != NULL) {
        return take_judgement((const struct key_remote *)wait);
    }
    if (wait_is_out(x, WAIT_KEY)) {
        return STATUS_PENDING;
    }
    struct judge judge = {.key = NULL};
    enum status status = find_judge(x, asked->handle, &judge);
    if (status != STATUS_OK) {
        return status;
    }
    uint8_t room[QUESTION_MAX / 2];
    const struct body_verify body = {
        .identity = {.handle = asked->handle, .index = index},
        .nonce = asked->nonce,
        .digest = asked->digest,
        .signed_response = asked->signed_response,
    };
    struct wire_writer w = wire_write(room, sizeof(room));
    body_verify_encode(&w, &body);
    if (w.failed) {
        EVP_PKEY_free(judge.key);
        return STATUS_UNABLE_TO_AUTHENTICATE;
    }
    return put_to(x, judge, OPCODE_VERIFY_RESPONSE, wire_wrote(&w));
}
