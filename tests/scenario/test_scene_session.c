/* SPDX-License-Identifier: Apache-2.0
 *
 * Sessions at a worker: agreeing on a key, MACs, counters, encryption, the end.
 */
#include "tests/scenario/scene_auth.h"

#include <openssl/bn.h>

#define CASE(name) cmocka_unit_test_setup_teardown(name, scene_auth_open, scene_close)
#define ANONYMOUS UINT32_MAX

struct client {
    struct scene *scene;
    struct scene_tcp *tcp;
    uint32_t id;
    struct session_key key;
};

/* A pair in a 1 024-bit group: RFC 2409's second, which OpenSSL does not name. */
static EVP_PKEY *client_pair(void)
{
    uint8_t p[128];
    BIGNUM *prime = BN_get_rfc2409_prime_1024(NULL);
    static const uint8_t g[] = {2};
    assert_int_equal(BN_bn2binpad(prime, p, sizeof(p)), sizeof(p));
    BN_free(prime);
    EVP_PKEY *pair = NULL;
    assert_int_equal(session_key_pair_new(bytes_of(p, sizeof(p)), bytes_of(g, 1), &pair),
                     STATUS_OK);
    return pair;
}

static struct bytes setup_packet(uint16_t mode, struct bytes key, uint32_t index, uint32_t timeout)
{
    static uint8_t room[4096];
    struct wire_writer w = wire_write(room, sizeof(room));
    struct body_session_setup body = {
        .mode = mode,
        .timeout_s = timeout,
        .identity = {.handle = index == ANONYMOUS ? BYTES_NONE : BYTES_LITERAL(SCENE_ADMIN),
                     .index = index},
        .public_key = key,
        .exchange_key = {.handle = BYTES_LITERAL(SCENE_ADMIN), .index = 300},
        .trailing_zeros = 2,
    };
    body_session_setup_encode(&w, &body);
    return scene_packet(&(struct scene_ask){
        .opcode = OPCODE_SESSION_SETUP, .request_id = 1, .body = wire_wrote(&w)});
}

static struct bytes record_of(const EVP_PKEY *pair)
{
    static uint8_t room[4096];
    struct wire_writer w = wire_write(room, sizeof(room));
    assert_int_equal(pubkey_from_evp(pair, &w), STATUS_OK);
    return wire_wrote(&w);
}

static void agree_for(struct client *client, uint32_t index, uint32_t timeout)
{
    EVP_PKEY *pair = client_pair();
    struct message answer =
        scene_exchange(client->scene, client->tcp,
                       setup_packet(SESSION_DIFFIE_HELLMAN, record_of(pair), index, timeout));
    struct body_session_answer body;
    struct pubkey peer;
    enum session_algorithm algorithm;
    assert_int_equal(answer.header.response_code, 1);
    assert_int_equal(body_session_answer_decode(answer.body, &body), STATUS_OK);
    assert_int_equal(body.trailing_zeros, 2);
    assert_int_equal(session_key_dh_decode(body.data, &algorithm, &peer), STATUS_OK);
    assert_int_equal(session_key_agree(pair, &peer, algorithm, &client->key), STATUS_OK);
    EVP_PKEY_free(pair);
    client->id = answer.envelope.session_id;
    assert_in_range(client->id, 1, INT32_MAX);
}

static struct client open_client(struct scene *scene, uint32_t index)
{
    struct client client = {.scene = scene, .tcp = scene_tcp_open(scene)};
    agree_for(&client, index, 86400);
    return client;
}

static void close_client(struct client *client)
{
    session_key_cleanse(&client->key);
    scene_tcp_close(client->tcp);
}

/* A request of this session, MACed, that lists what is homed. */
static struct scene_ask ask_of(const struct client *client, uint32_t counter)
{
    static const uint8_t slash[] = {0, 0, 0, 1, '/'};
    return (struct scene_ask){
        .opcode = OPCODE_LIST_HOMED_PREFIXES,
        .session_id = client->id,
        .request_id = 100 + counter,
        .body = bytes_of(slash, sizeof(slash)),
        .key = &client->key,
        .counter = counter,
    };
}

static uint32_t code_of(struct client *client, const struct scene_ask *ask)
{
    return scene_exchange(client->scene, client->tcp, scene_packet(ask)).header.response_code;
}

static struct scene_ask resolution_of(const struct client *client, uint32_t counter)
{
    static uint8_t room[64];
    struct scene_ask ask = ask_of(client, counter);
    ask.opcode = OPCODE_RESOLUTION;
    ask.flags = MESSAGE_PUBLIC_ONLY;
    ask.body = fixture_resolution(room, sizeof(room), BYTES_LITERAL("88.1000/a"), NULL, 0, NULL);
    return ask;
}

static void challenge_of_a_session_carries_its_id_and_authenticates_it(void **state)
{
    struct client client = open_client(*state, 300);
    struct scene_ask ask = ask_of(&client, 1);
    struct message challenged = scene_exchange(client.scene, client.tcp, scene_packet(&ask));
    assert_int_equal(challenged.header.response_code, 402);
    assert_int_equal(challenged.envelope.session_id, client.id);
    struct scene_answer with = scene_as_admin(5);
    struct message answer =
        scene_exchange(client.scene, client.tcp, scene_answer(&challenged, &with));
    assert_int_equal(answer.envelope.session_id, client.id);
    assert_int_equal(answer.header.opcode, OPCODE_LIST_HOMED_PREFIXES);
    assert_int_not_equal(answer.header.response_code, 403);
    close_client(&client);
}

static void login_in_a_session_authenticates_it(void **state)
{
    struct client client = open_client(*state, 300);
    uint8_t room[256];
    struct wire_writer w = wire_write(room, sizeof(room));
    struct reference identity = {.handle = BYTES_LITERAL(SCENE_ADMIN), .index = 300};
    body_login_encode(&w, &identity);
    struct scene_ask ask = ask_of(&client, 1);
    ask.opcode = OPCODE_LOGIN;
    ask.body = wire_wrote(&w);
    struct message challenged = scene_exchange(client.scene, client.tcp, scene_packet(&ask));
    struct scene_answer with = scene_as_admin(5);
    assert_int_equal(scene_exchange(client.scene, client.tcp, scene_answer(&challenged, &with))
                         .header.response_code,
                     1);
    struct session *session = NULL;
    assert_int_equal(sessions_get(client.scene->sessions, net_wall_ms(client.scene->worker_net),
                                  client.id, &session),
                     STATUS_OK);
    assert_true(session->is_authenticated);
    session_free(session);
    close_client(&client);
}

static struct scene_ask list_of(const struct client *client, uint32_t counter)
{
    static const uint8_t prefix[] = {0, 0, 0, 7, '8', '8', '.', '1', '0', '0', '0'};
    struct scene_ask ask = ask_of(client, counter);
    ask.opcode = OPCODE_LIST_HANDLES;
    ask.body = bytes_of(prefix, sizeof(prefix));
    return ask;
}

/* The administrators of 88.1000 are named by index. */
static void session_without_index_is_whoever_proved_right_in_it(void **state)
{
    struct client client = open_client(*state, 0);
    struct scene_ask ask = list_of(&client, 1);
    struct message challenged = scene_exchange(client.scene, client.tcp, scene_packet(&ask));
    struct scene_answer with = {.secret = SCENE_SECRET, .handle = SCENE_ADMIN, .request_id = 5};
    assert_int_equal(scene_exchange(client.scene, client.tcp, scene_answer(&challenged, &with))
                         .header.response_code,
                     1);
    ask = list_of(&client, 2);
    assert_int_equal(code_of(&client, &ask), 1);
    close_client(&client);
}

static void answer_by_another_identity_in_a_session_is_refused(void **state)
{
    struct client client = open_client(*state, 300);
    struct scene_ask ask = ask_of(&client, 1);
    struct message challenged = scene_exchange(client.scene, client.tcp, scene_packet(&ask));
    struct scene_answer with = {.secret = SCENE_SECRET, .handle = SCENE_ADMIN, .index = 302};
    assert_int_equal(scene_exchange(client.scene, client.tcp, scene_answer(&challenged, &with))
                         .header.response_code,
                     403);
    close_client(&client);
}

static void same_request_gets_the_same_challenge_in_a_session(void **state)
{
    struct client client = open_client(*state, 300);
    struct scene_ask ask = ask_of(&client, 1);
    struct bytes packet = scene_copy(client.scene, scene_packet(&ask));
    struct message first = scene_exchange(client.scene, client.tcp, packet);
    struct message again = scene_exchange(client.scene, client.tcp, packet);
    assert_int_equal(first.header.response_code, 402);
    assert_true(bytes_equal(first.body, again.body));
    close_client(&client);
}

static void request_with_wrong_mac_is_refused(void **state)
{
    struct client client = open_client(*state, ANONYMOUS);
    struct session_key right = client.key;
    struct scene_ask ask = resolution_of(&client, 1);
    client.key.data[0] ^= 1;
    assert_int_equal(code_of(&client, &ask), 502);
    client.key = right;
    assert_int_equal(code_of(&client, &ask), 1);
    close_client(&client);
}

static void counter_used_before_is_refused(void **state)
{
    struct client client = open_client(*state, ANONYMOUS);
    struct scene_ask ask = resolution_of(&client, 5);
    assert_int_equal(code_of(&client, &ask), 1);
    ask.request_id++;
    assert_int_equal(code_of(&client, &ask), 505);
    ask = resolution_of(&client, 0);
    assert_int_equal(code_of(&client, &ask), 505);
    ask = resolution_of(&client, 3); /* out of order, not yet used */
    assert_int_equal(code_of(&client, &ask), 1);
    close_client(&client);
}

static void counters_below_the_window_are_refused(void **state)
{
    struct client client = open_client(*state, ANONYMOUS);
    for (uint32_t i = 0; i < SESSION_COUNTERS; i++) {
        struct scene_ask ask = resolution_of(&client, 1000 + i);
        assert_int_equal(code_of(&client, &ask), 1);
    }
    struct scene_ask old = resolution_of(&client, 999);
    assert_int_equal(code_of(&client, &old), 505);
    struct scene_ask next = resolution_of(&client, 5000);
    assert_int_equal(code_of(&client, &next), 1);
    close_client(&client);
}

static void request_sent_again_gets_the_first_answer_then_505(void **state)
{
    struct client client = open_client(*state, ANONYMOUS);
    struct scene_ask ask = resolution_of(&client, 1);
    struct bytes packet = scene_copy(client.scene, scene_packet(&ask));
    struct message first = scene_exchange(client.scene, client.tcp, packet);
    struct message again = scene_exchange(client.scene, client.tcp, packet);
    assert_int_equal(first.header.response_code, 1);
    assert_true(bytes_equal(first.digested, again.digested));
    fake_world_advance(client.scene->world, 10000);
    assert_int_equal(scene_exchange(client.scene, client.tcp, packet).header.response_code, 505);
    close_client(&client);
}

static void answer_is_maced_with_our_own_counter_when_certified(void **state)
{
    struct client client = open_client(*state, ANONYMOUS);
    for (uint32_t i = 1; i <= 3; i++) {
        struct scene_ask ask = resolution_of(&client, 10 * i);
        ask.flags |= MESSAGE_CERTIFIED;
        struct message answer = scene_exchange(client.scene, client.tcp, scene_packet(&ask));
        assert_true(answer.credential.is_present);
        assert_int_equal(answer.credential.counter, i);
        assert_int_equal(session_mac_check(bytes_of(client.key.data, client.key.len),
                                           (struct message_version){2, 11}, &answer),
                         STATUS_OK);
    }
    close_client(&client);
}

/* What came back, decrypted. */
static struct message decrypted(struct client *client, struct bytes came)
{
    uint8_t *room = arena_alloc(client->scene->kept, came.len);
    struct wire_writer w = wire_write(room, came.len);
    struct message answer;
    wire_put_raw(&w, bytes_of(came.data, MESSAGE_ENVELOPE_LEN));
    assert_int_equal(came.data[2] & 0x40, 0x40);
    assert_int_equal(session_cipher_decrypt(&client->key, (struct message_version){2, 11},
                                            bytes_from(came, MESSAGE_ENVELOPE_LEN), &w),
                     STATUS_OK);
    room[2] &= 0xbf;
    wire_store_u32(room + 16, (uint32_t)(wire_wrote(&w).len - MESSAGE_ENVELOPE_LEN));
    assert_int_equal(message_decode(wire_wrote(&w), &answer), STATUS_OK);
    return answer;
}

static void encrypted_request_is_answered_encrypted_when_asked(void **state)
{
    struct client client = open_client(*state, ANONYMOUS);
    struct scene_ask ask = resolution_of(&client, 1);
    ask.is_encrypted = true;
    ask.flags |= MESSAGE_ENCRYPT | MESSAGE_CERTIFIED;
    struct bytes packet = scene_packet(&ask);
    assert_int_equal(scene_tcp_send(client.tcp, packet), packet.len);
    fake_world_run(client.scene->world);
    struct message answer = decrypted(&client, scene_tcp_next(client.tcp));
    assert_int_equal(answer.header.response_code, 1);
    assert_true(answer.credential.is_present);
    ask = resolution_of(&client, 2); /* encrypted, but its answer may be read */
    ask.is_encrypted = true;
    assert_int_equal(code_of(&client, &ask), 1);
    close_client(&client);
}

static void damaged_cipher_text_says_one_thing_whatever_is_wrong(void **state)
{
    struct client client = open_client(*state, ANONYMOUS);
    struct scene_ask ask = resolution_of(&client, 1);
    ask.is_encrypted = true;
    size_t len = scene_packet(&ask).len;
    for (size_t at = MESSAGE_ENVELOPE_LEN; at < len; at++) {
        struct bytes packet = scene_copy(client.scene, scene_packet(&ask));
        ((uint8_t *)(uintptr_t)packet.data)[at] ^= 0x5a;
        assert_int_equal(scene_exchange(client.scene, client.tcp, packet).header.response_code,
                         501);
    }
    assert_int_equal(code_of(&client, &ask), 1);
    close_client(&client);
}

static void session_ends_when_told_so_and_is_unknown_afterwards(void **state)
{
    struct client client = open_client(*state, ANONYMOUS);
    struct scene_ask ask = ask_of(&client, 1);
    ask.opcode = OPCODE_SESSION_TERMINATE;
    ask.key = NULL;
    assert_int_equal(code_of(&client, &ask), 502);
    ask.key = &client.key;
    struct message answer = scene_exchange(client.scene, client.tcp, scene_packet(&ask));
    assert_int_equal(answer.header.response_code, 1);
    assert_int_equal(answer.envelope.session_id, client.id);
    struct scene_ask next = resolution_of(&client, 2);
    assert_int_equal(code_of(&client, &next), 500);
    close_client(&client);
}

static void session_unused_for_its_time_is_unknown(void **state)
{
    struct scene *scene = *state;
    scene->settings->limits_idle = 3600 * 1000;
    struct client client = {.scene = scene, .tcp = scene_tcp_open(scene)};
    agree_for(&client, ANONYMOUS, 1); /* clamped to a minute */
    fake_world_advance(scene->world, 50000);
    struct scene_ask ask = resolution_of(&client, 1);
    assert_int_equal(code_of(&client, &ask), 1);
    fake_world_advance(scene->world, 50000); /* since its last use */
    ask = resolution_of(&client, 2);
    assert_int_equal(code_of(&client, &ask), 1);
    fake_world_advance(scene->world, 60000);
    ask = resolution_of(&client, 3);
    assert_int_equal(code_of(&client, &ask), 500);
    close_client(&client);
}

static void sessions_of_a_source_are_bounded(void **state)
{
    struct scene *scene = *state;
    scene->settings->limits_sessions_per_source = 2;
    struct client first = open_client(scene, ANONYMOUS);
    struct client second = open_client(scene, ANONYMOUS);
    struct client third = open_client(scene, ANONYMOUS);
    assert_int_equal(scene_count(scene, METRIC_sessions_displaced), 1);
    struct scene_ask ask = resolution_of(&first, 1);
    assert_int_equal(code_of(&first, &ask), 500);
    ask = resolution_of(&second, 1);
    assert_int_equal(code_of(&second, &ask), 1);
    close_client(&first);
    close_client(&second);
    close_client(&third);
}

static void setup_with_a_key_of_ours_is_refused(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    struct bytes packet = setup_packet(SESSION_SERVER_KEY, BYTES_NONE, 300, 60);
    assert_int_equal(scene_exchange(scene, tcp, packet).header.response_code, 504);
    scene_tcp_close(tcp);
}

static void setup_with_rubbish_for_a_key_is_refused(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    struct bytes packet =
        setup_packet(SESSION_DIFFIE_HELLMAN, BYTES_LITERAL("no key at all"), 300, 60);
    assert_int_equal(scene_exchange(scene, tcp, packet).header.response_code, 504);
    assert_int_equal(scene_count(scene, METRIC_parked), 0);
    scene_tcp_close(tcp);
}

static void key_sealed_to_a_record_is_agreed_on(void **state)
{
    struct scene *scene = *state;
    struct client client = {.scene = scene, .tcp = scene_tcp_open(scene)};
    struct message answer =
        scene_exchange(scene, client.tcp, setup_packet(SESSION_HANDLE_KEY, BYTES_NONE, 300, 3600));
    struct body_session_answer body;
    assert_int_equal(answer.header.response_code, 1);
    assert_int_equal(body_session_answer_decode(answer.body, &body), STATUS_OK);
    EVP_PKEY *key = scene_key("adminpriv.pem");
    assert_int_equal(session_key_unseal(key, body.data, &client.key), STATUS_OK);
    EVP_PKEY_free(key);
    client.id = answer.envelope.session_id;
    struct scene_ask ask = resolution_of(&client, 1);
    assert_int_equal(code_of(&client, &ask), 1);
    close_client(&client);
}

/* What a client of this version, which suggests 2.10 as the national one does, is offered when it
 * names its record. */
static enum session_algorithm offered_to(struct scene *scene, struct message_version version,
                                         struct client *client)
{
    uint8_t room[256];
    struct wire_writer w = wire_write(room, sizeof(room));
    const struct body_session_setup body = {
        .mode = SESSION_HANDLE_KEY,
        .timeout_s = 3600,
        .identity = {.handle = BYTES_LITERAL(SCENE_ADMIN), .index = 300},
        .exchange_key = {.handle = BYTES_LITERAL(SCENE_ADMIN), .index = 300},
        .trailing_zeros = 2,
    };
    body_session_setup_encode(&w, &body);
    const struct scene_ask ask = {.version = version,
                                  .opcode = OPCODE_SESSION_SETUP,
                                  .request_id = 1,
                                  .body = wire_wrote(&w)};
    struct message answer = scene_exchange(scene, client->tcp, scene_packet(&ask));
    struct body_session_answer told;
    assert_int_equal(answer.header.response_code, 1);
    assert_int_equal(body_session_answer_decode(answer.body, &told), STATUS_OK);
    EVP_PKEY *key = scene_key("adminpriv.pem");
    assert_int_equal(session_key_unseal(key, told.data, &client->key), STATUS_OK);
    EVP_PKEY_free(key);
    client->id = answer.envelope.session_id;
    return client->key.algorithm;
}

static void sm4_is_offered_to_national_clients_where_it_is_on(void **state)
{
    struct scene *scene = *state;
    struct client client = {.scene = scene, .tcp = scene_tcp_open(scene)};
    const struct message_version national = {2, 10};
    assert_int_equal(offered_to(scene, national, &client), SESSION_AES);
    scene->settings->auth_session_sm4 = true;
    assert_int_equal(offered_to(scene, (struct message_version){0}, &client), SESSION_AES);
    assert_int_equal(offered_to(scene, national, &client), SESSION_SM4);
    struct scene_ask ask = resolution_of(&client, 1);
    ask.version = national;
    ask.flags |= (uint32_t)MESSAGE_ENCRYPT;
    assert_int_equal(scene_tcp_send(client.tcp, scene_packet(&ask)), scene_packet(&ask).len);
    fake_world_run(scene->world);
    struct bytes packet = scene_tcp_next(client.tcp);
    assert_true(packet.len > MESSAGE_ENVELOPE_LEN);
    assert_int_equal(packet.data[2] & 0x40, 0x40);
    uint8_t room[4096];
    struct message answer;
    struct wire_writer w = wire_write(room, sizeof(room));
    wire_put_raw(&w, bytes_of(packet.data, MESSAGE_ENVELOPE_LEN));
    assert_int_equal(
        session_cipher_decrypt(&client.key, national, bytes_from(packet, MESSAGE_ENVELOPE_LEN), &w),
        STATUS_OK);
    room[2] &= 0xbf;
    wire_store_u32(room + 16, (uint32_t)(wire_wrote(&w).len - MESSAGE_ENVELOPE_LEN));
    assert_int_equal(message_decode(wire_wrote(&w), &answer), STATUS_OK);
    assert_int_equal(answer.header.response_code, 1);
    close_client(&client);
}

/* The mode in which a client sends a key is refused: nobody waits for one (§5.12). */
static void key_that_nobody_waits_for_is_refused(void **state)
{
    struct scene *scene = *state;
    struct client client = open_client(scene, 302);
    static const uint8_t body[] = {0, 0, 0, 2, 1, 2};
    struct scene_ask ask = ask_of(&client, 1);
    ask.opcode = OPCODE_SESSION_EXCHANGE_KEY;
    ask.body = bytes_of(body, sizeof(body));
    assert_int_equal(code_of(&client, &ask), 504);
    ask.key = NULL;
    ask.request_id++;
    assert_int_equal(code_of(&client, &ask), 502);
    ask.session_id = 0;
    ask.request_id++;
    assert_int_equal(code_of(&client, &ask), 500);
    ask.body.len--;
    ask.request_id++;
    assert_int_equal(code_of(&client, &ask), 4);
    close_client(&client);
}

static void number_a_client_chose_itself_is_no_session(void **state)
{
    struct scene *scene = *state;
    struct client client = {.scene = scene, .tcp = scene_tcp_open(scene), .id = 10001};
    struct scene_ask ask = resolution_of(&client, 1);
    ask.key = NULL;
    struct message answer = scene_exchange(scene, client.tcp, scene_packet(&ask));
    assert_int_equal(answer.header.response_code, 1);
    assert_int_equal(answer.envelope.session_id, 10001);
    close_client(&client);
}

static void setup_is_signed_when_certified(void **state)
{
    struct scene *scene = *state;
    scene->generation.site_key = scene_key("adminpriv.pem");
    struct scene_tcp *tcp = scene_tcp_open(scene);
    EVP_PKEY *pair = client_pair();
    struct bytes packet =
        scene_copy(scene, setup_packet(SESSION_DIFFIE_HELLMAN, record_of(pair), ANONYMOUS, 3600));
    EVP_PKEY_free(pair);
    ((uint8_t *)(uintptr_t)packet.data)[MESSAGE_ENVELOPE_LEN + 8] |= 0x40;
    struct message answer = scene_exchange(scene, tcp, packet);
    assert_int_equal(answer.header.response_code, 1);
    assert_int_equal(signature_message_check(scene->generation.site_key, &answer), STATUS_OK);
    assert_int_equal(scene_count(scene, METRIC_parked), 0);
    EVP_PKEY_free(scene->generation.site_key);
    scene->generation.site_key = NULL;
    scene_tcp_close(tcp);
}

static void certified_answers_are_bounded_by_the_second(void **state)
{
    struct scene *scene = *state;
    scene->generation.site_key = scene_key("adminpriv.pem");
    scene->settings->limits_certified = 2;
    struct client client = {.scene = scene, .tcp = scene_tcp_open(scene)};
    fake_world_advance(scene->world, 2000);
    struct scene_ask ask = resolution_of(&client, 1);
    ask.key = NULL;
    ask.flags |= MESSAGE_CERTIFIED;
    assert_int_equal(code_of(&client, &ask), 1);
    assert_int_equal(code_of(&client, &ask), 1);
    assert_int_equal(code_of(&client, &ask), 3);
    fake_world_advance(scene->world, 500);
    assert_int_equal(code_of(&client, &ask), 1);
    EVP_PKEY_free(scene->generation.site_key);
    scene->generation.site_key = NULL;
    close_client(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(challenge_of_a_session_carries_its_id_and_authenticates_it),
        CASE(login_in_a_session_authenticates_it),
        CASE(session_without_index_is_whoever_proved_right_in_it),
        CASE(answer_by_another_identity_in_a_session_is_refused),
        CASE(same_request_gets_the_same_challenge_in_a_session),
        CASE(request_with_wrong_mac_is_refused),
        CASE(counter_used_before_is_refused),
        CASE(counters_below_the_window_are_refused),
        CASE(request_sent_again_gets_the_first_answer_then_505),
        CASE(answer_is_maced_with_our_own_counter_when_certified),
        CASE(encrypted_request_is_answered_encrypted_when_asked),
        CASE(damaged_cipher_text_says_one_thing_whatever_is_wrong),
        CASE(session_ends_when_told_so_and_is_unknown_afterwards),
        CASE(session_unused_for_its_time_is_unknown),
        CASE(sessions_of_a_source_are_bounded),
        CASE(setup_with_a_key_of_ours_is_refused),
        CASE(setup_with_rubbish_for_a_key_is_refused),
        CASE(key_sealed_to_a_record_is_agreed_on),
        CASE(sm4_is_offered_to_national_clients_where_it_is_on),
        CASE(key_that_nobody_waits_for_is_refused),
        CASE(number_a_client_chose_itself_is_no_session),
        CASE(setup_is_signed_when_certified),
        CASE(certified_answers_are_bounded_by_the_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
