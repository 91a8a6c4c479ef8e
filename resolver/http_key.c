/* SPDX-License-Identifier: Apache-2.0
 *
 * Judging API keys and what they are used for (http_key.h).
 */
#include "resolver/http_key.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#include "protocol/body.h"
#include "protocol/handle.h"
#include "protocol/opcode.h"
#include "resolver/http_auth.h"
#include "resolver/limit.h"
#include "resolver/lookup.h"
#include "resolver/op_batch.h"
#include "resolver/worker.h"

#define KEY_START "gtk_"
#define SECRET_MIN 32 /* characters; ours have 43 */
#define SECRET_MAX 128
#define RETRY_AFTER_S "60"

void http_grant_free(struct http_grant *grant)
{
    free(grant);
}

/* --- what was sent -----------------------------------------------------------------------------
 */

static bool is_key(struct bytes text)
{
    return bytes_start_with(text, BYTES_LITERAL(KEY_START));
}

/* The key; none: there is none, or more than one. */
static struct bytes shown_key(const struct http_request *request)
{
    size_t fields = http_request_field_count(request, "Authorization");
    size_t own = http_request_field_count(request, "X-API-Key");
    struct bytes field = http_request_field(request, "Authorization");
    if (own == 1 && fields == 0) {
        return http_request_field(request, "X-API-Key");
    }
    bool is_bearer =
        own == 0 && fields == 1 && http_credentials_scheme(field) == HTTP_SCHEME_BEARER;
    if (!is_bearer) {
        return BYTES_NONE;
    }
    struct bytes key = bytes_from(field, strlen("Bearer"));
    while (key.len > 0 && key.data[0] == ' ') {
        key = bytes_from(key, 1);
    }
    return key;
}

bool http_key_is_shown(const struct http_request *request)
{
    struct bytes field = http_request_field(request, "Authorization");
    return http_request_field_count(request, "X-API-Key") > 0 ||
           (field.data != NULL && http_credentials_scheme(field) == HTTP_SCHEME_BEARER);
}

static bool split(struct bytes key, struct bytes *out_id, struct bytes *out_secret)
{
    size_t id_at = strlen(KEY_START);
    size_t secret_at = id_at + APIKEY_ID_LEN + 1;
    if (!is_key(key) || key.len < secret_at + SECRET_MIN || key.len > secret_at + SECRET_MAX ||
        key.data[secret_at - 1] != '_') {
        return false;
    }
    *out_id = bytes_of(key.data + id_at, APIKEY_ID_LEN);
    *out_secret = bytes_from(key, secret_at);
    return apikey_row_is_id(*out_id);
}

/* --- refusals ----------------------------------------------------------------------------------
 */

static enum status refuse(struct http_call *call, const char *description)
{
    char room[128];
    struct wire_writer w = wire_write((uint8_t *)room, sizeof(room));
    wire_put_raw(&w, BYTES_LITERAL("Bearer realm=\"handle\", error=\"invalid_token\", "
                                   "error_description=\""));
    wire_put_raw(&w, bytes_of_text(description));
    wire_put_u8(&w, '"');
    http_reply_begin(call, 401);
    http_reply_field(call, "WWW-Authenticate", wire_wrote(&w));
    http_reply_end(call);
    return STATUS_OK;
}

static bool takes_try(struct http_call *call, bool is_taken)
{
    uint8_t source[SOURCE_LEN];
    const struct generation *generation = call->scope->generation;
    const struct exchange_services *services = call->scope->services;
    const struct net_address *client = &call->request.client;
    int64_t limit = generation->settings->limits_wrong_answers;
    if (services == NULL || sources_trust(client, generation->trusted, generation->trusted_count)) {
        return true;
    }
    sources_key(client, source);
    struct bytes name = bytes_of(source, sizeof(source));
    bool is_left =
        is_taken
            ? tries_take(services->tries, TRIES_WRONG_ANSWER, name, limit, call->scope->now_ms)
            : tries_is_left(services->tries, TRIES_WRONG_ANSWER, name, limit, call->scope->now_ms);
    if (!is_left) {
        limit_hit(services->worker, LIMIT_WRONG_ANSWERS, client);
    }
    return is_left;
}

static enum status refuse_wrong(struct http_call *call)
{
    (void)takes_try(call, true);
    metrics_add(call->scope->metrics, METRIC_authentication_failed, 0, 1);
    return refuse(call, "no such key");
}

static enum status refuse_busy(struct http_call *call)
{
    http_reply_begin(call, 429);
    http_reply_field(call, "Retry-After", BYTES_LITERAL(RETRY_AFTER_S));
    http_reply_end(call);
    return STATUS_OK;
}

/* --- judging -----------------------------------------------------------------------------------
 */

/* Of a key that is not there everything but the comparison's end is done as well. */
static bool is_right(struct http_call *call, struct bytes id, struct bytes secret,
                     struct apikey_row *out_row)
{
    static const uint8_t none[APIKEY_MAC_LEN] = {0};
    uint8_t mac[APIKEY_MAC_LEN];
    struct snapshot *snapshot = call->scope->snapshot;
    bool is_there = registry_get_apikey(snapshot, id, out_row) == STATUS_OK;
    bool has_mac = registry_apikey_mac(snapshot, id, secret, mac) == STATUS_OK;
    const uint8_t *kept = is_there ? out_row->mac.data : none;
    bool is_same = has_mac && CRYPTO_memcmp(mac, kept, sizeof(mac)) == 0;
    OPENSSL_cleanse(mac, sizeof(mac));
    return is_there && is_same;
}

static bool comes_from(const struct apikey_row *row, const struct net_address *client,
                       struct arena *arena)
{
    struct wire_reader r = wire_read(row->networks);
    for (uint32_t i = 0; i < row->network_count; i++) {
        struct settings_network network;
        const char *text = arena_text(arena, wire_bytes(&r));
        if (text != NULL && settings_parse_network(text, &network) == STATUS_OK &&
            sources_trust(client, &network, 1)) {
            return true;
        }
    }
    return row->network_count == 0;
}

static enum status take_grant(struct http_call *call, const struct apikey_row *row)
{
    struct http_auth *auth = http_auth_of(call);
    struct http_grant *grant = calloc(1, sizeof(*grant) + row->prefixes.len);
    if (auth == NULL || grant == NULL) {
        free(grant);
        return STATUS_NO_MEMORY;
    }
    memcpy(grant->id, row->id.data, APIKEY_ID_LEN);
    grant->verbs = row->verbs;
    grant->prefix_count = row->prefix_count;
    grant->prefixes_len = row->prefixes.len;
    memcpy(grant->prefixes, row->prefixes.data, row->prefixes.len);
    free(auth->grant);
    auth->grant = grant;
    return http_call_is_from(call, row->identity);
}

enum status http_key_begin(struct http_call *call, http_handler *go_on)
{
    struct bytes id;
    struct bytes secret;
    struct apikey_row row;
    const struct http_request *request = &call->request;
    bool is_local =
        net_address_is_loopback(&request->peer) && net_address_is_loopback(&request->client);
    if (!request->is_tls && !is_local) {
        http_reply_problem(call, 403, STATUS_ACCESS_DENIED, "API keys are taken over HTTPS only");
        return STATUS_OK;
    }
    if (!takes_try(call, false)) {
        return refuse_busy(call);
    }
    if (!split(shown_key(request), &id, &secret) || !is_right(call, id, secret, &row)) {
        return refuse_wrong(call);
    }
    if (row.state != APIKEY_ACTIVE) {
        return refuse(call, "the key was revoked");
    }
    if (row.expires_ms != 0 && row.expires_ms <= call->scope->now_ms) {
        return refuse(call, "the key has expired");
    }
    if (!comes_from(&row, &request->client, call->scope->arena)) {
        http_reply_problem(call, 403, STATUS_ACCESS_DENIED,
                           "this API key may not be used from this address");
        return STATUS_OK;
    }
    metrics_add(call->scope->metrics, METRIC_authenticated, 0, 1);
    enum status status = take_grant(call, &row);
    return status == STATUS_OK ? go_on(call) : status;
}

/* --- questions ---------------------------------------------------------------------------------
 */

/* Overwriting what is there is a change. */
static uint32_t verb_of_create(const struct http_call *call, const struct header *header,
                               struct bytes name)
{
    struct lookup found;
    bool overwrites = (header->flags & (uint32_t)MESSAGE_OVERWRITE) != 0;
    return overwrites && lookup_record(call->scope->snapshot, name, &found) == STATUS_OK
               ? APIKEY_CHANGE
               : APIKEY_CREATE;
}

/* 0: no key may do that. */
static uint32_t verb_of(const struct http_call *call, const struct header *header,
                        struct bytes name)
{
    switch (header->opcode) {
    case OPCODE_RESOLUTION:
    case OPCODE_GET_SITE_INFO:
        return APIKEY_READ;
    case OPCODE_CREATE_HANDLE:
        return verb_of_create(call, header, name);
    case OPCODE_ADD_VALUE:
    case OPCODE_REMOVE_VALUE:
    case OPCODE_MODIFY_VALUE:
        return APIKEY_CHANGE;
    case OPCODE_DELETE_HANDLE:
        return APIKEY_DELETE;
    case OPCODE_LIST_HANDLES:
    case OPCODE_LIST_DERIVED_PREFIXES:
        return APIKEY_LIST;
    default:
        return 0;
    }
}

static const char *words_of(uint32_t verb)
{
    switch (verb) {
    case APIKEY_READ:
        return "this API key may not read";
    case APIKEY_CREATE:
        return "this API key may not create";
    case APIKEY_CHANGE:
        return "this API key may not change";
    case APIKEY_DELETE:
        return "this API key may not delete";
    case APIKEY_LIST:
        return "this API key may not list";
    default:
        return "no API key may do this";
    }
}

static bool reaches(const struct http_grant *grant, struct bytes prefix)
{
    struct wire_reader r = wire_read(bytes_of(grant->prefixes, grant->prefixes_len));
    for (uint32_t i = 0; i < grant->prefix_count; i++) {
        struct bytes granted = wire_bytes(&r);
        if (wire_ok(&r) && handle_is_under(prefix, granted)) {
            return true;
        }
    }
    return false;
}

/* Whoever writes keys into a prefix record could do there whatever its owner can. */
static const char *judge_name(const struct http_grant *grant, uint32_t verb, struct bytes name)
{
    uint8_t room[HANDLE_EXPANDED_MAX];
    struct bytes handle;
    if (handle_expand(name, room, &handle) != STATUS_OK ||
        !reaches(grant, handle_governing_prefix(handle))) {
        return "this API key does not reach that prefix";
    }
    bool writes = verb != APIKEY_READ && verb != APIKEY_LIST;
    return writes && handle_is_prefix_record(handle) ? "no API key may change a prefix record"
                                                     : NULL;
}

static const char *judge(const struct http_call *call, const struct header *header,
                         struct bytes name)
{
    const struct http_grant *grant = call->auth->grant;
    if (header->opcode == OP_BATCH_OPCODE) { /* its items are judged one by one */
        return NULL;
    }
    uint32_t verb = verb_of(call, header, name);
    if ((grant->verbs & verb) == 0) {
        return words_of(verb);
    }
    return header->opcode == OPCODE_GET_SITE_INFO ? NULL : judge_name(grant, verb, name);
}

const char *http_key_forbids_item(const struct http_call *call, enum apikey_verb verb,
                                  struct bytes name)
{
    if (call->auth == NULL || call->auth->grant == NULL) {
        return NULL;
    }
    const struct http_grant *grant = call->auth->grant;
    return (grant->verbs & (uint32_t)verb) == 0 ? words_of((uint32_t)verb)
                                                : judge_name(grant, (uint32_t)verb, name);
}

const char *http_key_forbids(const struct http_call *call, struct bytes packet)
{
    struct message message;
    if (call->auth == NULL || call->auth->grant == NULL) {
        return NULL;
    }
    if (message_decode(packet, &message) != STATUS_OK) {
        return "not a message";
    }
    struct wire_reader r = wire_read(message.body);
    struct bytes name = wire_bytes(&r);
    return judge(call, &message.header, wire_ok(&r) ? name : BYTES_NONE);
}

struct bytes http_key_refusal(const struct http_call *call, struct bytes packet, const char *why,
                              struct bytes room)
{
    struct message message;
    struct envelope envelope;
    struct header header;
    struct wire_writer w = wire_write((uint8_t *)(uintptr_t)room.data, room.len);
    if (message_decode(packet, &message) != STATUS_OK) {
        return BYTES_NONE;
    }
    exchange_answer_head(call->scope, &message.envelope, &message.header, &envelope, &header);
    header.response_code = status_wire_code(STATUS_ACCESS_DENIED);
    header.flags &= ~(uint32_t)(MESSAGE_REQUEST_DIGEST | MESSAGE_CERTIFIED | MESSAGE_CONTINUED);
    struct message_marks marks = message_open(&w, &envelope, &header);
    body_error_encode(&w, &(struct body_error){.text = bytes_of_text(why)});
    message_close(&w, marks, NULL);
    return w.failed ? BYTES_NONE : wire_wrote(&w);
}

void http_key_name(const struct http_call *call, struct exchange_terms *terms)
{
    if (call->auth != NULL && call->auth->grant != NULL) {
        memcpy(terms->via, call->auth->grant->id, sizeof(call->auth->grant->id));
    }
}
