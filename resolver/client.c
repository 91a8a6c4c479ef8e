/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls with an identity (client.h): request, challenge, answer, final answer.
 */
#include "resolver/client.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#include "protocol/secret_answer.h"
#include "protocol/signature.h"

#define ROUNDS_MAX 2 /* challenges answered in one call (protocol.md §7.5) */
#define ANSWER_ROOM 8192
#define SIGNED_SINCE ((struct message_version){2, 7})

/* Of the request and its answer to a challenge; protocol.md §5.8. */
static const uint32_t request_only_flags = (uint32_t)MESSAGE_OVERWRITE | (uint32_t)MESSAGE_MINT;

struct client {
    struct net *net;
    struct client_options options;
    struct ask *ask; /* under way; NULL: idle */
    client_more *more;
    client_done *done;
    void *context;

    uint8_t *packet; /* the request as sent, kept for its digest and for a second challenge */
    size_t packet_len;
    struct message request; /* decoded from it */
    unsigned rounds;
};

/* --- ending ----------------------------------------------------------------------------------- */

static void forget_call(struct client *client)
{
    free(client->packet);
    client->packet = NULL;
    client->packet_len = 0;
    client->rounds = 0;
}

static void finish(struct client *client, enum status status, const struct client_answer *answer)
{
    client->ask = NULL;
    forget_call(client);
    client->done(client->context, status, status == STATUS_OK ? answer : NULL);
}

/* --- requests --------------------------------------------------------------------------------- */

static uint32_t fresh_id(const struct client *client)
{
    uint32_t id = 0;
    while (id == 0) {
        client->options.random(&id, sizeof(id));
        id &= INT32_MAX; /* Java clients and servers keep it in a signed word */
    }
    return id;
}

/* What is signed is worth something for this request alone: its digest is to be signed, too. */
static struct header header_of(const struct client *client, uint32_t opcode, uint32_t flags)
{
    bool is_certified = client->options.server_key != NULL;
    return (struct header){
        .opcode = opcode,
        .flags = flags | (is_certified ? MESSAGE_CERTIFIED | (uint32_t)MESSAGE_REQUEST_DIGEST : 0),
        .site_serial = MESSAGE_SERIAL_UNKNOWN,
        .expiration = (uint32_t)(net_wall_ms(client->net) / 1000 + MESSAGE_EXPIRY_S),
    };
}

static enum status make_packet(const struct message *message, uint8_t **out_packet, size_t *out_len)
{
    size_t size = MESSAGE_ENVELOPE_LEN + MESSAGE_HEADER_LEN + message->body.len + sizeof(uint32_t);
    uint8_t *room = malloc(size);
    if (room == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct wire_writer w = wire_write(room, size);
    message_encode(&w, message);
    if (w.failed) {
        free(room);
        return STATUS_NO_ROOM;
    }
    *out_packet = room;
    *out_len = wire_wrote(&w).len;
    return STATUS_OK;
}

static bool client_on_more(void *context, struct bytes packet);
static void client_on_answer(void *context, enum status status, struct bytes packet,
                             const struct ask_figures *figures);

static enum status send_packet(struct client *client, struct bytes packet)
{
    struct ask_options options = {
        .server = client->options.server,
        .transport = client->options.transport,
        .tls = client->options.tls,
        .path = client->options.path,
        .timeout_ms = client->options.timeout_ms,
        .more = client->more == NULL ? NULL : client_on_more,
    };
    return ask_start(client->net, &options, packet, client_on_answer, client, &client->ask);
}

/* --- the answer to a challenge ---------------------------------------------------------------- */

/* Is this the digest of what we sent? Anything else would be somebody else's request. */
static bool is_of_our_request(const struct client *client, const struct digest *digest)
{
    struct digest ours;
    return digest_compute(digest->algorithm, client->request.digested, &ours) == STATUS_OK &&
           ours.len == digest->len && memcmp(ours.data, digest->data, ours.len) == 0;
}

/* The lower of the two versions a challenge names decides the form of its answer (§7.5). */
static struct message_version answer_version(const struct envelope *challenge)
{
    bool takes_suggested = challenge->suggested.major != 0 &&
                           message_version_compare(challenge->suggested, challenge->version) < 0;
    return takes_suggested ? challenge->suggested : challenge->version;
}

static enum status sign(const struct client *client, const struct envelope *envelope,
                        const struct body_challenge *challenge, struct wire_writer *w)
{
    const struct client_identity *identity = client->options.identity;
    struct bytes digest = bytes_of(challenge->digest.data, challenge->digest.len);
    struct message_version version = answer_version(envelope);
    if (identity->key != NULL) {
        struct signature_challenge asked = {identity->name.handle, challenge->nonce, digest};
        return signature_answer_make(identity->key, version, &asked, w);
    }
    uint8_t salt[SECRET_ANSWER_SALT_LEN];
    struct secret_challenge asked = {challenge->nonce, digest};
    client->options.random(salt, sizeof(salt));
    return secret_answer_make(secret_answer_form(version), identity->secret, &asked, salt, w);
}

static enum status make_answer(const struct client *client, const struct message *met,
                               struct bytes signed_response, uint8_t **out_packet, size_t *out_len)
{
    const struct client_identity *identity = client->options.identity;
    uint8_t body[ANSWER_ROOM];
    struct wire_writer w = wire_write(body, sizeof(body));
    struct body_answer answer = {
        .type = identity->key != NULL ? BYTES_LITERAL("HS_PUBKEY") : BYTES_LITERAL("HS_SECKEY"),
        .identity = identity->name,
        .signed_response = signed_response,
    };
    body_answer_encode(&w, &answer);
    if (w.failed) {
        return STATUS_NO_ROOM;
    }
    struct message message = {
        .envelope = {.version = met->envelope.version,
                     .suggested = {MESSAGE_VERSION_MAJOR, MESSAGE_VERSION_MINOR},
                     .session_id = met->envelope.session_id,
                     .request_id = fresh_id(client)},
        .header = header_of(client, 200, client->request.header.flags & ~request_only_flags),
        .body = wire_wrote(&w),
    };
    return make_packet(&message, out_packet, out_len);
}

/* Answers the challenge `met`; OK: under way. */
static enum status answer_challenge(struct client *client, const struct message *met)
{
    struct body_challenge challenge;
    if (body_challenge_decode(met->body, met->envelope.version, &challenge) != STATUS_OK) {
        return STATUS_PROTOCOL_ERROR;
    }
    if (challenge.nonce.len < CLIENT_NONCE_MIN || !is_of_our_request(client, &challenge.digest)) {
        return STATUS_AUTHENTICATION_FAILED;
    }
    uint8_t room[SIGNATURE_MAX + 64];
    struct wire_writer w = wire_write(room, sizeof(room));
    uint8_t *packet = NULL;
    size_t len = 0;
    enum status status = sign(client, &met->envelope, &challenge, &w);
    if (status == STATUS_OK) {
        status = make_answer(client, met, wire_wrote(&w), &packet, &len);
    }
    if (status == STATUS_OK) {
        client->rounds++;
        status = send_packet(client, bytes_of(packet, len));
    }
    free(packet);
    return status;
}

/* --- answers ---------------------------------------------------------------------------------- */

/* Before, a signature did not cover ids and version (§7.8): what was signed as one message could be
 * told as another. */
static bool is_signed_by_server(const struct client *client, const struct message *message)
{
    uint32_t opcode = message->header.opcode;
    bool is_to_us =
        opcode == client->request.header.opcode || (client->rounds > 0 && opcode == 200);
    return is_to_us && message_version_compare(message->envelope.version, SIGNED_SINCE) >= 0 &&
           signature_message_check(client->options.server_key, message) == STATUS_OK;
}

/* Whoever can send this can also send nothing. */
static bool is_busy_unsigned(const struct message *message)
{
    return message->header.response_code == status_wire_code(STATUS_SERVER_BUSY) &&
           !message->credential.is_present;
}

/* Fills `out`; the server's signature is looked at where its key is known. */
static enum status read_answer(const struct client *client, struct bytes packet,
                               struct message *out_message, struct client_answer *out)
{
    enum status status = message_decode(packet, out_message);
    if (status != STATUS_OK) {
        return STATUS_PROTOCOL_ERROR;
    }
    struct digest digest;
    bool has_digest = false;
    *out = (struct client_answer){.message = out_message, .was_challenged = client->rounds > 0};
    bool needs_proof = client->options.server_key != NULL && !is_busy_unsigned(out_message);
    if (needs_proof && !is_signed_by_server(client, out_message)) {
        return STATUS_INVALID_CREDENTIAL;
    }
    out->is_certified = needs_proof;
    if (out_message->header.response_code == 402) {
        out->body = out_message->body;
        return STATUS_OK;
    }
    status = body_take_digest(out_message, &out->body, &digest, &has_digest);
    if (status == STATUS_OK && has_digest && !is_of_our_request(client, &digest)) {
        status = STATUS_PROTOCOL_ERROR; /* of another request: §14 row 80 */
    }
    return status == STATUS_OK && needs_proof && !has_digest ? STATUS_INVALID_CREDENTIAL : status;
}

static bool client_on_more(void *context, struct bytes packet)
{
    struct client *client = context;
    struct message message;
    struct client_answer answer;
    return read_answer(client, packet, &message, &answer) == STATUS_OK &&
           client->more(client->context, &answer);
}

static void client_on_answer(void *context, enum status status, struct bytes packet,
                             const struct ask_figures *figures)
{
    struct client *client = context;
    struct message message;
    struct client_answer answer;
    (void)figures;
    client->ask = NULL;
    if (status == STATUS_OK) {
        status = read_answer(client, packet, &message, &answer);
    }
    bool is_challenge = status == STATUS_OK && message.header.response_code == 402 &&
                        client->options.identity != NULL && client->rounds < ROUNDS_MAX;
    if (is_challenge) {
        status = answer_challenge(client, &message);
        if (status == STATUS_OK) {
            return;
        }
    }
    finish(client, status, &answer);
}

/* --- public ----------------------------------------------------------------------------------- */

enum status client_new(struct net *net, const struct client_options *options,
                       struct client **out_client)
{
    struct client *client = calloc(1, sizeof(*client));
    if (client == NULL) {
        return STATUS_NO_MEMORY;
    }
    client->net = net;
    client->options = *options;
    if (client->options.version.major == 0) {
        client->options.version =
            (struct message_version){MESSAGE_VERSION_MAJOR, MESSAGE_VERSION_MINOR};
    }
    *out_client = client;
    return STATUS_OK;
}

void client_free(struct client *client)
{
    if (client == NULL) {
        return;
    }
    if (client->ask != NULL) {
        ask_cancel(client->ask);
    }
    forget_call(client);
    free(client);
}

enum status client_call(struct client *client, const struct client_request *request,
                        client_more *more, client_done *done, void *context)
{
    if (client->packet != NULL) {
        return STATUS_CONFLICT;
    }
    struct message message = {
        .envelope = {.version = client->options.version,
                     .suggested = {MESSAGE_VERSION_MAJOR, MESSAGE_VERSION_MINOR},
                     .request_id = fresh_id(client)},
        .header = header_of(client, request->opcode, request->flags),
        .body = request->body,
    };
    enum status status = make_packet(&message, &client->packet, &client->packet_len);
    struct bytes packet = bytes_of(client->packet, client->packet_len);
    if (status == STATUS_OK) {
        status = message_decode(packet, &client->request);
    }
    client->more = more;
    client->done = done;
    client->context = context;
    if (status == STATUS_OK) {
        status = send_packet(client, packet);
    }
    if (status != STATUS_OK) {
        forget_call(client);
    }
    return status;
}
