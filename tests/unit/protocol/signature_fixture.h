/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys and challenges of the vectors, for the tests of signatures.
 *
 * For test programs only: what cannot be made fails the test. Memory comes from an arena, keys are
 * the caller's to free.
 */
#pragma once

#include "tests/unit/protocol/known_keys.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>

#include "protocol/body.h"
#include "protocol/signature.h"

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define V(minor) ((struct message_version){2, (minor)})
#define ROOM 8192
#define SM2_USER BYTES_LITERAL("20.1000/u1")

static inline int set_up(void **state)
{
    *state = arena_new(1 << 16, 64 << 20);
    return *state == NULL ? -1 : 0;
}

static inline int tear_down(void **state)
{
    known_keys_assert_no_errors();
    arena_free(*state);
    return 0;
}

static inline struct wire_writer room(struct arena *arena)
{
    return wire_write(vectors_room(arena, ROOM), ROOM);
}

/* The test key of V18, from modulus and private exponent. */
static inline EVP_PKEY *v18_key(struct arena *arena)
{
    EVP_PKEY *key = NULL;
    struct wire_writer w = room(arena);
    wire_put_bytes(&w, BYTES_LITERAL("RSA_PRIV_KEY"));
    wire_put_bytes(&w, vectors_get(arena, "V18.modulus"));
    wire_put_bytes(&w, vectors_get(arena, "V18.private_exponent"));
    assert_int_equal(pubkey_private_to_evp(wire_wrote(&w), &key), STATUS_OK);
    return key;
}

static inline EVP_PKEY *v19_key(struct arena *arena)
{
    struct wire_writer point = room(arena);
    wire_put_u8(&point, 4);
    wire_put_raw(&point, vectors_get(arena, "V19.x"));
    wire_put_raw(&point, vectors_get(arena, "V19.y"));
    struct bytes d_bytes = vectors_get(arena, "V19.d");
    BIGNUM *d = BN_bin2bn(d_bytes.data, (int)d_bytes.len, NULL);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "SM2", NULL);
    EVP_PKEY *key = NULL;
    assert_int_equal(OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "SM2", 0),
                     1);
    assert_int_equal(OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY,
                                                      wire_wrote(&point).data,
                                                      wire_wrote(&point).len),
                     1);
    assert_int_equal(OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_PRIV_KEY, d), 1);
    OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(builder);
    assert_int_equal(EVP_PKEY_fromdata_init(context), 1);
    assert_int_equal(EVP_PKEY_fromdata(context, &key, EVP_PKEY_KEYPAIR, parameters), 1);
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(parameters);
    OSSL_PARAM_BLD_free(builder);
    BN_free(d);
    return key;
}

/* The challenge V9, to this user. */
static inline struct signature_challenge v9(struct arena *arena, struct bytes user)
{
    struct message message = vectors_message(arena, "V9.message");
    struct body_challenge *body = arena_alloc(arena, sizeof(*body));
    assert_non_null(body);
    assert_int_equal(body_challenge_decode(message.body, V(11), body), STATUS_OK);
    return (struct signature_challenge){user, body->nonce,
                                        bytes_of(body->digest.data, body->digest.len)};
}

static inline struct bytes answer_of(struct arena *arena, EVP_PKEY *key,
                                     struct message_version version,
                                     const struct signature_challenge *challenge)
{
    struct wire_writer w = room(arena);
    assert_int_equal(signature_answer_make(key, version, challenge, &w), STATUS_OK);
    return wire_wrote(&w);
}

/* Any bit of the signature: not of its name, whose case and punctuation do not count. */
static inline void assert_answer_is_tight(struct arena *arena, EVP_PKEY *key,
                                          const struct signature_challenge *challenge,
                                          struct bytes answer)
{
    struct body_signature parts;
    assert_int_equal(body_signature_decode(answer, &parts), STATUS_OK);
    for (size_t byte = answer.len - parts.signature.len; byte < answer.len; byte++) {
        struct bytes changed = known_keys_flipped(arena, answer, byte * 8 + byte % 8);
        assert_int_equal(signature_answer_check(key, challenge, changed),
                         STATUS_AUTHENTICATION_FAILED);
    }
    struct signature_challenge other = *challenge;
    other.nonce = known_keys_flipped(arena, challenge->nonce, 0);
    assert_int_equal(signature_answer_check(key, &other, answer), STATUS_AUTHENTICATION_FAILED);
    other = *challenge;
    other.digest = known_keys_flipped(arena, challenge->digest, 7);
    assert_int_equal(signature_answer_check(key, &other, answer), STATUS_AUTHENTICATION_FAILED);
}

/* The envelope of V18 at this version. */
static inline struct envelope v18_envelope(uint8_t minor)
{
    return (struct envelope){.version = {2, minor},
                             .suggested = {2, 11},
                             .session_id = 0x0a0b0c0d,
                             .request_id = 0x01020304};
}
