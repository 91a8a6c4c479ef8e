/* SPDX-License-Identifier: Apache-2.0
 *
 * The client on the fake network, against a server that follows a script: challenges are answered
 * by key and by secret, in every version's form; what nobody should sign is not signed.
 */
#include "tests/unit/protocol/known_keys.h"

#include "protocol/opcode.h"
#include "protocol/secret_answer.h"
#include "protocol/signature.h"
#include "resolver/client.h"
#include "tests/scenario/fake_net.h"

#define SECRET "s3cr3tKey-88"
#define USER "0.NA/88.1000"
#define CHALLENGE_ID 4711u
#define NONCE_LEN 16
#define PACKET_ROOM 65536

enum act {
    ACT_CHALLENGE,
    ACT_FALSE_DIGEST,
    ACT_SHORT_NONCE,
    ACT_SUCCEED,
    ACT_SUCCEED_ANOTHER, /* the digest is that of another request */
    ACT_SUCCEED_BARE,    /* no digest, though it was asked for */
    ACT_SUCCEED_ELSE,    /* as the answer to another operation */
    ACT_REFUSE,
    ACT_BUSY,
    ACT_LIST
};

struct scene {
    struct arena *arena;
    struct fake_world *world;
    struct net *server_net;
    struct net *client_net;
    struct net_address address;
    struct net_listener *listener;

    const enum act *acts; /* one a request */
    size_t act_count;
    size_t requests;
    struct message_version version; /* of the server's answers */
    EVP_PKEY *sign_with;            /* NULL: answers are not signed */
    struct bytes digested;          /* of the first request */
    struct body_challenge challenge;
    uint8_t nonce[NONCE_LEN];
    struct message answer; /* the request of opcode 200 */
    struct body_answer answer_body;

    struct client *client;
    unsigned calls;
    enum status status;
    uint32_t code;
    bool was_challenged;
    bool is_certified;
    size_t listed;
};

struct connection {
    struct scene *scene;
    struct net_stream *stream;
    uint8_t input[PACKET_ROOM];
    size_t len;
};

/* --- the server ------------------------------------------------------------------------------- */

static void connection_on_failed(void *context, enum status status)
{
    struct connection *connection = context;
    (void)status;
    net_stream_close(connection->stream);
    free(connection);
}

static void say(struct scene *scene, struct net_stream *stream, const struct message *asked,
                uint32_t code, uint32_t flags, struct bytes body)
{
    uint8_t *room = vectors_room(scene->arena, PACKET_ROOM);
    uint8_t signature[2 * SIGNATURE_MAX];
    struct wire_writer w = wire_write(room, PACKET_ROOM);
    struct wire_writer s = wire_write(signature, sizeof(signature));
    struct credential credential;
    struct envelope envelope = {
        .version = scene->version,
        .suggested = {2, 11},
        .session_id = code == 402 ? CHALLENGE_ID : 0,
        .request_id = asked->envelope.request_id,
    };
    struct header header = {.opcode = asked->header.opcode, .response_code = code, .flags = flags};
    struct message_marks marks = message_open(&w, &envelope, &header);
    wire_put_raw(&w, body);
    bool is_signed = scene->sign_with != NULL;
    if (is_signed) {
        wire_store_u32(marks.body_len, (uint32_t)body.len);
        struct bytes digested = bytes_from(wire_wrote(&w), MESSAGE_ENVELOPE_LEN);
        assert_int_equal(
            signature_message_make(scene->sign_with, &envelope, 0, digested, &s, &credential),
            STATUS_OK);
    }
    message_close(&w, marks, is_signed ? &credential : NULL);
    size_t took = 0;
    struct bytes packet = wire_wrote(&w);
    assert_int_equal(net_stream_write(stream, packet, &took), STATUS_OK);
    assert_int_equal(took, packet.len);
}

/* With the digest of the first request when that is asked for. */
static void succeed(struct scene *scene, struct net_stream *stream, const struct message *asked,
                    enum act act)
{
    uint8_t room[64];
    struct digest digest;
    struct message told = *asked;
    struct bytes digested = scene->digested;
    struct wire_writer w = wire_write(room, sizeof(room));
    uint32_t wanted = asked->header.flags & (uint32_t)MESSAGE_REQUEST_DIGEST;
    digested.len -= act == ACT_SUCCEED_ANOTHER;
    told.header.opcode += act == ACT_SUCCEED_ELSE;
    assert_int_equal(digest_compute(digest_algorithm_for(scene->version), digested, &digest),
                     STATUS_OK);
    if (wanted != 0 && act != ACT_SUCCEED_BARE) {
        digest_encode(&w, &digest);
    }
    say(scene, stream, &told, 1, act == ACT_SUCCEED_BARE ? 0 : wanted, wire_wrote(&w));
}

static void challenge(struct scene *scene, struct net_stream *stream, const struct message *asked,
                      enum act act)
{
    uint8_t room[256];
    struct wire_writer w = wire_write(room, sizeof(room));
    struct bytes digested = asked->digested;
    if (act == ACT_FALSE_DIGEST) {
        digested.len--;
    }
    struct body_challenge body = {.nonce = bytes_of(scene->nonce, NONCE_LEN)};
    body.nonce.len = act == ACT_SHORT_NONCE ? 7 : NONCE_LEN;
    assert_int_equal(digest_compute(digest_algorithm_for(scene->version), digested, &body.digest),
                     STATUS_OK);
    body_challenge_encode(&w, scene->version, &body);
    scene->challenge = body;
    say(scene, stream, asked, 402, MESSAGE_REQUEST_DIGEST, wire_wrote(&w));
}

static void list(struct scene *scene, struct net_stream *stream, const struct message *asked)
{
    for (uint32_t i = 0; i < 3; i++) {
        uint8_t room[64];
        struct wire_writer w = wire_write(room, sizeof(room));
        struct wire_writer names = wire_write(room + 32, 32);
        wire_put_bytes(&names, BYTES_LITERAL("88.1000/a"));
        struct body_names body = {1, wire_wrote(&names)};
        body_names_encode(&w, &body);
        say(scene, stream, asked, 1, i < 2 ? (uint32_t)MESSAGE_CONTINUED : 0, wire_wrote(&w));
    }
}

static void act(struct scene *scene, struct net_stream *stream, struct bytes packet)
{
    struct message asked;
    struct bytes copy = arena_copy(scene->arena, packet);
    assert_int_equal(message_decode(copy, &asked), STATUS_OK);
    assert_true(scene->requests < scene->act_count);
    if (scene->requests == 0) {
        scene->digested = asked.digested;
    }
    if (asked.header.opcode == OPCODE_CHALLENGE_RESPONSE) {
        scene->answer = asked;
        assert_int_equal(body_answer_decode(asked.body, &scene->answer_body), STATUS_OK);
    }
    enum act what = scene->acts[scene->requests++];
    if (what >= ACT_SUCCEED && what <= ACT_SUCCEED_ELSE) {
        succeed(scene, stream, &asked, what);
    } else if (what == ACT_REFUSE || what == ACT_BUSY) {
        say(scene, stream, &asked, what == ACT_BUSY ? 3 : 403, 0, BYTES_NONE);
    } else if (what == ACT_LIST) {
        list(scene, stream, &asked);
    } else {
        challenge(scene, stream, &asked, what);
    }
}

static void connection_on_readable(void *context)
{
    struct connection *connection = context;
    struct envelope envelope;
    size_t got = 0;
    enum status status = net_stream_read(connection->stream, connection->input + connection->len,
                                         sizeof(connection->input) - connection->len, &got);
    if (status == STATUS_CLOSED) {
        connection_on_failed(connection, status);
        return;
    }
    connection->len += got;
    struct bytes input = bytes_of(connection->input, connection->len);
    if (envelope_decode(input, &envelope) == STATUS_OK &&
        input.len == (size_t)MESSAGE_ENVELOPE_LEN + envelope.message_len) {
        connection->len = 0;
        act(connection->scene, connection->stream, input);
    }
}

static void scene_on_accepted(void *context, struct net_stream *stream)
{
    static const struct net_stream_events events = {.readable = connection_on_readable,
                                                    .failed = connection_on_failed};
    struct connection *connection = calloc(1, sizeof(*connection));
    assert_non_null(connection);
    connection->scene = context;
    connection->stream = stream;
    net_stream_set_events(stream, &events, connection);
    net_stream_want(stream, true, false);
}

/* --- the client ------------------------------------------------------------------------------- */

static void counting_bytes(void *out, size_t len)
{
    memset(out, 0x5a, len);
}

static void scene_on_done(void *context, enum status status, const struct client_answer *answer)
{
    struct scene *scene = context;
    scene->calls++;
    scene->status = status;
    if (status == STATUS_OK) {
        scene->code = answer->message->header.response_code;
        scene->was_challenged = answer->was_challenged;
        scene->is_certified = answer->is_certified;
        scene->listed++;
    }
}

static bool scene_on_more(void *context, const struct client_answer *answer)
{
    struct scene *scene = context;
    scene->listed += answer->body.len > 0 ? 1 : 0;
    return true;
}

static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    assert_non_null(scene);
    scene->arena = arena_new(1 << 16, 64 << 20);
    scene->world = fake_world_new();
    scene->server_net = fake_world_net(scene->world);
    scene->client_net = fake_world_net(scene->world);
    scene->version = (struct message_version){2, 11};
    memset(scene->nonce, 0x33, sizeof(scene->nonce));
    assert_int_equal(net_address_parse("127.0.0.1", 2641, &scene->address), STATUS_OK);
    assert_int_equal(net_listen(scene->server_net, &scene->address, scene_on_accepted, scene,
                                &scene->listener, NULL),
                     STATUS_OK);
    *state = scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    client_free(scene->client);
    fake_world_run(scene->world);
    net_listener_close(scene->listener);
    net_free(scene->client_net);
    net_free(scene->server_net);
    fake_world_free(scene->world);
    arena_free(scene->arena);
    free(scene);
    return 0;
}

static struct client_identity by_secret(void)
{
    return (struct client_identity){{BYTES_LITERAL(USER), 302}, NULL, BYTES_LITERAL(SECRET)};
}

/* One call of create with overwrite, waited for. */
static void call(struct scene *scene, const enum act *acts, size_t count,
                 const struct client_options *options)
{
    struct client_request request = {
        .opcode = OPCODE_CREATE_HANDLE,
        .flags = MESSAGE_OVERWRITE | MESSAGE_REQUEST_DIGEST,
        .body = BYTES_LITERAL("\0\0\0\1x\0\0\0\0"),
    };
    struct client_options all = *options;
    all.server = scene->address;
    all.transport = ASK_TCP;
    all.random = counting_bytes;
    scene->acts = acts;
    scene->act_count = count;
    assert_int_equal(client_new(scene->client_net, &all, &scene->client), STATUS_OK);
    assert_int_equal(client_call(scene->client, &request, scene_on_more, scene_on_done, scene),
                     STATUS_OK);
    assert_int_equal(client_call(scene->client, &request, NULL, scene_on_done, scene),
                     STATUS_CONFLICT);
    fake_world_advance(scene->world, 60000);
    assert_int_equal(scene->calls, 1);
}

#define CALL(scene, options, ...)                                                                  \
    call(scene, (const enum act[]){__VA_ARGS__},                                                   \
         sizeof((const enum act[]){__VA_ARGS__}) / sizeof(enum act), options)

/* --- the tests -------------------------------------------------------------------------------- */

static void answer_names_the_challenge_and_leaves_out_overwrite(void **state)
{
    struct scene *scene = *state;
    struct client_identity identity = by_secret();
    struct client_options options = {.identity = &identity};
    CALL(scene, &options, ACT_CHALLENGE, ACT_SUCCEED);
    assert_int_equal(scene->status, STATUS_OK);
    assert_int_equal(scene->code, 1);
    assert_true(scene->was_challenged);
    assert_int_equal(scene->answer.envelope.session_id, CHALLENGE_ID);
    assert_int_equal(scene->answer.header.flags, MESSAGE_REQUEST_DIGEST);
    assert_true(bytes_equal(scene->answer_body.type, BYTES_LITERAL("HS_SECKEY")));
    assert_true(bytes_equal(scene->answer_body.identity.handle, BYTES_LITERAL(USER)));
    assert_int_equal(scene->answer_body.identity.index, 302);
}

static void secret_proves_itself_in_every_version(void **state)
{
    struct scene *scene = *state;
    struct client_identity identity = by_secret();
    struct client_options options = {.identity = &identity};
    static const uint8_t minors[] = {0, 1, 3, 6, 7, 10, 11};
    for (size_t i = 0; i < sizeof(minors); i++) {
        scene->version.minor = minors[i];
        scene->requests = 0;
        scene->calls = 0;
        CALL(scene, &options, ACT_CHALLENGE, ACT_SUCCEED);
        assert_int_equal(scene->status, STATUS_OK);
        struct secret_challenge asked = {
            bytes_of(scene->nonce, NONCE_LEN),
            bytes_of(scene->challenge.digest.data, scene->challenge.digest.len)};
        assert_int_equal(
            secret_answer_check(BYTES_LITERAL(SECRET), &asked, scene->answer_body.signed_response),
            STATUS_OK);
        client_free(scene->client);
        scene->client = NULL;
    }
}

static void key_proves_itself(void **state)
{
    static const char *const names[][2] = {{"keys/adminpriv.bin", "keys/adminpub.bin"},
                                           {"keys/dsapriv.bin", "keys/dsapub.bin"}};
    struct scene *scene = *state;
    for (size_t i = 0; i < 2; i++) {
        EVP_PKEY *private = known_keys_private(scene->arena, names[i][0]);
        EVP_PKEY *public = known_keys_public(scene->arena, names[i][1]);
        struct client_identity identity = {{BYTES_LITERAL(USER), 300}, private, BYTES_NONE};
        struct client_options options = {.identity = &identity};
        scene->requests = 0;
        scene->calls = 0;
        CALL(scene, &options, ACT_CHALLENGE, ACT_SUCCEED);
        assert_int_equal(scene->status, STATUS_OK);
        struct signature_challenge asked = {
            BYTES_LITERAL(USER), bytes_of(scene->nonce, NONCE_LEN),
            bytes_of(scene->challenge.digest.data, scene->challenge.digest.len)};
        assert_int_equal(signature_answer_check(public, &asked, scene->answer_body.signed_response),
                         STATUS_OK);
        client_free(scene->client);
        scene->client = NULL;
        EVP_PKEY_free(private);
        EVP_PKEY_free(public);
    }
}

static void challenge_of_another_request_is_not_answered(void **state)
{
    struct scene *scene = *state;
    struct client_identity identity = by_secret();
    struct client_options options = {.identity = &identity};
    CALL(scene, &options, ACT_FALSE_DIGEST);
    assert_int_equal(scene->status, STATUS_AUTHENTICATION_FAILED);
    assert_int_equal(scene->requests, 1);
}

static void challenge_with_a_short_nonce_is_not_answered(void **state)
{
    struct scene *scene = *state;
    struct client_identity identity = by_secret();
    struct client_options options = {.identity = &identity};
    CALL(scene, &options, ACT_SHORT_NONCE);
    assert_int_equal(scene->status, STATUS_AUTHENTICATION_FAILED);
    assert_int_equal(scene->requests, 1);
}

static void challenge_without_identity_is_the_answer(void **state)
{
    struct scene *scene = *state;
    struct client_options options = {.identity = NULL};
    CALL(scene, &options, ACT_CHALLENGE);
    assert_int_equal(scene->status, STATUS_OK);
    assert_int_equal(scene->code, 402);
    assert_false(scene->was_challenged);
}

static void second_challenge_must_be_of_the_first_request_too(void **state)
{
    struct scene *scene = *state;
    struct client_identity identity = by_secret();
    struct client_options options = {.identity = &identity};
    CALL(scene, &options, ACT_CHALLENGE, ACT_FALSE_DIGEST);
    assert_int_equal(scene->status, STATUS_AUTHENTICATION_FAILED);
    assert_int_equal(scene->requests, 2);
}

static void refusal_is_the_answer(void **state)
{
    struct scene *scene = *state;
    struct client_identity identity = by_secret();
    struct client_options options = {.identity = &identity};
    CALL(scene, &options, ACT_CHALLENGE, ACT_REFUSE);
    assert_int_equal(scene->status, STATUS_OK);
    assert_int_equal(scene->code, 403);
}

static void list_is_told_message_by_message(void **state)
{
    struct scene *scene = *state;
    struct client_identity identity = by_secret();
    struct client_options options = {.identity = &identity};
    CALL(scene, &options, ACT_CHALLENGE, ACT_LIST);
    assert_int_equal(scene->status, STATUS_OK);
    assert_int_equal(scene->listed, 3);
}

static void signature_of_the_server_is_looked_at(void **state)
{
    struct scene *scene = *state;
    EVP_PKEY *right = known_keys_private(scene->arena, "keys/serverpriv.bin");
    EVP_PKEY *wrong = known_keys_private(scene->arena, "keys/userpriv.bin");
    EVP_PKEY *public = known_keys_public(scene->arena, "keys/serverpub.bin");
    EVP_PKEY *const signers[] = {right, wrong, NULL};
    struct client_options options = {.server_key = public};
    for (size_t i = 0; i < 3; i++) {
        scene->sign_with = signers[i];
        scene->requests = 0;
        scene->calls = 0;
        scene->is_certified = false;
        CALL(scene, &options, ACT_SUCCEED);
        assert_int_equal(scene->status, i == 0 ? STATUS_OK : STATUS_INVALID_CREDENTIAL);
        assert_int_equal(scene->is_certified, i == 0);
        client_free(scene->client);
        scene->client = NULL;
    }
    EVP_PKEY_free(right);
    EVP_PKEY_free(wrong);
    EVP_PKEY_free(public);
}

/* Signing takes time. A signature that is there must be right all the same. */
static void busy_server_need_not_sign(void **state)
{
    struct scene *scene = *state;
    EVP_PKEY *wrong = known_keys_private(scene->arena, "keys/userpriv.bin");
    EVP_PKEY *public = known_keys_public(scene->arena, "keys/serverpub.bin");
    struct client_options options = {.server_key = public};
    CALL(scene, &options, ACT_BUSY);
    assert_int_equal(scene->status, STATUS_OK);
    assert_int_equal(scene->code, 3);
    assert_false(scene->is_certified);
    client_free(scene->client);
    scene->client = NULL;
    scene->requests = 0;
    scene->calls = 0;
    CALL(scene, &options, ACT_REFUSE);
    assert_int_equal(scene->status, STATUS_INVALID_CREDENTIAL);
    client_free(scene->client);
    scene->client = NULL;
    scene->requests = 0;
    scene->calls = 0;
    scene->sign_with = wrong;
    CALL(scene, &options, ACT_BUSY);
    assert_int_equal(scene->status, STATUS_INVALID_CREDENTIAL);
    EVP_PKEY_free(wrong);
    EVP_PKEY_free(public);
}

/* Right signatures of the right server, but not of an answer to this request. */
static void signed_answer_to_something_else_is_not_believed(void **state)
{
    struct scene *scene = *state;
    EVP_PKEY *public = known_keys_public(scene->arena, "keys/serverpub.bin");
    struct client_options options = {.server_key = public};
    static const struct {
        enum act act;
        struct message_version version;
        enum status status;
    } cases[] = {
        {ACT_SUCCEED, {2, 11}, STATUS_OK},
        {ACT_SUCCEED, {2, 7}, STATUS_OK},
        {ACT_SUCCEED, {2, 3}, STATUS_INVALID_CREDENTIAL},
        {ACT_SUCCEED_BARE, {2, 11}, STATUS_INVALID_CREDENTIAL},
        {ACT_SUCCEED_ELSE, {2, 11}, STATUS_INVALID_CREDENTIAL},
        {ACT_SUCCEED_ANOTHER, {2, 11}, STATUS_PROTOCOL_ERROR},
    };
    scene->sign_with = known_keys_private(scene->arena, "keys/serverpriv.bin");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        scene->requests = 0;
        scene->calls = 0;
        scene->version = cases[i].version;
        CALL(scene, &options, cases[i].act);
        assert_int_equal(scene->status, cases[i].status);
        client_free(scene->client);
        scene->client = NULL;
    }
    EVP_PKEY_free(scene->sign_with);
    EVP_PKEY_free(public);
}

static void client_when_freed_under_way_is_silent(void **state)
{
    struct scene *scene = *state;
    struct client_options options = {
        .server = scene->address, .transport = ASK_TCP, .random = counting_bytes};
    struct client_request request = {.opcode = OPCODE_GET_SITE_INFO,
                                     .body = BYTES_LITERAL("\0\0\0\1/")};
    static const enum act acts[] = {ACT_SUCCEED};
    scene->acts = acts;
    scene->act_count = 1;
    assert_int_equal(client_new(scene->client_net, &options, &scene->client), STATUS_OK);
    assert_int_equal(client_call(scene->client, &request, NULL, scene_on_done, scene), STATUS_OK);
    client_free(scene->client);
    scene->client = NULL;
    fake_world_advance(scene->world, 60000);
    assert_int_equal(scene->calls, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(answer_names_the_challenge_and_leaves_out_overwrite),
        CASE(secret_proves_itself_in_every_version),
        CASE(key_proves_itself),
        CASE(challenge_of_another_request_is_not_answered),
        CASE(challenge_with_a_short_nonce_is_not_answered),
        CASE(challenge_without_identity_is_the_answer),
        CASE(second_challenge_must_be_of_the_first_request_too),
        CASE(refusal_is_the_answer),
        CASE(list_is_told_message_by_message),
        CASE(signature_of_the_server_is_looked_at),
        CASE(busy_server_need_not_sign),
        CASE(signed_answer_to_something_else_is_not_believed),
        CASE(client_when_freed_under_way_is_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
