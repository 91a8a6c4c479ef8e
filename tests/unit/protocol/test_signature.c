/* SPDX-License-Identifier: Apache-2.0
 *
 * Public-key answers and message signatures: vectors V18 and V19, the known keys, captured answers
 * and certified responses, and signatures nobody may take (protocol.md §14 row 52).
 */
#include "protocol/signature.h"

#include "tests/unit/protocol/known_keys.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>

#include "protocol/body.h"

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define V(minor) ((struct message_version){2, (minor)})
#define ROOM 8192
#define SM2_USER BYTES_LITERAL("20.1000/u1")

static int set_up(void **state)
{
    *state = arena_new(1 << 16, 64 << 20);
    return *state == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    known_keys_assert_no_errors();
    arena_free(*state);
    return 0;
}

static struct wire_writer room(struct arena *arena)
{
    return wire_write(vectors_room(arena, ROOM), ROOM);
}

/* The test key of V18, from modulus and private exponent. */
static EVP_PKEY *v18_key(struct arena *arena)
{
    EVP_PKEY *key = NULL;
    struct wire_writer w = room(arena);
    wire_put_bytes(&w, BYTES_LITERAL("RSA_PRIV_KEY"));
    wire_put_bytes(&w, vectors_get(arena, "V18.modulus"));
    wire_put_bytes(&w, vectors_get(arena, "V18.private_exponent"));
    assert_int_equal(pubkey_private_to_evp(wire_wrote(&w), &key), STATUS_OK);
    return key;
}

static EVP_PKEY *v19_key(struct arena *arena)
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
static struct signature_challenge v9(struct arena *arena, struct bytes user)
{
    struct message message = vectors_message(arena, "V9.message");
    struct body_challenge *body = arena_alloc(arena, sizeof(*body));
    assert_non_null(body);
    assert_int_equal(body_challenge_decode(message.body, V(11), body), STATUS_OK);
    return (struct signature_challenge){user, body->nonce,
                                        bytes_of(body->digest.data, body->digest.len)};
}

static struct bytes answer_of(struct arena *arena, EVP_PKEY *key, struct message_version version,
                              const struct signature_challenge *challenge)
{
    struct wire_writer w = room(arena);
    assert_int_equal(signature_answer_make(key, version, challenge, &w), STATUS_OK);
    return wire_wrote(&w);
}

/* Any bit of the signature: not of its name, whose case and punctuation do not count. */
static void assert_answer_is_tight(struct arena *arena, EVP_PKEY *key,
                                   const struct signature_challenge *challenge, struct bytes answer)
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

/* --- V18 ------------------------------------------------------------------------------------ */

static struct envelope v18_envelope(uint8_t minor)
{
    return (struct envelope){.version = {2, minor},
                             .suggested = {2, 11},
                             .session_id = 0x0a0b0c0d,
                             .request_id = 0x01020304};
}

static void message_of_v18_when_signed_has_the_known_credential(void **state)
{
    EVP_PKEY *key = v18_key(*state);
    struct envelope envelope = v18_envelope(11);
    struct bytes digested = vectors_get(*state, "V18.a_header_body");
    struct wire_writer w = room(*state);
    struct credential credential;
    uint8_t prefix[SIGNATURE_PREFIX_MAX];
    vectors_assert_equal(bytes_of(prefix, signature_prefix(&envelope, 0x11223344, prefix)),
                         vectors_get(*state, "V18.a_prefix"));
    assert_int_equal(signature_message_make(key, &envelope, 0x11223344, digested, &w, &credential),
                     STATUS_OK);
    vectors_assert_equal(known_keys_encoded(*state, &credential),
                         vectors_get(*state, "V18.a_credential"));
    struct message message =
        known_keys_assemble(*state, envelope, digested, vectors_get(*state, "V18.a_credential"));
    assert_int_equal(signature_message_check(key, &message), STATUS_OK);
    EVP_PKEY_free(key);
}

static void message_of_version_2_6_when_signed_is_refused(void **state)
{
    EVP_PKEY *key = v18_key(*state);
    struct envelope envelope = v18_envelope(6);
    struct bytes digested = vectors_get(*state, "V18.a_header_body");
    struct wire_writer w = room(*state);
    struct credential credential;
    assert_int_equal(signature_message_make(key, &envelope, 0x11223344, digested, &w, &credential),
                     STATUS_NOT_SUPPORTED);
    struct message message =
        known_keys_assemble(*state, envelope, digested, vectors_get(*state, "V18.b_credential"));
    assert_int_equal(signature_message_check(key, &message), STATUS_NOT_SUPPORTED);
    /* It is the form that is refused: with its prefix the vector's signature is right. */
    struct signature_scheme scheme = {.key = key, .hash = SIGNATURE_SHA256};
    assert_int_equal(signature_check(&scheme, vectors_get(*state, "V18.b_prefix"), digested,
                                     message.credential.signature),
                     STATUS_OK);
    EVP_PKEY_free(key);
}

static void answer_of_v18_when_made_is_the_known_one(void **state)
{
    EVP_PKEY *key = v18_key(*state);
    struct signature_challenge challenge = v9(*state, SM2_USER);
    struct bytes known = vectors_get(*state, "V18.c_signed_response");
    vectors_assert_equal(answer_of(*state, key, V(11), &challenge), known);
    assert_int_equal(signature_answer_check(key, &challenge, known), STATUS_OK);
    assert_answer_is_tight(*state, key, &challenge, known);
    EVP_PKEY_free(key);
}

/* --- V19 ------------------------------------------------------------------------------------ */

static struct bytes sm3(struct arena *arena, struct bytes data)
{
    uint8_t *out = vectors_room(arena, 32);
    size_t len = 0;
    assert_int_equal(EVP_Q_digest(NULL, "SM3", NULL, data.data, data.len, out, &len), 1);
    return bytes_of(out, len);
}

/* Z of the user and his key (protocol.md §12.6). */
static struct bytes z_of(struct arena *arena, struct bytes user)
{
    static const char curve[] = "FFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFC"
                                "28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93"
                                "32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7"
                                "BC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0";
    struct wire_writer w = room(arena);
    wire_put_u16(&w, (uint16_t)(user.len * 8));
    wire_put_raw(&w, user);
    wire_put_raw(&w, vectors_hex(arena, bytes_of_text(curve)));
    wire_put_raw(&w, vectors_get(arena, "V19.x"));
    wire_put_raw(&w, vectors_get(arena, "V19.y"));
    return sm3(arena, wire_wrote(&w));
}

static BIGNUM *v19_number(struct arena *arena, const char *name)
{
    struct bytes bytes = vectors_get(arena, name);
    BIGNUM *number = BN_bin2bn(bytes.data, (int)bytes.len, NULL);
    assert_non_null(number);
    return number;
}

/* r and s of the standard's formulas, with the k of the vector, which OpenSSL does not let us set:
 * r = e + x(kG), s = (k - rd) / (1 + d), modulo n. */
static struct bytes v19_signature(struct arena *arena)
{
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_sm2);
    EC_POINT *point = EC_POINT_new(group);
    BN_CTX *context = BN_CTX_new();
    const BIGNUM *n = EC_GROUP_get0_order(group);
    BIGNUM *k = v19_number(arena, "V19.k");
    BIGNUM *d = v19_number(arena, "V19.d");
    BIGNUM *r = v19_number(arena, "V19.e");
    BIGNUM *x = BN_new();
    BIGNUM *s = BN_new();
    assert_int_equal(EC_POINT_mul(group, point, k, NULL, NULL, context), 1);
    assert_int_equal(EC_POINT_get_affine_coordinates(group, point, x, NULL, context), 1);
    assert_int_equal(BN_mod_add(r, r, x, n, context), 1);
    assert_int_equal(BN_mod_mul(s, r, d, n, context), 1);
    assert_int_equal(BN_mod_sub(s, k, s, n, context), 1);
    assert_int_equal(BN_add_word(d, 1), 1);
    assert_non_null(BN_mod_inverse(d, d, n, context));
    assert_int_equal(BN_mod_mul(s, s, d, n, context), 1);
    ECDSA_SIG *signature = ECDSA_SIG_new();
    assert_int_equal(ECDSA_SIG_set0(signature, r, s), 1);
    unsigned char *der = vectors_room(arena, 128);
    unsigned char *at = der;
    int len = i2d_ECDSA_SIG(signature, &at);
    assert_in_range(len, 1, 128);
    ECDSA_SIG_free(signature); /* and r, s */
    BN_free(x);
    BN_free(d);
    BN_free(k);
    BN_CTX_free(context);
    EC_POINT_free(point);
    EC_GROUP_free(group);
    return bytes_of(der, (size_t)len);
}

static void answer_of_v19_when_computed_by_hand_is_the_known_one(void **state)
{
    struct signature_challenge challenge = v9(*state, SM2_USER);
    struct wire_writer w = room(*state);
    wire_put_raw(&w, challenge.nonce);
    wire_put_raw(&w, challenge.digest);
    struct bytes m = sm3(*state, wire_wrote(&w));
    vectors_assert_equal(m, vectors_get(*state, "V19.sm3_m"));
    struct bytes z = z_of(*state, SM2_USER);
    vectors_assert_equal(z, vectors_get(*state, "V19.z"));
    w = room(*state);
    wire_put_raw(&w, z);
    wire_put_raw(&w, m);
    vectors_assert_equal(sm3(*state, wire_wrote(&w)), vectors_get(*state, "V19.e"));
    vectors_assert_equal(v19_signature(*state), vectors_get(*state, "V19.der"));
}

static void answer_of_v19_when_checked_holds(void **state)
{
    EVP_PKEY *key = v19_key(*state);
    struct signature_challenge challenge = v9(*state, SM2_USER);
    struct bytes known = vectors_get(*state, "V19.signed_response");
    assert_int_equal(signature_answer_check(key, &challenge, known), STATUS_OK);
    assert_answer_is_tight(*state, key, &challenge, known);
    EVP_PKEY_free(key);
}

static void sm2_answer_when_made_holds_for_its_user_only(void **state)
{
    EVP_PKEY *key = v19_key(*state);
    struct signature_challenge challenge = v9(*state, SM2_USER);
    struct bytes answer = answer_of(*state, key, V(10), &challenge);
    struct body_signature parts;
    assert_int_equal(body_signature_decode(answer, &parts), STATUS_OK);
    vectors_assert_equal(parts.algorithm, BYTES_LITERAL("SM3"));
    assert_int_equal(signature_answer_check(key, &challenge, answer), STATUS_OK);
    assert_answer_is_tight(*state, key, &challenge, answer);
    challenge.user_handle = BYTES_LITERAL("20.1000/U1");
    assert_int_equal(signature_answer_check(key, &challenge, answer), STATUS_AUTHENTICATION_FAILED);
    challenge.user_handle = BYTES_NONE;
    assert_int_equal(signature_answer_check(key, &challenge, answer), STATUS_AUTHENTICATION_FAILED);
    struct wire_writer w = room(*state);
    assert_int_equal(signature_answer_make(key, V(10), &challenge, &w), STATUS_NOT_SUPPORTED);
    /* A user id whose length in bits does not fit the two bytes it has. */
    challenge.user_handle = bytes_of(vectors_room(*state, 9000), 9000);
    memset((uint8_t *)challenge.user_handle.data, 'a', 9000);
    assert_int_equal(signature_answer_check(key, &challenge, answer), STATUS_AUTHENTICATION_FAILED);
    assert_int_equal(signature_answer_make(key, V(10), &challenge, &w), STATUS_ERROR);
    EVP_PKEY_free(key);
}

/* As JWS will have it (protocol.md §12.6): one SM3, the user id nobody names. */
static void sm2_signature_when_bare_takes_the_given_id(void **state)
{
    EVP_PKEY *key = v19_key(*state);
    struct signature_scheme scheme = {key, SIGNATURE_SM3, BYTES_LITERAL(SIGNATURE_SM2_ID)};
    struct bytes text = BYTES_LITERAL("header.payload");
    struct wire_writer w = room(*state);
    assert_int_equal(signature_make(&scheme, text, BYTES_NONE, &w), STATUS_OK);
    assert_int_equal(signature_check(&scheme, text, BYTES_NONE, wire_wrote(&w)), STATUS_OK);
    scheme.sm2_id = SM2_USER;
    assert_int_equal(signature_check(&scheme, text, BYTES_NONE, wire_wrote(&w)),
                     STATUS_AUTHENTICATION_FAILED);
    EVP_PKEY_free(key);
}

static void sm2_key_when_signing_messages_is_refused(void **state)
{
    EVP_PKEY *key = v19_key(*state);
    struct envelope envelope = v18_envelope(11);
    struct wire_writer w = room(*state);
    struct credential credential;
    assert_int_equal(signature_message_make(key, &envelope, 0, BYTES_LITERAL("x"), &w, &credential),
                     STATUS_NOT_SUPPORTED);
    EVP_PKEY_free(key);
}

/* --- known keys and captures ------------------------------------------------------------------ */

static void answer_of_known_keys_when_made_is_the_known_one(void **state)
{
    static const struct {
        const char *block;
        uint8_t minor;
    } rows[] = {{"[challenge 2.0]", 0}, {"[challenge 2.3]", 3}, {"[challenge 2.11]", 11}};
    EVP_PKEY *key = known_keys_private(*state, "keys/adminpriv.bin");
    EVP_PKEY *public_key = known_keys_public(*state, "keys/adminpub.bin");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct signature_challenge challenge = {
            BYTES_LITERAL("0.NA/88.1000"),
            known_keys_get(*state, rows[i].block, "nonce"),
            known_keys_get(*state, rows[i].block, "requestDigest"),
        };
        struct bytes known = known_keys_get(*state, rows[i].block, "HS_PUBKEY RSA signedResponse");
        vectors_assert_equal(answer_of(*state, key, V(rows[i].minor), &challenge), known);
        assert_int_equal(signature_answer_check(public_key, &challenge, known), STATUS_OK);
    }
    EVP_PKEY_free(public_key);
    EVP_PKEY_free(key);
}

static void message_of_known_keys_when_signed_has_the_known_credential(void **state)
{
    static const uint8_t minors[] = {3, 7, 8, 11};
    EVP_PKEY *key = known_keys_private(*state, "keys/serverpriv.bin");
    EVP_PKEY *public_key = known_keys_public(*state, "keys/serverpub.bin");
    for (size_t i = 0; i < sizeof(minors); i++) {
        char block[64];
        (void)snprintf(block, sizeof(block), "[certified message signature 2.%u]", minors[i]);
        struct envelope envelope = {
            .version = {2, minors[i]}, .suggested = {2, 11}, .request_id = 0x01020304};
        struct bytes digested = known_keys_get(*state, block, "header+body");
        struct bytes known = known_keys_get(*state, block, "credential");
        struct wire_writer w = room(*state);
        struct credential credential;
        assert_int_equal(signature_message_make(key, &envelope, 0, digested, &w, &credential),
                         STATUS_OK);
        vectors_assert_equal(known_keys_encoded(*state, &credential), known);
        struct message message = known_keys_assemble(*state, envelope, digested, known);
        assert_int_equal(signature_message_check(public_key, &message), STATUS_OK);
    }
    EVP_PKEY_free(public_key);
    EVP_PKEY_free(key);
}

static void known_message_of_version_2_6_when_checked_is_refused(void **state)
{
    static const char block[] = "[certified message signature 2.6]";
    EVP_PKEY *key = known_keys_public(*state, "keys/serverpub.bin");
    struct envelope envelope = {.version = {2, 6}, .suggested = {2, 11}, .request_id = 0x01020304};
    struct bytes digested = known_keys_get(*state, block, "header+body");
    struct message message = known_keys_assemble(*state, envelope, digested,
                                                 known_keys_get(*state, block, "credential"));
    assert_int_equal(signature_message_check(key, &message), STATUS_NOT_SUPPORTED);
    /* What it signs: version, session and counter over each other, zeros. */
    static const uint8_t prefix[14] = {2, 6};
    struct signature_scheme scheme = {.key = key, .hash = SIGNATURE_SHA1};
    assert_int_equal(signature_check(&scheme, bytes_of(prefix, sizeof(prefix)), digested,
                                     message.credential.signature),
                     STATUS_OK);
    EVP_PKEY_free(key);
}

static const struct captured_answer {
    const char *challenge;
    const char *answer;
    const char *key; /* of the index the answer claims */
    enum status status;
} captured_answers[] = {
#define ANSWER(name, key, status)                                                                  \
    {                                                                                              \
        "captured/" name ".1.resp.hex", "captured/" name ".2.req.hex", "keys/" key,                \
            STATUS_##status                                                                        \
    }
    ANSWER("add-value", "adminpub.bin", OK),
    ANSWER("auth-bad-pubkey", "adminpub.bin", AUTHENTICATION_FAILED),
    ANSWER("auth-not-admin", "userpub.bin", OK), /* refused for another reason */
    ANSWER("create-h2", "adminpub.bin", OK),
    ANSWER("create-large", "adminpub.bin", OK),
    ANSWER("create-mint", "adminpub.bin", OK),
    ANSWER("create-overwrite", "adminpub.bin", OK),
    ANSWER("create-pubkey-tcp", "adminpub.bin", OK),
    ANSWER("create-utf8", "adminpub.bin", OK),
    ANSWER("delete-handle", "adminpub.bin", OK),
    ANSWER("home-prefix", "adminpub.bin", OK),
    ANSWER("idsdk-login-rsa", "adminpub.bin", OK),
    ANSWER("list-handles", "adminpub.bin", OK),
    ANSWER("modify-dsa", "dsapub.bin", OK),
    ANSWER("modify-pubkey-v2.3", "adminpub.bin", OK),
    ANSWER("modify-value", "adminpub.bin", OK),
    ANSWER("remove-value", "adminpub.bin", OK),
    ANSWER("resolve-private-auth-tcp", "adminpub.bin", OK),
#undef ANSWER
    {"captured/session-plain.2.resp.hex", "captured/session-plain.3.req.hex", "keys/adminpub.bin",
     STATUS_OK},
    {"captured-default-session/list-handles.1.resp.hex",
     "captured-default-session/list-handles.2.req.hex", "keys/adminpub.bin", STATUS_OK},
    {"captured-default-session/create-pubkey-tcp.2.resp.hex",
     "captured-default-session/create-pubkey-tcp.3.req.hex", "keys/adminpub.bin", STATUS_OK},
};

static void captured_answers_when_checked_come_out_as_the_server_judged(void **state)
{
    for (size_t i = 0; i < sizeof(captured_answers) / sizeof(captured_answers[0]); i++) {
        const struct captured_answer *row = &captured_answers[i];
        struct message asked = known_keys_message(*state, row->challenge);
        struct message answered = known_keys_message(*state, row->answer);
        EVP_PKEY *key = known_keys_public(*state, row->key);
        struct body_challenge challenge;
        struct body_answer answer;
        assert_int_equal(body_challenge_decode(asked.body, asked.envelope.version, &challenge),
                         STATUS_OK);
        assert_int_equal(body_answer_decode(answered.body, &answer), STATUS_OK);
        struct signature_challenge signed_challenge = {
            answer.identity.handle, challenge.nonce,
            bytes_of(challenge.digest.data, challenge.digest.len)};
        if (signature_answer_check(key, &signed_challenge, answer.signed_response) != row->status) {
            fail_msg("%s is not judged as it was", row->answer);
        }
        EVP_PKEY_free(key);
    }
}

static void captured_certified_responses_when_checked_hold(void **state)
{
    static const char *const files[] = {
        "captured/resolve-certify-tcp.resp.hex",
        "captured/resolve-certify-udp.resp.hex",
        "captured/resolve-certify-v2.3-udp.resp.hex",
        "captured/idsdk-lookup-certify.1.resp.hex",
        "captured/session-client.1.resp.hex",
        "captured/session-dh.1.resp.hex",
        "captured/session-dh.5.resp.hex",
        "captured/session-hdl.1.resp.hex",
        "captured/session-hdl.6.resp.hex",
        "captured/session-plain.1.resp.hex",
        "captured-default-session/create-pubkey-tcp.1.resp.hex",
    };
    EVP_PKEY *key = known_keys_public(*state, "keys/serverpub.bin");
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        struct message message = known_keys_message(*state, files[i]);
        if (signature_message_check(key, &message) != STATUS_OK) {
            fail_msg("the signature of %s does not hold", files[i]);
        }
        message.digested = known_keys_flipped(*state, message.digested, 100);
        assert_int_equal(signature_message_check(key, &message), STATUS_AUTHENTICATION_FAILED);
    }
    EVP_PKEY_free(key);
}

/* --- messages --------------------------------------------------------------------------------- */

static void message_signature_when_an_envelope_field_is_changed_fails(void **state)
{
    EVP_PKEY *key = v18_key(*state);
    struct message message =
        known_keys_assemble(*state, v18_envelope(11), vectors_get(*state, "V18.a_header_body"),
                            vectors_get(*state, "V18.a_credential"));
    struct message changed[7] = {message, message, message, message, message, message, message};
    changed[0].envelope.session_id++;
    changed[1].envelope.request_id++;
    changed[2].envelope.suggested.minor = 10;
    changed[3].envelope.version.minor = 10;
    changed[4].envelope.version.minor = 7;
    changed[5].credential.counter++;
    changed[6].credential.algorithm = BYTES_LITERAL("MD5");
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(signature_message_check(key, &changed[i]), STATUS_AUTHENTICATION_FAILED);
    }
    message.credential.algorithm = BYTES_LITERAL("\x03");
    assert_int_equal(signature_message_check(key, &message), STATUS_OK);
    message.credential.type = BYTES_LITERAL("HS_MAC");
    assert_int_equal(signature_message_check(key, &message), STATUS_INVALID_CREDENTIAL);
    message.credential.is_present = false;
    assert_int_equal(signature_message_check(key, &message), STATUS_INVALID_CREDENTIAL);
    EVP_PKEY_free(key);
}

static void prefix_when_nothing_is_suggested_has_the_version_twice(void **state)
{
    (void)state;
    struct envelope envelope = {.version = {2, 9}, .session_id = 1, .request_id = 2};
    static const uint8_t expected[] = {2, 9, 2, 9, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3};
    uint8_t prefix[SIGNATURE_PREFIX_MAX];
    vectors_assert_equal(bytes_of(prefix, signature_prefix(&envelope, 3, prefix)),
                         bytes_of(expected, sizeof(expected)));
}

/* --- keys and hashes ---------------------------------------------------------------------------
 */

static void hash_name_when_parsed_ignores_case_and_punctuation(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool is_known;
        enum signature_hash hash;
    } rows[] = {
        {"SHA1", true, SIGNATURE_SHA1},
        {"SHA-1", true, SIGNATURE_SHA1},
        {"sha_1", true, SIGNATURE_SHA1},
        {"\x02", true, SIGNATURE_SHA1},
        {"SHA256", true, SIGNATURE_SHA256},
        {"SHA-256", true, SIGNATURE_SHA256},
        {"Sha.256", true, SIGNATURE_SHA256},
        {"\x03", true, SIGNATURE_SHA256},
        {"SM3", true, SIGNATURE_SM3},
        {"sm-3", true, SIGNATURE_SM3},
        {"MD5", false, 0},
        {"\x01", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"SHA", false, 0},
        {"SHA2567", false, 0},
        {"SHA512", false, 0},
        {"SHA256withRSA", false, 0},
        {"\x02\x02", false, 0},
        {"\xef\xbc\xb3HA1", false, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum signature_hash hash = SIGNATURE_SHA1;
        assert_int_equal(signature_hash_parse(bytes_of_text(rows[i].name), &hash),
                         rows[i].is_known);
        if (rows[i].is_known) {
            assert_int_equal(hash, rows[i].hash);
        }
    }
    enum signature_hash hash = SIGNATURE_SM3;
    assert_false(signature_hash_parse(BYTES_LITERAL("SHA1\0"
                                                    "7"),
                                      &hash));
    assert_false(signature_hash_parse(bytes_of("\0", 1), &hash));
}

static EVP_PKEY *ec_key(const char *curve)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", curve);
    assert_non_null(key);
    return key;
}

static void hash_when_signing_follows_key_and_version(void **state)
{
    EVP_PKEY *rsa = v18_key(*state);
    EVP_PKEY *dsa = known_keys_public(*state, "keys/dsapub.bin");
    EVP_PKEY *sm2 = v19_key(*state);
    EVP_PKEY *ec = ec_key("P-256");
    assert_int_equal(signature_hash_for(rsa, V(6)), SIGNATURE_SHA1);
    assert_int_equal(signature_hash_for(rsa, V(7)), SIGNATURE_SHA256);
    assert_int_equal(signature_hash_for(dsa, V(10)), SIGNATURE_SHA1);
    assert_int_equal(signature_hash_for(dsa, V(11)), SIGNATURE_SHA256);
    assert_int_equal(signature_hash_for(sm2, V(3)), SIGNATURE_SM3);
    assert_int_equal(signature_hash_for(ec, V(3)), SIGNATURE_SHA256);
    EVP_PKEY_free(ec);
    EVP_PKEY_free(sm2);
    EVP_PKEY_free(dsa);
    EVP_PKEY_free(rsa);
}

static void assert_round_trip(struct arena *arena, EVP_PKEY *key, const char *name)
{
    struct signature_challenge challenge = v9(arena, SM2_USER);
    struct bytes answer = answer_of(arena, key, V(11), &challenge);
    struct body_signature parts;
    assert_int_equal(body_signature_decode(answer, &parts), STATUS_OK);
    vectors_assert_equal(parts.algorithm, bytes_of_text(name));
    assert_int_equal(signature_answer_check(key, &challenge, answer), STATUS_OK);
    assert_answer_is_tight(arena, key, &challenge, answer);
}

static void answer_when_made_by_any_key_holds(void **state)
{
    static const char *const curves[] = {"P-256", "P-384", "P-521"};
    EVP_PKEY *dsa = known_keys_private(*state, "keys/dsapriv.bin");
    assert_round_trip(*state, dsa, "SHA-256");
    EVP_PKEY_free(dsa);
    for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++) {
        EVP_PKEY *ec = ec_key(curves[i]);
        assert_round_trip(*state, ec, "SHA-256");
        EVP_PKEY_free(ec);
    }
}

static void dsa_answer_when_old_takes_sha1(void **state)
{
    EVP_PKEY *dsa = known_keys_private(*state, "keys/dsapriv.bin");
    struct signature_challenge challenge = v9(*state, SM2_USER);
    struct bytes answer = answer_of(*state, dsa, V(10), &challenge);
    struct body_signature parts;
    assert_int_equal(body_signature_decode(answer, &parts), STATUS_OK);
    vectors_assert_equal(parts.algorithm, BYTES_LITERAL("SHA1"));
    assert_int_equal(signature_answer_check(dsa, &challenge, answer), STATUS_OK);
    EVP_PKEY_free(dsa);
}

static void hash_when_not_of_the_key_is_refused(void **state)
{
    EVP_PKEY *rsa = v18_key(*state);
    EVP_PKEY *sm2 = v19_key(*state);
    EVP_PKEY *dh = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
    struct bytes signature = vectors_get(*state, "V19.der");
    const struct signature_scheme schemes[] = {
        {rsa, SIGNATURE_SM3, SM2_USER},
        {sm2, SIGNATURE_SHA256, SM2_USER},
        {sm2, SIGNATURE_SHA1, SM2_USER},
        {dh, SIGNATURE_SHA256, SM2_USER},
    };
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        struct wire_writer w = room(*state);
        assert_int_equal(signature_make(&schemes[i], signature, BYTES_NONE, &w),
                         STATUS_NOT_SUPPORTED);
        assert_int_equal(signature_check(&schemes[i], signature, BYTES_NONE, signature),
                         STATUS_AUTHENTICATION_FAILED);
    }
    EVP_PKEY_free(dh);
    EVP_PKEY_free(sm2);
    EVP_PKEY_free(rsa);
}

static void signature_when_it_cannot_be_made_says_why(void **state)
{
    EVP_PKEY *rsa = v18_key(*state);
    EVP_PKEY *public_key = known_keys_public(*state, "keys/adminpub.bin");
    struct signature_challenge challenge = v9(*state, SM2_USER);
    uint8_t small[142]; /* one byte short */
    struct wire_writer w = wire_write(small, sizeof(small));
    assert_int_equal(signature_answer_make(rsa, V(11), &challenge, &w), STATUS_NO_ROOM);
    w = room(*state);
    assert_int_equal(signature_answer_make(public_key, V(11), &challenge, &w), STATUS_ERROR);
    EVP_PKEY_free(public_key);
    EVP_PKEY_free(rsa);
}

/* --- junk ----------------------------------------------------------------------------------------
 */

static void answer_when_none_at_all_fails(void **state)
{
    EVP_PKEY *key = v18_key(*state);
    struct signature_challenge challenge = v9(*state, SM2_USER);
    struct bytes known = vectors_get(*state, "V18.c_signed_response");
    for (size_t len = 0; len < known.len; len++) {
        assert_int_equal(signature_answer_check(key, &challenge, bytes_of(known.data, len)),
                         STATUS_AUTHENTICATION_FAILED);
    }
    /* The right signature under a name we refuse, and with a byte too many. */
    struct body_signature parts;
    assert_int_equal(body_signature_decode(known, &parts), STATUS_OK);
    static const char *const names[] = {"MD5", "\x01", "SM3", "SHA1", ""};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct body_signature renamed = {bytes_of_text(names[i]), parts.signature};
        struct wire_writer w = room(*state);
        body_signature_encode(&w, &renamed);
        assert_int_equal(signature_answer_check(key, &challenge, wire_wrote(&w)),
                         STATUS_AUTHENTICATION_FAILED);
    }
    struct wire_writer longer = room(*state);
    wire_put_raw(&longer, parts.signature);
    wire_put_u8(&longer, 0);
    struct body_signature padded = {parts.algorithm, wire_wrote(&longer)};
    struct wire_writer w = room(*state);
    body_signature_encode(&w, &padded);
    assert_int_equal(signature_answer_check(key, &challenge, wire_wrote(&w)),
                     STATUS_AUTHENTICATION_FAILED);
    EVP_PKEY_free(key);
}

static const char *const der_junk[] = {
    "",
    "30",
    "3000",
    "3006020100020100",       /* r = s = 0 */
    "3006020100020101",       /* r = 0 */
    "3006020101020100",       /* s = 0 */
    "3006020101020101",       /* strict, and wrong */
    "30060201ff020101",       /* negative r */
    "3006020101020180",       /* negative s */
    "300702020001020101",     /* r padded */
    "300602010102010100",     /* trailing byte behind */
    "300702010102010100",     /* trailing byte inside */
    "3009020101020101020101", /* three numbers */
    "3003020101",             /* one number */
    "308106020101020101",     /* length not in its shortest form */
    "30820006020101020101",   /* nor this one */
    "30800201010201010000",   /* indefinite */
    "300702810101020101",     /* r's length not in its shortest form */
    "3004020002 00",          /* empty numbers */
    "3106020101020101",       /* a set */
    "3006030101020101",       /* a bit string */
    "300602010102017f00",     /* length lies, short */
    "3016020101020101",       /* length lies, long */
    "3006020101027f01",       /* a number's length lies */
};

static void signature_when_der_junk_fails(void **state)
{
    EVP_PKEY *keys[] = {known_keys_public(*state, "keys/dsapub.bin"), v19_key(*state),
                        ec_key("P-256"), v18_key(*state)};
    static const enum signature_hash hashes[] = {SIGNATURE_SHA256, SIGNATURE_SM3, SIGNATURE_SHA256,
                                                 SIGNATURE_SHA256};
    for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
        struct signature_scheme scheme = {keys[k], hashes[k], SM2_USER};
        for (size_t i = 0; i < sizeof(der_junk) / sizeof(der_junk[0]); i++) {
            struct bytes junk = vectors_hex(*state, bytes_of_text(der_junk[i]));
            assert_int_equal(signature_check(&scheme, SM2_USER, BYTES_NONE, junk),
                             STATUS_AUTHENTICATION_FAILED);
        }
        EVP_PKEY_free(keys[k]);
    }
}

static struct bytes der_of(struct arena *arena, struct bytes r, struct bytes s)
{
    struct wire_writer w = room(arena);
    wire_put_u8(&w, 0x30);
    wire_put_u8(&w, (uint8_t)(r.len + s.len + 4));
    wire_put_u8(&w, 0x02);
    wire_put_u8(&w, (uint8_t)r.len);
    wire_put_raw(&w, r);
    wire_put_u8(&w, 0x02);
    wire_put_u8(&w, (uint8_t)s.len);
    wire_put_raw(&w, s);
    return wire_wrote(&w);
}

/* Right numbers, framed otherwise: each would verify with a reader that does not mind. */
static void signature_when_right_but_not_strict_fails(void **state)
{
    EVP_PKEY *key = v19_key(*state);
    struct signature_scheme scheme = {key, SIGNATURE_SM3, SM2_USER};
    struct bytes message = vectors_get(*state, "V19.sm3_m");
    struct bytes der = vectors_get(*state, "V19.der");
    struct bytes r = bytes_of(der.data + 4, 33);
    struct bytes s = bytes_of(der.data + 39, 33);
    vectors_assert_equal(der_of(*state, r, s), der);
    assert_int_equal(signature_check(&scheme, message, BYTES_NONE, der), STATUS_OK);
    struct wire_writer padded = room(*state);
    wire_put_u8(&padded, 0);
    wire_put_raw(&padded, r);
    struct wire_writer trailing = room(*state);
    wire_put_raw(&trailing, der);
    wire_put_u8(&trailing, 0);
    struct wire_writer longer = room(*state);
    wire_put_u8(&longer, 0x30);
    wire_put_u8(&longer, 0x81);
    wire_put_raw(&longer, bytes_from(der, 1));
    const struct bytes variants[] = {
        der_of(*state, wire_wrote(&padded), s),
        der_of(*state, bytes_from(r, 1), s), /* top bit set: negative */
        der_of(*state, r, bytes_from(s, 1)),
        wire_wrote(&trailing),
        wire_wrote(&longer),
    };
    for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++) {
        assert_int_equal(signature_check(&scheme, message, BYTES_NONE, variants[i]),
                         STATUS_AUTHENTICATION_FAILED);
    }
    EVP_PKEY_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(message_of_v18_when_signed_has_the_known_credential),
        CASE(message_of_version_2_6_when_signed_is_refused),
        CASE(answer_of_v18_when_made_is_the_known_one),
        CASE(answer_of_v19_when_computed_by_hand_is_the_known_one),
        CASE(answer_of_v19_when_checked_holds),
        CASE(sm2_answer_when_made_holds_for_its_user_only),
        CASE(sm2_signature_when_bare_takes_the_given_id),
        CASE(sm2_key_when_signing_messages_is_refused),
        CASE(answer_of_known_keys_when_made_is_the_known_one),
        CASE(message_of_known_keys_when_signed_has_the_known_credential),
        CASE(known_message_of_version_2_6_when_checked_is_refused),
        CASE(captured_answers_when_checked_come_out_as_the_server_judged),
        CASE(captured_certified_responses_when_checked_hold),
        CASE(message_signature_when_an_envelope_field_is_changed_fails),
        CASE(prefix_when_nothing_is_suggested_has_the_version_twice),
        CASE(hash_name_when_parsed_ignores_case_and_punctuation),
        CASE(hash_when_signing_follows_key_and_version),
        CASE(answer_when_made_by_any_key_holds),
        CASE(dsa_answer_when_old_takes_sha1),
        CASE(hash_when_not_of_the_key_is_refused),
        CASE(signature_when_it_cannot_be_made_says_why),
        CASE(answer_when_none_at_all_fails),
        CASE(signature_when_der_junk_fails),
        CASE(signature_when_right_but_not_strict_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
