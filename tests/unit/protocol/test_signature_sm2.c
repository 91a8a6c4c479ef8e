/* SPDX-License-Identifier: Apache-2.0
 *
 * SM2: vector V19, computed by hand from the standard's formulas as well, answers for their user
 * only (protocol.md §12.6).
 */
#include "protocol/signature.h"

#include "tests/unit/protocol/signature_fixture.h"

#include <openssl/ec.h>
#include <openssl/obj_mac.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(answer_of_v19_when_computed_by_hand_is_the_known_one),
        CASE(answer_of_v19_when_checked_holds),
        CASE(sm2_answer_when_made_holds_for_its_user_only),
        CASE(sm2_signature_when_bare_takes_the_given_id),
        CASE(sm2_key_when_signing_messages_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
