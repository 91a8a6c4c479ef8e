/* SPDX-License-Identifier: Apache-2.0
 *
 * Clients with keys, for scenario tests: they ask, answer challenges and speak in sessions.
 *
 * 0.NA/88.1000 holds the keys of tests/vectors/keys: 300 an RSA key, 302 a secret one, and an
 * HS_ADMIN value for each.
 */
#pragma once

#include "tests/scenario/scene.h"

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "protocol/secret_answer.h"
#include "protocol/session_cipher.h"
#include "protocol/session_key.h"
#include "protocol/session_mac.h"
#include "protocol/signature.h"
#include "protocol/value_types.h"
#include "resolver/login.h"

#define SCENE_ADMIN "0.NA/88.1000"
#define SCENE_SECRET "s3cr3tKey-88"
#define SCENE_PACKET 65536

static inline EVP_PKEY *scene_key(const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/keys/%s", TEST_VECTORS, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    EVP_PKEY *key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
    (void)fclose(file);
    assert_non_null(key);
    return key;
}

static inline struct bytes scene_admin_data(uint8_t *room, size_t size, uint32_t index)
{
    struct admin admin = {.permissions = 0x0fff,
                          .identity = {.handle = BYTES_LITERAL(SCENE_ADMIN), .index = index}};
    struct wire_writer w = wire_write(room, size);
    admin_encode(&w, &admin);
    return wire_wrote(&w);
}

static inline void scene_put_admin(struct scene *scene)
{
    uint8_t rsa[512];
    uint8_t admins[2][64];
    EVP_PKEY *key = scene_key("adminpriv.pem");
    struct wire_writer w = wire_write(rsa, sizeof(rsa));
    assert_int_equal(pubkey_from_evp(key, &w), STATUS_OK);
    EVP_PKEY_free(key);
    struct value values[] = {
        fixture_value(100, "HS_ADMIN", "", 0x0e),
        fixture_value(101, "HS_ADMIN", "", 0x0e),
        fixture_value(300, "HS_PUBKEY", "", 0x0e),
        fixture_value(302, "HS_SECKEY", SCENE_SECRET, 0x0c),
    };
    values[0].data = scene_admin_data(admins[0], sizeof(admins[0]), 300);
    values[1].data = scene_admin_data(admins[1], sizeof(admins[1]), 302);
    values[2].data = wire_wrote(&w);
    fixture_put(&scene->store, BYTES_LITERAL(SCENE_ADMIN), values, 4);
    snapshot_rest(scene->store.snapshot);
}

static inline int scene_auth_open(void **state)
{
    int outcome = scene_open(state);
    scene_put_admin(*state);
    return outcome;
}

/* --- messages ----------------------------------------------------------------------------------
 */

struct scene_ask {
    struct message_version version; /* 2.11 when zero */
    uint32_t opcode;
    uint32_t flags;
    uint32_t session_id;
    uint32_t request_id;
    struct bytes body;
    const struct session_key *key; /* MAC with this counter */
    uint32_t counter;
    bool is_encrypted;
};

static inline struct bytes scene_encrypt(const struct session_key *key, uint8_t *packet, size_t len)
{
    static uint8_t room[SCENE_PACKET];
    uint8_t iv[SESSION_CIPHER_IV_MAX] = {7};
    struct bytes ivs = bytes_of(iv, session_cipher_iv_len(key->algorithm));
    struct wire_writer w = wire_write(room, sizeof(room));
    wire_put_raw(&w, bytes_of(packet, MESSAGE_ENVELOPE_LEN));
    assert_int_equal(session_cipher_encrypt(key, (struct message_version){2, 11}, ivs,
                                            bytes_from(bytes_of(packet, len), MESSAGE_ENVELOPE_LEN),
                                            &w),
                     STATUS_OK);
    room[2] |= 0x40;
    wire_store_u32(room + 16, (uint32_t)(wire_wrote(&w).len - MESSAGE_ENVELOPE_LEN));
    return wire_wrote(&w);
}

/* Lives until the next one. */
static inline struct bytes scene_packet(const struct scene_ask *ask)
{
    static uint8_t room[SCENE_PACKET];
    bool has_version = ask->version.major != 0;
    struct message_version version = has_version ? ask->version : (struct message_version){2, 11};
    struct envelope envelope = {.version = version,
                                .suggested = {2, has_version ? 10 : 11},
                                .session_id = ask->session_id,
                                .request_id = ask->request_id};
    struct header header = {.opcode = ask->opcode,
                            .flags = ask->flags,
                            .site_serial = MESSAGE_SERIAL_UNKNOWN,
                            .expiration = 1};
    struct wire_writer w = wire_write(room, sizeof(room));
    struct message_marks marks = message_open(&w, &envelope, &header);
    wire_put_raw(&w, ask->body);
    uint8_t *credential_at = w.at;
    message_close(&w, marks, NULL);
    if (ask->key != NULL) {
        uint8_t mac[SESSION_MAC_MAX];
        struct credential credential;
        w.at = credential_at;
        struct bytes digested = bytes_from(bytes_of(room, (size_t)(w.at - room)), 20);
        assert_int_equal(session_mac_make(bytes_of(ask->key->data, ask->key->len), &envelope,
                                          ask->counter, digested, mac, &credential),
                         STATUS_OK);
        message_close(&w, marks, &credential);
    }
    assert_false(w.failed);
    size_t len = wire_wrote(&w).len;
    return ask->is_encrypted ? scene_encrypt(ask->key, room, len) : bytes_of(room, len);
}

/* A whole packet of a copy that lives until the test ends. */
static inline struct bytes scene_copy(struct scene *scene, struct bytes packet)
{
    return arena_copy(scene->kept, packet);
}

/* Sends and returns what came back, decoded; fails when nothing did. The packet is kept. */
static inline struct message scene_exchange(struct scene *scene, struct scene_tcp *tcp,
                                            struct bytes packet)
{
    struct message answer;
    assert_int_equal(scene_tcp_send(tcp, packet), packet.len);
    fake_world_run(scene->world);
    struct bytes came = scene_tcp_next(tcp);
    assert_true(came.len > 0);
    assert_int_equal(message_decode(scene_copy(scene, came), &answer), STATUS_OK);
    return answer;
}

/* --- answers -----------------------------------------------------------------------------------
 */

struct scene_answer {
    const char *key_file; /* NULL: the secret key */
    const char *secret;
    const char *handle;
    uint32_t index;
    uint32_t request_id;
    struct message_version version;
};

/* The answer to a 402; lives until the next packet. */
static inline struct bytes scene_answer(const struct message *challenged,
                                        const struct scene_answer *with)
{
    static uint8_t body_room[4096];
    uint8_t signed_room[2048];
    struct wire_writer s = wire_write(signed_room, sizeof(signed_room));
    struct body_challenge asked;
    assert_int_equal(challenged->header.response_code, 402);
    assert_int_equal(body_challenge_decode(challenged->body, challenged->envelope.version, &asked),
                     STATUS_OK);
    struct bytes digest = bytes_of(asked.digest.data, asked.digest.len);
    if (with->key_file != NULL) {
        EVP_PKEY *key = scene_key(with->key_file);
        struct signature_challenge challenge = {
            .user_handle = bytes_of_text(with->handle), .nonce = asked.nonce, .digest = digest};
        assert_int_equal(signature_answer_make(key, challenged->envelope.version, &challenge, &s),
                         STATUS_OK);
        EVP_PKEY_free(key);
    } else {
        static const uint8_t salt[SECRET_ANSWER_SALT_LEN] = {1, 2, 3};
        struct secret_challenge challenge = {.nonce = asked.nonce, .digest = digest};
        assert_int_equal(
            secret_answer_make(SECRET_PBKDF2, bytes_of_text(with->secret), &challenge, salt, &s),
            STATUS_OK);
    }
    struct body_answer body = {
        .type = bytes_of_text(with->key_file != NULL ? "HS_PUBKEY" : "HS_SECKEY"),
        .identity = {.handle = bytes_of_text(with->handle), .index = with->index},
        .signed_response = wire_wrote(&s),
    };
    struct wire_writer w = wire_write(body_room, sizeof(body_room));
    body_answer_encode(&w, &body);
    return scene_packet(&(struct scene_ask){
        .version = with->version,
        .opcode = OPCODE_CHALLENGE_RESPONSE,
        .flags = MESSAGE_RECURSIVE,
        .session_id = challenged->envelope.session_id,
        .request_id = with->request_id,
        .body = wire_wrote(&w),
    });
}

static inline struct scene_answer scene_as_admin(uint32_t request_id)
{
    return (struct scene_answer){
        .key_file = "adminpriv.pem", .handle = SCENE_ADMIN, .index = 300, .request_id = request_id};
}

/* --- requests ----------------------------------------------------------------------------------
 */

/* 2001 for index 300 of the admin's handle. */
static inline struct bytes scene_login(uint32_t request_id, struct message_version version)
{
    static uint8_t room[256];
    struct wire_writer w = wire_write(room, sizeof(room));
    struct reference identity = {.handle = BYTES_LITERAL(SCENE_ADMIN), .index = 300};
    body_login_encode(&w, &identity);
    return scene_packet(&(struct scene_ask){.version = version,
                                            .opcode = OPCODE_LOGIN,
                                            .flags = MESSAGE_REQUEST_DIGEST,
                                            .request_id = request_id,
                                            .body = wire_wrote(&w)});
}
