/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys as JWK: RSA, DSA and SM2, and which records have no such form.
 */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "protocol/pubkey.h"
#include "protocol/record_json.h"
#include "tests/unit/protocol/vectors.h"

static int set_up(void **state)
{
    *state = arena_new(1 << 16, 4 << 20);
    return *state == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    arena_free(*state);
    return 0;
}

static EVP_PKEY *sm2_key(struct arena *arena)
{
    struct bytes pem = vectors_file(arena, "keys/sm2priv.pem");
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    assert_non_null(key);
    return key;
}

static struct bytes record_of(struct arena *arena, const EVP_PKEY *key)
{
    uint8_t *room = arena_alloc(arena, 1024);
    assert_non_null(room);
    struct wire_writer w = wire_write(room, 1024);
    assert_int_equal(pubkey_from_evp(key, &w), STATUS_OK);
    return wire_wrote(&w);
}

static void expect_survives(struct arena *arena, struct bytes record, const char *kind)
{
    json_t *jwk = key_json_encode(record);
    struct bytes again;
    assert_non_null(jwk);
    assert_string_equal(json_string_value(json_object_get(jwk, "kty")), kind);
    assert_int_equal(key_json_decode(jwk, arena, &again, NULL), STATUS_OK);
    vectors_assert_equal(again, record);
    json_decref(jwk);
}

static void key_of_every_kind_survives(void **state)
{
    EVP_PKEY *sm2 = sm2_key(*state);
    expect_survives(*state, vectors_file(*state, "keys/adminpub.bin"), "RSA");
    expect_survives(*state, vectors_file(*state, "keys/dsapub.bin"), "DSA");
    expect_survives(*state, vectors_get(*state, "V6.rsa"), "RSA");
    expect_survives(*state, vectors_get(*state, "V6.dsa"), "DSA");
    expect_survives(*state, record_of(*state, sm2), "SM2");
    EVP_PKEY_free(sm2);
}

static void rsa_when_written_has_no_sign_byte(void **state)
{
    json_t *jwk = key_json_encode(vectors_get(*state, "V6.rsa"));
    struct bytes n;
    assert_string_equal(json_string_value(json_object_get(jwk, "e")), "AQAB");
    assert_int_equal(text_base64url_parse(
                         bytes_of_text(json_string_value(json_object_get(jwk, "n"))), *state, &n),
                     STATUS_OK);
    assert_int_equal(n.len, 64);
    assert_int_equal(n.data[0], 0x80);
    json_decref(jwk);
}

static void sm2_when_read_is_the_key(void **state)
{
    EVP_PKEY *sm2 = sm2_key(*state);
    json_t *jwk = key_json_encode(record_of(*state, sm2));
    struct bytes record;
    struct pubkey key;
    EVP_PKEY *evp = NULL;
    assert_int_equal(json_string_length(json_object_get(jwk, "x")), 43);
    assert_int_equal(key_json_decode(jwk, *state, &record, NULL), STATUS_OK);
    assert_int_equal(pubkey_decode(record, &key), STATUS_OK);
    assert_int_equal(pubkey_to_evp(&key, &evp), STATUS_OK);
    assert_int_equal(EVP_PKEY_eq(evp, sm2), 1);
    EVP_PKEY_free(evp);
    EVP_PKEY_free(sm2);
    json_decref(jwk);
}

static void expect_no_jwk(struct bytes record)
{
    json_t *jwk = key_json_encode(record);
    assert_null(jwk);
}

static void key_that_would_not_come_back_has_no_jwk(void **state)
{
    struct bytes record = vectors_file(*state, "keys/adminpub.bin");
    uint8_t *changed = arena_alloc(*state, record.len + 1);
    EVP_PKEY *sm2 = sm2_key(*state);
    unsigned char *der = NULL;
    int len = i2d_PUBKEY(sm2, &der);
    uint8_t room[512];
    struct wire_writer w = wire_write(room, sizeof(room));
    assert_non_null(changed);
    memcpy(changed, record.data, record.len);
    changed[record.len] = 0;
    expect_no_jwk(bytes_of(changed, record.len - 4)); /* other trailers */
    expect_no_jwk(bytes_of(changed, record.len + 1));
    changed[16] = 1; /* flags */
    expect_no_jwk(bytes_of(changed, record.len));
    wire_put_bytes(&w, BYTES_LITERAL("SM2_PUB_KEY"));
    wire_put_u16(&w, 0);
    wire_put_bytes(&w, bytes_of(der, (size_t)len)); /* DER, where we write PEM */
    expect_no_jwk(wire_wrote(&w));
    expect_no_jwk(BYTES_LITERAL("-----BEGIN PUBLIC KEY-----"));
    expect_no_jwk(BYTES_NONE);
    OPENSSL_free(der);
    EVP_PKEY_free(sm2);
}

static void jwk_with_wrong_member_names_it(void **state)
{
    static const char *const cases[][2] = {
        {"{}", "kty: missing"},
        {"{\"kty\":\"EC\"}", "kty: only"},
        {"{\"kty\":\"RSA\",\"n\":\"AQAB\"}", "e: missing"},
        {"{\"kty\":\"RSA\",\"n\":\"AQ==\",\"e\":\"AQAB\"}", "n: not a base64url number"},
        {"{\"kty\":\"RSA\",\"n\":\"+/\",\"e\":\"AQAB\"}", "n: not a base64url number"},
        {"{\"kty\":\"RSA\",\"n\":\"AAAA\",\"e\":\"AQAB\"}", "n: not a base64url number"},
        {"{\"kty\":\"DSA\",\"q\":\"AQ\",\"p\":7}", "p: not a text"},
        {"{\"kty\":\"SM2\",\"x\":\"AQ\"}", "y: missing"},
        {"{\"kty\":\"SM2\",\"x\":\"AQ\",\"y\":\"AQ\"}", "x, y: no point"},
        {"{\"kty\":\"SM2\",\"x\":\"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB\"}",
         "x: longer than 32 bytes"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *jwk = json_loads(cases[i][0], 0, NULL);
        struct bytes data;
        struct fault fault = {STATUS_OK, ""};
        assert_non_null(jwk);
        assert_int_not_equal(key_json_decode(jwk, *state, &data, &fault), STATUS_OK);
        if (strncmp(fault.text, cases[i][1], strlen(cases[i][1])) != 0) {
            fail_msg("\"%s\" instead of \"%s\"", fault.text, cases[i][1]);
        }
        json_decref(jwk);
    }
}

static void jwk_with_leading_zeros_is_read(void **state)
{
    json_t *jwk = json_pack("{s:s,s:s,s:s}", "kty", "RSA", "e", "AAEAAQ", "n", "AIE");
    struct bytes data;
    assert_int_equal(key_json_decode(jwk, *state, &data, NULL), STATUS_OK);
    vectors_assert_equal(data, BYTES_LITERAL("\0\0\0\x0bRSA_PUB_KEY\0\0\0\0\0\3\1\0\1"
                                             "\0\0\0\2\0\x81\0\0\0\0"));
    json_decref(jwk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_of_every_kind_survives),
        cmocka_unit_test(rsa_when_written_has_no_sign_byte),
        cmocka_unit_test(sm2_when_read_is_the_key),
        cmocka_unit_test(key_that_would_not_come_back_has_no_jwk),
        cmocka_unit_test(jwk_with_wrong_member_names_it),
        cmocka_unit_test(jwk_with_leading_zeros_is_read),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
